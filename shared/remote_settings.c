#include "shared/remote_settings.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/quantity.h"

#define TRIES "MAPFLEET_FETCH_TRIES"
#define STALL "MAPFLEET_FETCH_STALL"
#define PART "MAPFLEET_PUT_PART"
#define PART_SIZE_DEFAULT ((uint64_t)1 << 30)
#define PART_SIZE_MIN ((uint64_t)64 << 10)
#define PART_SIZE_MAX ((uint64_t)5 << 30)
#define TRIES_DEFAULT 5
#define TRIES_MAX 100
#define STALL_US_DEFAULT 30000000
#define STALL_US_MIN 1000000

static const char *const names[] = {"AWS_ACCESS_KEY_ID",
                                    "AWS_SECRET_ACCESS_KEY",
                                    "AWS_SESSION_TOKEN",
                                    "AWS_REGION",
                                    "AWS_DEFAULT_REGION",
                                    "AWS_ENDPOINT_URL_S3",
                                    "AWS_ENDPOINT_URL",
                                    "AWS_CA_BUNDLE",
                                    "MAPFLEET_FILES_DIR",
                                    "MAPFLEET_FILES_SIZE",
                                    PART,
                                    TRIES,
                                    STALL};

enum status remote_settings_take(struct buffer *out)
{
    static const char first[] = "MAPFLEET=" MAPFLEET_VERSION;
    enum status status = buffer_append(out, first, sizeof(first));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && status == STATUS_OK; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && *value != '\0') {
            status = buffer_printf(out, "%s=%s", names[i], value);
            if (status == STATUS_OK) {
                status = buffer_append_byte(out, '\0');
            }
        }
    }
    return status;
}

const char *remote_setting(const struct remote_settings *settings, const char *name)
{
    const char *at = (const char *)settings->data;
    const size_t name_size = strlen(name);
    size_t left = settings->size;
    while (left > 0) {
        const size_t size = strnlen(at, left);
        if (size == left) {
            return NULL; /* no NUL: malformed */
        }
        if (size > name_size + 1 && strncmp(at, name, name_size) == 0 && at[name_size] == '=') {
            return at + name_size + 1;
        }
        at += size + 1;
        left -= size + 1;
    }
    return NULL;
}

enum status remote_settings_check_s3(const struct remote_settings *settings, struct error *err)
{
    const bool has_id = remote_setting(settings, "AWS_ACCESS_KEY_ID") != NULL;
    const bool has_secret = remote_setting(settings, "AWS_SECRET_ACCESS_KEY") != NULL;
    if (has_id && has_secret) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID,
                     "no credentials for s3: %s%s%s not set in the environment (files below ~/.aws "
                     "are not read)",
                     has_id ? "" : "AWS_ACCESS_KEY_ID", has_id || has_secret ? "" : " and ",
                     has_secret ? " is"
                     : has_id   ? "AWS_SECRET_ACCESS_KEY is"
                                : "AWS_SECRET_ACCESS_KEY are");
}

enum status remote_settings_check_own_s3(struct error *err)
{
    struct buffer bytes = {0};
    enum status status = remote_settings_take(&bytes);
    const struct remote_settings settings = {.data = bytes.data, .size = bytes.size};
    status = status == STATUS_OK ? remote_settings_check_s3(&settings, err)
                                 : error_set(err, status, "out of memory");
    buffer_free(&bytes);
    return status;
}

static enum status parse_tries(const char *text, uint64_t *tries_out, struct error *err)
{
    *tries_out = TRIES_DEFAULT;
    if (text != NULL && (quantity_parse_count(text, tries_out, NULL) != STATUS_OK ||
                         *tries_out == 0 || *tries_out > TRIES_MAX)) {
        *tries_out = TRIES_DEFAULT;
        return error_set(err, STATUS_INVALID,
                         TRIES ": \"%s\": expected a whole number from 1 to %d", text, TRIES_MAX);
    }
    return STATUS_OK;
}

static enum status parse_stall(const char *text, uint64_t *stall_us_out, struct error *err)
{
    uint64_t ns = 0;
    *stall_us_out = STALL_US_DEFAULT;
    if (text != NULL &&
        (quantity_parse_time(text, &ns, NULL) != STATUS_OK || ns / 1000 < STALL_US_MIN)) {
        return error_set(err, STATUS_INVALID, STALL ": \"%s\": expected a time of 1s or more",
                         text);
    }
    *stall_us_out = text != NULL ? ns / 1000 : STALL_US_DEFAULT;
    return STATUS_OK;
}

static enum status parse_part(const char *text, uint64_t *size_out, struct error *err)
{
    *size_out = PART_SIZE_DEFAULT;
    if (text != NULL && (quantity_parse_size(text, size_out, NULL) != STATUS_OK ||
                         *size_out < PART_SIZE_MIN || *size_out > PART_SIZE_MAX)) {
        *size_out = PART_SIZE_DEFAULT;
        return error_set(err, STATUS_INVALID, PART ": \"%s\": expected a size from 64Ki to 5Gi",
                         text);
    }
    return STATUS_OK;
}

static enum status check_endpoint(const struct remote_settings *settings, const char *name,
                                  struct error *err)
{
    const char *text = remote_setting(settings, name);
    if (text == NULL || strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID, "%s: \"%s\": expected http://HOST or https://HOST", name,
                     text);
}

enum status remote_settings_check(const struct remote_settings *settings, struct error *err)
{
    const char *size = remote_setting(settings, "MAPFLEET_FILES_SIZE");
    const char *dir = remote_setting(settings, "MAPFLEET_FILES_DIR");
    uint64_t number;
    enum status status = parse_tries(remote_setting(settings, TRIES), &number, err);
    if (status == STATUS_OK) {
        status = parse_stall(remote_setting(settings, STALL), &number, err);
    }
    if (status == STATUS_OK) {
        status = parse_part(remote_setting(settings, PART), &number, err);
    }
    if (status == STATUS_OK && size != NULL &&
        quantity_parse_size(size, &number, err) != STATUS_OK) {
        error_prefix(err, "MAPFLEET_FILES_SIZE: ");
        status = STATUS_INVALID;
    }
    if (status == STATUS_OK && dir != NULL && *dir != '/') {
        status = error_set(err, STATUS_INVALID,
                           "MAPFLEET_FILES_DIR: \"%s\": expected an absolute path", dir);
    }
    if (status == STATUS_OK) {
        status = check_endpoint(settings, "AWS_ENDPOINT_URL_S3", err);
    }
    return status == STATUS_OK ? check_endpoint(settings, "AWS_ENDPOINT_URL", err) : status;
}

uint64_t remote_settings_tries(const struct remote_settings *settings)
{
    uint64_t tries;
    (void)!parse_tries(remote_setting(settings, TRIES), &tries, NULL);
    return tries;
}

uint64_t remote_settings_stall_us(const struct remote_settings *settings)
{
    uint64_t stall_us;
    (void)!parse_stall(remote_setting(settings, STALL), &stall_us, NULL);
    return stall_us;
}

uint64_t remote_settings_part_size(const struct remote_settings *settings)
{
    uint64_t size;
    (void)!parse_part(remote_setting(settings, PART), &size, NULL);
    return size;
}
