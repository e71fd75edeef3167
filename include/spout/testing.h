/*
 * The test kit (Tornado's testing): requests against an application without sockets, and a clock
 * that tests move by hand.
 *
 * Example:
 *     spout_test_response *response = spout_test_fetch(application, &(spout_test_request){ .url = "/" });
 *     assert(response->status == 200 && strcmp(response->body.data, "Hello, world") == 0);
 *     spout_test_response_free(response);
 */
#ifndef SPOUT_TESTING_H
#define SPOUT_TESTING_H

#include <spout/base.h>
#include <spout/web.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_test_header {
    const char *name, *value;
} spout_test_header;

typedef struct spout_test_request {
    const char *method; /* NULL: GET */
    const char *url;    /* path and query */
    /* ended by { 0 }; Host and Content-Length are added where missing */
    const spout_test_header *headers;
    spout_bytes body;
    void *reserved[4];
} spout_test_request;

typedef struct spout_test_response {
    int status;
    const char *reason;
    const spout_test_header *headers; /* ended by { 0 } */
    spout_bytes body;                 /* NUL behind it */
    bool complete;                    /* false: the connection was reset before the reply's end */
} spout_test_response;

/* Runs one request through the application over the in-memory exchange (AsyncHTTPTestCase.fetch).
   Outside a coroutine it turns the current loop until the handler is done, on one it suspends. A
   malformed request gets the status that a client would see. Owned. NULL with the error set: no
   reply came, within 5 s on a coroutine. */
SPOUT_API spout_test_response *spout_test_fetch(
    spout_application *application, const spout_test_request *request) SPOUT_SUSPENDS;
SPOUT_API void spout_test_response_free(spout_test_response *response);
/* NULL if unset */
SPOUT_API const char *spout_test_response_header(
    const spout_test_response *response, const char *name);

/*
 * A clock for spout_loop_options that goes on only when it is told to: tests of timers take no time
 * and have no luck. spout_test_clock_skip lets it jump to the next timer whenever the loop would
 * only wait.
 *
 * Example:
 *     spout_test_clock *clock = spout_test_clock_new();
 *     spout_test_clock_skip(clock, true);
 *     spout_loop *loop = spout_loop_new(&(spout_loop_options){ .clock = spout_test_clock_table(clock) });
 */
typedef struct spout_test_clock spout_test_clock;
SPOUT_API spout_test_clock *spout_test_clock_new(void); /* owned; outlives the loops that use it */
SPOUT_API void spout_test_clock_free(spout_test_clock *clock);

/* Before the loop is made, which copies the table. */
SPOUT_API void spout_test_clock_skip(spout_test_clock *clock, bool on);
SPOUT_API const spout_clock *spout_test_clock_table(spout_test_clock *clock);

SPOUT_API void spout_test_clock_advance_ms(spout_test_clock *clock, int64_t ms);

#ifdef __cplusplus
}
#endif

#endif
