/*
 * For the WebSocket's tests: a tunnel that is played by the test. What the client sends is
 * delivered as the transport's contract says (never while paused, from a buffer that is gone
 * afterwards); what the socket writes is collected; time stands still until `pass` moves it; log
 * lines are collected too.
 */
#ifndef TEST_TUNNEL_H
#define TEST_TUNNEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include <spout/error.h>
#include <spout/log.h>
#include <spout/memory.h>
#include <spout/task.h>

#include "base/memory.h"
#include "http/topic.h"
#include "http/websocket_socket.h"
#include "net/transport.h"

typedef struct client {
    spi_exchange exchange;
    const spi_tunnel *tunnel;
    void *self;
    spi_buffer got;  /* from the server; the 101 is taken off */
    spi_buffer held; /* for the server, which doesn't want it now */
    spi_ready ready;
    size_t stuck;       /* bytes that the system doesn't take */
    bool takes_nothing; /* what is written is stuck */
    bool full;          /* writing fails with SPOUT_ELIMIT */
    bool no_upgrade;
    bool paused, closed, aborted, losing, lost, arena_dropped;
    int writes, blobs;
} client;

static spout_loop *loop;
static spi_buffer log_lines;
static spi_buffer trace; /* what the handlers of a test did */
static int64_t clock_ms;

static inline void SPOUT_PRINTF(1, 2) note(const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_int_equal(spi_buffer_append_format(&trace, "%s ", text), 0);
}

static inline void assert_trace(const char *expected)
{
    assert_string_equal(spi_buffer_text(&trace), expected);
    spi_buffer_clear(&trace);
}

static void collect_line(void *self, const spout_log_record *record)
{
    (void)self;
    if (spi_buffer_append_format(&log_lines, "%s\n", record->message) < 0)
        abort();
}

static int64_t read_clock(void *self)
{
    (void)self;
    return clock_ms;
}

static int64_t read_wall(void *self)
{
    (void)self;
    return 0;
}

static inline void turn(void)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(spout_loop_run_once(loop, 0), 0);
}

static inline void pass(int64_t ms)
{
    clock_ms += ms;
    turn();
}

static inline int start_loop(int max_tasks)
{
    const spout_clock clock = { .monotonic_ms = read_clock, .wall_us = read_wall };
    loop = spout_loop_new(&(spout_loop_options){ .clock = &clock, .max_tasks = max_tasks });
    return loop ? 0 : -1;
}

static inline int set_up(void **state)
{
    (void)state;
    spi_buffer_init(&log_lines, 1 << 20);
    spi_buffer_init(&trace, 1 << 20);
    spout_log_set_sink(&(spout_log_sink){ .write = collect_line });
    clock_ms = 1000;
    return start_loop(0);
}

static inline int tear_down(void **state)
{
    (void)state;
    spout_loop_free(loop);
    spout_log_set_sink(NULL);
    spi_buffer_release(&log_lines);
    spi_buffer_release(&trace);
    return 0;
}

static inline int count_in_log(const char *text)
{
    int count = 0;
    for (const char *at = spi_buffer_text(&log_lines); (at = strstr(at, text)); at++)
        count++;
    return count;
}

/* The tunnel's table. */

static client *client_of(spi_exchange *exchange)
{
    return spi_container(exchange, client, exchange);
}

static int take_upgrade(
    spi_exchange *exchange, const spi_reply_head *head, const spi_tunnel *tunnel, void *self)
{
    client *c = client_of(exchange);
    if (c->no_upgrade)
        return spout_error_set(SPOUT_EUNSUPPORTED, "no upgrade");
    c->tunnel = tunnel;
    c->self = self;
    assert_int_equal(head->status, 101);
    for (size_t i = 0; i < head->field_count; i++) {
        assert_int_equal(head->fields[i].name_len, strlen(head->fields[i].name));
        assert_int_equal(head->fields[i].value_len, strlen(head->fields[i].value));
        assert_int_equal(spi_buffer_append_format(
                             &c->got, "%s: %s\n", head->fields[i].name, head->fields[i].value),
            0);
    }
    return 0;
}

