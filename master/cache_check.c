#include "master/cache_check.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The form of the file, as mdb.c of LMDB 0.9 lays it out. */
#define PAGE_HEADER_SIZE 16u
#define NODE_HEADER_SIZE 8u
#define TABLE_SIZE 48u
#define META_SIZE 152u
#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1u
#define PAGE_SIZE_MIN 512u
#define PAGE_SIZE_MAX 32768u
#define NO_PAGE UINT64_MAX
#define DEPTH_MAX 31u
#define FIRST_PAGE 2u
#define TABLE_COUNT_MAX 64u
#define FREE_TABLE_FLAGS 0x08u /* keys are integers */
#define MADE_AS_FILE 0x4000u   /* kept with them where the file was made under its own name */
#define FREE_KEY_SIZE 8u

enum { PAGE_BRANCH = 0x01, PAGE_LEAF = 0x02, PAGE_OVERFLOW = 0x04, PAGE_META = 0x08 };
#define PAGE_KIND_MASK 0x6fu /* without what pages in memory are marked with */
enum { NODE_BIG = 0x01, NODE_TABLE = 0x02 };

/* Pages past the end of the file that a table may still count: given up before they were written.
 */
#define UNWRITTEN_PAGES_MAX (UINT64_C(1) << 22)

struct table {
    uint32_t page_size; /* of the table of free pages alone */
    uint16_t flags;
    uint16_t depth;
    uint64_t root;
};

struct meta {
    struct table free;
    struct table main;
    uint64_t last_page;
    uint64_t id;
};

struct check {
    const char *path;
    const uint8_t *bytes;
    uint64_t size;
    uint32_t page_size;
    uint64_t last_page;
    uint32_t key_size;
    uint8_t *seen; /* a bit a page */
    struct error *err;
};

static bool is_known_form(void)
{
    return sizeof(size_t) == 8 && BYTE_ORDER == LITTLE_ENDIAN;
}

static uint16_t get16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static struct table get_table(const uint8_t *at)
{
    return (struct table){.page_size = get32(at),
                          .flags = get16(at + 4),
                          .depth = get16(at + 6),
                          .root = get64(at + 40)};
}

/* ---- The first pages --------------------------------------------------------------------------
 */

static const char *get_meta(const uint8_t *page, uint64_t number, uint64_t file_size,
                            struct meta *meta_out)
{
    const struct meta meta = {.free = get_table(page + 40),
                              .main = get_table(page + 88),
                              .last_page = get64(page + 136),
                              .id = get64(page + 144)};
    if (get64(page) != number || (get16(page + 10) & PAGE_KIND_MASK) != PAGE_META ||
        get32(page + 16) != META_MAGIC || get32(page + 20) != META_VERSION) {
        return "is no store";
    }
    const uint32_t page_size = meta.free.page_size;
    if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX ||
        (page_size & (page_size - 1)) != 0) {
        return "has pages of an impossible size";
    }
    if ((meta.free.flags & ~MADE_AS_FILE) != FREE_TABLE_FLAGS || meta.main.flags != 0) {
        return "has tables of an unknown kind";
    }
    if (meta.last_page < 1 || meta.last_page > file_size / page_size + UNWRITTEN_PAGES_MAX) {
        return "is shorter than it says";
    }
    *meta_out = meta;
    return NULL;
}

static enum status check_metas(const uint8_t *bytes, uint64_t size, const char *path,
                               struct meta metas_out[2], struct error *err)
{
    const char *wrong = "is cut off";
    if (size >= 2 * (uint64_t)PAGE_SIZE_MIN) {
        wrong = get_meta(bytes, 0, size, &metas_out[0]);
    }
    if (wrong == NULL) {
        const uint32_t page_size = metas_out[0].free.page_size;
        wrong = size < 2 * (uint64_t)page_size
                    ? "is cut off"
                    : get_meta(bytes + page_size, 1, size, &metas_out[1]);
        if (wrong == NULL && metas_out[1].free.page_size != page_size) {
            wrong = "has pages of two sizes";
        }
    }
    return wrong == NULL ? STATUS_OK : error_set(err, STATUS_INVALID, "%s %s", path, wrong);
}

/* Map the whole file; *bytes_out is NULL where it is empty or not there. */
static enum status map_file(const char *path, const uint8_t **bytes_out, uint64_t *size_out,
                            struct error *err)
{
    struct stat about;
    enum status status = STATUS_OK;
    *bytes_out = NULL;
    *size_out = 0;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return errno == ENOENT ? STATUS_OK
                               : error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
        status = error_set(err, STATUS_INVALID, "%s is no regular file", path);
    } else if (about.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, file, 0);
        if (bytes == MAP_FAILED) {
            status = error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
        } else {
            *bytes_out = bytes;
            *size_out = (uint64_t)about.st_size;
        }
    }
    (void)close(file);
    return status;
}

