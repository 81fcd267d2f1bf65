#include "worker/capture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE_ROOM ((size_t)4096)
#define LONG_LINE_SIZE ((size_t)2000)

static int open_stream(void)
{
    int fds[STDIO_STREAM_COUNT];
    struct error err = {""};
    cr_assert(eq(int, capture_open(fds, &err), STATUS_OK), "%s", err.text);
    (void)close(fds[STDIO_ERR]);
    return fds[STDIO_OUT];
}

static void put(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        const ssize_t written = write(fd, at, size);
        cr_assert(gt(int, (int)written, 0));
        at += written;
        size -= (size_t)written;
    }
}

/* As a shell opens /dev/stdout for a redirection. */
static int open_by_name(int fd, int flags)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const int opened = open(path, flags);
    cr_assert(ge(int, opened, 0));
    return opened;
}

static void expect_text(int fd, const char *expected)
{
    static uint8_t text[CAPTURE_SIZE_MAX];
    uint64_t left_out = 1;
    const size_t size = capture_read(fd, text, &left_out);
    cr_expect(size == strlen(expected) && memcmp(text, expected, size) == 0, "\"%.*s\", not \"%s\"",
              (int)size, (const char *)text, expected);
    cr_expect(eq(u64, left_out, 0));
}

/* ---- Reading -------------------------------------------------------------------------------- */

Test(capture, what_nobody_wrote_to_reads_as_nothing)
{
    const int fd = open_stream();
    expect_text(fd, "");
    (void)close(fd);
    expect_text(fd, "");
}

Test(capture, what_was_written_reads_as_it_is)
{
    const int fd = open_stream();
    put(fd, "one\n", 4);
    put(fd, "two", 3);
    expect_text(fd, "one\ntwo");
    uint8_t text[CAPTURE_SIZE_MAX];
    uint64_t left_out;
    put(fd, "\0\0", 2);
    cr_expect(eq(sz, capture_read(fd, text, &left_out), 9), "NULs count");
    (void)close(fd);
}

Test(capture, what_is_opened_by_name_adds_or_replaces)
{
    const int fd = open_stream();
    put(fd, "one\n", 4);
    const int added = open_by_name(fd, O_WRONLY | O_APPEND);
    put(added, "two\n", 4);
    expect_text(fd, "one\ntwo\n");
    put(fd, "three\n", 6);
    expect_text(fd, "one\ntwo\nthree\n");
    const int replaced = open_by_name(fd, O_WRONLY | O_TRUNC);
    expect_text(fd, "");
    put(replaced, "four\n", 5);
    put(fd, "five\n", 5);
    expect_text(fd, "four\nfive\n");
    (void)close(added);
    (void)close(replaced);
    (void)close(fd);
}

/* Numbers, so that a part that is moved shows. */
static uint8_t *make_long(size_t size)
{
    uint8_t *bytes = malloc(size + 16);
    cr_assert(bytes != NULL);
    for (size_t at = 0; at < size; at += 8) {
        char line[32];
        (void)snprintf(line, sizeof(line), "%07zu\n", at / 8);
        memcpy(bytes + at, line, 8);
    }
    return bytes;
}

static void expect_cut(int fd, const uint8_t *bytes, size_t size, const char *line)
{
    uint8_t text[CAPTURE_SIZE_MAX];
    uint64_t left_out;
    const size_t got = capture_read(fd, text, &left_out);
    cr_expect(eq(u64, left_out, size - 2 * CAPTURE_PART_SIZE));
    cr_assert(eq(sz, got, 2 * CAPTURE_PART_SIZE + strlen(line)));
    cr_expect(memcmp(text, bytes, CAPTURE_PART_SIZE) == 0, "the first part");
    cr_expect(memcmp(text + CAPTURE_PART_SIZE, line, strlen(line)) == 0, "%.40s",
              (const char *)text + CAPTURE_PART_SIZE);
    cr_expect(memcmp(text + got - CAPTURE_PART_SIZE, bytes + size - CAPTURE_PART_SIZE,
                     CAPTURE_PART_SIZE) == 0,
              "the last part");
}

