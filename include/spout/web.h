/*
 * The web framework (Tornado's web): applications, handlers, requests and replies.
 *
 * A handler is a table of functions; a request is what Tornado's handler object is: what came in,
 * what goes out, and the state of one request. Each request runs on a coroutine of its own: calling
 * is awaiting, returning ends the reply.
 *
 * A method returns 0 when the reply is what it has written, or < 0 with an error, which becomes the
 * error page: the status that spout_fail gave it, else 500, logged with its causes. A positive
 * result is a programming error (500).
 *
 * Order for each request (RequestHandler): initialize → set_default_headers → [middleware: 405 if
 * there is no such method → 400 if the query isn't UTF-8 → XSRF check → prepare → addslash,
 * removeslash, authenticated → the method] → the reply is sent → access log → on_finish. A prepare
 * that finishes the reply ends it there. An OPTIONS without a method of its own answers 204 with
 * Allow, after prepare; where no route matches, prepare of the default handler runs before the 404.
 *
 * A request that failed because its client went away (SPOUT_ECLOSED, SPOUT_ECANCELED) is logged
 * with status 499, and not as an error.
 *
 * Everything handed out is scoped to the request, unless said otherwise.
 *
 * Example:
 *     static int story_get(spout_request *r)
 *     {
 *         const char *format = spout_argument(r, "format", "html");
 *         if (spout_path_int(r, "id") > 1000)
 *             return spout_fail(r, 404, "no such story");
 *         return spout_write_json(r, json_pack("{s:s}", "format", format));
 *     }
 *     static const spout_handler story = { .get = story_get };
 *     static const spout_route routes[] = { { "/story/{id:int}", &story }, { 0 } };
 */
#ifndef SPOUT_WEB_H
#define SPOUT_WEB_H

#include <spout/base.h>
#include <spout/httpserver.h>
#include <spout/httputil.h>
#include <spout/loop.h>
#include <spout/netutil.h>

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_application spout_application;
typedef struct spout_request spout_request;
typedef struct spout_handler spout_handler;
struct spout_cookie_options;
struct spout_cors_options;
struct spout_secret;
struct spout_session_options;
struct spout_websocket_handler;
struct spout_static_options;

typedef int spout_method(spout_request *r) SPOUT_SUSPENDS;

/* In a handler: clears a function that .base would give. Never called. */
SPOUT_API int spout_no_hook(spout_request *r);

/* A handler. Static data as a rule; must outlive the application. Unset members (0, NULL) come from
   .base, its base, and so on. Flags: 0 inherit, 1 on, SPOUT_NONE off. */
struct spout_handler {
    const spout_handler *base;
    const char *name; /* for spout_reverse_url, logs and statistics; not inherited */

    spout_method *get, *head, *post, *del, *patch, *put, *options; /* HEAD falls back to get */
    /* Methods that have no member set here, TRACE and unknown ones too; CONNECT is always 405. */
    spout_method *any;

    spout_method *initialize; /* may not write or suspend */
    /* Before each reply and again before each error page; may not suspend. Runs on the loop itself
       where a 503 says that no coroutine can be had. */
    spout_method *set_default_headers;
    spout_method *prepare;
    spout_method *on_finish; /* after the reply is handed over and logged */
    /* The client went away while the method runs; on a coroutine of its own. */
    spout_method *on_connection_close;
    /* Writes the page for spout_get_status(r); the error is spout_error_current. */
    spout_method *write_error;
    /* Instead of the log's words for a failed request, which is spout_error_current; the access
       log's line stays. May not suspend. */
    spout_method *log_exception;
    /* Calls spout_set_current_user if there is one; < 0 fails the request. See <spout/auth.h>. */
    spout_method *get_current_user;
    /* Instead of spout_check_xsrf_cookie. */
    spout_method *check_xsrf_cookie;

    /* GET upgrades; one that asks for no upgrade goes to .get, or 400. */
    const struct spout_websocket_handler *websocket;
    /* GET and HEAD serve files; the pattern captures {path:path} or one group. See
       <spout/static.h>. */
    const struct spout_static_options *static_files;

