/* Topics with names: who is present in them, and who wants to know. */
#include <spout/error.h>

#include "base/memory.h"
#include "base/text.h"
#include "http/topic_hub.h"
#include "http/topic_record.h"

static spout_topic *topic_of(spi_list *node)
{
    return spi_container(node, spout_topic, in_hub);
}

/* --- names --- */

typedef struct name_key {
    char bytes[1 + SPI_TOPIC_MAX_NAME];
    size_t len;
} name_key;

static name_key key_of(spout_bytes name, bool is_pattern)
{
    name_key key;
    key.bytes[0] = is_pattern ? 'p' : 'n';
    memcpy(key.bytes + 1, name.data, name.len);
    key.len = 1 + name.len;
    return key;
}

static spout_topic *find_topic(const spi_hub *hub, spout_bytes name, bool is_pattern)
{
    name_key key = key_of(name, is_pattern);
    return spi_map_get(hub->names, key.bytes, key.len);
}

spout_topic *spi_hub_need_topic(spi_hub *hub, spout_bytes name, bool is_pattern)
{
    spout_topic *topic = find_topic(hub, name, is_pattern);
    if (topic)
        return topic;
    topic = spi_calloc(sizeof *topic + name.len + 1);
    topic->loop = hub->loop;
    topic->hub = hub;
    topic->name_len = name.len;
    memcpy(topic->name, name.data, name.len);
    spi_list_init(&topic->members);
    spi_list_init(&topic->pending);
    spi_list_init(&topic->present);
    spi_list_init(&topic->in_patterns);
    spi_list_push(&hub->topics, &topic->in_hub);
    if (is_pattern) {
        topic->order = ++hub->last_order;
        spi_list_push(&hub->patterns, &topic->in_patterns);
    }
    name_key key = key_of(name, is_pattern);
    spi_map_set(hub->names, key.bytes, key.len, topic);
    hub->topic_count++;
    return topic;
}

void spi_hub_release(spout_topic *topic)
{
    spi_hub *hub = topic->hub;
    if (topic->opened == 0)
        topic->watcher = NULL;
    if (topic->opened > 0 || topic->uses > 0)
        return;
    name_key key = key_of((spout_bytes){ topic->name, topic->name_len }, topic->order != 0);
    spi_map_remove(hub->names, key.bytes, key.len);
    spi_list_remove(&topic->in_hub);
    spi_list_remove(&topic->in_patterns);
    spi_free(topic);
    if (--hub->topic_count > 0 || !hub->closed)
        return;
    spi_map_free(hub->names);
    spi_map_free(hub->presences);
    spi_free(hub);
}

static void stop_using(spout_topic *topic)
{
    topic->uses--;
    spi_hub_release(topic);
}

static spout_topic *open_topic(const char *name, bool is_pattern)
{
    spout_loop *loop = spout_loop_current();
    if (!loop) {
        spout_error_set(SPOUT_ESTATE, "a topic needs a loop");
        return NULL;
    }
    spout_bytes bytes = spout_bytes_of(name ? name : "");
    if (bytes.len == 0 || bytes.len > SPI_TOPIC_MAX_NAME || !spi_is_utf8(bytes.data, bytes.len)) {
        spout_error_set(SPOUT_EINVAL, "a topic's name has from 1 to %d bytes of UTF-8",
            (int)SPI_TOPIC_MAX_NAME);
        return NULL;
    }
    spout_topic *topic = spi_hub_need_topic(spi_hub_need(loop), bytes, is_pattern);
    topic->opened++;
    return topic;
}

spout_topic *spout_topic_new_named(const char *name)
{
    return open_topic(name, false);
}

spout_topic *spout_topic_new_pattern(const char *pattern)
{
    return open_topic(pattern, true);
}

/* --- members --- */

typedef struct presence_key {
    uint64_t number;
    int64_t worker;
} presence_key;

/* Our own number may not be known yet. */
static presence_key presence_key_of(
    const spi_hub *hub, const spi_topic_worker *worker, uint64_t number)
{
    return (presence_key){ number, worker == &hub->own ? -1 : worker->number };
}

