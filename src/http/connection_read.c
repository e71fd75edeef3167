#include "http/connection.h"

#include <spout/error.h>

#include "base/memory.h"

static bool takes_input(const spi_connection *connection)
{
    switch (spi_connection_get_state(connection)) {
    case SPI_CONNECTION_IDLE:
    case SPI_CONNECTION_HEAD: return !spi_transport_is_pressed(&connection->transport);
    case SPI_CONNECTION_BODY:
    case SPI_CONNECTION_SKIPPING: return true;
    case SPI_CONNECTION_SERVING:
    case SPI_CONNECTION_TUNNEL:
    case SPI_CONNECTION_CLOSING:
    case SPI_CONNECTION_LOST: break;
    }
    return false;
}

size_t spi_connection_left_over_len(const spi_connection *connection)
{
    return connection->left_over ? spi_buffer_len(&connection->left_over->buffer) : 0;
}

void spi_connection_drop_left_over(spi_connection *connection)
{
    if (!connection->left_over)
        return;
    spi_buffer_release(&connection->left_over->buffer);
    spi_free(connection->left_over);
    connection->left_over = NULL;
}

bool spi_connection_is_blank(const spi_connection *connection)
{
    size_t len = spi_connection_left_over_len(connection);
    const char *text = len > 0 ? spi_buffer_head(&connection->left_over->buffer) : "";
    return len <= 2 && memcmp(text, "\r\n", len) == 0;
}

static spi_left_over *need_left_over(spi_connection *connection)
{
    if (!connection->left_over) {
        connection->left_over = spi_calloc(sizeof *connection->left_over);
        spi_buffer_init(&connection->left_over->buffer, SIZE_MAX / 4);
    }
    return connection->left_over;
}

/* Reading pauses before this grows beyond a head, or SPI_LEFT_OVER_HIGH, and one receive buffer. */
void spi_connection_stash(spi_connection *connection, const char *data, size_t len)
{
    if (len == 0 || connection->state == SPI_CONNECTION_CLOSING ||
        connection->state == SPI_CONNECTION_LOST || connection->ending)
        return;
    if (spi_buffer_append(&need_left_over(connection)->buffer, data, len) < 0)
        spi_connection_cut(connection);
}

void spi_connection_unread(spi_connection *connection, spi_http1_exchange *exchange)
{
    spi_buffer *raw = &exchange->extras->content;
    size_t behind = spi_connection_left_over_len(connection);
    if (spi_buffer_len(raw) == 0)
        return;
    spi_left_over *left_over = need_left_over(connection);
    if (behind > 0 && spi_buffer_append(raw, spi_buffer_head(&left_over->buffer), behind) < 0) {
        spi_connection_cut(connection);
        return;
    }
    spi_buffer_release(&left_over->buffer);
    left_over->buffer = *raw;
    spi_buffer_init(raw, SIZE_MAX / 4);
}

/* What has no value yet, the reply excepted: it is filled as a whole. */
static inline void clear_own(spi_http1_exchange *exchange)
{
    enum { START = offsetof(spi_http1_exchange, extras) };
    memset((char *)exchange + START, 0, offsetof(spi_http1_exchange, reply) - START);
}

/* All but the head, which parsing fills as a whole. */
static inline void copy_blank(spi_exchange *base, const spi_exchange *blank)
{
    enum { BEHIND = offsetof(spi_exchange, body) };
    memcpy(base, blank, offsetof(spi_exchange, head));
    memcpy((char *)base + BEHIND, (const char *)blank + BEHIND, sizeof *base - BEHIND);
}

static inline spi_http1_exchange *begin_exchange(spi_connection *connection, spi_arena *arena)
{
    const spout_http_server *server = connection->server;
    const spout_transport *transport = &connection->transport;
    spi_http1_exchange *exchange = spi_arena_alloc(arena, sizeof *exchange);
    spi_exchange *base = &exchange->base;
    copy_blank(base, &server->blank);
    clear_own(exchange);
    base->arena = arena;
    base->peer = &connection->peer;
    if (transport->ops->flush && spi_transport_is_tls(transport))
        base->protocol = "https";
    exchange->connection = connection;
    connection->exchange = exchange;
    return exchange;
}

/* What was taken of the input; 0 if more is needed. */
typedef struct step {
    size_t used;
    bool due; /* the exchange is to be served as soon as what follows is put away */
} step;

/* The request can't be completed: on_error is asked once the input is put away. The error is set.
   */
