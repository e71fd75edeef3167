/* What a body goes through before it is compressed: the application's functions (OutputTransform). */
#include <spout/memory.h>

#include "base/text.h"
#include "web/request.h"

/* All that waits to be sent, in one piece. */
static spout_bytes gather(const spout_request *r)
{
    const spi_response *response = &r->response;
    const spi_piece *first = response->first;
    if (!first)
        return (spout_bytes){ "", 0 };
    if (!first->next)
        return (spout_bytes){ first->data, first->len };
    char *all = spout_scope_alloc(response->len), *at = all;
    for (const spi_piece *piece = first; piece; piece = piece->next)
        at = spi_put(at, piece->data, piece->len);
    return (spout_bytes){ all, response->len };
}

static int call_all(spout_request *r, spout_bytes *part, bool last)
{
    spout_transform *const *transform = r->application->options.transforms;
    for (; *transform; transform++) {
        int result = (*transform)(r, part, last);
        if (result > 0)
            result = spout_error_set(SPOUT_EFAILED, "a transform returned %d", result);
        if (result < 0)
            return result;
    }
    return 0;
}

/* A HEAD with a method of its own: there is no body, and the length is what the method says. */
static bool is_only_length(const spout_request *r)
{
    return r->exchange->head.method == SPI_METHOD_HEAD && !r->response.len &&
           r->response.declared >= 0;
}

static int transform(spout_request *r, bool last)
{
    spi_response *response = &r->response;
    bool only_length = is_only_length(r);
    if (!only_length && !response->head_sent)
        response->declared = -1;
    const spout_bytes whole = gather(r);
    spout_bytes part = whole;
    int result = call_all(r, &part, last);
    response->as_is = last || result < 0;
    if (result < 0 || only_length || (part.data == whole.data && part.len == whole.len))
        return result;
    spi_response_drop_body(r);
    return spi_response_append(r, part.data, part.len);
}

/* A stream that never ends needs no more memory for it. */
int spi_response_transform(spout_request *r, bool last)
{
    if (r->response.as_is)
        return 0;
    spout_scope *scope = spout_scope_push();
    int result = transform(r, last);
    spout_scope_pop(scope);
    return result;
}
