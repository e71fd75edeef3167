/* Listening sockets. Accepting on them is in acceptor.c. */
#define _GNU_SOURCE
#include "net/listen.h"

#include <spout/error.h>

#include "net/endpoint.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    DEFAULT_BACKLOG = 1024,
    MAX_ADDRESSES = 16,
    PORT_TRIES = 16 /* a port that is free for one family may be taken for the next */
};

static int set_option(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof on);
}

static int open_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int backlog_of(const spout_listen_options *options)
{
    return options->backlog > 0 ? options->backlog : DEFAULT_BACKLOG;
}

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    spout_endpoint endpoint = { 0 };
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        spi_endpoint_from(&endpoint, (const struct sockaddr *)&address);
    return endpoint.port;
}

/* The name shows the IPv6 form of a mapped address too, so it is made from what was asked for. */
static void set_name(spout_listener *listener, spout_endpoint endpoint, int port)
{
    char name[SPI_ENDPOINT_NAME];
    endpoint.port = (uint16_t)port;
    snprintf(listener->name, sizeof listener->name, "%s", spi_endpoint_name(&endpoint, name));
    listener->port = port;
}

/* Sets up one socket. -1 with errno, nothing left open. */
static int open_listener(const spout_endpoint *endpoint, const spout_listen_options *options)
{
    struct sockaddr_storage address;
    socklen_t len = spi_endpoint_to(endpoint, &address);
    int fd = open_socket(endpoint->family == 4 ? AF_INET : AF_INET6);
    if (fd < 0)
        return -1;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY); /* for those that are accepted there */
    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR) == 0 &&
        (endpoint->family == 4 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0) &&
        (!options->reuse_port || set_option(fd, SOL_SOCKET, SO_REUSEPORT) == 0) &&
        bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, backlog_of(options)) == 0)
        return fd;
    int errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

static bool is_unavailable(int errnum)
{
    return errnum == EADDRNOTAVAIL || errnum == EAFNOSUPPORT;
}

static void close_listeners(spout_listener *listeners, int count)
{
    while (count > 0)
        close(listeners[--count].fd);
}

/* A message for people: the usual reasons in plain words, the errno as the code's detail. */
static int cannot_listen(const char *name, int errnum)
{
    return spout_error_set_errno(errnum, "cannot listen on %s", name);
}

/*
 * One attempt at all addresses with one port. Returns the count, 0 if another port must be tried,
 * or an error. An address of a family that this machine hasn't got is skipped while there is
 * another.
 */
static int listen_on_all(const spout_listen_options *options, const spout_endpoint *endpoints,
    int count, spout_listener *out)
{
    int opened = 0, port = options->port, skipped = 0, errnum = 0;
    for (int i = 0; i < count; i++) {
        spout_endpoint endpoint = endpoints[i];
        endpoint.port = (uint16_t)port;
        int fd = open_listener(&endpoint, options);
        if (fd >= 0) {
            if (port == 0)
                port = port_of(fd);
            out[opened] = (spout_listener){ .fd = fd };
            set_name(&out[opened++], endpoint, port);
            continue;
        }
        errnum = errno;
        if (is_unavailable(errnum) && count > 1 && ++skipped < count)
            continue;
        close_listeners(out, opened);
        if (errnum == EADDRINUSE && options->port == 0 && opened > 0)
            return 0;
        char name[SPI_ENDPOINT_NAME];
        return cannot_listen(spi_endpoint_name(&endpoint, name), errnum);
    }
    return opened;
}

static int add_endpoint(spout_endpoint *endpoints, int count, const spout_endpoint *endpoint)
{
    for (int i = 0; i < count; i++)
        if (spi_endpoint_is_same_host(&endpoints[i], endpoint))
            return count;
    endpoints[count] = *endpoint;
    return count + 1;
}

static int resolve_name(const spout_listen_options *options, spout_endpoint *endpoints)
{
    struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *found = NULL;
    int failure = getaddrinfo(options->address, NULL, &hints, &found);
    if (failure)
        return spout_error_set(SPOUT_ENOTFOUND, "cannot listen on %s:%d: %s", options->address,
            options->port,
            failure == EAI_SYSTEM ? "the name can't be resolved" : gai_strerror(failure));
    int count = 0;
    for (const struct addrinfo *item = found; item && count < MAX_ADDRESSES; item = item->ai_next) {
        spout_endpoint endpoint;
        spi_endpoint_from(&endpoint, item->ai_addr);
        endpoint.port = 0;
        if (endpoint.family != 0)
            count = add_endpoint(endpoints, count, &endpoint);
    }
    freeaddrinfo(found);
    return count > 0 ? count
                     : spout_error_set(SPOUT_ENOTFOUND, "cannot listen on %s: it has no address",
                           options->address);
}

