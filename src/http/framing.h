/* The few fields that decide how a request is delimited and whether its connection lives on (RFC
   9112 §6, §9; RFC 9110 §7.6, §10.1). */
#ifndef SPI_FRAMING_H
#define SPI_FRAMING_H

#include "http/head.h"

/* What has been gathered while fields go by. minor_version is set at the start, the rest zero. */
typedef struct spi_framing {
    int minor_version;
    const spi_field *host;
    uint64_t content_length;
    bool has_length;
    bool has_encoding;
    bool is_chunked;  /* the last coding so far */
    bool has_unknown; /* a coding other than chunked */
    bool close, keep_alive, lists_upgrade, has_upgrade;
    bool expect_continue, expect_other;
} spi_framing;

/* Takes a field if it is one of them. Returns 0, or a negated status with the error set. The field
   must stay. */
int spi_framing_add_known(spi_framing *framing, const spi_field *field);

/* Draws the conclusions: sets what concerns body, keep-alive, Expect and upgrade in the head. */
int spi_framing_finish(const spi_framing *framing, spi_request_head *head);

/* The same where no field but Host was there, in HTTP/1.1. */
static inline void spi_framing_finish_plain(spi_request_head *head)
{
    head->body_kind = SPI_BODY_NONE;
    head->content_length = 0;
    head->keep_alive = true;
    head->expect_continue = head->upgrade = false;
}

/* Most fields are none of them: their length and first letter say so. (Lengths that only look alike
   are seen to later.) */
static inline bool spi_framing_is_none(const spi_field *field)
{
    static const char first_letters[32] = {
        [4] = 'h', [6] = 'e', [7] = 'u', [10] = 'c', [14] = 'c', [17] = 't'
    };
    return first_letters[field->name_len & 31] != (field->name[0] | 0x20);
}

static inline int spi_framing_add(spi_framing *framing, const spi_field *field)
{
    return spi_framing_is_none(field) ? 0 : spi_framing_add_known(framing, field);
}

#endif
