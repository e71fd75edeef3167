/* Topics on one loop: a frame is encoded once and queued for every member. Members' functions are
   never called from here. */
#include <spout/error.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/topic.h"
#include "net/transport.h"

static spi_membership *membership_of(spi_list *node)
{
    return spi_container(node, spi_membership, in_topic);
}

spout_topic *spout_topic_new(void)
{
    spout_topic *topic = spi_calloc(sizeof *topic + 1);
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
    spi_presence **at_presence = spi_presence_of(membership);
    spi_presence *presence = at_presence ? *at_presence : NULL;
    *at = membership->next;
    if (!spi_list_is_empty(&membership->in_topic))
        membership->topic->count--;
    spi_list_remove(&membership->in_topic);
    spi_free(membership);
    if (presence)
        spi_hub_leave(presence);
}

static void end_all(spout_topic *topic)
{
    spi_list *node;
    while ((node = spi_list_first(&topic->members)))
        end_membership(find(topic, membership_of(node)->ws));
    if (!topic->hub)
        return;
    /* The list stays as it is: what is pending is so until it comes back. */
    for (node = topic->pending.next; node != &topic->pending; node = node->next) {
        spi_membership *membership = spi_container(node, spi_presence, in_topic)->membership;
        if (membership)
            end_membership(find(topic, membership->ws));
    }
}

void spout_topic_free(spout_topic *topic)
{
    if (!topic || (topic->hub && --topic->opened > 0))
        return;
    topic->watcher = NULL;
    topic->uses++;
    end_all(topic);
    topic->uses--;
    if (topic->hub)
        spi_hub_release(topic);
    else
        spi_free(topic);
}

const char *spout_topic_name(const spout_topic *topic)
{
    return topic->name;
}

void spi_membership_begin(spi_membership *membership)
{
    spi_list_push(&membership->topic->members, &membership->in_topic);
    membership->topic->count++;
}

int spout_topic_join_as(spout_topic *topic, spout_websocket *ws, const char *info)
{
    if (ws->phase != SPI_WEBSOCKET_OPEN)
        return spout_error_set(SPOUT_ECLOSED, "the WebSocket is closed");
    if (ws->loop != topic->loop)
        return spout_error_set(SPOUT_EINVAL, "the topic belongs to another loop");
    if (ws->client)
        return spout_error_set(
            SPOUT_EUNSUPPORTED, "a client's frames have masks of their own: it can't be a member");
    spi_membership **at = find(topic, ws);
    if (*at)
        return 0;
    spi_membership *membership = spi_calloc(
        topic->hub ? sizeof(spi_named_membership) : sizeof *membership);
    spi_list_init(&membership->in_topic);
    membership->topic = topic;
    membership->ws = ws;
    *at = membership;
    if (!topic->hub) {
        spi_membership_begin(membership);
        return 0;
    }
    int result = spi_hub_join(membership, info ? info : "");
    if (result < 0)
        end_membership(find(topic, ws));
    return result;
}

