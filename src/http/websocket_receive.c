/* What comes in: frames into messages, messages into handlers, one after another. */
#include <spout/error.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/websocket_client.h"
#include "http/websocket_socket.h"

#include <stdio.h>

static uint64_t max_message(const spout_websocket *ws)
{
    int64_t max = ws->handler->max_message_size;
    if (max == 0)
        return 10 * 1024 * 1024;
    if (max == SPOUT_NONE)
        return UINT64_MAX;
    return max > 0 ? (uint64_t)max : 0;
}

static size_t max_assembly(const spout_websocket *ws)
{
    uint64_t max = max_message(ws);
    return max < SIZE_MAX / 2 ? (size_t)max : SIZE_MAX / 2;
}

static void free_spare(void *arg)
{
    spi_inbox *inbox = arg;
    spi_unpoison(inbox, sizeof *inbox);
    spi_arena_free(inbox->scope);
    spi_free(inbox);
}

static void clear_inbox(spi_inbox *inbox, spi_arena *scope)
{
    *inbox = (spi_inbox){ .scope = scope };
    spi_list_init(&inbox->node);
    spi_list_init(&inbox->reader);
}

/* Nearly every message is handled before the next one comes, whichever socket has it: the loop keeps
   one inbox, with its scope, for all of them. One that hasn't parsed is as good as new. */
static void keep_spare(spout_loop *loop, spi_inbox *inbox)
{
    if (inbox->scope)
        spi_arena_reset(inbox->scope);
    spi_loop_slot_set(loop, SPI_SLOT_INBOX, inbox, free_spare);
    spi_poison(inbox, sizeof *inbox);
}

static spi_inbox *take_inbox(spout_loop *loop)
{
    spi_inbox *inbox = spi_loop_slot_get(loop, SPI_SLOT_INBOX);
    if (!inbox) {
        inbox = spi_malloc(sizeof *inbox);
        clear_inbox(inbox, NULL);
        return inbox;
    }
    spi_loop_slot_set(loop, SPI_SLOT_INBOX, NULL, NULL);
    spi_unpoison(inbox, sizeof *inbox);
    return inbox;
}

static spi_inbox *need_plain_inbox(spout_websocket *ws)
{
    if (!ws->inbox)
        ws->inbox = take_inbox(ws->loop);
    return ws->inbox;
}

__attribute__((noinline)) static void start_parsing(const spout_websocket *ws)
{
    spi_inbox *inbox = ws->inbox;
    inbox->parses = true;
    spi_frame_parser_init(&inbox->parser, !ws->client, max_message(ws));
    inbox->parser.allow_compressed = ws->compressed;
    spi_buffer_init(&inbox->assembly, max_assembly(ws));
    spi_buffer_init(&inbox->rest, SPI_WEBSOCKET_MAX_REST);
}

spi_inbox *spi_websocket_need_inbox(spout_websocket *ws)
{
    if (!need_plain_inbox(ws)->parses)
        start_parsing(ws);
    return ws->inbox;
}

__attribute__((noinline)) static void finish_parsing(spout_loop *loop, spi_inbox *inbox)
{
    spi_list_remove(&inbox->node);
    spi_frame_parser_finish(&inbox->parser);
    spi_inflater_give(loop, inbox->inflater);
    spi_buffer_release(&inbox->assembly);
    spi_buffer_release(&inbox->rest);
    clear_inbox(inbox, inbox->scope);
}

void spi_websocket_drop_inbox(spout_websocket *ws)
{
    spi_inbox *inbox = ws->inbox;
    if (!inbox)
        return;
    ws->inbox = NULL;
    if (inbox->parses)
        finish_parsing(ws->loop, inbox);
    if (!spi_loop_slot_get(ws->loop, SPI_SLOT_INBOX)) {
        keep_spare(ws->loop, inbox);
        return;
    }
    spi_arena_pool_give(spi_loop_arenas(ws->loop), inbox->scope);
    spi_free(inbox);
}

static bool is_between_messages(const spi_inbox *inbox)
{
    return !inbox->in_frame && !inbox->parser.in_message;
}

