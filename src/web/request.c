/* A request's life: from its head to the release of its exchange. */
#include "web/request.h"

#include "base/context.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/websocket.h"
#include "web/arguments.h"
#include "web/cors.h"
#include "web/file_cache.h"
#include "web/upgrade.h"

#include <spout/auth.h>

#include <time.h>

static void free_web_loop(void *value)
{
    spi_web_loop *web = value;
    spi_file_caches_leave(&web->file_caches);
    spi_matcher_finish(&web->matcher);
    spi_free(web);
}

spi_web_loop *spi_web_loop_of(spout_loop *loop)
{
    spi_web_loop *web = spi_loop_slot_get(loop, SPI_SLOT_WEB);
    if (web)
        return web;
    web = spi_calloc(sizeof *web);
    spi_matcher_init(&web->matcher);
    web->refused_at_ms = INT64_MIN;
    spi_list_init(&web->file_caches);
    spi_loop_slot_set(loop, SPI_SLOT_WEB, web, free_web_loop);
    return web;
}

spi_extras *spi_request_extras(spout_request *r)
{
    if (!r->extras)
        r->extras = spi_arena_calloc(spi_request_arena(r), sizeof *r->extras);
    return r->extras;
}

spi_scope_guard spi_request_scope_enter(const spout_request *r)
{
    spi_context *context = spi_context_current();
    spi_scope_guard guard = { context, context->scope };
    context->scope = spi_request_arena(r);
    return guard;
}

void spi_scope_leave(spi_scope_guard guard)
{
    guard.context->scope = guard.outer;
}

int spi_request_stick(spout_request *r)
{
    if (!r->failure)
        r->failure = spi_error_copy(spout_error_current());
    return spout_error_code_current();
}

const char *spi_request_summary(spout_request *r)
{
    const spi_request_head *head = &r->exchange->head;
    return spi_arena_format(spi_request_arena(r), "%s %s (%s)", head->method_text,
        head->target.data, spout_remote_ip(r));
}

/* --- from the head --- */

static void refuse(spout_request *r, int status, const char *why)
{
    r->method = NULL;
    r->refusal = status;
    r->refusal_why = why;
}

static void refuse_match(spout_request *r, int status)
{
    const char *why = spi_arena_strdup(spi_request_arena(r), spout_error_message());
    bool no_such_file = status == 400 && r->handler->static_root;
    refuse(r, no_such_file ? 404 : status, why);
}

static void decide_unmatched(spout_request *r)
{
    const spi_request_head *head = &r->exchange->head;
    r->unmatched = true;
    r->method = r->handler->methods[head->method];
    if (r->method == spi_answer_options && strcmp(head->path, "*") != 0)
        r->method = NULL;
    if (!r->method)
        refuse(r, 404, "");
}

/* Only expressions need the loop's matcher. */
static int match(spout_request *r, const spi_request_head *head)
{
    const spout_application *application = r->application;
    spi_arena *arena = spi_request_arena(r);
    spi_matcher *matcher = application->hosts || application->router.expression_count
                               ? &spi_web_loop_of(r->exchange->loop)->matcher
                               : NULL;
    if (application->hosts)
        return spi_application_match(application, matcher, arena, head, &r->match);
    return spi_router_match(
        &application->router, matcher, arena, head->path, head->path_len, &r->match);
}

static void decide_matched(spout_request *r)
{
    r->method = r->handler->methods[r->exchange->head.method];
    if (!r->method)
        refuse(r, 405, "");
}

__attribute__((noinline)) static void decide_by_match(spout_request *r)
{
    const spi_request_head *head = &r->exchange->head;
    r->handler = r->application->default_handler;
    if (head->method == SPI_METHOD_CONNECT) {
        refuse(r, 405, "");
        return;
    }
    int found = match(r, head);
    if (r->match.handler)
        r->handler = r->match.handler;
    if (found < 0)
        refuse_match(r, -found);
    else if (found == 0)
        decide_unmatched(r);
    else
        decide_matched(r);
}

/* Which handler and method, or which status. */
static inline void decide(spout_request *r)
{
    const spout_application *application = r->application;
    const spi_request_head *head = &r->exchange->head;
    if (!application->hosts)
        r->handler = spi_router_find_exact(&application->router, head->path, head->path_len);
    if (r->handler)
        decide_matched(r);
    else
        decide_by_match(r);
}

