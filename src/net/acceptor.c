#define _GNU_SOURCE
#include "net/listen.h"

#include <spout/error.h>

#include "base/log.h"
#include "net/endpoint.h"
#include "net/net.h"
#include "net/proxy_protocol.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { ACCEPTS_PER_TURN = 64, STARVED_PAUSE_MS = 100 };

/* Of one connection that ended before it was accepted (Linux reports its pending error here), not
   of the listener. */
static bool is_passing(int errnum)
{
    switch (errnum) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP: return true;
    default: return false;
    }
}

static void retry(spi_timer *timer)
{
    spi_acceptor *acceptor = spi_container(timer, spi_acceptor, retry);
    spi_watch_update(acceptor->loop, &acceptor->watch, SPOUT_READABLE);
}

/* The connection stays in the listener's queue, so level-triggered readiness would spin. */
static void pause_accepting(spi_acceptor *acceptor, int errnum)
{
    if (!acceptor->starved) {
        spout_error_set_errno(errnum, "new connections must wait");
        spi_log_warning("%s", spout_error_message());
    }
    acceptor->starved = true;
    spi_watch_update(acceptor->loop, &acceptor->watch, 0);
    spi_timer_start(
        acceptor->loop, &acceptor->retry, spi_loop_now(acceptor->loop) + STARVED_PAUSE_MS, retry);
}

static void set_nodelay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* What is accepted has the options that the listener had when its client came, so this must have
   been set before it listened, as spout_bind_sockets does. */
static bool has_nodelay(int listen_fd)
{
#ifdef __linux__
    int on = 0;
    socklen_t len = sizeof on;
    return getsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on;
#else
    (void)listen_fd;
    return false;
#endif
}

static void hand_over(
    spi_acceptor *acceptor, int fd, const struct sockaddr_storage *address, socklen_t len)
{
    spout_endpoint peer = { 0 };
    acceptor->starved = false;
    if (len >= sizeof address->ss_family)
        spi_endpoint_from(&peer, (const struct sockaddr *)address);
    if (peer.family != 0 && !acceptor->is_nodelay)
        set_nodelay(fd);
    if (acceptor->gate)
        spi_proxy_gate_enter(acceptor->gate, fd, &peer);
    else
        acceptor->on_accept(acceptor, fd, &peer);
}

static void on_event(spi_watch *watch, unsigned events)
{
    (void)events;
    spi_acceptor *acceptor = spi_container(watch, spi_acceptor, watch);
    spi_net *net = spi_net_get(acceptor->loop);
    net->accepting = acceptor;
    for (int i = 0; i < ACCEPTS_PER_TURN && net->accepting == acceptor; i++) {
        struct sockaddr_storage address = { 0 };
        socklen_t len = sizeof address;
        int fd = accept4(
            watch->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            hand_over(acceptor, fd, &address, len);
        } else if (!is_passing(errno)) {
            if (errno != EAGAIN)
                pause_accepting(acceptor, errno);
            break;
        }
    }
    net->accepting = NULL;
}

int spi_acceptor_start(spi_acceptor *acceptor, spout_loop *loop, int listen_fd,
    void (*on_accept)(spi_acceptor *, int, const spout_endpoint *))
{
    *acceptor = (spi_acceptor){
        .loop = loop,
        .on_accept = on_accept,
        .watch = { .fd = -1 },
        .is_nodelay = has_nodelay(listen_fd),
    };
    return spi_watch_start(loop, &acceptor->watch, listen_fd, SPOUT_READABLE, on_event);
}

static void pass(void *arg, int fd, const spout_endpoint *peer)
{
    spi_acceptor *acceptor = arg;
    acceptor->on_accept(acceptor, fd, peer);
}

void spi_acceptor_trust_proxies(spi_acceptor *acceptor, spi_networks *networks)
{
    if (networks->count > 0)
        acceptor->gate = spi_proxy_gate_new(acceptor->loop, networks, pass, acceptor);
}

void spi_acceptor_stop(spi_acceptor *acceptor)
{
    if (!acceptor->loop)
        return;
    spi_net *net = spi_loop_slot_get(acceptor->loop, SPI_SLOT_NET);
    if (net && net->accepting == acceptor)
        net->accepting = NULL;
    if (acceptor->watch.fd >= 0)
        spi_watch_stop(acceptor->loop, &acceptor->watch);
    spi_timer_stop(acceptor->loop, &acceptor->retry);
    spi_proxy_gate_free(acceptor->gate);
    acceptor->gate = NULL;
    acceptor->loop = NULL;
}