static void unmap_file(const uint8_t *bytes, uint64_t size)
{
    if (bytes != NULL) {
        (void)munmap((void *)(uintptr_t)bytes, (size_t)size);
    }
}

enum status cache_check_head(const char *path, struct error *err)
{
    const uint8_t *bytes;
    uint64_t size;
    struct meta metas[2];
    if (!is_known_form()) {
        return STATUS_OK;
    }
    enum status status = map_file(path, &bytes, &size, err);
    if (status == STATUS_OK && bytes != NULL) {
        status = check_metas(bytes, size, path, metas, err);
    }
    unmap_file(bytes, size);
    return status;
}

/* ---- All pages --------------------------------------------------------------------------------
 */

static bool wrong(const struct check *check, uint64_t number, const char *what)
{
    (void)error_set(check->err, STATUS_INVALID, "%s is damaged at page %" PRIu64 ": %s",
                    check->path, number, what);
    return false;
}

/* Is it a page of the file that nothing else has named? */
static bool mark(struct check *check, uint64_t number)
{
    if (number < FIRST_PAGE || number > check->last_page) {
        return wrong(check, number, "there is no such page");
    }
    if ((check->seen[number / 8] >> (number % 8) & 1) != 0) {
        return wrong(check, number, "it is used twice");
    }
    check->seen[number / 8] |= (uint8_t)(1u << number % 8);
    return true;
}

static const uint8_t *find_page(struct check *check, uint64_t number, unsigned kind)
{
    if (!mark(check, number)) {
        return NULL;
    }
    if ((number + 1) * check->page_size > check->size) {
        (void)wrong(check, number, "it lies past the end");
        return NULL;
    }
    const uint8_t *page = check->bytes + number * check->page_size;
    if (get64(page) != number || (get16(page + 10) & PAGE_KIND_MASK) != kind) {
        (void)wrong(check, number, "it is of another kind");
        return NULL;
    }
    return page;
}

static bool check_table(struct check *check, const struct table *table, bool is_free,
                        uint32_t key_size, unsigned tables_left);

/* A value too large for its page: consecutive pages of its own. *data_out is its first byte. */
static bool check_overflow(struct check *check, uint64_t number, uint32_t size,
                           const uint8_t **data_out)
{
    const uint64_t count =
        ((uint64_t)PAGE_HEADER_SIZE + size + check->page_size - 1) / check->page_size;
    const uint8_t *page = find_page(check, number, PAGE_OVERFLOW);
    if (page == NULL) {
        return false;
    }
    if (get32(page + 12) != count) {
        return wrong(check, number, "its value is of another size");
    }
    for (uint64_t i = 1; i < count; i++) {
        if (!mark(check, number + i)) {
            return false;
        }
    }
    if ((number + count) * check->page_size > check->size) {
        return wrong(check, number, "it lies past the end");
    }
    *data_out = page + PAGE_HEADER_SIZE;
    return true;
}

/* A list of pages that are free: how many, and their numbers. */
static bool check_free_list(struct check *check, uint64_t number, const uint8_t *data,
                            uint32_t size)
{
    uint64_t count = size >= 8 ? get64(data) : UINT64_MAX;
    if (size % 8 != 0 || count > size / 8 - 1) {
        return wrong(check, number, "its list of free pages is cut off");
    }
    for (uint64_t i = 1; i <= count; i++) {
        if (!mark(check, get64(data + 8 * i))) {
            return false;
        }
        if (i > 1 && get64(data + 8 * i) >= get64(data + 8 * (i - 1))) {
            return wrong(check, number, "its list of free pages is out of order");
        }
    }
    return true;
}

/* Where a walk is: which table, and what its leaves hold. */
struct place {
    bool is_free;
    uint32_t key_size; /* 0: any, as of the names of tables */
    unsigned tables_left;
};

static bool check_leaf_node(struct check *check, const struct place *place, uint64_t number,
                            const uint8_t *node, uint32_t room)
{
    const uint32_t size = (uint32_t)get16(node) | (uint32_t)get16(node + 2) << 16;
    const uint16_t flags = get16(node + 4);
    const uint32_t key_size = get16(node + 6);
    const bool is_big = flags == NODE_BIG;
    const bool holds_tables = place->tables_left > 0;
    const uint64_t used = (uint64_t)NODE_HEADER_SIZE + key_size + (is_big ? 8 : size);
    if (used > room) {
        return wrong(check, number, "an entry is larger than the page");
    }
    if (key_size == 0 || (place->key_size > 0 && key_size != place->key_size)) {
        return wrong(check, number, "a key is of another size");
    }
    const uint8_t *data = node + NODE_HEADER_SIZE + key_size;
    if (holds_tables) {
        if (flags != NODE_TABLE || size != TABLE_SIZE) {
            return wrong(check, number, "an entry is no table");
        }
        const struct table table = get_table(data);
        return table.flags == 0 ? check_table(check, &table, false, check->key_size, 0)
                                : wrong(check, number, "a table is of an unknown kind");
    }
    if (flags != 0 && !is_big) {
        return wrong(check, number, "an entry is of an unknown kind");
    }
    if (is_big && !check_overflow(check, get64(data), size, &data)) {
        return false;
    }
    return !place->is_free || check_free_list(check, number, data, size);
}