static void apply_limits(spout_request *r)
{
    const spi_handler *handler = r->handler;
    spi_exchange *exchange = r->exchange;
    int64_t max = handler->spec.max_body_size;
    if (handler->stream_body)
        exchange
            ->body_mode = SPI_BODY_STREAM; /* a refused one is answered without reading its body */
    if (max)
        exchange->max_body = max == SPOUT_NONE ? UINT64_MAX : max == SPOUT_ZERO ? 0 : (uint64_t)max;
    if (handler->spec.body_timeout_ms)
        exchange->body_timeout_ms = handler->spec.body_timeout_ms;
    if (handler->spec.min_body_rate)
        exchange->min_body_rate = handler->spec.min_body_rate;
    if (handler->spec.request_timeout_ms)
        exchange->request_timeout_ms = handler->spec.request_timeout_ms;
    if (handler->cancel_on_close)
        exchange->hang_up_on_eof = true;
}

static int take_over(spout_application *application, spi_exchange *exchange, uint8_t hands);

static int refuse_from_error(spout_request *r)
{
    int status = spout_error_get_status(spout_error_current());
    refuse(r, status ? status : 500, spi_arena_strdup(spi_request_arena(r), spout_error_message()));
    return -r->refusal;
}

/* The request belongs to another application from here on. */
static int hand_over(spout_request *r)
{
    enum { MAX_HANDS = 8 };
    spi_exchange *exchange = r->exchange;
    spout_error_clear();
    spout_application *other = r->handler->spec.fallback(r);
    if (!other && spout_error_code_current() == SPOUT_OK)
        spout_error_set(SPOUT_EFAILED, "a fallback knows no application");
    if (other && r->hands == MAX_HANDS) {
        spout_error_set(SPOUT_EFAILED, "applications hand a request to one another");
        other = NULL;
    }
    if (!other)
        return refuse_from_error(r);
    uint8_t hands = (uint8_t)(r->hands + 1);
    exchange->service_self = other;
    return take_over(other, exchange, hands);
}

static inline bool needs_early(const spout_request *r)
{
    return r->refusal || r->handler->early;
}

/* What is to be said before the body comes. */
__attribute__((noinline)) static int decide_early(spout_request *r)
{
    if (r->handler->spec.fallback && (!r->refusal || r->refusal == 404 || r->refusal == 405))
        return hand_over(r);
    apply_limits(r);
    if (!r->refusal || !r->exchange->head.expect_continue)
        return 0;
    spout_error_set(SPOUT_EHTTP, "%s", r->refusal_why); /* before the client sends its body */
    return -r->refusal;
}

/* What a compiler clears by plain stores, where it would call a function for the whole. */
static inline void clear(spout_request *r)
{
    enum { SIZE = offsetof(spout_request, first_fields), PIECE = 64 };
    _Static_assert(SIZE > 4 * PIECE && SIZE <= 5 * PIECE, "five pieces");
    char *start = (char *)r;
    memset(start, 0, PIECE);
    memset(start + PIECE, 0, PIECE);
    memset(start + 2 * PIECE, 0, PIECE);
    memset(start + 3 * PIECE, 0, PIECE);
    memset(start + 4 * PIECE, 0, SIZE - 4 * PIECE);
}

static inline spout_request *new_request(
    spout_application *application, spi_exchange *exchange, uint8_t hands)
{
    enum { SIZE = sizeof(spout_request) + sizeof(spi_piece) + SPI_FIRST_PIECE };
    spout_request *r = spi_arena_alloc(exchange->arena, SIZE);
    clear(r);
    r->exchange = exchange;
    r->application = application;
    r->hands = hands;
    r->started_ns = spi_loop_now_ns(exchange->loop);
    spi_response_init(&r->response, &application->usual, r->first_fields, (spi_piece *)(r + 1));
    exchange->user = r;
    return r;
}

__attribute__((noinline)) static int take_over(
    spout_application *application, spi_exchange *exchange, uint8_t hands)
{
    spout_request *r = new_request(application, exchange, hands);
    decide(r);
    return needs_early(r) ? decide_early(r) : 0;
}

/* --- the handler --- */

static int call_hook(spout_request *r, spout_method *hook)
{
    int result = hook(r);
    if (result <= 0)
        return result;
    return spout_error_set(
        SPOUT_EFAILED, "a handler returned %d: it returns 0 or a negative code", result);
}

int spi_request_call(spout_request *r, spout_method *method)
{
    return call_hook(r, method);
}

static int call_guarded(void *arg)
{
    spout_request *r = arg;
    return call_hook(r, r->handler->spec.set_default_headers);
}

static int refusal(const spout_request *r)
{
    return spout_error_set_status(r->refusal, "%s", r->refusal_why);
}