void spi_websocket_tidy_inbox(spout_websocket *ws)
{
    const spi_inbox *inbox = ws->inbox;
    if (!inbox || ws->running || ws->sequential || !ws->started)
        return;
    bool is_idle = !inbox->parses ||
                   (is_between_messages(inbox) && spi_buffer_len(&inbox->rest) == 0);
    if (is_idle || ws->phase == SPI_WEBSOCKET_CLOSED)
        spi_websocket_drop_inbox(ws);
}

/* To tell whose task a task is: that of which a handler runs since it was called, and those of which
   one has suspended since. Thread-local as the loop is. */
static _Thread_local const spi_inbox *called;
static _Thread_local spi_list busy;

static bool runs_on(const spi_inbox *inbox, const spi_task *task)
{
    return inbox && inbox->task == task;
}

static void own_task(spi_inbox *inbox)
{
    if (!busy.next)
        spi_list_init(&busy);
    spi_list_push(&busy, &inbox->node);
}

static void disown_task(spi_inbox *inbox)
{
    spi_list_remove(&inbox->node);
    inbox->task = NULL;
}

bool spi_websocket_is_others_task(const spout_websocket *ws)
{
    const spi_task *task = spi_task_current();
    /* A client's peer is waited for by whom it concerns. */
    if (ws->client || runs_on(ws->inbox, task))
        return false;
    if (runs_on(called, task))
        return true;
    for (spi_list *node = busy.next; node && node != &busy; node = node->next)
        if (runs_on(spi_container(node, spi_inbox, node), task))
            return true;
    return false;
}

void spi_websocket_adopt_task(spout_websocket *ws, spout_request *request)
{
    spi_inbox *inbox = spi_websocket_need_inbox(ws);
    inbox->request = request;
    inbox->task = spi_task_current();
    if (inbox->task)
        own_task(inbox);
}

void spi_websocket_disown_task(spout_websocket *ws)
{
    ws->inbox->request = NULL;
    disown_task(ws->inbox);
}

void spi_websocket_log_failure(const spout_websocket *ws, const char *handler, int result)
{
    char ip[46];
    if (result > 0)
        spout_error_set(SPOUT_EINVAL, "it returned %d, which is neither 0 nor an error", result);
    if (result == SPOUT_ECANCELED || (result == SPOUT_ECLOSED && ws->phase != SPI_WEBSOCKET_OPEN))
        return; /* that the peer is gone is no fault of the handler */
    char what[96];
    snprintf(what, sizeof what, "WebSocket %s handler failed (%s)", handler,
        spout_websocket_remote_ip(ws, ip));
    spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, what);
}

__attribute__((noinline, cold)) static void handler_failed(
    spout_websocket *ws, const char *handler, int result)
{
    spi_websocket_log_failure(ws, handler, result);
    spi_websocket_start_close(ws, SPI_CLOSE_INTERNAL, spout_bytes_of("internal error"));
}

/* On the handler's own coroutine, at its end. */
static void handler_returned(spout_websocket *ws, const char *handler, int result)
{
    if (result == 0)
        result = spi_websocket_check_ended(ws);
    if (result != 0)
        handler_failed(ws, handler, result);
    disown_task(ws->inbox);
    ws->running = false;
    if (!ws->suspended)
        return;
    ws->suspended = false;
    spi_websocket_settle_later(ws);
}

/* A handler, and what follows it, which ends with handler_returned. */
typedef struct call {
    spout_task_fn *fn;
    spi_task_then *then;
} call;

/* Until it suspends or returns. */
static int run(spout_websocket *ws, const call *handler, spi_arena *scope)
{
    spi_inbox *inbox = need_plain_inbox(ws);
    const spi_task_start start = {
        .name = "websocket", .fn = handler->fn, .arg = ws, .scope = scope, .then = handler->then
    };
    const spi_inbox *caller = called;
    called = inbox;
    ws->running = true;
    int result = spi_task_run(ws->loop, &start, &inbox->task);
    called = caller;
    if (result < 0)
        ws->running = false;
    else if (inbox->task)
        own_task(inbox);
    ws->suspended = ws->running;
    return result;
}