static bool check_page(struct check *check, const struct place *place, uint64_t number,
                       unsigned levels);

static bool check_branch_node(struct check *check, const struct place *place, uint64_t number,
                              const uint8_t *node, uint32_t room, bool is_first, unsigned levels)
{
    const uint32_t key_size = get16(node + 6);
    const uint64_t child =
        (uint64_t)get16(node) | (uint64_t)get16(node + 2) << 16 | (uint64_t)get16(node + 4) << 32;
    if ((uint64_t)NODE_HEADER_SIZE + key_size > room) {
        return wrong(check, number, "an entry is larger than the page");
    }
    if (!is_first && (key_size == 0 || (place->key_size > 0 && key_size != place->key_size))) {
        return wrong(check, number, "a key is of another size");
    }
    return check_page(check, place, child, levels - 1);
}

static bool check_nodes(struct check *check, const struct place *place, uint64_t number,
                        const uint8_t *page, unsigned levels)
{
    const uint32_t lower = get16(page + 12);
    const uint32_t upper = get16(page + 14);
    const uint32_t count = (lower - PAGE_HEADER_SIZE) / 2;
    const bool is_leaf = levels == 1;
    if (lower < PAGE_HEADER_SIZE || lower % 2 != 0 || lower > upper || upper > check->page_size ||
        count < (is_leaf || place->is_free ? 1 : 2)) {
        return wrong(check, number, "its bounds make no sense");
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = get16(page + PAGE_HEADER_SIZE + (size_t)2 * i);
        if (at < upper || at % 2 != 0 || at + NODE_HEADER_SIZE > check->page_size) {
            return wrong(check, number, "an entry lies outside");
        }
        const uint32_t room = check->page_size - at;
        if (!(is_leaf ? check_leaf_node(check, place, number, page + at, room)
                      : check_branch_node(check, place, number, page + at, room, i == 0, levels))) {
            return false;
        }
    }
    return true;
}

static bool check_page(struct check *check, const struct place *place, uint64_t number,
                       unsigned levels)
{
    const uint8_t *page = find_page(check, number, levels == 1 ? PAGE_LEAF : PAGE_BRANCH);
    return page != NULL && check_nodes(check, place, number, page, levels);
}

static bool check_table(struct check *check, const struct table *table, bool is_free,
                        uint32_t key_size, unsigned tables_left)
{
    const struct place place = {
        .is_free = is_free, .key_size = key_size, .tables_left = tables_left};
    if (table->root == NO_PAGE) {
        return true;
    }
    if (table->depth == 0 || table->depth > DEPTH_MAX) {
        return wrong(check, table->root, "its tree has an impossible depth");
    }
    return check_page(check, &place, table->root, table->depth);
}

static enum status check_all(struct check *check, const struct meta *meta)
{
    check->page_size = meta->free.page_size;
    check->last_page = meta->last_page;
    check->seen = calloc((size_t)(meta->last_page / 8 + 1), 1);
    if (check->seen == NULL) {
        return error_set(check->err, STATUS_NO_MEMORY, "%s: no memory to check it", check->path);
    }
    const bool is_sound = check_table(check, &meta->main, false, 0, TABLE_COUNT_MAX) &&
                          check_table(check, &meta->free, true, FREE_KEY_SIZE, 0);
    free(check->seen);
    return is_sound ? STATUS_OK : STATUS_INVALID;
}

enum status cache_check_pages(const char *path, uint64_t id, uint32_t key_size, struct error *err)
{
    struct check check = {.path = path, .key_size = key_size, .err = err};
    struct meta metas[2];
    if (!is_known_form()) {
        return STATUS_OK;
    }
    enum status status = map_file(path, &check.bytes, &check.size, err);
    if (status != STATUS_OK || check.bytes == NULL) {
        return status;
    }
    status = check_metas(check.bytes, check.size, path, metas, err);
    if (status == STATUS_OK) {
        const struct meta *meta = &metas[id % 2];
        status = meta->id == id ? check_all(&check, meta)
                                : error_set(err, STATUS_LIMIT, "%s has changed meanwhile", path);
    }
    unmap_file(check.bytes, check.size);
    return status;
}
