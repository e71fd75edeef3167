#include <spout/tcpserver.h>

#include <spout/error.h>

#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "loop/task.h"
#include "net/endpoint.h"
#include "net/listen.h"
#include "net/net.h"
#include "net/stream.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_LISTENERS = 16 };

typedef struct listener {
    spi_list node;
    spi_acceptor acceptor;
    spout_tcp_server *server;
    int fd, port;
} listener;

struct spout_tcp_server {
    spi_net_owned owned; /* while it listens */
    spi_list listeners;
    spout_stream_handler *handler;
    void *arg;
    spout_stream_options options;
    int port;
};

/* Outlives its server. */
typedef struct connection {
    spout_stream *stream;
    spout_stream_handler *handler;
    void *arg;
} connection;

static int call_handler(void *arg)
{
    connection *conn = arg;
    return conn->handler(conn->stream, conn->arg);
}

static int run_connection(void *arg)
{
    connection *conn = arg;
    char name[SPI_ENDPOINT_NAME], what[SPI_ENDPOINT_NAME + 16];
    int result = spi_task_call(call_handler, conn);
    if (result < 0 && result != SPOUT_ECLOSED && result != SPOUT_ECANCELED) {
        snprintf(what, sizeof what, "connection of %s",
            spi_endpoint_name(spi_stream_peer(conn->stream), name));
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, what);
    }
    spout_stream_close(conn->stream);
    spi_free(conn);
    return 0;
}

static void refuse(const spout_endpoint *peer)
{
    char name[SPI_ENDPOINT_NAME], what[SPI_ENDPOINT_NAME + 32];
    snprintf(what, sizeof what, "connection of %s refused", spi_endpoint_name(peer, name));
    spi_log_current_error(SPOUT_LOGGER_GENERAL, SPOUT_LOG_WARNING, what);
}

static void on_accept(spi_acceptor *acceptor, int fd, const spout_endpoint *peer)
{
    const spout_tcp_server *server = spi_container(acceptor, listener, acceptor)->server;
    spout_stream *stream = spi_stream_new(acceptor->loop, fd, peer, &server->options);
    if (!stream) {
        refuse(peer);
        close(fd);
        return;
    }
    connection *conn = spi_malloc(sizeof *conn);
    *conn = (connection){ stream, server->handler, server->arg };
    spi_task_start start = { .name = "tcp connection", .fn = run_connection, .arg = conn };
    if (spi_task_run(acceptor->loop, &start, NULL) < 0) {
        refuse(peer);
        spout_stream_close(stream);
        spi_free(conn);
    }
}

spout_tcp_server *spout_tcp_server_new(
    spout_stream_handler *handler, void *arg, const spout_stream_options *options)
{
    spout_tcp_server *server = spi_calloc(sizeof *server);
    spi_list_init(&server->owned.node);
    spi_list_init(&server->listeners);
    server->handler = handler;
    server->arg = arg;
    if (options)
        server->options = *options;
    return server;
}

static void stop_with_loop(spi_net_owned *owned)
{
    spout_tcp_server_stop(spi_container(owned, spout_tcp_server, owned));
}

static int add_listener(spout_tcp_server *server, int fd, int port)
{
    spout_loop *loop = spout_loop_current();
    if (!loop)
        return spout_error_set(SPOUT_ESTATE, "a server needs a loop");
    listener *item = spi_calloc(sizeof *item);
    int result = spi_acceptor_start(&item->acceptor, loop, fd, on_accept);
    if (result < 0) {
        spi_free(item);
        return result;
    }
    item->server = server;
    item->fd = fd;
    item->port = port;
    if (spi_list_is_empty(&server->listeners)) {
        server->port = port;
        spi_net_own(spi_net_get(loop), &server->owned, stop_with_loop);
    }
    spi_list_push(&server->listeners, &item->node);
    return 0;
}

int spout_tcp_server_listen(spout_tcp_server *server, const spout_listen_options *options)
{
    spout_listener opened[MAX_LISTENERS];
    int count = spout_bind_sockets(options, opened, MAX_LISTENERS), result = count < 0 ? count : 0;
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = add_listener(server, opened[i].fd, opened[i].port);
        if (result < 0)
            close(opened[i].fd);
    }
    return result;
}

int spout_tcp_server_add_socket(spout_tcp_server *server, int listen_fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t len = sizeof address;
    spout_endpoint endpoint;
    if (getsockname(listen_fd, (struct sockaddr *)&address, &len) < 0)
        return spout_error_set_errno(errno, "descriptor %d is not a listening socket", listen_fd);
    spi_endpoint_from(&endpoint, (const struct sockaddr *)&address);
    return add_listener(server, listen_fd, endpoint.port);
}

int spout_tcp_server_port(const spout_tcp_server *server)
{
    return server->port;
}

void spout_tcp_server_stop(spout_tcp_server *server)
{
    spi_list *node;
    spi_net_disown(&server->owned);
    while ((node = spi_list_pop(&server->listeners))) {
        listener *item = spi_container(node, listener, node);
        spi_acceptor_stop(&item->acceptor);
        close(item->fd);
        spi_free(item);
    }
}

void spout_tcp_server_free(spout_tcp_server *server)
{
    if (!server)
        return;
    spout_tcp_server_stop(server);
    spi_free(server);
}
