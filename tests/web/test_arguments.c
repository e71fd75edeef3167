#include "kit.h"

#include <spout/escape.h>

#include <stdlib.h>
#include <string.h>

static const char form_type[] = "application/x-www-form-urlencoded";
static const char multipart_type[] = "multipart/form-data; boundary=xx";

static int merged(spout_request *r)
{
    const char *const *all;
    size_t count = spout_arguments(r, "a", &all);
    spout_write_format(r, "%s|%s|%s|", spout_argument(r, "a", "-"),
        spout_query_argument(r, "a", "-"), spout_body_argument(r, "a", "-"));
    for (size_t i = 0; i < count; i++)
        spout_write_format(r, "%s;", all[i]);
    assert_null(all[count]);
    return 0;
}

static int required(spout_request *r)
{
    const char *id = spout_need_argument(r, "id");
    if (!id)
        return -1;
    return spout_write(r, id);
}

static int lists(spout_request *r)
{
    const char *const *values;
    size_t count = spout_query_arguments(r, "a", &values);
    assert_null(values[count]);
    for (size_t i = 0; i < count; i++)
        spout_write_format(r, "q%s ", values[i]);
    count = spout_body_arguments(r, "a", &values);
    assert_null(values[count]);
    for (size_t i = 0; i < count; i++)
        spout_write_format(r, "b%s ", values[i]);
    return 0;
}

static int required_there(spout_request *r)
{
    const char *query = spout_need_query_argument(r, "q");
    if (!query)
        return -1;
    const char *body = spout_need_body_argument(r, "b");
    if (!body)
        return -1;
    return spout_write_format(r, "%s %s", query, body);
}

static int unstripped(spout_request *r)
{
    return spout_write_format(r, "[%s][%s][%s]", spout_argument_unstripped(r, "a", "-"),
        spout_query_argument_unstripped(r, "a", "-"), spout_body_argument_unstripped(r, "a", "-"));
}

static int raw(spout_request *r)
{
    const spout_pair *pairs;
    size_t count = spout_query_pairs(r, &pairs);
    for (size_t i = 0; i < count; i++)
        spout_write_format(r, "%zu:%zu ", pairs[i].name.len, pairs[i].value.len);
    count = spout_body_pairs(r, &pairs);
    for (size_t i = 0; i < count; i++)
        spout_write_format(r, "b%zu:%zu ", pairs[i].name.len, pairs[i].value.len);
    return 0;
}

static int files(spout_request *r)
{
    const spout_file *list;
    size_t count = spout_files(r, &list);
    for (size_t i = 0; i < count; i++) {
        spout_write_format(r, "%s %s ", list[i].filename, list[i].content_type);
        spout_write_bytes(r, list[i].body);
    }
    return spout_write_format(r, "|%s", spout_body_argument(r, "note", "-"));
}

static bool waited;

static int wait_long(spout_request *r)
{
    waited = true;
    return spout_write(r, spout_argument(r, "a", "-"));
}

