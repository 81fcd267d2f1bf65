#include <criterion/criterion.h>
#include <stdlib.h>

#include "shared/remote_settings.h"

static struct buffer bytes;

static struct remote_settings settings_now(void)
{
    buffer_clear(&bytes);
    cr_assert_eq(remote_settings_take(&bytes), STATUS_OK);
    return (struct remote_settings){.data = bytes.data, .size = bytes.size};
}

static void clear(void)
{
    static const char *const names[] = {"AWS_ACCESS_KEY_ID",   "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",   "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_S3", "MAPFLEET_FETCH_TRIES"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        unsetenv(names[i]);
    }
}

static void forget(void)
{
    buffer_free(&bytes);
}

TestSuite(remote_settings, .init = clear, .fini = forget);

Test(remote_settings, are_those_of_the_environment)
{
    setenv("AWS_ACCESS_KEY_ID", "id=1", 1);
    setenv("AWS_SESSION_TOKEN", "", 1);
    const struct remote_settings settings = settings_now();
    cr_assert_str_eq(remote_setting(&settings, "AWS_ACCESS_KEY_ID"), "id=1");
    cr_assert_null(remote_setting(&settings, "AWS_SESSION_TOKEN"));
    cr_assert_null(remote_setting(&settings, "AWS_ACCESS_KEY"));
}

Test(remote_settings, malformed_ones_are_none)
{
    const struct remote_settings settings = {.data = (const uint8_t *)"AWS_REGION=x", .size = 12};
    cr_assert_null(remote_setting(&settings, "AWS_REGION"));
}

Test(remote_settings, missing_credentials_are_named_and_none_is_shown)
{
    struct error err = {""};
    struct remote_settings settings = settings_now();
    cr_assert_eq(remote_settings_check_s3(&settings, &err), STATUS_INVALID);
    cr_assert_not_null(strstr(err.text, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"),
                       "%s", err.text);
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    settings = settings_now();
    cr_assert_eq(remote_settings_check_s3(&settings, &err), STATUS_INVALID);
    cr_assert_not_null(strstr(err.text, "s3: AWS_ACCESS_KEY_ID is not set"), "%s", err.text);
    cr_assert_null(strstr(err.text, "hush"));
    setenv("AWS_ACCESS_KEY_ID", "id", 1);
    settings = settings_now();
    cr_assert_eq(remote_settings_check_s3(&settings, &err), STATUS_OK);
}

Test(remote_settings, what_makes_no_sense_is_refused)
{
    struct error err = {""};
    setenv("MAPFLEET_FETCH_TRIES", "0", 1);
    struct remote_settings settings = settings_now();
    cr_assert_eq(remote_settings_check(&settings, &err), STATUS_INVALID);
    cr_assert_eq(remote_settings_tries(&settings), 5);
    setenv("MAPFLEET_FETCH_TRIES", "2", 1);
    settings = settings_now();
    cr_assert_eq(remote_settings_check(&settings, &err), STATUS_OK);
    cr_assert_eq(remote_settings_tries(&settings), 2);
    setenv("AWS_ENDPOINT_URL", "localhost:9000", 1);
    settings = settings_now();
    cr_assert_eq(remote_settings_check(&settings, &err), STATUS_INVALID);
    cr_assert_not_null(strstr(err.text, "AWS_ENDPOINT_URL: \"localhost:9000\""), "%s", err.text);
}

Test(remote_settings, a_part_of_an_upload_has_a_size_that_servers_take)
{
    struct error err = {""};
    unsetenv("MAPFLEET_PUT_PART");
    struct remote_settings settings = settings_now();
    cr_assert_eq(remote_settings_part_size(&settings), UINT64_C(1) << 30);
    setenv("MAPFLEET_PUT_PART", "8Mi", 1);
    settings = settings_now();
    cr_assert_eq(remote_settings_check(&settings, &err), STATUS_OK);
    cr_assert_eq(remote_settings_part_size(&settings), UINT64_C(8) << 20);
    static const char *const wrong[] = {"1k", "6Gi", "all"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        setenv("MAPFLEET_PUT_PART", wrong[i], 1);
        settings = settings_now();
        cr_assert_eq(remote_settings_check(&settings, &err), STATUS_INVALID);
        cr_assert_not_null(strstr(err.text, wrong[i]));
    }
}