Test(capture, two_parts_are_kept_whole_and_a_byte_more_is_cut)
{
    const size_t size = 2 * CAPTURE_PART_SIZE;
    uint8_t *bytes = make_long(size + 1);
    uint8_t text[CAPTURE_SIZE_MAX];
    uint64_t left_out;
    const int fd = open_stream();
    put(fd, bytes, size);
    cr_expect(eq(sz, capture_read(fd, text, &left_out), size));
    cr_expect(eq(u64, left_out, 0));
    cr_expect(memcmp(text, bytes, size) == 0);
    put(fd, bytes + size, 1);
    expect_cut(fd, bytes, size + 1, "[mapfleet: 1 B left out]\n");
    free(bytes);
    (void)close(fd);
}

Test(capture, a_line_that_is_cut_ends_before_what_tells_so)
{
    const size_t size = ((size_t)1 << 20) + 2 * CAPTURE_PART_SIZE;
    uint8_t *bytes = make_long(size);
    bytes[CAPTURE_PART_SIZE - 1] = 'x';
    const int fd = open_stream();
    put(fd, bytes, size);
    expect_cut(fd, bytes, size, "\n[mapfleet: 1 MiB left out]\n");
    free(bytes);
    (void)close(fd);
}

/* ---- Bounding ------------------------------------------------------------------------------- */

static uint64_t held(int fd)
{
    struct stat about;
    cr_assert(eq(int, fstat(fd, &about), 0));
    return (uint64_t)about.st_blocks * 512;
}

Test(capture, a_flood_holds_little_memory_and_reads_the_same)
{
    const size_t step = (size_t)8 << 20;
    const size_t size = 8 * step;
    uint8_t *bytes = make_long(size);
    const int fd = open_stream();
    put(fd, "", 0);
    cr_expect(not(capture_is_large(fd)));
    for (size_t at = 0; at < size; at += step) {
        put(fd, bytes + at, step);
        cr_expect(capture_is_large(fd));
        capture_bound(fd);
        cr_expect(not(capture_is_large(fd)));
        cr_expect(le(u64, held(fd), 3 * CAPTURE_PART_SIZE));
    }
    expect_cut(fd, bytes, size, "[mapfleet: 63.9 MiB left out]\n");
    free(bytes);
    (void)close(fd);
}

Test(capture, a_short_text_is_not_touched)
{
    const int fd = open_stream();
    put(fd, "short", 5);
    capture_bound(fd);
    expect_text(fd, "short");
    (void)close(fd);
}

/* ---- What an attempt may do to its files ------------------------------------------------------
 */

#define SEED_COUNT 2000u

static void do_anything(int fd, unsigned *random)
{
    static const off_t sizes[] = {0, 1, 2, 4096, (off_t)1 << 33, (off_t)1 << 62};
    const off_t size = rand_r(random) % 2 == 0 ? sizes[(size_t)rand_r(random) % 6]
                                               : (off_t)rand_r(random) >> rand_r(random) % 30;
    switch (rand_r(random) % 4) {
    case 0:
        (void)!ftruncate(fd, size);
        break;
    case 1:
        (void)!write(fd, "some text\n", (size_t)rand_r(random) % 11);
        break;
    case 2:
        (void)!pwrite(fd, "\0text", 5, size); /* it appends, wherever that is */
        break;
    default:
        (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 + size);
        break;
    }
}

/* The rank reads them, and bounds them while they are written to. */
Test(capture, whatever_an_attempt_does_to_its_file_the_rank_reads_no_more_than_there_is_room_for)
{
    uint8_t *text = malloc(CAPTURE_SIZE_MAX); /* so that sanitizers see what is written */
    cr_assert(text != NULL);
    for (unsigned seed = 0; seed < SEED_COUNT; seed++) {
        unsigned random = seed;
        uint64_t left_out = 0;
        const int fd = open_stream();
        for (int i = rand_r(&random) % 8; i >= 0; i--) {
            do_anything(fd, &random);
            if (capture_is_large(fd) || rand_r(&random) % 8 == 0) {
                capture_bound(fd);
            }
        }
        const size_t size = capture_read(fd, text, &left_out);
        cr_assert(le(sz, size, CAPTURE_SIZE_MAX), "seed %u", seed);
        struct stat about;
        cr_assert(eq(int, fstat(fd, &about), 0));
        cr_assert(left_out < (uint64_t)about.st_size || left_out == 0, "seed %u", seed);
        (void)close(fd);
    }
    free(text);
}