static int check_open(const client *c)
{
    if (c->closed || c->aborted || c->lost)
        return spout_error_set(SPOUT_ECLOSED, "the connection is closed");
    return c->full ? spout_error_set(SPOUT_ELIMIT, "the queue is full") : 0;
}

static int take_write(spi_exchange *exchange, const spout_bytes *pieces, int count)
{
    client *c = client_of(exchange);
    int result = check_open(c);
    c->writes++;
    for (int i = 0; i < count && result == 0; i++) {
        result = spi_buffer_append(&c->got, pieces[i].data, pieces[i].len);
        if (c->takes_nothing)
            c->stuck += pieces[i].len;
    }
    return result;
}

/* Only where nothing is stuck, as the real one. */
static char *reserve(spi_exchange *exchange, size_t len, size_t max)
{
    client *c = client_of(exchange);
    if (c->stuck > 0 || c->takes_nothing || len > max || check_open(c) < 0)
        return NULL;
    return spi_buffer_reserve(&c->got, len);
}

static void commit(spi_exchange *exchange, size_t len)
{
    client *c = client_of(exchange);
    c->writes++;
    spi_buffer_commit(&c->got, len);
}

static int take_blob(spi_exchange *exchange, struct spi_blob *blob)
{
    client_of(exchange)->blobs++;
    return take_write(exchange, &(spout_bytes){ blob->data, blob->len }, 1);
}

static size_t get_pending(const spi_exchange *exchange)
{
    return client_of((spi_exchange *)(uintptr_t)exchange)->stuck;
}

static void do_pause(spi_exchange *exchange)
{
    client_of(exchange)->paused = true;
}

static void do_resume(spi_exchange *exchange)
{
    client_of(exchange)->paused = false;
    spi_ready_schedule(loop, &client_of(exchange)->ready);
}

static void do_flush(spi_exchange *exchange)
{
    (void)exchange;
}

static void lose_later(client *c)
{
    c->losing = true;
    spi_ready_schedule(loop, &c->ready);
}

static void do_close(spi_exchange *exchange)
{
    client_of(exchange)->closed = true;
    lose_later(client_of(exchange));
}

static void do_abort(spi_exchange *exchange)
{
    client_of(exchange)->aborted = true;
    lose_later(client_of(exchange));
}

static spi_exchange *do_drop_arena(spi_exchange *exchange)
{
    client_of(exchange)->arena_dropped = true;
    return exchange;
}

static const spi_exchange_ops played_ops = {
    .upgrade = take_upgrade,
    .tunnel_write = take_write,
    .tunnel_write_blob = take_blob,
    .tunnel_reserve = reserve,
    .tunnel_commit = commit,
    .tunnel_pause = do_pause,
    .tunnel_resume = do_resume,
    .tunnel_flush = do_flush,
    .tunnel_close = do_close,
    .tunnel_abort = do_abort,
    .pending = get_pending,
    .drop_arena = do_drop_arena,
};

static void deliver_now(client *c, const char *data, size_t len)
{
    char *copy = spi_memdup(data, len);
    c->tunnel->on_data(c->self, copy, len);
    spi_free(copy);
}

static void on_client_ready(spi_ready *ready)
{
    client *c = spi_container(ready, client, ready);
    if (c->losing && !c->lost) {
        c->lost = true;
        c->tunnel->on_lost(c->self);
    } else if (!c->paused && !c->lost && spi_buffer_len(&c->held) > 0) {
        spi_buffer held = c->held;
        spi_buffer_init(&c->held, held.max);
        deliver_now(c, spi_buffer_head(&held), spi_buffer_len(&held));
        spi_buffer_release(&held);
    }
}

/* The client's side. */

static inline void client_init(client *c)
{
    static spout_endpoint peer = { .address = { 10, 1, 2, 3 }, .port = 4, .family = 4 };
    static spi_field key = { "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", 17, 24 };
    *c = (client){ .exchange = { .ops = &played_ops, .loop = loop, .peer = &peer } };
    c->exchange.head.fields = &key;
    c->exchange.head.field_count = 1;
    spi_buffer_init(&c->got, 64 << 20);
    spi_buffer_init(&c->held, 64 << 20);
    spi_ready_init(&c->ready, on_client_ready);
}

