/* Automatic ETags: the hash of the complete body, and the 304 that saves sending it. */
#include "base/digest.h"
#include "http/head.h"
#include "web/request.h"

#include <spout/error.h>
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
    spi_response_add_field(
        r, (spi_field){ "Etag", etag, 4, (uint32_t)(at + 1 - etag) });
    return etag;
}

static bool is_named(const spi_field *field, const char *name)
{
    return spi_equal_nocase(field->name, field->name_len, name, field->name_len);
}

/* One pass, since most requests have neither. */
static void find_conditions(const spi_request_head *head, bool *ret_match, bool *ret_none_match)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        if (field->name_len == 8)
            *ret_match |= is_named(field, "If-Match");
        else if (field->name_len == 13)
            *ret_none_match |= is_named(field, "If-None-Match");
    }
}

/* RFC 9110 §13.2.2: If-Match goes first. */
int spi_response_check_etag(spout_request *r)
{
    int at = spi_response_find(&r->response, "Etag", 4);
    const char *etag = at < 0 ? add_etag(r) : r->response.fields[at].value;
    bool match = false, none_match = false;
    find_conditions(&r->exchange->head, &match, &none_match);
    if (match && !spout_etag_is_matched(spout_header(r, "If-Match", ""), etag))
        return spout_error_set_status(412, "If-Match names another version than %s", etag);
    if (!none_match || !spout_etag_matches(spout_header(r, "If-None-Match", ""), etag))
        return 0;
    spi_response_drop_body(r);
    r->response.status = 304;
    r->response.reason = NULL;
    r->response.declared = -1;
    return 0;
}
