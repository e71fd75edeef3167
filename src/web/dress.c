/* What a head is given last, whoever wrote it. */
#include "base/text.h"
#include "web/cors.h"
#include "web/request.h"

bool spi_lists(const char *list, const char *token)
{
    spout_bytes element;
    const char *at = list, *end = list ? list + strlen(list) : NULL;
    while (at && spi_list_next(&at, end, &element)) {
        if (spi_equal_nocase(element.data, element.len, token, strlen(token)))
            return true;
    }
    return false;
}

void spi_response_vary(spout_request *r, const char *name)
{
    int at = spi_response_find(&r->response, "Vary", 4);
    const char *vary = at < 0 ? NULL : spi_response_field(&r->response, (uint32_t)at)->value;
    if (spi_lists(vary, name) || spi_lists(vary, "*"))
        return;
    spi_response_put(
        r, "Vary", vary ? spi_arena_format(spi_request_arena(r), "%s, %s", vary, name) : name);
}

void spi_response_dress(spout_request *r)
{
    if (r->response.cookies)
        spi_response_put_cookies(r);
    if (r->handler->spec.cors)
        spi_cors_dress(r);
    const char *id_header = r->application->options.request_id_header;
    if (id_header)
        spi_response_put(r, id_header, spout_request_id(r));
}
