#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "kit.h"

#include "loop/annotate.h"
#include "loop/stack.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void the_last_one_given_back_is_reused_first(void **state)
{
    (void)state;
    spi_stack_pool pool;
    spi_stack_pool_init(&pool, 0);
    spi_stack *a = spi_stack_take(&pool, 0), *b = spi_stack_take(&pool, 0);
    assert_ptr_not_equal(a, b);
    assert_true(a->size >= 256 * 1024);
    memset(a->low + a->size / 2, 1, a->size / 2);
    spi_stack_give(&pool, a, NULL);
    spi_stack_give(&pool, b, NULL);
    assert_ptr_equal(spi_stack_take(&pool, 0), b);
    assert_ptr_equal(spi_stack_take(&pool, 0), a);
    assert_int_equal(pool.used, 2);
    spi_stack_pool_finish(&pool);
}

static void sizes_are_rounded_up(void **state)
{
    (void)state;
    spi_stack_pool pool;
    spi_stack_pool_init(&pool, 1);
    spi_stack *small = spi_stack_take(&pool, 0);
    assert_int_equal(small->size % (size_t)sysconf(_SC_PAGESIZE), 0);
    assert_true(small->size >= 16 * 1024);
    spi_stack *own = spi_stack_take(&pool, 100001);
    assert_true(own->size >= 100001);
    assert_int_equal(own->size % (size_t)sysconf(_SC_PAGESIZE), 0);
    memset(own->low + own->size - 100000, 1, 100000);
    spi_stack_give(&pool, own, NULL);
    assert_null(spi_stack_take(&pool, SIZE_MAX));
    assert_int_equal(spout_error_code_current(), SPOUT_ELIMIT);
    spi_stack_pool_finish(&pool);
    assert_int_equal(pool.mapped_bytes, 0);
}

static void a_burst_gives_its_memory_back(void **state)
{
    (void)state;
    enum { BURST = 1000 };
    static spi_stack *stacks[BURST];
    spi_stack_pool pool;
    spi_stack_pool_init(&pool, 0);
    for (int i = 0; i < BURST; i++) {
        stacks[i] = spi_stack_take(&pool, 0);
        stacks[i]->low[stacks[i]->size - 1] = 1;
    }
    for (int i = 0; i < BURST; i++)
        spi_stack_give(&pool, stacks[i], NULL);
    assert_true(spi_stack_pool_is_fat(&pool));
    assert_true(pool.mapped >= BURST);
    spi_stack_pool_trim(&pool); /* all were needed since the last time */
    assert_true(pool.mapped >= BURST);
    spi_stack_pool_trim(&pool);
    assert_false(spi_stack_pool_is_fat(&pool));
    assert_true(pool.mapped <= 2 * SPI_STACKS_KEPT);
    spi_stack *again = spi_stack_take(&pool, 0);
    again->low[again->size - 1] = 1;
    spi_stack_pool_finish(&pool);
}

enum { MEMORY_LIMIT = 100 << 20, NO_LIMIT = 2 };

/* False where nobody keeps it, as qemu's user mode does not. */
static bool limit_memory(void)
{
    struct rlimit limit = { .rlim_cur = MEMORY_LIMIT, .rlim_max = MEMORY_LIMIT };
    setrlimit(RLIMIT_AS, &limit);
    void *more = mmap(
        NULL, MEMORY_LIMIT, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return more == MAP_FAILED;
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    if (SPI_ASAN || SPI_TSAN)
        skip();
    pid_t child = fork();
    if (child == 0) {
        if (!limit_memory())
            _exit(NO_LIMIT);
        spi_stack_pool pool;
        spi_stack_pool_init(&pool, 1 << 20);
        while (spi_stack_take(&pool, 0))
            ;
        _exit(spout_error_code_current() == SPOUT_ELIMIT ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_LIMIT)
        skip();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static volatile char sink;

static int recurse(int depth)
{
    volatile char buffer[1024];
    buffer[depth % 1024] = (char)depth;
    sink = buffer[0];
    return depth == 0 ? 0 : recurse(depth - 1) + buffer[depth % 1024];
}

static int overflow(void *arg)
{
    (void)arg;
    return recurse(1 << 20);
}

static void overflow_kills_the_process(void **state)
{
    (void)state;
    if (SPI_ASAN || SPI_TSAN)
        skip();
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        struct rlimit no_core = { 0 };
        setrlimit(RLIMIT_CORE, &no_core);
        if (!spout_loop_new(NULL))
            _exit(2);
        spout_loop_run_sync(spout_loop_current(), overflow, NULL, 0);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
}

static void the_canary_tells_an_overflow(void **state)
{
    (void)state;
    spi_stack_pool pool;
    spi_stack_pool_init(&pool, 0);
    spi_stack *stack = spi_stack_take(&pool, 0);
    assert_true(spi_stack_is_intact(stack));
    spi_stack_give(&pool, stack, NULL);
    spi_stack_pool_finish(&pool);
    _Alignas(16) char memory[4096];
    spi_stack unguarded = { .low = memory, .size = sizeof memory, .guard = SPI_GUARD_CANARY };
    memset(memory, 0, sizeof memory);
    assert_false(spi_stack_is_intact(&unguarded));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_one_given_back_is_reused_first),
        cmocka_unit_test(sizes_are_rounded_up),
        cmocka_unit_test(a_burst_gives_its_memory_back),
        cmocka_unit_test(no_memory_is_an_error),
        cmocka_unit_test(overflow_kills_the_process),
        cmocka_unit_test(the_canary_tells_an_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
