/* Many that wait, and one that wakes them all: long polls, and members of a topic. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static char buffer[1 << 16];

static bool is_topic(const load *l)
{
    return strcmp(l->options->mode, "topic") == 0;
}

static void get(const load *l, connection *c, const char *method, const char *path)
{
    char text[512];
    int len = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", method,
        path, l->options->port, *method == 'P' ? "Content-Length: 0\r\n" : "");
    load_send(c, text, (size_t)len);
}

/* Waits until the server says that all of them wait: the number is the body of the answer. */
static void wait_until_all_wait(load *l)
{
    connection *c = &l->connections[l->options->connections];
    int waiting;
    do {
        get(l, c, "GET", "/waiting");
        size_t len = load_receive_head(c, buffer, sizeof buffer);
        (void)len;
        waiting = atoi(strstr(buffer, "\r\n\r\n") + 4);
    } while (waiting < l->options->connections);
}

void load_prepare_wake(load *l)
{
    for (int i = 0; is_topic(l) && i < l->options->connections; i++)
        load_upgrade(l, &l->connections[i], l->options->path);
    /* The one that asks and triggers; its bytes are read where it asks. */
    load_connect(l, &l->connections[l->options->connections], 0);
}

static void trigger(load *l)
{
    if (is_topic(l)) {
        static char frame[1 << 16];
        load_send(&l->connections[0], frame, load_frame(frame, l->options->message, 'x'));
        return;
    }
    connection *c = &l->connections[l->options->connections];
    get(l, c, "POST", l->options->trigger);
    load_receive_head(c, buffer, sizeof buffer);
}

/* True when the connection has its answer. */
static bool receive(load *l, connection *c)
{
    long len = load_receive(c, buffer, sizeof buffer - 1);
    if (len < 0)
        load_fail("the server closed a connection that waits");
    if (len > 0 && c->got == 0) {
        buffer[len] = '\0';
        c->answer = is_topic(l) ? load_frame_length(l->options->message)
                                : load_answer_length(buffer, (size_t)len);
    }
    c->got += (size_t)len;
    return len > 0 && c->got == c->answer;
}

void load_wake(load *l)
{
    int count = l->options->connections;
    for (int i = 0; i < count; i++) {
        l->connections[i].got = 0;
        if (!is_topic(l))
            get(l, &l->connections[i], "GET", l->options->path);
    }
    wait_until_all_wait(l);
    int64_t started = load_now_ns(), first = 0, last = 0;
    trigger(l);
    for (int heard = 0; heard < count;) {
        struct epoll_event events[256];
        int ready = epoll_wait(l->poller, events, 256, 60000);
        if (ready == 0)
            load_fail("%d of %d were not woken", count - heard, count);
        for (int i = 0; i < ready; i++) {
            if (!receive(l, &l->connections[events[i].data.u32]))
                continue;
            last = load_now_ns();
            first = first ? first : last;
            heard++;
        }
    }
    printf("{\"answers\":%d,\"seconds\":%.6f,\"first_to_last_us\":%lld}\n", count,
        (double)(last - started) / 1e9, (long long)((last - first) / 1000));
    fflush(stdout);
}
