/* What no program of ours sends is refused, and does no harm. */
#include "shared/wire.h"

#include <stdlib.h>
#include <string.h>

#include "shared/pack.h"
#include "shared/seed.h"
#include "tests/unit/wire_support.h"

Test(wire_refusals, a_message_that_is_cut_anywhere_is_refused)
{
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        struct buffer buffer = encoded(&messages[i]);
        for (size_t size = 0; size < buffer.size; size++) {
            struct arena arena = {0};
            struct wire_message message;
            struct error err = {""};
            cr_assert(eq(int, decode(buffer.data, size, &arena, &message, &err), STATUS_PROTOCOL));
            cr_assert(gt(sz, strlen(err.text), 0));
            arena_free(&arena);
        }
        buffer_free(&buffer);
    }
}

Test(wire_refusals, a_message_with_a_byte_too_many_is_refused)
{
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        struct buffer buffer = encoded(&messages[i]);
        cr_assert(eq(int, buffer_append_byte(&buffer, 0), STATUS_OK));
        cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
        buffer_free(&buffer);
    }
}

/* What must hold of every report that was let through, for those who read it. */
static void expect_sound(const struct report *report)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < report->batch_count; i++) {
        const struct report_batch *batch = &report->batches[i];
        cr_assert(span_list_is_valid(batch->spans, batch->span_count, UINT64_MAX));
        cr_assert(eq(u64, span_list_count(batch->spans, batch->span_count), batch->instance_count));
        cr_assert(le(u64, batch->success_count, batch->instance_count));
        cr_assert(eq(int, batch->frame == NULL, batch->success_count == 0));
        missing += batch->instance_count - batch->success_count;
    }
    cr_assert(eq(u64, report->failure_count, missing));
    for (size_t i = 0; i < report->failure_count; i++) {
        cr_assert(lt(int, (int)report->failures[i].class, FAILURE_CLASS_COUNT));
    }
}

/* Method: each byte of each message takes each other value. What is not refused must be sound. */
Test(wire_refusals, no_corrupt_byte_does_harm)
{
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        struct buffer buffer = encoded(&messages[i]);
        for (size_t at = 0; at < buffer.size; at++) {
            const uint8_t byte = buffer.data[at];
            for (unsigned change = 1; change < 256; change++) {
                struct arena arena = {0};
                struct wire_message message;
                buffer.data[at] = (uint8_t)(byte ^ change);
                if (decode(buffer.data, buffer.size, &arena, &message, NULL) == STATUS_OK &&
                    message.kind == WIRE_REPORT) {
                    expect_sound(&message.as.report);
                }
                arena_free(&arena);
            }
            buffer.data[at] = byte;
        }
        buffer_free(&buffer);
    }
}

Test(wire_refusals, no_random_bytes_do_harm)
{
    uint64_t random = 1;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t data[64];
        for (size_t i = 0; i < sizeof(data); i += sizeof(random)) {
            random = seed_mix(random);
            memcpy(&data[i], &random, sizeof(random));
        }
        data[0] = (uint8_t)(0x90 | data[0] % 16);
        data[1] = (uint8_t)(data[1] % 12);
        struct arena arena = {0};
        struct wire_message message;
        (void)decode(data, data[63] % 64, &arena, &message, NULL);
        arena_free(&arena);
    }
}

Test(wire_refusals, an_unknown_kind_is_refused)
{
    static const uint8_t kinds[] = {0, WIRE_REJOIN + 1, 0x7f, 0xff, 0xc0};
    for (size_t i = 0; i < sizeof(kinds); i++) {
        struct buffer buffer = {0};
        const uint8_t data[] = {0x91, kinds[i]};
        cr_assert(eq(int, buffer_append(&buffer, data, 2), STATUS_OK));
        cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
        buffer_free(&buffer);
    }
}

/* Bytes past its end, an offset past it, and none where there are more. */
Test(wire_refusals, a_part_of_a_library_that_cannot_be_is_refused)
{
    static const struct wire_library parts[] = {
        {.offset = 4, .total_size = 8, .bytes = bytes, .size = 5},
        {.offset = 9, .total_size = 8, .bytes = bytes, .size = 0},
        {.offset = UINT64_MAX, .total_size = 8, .bytes = bytes, .size = 5},
        {.offset = 3, .total_size = 8, .bytes = bytes, .size = 0},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const struct wire_message message = {.kind = WIRE_LIBRARY, .as.library = parts[i]};
        struct buffer buffer = encoded(&message);
        cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
        buffer_free(&buffer);
    }
}

