/*
 * The hub of a loop's topics with names: what is done here becomes a record for the backend, and
 * takes effect when that comes back, in the one order that all workers see. Without a backend it
 * takes effect at once.
 *
 * Each worker tells its own members. To one that comes they are all told again; of one that is gone
 * they all leave.
 */
#include "http/topic_hub.h"

#include <spout/error.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/topic_record.h"

/* Of a publication that excepts a socket: it stays with us, since only we know it. */
typedef struct flight {
    spi_list node;
    uint64_t number;
    spout_websocket *except;
} flight;

static void end_flight(flight *f)
{
    spi_list_remove(&f->node);
    spout_websocket_unref(f->except);
    spi_free(f);
}

static void init_worker(spi_topic_worker *worker, int number)
{
    worker->number = number;
    spi_list_init(&worker->node);
    spi_list_init(&worker->presences);
}

static spi_presence *first_presence(const spi_topic_worker *worker)
{
    spi_list *node = spi_list_first(&worker->presences);
    return node ? spi_container(node, spi_presence, in_worker) : NULL;
}

static void forget_members(spi_topic_worker *worker)
{
    for (spi_presence *presence; (presence = first_presence(worker));)
        spi_presence_left(presence);
}

static void forget_worker(spi_topic_worker *worker)
{
    spi_list_remove(&worker->node);
    forget_members(worker);
    spi_free(worker);
}

static spi_topic_worker *first_other(const spi_hub *hub)
{
    spi_list *node = spi_list_first(&hub->others);
    return node ? spi_container(node, spi_topic_worker, node) : NULL;
}

static spi_topic_worker *find_worker(spi_hub *hub, int number)
{
    if (number == hub->own.number)
        return &hub->own;
    for (spi_list *node = hub->others.next; node != &hub->others; node = node->next) {
        spi_topic_worker *worker = spi_container(node, spi_topic_worker, node);
        if (worker->number == number)
            return worker;
    }
    return NULL;
}

static void add_worker(spi_hub *hub, int number)
{
    spi_topic_worker *worker = spi_malloc(sizeof *worker);
    init_worker(worker, number);
    spi_list_push(&hub->others, &worker->node);
}

/* --- the hub --- */

spi_hub *spi_hub_of(spout_loop *loop)
{
    return loop ? spi_loop_slot_get(loop, SPI_SLOT_TOPICS) : NULL;
}

/* With the loop. Topics that the program still holds are freed by it, later. */
static void destroy(void *value)
{
    spi_hub *hub = value;
    if (hub->backend)
        hub->backend->close(hub->backend_self);
    hub->backend = NULL;
    for (spi_list *node = hub->topics.next; node != &hub->topics; node = node->next)
        spi_container(node, spout_topic, in_hub)->watcher = NULL;
    hub->closed = true;
    hub->topic_count++; /* so that the last topic doesn't take the hub along */
    for (spi_topic_worker *worker; (worker = first_other(hub));)
        forget_worker(worker);
    forget_members(&hub->own);
    for (spi_list *node; (node = spi_list_first(&hub->flights));)
        end_flight(spi_container(node, flight, node));
    if (--hub->topic_count > 0)
        return;
    spi_map_free(hub->names);
    spi_map_free(hub->presences);
    spi_free(hub);
}

spi_hub *spi_hub_need(spout_loop *loop)
{
    spi_hub *hub = spi_hub_of(loop);
    if (hub)
        return hub;
    hub = spi_calloc(sizeof *hub);
    hub->loop = loop;
    hub->names = spi_map_new();
    hub->presences = spi_map_new();
    spi_list_init(&hub->topics);
    spi_list_init(&hub->patterns);
    spi_list_init(&hub->others);
    spi_list_init(&hub->flights);
    init_worker(&hub->own, 0);
    spi_loop_slot_set(loop, SPI_SLOT_TOPICS, hub, destroy);
    return hub;
}

spout_topic_figures spout_topics_figures(void)
{
    spi_hub *hub = spi_hub_of(spout_loop_current());
    if (!hub)
        return (spout_topic_figures){ .workers = 1 };
    size_t workers = !hub->backend || hub->ready;
    for (spi_list *node = hub->others.next; node != &hub->others; node = node->next)
        workers++;
    return (spout_topic_figures){ .shared = hub->backend != NULL,
        .workers = workers,
        .refused = hub->refused,
        .dropped = hub->dropped };
}

/* --- what goes out --- */

