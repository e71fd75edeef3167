#include "run/relay.h"

#include <spout/error.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_PIECES = 64, MAX_STEPS = 4 };

/* A frame that waits for one worker. */
typedef struct waiting {
    spi_list node;
    spi_blob *blob;
} waiting;

typedef struct channel {
    int fd;
    bool ready;       /* it has said HELLO */
    bool lagging;     /* it was told to say it again */
    bool warned;      /* of what was dropped */
    uint64_t dropped; /* and not told yet */
    spi_buffer input; /* less than a frame */
    spi_list queue;
    size_t queued, sent; /* bytes of the queue; of its first frame, those that are out */
} channel;

struct spi_relay {
    int workers;
    channel channels[];
};

spi_relay *spi_relay_new(int workers)
{
    spi_relay *relay = spi_calloc(sizeof *relay + (size_t)workers * sizeof(channel));
    relay->workers = workers;
    for (int i = 0; i < workers; i++) {
        channel *c = &relay->channels[i];
        c->fd = -1;
        spi_buffer_init(&c->input, sizeof(spi_relay_head) + SPI_RELAY_MAX_LEN + SPI_RELAY_STEP);
        spi_list_init(&c->queue);
    }
    return relay;
}

static waiting *first_waiting(const channel *c)
{
    spi_list *node = spi_list_first(&c->queue);
    return node ? spi_container(node, waiting, node) : NULL;
}

static void drop_frame(channel *c, waiting *frame)
{
    c->queued -= frame->blob->len;
    spi_list_remove(&frame->node);
    spi_blob_unref(frame->blob);
    spi_free(frame);
}

static void close_channel(channel *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->ready = c->lagging = c->warned = false;
    c->dropped = 0;
    c->sent = 0;
    spi_buffer_release(&c->input);
    for (waiting *frame; (frame = first_waiting(c));)
        drop_frame(c, frame);
}

void spi_relay_free(spi_relay *relay)
{
    if (!relay)
        return;
    for (int i = 0; i < relay->workers; i++)
        close_channel(&relay->channels[i]);
    spi_free(relay);
}

/* --- what goes out --- */

static spi_blob *make_frame(spi_relay_kind kind, int worker, bool may_drop, spout_bytes payload)
{
    const spi_relay_head head = {
        .len = (uint32_t)payload.len, .worker = worker, .kind = (uint8_t)kind, .may_drop = may_drop
    };
    spi_blob *blob = spi_blob_new(sizeof head + payload.len);
    memcpy(blob->data, &head, sizeof head);
    if (payload.len > 0)
        memcpy(blob->data + sizeof head, payload.data, payload.len);
    return blob;
}

static void queue_frame(channel *c, spi_blob *blob)
{
    waiting *frame = spi_malloc(sizeof *frame);
    frame->blob = spi_blob_ref(blob);
    spi_list_push(&c->queue, &frame->node);
    c->queued += blob->len;
}

/* Makes a frame for this channel alone. */
static void queue_new(channel *c, spi_relay_kind kind, int worker, spout_bytes payload)
{
    spi_blob *blob = make_frame(kind, worker, false, payload);
    queue_frame(c, blob);
    spi_blob_unref(blob);
}

static void tell_dropped(channel *c)
{
    if (c->dropped == 0)
        return;
    const spout_bytes payload = { (const char *)&c->dropped, sizeof c->dropped };
    queue_new(c, SPI_RELAY_DROPPED, 0, payload);
    c->dropped = 0;
}

/* Gives up all but the frame that is on its way. */
static void start_over(channel *c, int worker)
{
    spi_log_warning("worker %d reads no topics: it has to start over with them", worker);
    for (spi_list *node = c->queue.prev;
         node != &c->queue && (c->sent == 0 || node != c->queue.next); node = c->queue.prev)
        drop_frame(c, spi_container(node, waiting, node));
    c->lagging = true;
    queue_new(c, SPI_RELAY_RESET, 0, (spout_bytes){ NULL, 0 });
}

static void drop_for(channel *c, int worker)
{
    c->dropped++;
    if (!c->warned)
        spi_log_warning(
            "worker %d reads topics too slowly: publications for it are dropped", worker);
    c->warned = true;
}

static void send_frame(spi_relay *relay, int worker, spi_blob *blob, bool may_drop)
{
    channel *c = &relay->channels[worker];
    if (!c->ready || c->lagging)
        return;
    if (may_drop && c->queued > 0 && c->queued + blob->len > SPI_RELAY_QUEUE) {
        drop_for(c, worker);
    } else if (c->queued + blob->len > SPI_RELAY_MAX_QUEUE) {
        start_over(c, worker);
    } else {
        tell_dropped(c);
        queue_frame(c, blob);
    }
}

/* To all but `except`; -1: none. */
static void send_to_all(spi_relay *relay, spi_blob *blob, bool may_drop, int except)
{
    for (int i = 0; i < relay->workers; i++)
        if (i != except)
            send_frame(relay, i, blob, may_drop);
}

static void announce(spi_relay *relay, spi_relay_kind kind, int worker)
{
    spi_blob *blob = make_frame(kind, worker, false, (spout_bytes){ NULL, 0 });
    send_to_all(relay, blob, false, worker);
    spi_blob_unref(blob);
}

