/*
 * What the runtime costs: a switch, a task, a timer, a hand-over, a sleeping task. Beside each
 * stands what it would cost without us in the same run: the bare assembly switch, libuv's timers
 * (if it is installed), a bare C loop.
 *
 *     build/bench/runtime [--json]
 *
 * Each figure is the best of several rounds: what disturbs a round only ever adds to it.
 */
#define _GNU_SOURCE
#include "loop/internal.h"

#include <spout/queues.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if BENCH_LIBUV
#include <uv.h>
#endif

enum {
    ROUNDS = 7,
    SWITCHES = 2000000,
    SPAWNS = 500000,
    TIMERS = 1000000,
    HANDOVERS = 1000000,
    SLEEPERS = 100000,
    RING = 64, /* tasks that hand over to each other */
    BATCH = 64 /* spawned before they run */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The bare switch: two stacks, no scheduler. */
static spi_switch_point bare_main, bare_other;

static void bounce(void *arg)
{
    (void)arg;
    for (;;)
        spi_switch(&bare_other, &bare_main);
}

static double bare_switch_ns(void)
{
    enum { SIZE = 64 * 1024 };
    char *stack = malloc(SIZE);
    spi_switch_prepare(&bare_other, stack, stack + SIZE, bounce, NULL);
    int64_t start = now_ns();
    for (int i = 0; i < SWITCHES / 2; i++)
        spi_switch(&bare_main, &bare_other);
    double took = (double)(now_ns() - start);
    free(stack);
    return took / SWITCHES;
}

static int yield_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < SWITCHES / RING; i++)
        spout_yield();
    return 0;
}

static int run_ring(void *arg)
{
    spout_group *group = spout_group_new();
    for (int i = 0; i < RING; i++)
        spout_group_start(group, yield_often, NULL, NULL);
    int64_t start = now_ns();
    spout_group_join(group);
    *(double *)arg = (double)(now_ns() - start) / SWITCHES;
    spout_group_free(group);
    return 0;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int spawn_many(void *arg)
{
    int64_t start = now_ns();
    for (int i = 0; i < SPAWNS / BATCH; i++) {
        for (int j = 0; j < BATCH; j++)
            spout_spawn(do_nothing, NULL, NULL);
        spout_yield();
    }
    *(double *)arg = (double)(now_ns() - start) / (SPAWNS / BATCH * BATCH);
    return 0;
}

/* As a server does for each request. */
static int run_many(void *arg)
{
    spout_loop *loop = spout_loop_current();
    spi_task_start how = { .name = "request", .fn = do_nothing };
    int64_t start = now_ns();
    for (int i = 0; i < SPAWNS; i++)
        spi_task_run(loop, &how, NULL);
    *(double *)arg = (double)(now_ns() - start) / SPAWNS;
    return 0;
}

/* Between a second and an hour, in no order. */
static int64_t delay_of(int i)
{
    return 1000 + (int64_t)((uint32_t)i * 2654435761u % 3600000);
}

static int arm_timers(void *arg)
{
    spout_timer **timers = malloc(TIMERS * sizeof *timers);
    memset(timers, 0, TIMERS * sizeof *timers);
    int64_t start = now_ns();
    for (int i = 0; i < TIMERS; i++)
        timers[i] = spout_call_later(delay_of(i), do_nothing, NULL);
    for (int i = 0; i < TIMERS; i++)
        spout_timer_cancel(timers[i]);
    *(double *)arg = (double)(now_ns() - start) / TIMERS;
    free(timers);
    return 0;
}

#if BENCH_LIBUV
static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

/* Its timers are allocated by their user; ours come with the call. */
static double libuv_timer_ns(void)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    uv_timer_t **timers = malloc(TIMERS * sizeof *timers);
    memset(timers, 0, TIMERS * sizeof *timers);
    int64_t start = now_ns();
    for (int i = 0; i < TIMERS; i++) {
        timers[i] = malloc(sizeof(uv_timer_t));
        uv_timer_init(&loop, timers[i]);
        uv_timer_start(timers[i], on_timer, (uint64_t)delay_of(i), 0);
    }
    for (int i = 0; i < TIMERS; i++)
        uv_timer_stop(timers[i]);
    double took = (double)(now_ns() - start);
    for (int i = 0; i < TIMERS; i++)
        uv_close((uv_handle_t *)timers[i], (uv_close_cb)free);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    free(timers);
    return took / TIMERS;
}
#endif

static int consume(void *arg)
{
    void *item;
    for (int i = 0; i < HANDOVERS; i++)
        spout_queue_get(arg, &item);
    return 0;
}

static int produce(void *arg)
{
    for (int i = 0; i < HANDOVERS; i++)
        spout_queue_put(arg, arg);
    return 0;
}

static int hand_over(void *arg)
{
    spout_queue *queue = spout_queue_new(&(spout_queue_options){ .maximum = 64 });
    spout_group *group = spout_group_new();
    int64_t start = now_ns();
    spout_group_start(group, consume, queue, NULL);
    spout_group_start(group, produce, queue, NULL);
    spout_group_join(group);
    *(double *)arg = (double)(now_ns() - start) / HANDOVERS;
    spout_group_free(group);
    spout_queue_free(queue);
    return 0;
}

/* A ring of the same size, filled and emptied in turn by two functions behind pointers. */
static void *volatile ring[64];

static void fill_ring(void *item)
{
    for (int i = 0; i < 64; i++)
        ring[i] = item;
}

static void empty_ring(void *item)
{
    for (int i = 0; i < 64; i++)
        item = ring[i];
    (void)item;
}

