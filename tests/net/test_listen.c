/* Listening sockets, on loopback and in the file system. */
#include "kit.h"

#include <sys/stat.h>
#include <sys/un.h>

static char folder[32], path[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/spout-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* Where IPv6 is switched off, `::` may still be bound, though nothing else. */
static bool has_ipv6(struct in6_addr bound)
{
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = bound };
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

static void close_all(const spout_listener *listeners, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(close(listeners[i].fd), 0);
}

static void assert_message(const char *part)
{
    if (!strstr(spout_error_message(), part))
        fail_msg("\"%s\" does not say \"%s\"", spout_error_message(), part);
}

static void test_ipv4(void **state)
{
    (void)state;
    spout_listener listener;
    char name[64];
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .address = "127.0.0.1" }, &listener, 1), 1);
    assert_true(listener.port > 0);
    snprintf(name, sizeof name, "127.0.0.1:%d", listener.port);
    assert_string_equal(listener.name, name);
    assert_true(fcntl(listener.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(listener.fd, F_GETFD) & FD_CLOEXEC);
    close(kit_connect(listener.port));
    close_all(&listener, 1);
}

static void test_ipv6(void **state)
{
    (void)state;
    spout_listener listener;
    char name[64];
    if (!has_ipv6(in6addr_loopback))
        skip();
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .address = "::1" }, &listener, 1), 1);
    snprintf(name, sizeof name, "[::1]:%d", listener.port);
    assert_string_equal(listener.name, name);
    int only = 0;
    socklen_t len = sizeof only;
    assert_int_equal(getsockopt(listener.fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len), 0);
    assert_int_equal(only, 1);
    close_all(&listener, 1);
}

static void check_families(const char *address, struct in6_addr bound)
{
    spout_listener listeners[4];
    int count = spout_bind_sockets(&(spout_listen_options){ .address = address }, listeners, 4);
    assert_int_equal(count, has_ipv6(bound) ? 2 : 1);
    for (int i = 1; i < count; i++)
        assert_int_equal(listeners[i].port, listeners[0].port);
    close(kit_connect(listeners[0].port));
    close_all(listeners, count);
}

static void test_one_port_for_all_families(void **state)
{
    (void)state;
    check_families("localhost", in6addr_loopback);
    check_families("", in6addr_any);
    check_families(NULL, in6addr_any);
    spout_listener listeners[1];
    assert_int_equal(spout_bind_sockets(NULL, listeners, 1), 1);
    close_all(listeners, 1);
}

static void test_port_in_use(void **state)
{
    (void)state;
    spout_listener listener, other = { .fd = -7 };
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .address = "127.0.0.1" }, &listener, 1), 1);
    spout_listen_options again = { .address = "127.0.0.1", .port = listener.port };
    assert_int_equal(spout_bind_sockets(&again, &other, 1), SPOUT_ESYSTEM);
    assert_int_equal(spout_error_get_errno(spout_error_current()), EADDRINUSE);
    assert_message("cannot listen on 127.0.0.1:");
    assert_message("ddress already in use");
    assert_int_equal(other.fd, -7);
    close_all(&listener, 1);
    assert_int_equal(spout_bind_sockets(&again, &listener, 1), 1);
    close_all(&listener, 1);
}

static void test_reuse_port(void **state)
{
    (void)state;
    spout_listener one, two;
    spout_listen_options options = { .address = "127.0.0.1", .reuse_port = true };
    assert_int_equal(spout_bind_sockets(&options, &one, 1), 1);
    options.port = one.port;
    assert_int_equal(spout_bind_sockets(&options, &two, 1), 1);
    assert_int_equal(one.port, two.port);
    close_all(&one, 1);
    close_all(&two, 1);
}

