#include "base/context.h"

#include "base/arena.h"
#include "base/bug.h"
#include "base/error.h"

#include <pthread.h>

static _Thread_local spi_context thread_context __attribute__((tls_model("initial-exec")));
_Thread_local spi_context *spi_context_running __attribute__((tls_model("initial-exec")));

static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;

spi_context *spi_context_current(void)
{
    return spi_context_running ? spi_context_running : &thread_context;
}

spi_context *spi_context_switch(spi_context *context)
{
    spi_context *before = spi_context_current();
    spi_context_running = context == &thread_context ? NULL : context;
    return before;
}

void spi_context_clear(spi_context *context)
{
    spi_error_free(context->error);
    context->error = NULL;
}

/* The hooks of a scope may set errors: the scope goes first. */
static void release_thread_context(void *arg)
{
    spi_context *context = arg;
    spi_arena *scope = context->scope;
    spi_arena_free(scope);
    context->scope = NULL;
    spi_context_clear(context);
}

static void make_exit_key(void)
{
    SPI_BUG_IF(pthread_key_create(&exit_key, release_thread_context) != 0, "out of thread keys");
}

void spi_context_holds_memory(spi_context *context)
{
    context->holds_memory = true;
    if (context != &thread_context)
        return;
    pthread_once(&exit_key_once, make_exit_key);
    pthread_setspecific(exit_key, context);
}

spi_arena *spi_context_scope(spi_context *context)
{
    if (!context->scope) {
        context->scope = context->arenas ? spi_arena_pool_take(context->arenas) : spi_arena_new(0);
        spi_context_holds_memory(context);
    }
    return context->scope;
}
