/* PROXY headers before a TCP server's connections. */
#include "kit.h"

#include <spout/task.h>
#include <spout/tcpserver.h>

static spout_loop *loop;
static fake_clock now;
static spout_tcp_server *server;
static char seen_ip[46];
static int seen_port, handled;

/* Answers with a line, so that the test sees what came behind the header. */
static int handle(spout_stream *stream, void *arg)
{
    (void)arg;
    spout_bytes line;
    handled++;
    snprintf(seen_ip, sizeof seen_ip, "%s", spout_stream_remote_ip(stream));
    seen_port = spout_stream_remote_port(stream);
    while (spout_stream_read_until(stream, "\n", 4096, &line) == 0)
        if (spout_stream_write(stream, line) < 0)
            break;
    return 0;
}

static void start(const char *trusted)
{
    const char *proxies[] = { "10.0.0.0/8", trusted, NULL };
    loop = kit_fake_loop(&now);
    handled = 0;
    kit_log_capture();
    server = spout_tcp_server_new(handle, NULL, NULL);
    spout_listen_options options = { .address = "127.0.0.1", .proxies = proxies };
    assert_int_equal(spout_tcp_server_listen(server, &options), 0);
}

static int tear_down(void **state)
{
    (void)state;
    spout_tcp_server_free(server);
    spout_loop_free(loop);
    spout_log_set_sink(NULL);
    return 0;
}

static int client(void)
{
    int fd = kit_connect(spout_tcp_server_port(server));
    kit_nonblocking(fd);
    return fd;
}

static void say(int fd, const void *data, size_t len)
{
    assert_int_equal(write(fd, data, len), (ssize_t)len);
}

static void settle(void)
{
    struct timespec moment = { 0, 2000000 };
    for (int i = 0; i < 5; i++) {
        nanosleep(&moment, NULL);
        kit_turn(loop, 0);
    }
}

static void expect_answer(int fd, const char *text)
{
    spi_buffer got;
    spi_buffer_init(&got, 1000);
    kit_collect(loop, fd, &got, strlen(text));
    assert_memory_equal(spi_buffer_head(&got), text, strlen(text));
    spi_buffer_release(&got);
}

static void expect_end(int fd)
{
    char byte;
    ssize_t got = -1;
    for (int i = 0; i < 1000 && got < 0; i++) {
        kit_turn(loop, 0);
        got = read(fd, &byte, 1);
        if (got < 0 && errno == ECONNRESET)
            got = 0;
        if (got < 0)
            settle();
    }
    assert_int_equal(got, 0);
}

static void test_v1_with_data_behind(void **state)
{
    (void)state;
    start("127.0.0.0/8");
    int fd = client();
    static const char text[] = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nline\n";
    say(fd, text, sizeof text - 1);
    expect_answer(fd, "line\n");
    assert_string_equal(seen_ip, "192.0.2.1");
    assert_int_equal(seen_port, 56324);
    close(fd);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    start("127.0.0.1");
    int fd = client();
    static const char text[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
                               "\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb"
                               "x\n";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        say(fd, text + i, 1);
        kit_turn(loop, 0);
        assert_true(handled == 0 || i >= 27);
    }
    expect_answer(fd, "x\n");
    assert_string_equal(seen_ip, "192.0.2.1");
    close(fd);
}

static void test_nothing_known(void **state)
{
    (void)state;
    start("127.0.0.1");
    int fd = client();
    say(fd, "PROXY UNKNOWN\r\na\n", 17);
    expect_answer(fd, "a\n");
    assert_string_equal(seen_ip, "127.0.0.1");
    close(fd);
}

static void test_no_header(void **state)
{
    (void)state;
    start("127.0.0.1");
    int fd = client();
    say(fd, "GET / HTTP/1.1\r\n", 16);
    expect_end(fd);
    assert_int_equal(handled, 0);
    assert_int_equal(kit_log_lines, 1);
    assert_non_null(strstr(kit_log_text, "127.0.0.1:"));
    assert_non_null(strstr(kit_log_text, "no PROXY header"));
    close(fd);
}

static void test_others_are_not_believed(void **state)
{
    (void)state;
    start("127.0.0.2");
    int fd = client();
    say(fd, "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", 32);
    expect_answer(fd, "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n");
    assert_string_equal(seen_ip, "127.0.0.1");
    close(fd);
}

static void test_too_late(void **state)
{
    (void)state;
    start("127.0.0.1");
    int fd = client();
    say(fd, "PROXY TCP4 1.1", 14);
    settle();
    assert_int_equal(handled, 0);
    now.now_ms += 4900;
    settle();
    char byte;
    assert_int_equal(read(fd, &byte, 1), -1);
    now.now_ms += 200;
    expect_end(fd);
    assert_non_null(strstr(kit_log_text, "in time"));
    close(fd);
}

static void test_ends_within(void **state)
{
    (void)state;
    start("127.0.0.1");
    int fd = client();
    close(fd); /* a health check that only connects says nothing in the log */
    settle();
    assert_int_equal(kit_log_lines, 0);
    fd = client();
    say(fd, "PROXY", 5);
    settle();
    shutdown(fd, SHUT_WR);
    expect_end(fd);
    assert_non_null(strstr(kit_log_text, "ended within"));
    close(fd);
}

static void test_stopped_meanwhile(void **state)
{
    (void)state;
    start("127.0.0.1");
    int fd = client();
    say(fd, "PROXY", 5);
    settle();
    spout_tcp_server_stop(server);
    expect_end(fd);
    assert_int_equal(handled, 0);
    close(fd);
}

static void test_bad_network(void **state)
{
    (void)state;
    loop = kit_fake_loop(&now);
    server = spout_tcp_server_new(handle, NULL, NULL);
    const char *proxies[] = { "nonsense", NULL };
    spout_listen_options options = { .address = "127.0.0.1", .proxies = proxies };
    assert_int_equal(spout_tcp_server_listen(server, &options), SPOUT_EINVAL);
    assert_non_null(strstr(spout_error_message(), "nonsense"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_v1_with_data_behind),
        TEST(test_byte_by_byte),
        TEST(test_nothing_known),
        TEST(test_no_header),
        TEST(test_others_are_not_believed),
        TEST(test_too_late),
        TEST(test_ends_within),
        TEST(test_stopped_meanwhile),
        TEST(test_bad_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
