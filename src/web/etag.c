/* Automatic ETags: the hash of the complete body, and the 304 that saves sending it. */
#include "base/digest.h"
#include "http/head.h"
#include "web/request.h"

#include <spout/error.h>
#include <spout/httputil.h>

#include "base/text.h"

__attribute__((noinline)) static void hash_all(const spi_response *response, unsigned char out[16])
{
    spi_content_hasher *hasher = spi_content_hasher_new();
    for (const spi_piece *piece = response->first; piece; piece = piece->next)
        spi_content_hasher_feed(hasher, piece->data, piece->len);
    spi_content_hasher_finish(hasher, out);
}

static inline void hash_body(const spi_response *response, unsigned char out[16])
{
    const spi_piece *first = response->first;
    if (first && !first->next)
        spi_content_hash(out, first->data, first->len);
    else
        hash_all(response, out);
}

/* Each coding is a representation of its own. */
static const char *name_coding(spout_request *r, const char *etag)
{
    return spi_arena_format(spi_request_arena(r), "%.33s-%s\"", etag, r->response.coding);
}

static const char *add_etag(spout_request *r)
{
    enum { LEN = 34, SIZE = LEN + 1 };
    unsigned char hash[16];
    hash_body(&r->response, hash);
    char *etag = spi_arena_chars(spi_request_arena(r), SIZE);
    etag[0] = '"';
    spi_hex_encode(etag + 1, hash, sizeof hash);
    memcpy(etag + LEN - 1, "\"", 2);
    if (r->response.coding)
        spi_response_add(r, "Etag", name_coding(r, etag));
    else
        spi_response_add_field(r, (spi_field){ "Etag", etag, 4, LEN });
    return r->response.fields[r->response.field_count - 1].value;
}

/* By the lengths of their names and their first letter: most requests have neither. */
static inline bool may_have_condition(const spi_request_head *head)
{
    const uint32_t lengths = UINT32_C(1) << 8 | UINT32_C(1) << 13;
    const spi_field *end = head->fields + head->field_count;
    for (const spi_field *field = head->fields; field < end; field++) {
        if ((lengths >> (field->name_len & 31) & 1) && (field->name[0] | 0x20) == 'i')
            return true;
    }
    return false;
}

/* RFC 9110 §13.2.2: If-Match goes first. */
__attribute__((noinline)) static int check_conditions(spout_request *r, const char *etag)
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

int spi_response_check_etag(spout_request *r)
{
    int at = spi_response_is_usual(&r->response) ? -1 : spi_response_find(&r->response, "Etag", 4);
    const char *etag = at < 0 ? add_etag(r) : spi_response_field(&r->response, (uint32_t)at)->value;
    return may_have_condition(&r->exchange->head) ? check_conditions(r, etag) : 0;
}
