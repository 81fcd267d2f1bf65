#include <criterion/criterion.h>

#include "shared/url.h"

static void expect_refused(const char *text, bool is_folder, const char *reason)
{
    struct error err = {""};
    cr_assert_eq(url_check(text, is_folder, &err), STATUS_INVALID, "%s was taken", text);
    cr_assert_not_null(strstr(err.text, reason), "%s: %s", text, err.text);
}

static void expect_taken(const char *text, bool is_folder)
{
    struct error err = {""};
    cr_assert_eq(url_check(text, is_folder, &err), STATUS_OK, "%s", err.text);
}

static void expect_name(const char *text, const char *expected)
{
    char name[URL_NAME_SIZE_MAX];
    url_name(text, name);
    cr_assert_str_eq(name, expected);
}

Test(url, http_https_and_s3_are_taken)
{
    expect_taken("http://host/a.jpg", false);
    expect_taken("HTTPS://host:8080/a%20b?x=1", false);
    expect_taken("s3://bucket/a key?with#all", false);
    expect_taken("s3://bucket", true);
    expect_taken("s3://bucket/folder/", true);
}

Test(url, other_schemes_are_refused_with_those_that_are_supported)
{
    expect_refused("ftp://host/a", false,
                   "the scheme \"ftp\" is not supported: expected http, https, s3 or a path");
    expect_refused("gs://bucket/a", true, "not supported");
    expect_refused("file:///tmp/a", false, "give the path alone");
}

Test(url, what_names_no_file_is_refused)
{
    expect_refused("http:///a", false, "no host");
    expect_refused("s3:///key", false, "no bucket");
    expect_refused("s3://../key", false, "no bucket");
    expect_refused("s3://bucket", false, "no key");
    expect_refused("s3://bucket/folder/", false, "no key");
    expect_refused("http://host/a b", false, "has to be encoded");
    expect_refused("http://host/a\r\nX: y", false, "has to be encoded");
}

static const char *of_size(const char *start, size_t size)
{
    static char text[2 * URL_SIZE_MAX];
    memset(text, 'x', size);
    memcpy(text, start, strlen(start));
    text[size] = '\0';
    return text;
}

/* Those that are signed beforehand, with the token of a session, have some kB. */
Test(url, has_as_many_bytes_as_servers_take)
{
    expect_taken(of_size("https://host/a?token=", 8191), false);
    expect_refused(of_size("https://host/a?token=", 8192), false, "longer than 8191 bytes");
    expect_refused(of_size("https://host/a?token=", 15000), false, "https://host/a?...: ");
    expect_taken(of_size("s3://bucket/", 2047), false);
    expect_refused(of_size("s3://bucket/", 2048), false, "longer than 2047 bytes");
}

Test(url, a_dir_is_an_s3_prefix)
{
    expect_refused("http://host/folder/", true, "a dir cannot be fetched by http");
}

Test(url, what_stands_for_a_port_is_one)
{
    expect_taken("http://[::1]/a", false);
    expect_taken("http://me:secret@[fe80::1]:8080/a", false);
    expect_taken("http://me:secret@host/a", false);
    expect_refused("http://me:se/cret@host/a", false, "http://host/a: no port");
    expect_refused("http://host:x80/a", false, "no port: expected http://HOST:PORT/PATH");
}

Test(url, secrets_are_not_shown)
{
    char shown[URL_SIZE_MAX];
    cr_assert_str_eq(url_show("https://me:secret@host/a?X-Amz-Signature=secret#x", shown),
                     "https://host/a?...");
    cr_assert_str_eq(url_show("https://me:sec@ret@host/a@b", shown), "https://host/a@b");
    cr_assert_str_eq(url_show("s3://bucket/what?is@this", shown), "s3://bucket/what?is@this");
    cr_assert_str_eq(url_show("http://me:se/c?ret@host/a", shown), "http://host/a");
    cr_assert_str_eq(url_show("http://[::1]:80/a@b", shown), "http://[::1]:80/a@b");
}

Test(url, a_name_keeps_its_ending_and_never_leads_elsewhere)
{
    expect_name("http://host/photos/a.jpg?size=3", "a.jpg");
    expect_name("http://host/a%2f..%2fb.jpg", "a_.._b.jpg");
    expect_name("http://host/%2e%2e", "_.");
    expect_name("http://host/..", "_.");
    expect_name("http://host", "file");
    expect_name("s3://bucket/x/caf\xc3\xa9 1.txt", "caf___1.txt");
    expect_name("s3://bucket/folder/", "folder");
    expect_name("s3://bucket/a%41", "a_41");
}

Test(url, of_a_long_name_the_end_is_kept)
{
    char text[512] = "s3://bucket/";
    char name[URL_NAME_SIZE_MAX];
    memset(text + 12, 'x', 300);
    memcpy(text + 312, ".tar.gz", 8);
    url_name(text, name);
    cr_assert_eq(strlen(name), URL_NAME_SIZE_MAX - 1);
    cr_assert_str_eq(name + strlen(name) - 8, "x.tar.gz");
}

Test(url, paths_are_encoded_as_signatures_want_them)
{
    char out[64];
    cr_assert(url_encode_path("a b+c/\xc3\xa9?~-_.", out, sizeof(out)));
    cr_assert_str_eq(out, "a%20b%2Bc/%C3%A9%3F~-_.");
    cr_assert_not(url_encode_path("aaaaaaaa", out, 8));
}