    const void *config;  /* spout_config(r) */
    size_t state_size;   /* bytes of spout_state(r), zeroed for each request */
    int stream_body;     /* the method starts when the head is there: spout_read_body */
    int cancel_on_close; /* the client's leaving, or the end of its input, cancels the coroutine */
    int raw_arguments;   /* a query that isn't UTF-8 is the method's business: it reads raw pairs */
    int authenticated;   /* the methods are for users that are logged in: <spout/auth.h> */
    int xsrf_cookies;    /* the XSRF check before prepare; unset in all bases: the application's */
    int addslash;        /* GET and HEAD of a path without its last slash: 301 to it; others: 404 */
    int removeslash;     /* the other way round */
    int etag;            /* automatic ETag and 304 for complete 200 replies to GET and HEAD: on */
    int compress_response; /* unset in all bases: the application's */
    /* Instead of the server's; SPOUT_NONE: no limit. */
    int64_t max_body_size, body_timeout_ms, min_body_rate, request_timeout_ms;
    const char *login_url;                 /* instead of the application's */
    spout_method *const *middleware;       /* ended by NULL: <spout/middleware.h> */
    const struct spout_cors_options *cors; /* the same page */
    /* A table of its own for paths that the route's pattern matches, which decides only whether to
       look there: the patterns of the table are for the whole path again. Where none of them
       matches, the outer table goes on. All other members are unused then. */
    const struct spout_route *routes;
    /* The request is another application's from here on (FallbackHandler): its routes, handlers,
       limits and log; the path stays as it is. Called when the head is there, on the loop: may look
       at the request, neither write nor suspend. NULL with the error set fails the request (500
       unless spout_fail said otherwise). The other application is one of the same loop, and lives
       at least as long as this one. Nothing else of this handler counts then but .config. */
    spout_application *(*fallback)(spout_request *r);
    void *reserved[4];
};

/* A table of routes ends with { 0 }. A pattern is a regular expression (PCRE2), anchored at both
   ends, in which {name}, {name:int} (1–18 digits) and {name:path} (anything, slashes too, or
   nothing) stand for a segment, a number, the rest. It is matched against the path as received,
   still percent-encoded; captures are decoded, and a capture that isn't UTF-8 or holds a NUL is a
   400. The first match of the table wins (URLSpec). */
typedef struct spout_route {
    const char *pattern;
    const spout_handler *handler;
} spout_route;

/* What the access log knows of a finished request; scoped to the call. */
typedef void spout_log_function(spout_request *r);

/*
 * What bodies go through on their way out, before .compress_response (OutputTransform): called with
 * each part, when it is flushed or complete, *part being empty if there is none; `last` at the end.
 * May set *part to something else, as a rule a scoped text, which is of a scope for this part only,
 * and change status and fields while the head was not sent. < 0 fails the request, whose error page
 * goes out as it is. May not suspend. A Content-Length of the handler doesn't count.
 *
 *     static int shout(spout_request *r, spout_bytes *part, bool last)
 *     {
 *         (void)last;
 *         *part = spout_bytes_of(upper_case(*part));
 *         return 0;
 *     }
 */
typedef int spout_transform(spout_request *r, spout_bytes *part, bool last);

/* What the message of an access log record is. JSON: an object with time (RFC 3339), status,
   method, uri, host, remote_ip, duration_ms, bytes (of the body, before it was framed), handler,
   request_id, user_agent, referer and remark; those that are not known are left out. */
typedef enum spout_access_log_format {
    SPOUT_ACCESS_LOG_TEXT, /* "200 GET /x (127.0.0.1) 1.23ms", and " [request id]" */
    SPOUT_ACCESS_LOG_JSON
} spout_access_log_format;

