/*
 * Addresses and listening sockets (Tornado's netutil).
 *
 * For the loop's metrics: net_received_bytes and net_sent_bytes are what its TCP and Unix stream
 * sockets have received and sent, of servers and clients, on the wire (with TLS: encrypted).
 *
 * Example:
 *     spout_listener listeners[4];
 *     int count = spout_bind_sockets(&(spout_listen_options){ .port = 8888 }, listeners, 4);
 */
#ifndef SPOUT_NETUTIL_H
#define SPOUT_NETUTIL_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a server listens. NULL or all zero: every address, IPv4 and IPv6, port chosen by the
   system. */
typedef struct spout_listen_options {
    int port; /* 0: one that is free, the same for all addresses */
    const char *
        address; /* IP, also with a zone, or host name; NULL or "": all; "localhost": loopback of both families */
    const char
        *unix_path;  /* a Unix socket instead; a leading '@' names one in Linux's abstract space */
    int unix_mode;   /* permissions of the socket file; 0: 0600 */
    int backlog;     /* 0: 1024, cut by the system's own maximum */
    bool reuse_port; /* sockets share the port, the kernel spreads connections */
    struct spout_tls *tls; /* what the servers' _listen functions speak there, with a reference of
                              their own (ssl_options); nothing to spout_bind_sockets. <spout/tls.h> */
    /*
     * Load balancers in front of us, ended by NULL: "10.0.0.0/8", "::1", "unix". Their connections
     * must begin with a PROXY header, version 1 or 2 (haproxy.org), which says who the client is;
     * those of others have none. For the servers' _listen functions, not for spout_bind_sockets.
     */
    const char *const *proxies;
    void *reserved[4];
} spout_listen_options;

/* An open listening socket: non-blocking, close-on-exec. */
typedef struct spout_listener {
    int fd;
    int port;       /* 0 for a Unix socket */
    char name[128]; /* "127.0.0.1:8888", "[::1]:8888", "unix:/run/app.sock" */
} spout_listener;

/*
 * Opens up to `max` listening sockets, one for each address, and returns how many (bind_sockets,
 * bind_unix_socket); the caller closes their fds. SO_REUSEADDR is set, and TCP_NODELAY, which what is
 * accepted there has then, too; IPv6 sockets take IPv6 only.
 * Where several addresses are meant, those of a family that this machine has not are skipped. A
 * host name is looked up with the system's resolver, which blocks: this is for start-up. A stale
 * Unix socket (nobody listens there) is replaced; any other file is SPOUT_EEXIST. Its file stays
 * when the socket is closed.
 *
 * Fails with SPOUT_ESYSTEM and a message such as "cannot listen on 127.0.0.1:8888: address already
 * in use" (spout_error_get_errno tells EADDRINUSE), SPOUT_ENOTFOUND for an unknown host,
 * SPOUT_EINVAL; nothing stays open then.
 */
SPOUT_API int spout_bind_sockets(
    const spout_listen_options *options, spout_listener *ret_listeners, int max);

/*
 * The listening sockets that systemd, or whoever has started this process, hands over (LISTEN_FDS,
 * LISTEN_PID, LISTEN_FDNAMES: sd_listen_fds). Returns how many, 0 if none were passed. `name`
 * (NULL: all) takes only those of one FileDescriptorName=. They become non-blocking and
 * close-on-exec, and are the caller's. Call it before forking workers: the sockets are for this
 * process alone. A second call finds the same ones. SPOUT_EINVAL if one is no listening stream
 * socket, SPOUT_ELIMIT if there are more than `max`.
 *
 * Example:
 *     spout_listener passed[8];
 *     int count = spout_listen_fds(NULL, passed, 8);
 *     if (count > 0 && spout_tcp_server_add_sockets(server, passed, count, NULL) < 0)
 *         return -1;
 */
SPOUT_API int spout_listen_fds(const char *name, spout_listener *ret_listeners, int max);

/* Whether the text is a numeric IPv4 or IPv6 address, without brackets, port or zone (is_valid_ip).
   NULL is none. */
SPOUT_API bool spout_is_valid_ip(const char *text);

#ifdef __cplusplus
}
#endif

#endif