spi_presence *spi_presence_find(const spi_hub *hub, const spi_topic_worker *worker, uint64_t number)
{
    presence_key key = presence_key_of(hub, worker, number);
    return spi_map_get(hub->presences, &key, sizeof key);
}

spi_presence *spi_presence_new(
    spout_topic *topic, spi_topic_worker *worker, uint64_t number, spout_bytes info)
{
    spi_presence *presence = spi_calloc(sizeof *presence + info.len + 1);
    presence->topic = topic;
    presence->worker = worker;
    presence->number = number;
    memcpy(presence->info, info.data, info.len);
    spi_list_push(&topic->pending, &presence->in_topic);
    spi_list_push(&worker->presences, &presence->in_worker);
    presence_key key = presence_key_of(topic->hub, worker, number);
    spi_map_set(topic->hub->presences, &key, sizeof key, presence);
    topic->uses++;
    return presence;
}

static spout_member member_of(const spi_presence *presence)
{
    return (spout_member){ .info = presence->info,
        .ws = presence->membership ? presence->membership->ws : NULL,
        .worker = presence->worker->number,
        .place = presence };
}

void spi_presence_joined(spi_presence *presence)
{
    spout_topic *topic = presence->topic;
    if (presence->joined)
        return;
    presence->joined = true;
    spi_list_remove(&presence->in_topic);
    spi_list_push(&topic->present, &presence->in_topic);
    topic->present_count++;
    if (presence->membership)
        spi_membership_begin(presence->membership);
    const spout_member member = member_of(presence);
    if (topic->watcher && topic->watcher->joined)
        topic->watcher->joined(topic->watcher_arg, topic, &member);
}

void spi_presence_left(spi_presence *presence)
{
    spout_topic *topic = presence->topic;
    presence_key key = presence_key_of(topic->hub, presence->worker, presence->number);
    spi_map_remove(topic->hub->presences, &key, sizeof key);
    spi_list_remove(&presence->in_topic);
    spi_list_remove(&presence->in_worker);
    if (presence->membership)
        *spi_presence_of(presence->membership) = NULL;
    const spout_member member = member_of(presence);
    if (presence->joined) {
        topic->present_count--;
        if (topic->watcher && topic->watcher->left)
            topic->watcher->left(topic->watcher_arg, topic, &member);
    }
    spi_free(presence);
    stop_using(topic);
}

bool spout_topic_next_member(const spout_topic *topic, spout_member *member)
{
    if (!topic->hub)
        return false;
    const spi_presence *last = member->place;
    spi_list *node = last ? last->in_topic.next : topic->present.next;
    if (node == &topic->present)
        return false;
    *member = member_of(spi_container(node, spi_presence, in_topic));
    return true;
}

/* --- delivery --- */

static spout_bytes name_of(const spout_topic *topic)
{
    return (spout_bytes){ topic->name, topic->name_len };
}

/* Whether the member of a pattern gets it by the topic itself, or by a pattern that is looked at
   earlier. */
static bool is_covered(
    const spi_membership *membership, const spout_topic *topic, spout_bytes published)
{
    uint64_t order = membership->topic->order;
    for (const spi_membership *m = membership->ws->memberships; m; m = m->next) {
        if (spi_list_is_empty(&m->in_topic))
            continue;
        if (m->topic == topic)
            return true;
        if (m->topic->order != 0 && m->topic->order < order &&
            spi_topic_matches(name_of(m->topic), published))
            return true;
    }
    return false;
}

static size_t send_to_members(spi_publication *p, const spout_topic *to, const spout_topic *topic,
    spout_bytes published, const spout_websocket *except)
{
    size_t count = 0;
    for (spi_list *node = to->members.next; node != &to->members; node = node->next) {
        const spi_membership *m = spi_container(node, spi_membership, in_topic);
        if (m->ws != except && (to == topic || !is_covered(m, topic, published)) &&
            spi_publication_send(p, m->ws))
            count++;
    }
    return count;
}

