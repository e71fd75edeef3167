/* The few fields that decide how a request is delimited and whether its connection lives on (RFC
   9112 §6, §9; RFC 9110 §7.6, §10.1), and those that make it conditional (§13.1). */
#ifndef SPI_FRAMING_H
#define SPI_FRAMING_H

#include "http/head.h"
#include "http/word.h"

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
    bool has_condition;
} spi_framing;

/* Takes a field if it is one of them. Returns 0, or a negated status with the error set. The field
   must stay. */
int spi_framing_add_known(spi_framing *framing, const spi_field *field);

/* Draws the conclusions: sets what concerns body, keep-alive, Expect and upgrade in the head. */
int spi_framing_finish(const spi_framing *framing, spi_request_head *head);

/* The same where no field but Host and "Connection: keep-alive" was there, in HTTP/1.1. */
static inline void spi_framing_finish_plain(spi_request_head *head)
{
    head->body_kind = SPI_BODY_NONE;
    head->content_length = 0;
    head->keep_alive = true;
    head->expect_continue = head->upgrade = head->has_condition = false;
}

/* Most fields are none of them: their first letter and length say so. (Lengths that only look alike
   are seen to later.) */
static inline bool spi_framing_is_none(const spi_field *field)
{
    enum { HOST = 1 << 4, EXPECT = 1 << 6, UPGRADE = 1 << 7, TRANSFER_ENCODING = 1 << 17 };
    enum { CONNECTION = 1 << 10, CONTENT_LENGTH = 1 << 14, NAMELESS = 1 << 0 };
    enum { IF_MATCH = 1 << 8, IF_NONE_MATCH = 1 << 13 };
    static const uint32_t lengths[256] = {
        ['c'] = CONNECTION | CONTENT_LENGTH,
        ['C'] = CONNECTION | CONTENT_LENGTH,
        ['e'] = EXPECT,
        ['E'] = EXPECT,
        ['h'] = HOST,
        ['H'] = HOST,
        ['i'] = IF_MATCH | IF_NONE_MATCH,
        ['I'] = IF_MATCH | IF_NONE_MATCH,
        ['t'] = TRANSFER_ENCODING,
        ['T'] = TRANSFER_ENCODING,
        ['u'] = UPGRADE,
        ['U'] = UPGRADE,
        ['\0'] = NAMELESS,
    };
    return !(lengths[(unsigned char)field->name[0]] >> (field->name_len & 31) & 1);
}

static inline bool spi_framing_is_host(const spi_field *field)
{
    return field->name_len == 4 && spi_is_word(field->name, "host", 4);
}

/* "Connection: keep-alive", which says nothing new in HTTP/1.1. */
static inline bool spi_framing_is_keep_alive(const spi_field *field)
{
    return field->name_len == 10 && field->value_len == 10 &&
           spi_is_word(field->name, "connection", 10) &&
           spi_is_word(field->value, "keep-alive", 10);
}

static inline int spi_framing_add(spi_framing *framing, const spi_field *field)
{
    return spi_framing_is_none(field) ? 0 : spi_framing_add_known(framing, field);
}

#endif
