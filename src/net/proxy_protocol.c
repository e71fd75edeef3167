#define _GNU_SOURCE
#include "net/proxy_protocol.h"

#include <spout/error.h>

#include "base/log.h"
#include "base/memory.h"
#include "net/endpoint.h"
#include "net/proxy_parser.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* One connection that owes its header. */
typedef struct visitor {
    spi_list node;
    spi_proxy_gate *gate;
    spi_watch watch;
    spi_timeout timeout;
    spout_endpoint peer;
    int fd;
    size_t len;
    char data[SPI_PROXY_MAX];
} visitor;

/* Without its descriptor. */
static void forget(visitor *self)
{
    if (self->watch.fd >= 0)
        spi_watch_stop(self->gate->loop, &self->watch);
    spi_timeout_stop(&self->timeout);
    spi_list_remove(&self->node);
    spi_free(self);
}

static void turn_away(visitor *self, const char *why)
{
    char name[SPI_ENDPOINT_NAME];
    if (why)
        spi_log_warning("connection of %s refused: %s", spi_endpoint_name(&self->peer, name), why);
    close(self->fd);
    forget(self);
}

static void on_timeout(spi_timeout *timeout)
{
    turn_away(spi_container(timeout, visitor, timeout), "the PROXY header did not come in time");
}

static void let_in(visitor *self, const spi_proxy_header *header)
{
    spi_proxy_gate *gate = self->gate;
    spout_endpoint peer = self->peer;
    int fd = self->fd;
    if (!header->local && header->source.family != 0) {
        peer = (spout_endpoint){ .family = header->source.family, .port = header->source.port };
        memcpy(peer.address, header->source.ip, sizeof peer.address);
    }
    forget(self);
    gate->pass(gate->arg, fd, &peer);
}

static ssize_t receive(const visitor *self, void *out, size_t len, int flags)
{
    ssize_t got;
    do
        got = recv(self->fd, out, len, flags);
    while (got < 0 && errno == EINTR);
    return got;
}

/*
 * Looks at what is there without taking it. What belongs to a header that is not complete is taken;
 * of the rest only what the header still needs.
 */
static void on_event(spi_watch *watch, unsigned events)
{
    (void)events;
    visitor *self = spi_container(watch, visitor, watch);
    char *end = self->data + self->len;
    ssize_t got = receive(self, end, SPI_PROXY_MAX - self->len, MSG_PEEK);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        turn_away(self, self->len > 0 ? "it ended within the PROXY header" : NULL);
        return;
    }
    spi_proxy_header header;
    const char *why = NULL;
    int header_len = spi_proxy_parse(self->data, self->len + (size_t)got, &header, &why);
    if (header_len < 0) {
        turn_away(self, why);
        return;
    }
    size_t take = header_len > 0 ? (size_t)header_len - self->len : (size_t)got;
    ssize_t taken = receive(self, end, take, 0);
    if (taken < 0 && errno == EAGAIN)
        return;
    if (taken <= 0) {
        turn_away(self, "it was reset within the PROXY header");
        return;
    }
    self->len += (size_t)taken;
    if (header_len > 0 && self->len == (size_t)header_len)
        let_in(self, &header);
}

void spi_proxy_gate_enter(spi_proxy_gate *gate, int fd, const spout_endpoint *peer)
{
    if (!spi_networks_contain(&gate->trusted, peer)) {
        gate->pass(gate->arg, fd, peer);
        return;
    }
    visitor *self = spi_malloc(sizeof *self);
    self->gate = gate;
    self->fd = fd;
    self->peer = *peer;
    self->len = 0;
    self->watch.fd = -1;
    spi_timeout_init(&self->timeout);
    spi_list_push(&gate->waiting, &self->node);
    if (spi_watch_start(gate->loop, &self->watch, fd, SPOUT_READABLE, on_event) < 0)
        turn_away(self, "the system refuses to watch it");
    else
        spi_timeout_start(
            spi_timeout_class_get(gate->loop, SPI_PROXY_TIMEOUT_MS, on_timeout), &self->timeout);
}

spi_proxy_gate *spi_proxy_gate_new(spout_loop *loop, spi_networks *trusted,
    void (*pass)(void *arg, int fd, const spout_endpoint *peer), void *arg)
{
    spi_proxy_gate *gate = spi_calloc(sizeof *gate);
    gate->loop = loop;
    gate->trusted = *trusted;
    *trusted = (spi_networks){ 0 };
    gate->pass = pass;
    gate->arg = arg;
    spi_list_init(&gate->waiting);
    return gate;
}

void spi_proxy_gate_free(spi_proxy_gate *gate)
{
    if (!gate)
        return;
    spi_list *node;
    while ((node = spi_list_first(&gate->waiting)))
        turn_away(spi_container(node, visitor, node), NULL);
    spi_networks_free(&gate->trusted);
    spi_free(gate);
}
