#include "base/memory.h"

#include "base/arena.h"
#include "base/context.h"
#include "base/log.h"

#include <spout/error.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#if SPI_ASAN
#include <sanitizer/asan_interface.h>
#endif

static void *system_realloc(void *self, void *block, size_t size)
{
    (void)self;
    return realloc(block, size);
}

static void system_free(void *self, void *block)
{
    (void)self;
    free(block);
}

static const spout_allocator system_allocator = { .realloc = system_realloc, .free = system_free };
static spout_allocator allocator = { .realloc = system_realloc, .free = system_free };
static atomic_bool in_use;

int spout_set_allocator(const spout_allocator *replacement)
{
    if (atomic_load_explicit(&in_use, memory_order_relaxed))
        return spout_error_set(
            SPOUT_ESTATE, "the allocator can only be set before the library is used");
    if (!replacement)
        replacement = &system_allocator;
    if (!replacement->realloc || !replacement->free)
        return spout_error_set(SPOUT_EINVAL, "an allocator needs both realloc and free");
    allocator = *replacement;
    return 0;
}

/* The first block settles which allocator it is: blocks of two must never meet. */
static inline void settle_allocator(void)
{
    if (!atomic_load_explicit(&in_use, memory_order_relaxed))
        atomic_store_explicit(&in_use, true, memory_order_relaxed);
}

__attribute__((noreturn, cold)) static void out_of_memory(size_t size)
{
    if (allocator.out_of_memory)
        allocator.out_of_memory(allocator.self, size);
    else
        fprintf(stderr, "waterspout: out of memory: no %zu bytes\n", size);
    spi_log_flush_if_free();
    abort();
}

static void *try_realloc(void *block, size_t size)
{
    settle_allocator();
    return allocator.realloc(allocator.self, block, size ? size : 1);
}

void *spi_try_malloc(size_t size)
{
    return try_realloc(NULL, size);
}

void *spi_realloc(void *block, size_t size)
{
    void *moved = try_realloc(block, size);
    if (!moved)
        out_of_memory(size);
    return moved;
}

void *spi_malloc(size_t size)
{
    return spi_realloc(NULL, size);
}

/* Small blocks come from what was freed a moment ago, where calloc does not look; large ones are
   often new pages, which are clear already. */
enum { CALLOC_FROM = 1024 };

void *spi_calloc(size_t size)
{
    if (allocator.realloc != system_realloc || size < CALLOC_FROM)
        return memset(spi_malloc(size), 0, size);
    settle_allocator();
    void *block = calloc(1, size ? size : 1);
    if (!block)
        out_of_memory(size);
    return block;
}

void spi_free(void *block)
{
    if (block)
        allocator.free(allocator.self, block);
}

char *spi_memdup(const void *data, size_t len)
{
    if (len == SIZE_MAX)
        out_of_memory(len);
    char *copy = spi_malloc(len + 1);
    if (len)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *spi_strdup(const char *text)
{
    return spi_memdup(text, strlen(text));
}

#if SPI_ASAN
void spi_poison(const void *start, size_t len)
{
    __asan_poison_memory_region(start, len);
}

void spi_unpoison(const void *start, size_t len)
{
    __asan_unpoison_memory_region(start, len);
}
#endif

char *spout_dup(const char *text)
{
    return text ? spi_strdup(text) : NULL;
}

void *spout_dup_bytes(spout_bytes bytes)
{
    return bytes.data ? spi_memdup(bytes.data, bytes.len) : NULL;
}

void *spout_alloc(size_t size)
{
    return spi_calloc(size);
}

void spout_free(void *block)
{
    spi_free(block);
}

static spi_arena *current_scope(void)
{
    spi_context *context = spi_context_current();
    return context->scope ? context->scope : spi_context_scope(context);
}

void *spout_scope_alloc(size_t size)
{
    return spi_arena_calloc(current_scope(), size);
}

char *spout_scope_text(const char *text)
{
    return text ? spi_arena_strdup(current_scope(), text) : NULL;
}

char *spout_scope_bytes(spout_bytes bytes)
{
    return spi_arena_memdup(current_scope(), bytes.data, bytes.len);
}

char *spout_scope_format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = spi_arena_vformat(current_scope(), format, args);
    va_end(args);
    return text;
}

/* Lies in the very scope that it ends: the mark is from before its own allocation. */
struct spout_scope {
    spi_arena *arena;
    spi_arena_mark mark;
};

spout_scope *spout_scope_push(void)
{
    spi_arena *arena = current_scope();
    spi_arena_mark mark = spi_arena_get_mark(arena);
    spout_scope *scope = spi_arena_alloc(arena, sizeof *scope);
    *scope = (spout_scope){ .arena = arena, .mark = mark };
    return scope;
}

void spout_scope_pop(spout_scope *scope)
{
    if (!scope)
        return;
    spi_arena_mark mark = scope->mark;
    spi_arena_rewind(scope->arena, mark);
}
