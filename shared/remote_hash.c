#include "shared/remote_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "shared/extremes.h"

#define READ_SIZE ((size_t)1 << 18)
#define BASE64_SIZE_MAX 64

static const struct {
    const char *name;
    size_t size;
} hashes[] = {{"md5", 16}, {"sha1", 20}, {"sha256", 32}};

size_t hash_size(const char *name)
{
    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        if (strcmp(hashes[i].name, name) == 0) {
            return hashes[i].size;
        }
    }
    return 0;
}

static enum status read_all(EVP_MD_CTX *context, struct piece piece, uint8_t *bytes,
                            struct error *err)
{
    for (uint64_t done = 0; done < piece.size;) {
        const size_t most = (size_t)smaller(READ_SIZE, piece.size - done);
        const ssize_t size = pread(piece.file, bytes, most, (off_t)(piece.start + done));
        if (size < 0 && errno != EINTR) {
            return error_set(err, STATUS_IO, "reading a file: %s", strerror(errno));
        }
        if (size == 0) {
            return error_set(err, STATUS_IO, "a file became shorter while it was read");
        }
        if (size > 0 && EVP_DigestUpdate(context, bytes, (size_t)size) != 1) {
            return error_set(err, STATUS_IO, "a hash cannot be made");
        }
        done += size > 0 ? (uint64_t)size : 0;
    }
    return STATUS_OK;
}

enum status hash_file(const char *name, struct piece piece, uint8_t hash_out[REMOTE_HASH_SIZE_MAX],
                      struct error *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t *bytes = malloc(READ_SIZE);
    const EVP_MD *method = EVP_get_digestbyname(name);
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    enum status status = STATUS_OK;
    if (context == NULL || bytes == NULL || method == NULL ||
        EVP_DigestInit_ex(context, method, NULL) != 1) {
        status = error_set(err, STATUS_IO, "no %s can be made on this host", name);
    }
    if (status == STATUS_OK) {
        status = read_all(context, piece, bytes, err);
    }
    if (status == STATUS_OK &&
        (EVP_DigestFinal_ex(context, hash, &size) != 1 || size != hash_size(name))) {
        status = error_set(err, STATUS_IO, "a hash cannot be made");
    }
    if (status == STATUS_OK) {
        memcpy(hash_out, hash, size);
    }
    free(bytes);
    EVP_MD_CTX_free(context);
    return status;
}

bool hash_from_base64(const char *text, size_t text_size, uint8_t *hash_out, size_t size)
{
    unsigned char copy[BASE64_SIZE_MAX + 1];
    unsigned char bytes[BASE64_SIZE_MAX];
    if (text_size != (size + 2) / 3 * 4 || text_size > BASE64_SIZE_MAX) {
        return false;
    }
    memcpy(copy, text, text_size);
    const int decoded = EVP_DecodeBlock(bytes, copy, (int)text_size); /* padding counts as zeros */
    if (decoded < (int)size || decoded > (int)size + 2) {
        return false;
    }
    memcpy(hash_out, bytes, size);
    return true;
}

bool hash_from_hex(const char *text, size_t text_size, uint8_t *hash_out, size_t size)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    if (text_size != 2 * size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        const char *high = memchr(digits, text[2 * i], sizeof(digits) - 1);
        const char *low = memchr(digits, text[2 * i + 1], sizeof(digits) - 1);
        if (high == NULL || low == NULL) {
            return false;
        }
        hash_out[i] = (uint8_t)((high - digits) % 16 * 16 + (low - digits) % 16);
    }
    return true;
}

/* "ABCDEF" are at 26 to 31 of the digits above, so that each remainder by 16 is the digit. */
_Static_assert(sizeof("0123456789abcdef0123456789") - 1 + 6 == 32, "hexadecimal digits");

void hash_to_base64(const uint8_t *hash, size_t size, char *text_out)
{
    (void)EVP_EncodeBlock((unsigned char *)text_out, hash, (int)size);
}