/* Copied; what it points at is not, unless it says so: that outlives the application. */
typedef struct spout_application_options {
    void *data; /* spout_data(r) */
    /* When nothing matches: its methods if it has one for the request, else 404 with its default
       headers and its write_error. NULL: 404. */
    const spout_handler *default_handler;
    spout_method *const *middleware; /* around all requests, ended by NULL: <spout/middleware.h> */
    /* Of all replies, error pages too, but not of files; in this order, ended by NULL
       (add_transform). */
    spout_transform *const *transforms;
    spout_log_function *log_function; /* instead of the access log; spout_no_log switches it off */
    spout_access_log_format access_log;
    const char *request_id_header; /* "X-Request-Id": read, sent back and logged; NULL: off */
    /* Error pages show message, causes and request (but its cookies and Authorization): for
       development. */
    bool serve_traceback;
    const char *server_header; /* NULL: "Waterspout/VERSION"; "": none */

    /* Replies of types that shrink (text, JSON, JavaScript, XML, SVG) are sent as the client likes
       them best: brotli where the library was built with it, gzip, or plain. Complete ones from
       1,024 bytes on, and each part that is flushed. They vary by Accept-Encoding; an automatic
       ETag differs for each coding, a strong one of the handler becomes weak. Not for 206, files
       of more than 64 KiB, what has a Content-Encoding, Cache-Control: no-transform. Don't compress
       pages that show secrets next to what the client has sent (BREACH). */
    bool compress_response;

    /* Keys for signed cookies and sessions, see <spout/cookies.h>: one, or several ended by { 0 },
       of which the one with .key_version signs. */
    const char *cookie_secret;
    const struct spout_secret *cookie_secrets;
    int key_version;

    /* Forged requests from other sites are refused: see <spout/auth.h>. */
    bool xsrf_cookies;
    int xsrf_cookie_version;      /* of the tokens that are made: 1 or 2; 0: 2 */
    const char *xsrf_cookie_name; /* NULL: "_xsrf"; "__Host-xsrf" keeps subdomains out */
    const struct spout_cookie_options *xsrf_cookie_options; /* copied */
    const struct spout_session_options *session;            /* NULL: none; see <spout/session.h> */
    const char *login_url; /* where .authenticated handlers send those who aren't */

    /* A folder whose files are served before all routes, below .static_url_prefix, and as
       /robots.txt and /favicon.ico; spout_static_url makes the URLs. See <spout/static.h>. NULL:
       none. */
    const char *static_path;
    const char *static_url_prefix; /* with its slashes; NULL: "/static/" */
    /* What these routes' handler has as .base (static_handler_class); of .static_files of its own
       all members count but the path. NULL: nothing. */
    const spout_handler *static_handler;

    /* Requests for other hosts see the routes of this one too, unless they have an X-Real-Ip: they
       came through a proxy. For development: with it a page of another site whose name is made to
       lead here (DNS rebinding) sees them as well. */
    const char *default_host;

    /* Of forms whose fields are arguments, and where spout_form_options says nothing
       (set_parse_body_config); NULL: the defaults. */
    const spout_multipart_options *multipart;

    spout_http_server_options http;
    void *reserved[4];
} spout_application_options;

/* Flattens and checks the handlers and compiles the routes. Owned. NULL: a bad pattern, a cycle of
   bases, a name that two handlers have, a static folder that isn't there. An application serves on
   one loop: each loop and each worker has its own. */
SPOUT_API spout_application *spout_application_new(
    const spout_route *routes, const spout_application_options *options);
SPOUT_API void spout_application_free(
    spout_application *application); /* its servers first, which it frees too; NULL is fine */

/* Routes for hosts that match a regular expression as a whole (add_handlers): of the Host header,
   lower-cased, without its port. They go before the application's own table; of several calls the
   earlier counts. The requests of a running application see them at once. SPOUT_EINVAL as
   spout_application_new; then nothing is changed. */
SPOUT_API int spout_application_add_handlers(
    spout_application *application, const char *host_pattern, const spout_route *routes);

SPOUT_API void *spout_application_data(spout_application *application);

/* Makes a server for the application on the current loop and listens (listen). options NULL: any
   free port. The server is the application's. */
SPOUT_API spout_http_server *spout_application_listen(
    spout_application *application, const spout_listen_options *options);
/* The same without a socket yet: for spout_http_server_add_socket. */
SPOUT_API spout_http_server *spout_application_server(spout_application *application);

