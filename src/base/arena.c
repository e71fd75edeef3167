#include "base/arena.h"

#include "base/memory.h"

#include <stdatomic.h>
#include <stdio.h>

enum {
    ALIGNMENT = SPI_ARENA_ALIGNMENT,
    FIRST_BLOCK = 8192,
    SMALLEST_BLOCK = 512,
    LARGEST_BLOCK = 64 * 1024,
    RED_ZONE = SPI_ARENA_RED_ZONE
};

typedef spi_arena_block block;

typedef struct spi_arena_hook {
    struct spi_arena_hook *older;
    void (*fn)(void *arg);
    void *arg;
} hook;

_Static_assert(sizeof(block) % ALIGNMENT == 0, "a block's content is aligned as its head is");

static atomic_size_t total_bytes;

static inline char *block_start(block *b)
{
    return (char *)(b + 1);
}

static inline char *first_free(spi_arena *arena)
{
    return (char *)arena + spi_arena_round_up(sizeof *arena);
}

static block *new_block(size_t size)
{
    block *b = spi_malloc(size);
    *b = (block){ .end = (char *)b + size, .size = size };
    atomic_fetch_add_explicit(&total_bytes, size, memory_order_relaxed);
    spi_poison(block_start(b), size - sizeof *b);
    return b;
}

static void free_block(block *b)
{
    atomic_fetch_sub_explicit(&total_bytes, b->size, memory_order_relaxed);
    spi_unpoison(b, b->size);
#ifdef SPI_DEBUG
    memset(b, 0xDD, b->size);
#endif
    spi_free(b);
}

/* What was handed out must not be read again. */
static void give_up(char *start, char *end)
{
#ifdef SPI_DEBUG
    spi_unpoison(start, (size_t)(end - start));
    memset(start, 0xDD, (size_t)(end - start));
#endif
    spi_poison(start, (size_t)(end - start));
}

spi_arena *spi_arena_new(size_t first_block)
{
    size_t size = spi_arena_round_up(first_block ? first_block : FIRST_BLOCK);
    if (size < SMALLEST_BLOCK)
        size = SMALLEST_BLOCK;
    block *b = new_block(size);
    spi_arena *arena = (spi_arena *)(void *)b;
    spi_unpoison(arena, sizeof *arena);
    *arena = (spi_arena){ .first = *b, .end = b->end, .newest = b, .size = size };
    arena->at = first_free(arena);
    arena->next_block = size < LARGEST_BLOCK / 2 ? size * 2 : LARGEST_BLOCK;
    return arena;
}

/* A block of its own for what would waste much of a common one. */
static void *alloc_large(spi_arena *arena, size_t size)
{
    size_t total = size > SIZE_MAX / 2 ? size : spi_arena_round_up(sizeof(block) + size + RED_ZONE);
    block *b = new_block(total);
    b->older = arena->large;
    arena->large = b;
    arena->size += total;
    spi_unpoison(block_start(b), size);
    return block_start(b);
}

static void add_block(spi_arena *arena)
{
    block *b = new_block(arena->next_block);
    b->older = arena->newest;
    arena->newest = b;
    arena->at = block_start(b);
    arena->end = b->end;
    arena->size += b->size;
    if (arena->next_block < LARGEST_BLOCK)
        arena->next_block *= 2;
}

void *spi_arena_alloc_slowly(spi_arena *arena, size_t size)
{
    if (size > arena->next_block / 4)
        return alloc_large(arena, size);
    add_block(arena);
    return spi_arena_alloc(arena, size);
}

/* Not inlined, else compilers write zeros in a way that suits other sizes. */
__attribute__((noinline)) void *spi_arena_calloc(spi_arena *arena, size_t size)
{
    return memset(spi_arena_alloc(arena, size), 0, size);
}

