/* What replies begin with: one text for each Content-Type. */
#include "kit.h"

#include "loop/loop.h"
#include "web/application.h"

#include <spout/version.h>

#include <stdio.h>
#include <string.h>

enum { MANY = 40 };

static char tag[64]; /* of the last reply, as its handler saw it */

static int typed(spout_request *r)
{
    const char *type = spout_argument(r, "type", "text/plain");
    assert_int_equal(spout_set_header(r, spout_argument(r, "name", "Content-Type"), type), 0);
    return spout_write(r, type);
}

static int typed_twice(spout_request *r)
{
    assert_int_equal(spout_set_header(r, "Content-Type", "text/plain"), 0);
    assert_string_equal(spout_get_reply_header(r, "content-type"), "text/plain");
    assert_int_equal(spout_set_header(r, "X-One", "1"), 0);
    assert_int_equal(spout_set_header(r, "Content-Type", "text/css"), 0);
    assert_string_equal(spout_get_reply_header(r, "Content-Type"), "text/css");
    assert_non_null(spout_get_reply_header(r, "Date"));
    return spout_write(r, "x");
}

static int typed_and_cleared(spout_request *r)
{
    assert_int_equal(spout_set_header(r, "Content-Type", "text/plain"), 0);
    assert_int_equal(spout_clear_header(r, "Content-Type"), 0);
    assert_null(spout_get_reply_header(r, "Content-Type"));
    if (*spout_argument(r, "again", ""))
        assert_int_equal(spout_set_header(r, "Content-Type", "text/plain"), 0);
    return spout_write(r, "x");
}

static int typed_beside_another(spout_request *r)
{
    assert_int_equal(spout_add_header(r, "content-type", "text/a"), 0);
    assert_int_equal(spout_set_header(r, "Content-Type", "text/plain"), 0);
    return spout_write(r, "x");
}

static int typed_badly(spout_request *r)
{
    assert_int_equal(spout_set_header(r, "Content-Type", "text/a\r\nX-B: c"), SPOUT_EINVAL);
    assert_int_equal(spout_set_header(r, "Content-Type", NULL), SPOUT_EINVAL);
    assert_int_equal(spout_set_header(r, NULL, "text/a"), SPOUT_EINVAL);
    return spout_write(r, "x");
}

static int typed_and_begun_anew(spout_request *r)
{
    assert_int_equal(spout_set_header(r, "Content-Type", "text/plain"), 0);
    return *spout_argument(r, "fail", "") ? spout_fail(r, 400, "no") : spout_clear(r);
}

static int typed_without_server(spout_request *r)
{
    assert_int_equal(spout_clear_header(r, "Server"), 0);
    assert_int_equal(spout_set_header(r, "Content-Type", "text/plain"), 0);
    return spout_write(r, "x");
}

static int typed_too_late(spout_request *r)
{
    assert_int_equal(spout_write(r, "x"), 0);
    assert_int_equal(spout_flush(r), 0);
    assert_int_equal(spout_set_header(r, "Content-Type", "text/plain"), SPOUT_ESTATE);
    return 0;
}

/* Whose reply is out while others use the same beginning. */
static int tagged(spout_request *r)
{
    assert_int_equal(spout_write(r, spout_argument(r, "body", "x")), 0);
    if (*spout_argument(r, "more", ""))
        assert_int_equal(spout_set_header(r, "X-More", "1"), 0);
    assert_null(spout_get_reply_header(r, "Etag"));
    assert_int_equal(spout_finish(r), 0);
    spi_usual_set_etag(&kit_application()->usual, 0);
    snprintf(tag, sizeof tag, "%s", spout_get_reply_header(r, "eTAG"));
    return 0;
}

static const spout_route routes[] = {
    { "/tagged", &(const spout_handler){ .get = tagged } },
    { "/", &(const spout_handler){ .get = typed } },
    { "/twice", &(const spout_handler){ .get = typed_twice } },
    { "/cleared", &(const spout_handler){ .get = typed_and_cleared } },
    { "/beside", &(const spout_handler){ .get = typed_beside_another } },
    { "/badly", &(const spout_handler){ .get = typed_badly } },
    { "/anew", &(const spout_handler){ .get = typed_and_begun_anew } },
    { "/without-server", &(const spout_handler){ .get = typed_without_server } },
    { "/late", &(const spout_handler){ .get = typed_too_late } },
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

static void expect_types(const spi_memory_reply *reply, int count, const char *type)
{
    assert_int_equal(reply->status, 200);
    int found = 0;
    for (size_t i = 0; i < reply->field_count; i++)
        found += reply->fields[i].name_len == 12 && strlen(reply->fields[i].value) > 0 &&
                 (reply->fields[i].name[0] | 0x20) == 'c' && reply->fields[i].name[8] != 'L';
    assert_int_equal(found, count);
    kit_expect_field(reply, "Content-Type", type);
}

static void a_type_may_come_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        expect_types(kit_get("/"), 1, "text/plain");
        expect_types(kit_get("/?type=text/css"), 1, "text/css");
        expect_types(kit_get("/?type=%20text/css%09"), 1, "text/css");
        expect_types(kit_get("/?type=text/cs"), 1, "text/cs");
        expect_types(kit_get("/?type="), 0, "");
        expect_types(kit_get("/?name=content-TYPE&type=text/csv"), 1, "text/csv");
        expect_types(kit_get("/?type=text/html;%20charset=UTF-8"), 1, "text/html; charset=UTF-8");
    }
}