/* Connections that the application's servers have open now, WebSockets included. */
SPOUT_API size_t spout_application_connections(const spout_application *application);

SPOUT_API void spout_no_log(spout_request *r);

/* The path of a named route with its captures filled in, percent-encoded, from `count` texts
   (reverse_url). */
SPOUT_API const char *spout_reverse_url(
    spout_request *r, const char *name, const char *const *values, size_t count);

/* --- what came in --- */

SPOUT_API const char *spout_get_method(spout_request *r);
SPOUT_API const char *spout_uri(
    spout_request *r); /* the request target as received; bytes that aren't UTF-8 as Latin-1 */
SPOUT_API spout_bytes spout_uri_bytes(spout_request *r);    /* the same, raw */
SPOUT_API const char *spout_path(spout_request *r);         /* its path, still percent-encoded */
SPOUT_API const char *spout_query(spout_request *r);        /* behind '?', "" if none */
SPOUT_API const char *spout_http_version(spout_request *r); /* "HTTP/1.1" */
SPOUT_API const char *spout_protocol(spout_request *r);     /* "http" or "https" */
/* What the connection has agreed on, and whose certificate the client has (get_ssl_certificate):
   see <spout/tls.h>. SPOUT_ESTATE for "http", also behind a proxy that ends TLS. */
struct spout_tls_info;
SPOUT_API int spout_request_tls_info(spout_request *r, struct spout_tls_info *ret_info);
SPOUT_API const char *spout_host(spout_request *r);      /* host[:port], lower-cased */
SPOUT_API const char *spout_full_url(spout_request *r);  /* protocol, host and target */
SPOUT_API const char *spout_remote_ip(spout_request *r); /* "" for a Unix socket */

/* A request header by name, case ignored; repeated ones joined by ", "; `fallback` if there is
   none. Bytes that aren't UTF-8 are read as Latin-1. */
SPOUT_API const char *spout_header(spout_request *r, const char *name, const char *fallback);
SPOUT_API spout_bytes spout_header_bytes(
    spout_request *r, const char *name); /* raw; the last of repeated ones; data NULL if none */
SPOUT_API size_t spout_header_count(spout_request *r);
SPOUT_API bool spout_header_at(spout_request *r, size_t index, spout_bytes *ret_name,
    spout_bytes *ret_value); /* as received */

/* A path capture by name ({name} or a named group), or by number from 1: percent-decoded. NULL if
   it took no part in the match. */
SPOUT_API const char *spout_path_argument(spout_request *r, const char *name);
SPOUT_API const char *spout_path_argument_at(spout_request *r, size_t index);
SPOUT_API int64_t spout_path_int(
    spout_request *r, const char *name); /* of {name:int}, or of 1–18 digits; 0 for anything else */

/*
 * The last value of an argument in query and form body (get_argument): UTF-8, control characters
 * blanked, stripped of outer white space, Unicode's too. `fallback` if there is none.
 *
 * Forms are bodies of type application/x-www-form-urlencoded and multipart/form-data. They are
 * decoded when a handler first asks for something in them. A malformed one, and a value that isn't
 * UTF-8, gives `fallback` and fails the request: whatever the method returns, the reply is a 400
 * "Invalid body: …". Raw pairs never fail for not being UTF-8.
 */
SPOUT_API const char *spout_argument(spout_request *r, const char *name, const char *fallback);
SPOUT_API const char *spout_query_argument(
    spout_request *r, const char *name, const char *fallback);
/* With the white space around it (strip=False), for what is secret or preformatted. */
SPOUT_API const char *spout_argument_unstripped(
    spout_request *r, const char *name, const char *fallback);
SPOUT_API const char *spout_query_argument_unstripped(
    spout_request *r, const char *name, const char *fallback);
SPOUT_API const char *spout_body_argument_unstripped(
    spout_request *r, const char *name, const char *fallback);
SPOUT_API const char *spout_body_argument(spout_request *r, const char *name, const char *fallback);
SPOUT_API size_t spout_arguments(
    spout_request *r, const char *name, const char *const **ret_values); /* all, query first */
SPOUT_API size_t spout_query_arguments(
    spout_request *r, const char *name, const char *const **ret_values);
