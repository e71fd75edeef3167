/*
 * The ceiling: an epoll loop that finds the blank line and sends a fixed answer. No parsing, no
 * routes, no timeouts. What a server costs above this is its own.
 *
 *     bare_http PORT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] =
    "HTTP/1.1 200 OK\r\nServer: bare\r\nContent-Type: text/html; charset=UTF-8\r\n"
    "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 12\r\n\r\nHello, world";

static int listen_on(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0) {
        perror("bare_http: cannot listen");
        exit(1);
    }
    socklen_t len = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &len);
    fprintf(stderr, "listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    return fd;
}

static void watch(int poller, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void accept_all(int poller, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(poller, fd);
    }
}

/* Each blank line in what was received gets an answer; all of them leave in one send. */
static void serve(int fd)
{
    static char in[1 << 16], out[1 << 18];
    ssize_t len = recv(fd, in, sizeof in, 0);
    if (len <= 0) {
        if (len == 0 || errno != EAGAIN)
            close(fd);
        return;
    }
    size_t ready = 0;
    const char *at = in, *end = in + len;
    while (ready + sizeof answer < sizeof out &&
           (at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4))) {
        memcpy(out + ready, answer, sizeof answer - 1);
        ready += sizeof answer - 1;
        at += 4;
    }
    if (ready && send(fd, out, ready, MSG_NOSIGNAL) < 0)
        close(fd);
}

int main(int argc, char **argv)
{
    int listener = listen_on((uint16_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 0));
    int poller = epoll_create1(EPOLL_CLOEXEC);
    watch(poller, listener);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(poller, listener);
            else
                serve(events[i].data.fd);
        }
    }
}
