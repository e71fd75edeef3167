#include "kit.h"

#include "loop/annotate.h"
#include "loop/switch.h"

#include <fenv.h>

enum { SIZE = 256 * 1024, ROUNDS = 1000 };

typedef struct side {
    spi_switch_point point;
    spi_fiber fiber;
} side;

static side here, there;
static int counter;
static _Alignas(64) char stack[SIZE];

static void go(side *from, side *to, bool last)
{
    spi_fiber_leave(&from->fiber, &to->fiber, last);
    spi_switch(&from->point, &to->point);
    spi_fiber_arrive(&from->fiber);
}

static void count(void *arg)
{
    spi_fiber_arrive(&there.fiber);
    assert_ptr_equal(arg, &counter);
    long long sum = 0;
    double share = 0.5;
    for (int i = 0; i < ROUNDS; i++) {
        counter++;
        sum += i;
        share *= 1.0;
        go(&there, &here, false);
    }
    counter = sum == (long long)ROUNDS * (ROUNDS - 1) / 2 && share == 0.5 ? -1 : -2;
    go(&there, &here, true);
}

static void locals_survive_on_both_sides(void **state)
{
    (void)state;
    counter = 0;
    unsigned note = spi_note_stack(stack, sizeof stack);
    spi_fiber_init_thread(&here.fiber);
    spi_fiber_init(&there.fiber, stack, sizeof stack);
    spi_switch_prepare(&there.point, stack, stack + sizeof stack - 24, count, &counter);
    double share = 0.25;
    for (int i = 0; i < ROUNDS; i++) {
        go(&here, &there, false);
        assert_int_equal(counter, i + 1);
        share *= 1.0;
    }
    assert_true(share == 0.25);
    go(&here, &there, false);
    assert_int_equal(counter, -1);
    spi_fiber_finish(&there.fiber);
    spi_forget_stack(note);
    spi_unpoison(stack, sizeof stack);
}

#if !SPI_SWITCH_UCONTEXT
static void round_up_here(void *arg)
{
    (void)arg;
    spi_fiber_arrive(&there.fiber);
    fesetround(FE_UPWARD);
    go(&there, &here, false);
    counter = fegetround() == FE_UPWARD;
    go(&there, &here, true);
}

static void each_side_has_its_floating_point_mode(void **state)
{
    (void)state;
#if !defined(__x86_64__)
    skip(); /* the mode isn't among what a callee keeps there */
#endif
    unsigned note = spi_note_stack(stack, sizeof stack);
    spi_fiber_init_thread(&here.fiber);
    spi_fiber_init(&there.fiber, stack, sizeof stack);
    spi_switch_prepare(&there.point, stack, stack + sizeof stack, round_up_here, NULL);
    go(&here, &there, false);
    assert_int_equal(fegetround(), FE_TONEAREST);
    counter = 0;
    go(&here, &there, false);
    assert_int_equal(counter, 1);
    assert_int_equal(fegetround(), FE_TONEAREST);
    spi_fiber_finish(&there.fiber);
    spi_forget_stack(note);
    spi_unpoison(stack, sizeof stack);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locals_survive_on_both_sides),
#if !SPI_SWITCH_UCONTEXT
        cmocka_unit_test(each_side_has_its_floating_point_mode),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