static int call_message(void *arg)
{
    spout_websocket *ws = arg;
    return ws->handler->message(ws, ws->inbox->message);
}

static int call_piece(void *arg)
{
    spout_websocket *ws = arg;
    return ws->handler->piece(ws, ws->inbox->message, ws->inbox->is_last);
}

static int call_ping(void *arg)
{
    spout_websocket *ws = arg;
    return ws->handler->ping(ws, (spout_bytes){ ws->inbox->message.data, ws->inbox->message.len });
}

static int call_pong(void *arg)
{
    spout_websocket *ws = arg;
    return ws->handler->pong(ws, (spout_bytes){ ws->inbox->message.data, ws->inbox->message.len });
}

static int call_close(void *arg)
{
    spout_websocket *ws = arg;
    return ws->handler->close(ws);
}

static int call_run(void *arg)
{
    spout_websocket *ws = arg;
    return ws->handler->run(ws);
}

static void release_assembly(spi_inbox *inbox)
{
    if (inbox->parses)
        spi_buffer_release(&inbox->assembly);
}

static int end_message(void *arg, int result)
{
    spout_websocket *ws = arg;
    release_assembly(ws->inbox);
    handler_returned(ws, "message", result);
    return 0;
}

static int end_piece(void *arg, int result)
{
    spout_websocket *ws = arg;
    release_assembly(ws->inbox);
    handler_returned(ws, "piece", result);
    return 0;
}

static int end_ping(void *arg, int result)
{
    handler_returned(arg, "ping", result);
    return 0;
}

static int end_pong(void *arg, int result)
{
    handler_returned(arg, "pong", result);
    return 0;
}

static int end_close(void *arg, int result)
{
    spout_websocket *ws = arg;
    ws->close_done = true;
    handler_returned(ws, "close", result);
    return 0;
}

static int end_run(void *arg, int result)
{
    spout_websocket *ws = arg;
    release_assembly(ws->inbox);
    ws->sequential = false;
    if (result == 0)
        spi_websocket_start_close(ws, SPI_CLOSE_NORMAL, (spout_bytes){ NULL, 0 });
    handler_returned(ws, "run", result);
    spi_websocket_settle_later(ws);
    return 0;
}

static const call message_call = { call_message, end_message };
static const call piece_call = { call_piece, end_piece };
static const call ping_call = { call_ping, end_ping };
static const call pong_call = { call_pong, end_pong };
static const call close_call = { call_close, end_close };
static const call run_call = { call_run, end_run };

int spi_websocket_run_close(spout_websocket *ws)
{
    if (ws->handler->close)
        return run(ws, &close_call, NULL);
    ws->close_done = true;
    return 0;
}

void spi_websocket_wake_reader(spout_websocket *ws)
{
    if (ws->client)
        spi_websocket_client_wake(ws);
    if (!ws->reading)
        return;
    ws->reading = false;
    ws->running = true;
    spi_wake_all(&ws->inbox->reader);
}

static void hand_to_reader(spout_websocket *ws)
{
    ws->inbox->has_message = true;
    spi_websocket_wake_reader(ws);
}

/* Lets frames in until there is a message for the current task, which is that of .run. */
static int await_message(spout_websocket *ws)
{
    spi_inbox *inbox = ws->inbox;
    ws->reading = true;
    ws->running = false;
    spi_websocket_receive_rest(ws);
    if (ws->reading)
        spi_websocket_settle_later(ws); /* reads on */
    while (ws->reading) {
        int result = spi_wait(&inbox->reader, "WebSocket message");
        if (result < 0) {
            ws->reading = false;
            ws->running = true;
            return result;
        }
    }
    return inbox->has_message ? 1 : 0;
}

