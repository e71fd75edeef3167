/* The life of a transport: events in, bytes to the consumer, and its end. Output is in send.c and
   output.c. */
#include "net/output.h"

#include <spout/error.h>

#include "base/memory.h"
#include "base/ticks.h"

#include <errno.h>
#include <sys/socket.h>

static void on_event(spi_watch *watch, unsigned events);

static bool wants_input(const spout_transport *transport)
{
    return (transport->reading || transport->closing) && !transport->eof && !transport->closed;
}

void spi_transport_update(spout_transport *transport)
{
    if (transport->closed)
        return;
    unsigned events = (wants_input(transport) ? (unsigned)SPOUT_READABLE : 0) |
                      (spi_output_waits(transport) ? (unsigned)SPOUT_WRITABLE : 0);
    if (transport->ops->events)
        events = transport->ops->events(transport, events);
    spi_watch *watch = &transport->watch;
    int result = 0;
    if (events == 0 && transport->hung) {
        if (watch->fd >= 0)
            spi_watch_stop(transport->loop, watch);
    } else if (watch->fd < 0) {
        result = spi_watch_start(transport->loop, watch, transport->fd, events, on_event);
    } else {
        result = spi_watch_update(transport->loop, watch, events);
    }
    if (result < 0)
        spi_transport_lose(
            transport, SPOUT_ESYSTEM, 0, "the system refuses to watch the connection");
}

static void close_descriptor(spout_transport *transport)
{
    if (transport->watch.fd >= 0)
        spi_watch_stop(transport->loop, &transport->watch);
    transport->ops->close(transport);
    transport->fd = -1;
    transport->closed = true;
    transport->reading = false;
    transport->pressed = false;
}

