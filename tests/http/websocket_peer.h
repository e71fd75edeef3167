/*
 * For the tests of WebSocket clients: a server that is played by a script, one coroutine for each
 * connection, on the loop of the client. Over Unix sockets, where what is written is there at once,
 * on a clock that jumps to the next timer whenever nothing else is to be done.
 */
#ifndef TEST_WEBSOCKET_PEER_H
#define TEST_WEBSOCKET_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <spout/error.h>
#include <spout/log.h>
#include <spout/memory.h>
#include <spout/task.h>
#include <spout/tcpserver.h>
#include <spout/websocketclient.h>

#include "base/text.h"
#include "http/websocket_client.h"

enum {
    FIN = 0x80,
    TEXT = FIN | 1,
    BINARY = FIN | 2,
    CLOSE = FIN | 8,
    PING = FIN | 9,
    PONG = FIN | 10,
    RSV1 = 0x40
};

typedef struct peer peer;
typedef int peer_script(peer *p, spout_stream *stream);

struct peer {
    peer_script *script;
    spout_tcp_server *server;
    int connections; /* so far; the script's own number is one less */
    char request[4096];
    spout_bytes payload; /* of the last frame; valid until the next read */
    unsigned char mask[4];
    char name[64]; /* of the Unix socket */
    char url[64];
    int64_t times[32]; /* of the connections */
};

static peer the_peer;
static spout_loop *loop;
static int64_t now_ms;
static char log_text[4096];

static int64_t peer_clock_read(void *self)
{
    (void)self;
    return now_ms;
}

static int64_t peer_clock_wall(void *self)
{
    (void)self;
    return 0;
}

static void peer_clock_skip(void *self, int64_t delay_ms)
{
    (void)self;
    now_ms += delay_ms;
}

static void peer_keep_line(void *self, const spout_log_record *record)
{
    (void)self;
    size_t len = strlen(log_text);
    snprintf(log_text + len, sizeof log_text - len, "%s\n", record->message);
}

static int peer_serve(spout_stream *stream, void *arg)
{
    peer *p = arg;
    if (p->connections < 32)
        p->times[p->connections] = now_ms;
    p->connections++;
    return p->script(p, stream);
}

static inline void peer_start_loop(bool skips)
{
    const spout_clock clock = {
        .monotonic_ms = peer_clock_read, .wall_us = peer_clock_wall, .skip_ms = peer_clock_skip
    };
    now_ms = 1000;
    log_text[0] = '\0';
    spout_log_set_sink(&(spout_log_sink){ .write = peer_keep_line });
    loop = spout_loop_new(&(spout_loop_options){ .clock = skips ? &clock : NULL });
    assert_non_null(loop);
}

static inline int peer_set_up(void **state)
{
    static int number;
    (void)state;
    peer_start_loop(true);
    the_peer = (peer){ .url = "ws://test/path" };
    snprintf(the_peer.name, sizeof the_peer.name, "@spout-peer-%d-%d", (int)getpid(), ++number);
    the_peer.server = spout_tcp_server_new(peer_serve, &the_peer, NULL);
    assert_int_equal(spout_tcp_server_listen(
                         the_peer.server, &(spout_listen_options){ .unix_path = the_peer.name }),
        0);
    return 0;
}

/* The same over TCP, on the system's clock. */
static inline int peer_set_up_tcp(void **state)
{
    (void)state;
    peer_start_loop(false);
    the_peer = (peer){ .script = NULL };
    the_peer.server = spout_tcp_server_new(peer_serve, &the_peer, NULL);
    assert_int_equal(
        spout_tcp_server_listen(the_peer.server, &(spout_listen_options){ .address = "127.0.0.1" }),
        0);
    snprintf(the_peer.url, sizeof the_peer.url, "ws://127.0.0.1:%d/path",
        spout_tcp_server_port(the_peer.server));
    return 0;
}

static inline int peer_tear_down(void **state)
{
    (void)state;
    spout_tcp_server_free(the_peer.server);
    spout_loop_free(loop);
    spout_log_set_sink(NULL);
    return 0;
}

#define peer_test(fn) cmocka_unit_test_setup_teardown(fn, peer_set_up, peer_tear_down)
#define peer_test_tcp(fn) cmocka_unit_test_setup_teardown(fn, peer_set_up_tcp, peer_tear_down)

/* Runs a test's body on a coroutine, against a script. */
static inline int play(peer_script *script, spout_task_fn *body)
{
    the_peer.script = script;
    return spout_loop_run_sync(loop, body, NULL, 0);
}

/* --- the server's side --- */

static inline int peer_read_request(peer *p, spout_stream *stream)
{
    spout_bytes head;
    if (spout_stream_read_until(stream, "\r\n\r\n", sizeof p->request - 1, &head) < 0)
        return -1;
    memcpy(p->request, head.data, head.len);
    p->request[head.len] = '\0';
    return 0;
}

static inline int peer_say(spout_stream *stream, const char *text)
{
    return spout_stream_write(stream, spout_bytes_of(text));
}

/* The line's value, scoped; NULL if there is none. */
static inline const char *peer_field(const peer *p, const char *name)
{
    char start[64];
    snprintf(start, sizeof start, "\r\n%s: ", name);
    const char *at = strstr(p->request, start);
    if (!at)
        return NULL;
    at += strlen(start);
    return spout_scope_bytes((spout_bytes){ at, strcspn(at, "\r") });
}

