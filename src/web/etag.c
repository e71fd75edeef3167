/* Automatic ETags: the hash of the complete body, and the 304 that saves sending it. */
#include "base/digest.h"
#include "http/head.h"
#include "web/request.h"

#include <spout/httputil.h>

#include "base/text.h"

static void hash_pieces(const spi_response *response, unsigned char out[16])
{
    const spi_piece *first = response->first;
    if (!first || !first->next) {
        spi_content_hash(out, first ? first->data : "", first ? first->len : 0);
        return;
    }
    spi_content_hasher *hasher = spi_content_hasher_new();
    for (const spi_piece *piece = first; piece; piece = piece->next)
        spi_content_hasher_feed(hasher, piece->data, piece->len);
    spi_content_hasher_finish(hasher, out);
}

static const char *add_etag(spout_request *r)
{
    unsigned char hash[16];
    hash_pieces(&r->response, hash);
    const char *coding = r->response.coding; /* each coding is a representation of its own */
    size_t coding_len = coding ? strlen(coding) : 0;
    char *etag = spi_arena_chars(spi_request_arena(r), 36 + coding_len);
    etag[0] = '"';
    spi_hex_encode(etag + 1, hash, sizeof hash);
    char *at = etag + 33;
    if (coding) {
        *at++ = '-';
        memcpy(at, coding, coding_len);
        at += coding_len;
    }
    memcpy(at, "\"", 2);
    spi_response_add(r, "Etag", etag);
    return etag;
}

void spi_response_check_etag(spout_request *r)
{
    int at = spi_response_find(&r->response, "Etag", 4);
    const char *etag = at < 0 ? add_etag(r) : r->response.fields[at].value;
    const spi_request_head *head = &r->exchange->head;
    const spi_field *wanted = spi_field_find(head->fields, head->field_count, "If-None-Match", 13);
    if (!wanted || !spout_etag_matches(spout_header(r, "If-None-Match", ""), etag))
        return;
    spi_response_drop_body(r);
    r->response.status = 304;
    r->response.reason = NULL;
    r->response.declared = -1;
}
