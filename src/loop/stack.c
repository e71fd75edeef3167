#define _GNU_SOURCE /* MAP_ANONYMOUS, MAP_STACK, madvise */
#include "loop/stack.h"

#include "base/memory.h"
#include "loop/annotate.h"

#include <spout/error.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

enum { SLAB_STACKS = 64, CANARY_WORDS = 8, SMALLEST_STACK = 16 * 1024 };

static const uint64_t canary = UINT64_C(0x5741544552535054);

struct spi_slab {
    spi_list node;
    char *start;
    size_t used, warm;
    spi_stack stacks[SLAB_STACKS];
};

/* Guards by mprotect split mappings, of which the process has a limited number. */
static atomic_long guards_left = -1;

static size_t page_size(void)
{
    static atomic_size_t size;
    size_t known = atomic_load_explicit(&size, memory_order_relaxed);
    if (!known) {
        known = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&size, known, memory_order_relaxed);
    }
    return known;
}

static size_t round_up(size_t size)
{
    size_t page = page_size();
    return (size + page - 1) / page * page;
}

static long read_max_map_count(void)
{
    long count = 65530;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (!file)
        return count;
    char line[32];
    if (fgets(line, sizeof line, file))
        count = strtol(line, NULL, 10);
    fclose(file);
    return count;
}

static bool take_guard(void)
{
    if (atomic_load(&guards_left) < 0) {
        long unknown = -1;
        atomic_compare_exchange_strong(&guards_left, &unknown, read_max_map_count() / 4);
    }
    long left = atomic_load(&guards_left);
    while (left > 0 && !atomic_compare_exchange_weak(&guards_left, &left, left - 1))
        ;
    return left > 0;
}

static void return_guard(void)
{
    atomic_fetch_add(&guards_left, 1);
}

static void write_canary(char *low)
{
    for (size_t i = 0; i < CANARY_WORDS; i++)
        memcpy(low + i * sizeof canary, &canary, sizeof canary);
}

bool spi_stack_is_intact(const spi_stack *stack)
{
    if (stack->guard != SPI_GUARD_CANARY)
        return true;
    for (size_t i = 0; i < CANARY_WORDS; i++) {
        if (memcmp(stack->low + i * sizeof canary, &canary, sizeof canary) != 0)
            return false;
    }
    return true;
}

/* LeakSanitizer reads all of a slab that /proc/self/maps calls readable, which installed guards
   are. */
static bool install_guard(char *low)
{
    static atomic_bool refused = SPI_ASAN;
    if (atomic_load_explicit(&refused, memory_order_relaxed))
        return false;
    if (madvise(low, page_size(), MADV_GUARD_INSTALL) == 0)
        return true;
    atomic_store_explicit(&refused, true, memory_order_relaxed);
    return false;
}

static bool protect_guard(char *low)
{
    if (!take_guard())
        return false;
    if (mprotect(low, page_size(), PROT_NONE) == 0)
        return true;
    return_guard();
    return false;
}

static void guard(spi_stack *stack)
{
    if (install_guard(stack->low)) {
        stack->guard = SPI_GUARD_INSTALLED;
    } else if (protect_guard(stack->low)) {
        stack->guard = SPI_GUARD_PROTECTED;
    } else {
        stack->guard = SPI_GUARD_CANARY;
        write_canary(stack->low);
    }
}

/* What a stack needs before its first use. */
static void prepare(spi_stack *stack)
{
    guard(stack);
    size_t below = page_size();
    stack->note = spi_note_stack(stack->low + below, stack->size - below);
}

static void forget(spi_stack *stack)
{
    if (stack->guard == SPI_GUARD_MISSING)
        return;
    if (stack->guard == SPI_GUARD_PROTECTED)
        return_guard();
    spi_forget_stack(stack->note);
}