static step fail(spi_connection *connection, int status, size_t used)
{
    connection->exchange->error_status = status;
    connection->exchange->failed = true;
    return (step){ used, true };
}

static bool is_too_large(const spi_http1_exchange *exchange)
{
    const spi_exchange *base = &exchange->base;
    return base->head.body_kind == SPI_BODY_LENGTH && base->head.content_length > base->max_body;
}

spi_http1_extras *spi_http1_need_extras(spi_http1_exchange *exchange)
{
    if (!exchange->extras) {
        exchange->extras = spi_arena_calloc(exchange->base.arena, sizeof *exchange->extras);
        exchange->extras->exchange = exchange;
        spi_timeout_init(&exchange->extras->timeout);
        spi_list_init(&exchange->extras->readers);
        spi_list_init(&exchange->extras->writers);
    }
    return exchange->extras;
}

/* There is a body to be read. */
static void expect_body(spi_http1_exchange *exchange)
{
    spi_http1_need_extras(exchange)->continued = !exchange->base.head.expect_continue;
    exchange->unread = true;
}

static size_t bound_size(uint64_t size)
{
    return size > SIZE_MAX / 4 ? SIZE_MAX / 4 : (size_t)size;
}

/* A body that isn't there as a whole yet. */
static void collect_body(spi_connection *connection, size_t len)
{
    spi_http1_exchange *exchange = connection->exchange;
    spi_exchange *base = &exchange->base;
    spi_buffer_init(&exchange->extras->content, bound_size(base->max_body));
    connection->state = SPI_CONNECTION_BODY;
    if (len == 0)
        spi_http1_write_continue(exchange);
    spi_connection_begin_wait(connection);
    spi_connection_arm_body(connection);
}

/* Decides what happens with the body, of which data[0..len) has come. */
static step begin_body(spi_connection *connection, const char *data, size_t len)
{
    spi_http1_exchange *exchange = connection->exchange;
    spi_exchange *base = &exchange->base;
    const spi_request_head *head = &base->head;
    if (head->body_kind == SPI_BODY_NONE ||
        (head->body_kind == SPI_BODY_LENGTH && head->content_length == 0))
        return (step){ 0, true };
    bool too_large = is_too_large(exchange);
    if (base->body_mode == SPI_BODY_WHOLE && !too_large && head->body_kind == SPI_BODY_LENGTH &&
        head->content_length <= len) {
        size_t body_len = (size_t)head->content_length;
        base->body = (spout_bytes){ spi_arena_memdup(base->arena, data, body_len), body_len };
        return (step){ body_len, true };
    }
    expect_body(exchange);
    if (base->body_mode == SPI_BODY_WHOLE && too_large) {
        spout_error_set(
            SPOUT_ELIMIT, "the body is larger than %llu bytes", (unsigned long long)base->max_body);
        return fail(connection, 413, 0);
    }
    uint64_t max = base->body_mode == SPI_BODY_STREAM ? UINT64_MAX : base->max_body;
    spi_body_decoder_init(&exchange->extras->decoder, head->body_kind, head->content_length, max);
    if (base->body_mode == SPI_BODY_STREAM) {
        spi_buffer_init(&exchange->extras->content, SIZE_MAX / 4);
        return (step){ 0, true };
    }
    collect_body(connection, len);
    return (step){ 0, false };
}

/* The service has seen the head, and said so. */
__attribute__((noinline)) static step begin_rest(
    spi_connection *connection, int status, const char *data, size_t len)
{
    spi_http1_exchange *exchange = connection->exchange;
    if (status == 0)
        return begin_body(connection, data, len);
    if (exchange->base.head.body_kind != SPI_BODY_NONE)
        expect_body(exchange);
    return fail(connection, -status, 0);
}

static void wait_for_head(spi_connection *connection)
{
    if (connection->state == SPI_CONNECTION_IDLE) {
        connection->state = SPI_CONNECTION_HEAD;
        spi_connection_arm(connection, connection->server->header_timeouts);
    }
}

/* Whether the service may have the request together with its head. */
static inline bool is_complete(const spi_exchange *base)
{
    return base->head.body_kind == SPI_BODY_NONE && base->request_timeout_ms <= 0;
}

