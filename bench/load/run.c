#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { MAX_EVENTS = 256, BUFFER = 1 << 18, MAX_LATENCIES = 1 << 22 };

static char buffer[BUFFER];

void load_note_latency(load *l, int64_t ns)
{
    if (!l->latencies_us)
        l->latencies_us = calloc(MAX_LATENCIES, sizeof *l->latencies_us);
    if (l->latency_count < MAX_LATENCIES)
        l->latencies_us[l->latency_count++] = (uint32_t)(ns / 1000);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t percentile(const load *l, int percent)
{
    return l->latency_count ? l->latencies_us[(l->latency_count - 1) * (size_t)percent / 100] : 0;
}

void load_report(load *l, double seconds)
{
    if (l->latency_count)
        qsort(l->latencies_us, l->latency_count, sizeof *l->latencies_us, compare);
    printf("{\"answers\":%llu,\"seconds\":%.6f,\"p50_us\":%u,\"p99_us\":%u}\n",
        (unsigned long long)l->answers, seconds, percentile(l, 50), percentile(l, 99));
    fflush(stdout);
    l->latency_count = 0;
}

static bool is_over(const load *l, int64_t now)
{
    return l->goal ? l->answers >= l->goal : now >= l->deadline_ns;
}

static void start_batch(load *l, connection *c, int64_t now)
{
    c->got = 0;
    c->started_ns = now;
    load_send(c, l->batch, l->batch_len);
}

/* True when the batch is answered. */
static bool receive(load *l, connection *c)
{
    long len = load_receive(c, buffer, sizeof buffer - 1);
    if (len < 0)
        load_fail("the server closed a connection that waits for an answer");
    if (len == 0)
        return false;
    if (c->got == 0 && c->answer > 12 && !c->open && len >= 12 &&
        memcmp(buffer, "HTTP/1.1 200", 12) != 0)
        load_fail("not the answer that was hoped for: %.60s", buffer);
    if (c->answer == 0) {
        buffer[len] = '\0';
        c->answer = load_answer_length(buffer, (size_t)len);
        if (c->answer == 0)
            load_fail("the head of the first answer came in pieces");
    }
    c->got += (size_t)len;
    if (c->got > c->answer * (size_t)l->batch_answers)
        load_fail("more bytes than were asked for");
    return c->got == c->answer * (size_t)l->batch_answers;
}

/* Ends with no request on its way. */
void load_run_requests(load *l)
{
    int64_t now = load_now_ns();
    int busy = l->options->connections;
    if (l->goal && l->goal < (uint64_t)busy)
        busy = (int)l->goal;
    for (int i = 0; i < busy; i++)
        start_batch(l, &l->connections[i], now);
    while (busy) {
        struct epoll_event events[MAX_EVENTS];
        int count = epoll_wait(l->poller, events, MAX_EVENTS, 60000);
        if (count == 0)
            load_fail("the server has been silent for a minute");
        for (int i = 0; i < count; i++) {
            connection *c = &l->connections[events[i].data.u32];
            if (!receive(l, c))
                continue;
            now = load_now_ns();
            load_note_latency(l, now - c->started_ns);
            l->answers += (uint64_t)l->batch_answers;
            if (is_over(l, now))
                busy--;
            else
                start_batch(l, c, now);
        }
    }
}

static void watch(load *l, connection *c, int number)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)number };
    epoll_ctl(l->poller, EPOLL_CTL_ADD, c->fd, &event);
}

static void open_one(load *l, int number)
{
    connection *c = &l->connections[number];
    load_connect(l, c, number);
    watch(l, c, number);
    start_batch(l, c, load_now_ns());
}

/* A connection for each request, `connections` of them at a time. */
void load_run_connections(load *l)
{
    int busy = l->options->connections;
    for (int i = 0; i < busy; i++)
        open_one(l, i);
    while (busy) {
        struct epoll_event events[MAX_EVENTS];
        int count = epoll_wait(l->poller, events, MAX_EVENTS, 60000);
        if (count == 0)
            load_fail("the server has been silent for a minute");
        for (int i = 0; i < count; i++) {
            int number = (int)events[i].data.u32;
            connection *c = &l->connections[number];
            if (!receive(l, c))
                continue;
            int64_t now = load_now_ns();
            load_note_latency(l, now - c->started_ns);
            load_close(c);
            l->answers++;
            if (is_over(l, now))
                busy--;
            else
                open_one(l, number);
        }
    }
}
