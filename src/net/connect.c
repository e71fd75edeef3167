/* Connecting to an address that is known; names are the TCP client's business. */
#include "net/stream.h"

#include <spout/error.h>

#include "loop/loop.h"
#include "loop/task.h"
#include "net/endpoint.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct target {
    spout_endpoint endpoint;
    struct sockaddr_storage address;
    socklen_t len;
    char name[128];
} target;

typedef struct attempt {
    spi_watch watch;
    spi_list waiter;
} attempt;

static bool is_unix_path(const char *address)
{
    return address[0] == '@' || strchr(address, '/');
}

static int find_unix(target *out, const char *path)
{
    int len = spi_unix_address(path, (struct sockaddr_un *)&out->address);
    if (len < 0)
        return len;
    out->len = (socklen_t)len;
    snprintf(out->name, sizeof out->name, "unix:%s", path);
    return 0;
}

static int find_target(target *out, const char *address, int port)
{
    *out = (target){ 0 };
    if (is_unix_path(address))
        return find_unix(out, address);
    if (port < 1 || port > 65535)
        return spout_error_set(
            SPOUT_EINVAL, "cannot connect to port %d: ports are 1 to 65535", port);
    if (!spi_endpoint_parse_zoned(&out->endpoint, address, (uint16_t)port))
        return spout_error_set(
            SPOUT_EINVAL, "cannot connect to \"%s\": not a numeric IP address or a path", address);
    char name[SPI_ENDPOINT_NAME];
    snprintf(out->name, sizeof out->name, "%s", spi_endpoint_name(&out->endpoint, name));
    out->len = spi_endpoint_to(&out->endpoint, &out->address);
    return 0;
}

static int cannot_connect(const target *to, int errnum)
{
    return spout_error_set_errno(errnum, "cannot connect to %s", to->name);
}

static void on_writable(spi_watch *watch, unsigned events)
{
    (void)events;
    spi_wake_all(&spi_container(watch, attempt, watch)->waiter);
}

static int wait_connected(spout_loop *loop, int fd, const target *to)
{
    attempt pending = { .watch = { .fd = -1 } };
    spi_list_init(&pending.waiter);
    int result = spi_watch_start(loop, &pending.watch, fd, SPOUT_WRITABLE, on_writable);
    if (result < 0)
        return result;
    result = spi_wait(&pending.waiter, "connect");
    spi_watch_stop(loop, &pending.watch);
    if (result == SPOUT_ETIMEDOUT)
        return spout_error_wrap(result, "connecting to %s timed out", to->name);
    if (result < 0)
        return spout_error_wrap(result, "cannot connect to %s", to->name);
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        errnum = errno;
    return errnum ? cannot_connect(to, errnum) : 0;
}

static int connect_socket(spout_loop *loop, int fd, const target *to)
{
    int on = 1;
    if (to->endpoint.family != 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&to->address, to->len) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return cannot_connect(to, errno);
    return wait_connected(loop, fd, to);
}

spout_stream *spout_stream_connect(
    const char *address, int port, const spout_stream_options *options)
{
    static const int families[] = { [0] = AF_UNIX, [4] = AF_INET, [6] = AF_INET6 };
    spout_loop *loop = spout_loop_current();
    target to;
    if (!spi_task_current()) {
        spout_error_set(SPOUT_ESTATE, "connecting waits: it needs a coroutine");
        return NULL;
    }
    if (find_target(&to, address, port) < 0)
        return NULL;
    int fd = socket(families[to.endpoint.family], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        cannot_connect(&to, errno);
        return NULL;
    }
    spout_stream *stream = NULL;
    if (connect_socket(loop, fd, &to) == 0)
        stream = spi_stream_new(loop, fd, &to.endpoint, options);
    if (!stream)
        close(fd);
    return stream;
}
