#define _DEFAULT_SOURCE
#include "kit.h"

#include <spout/stream.h>
#include <spout/task.h>

#include <ifaddrs.h>
#include <net/if.h>

static spout_listener listener;
static char path[64];
static const char *remote_ip; /* NULL: as the address */

static int set_up(void **state)
{
    *state = kit_loop();
    return 0;
}

static int tear_down(void **state)
{
    spout_loop_free(*state);
    return 0;
}

static void assert_message(const char *part)
{
    if (!strstr(spout_error_message(), part))
        fail_msg("\"%s\" does not say \"%s\"", spout_error_message(), part);
}

static int connect_and_talk(void *arg)
{
    spout_bytes bytes;
    spout_stream *stream = spout_stream_connect(arg, listener.port, NULL);
    assert_non_null(stream);
    assert_string_equal(spout_stream_remote_ip(stream), remote_ip       ? remote_ip
                                                        : listener.port ? arg
                                                                        : "");
    int fd = accept(listener.fd, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hi", 2), 2);
    assert_int_equal(spout_stream_read(stream, 2, &bytes), 0);
    assert_memory_equal(bytes.data, "hi", 2);
    close(fd);
    spout_stream_close(stream);
    close(listener.fd);
    return 0;
}

static void listen_on(const spout_listen_options *options)
{
    assert_int_equal(spout_bind_sockets(options, &listener, 1), 1);
}

static void test_ipv4(void **state)
{
    char address[] = "127.0.0.1";
    listen_on(&(spout_listen_options){ .address = address });
    assert_int_equal(spout_loop_run_sync(*state, connect_and_talk, address, 20000), 0);
}

static void test_ipv6(void **state)
{
    char address[] = "::1";
    if (spout_bind_sockets(&(spout_listen_options){ .address = address }, &listener, 1) < 0)
        skip();
    assert_int_equal(spout_loop_run_sync(*state, connect_and_talk, address, 20000), 0);
}

/* A link-local address of this machine: it is in use only with its zone. */
static void test_zone(void **state)
{
    struct ifaddrs *all, *item;
    char ip[INET6_ADDRSTRLEN] = "", address[INET6_ADDRSTRLEN + IF_NAMESIZE];
    assert_int_equal(getifaddrs(&all), 0);
    for (item = all; item && !ip[0]; item = item->ifa_next) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(void *)item->ifa_addr;
        if (in6 && in6->sin6_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr)) {
            inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
            snprintf(address, sizeof address, "%s%%%s", ip, item->ifa_name);
        }
    }
    freeifaddrs(all);
    if (!ip[0] ||
        spout_bind_sockets(&(spout_listen_options){ .address = address }, &listener, 1) < 0)
        skip();
    assert_non_null(strstr(listener.name, address));
    remote_ip = ip;
    assert_int_equal(spout_loop_run_sync(*state, connect_and_talk, address, 20000), 0);
    remote_ip = NULL;
}

static void test_unix(void **state)
{
    snprintf(path, sizeof path, "@spout-connect-%ld", (long)getpid());
    listen_on(&(spout_listen_options){ .unix_path = path });
    assert_int_equal(spout_loop_run_sync(*state, connect_and_talk, path, 20000), 0);
    snprintf(path, sizeof path, "/tmp/spout-connect-%ld", (long)getpid());
    listen_on(&(spout_listen_options){ .unix_path = path });
    assert_int_equal(spout_loop_run_sync(*state, connect_and_talk, path, 20000), 0);
    unlink(path);
}

static int connect_to_nobody(void *arg)
{
    int port = *(int *)arg;
    char message[64];
    assert_null(spout_stream_connect("127.0.0.1", port, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_ESYSTEM);
    assert_int_equal(spout_error_get_errno(spout_error_current()), ECONNREFUSED);
    snprintf(message, sizeof message, "cannot connect to 127.0.0.1:%d: ", port);
    assert_message(message);
    assert_message("refused");
    assert_null(spout_stream_connect("/no/such/socket", 0, NULL));
    assert_message("cannot connect to unix:/no/such/socket: ");
    return 0;
}

static void test_refused(void **state)
{
    listen_on(&(spout_listen_options){ .address = "127.0.0.1" });
    close(listener.fd);
    assert_int_equal(spout_loop_run_sync(*state, connect_to_nobody, &listener.port, 20000), 0);
}

static int connect_to_nonsense(void *arg)
{
    (void)arg;
    assert_null(spout_stream_connect("localhost", 80, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_stream_connect("127.0.0.1", 0, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_stream_connect("127.0.0.1", 65536, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_stream_connect("@", 0, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    return 0;
}

static void test_nonsense(void **state)
{
    assert_int_equal(spout_loop_run_sync(*state, connect_to_nonsense, NULL, 20000), 0);
    assert_null(spout_stream_connect("127.0.0.1", 80, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_ESTATE);
}

/* A listener whose queue is full leaves connections hanging: SYNs are dropped. */
static int connect_too_late(void *arg)
{
    spout_stream *streams[8];
    int count = 0, code = 0;
    int64_t outer = spout_deadline_set_ms(300);
    while (count < 8) {
        streams[count] = spout_stream_connect("127.0.0.1", *(int *)arg, NULL);
        if (!streams[count])
            break;
        count++;
    }
    code = spout_error_code_current();
    spout_deadline_restore(outer);
    assert_true(count < 8);
    assert_int_equal(code, SPOUT_ETIMEDOUT);
    assert_message("timed out");
    while (count > 0)
        spout_stream_close(streams[--count]);
    return 0;
}

static void test_deadline(void **state)
{
    listen_on(&(spout_listen_options){ .address = "127.0.0.1", .backlog = 1 });
    assert_int_equal(spout_loop_run_sync(*state, connect_too_late, &listener.port, 20000), 0);
    close(listener.fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_ipv4),
        TEST(test_ipv6),
        TEST(test_zone),
        TEST(test_unix),
        TEST(test_refused),
        TEST(test_nonsense),
        TEST(test_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
