/*
 * How workers agree on the feed. What is published to a topic has one order for all workers, so
 * each of them counts the pushes as they come, and all arrive at the same ids.
 *
 * A worker that starts later asks one that is there. That one says `begin`, which has its place in
 * the order too: it sends what its history holds there, and the asker counts the pushes from there
 * on, once it has got all that. In the topic "feed":
 *
 *     {"push": message, "time": us, "from": worker, "serial": n}
 *     {"woken": count, "to": worker, "serial": n}
 *     {"ask": worker, "from": worker}
 *     {"begin": asker, "from": worker}
 *
 * and in "feed/N", for worker N alone: {"id", "time", "message"} for each entry, then {"last_id"}.
 */
#include "feed.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_MS = 1000, RETRY_MS = 5, MAX_SHARED = 8 << 20 };

typedef enum progress {
    ASKING,  /* pushes so far are in the history that we'll get */
    GETTING, /* they come behind it: kept meanwhile */
    UP_TO_DATE
} progress;

/* A push that waits for word from all workers. */
typedef struct pushing {
    int64_t serial;
    size_t answers, expected;
    int woken;
    spout_future *answered;
    struct pushing *next;
} pushing;

static spout_topic *feed, *own; /* own: "feed/N" */
static progress state;
static json_t *elders; /* array of the workers that were there before us; the first one is asked */
static json_t *behind; /* array of pushes that wait for the history before them */
static json_t *askers; /* array of those whom we couldn't tell yet */
static pushing *pushings;
static int64_t last_serial;

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* Steals the message. Waits while the queue to the others is full. */
static int publish(spout_topic *topic, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(message);
    if (!text)
        return -1;
    int result = 0;
    if (strlen(text) > MAX_SHARED && spout_topics_figures().shared)
        result = spout_error_set(SPOUT_EINVAL, "too large for the other workers");
    if (result == 0)
        result = spout_topic_publish(topic, spout_message_of(text));
    for (int i = 0; result == SPOUT_ELIMIT && i < PATIENCE_MS / RETRY_MS; i++) {
        result = spout_sleep(RETRY_MS);
        if (result == 0)
            result = spout_topic_publish(topic, spout_message_of(text));
        else
            break;
    }
    free(text);
    return result;
}

/* The same where nothing can wait. */
static void publish_now(json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    if (text && spout_topic_publish(feed, spout_message_of(text)) < 0)
        spout_log_warning("the feed can't tell other workers: %s", spout_error_message());
    free(text);
}

/* --- a push, and who was woken --- */

static void note_answer(int64_t serial, int woken)
{
    pushing *p = pushings;
    while (p && p->serial != serial)
        p = p->next;
    if (!p)
        return; /* it was too late */
    p->woken += woken;
    if (++p->answers == p->expected)
        spout_future_resolve(p->answered, NULL);
}

static void expect_answers(int64_t serial, size_t count)
{
    for (pushing *p = pushings; p; p = p->next)
        if (p->serial == serial)
            p->expected = count;
}

static int wait_for_answers(const pushing *p)
{
    int64_t outer = spout_deadline_set_ms(PATIENCE_MS);
    int result = spout_await(p->answered, NULL);
    spout_deadline_restore(outer);
    /* A worker that died meanwhile doesn't answer. */
    return result == SPOUT_ETIMEDOUT ? 0 : result;
}

int feed_push(json_t *message)
{
    pushing p = { .serial = ++last_serial, .answered = spout_future_new(), .next = pushings };
    pushings = &p;
    int result = publish(feed,
        json_pack("{s:O, s:I, s:i, s:I}", "push", message, "time", (json_int_t)spout_wall_us(),
            "from", spout_task_id(), "serial", (json_int_t)p.serial));
    if (result == 0)
        result = wait_for_answers(&p);
    pushing **at = &pushings;
    while (*at != &p)
        at = &(*at)->next;
    *at = p.next;
    spout_future_unref(p.answered);
    return result < 0 ? result : p.woken;
}

static void take_push(json_t *data)
{
    int woken = 0;
    if (state == GETTING)
        json_array_append(behind, data);
    if (state == UP_TO_DATE) {
        feed_append(json_object_get(data, "push"), number(data, "time"));
        woken = feed_wake_all();
    }
    json_int_t serial = number(data, "serial"), from = number(data, "from");
    if (from == spout_task_id()) {
        expect_answers(serial, spout_topics_figures().workers);
        note_answer(serial, woken);
    } else {
        publish_now(json_pack("{s:i, s:I, s:I}", "woken", woken, "to", from, "serial", serial));
    }
}

/* --- telling the history --- */

/* One answer on its way: the entries as they were at `begin`. */
typedef struct telling {
    spout_topic *to;
    json_t *entries; /* array, with {"last_id"} at its end */
} telling;

