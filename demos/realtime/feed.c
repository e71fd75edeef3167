/*
 * The live feed: pushes, a history of the last ones, and long polls that wait for the next. All
 * workers have the same history under the same ids; how they agree is in feed_share.c.
 */
#include "feed.h"

#include <errno.h>
#include <stdlib.h>

enum { HISTORY = 200, DAY_S = 24 * 60 * 60, MAX_LEVELS = 32, MAX_PUSH = 1 << 20 };

/* The last pushes, oldest first. */
static feed_entry history[HISTORY];
static size_t history_count;
static int64_t last_id;

/* All polls wait for the same future; a push resolves it and the next poll makes a new one. */
static spout_future *next_push;
static int waiting;
static bool draining;

static void drop_oldest(size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_decref(history[i].message);
    history_count -= count;
    memmove(history, history + count, history_count * sizeof *history);
}

void feed_clean_up(void)
{
    size_t old = 0;
    while (old < history_count && spout_wall_us() - history[old].time_us > (int64_t)DAY_S * 1000000)
        old++;
    drop_oldest(old);
}

int feed_wake_all(void)
{
    int woken = waiting;
    if (next_push) {
        spout_future_resolve(next_push, NULL);
        spout_future_unref(next_push);
        next_push = NULL;
    }
    waiting = 0;
    return woken;
}

void feed_drain(void)
{
    draining = true;
    feed_wake_all();
}

void feed_release(void)
{
    feed_share_stop();
    drop_oldest(history_count);
}

void feed_append(json_t *message, int64_t time_us)
{
    if (history_count == HISTORY)
        drop_oldest(1);
    history[history_count++] = (feed_entry){
        .id = ++last_id, .time_us = time_us, .message = json_incref(message)
    };
}

size_t feed_history(const feed_entry **ret_entries, int64_t *ret_last_id)
{
    *ret_entries = history;
    *ret_last_id = last_id;
    return history_count;
}

void feed_clear(void)
{
    drop_oldest(history_count);
}

void feed_set_last_id(int64_t id)
{
    last_id = id;
}

/* Replies nest a message deeper than its push did: what was accepted must still fit in them. */
static bool is_shallow(json_t *value, int levels)
{
    if (levels == 0)
        return false;
    const char *key;
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item) if (!is_shallow(item, levels - 1)) return false;
    json_object_foreach(value, key, item) if (!is_shallow(item, levels - 1)) return false;
    return true;
}

static int push_post(spout_request *r)
{
    json_t *body = site_body_object(r);
    if (!body)
        return 0;
    json_t *message = json_object_get(body, "message");
    if (message && !is_shallow(message, MAX_LEVELS))
        return site_error(r, 400, "The message is nested too deeply");
    message = message ? json_incref(message) : json_string("New data");
    int woken = feed_push(message);
    json_t *answer = json_pack(
        "{s:s, s:o, s:i}", "status", "success", "message", message, "notified_requests", woken);
    if (woken >= 0)
        return spout_write_json(r, answer);
    json_decref(answer);
    if (woken == SPOUT_EINVAL)
        return site_error(r, 413, "The message is too large for several workers");
    return site_error(r, 503, "The server is busy: nothing was pushed");
}

static json_t *newer_than(int64_t id)
{
    json_t *list = json_array();
    for (size_t i = 0; i < history_count; i++) {
        char time[32];
        if (history[i].id > id)
            json_array_append_new(
                list, json_pack("{s:I, s:O, s:s}", "id", (json_int_t)history[i].id, "message",
                          history[i].message, "timestamp",
                          spout_format_iso8601(history[i].time_us, time)));
    }
    return list;
}

static int wait_for_push(int64_t timeout_ms)
{
    if (draining)
        return 0;
    if (!next_push)
        next_push = spout_future_new();
    spout_future *push_future = spout_future_ref(next_push);
    waiting++;
    int64_t outer = spout_deadline_set_ms(timeout_ms);
    int result = spout_await(push_future, NULL);
    spout_deadline_restore(outer);
    if (!spout_future_is_done(push_future))
        waiting--; /* a push sets it to zero itself */
    spout_future_unref(push_future);
    return result;
}

/* A whole number, or a decimal one for the timeout; none of the words and notations that strtod
   knows besides. */
static bool parse_number(const char *text, double *ret_value)
{
    if (text[strspn(text, "0123456789.+-eE")])
        return false;
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end || errno)
        return false;
    *ret_value = value;
    return true;
}

/* What the client knows already: nothing if its id was never given, since the server was restarted
   then. */
static int64_t known_id(double id)
{
    return id < 0 || id > (double)last_id ? 0 : (int64_t)id;
}

static int longpoll_get(spout_request *r)
{
    double timeout, id;
    if (!parse_number(spout_argument(r, "timeout", "30"), &timeout))
        return site_error(r, 400, "timeout must be a number of seconds");
    if (!parse_number(spout_argument(r, "last_id", "0"), &id))
        return site_error(r, 400, "last_id must be a number");
    timeout = timeout < 1 ? 1 : timeout > 60 ? 60 : timeout;
    int64_t known = known_id(id);
    json_t *news = newer_than(known);
    if (json_array_size(news) == 0) {
        json_decref(news);
        int result = wait_for_push((int64_t)(timeout * 1000));
        if (result < 0 && result != SPOUT_ETIMEDOUT)
            return result;
        news = newer_than(known);
    }
    bool found = json_array_size(news) > 0;
    return spout_write_json(r, json_pack("{s:s, s:o, s:b}", "status", found ? "success" : "timeout",
                                   "data", news, "has_more", found));
}

/* A history of pushes is kept, so they are smaller than other bodies, unless --max-body-size says how
   large. */
void feed_configure(void)
{
    if (!spout_option_is_set("max-body-size"))
        push_handler.max_body_size = MAX_PUSH;
}

static const site_traits waits = { .waits = true };

spout_handler push_handler = { .base = &site, .name = "push", .post = push_post };
const spout_handler longpoll_handler = {
    .base = &site,
    .name = "longpoll",
    .get = longpoll_get,
    .config = &waits,
    .cancel_on_close = 1,
};
