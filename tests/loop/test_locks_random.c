/* Locks under random schedules: one step at a time against a model, and as working tasks would use
   them. */
#include "kit.h"

#include "chance.h"
#include "loop/task.h"

#include <spout/locks.h>

enum { STEPS = 400, UNDECIDED = 99, ROUNDS = 150, WORKERS = 12, LAPS = 8, PERMITS = 3 };

typedef enum wish { SEMAPHORE, CONDITION, EVENT, LOCK, WISHES } wish;

typedef struct actor {
    wish wish;
    spi_task *task; /* NULL: has ended */
    int64_t due_ms;
    bool waits;
    int wanted, result;
} actor;

static struct {
    spout_semaphore *semaphore;
    spout_condition *condition;
    spout_event *event;
    spout_lock *lock;
    actor actors[STEPS];
    int count;
    int permits, max_permits; /* 0: not bounded */
    bool set, held;
} model;

static void decide(actor *self, int result)
{
    self->wanted = result;
    self->waits = false;
}

static actor *first_waiting(wish which)
{
    for (int i = 0; i < model.count; i++) {
        if (model.actors[i].waits && model.actors[i].wish == which)
            return &model.actors[i];
    }
    return NULL;
}

/* True if it need not wait. */
static bool model_take(wish which)
{
    bool free = false;
    switch (which) {
    case SEMAPHORE:
        free = model.permits > 0;
        model.permits -= free;
        break;
    case CONDITION: break;
    case EVENT: free = model.set; break;
    case LOCK:
        free = !model.held;
        model.held = true;
        break;
    case WISHES: break;
    }
    return free;
}

typedef struct start_args {
    actor *self;
    int64_t delay_ms;
} start_args;

static int act(void *arg)
{
    start_args args = *(start_args *)arg;
    actor *self = args.self;
    if (args.delay_ms)
        spout_deadline_set_ms(args.delay_ms);
    switch (self->wish) {
    case SEMAPHORE: self->result = spout_semaphore_acquire(model.semaphore); break;
    case CONDITION: self->result = spout_condition_wait(model.condition); break;
    case EVENT: self->result = spout_event_wait(model.event); break;
    case LOCK: self->result = spout_lock_acquire(model.lock); break;
    case WISHES: break;
    }
    self->task = NULL;
    return 0;
}

static void start_actor(void)
{
    actor *self = &model.actors[model.count++];
    int64_t delay_ms = chance(3) ? 0 : 1 + chance(20);
    *self = (actor){ .wish = (wish)chance(WISHES), .result = UNDECIDED, .wanted = UNDECIDED };
    self->due_ms = delay_ms ? spout_time_ms() + delay_ms : INT64_MAX;
    if (model_take(self->wish))
        self->wanted = 0;
    else
        self->waits = true;
    start_args args = { self, delay_ms };
    spi_task *task = NULL;
    spi_task_start how = { .name = "actor", .fn = act, .arg = &args };
    self->task = (spi_task *)self; /* anything but NULL */
    CHECK(spi_task_run(loop, &how, &task) == 0);
    if (self->task)
        self->task = task;
}

static void release_semaphore(void)
{
    actor *next = first_waiting(SEMAPHORE);
    bool full = !next && model.max_permits && model.permits == model.max_permits;
    CHECK(spout_semaphore_release(model.semaphore) == (full ? SPOUT_ESTATE : 0));
    if (next)
        decide(next, 0);
    else if (!full)
        model.permits++;
}

static void release_lock(void)
{
    actor *next = first_waiting(LOCK);
    CHECK(spout_lock_release(model.lock) == (model.held ? 0 : SPOUT_ESTATE));
    if (next)
        decide(next, 0);
    else
        model.held = false;
}

static void notify(void)
{
    int count = chance(4);
    spout_condition_notify(model.condition, (size_t)count);
    actor *next;
    while (count-- > 0 && (next = first_waiting(CONDITION)))
        decide(next, 0);
}

static void turn_event(void)
{
    model.set = chance(2);
    if (!model.set) {
        spout_event_clear(model.event);
        return;
    }
    spout_event_set(model.event);
    actor *next;
    while ((next = first_waiting(EVENT)))
        decide(next, 0);
}

static void cancel_one(void)
{
    if (model.count == 0)
        return;
    actor *self = &model.actors[chance(model.count)];
    if (!self->task)
        return;
    if (self->waits)
        decide(self, SPOUT_ECANCELED);
    spi_task_cancel(self->task);
}

