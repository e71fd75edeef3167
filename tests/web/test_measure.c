/* What a server counts for the loop's metrics, over its whole way: sockets, requests, WebSockets. */
#include "folder.h"
#include "kit.h"

#include "base/buffer.h"
#include "http/server.h"

#include <spout/topic.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static spout_loop *loop;
static spout_application *application;
static spout_http_server *server;
static spout_topic *topic;
static struct {
    const char *name;
    int64_t sum;
} sums[32];
static char events[1024];
static int64_t told, asked; /* bytes to and from clients */

static void count(void *self, const char *name, int64_t delta)
{
    assert_ptr_equal(self, sums);
    size_t i = 0;
    while (sums[i].name && strcmp(sums[i].name, name) != 0)
        i++;
    assert_true(i + 1 < sizeof sums / sizeof *sums);
    sums[i].name = name;
    sums[i].sum += delta;
}

static void note_request(void *self, const spout_request_event *event)
{
    assert_ptr_equal(self, sums);
    assert_true(event->duration_us >= 0);
    size_t len = strlen(events);
    snprintf(events + len, sizeof events - len, "%s %s %d %d>%d; ", event->method, event->handler,
        event->status, (int)event->received_bytes, (int)event->sent_bytes);
}

static void expect(const char *name, int64_t sum)
{
    int64_t found = 0;
    for (size_t i = 0; sums[i].name; i++)
        if (strcmp(sums[i].name, name) == 0)
            found = sums[i].sum;
    if (found != sum)
        fail_msg("%s is %lld, not %lld", name, (long long)found, (long long)sum);
}

/* --- what is served --- */

static int get_hello(spout_request *r)
{
    return spout_write(r, "Hello, world");
}

static int post_hello(spout_request *r)
{
    return spout_write_bytes(r, spout_body(r));
}

static int fall_over(spout_request *r)
{
    (void)r;
    return spout_error_set(SPOUT_EFAILED, "no");
}

static int read_all(spout_request *r)
{
    spout_bytes piece;
    int result;
    while ((result = spout_read_body(r, &piece)) > 0)
        continue;
    return result < 0 ? result : spout_finish(r);
}

static int join(spout_websocket *ws)
{
    return spout_topic_join(topic, ws);
}

/* The answer fills the queue, so that what is published finds no room. */
static int answer(spout_websocket *ws, spout_message message)
{
    if (message.data[0] == 'p')
        return spout_topic_publish(topic, message);
    if (message.data[0] == 's') {
        int result = spout_websocket_begin(ws, false);
        return result < 0 ? result : spout_websocket_end(ws);
    }
    int result = spout_websocket_write(ws, message);
    return result < 0 ? result : spout_topic_publish(topic, message);
}

static const spout_websocket_handler chat = {
    .open = join, .message = answer, .max_queue_size = 1, .queue_policy = SPOUT_QUEUE_DROP_NEWEST
};
static spout_static_options folder = { .max_cached_bytes = SPOUT_ZERO };
static const spout_handler hello = { .name = "hello", .get = get_hello, .post = post_hello },
                           failing = { .name = "failing", .get = fall_over },
                           stream = { .post = read_all, .stream_body = 1 },
                           files = { .name = "files", .static_files = &folder },
                           socket_handler = { .name = "chat", .websocket = &chat };
static const spout_route routes[] = { { "/hello", &hello }, { "/failing", &failing },
    { "/stream", &stream }, { "/files/{path:path}", &files }, { "/chat", &socket_handler }, { 0 } };

static int start(const spout_application_options *options)
{
    memset(sums, 0, sizeof sums);
    events[0] = '\0';
    told = asked = 0;
    spout_log_set_level(SPOUT_LOG_OFF);
    loop = spout_loop_new(&(spout_loop_options){
        .metrics = &(spout_metrics){ .count = count, .request = note_request, .self = sums } });
    topic = spout_topic_new();
    application = spout_application_new(routes, options);
    if (!application)
        fail_msg("%s", spout_error_message());
    server = spout_application_server(application);
    return loop && server ? 0 : -1;
}

static int set_up(void **state)
{
    (void)state;
    folder_make();
    folder.path = folder_path("");
    return start(NULL);
}

static int tear_down(void **state)
{
    (void)state;
    spout_topic_free(topic);
    spout_application_free(application);
    expect("http_connections", 0);
    expect("websockets", 0);
    spout_loop_free(loop);
    spout_log_set_level(SPOUT_LOG_INFO);
    folder_remove();
    return 0;
}

static int connect_client(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    spi_http_server_serve_fd(server, fds[1], NULL);
    return fds[0];
}

/* Until nothing comes any more. */
static void drain(int fd)
{
    char block[16 * 1024];
    for (int quiet = 0; quiet < 6; quiet++) {
        assert_int_equal(spout_loop_run_once(loop, 0), 0);
        for (ssize_t got; (got = read(fd, block, sizeof block)) > 0; quiet = 0)
            told += got;
    }
}

static void say(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
    asked += (int64_t)len;
    drain(fd);
}

static void say_text(int fd, const char *text)
{
    say(fd, text, strlen(text));
}

