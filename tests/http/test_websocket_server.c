/* WebSockets over a real server and socket pairs: the whole way from bytes to handlers and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <spout/error.h>
#include <spout/log.h>
#include <spout/memory.h>
#include <spout/task.h>
#include <spout/topic.h>

#include "base/buffer.h"
#include "http/frame.h"
#include "http/server.h"
#include "http/websocket.h"
#include "loop/task.h"

static spout_loop *loop;
static spout_http_server *server;
static spi_buffer trace;
static const spout_websocket_handler *handler; /* of the next sockets */
static spout_websocket *newest;
static bool open_waits;
static spi_list doors; /* where .open waits */
static int64_t clock_ms;
static size_t heap_bytes;

static void note(const char *text)
{
    assert_int_equal(spi_buffer_append_format(&trace, "%s ", text), 0);
}

static void assert_trace(const char *expected)
{
    assert_string_equal(spi_buffer_text(&trace), expected);
    spi_buffer_clear(&trace);
}

/* A service that upgrades whatever comes, as web does. */

static int on_head(void *self, spi_exchange *exchange, bool complete)
{
    (void)complete;
    (void)self;
    (void)exchange;
    return 0;
}

static int upgrade(void *arg)
{
    spi_exchange *exchange = arg;
    const char *text;
    assert_int_equal(spi_websocket_check_request(&exchange->head, false, &text), 0);
    assert_int_equal(spi_websocket_check_request(&exchange->head, true, &text), 0);
    spout_websocket *ws = spi_websocket_accept(exchange, handler, NULL, NULL, 0, NULL);
    assert_non_null(ws);
    newest = ws;
    char *path = spi_arena_strdup(exchange->arena, exchange->head.path);
    if (open_waits) {
        spi_wait(&doors, "door");
        assert_string_equal(
            exchange->head.path, path); /* the request stays, even if the client does not */
        char ip[46];
        assert_string_equal(spout_endpoint_text(exchange->peer, ip), "127.0.0.1");
    }
    spi_websocket_start(ws, 0);
    return 0;
}

static void on_request(void *self, spi_exchange *exchange)
{
    (void)self;
    const spi_task_start start = { .name = "upgrade", .fn = upgrade, .arg = exchange };
    assert_int_equal(spi_task_run(loop, &start, NULL), 0);
}

static void on_gone(void *self, spi_exchange *exchange)
{
    (void)self;
    (void)exchange;
}

static const spi_service service = {
    .on_head = on_head, .on_request = on_request, .on_gone = on_gone
};

static int64_t read_clock(void *self)
{
    (void)self;
    return clock_ms;
}

static int64_t read_wall(void *self)
{
    (void)self;
    return 784111777000000;
}

static int lines;

static void drop_line(void *self, const spout_log_record *record)
{
    (void)self;
    (void)record;
    lines++;
}

static int set_up(void **state)
{
    (void)state;
    spi_buffer_init(&trace, 1 << 20);
    spi_list_init(&doors);
    spout_log_set_sink(&(spout_log_sink){ .write = drop_line });
    clock_ms = 1000;
    open_waits = false;
    const spout_clock clock = { .monotonic_ms = read_clock, .wall_us = read_wall };
    loop = spout_loop_new(&(spout_loop_options){ .clock = &clock });
    server = spi_http_server_new(&service, NULL, NULL);
    return loop && server ? 0 : -1;
}

static void turn(void)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(spout_loop_run_once(loop, 0), 0);
}

static int tear_down(void **state)
{
    (void)state;
    turn();
    spout_http_server_free(server);
    turn();
    spout_loop_free(loop);
    spi_buffer_release(&trace);
    spout_log_set_sink(NULL);
    return 0;
}

/* The client's side: a blocking-free end of a socket pair. */

static void send_bytes(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

static void send_frame(int fd, unsigned first, const char *data, size_t len)
{
    static const uint8_t mask[4] = { 1, 2, 3, 4 };
    char *frame = malloc(len + 14);
    assert_non_null(frame);
    size_t head = spi_frame_head(frame, SPI_OP_TEXT, true, false, len, mask);
    frame[0] = (char)first;
    memcpy(frame + head, data, len);
    spi_frame_mask(frame + head, len, mask, 0);
    send_bytes(fd, frame, head + len);
    free(frame);
}

static size_t receive(int fd, void *out, size_t room)
{
    ssize_t got = recv(fd, out, room, MSG_DONTWAIT);
    return got > 0 ? (size_t)got : 0;
}

static int request_socket(const char *behind)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    const spout_endpoint peer = { .address = { 127, 0, 0, 1 }, .family = 4 };
    assert_int_equal(spi_http_server_serve_fd(server, fds[0], &peer), 0);
    char request[1024];
    int len = snprintf(request, sizeof request,
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n%s",
        behind);
    send_bytes(fds[1], request, (size_t)len);
    turn();
    return fds[1];
}