int spout_websocket_read(spout_websocket *ws, spout_message *ret_message)
{
    spi_inbox *inbox = ws->inbox;
    if (ws->client && ws->client->pulls)
        return spi_websocket_pull(ws, ret_message);
    if (!ws->sequential || inbox->task != spi_task_current())
        return spout_error_set(SPOUT_ESTATE, "only .run reads a WebSocket's messages");
    spi_buffer_release(&inbox->assembly);
    inbox->has_message = false;
    if (ws->phase != SPI_WEBSOCKET_OPEN)
        return 0;
    int result = await_message(ws);
    if (result > 0)
        *ret_message = inbox->message;
    return result;
}

__attribute__((noinline, cold)) static void refuse_peer(spout_websocket *ws)
{
    char ip[46];
    ws->sequential = false;
    release_assembly(ws->inbox);
    spi_log_warning("WebSocket closed (%s): no stack is left for its handler",
        spout_websocket_remote_ip(ws, ip));
    spi_websocket_start_close(ws, SPI_CLOSE_TRY_LATER, spout_bytes_of("server is overloaded"));
}

/* A handler for something that the peer sent. */
static void run_for_peer(spout_websocket *ws, const call *handler)
{
    if (run(ws, handler, ws->inbox->scope) < 0)
        refuse_peer(ws);
}

static spi_arena *fresh_scope(spout_websocket *ws)
{
    spi_inbox *inbox = ws->inbox;
    if (inbox->scope)
        spi_arena_reset(inbox->scope);
    else
        inbox->scope = spi_arena_pool_take(spi_loop_arenas(ws->loop));
    return inbox->scope;
}

static const char *copy_to_scope(spout_websocket *ws, spout_bytes bytes)
{
    spi_arena *scope = fresh_scope(ws);
    return bytes.len > 0 ? spi_arena_memdup(scope, bytes.data, bytes.len) : "";
}

void spi_websocket_start_run(spout_websocket *ws)
{
    ws->run_due = false;
    if (ws->phase != SPI_WEBSOCKET_OPEN)
        return;
    spi_websocket_need_inbox(ws);
    fresh_scope(ws);
    ws->sequential = true;
    run_for_peer(ws, &run_call);
}

/* Moves the latest piece out of the receive buffer, before that is given up or something else is
   handled. */
static void keep_piece(spout_websocket *ws)
{
    spi_inbox *inbox = ws->inbox;
    spout_bytes piece = inbox->piece;
    inbox->piece = (spout_bytes){ NULL, 0 };
    if (piece.len == 0 || ws->phase != SPI_WEBSOCKET_OPEN)
        return;
    if (spi_buffer_append(&inbox->assembly, piece.data, piece.len) < 0)
        spi_websocket_fail(ws, SPI_CLOSE_TOO_BIG, "message too big");
}

/* With takeover the socket's own, else one for this message. */
static spi_inflater *inflater_of(spout_websocket *ws)
{
    if (!ws->receive_takeover) {
        if (!ws->inbox->inflater)
            ws->inbox->inflater = spi_inflater_take(ws->loop);
        return ws->inbox->inflater;
    }
    if (!ws->extra->inflater)
        spi_websocket_need_extra(ws)->inflater = spi_inflater_new();
    return ws->extra->inflater;
}

static void fail_peer(spout_websocket *ws, int code, const char *what)
{
    char ip[46];
    spi_log_info(
        "WebSocket protocol error (%s): %s (%d)", spout_websocket_remote_ip(ws, ip), what, code);
    spi_websocket_fail(ws, code, what);
}

static void fail_here(spout_websocket *ws, const char *what)
{
    char ip[46];
    spi_log_warning("WebSocket given up (%s): %s", spout_websocket_remote_ip(ws, ip), what);
    spi_websocket_fail(ws, SPI_CLOSE_INTERNAL, what);
}

