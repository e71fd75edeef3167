/* Connecting: redirects, the handshake's exchange of heads, and the socket that comes out of it. */
#include "http/websocket_client.h"

#include <spout/error.h>

#include "base/digest.h"
#include "base/text.h"
#include "http/client_dial.h"
#include "http/timestamp.h"
#include "http/websocket_socket.h"
#include "loop/task.h"

enum { DEFAULT_TIMEOUT_MS = 20000, MAX_RETRY_AFTER_S = 24 * 3600 };

typedef struct connecting {
    spi_arena *arena;
    const spout_websocket_connect_options *options;
    spi_client_url url;
    bool foreign;
    spi_websocket_attempt *attempt;
    spout_stream *stream;
    spi_buffer got;
    spi_websocket_request request;
    spi_response_head head;
} connecting;

static int64_t start_limit(int64_t timeout_ms)
{
    if (timeout_ms == SPOUT_NONE)
        return spout_deadline_set_ms(INT64_MAX / 4);
    return spout_deadline_set_ms(timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT_MS);
}

static int final_error(connecting *self, int result)
{
    self->attempt->is_final = true;
    return result;
}

static int dial(connecting *self)
{
    const spout_websocket_connect_options *options = self->options;
    const spi_dial_options how = { options->tcp, options->unix_path, options->proxy };
    int64_t outer = start_limit(options->connect_timeout_ms);
    self->stream = spi_dial(
        self->arena, &self->url, &how, &self->attempt->status, &self->attempt->is_final);
    spout_deadline_restore(outer);
    return self->stream ? 0 : spout_error_code_current();
}

static void make_key(spout_loop *loop, char out[SPI_WEBSOCKET_KEY_SIZE])
{
    uint64_t numbers[2] = { spi_loop_random(loop), spi_loop_random(loop) };
    out[spi_base64_encode(out, numbers, sizeof numbers)] = '\0';
}

static int shake_hands(connecting *self)
{
    int64_t outer = start_limit(self->options->handshake_timeout_ms);
    self->request = (spi_websocket_request){
        .url = &self->url, .options = self->options, .foreign = self->foreign
    };
    make_key(spout_loop_current(), self->request.key);
    int result = spout_stream_write(
        self->stream, spi_websocket_request_text(self->arena, &self->request));
    if (result == 0)
        result = spi_read_response_head(self->arena, self->stream, &self->got, &self->head);
    if (result < 0)
        spout_error_wrap(result, "no answer to the handshake");
    spout_deadline_restore(outer);
    return result;
}

static const spi_field *find(const spi_response_head *head, const char *name)
{
    return spi_field_find(head->fields, head->field_count, name, strlen(name));
}

/* RFC 9110 §10.2.3: seconds, or a date, which may have passed. -1: neither, or too far away. */
static int64_t retry_after(const spi_response_head *head)
{
    const spi_field *field = find(head, "Retry-After");
    uint64_t seconds;
    int64_t date, now = spi_loop_wall_us(spout_loop_current()) / 1000000;
    if (!field)
        return -1;
    if (spi_parse_uint(field->value, field->value_len, MAX_RETRY_AFTER_S, &seconds))
        return (int64_t)seconds * 1000;
    if (spi_parse_timestamp_at(field->value, now, &date) < 0 || date - now > MAX_RETRY_AFTER_S)
        return -1;
    return date > now ? (date - now) * 1000 : 0;
}

static bool is_final_status(int status)
{
    if (status == 408 || status == 425 || status == 429)
        return false;
    return status < 500 || status == 501 || status == 505;
}

static int refuse_status(connecting *self)
{
    const spi_response_head *head = &self->head;
    self->attempt->status = head->status;
    self->attempt->retry_after_ms = retry_after(head);
    self->attempt->is_final = is_final_status(head->status);
    return spout_error_set(head->status == 404 ? SPOUT_ENOTFOUND : SPOUT_EPROTO,
        "the server has answered %d%s%s instead of 101 Switching Protocols", head->status,
        *head->reason ? " " : "", head->reason);
}

static bool is_redirect(const spi_response_head *head)
{
    int status = head->status;
    return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
           find(head, "Location");
}

/* Goes to where the Location points. */
static int follow(connecting *self)
{
    spi_client_url next;
    self->attempt->status = self->head.status;
    int result = spi_client_url_resolve(
        self->arena, &self->url, find(&self->head, "Location")->value, &next);
    if (result < 0)
        return final_error(self, spout_error_wrap(SPOUT_EPROTO, "a redirect that leads nowhere"));
    if (self->url.secure && !next.secure)
        return final_error(
            self, spout_error_set(SPOUT_EPROTO, "a redirect from wss to ws isn't followed"));
    if (!spi_client_url_is_same_origin(&self->url, &next))
        self->foreign = true;
    self->url = next;
    spout_stream_close(self->stream);
    self->stream = NULL;
    spi_buffer_clear(&self->got);
    return 0;
}