static char *map(spi_stack_pool *pool, size_t size)
{
    void *start = mmap(NULL, size, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (start == MAP_FAILED) {
        spout_error_set_errno(errno, "mmap");
        spout_error_wrap(
            SPOUT_ELIMIT, "no memory can be mapped for another stack (%zu mapped)", pool->mapped);
        return NULL;
    }
    (void)madvise(start, size, MADV_NOHUGEPAGE);
    spi_note_stack_memory(start, size);
    pool->mapped_bytes += size;
    return start;
}

static void unmap(spi_stack_pool *pool, char *start, size_t size)
{
    spi_forget_stack_memory(start, size);
    munmap(start, size);
    pool->mapped_bytes -= size;
}

void spi_stack_pool_init(spi_stack_pool *pool, size_t stack_size)
{
    if (!stack_size)
        stack_size = SPI_ASAN ? 1024 * 1024 : 256 * 1024;
    if (stack_size < SMALLEST_STACK)
        stack_size = SMALLEST_STACK;
    *pool = (spi_stack_pool){ .stack_size = round_up(stack_size) };
    spi_list_init(&pool->free);
    spi_list_init(&pool->slabs);
}

static bool add_slab(spi_stack_pool *pool)
{
    char *start = map(pool, pool->stack_size * SLAB_STACKS);
    if (!start)
        return false;
    spi_slab *slab = spi_calloc(sizeof *slab);
    slab->start = start;
    spi_list_push(&pool->slabs, &slab->node);
    for (size_t i = 0; i < SLAB_STACKS; i++) {
        spi_stack *stack = &slab->stacks[i];
        stack->low = start + i * pool->stack_size;
        stack->size = pool->stack_size;
        stack->slab = slab;
        spi_list_push(&pool->free, &stack->node);
    }
    pool->mapped += SLAB_STACKS;
    return true;
}

static void drop_slab(spi_stack_pool *pool, spi_slab *slab)
{
    for (size_t i = 0; i < SLAB_STACKS; i++) {
        spi_list_remove(&slab->stacks[i].node);
        forget(&slab->stacks[i]);
    }
    spi_list_remove(&slab->node);
    unmap(pool, slab->start, pool->stack_size * SLAB_STACKS);
    pool->mapped -= SLAB_STACKS;
    spi_free(slab);
}

void spi_stack_pool_finish(spi_stack_pool *pool)
{
    spi_list *node;
    while ((node = spi_list_first(&pool->slabs)))
        drop_slab(pool, spi_container(node, spi_slab, node));
    pool->used = pool->warm = 0;
}

static void count_use(spi_stack_pool *pool)
{
    if (++pool->used > pool->peak)
        pool->peak = pool->used;
}

static spi_stack *take_own(spi_stack_pool *pool, size_t size)
{
    size = round_up(size < SMALLEST_STACK ? SMALLEST_STACK : size) + page_size();
    char *low = map(pool, size);
    if (!low)
        return NULL;
    spi_stack *stack = spi_calloc(sizeof *stack);
    stack->low = low;
    stack->size = size;
    spi_list_init(&stack->node);
    prepare(stack);
    pool->mapped++;
    return stack;
}

spi_stack *spi_stack_take(spi_stack_pool *pool, size_t size)
{
    if (size > SIZE_MAX / 2) {
        spout_error_set(SPOUT_ELIMIT, "a stack can't have %zu bytes", size);
        return NULL;
    }
    if (size && size != pool->stack_size)
        return take_own(pool, size);
    if (spi_list_is_empty(&pool->free) && !add_slab(pool))
        return NULL;
    spi_stack *stack = spi_container(spi_list_pop(&pool->free), spi_stack, node);
    if (stack->guard == SPI_GUARD_MISSING)
        prepare(stack);
    if (stack->warm) {
        pool->warm--;
        stack->slab->warm--;
    }
    stack->slab->used++;
    count_use(pool);
    return stack;
}

/* Frames that returned have cleaned up behind themselves; those that were left for good have not.
   */
static void unmark(const spi_stack *stack, const char *touched)
{
    const char *from = touched ? touched : stack->low + page_size();
    spi_unpoison(from, (size_t)(stack->low + stack->size - from));
}

void spi_stack_give(spi_stack_pool *pool, spi_stack *stack, const char *touched)
{
    spi_slab *slab = stack->slab;
    if (!slab) {
        forget(stack);
        unmap(pool, stack->low, stack->size);
        pool->mapped--;
        spi_free(stack);
        return;
    }
    unmark(stack, touched);
    spi_stack_wash(stack);
    stack->warm = true;
    pool->warm++;
    slab->warm++;
    slab->used--;
    pool->used--;
    spi_list_push_front(&pool->free, &stack->node);
}

static void cool(spi_stack_pool *pool, spi_stack *stack)
{
    size_t above = stack->guard == SPI_GUARD_CANARY ? 0 : page_size();
    (void)madvise(stack->low + above, stack->size - above, MADV_DONTNEED);
    if (stack->guard == SPI_GUARD_CANARY)
        write_canary(stack->low);
    stack->warm = false;
    stack->slab->warm--;
    pool->warm--;
}

static void drop_cold_slabs(spi_stack_pool *pool)
{
    spi_list *next;
    for (spi_list *node = pool->slabs.next; node != &pool->slabs; node = next) {
        next = node->next;
        spi_slab *slab = spi_container(node, spi_slab, node);
        if (slab->used == 0 && slab->warm == 0)
            drop_slab(pool, slab);
    }
}

void spi_stack_pool_trim(spi_stack_pool *pool)
{
    size_t keep = pool->peak - pool->used;
    if (keep < SPI_STACKS_KEPT)
        keep = SPI_STACKS_KEPT;
    pool->peak = pool->used;
    if (pool->warm <= keep)
        return;
    size_t at = 0;
    for (spi_list *node = pool->free.next; node != &pool->free; node = node->next) {
        spi_stack *stack = spi_container(node, spi_stack, node);
        if (!stack->warm)
            break;
        if (at++ >= keep)
            cool(pool, stack);
    }
    drop_cold_slabs(pool);
}
