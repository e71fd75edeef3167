/* A connection that leaves HTTP. */
#include "web/request.h"
#include "web/session.h"

#include <spout/stream.h>

static bool asks_for(spout_request *r, const char *protocol)
{
    return r->exchange->head.upgrade && spi_lists(spout_header(r, "Upgrade", NULL), protocol);
}

static int write_fields(spout_request *r, const char *protocol)
{
    int result = spout_clear_header(r, "Content-Type");
    if (result == 0 && r->extras && r->extras->session)
        result = spi_session_save(r);
    if (result == 0)
        result = spout_set_header(r, "Upgrade", protocol);
    if (result == 0) {
        spi_response_dress(r);
        spi_response_own_fields(r);
    }
    return result;
}

spout_stream *spout_detach(spout_request *r, const char *protocol)
{
    spi_exchange *exchange = r->exchange;
    spout_stream *stream = NULL;
    if (!exchange->ops->detach) {
        spout_error_set(SPOUT_EUNSUPPORTED, "the connection can't be had");
        return NULL;
    }
    if (protocol && !asks_for(r, protocol)) {
        spout_error_set_status(400, "the client does not ask for %s", protocol);
        return NULL;
    }
    if (protocol && write_fields(r, protocol) < 0)
        return NULL;
    const spi_reply_head head = { .status = 101,
        .fields = r->response.fields,
        .field_count = r->response.field_count,
        .content_length = -1 };
    if (exchange->ops->detach(exchange, protocol ? &head : NULL, &stream) < 0)
        return NULL;
    r->response.head_sent = r->response.ended = true;
    r->response.status = 101;
    return stream;
}
