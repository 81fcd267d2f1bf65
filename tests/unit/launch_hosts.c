#include "cli/launch_hosts.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

static enum status read_text(const char *text, struct launch_hosts *hosts, struct error *err)
{
    char path[] = "/tmp/mapfleet-hosts-XXXXXX";
    const int file = mkstemp(path);
    cr_assert(write(file, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(file);
    const enum status status = launch_hosts_read(path, hosts, err);
    (void)unlink(path);
    return status;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

Test(launch_hosts, slots_are_added_up_and_default_to_one)
{
    struct launch_hosts hosts;
    cr_assert(launch_hosts_parse("a:4,node-1.x,me@b:2", &hosts, NULL) == STATUS_OK);
    cr_expect(eq(u64, hosts.host_count, 3));
    cr_expect(eq(u64, hosts.slot_count, 7));
    cr_expect(hosts.has_slots);
}

Test(launch_hosts, what_is_no_host_is_refused)
{
    const char *const texts[] = {
        "", "a,", ",a", "a:0", "a:", "a:-1", "a:4097", "a b", "-x", "a:1:2"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct launch_hosts hosts;
        struct error err = {""};
        cr_expect(launch_hosts_parse(texts[i], &hosts, &err) == STATUS_INVALID, "%s", texts[i]);
        cr_expect(strstr(err.text, "--hosts: ") == err.text, "%s", err.text);
    }
}

Test(launch_hosts, a_file_has_a_host_a_line)
{
    struct launch_hosts hosts;
    cr_assert(read_text("# all\n\n a slots=4 max_slots=8 # big\n\tb  slots=1\nc slots=2", &hosts,
                        NULL) == STATUS_OK);
    cr_expect(eq(u64, hosts.host_count, 3));
    cr_expect(eq(u64, hosts.slot_count, 7));
    cr_expect(hosts.has_slots);
}

Test(launch_hosts, a_host_without_slots_leaves_their_number_open)
{
    struct launch_hosts hosts;
    cr_assert(read_text("a slots=4\nb\n", &hosts, NULL) == STATUS_OK);
    cr_expect(eq(u64, hosts.host_count, 2));
    cr_expect(not(hosts.has_slots));
}

Test(launch_hosts, a_bad_line_is_refused_by_its_number)
{
    struct launch_hosts hosts;
    struct error err = {""};
    cr_assert(read_text("a slots=4\n\nb slots=none\n", &hosts, &err) == STATUS_INVALID);
    cr_expect(strstr(err.text, ":3: slots of b: expected slots=COUNT") != NULL, "%s", err.text);
    cr_assert(read_text("a slots=4\nslots=3\n", &hosts, &err) == STATUS_INVALID);
    cr_expect(strstr(err.text, ":2: \"slots=3\" is no name of a host") != NULL, "%s", err.text);
}

/* Open MPI calls that an internal error of its own. */
Test(launch_hosts, a_file_with_the_line_ends_of_windows_is_refused)
{
    struct launch_hosts hosts;
    struct error err = {""};
    cr_assert(read_text("a slots=4\r\nb slots=1\r\n", &hosts, &err) == STATUS_INVALID);
    cr_expect(strstr(err.text, ":1: the line ends with CR LF") != NULL, "%s", err.text);
}

Test(launch_hosts, a_file_without_a_host_is_refused)
{
    struct launch_hosts hosts;
    struct error err = {""};
    cr_assert(read_text("# none\n", &hosts, &err) == STATUS_INVALID);
    cr_expect(strstr(err.text, "names no host") != NULL, "%s", err.text);
    cr_assert(launch_hosts_read("/nowhere/hosts", &hosts, &err) == STATUS_IO);
}
