#include "shared/workflow_wire.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#define MUTATION_COUNT 20000

TestSuite(workflow_wire, .timeout = 50);

static struct buffer encode(const struct workflow_message *message)
{
    struct buffer bytes = {0};
    cr_assert(eq(int, workflow_encode(message, &bytes, NULL), STATUS_OK));
    return bytes;
}

static struct workflow_message decode(const struct buffer *bytes, struct arena *arena)
{
    struct workflow_message message;
    struct error err = {""};
    cr_assert(eq(int, workflow_decode(bytes->data, bytes->size, arena, &message, &err), STATUS_OK),
              "%s", err.text);
    return message;
}

static struct workflow_message map_message(void)
{
    struct workflow_message message = {.kind = WORKFLOW_MAP,
                                       .as.map = {.number = 7,
                                                  .task = "square",
                                                  .cache = "refresh",
                                                  .cache_version = "1.0",
                                                  .reducer = "top_k(3)",
                                                  .range = "0:1000000",
                                                  .size = 1000000}};
    message.as.map.options[MAP_OPTION_MEM] = "600Mi";
    message.as.map.options[MAP_OPTION_UNIT_SIZE] = "auto";
    return message;
}

Test(workflow_wire, every_message_comes_back)
{
    struct arena arena = {0};
    const struct workflow_message messages[] = {
        {.kind = WORKFLOW_BEGIN,
         .as.begin = {.workflow = "wf", .run_dir = "/a/run", .launch_dir = "/a"}},
        map_message(),
        {.kind = WORKFLOW_OVER, .as.over = {.number = 3, .missing = 2, .text = "why"}},
        {.kind = WORKFLOW_END, .as.end = {.is_success = true, .text = ""}}};
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct buffer bytes = encode(&messages[i]);
        const struct workflow_message again = decode(&bytes, &arena);
        struct buffer twice = encode(&again);
        cr_expect(eq(int, again.kind, messages[i].kind));
        cr_assert(eq(sz, twice.size, bytes.size));
        cr_expect(eq(int, memcmp(twice.data, bytes.data, bytes.size), 0));
        buffer_free(&bytes);
        buffer_free(&twice);
    }
    arena_free(&arena);
}

Test(workflow_wire, options_that_were_not_given_stay_so)
{
    struct arena arena = {0};
    const struct workflow_message message = map_message();
    struct buffer bytes = encode(&message);
    const struct workflow_message again = decode(&bytes, &arena);
    cr_expect(strcmp(again.as.map.options[MAP_OPTION_MEM], "600Mi") == 0);
    cr_expect(strcmp(again.as.map.options[MAP_OPTION_UNIT_SIZE], "auto") == 0);
    cr_expect(again.as.map.options[MAP_OPTION_RETRIES] == NULL);
    cr_expect(strcmp(again.as.map.cache_version, "1.0") == 0);
    arena_free(&arena);
    buffer_free(&bytes);
}

Test(workflow_wire, a_call_is_of_one_input)
{
    struct arena arena = {0};
    struct workflow_message message = map_message();
    struct workflow_message again;
    message.as.map.is_call = true;
    struct buffer bytes = encode(&message);
    cr_expect(
        eq(int, workflow_decode(bytes.data, bytes.size, &arena, &again, NULL), STATUS_PROTOCOL));
    arena_free(&arena);
    buffer_free(&bytes);
}

Test(workflow_wire, a_message_that_is_too_long_is_not_sent)
{
    struct buffer bytes = {0};
    struct error err = {""};
    struct workflow_message message = map_message();
    char *text = malloc(2 * WORKFLOW_MESSAGE_SIZE_MAX);
    memset(text, 'x', 2 * WORKFLOW_MESSAGE_SIZE_MAX);
    text[2 * WORKFLOW_MESSAGE_SIZE_MAX - 1] = '\0';
    message.as.map.cache_version = text;
    cr_expect(eq(int, workflow_encode(&message, &bytes, &err), STATUS_LIMIT));
    cr_expect(eq(sz, bytes.size, 0));
    buffer_free(&bytes);
    free(text);
}

Test(workflow_wire, a_text_for_people_is_cut)
{
    struct arena arena = {0};
    char text[2 * WORKFLOW_TEXT_SIZE_MAX];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    const struct workflow_message message = {.kind = WORKFLOW_END, .as.end = {.text = text}};
    struct buffer bytes = encode(&message);
    const struct workflow_message again = decode(&bytes, &arena);
    cr_expect(eq(sz, strlen(again.as.end.text), WORKFLOW_TEXT_SIZE_MAX));
    arena_free(&arena);
    buffer_free(&bytes);
}

/* Goal: the process may send anything. Method: messages with bytes changed, cut and added; the
 * sanitizers judge. */
Test(workflow_wire, any_bytes_are_taken_or_refused)
{
    struct arena arena = {0};
    const struct workflow_message message = map_message();
    struct buffer bytes = encode(&message);
    struct buffer changed = {0};
    srand(1);
    for (int i = 0; i < MUTATION_COUNT; i++) {
        struct workflow_message again;
        buffer_clear(&changed);
        cr_assert(eq(int, buffer_append(&changed, bytes.data, bytes.size), STATUS_OK));
        for (int j = rand() % 4; j >= 0; j--) {
            changed.data[(size_t)rand() % changed.size] = (uint8_t)rand();
        }
        const size_t size = rand() % 3 == 0 ? (size_t)rand() % changed.size : changed.size;
        arena_reset(&arena);
        const enum status status = workflow_decode(changed.data, size, &arena, &again, NULL);
        cr_assert(status == STATUS_OK || status == STATUS_PROTOCOL);
    }
    arena_free(&arena);
    buffer_free(&bytes);
    buffer_free(&changed);
}