/* Method: also one whose items behind the version are nothing that this program knows. */
Test(wire_refusals, a_start_of_another_version_is_refused_as_such)
{
    static const uint8_t versions[] = {0, WIRE_VERSION + 1, 100};
    for (size_t i = 0; i < sizeof(versions); i++) {
        struct wire_message start = messages[0];
        struct error err;
        struct arena arena = {0};
        struct wire_message message;
        start.as.start.version = versions[i];
        struct buffer buffer = encoded(&start);
        cr_expect(
            eq(int, wire_decode(buffer.data, buffer.size, &arena, &message, &err), STATUS_LIMIT));
        cr_expect(ne(ptr, strstr(err.text, "version"), NULL));
        const uint8_t other[] = {0x93, WIRE_START, versions[i], 0xc0};
        cr_expect(eq(int, wire_decode(other, sizeof(other), &arena, &message, &err), STATUS_LIMIT));
        buffer_free(&buffer);
        arena_free(&arena);
    }
}

/* Method: also one with more items behind the host, which this program does not know. */
Test(wire_refusals, a_ready_of_another_version_says_whose)
{
    struct pack pack;
    for (unsigned more = 0; more < 2; more++) {
        struct buffer buffer = {0};
        struct arena arena = {0};
        struct wire_message message;
        pack_start(&pack, &buffer);
        pack_array(&pack, 4 + more);
        pack_uint(&pack, WIRE_READY);
        pack_uint(&pack, WIRE_VERSION + 1);
        pack_text(&pack, "9.1.0");
        pack_text(&pack, "node-1");
        for (unsigned i = 0; i < more; i++) {
            pack_nil(&pack);
        }
        cr_assert(eq(int, pack_finish(&pack), STATUS_OK));
        cr_assert(
            eq(int, wire_decode(buffer.data, buffer.size, &arena, &message, NULL), STATUS_OK));
        cr_expect(eq(u64, message.as.ready.version, WIRE_VERSION + 1));
        expect_text(message.as.ready.program, "9.1.0");
        expect_text(message.as.ready.host, "node-1");
        expect_text(message.as.ready.refusal, "");
        buffer_free(&buffer);
        arena_free(&arena);
    }
}

static void expect_refused(const struct wire_message *message)
{
    struct buffer buffer = encoded(message);
    cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
    buffer_free(&buffer);
}

Test(wire_refusals, spans_that_are_not_sorted_and_apart_are_refused)
{
    static const struct span wrong[][2] = {
        {{.start = 5, .count = 1}, {.start = 4, .count = 1}},
        {{.start = 5, .count = 2}, {.start = 6, .count = 1}},
        {{.start = 5, .count = 1}, {.start = 5, .count = 1}},
        {{.start = 5, .count = 0}, {.start = 6, .count = 1}},
        {{.start = 5, .count = UINT64_MAX}, {.start = 6, .count = 1}},
        {{.start = 5, .count = 1}, {.start = UINT64_MAX, .count = 1}},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        expect_refused(&(struct wire_message){.kind = WIRE_RETURNED,
                                              .as.returned = {.spans = wrong[i], .span_count = 2}});
        expect_refused(&(struct wire_message){.kind = WIRE_UNIT,
                                              .as.unit = {.spans = wrong[i], .span_count = 2}});
    }
}

Test(wire_refusals, texts_with_a_nul_inside_or_of_enormous_length_are_refused)
{
    struct buffer buffer = encoded(&messages[1]);
    uint8_t *host = memmem(buffer.data, buffer.size, "node-1", 6);
    host[2] = '\0';
    cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
    buffer_free(&buffer);

    char *text = malloc(1 << 17);
    memset(text, 'x', (1 << 17) - 1);
    text[(1 << 17) - 1] = '\0';
    struct wire_message ready = messages[1];
    ready.as.ready.refusal = text;
    expect_refused(&ready);
    free(text);
}