/* The head is parsed: the service hears of it, and the body begins behind it. */
static inline step begin_request(spi_connection *connection, spi_http1_exchange *exchange,
    size_t head_len, const char *data, size_t len, bool at_once)
{
    spi_exchange *base = &exchange->base;
    if (connection->server->limits.has_options)
        spi_http1_apply_options(exchange);
    bool complete = at_once && is_complete(base);
    if (complete)
        connection->state = SPI_CONNECTION_SERVING;
    int status = base->service->on_head(base->service_self, base, complete);
    if (status > 0)
        return (step){ head_len, false };
    step rest = begin_rest(connection, status, data + head_len, len - head_len);
    return (step){ head_len + rest.used, rest.due };
}

/* What has been scanned to its end, be it good or bad. */
static step take_found_head(
    spi_connection *connection, size_t head_len, const char *data, size_t len)
{
    spi_http1_exchange *exchange = connection->exchange;
    spi_exchange *base = &exchange->base;
    char *text = spi_arena_memdup(base->arena, data, head_len);
    int status = spi_request_head_parse(
        base->arena, text, head_len, &connection->server->limits.head, &base->head);
    if (status < 0) {
        spi_connection_refuse_head(
            connection, (spout_bytes){ data, len }, -status, spout_error_message());
        return (step){ len, false };
    }
    return begin_request(connection, exchange, head_len, data, len, false);
}

/* A head that comes in pieces, or has something unusual or wrong in it. */
__attribute__((noinline)) static step scan_head(
    spi_connection *connection, const char *data, size_t len, spi_head_scanner *scanner)
{
    spi_head_scanner fresh = { 0 };
    if (!scanner)
        scanner = &fresh;
    long found = spi_head_scan(scanner, data, len, &connection->server->limits.head);
    if (found > 0)
        return take_found_head(connection, (size_t)found, data, len);
    spi_connection_drop_exchange(connection);
    if (found == 0) {
        wait_for_head(connection);
        return (step){ 0, false };
    }
    enum { TLS_HANDSHAKE = 0x16 }; /* how a client begins that thinks this is https */
    bool tls = data[0] == TLS_HANDSHAKE;
    spi_connection_refuse_head(connection, (spout_bytes){ data, len }, (int)-found,
        tls ? "TLS on the plain port" : spout_error_message());
    return (step){ len, false };
}

static inline step take_head(
    spi_connection *connection, const char *data, size_t len, spi_head_scanner *scanner)
{
    const spout_http_server *server = connection->server;
    spi_arena *arena = spi_arena_pool_take(spi_loop_arenas(server->loop));
    spi_http1_exchange *exchange = begin_exchange(connection, arena);
    if (!scanner || scanner->scanned == 0) {
        long tried = spi_request_head_try(
            arena, data, len, &server->limits.head, &exchange->base.head);
        if (tried > 0)
            return begin_request(connection, exchange, (size_t)tried, data, len, !scanner);
    }
    return scan_head(connection, data, len, scanner);
}

static step take_body(spi_connection *connection, const char *data, size_t len)
{
    spi_http1_exchange *exchange = connection->exchange;
    size_t at = 0;
    spi_connection_arm_body(connection);
    for (;;) {
        size_t used = 0;
        spout_bytes piece = { NULL, 0 };
        int status = 400;
        switch (spi_body_decode(
            &exchange->extras->decoder, data + at, len - at, &used, &piece, &status)) {
        case SPI_BODY_DATA:
            at += used;
            if (spi_buffer_append(&exchange->extras->content, piece.data, piece.len) < 0)
                return fail(connection, 413, len);
            break;
        case SPI_BODY_MORE:
            if (!spi_connection_drips(connection, exchange->extras->decoder.total))
                return (step){ at + used, false };
            spout_error_set(SPOUT_ETIMEDOUT, "the body comes too slowly");
            return fail(connection, 408, len);
        case SPI_BODY_END:
            exchange->base.body.len = spi_buffer_len(&exchange->extras->content);
            exchange->base.body.data = spi_buffer_text(&exchange->extras->content);
            exchange->unread = false;
            return (step){ at + used, true };
        case SPI_BODY_BAD:
            spout_error_set(status == 413 ? SPOUT_ELIMIT : SPOUT_EPROTO,
                status == 413 ? "the body is too large" : "the body's chunks are malformed");
            return fail(connection, status, len);
        }
    }
}

