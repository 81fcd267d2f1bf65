/* wordcount.c - how often each word stands in text files: the classic map and reduce.
 *
 *     files --blocks--> {file, start, end} ... --count--> {word: times} ... --merge--> one of them
 *
 * A word is a run of ASCII letters, as `tr -cs A-Za-z '\n'` has it. A block is the lines that begin
 * in its bytes, so that no word is cut. Counts are sorted by word, so that two of them are merged
 * in one pass.
 */
#include <errno.h>
#include <fcntl.h>
#include <mapfleet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SIZE_DEFAULT (INT64_C(16) << 20)
#define READ_SIZE ((size_t)256 << 10)
#define TABLE_SIZE_FIRST ((size_t)1 << 12) /* a power of two, as it stays */

/* ---- Words and their counts ------------------------------------------------------------------ */

struct word {
    char *text; /* NULL: a free place */
    size_t size;
    uint64_t hash;
    int64_t count;
};

/* Open addressing; at most half of the places are taken. */
struct table {
    struct word *words;
    size_t size;
    size_t used;
};

static void table_free(struct table *table)
{
    for (size_t i = 0; i < table->size; i++) {
        free(table->words[i].text);
    }
    free(table->words);
}

static struct word *find(const struct table *table, const char *text, size_t size, uint64_t hash)
{
    size_t at = (size_t)hash & (table->size - 1);
    struct word *word = &table->words[at];
    while (word->text != NULL &&
           (word->hash != hash || word->size != size || memcmp(word->text, text, size) != 0)) {
        at = (at + 1) & (table->size - 1);
        word = &table->words[at];
    }
    return word;
}

static bool table_grow(struct table *table)
{
    struct table larger = {.size = table->size > 0 ? 2 * table->size : TABLE_SIZE_FIRST,
                           .used = table->used};
    larger.words = calloc(larger.size, sizeof(*larger.words));
    if (larger.words == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->size; i++) {
        const struct word *word = &table->words[i];
        if (word->text != NULL) {
            *find(&larger, word->text, word->size, word->hash) = *word;
        }
    }
    free(table->words);
    *table = larger;
    return true;
}

static bool count_word(struct table *table, const char *text, size_t size, uint64_t hash)
{
    if (2 * table->used >= table->size && !table_grow(table)) {
        return false;
    }
    struct word *word = find(table, text, size, hash);
    if (word->text == NULL) {
        word->text = strndup(text, size);
        if (word->text == NULL) {
            return false;
        }
        word->size = size;
        word->hash = hash;
        table->used++;
    }
    word->count++;
    return true;
}

/* ---- A block --------------------------------------------------------------------------------- */

struct block {
    int file;
    int64_t at;  /* of the next byte to read */
    int64_t end; /* lines that begin before it belong to the block */
    bool has_ended;
    char *bytes; /* what was read and not counted yet, then room to read */
    size_t size;
    size_t capacity;
};

static inline bool is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

/* FNV-1a, a byte at a time, while the end of the word is looked for. */
static bool count_words(struct table *table, const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        if (!is_letter(text[at])) {
            at++;
            continue;
        }
        const size_t start = at;
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (; at < size && is_letter(text[at]); at++) {
            hash = (hash ^ (unsigned char)text[at]) * UINT64_C(0x100000001b3);
        }
        if (!count_word(table, text + start, at - start, hash ^ hash >> 29)) {
            return false;
        }
    }
    return true;
}

/* Read on behind what is there. An error leaves errno. */
static bool read_on(struct block *block)
{
    if (block->capacity - block->size < READ_SIZE) {
        const size_t capacity = 2 * block->capacity + READ_SIZE;
        char *bytes = realloc(block->bytes, capacity);
        if (bytes == NULL) {
            return false;
        }
        block->bytes = bytes;
        block->capacity = capacity;
    }
    const ssize_t size = pread(block->file, block->bytes + block->size, READ_SIZE, block->at);
    if (size < 0) {
        return errno == EINTR;
    }
    block->has_ended = size == 0;
    block->at += size;
    block->size += (size_t)size;
    return true;
}

static void drop(struct block *block, size_t size)
{
    if (size > 0) {
        memmove(block->bytes, block->bytes + size, block->size - size);
        block->size -= size;
    }
}

