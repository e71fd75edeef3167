#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* With half of the ports taken, connect looks for a free one for long. */
enum { PER_SOURCE = 10000, PATIENCE_MS = 60000 };

int64_t load_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

_Noreturn void load_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void wait_for(int fd, short events)
{
    if (poll(&(struct pollfd){ .fd = fd, .events = events }, 1, PATIENCE_MS) == 0)
        load_fail("the server has been silent for %d s", PATIENCE_MS / 1000);
}

static void start_tls(load *l, connection *c)
{
    c->ssl = SSL_new(l->tls);
    SSL_set_fd(c->ssl, c->fd);
    for (;;) {
        int result = SSL_connect(c->ssl);
        if (result == 1)
            break;
        int why = SSL_get_error(c->ssl, result);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            load_fail("the TLS handshake failed");
        wait_for(c->fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT);
    }
    c->shaken = true;
}

void load_connect(load *l, connection *c, int number)
{
    *c = (connection){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    if (c->fd < 0)
        load_fail("cannot make a socket: %s", strerror(errno));
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number / PER_SOURCE));
    bind(c->fd, (struct sockaddr *)&address, sizeof address);
    address.sin_port = htons(l->options->port);
    inet_pton(AF_INET, l->options->address, &address.sin_addr);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
        load_fail("cannot connect to port %d: %s", l->options->port, strerror(errno));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (l->tls)
        start_tls(l, c);
}

void load_close(connection *c)
{
    if (c->ssl) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    close(c->fd);
}

void load_send(connection *c, const char *data, size_t len)
{
    while (len) {
        long sent = c->ssl ? SSL_write(c->ssl, data, (int)len)
                           : (long)send(c->fd, data, len, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            len -= (size_t)sent;
        } else if (c->ssl ? SSL_get_error(c->ssl, (int)sent) == SSL_ERROR_WANT_WRITE
                          : errno == EAGAIN) {
            wait_for(c->fd, POLLOUT);
        } else {
            load_fail("the server closed a connection while it was written to");
        }
    }
}

long load_receive(connection *c, char *buffer, size_t size)
{
    if (c->ssl) {
        int len = SSL_read(c->ssl, buffer, (int)size);
        if (len > 0)
            return len;
        return SSL_get_error(c->ssl, len) == SSL_ERROR_WANT_READ ? 0 : -1;
    }
    ssize_t len = recv(c->fd, buffer, size, 0);
    if (len > 0)
        return len;
    return len < 0 && errno == EAGAIN ? 0 : -1;
}

size_t load_receive_head(connection *c, char *buffer, size_t size)
{
    size_t have = 0;
    do {
        wait_for(c->fd, POLLIN);
        long len = load_receive(c, buffer + have, size - have - 1);
        if (len < 0 || have + 1 >= size)
            load_fail("no answer");
        have += (size_t)len;
        buffer[have] = '\0';
    } while (!strstr(buffer, "\r\n\r\n"));
    return have;
}

size_t load_answer_length(const char *text, size_t len)
{
    const char *end = memmem(text, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    const char *field = strcasestr(text, "\r\ncontent-length:");
    if (memcmp(text, "HTTP/1.1 200", 12) != 0 || !field || field > end)
        load_fail("not the answer that was hoped for: %.200s", text);
    return (size_t)(end + 4 - text) + strtoul(field + 17, NULL, 10);
}
