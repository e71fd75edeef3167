#include "service.h"

#include <spout/error.h>
#include <spout/task.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "loop/task.h"
#include "net/transport.h"

typedef struct echo_tunnel {
    spi_list node;
    test_service *service;
    spi_exchange *exchange;
} echo_tunnel;

void test_service_init(test_service *service)
{
    *service = (test_service){ 0 };
    spi_list_init(&service->sleepers);
    spi_list_init(&service->gone_waiters);
    spi_list_init(&service->tunnels);
}

void test_service_wake(test_service *service)
{
    spi_list *node;
    spi_wake_all(&service->sleepers);
    for (node = service->tunnels.next; node != &service->tunnels; node = node->next) {
        spi_exchange *tunnel = spi_container(node, echo_tunnel, node)->exchange;
        tunnel->ops->tunnel_resume(tunnel);
    }
}

static test_service *service_of(const spi_exchange *exchange)
{
    return exchange->service_self;
}

static int note(spi_exchange *exchange, int result)
{
    if (result < 0) {
        test_service *service = service_of(exchange);
        service->errors++;
        snprintf(service->last_error, sizeof service->last_error, "%s", spout_error_message());
    }
    return result;
}

static int send_reply_head(spi_exchange *exchange, int status, int64_t length, bool close_behind)
{
    static const spi_field fields[] = { { "Content-Type", "text/plain", 12, 10 } };
    return note(exchange, exchange->ops->send_head(exchange, &(spi_reply_head){
                                                                 .status = status,
                                                                 .fields = fields,
                                                                 .field_count = 1,
                                                                 .content_length = length,
                                                                 .close = close_behind,
                                                             }));
}

static int reply(spi_exchange *exchange, int status, spout_bytes body)
{
    const spi_exchange_ops *ops = exchange->ops;
    if (send_reply_head(exchange, status, (int64_t)body.len, false) < 0 ||
        note(exchange, ops->send_body(exchange, body)) < 0)
        return -1;
    return note(exchange, ops->finish(exchange));
}

static int reply_text(spi_exchange *exchange, int status, const char *text)
{
    return reply(exchange, status, spout_bytes_of(text));
}

static size_t number_of(const spi_exchange *exchange)
{
    uint64_t value = 0;
    const char *query = exchange->head.query;
    spi_parse_uint(query, strlen(query), UINT32_MAX, &value);
    return (size_t)value;
}

static int do_hello(spi_exchange *exchange)
{
    return reply_text(exchange, 200, "Hello, world");
}

static int do_echo(spi_exchange *exchange)
{
    return reply(exchange, 200, exchange->body);
}

static int do_about(spi_exchange *exchange)
{
    const spi_request_head *head = &exchange->head;
    const spi_field *tag = spi_field_find(head->fields, head->field_count, "X-Tag", 5);
    return reply_text(exchange, 200,
        spi_arena_format(exchange->arena, "%s\n%s\n%s\n%s\n%s\n", head->method_text,
            head->target.data, head->host, tag ? tag->value : "-", exchange->body.data));
}

static int do_slow(spi_exchange *exchange)
{
    if (spi_wait(&service_of(exchange)->sleepers, "wake") < 0)
        return -1;
    return do_about(exchange);
}

static int do_wake(spi_exchange *exchange)
{
    test_service_wake(service_of(exchange));
    return reply_text(exchange, 200, "awake");
}

static int do_later(spi_exchange *exchange)
{
    return spout_yield() < 0 ? -1 : reply_text(exchange, 200, "later");
}

static int do_big(spi_exchange *exchange)
{
    size_t len = number_of(exchange);
    char *text = spi_arena_alloc(exchange->arena, len + 1);
    memset(text, 'x', len);
    return reply(exchange, 200, (spout_bytes){ text, len });
}

static int do_stream(spi_exchange *exchange)
{
    static const char *const pieces[] = { "one", "two", "three" };
    if (send_reply_head(exchange, 200, -1, false) < 0)
        return -1;
    for (int i = 0; i < 3; i++)
        if (spout_yield() < 0 ||
            note(exchange, exchange->ops->send_body(exchange, spout_bytes_of(pieces[i]))) < 0)
            return -1;
    return note(exchange, exchange->ops->finish(exchange));
}

