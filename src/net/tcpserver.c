#include <spout/tcpserver.h>

#include <spout/error.h>
#include <spout/tls.h>

#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "loop/task.h"
#include "net/endpoint.h"
#include "net/listen.h"
#include "net/net.h"
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_LISTENERS = 16 };

typedef struct listener {
    spi_list node;
    spi_acceptor acceptor; /* once there is a loop */
    spout_tcp_server *server;
    int fd, port;
    bool started;
    spout_tls *tls;       /* NULL: plain */
    spi_networks proxies; /* until it is started */
} listener;

/* The connections of a server, which may outlive it. */
typedef struct crowd {
    size_t refs, count, max;
    bool full; /* connections are being refused: said once in the log */
} crowd;

struct spout_tcp_server {
    spi_net_owned owned; /* while it listens */
    spi_list listeners;
    spout_stream_handler *handler;
    void *arg;
    spout_stream_options options;
    crowd *crowd;
    int port;
};

/* Outlives its server. */
typedef struct connection {
    spout_stream *stream;
    spout_stream_handler *handler;
    void *arg;
    crowd *crowd;
    spout_tls *tls;
} connection;

static void crowd_unref(crowd *all)
{
    if (--all->refs == 0)
        spi_free(all);
}

/* --- one connection --- */

static int call_handler(void *arg)
{
    connection *conn = arg;
    return conn->handler(conn->stream, conn->arg);
}

static void end_connection(connection *conn)
{
    crowd *all = conn->crowd;
    spout_stream_close(conn->stream);
    spout_tls_unref(conn->tls);
    if (--all->count < all->max)
        all->full = false;
    crowd_unref(all);
    spi_free(conn);
}

static int run_connection(void *arg)
{
    connection *conn = arg;
    char name[SPI_ENDPOINT_NAME], what[SPI_ENDPOINT_NAME + 16];
    /* a handshake that fails has its line in the log already */
    bool secure = !conn->tls || spout_stream_start_tls(conn->stream, conn->tls, NULL) == 0;
    int result = secure ? spi_task_call(call_handler, conn) : 0;
    if (result < 0 && result != SPOUT_ECLOSED && result != SPOUT_ECANCELED) {
        snprintf(what, sizeof what, "connection of %s",
            spi_endpoint_name(spi_stream_peer(conn->stream), name));
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, what);
    }
    end_connection(conn);
    return 0;
}

static void refuse(const spout_endpoint *peer)
{
    char name[SPI_ENDPOINT_NAME], what[SPI_ENDPOINT_NAME + 32];
    snprintf(what, sizeof what, "connection of %s refused", spi_endpoint_name(peer, name));
    spi_log_current_error(SPOUT_LOGGER_GENERAL, SPOUT_LOG_WARNING, what);
}

/* The newest go, since those that are there have been promised something. */
static bool is_full(crowd *all)
{
    if (all->count < all->max)
        return false;
    if (!all->full)
        spi_log_warning("%zu connections are open: further ones are refused", all->count);
    all->full = true;
    return true;
}

static void start_connection(const listener *from, spout_loop *loop, spout_stream *stream)
{
    const spout_tcp_server *server = from->server;
    connection *conn = spi_malloc(sizeof *conn);
    *conn = (connection){ .stream = stream,
        .handler = server->handler,
        .arg = server->arg,
        .crowd = server->crowd,
        .tls = from->tls ? spout_tls_ref(from->tls) : NULL };
    conn->crowd->refs++;
    conn->crowd->count++;
    spi_task_start start = { .name = "tcp connection", .fn = run_connection, .arg = conn };
    if (spi_task_run(loop, &start, NULL) < 0) {
        refuse(spi_stream_peer(stream));
        end_connection(conn);
    }
}

static void on_accept(spi_acceptor *acceptor, int fd, const spout_endpoint *peer)
{
    const listener *from = spi_container(acceptor, listener, acceptor);
    if (is_full(from->server->crowd)) {
        close(fd);
        return;
    }
    spout_stream *stream = spi_stream_new(acceptor->loop, fd, peer, &from->server->options);
    if (stream) {
        start_connection(from, acceptor->loop, stream);
    } else {
        refuse(peer);
        close(fd);
    }
}

/* --- the server --- */

spout_tcp_server *spout_tcp_server_new(
    spout_stream_handler *handler, void *arg, const spout_stream_options *options)
{
    spout_tcp_server *server = spi_calloc(sizeof *server);
    spi_list_init(&server->owned.node);
    spi_list_init(&server->listeners);
    server->handler = handler;
    server->arg = arg;
    server->crowd = spi_calloc(sizeof *server->crowd);
    server->crowd->refs = 1;
    server->crowd->max = SIZE_MAX;
    if (options)
        server->options = *options;
    return server;
}