static int tell(void *arg)
{
    telling *t = arg;
    size_t i;
    json_t *entry;
    int result = 0;
    json_array_foreach(t->entries, i, entry) if (result == 0)
        result = publish(t->to, json_incref(entry));
    spout_topic_free(t->to);
    json_decref(t->entries);
    spout_free(t);
    return result;
}

static void tell_history(json_int_t asker)
{
    const feed_entry *entries;
    int64_t last_id;
    size_t count = feed_history(&entries, &last_id);
    telling *t = spout_alloc(sizeof *t);
    char name[32];
    snprintf(name, sizeof name, "feed/%d", (int)asker);
    t->to = spout_topic_new_named(name);
    t->entries = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            t->entries, json_pack("{s:I, s:I, s:O}", "id", (json_int_t)entries[i].id, "time",
                            (json_int_t)entries[i].time_us, "message", entries[i].message));
    json_array_append_new(t->entries, json_pack("{s:I}", "last_id", (json_int_t)last_id));
    if (spout_spawn(tell, t, &(spout_task_options){ .name = "feed history" }) < 0)
        tell(t);
}

static void answer(json_int_t asker)
{
    if (state == UP_TO_DATE)
        publish_now(json_pack("{s:I, s:i}", "begin", asker, "from", spout_task_id()));
    else
        json_array_append_new(askers, json_integer(asker));
}

/* --- getting it --- */

static void be_up_to_date(void)
{
    size_t i;
    json_t *item;
    state = UP_TO_DATE;
    json_array_foreach(behind, i, item)
        feed_append(json_object_get(item, "push"), number(item, "time"));
    json_array_clear(behind);
    feed_wake_all();
    json_array_foreach(askers, i, item) answer(json_integer_value(item));
    json_array_clear(askers);
}

static void ask(void)
{
    json_array_clear(behind);
    state = ASKING;
    if (json_array_size(elders) == 0)
        be_up_to_date();
    else
        publish_now(
            json_pack("{s:O, s:i}", "ask", json_array_get(elders, 0), "from", spout_task_id()));
}

static void take_begin(const json_t *data)
{
    if (number(data, "from") == spout_task_id())
        tell_history(number(data, "begin"));
    if (number(data, "begin") != spout_task_id() || state != ASKING)
        return;
    state = GETTING;
    feed_clear();
}

static void on_feed(void *arg, spout_topic *topic, spout_message message)
{
    (void)arg, (void)topic;
    json_t *data = spout_json_parse((spout_bytes){ message.data, message.len });
    if (json_object_get(data, "push"))
        take_push(data);
    else if (json_object_get(data, "woken") && number(data, "to") == spout_task_id())
        note_answer(number(data, "serial"), (int)number(data, "woken"));
    else if (json_object_get(data, "ask") && number(data, "ask") == spout_task_id())
        answer(number(data, "from"));
    else if (json_object_get(data, "begin"))
        take_begin(data);
    json_decref(data);
}

static void on_own(void *arg, spout_topic *topic, spout_message message)
{
    (void)arg, (void)topic;
    if (state != GETTING)
        return;
    json_t *data = spout_json_parse((spout_bytes){ message.data, message.len });
    if (json_object_get(data, "message")) {
        feed_set_last_id(number(data, "id") - 1);
        feed_append(json_object_get(data, "message"), number(data, "time"));
    } else if (json_object_get(data, "last_id")) {
        feed_set_last_id(number(data, "last_id"));
        be_up_to_date();
    }
    json_decref(data);
}

static void on_ready(void *arg, spout_topic *topic, const int *others, size_t count)
{
    (void)arg, (void)topic;
    json_array_clear(elders);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(elders, json_integer(others[i]));
    ask();
}

static void on_gone(void *arg, spout_topic *topic, int worker)
{
    (void)arg, (void)topic;
    size_t i;
    json_t *elder;
    json_array_foreach(elders, i, elder) if (json_integer_value(elder) == worker) break;
    json_array_remove(elders, i);
    if (i == 0 && state != UP_TO_DATE)
        ask();
}

int feed_start(void)
{
    static const spout_topic_watcher on_all = {
        .message = on_feed, .ready = on_ready, .gone = on_gone
    };
    static const spout_topic_watcher on_mine = { .message = on_own };
    elders = json_array();
    behind = json_array();
    askers = json_array();
    state = spout_topics_figures().shared ? ASKING : UP_TO_DATE;
    feed = spout_topic_new_named("feed");
    own = spout_topic_new_named(spout_scope_format("feed/%d", spout_task_id()));
    if (!feed || !own)
        return -1;
    spout_topic_watch(own, &on_mine, NULL);
    return spout_topic_watch(feed, &on_all, NULL);
}

void feed_share_stop(void)
{
    spout_topic_free(feed);
    spout_topic_free(own);
    json_decref(elders);
    json_decref(behind);
    json_decref(askers);
}
