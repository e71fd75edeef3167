/* Socket activation: listening sockets that were open before this program started. */
#define _GNU_SOURCE
#include <spout/netutil.h>

#include <spout/error.h>

#include "base/text.h"
#include "net/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3, MOST_FDS = 1024 };

/* 0 if the sockets are not for this process. */
static int count_passed(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    uint64_t value;
    if (!pid || !fds || !spi_parse_uint(pid, strlen(pid), INT32_MAX, &value) ||
        value != (uint64_t)getpid())
        return 0;
    if (!spi_parse_uint(fds, strlen(fds), MOST_FDS, &value))
        return spout_error_set(SPOUT_EINVAL, "LISTEN_FDS is \"%s\": not a number", fds);
    return (int)value;
}

static bool has_name(int index, const char *name)
{
    const char *names = getenv("LISTEN_FDNAMES");
    for (; names && index > 0; index--) {
        names = strchr(names, ':');
        names = names ? names + 1 : NULL;
    }
    size_t len = names ? strcspn(names, ":") : 0;
    return len == strlen(name) && (len == 0 || memcmp(names, name, len) == 0);
}

static int socket_option(int fd, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

static void describe(spout_listener *out, const struct sockaddr_storage *address, socklen_t len)
{
    spout_endpoint endpoint;
    char name[SPI_ENDPOINT_NAME];
    spi_endpoint_from(&endpoint, (const struct sockaddr *)address);
    out->port = endpoint.port;
    if (address->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)address;
        size_t path_len = len - offsetof(struct sockaddr_un, sun_path);
        bool abstract = path_len > 0 && un->sun_path[0] == '\0';
        snprintf(out->name, sizeof out->name, "unix:%s%.*s", abstract ? "@" : "",
            abstract ? (int)path_len - 1 : (int)strnlen(un->sun_path, path_len),
            un->sun_path + abstract);
    } else {
        snprintf(out->name, sizeof out->name, "%s", spi_endpoint_name(&endpoint, name));
    }
}

static int take(int fd, spout_listener *out)
{
    struct sockaddr_storage address = { 0 };
    socklen_t len = sizeof address;
    if (socket_option(fd, SO_TYPE) != SOCK_STREAM || socket_option(fd, SO_ACCEPTCONN) != 1)
        return spout_error_set(
            SPOUT_EINVAL, "descriptor %d of LISTEN_FDS is no listening stream socket", fd);
    int flags = fcntl(fd, F_GETFL);
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return spout_error_set_errno(errno, "descriptor %d of LISTEN_FDS is of no use", fd);
    *out = (spout_listener){ .fd = fd };
    describe(out, &address, len);
    return 0;
}

int spout_listen_fds(const char *name, spout_listener *ret_listeners, int max)
{
    int passed = count_passed(), count = 0;
    for (int i = 0; i < passed; i++) {
        if (name && !has_name(i, name))
            continue;
        if (count == max)
            return spout_error_set(SPOUT_ELIMIT, "more than %d sockets were passed", max);
        spout_listener listener;
        int result = take(FIRST_FD + i, &listener);
        if (result < 0)
            return result;
        ret_listeners[count++] = listener;
    }
    return passed < 0 ? passed : count;
}
