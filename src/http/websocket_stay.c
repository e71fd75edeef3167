/* A client that stays connected: when to try again, and when not. */
#include <spout/error.h>
#include <spout/task.h>

#include "http/websocket_client.h"
#include "http/websocket_socket.h"

enum { MIN_DELAY_MS = 500, MAX_DELAY_MS = 30000, STABLE_MS = 10000 };
enum { UNAUTHORIZED = 3000, FORBIDDEN = 3003 };

typedef enum verdict { TRY_AGAIN, ENDED } verdict;

typedef struct staying {
    const spout_websocket_stay_options *options;
    const spout_websocket_connect_options *connect;
    int failures;
    spout_websocket_outcome outcome;
    bool is_final; /* by our rules */
} staying;

static int64_t value_or(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static void *data_of(const staying *self)
{
    return self->connect ? self->connect->data : NULL;
}

static bool is_final_code(int code)
{
    return code == SPI_CLOSE_NORMAL || code == 1002 || code == 1003 ||
           (code >= SPI_CLOSE_BAD_DATA && code <= 1010) || code == UNAUTHORIZED ||
           code == FORBIDDEN;
}

/* The session has returned `result`. */
static verdict end_session(
    staying *self, spout_websocket *ws, int64_t began_ms, int result, int *ret_result)
{
    bool is_ours = ws->phase == SPI_WEBSOCKET_OPEN || ws->client->closed_here;
    *ret_result = result;
    if (is_ours || result == SPOUT_ECANCELED) {
        (void)spout_websocket_close(ws, result < 0 ? SPI_CLOSE_INTERNAL : SPI_CLOSE_NORMAL, NULL);
        return ENDED;
    }
    int code = spout_websocket_close_code(ws);
    int64_t lived_ms = spout_time_ms() - began_ms;
    bool was_stable = lived_ms >= value_or(self->options->stable_ms, STABLE_MS);
    self->failures = was_stable ? 0 : self->failures + 1;
    self->outcome = (spout_websocket_outcome){ .close_code = code, .retry_after_ms = -1 };
    self->is_final = is_final_code(code);
    if (code == SPI_CLOSE_NORMAL)
        *ret_result = 0;
    else if (code == 0)
        *ret_result = spout_error_set(SPOUT_ECLOSED, "the connection was lost");
    else
        *ret_result = spout_error_set(SPOUT_ECLOSED, "the server has closed the WebSocket: %d %s",
            code, spout_websocket_close_reason(ws));
    return TRY_AGAIN;
}

static verdict note_failed_connect(
    staying *self, const spi_websocket_attempt *attempt, int *ret_result)
{
    int code = spout_error_code_current();
    *ret_result = code;
    self->failures++;
    self->outcome = (spout_websocket_outcome){
        .status = attempt->status, .error = code, .retry_after_ms = attempt->retry_after_ms
    };
    self->is_final = attempt->is_final;
    bool is_over = code == SPOUT_ETIMEDOUT && spout_deadline_left_ms() == 0;
    return code == SPOUT_ECANCELED || is_over ? ENDED : TRY_AGAIN;
}

/* One connection, or the attempt at one. */
static verdict connect_once(
    staying *self, const char *url, spout_websocket_session *session, int *ret_result)
{
    spi_websocket_attempt attempt;
    spout_websocket *ws = spi_websocket_attempt_connect(url, self->connect, &attempt);
    if (!ws)
        return note_failed_connect(self, &attempt, ret_result);
    int64_t began_ms = spout_time_ms();
    int result = session ? session(ws, data_of(self)) : spi_websocket_client_await_end(ws);
    verdict end = end_session(self, ws, began_ms, result, ret_result);
    spout_websocket_unref(ws);
    return end;
}

static bool should_retry(staying *self)
{
    const spout_websocket_stay_options *options = self->options;
    self->outcome.failures = self->failures;
    return !options->should_retry || options->should_retry(&self->outcome, data_of(self));
}

static int64_t delay_ms(const staying *self)
{
    int64_t delay = value_or(self->options->min_delay_ms, MIN_DELAY_MS);
    int64_t max = value_or(self->options->max_delay_ms, MAX_DELAY_MS);
    for (int i = 1; i < self->failures && delay < max; i++)
        delay *= 2;
    if (delay > max)
        delay = max;
    uint64_t half = (uint64_t)delay / 2;
    delay -= (int64_t)(spi_loop_random(spout_loop_current()) % (half + 1));
    int64_t asked = self->outcome.retry_after_ms;
    return asked > delay ? asked : delay;
}

int spout_websocket_stay_connected(
    const char *url, spout_websocket_session *session, const spout_websocket_stay_options *options)
{
    static const spout_websocket_stay_options defaults;
    staying self = { .options = options ? options : &defaults };
    self.connect = self.options->connect;
    for (;;) {
        int result;
        if (connect_once(&self, url, session, &result) == ENDED)
            return result;
        if (self.is_final && !self.options->should_retry)
            return result;
        int max = self.options->max_failures;
        if (max > 0 && self.failures >= max)
            return spout_error_wrap(result < 0 ? result : SPOUT_ECLOSED,
                "gave up after %d attempts to stay connected", self.failures);
        if (!should_retry(&self))
            return result;
        result = spout_sleep(delay_ms(&self));
        if (result < 0)
            return result;
    }
}
