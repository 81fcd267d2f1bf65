#include "shared/remote_client.h"

#include <criterion/criterion.h>
#include <string.h>

static struct answer answer;

/* The lines of a response, as libcurl gives them. */
static void take(long code, bool is_s3, const char *const *lines)
{
    answer_begin(&answer, code);
    for (; *lines != NULL; lines++) {
        char line[1024];
        (void)snprintf(line, sizeof(line), "%s\r\n", *lines);
        answer_take_header(&answer, is_s3, line, strlen(line));
    }
    answer_take_header(&answer, is_s3, "\r\n", 2);
}

Test(remote_answer, tells_what_identifies_a_content)
{
    take(200, false,
         (const char *const[]){"etag:  W/\"a b\" ", "LAST-MODIFIED: Thu, 01 Jan 2026 00:00:00 GMT",
                               "Content-Length: 12", "X-ETag: no", NULL});
    cr_assert_str_eq(answer.about.etag, "W/\"a b\"");
    cr_assert_str_eq(answer.about.modified, "Thu, 01 Jan 2026 00:00:00 GMT");
    cr_assert_eq(answer.about.size, 12);
    cr_assert_null(answer.about.hash_name);
}

Test(remote_answer, what_makes_no_sense_is_not_said)
{
    char etag[600] = "ETag: ";
    memset(etag + 6, 'x', 500);
    take(206, false,
         (const char *const[]){etag, "Content-Length: -5", "Content-Range: bytes x-9/10",
                               "Content-Length", ":", "", NULL});
    cr_assert_str_eq(answer.about.etag, "");
    cr_assert_eq(answer.about.size, -1);
    cr_assert_not(answer.has_range);
}

Test(remote_answer, a_part_says_where_it_begins_and_how_long_the_whole_is)
{
    take(206, false, (const char *const[]){"Content-Range: bytes 10-19/20", NULL});
    cr_assert(answer.has_range);
    cr_assert_eq(answer.range_start, 10);
    cr_assert_eq(answer.range_total, 20);
    take(206, false, (const char *const[]){"Content-Range: bytes 10-19/*", NULL});
    cr_assert_eq(answer.range_total, -1);
}

Test(remote_answer, the_etag_of_an_s3_object_is_its_md5_unless_it_is_not)
{
    const char *const etag = "ETag: \"d41d8cd98f00b204e9800998ecf8427e\"";
    take(200, true, (const char *const[]){etag, NULL});
    cr_assert_str_eq(answer.about.hash_name, "md5");
    cr_assert_eq(answer.about.hash[0], 0xd4);
    cr_assert_eq(answer.about.hash[15], 0x7e);
    take(200, false, (const char *const[]){etag, NULL});
    cr_assert_null(answer.about.hash_name);
    take(200, true, (const char *const[]){etag, "x-amz-server-side-encryption: aws:kms", NULL});
    cr_assert_null(answer.about.hash_name);
    take(200, true, (const char *const[]){"ETag: \"d41d8cd98f00b204e9800998ecf8427e-3\"", NULL});
    cr_assert_null(answer.about.hash_name);
}

Test(remote_answer, other_hashes_go_before_it_and_those_of_a_part_do_not_count)
{
    const char *const sha256 =
        "x-amz-checksum-sha256: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    const char *const etag = "ETag: \"d41d8cd98f00b204e9800998ecf8427e\"";
    take(200, true, (const char *const[]){etag, sha256, NULL});
    cr_assert_str_eq(answer.about.hash_name, "sha256");
    cr_assert_eq(answer.about.hash[0], 0xe3);
    take(206, true, (const char *const[]){sha256, NULL});
    cr_assert_null(answer.about.hash_name);
    take(200, false,
         (const char *const[]){
             "Repr-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", NULL});
    cr_assert_str_eq(answer.about.hash_name, "sha256");
    take(200, false, (const char *const[]){"Content-MD5: not base64 at all!!!", NULL});
    cr_assert_null(answer.about.hash_name);
}

static const char *reason_of(long code, const char *body, const char *region)
{
    static char text[REMOTE_REASON_SIZE];
    answer_begin(&answer, code);
    answer.reason_size = strlen(body);
    memcpy(answer.reason, body, answer.reason_size);
    (void)snprintf(answer.region, sizeof(answer.region), "%s", region);
    return answer_reason(&answer, text);
}

Test(remote_answer, a_refusal_is_told_with_its_code_and_nothing_that_could_be_markup)
{
    cr_assert_str_eq(reason_of(404, "<Error><Code>NoSuchKey</Code></Error>", ""),
                     "HTTP 404 (NoSuchKey)");
    cr_assert_str_eq(reason_of(500, "<Code><b>", ""), "HTTP 500");
    cr_assert_str_eq(reason_of(500, "<Code>a b\x1b[0m</Code>", ""), "HTTP 500");
    cr_assert_str_eq(reason_of(503, "", ""), "HTTP 503");
    cr_assert_str_eq(reason_of(301, "<Code>PermanentRedirect</Code>", "eu-west-1"),
                     "HTTP 301 (PermanentRedirect): the bucket is in region eu-west-1: set "
                     "AWS_REGION");
    cr_assert_str_eq(reason_of(400, "<Code>AuthorizationHeaderMalformed</Code>", "eu-west-1"),
                     "HTTP 400 (AuthorizationHeaderMalformed): the bucket is in region eu-west-1: "
                     "set AWS_REGION");
    cr_assert_str_eq(reason_of(400, "<Code>BadDigest</Code>", "eu-west-1"), "HTTP 400 (BadDigest)");
}
