/* Names to addresses. getaddrinfo is replaced (the program is linked with --wrap): no test asks the
   network. */
#include "kit.h"

#include <spout/resolver.h>
#include <spout/task.h>

#include "net/endpoint.h"

#include <netdb.h>
#include <semaphore.h>

static spout_loop *loop;
static int lookups; /* of names that no test may answer by itself */
static sem_t gate;  /* taken: lookups of "slow.test" hang */

int __real_getaddrinfo(const char *, const char *, const struct addrinfo *, struct addrinfo **);
int __wrap_getaddrinfo(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int numeric(const char *ip, struct addrinfo **out)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    return __real_getaddrinfo(ip, NULL, &hints, out);
}

int __wrap_getaddrinfo(
    const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    assert_null(service);
    lookups++;
    if (strcmp(host, "slow.test") == 0) {
        sem_wait(&gate);
        sem_post(&gate);
        return numeric("127.0.0.9", out);
    }
    if (strcmp(host, "dual.test") == 0) {
        if (hints->ai_family == AF_INET6)
            return numeric("::1", out);
        int result = numeric("127.0.0.2", out);
        return result || hints->ai_family == AF_INET ? result : numeric("::1", &(*out)->ai_next);
    }
    if (strcmp(host, "twice.test") == 0) {
        int result = numeric("127.0.0.3", out);
        return result ? result : numeric("127.0.0.3", &(*out)->ai_next);
    }
    if (strcmp(host, "later.test") == 0)
        return EAI_AGAIN;
    if (strcmp(host, "broken.test") == 0) {
        errno = EMFILE;
        return EAI_SYSTEM;
    }
    return EAI_NONAME;
}

static int set_up(void **state)
{
    (void)state;
    loop = kit_loop();
    lookups = 0;
    sem_init(&gate, 0, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spout_loop_free(loop);
    sem_destroy(&gate);
    return 0;
}

static void run(spout_task_fn *fn, void *arg)
{
    assert_int_equal(spout_loop_run_sync(loop, fn, arg, 30000), 0);
}

static void assert_message(const char *part)
{
    if (!strstr(spout_error_message(), part))
        fail_msg("\"%s\" does not say \"%s\"", spout_error_message(), part);
}

static spout_resolve_options with(spout_resolver *resolver, spout_family family)
{
    return (spout_resolve_options){ .resolver = resolver, .family = family };
}

/* `expected`: addresses with blanks between. */
static void expect(
    spout_resolver *resolver, const char *host, spout_family family, const char *expected)
{
    spout_resolve_options options = with(resolver, family);
    const spout_endpoint *found;
    char text[512] = "";
    int count = spout_resolve(host, 80, &options, &found);
    for (int i = 0; i < count; i++) {
        char name[SPI_ENDPOINT_NAME];
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%s", len ? " " : "",
            spi_endpoint_name(&found[i], name));
    }
    if (count < 0)
        fail_msg("%s: %s", host, spout_error_message());
    assert_string_equal(text, expected);
}

static void expect_error(
    spout_resolver *resolver, const char *host, spout_family family, int code, const char *part)
{
    spout_resolve_options options = with(resolver, family);
    const spout_endpoint *found = NULL;
    assert_int_equal(spout_resolve(host, 80, &options, &found), code);
    assert_null(found);
    assert_message(part);
}

static int numeric_addresses(void *arg)
{
    expect(arg, "127.0.0.1", SPOUT_FAMILY_ANY, "127.0.0.1:80");
    expect(arg, "::1", SPOUT_FAMILY_ANY, "[::1]:80");
    expect(arg, "::1", SPOUT_FAMILY_IPV6, "[::1]:80");
    expect_error(arg, "::1", SPOUT_FAMILY_IPV4, SPOUT_ENOTFOUND, "no IPv4 address");
    expect_error(arg, "127.0.0.1", SPOUT_FAMILY_IPV6, SPOUT_ENOTFOUND, "no IPv6 address");
    expect(arg, "fe80::7%1", SPOUT_FAMILY_ANY, "[fe80::7%lo]:80");
    assert_int_equal(lookups, 0);
    return 0;
}