static void go_on(int64_t ms)
{
    fake_now_ms += ms;
    for (int i = 0; i < model.count; i++) {
        actor *self = &model.actors[i];
        if (self->waits && self->due_ms <= fake_now_ms)
            decide(self, SPOUT_ETIMEDOUT);
    }
    CHECK(spout_loop_run_once(loop, 0) == 0);
}

static void step(void)
{
    switch (chance(9)) {
    case 0:
    case 1:
    case 2: start_actor(); break;
    case 3: release_semaphore(); break;
    case 4: release_lock(); break;
    case 5: chance(2) ? notify() : turn_event(); break;
    case 6:
    case 7: cancel_one(); break;
    case 8: go_on(chance(6)); break;
    }
    CHECK(spout_semaphore_get_value(model.semaphore) == model.permits);
    CHECK(spout_event_is_set(model.event) == model.set);
    CHECK(spout_lock_is_held(model.lock) == model.held);
}

static void compare_all(void)
{
    for (int i = 0; i < model.count; i++)
        CHECK(model.actors[i].result == model.actors[i].wanted);
}

static void play(void)
{
    memset(&model, 0, sizeof model);
    model.permits = chance(4);
    model.max_permits = chance(2) ? model.permits : 0;
    if (model.permits == 0)
        model.max_permits = 0;
    model.semaphore = spout_semaphore_new(
        model.permits, &(spout_semaphore_options){ .bounded = model.max_permits > 0 });
    model.condition = spout_condition_new();
    model.event = spout_event_new();
    model.lock = spout_lock_new();
    for (int i = 0; i < STEPS; i++)
        step();
    go_on(0);
    go_on(0);
    compare_all();
    for (int i = 0; i < model.count; i++) {
        if (model.actors[i].waits)
            decide(&model.actors[i], SPOUT_ECLOSED);
    }
    spout_semaphore_free(model.semaphore);
    spout_condition_free(model.condition);
    spout_event_free(model.event);
    spout_lock_free(model.lock);
    settle();
    compare_all();
    CHECK(spout_loop_figures().tasks == 0);
}

static void locks_do_what_the_model_says(void **state)
{
    (void)state;
    with_seeds(ROUNDS, play);
}

/* Tasks that take and give back, are cancelled at any time, and never leave anything taken. */
static struct {
    spout_semaphore *semaphore;
    spout_lock *lock;
    spi_task *tasks[WORKERS];
    int inside, alone;
} factory;

static int work_alone(void)
{
    int result = spout_lock_acquire(factory.lock);
    if (result < 0)
        return result;
    CHECK(++factory.alone == 1);
    result = chance(2) ? spout_yield() : spout_sleep(chance(5));
    CHECK(--factory.alone == 0);
    spout_lock_release(factory.lock);
    return result;
}

static int lap(void)
{
    int64_t outer = spout_deadline_set_ms(1 + chance(30));
    int result = spout_semaphore_acquire(factory.semaphore);
    if (result == 0) {
        CHECK(++factory.inside <= PERMITS);
        result = work_alone();
        factory.inside--;
        spout_semaphore_release(factory.semaphore);
    }
    spout_deadline_restore(outer);
    return result;
}

static int work(void *arg)
{
    int number = *(int *)arg;
    for (int i = 0; i < LAPS; i++) {
        if (lap() == SPOUT_ECANCELED)
            break;
    }
    factory.tasks[number] = NULL;
    return 0;
}

static void run_factory(void)
{
    memset(&factory, 0, sizeof factory);
    factory.semaphore = spout_semaphore_new(PERMITS, &(spout_semaphore_options){ .bounded = true });
    factory.lock = spout_lock_new();
    for (int i = 0; i < WORKERS; i++) {
        spi_task *task;
        factory.tasks[i] = (spi_task *)&factory; /* anything but NULL */
        spi_task_start how = { .name = "worker", .fn = work, .arg = &i };
        CHECK(spi_task_run(loop, &how, &task) == 0);
        if (factory.tasks[i])
            factory.tasks[i] = task;
    }
    while (spout_loop_figures().tasks > 0) {
        int victim = chance(WORKERS * 3);
        if (victim < WORKERS && factory.tasks[victim] && chance(4) == 0)
            spi_task_cancel(factory.tasks[victim]);
        spout_loop_run_once(loop, 5);
    }
    CHECK(factory.inside == 0 && factory.alone == 0);
    CHECK(spout_semaphore_get_value(factory.semaphore) == PERMITS);
    CHECK(!spout_lock_is_held(factory.lock));
    spout_semaphore_free(factory.semaphore);
    spout_lock_free(factory.lock);
}

static void whoever_takes_gives_back(void **state)
{
    (void)state;
    with_seeds(ROUNDS, run_factory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(locks_do_what_the_model_says),
        loop_test(whoever_takes_gives_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