/* Until there is an answer that is no redirect, or one that isn't followed. */
static int reach(connecting *self)
{
    for (int redirects = 0;; redirects++) {
        int result = dial(self);
        if (result == 0)
            result = shake_hands(self);
        if (result < 0 || redirects >= self->options->max_redirects || !is_redirect(&self->head))
            return result;
        result = follow(self);
        if (result < 0)
            return result;
    }
}

static void apply(spout_websocket *ws, const spi_websocket_agreement *agreement)
{
    ws->compressed = agreement->compressed;
    ws->send_takeover = agreement->terms.client_takeover;
    ws->receive_takeover = agreement->terms.server_takeover;
    ws->send_bits = agreement->terms.client_bits;
    ws->inbox->parser.allow_compressed = ws->compressed;
}

static int call_open(void *arg)
{
    spout_websocket *ws = arg;
    return ws->handler->open(ws);
}

/* .open runs here, on the coroutine that connects. */
static spout_websocket *start(spout_websocket *ws)
{
    int result = ws->handler->open ? spi_task_call(call_open, ws) : 0;
    if (result > 0)
        result = spout_error_set(SPOUT_EINVAL, "a WebSocket's .open has returned %d", result);
    int code = result < 0 ? spout_error_code_current() : 0;
    if (result < 0)
        spi_websocket_start_close(ws, SPI_CLOSE_INTERNAL, (spout_bytes){ NULL, 0 });
    spi_websocket_start(ws, 0);
    if (result == 0)
        return ws;
    spout_websocket_unref(ws);
    spout_error_wrap(code < 0 ? code : result, "a WebSocket's .open has failed");
    return NULL;
}

static spout_websocket *make_socket(connecting *self)
{
    spi_websocket_agreement agreement;
    self->attempt->status = self->head.status;
    if (spi_websocket_check_response(&self->head, &self->request, &agreement) < 0) {
        self->attempt->is_final = true;
        return NULL;
    }
    const spout_bytes rest = { spi_buffer_head(&self->got), spi_buffer_len(&self->got) };
    spout_websocket *ws = spi_websocket_client_new(
        self->stream, rest, self->options, agreement.subprotocol);
    if (!ws)
        return NULL;
    self->stream = NULL;
    apply(ws, &agreement);
    return ws;
}

static spout_websocket *connect_to(connecting *self, const char *url)
{
    int result = spi_websocket_check_options(self->options);
    if (result == 0)
        result = spi_client_url_parse(self->arena, url, &self->url);
    if (result == 0 && strchr(url, '#'))
        result = spout_error_set(SPOUT_EINVAL, "a WebSocket's URL has no fragment");
    if (result < 0) {
        final_error(self, result);
        return NULL;
    }
    result = reach(self);
    if (result == 0 && self->head.status != 101)
        result = refuse_status(self);
    spout_websocket *ws = result == 0 ? make_socket(self) : NULL;
    if (!ws)
        spout_error_wrap(spout_error_code_current(), "cannot connect to %s",
            spi_client_url_name(self->arena, &self->url));
    return ws;
}

spout_websocket *spi_websocket_attempt_connect(const char *url,
    const spout_websocket_connect_options *options, spi_websocket_attempt *ret_attempt)
{
    static const spout_websocket_connect_options defaults;
    *ret_attempt = (spi_websocket_attempt){ .retry_after_ms = -1 };
    if (!spi_task_current()) {
        ret_attempt->is_final = true;
        spout_error_set(SPOUT_ESTATE, "connecting waits: it needs a coroutine");
        return NULL;
    }
    spi_arena_pool *arenas = spi_loop_arenas(spout_loop_current());
    connecting self = { .arena = spi_arena_pool_take(arenas),
        .options = options ? options : &defaults,
        .attempt = ret_attempt };
    spi_buffer_init(&self.got, SPI_RESPONSE_MAX_GOT);
    spout_websocket *ws = connect_to(&self, url);
    spout_stream_close(self.stream);
    spi_buffer_release(&self.got);
    spi_arena_pool_give(arenas, self.arena);
    if (self.options->ret_status)
        *self.options->ret_status = ret_attempt->status;
    return ws ? start(ws) : NULL;
}

spout_websocket *spout_websocket_connect(
    const char *url, const spout_websocket_connect_options *options)
{
    spi_websocket_attempt attempt;
    return spi_websocket_attempt_connect(url, options, &attempt);
}
