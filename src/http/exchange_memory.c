#include "http/exchange_memory_state.h"

#include <spout/error.h>

#include <errno.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/error_page.h"
#include "loop/task.h"
#include "net/transport.h"

static int fail_gone(void)
{
    return spout_error_set(SPOUT_ECLOSED, "the client has gone");
}

static void wake(spi_memory_exchange *exchange)
{
    spi_wake_all(&exchange->readers);
    spi_wake_all(&exchange->writers);
}

static void add_reply_field(spi_memory_exchange *exchange, const char *name, const char *value)
{
    spi_field *field = &exchange->fields[exchange->reply.field_count++];
    field->name = name;
    field->value = value;
    field->name_len = (uint32_t)strlen(name);
    field->value_len = (uint32_t)strlen(value);
}

static char *keep(spi_memory_exchange *exchange, const char *text, size_t len)
{
    return spi_arena_memdup(exchange->kept, text, len);
}

/* The reply's head as the client sees it. */
static void record_head(
    spi_memory_exchange *exchange, const spi_reply_head *head, spi_framing framing)
{
    spi_memory_reply *reply = &exchange->reply;
    exchange->fields = spi_arena_calloc(
        exchange->kept, (head->field_count + 1) * sizeof *exchange->fields);
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = spi_reply_head_field(head, i);
        if (!spi_reply_owns_field(field))
            add_reply_field(exchange, keep(exchange, field->name, field->name_len),
                keep(exchange, field->value, field->value_len));
    }
    if (framing == SPI_FRAMING_LENGTH)
        add_reply_field(exchange, "Content-Length",
            spi_arena_format(exchange->kept, "%lld", (long long)head->content_length));
    const char *reason = head->reason ? head->reason : spout_status_phrase(head->status);
    reply->status = head->status;
    reply->reason = spi_arena_strdup(exchange->kept, reason);
    reply->fields = exchange->fields;
}

static bool ends_behind(const spi_memory_exchange *exchange)
{
    const spi_exchange *base = &exchange->base;
    return !base->head.keep_alive || exchange->failed || base->half_closed ||
           (exchange->unread && base->head.expect_continue && !exchange->reply.continued);
}

static int send_head(spi_exchange *base, const spi_reply_head *head)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    int result = spi_reply_may_begin(base, head);
    if (result < 0)
        return result;
    spi_reply_begin(&exchange->framing, &base->head, head, ends_behind(exchange));
    record_head(exchange, head, exchange->framing.framing);
    exchange->reply.close = exchange->framing.close;
    base->head_sent = true;
    return 0;
}

static int send_body(spi_exchange *base, spout_bytes body)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    int result = spi_reply_may_send(base, &exchange->framing, body.len);
    if (result < 0 || exchange->framing.bodiless || body.len == 0)
        return result;
    result = spi_buffer_append(&exchange->output, body.data, body.len);
    exchange->framing.broken |= result < 0;
    return result;
}

static int copy_file(spi_memory_exchange *exchange, int fd, int64_t offset, int64_t len)
{
    char piece[16 * 1024];
    while (len > 0) {
        size_t want = len < (int64_t)sizeof piece ? (size_t)len : sizeof piece;
        ssize_t got = pread(fd, piece, want, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return spout_error_set(SPOUT_EFAILED, "the file is shorter than was said");
        int result = spi_buffer_append(&exchange->output, piece, (size_t)got);
        if (result < 0)
            return result;
        offset += got;
        len -= got;
    }
    return 0;
}

static int send_file(spi_exchange *base, struct spi_shared_file *file, int64_t offset, int64_t len)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    int result = len < 0 || offset < 0
                     ? spout_error_set(SPOUT_EINVAL, "a file has no bytes before its start")
                     : spi_reply_may_send(base, &exchange->framing, (uint64_t)len);
    if (result == 0 && !exchange->framing.bodiless) {
        result = copy_file(exchange, file->fd, offset, len);
        exchange->framing.broken |= result < 0;
    }
    return result;
}

