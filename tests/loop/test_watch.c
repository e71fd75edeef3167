#include "kit.h"

#include "loop/loop.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct end {
    spi_watch watch;
    int fd;
    int calls;
    unsigned events;
    void (*then)(struct end *self);
    struct end *other;
} end;

static end a, b;

static void on_ready(spi_watch *watch, unsigned events)
{
    end *self = spi_container(watch, end, watch);
    self->calls++;
    self->events = events;
    if (self->then)
        self->then(self);
}

static int set_up_pair(void **state)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    a = (end){ .fd = fds[0], .watch = { .fd = -1 } };
    b = (end){ .fd = fds[1], .watch = { .fd = -1 } };
    a.other = &b;
    b.other = &a;
    return set_up(state);
}

static int tear_down_pair(void **state)
{
    if (loop) {
        spi_watch_stop(loop, &a.watch);
        spi_watch_stop(loop, &b.watch);
    }
    close(a.fd);
    close(b.fd);
    return tear_down(state);
}

static void watch(end *e, unsigned events)
{
    assert_int_equal(spi_watch_start(loop, &e->watch, e->fd, events, on_ready), 0);
}

static void send_byte(const end *from)
{
    assert_int_equal(write(from->fd, "x", 1), 1);
}

static void a_readable_descriptor_calls_until_it_is_read(void **state)
{
    (void)state;
    watch(&a, SPOUT_READABLE);
    spout_loop_run_once(loop, 0);
    assert_int_equal(a.calls, 0);
    send_byte(&b);
    spout_loop_run_once(loop, 1000);
    spout_loop_run_once(loop, 1000);
    assert_int_equal(a.calls, 2);
    assert_int_equal(a.events, SPOUT_READABLE);
    char byte;
    assert_int_equal(read(a.fd, &byte, 1), 1);
    spout_loop_run_once(loop, 0);
    assert_int_equal(a.calls, 2);
}

static void interest_can_change(void **state)
{
    (void)state;
    watch(&a, SPOUT_READABLE);
    assert_int_equal(spi_watch_update(loop, &a.watch, SPOUT_READABLE | SPOUT_WRITABLE), 0);
    spout_loop_run_once(loop, 1000);
    assert_int_equal(a.events, SPOUT_WRITABLE);
    send_byte(&b);
    spout_loop_run_once(loop, 1000);
    assert_int_equal(a.events, SPOUT_READABLE | SPOUT_WRITABLE);
    assert_int_equal(spi_watch_update(loop, &a.watch, 0), 0);
    a.calls = 0;
    spout_loop_run_once(loop, 0);
    assert_int_equal(a.calls, 0);
}

static void hang_up_is_always_reported(void **state)
{
    (void)state;
    watch(&a, 0);
    close(b.fd);
    b.fd = -1;
    spout_loop_run_once(loop, 1000);
    assert_int_equal(a.events, SPOUT_HANGUP);
}

static void stop_other(end *self)
{
    spi_watch_stop(loop, &self->other->watch);
}

static void a_watch_stopped_in_the_batch_is_not_called(void **state)
{
    (void)state;
    watch(&a, SPOUT_WRITABLE);
    watch(&b, SPOUT_WRITABLE);
    a.then = b.then = stop_other;
    spout_loop_run_once(loop, 1000);
    assert_int_equal(a.calls + b.calls, 1);
}

static void restart_other(end *self)
{
    self->then = self->other->then = NULL;
    spi_watch_stop(loop, &self->other->watch);
    watch(self->other, SPOUT_WRITABLE);
}

static void a_watch_restarted_in_the_batch_gets_no_old_event(void **state)
{
    (void)state;
    watch(&a, SPOUT_WRITABLE);
    watch(&b, SPOUT_WRITABLE);
    a.then = b.then = restart_other;
    spout_loop_run_once(loop, 1000);
    assert_int_equal(a.calls + b.calls, 1);
    spout_loop_run_once(loop, 1000);
    assert_int_equal(a.calls + b.calls, 3);
}

static void lose_interest(end *self)
{
    spi_watch_update(loop, &self->other->watch, SPOUT_READABLE);
}

static void lost_interest_counts_at_once(void **state)
{
    (void)state;
    watch(&a, SPOUT_WRITABLE);
    watch(&b, SPOUT_WRITABLE);
    a.then = b.then = lose_interest;
    spout_loop_run_once(loop, 1000);
    assert_int_equal(a.calls + b.calls, 1);
}

static void bad_use_is_an_error(void **state)
{
    (void)state;
    spi_watch second = { .fd = -1 };
    watch(&a, SPOUT_READABLE);
    assert_int_equal(spi_watch_start(loop, &second, a.fd, SPOUT_READABLE, on_ready), SPOUT_EEXIST);
    assert_int_equal(spi_watch_start(loop, &second, -1, SPOUT_READABLE, on_ready), SPOUT_EINVAL);
    assert_int_equal(spi_watch_update(loop, &second, 0), SPOUT_ESTATE);
    int closed = dup(a.fd);
    close(closed);
    assert_int_equal(
        spi_watch_start(loop, &second, closed, SPOUT_READABLE, on_ready), SPOUT_ESYSTEM);
    spi_watch_stop(loop, &second);
}