static void test_mistakes(void **state)
{
    (void)state;
    spout_listener listener;
    assert_int_equal(spout_bind_sockets(NULL, &listener, 0), SPOUT_EINVAL);
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .port = 65536 }, &listener, 1), SPOUT_EINVAL);
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .port = -1 }, &listener, 1), SPOUT_EINVAL);
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .address = "192.0.2.1" }, &listener, 1),
        SPOUT_ESYSTEM);
    assert_message("cannot listen on 192.0.2.1:0: ");
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .address = "no such host" }, &listener, 1),
        SPOUT_ENOTFOUND);
    assert_message("no such host");
}

static int connect_unix(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    memcpy(to.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static unsigned mode_of(const char *file)
{
    struct stat info;
    assert_int_equal(lstat(file, &info), 0);
    return info.st_mode & 0777;
}

static void test_unix(void **state)
{
    (void)state;
    spout_listener listener;
    char name[80];
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .unix_path = path }, &listener, 1), 1);
    snprintf(name, sizeof name, "unix:%s", path);
    assert_string_equal(listener.name, name);
    assert_int_equal(listener.port, 0);
    assert_int_equal(mode_of(path), 0600);
    int fd = connect_unix();
    assert_true(fd >= 0);
    close(fd);
    close_all(&listener, 1);
}

static void test_unix_stale_is_replaced(void **state)
{
    (void)state;
    spout_listener listener;
    spout_listen_options options = { .unix_path = path, .unix_mode = 0666 };
    assert_int_equal(spout_bind_sockets(&options, &listener, 1), 1);
    close_all(&listener, 1);
    assert_int_equal(spout_bind_sockets(&options, &listener, 1), 1);
    assert_int_equal(mode_of(path), 0666);
    close_all(&listener, 1);
}

static void test_unix_in_use(void **state)
{
    (void)state;
    spout_listener listener, other;
    spout_listen_options options = { .unix_path = path };
    assert_int_equal(spout_bind_sockets(&options, &listener, 1), 1);
    assert_int_equal(spout_bind_sockets(&options, &other, 1), SPOUT_ESYSTEM);
    assert_message("ddress already in use");
    int fd = connect_unix();
    assert_true(fd >= 0);
    close(fd);
    close_all(&listener, 1);
}

static void test_unix_other_file(void **state)
{
    (void)state;
    spout_listener listener;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("precious", file);
    fclose(file);
    assert_int_equal(spout_bind_sockets(&(spout_listen_options){ .unix_path = path }, &listener, 1),
        SPOUT_EEXIST);
    assert_message("not a socket");
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_int_equal(spout_bind_sockets(&(spout_listen_options){ .unix_path = path }, &listener, 1),
        SPOUT_EEXIST);
}

static void test_unix_abstract(void **state)
{
    (void)state;
    spout_listener listener, other;
    char name[64];
    snprintf(name, sizeof name, "@spout-test-%ld", (long)getpid());
    spout_listen_options options = { .unix_path = name };
    assert_int_equal(spout_bind_sockets(&options, &listener, 1), 1);
    assert_int_equal(access(name, F_OK), -1);
    assert_int_equal(spout_bind_sockets(&options, &other, 1), SPOUT_ESYSTEM);
    close_all(&listener, 1);
    assert_int_equal(spout_bind_sockets(&options, &listener, 1), 1);
    close_all(&listener, 1);
}

static void test_unix_bad_paths(void **state)
{
    (void)state;
    spout_listener listener;
    char longest[200] = { 0 };
    memset(longest, 'x', sizeof longest - 1);
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .unix_path = longest }, &listener, 1),
        SPOUT_EINVAL);
    assert_int_equal(spout_bind_sockets(
                         &(spout_listen_options){ .unix_path = "/no/such/folder/s" }, &listener, 1),
        SPOUT_ESYSTEM);
    assert_message("cannot listen on unix:/no/such/folder/s: ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_one_port_for_all_families),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_reuse_port),
        cmocka_unit_test(test_mistakes),
        TEST(test_unix),
        TEST(test_unix_stale_is_replaced),
        TEST(test_unix_in_use),
        TEST(test_unix_other_file),
        cmocka_unit_test(test_unix_abstract),
        TEST(test_unix_bad_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