static void consume(channel *c, size_t len)
{
    c->sent += len;
    for (waiting *frame; (frame = first_waiting(c)) && c->sent >= frame->blob->len;) {
        c->sent -= frame->blob->len;
        drop_frame(c, frame);
    }
}

/* False if the worker's end is gone. */
static bool flush(channel *c)
{
    while (!spi_list_is_empty(&c->queue)) {
        struct iovec pieces[MAX_PIECES];
        struct msghdr message = { .msg_iov = pieces };
        size_t skip = c->sent;
        for (spi_list *node = c->queue.next; node != &c->queue && message.msg_iovlen < MAX_PIECES;
             node = node->next) {
            spi_blob *blob = spi_container(node, waiting, node)->blob;
            pieces[message.msg_iovlen++] = (struct iovec){ blob->data + skip, blob->len - skip };
            skip = 0;
        }
        ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN;
        consume(c, (size_t)sent);
    }
    return true;
}

/* --- what comes in --- */

static void welcome(spi_relay *relay, int worker)
{
    channel *c = &relay->channels[worker];
    int *others = spi_malloc((size_t)relay->workers * sizeof *others);
    size_t count = 0;
    for (int i = 0; i < relay->workers; i++)
        if (i != worker && relay->channels[i].ready)
            others[count++] = i;
    c->ready = true;
    c->lagging = false;
    queue_new(
        c, SPI_RELAY_READY, worker, (spout_bytes){ (const char *)others, count * sizeof *others });
    spi_free(others);
    announce(relay, SPI_RELAY_CAME, worker);
}

static void pass_on(spi_relay *relay, int from, const spi_relay_head *head, const char *payload)
{
    spi_blob *blob = make_frame(
        SPI_RELAY_DATA, from, head->may_drop, (spout_bytes){ payload, head->len });
    if (head->worker < 0)
        send_to_all(relay, blob, head->may_drop, -1);
    else if (head->worker < relay->workers)
        send_frame(relay, head->worker, blob, head->may_drop);
    spi_blob_unref(blob);
}

/* The complete frames of the input. False if it makes no sense. */
static bool take_frames(spi_relay *relay, int from)
{
    spi_buffer *input = &relay->channels[from].input;
    spi_relay_head head;
    while (spi_buffer_len(input) >= sizeof head) {
        memcpy(&head, spi_buffer_head(input), sizeof head);
        if (head.len > SPI_RELAY_MAX_LEN)
            return false;
        if (spi_buffer_len(input) - sizeof head < head.len)
            return true;
        if (head.kind == SPI_RELAY_HELLO)
            welcome(relay, from);
        else if (head.kind == SPI_RELAY_DATA)
            pass_on(relay, from, &head, spi_buffer_head(input) + sizeof head);
        else
            return false;
        spi_buffer_consume(input, sizeof head + head.len);
    }
    if (spi_buffer_len(input) == 0 && input->capacity > 4 * SPI_RELAY_STEP)
        spi_buffer_release(input);
    return true;
}

/* False at the end of input. */
static bool receive(spi_relay *relay, int from, int steps)
{
    channel *c = &relay->channels[from];
    for (int i = 0; i < steps; i++) {
        char *to = spi_buffer_reserve(&c->input, SPI_RELAY_STEP);
        ssize_t len = to ? recv(c->fd, to, SPI_RELAY_STEP, 0) : 0;
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return len < 0 && errno == EAGAIN;
        spi_buffer_commit(&c->input, (size_t)len);
        if (!take_frames(relay, from))
            return false;
        if (len < SPI_RELAY_STEP)
            return true;
    }
    return true;
}

static void lose(spi_relay *relay, int worker)
{
    bool was_ready = relay->channels[worker].ready;
    close_channel(&relay->channels[worker]);
    if (was_ready)
        announce(relay, SPI_RELAY_GONE, worker);
}

int spi_relay_open(spi_relay *relay, int worker, int *ret_fd)
{
    channel *c = &relay->channels[worker];
    if (c->fd >= 0) {
        do
            errno = 0;
        while (receive(relay, worker, 1) && errno != EAGAIN);
        lose(relay, worker);
    }
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return spout_error_set_errno(errno, "cannot make a channel to worker %d", worker);
    c->fd = pair[0];
    *ret_fd = pair[1];
    return 0;
}

void spi_relay_poll_set(const spi_relay *relay, struct pollfd *out)
{
    for (int i = 0; i < relay->workers; i++) {
        const channel *c = &relay->channels[i];
        short events = spi_list_is_empty(&c->queue) ? POLLIN : POLLIN | POLLOUT;
        out[i] = (struct pollfd){ .fd = c->fd, .events = events };
    }
}

void spi_relay_turn(spi_relay *relay, const struct pollfd *polled)
{
    for (int i = 0; i < relay->workers; i++)
        if (polled[i].fd >= 0 && (polled[i].revents & (POLLIN | POLLHUP | POLLERR)) &&
            !receive(relay, i, MAX_STEPS))
            lose(relay, i);
    for (int i = 0; i < relay->workers; i++) {
        channel *c = &relay->channels[i];
        if (c->fd < 0)
            continue;
        if (spi_list_is_empty(&c->queue) && c->ready)
            tell_dropped(c);
        if (!flush(c))
            lose(relay, i);
    }
}