int spout_topic_join(spout_topic *topic, spout_websocket *ws)
{
    return spout_topic_join_as(topic, ws, NULL);
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
    return topic->hub ? topic->present_count : topic->count;
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

static spi_blob *plain_frame(spi_publication *p)
{
    if (!p->plain)
        p->plain = encode(p->message, false, (spout_bytes){ p->message.data, p->message.len });
    return p->plain;
}

static spi_blob *compress(spi_publication *p, spi_deflater *deflater, spout_loop *loop)
{
    spi_buffer *out = spi_deflate_scratch(loop);
    const spout_bytes payload = { p->message.data, p->message.len };
    spi_blob *frame;
    if (spi_deflater_run(deflater, payload, out) == 0 && spi_buffer_len(out) < payload.len)
        frame = encode(
            p->message, true, (spout_bytes){ spi_buffer_head(out), spi_buffer_len(out) });
    else
        frame = spi_blob_ref(plain_frame(p));
    spi_deflate_scratch_done(loop);
    return frame;
}

/* The frame for this member: compressed once for each setting. */
static spi_blob *frame_for(spi_publication *p, const spout_websocket *ws)
{
    if (!spi_websocket_compresses(ws, p->message.len))
        return plain_frame(p);
    spi_deflater *deflater = spi_websocket_shared_deflater(ws);
    if (!deflater)
        return plain_frame(p);
    spi_blob **frame = spi_deflater_frame(deflater);
    if (!*frame)
        *frame = compress(p, deflater, ws->loop);
    return *frame;
}

static size_t queued_bytes(const spout_websocket *ws)
{
    size_t held_bytes = ws->extra->outbox ? ws->extra->outbox->held_bytes : 0;
    return ws->exchange->ops->pending(ws->exchange) + held_bytes;
}

/* How many bytes too many it would be; an empty queue takes whatever comes. */
static size_t excess(const spout_websocket *ws, size_t len)
{
    size_t queued = queued_bytes(ws), max = spi_websocket_max_queue(ws);
    if (queued == 0 || (queued <= max && len <= max - queued))
        return 0;
    return queued + len - max;
}

/* By taking back what waits longest. */
static bool make_room(spout_websocket *ws, size_t len)
{
    const spi_exchange_ops *ops = ws->exchange->ops;
    if (ws->handler->queue_policy != SPOUT_QUEUE_DROP_OLDEST || !ops->tunnel_drop_blobs)
        return false;
    size_t count = ops->tunnel_drop_blobs(ws->exchange, excess(ws, len));
    if (count > 0)
        spi_websocket_queue_is_full(ws, count);
    return count > 0;
}

static bool drops(const spout_websocket *ws)
{
    return ws->handler->queue_policy == SPOUT_QUEUE_DROP_NEWEST ||
           ws->handler->queue_policy == SPOUT_QUEUE_DROP_OLDEST;
}

void spi_websocket_queue_is_full(spout_websocket *ws, size_t dropped)
{
    char ip[46];
    bool is_first = ws->dropped == 0;
    spi_loop_count(ws->loop, "websocket_dropped", (int64_t)dropped);
    ws->dropped = dropped < UINT32_MAX - ws->dropped ? ws->dropped + (uint32_t)dropped : UINT32_MAX;
    if (!drops(ws)) {
        ws->slow = true;
        spi_websocket_settle_later(ws);
    } else if (is_first) {
        spi_log_warning("WebSocket misses messages (%s): the peer reads too slowly, %zu bytes are "
                        "queued",
            spout_websocket_remote_ip(ws, ip), queued_bytes(ws));
    }
}

static int queue_blob(spout_websocket *ws, spi_blob *blob)
{
    if (excess(ws, blob->len) > 0 && !make_room(ws, blob->len))
        return SPOUT_ELIMIT;
    if (!ws->extra->outbox)
        return ws->exchange->ops->tunnel_write_blob(ws->exchange, blob);
    spi_websocket_hold_blob(ws, blob);
    return 0;
}

/* A member that reads too slowly is closed in the loop's next turn, not while others wait. */
bool spi_publication_send(spi_publication *p, spout_websocket *ws)
{
    if (ws->slow || !ws->exchange)
        return false;
    p->used = true;
    spi_blob *blob = frame_for(p, ws);
    int result = queue_blob(ws, blob);
    if (result == SPOUT_ELIMIT) {
        spi_websocket_queue_is_full(ws, 1);
    } else if (ws->extra->deflater && blob != p->plain) {
        /* The peer's context has this message now, its compressor hasn't. */
        spi_deflater_forget(ws->extra->deflater);
    }
    return result == 0;
}

void spi_publication_end(spi_publication *p, spout_loop *loop, size_t sent)
{
    if (sent > 0)
        spi_loop_count(loop, "websocket_sent", (int64_t)sent);
    if (p->used)
        spi_deflater_drop_frames(loop);
    spi_blob_unref(p->plain);
}

static int check_message(const spout_topic *topic, spout_message message)
{
    if (!message.binary && !spi_is_utf8(message.data, message.len))
        return spout_error_set(SPOUT_EINVAL, "a WebSocket text must be UTF-8");
    if (topic->order != 0)
        return spout_error_set(SPOUT_EINVAL, "nothing is published to a pattern: name a topic");
    return 0;
}

static size_t publish_here(spout_topic *topic, spout_message message, const spout_websocket *except)
{
    size_t count = 0;
    spi_publication p = { .message = message };
    spi_loop_count(topic->loop, "topic_published", 1);
    for (spi_list *node = topic->members.next; node != &topic->members; node = node->next)
        if (membership_of(node)->ws != except && spi_publication_send(&p, membership_of(node)->ws))
            count++;
    spi_publication_end(&p, topic->loop, count);
    return count;
}

int spout_topic_publish_here(
    spout_topic *topic, spout_message message, const spout_websocket *except, size_t *ret_count)
{
    int result = check_message(topic, message);
    if (result < 0)
        return result;
    size_t count = publish_here(topic, message, except);
    if (ret_count)
        *ret_count = count;
    return 0;
}

int spout_topic_publish_except(
    spout_topic *topic, spout_message message, const spout_websocket *except, size_t *ret_count)
{
    int result = check_message(topic, message);
    if (result < 0)
        return result;
    if (topic->hub)
        return spi_hub_publish(topic, message, except, ret_count);
    size_t count = publish_here(topic, message, except);
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
        if (!at || spi_list_is_empty(&at->in_topic))
            return NULL;
        node = &at->in_topic;
    }
    return node->next == &topic->members ? NULL : membership_of(node->next)->ws;
}
