/* CVE-2025-67724: a reason phrase injects neither header lines nor markup. */
#include "kit.h"

#include <stdio.h>
#include <string.h>

static int get(spout_request *r)
{
    const char *reason = spout_argument(r, "reason", "");
    if (spout_set_status(r, 400, reason) < 0)
        return spout_write(r, "refused");
    return spout_write(r, "set");
}

static int fail_with_markup(spout_request *r)
{
    return spout_fail(r, 400, "<script>alert(1)</script>");
}

static int set_reason(spout_request *r)
{
    return spout_set_status(r, spout_get_status(r), "<script>alert(1)</script>");
}

static int header(spout_request *r)
{
    if (spout_set_header(r, "X-Foo", spout_argument(r, "value", "")) < 0)
        return spout_write(r, "refused");
    return spout_write(r, "set");
}

static const spout_route routes[] = {
    { "/", &(const spout_handler){ .get = get } },
    { "/fail",
        &(const spout_handler){ .get = fail_with_markup, .set_default_headers = set_reason } },
    { "/header", &(const spout_handler){ .get = header } },
    { 0 },
};

static void line_ends_are_refused(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    kit_expect(kit_get("/?reason=Fine"), 400, "set");
    static const char *const bad[] = { "a%0D%0AX-Evil:%201", "a%0Ab", "a%0Db" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char target[128];
        snprintf(target, sizeof target, "/?reason=%s", bad[i]);
        kit_expect(kit_get(target), 200, "refused");
        snprintf(target, sizeof target, "/header?value=%s", bad[i]);
        kit_expect(kit_get(target), 200, "refused");
    }
    kit_stop();
}

static void pages_are_escaped(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    const spi_memory_reply *reply = kit_get("/fail");
    assert_int_equal(reply->status, 400);
    assert_null(strstr(reply->body.data, "<script>"));
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends_are_refused),
        cmocka_unit_test(pages_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
