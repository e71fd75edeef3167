#include "kit.h"

#include <spout/task.h>
#include <spout/tcpserver.h>

#include <signal.h>
#include <sys/wait.h>

static spout_loop *loop;
static spout_tcp_server *server;
static int handled, open_now;

static int echo(spout_stream *stream, void *arg)
{
    spout_bytes line;
    assert_string_equal(arg, "argument");
    handled++;
    open_now++;
    while (spout_stream_read_until(stream, "\n", 4096, &line) == 0)
        if (spout_stream_write(stream, line) < 0)
            break;
    open_now--;
    return 0;
}

static int fail_loudly(spout_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    handled++;
    return spout_error_set(SPOUT_EFAILED, "the handler is out of sorts");
}

static int unwind(spout_stream *stream, void *arg)
{
    fail_loudly(stream, arg);
    spout_abort();
}

static int end_quietly(spout_stream *stream, void *arg)
{
    (void)arg;
    spout_bytes bytes;
    handled++;
    return spout_stream_read(stream, 10, &bytes);
}

static int start(spout_stream_handler *handler)
{
    static char argument[] = "argument";
    loop = kit_loop();
    handled = open_now = 0;
    server = spout_tcp_server_new(handler, argument, NULL);
    assert_non_null(server);
    assert_int_equal(
        spout_tcp_server_listen(server, &(spout_listen_options){ .address = "127.0.0.1" }), 0);
    return spout_tcp_server_port(server);
}

static void stop(void)
{
    spout_tcp_server_free(server);
    spout_loop_free(loop);
    spout_log_set_sink(NULL);
}

static int connect_client(int port)
{
    int fd = kit_connect(port);
    kit_nonblocking(fd);
    return fd;
}

static void expect_end(int fd)
{
    char byte;
    for (int i = 0; i < 1000; i++) {
        ssize_t got = read(fd, &byte, 1);
        if (got == 0)
            return;
        assert_true(got < 0 && errno == EAGAIN);
        kit_turn(loop, 10);
    }
    fail_msg("the connection stays open");
}

static void expect_echo(int fd, const char *text)
{
    spi_buffer got;
    spi_buffer_init(&got, 1000);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    kit_collect(loop, fd, &got, strlen(text));
    assert_memory_equal(spi_buffer_head(&got), text, strlen(text));
    spi_buffer_release(&got);
}

static void test_echo_for_many(void **state)
{
    (void)state;
    enum { CLIENTS = 50 };
    int port = start(echo), fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = connect_client(port);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < CLIENTS; i++)
            expect_echo(fds[i], round == 1 ? "two\nlines\n" : "line\n");
    assert_int_equal(handled, CLIENTS);
    assert_int_equal(open_now, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    for (int i = 0; i < 1000 && open_now > 0; i++)
        kit_turn(loop, 10);
    assert_int_equal(open_now, 0);
    stop();
}

static void test_failure_is_logged_and_closes(void **state)
{
    (void)state;
    spout_stream_handler *const handlers[] = { fail_loudly, unwind };
    for (int i = 0; i < 2; i++) {
        int fd = connect_client(start(handlers[i]));
        kit_log_capture();
        expect_end(fd);
        assert_int_equal(handled, 1);
        assert_int_equal(kit_log_lines, 1);
        assert_non_null(strstr(kit_log_text, "the handler is out of sorts"));
        assert_non_null(strstr(kit_log_text, "127.0.0.1:"));
        close(fd);
        stop();
    }
}

static void test_end_of_the_peer_is_no_failure(void **state)
{
    (void)state;
    int fd = connect_client(start(end_quietly));
    kit_log_capture();
    shutdown(fd, SHUT_WR);
    expect_end(fd);
    assert_int_equal(handled, 1);
    assert_int_equal(kit_log_lines, 0);
    close(fd);
    stop();
}