static int names(void *arg)
{
    expect(arg, "dual.test", SPOUT_FAMILY_ANY, "127.0.0.2:80 [::1]:80");
    expect(arg, "dual.test", SPOUT_FAMILY_IPV4, "127.0.0.2:80");
    expect(arg, "dual.test", SPOUT_FAMILY_IPV6, "[::1]:80");
    expect(arg, "twice.test", SPOUT_FAMILY_ANY, "127.0.0.3:80");
    expect_error(arg, "unknown.test", SPOUT_FAMILY_ANY, SPOUT_ENOTFOUND, "unknown.test");
    expect_error(arg, "later.test", SPOUT_FAMILY_ANY, SPOUT_EFAILED, "later.test");
    expect_error(arg, "broken.test", SPOUT_FAMILY_ANY, SPOUT_ESYSTEM, "broken.test");
    assert_int_equal(spout_error_get_errno(spout_error_current()), EMFILE);
    expect_error(arg, "", SPOUT_FAMILY_ANY, SPOUT_EINVAL, "empty");
    char large[300];
    memset(large, 'a', sizeof large);
    large[sizeof large - 1] = '\0';
    expect_error(arg, large, SPOUT_FAMILY_ANY, SPOUT_EINVAL, "too long");
    const spout_endpoint *found;
    assert_int_equal(spout_resolve("dual.test", 65536, NULL, &found), SPOUT_EINVAL);
    assert_int_equal(lookups, 7);
    return 0;
}

static void test_executor(void **state)
{
    (void)state;
    run(numeric_addresses, NULL);
    run(names, NULL);
}

static void test_blocking(void **state)
{
    (void)state;
    spout_resolver *resolver = spout_resolver_new(
        &(spout_resolver_options){ .kind = SPOUT_RESOLVER_BLOCKING });
    run(numeric_addresses, resolver);
    run(names, resolver);
    spout_resolver_unref(resolver);
}

static int overridden(void *arg)
{
    expect(arg, "example.org", SPOUT_FAMILY_ANY, "127.0.0.4:80 [::1]:80 127.0.0.5:80");
    expect(arg, "EXAMPLE.org", SPOUT_FAMILY_IPV6, "[::1]:80");
    expect(arg, "login.test", SPOUT_FAMILY_IPV4, "127.0.0.6:1443");
    expect_error(arg, "login.test", SPOUT_FAMILY_IPV6, SPOUT_ENOTFOUND, "login.test");
    expect(arg, "alias.test", SPOUT_FAMILY_ANY, "127.0.0.2:80 [::1]:80");
    expect(arg, "127.0.0.77", SPOUT_FAMILY_ANY, "127.0.0.7:80");
    expect(arg, "dual.test", SPOUT_FAMILY_IPV4, "127.0.0.2:80");
    expect_error(arg, "bad.test", SPOUT_FAMILY_ANY, SPOUT_ENOTFOUND, "1.2.3.4,nonsense");
    return 0;
}

static void test_overrides(void **state)
{
    (void)state;
    const spout_override overrides[] = {
        { .host = "example.org", .to = "127.0.0.4,::1,127.0.0.5,127.0.0.4" },
        { .host = "login.test", .port = 443, .to = "127.0.0.1" },
        { .host = "login.test",
            .port = 80,
            .family = SPOUT_FAMILY_IPV4,
            .to = "127.0.0.6",
            .to_port = 1443 },
        { .host = "alias.test", .to = "dual.test" },
        { .host = "127.0.0.77", .to = "127.0.0.7" },
        { .host = "bad.test", .to = "1.2.3.4,nonsense" },
        { 0 },
    };
    spout_resolver *resolver = spout_resolver_new(
        &(spout_resolver_options){ .kind = SPOUT_RESOLVER_BLOCKING, .overrides = overrides });
    run(overridden, resolver);
    spout_resolver_set_default(resolver);
    spout_resolver_unref(resolver);
    run(overridden, NULL);
    assert_int_equal(spout_resolver_set_default(NULL), 0);
}

static int own_function(
    void *arg, const char *host, spout_family family, spout_endpoint *out, int max)
{
    assert_int_equal(max, SPOUT_RESOLVE_MAX);
    assert_int_equal(family, SPOUT_FAMILY_ANY);
    assert_int_equal(spout_sleep(1), 0);
    if (strcmp(host, "mine.test") != 0)
        return spout_error_set(SPOUT_ENOTFOUND, "not mine");
    spi_endpoint_parse(&out[0], arg, 9);
    return 1;
}