/* The bytes from `start` on are new. A bad one counts as soon as it is there. */
static bool check_inflated(spout_websocket *ws, size_t start, bool at_end)
{
    spi_inbox *inbox = ws->inbox;
    if (inbox->parser.message_opcode != SPI_OP_TEXT)
        return true;
    const char *head = spi_buffer_head(&inbox->assembly);
    size_t len = spi_buffer_len(&inbox->assembly);
    if (len > start)
        inbox->utf8 = spi_utf8_feed(inbox->utf8, head + start, len - start);
    if (inbox->utf8 != SPI_UTF8_REJECT && (!at_end || inbox->utf8 == SPI_UTF8_ACCEPT))
        return true;
    fail_peer(ws, SPI_CLOSE_BAD_DATA, "a text message that isn't UTF-8");
    return false;
}

/* False if the connection has failed. */
static bool take_inflated(spout_websocket *ws, size_t start, int result, bool at_end)
{
    if (result == SPOUT_ELIMIT)
        fail_peer(ws, SPI_CLOSE_TOO_BIG, "message too big after decompression");
    else if (result == SPOUT_ESYSTEM)
        fail_here(ws, "no memory to decompress a message");
    else if (result < 0)
        fail_peer(ws, SPI_CLOSE_BAD_DATA, "invalid compressed data");
    else
        return check_inflated(ws, start, at_end);
    return false;
}

static void inflate_piece(spout_websocket *ws, spout_bytes piece)
{
    spi_buffer *out = &ws->inbox->assembly;
    size_t start = spi_buffer_len(out);
    spi_inflater *inflater = inflater_of(ws);
    take_inflated(
        ws, start, inflater ? spi_inflater_feed(inflater, piece, out) : SPOUT_ESYSTEM, false);
}

/* True if the message is to be delivered. */
static bool end_inflated(spout_websocket *ws)
{
    spi_inbox *inbox = ws->inbox;
    size_t start = spi_buffer_len(&inbox->assembly);
    spi_inflater *inflater = inflater_of(ws);
    int result = inflater ? spi_inflater_end(inflater, &inbox->assembly) : SPOUT_ESYSTEM;
    spi_inflater_give(ws->loop, inbox->inflater);
    inbox->inflater = NULL;
    bool is_good = take_inflated(ws, start, result, true);
    inbox->utf8 = SPI_UTF8_ACCEPT;
    return is_good;
}

static bool takes_pieces(const spout_websocket *ws)
{
    return ws->handler->piece && !ws->handler->run && !(ws->client && ws->client->pulls);
}

/* What the parser has given last is the last of its message. */
static bool is_last_data(const spi_frame_parser *parser)
{
    return parser->fin && parser->left == 0;
}

/* What was decompressed, or the latest piece as it came. */
static void deliver_piece(spout_websocket *ws, bool is_last)
{
    spi_inbox *inbox = ws->inbox;
    spout_bytes piece = inbox->piece;
    size_t inflated = spi_buffer_len(&inbox->assembly);
    inbox->piece = (spout_bytes){ NULL, 0 };
    if (!is_last && inflated == 0 && piece.len == 0)
        return;
    bool binary = inbox->parser.message_opcode == SPI_OP_BINARY;
    inbox->is_last = is_last;
    if (inflated > 0) {
        fresh_scope(ws);
        inbox->message = (spout_message){ spi_buffer_text(&inbox->assembly), inflated, binary };
    } else {
        inbox->message = (spout_message){ copy_to_scope(ws, piece), piece.len, binary };
    }
    inbox->delivered = is_last ? 0 : inbox->delivered + inflated;
    inbox->assembly.max = max_assembly(ws) - (size_t)inbox->delivered;
    run_for_peer(ws, &piece_call);
}

/* inbox->message, to whom it concerns. */
static void hand_over(spout_websocket *ws)
{
    if (ws->phase == SPI_WEBSOCKET_OPEN && ws->reading)
        hand_to_reader(ws);
    else if (ws->phase == SPI_WEBSOCKET_OPEN && ws->handler->message)
        run_for_peer(ws, &message_call);
    else
        release_assembly(ws->inbox);
}