static int send_record(spi_hub *hub, int to, bool may_drop, const spi_record *record)
{
    char head[SPI_RECORD_HEAD];
    spi_record_head(head, record);
    const spout_bytes pieces[] = { { head, sizeof head }, record->name, record->rest };
    int result = hub->backend->send(hub->backend_self, to, may_drop, pieces, 3);
    if (result == SPOUT_ELIMIT)
        hub->refused++;
    return result;
}

static int tell_join(spi_hub *hub, int to, const spi_presence *presence)
{
    const spout_topic *topic = presence->topic;
    const spi_record record = { SPI_RECORD_JOIN, topic->order != 0, presence->number,
        { topic->name, topic->name_len }, spout_bytes_of(presence->info) };
    return send_record(hub, to, false, &record);
}

int spi_hub_join(spi_membership *membership, const char *info)
{
    spout_topic *topic = membership->topic;
    spi_hub *hub = topic->hub;
    spout_bytes bytes = spout_bytes_of(info);
    if (bytes.len > SPI_TOPIC_MAX_INFO || !spi_is_utf8(bytes.data, bytes.len))
        return spout_error_set(
            SPOUT_EINVAL, "a member's info has up to %d bytes of UTF-8", (int)SPI_TOPIC_MAX_INFO);
    spi_presence *presence = spi_presence_new(topic, &hub->own, ++hub->last_number, bytes);
    int result = hub->backend ? tell_join(hub, SPOUT_ALL_WORKERS, presence) : 0;
    if (result < 0) {
        spi_presence_left(presence);
        return result;
    }
    *spi_presence_of(membership) = presence;
    presence->membership = membership;
    if (!hub->backend)
        spi_presence_joined(presence);
    return 0;
}

void spi_hub_leave(spi_presence *presence)
{
    spi_hub *hub = presence->topic->hub;
    const spi_record record = {
        .kind = SPI_RECORD_LEAVE, .number = presence->number, .name = { "", 0 }, .rest = { "", 0 }
    };
    presence->membership = NULL;
    if (!hub->backend || send_record(hub, SPOUT_ALL_WORKERS, false, &record) < 0)
        spi_presence_left(presence);
}

static size_t count_known(
    const spi_hub *hub, const spout_topic *topic, const spout_websocket *except)
{
    const spout_bytes name = { topic->name, topic->name_len };
    size_t count = topic->present_count;
    for (spi_list *node = hub->patterns.next; node != &hub->patterns; node = node->next) {
        const spout_topic *pattern = spi_container(node, spout_topic, in_patterns);
        if (spi_topic_matches((spout_bytes){ pattern->name, pattern->name_len }, name))
            count += pattern->present_count;
    }
    for (const spi_membership *m = except ? except->memberships : NULL; m; m = m->next)
        count -= m->topic == topic && !spi_list_is_empty(&m->in_topic);
    return count;
}

static void note_flight(spi_hub *hub, uint64_t number, const spout_websocket *except)
{
    flight *f = spi_malloc(sizeof *f);
    f->number = number;
    f->except = spout_websocket_ref((spout_websocket *)(uintptr_t)except);
    spi_list_push(&hub->flights, &f->node);
}

int spi_hub_publish(
    spout_topic *topic, spout_message message, const spout_websocket *except, size_t *ret_count)
{
    spi_hub *hub = topic->hub;
    const spout_bytes name = { topic->name, topic->name_len };
    size_t count;
    if (hub->backend) {
        const spi_record record = { SPI_RECORD_PUBLISH, message.binary, ++hub->last_number, name,
            { message.len ? message.data : "", message.len } };
        int result = send_record(hub, SPOUT_ALL_WORKERS, true, &record);
        if (result < 0)
            return result;
        if (except)
            note_flight(hub, record.number, except);
        count = ret_count ? count_known(hub, topic, except) : 0;
    } else {
        count = spi_hub_deliver(hub, name, message, except);
    }
    spi_loop_count(hub->loop, "topic_published", 1);
    if (ret_count)
        *ret_count = count;
    return 0;
}

/* --- what comes in --- */

int spout_topic_backend_set(const spout_topic_backend *backend, void *self)
{
    spout_loop *loop = spout_loop_current();
    if (!loop)
        return spout_error_set(SPOUT_ESTATE, "topics need a loop");
    spi_hub *hub = spi_hub_need(loop);
    if (hub->topic_count > 0)
        return spout_error_set(
            SPOUT_ESTATE, "topics must be shared before the first one with a name is made");
    if (hub->backend)
        hub->backend->close(hub->backend_self);
    hub->backend = backend;
    hub->backend_self = self;
    hub->ready = false;
    return 0;
}