static double bare_handover_ns(void)
{
    static void (*volatile fill)(void *) = fill_ring, (*volatile empty)(void *) = empty_ring;
    int64_t start = now_ns();
    for (int i = 0; i < HANDOVERS / 64; i++) {
        fill(&start);
        empty(&start);
    }
    return (double)(now_ns() - start) / HANDOVERS;
}

static int64_t resident_bytes(void)
{
    int64_t total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%" SCNd64 " %" SCNd64, &total, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return spout_sleep(3600000);
}

static int start_sleepers(void *arg)
{
    int64_t *ret_bytes = arg, before = resident_bytes();
    for (int i = 0; i < SLEEPERS; i++) {
        if (spout_spawn(sleep_long, NULL, NULL) < 0) {
            fprintf(stderr, "only %d sleeping tasks: %s\n", i, spout_error_message());
            return -1;
        }
    }
    spout_yield();
    *ret_bytes = (resident_bytes() - before) / SLEEPERS;
    return 0;
}

/* In a process of its own, which has not touched any memory for something else. */
static int64_t sleeping_task_bytes(void)
{
    int64_t *bytes = mmap(
        NULL, sizeof *bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *bytes = -1;
    pid_t child = fork();
    if (child == 0) {
        spout_loop *loop = spout_loop_new(NULL);
        spout_loop_run_sync(loop, start_sleepers, bytes, 0);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return *bytes;
}

static double in_task(spout_task_fn *fn)
{
    double ns = 0;
    spout_loop *loop = spout_loop_new(NULL);
    if (spout_loop_run_sync(loop, fn, &ns, 0) < 0)
        fprintf(stderr, "runtime: %s\n", spout_error_message());
    spout_loop_free(loop);
    return ns;
}

typedef struct figures {
    double bare_switch, task_switch, spawn, run, timer, libuv_timer, handover, bare_handover;
    int64_t sleeping;
} figures;

static void keep_best(double *best, double value)
{
    if (*best == 0 || value < *best)
        *best = value;
}

static figures measure(void)
{
    figures best = { .sleeping = sleeping_task_bytes() };
    for (int i = 0; i < ROUNDS; i++) {
        keep_best(&best.bare_switch, bare_switch_ns());
        keep_best(&best.task_switch, in_task(run_ring));
        keep_best(&best.spawn, in_task(spawn_many));
        keep_best(&best.run, in_task(run_many));
        keep_best(&best.timer, in_task(arm_timers));
#if BENCH_LIBUV
        keep_best(&best.libuv_timer, libuv_timer_ns());
#endif
        keep_best(&best.handover, in_task(hand_over));
        keep_best(&best.bare_handover, bare_handover_ns());
    }
    return best;
}

static void print_table(const figures *f)
{
    printf("%-44s%10s%12s%8s\n", "", "ns", "beside it", "ratio");
    printf("%-44s%10.1f%12.1f%8.2f\n", "a switch, task to task / bare assembly", f->task_switch,
        f->bare_switch, f->task_switch / f->bare_switch);
    printf("%-44s%10.1f%12.1f%8.2f\n", "spawn and finish / bare assembly switch", f->spawn,
        f->bare_switch, f->spawn / f->bare_switch);
    printf("%-44s%10.1f%12.1f%8.2f\n", "start at once and finish / bare switch", f->run,
        f->bare_switch, f->run / f->bare_switch);
    if (f->libuv_timer > 0)
        printf("%-44s%10.1f%12.1f%8.2f\n", "a timer of 1,000,000, armed, stopped / libuv", f->timer,
            f->libuv_timer, f->timer / f->libuv_timer);
    else
        printf("%-44s%10.1f%12s\n", "a timer of 1,000,000, armed, stopped", f->timer, "no libuv");
    printf("%-44s%10.1f%12.1f%8.2f\n", "a hand-over through a queue / bare ring", f->handover,
        f->bare_handover, f->handover / f->bare_handover);
    printf("%-44s%10" PRId64 "\n", "bytes of one of 100,000 sleeping tasks", f->sleeping);
}

static void print_json(const figures *f)
{
    printf("{\"switch_ns\": %.2f, \"asm_switch_ns\": %.2f, \"switch_over_asm\": %.3f, ",
        f->task_switch, f->bare_switch, f->task_switch / f->bare_switch);
    printf("\"spawn_ns\": %.2f, \"spawn_over_asm\": %.3f, ", f->spawn, f->spawn / f->bare_switch);
    printf("\"start_ns\": %.2f, \"start_over_asm\": %.3f, ", f->run, f->run / f->bare_switch);
    printf("\"timer_ns\": %.2f, ", f->timer);
    if (f->libuv_timer > 0)
        printf("\"libuv_timer_ns\": %.2f, \"timers_over_libuv\": %.3f, ", f->libuv_timer,
            f->timer / f->libuv_timer);
    else
        printf("\"libuv_timer_ns\": null, \"timers_over_libuv\": null, ");
    printf("\"handover_ns\": %.2f, \"bare_handover_ns\": %.2f, ", f->handover, f->bare_handover);
    printf(
        "\"sleeping_tasks\": %d, \"sleeping_task_bytes\": %" PRId64 "}\n", SLEEPERS, f->sleeping);
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (argc > 2 || (argc > 1 && !json)) {
        fprintf(stderr, "usage: %s [--json]\n", argv[0]);
        return 2;
    }
    figures best = measure();
    if (json)
        print_json(&best);
    else
        print_table(&best);
    return 0;
}