static const spout_route routes[] = {
    { "/merged", &(const spout_handler){ .get = merged, .post = merged } },
    { "/required", &(const spout_handler){ .get = required } },
    { "/unstripped", &(const spout_handler){ .get = unstripped, .post = unstripped } },
    { "/lists", &(const spout_handler){ .post = lists } },
    { "/required-there", &(const spout_handler){ .post = required_there } },
    { "/raw", &(const spout_handler){ .get = raw, .post = raw, .raw_arguments = 1 } },
    { "/raw-any", &(const spout_handler){ .any = raw, .raw_arguments = 1 } },
    { "/waits", &(const spout_handler){ .get = wait_long } },
    { "/files", &(const spout_handler){ .post = files } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static void the_last_value_counts_and_the_body_comes_last(void **state)
{
    (void)state;
    kit_expect(kit_get("/merged"), 200, "-|-|-|");
    kit_expect(kit_get("/merged?a=1&a=2"), 200, "2|2|-|1;2;");
    kit_expect(kit_post("/merged?a=1&a=2", form_type, "a=3&b=4&a=5"), 200, "5|2|5|1;2;3;5;");
    kit_expect(kit_post("/merged?a=1", form_type, "b=4"), 200, "1|1|-|1;");
}

static void values_are_cleaned(void **state)
{
    (void)state;
    kit_expect(kit_get("/required?id=%20%09x%0Ay%00z%1Fq%0D%0A"), 200, "x\ny z q");
    kit_expect(kit_get("/required?id=%C3%A9+%2B"), 200, "\xC3\xA9 +");
    kit_expect(kit_get("/required?id="), 200, "");
    kit_expect(kit_get("/required?id"), 200, "");
    kit_expect(kit_get("/unstripped?a=%20x%1F%0A+"), 200, "[ x \n ][ x \n ][-]");
    kit_expect(kit_get("/unstripped"), 200, "[-][-][-]");
    kit_expect(kit_post("/unstripped?a=+1", form_type, "a=2+"), 200, "[2 ][ 1][2 ]");
    assert_int_equal(kit_get("/unstripped?a=%FF")->status, 400);
}

static void white_space_is_unicodes(void **state)
{
    (void)state;
    kit_expect(kit_get("/required?id=%E3%80%80%E6%B5%8B%20%E3%80%80%E8%AF%95%E3%80%80%C2%A0"), 200,
        "\xE6\xB5\x8B \xE3\x80\x80\xE8\xAF\x95");
    kit_expect(kit_get("/required?id=%C2%85%E2%80%8A%E1%9A%80%E2%80%A8%E2%81%9Fx%E2%80%8B"), 200,
        "x\xE2\x80\x8B"); /* a zero-width space is none */
    kit_expect(kit_get("/required?id=%E3%80%80%E2%80%AF"), 200, "");
    kit_expect(kit_get("/unstripped?a=%E3%80%80x"), 200, "[\xE3\x80\x80x][\xE3\x80\x80x][-]");
    kit_expect(kit_get("/required?id=%C3%A0"), 200, "\xC3\xA0");
}

static void a_missing_one_is_400(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/required")->status, 400);
    assert_non_null(strstr(kit_log(), "ms: Missing argument id"));
    assert_int_equal(kit_log_lines(), 1);
}

static void query_and_body_apart(void **state)
{
    (void)state;
    kit_expect(kit_post("/lists?a=1&b=2&a=+3", form_type, "a=4&c=5&a=6"), 200, "q1 q3 b4 b6 ");
    kit_expect(kit_post("/lists", "text/plain", "a=4"), 200, "");
    kit_expect(kit_post("/required-there?q=1&b=x", form_type, "q=x&b=2"), 200, "1 2");
    assert_int_equal(kit_post("/required-there?b=x", form_type, "q=x&b=2")->status, 400);
    assert_non_null(strstr(kit_log(), "Missing argument q"));
    assert_int_equal(kit_post("/required-there?q=1&b=x", form_type, "q=x")->status, 400);
    assert_non_null(strstr(kit_log(), "Missing argument b"));
    assert_int_equal(kit_post("/required-there?q=1", form_type, "b=%FF")->status, 400);
}

static void bad_utf8_is_400_where_text_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/merged?a=%FF")->status, 400);
    assert_non_null(strstr(kit_log(), "Invalid unicode in a"));
    assert_int_equal(kit_log_lines(), 1);
    assert_int_equal(kit_get("/required?id=%C3")->status, 400);
    assert_int_equal(kit_get("/merged?b=%FF&a=1")->status, 400);
    kit_expect(kit_get("/raw?a=%FF%FE&%FF=1"), 200, "1:2 1:1 ");
}

static void only_forms_are_forms(void **state)
{
    (void)state;
    kit_expect(
        kit_post("/raw", "Application/X-WWW-Form-Urlencoded; charset=UTF-8", "a=1"), 200, "b1:1 ");
    kit_expect(kit_post("/raw", "application/x-www-form-urlencodedx", "a=1"), 200, "");
    kit_expect(kit_post("/raw", "text/plain", "a=1"), 200, "");
}

static void encoded_forms_are_refused(void **state)
{
    (void)state;
    const spi_field fields[] = { kit_field("Content-Type", form_type),
        kit_field("Content-Encoding", "gzip") };
    const spi_memory_reply *reply = kit_send(&(spi_memory_request){ .method = "POST",
        .target = "/raw",
        .fields = fields,
        .field_count = 2,
        .body = { "a=1", 3 } });
    assert_int_equal(reply->status, 400);
}

static void multipart_fields_and_files(void **state)
{
    (void)state;
    kit_expect(kit_post("/files", multipart_type,
                   "--xx\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n"
                   "--xx\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n"
                   "Content-Type: text/plain\r\n\r\nbody\r\n--xx--\r\n"),
        200, "a.txt text/plain body|hi");
}

static void limits_of_forms_are_the_applications(void **state)
{
    (void)state;
    static const char two[] = "--xx\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
                              "--xx\r\nContent-Disposition: form-data; name=b\r\n\r\n2\r\n"
                              "--xx--\r\n";
    kit_expect(kit_post("/raw", multipart_type, two), 200, "b1:1 b1:1 ");
    kit_stop();
    static const spout_multipart_options one = { .max_parts = 1 }, off = { .disabled = true };
    kit_start(routes, &(spout_application_options){ .multipart = &one });
    assert_int_equal(kit_post("/raw", multipart_type, two)->status, 400);
    kit_stop();
    kit_start(routes, &(spout_application_options){ .multipart = &off });
    assert_int_equal(kit_post("/raw", multipart_type, two)->status, 400);
    assert_non_null(strstr(kit_log(), "Invalid body: multipart: such forms are switched off"));
    kit_expect(kit_post("/raw", form_type, "a=1"), 200, "b1:1 ");
}

static void a_malformed_form_is_400_but_not_for_any(void **state)
{
    (void)state;
    assert_int_equal(kit_post("/raw", multipart_type, "junk")->status, 400);
    assert_int_equal(kit_log_lines(), 1);
    assert_int_equal(
        kit_post("/raw-any", multipart_type, "junk")->status, 400); /* it looks at them */
    assert_int_equal(kit_log_lines(), 1);
}

static void too_many_pairs_are_400(void **state)
{
    (void)state;
    size_t len = 2 * 10001;
    char *body = malloc(len + 1);
    for (size_t i = 0; i < len; i += 2)
        memcpy(body + i, "a&", 2);
    body[len] = '\0';
    assert_int_equal(kit_post("/raw", form_type, body)->status, 400);
    free(body);
}

static void a_query_that_is_no_text_is_refused_at_once(void **state)
{
    (void)state;
    waited = false;
    assert_int_equal(kit_get("/waits?other=%ff")->status, 400);
    assert_int_equal(kit_get("/waits?%c3=1")->status, 400);
    assert_false(waited);
    kit_expect(kit_get("/waits?a=%c3%a9"), 200, "\xc3\xa9");
    assert_true(waited);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            the_last_value_counts_and_the_body_comes_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_are_cleaned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(white_space_is_unicodes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_one_is_400, set_up, tear_down),
        cmocka_unit_test_setup_teardown(query_and_body_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_utf8_is_400_where_text_is_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_query_that_is_no_text_is_refused_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_forms_are_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(encoded_forms_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(multipart_fields_and_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_of_forms_are_the_applications, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_malformed_form_is_400_but_not_for_any, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_pairs_are_400, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
