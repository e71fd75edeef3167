#include "net/output.h"

#include "base/memory.h"

#include <errno.h>
#include <unistd.h>

enum { SMALLEST_CHUNK = 2 * 1024, USUAL_CHUNK = 16 * 1024, MAX_PIECES = 32 };

/* Memory [start, end) of a blob, or `left` bytes of a file. */
typedef struct segment {
    spi_list node;
    spi_blob *blob; /* NULL: a file */
    size_t start, end;
    size_t capacity; /* of a blob that is ours alone, so that more can be appended; 0: shared */
    spi_shared_file *file;
    int64_t offset, left;
} segment;

spi_blob *spi_blob_new(size_t len)
{
    spi_blob *blob = spi_malloc(sizeof *blob + len);
    blob->refs = 1;
    blob->len = len;
    return blob;
}

spi_blob *spi_blob_ref(spi_blob *blob)
{
    blob->refs++;
    return blob;
}

void spi_blob_unref(spi_blob *blob)
{
    if (blob && --blob->refs == 0)
        spi_free(blob);
}

spi_shared_file *spi_shared_file_new(int fd)
{
    spi_shared_file *file = spi_malloc(sizeof *file);
    *file = (spi_shared_file){ .refs = 1, .fd = fd };
    return file;
}

spi_shared_file *spi_shared_file_ref(spi_shared_file *file)
{
    file->refs++;
    return file;
}

void spi_shared_file_unref(spi_shared_file *file)
{
    if (!file || --file->refs > 0)
        return;
    close(file->fd);
    spi_free(file);
}

static void segment_free(segment *seg)
{
    spi_list_remove(&seg->node);
    spi_blob_unref(seg->blob);
    spi_shared_file_unref(seg->file);
    spi_free(seg);
}

static segment *first_segment(const spi_output *output)
{
    spi_list *node = spi_list_first(&output->segments);
    return node ? spi_container(node, segment, node) : NULL;
}

static segment *last_segment(const spi_output *output)
{
    return spi_list_is_empty(&output->segments)
               ? NULL
               : spi_container(output->segments.prev, segment, node);
}

static void call_on_lost(spi_ready *ready)
{
    spi_output *output = spi_container(ready, spi_output, lost);
    spout_transport *transport = output->transport;
    if (output->lost_code == SPOUT_OK) {
        spout_error_clear();
    } else if (output->lost_errnum) {
        spout_error_set_errno(output->lost_errnum, "socket");
        spout_error_wrap(output->lost_code, "%s", output->lost_what);
    } else {
        spout_error_set(output->lost_code, "%s", output->lost_what);
    }
    spi_output_free(transport);
    transport->consumer->on_lost(transport);
}

spi_output *spi_output_need(spout_transport *transport)
{
    spi_output *output = transport->output;
    if (output)
        return output;
    output = spi_calloc(sizeof *output);
    output->transport = transport;
    output->since_ms = spi_loop_now(transport->loop);
    spi_list_init(&output->segments);
    spi_timeout_init(&output->timeout);
    spi_ready_init(&output->lost, call_on_lost);
    transport->output = output;
    return output;
}

void spi_output_drop(spout_transport *transport)
{
    spi_output *output = transport->output;
    if (!output)
        return;
    for (segment *seg; (seg = first_segment(output));)
        segment_free(seg);
    output->memory_bytes = 0;
    output->file_bytes = 0;
    output->held = 0;
}

void spi_output_free(spout_transport *transport)
{
    spi_output *output = transport->output;
    if (!output)
        return;
    spi_output_drop(transport);
    spi_timeout_stop(&output->timeout);
    spi_ready_cancel(&output->lost);
    spi_free(output->lost_text);
    spi_free(output);
    transport->output = NULL;
}

static void restart_timeout(spi_output *output)
{
    spi_timeout_class *timeouts = output->transport->net->write_timeouts;
    if (timeouts)
        spi_timeout_start(timeouts, &output->timeout);
    else
        spi_timeout_stop(&output->timeout);
}

void spi_output_on_write_timeout(spi_timeout *timeout)
{
    spout_transport *transport = spi_container(timeout, spi_output, timeout)->transport;
    spi_transport_reset_on_close(transport);
    spi_transport_lose(
        transport, SPOUT_ETIMEDOUT, 0, "the peer takes no more output: write timed out");
}

