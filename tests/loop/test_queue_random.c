/* Queues under random schedules, against a model that is too simple to be wrong. */
#include "kit.h"

#include "chance.h"
#include "loop/task.h"

#include <spout/queues.h>

enum { STEPS = 400, ITEMS = STEPS, UNDECIDED = 99, MAX_ROUNDS = 150 };

typedef enum role { GETTER, PUTTER, JOINER } role;

/* A task, and what the model says of it. */
typedef struct actor {
    role role;
    spi_task *task; /* NULL: has ended */
    int item;       /* that it puts, or gets */
    int64_t due_ms;
    bool waits;
    int wanted, result;
} actor;

static struct {
    spout_queue *queue;
    spout_queue_kind kind;
    actor actors[STEPS];
    int count;
    int waiting[STEPS], waiting_count; /* actors, in their order */
    int held[ITEMS], held_count;       /* items, in the order in which they leave */
    int maximum, unfinished, next_item;
} model;

static int items[ITEMS];

static int compare_tens(const void *a, const void *b)
{
    return *(const int *)a / 10 - *(const int *)b / 10;
}

static void hold(int item)
{
    int at = model.held_count++;
    if (model.kind == SPOUT_QUEUE_LIFO)
        at = 0;
    else if (model.kind == SPOUT_QUEUE_PRIORITY)
        while (at > 0 && model.held[at - 1] / 10 > item / 10)
            at--;
    memmove(
        &model.held[at + 1], &model.held[at], sizeof(int) * (size_t)(model.held_count - 1 - at));
    model.held[at] = item;
}

static int take(void)
{
    int item = model.held[0];
    memmove(&model.held[0], &model.held[1], sizeof(int) * (size_t)(--model.held_count));
    return item;
}

static void decide(actor *self, int result)
{
    self->wanted = result;
    self->waits = false;
    for (int i = 0; i < model.waiting_count; i++) {
        if (&model.actors[model.waiting[i]] == self) {
            memmove(&model.waiting[i], &model.waiting[i + 1],
                sizeof(int) * (size_t)(--model.waiting_count - i));
            return;
        }
    }
}

static actor *first_waiting(role which)
{
    for (int i = 0; i < model.waiting_count; i++) {
        if (model.actors[model.waiting[i]].role == which)
            return &model.actors[model.waiting[i]];
    }
    return NULL;
}

static bool is_full(void)
{
    return model.maximum > 0 && model.held_count >= model.maximum;
}

static void model_put(int item)
{
    model.unfinished++;
    actor *getter = first_waiting(GETTER);
    if (!getter) {
        hold(item);
        return;
    }
    getter->item = item;
    decide(getter, 0);
}

static int model_get(void)
{
    actor *putter = first_waiting(PUTTER);
    if (putter) {
        model.unfinished++;
        hold(putter->item);
        decide(putter, 0);
    }
    return take();
}

static void model_wait(actor *self)
{
    self->waits = true;
    model.waiting[model.waiting_count++] = (int)(self - model.actors);
}

/* What the model says when the actor begins. */
static void model_begin(actor *self)
{
    self->wanted = UNDECIDED;
    if (self->role == JOINER) {
        if (model.unfinished == 0)
            self->wanted = 0;
        else
            model_wait(self);
    } else if (self->role == PUTTER) {
        if (is_full()) {
            model_wait(self);
            return;
        }
        model_put(self->item);
        self->wanted = 0;
    } else if (model.held_count == 0) {
        model_wait(self);
    } else {
        self->item = model_get();
        self->wanted = 0;
    }
}

typedef struct start_args {
    actor *self;
    int64_t delay_ms;
} start_args;

static int act(void *arg)
{
    start_args args = *(start_args *)arg;
    actor *self = args.self;
    void *item = NULL;
    if (args.delay_ms)
        spout_deadline_set_ms(args.delay_ms);
    switch (self->role) {
    case GETTER:
        self->result = spout_queue_get(model.queue, &item);
        CHECK(self->result < 0 || item == &items[self->item]);
        break;
    case PUTTER: self->result = spout_queue_put(model.queue, &items[self->item]); break;
    case JOINER: self->result = spout_queue_join(model.queue); break;
    }
    self->task = NULL;
    return 0;
}