static int send_continue(spi_exchange *base)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    if (base->gone)
        return fail_gone();
    if (base->head.expect_continue && base->head.minor_version >= 1 && exchange->unread &&
        !base->head_sent && !exchange->failed && spi_buffer_len(&exchange->input) == 0)
        exchange->reply.continued = true;
    return 0;
}

static void reset(spi_exchange *base)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    base->gone = true;
    exchange->reply.reset = true;
    exchange->reply.close = true;
    wake(exchange);
}

static int finish(spi_exchange *base)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    int result = spi_reply_may_finish(base);
    if (result < 0)
        return result;
    base->finished = true;
    result = spi_reply_end(&exchange->framing);
    if (result < 0) {
        reset(base);
        return result;
    }
    exchange->reply.finished = true;
    exchange->reply.close |= ends_behind(exchange);
    return 0;
}

static int wait_writable(spi_exchange *base)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    while (!base->gone) {
        if (!exchange->blocked)
            return 0;
        int result = spi_wait(&exchange->writers, "writable");
        if (result < 0)
            return result;
    }
    return fail_gone();
}

static size_t pending(const spi_exchange *base)
{
    const spi_memory_exchange *exchange = (const spi_memory_exchange *)(const void *)base;
    return exchange->blocked ? spi_buffer_len(&exchange->output) - exchange->taken : 0;
}

static bool is_too_large(const spi_memory_exchange *exchange)
{
    const spi_exchange *base = &exchange->base;
    return exchange->fed > base->max_body ||
           (base->head.body_kind == SPI_BODY_LENGTH && base->head.content_length > base->max_body);
}

static int fail_body(spi_memory_exchange *exchange, int status, const char *words)
{
    exchange->failed = true;
    return spout_error_set_status(status, "%s", words);
}

static int wait_for_bytes(spi_memory_exchange *exchange)
{
    send_continue(&exchange->base);
    exchange->reading = true;
    int result = spi_wait(&exchange->readers, "request body");
    exchange->reading = false;
    return result;
}

static int give_piece(spi_memory_exchange *exchange, spout_bytes *ret_piece)
{
    size_t len = spi_buffer_len(&exchange->input);
    if (exchange->piece_size > 0 && len > exchange->piece_size)
        len = exchange->piece_size;
    *ret_piece = (spout_bytes){ spi_buffer_head(&exchange->input), len };
    exchange->given = len;
    return 1;
}

static int read_more(spi_exchange *base, spout_bytes *ret_piece)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    if (base->body_mode != SPI_BODY_STREAM || exchange->reading)
        return spout_error_set(SPOUT_ESTATE, exchange->reading
                                                 ? "another coroutine is reading the body"
                                                 : "the body was read as a whole");
    spi_buffer_consume(&exchange->input, exchange->given);
    exchange->given = 0;
    for (;;) {
        if (base->gone)
            return fail_gone();
        if (is_too_large(exchange))
            return fail_body(exchange, 413, "the body is too large");
        if (spi_buffer_len(&exchange->input) > 0)
            return give_piece(exchange, ret_piece);
        if (exchange->body_ended)
            break;
        if (base->half_closed)
            return fail_body(exchange, 400, "the body ends too early");
        int result = wait_for_bytes(exchange);
        if (result < 0)
            return result;
    }
    exchange->unread = false;
    *ret_piece = (spout_bytes){ "", 0 };
    return 0;
}

static void release(spi_exchange *base)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    if (!base->finished && !base->gone)
        reset(base);
    if (exchange->tunnel && !exchange->lost)
        exchange->reply.reset = exchange->lost = true;
    spi_memory_drop_arena(base);
    exchange->reply.released = true;
    spi_ready_cancel(&exchange->ready);
    if (exchange->abandoned)
        spi_memory_destroy(exchange);
    else
        spi_wake_all(&exchange->clients);
}

