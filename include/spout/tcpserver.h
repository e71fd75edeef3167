/*
 * TCP and Unix-socket servers of your own protocols (Tornado's tcpserver): a coroutine for each
 * connection.
 *
 * Example:
 *     static int echo(spout_stream *stream, void *arg);   // see <spout/stream.h>
 *     …
 *     spout_tcp_server *server = spout_tcp_server_new(echo, NULL, NULL);
 *     if (spout_tcp_server_listen(server, &(spout_listen_options){ .port = 8888 }) < 0)
 *         return -1;
 */
#ifndef SPOUT_TCPSERVER_H
#define SPOUT_TCPSERVER_H

#include <spout/base.h>
#include <spout/netutil.h>
#include <spout/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_tcp_server spout_tcp_server;

/* Runs for each connection (handle_stream). The stream is the server's: it is closed when the
   handler returns. A failure other than SPOUT_ECLOSED and SPOUT_ECANCELED is logged with the peer's
   address. */
typedef int spout_stream_handler(spout_stream *stream, void *arg);

/* `arg` must live as long as connections do. Owned. */
SPOUT_API spout_tcp_server *spout_tcp_server_new(
    spout_stream_handler *handler, void *arg, const spout_stream_options *options);

/* Opens the sockets and accepts on the current loop; may be called more than once. With .tls the
   handler gets streams that speak TLS, with .proxies the address that a load balancer tells. Fails
   as spout_bind_sockets does. A connection for which there is no stack is closed, with one line in
   the log. */
SPOUT_API int spout_tcp_server_listen(
    spout_tcp_server *server, const spout_listen_options *options);

/*
 * The same in two steps, for worker processes that share the sockets (bind, start): bind opens them
 * before there is a loop, start accepts on the current loop what was bound or added, in each
 * worker. With a loop, bind starts at once.
 *
 * Example:
 *     spout_tcp_server_bind(server, &(spout_listen_options){ .port = 8888 });
 *     if (spout_process_fork(0, 0, &task_id) < 0 || task_id < 0)   // one worker for each CPU
 *         return 0;
 *     spout_loop *loop = spout_loop_new(NULL);
 *     spout_tcp_server_start(server);
 *     spout_loop_run(loop);
 */
SPOUT_API int spout_tcp_server_bind(spout_tcp_server *server, const spout_listen_options *options);
SPOUT_API int spout_tcp_server_start(spout_tcp_server *server);

/* Takes listening sockets that are open, such as those of spout_bind_sockets with .reuse_port or of
   spout_listen_fds (add_sockets): accepts on them at once if there is a loop, else from
   spout_tcp_server_start on. They become non-blocking. Of the options, which may be NULL, .tls and
   .proxies count. All or none: on failure they stay the caller's. */
SPOUT_API int spout_tcp_server_add_sockets(spout_tcp_server *server,
    const spout_listener *listeners, int count, const spout_listen_options *options);
SPOUT_API int spout_tcp_server_add_socket(spout_tcp_server *server, int listen_fd);

/* While so many connections are open, new ones are closed at once, with one line in the log until
   there is room again. SPOUT_NONE: no limit, as at the beginning. */
SPOUT_API void spout_tcp_server_set_max_connections(spout_tcp_server *server, int64_t max);
SPOUT_API size_t spout_tcp_server_connections(const spout_tcp_server *server);

SPOUT_API int spout_tcp_server_port(
    const spout_tcp_server *server); /* of the first socket; 0 for a Unix socket or none */

/* Closes the sockets; open connections live on, even after the server is freed. Idempotent; the end
   of the loop does the same. */
SPOUT_API void spout_tcp_server_stop(spout_tcp_server *server);
SPOUT_API void spout_tcp_server_free(spout_tcp_server *server); /* stops; NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