/* A line that begins before the block is that of another: pass over the rest of it. The reading
 * begins one byte early, so that a block whose first byte begins a line finds the end of the last.
 */
static bool skip_line(struct block *block)
{
    for (;;) {
        const char *newline = block->size > 0 ? memchr(block->bytes, '\n', block->size) : NULL;
        if (newline != NULL) {
            drop(block, (size_t)(newline - block->bytes) + 1);
            return true;
        }
        drop(block, block->size);
        if (block->has_ended) {
            return true;
        }
        if (!read_on(block)) {
            return false;
        }
    }
}

/* How many of the bytes that are there are whole lines of the block. *is_last_out: no more follow.
 */
static size_t whole_lines(const struct block *block, bool *is_last_out)
{
    const int64_t start = block->at - (int64_t)block->size;
    const char *newline = NULL;
    *is_last_out = true;
    if (start >= block->end) {
        return 0;
    }
    if (block->at >= block->end) { /* the line of the block's last byte is its last one */
        const size_t before = (size_t)(block->end - start) - 1;
        newline = memchr(block->bytes + before, '\n', block->size - before);
    }
    if (newline != NULL) {
        return (size_t)(newline - block->bytes) + 1;
    }
    if (block->has_ended) {
        return block->size;
    }
    *is_last_out = false;
    newline = block->size > 0 ? memrchr(block->bytes, '\n', block->size) : NULL;
    return newline != NULL ? (size_t)(newline - block->bytes) + 1 : 0;
}