static int do_flood(spi_exchange *exchange)
{
    char piece[1000];
    memset(piece, 'f', sizeof piece);
    if (send_reply_head(exchange, 200, -1, false) < 0)
        return -1;
    for (size_t left = number_of(exchange); left > 0;) {
        size_t len = left < sizeof piece ? left : sizeof piece;
        if (note(exchange, exchange->ops->send_body(exchange, (spout_bytes){ piece, len })) < 0 ||
            note(exchange, exchange->ops->wait_writable(exchange)) < 0)
            return -1;
        left -= len;
    }
    return note(exchange, exchange->ops->finish(exchange));
}

static int do_status(spi_exchange *exchange)
{
    return reply_text(exchange, (int)number_of(exchange), "status");
}

static int do_close(spi_exchange *exchange)
{
    if (send_reply_head(exchange, 200, 4, true) < 0 ||
        note(exchange, exchange->ops->send_body(exchange, spout_bytes_of("last"))) < 0)
        return -1;
    return note(exchange, exchange->ops->finish(exchange));
}

static int do_reset(spi_exchange *exchange)
{
    send_reply_head(exchange, 200, 10, false);
    exchange->ops->send_body(exchange, spout_bytes_of("12345"));
    exchange->ops->reset(exchange);
    return 0;
}

static int do_mismatch(spi_exchange *exchange)
{
    bool is_short = exchange->head.path[1] == 's';
    if (send_reply_head(exchange, 200, 5, false) < 0)
        return -1;
    note(
        exchange, exchange->ops->send_body(exchange, spout_bytes_of(is_short ? "123" : "1234567")));
    return note(exchange, exchange->ops->finish(exchange));
}

static int do_file(spi_exchange *exchange)
{
    size_t len = number_of(exchange);
    FILE *file = tmpfile();
    for (size_t i = 0; file && i < len; i++)
        fputc((int)('0' + i % 10), file);
    if (!file || fflush(file) != 0)
        return spout_error_set(SPOUT_ESYSTEM, "no file");
    int fd = dup(fileno(file));
    fclose(file);
    spi_shared_file *shared = spi_shared_file_new(fd);
    int result = send_reply_head(exchange, 200, (int64_t)len, false);
    if (result == 0)
        note(exchange, exchange->ops->send_file(exchange, shared, 0, (int64_t)len));
    spi_shared_file_unref(shared);
    if (result < 0)
        return -1;
    return note(exchange, exchange->ops->finish(exchange));
}

static int read_all(spi_exchange *exchange, spi_buffer *out)
{
    spout_bytes piece;
    int result;
    while ((result = exchange->ops->read_more(exchange, &piece)) > 0)
        if (spi_buffer_append(out, piece.data, piece.len) < 0)
            return -1;
    return note(exchange, result);
}

/* As web does it: the status in the error becomes the reply, if there can still be one. */
static int reply_failure(spi_exchange *exchange)
{
    int status = spout_error_get_status(spout_error_current());
    if (exchange->gone || exchange->head_sent || status == 0)
        return -1;
    return reply_text(exchange, status, "failed in the handler");
}

static int do_stream_in(spi_exchange *exchange)
{
    spi_buffer body;
    spi_buffer_init(&body, 1 << 20);
    int result = read_all(exchange, &body);
    if (result == 0)
        result = reply(
            exchange, 200, (spout_bytes){ spi_buffer_text(&body), spi_buffer_len(&body) });
    else
        result = reply_failure(exchange);
    spi_buffer_release(&body);
    return result;
}

static int do_stream_count(spi_exchange *exchange)
{
    spout_bytes piece;
    size_t total = 0;
    int result;
    while ((result = exchange->ops->read_more(exchange, &piece)) > 0)
        total += piece.len;
    if (note(exchange, result) < 0)
        return reply_failure(exchange);
    return reply_text(exchange, 200, spi_arena_format(exchange->arena, "%zu bytes", total));
}