const spi_exchange_ops spi_memory_ops = {
    .send_head = send_head,
    .send_body = send_body,
    .send_file = send_file,
    .send_continue = send_continue,
    .finish = finish,
    .send_reply = spi_reply_send_in_steps,
    .reset = reset,
    .wait_writable = wait_writable,
    .read_more = read_more,
    .pending = pending,
    .upgrade = spi_memory_upgrade,
    .tunnel_write = spi_memory_tunnel_write,
    .tunnel_write_blob = spi_memory_tunnel_write_blob,
    .tunnel_pause = spi_memory_tunnel_pause,
    .tunnel_resume = spi_memory_tunnel_resume,
    .tunnel_flush = spi_memory_tunnel_flush,
    .tunnel_close = spi_memory_tunnel_close,
    .tunnel_abort = spi_memory_tunnel_close,
    .drop_arena = spi_memory_tunnel_drop_arena,
    .release = release,
};

/* Without a service: the page that a connection would send. */
static void answer_alone(spi_memory_exchange *exchange, int status)
{
    spi_error_page page;
    spi_error_page_make(&page, exchange->base.loop, status);
    exchange->failed = true;
    if (send_head(&exchange->base, &page.head) == 0) {
        (void)send_body(&exchange->base, page.body);
        (void)finish(&exchange->base);
    }
    exchange->served = true;
    release(&exchange->base);
}

static void refuse(spi_memory_exchange *exchange, int status)
{
    spi_exchange *base = &exchange->base;
    const spi_service *service = base->service;
    exchange->failed = true;
    exchange->served = true;
    if (!service->on_error || service->on_error(base->service_self, base, status) < 0)
        answer_alone(exchange, status);
}

void spi_memory_record_upgrade(spi_memory_exchange *exchange, const spi_reply_head *head)
{
    record_head(exchange, head, SPI_FRAMING_NONE);
    exchange->reply.upgraded = true;
    spi_wake_all(&exchange->clients);
}

/* What the connection does once the head is there, and again whenever more of the body is. */
static void advance(spi_memory_exchange *exchange)
{
    spi_exchange *base = &exchange->base;
    if (exchange->served)
        return;
    bool whole = base->body_mode == SPI_BODY_WHOLE;
    if (whole && is_too_large(exchange)) {
        spout_error_set(SPOUT_ELIMIT, "the body is too large");
        refuse(exchange, 413);
        return;
    }
    if (whole && !exchange->body_ended) {
        send_continue(base);
        return;
    }
    if (whole) {
        base->body.len = spi_buffer_len(&exchange->input);
        base->body.data = spi_buffer_text(&exchange->input);
        exchange->unread = false;
    }
    exchange->served = true;
    base->service->on_request(base->service_self, base);
}

static bool names(const spi_memory_request *request, const char *name)
{
    return spi_field_find(request->fields, request->field_count, name, strlen(name));
}

static char *format_request(spi_arena *arena, const spi_memory_request *request, size_t *ret_len)
{
    spi_buffer text;
    int result = 0;
    spi_buffer_init(&text, SIZE_MAX / 4);
    result |= spi_buffer_append_format(&text, "%s %s HTTP/1.%d\r\n",
        request->method ? request->method : "GET", request->target ? request->target : "/",
        request->http10 ? 0 : 1);
    if (!request->http10 && !names(request, "Host"))
        result |= spi_buffer_append_text(&text, "Host: localhost\r\n");
    for (size_t i = 0; i < request->field_count; i++)
        result |= spi_buffer_append_format(
            &text, "%s: %s\r\n", request->fields[i].name, request->fields[i].value);
    if (!names(request, "Content-Length") && !names(request, "Transfer-Encoding")) {
        if (request->open_body)
            result |= spi_buffer_append_text(&text, "Transfer-Encoding: chunked\r\n");
        else if (request->body.len > 0)
            result |= spi_buffer_append_format(&text, "Content-Length: %zu\r\n", request->body.len);
    }
    result |= spi_buffer_append_text(&text, "\r\n");
    SPI_BUG_IF(result < 0, "a request in memory is larger than memory");
    *ret_len = spi_buffer_len(&text);
    char *copy = spi_arena_memdup(arena, spi_buffer_head(&text), *ret_len);
    spi_buffer_release(&text);
    return copy;
}

