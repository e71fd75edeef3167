#include "kit.h"

static char trace[64];

static int reset_trace(void **state)
{
    trace[0] = '\0';
    return set_up(state);
}

static void note(const char *text)
{
    strncat(trace, text, sizeof trace - strlen(trace) - 1);
}

static void advance(int64_t ms)
{
    int64_t until = fake_now_ms + ms;
    while (fake_now_ms < until)
        spout_loop_run_once(loop, until - fake_now_ms);
    settle();
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return spout_error_set(SPOUT_EFAILED, "broken");
}

static int tick_and_sleep(void *arg)
{
    char text[16];
    snprintf(text, sizeof text, "%d ", (int)(spout_time_ms() % 1000));
    note(text);
    return spout_sleep(*(int *)arg);
}

static void ticks_stay_on_the_grid(void **state)
{
    (void)state;
    static int delay = 0;
    spout_periodic *periodic = spout_every(100, tick_and_sleep, &delay, NULL);
    advance(100);
    fake_now_ms += 5;
    advance(100);
    fake_now_ms += 250; /* two ticks are missed */
    advance(100);
    spout_periodic_stop(periodic);
    advance(500);
    assert_string_equal(trace, "100 200 455 500 ");
}

static void a_tick_does_not_overlap_the_one_before(void **state)
{
    (void)state;
    static int delay = 150;
    spout_periodic *periodic = spout_every(
        100, tick_and_sleep, &delay, &(spout_task_options){ .name = "slow" });
    advance(550);
    assert_string_equal(trace, "100 300 500 ");
    spout_periodic_stop(periodic);
    advance(500);
    assert_string_equal(trace, "100 300 500 ");
    assert_int_equal(spout_loop_figures().tasks, 0);
}

static spout_periodic *to_stop;

static int stop_yourself(void *arg)
{
    (void)arg;
    spout_periodic_stop(to_stop);
    note(spout_task_name());
    spout_yield();
    return 0;
}

static void a_tick_may_stop_its_own_timer(void **state)
{
    (void)state;
    to_stop = spout_every(10, stop_yourself, NULL, &(spout_task_options){ .name = "tick" });
    advance(100);
    assert_string_equal(trace, "tick");
    spout_periodic_stop(NULL);
}

static void failing_ticks_go_on(void **state)
{
    (void)state;
    spout_periodic *periodic = spout_every(10, fail_at_once, NULL, NULL);
    advance(20);
    assert_string_equal(kept_log, "task every failed: broken\ntask every failed: broken\n");
    spout_periodic_stop(periodic);
}

static void an_interval_must_be_positive(void **state)
{
    (void)state;
    assert_null(spout_every(0, fail_at_once, NULL, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_every(-1, fail_at_once, NULL, NULL));
}

enum { TICKS = 400 };

typedef struct jittery {
    int64_t at_ms[TICKS + 8];
    int count;
} jittery;

static int note_time(void *arg)
{
    jittery *j = arg;
    if (j->count < TICKS)
        j->at_ms[j->count++] = spout_time_ms();
    return 0;
}

static uint64_t random_state;

/* Always the same numbers. */
static void fill_from_seed(void *self, void *out, size_t len)
{
    (void)self;
    unsigned char *bytes = out;
    for (size_t i = 0; i < len; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (unsigned char)(random_state >> 56);
    }
}

static int set_up_with_seed(void **state)
{
    (void)state;
    trace[0] = '\0';
    random_state = 42;
    fake_now_ms = 1000;
    loop = spout_loop_new(&(spout_loop_options){
        .clock = &fake_clock, .random = &(spout_random){ .fill = fill_from_seed } });
    return loop ? 0 : -1;
}

#define seeded(name) cmocka_unit_test_setup_teardown(name, set_up_with_seed, tear_down)

static jittery run_with_jitter(double jitter)
{
    jittery j = { .count = 0 };
    spout_periodic *periodic = spout_periodic_start(
        100, note_time, &j, &(spout_periodic_options){ .jitter = jitter });
    assert_non_null(periodic);
    while (j.count < TICKS)
        spout_loop_run_once(loop, -1);
    spout_periodic_stop(periodic);
    return j;
}

static void jitter_is_around_the_grid_and_does_not_drift(void **state)
{
    (void)state;
    jittery j = run_with_jitter(0.5);
    int64_t sum = 0;
    int early = 0, late = 0;
    for (int i = 0; i < TICKS; i++) {
        int64_t off = j.at_ms[i] - (1000 + 100 * (i + 1));
        assert_in_range(off + 25, 0, 50);
        early += off < -15;
        late += off > 15;
        sum += off;
    }
    assert_true(early > TICKS / 10 && late > TICKS / 10);
    assert_in_range(sum / TICKS + 3, 0, 6);
}

static void full_jitter_keeps_the_order(void **state)
{
    (void)state;
    jittery j = run_with_jitter(1);
    for (int i = 0; i < TICKS; i++)
        assert_in_range(j.at_ms[i] - (1000 + 100 * (i + 1)) + 49, 0, 98);
    for (int i = 1; i < TICKS; i++)
        assert_true(j.at_ms[i] > j.at_ms[i - 1]);
}

static void no_jitter_is_exact(void **state)
{
    (void)state;
    jittery j = run_with_jitter(0);
    for (int i = 0; i < TICKS; i++)
        assert_int_equal(j.at_ms[i], 1000 + 100 * (i + 1));
}

static void odd_jitter_is_refused(void **state)
{
    (void)state;
    static const double odd[] = { -0.1, 1.1, 0.0 / 0.0 };
    for (int i = 0; i < 3; i++) {
        spout_periodic_options options = { .jitter = odd[i] };
        assert_null(spout_periodic_start(100, note_time, NULL, &options));
        assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    }
}

static void the_longest_interval_never_comes(void **state)
{
    (void)state;
    jittery j = { .count = 0 };
    spout_periodic_options options = { .jitter = 1, .name = "never" };
    spout_periodic *periodic = spout_periodic_start(INT64_MAX, note_time, &j, &options);
    advance(1000);
    assert_int_equal(j.count, 0);
    spout_periodic_stop(periodic);
}

/* A clock that is set back: the next tick is where it was. */
static void a_clock_that_goes_back_does_no_harm(void **state)
{
    (void)state;
    static int delay = 0;
    spout_periodic *periodic = spout_every(100, tick_and_sleep, &delay, NULL);
    advance(110);
    fake_now_ms -= 60;
    advance(200);
    spout_periodic_stop(periodic);
    assert_string_equal(trace, "100 200 ");
}

#define traced(name) cmocka_unit_test_setup_teardown(name, reset_trace, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        traced(ticks_stay_on_the_grid),
        traced(a_tick_does_not_overlap_the_one_before),
        traced(a_tick_may_stop_its_own_timer),
        traced(failing_ticks_go_on),
        traced(an_interval_must_be_positive),
        traced(a_clock_that_goes_back_does_no_harm),
        seeded(jitter_is_around_the_grid_and_does_not_drift),
        seeded(full_jitter_keeps_the_order),
        seeded(no_jitter_is_exact),
        seeded(odd_jitter_is_refused),
        seeded(the_longest_interval_never_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