void spout_tcp_server_set_max_connections(spout_tcp_server *server, int64_t max)
{
    server->crowd->max = max > 0 ? (size_t)max : max == SPOUT_ZERO ? 0 : SIZE_MAX;
}

size_t spout_tcp_server_connections(const spout_tcp_server *server)
{
    return server->crowd->count;
}

static void stop_with_loop(spi_net_owned *owned)
{
    spout_tcp_server_stop(spi_container(owned, spout_tcp_server, owned));
}

/* Without its descriptor. */
static void drop_listener(listener *item)
{
    spi_list_remove(&item->node);
    spi_acceptor_stop(&item->acceptor);
    spout_tls_unref(item->tls);
    spi_networks_free(&item->proxies);
    spi_free(item);
}

static int port_of(int fd, int *ret_port)
{
    struct sockaddr_storage address = { 0 };
    socklen_t len = sizeof address;
    spout_endpoint endpoint;
    int flags = fcntl(fd, F_GETFL);
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return spout_error_set_errno(errno, "descriptor %d is not a listening socket", fd);
    spi_endpoint_from(&endpoint, (const struct sockaddr *)&address);
    *ret_port = endpoint.port;
    return 0;
}

static int keep_listener(spout_tcp_server *server, int fd, const spout_listen_options *options)
{
    int port = 0, result = port_of(fd, &port);
    spi_networks proxies = { 0 };
    if (result == 0 && options)
        result = spi_networks_parse(options->proxies, &proxies);
    if (result < 0)
        return result;
    listener *item = spi_calloc(sizeof *item);
    item->server = server;
    item->fd = fd;
    item->port = port;
    item->proxies = proxies;
    item->tls = options && options->tls ? spout_tls_ref(options->tls) : NULL;
    if (spi_list_is_empty(&server->listeners))
        server->port = port;
    spi_list_push(&server->listeners, &item->node);
    return 0;
}

static int start_listener(listener *item, spout_loop *loop)
{
    if (item->started)
        return 0;
    int result = spi_acceptor_start(&item->acceptor, loop, item->fd, on_accept);
    if (result < 0)
        return result;
    spi_acceptor_trust_proxies(&item->acceptor, &item->proxies);
    item->started = true;
    return 0;
}

int spout_tcp_server_start(spout_tcp_server *server)
{
    spout_loop *loop = spout_loop_current();
    if (!loop)
        return spout_error_set(SPOUT_ESTATE, "a server needs a loop");
    for (spi_list *node = server->listeners.next; node != &server->listeners; node = node->next) {
        int result = start_listener(spi_container(node, listener, node), loop);
        if (result < 0)
            return result;
    }
    if (spi_list_is_empty(&server->owned.node) && !spi_list_is_empty(&server->listeners))
        spi_net_own(spi_net_get(loop), &server->owned, stop_with_loop);
    return 0;
}

/* The listeners that were added last. */
static void drop_last(spout_tcp_server *server, int count)
{
    while (count-- > 0)
        drop_listener(spi_container(server->listeners.prev, listener, node));
}

int spout_tcp_server_add_sockets(spout_tcp_server *server, const spout_listener *listeners,
    int count, const spout_listen_options *options)
{
    int added = 0, result = 0;
    for (; added < count && result == 0; added += result == 0)
        result = keep_listener(server, listeners[added].fd, options);
    if (result == 0 && spout_loop_current())
        result = spout_tcp_server_start(server);
    if (result < 0)
        drop_last(server, added);
    return result;
}

int spout_tcp_server_bind(spout_tcp_server *server, const spout_listen_options *options)
{
    spout_listener opened[MAX_LISTENERS];
    int count = spout_bind_sockets(options, opened, MAX_LISTENERS);
    int result = count < 0 ? count : spout_tcp_server_add_sockets(server, opened, count, options);
    for (int i = 0; result < 0 && i < count; i++)
        close(opened[i].fd);
    return result;
}

int spout_tcp_server_listen(spout_tcp_server *server, const spout_listen_options *options)
{
    if (!spout_loop_current())
        return spout_error_set(SPOUT_ESTATE, "a server needs a loop");
    return spout_tcp_server_bind(server, options);
}

int spout_tcp_server_add_socket(spout_tcp_server *server, int listen_fd)
{
    return spout_tcp_server_add_sockets(server, &(spout_listener){ .fd = listen_fd }, 1, NULL);
}

int spout_tcp_server_port(const spout_tcp_server *server)
{
    return server->port;
}

void spout_tcp_server_stop(spout_tcp_server *server)
{
    spi_list *node;
    spi_net_disown(&server->owned);
    while ((node = spi_list_first(&server->listeners))) {
        listener *item = spi_container(node, listener, node);
        int fd = item->fd;
        drop_listener(item);
        close(fd);
    }
}

void spout_tcp_server_free(spout_tcp_server *server)
{
    if (!server)
        return;
    spout_tcp_server_stop(server);
    crowd_unref(server->crowd);
    spi_free(server);
}