static void hang_up(int fd)
{
    close(fd);
    for (int i = 0; i < 4; i++)
        assert_int_equal(spout_loop_run_once(loop, 0), 0);
}

static void expect_bytes(void)
{
    assert_true(told > 0);
    expect("net_received_bytes", asked);
    expect("net_sent_bytes", told);
}

/* --- tests --- */

static void requests_by_class_and_one_by_one(void **state)
{
    (void)state;
    int fd = connect_client();
    expect("http_connections", 1);
    say_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nHEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    say_text(fd, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    say_text(fd, "BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    say_text(fd, "GET /failing HTTP/1.1\r\nHost: a\r\n\r\n");
    say_text(fd, "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    const char *start_of_page = strstr(events, "405 0>");
    assert_non_null(start_of_page);
    assert_memory_equal(
        events, "GET hello 200 0>12; HEAD hello 200 0>0; POST hello 200 5>5; BREW hello 405", 74);
    assert_non_null(strstr(events, "GET failing 500 0>"));
    assert_non_null(strstr(events, "POST  200 7>0; "));
    expect("http_replies_2xx", 4);
    expect("http_replies_4xx", 1);
    expect("http_replies_5xx", 1);
    expect("http_replies_1xx", 0);
    expect("http_refused", 0);
    expect_bytes();
    hang_up(fd);
    expect("http_connections", 0);
    expect("http_accepted", 1);
}

static void a_condition_that_holds_sends_no_body(void **state)
{
    (void)state;
    int fd = connect_client();
    say_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n");
    assert_string_equal(events, "GET hello 304 0>0; ");
    expect("http_replies_3xx", 1);
    hang_up(fd);
}

static void what_no_handler_sees_is_refused(void **state)
{
    (void)state;
    int fd = connect_client();
    say_text(fd, "what is this\r\n\r\n");
    expect("http_refused", 1);
    expect("http_replies_4xx", 0);
    assert_string_equal(events, "");
    expect_bytes();
    hang_up(fd);
    expect("http_connections", 0);
}

static void a_client_that_goes_away_is_a_499(void **state)
{
    (void)state;
    int fd = connect_client();
    say_text(fd, "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    hang_up(fd);
    assert_non_null(strstr(events, "POST  4"));
    expect("http_replies_4xx", 1);
}

static void crowds_are_shed(void **state)
{
    tear_down(state);
    folder_make();
    folder.path = folder_path("");
    start(&(spout_application_options){ .http = { .max_connections = 1 } });
    int fd = connect_client(), other = connect_client();
    drain(other);
    expect("http_accepted", 1);
    expect("http_shed", 1);
    expect("http_refused", 0);
    hang_up(other);
    expect("http_connections", 1);
    hang_up(fd);
}

static void bytes_of_files_are_sent_bytes(void **state)
{
    (void)state;
    char text[100 * 1000 + 1] = "";
    memset(text, 'x', sizeof text - 1);
    folder_write("large.txt", text);
    int fd = connect_client();
    say_text(fd, "GET /files/large.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < 100 && told < (int64_t)sizeof text; i++)
        spout_loop_run_once(loop, 10), drain(fd);
    assert_string_equal(events, "GET files 200 0>100000; ");
    assert_true(told > (int64_t)sizeof text);
    expect_bytes();
    hang_up(fd);
}

/* A masked frame with the mask 0. */
static void say_frame(int fd, unsigned first, const char *text)
{
    char frame[32] = { (char)first, (char)(0x80 | strlen(text)) };
    memcpy(frame + 6, text, strlen(text));
    say(fd, frame, 6 + strlen(text));
}

static void websockets_and_topics_are_counted(void **state)
{
    (void)state;
    int fd = connect_client();
    say_text(fd,
        "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    assert_string_equal(events, "GET chat 101 0>0; ");
    expect("http_replies_1xx", 1);
    expect("websockets", 1);
    say_frame(fd, 0x81, "publish");
    expect("websocket_received", 1);
    expect("websocket_sent", 1);
    expect("topic_published", 1);
    expect("websocket_dropped", 0);
    say_frame(fd, 0x81, "answer");
    expect("websocket_received", 2);
    expect("websocket_sent", 2);
    expect("topic_published", 2);
    expect("websocket_dropped", 1);
    say_frame(fd, 0x01, "s"); /* in two frames, answered in pieces */
    expect("websocket_received", 2);
    say_frame(fd, 0x80, "t");
    expect("websocket_received", 3);
    expect("websocket_sent", 3);
    say_frame(fd, 0x89, "ping"); /* is no message */
    expect("websocket_received", 3);
    expect("websocket_sent", 3);
    say_frame(fd, 0x88, "");
    expect("websockets", 0);
    expect_bytes();
    hang_up(fd);
    expect("http_connections", 0);
}

#define measured(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        measured(requests_by_class_and_one_by_one),
        measured(a_condition_that_holds_sends_no_body),
        measured(what_no_handler_sees_is_refused),
        measured(a_client_that_goes_away_is_a_499),
        measured(crowds_are_shed),
        measured(bytes_of_files_are_sent_bytes),
        measured(websockets_and_topics_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