/* Throws away what remains of a body, so that the connection can go on behind it. */
static step skip_body(spi_connection *connection, const char *data, size_t len)
{
    spi_http1_exchange *exchange = connection->exchange;
    size_t at = 0;
    spi_connection_arm_body(connection);
    for (;;) {
        size_t used = 0;
        spout_bytes piece;
        int status;
        spi_body_result result = spi_body_decode(
            &exchange->extras->decoder, data + at, len - at, &used, &piece, &status);
        at += used;
        exchange->extras->skipped += used;
        if (result == SPI_BODY_BAD || exchange->extras->skipped > SPI_SKIP_MAX ||
            spi_connection_drips(connection, exchange->extras->skipped)) {
            spi_connection_close(connection);
            return (step){ len, false };
        }
        if (result == SPI_BODY_END) {
            spi_connection_drop_exchange(connection);
            connection->state = SPI_CONNECTION_IDLE;
        }
        if (result != SPI_BODY_DATA)
            return (step){ at, false };
    }
}

/* Takes one step at the start of data. `scanner`: what was found before; NULL for bytes that have just
   come, whose sender has not ended: the service may go on with them. */
static step take_step(
    spi_connection *connection, const char *data, size_t len, spi_head_scanner *scanner)
{
    if (connection->state == SPI_CONNECTION_BODY)
        return take_body(connection, data, len);
    if (connection->state == SPI_CONNECTION_SKIPPING)
        return skip_body(connection, data, len);
    return take_head(connection, data, len, scanner);
}

static void inflate(spi_http1_exchange *exchange)
{
    int status = spi_http1_inflate_body(exchange);
    if (status == 0)
        return;
    exchange->error_status = status;
    exchange->failed = true;
}

static void serve(spi_connection *connection)
{
    spi_exchange *base = &connection->exchange->base;
    connection->state = SPI_CONNECTION_SERVING;
    if (connection->transport.eof)
        base->half_closed = true;
    if (!connection->exchange->failed && base->body.len > 0 && connection->exchange->is_gzip)
        inflate(connection->exchange);
    if (base->request_timeout_ms > 0)
        spi_connection_arm_request(connection);
    if (connection->exchange->failed)
        spi_connection_refuse(connection);
    else
        base->service->on_request(base->service_self, base);
}

/* The request is there as a whole, or its handler reads the rest, of which data[0..len) has come.
   Returns how much of that is still to be looked at. */
static size_t serve_due(spi_connection *connection, const char *data, size_t len)
{
    bool streams = connection->exchange->base.body_mode == SPI_BODY_STREAM;
    if (streams)
        spi_connection_stash(connection, data, len);
    serve(connection);
    return streams ? 0 : len;
}

/* From the loop's buffer, without a copy of what is complete in it. There is some, and it is
   wanted. */
static void take_shared(spi_connection *connection, const char *data, size_t len)
{
    do {
        step taken = take_step(connection, data, len, NULL);
        data += taken.used;
        len -= taken.used;
        if (taken.due)
            len = serve_due(connection, data, len);
        else if (taken.used == 0)
            break;
    } while (len > 0 && takes_input(connection));
    spi_connection_stash(connection, data, len);
}

void spi_connection_take_left_over(spi_connection *connection)
{
    while (spi_connection_left_over_len(connection) > 0 && takes_input(connection)) {
        spi_left_over *left_over = connection->left_over;
        step taken = take_step(connection, spi_buffer_head(&left_over->buffer),
            spi_buffer_len(&left_over->buffer), &left_over->scanner);
        spi_buffer_consume(&left_over->buffer, taken.used);
        if (taken.used > 0)
            left_over->scanner = (spi_head_scanner){ 0 };
        if (taken.due)
            serve(connection);
        else if (taken.used == 0)
            break;
    }
}

void spi_connection_take(spi_connection *connection, char *data, size_t len)
{
    if (spi_connection_left_over_len(connection) > 0 || !takes_input(connection)) {
        spi_connection_stash(connection, data, len);
        if (connection->state == SPI_CONNECTION_SERVING)
            spi_http1_wake_readers(connection->exchange);
    } else {
        take_shared(connection, data, len);
    }
    if (connection->left_over)
        spi_connection_take_left_over(connection);
}

void spi_connection_take_requests(spi_connection *connection, char *data, size_t len)
{
    do {
        step taken = take_head(connection, data, len, NULL);
        data += taken.used;
        len -= taken.used;
        if (taken.due) {
            len = serve_due(connection, data, len);
        } else if (taken.used == 0) {
            spi_connection_stash(connection, data, len);
            return;
        }
    } while (len > 0 && spi_connection_is_fresh(connection));
    if (len > 0)
        spi_connection_take(connection, data, len);
}