static spi_memory_exchange *new_exchange(
    const spi_service *service, void *self, const spi_memory_request *request)
{
    static const spout_endpoint nobody;
    spi_memory_exchange *exchange = spi_calloc(sizeof *exchange);
    spi_exchange *base = &exchange->base;
    base->ops = &spi_memory_ops;
    base->service = service;
    base->service_self = self;
    base->loop = spout_loop_current();
    SPI_BUG_IF(!base->loop, "an exchange in memory without a loop");
    base->arena = spi_arena_pool_take(spi_loop_arenas(base->loop));
    base->body.data = "";
    base->max_body = request->max_body ? request->max_body : 100 * 1024 * 1024;
    base->body_timeout_ms = SPOUT_NONE;
    base->protocol = "http";
    exchange->peer = request->peer ? *request->peer : nobody;
    base->peer = &exchange->peer;
    exchange->kept = spi_arena_new(0);
    exchange->piece_size = request->piece_size;
    exchange->body_ended = !request->open_body;
    spi_buffer_init(&exchange->input, SIZE_MAX / 4);
    spi_buffer_init(&exchange->output, SIZE_MAX / 4);
    spi_list_init(&exchange->readers);
    spi_list_init(&exchange->writers);
    spi_list_init(&exchange->clients);
    spi_ready_init(&exchange->ready, spi_memory_tunnel_turn);
    return exchange;
}

spi_memory_exchange *spi_memory_exchange_start(
    const spi_service *service, void *self, const spi_memory_request *request)
{
    static const spi_head_limits limits = { 16 * 1024, 64 * 1024, 200 };
    spi_memory_exchange *exchange = new_exchange(service, self, request);
    spi_exchange *base = &exchange->base;
    size_t len;
    char *text = format_request(base->arena, request, &len);
    spi_head_scanner scanner = { 0 };
    long found = spi_head_scan(&scanner, text, len, &limits);
    int status = found < 0 ? (int)found
                 : (size_t)found != len
                     ? -400
                     : spi_request_head_parse(base->arena, text, len, &limits, &base->head);
    if (status < 0) {
        base->head = (spi_request_head){ .minor_version = 1 };
        answer_alone(exchange, -status);
        return exchange;
    }
    exchange->unread = base->head.body_kind != SPI_BODY_NONE;
    spi_memory_exchange_feed_quietly(exchange, request->body);
    status = service->on_head(self, base, false);
    if (status < 0)
        refuse(exchange, -status);
    else
        advance(exchange);
    return exchange;
}

void spi_memory_exchange_feed_quietly(spi_memory_exchange *exchange, spout_bytes piece)
{
    if (piece.len == 0)
        return;
    exchange->fed += piece.len;
    int result = spi_buffer_append(&exchange->input, piece.data, piece.len);
    SPI_BUG_IF(result < 0, "a body in memory is larger than memory");
}

static void free_buffer(void *data)
{
    spi_free(data);
}

/* The piece that the handler still looks at must not move: its memory stays until the request
   ends. */
static void set_piece_aside(spi_memory_exchange *exchange)
{
    spi_buffer old = exchange->input;
    if (exchange->given == 0)
        return;
    spi_arena_on_reset(exchange->base.arena, free_buffer, old.data);
    spi_buffer_init(&exchange->input, old.max);
    old.start += exchange->given;
    exchange->given = 0;
    int result = spi_buffer_append(&exchange->input, spi_buffer_head(&old), spi_buffer_len(&old));
    SPI_BUG_IF(result < 0, "a body in memory is larger than memory");
}

void spi_memory_exchange_feed(spi_memory_exchange *exchange, spout_bytes piece)
{
    if (exchange->body_ended || exchange->reply.released)
        return;
    set_piece_aside(exchange);
    spi_memory_exchange_feed_quietly(exchange, piece);
    spi_wake_all(&exchange->readers);
    advance(exchange);
}

void spi_memory_exchange_end_body(spi_memory_exchange *exchange)
{
    exchange->body_ended = true;
    spi_wake_all(&exchange->readers);
    advance(exchange);
}

void spi_memory_exchange_block(spi_memory_exchange *exchange, bool blocked)
{
    exchange->blocked = blocked;
    exchange->taken = spi_buffer_len(&exchange->output);
    if (!blocked)
        spi_wake_all(&exchange->writers);
}
