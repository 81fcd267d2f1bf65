/* words.h - a list of words that is put together piece by piece: the arguments of a program.
 *
 *     words_clear --> words_add, words_add ..., words_end (a word) --> words_list
 *
 * Ownership: the words own their memory and keep it when they are cleared.
 * Failure:   `failed` says that memory ran out; the list is of no use then, until it is cleared.
 */
#ifndef COMMAND_WORDS_H
#define COMMAND_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty list. */
struct word_list {
    char *text; /* the words, each with a NUL behind it, and the one in hand */
    size_t size;
    size_t capacity;
    size_t *starts; /* where in `text` each word begins */
    size_t count;
    size_t starts_capacity;
    size_t begin; /* of the word in hand */
    char **list;
    size_t list_capacity;
    bool failed;
};

void words_clear(struct word_list *words);
void words_free(struct word_list *words);

/* Add to the word in hand. */
void words_add(struct word_list *words, const char *text, size_t size);
/* The word in hand is whole. */
void words_end(struct word_list *words);

/* The words with NULL behind the last, valid until the next call; NULL where memory ran out. */
char **words_list(struct word_list *words);

#endif