SPOUT_API size_t spout_body_arguments(
    spout_request *r, const char *name, const char *const **ret_values);

/* The same, but required: NULL with a 400 "Missing argument NAME" set, so that `if (!x) return -1;`
   is complete. */
SPOUT_API const char *spout_need_argument(spout_request *r, const char *name);
SPOUT_API const char *spout_need_query_argument(spout_request *r, const char *name);
SPOUT_API const char *spout_need_body_argument(spout_request *r, const char *name);

/* Raw pairs and files as received, for those who need bytes. */
SPOUT_API size_t spout_query_pairs(spout_request *r, const spout_pair **ret_pairs);
SPOUT_API size_t spout_body_pairs(spout_request *r, const spout_pair **ret_pairs);
SPOUT_API size_t spout_files(spout_request *r, const spout_file **ret_files);

SPOUT_API const char *spout_cookie(
    spout_request *r, const char *name, const char *fallback); /* get_cookie */
SPOUT_API size_t spout_cookies(spout_request *r, const spout_pair **ret_pairs);

SPOUT_API spout_bytes spout_body(spout_request *r); /* complete, unless .stream_body */

/* The body as JSON, whatever its Content-Type: borrowed, valid with the request. NULL with a 400
   set: not JSON, nested deeper than 128. Any value, not only objects and arrays; texts may hold a
   NUL. Of repeated keys the last counts. */
SPOUT_API json_t *spout_need_json(spout_request *r);

/* With .stream_body: the next piece, > 0 with it (scoped until the next call), 0 at the end, < 0;
   what is wrong with the body (400, 408, 413) comes as an error with that status. The first call
   sends the 100 that the client may be waiting for. */
SPOUT_API int spout_read_body(spout_request *r, spout_bytes *ret_piece) SPOUT_SUSPENDS;

/* Other limits for this request's body (set_max_body_size, set_body_timeout): in prepare or the
   method of a handler with .stream_body, before what they concern is read. SPOUT_NONE: no limit; no
   body timeout means no rate either. SPOUT_ESTATE in other handlers, whose bodies are there
   already. */
SPOUT_API int spout_set_max_body_size(spout_request *r, int64_t bytes);
SPOUT_API int spout_set_body_timeout(spout_request *r, int64_t timeout_ms);

/* --- what goes out --- */

/* These fail with SPOUT_EINVAL for what a head may not hold, and with SPOUT_ESTATE once it was
   sent; nothing is changed then. */
SPOUT_API int spout_set_status(spout_request *r, int status,
    const char *reason); /* 200–999; reason NULL: the standard phrase */
SPOUT_API int spout_get_status(spout_request *r);
/* Replaces. Content-Length has to agree with what is written (500 otherwise); `Connection: close`
   ends the connection behind the reply; Transfer-Encoding is the server's (SPOUT_EINVAL). */
SPOUT_API int spout_set_header(spout_request *r, const char *name, const char *value);
SPOUT_API int spout_add_header(spout_request *r, const char *name, const char *value);
SPOUT_API int spout_clear_header(spout_request *r, const char *name);
SPOUT_API const char *spout_get_reply_header(
    spout_request *r, const char *name); /* NULL if unset */

/* Begins the reply anew: status 200, the fields that every reply has, set_default_headers, an empty
   body (clear). Cookies stay. SPOUT_ESTATE once the head was sent. */
SPOUT_API int spout_clear(spout_request *r);

/* Appends to the reply (write). Sent when the method returns, or by spout_flush; up to 256 MiB are
   held. Returns 0, never a count. A failure is sticky: it becomes the error of the request, unless
   the method returns another. SPOUT_ECLOSED when the client is gone, SPOUT_ESTATE after
   spout_finish. */
SPOUT_API int spout_write(spout_request *r, const char *text);
SPOUT_API int spout_write_bytes(spout_request *r, spout_bytes bytes);
SPOUT_API int spout_write_format(spout_request *r, const char *format, ...) SPOUT_PRINTF(2, 3);
/* Steals the reference. Sets Content-Type: application/json; charset=UTF-8. Compact, characters
   beyond ASCII as they are. Any value, nested at most 128 deep. NULL is a 500 with its cause. */
