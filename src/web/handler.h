/* Handlers as the application uses them: `.base` flattened, methods in a table, Allow written out.
   Made once, at start-up. */
#ifndef SPI_HANDLER_H
#define SPI_HANDLER_H

#include <spout/web.h>

#include "base/arena.h"
#include "http/head.h"

struct spi_static_root;

enum { SPI_METHOD_COUNT = SPI_METHOD_TRACE + 1 };

typedef struct spi_handler {
    spout_handler spec;          /* with all that its bases give; cleared hooks are NULL */
    const spout_handler *source; /* what the application's author wrote */
    const char *name;            /* "" if it has none */
    const char *task_name;       /* of its coroutines */
    const char *allow;
    spout_method *methods[SPI_METHOD_COUNT]; /* NULL: 405 */
    struct spi_static_root *static_root;     /* NULL unless it serves files */
    struct spi_handler *next;                /* of the application */
    spout_method **chain;                    /* all middleware, ended by NULL; NULL: none */
    bool etag, stream_body, cancel_on_close;
    bool authenticated, addslash, removeslash;
    bool guarded; /* one of these */
    bool early;   /* says how a body is taken, or for how long, or who serves in its place */
    bool plain;   /* the method is all there is: no state, hooks, checks or middleware */
    bool checks_xsrf, compresses, dresses, transforms; /* decided together with the application */
    bool ends_straight;                                /* none of the last three */
} spi_handler;

/* In the arena, but for what spi_handler_finish closes. NULL: a cycle of bases, a static folder
   that isn't there … */
spi_handler *spi_handler_new(spi_arena *arena, const spout_handler *source);
void spi_handler_finish(spi_handler *handler);

/* What the application's options say where the handler is silent. */
void spi_handler_apply(
    spi_handler *handler, spi_arena *arena, const spout_application_options *options);

/* What stands in where a handler has no method of its own. */
int spi_answer_options(spout_request *r);

#endif
