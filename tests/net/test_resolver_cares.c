/* c-ares against a name server of our own, on the same loop. */
#include "kit.h"

#include <spout/resolver.h>
#include <spout/task.h>

#include "net/endpoint.h"
#include "net/resolver.h"

static fake_clock now;
static spout_loop *loop;
static spout_resolver *resolver;
static char address[32]; /* of the name server */
static int server, queries;

enum { TYPE_A = 1, TYPE_AAAA = 28, NAME_ERROR = 3, HEADER = 12, TTL_S = 60 };

/* The question's name with dots, and its type. Returns the question's length. */
static size_t read_question(const unsigned char *query, size_t len, char name[256], int *type)
{
    size_t at = HEADER, out = 0;
    while (at < len && query[at]) {
        size_t label = query[at++];
        assert_true(at + label < len && out + label + 1 < 256);
        memcpy(name + out, query + at, label);
        out += label;
        at += label;
        name[out++] = '.';
    }
    name[out ? out - 1 : 0] = '\0';
    *type = query[at + 1] << 8 | query[at + 2];
    return at + 5 - HEADER;
}

/* one.test has an address of each family; empty.test has none; mute.test gets no answer. */
static void answer(void *arg, int fd, unsigned events)
{
    (void)arg, (void)events;
    unsigned char data[600] = { 0 };
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    char name[256];
    int type;
    ssize_t got = recvfrom(fd, data, 512, 0, (struct sockaddr *)&from, &from_len);
    if (got < HEADER)
        return;
    size_t len = HEADER + read_question(data, (size_t)got, name, &type);
    queries++;
    if (strcmp(name, "mute.test") == 0)
        return;
    bool known = strcmp(name, "one.test") == 0, empty = strcmp(name, "empty.test") == 0;
    data[2] = 0x84 | (data[2] & 1); /* an authoritative answer */
    data[3] = known || empty ? 0 : NAME_ERROR;
    memset(data + 6, 0, 6); /* no further records than these */
    if (known) {
        size_t size = type == TYPE_A ? 4 : 16;
        unsigned char record[] = { 0xc0, HEADER, 0, (unsigned char)type, 0, 1, 0, 0, 0, TTL_S, 0,
            (unsigned char)size };
        data[7] = 1;
        memcpy(data + len, record, sizeof record);
        inet_pton(type == TYPE_A ? AF_INET : AF_INET6, type == TYPE_A ? "127.0.0.5" : "::5",
            data + len + sizeof record);
        len += sizeof record + size;
    }
    sendto(fd, data, len, 0, (struct sockaddr *)&from, from_len);
}

static int set_up(void **state)
{
    (void)state;
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof in;
    loop = kit_fake_loop_with(&now, fake_skip_patiently);
    server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(server, (struct sockaddr *)&in, sizeof in), 0);
    getsockname(server, (struct sockaddr *)&in, &len);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(in.sin_port));
    assert_non_null(spout_watch_start(server, SPOUT_READABLE, answer, NULL));
    resolver = spout_resolver_new(
        &(spout_resolver_options){ .kind = SPOUT_RESOLVER_CARES, .servers = address });
    queries = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spout_resolver_unref(resolver);
    spout_loop_free(loop);
    close(server);
    return 0;
}

static int resolve(const char *host, spout_family family, const spout_endpoint **found)
{
    return spout_resolve(
        host, 80, &(spout_resolve_options){ .resolver = resolver, .family = family }, found);
}