static int begin(spout_request *r)
{
    const spi_handler *handler = r->handler;
    if (handler->spec.state_size)
        r->state = spi_arena_calloc(spi_request_arena(r), handler->spec.state_size);
    int result = 0;
    if (handler->spec.initialize)
        result = call_hook(r, handler->spec.initialize);
    if (result == 0 && handler->spec.set_default_headers)
        result = call_hook(r, handler->spec.set_default_headers);
    return result;
}

static int check_xsrf(spout_request *r)
{
    spi_method method = r->exchange->head.method;
    if (r->refusal || method == SPI_METHOD_GET || method == SPI_METHOD_HEAD ||
        method == SPI_METHOD_OPTIONS)
        return 0;
    spout_method *check = r->handler->spec.check_xsrf_cookie;
    return call_hook(r, check ? check : spout_check_xsrf_cookie);
}

static int run_methods(spout_request *r)
{
    const spi_handler *handler = r->handler;
    if (handler->spec.cors && spi_cors_preflight(r))
        return 0;
    if (r->refusal && r->refusal != 404)
        return refusal(r);
    int result = *r->exchange->head.query ? spi_arguments_check_query(r) : 0;
    if (result == 0 && handler->checks_xsrf)
        result = check_xsrf(r);
    if (result == 0 && handler->spec.prepare)
        result = call_hook(r, handler->spec.prepare);
    if (result < 0 || r->response.ended)
        return result;
    if (r->refusal)
        return refusal(r);
    if (handler->guarded) {
        result = spi_request_guard(r);
        if (result < 0 || r->response.ended)
            return result;
    }
    return call_hook(r, r->method);
}

int spi_request_run_methods(spout_request *r)
{
    return run_methods(r);
}

/* What the coroutine logs from here on has the request's id. */
static void begin_logging(spout_request *r)
{
    if (r->application->options.request_id_header)
        spi_context_current()->request_id = spout_request_id(r);
}

/* Whether there is nothing to do but to call the method. */
static inline bool is_plain(const spout_request *r)
{
    return r->handler->plain && r->method && !*r->exchange->head.query;
}

static int run_method(void *arg)
{
    spout_request *r = arg;
    r->running = true;
    return call_hook(r, r->method);
}

static int run_handler(void *arg)
{
    spout_request *r = arg;
    r->running = true;
    begin_logging(r);
    int result = begin(r);
    if (result < 0 || r->response.ended)
        return result;
    return r->handler->chain ? spout_next(r) : run_methods(r);
}

void spi_request_default_headers(spout_request *r)
{
    if (!r->handler->spec.set_default_headers)
        return;
    if (spi_task_call(call_guarded, r) < 0)
        spi_log_current_error(
            SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, "set_default_headers failed");
}

static int run_on_finish(void *arg)
{
    spout_request *r = arg;
    return call_hook(r, r->handler->spec.on_finish);
}

static int run_on_connection_close(void *arg)
{
    spout_request *r = arg;
    return call_hook(r, r->handler->spec.on_connection_close);
}

__attribute__((noinline)) static void run_last_hook(
    spout_request *r, spout_task_fn *fn, const char *name)
{
    if (spi_task_call(fn, r) < 0)
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR,
            spi_arena_format(
                spi_request_arena(r), "%s failed in %s", name, spi_request_summary(r)));
}

/* --- the end --- */

__attribute__((noinline)) static void free_failure(spout_request *r)
{
    spi_error_free(r->failure);
    r->failure = NULL;
}

static void free_request(spout_request *r)
{
    if (r->failure)
        free_failure(r);
    spi_application_unref(r->application);
}

static inline void release(spout_request *r)
{
    spi_exchange *exchange = r->exchange;
    free_request(r);
    exchange->ops->release(exchange);
}

/* After a wait: whoever started the coroutine has gone on long since. */
__attribute__((noinline)) static void release_late(spout_request *r)
{
    release(r);
}

static void drop_hold(spout_request *r)
{
    if (--r->holds > 0)
        return;
    if (r->started)
        *r->started = SPI_STARTED_ENDED;
    else
        release_late(r);
}

/* Turns what the handler has returned, and what went wrong before, into a sent reply. */
static void conclude(spout_request *r, int result)
{
    if (result == 0 && r->failure) {
        result = spi_error_put(r->failure);
        r->failure = NULL;
    }
    if (result == 0 && !r->response.ended && !r->websocket)
        result = spi_response_end(r);
    if (result < 0)
        spi_request_answer_error(r);
    spi_request_log(r);
}

static int call_open(void *arg)
{
    spout_request *r = arg;
    const spout_websocket_handler *handler = r->handler->spec.websocket;
    return handler->open ? handler->open(r->websocket) : 0;
}