static int find_endpoints(const spout_listen_options *options, spout_endpoint *endpoints)
{
    const char *address = options->address;
    bool all = !address || !*address;
    if (all || strcmp(address, "localhost") == 0) {
        spi_endpoint_parse(&endpoints[0], all ? "0.0.0.0" : "127.0.0.1", 0);
        spi_endpoint_parse(&endpoints[1], all ? "::" : "::1", 0);
        return 2;
    }
    if (spi_endpoint_parse_zoned(&endpoints[0], address, 0))
        return 1;
    return resolve_name(options, endpoints);
}

static int listen_tcp(const spout_listen_options *options, spout_listener *out, int max)
{
    spout_endpoint endpoints[MAX_ADDRESSES];
    int count = find_endpoints(options, endpoints);
    if (count < 0)
        return count;
    for (int i = 0; i < PORT_TRIES; i++) {
        int opened = listen_on_all(options, endpoints, count < max ? count : max, out);
        if (opened != 0)
            return opened;
    }
    return spout_error_set(SPOUT_ESYSTEM, "cannot listen: no port is free for all addresses");
}

/* Whether the socket file belongs to nobody: 1 yes, 0 somebody listens there, -1 it is no
   socket. */
static int is_stale(const char *path, const struct sockaddr_un *address, socklen_t len)
{
    struct stat info;
    if (lstat(path, &info) < 0)
        return errno == ENOENT;
    if (!S_ISSOCK(info.st_mode))
        return -1;
    int fd = open_socket(AF_UNIX);
    if (fd < 0)
        return 0;
    bool refused = connect(fd, (const struct sockaddr *)address, len) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* bind, once more after a stale socket file has been removed. */
static int bind_unix(
    int fd, const char *path, const struct sockaddr_un *address, socklen_t len, const char *name)
{
    if (bind(fd, (const struct sockaddr *)address, len) == 0)
        return 0;
    if (errno != EADDRINUSE || path[0] == '@')
        return cannot_listen(name, errno);
    int stale = is_stale(path, address, len);
    if (stale < 0)
        return spout_error_set(
            SPOUT_EEXIST, "cannot listen on %s: there is a file that is not a socket", name);
    if (!stale)
        return cannot_listen(name, EADDRINUSE);
    unlink(path);
    return bind(fd, (const struct sockaddr *)address, len) == 0 ? 0 : cannot_listen(name, errno);
}

static int set_up_unix(int fd, const spout_listen_options *options,
    const struct sockaddr_un *address, socklen_t len, const char *name)
{
    const char *path = options->unix_path;
    bool file = path[0] != '@';
    mode_t mode = options->unix_mode ? (mode_t)options->unix_mode : 0600;
    if (file)
        fchmod(fd, mode); /* never wider than this; chmod adds what the umask took */
    int result = bind_unix(fd, path, address, len, name);
    if (result < 0)
        return result;
    if ((!file || chmod(path, mode) == 0) && listen(fd, backlog_of(options)) == 0)
        return 0;
    int errnum = errno;
    if (file)
        unlink(path);
    return cannot_listen(name, errnum);
}

static int listen_unix(const spout_listen_options *options, spout_listener *out)
{
    struct sockaddr_un address;
    spout_listener listener = { 0 };
    int len = spi_unix_address(options->unix_path, &address);
    if (len < 0)
        return len;
    snprintf(listener.name, sizeof listener.name, "unix:%s", options->unix_path);
    listener.fd = open_socket(AF_UNIX);
    if (listener.fd < 0)
        return cannot_listen(listener.name, errno);
    int result = set_up_unix(listener.fd, options, &address, (socklen_t)len, listener.name);
    if (result < 0) {
        close(listener.fd);
        return result;
    }
    *out = listener;
    return 1;
}

int spout_bind_sockets(const spout_listen_options *options, spout_listener *ret_listeners, int max)
{
    static const spout_listen_options defaults;
    if (!options)
        options = &defaults;
    if (max < 1)
        return spout_error_set(
            SPOUT_EINVAL, "spout_bind_sockets: room for at least one listener is needed");
    if (options->port < 0 || options->port > 65535)
        return spout_error_set(
            SPOUT_EINVAL, "cannot listen on port %d: ports are 0 to 65535", options->port);
    spout_listener opened[MAX_ADDRESSES];
    int count = options->unix_path
                    ? listen_unix(options, opened)
                    : listen_tcp(options, opened, max < MAX_ADDRESSES ? max : MAX_ADDRESSES);
    for (int i = 0; i < count; i++)
        ret_listeners[i] = opened[i];
    return count;
}
