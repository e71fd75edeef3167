/*
 * WebSocket clients (Tornado's websocket_connect; RFC 6455, RFC 7692).
 *
 * A client's socket is the same type as a server's, with the same verbs (<spout/websocket.h>). It
 * is used in one of two ways: coroutines ask it for messages with spout_websocket_read, or, if its
 * handler has .message, .piece or .run, those are called as on a server. It can't join a topic: its
 * frames have masks of their own.
 *
 * Between reads a socket goes on to answer pings and to notice the end, until one message waits;
 * from then on nothing more is received, and TCP slows the server down. For a limit to a read set a
 * deadline: what comes too late is there for the next read.
 *
 * Example:
 *     static int watch(void *arg)
 *     {
 *         spout_websocket *ws = spout_websocket_connect("wss://example.org/prices", NULL);
 *         if (!ws)
 *             return -1;
 *         int result = spout_websocket_write_text(ws, "subscribe");
 *         spout_message m;
 *         while (result >= 0 && (result = spout_websocket_read(ws, &m)) > 0)
 *             show_price(arg, m.data);
 *         spout_websocket_unref(ws);
 *         return result;
 *     }
 */
#ifndef SPOUT_WEBSOCKETCLIENT_H
#define SPOUT_WEBSOCKETCLIENT_H

#include <spout/base.h>
#include <spout/tcpclient.h>
#include <spout/websocket.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_websocket_connect_options {
    /*
     * Functions and settings of the socket; copied. .compression is offered to the server,
     * .ping_interval_ms and the other settings mean what they mean on a server. .open runs on the
     * coroutine that connects, before any message is received; < 0 ends the connection, and the
     * attempt with that error. .check_origin, .select_subprotocol and .queue_policy mean nothing.
     */
    const spout_websocket_handler *handler;
    void *data; /* for spout_websocket_data */

    /* Further header lines, "Name: value" ("Authorization: Bearer …", "Origin: …", "Cookie: …"),
       ended by NULL. A Host replaces the URL's. The handshake's own ones can't be given. */
    const char *const *headers;
    const char *const *subprotocols; /* offered in this order, ended by NULL */

    int64_t connect_timeout_ms;   /* name, connection, proxy, TLS; 0: 20 s; SPOUT_NONE: no limit */
    int64_t handshake_timeout_ms; /* for the server's answer; 0: 20 s; SPOUT_NONE: no limit */

    /* How to connect: resolver, family, own address; .tls (a client's, for wss; NULL: the system's
       trust store) and .server_name (NULL: the URL's host). */
    const spout_tcp_connect_options *tcp;
    /* Connect to this socket ("@…": abstract); the URL gives Host and path. */
    const char *unix_path;
    /* "http://[user:password@]host:port": a proxy that is asked for a tunnel (CONNECT), by ws as by
       wss. NULL: none; the environment isn't asked. */
    const char *proxy;
    /* Redirects that are followed; 0: none. Never from wss to ws; to another host (or port)
       without Authorization and Cookie. */
    int max_redirects;
    /* The HTTP status that the server, or the proxy, has answered with at last; 0: none came. */
    int *ret_status;
    void *reserved[4];
} spout_websocket_connect_options;

/*
 * Connects and shakes hands (websocket_connect). The URL is ws or wss (or http, https); a user and
 * password in it go into an Authorization field. Shared: one reference is yours; when it is
 * dropped, a socket that is only read closes (1001), one with handlers lives on.
 *
 * NULL with the error set: SPOUT_EINVAL for the URL or an option; what connecting and TLS fail
 * with; SPOUT_EPROTO for an answer other than a proper 101, with its status in the message
 * (SPOUT_ENOTFOUND where it is 404); SPOUT_ETIMEDOUT, SPOUT_ECANCELED.
 */
SPOUT_API spout_websocket *spout_websocket_connect(
    const char *url, const spout_websocket_connect_options *options) SPOUT_SUSPENDS;

/* The .data of a client's socket; NULL on a server. */
SPOUT_API void *spout_websocket_data(const spout_websocket *ws);

/* --- staying connected --- */

/* How a connection ended, or that none was made. */
typedef struct spout_websocket_outcome {
    int close_code; /* the peer's; 0: lost, or never made */
    int status;     /* HTTP, of a handshake that failed; 0: none came */
    int error;    /* SPOUT_E…, with the error set, of a connection that could not be made; or 0 */
    int failures; /* in a row */
    int64_t retry_after_ms; /* what the server asks for, up to a day; -1: nothing */
} spout_websocket_outcome;

typedef struct spout_websocket_stay_options {
    const spout_websocket_connect_options *connect; /* NULL: all defaults */
    int64_t min_delay_ms; /* before the first attempt that follows a failure; 0: 500 */
    int64_t max_delay_ms; /* it doubles up to this; 0: 30 s */
    int max_failures;     /* in a row; 0: no limit */
    int64_t stable_ms;    /* a connection that lasted as long starts the count anew; 0: 10 s */
    /* Whether to try again, in place of the rules below. Not asked after max_failures. */
    bool (*should_retry)(const spout_websocket_outcome *outcome, void *data);
    void *reserved[4];
} spout_websocket_stay_options;

/* One connection: subscribes, then reads until the end. `data` is the connect options' .data. With a
   .handler that is called with messages NULL will do: .open subscribes. */
typedef int spout_websocket_session(spout_websocket *ws, void *data);

/*
 * Connects, calls `session` with the socket, and connects anew whenever the connection ends by
 * itself, with growing pauses of which a random half is left out. A session that returns while its
 * socket is open, or that has closed it, has had enough: the socket is closed (1000, or 1011 for
 * < 0) and its result returned.
 *
 * Not tried again: the close codes 1000, 1002, 1003, 1007 to 1010, 3000 and 3003; the handshake
 * statuses from 300 to 499 but 408, 425 and 429, and 501 and 505; a wrong URL or option, a
 * certificate that isn't trusted, a subprotocol or an extension that was not offered. Then the
 * result is 0 for 1000, else < 0 with the error set. SPOUT_ECANCELED and SPOUT_ETIMEDOUT of the
 * calling coroutine end everything at once.
 *
 * Example:
 *     static int session(spout_websocket *ws, void *data)
 *     {
 *         if (spout_websocket_write_text(ws, "subscribe prices") < 0)
 *             return -1;
 *         spout_message m;
 *         int result;
 *         while ((result = spout_websocket_read(ws, &m)) > 0)
 *             show_price(data, m.data);
 *         return result;
 *     }
 *     …
 *     return spout_websocket_stay_connected("wss://example.org/feed", session, NULL);
 */
SPOUT_API int spout_websocket_stay_connected(const char *url, spout_websocket_session *session,
    const spout_websocket_stay_options *options) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
