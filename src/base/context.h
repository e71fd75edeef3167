/*
 * What "current" means: the error slot and the scope of the running coroutine, or of the thread
 * outside coroutines. base only holds the pointer; loop switches it together with the stack.
 */
#ifndef SPI_CONTEXT_H
#define SPI_CONTEXT_H

#include "base/arena.h"

struct spi_arena;
struct spout_error;

typedef struct spi_context {
    struct spout_error
        *error; /* the current error and its causes, NULL if none; owned by the context */
    struct spi_arena *scope; /* where scoped memory comes from, NULL until first used */
    spi_arena_pool *arenas;  /* where the scope is taken from then; NULL: it is made */
    const char *request_id;  /* for the log; lent, NULL: none */
    bool holds_memory;       /* has had an error or made a scope, which may be there still */
} spi_context;

/* NULL stands for the thread's own. One load from the thread pointer instead of a call into the
   dynamic linker, also in the shared library. */
extern _Thread_local spi_context *spi_context_running __attribute__((tls_model("initial-exec")));

/* The running coroutine's context, or the thread's own. Never NULL. */
spi_context *spi_context_current(void);

/* Makes `context` current and returns the one before; NULL stands for the thread's own. */
spi_context *spi_context_switch(spi_context *context);

/* Frees the error that a context holds. The scope is its owner's. */
void spi_context_clear(spi_context *context);

/* The scope of `context`, made if there is none yet. The thread's own is freed when the thread
   ends. */
struct spi_arena *spi_context_scope(spi_context *context);

/* To be told when `context` begins to hold an error or a scope: what the thread's own holds is freed
   when the thread ends. */
void spi_context_holds_memory(spi_context *context);

#endif
