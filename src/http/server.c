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
#include "net/networks.h"

enum { LISTENERS_MAX = 16, DEFAULT_RATE = 240 };

typedef struct server_listener {
    spi_acceptor acceptor;
    spi_list node;
    spout_http_server *server;
    int fd;
    spout_tls *tls; /* NULL: none */
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

static const char *fixed_protocol(const char *name)
{
    static const char *const names[] = { "http", "https" };
    for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return names[i];
    return NULL;
}

static bool is_sound(const spout_http_server_options *options)
{
    const int64_t values[] = { options->max_line_size, options->max_header_size,
        options->max_header_count, options->max_body_size, options->header_timeout_ms,
        options->body_timeout_ms, options->idle_timeout_ms, options->write_timeout_ms,
        options->drain_timeout_ms, options->max_connections, options->request_timeout_ms,
        options->chunk_size, options->min_body_rate, options->min_write_rate };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (values[i] < SPOUT_ZERO)
            return false;
    return !options->protocol || fixed_protocol(options->protocol);
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
        .request_timeout_ms = resolve_time(options->request_timeout_ms, 0),
        .min_body_rate = resolve_time(options->min_body_rate, DEFAULT_RATE),
        .min_write_rate = resolve_time(options->min_write_rate, DEFAULT_RATE),
        .chunk_size = (size_t)resolve_size(
            options->chunk_size == SPOUT_ZERO ? 0 : options->chunk_size, 64 * 1024),
        .protocol = fixed_protocol(options->protocol),
        .no_keep_alive = options->no_keep_alive,
        .decompress = options->decompress_request,
        .xheaders = options->xheaders,
        .forwarded = options->forwarded,
        .trusts_all = !options->trusted_downstream,
    };
    ret_limits->has_options = ret_limits->protocol || ret_limits->xheaders ||
                              ret_limits->forwarded || ret_limits->decompress;
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
        server->loop, &(spi_transport_limits){ .write_timeout_ms = write_ms == 0 ? 1 : write_ms,
                          .min_write_rate = limits->min_write_rate });
}

static void release(spout_http_server *server)
{
    spi_networks_free(&server->trusted);
    spi_error_fields_free(&server->error_fields);
    spi_free(server);
}

static void set_up_blank(spout_http_server *server)
{
    const spi_server_limits *limits = &server->limits;
    server->blank = (spi_exchange){
        .ops = &spi_http1_ops,
        .loop = server->loop,
        .service = server->service,
        .service_self = server->service_self,
        .body = { "", 0 },
        .max_body = limits->max_body,
        .body_timeout_ms = limits->body_timeout_ms,
        .min_body_rate = limits->min_body_rate,
        .request_timeout_ms = limits->request_timeout_ms,
        .body_mode = SPI_BODY_WHOLE,
        .protocol = "http",
    };
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
        spout_error_set(SPOUT_EINVAL,
            "a limit of an HTTP server is negative, or its protocol is neither http nor https");
        return NULL;
    }
    if (options->xheaders && options->forwarded) {
        spout_error_set(SPOUT_EINVAL, "proxies write .xheaders or .forwarded, not both");
        return NULL;
    }
    spi_networks trusted;
    if (spi_networks_parse(options->trusted_downstream, &trusted) < 0)
        return NULL;
    spout_http_server *server = spi_calloc(sizeof *server);
    server->trusted = trusted;
    if (spi_error_fields_parse(&server->error_fields, options->error_headers) < 0) {
        release(server);
        return NULL;
    }
    server->loop = loop;
    server->service = service;
    server->service_self = self;
    resolve(options, &server->limits);
    server->ends_connections = server->limits.no_keep_alive;
    set_up_blank(server);
    set_up_timeouts(server);
    spi_list_init(&server->listeners);
    spi_list_init(&server->connections);
    spi_list_init(&server->drained);
    return server;
}

int spi_http_server_serve_fd(spout_http_server *server, int fd, const spout_endpoint *peer)
{
    static const spout_endpoint nobody;
    return spi_connection_open(server, fd, peer ? peer : &nobody, NULL);
}

static void on_accept(spi_acceptor *acceptor, int fd, const spout_endpoint *peer)
{
    server_listener *listener = spi_container(acceptor, server_listener, acceptor);
    /* whoever could not be served sees a close */
    (void)spi_connection_open(listener->server, fd, peer, listener->tls);
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

/* Takes the proxies that may tell who their clients are. */
static int add_socket(
    spout_http_server *server, int listen_fd, spout_tls *tls, spi_networks *proxies)
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
    spi_acceptor_trust_proxies(&listener->acceptor, proxies);
    listener->server = server;
    listener->fd = listen_fd;
    listener->tls = tls ? spout_tls_ref(tls) : NULL;
    if (spi_list_is_empty(&server->listeners) && server->port == 0)
        server->port = port_of(listen_fd);
    spi_list_push(&server->listeners, &listener->node);
    return 0;
}

int spout_http_server_add_socket(spout_http_server *server, int listen_fd)
{
    return add_socket(server, listen_fd, NULL, &(spi_networks){ 0 });
}

int spout_http_server_add_tls_socket(spout_http_server *server, int listen_fd, spout_tls *tls)
{
    if (!tls)
        return spout_error_set(SPOUT_EINVAL, "a TLS socket needs a spout_tls");
    return add_socket(server, listen_fd, tls, &(spi_networks){ 0 });
}

static void drop_listener(server_listener *listener)
{
    spi_list_remove(&listener->node);
    spi_acceptor_stop(&listener->acceptor);
    spout_tls_unref(listener->tls);
    spi_free(listener);
}

int spout_http_server_add_sockets(spout_http_server *server, const spout_listener *listeners,
    int count, const spout_listen_options *options)
{
    int added = 0, result = 0;
    for (; added < count && result == 0; added += result == 0) {
        spi_networks proxies = { 0 };
        if (options)
            result = spi_networks_parse(options->proxies, &proxies);
        if (result == 0)
            result = add_socket(
                server, listeners[added].fd, options ? options->tls : NULL, &proxies);
        spi_networks_free(&proxies);
    }
    while (result < 0 && added-- > 0)
        drop_listener(spi_container(server->listeners.prev, server_listener, node));
    return result;
}

int spout_http_server_listen(spout_http_server *server, const spout_listen_options *options)
{
    spout_listener listeners[LISTENERS_MAX];
    int count = spout_bind_sockets(options, listeners, LISTENERS_MAX);
    int result = count < 0 ? count
                           : spout_http_server_add_sockets(server, listeners, count, options);
    for (int i = 0; result < 0 && i < count; i++)
        close(listeners[i].fd);
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
    while ((node = spi_list_first(&server->listeners))) {
        server_listener *listener = spi_container(node, server_listener, node);
        int fd = listener->fd;
        drop_listener(listener);
        close(fd);
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
    server->draining = server->ends_connections = true;
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
    release(server);
}