static bool wants_message(const spout_topic *topic)
{
    return topic->watcher && topic->watcher->message;
}

/* Those whose watcher is to be told, held until they are; the array is the caller's. */
typedef struct audience {
    spout_topic **topics;
    size_t count;
} audience;

static void audience_add(audience *a, spout_topic *topic)
{
    a->topics = spi_realloc(a->topics, (a->count + 1) * sizeof(spout_topic *));
    a->topics[a->count++] = topic;
    topic->uses++;
}

static void audience_end(audience *a)
{
    for (size_t i = 0; i < a->count; i++)
        stop_using(a->topics[i]);
    spi_free(a->topics);
}

static void tell_message(audience *a, spout_message message)
{
    char *copy = spi_memdup(message.len ? message.data : "", message.len);
    message.data = copy;
    for (size_t i = 0; i < a->count; i++)
        if (wants_message(a->topics[i]))
            a->topics[i]->watcher->message(a->topics[i]->watcher_arg, a->topics[i], message);
    spi_free(copy);
}

size_t spi_hub_deliver(
    spi_hub *hub, spout_bytes name, spout_message message, const spout_websocket *except)
{
    size_t count = 0;
    audience watchers = { NULL, 0 };
    spi_publication p = { .message = message };
    spout_topic *topic = find_topic(hub, name, false);
    if (topic)
        count += send_to_members(&p, topic, topic, name, except);
    if (topic && wants_message(topic))
        audience_add(&watchers, topic);
    for (spi_list *node = hub->patterns.next; node != &hub->patterns; node = node->next) {
        spout_topic *pattern = spi_container(node, spout_topic, in_patterns);
        if (!spi_topic_matches(name_of(pattern), name))
            continue;
        count += send_to_members(&p, pattern, topic, name, except);
        if (wants_message(pattern))
            audience_add(&watchers, pattern);
    }
    spi_publication_end(&p, hub->loop, count);
    if (watchers.count > 0)
        tell_message(&watchers, message);
    audience_end(&watchers);
    return count;
}

/* --- watchers --- */

void spi_hub_tell_ready(spi_hub *hub, spout_topic *topic)
{
    if (!topic->watcher || !topic->watcher->ready)
        return;
    size_t count = 0;
    for (spi_list *node = hub->others.next; node != &hub->others; node = node->next)
        count++;
    int *others = spi_malloc((count + 1) * sizeof *others);
    count = 0;
    for (spi_list *node = hub->others.next; node != &hub->others; node = node->next)
        others[count++] = spi_container(node, spi_topic_worker, node)->number;
    topic->watcher->ready(topic->watcher_arg, topic, others, count);
    spi_free(others);
}

void spi_hub_tell_watchers(spi_hub *hub, spi_worker_event event, int worker)
{
    audience watchers = { NULL, 0 };
    for (spi_list *node = hub->topics.next; node != &hub->topics; node = node->next)
        if (topic_of(node)->watcher)
            audience_add(&watchers, topic_of(node));
    for (size_t i = 0; i < watchers.count; i++) {
        spout_topic *topic = watchers.topics[i];
        const spout_topic_watcher *watcher = topic->watcher;
        if (!watcher)
            continue;
        switch (event) {
        case SPI_WORKERS_READY: spi_hub_tell_ready(hub, topic); break;
        case SPI_WORKER_CAME:
            if (watcher->came)
                watcher->came(topic->watcher_arg, topic, worker);
            break;
        case SPI_WORKER_GONE:
            if (watcher->gone)
                watcher->gone(topic->watcher_arg, topic, worker);
            break;
        }
    }
    audience_end(&watchers);
}

int spout_topic_watch(spout_topic *topic, const spout_topic_watcher *watcher, void *arg)
{
    if (!topic->hub)
        return spout_error_set(SPOUT_EINVAL, "only a topic with a name can be watched");
    topic->watcher = watcher;
    topic->watcher_arg = arg;
    if (topic->hub->ready) {
        topic->uses++;
        spi_hub_tell_ready(topic->hub, topic);
        stop_using(topic);
    }
    return 0;
}