static void many_descriptors_all_get_their_turn(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static end ends[COUNT];
    for (int i = 0; i < COUNT; i++) {
        ends[i] = (end){ .fd = dup(a.fd), .watch = { .fd = -1 } };
        assert_true(ends[i].fd >= 0);
        watch(&ends[i], SPOUT_WRITABLE);
    }
    for (int turn = 0; turn < 2; turn++)
        spout_loop_run_once(loop, 1000);
    for (int i = 0; i < COUNT; i++) {
        assert_true(ends[i].calls > 0);
        spi_watch_stop(loop, &ends[i].watch);
        close(ends[i].fd);
    }
}

static spout_watch *handle;
static int public_calls;

static void stop_yourself(void *arg, int fd, unsigned events)
{
    assert_ptr_equal(arg, &a);
    assert_int_equal(fd, a.fd);
    assert_int_equal(events, SPOUT_WRITABLE);
    public_calls++;
    spout_watch_stop(handle);
}

static void the_public_watch_may_stop_itself(void **state)
{
    (void)state;
    public_calls = 0;
    handle = spout_watch_start(a.fd, SPOUT_READABLE, stop_yourself, &a);
    assert_non_null(handle);
    assert_null(spout_watch_start(a.fd, SPOUT_READABLE, stop_yourself, &a));
    assert_int_equal(spout_error_code_current(), SPOUT_EEXIST);
    assert_int_equal(spout_watch_update(handle, SPOUT_WRITABLE), 0);
    spout_loop_run_once(loop, 1000);
    spout_loop_run_once(loop, 0);
    assert_int_equal(public_calls, 1);
    spout_watch_stop(NULL);
    assert_non_null(spout_watch_start(a.fd, SPOUT_READABLE, stop_yourself, &a));
}

/* How far the turn was: the events that were left at each call, and what came behind them. */
static struct {
    int left[2], events, after, after_events_seen, ready, after_seen;
    spi_ready next;
} course;

static void count_event(end *self)
{
    (void)self;
    course.left[course.events++] = spi_loop_events_left(loop);
}

static void count_after(spout_loop *of)
{
    assert_ptr_equal(of, loop);
    course.after++;
    course.after_events_seen = course.events;
}

static void count_ready(spi_ready *ready)
{
    (void)ready;
    course.ready++;
    course.after_seen = course.after;
}

static void count_event_and_what_follows(end *self)
{
    if (course.events == 0) {
        spi_ready_schedule(loop, &course.next);
        spi_loop_after_events(loop, count_after);
    }
    count_event(self);
}

static void events_tell_how_many_are_left(void **state)
{
    (void)state;
    memset(&course, 0, sizeof course);
    a.then = b.then = count_event;
    watch(&a, SPOUT_WRITABLE);
    watch(&b, SPOUT_WRITABLE);
    spout_loop_run_once(loop, 1000);
    assert_int_equal(course.events, 2);
    assert_int_equal(course.left[0], 1);
    assert_int_equal(course.left[1], 0);
    assert_int_equal(spi_loop_events_left(loop), 0);
}

static void what_is_due_after_the_events_comes_before_all_else(void **state)
{
    (void)state;
    memset(&course, 0, sizeof course);
    spi_ready_init(&course.next, count_ready);
    a.then = b.then = count_event_and_what_follows;
    watch(&a, SPOUT_WRITABLE);
    watch(&b, SPOUT_WRITABLE);
    spout_loop_run_once(loop, 1000);
    assert_int_equal(course.after, 1);
    assert_int_equal(course.after_events_seen, 2);
    assert_int_equal(course.ready, 0);
    spi_watch_stop(loop, &a.watch);
    spi_watch_stop(loop, &b.watch);
    spout_loop_run_once(loop, 0);
    assert_int_equal(course.ready, 1);
    assert_int_equal(course.after_seen, 1);
    assert_int_equal(course.after, 1);
}

#define paired(name) cmocka_unit_test_setup_teardown(name, set_up_pair, tear_down_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        paired(a_readable_descriptor_calls_until_it_is_read),
        paired(interest_can_change),
        paired(hang_up_is_always_reported),
        paired(a_watch_stopped_in_the_batch_is_not_called),
        paired(a_watch_restarted_in_the_batch_gets_no_old_event),
        paired(lost_interest_counts_at_once),
        paired(bad_use_is_an_error),
        paired(many_descriptors_all_get_their_turn),
        paired(the_public_watch_may_stop_itself),
        paired(events_tell_how_many_are_left),
        paired(what_is_due_after_the_events_comes_before_all_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
