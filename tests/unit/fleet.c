#include "master/fleet.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

static void expect_text(struct fleet *fleet, const char *expected)
{
    char text[FLEET_TEXT_SIZE];
    cr_expect(strcmp(fleet_text(fleet, text), expected) == 0, "expected \"%s\", found \"%s\"",
              expected, text);
}

Test(fleet, one_of_each)
{
    struct fleet fleet = {0};
    fleet_add(&fleet, "a", 1);
    expect_text(&fleet, "1 host, 1 rank, 1 slot");
    fleet_free(&fleet);
    expect_text(&fleet, "0 hosts, 0 ranks, 0 slots");
}

Test(fleet, a_host_of_several_ranks_is_one_and_their_slots_add_up)
{
    struct fleet fleet = {0};
    fleet_add(&fleet, "b", 0); /* the master */
    fleet_add(&fleet, "a", 4);
    fleet_add(&fleet, "b", 2);
    fleet_add(&fleet, "a", 4);
    expect_text(&fleet, "2 hosts, 4 ranks, 10 slots");
    fleet_free(&fleet);
}

Test(fleet, many_hosts)
{
    struct fleet fleet = {0};
    for (int i = 0; i < 1200; i++) {
        char host[16];
        (void)snprintf(host, sizeof(host), "node%d", i % 1100);
        fleet_add(&fleet, host, 2);
    }
    expect_text(&fleet, "1,100 hosts, 1,200 ranks, 2,400 slots");
    fleet_free(&fleet);
}