static void deliver(spout_websocket *ws)
{
    spi_inbox *inbox = ws->inbox;
    bool binary = inbox->parser.message_opcode == SPI_OP_BINARY;
    spi_loop_count(ws->loop, "websocket_received", 1);
    if (ws->client && ws->client->pulls) {
        keep_piece(ws);
        if (ws->phase == SPI_WEBSOCKET_OPEN)
            spi_websocket_offer(ws, &inbox->assembly, binary);
        return;
    }
    if (takes_pieces(ws)) {
        deliver_piece(ws, true);
        return;
    }
    if (spi_buffer_len(&inbox->assembly) > 0) {
        keep_piece(ws);
        fresh_scope(ws);
        inbox->message = (spout_message){ spi_buffer_text(&inbox->assembly),
            spi_buffer_len(&inbox->assembly), binary };
    } else {
        spout_bytes piece = inbox->piece;
        inbox->piece = (spout_bytes){ NULL, 0 };
        inbox->message = (spout_message){ copy_to_scope(ws, piece), piece.len, binary };
    }
    hand_over(ws);
}

/* A message in one frame, which nearly all are: from where it was received straight into the scope.
   Returns how many bytes were used; 0: they are for the parser. */
static size_t take_whole(spout_websocket *ws, const char *data, size_t len)
{
    spi_whole_message found;
    if (!spi_frame_try_whole(data, len, max_message(ws), &found))
        return 0;
    char *message = spi_arena_chars(fresh_scope(ws), found.payload.len + 1);
    *spi_frame_mask_to(message, found.payload.data, found.payload.len, found.mask) = '\0';
    if (found.is_text && !spi_is_utf8(message, found.payload.len))
        return 0;
    spi_loop_count(ws->loop, "websocket_received", 1);
    ws->inbox->message = (spout_message){ message, found.payload.len, !found.is_text };
    hand_over(ws);
    return found.frame_len;
}

static bool calls(const spout_websocket *ws, int (*handler)(spout_websocket *, spout_bytes))
{
    return handler && !ws->handler->run;
}

static void on_ping(spout_websocket *ws, spout_bytes data)
{
    /* A peer that sends pings but reads nothing gets no more answers than its queue has room for.
       */
    if (ws->exchange->ops->pending(ws->exchange) <= spi_websocket_max_queue(ws))
        (void)spi_websocket_send(ws, SPI_OP_PONG, data);
    if (!calls(ws, ws->handler->ping))
        return;
    ws->inbox->message = (spout_message){ copy_to_scope(ws, data), data.len, true };
    run_for_peer(ws, &ping_call);
}

static void on_pong(spout_websocket *ws, spout_bytes data)
{
    if (!calls(ws, ws->handler->pong))
        return;
    ws->inbox->message = (spout_message){ copy_to_scope(ws, data), data.len, true };
    run_for_peer(ws, &pong_call);
}

static void on_close(spout_websocket *ws, spout_bytes reason)
{
    ws->close_code = ws->inbox->parser.close_code;
    if (reason.len > 0)
        spi_websocket_need_extra(ws)->close_reason = spi_memdup(reason.data, reason.len);
    if (ws->phase == SPI_WEBSOCKET_OPEN) {
        int code = ws->close_code == SPI_CLOSE_NO_CODE ? 0 : ws->close_code;
        (void)spi_websocket_send_close(ws, code, (spout_bytes){ NULL, 0 });
    }
    ws->exchange->ops->tunnel_close(ws->exchange);
    spi_websocket_ended(ws);
}

static void on_bad(spout_websocket *ws, const char *what)
{
    fail_peer(ws, ws->inbox->parser.close_code, what);
}

static void on_data(spout_websocket *ws, spout_bytes data)
{
    spi_inbox *inbox = ws->inbox;
    if (!inbox->parser.compressed)
        inbox->piece = data;
    else if (ws->phase == SPI_WEBSOCKET_OPEN)
        inflate_piece(ws, data);
    if (ws->phase == SPI_WEBSOCKET_OPEN && takes_pieces(ws) && !is_last_data(&inbox->parser))
        deliver_piece(ws, false);
}

