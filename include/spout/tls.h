/*
 * TLS for servers and clients (Tornado's netutil.ssl_options_to_context), by OpenSSL 3.
 *
 * A spout_tls holds certificates and rules; connections share it. It belongs to one thread, but may
 * be made before worker processes are forked.
 *
 * TLS 1.2 and 1.3 only, ciphers with forward secrecy and authenticated encryption, the server's
 * order, no compression, no renegotiation, no early data. Clients verify the chain and the host
 * name unless .insecure says otherwise.
 *
 * Sessions are resumed by tickets (RFC 5077, RFC 8446) for two hours. Their keys are replaced every
 * two hours, those of the period before are good for one more; workers that were forked after
 * spout_tls_server_new replace them in step, and resume each other's sessions. A full handshake
 * gives a client one ticket, and so does a resumed one.
 *
 * Files are encrypted on their way through memory, 16 KiB at a time. The kernel's TLS (kTLS) is not
 * used: OpenSSL drives it only through socket BIOs of its own, which raise SIGPIPE and can't keep
 * what the system refuses for later.
 *
 * Example:
 *     spout_tls *tls = spout_tls_server_new(
 *         &(spout_tls_options){ .cert_file = "server.pem", .key_file = "server.key" });
 *     if (!tls || !spout_application_listen(
 *                     application, &(spout_listen_options){ .port = 443, .tls = tls }))
 *         return -1;
 *     spout_tls_unref(tls);
 */
#ifndef SPOUT_TLS_H
#define SPOUT_TLS_H

#include <spout/base.h>
#include <spout/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_tls spout_tls;

typedef enum spout_tls_version {
    SPOUT_TLS_DEFAULT, /* 1.2 */
    SPOUT_TLS_1_2,
    SPOUT_TLS_1_3
} spout_tls_version;

/* Texts are copied. Files are PEM. Zero everywhere is a sound client; a server needs its
   certificate and key. */
typedef struct spout_tls_options {
    /* The own certificate, with the chain behind it, and its key, which has no pass phrase. A
       server's, or what a client shows to servers that ask (certfile, keyfile). */
    const char *cert_file, *key_file;
    /* Whom to trust (ca_certs). Client: NULL is the system's store. Server: who signs the clients'
       certificates. */
    const char *ca_file;
    bool
        verify_client; /* server: refuse clients without a certificate of ca_file (CERT_REQUIRED) */
    bool insecure; /* client: neither chain nor host name are verified. For tests, never to reach a
                      server that matters: anyone on the way can read and change everything */
    const char *ciphers; /* of TLS 1.2, in OpenSSL's notation; NULL: ECDHE with AES-GCM, ChaCha20.
                            1.3's are fixed. Both put AES-128 before AES-256, ChaCha20 first
                            for clients that prefer it */
    spout_tls_version min_version;
    const char *const *alpn; /* protocols in order of preference, ended by NULL (RFC 7301); an
                                     HTTP server's default is "http/1.1" */
    int session_tickets;     /* SPOUT_NONE: sessions are not resumed */
    int64_t
        handshake_timeout_ms; /* from the first byte to the last; 0: 10 s; SPOUT_NONE: no limit */
    void *reserved[4];
} spout_tls_options;

/* Shared: one reference. NULL with SPOUT_ESYSTEM and a message such as "cannot read certificate
   server.pem: No such file or directory", or SPOUT_EINVAL if a file is not what it should be, key
   and certificate do not match, or an option makes no sense. */
SPOUT_API spout_tls *spout_tls_server_new(const spout_tls_options *options);
SPOUT_API spout_tls *spout_tls_client_new(const spout_tls_options *options); /* NULL: defaults */
SPOUT_API spout_tls *spout_tls_ref(spout_tls *tls);
SPOUT_API void spout_tls_unref(spout_tls *tls); /* NULL is fine */

/*
 * A server's further certificate, for clients that ask for a host that matches (SNI, RFC 6066):
 * "example.org" or "*.example.org", which stands for one label. The first that was added and
 * matches is taken, else the options' one. Errors as above.
 */
SPOUT_API int spout_tls_add_certificate(
    spout_tls *tls, const char *host_pattern, const char *cert_file, const char *key_file);

/*
 * Reads all files again, for connections from now on; those that are open keep what they have, and
 * tickets stay good. If any file is of no use, nothing changes, and the error says why.
 */
SPOUT_API int spout_tls_reload(spout_tls *tls);

/* What a connection has agreed on. Texts that don't apply are "". */
typedef struct spout_tls_info {
    char version[16]; /* "TLSv1.3" */
    char cipher[64];  /* "TLS_AES_128_GCM_SHA256" */
    char alpn[64];
    char server_name[256];     /* the host that the client asked for */
    char peer_subject[512];    /* of the peer's certificate, as in "CN=ann,O=Example" (RFC 2253) */
    char peer_fingerprint[65]; /* SHA-256 of it, lower case */
    bool resumed;              /* the session is an earlier one's */
    bool peer_verified;        /* the peer showed a certificate that was verified */
} spout_tls_info;

/* SPOUT_ESTATE if the stream does not speak TLS (any more), or still negotiates. */
SPOUT_API int spout_stream_tls_info(spout_stream *stream, spout_tls_info *ret_info);

/*
 * Starts TLS on a stream that is open (start_tls), as the client or server that `tls` is for, and
 * waits until both sides have agreed. Nothing may be buffered or queued: SPOUT_ESTATE. server_name
 * is whom a client wants to reach: sent along and verified. It may be an IP address, and NULL only
 * with .insecure.
 *
 * On failure the stream is closed, and still yours to free: SPOUT_EPROTO with the reason, such as
 * "certificate of example.org: host name mismatch" or "the peer refused: unknown ca",
 * SPOUT_ETIMEDOUT, SPOUT_ECLOSED. From then on reads that end without the peer's goodbye
 * (close_notify) fail: what came may have been cut by somebody else.
 */
SPOUT_API int spout_stream_start_tls(
    spout_stream *stream, spout_tls *tls, const char *server_name) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