/* A 101 with further lines. */
static inline int peer_switch(peer *p, spout_stream *stream, const char *lines)
{
    char accept[29], text[512];
    const char *key = peer_field(p, "Sec-WebSocket-Key");
    assert_non_null(key);
    spi_websocket_accept_value(key, accept);
    snprintf(text, sizeof text,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n%s\r\n",
        accept, lines);
    return peer_say(stream, text);
}

static inline int peer_accept(peer *p, spout_stream *stream)
{
    return peer_read_request(p, stream) < 0 ? -1 : peer_switch(p, stream, "");
}

static inline int peer_send(spout_stream *stream, unsigned first, const char *data, size_t len)
{
    char head[14];
    size_t head_len = spi_frame_head(head, SPI_OP_TEXT, true, false, len, NULL);
    head[0] = (char)first;
    spout_bytes pieces[] = { { head, head_len }, { data, len } };
    return spout_stream_writev(stream, pieces, len > 0 ? 2 : 1);
}

static inline int peer_send_text(spout_stream *stream, const char *text)
{
    return peer_send(stream, TEXT, text, strlen(text));
}

static inline int peer_send_close(spout_stream *stream, unsigned code, const char *reason)
{
    char payload[125] = { (char)(code >> 8), (char)(code & 0xFF) };
    memcpy(payload + 2, reason, strlen(reason));
    return peer_send(stream, CLOSE, payload, 2 + strlen(reason));
}

/* The first byte of the next frame, whose payload is in p->payload, unmasked; < 0 at the end. */
static inline int peer_receive(peer *p, spout_stream *stream)
{
    spout_bytes piece;
    if (spout_stream_read(stream, 2, &piece) < 0)
        return -1;
    int first = (unsigned char)piece.data[0];
    size_t len = (unsigned char)piece.data[1];
    assert_true(len & 0x80);
    len &= 0x7F;
    size_t more = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (spout_stream_read(stream, more + 4, &piece) < 0)
        return -1;
    if (more > 0)
        len = 0;
    for (size_t i = 0; i < more; i++)
        len = len << 8 | (unsigned char)piece.data[i];
    memcpy(p->mask, piece.data + more, 4);
    if (spout_stream_read(stream, len, &piece) < 0)
        return -1;
    char *text = spout_scope_alloc(len + 1);
    memcpy(text, piece.data, len);
    text[len] = '\0';
    spi_frame_mask(text, len, p->mask, 0);
    p->payload = (spout_bytes){ text, len };
    return first;
}

static inline unsigned peer_close_code(const peer *p)
{
    assert_true(p->payload.len >= 2);
    return (unsigned)(unsigned char)p->payload.data[0] << 8 | (unsigned char)p->payload.data[1];
}

/* Waits for the client's close frame, and answers with its code. */
static inline int peer_finish(peer *p, spout_stream *stream)
{
    int first;
    while ((first = peer_receive(p, stream)) >= 0 && first != CLOSE)
        continue;
    return first == CLOSE ? peer_send(stream, CLOSE, p->payload.data, p->payload.len) : -1;
}

/* --- scripts that several tests use --- */

static inline int echo_script(peer *p, spout_stream *stream)
{
    int first;
    if (peer_accept(p, stream) < 0)
        return -1;
    while ((first = peer_receive(p, stream)) >= 0) {
        if (first != PONG &&
            peer_send(stream, (unsigned)first, p->payload.data, p->payload.len) < 0)
            return -1;
        if (first == CLOSE)
            return 0;
    }
    return SPOUT_ECLOSED;
}

/* --- the client's side --- */

static inline spout_websocket *connect_with(const spout_websocket_connect_options *options)
{
    spout_websocket_connect_options all = options
                                              ? *options
                                              : (spout_websocket_connect_options){ .data = NULL };
    if (!all.unix_path && the_peer.name[0])
        all.unix_path = the_peer.name;
    return spout_websocket_connect(the_peer.url, &all);
}

static inline spout_websocket *connect_plain(void)
{
    spout_websocket *ws = connect_with(NULL);
    assert_non_null(ws);
    return ws;
}

static inline void expect_message(spout_websocket *ws, const char *text)
{
    spout_message m;
    assert_int_equal(spout_websocket_read(ws, &m), 1);
    assert_string_equal(m.data, text);
    assert_int_equal(m.len, strlen(text));
}

static inline void expect_end(spout_websocket *ws, int code, const char *reason)
{
    spout_message m;
    assert_int_equal(spout_websocket_read(ws, &m), 0);
    assert_int_equal(spout_websocket_close_code(ws), code);
    assert_string_equal(spout_websocket_close_reason(ws), reason);
    assert_true(spout_websocket_is_closed(ws));
}

/* The error's messages, its causes' too. */
static inline const char *all_messages(void)
{
    const char *text = "";
    for (const spout_error *e = spout_error_current(); e; e = spout_error_get_cause(e))
        text = spout_scope_format("%s%s%s", text, *text ? ": " : "", spout_error_get_message(e));
    return text;
}

#endif
