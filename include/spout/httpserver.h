/*
 * The HTTP/1.1 server (Tornado's httpserver; RFC 9110, RFC 9112). Made by spout_application_listen;
 * most programs need no more of it than these options.
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
    int64_t idle_timeout_ms;   /* keep-alive; 75 s (idle_connection_timeout) */
    int64_t write_timeout_ms;  /* without progress; 30 s: the connection is dropped */
    int64_t drain_timeout_ms;  /* of spout_http_server_drain; 10 s */
    int64_t max_connections;   /* no limit; beyond: 503 and close */
    bool no_keep_alive;        /* close after each reply */
    void *reserved[4];
} spout_http_server_options;

/* Opens sockets and accepts on them. 0, or the error of spout_bind_sockets. */
SPOUT_API int spout_http_server_listen(
    spout_http_server *server, const spout_listen_options *options);
/* Accepts on a listening socket that is open already: the server's from now on (add_sockets). */
SPOUT_API int spout_http_server_add_socket(spout_http_server *server, int listen_fd);
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