static void start_actor(role which)
{
    if (which == PUTTER && model.next_item >= ITEMS)
        return;
    actor *self = &model.actors[model.count++];
    int64_t delay_ms = chance(3) ? 0 : 1 + chance(20);
    *self = (actor){ .role = which, .result = UNDECIDED };
    self->due_ms = delay_ms ? spout_time_ms() + delay_ms : INT64_MAX;
    if (which == PUTTER)
        self->item = model.next_item++;
    model_begin(self);
    start_args args = { self, delay_ms };
    spi_task *task = NULL;
    spi_task_start how = { .name = "actor", .fn = act, .arg = &args };
    self->task = (spi_task *)self; /* anything but NULL */
    CHECK(spi_task_run(loop, &how, &task) == 0);
    if (self->task)
        self->task = task;
}

static void try_one(void)
{
    void *item;
    if (chance(2)) {
        if (model.next_item >= ITEMS)
            return;
        bool full = is_full();
        if (!full)
            model_put(model.next_item);
        int result = spout_queue_try_put(model.queue, &items[model.next_item++]);
        CHECK(result == (full ? SPOUT_EAGAIN : 0));
        return;
    }
    bool empty = model.held_count == 0;
    int wanted = empty ? -1 : model_get();
    int result = spout_queue_try_get(model.queue, &item);
    CHECK(result == (empty ? SPOUT_EAGAIN : 0));
    CHECK(empty || item == &items[wanted]);
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

static void finish_one(void)
{
    int result = spout_queue_task_done(model.queue);
    CHECK(result == (model.unfinished == 0 ? SPOUT_ESTATE : 0));
    if (model.unfinished > 0 && --model.unfinished == 0) {
        actor *joiner;
        while ((joiner = first_waiting(JOINER)))
            decide(joiner, 0);
    }
}

/* One turn; the deadlines that have passed end their waits. */
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

static void compare_with_model(void)
{
    CHECK((int)spout_queue_size(model.queue) == model.held_count);
    CHECK(spout_queue_is_full(model.queue) == is_full());
    CHECK(spout_queue_is_empty(model.queue) == (model.held_count == 0));
}

static void step(void)
{
    switch (chance(10)) {
    case 0:
    case 1: start_actor(GETTER); break;
    case 2:
    case 3: start_actor(PUTTER); break;
    case 4: try_one(); break;
    case 5:
    case 6: cancel_one(); break;
    case 7: finish_one(); break;
    case 8: go_on(chance(6)); break;
    case 9: start_actor(chance(4) ? GETTER : JOINER); break;
    }
    compare_with_model();
}

/* Every actor's end is as the model said; those that still wait learn that the queue is gone. */
static void end(void)
{
    go_on(0);
    go_on(0);
    for (int i = 0; i < model.count; i++)
        CHECK(model.actors[i].result == model.actors[i].wanted);
    for (int i = 0; i < model.count; i++) {
        if (model.actors[i].waits)
            model.actors[i].wanted = SPOUT_ECLOSED;
    }
    spout_queue_free(model.queue);
    settle();
    for (int i = 0; i < model.count; i++) {
        CHECK(model.actors[i].result == model.actors[i].wanted);
        CHECK(model.actors[i].task == NULL);
    }
    CHECK(spout_loop_figures().tasks == 0);
}

static void play(void)
{
    memset(&model, 0, sizeof model);
    model.kind = (spout_queue_kind)chance(3);
    model.maximum = chance(5);
    spout_queue_options options = {
        .kind = model.kind, .compare = compare_tens, .maximum = model.maximum
    };
    model.queue = spout_queue_new(&options);
    for (int i = 0; i < STEPS; i++)
        step();
    end();
}

static void a_queue_does_what_the_model_says(void **state)
{
    (void)state;
    for (int i = 0; i < ITEMS; i++)
        items[i] = i;
    with_seeds(MAX_ROUNDS, play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(a_queue_does_what_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