static int do_stream_pieces(spi_exchange *exchange)
{
    spout_bytes piece;
    const char *sizes = "";
    int result;
    while ((result = exchange->ops->read_more(exchange, &piece)) > 0)
        sizes = spi_arena_format(exchange->arena, "%s%zu ", sizes, piece.len);
    return note(exchange, result) < 0 ? reply_failure(exchange) : reply_text(exchange, 200, sizes);
}

static int do_client(spi_exchange *exchange)
{
    char address[46];
    return reply_text(exchange, 200,
        spi_arena_format(exchange->arena, "%s %s", exchange->protocol,
            spout_endpoint_text(exchange->peer, address)));
}

static int do_stream_later(spi_exchange *exchange)
{
    if (spi_wait(&service_of(exchange)->sleepers, "wake") < 0)
        return -1;
    return do_stream_count(exchange);
}

static int do_wait(spi_exchange *exchange)
{
    return spi_wait(&service_of(exchange)->gone_waiters, "gone");
}

static void tunnel_on_data(void *self, char *data, size_t len)
{
    echo_tunnel *tunnel = self;
    spi_exchange *exchange = tunnel->exchange;
    const spout_bytes piece = { data, len };
    exchange->ops->tunnel_write(exchange, &piece, 1);
    if (spi_bytes_equal(piece, "bye"))
        exchange->ops->tunnel_close(exchange);
    else if (spi_bytes_equal(piece, "abort"))
        exchange->ops->tunnel_abort(exchange);
    else if (spi_bytes_equal(piece, "pause"))
        exchange->ops->tunnel_pause(exchange);
}

static void tunnel_on_eof(void *self)
{
    echo_tunnel *tunnel = self;
    tunnel->exchange->ops->tunnel_close(tunnel->exchange);
}

static void tunnel_on_drain(void *self)
{
    (void)self;
}

static void tunnel_on_lost(void *self)
{
    echo_tunnel *tunnel = self;
    tunnel->service->lost++;
    spi_list_remove(&tunnel->node);
    spi_free(tunnel);
}

static void tunnel_on_shutdown(void *self)
{
    echo_tunnel *tunnel = self;
    tunnel->service->shutdowns++;
    tunnel->exchange->ops->tunnel_write(tunnel->exchange, &(spout_bytes){ "goodbye", 7 }, 1);
    tunnel->exchange->ops->tunnel_close(tunnel->exchange);
}

static const spi_tunnel echo_tunnel_table = { tunnel_on_data, tunnel_on_eof, tunnel_on_drain,
    tunnel_on_lost, tunnel_on_shutdown };

static int do_upgrade(spi_exchange *exchange)
{
    static const spi_field fields[] = { { "Upgrade", "echo", 7, 4 } };
    const spi_reply_head head = { .status = 101, .fields = fields, .field_count = 1 };
    echo_tunnel *tunnel = spi_calloc(sizeof *tunnel);
    int result = exchange->ops->upgrade(exchange, &head, &echo_tunnel_table, tunnel);
    if (note(exchange, result) < 0) {
        spi_free(tunnel);
        return reply_text(exchange, 426, "no upgrade");
    }
    tunnel->service = service_of(exchange);
    tunnel->exchange = exchange;
    spi_list_push(&tunnel->service->tunnels, &tunnel->node);
    return 0;
}

typedef struct test_route {
    const char *path;
    int (*handle)(spi_exchange *exchange);
    bool stream;
    uint64_t max_body;
} test_route;