static int connect_socket(const spout_websocket_handler *new_handler)
{
    handler = new_handler;
    int fd = request_socket("");
    char reply[1024] = "";
    receive(fd, reply, sizeof reply - 1);
    assert_non_null(strstr(reply, "HTTP/1.1 101 "));
    assert_non_null(strstr(reply, "Upgrade: websocket\r\n"));
    assert_non_null(strstr(reply, "Connection: Upgrade\r\n"));
    assert_non_null(strstr(reply, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    return fd;
}

static void expect_bytes(int fd, const char *expected, size_t len)
{
    char got[256];
    assert_int_equal(receive(fd, got, sizeof got), len);
    assert_memory_equal(got, expected, len);
}

static int echo(spout_websocket *ws, spout_message message)
{
    return spout_websocket_write(ws, message);
}

static int note_close(spout_websocket *ws)
{
    char text[32];
    snprintf(text, sizeof text, "close:%d", spout_websocket_close_code(ws));
    note(text);
    return 0;
}

static const spout_websocket_handler echoing = { .message = echo, .close = note_close };

static void echoes_and_says_goodbye(void **state)
{
    (void)state;
    int fd = connect_socket(&echoing);
    send_frame(fd, 0x81, "hello", 5);
    turn();
    expect_bytes(fd, "\x81\x05hello", 7);
    send_frame(fd, 0x88, "\x03\xe8", 2);
    turn();
    expect_bytes(fd, "\x88\x02\x03\xe8", 4);
    assert_trace("close:1000 ");
    close(fd);
    turn();
    assert_int_equal(spout_http_server_connections(server), 0);
}

static void takes_frames_that_came_with_the_request(void **state)
{
    (void)state;
    handler = &echoing;
    int fd = request_socket("\x81\x81\x01\x02\x03\x04"
                            "h");
    char reply[1024];
    size_t got = receive(fd, reply, sizeof reply);
    assert_true(got > 10);
    assert_memory_equal(reply + got - 3, "\x81\x01i", 3); /* 'h' masked with 1 */
    close(fd);
    turn();
    assert_trace("close:0 ");
}

static void notices_a_client_that_vanishes(void **state)
{
    (void)state;
    int fd = connect_socket(&echoing);
    close(fd);
    turn();
    assert_trace("close:0 ");
}

static void request_outlives_a_client_that_leaves_during_open(void **state)
{
    (void)state;
    handler = &echoing;
    open_waits = true;
    int fd = request_socket("");
    close(fd);
    turn();
    assert_trace("");
    spi_wake_all(&doors);
    turn();
    assert_trace("close:0 ");
    assert_int_equal(spout_http_server_connections(server), 0);
}

static int drain_server(void *arg)
{
    (void)arg;
    note(spout_http_server_drain(server) == 0 ? "drained" : "cut");
    return 0;
}

static void drains_with_1001(void **state)
{
    (void)state;
    int fd = connect_socket(&echoing);
    assert_int_equal(spout_spawn(drain_server, NULL, NULL), 0);
    turn();
    expect_bytes(fd, "\x88\x16\x03\xe9server shutting down", 24);
    send_frame(fd, 0x88, "\x03\xe9", 2);
    turn();
    close(fd);
    turn();
    assert_trace("close:1001 drained ");
}

enum { FLOOD = 40, PIECE = 100 * 1000 };

static int flood(spout_websocket *ws, spout_message message)
{
    (void)message;
    static char piece[PIECE];
    for (int i = 0; i < FLOOD; i++)
        if (spout_websocket_write(ws, (spout_message){ piece, sizeof piece, true }) < 0)
            return -1;
    note("sent");
    return 0;
}

static void writer_waits_for_a_slow_reader(void **state)
{
    (void)state;
    static const spout_websocket_handler flooding = { .message = flood, .close = note_close };
    int fd = connect_socket(&flooding);
    send_frame(fd, 0x81, "x", 1);
    turn();
    assert_trace("");
    static char sink[65536];
    size_t total = 0, got = 1;
    while (got > 0) {
        while ((got = receive(fd, sink, sizeof sink)) > 0)
            total += got;
        turn();
        got = receive(fd, sink, sizeof sink);
        total += got;
    }
    assert_int_equal(total, FLOOD * (PIECE + 10));
    assert_trace("sent ");
    close(fd);
    turn();
    assert_trace("close:0 ");
}

static void echoes_large_messages(void **state)
{
    (void)state;
    int fd = connect_socket(&echoing);
    enum { LEN = 3 * 1000 * 1000 };
    char *data = malloc(LEN + 14), *back = malloc(LEN + 14);
    assert_true(data && back);
    static const uint8_t mask[4] = { 9, 8, 7, 6 };
    size_t head = spi_frame_head(data, SPI_OP_BINARY, true, false, LEN, mask);
    for (size_t i = 0; i < LEN; i++)
        data[head + i] = (char)(i * 7 + i / 251);
    size_t sent = 0, got = 0;
    while (got < LEN + 10) {
        if (sent < head + LEN) {
            ssize_t result = send(fd, data + sent, head + LEN - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            sent += result > 0 ? (size_t)result : 0;
        }
        spout_loop_run_once(loop, 0);
        got += receive(fd, back + got, LEN + 10 - got);
    }
    spi_frame_mask(data + head, LEN, mask, 0);
    assert_memory_equal(back + 10, data + head, LEN);
    free(data);
    free(back);
    close(fd);
    turn();
    assert_trace("close:0 ");
}

static void topic_closes_who_does_not_read(void **state)
{
    (void)state;
    static const spout_websocket_handler member = { .close = note_close,
        .max_queue_size = 500 * 1000 };
    spout_topic *topic = spout_topic_new();
    int fast = connect_socket(&member);
    assert_int_equal(spout_topic_join(topic, newest), 0);
    int slow = connect_socket(&member);
    assert_int_equal(spout_topic_join(topic, newest), 0);
    static char piece[10 * 1000], sink[65536];
    size_t total = 0;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(
            spout_topic_publish(topic, (spout_message){ piece, sizeof piece, true }), 0);
        turn();
        total += receive(fast, sink, sizeof sink);
    }
    assert_int_equal(total, 200 * (sizeof piece + 4));
    assert_int_equal(spout_topic_count(topic), 1);
    assert_trace("");
    clock_ms += 5000;
    turn();
    assert_trace("close:0 ");
    close(fast);
    close(slow);
    turn();
    assert_trace("close:0 ");
    spout_topic_free(topic);
}

/* What its queue had room for comes, and then the latest; what lies between is counted. */
static void topic_drops_the_oldest(void **state)
{
    (void)state;
    static const spout_websocket_handler member = {
        .close = note_close, .max_queue_size = 50 * 1000, .queue_policy = SPOUT_QUEUE_DROP_OLDEST
    };
    enum { COUNT = 200, SIZE = 10 * 1000, FRAME = SIZE + 4 };
    spout_topic *topic = spout_topic_new();
    int slow = connect_socket(&member);
    assert_int_equal(spout_topic_join(topic, newest), 0);
    static char piece[SIZE], all[COUNT * FRAME];
    lines = 0;
    for (int i = 0; i < COUNT; i++) {
        memset(piece, i, sizeof piece);
        size_t count = 0;
        assert_int_equal(spout_topic_publish_except(
                             topic, (spout_message){ piece, sizeof piece, true }, NULL, &count),
            0);
        assert_int_equal(count, 1);
        turn();
    }
    assert_int_equal(lines, 1);
    uint32_t dropped = spout_websocket_dropped(newest);
    assert_in_range(dropped, 1, COUNT - 5);
    size_t total = 0, got;
    while ((got = receive(slow, all + total, sizeof all - total)) > 0) {
        total += got;
        turn();
    }
    assert_int_equal(total, (COUNT - dropped) * FRAME);
    int last = -1, gaps = 0;
    for (size_t at = 0; at < total; at += FRAME) {
        int number = (unsigned char)all[at + 4];
        assert_int_equal((unsigned char)all[at + FRAME - 1], number);
        assert_true(number > last);
        gaps += number > last + 1;
        last = number;
    }
    assert_int_equal(last, COUNT - 1);
    assert_int_equal(gaps, 1);
    close(slow);
    turn();
    spout_topic_free(topic);
}

static void allow_descriptors(rlim_t count)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < count)
        limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max : count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Everyone else has each message as soon as it is published, whatever becomes of the one that
   doesn't read; it costs no more than its queue may hold, and is told once. */
static void one_of_a_thousand_does_not_read(void **state)
{
    (void)state;
    enum { COUNT = 1000, SIZE = 2000, ROUNDS = 500, MAX = 200 * 1000 };
    static const spout_queue_policy policies[] = { SPOUT_QUEUE_CLOSE_1013, SPOUT_QUEUE_DROP_NEWEST,
        SPOUT_QUEUE_DROP_OLDEST };
    static int fds[COUNT];
    static char piece[SIZE], sink[65536];
    allow_descriptors(2 * COUNT + 100);
    for (size_t p = 0; p < sizeof policies / sizeof policies[0]; p++) {
        const spout_websocket_handler member = { .max_queue_size = MAX,
            .queue_policy = policies[p] };
        spout_topic *topic = spout_topic_new();
        for (int i = 0; i < COUNT; i++) {
            fds[i] = connect_socket(&member);
            assert_int_equal(spout_topic_join(topic, newest), 0);
        }
        lines = 0;
        size_t before = heap_bytes, most = 0;
        for (int round = 0; round < ROUNDS; round++) {
            assert_int_equal(
                spout_topic_publish(topic, (spout_message){ piece, sizeof piece, true }), 0);
            for (int i = 1; i < COUNT; i++)
                assert_int_equal(receive(fds[i], sink, sizeof sink), SIZE + 4);
            most = heap_bytes > most ? heap_bytes : most;
            turn();
        }
        assert_in_range(most - before, 1, MAX + MAX / 4);
        assert_int_equal(lines, 1);
        assert_int_equal(
            spout_topic_count(topic), policies[p] == SPOUT_QUEUE_CLOSE_1013 ? COUNT - 1 : COUNT);
        for (int i = 0; i < COUNT; i++)
            close(fds[i]);
        turn();
        clock_ms += 5000;
        turn();
        spout_topic_free(topic);
    }
}

static void check_idle_size(const spout_websocket_handler *kind)
{
    enum { COUNT = 200 };
    int fds[COUNT];
    connect_socket(kind);
    size_t before = 0;
    for (int i = 0; i < COUNT; i++) {
        if (i == COUNT / 2)
            before = heap_bytes;
        fds[i] = connect_socket(kind);
        send_frame(fds[i], 0x81, "x", 1);
        turn();
    }
    size_t each = (heap_bytes - before) / (COUNT / 2);
    print_message("%zu bytes for each idle socket\n", each);
    assert_true(each <= 512);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

static void is_small_while_idle(void **state)
{
    (void)state;
    check_idle_size(&echoing);
}

static void is_small_while_idle_with_compression(void **state)
{
    (void)state;
    static const spout_websocket_compression usual;
    static const spout_websocket_handler packing = { .message = echo, .compression = &usual };
    check_idle_size(&packing);
    assert_true(spout_websocket_is_compressed(newest));
}

/* Counts what is asked for. */
static void *count_realloc(void *self, void *block, size_t size)
{
    (void)self;
    size_t *at = block ? (size_t *)block - 2 : NULL;
    heap_bytes -= at ? *at : 0;
    at = realloc(at, size + 16);
    if (!at)
        return NULL;
    *at = size;
    heap_bytes += size;
    return at + 2;
}

static void count_free(void *self, void *block)
{
    (void)self;
    size_t *at = block ? (size_t *)block - 2 : NULL;
    heap_bytes -= at ? *at : 0;
    free(at);
}

int main(void)
{
    spout_set_allocator(&(spout_allocator){ .realloc = count_realloc, .free = count_free });
#define on_server(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        on_server(echoes_and_says_goodbye),
        on_server(takes_frames_that_came_with_the_request),
        on_server(notices_a_client_that_vanishes),
        on_server(request_outlives_a_client_that_leaves_during_open),
        on_server(drains_with_1001),
        on_server(writer_waits_for_a_slow_reader),
        on_server(echoes_large_messages),
        on_server(topic_closes_who_does_not_read),
        on_server(topic_drops_the_oldest),
        on_server(one_of_a_thousand_does_not_read),
        on_server(is_small_while_idle),
        on_server(is_small_while_idle_with_compression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
