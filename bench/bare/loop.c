#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 20000, MAX_EVENTS = 256 };

static uint64_t states[MAX_FDS];

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
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) {
        perror("bare: cannot listen");
        return -1;
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
        states[fd] = 0;
        watch(poller, fd);
    }
}

int bare_send(int fd, const void *data, size_t len, int flags)
{
    const char *at = data;
    while (len) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL | flags);
        if (sent < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
        } else if (sent < 0) {
            return -1;
        } else {
            at += sent;
            len -= (size_t)sent;
        }
    }
    return 0;
}

static void receive(int fd, bare_serve *serve)
{
    static char in[(1 << 16) + 1];
    ssize_t len = recv(fd, in, sizeof in - 1, 0);
    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0 || serve(fd, in, (size_t)len, &states[fd]) < 0)
        close(fd);
}

int bare_run(uint16_t port, bare_serve *serve)
{
    int listener = listen_on(port);
    if (listener < 0)
        return 1;
    int poller = epoll_create1(EPOLL_CLOEXEC);
    watch(poller, listener);
    for (;;) {
        struct epoll_event events[MAX_EVENTS];
        int count = epoll_wait(poller, events, MAX_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(poller, listener);
            else
                receive(events[i].data.fd, serve);
        }
    }
}
