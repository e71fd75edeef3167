/*
 * A request from inside. It lies in its exchange's arena, from the head on; its coroutine runs from
 * on_request (or on_error) on.
 *
 * Each group of members belongs to one file: response.c, input.c, request.c. What handlers allocate
 * in scopes of their own lies in another arena, the coroutine's: so an inner scope that is popped
 * takes nothing of the request with it.
 */
#ifndef SPI_REQUEST_H
#define SPI_REQUEST_H

#include <spout/error.h>
#include <spout/log.h>
#include <spout/middleware.h>
#include <spout/web.h>

#include "base/log.h"
#include "base/text.h"
#include "http/exchange.h"
#include "loop/task.h"
#include "web/application.h"
#include "web/response.h"
#include "web/router.h"

/* What a loop keeps for all requests on it. */
typedef struct spi_web_loop {
    spi_matcher matcher;
    int64_t refused_at_ms; /* when it was last logged that there are no stacks */
    uint64_t refused;      /* and how many requests were turned away since */
    spi_list file_caches;  /* of applications that serve files */
} spi_web_loop;
spi_web_loop *spi_web_loop_of(spout_loop *loop);

struct spi_input;

/* What whoever starts the coroutine finds when that has come back. */
typedef enum spi_started {
    SPI_STARTED_WAITS,
    SPI_STARTED_ENDED, /* the request is over, and to be released */
    SPI_STARTED_HANDED /* its exchange belongs to a WebSocket now, the request is gone */
} spi_started;

/* What only some requests have: users, tokens. */
typedef struct spi_extras {
    void *user;
    bool user_known;
    const char *xsrf_token; /* as it goes out; NULL: not asked for yet */
    const char *request_id; /* the same */
    struct spi_session *session;
    size_t next_middleware;
    bool inside; /* of all middleware */
} spi_extras;

struct spout_request {
    spi_exchange *exchange;
    spout_application *application;
    const spi_handler *handler;
    spout_method *method; /* NULL where the request is refused */
    spi_match match;
    int refusal;             /* the status, decided from the head or by the connection */
    const char *refusal_why; /* for the log; "": nothing to say */

    spi_response response;
    struct spi_input *input; /* what has been asked for; NULL: nothing yet */
    void *state;
    spi_extras *extras; /* NULL: nothing of it yet */

    const char *remark;   /* why an error was answered, for the access log; NULL: nothing to say */
    spout_error *failure; /* of a write or an argument, decides at the end; owned */
    struct spout_websocket *websocket; /* after a handshake */
    spi_task *task;                    /* while the handler runs */
    spi_started *started; /* while whoever starts the coroutine has not come back; else NULL */
    int64_t started_ns;
    uint64_t received; /* of a streamed body */
    uint8_t holds;     /* coroutines that use the request */
    uint8_t hands;     /* applications that have handed it on */
    bool running, logged, unmatched;
    spi_field first_fields[SPI_FIRST_FIELDS]; /* the reply's, not zeroed */
};

static inline spi_arena *spi_request_arena(const spout_request *r)
{
    return r->exchange->arena;
}

spi_extras *spi_request_extras(spout_request *r);

/* Calls one of the handler's functions, whose result must not be positive. */
int spi_request_call(spout_request *r, spout_method *method);

/* The checks, prepare and the method: all that middleware is around. */
int spi_request_run_methods(spout_request *r);

/* .addslash, .removeslash and .authenticated: may answer, or fail, in place of the method
   (guard.c). */
int spi_request_guard(spout_request *r);

/* Remembers the current error as the request's, if it is the first, and returns its code. */
int spi_request_stick(spout_request *r);

static inline int spi_response_append(spout_request *r, const void *data, size_t len)
{
    spi_response *response = &r->response;
    spi_piece *piece = response->last;
    if (!piece || response->ended || r->exchange->gone || len > piece->size - piece->len)
        return spi_response_append_slowly(r, data, len);
    spi_put(piece->data + piece->len, data, len);
    piece->len += len;
    response->len += len;
    return 0;
}

/* "GET /x (127.0.0.1)", in the request's arena. */
const char *spi_request_summary(spout_request *r);

/* Runs set_default_headers on a fresh reply. */
void spi_request_default_headers(spout_request *r);

/* The access log's line, and the event for the loop's metrics, once. */
void spi_request_write_log(spout_request *r);
void spi_request_measure(spout_request *r);
static inline void spi_request_log(spout_request *r)
{
    bool done = r->logged;
    r->logged = true;
    if (!done && spi_loop_metrics(r->exchange->loop))
        spi_request_measure(r);
    if (!done && (r->application->options.log_function || spi_log_is_on(SPOUT_LOG_ERROR)))
        spi_request_write_log(r);
}
/* The same as an object, a line of its own (json_log.c). */
void spi_request_log_json(spout_request *r, spout_log_level level);
/* Whether that line will be our own, with the remark, and written. */
bool spi_request_logs_remark(const spout_request *r, int status);

/* The current error becomes the reply, or the end of the connection if one has begun; logs it. See
   error_page.c. */
void spi_request_answer_error(spout_request *r);
/* 503 from the loop itself: there is no stack to run anything on. */
void spi_request_answer_without_stack(spout_request *r);

/* spout_remote_ip without a copy that stays; returns its length. */
size_t spi_request_put_remote_ip(const spout_request *r, char out[46]);

/* Runs the body of the functions of <spout/httputil.h> with the request's own arena as scope. */
typedef struct spi_scope_guard {
    struct spi_context *context;
    spi_arena *outer;
} spi_scope_guard;
spi_scope_guard spi_request_scope_enter(const spout_request *r);
void spi_scope_leave(spi_scope_guard guard);

#endif
