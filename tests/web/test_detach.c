/* Connections that leave HTTP, over real sockets. */
#include "kit.h"

#include <spout/stream.h>
#include <spout/tcpclient.h>

#include <string.h>

static spout_loop *loop;
static spout_application *application;
static spout_http_server *server;

/* Says each line back until there is none. */
static int echo_lines(spout_stream *line)
{
    spout_bytes text;
    int result;
    while ((result = spout_stream_read_until(line, "\n", 100, &text)) == 0)
        if (spout_stream_write(line, text) < 0)
            break;
    spout_stream_close(line);
    return 0;
}

static int echo(spout_request *r)
{
    spout_set_header(r, "X-Kind", "lines");
    spout_stream *line = spout_detach(r, "echo");
    if (!line)
        return -1;
    assert_true(spout_is_finished(r));
    assert_null(spout_detach(r, "echo"));
    assert_int_equal(spout_write(r, "too late"), SPOUT_ESTATE);
    return echo_lines(line);
}

static int serve_later(void *arg)
{
    return echo_lines(arg);
}

static int raw(spout_request *r)
{
    spout_stream *line = spout_detach(r, NULL);
    if (!line)
        return -1;
    if (spout_stream_write(line, spout_bytes_of("raw\n")) < 0)
        return -1;
    return spout_spawn(serve_later, line, NULL);
}

static int too_late(spout_request *r)
{
    spout_write(r, "half");
    spout_flush(r);
    assert_null(spout_detach(r, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_ESTATE);
    return spout_write(r, ".");
}

static int unread(spout_request *r)
{
    assert_null(spout_detach(r, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_ESTATE);
    return spout_write(r, "unread");
}

static int fails_behind(spout_request *r)
{
    spout_stream *line = spout_detach(r, NULL);
    if (!line)
        return -1;
    spout_stream_close(line);
    return spout_fail(r, 500, "it went wrong afterwards");
}

static const spout_route routes[] = {
    { "/echo", &(const spout_handler){ .get = echo, .post = echo } },
    { "/raw", &(const spout_handler){ .any = raw } },
    { "/late", &(const spout_handler){ .get = too_late } },
    { "/unread", &(const spout_handler){ .post = unread, .stream_body = 1 } },
    { "/fails", &(const spout_handler){ .get = fails_behind } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    loop = kit_loop();
    application = kit_application();
    server = spout_application_listen(
        application, &(spout_listen_options){ .address = "127.0.0.1", .port = 0 });
    assert_non_null(server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

typedef struct visit {
    const char *say;
    char heard[2000];
} visit;

static int talk(void *arg)
{
    visit *self = arg;
    spout_stream *stream = spout_tcp_connect("127.0.0.1", spout_http_server_port(server), NULL);
    if (!stream)
        return -1;
    spout_bytes all;
    int result = spout_stream_write(stream, spout_bytes_of(self->say));
    if (result == 0)
        result = spout_stream_shutdown(stream);
    if (result == 0)
        result = spout_stream_read_until_close(stream, sizeof self->heard - 1, &all);
    if (result == 0) {
        memcpy(self->heard, all.data, all.len);
        self->heard[all.len] = '\0';
    }
    spout_stream_close(stream);
    return result;
}

/* What a client hears that says all this at once, and then no more. */
static const char *ask(const char *say)
{
    static visit self;
    self = (visit){ .say = say };
    if (spout_loop_run_sync(loop, talk, &self, 20000) < 0)
        fail_msg("%s", spout_error_message());
    return self.heard;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void the_line_is_the_handlers(void **state)
{
    (void)state;
    const char *heard = ask("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                            "Upgrade: other, Echo\r\n\r\none\ntwo\n");
    assert_memory_equal(heard, "HTTP/1.1 101 Switching Protocols\r\n", 34);
    assert_non_null(strstr(heard, "\r\nUpgrade: echo\r\n"));
    assert_non_null(strstr(heard, "\r\nConnection: Upgrade\r\n"));
    assert_non_null(strstr(heard, "\r\nX-Kind: lines\r\n"));
    assert_null(strstr(heard, "Content-"));
    assert_true(ends_with(heard, "\r\n\r\none\ntwo\n"));
    heard = ask("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"
                "Content-Length: 3\r\n\r\nabcthree\n");
    assert_true(ends_with(heard, "\r\n\r\nthree\n"));
}

static void nothing_is_said_of_http_without_a_protocol(void **state)
{
    (void)state;
    assert_string_equal(ask("GET /raw HTTP/1.0\r\n\r\none\n"), "raw\none\n");
    assert_string_equal(ask("GET /raw HTTP/1.1\r\nHost: a\r\n\r\n"), "raw\n");
}

static void only_what_was_asked_for(void **state)
{
    (void)state;
    assert_memory_equal(ask("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 400 ", 13);
    assert_memory_equal(ask("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                            "Upgrade: websocket\r\n\r\n"),
        "HTTP/1.1 400 ", 13);
}

static void not_in_the_midst_of_something(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("GET /late HTTP/1.1\r\nHost: a\r\n\r\n"), "half"));
    assert_true(ends_with(
        ask("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), "unread"));
    assert_string_equal(ask("GET /fails HTTP/1.1\r\nHost: a\r\n\r\n"), "");
    const spi_memory_reply *reply = kit_get("/raw");
    assert_int_equal(reply->status, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_line_is_the_handlers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            nothing_is_said_of_http_without_a_protocol, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_what_was_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_in_the_midst_of_something, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