static void end_logging(const spout_request *r)
{
    if (r->application->options.request_id_header)
        spi_context_current()->request_id = NULL;
}

__attribute__((noinline)) static void run_on_finish_and_leave(spout_request *r)
{
    if (r->handler->spec.on_finish)
        run_last_hook(r, run_on_finish, "on_finish");
    end_logging(r);
}

/* The exchange is the socket's from the handshake on, and the request ends with .open. */
__attribute__((noinline)) static void become_websocket(spout_request *r)
{
    int result = spi_task_call(call_open, r);
    spout_error *error = result < 0 ? spi_error_take() : NULL;
    run_on_finish_and_leave(r);
    if (r->started)
        *r->started = SPI_STARTED_HANDED;
    struct spout_websocket *ws = r->websocket;
    free_request(r);
    if (error)
        spi_error_put(error);
    spi_websocket_start(ws, result);
}

/* What follows the handler, however that has ended. */
static int end_request(void *arg, int result)
{
    spout_request *r = arg;
    conclude(r, result);
    r->running = false;
    if (r->websocket) {
        become_websocket(r);
        return 0;
    }
    if (!r->handler->plain)
        run_on_finish_and_leave(r);
    drop_hold(r);
    return 0;
}

/* < 0: there is no stack; nothing has happened. */
static int start(spout_request *r)
{
    spi_started started = SPI_STARTED_WAITS;
    r->started = &started;
    r->holds = 1;
    spi_application_ref(r->application);
    const spi_task_start how = {
        .name = r->handler->task_name,
        .fn = is_plain(r) ? run_method : run_handler,
        .then = end_request,
        .arg = r,
    };
    int result = spi_task_run(r->exchange->loop, &how, &r->task);
    if (result < 0)
        spi_application_unref(r->application);
    if (started == SPI_STARTED_ENDED)
        release(r);
    else if (started == SPI_STARTED_WAITS)
        r->started = NULL;
    return result;
}

static void log_no_stack(spi_web_loop *web, spout_loop *loop)
{
    int64_t now = spi_loop_now(loop);
    web->refused++;
    if (now - 1000 < web->refused_at_ms)
        return;
    spi_log_error("503: %llu requests were turned away: %s", (unsigned long long)web->refused,
        spout_error_message());
    web->refused_at_ms = now;
    web->refused = 0;
}

__attribute__((noinline)) static void turn_away(spout_request *r)
{
    spi_exchange *exchange = r->exchange;
    log_no_stack(spi_web_loop_of(exchange->loop), exchange->loop);
    spi_request_answer_without_stack(r);
    spi_error_free(r->failure);
    exchange->ops->release(exchange);
}

static inline void serve(spout_request *r)
{
    if (start(r) < 0)
        turn_away(r);
}

static int on_head(void *self, spi_exchange *exchange, bool complete)
{
    spout_request *r = new_request(self, exchange, 0);
    decide(r);
    if (needs_early(r))
        return decide_early(r);
    if (complete)
        serve(r);
    return complete;
}

static void on_request(void *self, spi_exchange *exchange)
{
    (void)self;
    serve(exchange->user);
}

static int on_error(void *self, spi_exchange *exchange, int status)
{
    (void)self;
    spout_request *r = exchange->user;
    if (!r)
        return SPOUT_ESTATE;
    if (!r->refusal)
        refuse(r, status, spi_arena_strdup(exchange->arena, spout_error_message()));
    return start(r);
}

/* --- the client went away --- */

static int serve_connection_close(void *arg)
{
    spout_request *r = arg;
    begin_logging(r);
    run_last_hook(r, run_on_connection_close, "on_connection_close");
    end_logging(r);
    drop_hold(r);
    return 0;
}

static void on_gone(void *self, spi_exchange *exchange)
{
    (void)self;
    spout_request *r = exchange->user;
    if (!r->running || r->response.ended)
        return;
    if (r->handler->cancel_on_close)
        spi_task_cancel(r->task);
    if (!r->handler->spec.on_connection_close)
        return;
    r->holds++;
    const spi_task_start how = {
        .name = "on_connection_close", .fn = serve_connection_close, .arg = r
    };
    if (spi_task_run(exchange->loop, &how, NULL) < 0) {
        r->holds--;
        spi_log_current_error(
            SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, "on_connection_close could not run");
    }
}

const spi_service spi_application_service = {
    .on_head = on_head,
    .on_request = on_request,
    .on_error = on_error,
    .on_gone = on_gone,
};
