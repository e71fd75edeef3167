#include "realtime.h"

#include <stdio.h>

enum { TIMES = 1000, MAX_HANDLERS = 32, MAX_STATUS = 600 };

static int64_t started_us;
static bool draining;

static struct {
    const char *name; /* the handler's own, static */
    int64_t count;
} handlers[MAX_HANDLERS];

static int64_t errors[MAX_STATUS];
static double times[TIMES]; /* seconds, of the last requests */
static size_t time_count;   /* of all requests */

void stats_start(void)
{
    started_us = spout_wall_us();
}

void stats_drain(void)
{
    draining = true;
}

static void count_handler(const char *name)
{
    for (int i = 0; i < MAX_HANDLERS; i++) {
        if (!handlers[i].name)
            handlers[i].name = name;
        if (strcmp(handlers[i].name, name) == 0) {
            handlers[i].count++;
            return;
        }
    }
}

void stats_record(const char *handler, int status, int64_t time_us)
{
    count_handler(*handler ? handler : "other");
    if (status >= 400 && status < MAX_STATUS)
        errors[status]++;
    times[time_count++ % TIMES] = (double)time_us / 1e6;
}

static double uptime(void)
{
    return (double)(spout_wall_us() - started_us) / 1e6;
}

static json_t *request_figures(void)
{
    json_t *by_handler = json_object();
    json_int_t total = 0;
    for (int i = 0; i < MAX_HANDLERS && handlers[i].name; i++) {
        json_object_set_new(by_handler, handlers[i].name, json_integer(handlers[i].count));
        total += handlers[i].count;
    }
    size_t kept = time_count < TIMES ? time_count : TIMES;
    double sum = 0, max = 0, min = kept ? times[0] : 0;
    for (size_t i = 0; i < kept; i++) {
        sum += times[i];
        max = times[i] > max ? times[i] : max;
        min = times[i] < min ? times[i] : min;
    }
    return json_pack("{s:I, s:o, s:f, s:f, s:f}", "total", total, "by_handler", by_handler,
        "avg_response_time", kept ? sum / (double)kept : 0, "max_response_time", max,
        "min_response_time", min);
}

static json_t *error_figures(void)
{
    json_t *object = json_object();
    for (int status = 400; status < MAX_STATUS; status++) {
        char key[12];
        snprintf(key, sizeof key, "%d", status);
        if (errors[status])
            json_object_set_new(object, key, json_integer(errors[status]));
    }
    return object;
}

static int stats_get(spout_request *r)
{
    spout_figures figures = spout_loop_figures();
    json_t *memory = json_pack("{s:I, s:I}", "arena_bytes", (json_int_t)figures.arena_bytes,
        "stacks", (json_int_t)figures.stacks);
    return spout_write_json(
        r, json_pack("{s:f, s:o, s:o, s:I, s:o, s:o}", "uptime", uptime(), "requests",
               request_figures(), "errors", error_figures(), "active_connections",
               (json_int_t)spout_application_connections(spout_request_application(r)), "system",
               system_figures(), "memory", memory));
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
