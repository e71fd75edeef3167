/*
 * Connecting by name (Tornado's tcpclient): Happy Eyeballs, RFC 8305.
 *
 * The addresses of a host are tried in their order, the families taking turns. The next attempt
 * starts 250 ms after the last one, or as soon as one fails; the first connection that is made wins
 * and the others are closed. The deadline of the coroutine is for all together: lookup, connecting
 * and TLS.
 *
 * Example:
 *     spout_stream *stream = spout_tcp_connect("example.org", 25, NULL);
 *     if (!stream)
 *         return -1;   // cannot connect to example.org:25 (tried 192.0.2.1:25): Connection refused
 */
#ifndef SPOUT_TCPCLIENT_H
#define SPOUT_TCPCLIENT_H

#include <spout/base.h>
#include <spout/resolver.h>
#include <spout/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

struct spout_tls;

typedef struct spout_tcp_connect_options {
    spout_resolver *resolver; /* NULL: the loop's default */
    spout_family family;      /* only addresses of this family (af) */
    /* A numeric address of this machine to connect from: only addresses of its family are tried. */
    const char *source_ip;
    int source_port;          /* 0: any */
    int64_t attempt_delay_ms; /* before the next address is tried meanwhile; 0: 250 */
    spout_stream_options stream;
    struct spout_tls *tls;   /* a client's, see <spout/tls.h>: the stream speaks TLS */
    const char *server_name; /* whom the certificate must name; NULL: the host */
    void *reserved[4];
} spout_tcp_connect_options;

/*
 * Connects to a host name, a numeric address or (with a '/' or a leading '@') a Unix socket.
 * TCP_NODELAY is set. Owned. NULL with the error set, all addresses that were tried and what became
 * of them in its message: SPOUT_ESYSTEM with the errno of the last failure, SPOUT_ETIMEDOUT,
 * SPOUT_ECANCELED, SPOUT_EINVAL; SPOUT_ENOTFOUND and the others of spout_resolve, and of
 * spout_stream_start_tls.
 */
SPOUT_API spout_stream *spout_tcp_connect(
    const char *host, int port, const spout_tcp_connect_options *options) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
