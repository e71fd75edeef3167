#include <spout/sse.h>

#include "loop/loop.h"
#include "web/compress.h"
#include "web/request.h"

#include <stdio.h>

enum { HEARTBEAT_MS = 15000 };

/* In the request's arena; ends with it. */
typedef struct heartbeat {
    spi_timer timer;
    spout_request *r;
    spout_loop *loop;
    int64_t interval_ms;
    uint64_t sent; /* when it was looked last */
} heartbeat;

static void stop(void *arg)
{
    heartbeat *beat = arg;
    spi_timer_stop(beat->loop, &beat->timer);
}

/* On the loop, between two events: never while the handler is in the middle of one. */
static int send_comment(spout_request *r)
{
    spi_response *response = &r->response;
    if (response->len || response->encoding || r->exchange->ops->pending(r->exchange))
        return 0;
    int result = spi_response_append(r, ":\n\n", 3);
    if (result == 0 && response->compressor)
        result = spi_compress_pieces(r, false);
    return result < 0 ? result : spi_response_send_pieces(r);
}

static void on_beat(spi_timer *timer)
{
    heartbeat *beat = spi_container(timer, heartbeat, timer);
    spout_request *r = beat->r;
    if (r->response.ended || r->exchange->gone)
        return;
    if (beat->sent == r->response.sent && send_comment(r) < 0) {
        spout_error_clear(); /* the handler meets it with its next event */
        return;
    }
    beat->sent = r->response.sent;
    spi_timer_start(beat->loop, timer, spi_loop_now(beat->loop) + beat->interval_ms, on_beat);
}

static void start_heartbeat(spout_request *r, int64_t interval_ms)
{
    heartbeat *beat = spi_arena_calloc(spi_request_arena(r), sizeof *beat);
    beat->r = r;
    beat->loop = r->exchange->loop;
    beat->interval_ms = interval_ms;
    beat->sent = r->response.sent;
    spi_arena_on_reset(spi_request_arena(r), stop, beat);
    spi_timer_start(beat->loop, &beat->timer, spi_loop_now(beat->loop) + interval_ms, on_beat);
}

static int set_fields(spout_request *r)
{
    int result = spout_set_header(r, "Content-Type", "text/event-stream; charset=UTF-8");
    if (result == 0)
        result = spout_set_header(r, "Cache-Control", "no-cache");
    if (result == 0)
        result = spout_set_header(r, "X-Accel-Buffering", "no"); /* nginx */
    return result;
}

static int append_text(spout_request *r, const char *text)
{
    return spi_response_append(r, text, strlen(text));
}

static int append_retry(spout_request *r, int64_t retry_ms)
{
    char line[40];
    if (retry_ms <= 0)
        return 0;
    snprintf(line, sizeof line, "retry: %lld\n", (long long)retry_ms);
    return append_text(r, line);
}

int spout_events_start(spout_request *r, const spout_events_options *options)
{
    static const spout_events_options defaults = { 0 };
    if (!options)
        options = &defaults;
    if (options->heartbeat_ms < SPOUT_NONE || options->retry_ms < 0)
        return spout_error_set(SPOUT_EINVAL, "spout_events_start: a time is negative");
    int result = set_fields(r);
    if (result == 0 && options->retry_ms)
        result = append_retry(r, options->retry_ms);
    if (result == 0 && options->retry_ms)
        result = append_text(r, "\n");
    if (result == 0)
        result = spout_flush(r);
    if (result == 0 && options->heartbeat_ms != SPOUT_NONE)
        start_heartbeat(r, options->heartbeat_ms ? options->heartbeat_ms : HEARTBEAT_MS);
    return result;
}

static bool is_line(const char *text)
{
    return !text || !text[strcspn(text, "\r\n")];
}

static int append_line(spout_request *r, const char *field, const char *text, size_t len)
{
    int result = append_text(r, field);
    if (result == 0)
        result = spi_response_append(r, text, len);
    return result < 0 ? result : append_text(r, "\n");
}

static int append_data(spout_request *r, const char *data)
{
    for (;;) {
        size_t len = strcspn(data, "\r\n");
        int result = append_line(r, "data: ", data, len);
        if (result < 0 || !data[len])
            return result;
        data += len + (data[len] == '\r' && data[len + 1] == '\n' ? 2 : 1);
    }
}

static int append_event(spout_request *r, const spout_event *event)
{
    int result = append_retry(r, event->retry_ms);
    if (result == 0 && event->id)
        result = append_line(r, "id: ", event->id, strlen(event->id));
    if (result == 0 && event->event)
        result = append_line(r, "event: ", event->event, strlen(event->event));
    if (result == 0 && event->data)
        result = append_data(r, event->data);
    return result < 0 ? result : append_text(r, "\n");
}

int spout_events_send(spout_request *r, const spout_event *event)
{
    if (!is_line(event->event) || !is_line(event->id) || event->retry_ms < 0)
        return spout_error_set(SPOUT_EINVAL, "the type and the id of an event are single lines");
    int result = append_event(r, event);
    return result < 0 ? result : spout_flush(r);
}

const char *spout_last_event_id(spout_request *r)
{
    return spout_header(r, "Last-Event-ID", NULL);
}