/* Some progress, but less than the least that is worth a queue. */
static bool drips(const spi_output *output)
{
    const spout_transport *transport = output->transport;
    int64_t rate = transport->net->limits.min_write_rate;
    int64_t waited_ms = spi_loop_now(transport->loop) - output->since_ms - SPI_RATE_GRACE_MS;
    return rate > 0 && waited_ms > 0 && output->taken / (uint64_t)rate < (uint64_t)waited_ms / 1000;
}

static void note_progress(spi_output *output, size_t sent)
{
    output->taken += sent;
    if (!drips(output)) {
        restart_timeout(output);
        return;
    }
    spi_transport_reset_on_close(output->transport);
    spi_transport_lose(output->transport, SPOUT_ETIMEDOUT, 0, "the peer takes output too slowly");
}

void spi_output_on_linger_timeout(spi_timeout *timeout)
{
    spi_transport_lose(spi_container(timeout, spi_output, timeout)->transport, SPOUT_OK, 0, "");
}

static segment *add_segment(spi_output *output)
{
    segment *seg = spi_calloc(sizeof *seg);
    spi_list_push(&output->segments, &seg->node);
    return seg;
}

static void note_added(spout_transport *transport, bool was_empty)
{
    if (spi_output_pending(transport) > transport->net->limits.high_mark)
        transport->pressed = true;
    if (was_empty) {
        transport->output->since_ms = spi_loop_now(transport->loop);
        transport->output->taken = 0;
        restart_timeout(transport->output);
        spi_transport_update(transport);
    }
}

void spi_output_hold(spout_transport *transport, size_t len)
{
    if (len == 0 && !transport->output)
        return;
    spi_output *output = spi_output_need(transport);
    bool waited = spi_output_waits(transport);
    output->held = len;
    if (len > 0)
        note_added(transport, !waited);
}

/* The last segment if `len` more bytes fit into it, else a new one. */
static segment *segment_with_room(spi_output *output, size_t len)
{
    segment *last = last_segment(output);
    if (last && last->capacity >= len && last->capacity - last->end >= len)
        return last;
    size_t usual = last ? USUAL_CHUNK : SMALLEST_CHUNK;
    segment *seg = add_segment(output);
    seg->capacity = len > usual ? len : usual;
    seg->blob = spi_blob_new(seg->capacity);
    return seg;
}

/* Copies what fits behind the last bytes, and moves `data` and `len` on. */
static void fill_last(spi_output *output, const char **data, size_t *len)
{
    segment *last = last_segment(output);
    if (!last || last->capacity <= last->end)
        return;
    size_t part = last->capacity - last->end;
    if (part > *len)
        part = *len;
    memcpy(last->blob->data + last->end, *data, part);
    last->end += part;
    *data += part;
    *len -= part;
}

void spi_output_add_bytes(spout_transport *transport, const void *data, size_t len)
{
    spi_output *output = spi_output_need(transport);
    bool was_empty = spi_list_is_empty(&output->segments);
    const char *rest = data;
    output->memory_bytes += len;
    fill_last(output, &rest, &len);
    if (len > 0) {
        segment *seg = segment_with_room(output, len);
        memcpy(seg->blob->data + seg->end, rest, len);
        seg->end += len;
    }
    note_added(transport, was_empty);
}

void spi_output_add_blob(spout_transport *transport, spi_blob *blob, size_t start)
{
    spi_output *output = spi_output_need(transport);
    bool was_empty = spi_list_is_empty(&output->segments);
    segment *seg = add_segment(output);
    seg->blob = spi_blob_ref(blob);
    seg->start = start;
    seg->end = blob->len;
    output->memory_bytes += blob->len - start;
    note_added(transport, was_empty);
}

static bool is_whole_blob(const segment *seg)
{
    return seg->blob && seg->capacity == 0 && seg->start == 0;
}

size_t spi_transport_drop_blobs(spout_transport *transport, size_t len)
{
    spi_output *output = transport->output;
    if (!output)
        return 0;
    size_t found = 0, count = 0;
    spi_list *next;
    for (spi_list *node = output->segments.next; node != &output->segments; node = node->next) {
        const segment *seg = spi_container(node, segment, node);
        found += is_whole_blob(seg) ? seg->end : 0;
    }
    for (spi_list *node = output->segments.next; found >= len && len > 0; node = next) {
        segment *seg = spi_container(node, segment, node);
        next = node->next;
        if (!is_whole_blob(seg))
            continue;
        found -= seg->end;
        len -= seg->end < len ? seg->end : len;
        output->memory_bytes -= seg->end;
        segment_free(seg);
        count++;
    }
    return count;
}