static void the_last_one_counts(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/twice");
    expect_types(reply, 1, "text/css");
    kit_expect_field(reply, "X-One", "1");
    expect_types(kit_get("/cleared"), 0, NULL);
    expect_types(kit_get("/cleared?again=1"), 1, "text/plain");
    kit_get("/");
    expect_types(kit_get("/beside"), 1, "text/plain");
    expect_types(kit_get("/badly"), 1, "text/html; charset=UTF-8");
    expect_types(kit_get("/late"), 1, "text/html; charset=UTF-8");
    kit_expect_field(kit_get("/without-server"), "Server", NULL);
    expect_types(kit_get("/without-server"), 1, "text/plain");
}

static void a_fresh_reply_has_the_usual_one(void **state)
{
    (void)state;
    kit_expect_field(kit_get("/anew"), "Content-Type", "text/html; charset=UTF-8");
    kit_expect_field(kit_get("/anew?fail=1"), "Content-Type", "text/html; charset=UTF-8");
}

static int count_usual(void)
{
    int count = 0;
    for (const spi_usual *usual = &kit_application()->usual; usual; usual = usual->next)
        count++;
    return count;
}

static void types_of_the_client_fill_no_memory(void **state)
{
    (void)state;
    char target[256], type[200];
    for (int i = 0; i < MANY; i++) {
        snprintf(type, sizeof type, "text/x-%d", i);
        snprintf(target, sizeof target, "/?type=%s", type);
        expect_types(kit_get(target), 1, type);
        expect_types(kit_get(target), 1, type);
    }
    assert_in_range(count_usual(), 3, 16);
    expect_types(kit_get("/"), 1, "text/plain");
}

static void a_long_type_is_not_kept(void **state)
{
    (void)state;
    char target[256], type[200];
    memset(type, 'x', sizeof type - 1);
    type[sizeof type - 1] = '\0';
    snprintf(target, sizeof target, "/?type=%s", type);
    expect_types(kit_get(target), 1, type);
    assert_int_equal(count_usual(), 1);
}

static void each_has_its_lines_ready(void **state)
{
    (void)state;
    spi_usual *first = &kit_application()->usual;
    kit_get("/");
    spi_usual *usual = spi_usual_find(first, "text/plain", 10);
    assert_non_null(usual);
    assert_ptr_not_equal(usual, first);
    assert_null(spi_usual_find(first, "text/plai", 9));
    spi_usual_write(usual, kit_loop());
    char expected[256];
    snprintf(expected, sizeof expected,
        "HTTP/1.1 200 OK\r\nServer: Waterspout/" SPOUT_VERSION
        "\r\nDate: %s\r\nContent-Type: text/plain\r\n",
        usual->date);
    assert_int_equal(usual->ends[usual->count], strlen(expected));
    assert_memory_equal(usual->text, expected, strlen(expected));
    spi_usual_set_etag(usual, UINT64_C(0x0123456789ABCDEF));
    static const char line[] = "Etag: \"0123456789abcdef\"\r\n";
    assert_int_equal(usual->ends[usual->count + 1], strlen(expected) + strlen(line));
    assert_memory_equal(usual->text + strlen(expected), line, strlen(line));
    spi_usual_write(usual, kit_loop());
    assert_memory_equal(usual->text + strlen(expected), line, strlen(line));
}

/* However the tag goes out. */
static void a_tag_is_the_body_s(void **state)
{
    (void)state;
    kit_get("/tagged?body=one");
    char first[64];
    snprintf(first, sizeof first, "%s", tag);
    assert_int_equal(strlen(first), SPI_ETAG_LEN);
    static const char *const targets[] = { "/tagged?body=one", "/tagged?body=one&more=1" };
    for (size_t i = 0; i < 2; i++) {
        kit_expect_field(kit_get(targets[i]), "Etag", first);
        assert_string_equal(tag, first);
        kit_expect_field(kit_get_with(targets[i], "If-None-Match", "\"other\""), "Etag", first);
        assert_string_equal(tag, first);
        const spi_memory_reply *reply = kit_get_with(targets[i], "If-None-Match", first);
        assert_int_equal(reply->status, 304);
        kit_expect_field(reply, "Etag", first);
    }
    const spi_memory_reply *reply = kit_get("/tagged?body=two");
    assert_string_not_equal(spi_memory_reply_field(reply, "Etag"), first);
    kit_expect_field(reply, "Etag", tag);
}

static void without_a_server_too(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .server_header = "" });
    expect_types(kit_get("/"), 1, "text/plain");
    const spi_memory_reply *reply = kit_get("/");
    expect_types(reply, 1, "text/plain");
    kit_expect_field(reply, "Server", NULL);
    assert_non_null(spi_memory_reply_field(reply, "Date"));
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_type_may_come_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_one_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fresh_reply_has_the_usual_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(types_of_the_client_fill_no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_type_is_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_has_its_lines_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_tag_is_the_body_s, set_up, tear_down),
        cmocka_unit_test(without_a_server_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