Test(wire_refusals, options_that_no_program_of_ours_sends_are_refused)
{
    struct wire_message start = messages[0];
    start.as.start.options.policy = (enum map_policy)(POLICY_ENOUGH + 1);
    expect_refused(&start);
    start = messages[0];
    start.as.start.options.criterion.kind = (enum criterion_kind)(CRITERION_MAX_FAILURES + 1);
    expect_refused(&start);
    start = messages[0];
    start.as.start.map.formula.kind = (enum formula_kind)(FORMULA_TRIALS + 1);
    expect_refused(&start);
}

/* A report of one batch, as it is. */
static struct wire_message report_of(const struct report_batch *batch,
                                     const struct report_failure *batch_failures, size_t count)
{
    return (struct wire_message){.kind = WIRE_REPORT,
                                 .as.report = {.batches = batch,
                                               .batch_count = 1,
                                               .failures = batch_failures,
                                               .failure_count = count}};
}

Test(wire_refusals, a_report_must_have_one_failure_for_each_instance_without_success)
{
    const struct report_failure more[] = {failures[0], failures[1], failures[1]};
    for (size_t count = 0; count <= 3; count++) {
        const struct wire_message report = report_of(&batches[1], more, count);
        struct buffer buffer = encoded(&report);
        cr_expect(eq(int, decode_only(&buffer), count == 2 ? STATUS_OK : STATUS_PROTOCOL));
        buffer_free(&buffer);
    }
}

Test(wire_refusals, a_report_must_have_outputs_exactly_where_something_succeeded)
{
    static const uint8_t none[] = {0, 0};
    struct report_failure all[9];
    struct report_batch batch = batches[0];
    batch.frame_size = 0;
    const struct wire_message without = report_of(&batch, NULL, 0);
    expect_refused(&without);

    batch = batches[1];
    batch.success_bits = none;
    for (size_t i = 0; i < 9; i++) {
        all[i] = failures[1];
    }
    const struct wire_message with = report_of(&batch, all, 9);
    expect_refused(&with);
}

Test(wire_refusals, a_failure_of_an_unknown_class_is_refused)
{
    struct report_failure unknown[] = {failures[0], failures[1]};
    unknown[1].class = (enum failure_class)FAILURE_CLASS_COUNT;
    const struct wire_message report = report_of(&batches[1], unknown, 2);
    expect_refused(&report);
}

Test(wire_refusals, only_an_attempt_that_was_ended_may_have_found_no_room_for_its_files)
{
    struct report_failure odd[] = {failures[0], failures[1]};
    odd[0].is_unkept = true;
    const struct wire_message report = report_of(&batches[1], odd, 2);
    expect_refused(&report);
}

/* Bytes of a report of one batch [[0, instances, 0]], with so many bytes of success bits. */
static struct buffer report_with_bits(uint64_t instances, size_t bits_size)
{
    static const uint8_t zeros[16] = {0};
    struct buffer buffer = {0};
    struct pack pack;
    pack_start(&pack, &buffer);
    pack_array(&pack, 5);
    pack_uint(&pack, WIRE_REPORT);
    pack_uint(&pack, 1);
    pack_uint(&pack, 1);
    pack_array(&pack, 1);
    pack_array(&pack, 7);
    pack_spans(&pack, &(struct span){.count = instances}, 1);
    pack_bytes(&pack, zeros, bits_size);
    pack_uint(&pack, 0);
    pack_uint(&pack, 0);
    pack_uint(&pack, 0);
    pack_bool(&pack, false);
    pack_bytes(&pack, NULL, 0);
    pack_array(&pack, 0);
    cr_assert(eq(int, pack_finish(&pack), STATUS_OK));
    return buffer;
}

/* Goal: nobody reads bits that are not there. The bytes that 2^64 - 1 instances need are 2^61,
 * which no sum of 64 bits may turn into none. */
Test(wire_refusals, success_bits_of_another_size_than_their_instances_are_refused)
{
    static const uint64_t counts[] = {1,
                                      7,
                                      8,
                                      9,
                                      16,
                                      17,
                                      UINT64_C(1) << 32,
                                      INT64_MAX,
                                      UINT64_MAX - 8,
                                      UINT64_MAX - 7,
                                      UINT64_MAX - 6,
                                      UINT64_MAX - 1,
                                      UINT64_MAX};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        for (size_t size = 0; size <= 4; size++) {
            struct buffer buffer = report_with_bits(counts[i], size);
            cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
            buffer_free(&buffer);
        }
    }
}