static bool count_block(struct block *block, int64_t start, struct table *table)
{
    bool is_last = false;
    block->at = start > 0 ? start - 1 : 0;
    if (start > 0 && !skip_line(block)) {
        return false;
    }
    while (!is_last) {
        if (!block->has_ended && !read_on(block)) {
            return false;
        }
        const size_t size = whole_lines(block, &is_last);
        if (!count_words(table, block->bytes, size)) {
            return false;
        }
        drop(block, size);
    }
    return true;
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

static int by_text(const void *left, const void *right)
{
    const struct word *a = left;
    const struct word *b = right;
    return strcmp(a->text, b->text);
}

/* The words are moved together; the places behind them are of no use after that. */
static void put_counts(struct table *table, mf_writer *output)
{
    size_t used = 0;
    for (size_t i = 0; i < table->size; i++) {
        if (table->words[i].text != NULL) {
            const struct word word = table->words[i];
            table->words[i].text = NULL;
            table->words[used++] = word;
        }
    }
    qsort(table->words, used, sizeof(*table->words), by_text);
    mf_begin_map(output);
    for (size_t i = 0; i < used; i++) {
        mf_put_key(output, table->words[i].text);
        mf_put_int(output, table->words[i].count);
    }
    mf_end_map(output);
}

static mf_status count(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const char *path = mf_path(mf_field(input, "file"));
    struct block block = {.file = open(path, O_RDONLY | O_CLOEXEC),
                          .end = mf_int(mf_field(input, "end"))};
    struct table table = {.used = 0};
    mf_status status = MF_OK;
    if (block.file < 0) {
        return mf_fail(ctx, "%s: %s", path, strerror(errno));
    }
    if (!table_grow(&table) || !count_block(&block, mf_int(mf_field(input, "start")), &table)) {
        status = mf_fail(ctx, "%s: %s", path, strerror(errno));
    } else {
        put_counts(&table, output);
    }
    table_free(&table);
    free(block.bytes);
    (void)close(block.file);
    return status;
}

static void put_block(mf_writer *output, const char *path, int64_t start, int64_t end)
{
    mf_begin_map(output);
    mf_put_key(output, "file");
    mf_put_path(output, path);
    mf_put_key(output, "start");
    mf_put_int(output, start);
    mf_put_key(output, "end");
    mf_put_int(output, end);
    mf_end_map(output);
}

static mf_status blocks(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const char *path = mf_path(mf_field(input, "file"));
    const int64_t block = mf_int(mf_field(input, "block"));
    struct stat about;
    if (stat(path, &about) != 0) {
        return mf_fail(ctx, "%s: %s", path, strerror(errno));
    }
    mf_begin_list(output);
    for (int64_t start = 0; start < about.st_size; start += block) {
        const int64_t left = about.st_size - start;
        put_block(output, path, start, start + (left < block ? left : block));
    }
    mf_end_list(output);
    return MF_OK;
}

/* ---- The reducer ----------------------------------------------------------------------------- */

static void put_count(mf_writer *output, const char *word, int64_t times)
{
    mf_put_key(output, word);
    mf_put_int(output, times);
}

/* Both are sorted. */
static mf_status merge(mf_context *ctx, const mf_value *left, const mf_value *right,
                       mf_writer *output)
{
    const size_t left_count = mf_count(left);
    const size_t right_count = mf_count(right);
    size_t l = 0;
    size_t r = 0;
    (void)ctx;
    mf_begin_map(output);
    while (l < left_count || r < right_count) {
        const int order = l == left_count    ? 1
                          : r == right_count ? -1
                                             : strcmp(mf_key(left, l), mf_key(right, r));
        if (order < 0) {
            put_count(output, mf_key(left, l), mf_int(mf_item(left, l)));
        } else if (order > 0) {
            put_count(output, mf_key(right, r), mf_int(mf_item(right, r)));
        } else {
            put_count(output, mf_key(left, l),
                      mf_int(mf_item(left, l)) + mf_int(mf_item(right, r)));
        }
        l += order <= 0 ? 1 : 0;
        r += order >= 0 ? 1 : 0;
    }
    mf_end_map(output);
    return MF_OK;
}

/* ---- The workflow ---------------------------------------------------------------------------- */

/* The path of one that was fetched would not outlive the attempt that finds its blocks. */
static const char *find_url(const mf_value *files)
{
    for (size_t i = 0; i < mf_count(files); i++) {
        if (strstr(mf_str(mf_item(files, i)), "://") != NULL) {
            return mf_str(mf_item(files, i));
        }
    }
    return NULL;
}

static const mf_value *block_size(mf_workflow *wf, const mf_value *given)
{
    mf_writer *made = mf_make(wf);
    mf_put_int(made, given != NULL ? mf_int(given) : BLOCK_SIZE_DEFAULT);
    return mf_made(wf, made);
}

static mf_status wf(mf_workflow *flow, const mf_value *input, mf_writer *output)
{
    const mf_value *given = mf_field(input, "block");
    const mf_named zip[] = {{"file", mf_field(input, "files")}, {NULL, NULL}};
    const mf_named bind[] = {{"block", block_size(flow, given)}, {NULL, NULL}};
    const char *url = find_url(mf_field(input, "files"));
    if (url != NULL) {
        return mf_workflow_fail(flow, "%s: only files of a file system are read", url);
    }
    if (given != NULL && mf_int(given) < 1) {
        return mf_workflow_fail(flow, "block is %" PRId64 ", expected at least 1", mf_int(given));
    }
    const mf_value *all =
        mf_map_reduce(flow, "blocks", NULL, "concat", &(mf_map_options){.zip = zip, .bind = bind});
    const mf_value *counts = all != NULL ? mf_map_reduce(flow, "count", all, "merge", NULL) : NULL;
    if (counts == NULL) {
        return MF_FAIL;
    }
    mf_put_value(output, counts);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "blocks",
                                     .fn = blocks,
                                     .input = "{file: file, block: int}",
                                     .output = "list<{file: file, start: int, end: int}>",
                                     .help = "The blocks of a text file, of so many bytes each."});
    mf_register_task(job, &(mf_task){.name = "count",
                                     .fn = count,
                                     .input = "{file: file, start: int, end: int}",
                                     .output = "map<int>",
                                     .help = "How often each word stands in the lines of a block.",
                                     .retries = 1});
    mf_register_reducer(job, &(mf_reducer){.name = "merge",
                                           .combine = merge,
                                           .type = "map<int>",
                                           .empty = "{}",
                                           .help = "Counts of both, added up."});
    mf_register_workflow(job, &(mf_workflow_def){.name = "wf",
                                                 .fn = wf,
                                                 .input = "{files: list<file>, block?: int}",
                                                 .output = "map<int>",
                                                 .help = "How often each word stands in files."});
}
