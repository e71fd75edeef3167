/*
 * The HTTP/1.1 server (Tornado's httpserver; RFC 9110, RFC 9112). Made by spout_application_listen;
 * most programs need no more of it than these options.
 *
 * For the loop's metrics (<spout/loop.h>): http_connections is how many are open now, WebSockets
 * and those with a 503 on its way among them; http_accepted counts connections within
 * .max_connections, http_shed those beyond. http_replies_1xx, _2xx, _3xx, _4xx and _5xx count what
 * applications have answered, by the class of the status; .request is told of each of these.
 * http_refused counts requests that no application saw, since they were malformed, too large or
 * too slow: these are in neither of the two.
 */
#ifndef SPOUT_HTTPSERVER_H
#define SPOUT_HTTPSERVER_H

#include <spout/base.h>
#include <spout/netutil.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_http_server spout_http_server;

/* 0: the default; SPOUT_NONE: no limit. Sizes in bytes, times in milliseconds. */
typedef struct spout_http_server_options {
    int64_t max_line_size;     /* request line; 16 KiB; beyond: 414 */
    int64_t max_header_size;   /* request line and headers together; 64 KiB; beyond: 431 */
    int64_t max_header_count;  /* 200; beyond: 431 */
    int64_t max_body_size;     /* 100 MiB; beyond: 413 */
    int64_t header_timeout_ms; /* from the first byte to the blank line; 10 s; beyond: 408 */
    int64_t body_timeout_ms;   /* without progress; 30 s; beyond: 408 */
    /* Bytes a second that have to come of a body, on average over the time that the server has
       waited for it, of which the first ten seconds don't count; 240; below: 408. */
    int64_t min_body_rate;
    int64_t idle_timeout_ms;  /* keep-alive; 75 s (idle_connection_timeout) */
    int64_t write_timeout_ms; /* without progress; 30 s: the connection is dropped */
    int64_t min_write_rate;   /* as min_body_rate, while the client's connection is full; 240 */
    int64_t drain_timeout_ms; /* of spout_http_server_drain; 10 s */
    int64_t max_connections;  /* no limit; beyond: 503 with Retry-After, and close */
    bool no_keep_alive;       /* close after each reply */
    /* From the request until its reply is complete; no limit (SPOUT_ZERO counts as that). Beyond:
       503 with Retry-After if nothing was sent yet, and the connection ends; to the handler its
       client has gone. WebSockets are free of it. */
    int64_t request_timeout_ms;
    /* Take gzip off request bodies; max_body_size then holds for what comes out as well (413).
       Content-Encoding becomes X-Consumed-Content-Encoding. Damaged or cut short: 400. */
    bool decompress_request;
    int64_t chunk_size; /* the most that a streamed body gives at once; 64 KiB */
    /*
     * Believe the proxy in front of the server: spout_remote_ip is the last entry of
     * X-Forwarded-For that isn't in trusted_downstream, or without that header X-Real-Ip;
     * spout_protocol the last of X-Scheme, or else X-Forwarded-Proto, if it is "http" or "https".
     * The proxy must set these or take them off; a client that reaches the server directly can
     * write anything, so trusted_downstream should name the proxies (spout_client_ip).
     */
    bool xheaders;
    /*
     * The same for proxies that write Forwarded (RFC 7239) instead: its elements are read from the
     * last one on, each being the word of the trusted one behind it, up to the first client that
     * isn't trusted, or is no address; the protocol is that of the element where this ends. Not
     * together with xheaders (SPOUT_EINVAL): a proxy that writes the one kind passes on what a
     * client has written into the other. A malformed header says nothing.
     */
    bool forwarded;
    /* Addresses and networks ("10.0.0.0/8"), ended by NULL, copied. Peers other than these, and
       than Unix sockets, are not believed. NULL: whoever connects is. */
    const char *const *trusted_downstream;
    const char *protocol; /* what spout_protocol says: "http" or "https"; NULL: what is spoken */
    /* Fields of the pages that the server writes by itself, since no handler has seen the request
       (400, 408, 414, 417, 431, 501, 503, 505): "Access-Control-Allow-Origin: *" and such. Ended by
       NULL, copied; 8 at most. */
    const char *const *error_headers;
    void *reserved[4];
} spout_http_server_options;

/* Opens sockets and accepts on them. 0, or the error of spout_bind_sockets. */
SPOUT_API int spout_http_server_listen(
    spout_http_server *server, const spout_listen_options *options);
/* Accepts on a listening socket that is open already: the server's from now on (add_sockets). */
SPOUT_API int spout_http_server_add_socket(spout_http_server *server, int listen_fd);
/* The same for https:// (RFC 9110, 4.2.2), with a reference to tls of its own: the protocol is
   http/1.1. To a peer that speaks plain HTTP there it says so, with 400. */
SPOUT_API int spout_http_server_add_tls_socket(
    spout_http_server *server, int listen_fd, struct spout_tls *tls);
/* The same for several, such as those of spout_bind_sockets or spout_listen_fds. Of the options,
   which may be NULL, .tls and .proxies count. All or none: on failure they stay the caller's. */
SPOUT_API int spout_http_server_add_sockets(spout_http_server *server,
    const spout_listener *listeners, int count, const spout_listen_options *options);
/* The port of the first socket. */
SPOUT_API int spout_http_server_port(const spout_http_server *server);
/* Connections that are open now. */
SPOUT_API size_t spout_http_server_connections(const spout_http_server *server);

/* Accepts no more; open connections go on (stop). */
SPOUT_API void spout_http_server_stop(spout_http_server *server);

/*
 * Stops, closes idle connections, lets running requests finish (their replies say `Connection:
 * close`), closes WebSockets with 1001, and returns when nothing is open or the drain time is over,
 * when the rest is cut.
 */
SPOUT_API int spout_http_server_drain(spout_http_server *server) SPOUT_SUSPENDS;

/* Cuts all connections at once (close_all_connections) and frees. NULL is fine. */
SPOUT_API void spout_http_server_free(spout_http_server *server);

#ifdef __cplusplus
}
#endif

#endif
