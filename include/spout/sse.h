/*
 * Server-sent events (the HTML standard, §9.2): a reply that goes on, for EventSource of browsers.
 *
 * Example:
 *     static int prices_get(spout_request *r)
 *     {
 *         int64_t seen = to_number(spout_last_event_id(r));   // where the client has stopped
 *         if (spout_events_start(r, NULL) < 0)
 *             return -1;
 *         for (struct price p; prices_wait(&seen, &p) == 0;)  // suspends
 *             if (spout_events_send(r, &(spout_event){ .id = p.id, .data = p.json }) < 0)
 *                 return -1;
 *         return 0;
 *     }
 *     static const spout_handler prices = { .get = prices_get, .cancel_on_close = 1 };
 */
#ifndef SPOUT_SSE_H
#define SPOUT_SSE_H

#include <spout/base.h>
#include <spout/web.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_events_options {
    /* A comment while nothing else is sent, so that proxies don't take the connection for dead and
       a client that left is noticed; 0: 15,000, SPOUT_NONE: none */
    int64_t heartbeat_ms;
    int64_t retry_ms; /* what clients wait before they connect again; 0: their choice */
    void *reserved[4];
} spout_events_options;

/* Sends the head: text/event-stream, not to be cached nor held back. options NULL: all defaults.
   SPOUT_ESTATE if it was sent already. */
SPOUT_API int spout_events_start(
    spout_request *r, const spout_events_options *options) SPOUT_SUSPENDS;

typedef struct spout_event {
    const char *data;  /* any number of lines; NULL: none, so that only id or retry count */
    const char *event; /* its type; NULL: "message" */
    const char *id;    /* comes back as Last-Event-ID; NULL: the one before stays */
    int64_t retry_ms;  /* 0: unchanged */
    void *reserved[4];
} spout_event;

/* Sends an event at once; suspends while the client is too slow. SPOUT_ECLOSED when it is gone;
   SPOUT_EINVAL: a line end in .event or .id, and nothing is sent. */
SPOUT_API int spout_events_send(spout_request *r, const spout_event *event) SPOUT_SUSPENDS;

/* The id of the last event that the client got before it lost the connection; NULL: none. */
SPOUT_API const char *spout_last_event_id(spout_request *r);

#ifdef __cplusplus
}
#endif

#endif
