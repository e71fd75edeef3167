#include "realtime.h"

/* --- /async: four ways to wait --- */

static int basic(spout_request *r)
{
    if (spout_sleep(1000) < 0)
        return -1;
    return spout_write_json(r, json_pack("{s:s, s:f}", "message", "The basic task is done",
                                   "timestamp", (double)spout_wall_us() / 1e6));
}

typedef struct timed_task {
    int64_t delay_ms;
    const char *result; /* NULL until it is done */
} timed_task;

static int run_timed_task(void *arg)
{
    timed_task *task = arg;
    int result = spout_sleep(task->delay_ms);
    if (result == 0)
        task->result = "done";
    return result;
}

static int concurrent(spout_request *r)
{
    timed_task tasks[] = { { .delay_ms = 500 }, { .delay_ms = 1000 }, { .delay_ms = 300 } };
    enum { COUNT = sizeof tasks / sizeof tasks[0] };
    spout_group *group = spout_group_new();
    int result = 0;
    for (int i = 0; i < COUNT && result == 0; i++)
        result = spout_group_start(group, run_timed_task, &tasks[i], NULL);
    if (result == 0)
        result = spout_group_join(group);
    spout_group_free(group);
    if (result < 0)
        return result;
    json_t *results = json_array();
    for (int i = 0; i < COUNT; i++)
        json_array_append_new(results, json_sprintf("Task %d: %s", i + 1, tasks[i].result));
    return spout_write_json(
        r, json_pack("{s:s, s:o, s:i}", "message", "The concurrent tasks are done", "results",
               results, "total_tasks", (int)COUNT));
}

static int limited(spout_request *r)
{
    timed_task slow = { .delay_ms = 3000 };
    int64_t outer = spout_deadline_set_ms(2000);
    int result = run_timed_task(&slow);
    spout_deadline_restore(outer);
    if (result == SPOUT_ETIMEDOUT)
        return spout_write_json(r, json_pack("{s:s}", "error", "The task took too long"));
    if (result < 0)
        return result;
    return spout_write_json(
        r, json_pack("{s:s, s:s}", "message", "The task is done", "result", slow.result));
}

static int resolve(void *arg)
{
    spout_future *answer = arg;
    static char text[] = "The callback has run";
    spout_future_resolve(answer, text);
    spout_future_unref(answer);
    return 0;
}

static int from_callback(spout_request *r)
{
    spout_future *answer = spout_future_new();
    if (!spout_call_later(1000, resolve, spout_future_ref(answer)))
        spout_future_unref(answer);
    void *text = NULL;
    int result = spout_await(answer, &text);
    spout_future_unref(answer);
    return result < 0 ? result
                      : spout_write_json(r, json_pack("{s:s}", "message", (const char *)text));
}

/* --- /modern: straight-line code --- */

static int simple(spout_request *r)
{
    if (spout_sleep(500) < 0)
        return -1;
    return spout_write_json(r, json_pack("{s:s}", "message", "The simple operation is done"));
}

/* A step that needs the result of the one before. NULL when it was cut short. */
static const char *step(int number, int64_t delay_ms, const char *before)
{
    if (spout_sleep(delay_ms) < 0)
        return NULL;
    return before ? spout_scope_format("step %d done after: %s", number, before)
                  : spout_scope_format("step %d done", number);
}

static int chain(spout_request *r)
{
    const char *first = step(1, 200, NULL);
    const char *second = first ? step(2, 300, first) : NULL;
    const char *third = second ? step(3, 100, second) : NULL;
    if (!third)
        return -1;
    return spout_write_json(r, json_pack("{s:s, s:[s, s, s]}", "message", "The chain is done",
                                   "steps", first, second, third));
}

static int risky_operation(void)
{
    if (spout_sleep(100) < 0)
        return -1;
    unsigned char coin;
    spout_random_bytes(&coin, 1);
    return coin & 1 ? spout_error_set(SPOUT_EFAILED, "the coin fell on its wrong side") : 0;
}

static int risky(spout_request *r)
{
    int result = risky_operation();
    if (result == SPOUT_EFAILED)
        return spout_write_json(r, json_pack("{s:s}", "error", spout_error_message()));
    if (result < 0)
        return result;
    return spout_write_json(r, json_pack("{s:s}", "message", "The operation has worked"));
}

/* --- both choose by ?type= --- */

typedef struct choice {
    const char *type; /* NULL ends a table; the first is the default */
    int (*run)(spout_request *r);
} choice;

static int choose(spout_request *r, const choice *choices)
{
    const char *type = spout_argument(r, "type", choices->type);
    for (; choices->type; choices++)
        if (strcmp(type, choices->type) == 0)
            return choices->run(r);
    return site_error(r, 400, "Unknown task type");
}

static int async_get(spout_request *r)
{
    static const choice choices[] = {
        { "basic", basic },
        { "concurrent", concurrent },
        { "timeout", limited },
        { "callback", from_callback },
        { 0 },
    };
    return choose(r, choices);
}

static int modern_get(spout_request *r)
{
    static const choice choices[] = {
        { "simple", simple },
        { "chain", chain },
        { "error", risky },
        { 0 },
    };
    return choose(r, choices);
}

const spout_handler async_handler = { .base = &site, .name = "async", .get = async_get };
const spout_handler modern_handler = { .base = &site, .name = "modern", .get = modern_get };