SPOUT_API int spout_write_json(spout_request *r, json_t *value);

/* Sends what is written so far, the head first; suspends while the client is too slow (flush). No
   ETag then, and chunks unless Content-Length was set. SPOUT_ETIMEDOUT and SPOUT_ECANCELED end the
   wait only: what was written is on its way. */
SPOUT_API int spout_flush(spout_request *r) SPOUT_SUSPENDS;
/* Ends the reply before the method returns: for work that comes after it (finish). The next request
   of the connection waits for that. */
SPOUT_API int spout_finish(spout_request *r) SPOUT_SUSPENDS;
SPOUT_API bool spout_is_finished(spout_request *r);
SPOUT_API bool spout_is_gone(spout_request *r); /* the client went away */

/* Location as given; status 300–399, 0: 302. Ends the reply. */
SPOUT_API int spout_redirect(spout_request *r, const char *url, int status) SPOUT_SUSPENDS;

/*
 * Takes the connection out of HTTP (detach), for a protocol of your own. Sends the 101 with the
 * reply's headers and `Upgrade: protocol`, which the client must have asked for (else 400, RFC 9110
 * §7.8); with protocol NULL nothing: what the client gets is then yours from the first byte. The
 * stream is owned and may outlive the request; what had come behind the request is read from it
 * first. NULL with the error set: SPOUT_EUNSUPPORTED where a connection has more than this request,
 * SPOUT_ESTATE after a head was sent, with a body that was not read or earlier replies still on
 * their way, SPOUT_ECLOSED.
 *
 *     spout_stream *line = spout_detach(r, "echo");
 *     return line ? serve_line(line) : -1;
 */
struct spout_stream;
SPOUT_API struct spout_stream *spout_detach(spout_request *r, const char *protocol) SPOUT_SUSPENDS;

/* Sets the error: `return spout_fail(r, 404, "no such story");`. The message goes to the log (an
   empty one logs nothing), and to the page only with serve_traceback. A status other than 400–599
   becomes 500. A reason phrase that spout_set_status gave for the same status stays (HTTPError's
   reason). */
SPOUT_API int spout_fail(spout_request *r, int status, const char *format, ...) SPOUT_PRINTF(3, 4);

/* --- around it --- */

SPOUT_API void *spout_data(spout_request *r);         /* the application's */
SPOUT_API const void *spout_config(spout_request *r); /* the handler's */
SPOUT_API void *spout_state(spout_request *r); /* the request's, zeroed; NULL without .state_size */
SPOUT_API const char *spout_handler_name(spout_request *r); /* "" if the handler has none */
SPOUT_API int64_t spout_request_time_us(spout_request *r);  /* since the head was complete */
SPOUT_API spout_application *spout_request_application(spout_request *r);

/*
 * Ready-made methods.
 *
 * Example:
 *     static const spout_handler moved = {
 *         .get = spout_redirect_handler,
 *         .config = &(const spout_redirect_options){ .url = "/new/{0}" },
 *     };
 *     static const spout_handler gone = {
 *         .any = spout_error_handler, .config = &(const spout_error_options){ .status = 410 } };
 */
typedef struct spout_redirect_options {
    const char *url; /* {0}, {1} … and {name} stand for the captures, percent-encoded */
    bool temporary;  /* 302 instead of 301 */
    void *reserved[4];
} spout_redirect_options;
/* RedirectHandler: the query is appended. .config is spout_redirect_options. 403 where a capture
   would lead to another host ("//evil"). */
SPOUT_API int spout_redirect_handler(spout_request *r) SPOUT_SUSPENDS;

typedef struct spout_error_options {
    int status;
    const char *message; /* for the log; NULL: nothing to say */
    void *reserved[4];
} spout_error_options;
/* ErrorHandler: .config is spout_error_options. As .any of a handler it is exempt from the XSRF
   check. */
SPOUT_API int spout_error_handler(spout_request *r);

#ifdef __cplusplus
}
#endif

#endif
