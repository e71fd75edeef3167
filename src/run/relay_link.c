/* A worker's end of the relay: the backend of its topics. */
#include <spout/error.h>
#include <spout/sys/topic_backend.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "run/relay.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct relay_link {
    spout_loop *loop;
    int fd; /* -1: the parent is gone */
    int worker;
    spi_watch watch;
    spi_turn_hook end_of_turn; /* while something was gathered */
    bool gathered;
    spi_buffer input, output;
} relay_link;

static void lose(relay_link *link)
{
    spi_log_warning("topics are no longer shared with other workers: the parent is gone");
    spi_watch_stop(link->loop, &link->watch);
    close(link->fd);
    link->fd = -1;
    spi_buffer_release(&link->output);
    spout_topic_backend_ready(link->worker, NULL, 0);
}

/* --- what goes out --- */

static void flush(relay_link *link)
{
    while (link->fd >= 0 && spi_buffer_len(&link->output) > 0) {
        ssize_t sent = send(
            link->fd, spi_buffer_head(&link->output), spi_buffer_len(&link->output), MSG_NOSIGNAL);
        if (sent >= 0)
            spi_buffer_consume(&link->output, (size_t)sent);
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            lose(link);
    }
    if (link->fd < 0)
        return;
    bool waits = spi_buffer_len(&link->output) > 0;
    if (!waits && link->output.capacity > SPI_RELAY_STEP)
        spi_buffer_release(&link->output);
    (void)spi_watch_update(
        link->loop, &link->watch, waits ? SPOUT_READABLE | SPOUT_WRITABLE : SPOUT_READABLE);
}

static void at_end_of_turn(spi_turn_hook *hook)
{
    relay_link *link = spi_container(hook, relay_link, end_of_turn);
    link->gathered = false;
    spi_turn_hook_remove(hook);
    flush(link);
}

static int send_frame(
    relay_link *link, const spi_relay_head *head, const spout_bytes *pieces, int count)
{
    int result = spi_buffer_append(&link->output, head, sizeof *head);
    for (int i = 0; i < count && result == 0; i++)
        result = spi_buffer_append(&link->output, pieces[i].data, pieces[i].len);
    if (result < 0)
        return result;
    if (!link->gathered)
        spi_turn_hook_add(link->loop, &link->end_of_turn, at_end_of_turn);
    link->gathered = true;
    return 0;
}

static int send_record(void *self, int to, bool may_drop, const spout_bytes *pieces, int count)
{
    relay_link *link = self;
    size_t len = 0, queued = spi_buffer_len(&link->output);
    for (int i = 0; i < count; i++)
        len += pieces[i].len;
    if (link->fd < 0)
        return spout_error_set(SPOUT_ECLOSED, "topics are no longer shared: the parent is gone");
    size_t room = may_drop ? SPI_RELAY_LINK_QUEUE : SPI_RELAY_MAX_QUEUE;
    if (len > SPI_RELAY_MAX_LEN || (queued > 0 && queued + len > room))
        return spout_error_set(SPOUT_ELIMIT, "the queue to the other workers is full");
    const spi_relay_head head = {
        .len = (uint32_t)len, .worker = to, .kind = SPI_RELAY_DATA, .may_drop = may_drop
    };
    return send_frame(link, &head, pieces, count);
}

static int say_hello(relay_link *link)
{
    const spi_relay_head hello = { .kind = SPI_RELAY_HELLO };
    return send_frame(link, &hello, NULL, 0);
}

/* --- what comes in --- */

static void take_ready(const relay_link *link, spout_bytes payload)
{
    size_t count = payload.len / sizeof(int);
    int *others = spi_malloc((count + 1) * sizeof *others);
    memcpy(others, payload.data, count * sizeof *others);
    spout_topic_backend_ready(link->worker, others, count);
    spi_free(others);
}

static void take_dropped(spout_bytes payload)
{
    uint64_t count = 0;
    if (payload.len == sizeof count)
        memcpy(&count, payload.data, sizeof count);
    spout_topic_backend_dropped(count);
}

static void take(relay_link *link, const spi_relay_head *head, spout_bytes payload)
{
    switch ((spi_relay_kind)head->kind) {
    case SPI_RELAY_HELLO: break;
    case SPI_RELAY_DATA: spout_topic_backend_deliver(head->worker, payload); break;
    case SPI_RELAY_READY: take_ready(link, payload); break;
    case SPI_RELAY_CAME: spout_topic_backend_came(head->worker); break;
    case SPI_RELAY_GONE: spout_topic_backend_gone(head->worker); break;
    case SPI_RELAY_DROPPED: take_dropped(payload); break;
    case SPI_RELAY_RESET: (void)say_hello(link); break;
    }
}

static void take_frames(relay_link *link)
{
    spi_relay_head head;
    while (spi_buffer_len(&link->input) >= sizeof head) {
        memcpy(&head, spi_buffer_head(&link->input), sizeof head);
        if (spi_buffer_len(&link->input) - sizeof head < head.len)
            return;
        const char *payload = spi_buffer_head(&link->input) + sizeof head;
        take(link, &head, (spout_bytes){ payload, head.len });
        spi_buffer_consume(&link->input, sizeof head + head.len);
    }
    if (spi_buffer_len(&link->input) == 0 && link->input.capacity > 4 * SPI_RELAY_STEP)
        spi_buffer_release(&link->input);
}

static void receive(relay_link *link)
{
    char *to = spi_buffer_reserve(&link->input, SPI_RELAY_STEP);
    ssize_t len = to ? recv(link->fd, to, SPI_RELAY_STEP, 0) : 0;
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        lose(link);
        return;
    }
    spi_buffer_commit(&link->input, (size_t)len);
    take_frames(link);
}

static void on_ready(spi_watch *watch, unsigned events)
{
    relay_link *link = spi_container(watch, relay_link, watch);
    if (events & SPOUT_WRITABLE)
        flush(link);
    if (link->fd >= 0 && events & (SPOUT_READABLE | SPOUT_HANGUP))
        receive(link);
}

static void close_link(void *self)
{
    relay_link *link = self;
    if (link->gathered)
        spi_turn_hook_remove(&link->end_of_turn);
    if (link->fd >= 0) {
        /* What doesn't go out at once is lost: the others are told that we are gone anyway. */
        if (spi_buffer_len(&link->output) > 0)
            (void)send(link->fd, spi_buffer_head(&link->output), spi_buffer_len(&link->output),
                MSG_NOSIGNAL);
        spi_watch_stop(link->loop, &link->watch);
        close(link->fd);
    }
    spi_buffer_release(&link->input);
    spi_buffer_release(&link->output);
    spi_free(link);
}

static const spout_topic_backend backend = { .send = send_record, .close = close_link };

int spi_relay_link_start(int fd, int worker)
{
    relay_link *link = spi_calloc(sizeof *link);
    link->loop = spout_loop_current();
    link->fd = fd;
    link->worker = worker;
    link->watch.fd = -1;
    spi_buffer_init(&link->input, sizeof(spi_relay_head) + SPI_RELAY_MAX_LEN + SPI_RELAY_STEP);
    spi_buffer_init(
        &link->output, SPI_RELAY_MAX_QUEUE + 2 * sizeof(spi_relay_head) + SPI_RELAY_MAX_LEN);
    int result = spi_watch_start(link->loop, &link->watch, fd, SPOUT_READABLE, on_ready);
    if (result == 0)
        result = spout_topic_backend_set(&backend, link);
    if (result < 0) {
        spi_watch_stop(link->loop, &link->watch);
        spi_free(link);
        return result;
    }
    return say_hello(link);
}