/* Connected, 101 received, .open not called. */
static inline spout_websocket *accept_client(client *c, const spout_websocket_handler *handler)
{
    client_init(c);
    spout_websocket *ws = spi_websocket_accept(&c->exchange, handler, NULL, NULL, 0, NULL);
    assert_non_null(ws);
    spi_buffer_clear(&c->got);
    return ws;
}

static inline spout_websocket *connect_client(client *c, const spout_websocket_handler *handler)
{
    spout_websocket *ws = accept_client(c, handler);
    spi_websocket_start(ws, 0);
    turn();
    assert_false(c->paused);
    return ws;
}

static inline void deliver_bytes(client *c, const char *data, size_t len)
{
    if (c->paused)
        assert_int_equal(spi_buffer_append(&c->held, data, len), 0);
    else
        deliver_now(c, data, len);
}

/* Appends a masked frame; `first` is FIN, reserved bits and opcode. */
static inline void add_frame(spi_buffer *out, unsigned first, const char *data, size_t len)
{
    static const uint8_t mask[4] = { 0x12, 0x80, 0x00, 0xFF };
    char head[14];
    size_t head_len = spi_frame_head(head, SPI_OP_TEXT, true, false, len, mask);
    head[0] = (char)first;
    assert_int_equal(spi_buffer_append(out, head, head_len), 0);
    size_t start = spi_buffer_len(out);
    if (len > 0)
        assert_int_equal(spi_buffer_append(out, data, len), 0);
    spi_frame_mask(spi_buffer_head(out) + start, len, mask, 0);
}

static inline void send_frame(client *c, unsigned first, const char *data, size_t len)
{
    spi_buffer out;
    spi_buffer_init(&out, 64 << 20);
    add_frame(&out, first, data, len);
    deliver_bytes(c, spi_buffer_head(&out), spi_buffer_len(&out));
    spi_buffer_release(&out);
}

enum {
    FIN = 0x80,
    TEXT = FIN | 1,
    BINARY = FIN | 2,
    CLOSE = FIN | 8,
    PING = FIN | 9,
    PONG = FIN | 10
};

static inline void send_text(client *c, const char *text)
{
    send_frame(c, TEXT, text, strlen(text));
}

static inline void send_close(client *c, unsigned code, const char *reason)
{
    char payload[125] = { (char)(code >> 8), (char)(code & 0xFF) };
    memcpy(payload + 2, reason, strlen(reason));
    send_frame(c, CLOSE, payload, 2 + strlen(reason));
}

/* The payload of the next frame that came, which must begin with that byte. Scoped to the thread's
   own scope. */
static inline spout_bytes next_frame(client *c, unsigned first)
{
    const unsigned char *at = (const unsigned char *)spi_buffer_text(&c->got);
    assert_true(spi_buffer_len(&c->got) >= 2);
    assert_int_equal(at[0], first);
    size_t len = at[1], head = 2;
    if (len == 126) {
        len = (size_t)at[2] << 8 | at[3];
        head = 4;
    } else if (len == 127) {
        len = 0;
        for (int i = 0; i < 8; i++)
            len = len << 8 | at[2 + i];
        head = 10;
    }
    assert_true(len <= spi_buffer_len(&c->got) - head);
    spout_bytes payload = { spout_scope_bytes((spout_bytes){ (const char *)at + head, len }), len };
    spi_buffer_consume(&c->got, head + len);
    return payload;
}

static inline void expect_text(client *c, const char *text)
{
    assert_string_equal(next_frame(c, TEXT).data, text);
}

static inline void expect_close(client *c, unsigned code, const char *reason)
{
    spout_bytes payload = next_frame(c, CLOSE);
    assert_true(payload.len >= 2);
    assert_int_equal((unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1], code);
    assert_string_equal(payload.data + 2, reason);
}

static inline void expect_nothing(client *c)
{
    assert_int_equal(spi_buffer_len(&c->got), 0);
}

/* The connection breaks. */
static inline void lose(client *c)
{
    lose_later(c);
    turn();
}

static inline void client_finish(client *c)
{
    if (c->tunnel && !c->lost)
        lose(c);
    spi_ready_cancel(&c->ready);
    spi_buffer_release(&c->got);
    spi_buffer_release(&c->held);
}

#endif
