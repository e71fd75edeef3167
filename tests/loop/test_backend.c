/* The promises of the table, kept by every backend alike. */
#include "kit.h"

#include "loop/internal.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const spout_backend *backend;
static void *self;
static int fds[2];
static spout_backend_event events[8];

static int open_backend(void **state)
{
    (void)state;
    backend = spi_backend_choose(NULL);
    self = backend->open();
    return self && socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 ? 0 : -1;
}

static int close_backend(void **state)
{
    (void)state;
    backend->close(self);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void names_choose(void **state)
{
    (void)state;
    assert_string_equal(spi_backend_choose("poll")->name, "poll");
    assert_null(spi_backend_choose("none of these"));
    backend->close(NULL);
}

static void events_are_level_triggered(void **state)
{
    (void)state;
    assert_int_equal(backend->add(self, fds[0], SPOUT_READABLE), 0);
    assert_int_equal(backend->wait(self, 0, events, 8), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(backend->wait(self, -1, events, 8), 1);
        assert_int_equal(events[0].fd, fds[0]);
        assert_int_equal(events[0].events, SPOUT_READABLE);
    }
    assert_int_equal(backend->modify(self, fds[0], SPOUT_WRITABLE), 0);
    assert_int_equal(backend->wait(self, INT64_MAX, events, 8), 1);
    assert_int_equal(events[0].events, SPOUT_WRITABLE);
    backend->remove(self, fds[0]);
    assert_int_equal(backend->wait(self, 0, events, 8), 0);
}

static void write_one(int signo)
{
    (void)signo;
    (void)!write(fds[1], "x", 1);
}

/* However far below. The signal itself may end one wait. */
static void below_zero_there_is_no_limit(void **state)
{
    (void)state;
    static const int64_t limits[] = { -1, -(INT64_C(1) << 32), INT64_MIN };
    assert_int_equal(backend->add(self, fds[0], SPOUT_READABLE), 0);
    struct sigaction action = { .sa_handler = write_one };
    sigaction(SIGALRM, &action, NULL);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const struct itimerval soon = { .it_value.tv_usec = 20 * 1000 };
        setitimer(ITIMER_REAL, &soon, NULL);
        int waits = 1;
        while (backend->wait(self, limits[i], events, 8) == 0)
            waits++;
        assert_in_range(waits, 1, 2);
        char byte;
        assert_int_equal(read(fds[0], &byte, 1), 1);
    }
}

static void removing_one_keeps_the_others(void **state)
{
    (void)state;
    int more[2];
    assert_int_equal(pipe(more), 0);
    assert_int_equal(backend->add(self, fds[0], SPOUT_WRITABLE), 0);
    assert_int_equal(backend->add(self, fds[1], SPOUT_WRITABLE), 0);
    assert_int_equal(backend->add(self, more[1], SPOUT_WRITABLE), 0);
    assert_int_equal(backend->wait(self, 0, events, 8), 3);
    assert_int_equal(backend->wait(self, 0, events, 2), 2);
    backend->remove(self, fds[0]);
    assert_int_equal(backend->wait(self, 0, events, 8), 2);
    backend->remove(self, more[1]);
    assert_int_equal(backend->wait(self, 0, events, 8), 1);
    assert_int_equal(events[0].fd, fds[1]);
    assert_int_equal(backend->add(self, fds[0], SPOUT_WRITABLE), 0);
    assert_int_equal(backend->wait(self, 0, events, 8), 2);
    close(more[0]);
    close(more[1]);
}

static void a_full_batch_starves_nobody(void **state)
{
    (void)state;
    int seen[2] = { 0 };
    assert_int_equal(backend->add(self, fds[0], SPOUT_WRITABLE), 0);
    assert_int_equal(backend->add(self, fds[1], SPOUT_WRITABLE), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(backend->wait(self, 0, events, 1), 1);
        seen[events[0].fd == fds[1]]++;
    }
    assert_int_equal(seen[0], 2);
    assert_int_equal(seen[1], 2);
}

static void hang_up_needs_no_interest(void **state)
{
    (void)state;
    assert_int_equal(backend->add(self, fds[0], 0), 0);
    assert_int_equal(backend->wait(self, 0, events, 8), 0);
    shutdown(fds[1], SHUT_RDWR);
    assert_int_equal(backend->wait(self, -1, events, 8), 1);
    assert_int_equal(events[0].events, SPOUT_HANGUP);
}

static void a_closed_descriptor_is_an_error(void **state)
{
    (void)state;
    int closed = dup(fds[0]);
    close(closed);
    assert_int_equal(backend->add(self, closed, SPOUT_READABLE), SPOUT_ESYSTEM);
}

static void on_alarm(int signo)
{
    (void)signo;
}

/* The handler stays: valgrind may hand an alarm over after the timer was stopped. */
static void an_interrupted_wait_has_no_events(void **state)
{
    (void)state;
    struct sigaction action = { .sa_handler = on_alarm };
    sigaction(SIGALRM, &action, NULL);
    struct itimerval soon = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 };
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_int_equal(backend->wait(self, -1, events, 8), 0);
    setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}

#define backed(name) cmocka_unit_test_setup_teardown(name, open_backend, close_backend)

int main(void)
{
    const struct CMUnitTest tests[] = {
        backed(names_choose),
        backed(events_are_level_triggered),
        backed(below_zero_there_is_no_limit),
        backed(removing_one_keeps_the_others),
        backed(a_full_batch_starves_nobody),
        backed(hang_up_needs_no_interest),
        backed(a_closed_descriptor_is_an_error),
        backed(an_interrupted_wait_has_no_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
