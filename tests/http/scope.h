/* Set-up and tear-down for tests of what allocates in the current scope. */
#ifndef TEST_SCOPE_H
#define TEST_SCOPE_H

#include <spout/memory.h>

static inline int push_scope(void **state)
{
    *state = spout_scope_push();
    return 0;
}

static inline int pop_scope(void **state)
{
    spout_scope_pop(*state);
    return 0;
}

#define scoped_test(fn) cmocka_unit_test_setup_teardown(fn, push_scope, pop_scope)

#endif
