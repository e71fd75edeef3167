/*
 * What goes around handlers: functions around every request of an application or a handler, CORS,
 * and ids that lead through logs.
 *
 * Example:
 *     static int timed(spout_request *r)
 *     {
 *         int64_t start = spout_time_ms();
 *         int result = spout_next(r);             // the other functions, prepare, the method
 *         statsd_time(spout_handler_name(r), spout_time_ms() - start);
 *         return result;
 *     }
 *     static spout_method *const around[] = { timed, NULL };
 *     … .middleware = around of the application's options or of a handler
 */
#ifndef SPOUT_MIDDLEWARE_H
#define SPOUT_MIDDLEWARE_H

#include <spout/base.h>
#include <spout/web.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * In a function of .middleware: runs what lies inside it, and returns its result: the error of a
 * request that failed, 404 and 405 included, which the function passes on or replaces. What was
 * written has not been sent yet, unless the handler has flushed or finished it. Functions of the
 * application are outside those of the handler; the first of a list is the outermost. One that
 * doesn't call it answers in its place. SPOUT_ESTATE elsewhere, or when called twice.
 */
SPOUT_API int spout_next(spout_request *r) SPOUT_SUSPENDS;

/*
 * Who may read replies from pages of other sites (CORS, the Fetch standard): .cors of a handler, as
 * a rule of the base of all, and of the default handler. Adds the fields to every reply, error
 * pages too, and answers preflight requests (OPTIONS with Access-Control-Request-Method) with 204
 * before prepare. `Vary: Origin` is set where it has to be.
 */
typedef struct spout_cors_options {
    const char *const *origins; /* "https://app.example.com", ended by NULL; "*": anyone */
    /* Instead, for what isn't in the list. May not suspend. */
    bool (*allow_origin)(spout_request *r, const char *origin);
    bool credentials;           /* with cookies; not for anyone ("*") */
    const char *methods;        /* "GET, PUT"; NULL: those that the handler has */
    const char *headers;        /* that requests may have; NULL: what the browser asks for */
    const char *expose_headers; /* of replies that pages may read; NULL: the safelisted ones */
    int64_t max_age_s;          /* how long a preflight counts; 0: the browser's choice */
    void *reserved[4];
} spout_cors_options;

/* The id of the request for logs and other services: from .request_id_header if the client sent one
   of 1 to 128 letters, digits and -._~:+/=@, else a new UUID. */
SPOUT_API const char *spout_request_id(spout_request *r);

#ifdef __cplusplus
}
#endif

#endif
