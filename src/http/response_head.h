/*
 * The head of an HTTP/1 response (RFC 9112 §4 to §6): where it ends, and what it says. Includes
 * only base. Fields are scanned and split by the same code as a request's.
 */
#ifndef SPI_RESPONSE_HEAD_H
#define SPI_RESPONSE_HEAD_H

#include "http/head.h"

/* What follows the head of a response, as far as the head says: none for 1xx, 204 and 304; the
   answers to HEAD and CONNECT are the caller's business. */
typedef enum spi_response_body {
    SPI_RESPONSE_NO_BODY,
    SPI_RESPONSE_LENGTH,
    SPI_RESPONSE_CHUNKED,
    SPI_RESPONSE_UNTIL_CLOSE
} spi_response_body;

typedef struct spi_response_head {
    int status;         /* 100 to 599 */
    const char *reason; /* as sent, "" if none; UTF-8 or not */
    int minor_version;  /* 0 or 1 */
    spi_field *fields;  /* in the arena, in order */
    size_t field_count;
    spi_response_body body_kind;
    uint64_t content_length;
    bool keep_alive;
} spi_response_head;

/* As spi_head_scan, for a scanner that was zeroed: the head's length with its blank line, 0 if more
   is needed, SPOUT_EPROTO, or SPOUT_ELIMIT for one that is too long. */
long spi_response_head_scan(
    spi_head_scanner *scanner, const char *data, size_t len, const spi_head_limits *limits);

/*
 * Parses a complete head in place: `text` is the caller's own copy (NUL-terminated at text[len])
 * and is changed. 0, SPOUT_EPROTO, or SPOUT_ELIMIT for too many fields.
 *
 * The status line is "HTTP/1.x", a space, three digits, and possibly a space and a reason.
 * Refused are what would let two readers see two different bodies: Content-Length that isn't a
 * number or differs between copies, Transfer-Encoding together with Content-Length, with another
 * coding than chunked, or in HTTP/1.0.
 */
int spi_response_head_parse(spi_arena *arena, char *text, size_t len, const spi_head_limits *limits,
    spi_response_head *ret_head);

#endif
