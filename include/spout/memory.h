/*
 * Memory: where it comes from, what is scoped, and how a value leaves its scope.
 *
 * Each request, WebSocket message and task has a scope: an arena that is reset when it ends. What
 * the library hands out as scoped lies there, and so does what these functions allocate; nothing of
 * it is freed one by one.
 *
 * Example:
 *     char *greeting = spout_scope_format("Hello, %s", name); // gone with the request
 *     last_greeting = spout_dup(greeting);                    // stays until it is freed
 */
#ifndef SPOUT_MEMORY_H
#define SPOUT_MEMORY_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The functions that all memory of the library comes from. `self` is passed through. */
typedef struct spout_allocator {
    /* block NULL: allocate; never called with size 0. What it returns is aligned for any type. */
    void *(*realloc)(void *self, void *block, size_t size);
    void (*free)(void *self, void *block);
    /* Called when memory has run out, before abort(); may log. NULL: a line on stderr. */
    void (*out_of_memory)(void *self, size_t size);
    void *self;
    void *reserved[4];
} spout_allocator;

/* Replaces malloc. Before any other call of the library, else SPOUT_ESTATE. NULL restores malloc.
   zlib and Brotli allocate through it, too, OpenSSL has CRYPTO_set_mem_functions. Where zlib gets no
   memory nothing aborts: a reply goes uncompressed, a body in gzip is refused with 503, a WebSocket
   sends uncompressed, and is closed with 1011 if it can't decompress. */
SPOUT_API int spout_set_allocator(const spout_allocator *allocator);

/* Scoped memory, zeroed, aligned for any type. Outside any scope it belongs to the thread's own,
   see spout_scope_push. Never NULL: running out of memory calls the allocator's handler and
   aborts. */
SPOUT_API void *spout_scope_alloc(size_t size);
SPOUT_API char *spout_scope_text(const char *text);   /* a scoped copy; NULL gives NULL */
SPOUT_API char *spout_scope_bytes(spout_bytes bytes); /* a scoped copy with a NUL behind it */
SPOUT_API char *spout_scope_format(const char *format, ...) SPOUT_PRINTF(1, 2);

/* Opens an inner scope in the current coroutine (or thread) and ends it: for loops that allocate
   as they go. */
typedef struct spout_scope spout_scope;
SPOUT_API spout_scope *spout_scope_push(void);
SPOUT_API void spout_scope_pop(spout_scope *scope);

/* An owned copy, freed by spout_free. NULL gives NULL. */
SPOUT_API char *spout_dup(const char *text);
SPOUT_API void *spout_dup_bytes(spout_bytes bytes); /* with a NUL behind it */

/* Owned memory, zeroed. Never NULL. */
SPOUT_API void *spout_alloc(size_t size);
SPOUT_API void spout_free(void *block);

#ifdef __cplusplus
}
#endif

#endif