static void handle(spout_websocket *ws, spi_frame_event event, spout_bytes data, const char *what)
{
    bool is_open = ws->phase == SPI_WEBSOCKET_OPEN;
    if (event != SPI_FRAME_MESSAGE)
        keep_piece(ws);
    switch (event) {
    case SPI_FRAME_MORE: break;
    case SPI_FRAME_DATA: on_data(ws, data); break;
    case SPI_FRAME_MESSAGE:
        if (is_open && (!ws->inbox->parser.compressed || end_inflated(ws)))
            deliver(ws);
        break;
    case SPI_FRAME_PING:
        if (is_open)
            on_ping(ws, data);
        break;
    case SPI_FRAME_PONG:
        if (is_open)
            on_pong(ws, data);
        break;
    case SPI_FRAME_CLOSE: on_close(ws, data); break;
    case SPI_FRAME_BAD: on_bad(ws, what); break;
    }
}

static bool ends_frame(spi_frame_event event)
{
    return event == SPI_FRAME_MESSAGE || event == SPI_FRAME_PING || event == SPI_FRAME_PONG;
}

static bool may_be_whole(const spout_websocket *ws)
{
    return ws->phase == SPI_WEBSOCKET_OPEN && !ws->client && !takes_pieces(ws) &&
           is_between_messages(ws->inbox);
}

/* Up to the parser's next event. Returns how many bytes were used. Not inlined, as it isn't what
   comes mostly. */
__attribute__((noinline)) static size_t parse(
    spout_websocket *ws, char *data, size_t len, spi_frame_event *ret_event)
{
    spi_inbox *inbox = spi_websocket_need_inbox(ws);
    size_t used = 0;
    spout_bytes piece = { NULL, 0 };
    const char *what = "";
    *ret_event = spi_frame_parse(&inbox->parser, data, len, &used, &piece, &what);
    inbox->in_frame = !ends_frame(*ret_event);
    handle(ws, *ret_event, piece, what);
    return used;
}

/* Handles frames until the bytes are used up, a handler suspends or all is over. Returns how many
   bytes were used. */
static size_t feed(spout_websocket *ws, char *data, size_t len)
{
    size_t at = 0;
    spi_frame_event event = SPI_FRAME_MORE;
    need_plain_inbox(ws);
    while ((at < len || event == SPI_FRAME_DATA) && ws->phase != SPI_WEBSOCKET_CLOSED &&
           !spi_websocket_must_wait(ws)) {
        size_t whole = may_be_whole(ws) ? take_whole(ws, data + at, len - at) : 0;
        at += whole > 0 ? whole : parse(ws, data + at, len - at, &event);
    }
    return at;
}

static void pause_tunnel(spout_websocket *ws)
{
    if (ws->paused || !ws->exchange || ws->phase == SPI_WEBSOCKET_CLOSED)
        return;
    ws->paused = true;
    ws->exchange->ops->tunnel_pause(ws->exchange);
}

static void keep_rest(spout_websocket *ws, const char *data, size_t len)
{
    pause_tunnel(ws);
    if (len > 0 && spi_buffer_append(&spi_websocket_need_inbox(ws)->rest, data, len) < 0)
        spi_websocket_fail(ws, SPI_CLOSE_INTERNAL, "too much at once");
}

void spi_websocket_receive(spout_websocket *ws, char *data, size_t len)
{
    if (spi_websocket_must_wait(ws) || (ws->inbox && spi_buffer_len(&ws->inbox->rest) > 0)) {
        keep_rest(ws, data, len);
        return;
    }
    size_t used = feed(ws, data, len);
    if (spi_websocket_must_wait(ws))
        keep_rest(ws, data + used, len - used);
    else
        spi_websocket_tidy_inbox(ws);
}

void spi_websocket_receive_rest(spout_websocket *ws)
{
    spi_inbox *inbox = ws->inbox;
    if (!inbox || spi_buffer_len(&inbox->rest) == 0)
        return;
    size_t used = feed(ws, spi_buffer_head(&inbox->rest), spi_buffer_len(&inbox->rest));
    spi_buffer_consume(&inbox->rest, used);
    if (spi_buffer_len(&inbox->rest) == 0)
        spi_buffer_release(&inbox->rest);
}