char *spi_arena_memdup(spi_arena *arena, const void *data, size_t len)
{
    char *copy = spi_arena_chars(arena, len == SIZE_MAX ? len : len + 1);
    if (len)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *spi_arena_strdup(spi_arena *arena, const char *text)
{
    return spi_arena_memdup(arena, text, strlen(text));
}

char *spi_arena_vformat(spi_arena *arena, const char *format, va_list args)
{
    char small[256];
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(small, sizeof small, format, args);
    char *text;
    if (len < 0) {
        text = spi_arena_memdup(arena, "", 0);
    } else if ((size_t)len < sizeof small) {
        text = spi_arena_memdup(arena, small, (size_t)len);
    } else {
        text = spi_arena_chars(arena, (size_t)len + 1);
        vsnprintf(text, (size_t)len + 1, format, again);
    }
    va_end(again);
    return text;
}

char *spi_arena_format(spi_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = spi_arena_vformat(arena, format, args);
    va_end(args);
    return text;
}

void spi_arena_on_reset(spi_arena *arena, void (*fn)(void *arg), void *arg)
{
    hook *h = spi_arena_alloc(arena, sizeof *h);
    *h = (hook){ .older = arena->hooks, .fn = fn, .arg = arg };
    arena->hooks = h;
}

/* A hook may register further ones: they run as well. */
static void run_hooks(spi_arena *arena, const hook *until)
{
    while (arena->hooks != until) {
        hook *h = arena->hooks;
        arena->hooks = h->older;
        h->fn(h->arg);
    }
}

static void drop_large(spi_arena *arena, const block *until)
{
    while (arena->large != until) {
        block *b = arena->large;
        arena->large = b->older;
        arena->size -= b->size;
        free_block(b);
    }
}

static void drop_blocks(spi_arena *arena, const block *until)
{
    while (arena->newest != until) {
        block *b = arena->newest;
        arena->newest = b->older;
        arena->at = arena->end = arena->newest->end;
        arena->size -= b->size;
        if (b->size < LARGEST_BLOCK)
            arena->next_block = b->size;
        free_block(b);
    }
}

size_t spi_arena_size(const spi_arena *arena)
{
    return arena->size;
}

spi_arena_mark spi_arena_get_mark(const spi_arena *arena)
{
    return (spi_arena_mark){
        .block = arena->newest,
        .large = arena->large,
        .used = (size_t)(arena->at - block_start(arena->newest)),
        .hooks = arena->hooks,
    };
}

void spi_arena_rewind(spi_arena *arena, spi_arena_mark mark)
{
    run_hooks(arena, mark.hooks);
    drop_large(arena, mark.large);
    drop_blocks(arena, mark.block);
    char *at = block_start(arena->newest) + mark.used;
    give_up(at, arena->at);
    arena->at = at;
}

static void rewind_to_start(spi_arena *arena)
{
    block *first = &arena->first;
    spi_arena_rewind(arena, (spi_arena_mark){
                                .block = first,
                                .used = (size_t)(first_free(arena) - block_start(first)),
                            });
}

static inline bool is_one_block(const spi_arena *arena)
{
    return !arena->hooks && !arena->large && arena->newest == &arena->first;
}

static inline void reset_block(spi_arena *arena)
{
    char *at = first_free(arena);
    give_up(at, arena->at);
    arena->at = at;
}

void spi_arena_reset(spi_arena *arena)
{
    if (is_one_block(arena))
        reset_block(arena);
    else
        rewind_to_start(arena);
}

void spi_arena_free(spi_arena *arena)
{
    if (!arena)
        return;
    spi_arena_reset(arena);
    free_block(&arena->first);
}

size_t spi_arena_total_bytes(void)
{
    return atomic_load_explicit(&total_bytes, memory_order_relaxed);
}

void spi_arena_pool_init(spi_arena_pool *pool, size_t max)
{
    *pool = (spi_arena_pool){ .max = max };
}

void spi_arena_pool_finish(spi_arena_pool *pool)
{
    while (pool->free) {
        spi_arena *arena = pool->free;
        pool->free = arena->next_in_pool;
        spi_arena_free(arena);
    }
    pool->count = 0;
}

spi_arena *spi_arena_pool_take(spi_arena_pool *pool)
{
    spi_arena *arena = pool->free;
    if (!arena)
        return spi_arena_new(0);
    pool->free = arena->next_in_pool;
    pool->count--;
    arena->next_in_pool = NULL;
    return arena;
}

static inline void put_into(spi_arena_pool *pool, spi_arena *arena)
{
    arena->next_in_pool = pool->free;
    pool->free = arena;
    pool->count++;
}

/* Not inlined, so that most are given with a few instructions. */
__attribute__((noinline)) static void give_slowly(spi_arena_pool *pool, spi_arena *arena)
{
    if (pool->count >= pool->max) {
        spi_arena_free(arena);
        return;
    }
    rewind_to_start(arena);
    put_into(pool, arena);
}

void spi_arena_pool_give(spi_arena_pool *pool, spi_arena *arena)
{
    if (!arena)
        return;
    if (pool->count < pool->max && is_one_block(arena)) {
        reset_block(arena);
        put_into(pool, arena);
    } else {
        give_slowly(pool, arena);
    }
}