char *spi_output_reserve(spout_transport *transport, size_t len)
{
    segment *seg = segment_with_room(transport->output, len);
    return seg->blob->data + seg->end;
}

void spi_output_commit(spout_transport *transport, size_t len)
{
    last_segment(transport->output)->end += len;
    transport->output->memory_bytes += len;
    note_added(transport, false);
}

/* Takes what was sent off the front. */
static void consume(spi_output *output, size_t len)
{
    output->memory_bytes -= len;
    for (segment *seg; (seg = first_segment(output)) && seg->blob;) {
        size_t part = seg->end - seg->start;
        if (part > len) {
            seg->start += len;
            return;
        }
        len -= part;
        segment_free(seg);
    }
}

/* As many bytes of memory as lie before the first file; returns what was sent, or -1 with errno;
   `ret_all`: nothing was refused. */
static ssize_t send_memory(spout_transport *transport, bool *ret_all)
{
    spi_output *output = transport->output;
    struct iovec pieces[MAX_PIECES];
    int count = 0;
    size_t total = 0;
    bool more = false;
    for (spi_list *node = output->segments.next; node != &output->segments; node = node->next) {
        segment *seg = spi_container(node, segment, node);
        more = !seg->blob;
        if (more || count == MAX_PIECES || total >= SPI_OUTPUT_BUDGET)
            break;
        pieces[count].iov_base = seg->blob->data + seg->start;
        pieces[count++].iov_len = seg->end - seg->start;
        total += seg->end - seg->start;
    }
    ssize_t sent = transport->ops->write(transport, pieces, count, more);
    if (sent >= 0)
        consume(output, (size_t)sent);
    *ret_all = sent >= 0 && (size_t)sent == total;
    return sent;
}

static ssize_t send_file_part(
    spout_transport *transport, segment *seg, size_t budget, bool *ret_all)
{
    size_t len = seg->left > (int64_t)budget ? budget : (size_t)seg->left;
    ssize_t sent = len ? transport->ops->send_file(transport, seg->file->fd, &seg->offset, len) : 0;
    if (sent == 0 && len > 0) {
        spi_transport_reset_on_close(transport);
        spi_transport_lose(transport, SPOUT_EFAILED, 0, "a file became shorter while it was sent");
        return 0;
    }
    *ret_all = sent >= 0 && (size_t)sent == len;
    if (sent < 0)
        return sent;
    seg->left -= sent;
    transport->output->file_bytes -= (uint64_t)sent;
    if (seg->left == 0)
        segment_free(seg);
    return sent;
}

void spi_output_advance(spout_transport *transport)
{
    size_t total = 0;
    if (transport->output->held > 0) {
        ssize_t sent = transport->ops->flush(transport);
        if (sent < 0 && errno != EAGAIN) {
            spi_transport_lose_errno(transport, errno);
            return;
        }
        total += sent > 0 ? (size_t)sent : 0;
    }
    for (segment *seg; total < SPI_OUTPUT_BUDGET && (seg = first_segment(transport->output));) {
        bool all = false;
        ssize_t sent = seg->blob ? send_memory(transport, &all)
                                 : send_file_part(transport, seg, SPI_OUTPUT_BUDGET - total, &all);
        if (sent < 0 && errno != EAGAIN) {
            spi_transport_lose_errno(transport, errno);
            return;
        }
        if (transport->closed)
            return;
        if (sent > 0)
            total += (size_t)sent;
        if (!all)
            break;
    }
    if (total > 0 && spi_output_waits(transport))
        note_progress(transport->output, total);
}

void spi_output_send_file(
    spout_transport *transport, spi_shared_file *file, int64_t offset, int64_t len)
{
    spi_output *output = spi_output_need(transport);
    bool was_empty = spi_list_is_empty(&output->segments);
    segment *seg = add_segment(output);
    seg->file = spi_shared_file_ref(file);
    seg->offset = offset;
    seg->left = len;
    output->file_bytes += (uint64_t)len;
    if (was_empty)
        spi_output_advance(transport);
    if (transport->closed)
        return;
    if (spi_output_waits(transport))
        note_added(transport, was_empty);
    else
        spi_output_free(transport);
}
