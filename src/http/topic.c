/* Topics: a frame is encoded once and queued for every member. Members' functions are never called
   from here. */
#include <spout/error.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/websocket_socket.h"
#include "net/transport.h"

struct spout_topic {
    spout_loop *loop;
    spi_list members;
    size_t count;
};

static spi_membership *membership_of(spi_list *node)
{
    return spi_container(node, spi_membership, in_topic);
}

spout_topic *spout_topic_new(void)
{
    spout_topic *topic = spi_calloc(sizeof *topic);
    topic->loop = spout_loop_current();
    spi_list_init(&topic->members);
    return topic;
}

/* A socket is in few topics: its own list is walked. */
static spi_membership **find(const spout_topic *topic, spout_websocket *ws)
{
    spi_membership **at = &ws->memberships;
    while (*at && (*at)->topic != topic)
        at = &(*at)->next;
    return at;
}

static void end_membership(spi_membership **at)
{
    spi_membership *membership = *at;
    *at = membership->next;
    spi_list_remove(&membership->in_topic);
    membership->topic->count--;
    spi_free(membership);
}

void spout_topic_free(spout_topic *topic)
{
    if (!topic)
        return;
    spi_list *node;
    while ((node = spi_list_first(&topic->members)))
        end_membership(find(topic, membership_of(node)->ws));
    spi_free(topic);
}

int spout_topic_join(spout_topic *topic, spout_websocket *ws)
{
    if (ws->phase != SPI_WEBSOCKET_OPEN)
        return spout_error_set(SPOUT_ECLOSED, "the WebSocket is closed");
    if (ws->loop != topic->loop)
        return spout_error_set(SPOUT_EINVAL, "the topic belongs to another loop");
    spi_membership **at = find(topic, ws);
    if (*at)
        return 0;
    spi_membership *membership = spi_malloc(sizeof *membership);
    *membership = (spi_membership){ .topic = topic, .ws = ws };
    *at = membership;
    spi_list_push(&topic->members, &membership->in_topic);
    topic->count++;
    return 0;
}

void spout_topic_leave(spout_topic *topic, spout_websocket *ws)
{
    spi_membership **at = find(topic, ws);
    if (*at)
        end_membership(at);
}

void spi_websocket_leave_topics(spout_websocket *ws)
{
    while (ws->memberships)
        end_membership(&ws->memberships);
}

size_t spout_topic_count(const spout_topic *topic)
{
    return topic->count;
}

static spi_blob *encode(spout_message message, bool compressed, spout_bytes payload)
{
    char head[14];
    spi_opcode opcode = message.binary ? SPI_OP_BINARY : SPI_OP_TEXT;
    size_t head_len = spi_frame_head(head, opcode, true, compressed, payload.len, NULL);
    spi_blob *blob = spi_blob_new(head_len + payload.len);
    memcpy(blob->data, head, head_len);
    if (payload.len > 0)
        memcpy(blob->data + head_len, payload.data, payload.len);
    return blob;
}

/* What is published, and its frame as it is sent to those without compression. */
typedef struct publication {
    spout_message message;
    spi_blob *plain;
} publication;

static spi_blob *compress(const publication *p, spi_deflater *deflater, spout_loop *loop)
{
    spi_buffer *out = spi_deflate_scratch(loop);
    const spout_bytes payload = { p->message.data, p->message.len };
    spi_blob *frame;
    if (spi_deflater_run(deflater, payload, out) == 0 && spi_buffer_len(out) < payload.len)
        frame = encode(
            p->message, true, (spout_bytes){ spi_buffer_head(out), spi_buffer_len(out) });
    else
        frame = spi_blob_ref(p->plain);
    spi_deflate_scratch_done(loop);
    return frame;
}

/* The frame for this member: compressed once for each setting. */
static spi_blob *frame_for(const publication *p, const spout_websocket *ws)
{
    if (!spi_websocket_compresses(ws, p->message.len))
        return p->plain;
    spi_deflater *deflater = spi_websocket_shared_deflater(ws);
    if (!deflater)
        return p->plain;
    spi_blob **frame = spi_deflater_frame(deflater);
    if (!*frame)
        *frame = compress(p, deflater, ws->loop);
    return *frame;
}

/* An empty queue takes whatever comes. */
static bool is_overfull(const spout_websocket *ws, size_t len)
{
    size_t pending = ws->exchange->ops->pending(ws->exchange), max = spi_websocket_max_queue(ws);
    return pending > 0 && (pending > max || len > max - pending);
}

static void queue_is_full(spout_websocket *ws)
{
    char ip[46];
    ws->dropped += ws->dropped < UINT32_MAX;
    if (ws->handler->queue_policy != SPOUT_QUEUE_DROP_NEWEST) {
        ws->slow = true;
        spi_websocket_settle_later(ws);
    } else if (ws->dropped == 1) {
        spi_log_warning("WebSocket misses messages (%s): the peer reads too slowly, %zu bytes are "
                        "queued",
            spout_websocket_remote_ip(ws, ip), ws->exchange->ops->pending(ws->exchange));
    }
}

/* True if the frame is on its way. A member that reads too slowly is closed in the loop's next
   turn, not while others wait. */
static bool send_to(spout_websocket *ws, const publication *p)
{
    if (ws->slow || !ws->exchange)
        return false;
    int result = SPOUT_ELIMIT;
    spi_blob *blob = frame_for(p, ws);
    if (!is_overfull(ws, blob->len))
        result = ws->exchange->ops->tunnel_write_blob(ws->exchange, blob);
    if (result == SPOUT_ELIMIT) {
        queue_is_full(ws);
    } else if (ws->deflater && blob != p->plain) {
        /* The peer's context has this message now, its compressor hasn't. */
        spi_deflater_forget(ws->deflater);
    }
    return result == 0;
}

int spout_topic_publish_except(
    spout_topic *topic, spout_message message, const spout_websocket *except, size_t *ret_count)
{
    if (!message.binary && !spi_is_utf8(message.data, message.len))
        return spout_error_set(SPOUT_EINVAL, "a WebSocket text must be UTF-8");
    size_t count = 0;
    if (topic->count > 0) {
        const spout_bytes payload = { message.data, message.len };
        const publication p = { message, encode(message, false, payload) };
        for (spi_list *node = topic->members.next; node != &topic->members; node = node->next)
            if (membership_of(node)->ws != except && send_to(membership_of(node)->ws, &p))
                count++;
        spi_deflater_drop_frames(topic->loop);
        spi_blob_unref(p.plain);
    }
    if (ret_count)
        *ret_count = count;
    return 0;
}

int spout_topic_publish(spout_topic *topic, spout_message message)
{
    return spout_topic_publish_except(topic, message, NULL, NULL);
}

spout_websocket *spout_topic_next(const spout_topic *topic, const spout_websocket *after)
{
    const spi_list *node = &topic->members;
    if (after) {
        const spi_membership *at = after->memberships;
        while (at && at->topic != topic)
            at = at->next;
        if (!at)
            return NULL;
        node = &at->in_topic;
    }
    return node->next == &topic->members ? NULL : membership_of(node->next)->ws;
}
