#include "web/upgrade.h"

#include "base/error.h"
#include "http/websocket.h"
#include "web/request.h"
#include "web/session.h"

bool spout_websocket_is_same_origin(spout_request *r, const char *origin)
{
    return spi_websocket_is_same_origin(origin, spout_host(r), spout_protocol(r));
}

static bool is_origin_allowed(spout_request *r, const spout_websocket_handler *handler)
{
    const char *origin = spout_header(r, "Origin", NULL);
    if (!origin)
        return true; /* not a browser */
    if (handler->check_origin)
        return handler->check_origin(r, origin);
    return spout_websocket_is_same_origin(r, origin);
}

static int check(spout_request *r, bool after_origin)
{
    const char *text = "";
    int status = spi_websocket_check_request(&r->exchange->head, after_origin, &text);
    return status ? spout_fail(r, status, "%s", text) : 0;
}

/* NULL: none. Only what the client has offered can be chosen. */
static const char *choose_protocol(spout_request *r, const spout_websocket_handler *handler)
{
    const char *const *offered;
    size_t count = spi_websocket_offered_protocols(
        spi_request_arena(r), &r->exchange->head, &offered);
    const char *chosen = count && handler->select_subprotocol
                             ? handler->select_subprotocol(r, offered, count)
                             : NULL;
    for (size_t i = 0; i < count && chosen; i++) {
        if (strcmp(offered[i], chosen) == 0)
            return offered[i];
    }
    return NULL;
}

static int accept_socket(spout_request *r, const spout_websocket_handler *handler)
{
    const char *protocol = choose_protocol(r, handler);
    int result = spout_clear_header(r, "Content-Type");
    if (result < 0)
        return result;
    if (r->extras && r->extras->session && spi_session_save(r) < 0)
        return spout_error_code_current();
    spi_response_dress(r);
    const spi_field *fields = spi_response_own_fields(r);
    r->websocket = spi_websocket_accept(
        r->exchange, handler, protocol, fields, r->response.field_count, r);
    if (!r->websocket)
        return spout_error_code_current();
    r->response.head_sent = r->response.ended = true;
    r->response.status = 101;
    return 0;
}

int spi_upgrade(spout_request *r)
{
    const spout_handler *spec = &r->handler->spec;
    if (spec->get && !r->exchange->head.upgrade)
        return spec->get(r);
    if (r->failure)
        return spi_error_put(spi_error_copy(r->failure));
    if (check(r, false) < 0)
        return SPOUT_EHTTP;
    if (!is_origin_allowed(r, spec->websocket))
        return spout_fail(r, 403, "Cross origin websockets not allowed");
    if (check(r, true) < 0)
        return SPOUT_EHTTP;
    return accept_socket(r, spec->websocket);
}
