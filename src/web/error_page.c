/* What a failed request answers, and what the log says of it. */
#include <spout/escape.h>
#include <spout/httputil.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "http/websocket.h"
#include "web/request.h"

/* 499 stands for it in the log and for spout_get_status; nobody gets to see it. */
enum { STATUS_CLIENT_GONE = 499 };

static int status_of(const spout_error *error)
{
    int status = spout_error_get_code(error) == SPOUT_EHTTP ? spout_error_get_status(error) : 0;
    return status ? status : 500;
}

/* The message and its causes, "what: cause: cause". */
static const char *words_of(spi_arena *arena, const spout_error *error)
{
    const char *words = spi_arena_strdup(arena, spout_error_get_message(error));
    while ((error = spout_error_get_cause(error)))
        words = spi_arena_format(arena, "%s: %s", words, spout_error_get_message(error));
    return words;
}

static int run_log_exception(void *arg)
{
    spout_request *r = arg;
    return spi_request_call(r, r->handler->spec.log_exception);
}

/* The current error is what the hook sees, and stays. */
static void log_by_handler(spout_request *r, const spout_error *error)
{
    spout_error *kept = spi_error_copy(error);
    if (spi_task_call(run_log_exception, r) < 0)
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR,
            spi_arena_format(
                spi_request_arena(r), "log_exception failed in %s", spi_request_summary(r)));
    spi_error_put(kept);
}

/* As Tornado's log_exception, a deliberate status is a warning, if it has words, and all else is
   the application's error. Unlike there the words go into the access log's line, where there is
   one: a bad request is one line. */
static void log_error(spout_request *r, const spout_error *error)
{
    spi_arena *arena = spi_request_arena(r);
    if (r->handler->spec.log_exception) {
        log_by_handler(r, error);
    } else if (spout_error_get_code(error) != SPOUT_EHTTP) {
        const char *name = *r->handler->name ? spi_arena_format(arena, " [%s]", r->handler->name)
                                             : "";
        const char *what = spi_arena_format(
            arena, "Uncaught error in %s%s", spi_request_summary(r), name);
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, what);
    } else if (spi_request_logs_remark(r, status_of(error))) {
        r->remark = words_of(arena, error);
    } else if (*spout_error_get_message(error)) {
        const char *what = spi_arena_format(
            arena, "%d %s", status_of(error), spi_request_summary(r));
        spi_log_current_error(SPOUT_LOGGER_GENERAL, SPOUT_LOG_WARNING, what);
    }
}

static const char *reason_of(const spout_request *r)
{
    return r->response.reason ? r->response.reason : spout_status_phrase(r->response.status);
}

static int append_text(spout_request *r, const char *text)
{
    return spi_response_append(r, text, strlen(text));
}

