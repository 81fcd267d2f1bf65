#include "shared/log.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Standard error goes into a pipe, so that a test can read what was logged. */
static int read_end;

static void capture(void)
{
    int ends[2];
    cr_assert(eq(int, pipe(ends), 0));
    cr_assert(eq(int, dup2(ends[1], STDERR_FILENO), STDERR_FILENO));
    (void)close(ends[1]);
    read_end = ends[0];
}

static void captured(char *text, size_t size)
{
    const ssize_t count = read(read_end, text, size - 1);
    cr_assert(ge(int, (int)count, 0));
    text[count] = '\0';
}

TestSuite(log, .init = capture);

Test(log, each_level_has_its_prefix)
{
    char text[256];
    log_info("run ended run=%d", 1);
    log_warning("rank lost");
    log_error("no inputs");
    captured(text, sizeof(text));
    cr_expect(eq(str, text,
                 "mapfleet: run ended run=1\nmapfleet: warning: rank lost\n"
                 "mapfleet: error: no inputs\n"));
}

Test(log, a_text_with_line_breaks_is_one_line)
{
    char text[256];
    log_info("a\nb\r\nc");
    captured(text, sizeof(text));
    cr_expect(eq(str, text, "mapfleet: a b  c\n"));
}

Test(log, a_long_line_is_cut_and_ends)
{
    char text[8192];
    log_info("%5000s", "x");
    captured(text, sizeof(text));
    cr_expect(lt(sz, strlen(text), 4097));
    cr_expect(eq(chr, text[strlen(text) - 1], '\n'));
}

Test(log, debug_is_off_unless_asked_for)
{
    char text[256];
    (void)unsetenv("MAPFLEET_DEBUG");
    log_debug("hidden");
    log_info("shown");
    captured(text, sizeof(text));
    cr_expect(eq(str, text, "mapfleet: shown\n"));
}

Test(log, debug_names_the_rank)
{
    char text[256];
    (void)setenv("MAPFLEET_DEBUG", "1", 1);
    log_set_rank(3);
    log_debug("beat");
    captured(text, sizeof(text));
    cr_expect(eq(str, text, "mapfleet: debug: rank=3 beat\n"));
}

Test(log, errno_is_left_as_it_was)
{
    (void)close(STDERR_FILENO);
    errno = EDOM;
    log_info("to nobody");
    cr_expect(eq(int, errno, EDOM));
}
