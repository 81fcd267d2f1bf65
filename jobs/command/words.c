#include "jobs/command/words.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN ((size_t)256)

void words_clear(struct word_list *words)
{
    words->size = 0;
    words->count = 0;
    words->begin = 0;
    words->failed = false;
}

void words_free(struct word_list *words)
{
    free(words->text);
    free(words->starts);
    free(words->list);
    *words = (struct word_list){.count = 0};
}

/* Room for `count` elements of that size. False, with nothing changed, when there is none. */
static bool grow(void **memory, size_t *capacity, size_t count, size_t size)
{
    size_t wanted = *capacity > 0 ? *capacity : CAPACITY_MIN;
    if (count <= *capacity) {
        return true;
    }
    while (wanted < count) {
        wanted *= 2;
    }
    void *grown = realloc(*memory, wanted * size);
    if (grown == NULL) {
        return false;
    }
    *memory = grown;
    *capacity = wanted;
    return true;
}

void words_add(struct word_list *words, const char *text, size_t size)
{
    void *memory = words->text;
    if (words->failed || size == 0) {
        return;
    }
    words->failed = !grow(&memory, &words->capacity, words->size + size, 1);
    words->text = memory;
    if (!words->failed) {
        memcpy(words->text + words->size, text, size);
        words->size += size;
    }
}

void words_end(struct word_list *words)
{
    void *memory = words->starts;
    words_add(words, "", 1);
    words->failed = words->failed || !grow(&memory, &words->starts_capacity, words->count + 1,
                                           sizeof(*words->starts));
    words->starts = memory;
    if (!words->failed) {
        words->starts[words->count++] = words->begin;
        words->begin = words->size;
    }
}

char **words_list(struct word_list *words)
{
    void *memory = words->list;
    if (words->failed ||
        !grow(&memory, &words->list_capacity, words->count + 1, sizeof(*words->list))) {
        return NULL;
    }
    words->list = memory;
    for (size_t i = 0; i < words->count; i++) {
        words->list[i] = words->text + words->starts[i];
    }
    words->list[words->count] = NULL;
    return words->list;
}