static void test_stop_leaves_open_connections(void **state)
{
    (void)state;
    int port = start(echo), fd = connect_client(port);
    expect_echo(fd, "before\n");
    spout_tcp_server_stop(server);
    spout_tcp_server_stop(server);
    struct sockaddr_in to = { .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int refused = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(refused, (struct sockaddr *)&to, sizeof to), -1);
    close(refused);
    expect_echo(fd, "after stop\n");
    spout_tcp_server_free(server);
    server = NULL;
    expect_echo(fd, "after free\n");
    close(fd);
    stop();
}

static void test_loop_ends_first(void **state)
{
    (void)state;
    int fd = connect_client(start(echo));
    expect_echo(fd, "x\n");
    kit_log_capture();
    spout_loop_free(loop);
    assert_int_equal(open_now, 0);
    assert_int_equal(kit_log_lines, 0);
    spout_tcp_server_free(server);
    spout_log_set_sink(NULL);
    close(fd);
}

static void test_out_of_stacks(void **state)
{
    (void)state;
    loop = spout_loop_new(&(spout_loop_options){ .max_tasks = 1 });
    assert_non_null(loop);
    handled = open_now = 0;
    static char argument[] = "argument";
    server = spout_tcp_server_new(echo, argument, NULL);
    assert_int_equal(
        spout_tcp_server_listen(server, &(spout_listen_options){ .address = "127.0.0.1" }), 0);
    int port = spout_tcp_server_port(server), one = connect_client(port);
    expect_echo(one, "mine\n");
    kit_log_capture();
    int two = connect_client(port);
    expect_end(two);
    assert_int_equal(kit_log_lines, 1);
    assert_non_null(strstr(kit_log_text, "refused"));
    expect_echo(one, "still mine\n");
    close(one);
    close(two);
    stop();
}

static void test_sockets_of_others(void **state)
{
    (void)state;
    spout_listener listeners[4];
    static char argument[] = "argument";
    loop = kit_loop();
    handled = open_now = 0;
    server = spout_tcp_server_new(echo, argument, NULL);
    int count = spout_bind_sockets(&(spout_listen_options){ .address = "localhost" }, listeners, 4);
    assert_true(count >= 1);
    for (int i = 0; i < count; i++)
        assert_int_equal(spout_tcp_server_add_socket(server, listeners[i].fd), 0);
    assert_int_equal(spout_tcp_server_port(server), listeners[0].port);
    int fd = connect_client(listeners[0].port);
    expect_echo(fd, "x\n");
    close(fd);
    assert_true(spout_tcp_server_add_socket(server, -1) < 0);
    stop();
}

static void test_port_in_use(void **state)
{
    (void)state;
    int port = start(echo);
    spout_tcp_server *other = spout_tcp_server_new(echo, NULL, NULL);
    assert_int_equal(spout_tcp_server_listen(
                         other, &(spout_listen_options){ .address = "127.0.0.1", .port = port }),
        SPOUT_ESYSTEM);
    assert_int_equal(spout_tcp_server_port(other), 0);
    spout_tcp_server_free(other);
    spout_tcp_server_free(NULL);
    stop();
}

static void test_more_than_allowed(void **state)
{
    (void)state;
    int port = start(echo);
    spout_tcp_server_set_max_connections(server, 2);
    int one = connect_client(port), two = connect_client(port);
    expect_echo(one, "1\n");
    expect_echo(two, "2\n");
    kit_log_capture();
    for (int i = 0; i < 3; i++) {
        int more = connect_client(port);
        expect_end(more);
        close(more);
    }
    assert_int_equal(kit_log_lines, 1);
    assert_non_null(strstr(kit_log_text, "2 connections are open"));
    expect_echo(one, "still\n");
    close(one);
    for (int i = 0; i < 1000 && spout_tcp_server_connections(server) > 1; i++)
        kit_turn(loop, 10);
    one = connect_client(port);
    expect_echo(one, "again\n");
    int more = connect_client(port);
    expect_end(more);
    assert_int_equal(kit_log_lines, 2);
    close(one);
    close(two);
    close(more);
    stop();
}

/* --- several processes --- */

enum { WORKERS = 3 };

/* Says which process it is. */
static int tell_pid(spout_stream *stream, void *arg)
{
    (void)arg;
    char text[32];
    snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return spout_stream_write(stream, spout_bytes_of(text));
}

