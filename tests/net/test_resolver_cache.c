/* Answers are kept, and no longer than they may be. */
#include "kit.h"

#include "net/endpoint.h"
#include "net/resolver_cache.h"

static fake_clock now;
static spout_loop *loop;
static spi_resolver_cache cache;

static int set_up(void **state)
{
    (void)state;
    loop = kit_fake_loop(&now);
    spi_resolver_cache_init(&cache);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spi_resolver_cache_clear(&cache);
    spout_loop_free(loop);
    return 0;
}

static void pass_ms(int64_t span_ms)
{
    now.now_ms += span_ms;
    kit_turn(loop, 0);
}

static void add(const char *host, spout_family family, const char *ip, int64_t lifetime_ms)
{
    spi_addresses addresses = { .count = 1 };
    assert_true(spi_endpoint_parse(&addresses.items[0], ip, 0));
    spi_resolver_cache_add(&cache, host, family, &addresses, lifetime_ms);
}

static bool knows(const char *host, spout_family family, const char *ip)
{
    spi_addresses found = { .count = 0 };
    char text[46];
    if (!spi_resolver_cache_find(&cache, host, family, &found)) {
        assert_int_equal(found.count, 0);
        return false;
    }
    assert_int_equal(found.count, 1);
    assert_string_equal(spout_endpoint_text(&found.items[0], text), ip);
    return true;
}

static void test_until_its_time_is_over(void **state)
{
    (void)state;
    assert_false(knows("a.test", SPOUT_FAMILY_ANY, ""));
    add("a.test", SPOUT_FAMILY_ANY, "127.0.0.1", 1000);
    assert_true(knows("A.Test", SPOUT_FAMILY_ANY, "127.0.0.1"));
    assert_false(knows("a.test", SPOUT_FAMILY_IPV4, ""));
    pass_ms(999);
    assert_true(knows("a.test", SPOUT_FAMILY_ANY, "127.0.0.1")); /* which does not prolong it */
    pass_ms(1);
    assert_false(knows("a.test", SPOUT_FAMILY_ANY, ""));
    assert_int_equal(cache.count, 0);
}

static void test_a_new_answer_replaces_the_old_one(void **state)
{
    (void)state;
    add("a.test", SPOUT_FAMILY_ANY, "127.0.0.1", 1000);
    add("a.test", SPOUT_FAMILY_ANY, "127.0.0.2", 2000);
    assert_true(knows("a.test", SPOUT_FAMILY_ANY, "127.0.0.2"));
    assert_int_equal(cache.count, 1);
    add("a.test", SPOUT_FAMILY_ANY, "127.0.0.3", 0);
    assert_false(knows("a.test", SPOUT_FAMILY_ANY, ""));
}

static void test_the_one_asked_for_longest_ago_goes(void **state)
{
    (void)state;
    char host[32];
    for (int i = 0; i < SPI_RESOLVER_CACHE_MAX; i++) {
        snprintf(host, sizeof host, "%d.test", i);
        add(host, SPOUT_FAMILY_IPV4, "127.0.0.1", 1000);
    }
    assert_true(knows("0.test", SPOUT_FAMILY_IPV4, "127.0.0.1"));
    add("new.test", SPOUT_FAMILY_IPV4, "127.0.0.9", 1000);
    assert_int_equal(cache.count, SPI_RESOLVER_CACHE_MAX);
    assert_true(knows("0.test", SPOUT_FAMILY_IPV4, "127.0.0.1"));
    assert_false(knows("1.test", SPOUT_FAMILY_IPV4, ""));
    assert_true(knows("new.test", SPOUT_FAMILY_IPV4, "127.0.0.9"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_until_its_time_is_over),
        TEST(test_a_new_answer_replaces_the_old_one),
        TEST(test_the_one_asked_for_longest_ago_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
