#include "http/server.h"

#include <spout/error.h>
#include <spout/task.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/connection.h"
#include "loop/task.h"
#include "net/listen.h"

enum { LISTENERS_MAX = 16 };

typedef struct server_listener {
    spi_acceptor acceptor;
    spi_list node;
    spout_http_server *server;
    int fd;
} server_listener;

static uint64_t resolve_size(int64_t value, uint64_t fallback)
{
    if (value == SPOUT_NONE)
        return SIZE_MAX;
    if (value == SPOUT_ZERO)
        return 0;
    return value == 0 ? fallback : (uint64_t)value;
}

static int64_t resolve_time(int64_t value, int64_t fallback)
{
    if (value == SPOUT_ZERO)
        return 0;
    return value == 0 ? fallback : value;
}

static bool is_sound(const spout_http_server_options *options)
{
    const int64_t values[] = { options->max_line_size, options->max_header_size,
        options->max_header_count, options->max_body_size, options->header_timeout_ms,
        options->body_timeout_ms, options->idle_timeout_ms, options->write_timeout_ms,
        options->drain_timeout_ms, options->max_connections };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (values[i] < SPOUT_ZERO)
            return false;
    return true;
}

static void resolve(const spout_http_server_options *options, spi_server_limits *ret_limits)
{
    *ret_limits = (spi_server_limits){
        .head = {
            .max_line = (size_t)resolve_size(options->max_line_size, 16 * 1024),
            .max_head = (size_t)resolve_size(options->max_header_size, 64 * 1024),
            .max_fields = (size_t)resolve_size(options->max_header_count, 200),
        },
        .max_body = options->max_body_size == SPOUT_NONE
            ? UINT64_MAX
            : resolve_size(options->max_body_size, 100 * 1024 * 1024),
        .header_timeout_ms = resolve_time(options->header_timeout_ms, 10 * 1000),
        .body_timeout_ms = resolve_time(options->body_timeout_ms, 30 * 1000),
        .idle_timeout_ms = resolve_time(options->idle_timeout_ms, 75 * 1000),
        .write_timeout_ms = resolve_time(options->write_timeout_ms, 30 * 1000),
        .drain_timeout_ms = resolve_time(options->drain_timeout_ms, 10 * 1000),
        .max_connections = (size_t)resolve_size(options->max_connections, SIZE_MAX),
        .no_keep_alive = options->no_keep_alive,
    };
}

static spi_timeout_class *timeouts_of(
    spout_loop *loop, int64_t duration_ms, void (*fn)(spi_timeout *))
{
    return duration_ms < 0 ? NULL : spi_timeout_class_get(loop, duration_ms, fn);
}

static void set_up_timeouts(spout_http_server *server)
{
    const spi_server_limits *limits = &server->limits;
    server->header_timeouts = timeouts_of(
        server->loop, limits->header_timeout_ms, spi_connection_on_header_timeout);
    server->body_timeouts = timeouts_of(
        server->loop, limits->body_timeout_ms, spi_connection_on_body_timeout);
    server->idle_timeouts = timeouts_of(
        server->loop, limits->idle_timeout_ms, spi_connection_on_idle_timeout);
    int64_t write_ms = limits->write_timeout_ms; /* there, 0 would mean the default */
    spi_transport_set_limits(
        server->loop, &(spi_transport_limits){ .write_timeout_ms = write_ms == 0 ? 1 : write_ms });
}

spout_http_server *spi_http_server_new(
    const spi_service *service, void *self, const spout_http_server_options *options)
{
    static const spout_http_server_options defaults;
    spout_loop *loop = spout_loop_current();
    if (!options)
        options = &defaults;
    if (!loop) {
        spout_error_set(SPOUT_ESTATE, "an HTTP server needs a loop");
        return NULL;
    }
    if (!is_sound(options)) {
        spout_error_set(SPOUT_EINVAL, "a limit of an HTTP server is negative");
        return NULL;
    }
    spout_http_server *server = spi_calloc(sizeof *server);
    server->loop = loop;
    server->service = service;
    server->service_self = self;
    resolve(options, &server->limits);
    set_up_timeouts(server);
    spi_list_init(&server->listeners);
    spi_list_init(&server->connections);
    spi_list_init(&server->drained);
    return server;
}