static spi_presence *first_unsettled(const spi_hub *hub)
{
    for (spi_list *node = hub->own.presences.next; node != &hub->own.presences; node = node->next) {
        spi_presence *presence = spi_container(node, spi_presence, in_worker);
        if (!presence->joined || !presence->membership)
            return presence;
    }
    return NULL;
}

/* What we told may come back or not: it takes effect now. */
static void settle_own(spi_hub *hub)
{
    for (spi_presence *presence; (presence = first_unsettled(hub));) {
        if (presence->joined)
            spi_presence_left(presence);
        else
            spi_presence_joined(presence);
    }
}

void spout_topic_backend_ready(int own, const int *others, size_t count)
{
    spi_hub *hub = spi_hub_of(spout_loop_current());
    if (!hub || !hub->backend)
        return;
    for (spi_topic_worker *worker; (worker = first_other(hub));)
        forget_worker(worker);
    if (hub->ready)
        settle_own(hub);
    else
        hub->own.number = own;
    hub->ready = true;
    for (size_t i = 0; i < count; i++)
        add_worker(hub, others[i]);
    spi_hub_tell_watchers(hub, SPI_WORKERS_READY, own);
}

void spout_topic_backend_came(int number)
{
    spi_hub *hub = spi_hub_of(spout_loop_current());
    if (!hub || !hub->backend)
        return;
    if (!find_worker(hub, number))
        add_worker(hub, number);
    for (spi_list *node = hub->own.presences.next; node != &hub->own.presences; node = node->next) {
        const spi_presence *presence = spi_container(node, spi_presence, in_worker);
        /* What is pending comes to the new one as to all. */
        if (presence->joined && presence->membership)
            (void)tell_join(hub, number, presence);
    }
    spi_hub_tell_watchers(hub, SPI_WORKER_CAME, number);
}

void spout_topic_backend_gone(int number)
{
    spi_hub *hub = spi_hub_of(spout_loop_current());
    spi_topic_worker *worker = hub ? find_worker(hub, number) : NULL;
    if (!worker || worker == &hub->own)
        return;
    forget_worker(worker);
    spi_hub_tell_watchers(hub, SPI_WORKER_GONE, number);
}

static void take_join(spi_hub *hub, spi_topic_worker *worker, const spi_record *record)
{
    spi_presence *presence = spi_presence_find(hub, worker, record->number);
    if (!presence && worker != &hub->own) {
        spout_topic *topic = spi_hub_need_topic(hub, record->name, record->flag);
        presence = spi_presence_new(topic, worker, record->number, record->rest);
    }
    if (presence)
        spi_presence_joined(presence);
}

static void take_leave(spi_hub *hub, const spi_topic_worker *worker, const spi_record *record)
{
    spi_presence *presence = spi_presence_find(hub, worker, record->number);
    if (presence)
        spi_presence_left(presence);
}

/* The exception of our own publication, if it has one; those before it were lost. */
static flight *take_flight(spi_hub *hub, uint64_t number)
{
    for (spi_list *node; (node = spi_list_first(&hub->flights));) {
        flight *f = spi_container(node, flight, node);
        if (f->number > number)
            return NULL;
        if (f->number == number)
            return f;
        end_flight(f);
    }
    return NULL;
}

static void take_publication(spi_hub *hub, const spi_topic_worker *worker, const spi_record *record)
{
    const spout_message message = { record->rest.data, record->rest.len, record->flag };
    flight *f = worker == &hub->own ? take_flight(hub, record->number) : NULL;
    spi_hub_deliver(hub, record->name, message, f ? f->except : NULL);
    if (f)
        end_flight(f);
}

void spout_topic_backend_deliver(int from, spout_bytes bytes)
{
    spi_hub *hub = spi_hub_of(spout_loop_current());
    spi_topic_worker *worker = hub && hub->ready ? find_worker(hub, from) : NULL;
    spi_record record;
    if (!worker)
        return;
    if (!spi_record_parse(bytes, &record)) {
        spi_log_warning("a record of worker %d about topics makes no sense", from);
        return;
    }
    switch (record.kind) {
    case SPI_RECORD_JOIN: take_join(hub, worker, &record); break;
    case SPI_RECORD_LEAVE: take_leave(hub, worker, &record); break;
    case SPI_RECORD_PUBLISH: take_publication(hub, worker, &record); break;
    }
}

void spout_topic_backend_dropped(uint64_t count)
{
    spi_hub *hub = spi_hub_of(spout_loop_current());
    if (!hub)
        return;
    if (hub->dropped == 0 && count > 0)
        spi_log_warning("publications of other workers are dropped: this one is too slow for them");
    hub->dropped += count;
}