static int ask(void *arg)
{
    (void)arg;
    const spout_endpoint *found;
    char name[SPI_ENDPOINT_NAME];
    assert_int_equal(resolve("127.0.0.1", SPOUT_FAMILY_ANY, &found), 1);
    assert_int_equal(queries, 0);
    assert_int_equal(resolve("one.test", SPOUT_FAMILY_ANY, &found), 2);
    assert_int_equal(resolve("one.test", SPOUT_FAMILY_IPV4, &found), 1);
    assert_string_equal(spi_endpoint_name(&found[0], name), "127.0.0.5:80");
    assert_int_equal(resolve("one.test", SPOUT_FAMILY_IPV6, &found), 1);
    assert_string_equal(spi_endpoint_name(&found[0], name), "[::5]:80");
    assert_int_equal(resolve("none.test", SPOUT_FAMILY_ANY, &found), SPOUT_ENOTFOUND);
    assert_non_null(strstr(spout_error_message(), "none.test"));
    assert_int_equal(resolve("empty.test", SPOUT_FAMILY_IPV4, &found), SPOUT_ENOTFOUND);
    return 0;
}

static int wait_in_vain(void *arg)
{
    const spout_endpoint *found;
    *(int *)arg = resolve("mute.test", SPOUT_FAMILY_IPV4, &found);
    return 0;
}

static int give_up(void *arg)
{
    (void)arg;
    int result = 0;
    int64_t outer = spout_deadline_set_ms(20);
    wait_in_vain(&result);
    spout_deadline_restore(outer);
    assert_int_equal(result, SPOUT_ETIMEDOUT);
    spout_group *group = spout_group_new();
    spout_group_start(group, wait_in_vain, &result, NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(spout_yield(), 0);
    spout_group_cancel(group);
    spout_group_free(group);
    assert_int_equal(result, SPOUT_ECANCELED);
    return 0;
}

static void run(spout_task_fn *fn)
{
    if (!resolver) {
        assert_int_equal(spout_error_code_current(), SPOUT_EUNSUPPORTED);
        skip();
    }
    assert_int_equal(spout_loop_run_sync(loop, fn, NULL, 30000), 0);
}

static void test_answers(void **state)
{
    (void)state;
    run(ask);
}

static void test_giving_up(void **state)
{
    (void)state;
    run(give_up);
}

static int ask_again(void *arg)
{
    const spout_endpoint *found;
    int64_t lifetime_ms = *(const int64_t *)arg;
    for (int round = 0; round < 2; round++) {
        queries = 0;
        assert_int_equal(resolve("one.test", SPOUT_FAMILY_IPV4, &found), 1);
        assert_int_equal(queries, 1);
        if (lifetime_ms > 0)
            assert_int_equal(spout_sleep(lifetime_ms - 1), 0);
        assert_int_equal(resolve("one.test", SPOUT_FAMILY_IPV4, &found), 1);
        assert_int_equal(queries, lifetime_ms > 0 ? 1 : 2);
        assert_int_equal(spout_sleep(1), 0);
    }
    return 0;
}

static void check_lifetime(int64_t cache_ms, int64_t expected_ms)
{
    if (resolver) {
        spout_resolver_unref(resolver);
        resolver = spout_resolver_new(&(spout_resolver_options){
            .kind = SPOUT_RESOLVER_CARES, .servers = address, .cache_ms = cache_ms });
    }
    if (!resolver)
        skip();
    assert_int_equal(spout_loop_run_sync(loop, ask_again, &expected_ms, 0), 0);
}

static void test_answers_are_kept_as_long_as_they_are_good(void **state)
{
    (void)state;
    check_lifetime(0, TTL_S * 1000);
    check_lifetime(3600 * 1000, TTL_S * 1000);
    check_lifetime(5000, 5000);
    check_lifetime(SPOUT_NONE, 0);
}

static int bad_servers(void *arg)
{
    (void)arg;
    const spout_endpoint *found;
    spout_resolver_unref(resolver);
    resolver = spout_resolver_new(
        &(spout_resolver_options){ .kind = SPOUT_RESOLVER_CARES, .servers = "not an address" });
    assert_int_equal(resolve("one.test", SPOUT_FAMILY_ANY, &found), SPOUT_EINVAL);
    return 0;
}

static void test_bad_servers(void **state)
{
    (void)state;
    run(bad_servers);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_giving_up),
        TEST(test_answers_are_kept_as_long_as_they_are_good),
        TEST(test_bad_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