static int ask_own_function(void *arg)
{
    expect(arg, "mine.test", SPOUT_FAMILY_ANY, "127.0.0.8:80");
    expect_error(arg, "yours.test", SPOUT_FAMILY_ANY, SPOUT_ENOTFOUND, "not mine");
    return 0;
}

static void test_own_function(void **state)
{
    (void)state;
    char ip[] = "127.0.0.8";
    spout_resolver *resolver = spout_resolver_new(
        &(spout_resolver_options){ .resolve = own_function, .resolve_arg = ip });
    run(ask_own_function, resolver);
    spout_resolver_unref(resolver);
}

/* --- lookups that take their time --- */

static int expect_slow(void *arg)
{
    (void)arg;
    expect(NULL, "slow.test", SPOUT_FAMILY_ANY, "127.0.0.9:80");
    return 0;
}

static int open_gate(void *arg)
{
    (void)arg;
    if (spout_sleep(20) < 0)
        return -1;
    sem_post(&gate);
    return 0;
}

static int ask_together(void *arg)
{
    (void)arg;
    sem_wait(&gate);
    spout_group *group = spout_group_new();
    for (int i = 0; i < 10; i++)
        spout_group_start(group, expect_slow, NULL, NULL);
    spout_group_start(group, open_gate, NULL, NULL);
    int result = spout_group_join(group);
    spout_group_free(group);
    assert_int_equal(lookups, 1);
    return result;
}

static void test_one_lookup_for_all_who_wait(void **state)
{
    (void)state;
    run(ask_together, NULL);
}

static int expect_cancelled(void *arg)
{
    (void)arg;
    expect_error(NULL, "slow.test", SPOUT_FAMILY_ANY, SPOUT_ECANCELED, "slow.test");
    return 0;
}

static int cancel_it(void *arg)
{
    (void)arg;
    sem_wait(&gate);
    spout_group *group = spout_group_new();
    spout_group_start(group, expect_cancelled, NULL, NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(spout_yield(), 0);
    spout_group_cancel(group);
    spout_group_free(group);
    sem_post(&gate);
    return 0;
}

static void test_cancelled(void **state)
{
    (void)state;
    run(cancel_it, NULL);
}

static int time_out(void *arg)
{
    (void)arg;
    sem_wait(&gate);
    int64_t outer = spout_deadline_set_ms(20);
    expect_error(NULL, "slow.test", SPOUT_FAMILY_ANY, SPOUT_ETIMEDOUT, "cannot resolve slow.test");
    spout_deadline_restore(outer);
    sem_post(&gate);
    expect(NULL, "slow.test", SPOUT_FAMILY_ANY, "127.0.0.9:80");
    return 0;
}

static void test_deadline(void **state)
{
    (void)state;
    run(time_out, NULL);
}

static int ask_thrice(void *arg)
{
    for (int i = 0; i < 3; i++)
        expect(arg, "dual.test", SPOUT_FAMILY_IPV4, "127.0.0.2:80");
    for (int i = 0; i < 2; i++)
        expect_error(arg, "none.test", SPOUT_FAMILY_IPV4, SPOUT_ENOTFOUND, "none.test");
    return 0;
}

/* getaddrinfo does not tell for how long. */
static void test_kept_only_if_wanted(void **state)
{
    (void)state;
    static const int64_t cache_ms[] = { 0, SPOUT_NONE, 3600 * 1000 };
    static const int expected[] = { 5, 5, 3 };
    for (size_t i = 0; i < 3; i++) {
        spout_resolver *resolver = spout_resolver_new(
            &(spout_resolver_options){ .cache_ms = cache_ms[i] });
        lookups = 0;
        run(ask_thrice, resolver);
        assert_int_equal(lookups, expected[i]);
        spout_resolver_unref(resolver);
    }
}

static void test_needs_a_coroutine(void **state)
{
    (void)state;
    const spout_endpoint *found;
    assert_int_equal(spout_resolve("127.0.0.1", 80, NULL, &found), SPOUT_ESTATE);
    spout_resolver_unref(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_executor),
        TEST(test_blocking),
        TEST(test_overrides),
        TEST(test_own_function),
        TEST(test_one_lookup_for_all_who_wait),
        TEST(test_cancelled),
        TEST(test_deadline),
        TEST(test_kept_only_if_wanted),
        TEST(test_needs_a_coroutine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