/* ---- Last lines ----------------------------------------------------------------------------- */

static void expect_lines(const char *said, const char *printed, const char *expected)
{
    char message[MESSAGE_ROOM];
    memcpy(message, said, strlen(said));
    const size_t size = capture_add_lines(message, strlen(said), sizeof(message),
                                          (const uint8_t *)printed, strlen(printed));
    cr_expect(size == strlen(expected) && memcmp(message, expected, size) == 0,
              "\"%.*s\", not \"%s\"", (int)size, message, expected);
}

Test(capture, the_last_three_lines_are_added)
{
    expect_lines("no", "", "no");
    expect_lines("no", "a", "no | a");
    expect_lines("no", "a\n", "no | a");
    expect_lines("no", "a\nb\nc\n", "no | a | b | c");
    expect_lines("no", "a\nb\nc\nd", "no | b | c | d");
    expect_lines("", "a\nb\n", "a | b");
}

Test(capture, blank_lines_and_blanks_around_lines_do_not_count)
{
    expect_lines("no", "\n\n  \n", "no");
    expect_lines("no", "a\n\n \t\r\nb  \n\n  c\n\n", "no | a | b | c");
    expect_lines("no", " ", "no");
}

Test(capture, of_a_line_that_overwrites_itself_the_last_states_count)
{
    expect_lines("no", "10 %\r20 %\r30 %\r40 %\ndone\r\n", "no | 30 % | 40 % | done");
}

Test(capture, control_characters_become_blanks)
{
    expect_lines("no", "\x1b[31mred\x1b[0m x\ty\n", "no | [31mred [0m x y");
}

Test(capture, long_lines_and_messages_are_cut_between_characters)
{
    char message[MESSAGE_ROOM];
    char said[MESSAGE_ROOM];
    char printed[3 * LONG_LINE_SIZE];
    memset(said, 'm', sizeof(said));
    for (size_t i = 0; i < sizeof(printed); i++) {
        const size_t at = i % LONG_LINE_SIZE; /* x, then characters of three bytes, then the end */
        printed[i] = at == 0 ? 'x' : at == LONG_LINE_SIZE - 1 ? '\n' : "\xe2\x82\xac"[(at - 1) % 3];
    }
    memcpy(message, said, sizeof(message));
    const size_t size = capture_add_lines(message, sizeof(message), sizeof(message),
                                          (const uint8_t *)printed, sizeof(printed));
    cr_assert(le(sz, size, sizeof(message)));
    cr_expect(gt(sz, size, sizeof(message) - 64), "the room is used");
    const size_t said_size = sizeof(message) - CAPTURE_LINES_SIZE_MAX;
    cr_expect(memcmp(message, said, said_size) == 0);
    cr_expect(memcmp(message + said_size, " | x\xe2\x82\xac", 7) == 0);
    const size_t line_size = (size - said_size) / 3;
    cr_expect(eq(sz, (size - said_size) % 3, 0));
    cr_expect(eq(sz, (line_size - 4) % 3, 0), "whole characters");
}

Test(capture, lines_that_are_not_utf8_end_somewhere)
{
    uint8_t printed[3000];
    char message[MESSAGE_ROOM] = "no";
    memset(printed, 0x80, sizeof(printed));
    const size_t size = capture_add_lines(message, 2, sizeof(message), printed, sizeof(printed));
    cr_expect(gt(sz, size, 300));
    cr_expect(le(sz, size, 2 + CAPTURE_LINES_SIZE_MAX));
}