void spi_transport_reset_on_close(const spout_transport *transport)
{
    setsockopt(
        transport->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
}

/* What is held has been sent as far as anybody knows, so it goes out first. True if there was something
   else. */
static bool drop_gathered(spout_transport *transport)
{
    spi_net *net = transport->net;
    spi_net_let_out(transport);
    if (net->gather_owner != transport)
        return false;
    bool had_some = net->gather_len > 0;
    net->gather_owner = NULL;
    net->gather_len = 0;
    return had_some;
}

void spi_transport_lose(spout_transport *transport, int code, int errnum, const char *what)
{
    if (transport->closed)
        return;
    drop_gathered(transport);
    close_descriptor(transport);
    spi_output *output = spi_output_need(transport);
    spi_output_drop(transport);
    spi_timeout_stop(&output->timeout);
    output->lost_code = code;
    output->lost_errnum = errnum;
    output->lost_what = what;
    spi_ready_schedule(transport->loop, &output->lost);
}

void spi_transport_lose_text(spout_transport *transport, int code, const char *text)
{
    if (transport->closed)
        return;
    char *kept = spi_strdup(text);
    spi_transport_lose(transport, code, 0, kept);
    transport->output->lost_text = kept;
}

void spi_transport_lose_errno(spout_transport *transport, int errnum)
{
    const char *what = errnum == ECONNRESET  ? "connection reset by the peer"
                       : errnum == EPIPE     ? "connection closed by the peer"
                       : errnum == ETIMEDOUT ? "connection timed out"
                                             : "connection lost";
    if (!transport->closed)
        spi_transport_reset_on_close(transport);
    spi_transport_lose(
        transport, errnum == ETIMEDOUT ? SPOUT_ETIMEDOUT : SPOUT_ECLOSED, errnum, what);
}

static void finish_output(spout_transport *transport)
{
    transport->ops->shutdown(transport);
    transport->fin = true;
}

/* All is sent: wait for the peer to end too, since closing with unread input would reset the
   connection. */
static void linger(spout_transport *transport)
{
    if (!transport->fin)
        finish_output(transport);
    if (transport->closed || spi_output_waits(transport))
        return;
    if (transport->eof || transport->ops == &spi_transport_pipe) {
        spi_transport_lose(transport, SPOUT_OK, 0, "");
        return;
    }
    spi_timeout_start(transport->net->linger_timeouts, &transport->output->timeout);
    spi_transport_update(transport);
}

static void discard(spout_transport *transport, ssize_t got, int errnum)
{
    if (got > 0) {
        if (transport->fin)
            transport->output->discarded += (size_t)got;
        if (transport->output->discarded > SPI_LINGER_BYTES)
            spi_transport_lose(transport, SPOUT_OK, 0, "");
    } else if (got == 0) {
        transport->eof = true;
        if (transport->fin)
            spi_transport_lose(transport, SPOUT_OK, 0, "");
        else
            spi_transport_update(transport);
    } else if (transport->fin) {
        spi_transport_lose(transport, SPOUT_OK, 0, "");
    } else {
        spi_transport_lose_errno(transport, errnum);
    }
}

/* What else a read may give: an interruption, the end, a failure, or what is thrown away. Not
   inlined, so that the usual way keeps its registers. */
__attribute__((noinline)) static bool receive_otherwise(spout_transport *transport, ssize_t got)
{
    char *room = transport->net->receive;
    if (got < 0 && errno == EINTR)
        got = transport->ops->read(transport, room, SPI_RECEIVE_SIZE);
    int errnum = got < 0 ? errno : 0;
    if (errnum == EAGAIN)
        return false;
    if (transport->closing) {
        discard(transport, got, errnum);
    } else if (got > 0) {
        transport->consumer->on_data(transport, room, (size_t)got);
    } else if (got == 0) {
        transport->eof = true;
        transport->reading = false;
        transport->consumer->on_eof(transport);
    } else {
        spi_transport_lose_errno(transport, errnum);
    }
    return true;
}

/* One recv, without a detour for plain sockets, which most are. False if there was nothing to
   receive. */
static inline bool receive(spout_transport *transport, spi_net *net)
{
    bool received = true;
    spi_unpoison(net->receive, SPI_RECEIVE_SIZE + 1);
    ssize_t got = transport->ops == &spi_transport_plain
                      ? recv(transport->fd, net->receive, SPI_RECEIVE_SIZE, 0)
                      : transport->ops->read(transport, net->receive, SPI_RECEIVE_SIZE);
    if (got > 0 && !transport->closing)
        transport->consumer->on_data(transport, net->receive, (size_t)got);
    else
        received = receive_otherwise(transport, got);
    spi_poison(net->receive, SPI_RECEIVE_SIZE + 1);
    return received;
}

static void send_waiting(spout_transport *transport)
{
    spi_output_advance(transport);
    if (transport->closed)
        return;
    if (spi_output_waits(transport)) {
        if (!transport->pressed || spi_output_pending(transport) > transport->net->limits.low_mark)
            return;
    } else if (transport->closing) {
        linger(transport);
        return;
    } else {
        if (transport->shut && !transport->fin)
            finish_output(transport);
        if (transport->closed || spi_output_waits(transport))
            return;
        spi_output_free(transport);
        spi_transport_update(transport);
    }
    transport->pressed = false;
    if (!transport->closed && !transport->closing)
        transport->consumer->on_drain(transport);
}

/*
 * A hang-up while no input is wanted, or none is there. It is reported again and again until the
 * descriptor is no longer watched. If unread input is left, or we have ended our side too, the
 * owner will find out when it reads on.
 */
static void check_hangup(spout_transport *transport)
{
    const spi_transport_ops *ops = transport->ops->peek ? transport->ops : &spi_transport_plain;
    ssize_t got = ops->peek(transport);
    if (got > 0 || (got == 0 && transport->fin)) {
        transport->hung = true;
        spi_transport_update(transport);
    } else if (got < 0 && errno != EAGAIN) {
        spi_transport_lose_errno(transport, errno);
    } else {
        transport->eof = true;
        spi_transport_lose_errno(transport, EPIPE);
    }
}

/* Not inlined, so that what nearly all events are costs little. */
__attribute__((noinline)) static void handle(spout_transport *transport, unsigned events)
{
    spi_net *net = transport->net;
    if (transport->ops->prepare) {
        spi_net_send_held(net); /* before the work of a handshake */
        if (!transport->ops->prepare(transport, events))
            return;
    }
    if (net->current != transport || transport->closed)
        return;
    bool wanted = wants_input(transport), received = false;
    if (wanted && (events & (SPOUT_READABLE | SPOUT_HANGUP))) {
        received = receive(transport, net);
        if (net->current != transport || transport->closed)
            return;
    }
    if (spi_output_waits(transport) && (events & (SPOUT_WRITABLE | SPOUT_HANGUP))) {
        send_waiting(transport);
        if (net->current != transport || transport->closed)
            return;
    }
    if ((events & SPOUT_HANGUP) && !(received && wants_input(transport)))
        check_hangup(transport);
    else if ((events & SPOUT_READABLE) && !wanted)
        spi_transport_update(transport);
}

/* Input for one that reads, and nothing else: what nearly all events are. */
static inline bool is_plain_input(const spout_transport *transport, unsigned events)
{
    return events == SPOUT_READABLE && spi_transport_is_well(transport) && !transport->output &&
           (transport->ops == &spi_transport_plain || !transport->ops->prepare);
}

/* What one has gathered that was dispatched in between. */
__attribute__((noinline)) static void flush_others_later(spi_net *net)
{
    if (net->gather_owner)
        spi_net_flush_later(net);
}

/* It has nothing to wait for. That it was slow is noted all the same if others of its kind may wait. */
static inline void send_gathered(spi_net *net, const spout_transport *transport)
{
    spi_net_flush(net, false);
    if (spi_transport_is_plain(transport->ops))
        spi_net_note_event(net, spi_ticks());
}

static void dispatch(spout_transport *transport, unsigned events)
{
    spi_net *net = transport->net;
    net->current = transport;
    if (is_plain_input(transport, events))
        receive(transport, net);
    else
        handle(transport, events);
    if (net->current != transport) {
        flush_others_later(net);
        return;
    }
    net->current = NULL;
    if (net->gather_owner != transport)
        return;
    if (spi_net_may_leave(net, transport))
        spi_net_leave(net, transport);
    else
        send_gathered(net, transport);
}

static void on_event(spi_watch *watch, unsigned events)
{
    dispatch(spi_container(watch, spout_transport, watch), events);
}

void spi_transport_poke(spout_transport *transport)
{
    if (wants_input(transport))
        dispatch(transport, SPOUT_READABLE);
}

int spi_transport_open(spout_transport *transport, spout_loop *loop, int fd,
    const spi_transport_ops *ops, const spout_consumer *consumer)
{
    *transport = (spout_transport){
        .ops = ops == &spi_transport_plain ? spi_transport_plain_on(loop) : ops,
        .consumer = consumer,
        .loop = loop,
        .net = spi_net_get(loop),
        .watch = { .fd = -1 },
        .fd = fd,
    };
    /* Readable at once: that nobody wants it yet is corrected when something arrives, which is
       rarely before the resume. */
    int result = spi_watch_start(loop, &transport->watch, fd, SPOUT_READABLE, on_event);
    if (result < 0) {
        transport->fd = -1;
        transport->closed = true;
    }
    return result;
}

void spi_transport_pause(spout_transport *transport)
{
    transport->reading = false;
}

void spi_transport_resume(spout_transport *transport)
{
    if (transport->eof || transport->closing || transport->closed)
        return;
    transport->reading = true;
    if (transport->ops->resumed)
        transport->ops->resumed(transport);
    if (transport->watch.fd < 0 || !(transport->watch.events & SPOUT_READABLE))
        spi_transport_update(transport);
}

void spi_transport_shutdown(spout_transport *transport)
{
    if (transport->closed || transport->shut)
        return;
    spi_transport_flush(transport);
    if (transport->closed)
        return;
    transport->shut = true;
    if (!spi_output_waits(transport))
        finish_output(transport);
}

void spi_transport_close(spout_transport *transport)
{
    if (transport->closed || transport->closing)
        return;
    spi_transport_flush(transport);
    if (transport->closed)
        return;
    transport->closing = true;
    transport->shut = true;
    transport->reading = false;
    spi_output_need(transport);
    if (spi_output_waits(transport))
        spi_transport_update(transport);
    else
        linger(transport);
}

void spi_transport_abort(spout_transport *transport)
{
    if (!transport->net || (transport->closed && !transport->output))
        return;
    if (transport->net->current == transport)
        transport->net->current = NULL;
    bool pending = drop_gathered(transport) || spi_output_waits(transport);
    if (!transport->closed) {
        if (pending)
            spi_transport_reset_on_close(transport);
        close_descriptor(transport);
    }
    spi_output_free(transport);
}

int spi_transport_fd(const spout_transport *transport)
{
    return transport->fd;
}

/* The descriptor stays open, without a watch. */
static void let_go(spout_transport *transport)
{
    if (transport->net->current == transport)
        transport->net->current = NULL;
    drop_gathered(transport);
    if (transport->watch.fd >= 0)
        spi_watch_stop(transport->loop, &transport->watch);
    transport->fd = -1;
    transport->closed = true;
    transport->reading = false;
}

int spi_transport_move(spout_transport *from, spout_transport *to, const spout_consumer *consumer)
{
    spi_transport_flush(from);
    if (from->closed || from->closing || spi_transport_pending(from) > 0 ||
        (from->ops->moved && !from->ops->moved(from, to)))
        return spout_error_set(SPOUT_ESTATE,
            "the connection can't be taken over: it is closed, output is pending, or TLS is not "
            "agreed on yet");
    spi_output_free(from);
    *to = *from;
    to->consumer = consumer;
    to->watch = (spi_watch){ .fd = -1 };
    to->reading = false;
    to->pressed = false;
    to->hung = false;
    let_go(from);
    spi_transport_update(to);
    return 0;
}

int spi_transport_detach(spout_transport *transport)
{
    if (transport->ops->flush) { /* a layer, which stays */
        spout_error_set(SPOUT_EUNSUPPORTED, "the connection can't be detached: it speaks TLS");
        return -1;
    }
    if (transport->closed || transport->closing || spi_transport_pending(transport) > 0) {
        spout_error_set(
            SPOUT_ESTATE, "the connection can't be detached: it is closed, or output is pending");
        return -1;
    }
    int fd = transport->fd;
    let_go(transport);
    return fd;
}
