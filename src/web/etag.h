/* Automatic ETags: the hash of the complete body, and the 304 that saves sending it. Inline, since
   nearly every reply comes by here; what is rare is in etag.c. */
#ifndef SPI_ETAG_H
#define SPI_ETAG_H

#include "base/digest.h"
#include "base/text.h"
#include "http/head.h"
#include "web/request.h"

/* Of a body in any number of pieces, as spi_content_hash64 of the whole. */
uint64_t spi_etag_hash(const spi_response *response);

/* The tag with the name of the reply's coding: each coding is a representation of its own. */
const char *spi_etag_name_coding(spout_request *r, const char *etag);

/* As spi_response_check_etag, of a request that has a condition. */
int spi_etag_check_conditions(spout_request *r, const char *etag);

/* In the request's arena. */
static inline char *spi_etag_write(const spout_request *r, uint64_t hash)
{
    char *etag = spi_arena_chars(spi_request_arena(r), SPI_ETAG_LEN + 1);
    etag[0] = '"';
    spi_hex_encode_u64(etag + 1, hash);
    memcpy(etag + SPI_ETAG_LEN - 1, "\"", 2);
    return etag;
}

static inline const char *spi_etag_add(spout_request *r)
{
    const spi_piece *first = r->response.first;
    uint64_t hash = first && !first->next ? spi_content_hash64(first->data, first->len)
                                          : spi_etag_hash(&r->response);
    char *etag = spi_etag_write(r, hash);
    if (r->response.coding) {
        const char *named = spi_etag_name_coding(r, etag);
        spi_response_add(r, "Etag", named);
        return named;
    }
    spi_response_add_field(r, (spi_field){ "Etag", etag, 4, SPI_ETAG_LEN });
    return etag;
}

/* Sets Etag unless there is one, and turns the reply to a 304 if the client has it; fails with 412 if
   it insists on another. */
__attribute__((always_inline)) static inline int spi_response_check_etag(spout_request *r)
{
    int at = spi_response_is_usual(&r->response) ? -1 : spi_response_find(&r->response, "Etag", 4);
    const char *etag = at < 0 ? spi_etag_add(r)
                              : spi_response_field(&r->response, (uint32_t)at)->value;
    return r->exchange->head.has_condition ? spi_etag_check_conditions(r, etag) : 0;
}

#endif