/* A worker: accepts what was bound before, until it is killed. */
static pid_t fork_worker(spout_tcp_server *shared)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    spout_loop *own = spout_loop_new(NULL);
    if (own && spout_tcp_server_start(shared) == 0)
        spout_loop_run(own);
    _exit(1);
}

static pid_t ask_pid(int port)
{
    char text[32] = "";
    int fd = kit_connect(port);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    return (pid_t)atol(text);
}

static void expect_workers(const pid_t *pids, int port)
{
    for (int i = 0; i < 20; i++) {
        pid_t pid = ask_pid(port);
        bool known = false;
        for (int k = 0; k < WORKERS; k++)
            known = known || pids[k] == pid;
        assert_true(known);
    }
}

static void end_workers(const pid_t *pids)
{
    for (int i = 0; i < WORKERS; i++) {
        int status;
        kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFSIGNALED(status));
    }
}

static void test_bind_fork_start(void **state)
{
    (void)state;
    pid_t pids[WORKERS];
    server = spout_tcp_server_new(tell_pid, NULL, NULL);
    assert_int_equal(spout_tcp_server_start(server), SPOUT_ESTATE);
    assert_int_equal(spout_tcp_server_listen(server, NULL), SPOUT_ESTATE);
    assert_int_equal(
        spout_tcp_server_bind(server, &(spout_listen_options){ .address = "127.0.0.1" }), 0);
    int port = spout_tcp_server_port(server);
    assert_true(port > 0);
    for (int i = 0; i < WORKERS; i++)
        pids[i] = fork_worker(server);
    expect_workers(pids, port);
    end_workers(pids);
    spout_tcp_server_free(server);
}

/* One socket for each worker on the same port: opened before, added before there is a loop. */
static void test_reuse_port(void **state)
{
    (void)state;
    pid_t pids[WORKERS];
    spout_tcp_server *servers[WORKERS];
    spout_listen_options options = { .address = "127.0.0.1", .reuse_port = true };
    for (int i = 0; i < WORKERS; i++) {
        spout_listener opened;
        assert_int_equal(spout_bind_sockets(&options, &opened, 1), 1);
        options.port = opened.port;
        servers[i] = spout_tcp_server_new(tell_pid, NULL, NULL);
        assert_int_equal(spout_tcp_server_add_sockets(servers[i], &opened, 1, NULL), 0);
        assert_int_equal(spout_tcp_server_port(servers[i]), options.port);
    }
    for (int i = 0; i < WORKERS; i++)
        pids[i] = fork_worker(servers[i]);
    for (int i = 0; i < WORKERS; i++)
        spout_tcp_server_free(servers[i]);
    expect_workers(pids, options.port);
    end_workers(pids);
}

static void test_all_or_none(void **state)
{
    (void)state;
    spout_listener listeners[2];
    loop = kit_loop();
    server = spout_tcp_server_new(echo, NULL, NULL);
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .address = "127.0.0.1" }, listeners, 1), 1);
    listeners[1] = (spout_listener){ .fd = -1 };
    assert_true(spout_tcp_server_add_sockets(server, listeners, 2, NULL) < 0);
    assert_true(fcntl(listeners[0].fd, F_GETFD) >= 0);
    assert_int_equal(spout_tcp_server_add_sockets(server, listeners, 1, NULL), 0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_than_allowed),
        cmocka_unit_test(test_bind_fork_start),
        cmocka_unit_test(test_reuse_port),
        cmocka_unit_test(test_all_or_none),
        cmocka_unit_test(test_echo_for_many),
        cmocka_unit_test(test_failure_is_logged_and_closes),
        cmocka_unit_test(test_end_of_the_peer_is_no_failure),
        cmocka_unit_test(test_stop_leaves_open_connections),
        cmocka_unit_test(test_loop_ends_first),
        cmocka_unit_test(test_out_of_stacks),
        cmocka_unit_test(test_sockets_of_others),
        cmocka_unit_test(test_port_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