static const test_route routes[] = {
    { "/hello", do_hello, false, 0 },
    { "/echo", do_echo, false, 0 },
    { "/about", do_about, false, 0 },
    { "/slow", do_slow, false, 0 },
    { "/wake", do_wake, false, 0 },
    { "/later", do_later, false, 0 },
    { "/big", do_big, false, 0 },
    { "/stream", do_stream, false, 0 },
    { "/flood", do_flood, false, 0 },
    { "/status", do_status, false, 0 },
    { "/close", do_close, false, 0 },
    { "/reset", do_reset, false, 0 },
    { "/short", do_mismatch, false, 0 },
    { "/long", do_mismatch, false, 0 },
    { "/file", do_file, false, 0 },
    { "/stream-in", do_stream_in, true, 0 },
    { "/stream-count", do_stream_count, true, 0 },
    { "/stream-pieces", do_stream_pieces, true, 0 },
    { "/client", do_client, false, 0 },
    { "/stream-in-small", do_stream_in, true, 5 },
    { "/stream-early", do_hello, true, 0 },
    { "/stream-later", do_stream_later, true, 0 },
    { "/whole-small", do_echo, false, 5 },
    { "/impatient", do_echo, false, 0 },
    { "/impatient-stream", do_stream_count, true, 0 },
    { "/refuse", do_hello, false, 0 },
    { "/hang", do_wait, false, 0 },
    { "/wait", do_wait, false, 0 },
    { "/upgrade", do_upgrade, false, 0 },
    { "/upgrade-kept", do_upgrade, false, 0 },
};

static const test_route *route_of(const spi_exchange *exchange)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (strcmp(routes[i].path, exchange->head.path) == 0)
            return &routes[i];
    return NULL;
}

static void on_request(void *self, spi_exchange *exchange);

static int on_head(void *self, spi_exchange *exchange, bool complete)
{
    (void)self;
    const test_route *route = route_of(exchange);
    if (strcmp(exchange->head.path, "/refuse") == 0) {
        spout_error_set_status(404, "refused");
        return -404;
    }
    if (!route)
        return 0;
    if (route->stream)
        exchange->body_mode = SPI_BODY_STREAM;
    if (route->max_body)
        exchange->max_body = route->max_body;
    if (strncmp(route->path, "/impatient", 10) == 0)
        exchange->body_timeout_ms = 1000;
    exchange->hang_up_on_eof = strcmp(route->path, "/hang") == 0;
    if (complete)
        on_request(self, exchange);
    return complete;
}

/* An upgraded exchange lives on. It is a coroutine's last act, so that the arena may be the
   coroutine's scope. */
static void end(spi_exchange *exchange)
{
    if (!exchange->upgraded) {
        exchange->ops->release(exchange);
        return;
    }
    if (strcmp(exchange->head.path, "/upgrade") != 0)
        return;
    spi_list *node = service_of(exchange)->tunnels.next;
    for (; spi_container(node, echo_tunnel, node)->exchange != exchange; node = node->next)
        ;
    spi_container(node, echo_tunnel, node)->exchange = exchange->ops->drop_arena(exchange);
}

static int run_handler(void *arg)
{
    spi_exchange *exchange = arg;
    test_service *service = service_of(exchange);
    const test_route *route = route_of(exchange);
    service->running++;
    int result = route ? route->handle(exchange) : reply_text(exchange, 404, "no such path");
    service->running--;
    end(exchange);
    return result;
}

static void on_request(void *self, spi_exchange *exchange)
{
    test_service *service = self;
    service->requests++;
    spi_task_start start = { .name = "handler", .fn = run_handler, .arg = exchange };
    if (spi_task_run(exchange->loop, &start, NULL) < 0) {
        reply_text(exchange, 503, "no stack");
        exchange->ops->release(exchange);
    }
}

static void on_gone(void *self, spi_exchange *exchange)
{
    test_service *service = self;
    (void)exchange;
    service->gone++;
    spi_wake_all(&service->gone_waiters);
}

static int on_error(void *self, spi_exchange *exchange, int status)
{
    test_service *service = self;
    if (!service->own_errors)
        return -1;
    service->requests++;
    reply_text(exchange, status,
        spi_arena_format(
            exchange->arena, "own page for %s: %s\n", exchange->head.path, spout_error_message()));
    exchange->ops->release(exchange);
    return 0;
}

const spi_service test_service_table = {
    .on_head = on_head, .on_request = on_request, .on_gone = on_gone
};
const spi_service test_service_table_with_errors = {
    .on_head = on_head, .on_request = on_request, .on_error = on_error, .on_gone = on_gone
};
