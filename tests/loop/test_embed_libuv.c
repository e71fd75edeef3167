/* Our loop inside libuv's, and libuv's inside ours. */
#include "kit.h"

#include <stdbool.h>
#include <unistd.h>
#include <uv.h>

/* A guest in libuv: it turns when its descriptor is readable or its next timer is due. */

typedef struct guest {
    spout_loop *loop;
    uv_poll_t readable;
    uv_timer_t due;
    uv_prepare_t before_waiting;
} guest;

static void turn_on_event(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    guest *self = poll->data;
    spout_loop_run_once(self->loop, 0);
}

static void turn_on_time(uv_timer_t *timer)
{
    guest *self = timer->data;
    spout_loop_run_once(self->loop, 0);
}

static void arm(uv_prepare_t *prepare)
{
    guest *self = prepare->data;
    int64_t timeout_ms = spout_loop_timeout_ms(self->loop);
    if (timeout_ms < 0)
        uv_timer_stop(&self->due);
    else
        uv_timer_start(&self->due, turn_on_time, (uint64_t)timeout_ms, 0);
}

static void guest_start(guest *self, uv_loop_t *host, spout_loop *loop_inside)
{
    self->loop = loop_inside;
    self->readable.data = self->due.data = self->before_waiting.data = self;
    uv_poll_init(host, &self->readable, spout_loop_fd(loop_inside));
    uv_poll_start(&self->readable, UV_READABLE, turn_on_event);
    uv_timer_init(host, &self->due);
    uv_prepare_init(host, &self->before_waiting);
    uv_prepare_start(&self->before_waiting, arm);
}

static void guest_stop(guest *self)
{
    uv_close((uv_handle_t *)&self->readable, NULL);
    uv_close((uv_handle_t *)&self->due, NULL);
    uv_close((uv_handle_t *)&self->before_waiting, NULL);
}

/* The other way round. */

typedef struct hosted {
    uv_loop_t *loop;
    spout_watch *readable;
    spout_timer *due;
} hosted;

static void hosted_turn(hosted *self);

static int hosted_due(void *arg)
{
    hosted *self = arg;
    self->due = NULL;
    hosted_turn(self);
    return 0;
}

/* Also once after something was started on it from outside. */
static void hosted_turn(hosted *self)
{
    uv_run(self->loop, UV_RUN_NOWAIT);
    spout_timer_cancel(self->due);
    int timeout_ms = uv_backend_timeout(self->loop);
    self->due = timeout_ms < 0 ? NULL : spout_call_later(timeout_ms, hosted_due, self);
}

static void hosted_readable(void *arg, int fd, unsigned events)
{
    (void)fd, (void)events;
    hosted_turn(arg);
}

static void hosted_start(hosted *self, uv_loop_t *inside)
{
    *self = (hosted){ .loop = inside };
    self->readable = spout_watch_start(
        uv_backend_fd(inside), SPOUT_READABLE, hosted_readable, self);
    hosted_turn(self);
}

static void hosted_stop(hosted *self)
{
    spout_watch_stop(self->readable);
    spout_timer_cancel(self->due);
}

/* No loop where the backend has no descriptor to wait for. */
static int set_up_real(void **state)
{
    (void)state;
    loop = spout_loop_new(NULL);
    if (spout_loop_fd(loop) >= 0)
        return 0;
    spout_loop_free(loop);
    loop = NULL;
    return 0;
}

typedef struct scene {
    uv_loop_t uv;
    uv_timer_t uv_timer;
    int pipe[2];
    int uv_ticks, slept;
    char got;
    bool done;
} scene;

static void read_byte(void *arg)
{
    scene *s = arg;
    s->done = read(s->pipe[0], &s->got, 1) == 1;
}

static void on_readable(void *arg, int fd, unsigned events)
{
    (void)fd, (void)events;
    read_byte(arg);
}

static int write_in_thread(void *arg)
{
    const scene *s = arg;
    return write(s->pipe[1], "x", 1) == 1 ? 0 : -1;
}

static int sleep_and_write(void *arg)
{
    scene *s = arg;
    for (int i = 0; i < 3; i++) {
        if (spout_sleep(1) < 0)
            return -1;
        s->slept++;
    }
    spout_yield();
    return spout_run_in_executor(write_in_thread, s);
}

static void on_uv_tick(uv_timer_t *timer)
{
    scene *s = timer->data;
    if (++s->uv_ticks == 3)
        uv_timer_stop(timer);
}

static void open_scene(scene *s)
{
    *s = (scene){ .done = false };
    assert_int_equal(pipe(s->pipe), 0);
    uv_loop_init(&s->uv);
    uv_timer_init(&s->uv, &s->uv_timer);
    s->uv_timer.data = s;
    uv_timer_start(&s->uv_timer, on_uv_tick, 1, 1);
}

static void close_scene(scene *s)
{
    uv_close((uv_handle_t *)&s->uv_timer, NULL);
    uv_run(&s->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->uv), 0);
    close(s->pipe[0]);
    close(s->pipe[1]);
}

static void we_run_inside_libuv(void **state)
{
    (void)state;
    if (!loop)
        skip();
    scene s;
    open_scene(&s);
    spout_watch *watch = spout_watch_start(s.pipe[0], SPOUT_READABLE, on_readable, &s);
    spout_spawn(sleep_and_write, &s, NULL);
    guest g;
    guest_start(&g, &s.uv, loop);
    while (!s.done || s.uv_ticks < 3)
        uv_run(&s.uv, UV_RUN_ONCE);
    guest_stop(&g);
    assert_int_equal(s.slept, 3);
    assert_int_equal(s.got, 'x');
    spout_watch_stop(watch);
    close_scene(&s);
}

static void libuv_runs_inside_us(void **state)
{
    (void)state;
    if (!loop)
        skip();
    scene s;
    open_scene(&s);
    spout_watch *watch = spout_watch_start(s.pipe[0], SPOUT_READABLE, on_readable, &s);
    spout_spawn(sleep_and_write, &s, NULL);
    hosted h;
    hosted_start(&h, &s.uv);
    while (!s.done || s.uv_ticks < 3)
        spout_loop_run_once(loop, -1);
    hosted_stop(&h);
    assert_int_equal(s.slept, 3);
    spout_watch_stop(watch);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(we_run_inside_libuv, set_up_real, tear_down),
        cmocka_unit_test_setup_teardown(libuv_runs_inside_us, set_up_real, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
