/* The figures of all workers: they lie in memory that the workers inherit and share. What is said of
   the system is of the worker that answers. */
#define _DEFAULT_SOURCE
#include "realtime.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

enum { TIMES = 1000, MAX_HANDLERS = 32, MAX_STATUS = 600, MAX_WORKERS = 1024 };

typedef struct shared {
    _Atomic int64_t started_us;
    struct {
        _Atomic(const char *) name; /* the handler's own, static: the same in all workers */
        _Atomic int64_t count;
    } handlers[MAX_HANDLERS];
    _Atomic int64_t errors[MAX_STATUS];
    _Atomic int64_t times_us[TIMES]; /* of the last requests */
    _Atomic uint64_t time_count;     /* of all requests */
    _Atomic int64_t connections[MAX_WORKERS];
} shared;

static shared *figures;
static bool draining;

int stats_configure(void)
{
    void *memory = mmap(
        NULL, sizeof *figures, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return spout_error_set_errno(errno, "no memory for the figures");
    figures = memory;
    return 0;
}

void stats_start(const spout_application *application)
{
    int64_t not_yet = 0;
    atomic_compare_exchange_strong(&figures->started_us, &not_yet, spout_wall_us());
    stats_update(application);
}

void stats_update(const spout_application *application)
{
    int worker = spout_task_id() < 0 ? 0 : spout_task_id();
    figures->connections[worker] = (int64_t)spout_application_connections(application);
}

void stats_drain(void)
{
    draining = true;
}

static void count_handler(const char *name)
{
    for (int i = 0; i < MAX_HANDLERS; i++) {
        const char *there = NULL;
        atomic_compare_exchange_strong(&figures->handlers[i].name, &there, name);
        if (!there || strcmp(there, name) == 0) {
            figures->handlers[i].count++;
            return;
        }
    }
}

void stats_record(const char *handler, int status, int64_t time_us)
{
    count_handler(*handler ? handler : "other");
    if (status >= 400 && status < MAX_STATUS)
        figures->errors[status]++;
    figures->times_us[figures->time_count++ % TIMES] = time_us;
}

static double uptime(void)
{
    int64_t started_us = figures->started_us;
    return (double)(spout_wall_us() - started_us) / 1e6;
}

static json_t *request_figures(void)
{
    json_t *by_handler = json_object();
    json_int_t total = 0;
    for (int i = 0; i < MAX_HANDLERS && figures->handlers[i].name; i++) {
        json_int_t count = figures->handlers[i].count;
        json_object_set_new(by_handler, figures->handlers[i].name, json_integer(count));
        total += count;
    }
    uint64_t count = figures->time_count, kept = count < TIMES ? count : TIMES;
    int64_t sum = 0, max = 0, min = kept ? figures->times_us[0] : 0;
    for (uint64_t i = 0; i < kept; i++) {
        int64_t time = figures->times_us[i];
        sum += time;
        max = time > max ? time : max;
        min = time < min ? time : min;
    }
    return json_pack("{s:I, s:o, s:f, s:f, s:f}", "total", total, "by_handler", by_handler,
        "avg_response_time", kept ? (double)sum / 1e6 / (double)kept : 0, "max_response_time",
        (double)max / 1e6, "min_response_time", (double)min / 1e6);
}

static json_t *error_figures(void)
{
    json_t *object = json_object();
    for (int status = 400; status < MAX_STATUS; status++) {
        char key[12];
        snprintf(key, sizeof key, "%d", status);
        if (figures->errors[status])
            json_object_set_new(object, key, json_integer(figures->errors[status]));
    }
    return object;
}

static json_int_t all_connections(void)
{
    json_int_t count = 0;
    for (int i = 0; i < MAX_WORKERS; i++)
        count += figures->connections[i];
    return count;
}

static int stats_get(spout_request *r)
{
    spout_figures own = spout_loop_figures();
    stats_update(spout_request_application(r));
    json_t *memory = json_pack(
        "{s:I, s:I}", "arena_bytes", (json_int_t)own.arena_bytes, "stacks", (json_int_t)own.stacks);
    return spout_write_json(
        r, json_pack("{s:f, s:o, s:o, s:I, s:o, s:o}", "uptime", uptime(), "requests",
               request_figures(), "errors", error_figures(), "active_connections",
               all_connections(), "system", system_figures(), "memory", memory));
}

static int health_get(spout_request *r)
{
    if (!draining)
        return spout_write_json(r, json_pack("{s:s, s:o, s:f}", "status", "healthy", "timestamp",
                                       site_timestamp(), "uptime", uptime()));
    spout_set_status(r, 503, NULL);
    return spout_write_json(r, json_pack("{s:s, s:s, s:o}", "status", "unhealthy", "error",
                                   "the server is shutting down", "timestamp", site_timestamp()));
}

const spout_handler stats_handler = { .base = &site, .name = "stats", .get = stats_get };
const spout_handler health_handler = { .base = &site, .name = "health", .get = health_get };
