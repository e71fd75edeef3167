#include "web/etag.h"

#include <spout/error.h>
#include <spout/httputil.h>

uint64_t spi_etag_hash(const spi_response *response)
{
    spi_content_hasher *hasher = spi_content_hasher_new();
    for (const spi_piece *piece = response->first; piece; piece = piece->next)
        spi_content_hasher_feed(hasher, piece->data, piece->len);
    return spi_content_hasher_finish64(hasher);
}

const char *spi_etag_name_coding(spout_request *r, const char *etag)
{
    return spi_arena_format(
        spi_request_arena(r), "%.*s-%s\"", SPI_ETAG_LEN - 1, etag, r->response.coding);
}

/* RFC 9110 §13.2.2: If-Match goes first. */
int spi_etag_check_conditions(spout_request *r, const char *etag)
{
    const char *match = spout_header(r, "If-Match", NULL);
    if (match && !spout_etag_is_matched(match, etag))
        return spout_error_set_status(412, "If-Match names another version than %s", etag);
    if (!spout_etag_matches(spout_header(r, "If-None-Match", NULL), etag))
        return 0;
    spi_response_drop_body(r);
    r->response.status = 304;
    r->response.reason = NULL;
    r->response.declared = -1;
    return 0;
}