int spi_http_server_serve_fd(spout_http_server *server, int fd, const spout_endpoint *peer)
{
    static const spout_endpoint nobody;
    return spi_connection_open(server, fd, peer ? peer : &nobody);
}

static void on_accept(spi_acceptor *acceptor, int fd, const spout_endpoint *peer)
{
    server_listener *listener = spi_container(acceptor, server_listener, acceptor);
    (void)spi_connection_open(
        listener->server, fd, peer); /* whoever could not be served sees a close */
}

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)(void *)&address, &len) < 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
    return 0;
}

int spout_http_server_add_socket(spout_http_server *server, int listen_fd)
{
    server_listener *listener = spi_calloc(sizeof *listener);
    int flags = fcntl(listen_fd, F_GETFL);
    int result = flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) < 0
                     ? spout_error_set_errno(errno, "the listening socket is of no use")
                     : spi_acceptor_start(&listener->acceptor, server->loop, listen_fd, on_accept);
    if (result < 0) {
        spi_free(listener);
        return result;
    }
    listener->server = server;
    listener->fd = listen_fd;
    if (spi_list_is_empty(&server->listeners) && server->port == 0)
        server->port = port_of(listen_fd);
    spi_list_push(&server->listeners, &listener->node);
    return 0;
}

int spout_http_server_listen(spout_http_server *server, const spout_listen_options *options)
{
    spout_listener listeners[LISTENERS_MAX];
    int count = spout_bind_sockets(options, listeners, LISTENERS_MAX);
    int result = count < 0 ? count : 0;
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = spout_http_server_add_socket(server, listeners[i].fd);
        if (result < 0)
            close(listeners[i].fd);
    }
    return result;
}

int spout_http_server_port(const spout_http_server *server)
{
    return server->port;
}

size_t spout_http_server_connections(const spout_http_server *server)
{
    return server->connection_count;
}

void spout_http_server_stop(spout_http_server *server)
{
    spi_list *node;
    while ((node = spi_list_pop(&server->listeners))) {
        server_listener *listener = spi_container(node, server_listener, node);
        spi_acceptor_stop(&listener->acceptor);
        close(listener->fd);
        spi_free(listener);
    }
}

/* Calls fn for each connection; fn may end the one that it is called for. */
static void for_each(spout_http_server *server, void (*fn)(spi_connection *))
{
    spi_list todo, *node;
    spi_list_init(&todo);
    spi_list_splice(&todo, &server->connections);
    while ((node = spi_list_pop(&todo))) {
        spi_list_push(&server->connections, node);
        fn(spi_container(node, spi_connection, node));
    }
}

static int wait_until_empty(spout_http_server *server)
{
    int result = 0;
    while (server->connection_count > 0 && result == 0)
        result = spi_wait(&server->drained, "drain");
    return result;
}

int spout_http_server_drain(spout_http_server *server)
{
    int64_t limit_ms = server->limits.drain_timeout_ms;
    spout_http_server_stop(server);
    server->draining = true;
    for_each(server, spi_connection_drain);
    int64_t outer = limit_ms < 0 ? 0 : spout_deadline_set_ms(limit_ms);
    int result = wait_until_empty(server);
    if (limit_ms >= 0)
        spout_deadline_restore(outer);
    if (result == 0)
        return 0;
    spi_log_warning(
        "%zu connections were cut at the end of the drain time", server->connection_count);
    for_each(server, spi_connection_orphan);
    server->connection_count = 0;
    return result == SPOUT_ETIMEDOUT ? 0 : result;
}

void spout_http_server_free(spout_http_server *server)
{
    if (!server)
        return;
    spout_http_server_stop(server);
    for_each(server, spi_connection_orphan);
    spi_free(server);
}
