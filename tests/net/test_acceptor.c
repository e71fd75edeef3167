#include "kit.h"

#include "net/listen.h"

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>

#if SPI_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

enum { MAX_FDS = 256 };

static int accepted[MAX_FDS], accepted_count;
static bool any_accepted;
static spout_endpoint last_peer;
static bool stop_in_callback, free_in_callback;

static void on_accept(spi_acceptor *acceptor, int fd, const spout_endpoint *peer)
{
    accepted[accepted_count++] = fd;
    any_accepted = true;
    last_peer = *peer;
    if (stop_in_callback || free_in_callback)
        spi_acceptor_stop(acceptor);
    if (free_in_callback)
        free(acceptor);
}

static spout_listener listener;
static spi_acceptor acceptor;
static int clients[MAX_FDS], client_count;

static void connect_some(int count)
{
    while (count-- > 0)
        clients[client_count++] = kit_connect(listener.port);
}

static int set_up(void **state)
{
    accepted_count = client_count = 0;
    any_accepted = stop_in_callback = free_in_callback = false;
    *state = kit_loop();
    acceptor = (spi_acceptor){ 0 };
    return spout_bind_sockets(&(spout_listen_options){ .address = "127.0.0.1" }, &listener, 1) == 1
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    while (accepted_count > 0)
        close(accepted[--accepted_count]);
    while (client_count > 0)
        close(clients[--client_count]);
    spi_acceptor_stop(&acceptor);
    close(listener.fd);
    spout_loop_free(*state);
    spout_log_set_sink(NULL);
    return 0;
}

static void test_what_is_handed_over(void **state)
{
    assert_int_equal(spi_acceptor_start(&acceptor, *state, listener.fd, on_accept), 0);
    connect_some(1);
    kit_until(*state, &any_accepted);
    int fd = accepted[0], on = 0;
    socklen_t len = sizeof on;
    char text[46];
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_true(on);
    assert_string_equal(spout_endpoint_text(&last_peer, text), "127.0.0.1");
    assert_true(last_peer.port > 0);
    kit_assert_quiet(*state);
    assert_int_equal(accepted_count, 1);
}

static int set_nodelay(int fd, int on)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool is_nodelay(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;
    return getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on;
}

/* A listener of somebody else's, which has the option too late for who stands in its queue. */
static void test_nodelay_of_any_listener(void **state)
{
    assert_true(is_nodelay(listener.fd));
    assert_int_equal(set_nodelay(listener.fd, 0), 0);
    connect_some(1);
    assert_int_equal(spi_acceptor_start(&acceptor, *state, listener.fd, on_accept), 0);
    kit_until(*state, &any_accepted);
    assert_true(is_nodelay(accepted[0]));
}

static void test_many_at_once(void **state)
{
    assert_int_equal(spi_acceptor_start(&acceptor, *state, listener.fd, on_accept), 0);
    connect_some(100);
    kit_turn(*state, 1000);
    assert_int_equal(accepted_count, 64);
    kit_turn(*state, 1000);
    assert_int_equal(accepted_count, 100);
}

static void test_stopped_inside_the_callback(void **state)
{
    stop_in_callback = true;
    assert_int_equal(spi_acceptor_start(&acceptor, *state, listener.fd, on_accept), 0);
    connect_some(3);
    kit_turn(*state, 1000);
    kit_assert_quiet(*state);
    assert_int_equal(accepted_count, 1);
    spi_acceptor_stop(&acceptor);
}

static void test_freed_inside_the_callback(void **state)
{
    free_in_callback = true;
    spi_acceptor *own = malloc(sizeof *own);
    assert_int_equal(spi_acceptor_start(own, *state, listener.fd, on_accept), 0);
    connect_some(3);
    kit_turn(*state, 1000);
    kit_assert_quiet(*state);
    assert_int_equal(accepted_count, 1);
}

static void test_connection_that_ended_before_it_was_accepted(void **state)
{
    int fd = kit_connect(listener.port);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
    close(fd);
    connect_some(1);
    assert_int_equal(spi_acceptor_start(&acceptor, *state, listener.fd, on_accept), 0);
    kit_turn(*state, 1000);
    assert_in_range(accepted_count, 1, 2);
}

static int highest_fd(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

static void test_out_of_descriptors(void **state)
{
    if (RUNNING_ON_VALGRIND) /* which accepts all the same, and closes what is beyond the limit */
        skip();
    fake_clock fake;
    struct rlimit before, low;
    spout_loop_free(*state);
    spout_loop *loop = kit_fake_loop(&fake);
    *state = loop;
    assert_int_equal(spi_acceptor_start(&acceptor, loop, listener.fd, on_accept), 0);
    connect_some(3);
    kit_log_capture();
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = (rlim_t)highest_fd();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int i = 0; i < 5; i++)
        kit_turn(loop, 1000);
    kit_turn(loop, 0);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(accepted_count, 0);
    assert_int_equal(kit_log_lines, 1);
    assert_non_null(strstr(kit_log_text, "connections must wait"));
    for (int i = 0; i < 5 && accepted_count < 3; i++)
        kit_turn(loop, 1000);
    assert_int_equal(accepted_count, 3);
    assert_int_equal(kit_log_lines, 1);
}

static void test_unix(void **state)
{
    char name[64];
    snprintf(name, sizeof name, "@spout-accept-%ld", (long)getpid());
    close(listener.fd);
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .unix_path = name }, &listener, 1), 1);
    assert_int_equal(spi_acceptor_start(&acceptor, *state, listener.fd, on_accept), 0);
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    getsockname(listener.fd, (struct sockaddr *)&address, &len);
    clients[client_count++] = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(clients[0], (struct sockaddr *)&address, len), 0);
    kit_until(*state, &any_accepted);
    assert_int_equal(last_peer.family, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_handed_over),
        TEST(test_nodelay_of_any_listener),
        TEST(test_many_at_once),
        TEST(test_stopped_inside_the_callback),
        TEST(test_freed_inside_the_callback),
        TEST(test_connection_that_ended_before_it_was_accepted),
        TEST(test_out_of_descriptors),
        TEST(test_unix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
