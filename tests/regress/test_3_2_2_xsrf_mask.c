/* Two renderings of an XSRF token share no text, so that the length of a compressed page tells
   nothing of it (BREACH); both are good. */
#include "kit.h"

#include <spout/auth.h>

#include <stdio.h>
#include <string.h>

static int get(spout_request *r)
{
    return spout_write(r, spout_xsrf_token(r));
}

static int post(spout_request *r)
{
    return spout_write(r, "posted");
}

static const spout_route routes[] = { { "/", &(const spout_handler){ .get = get, .post = post } },
    { 0 } };

static void renderings_differ(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .xsrf_cookies = true });
    const char *cookie = "_xsrf=2|2d4e1f03|f5b2c7d81e6a4b3c9d0e1f2a3b4c5d6e|1300000000";
    char seen[8][128];
    for (size_t i = 0; i < 8; i++) {
        snprintf(seen[i], sizeof seen[i], "%s", kit_get_with("/", "Cookie", cookie)->body.data);
        for (size_t k = 0; k < i; k++)
            assert_true(strncmp(seen[i] + 2, seen[k] + 2, 41) != 0);
        const spi_field fields[] = { kit_field("Cookie", cookie),
            kit_field("X-Xsrftoken", seen[i]) };
        kit_expect(kit_send(&(spi_memory_request){
                       .method = "POST", .target = "/", .fields = fields, .field_count = 2 }),
            200, "posted");
    }
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(renderings_differ) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