/* What a screenshot should not show. */
static bool is_secret(const spi_field *field)
{
    static const char *const names[] = { "Authorization", "Cookie", "Proxy-Authorization" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (spi_equal_nocase(field->name, field->name_len, names[i], strlen(names[i])))
            return true;
    return false;
}

static int write_request(spout_request *r)
{
    const spi_request_head *head = &r->exchange->head;
    spi_arena *arena = spi_request_arena(r);
    const char *name = spout_handler_name(r);
    int result = append_text(r, spi_arena_format(arena, "\n%s%s%s%s\n", spi_request_summary(r),
                                    *name ? " [" : "", name, *name ? "]" : ""));
    for (size_t i = 0; result == 0 && i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        result = append_text(r, spi_arena_format(arena, "%.*s: %s\n", (int)field->name_len,
                                    field->name, is_secret(field) ? "(not shown)" : field->value));
    }
    return result;
}

static int write_traceback(spout_request *r)
{
    spi_response_put_type(r, "text/plain; charset=UTF-8");
    const char *text = spi_arena_format(
        spi_request_arena(r), "%d: %s\n", r->response.status, reason_of(r));
    int result = append_text(r, text);
    for (const spout_error *error = spout_error_current(); error;
         error = spout_error_get_cause(error)) {
        if (result == 0 && *spout_error_get_message(error))
            result = append_text(r,
                spi_arena_format(spi_request_arena(r), "\n%s\n", spout_error_get_message(error)));
    }
    return result == 0 ? write_request(r) : result;
}

static int write_default_page(spout_request *r)
{
    spi_scope_guard guard = spi_request_scope_enter(r);
    const char *reason = spout_xhtml_escape(reason_of(r));
    spi_scope_leave(guard);
    int status = r->response.status;
    return append_text(r, spi_arena_format(spi_request_arena(r),
                              "<html><title>%d: %s</title><body>%d: %s</body></html>", status,
                              reason, status, reason));
}

/* What a status has to say in its head (RFC 9110 §15.5.6, §15.5.22). */
static void add_status_fields(spout_request *r)
{
    switch (r->response.status) {
    case 405: spi_response_put(r, "Allow", r->handler->allow); break;
    case 426:
        spi_response_put(r, "Upgrade", "websocket");
        spi_response_put(r, "Sec-WebSocket-Version", SPI_WEBSOCKET_VERSION);
        break;
    case 503: spi_response_put(r, "Retry-After", "1"); break;
    default: break;
    }
}

/* A fresh reply with the handler's default fields; the current error stays, and so does a reason
   that was set for the same status. */
static void begin_page(spout_request *r, int status)
{
    spout_error *error = spi_error_take();
    const char *reason = r->response.status == status ? r->response.reason : NULL;
    spi_response_reset(r);
    spi_request_default_headers(r);
    r->response.status = status;
    r->response.reason = reason;
    add_status_fields(r);
    spi_error_put(error);
}

static int run_write_error(void *arg)
{
    spout_request *r = arg;
    int result = r->handler->spec.write_error(r);
    if (result > 0)
        return spout_error_set(SPOUT_EFAILED, "write_error returned %d", result);
    if (result == 0 && r->failure)
        return spi_error_put(spi_error_copy(r->failure));
    return result;
}

static void forget_failure(spout_request *r)
{
    spi_error_free(r->failure);
    r->failure = NULL;
}

/* The page of the application, which may fail, else ours. */
static int write_page(spout_request *r, int status)
{
    if (r->handler->spec.write_error) {
        if (spi_task_call(run_write_error, r) == 0 || r->response.head_sent)
            return 0;
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR,
            spi_arena_format(
                spi_request_arena(r), "write_error failed in %s", spi_request_summary(r)));
        forget_failure(r);
        begin_page(r, status);
        return write_default_page(r);
    }
    if (r->application->options.serve_traceback)
        return write_traceback(r);
    return write_default_page(r);
}

static int send_page(spout_request *r, int status)
{
    forget_failure(r);
    begin_page(r, status);
    int result = write_page(r, status);
    if (result == 0 && !r->response.ended)
        result = spi_response_end(r);
    return result;
}

/* Once more where it was one of the application's transforms that has failed. */
static int send_page_as_is(spout_request *r, int status)
{
    if (!r->handler->transforms || !r->response.as_is || r->response.head_sent || r->exchange->gone)
        return SPOUT_EFAILED;
    spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR,
        spi_arena_format(spi_request_arena(r), "a transform failed in %s", spi_request_summary(r)));
    return send_page(r, status);
}

static void give_up(spout_request *r)
{
    if (!r->exchange->gone)
        r->exchange->ops->reset(r->exchange);
}

static bool is_quiet_end(const spout_request *r, int code)
{
    bool gone = r->exchange->gone || r->response.lost;
    return gone && (code == SPOUT_ECLOSED || code == SPOUT_ECANCELED);
}

__attribute__((noinline)) void spi_request_answer_error(spout_request *r)
{
    if (!spout_error_current())
        spout_error_set(SPOUT_EFAILED, "the handler failed without an error set");
    const spout_error *error = spout_error_current();
    if (is_quiet_end(r, spout_error_get_code(error))) {
        r->response.status = r->response.ended ? r->response.status : STATUS_CLIENT_GONE;
        return;
    }
    int status = status_of(error);
    log_error(r, error);
    if (r->response.ended)
        return;
    if (r->response.head_sent) {
        give_up(r);
    } else if (send_page(r, status) < 0 && send_page_as_is(r, status) < 0) {
        if (!r->exchange->gone)
            spi_log_current_error(
                SPOUT_LOGGER_GENERAL, SPOUT_LOG_ERROR, "an error page could not be sent");
        give_up(r);
    }
}

__attribute__((noinline)) void spi_request_answer_without_stack(spout_request *r)
{
    begin_page(r, 503);
    if (write_default_page(r) < 0 || spi_response_end(r) < 0)
        give_up(r);
    spi_request_log(r);
}
