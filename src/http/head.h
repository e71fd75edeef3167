/*
 * The head of an HTTP/1 request: where it ends, and what it says. Includes only base: bytes in,
 * structures out.
 *
 * The receive buffer is only scanned (spi_head_scan); the head is then copied once into the
 * request's arena and parsed there in place (spi_request_head_parse), so that everything handed out
 * is NUL-terminated and the request's own.
 */
#ifndef SPI_HEAD_H
#define SPI_HEAD_H

#include <spout/base.h>

#include "base/arena.h"
#include "http/token.h"

/* A header line, as sent or as received. The texts are NUL-terminated. */
typedef struct spi_field {
    const char *name, *value;
    uint32_t name_len, value_len;
} spi_field;

/* Incremental search for the end of a head. Zeroed at the start; `scanned` lets it go on where it
   stopped. */
typedef struct spi_head_scanner {
    size_t scanned;
    size_t line_end; /* where the first line ended, 0 while it has not */
    bool is_response;
} spi_head_scanner;

typedef struct spi_head_limits {
    size_t max_line;   /* request or status line, without its line end: 414 beyond */
    size_t max_head;   /* everything up to and with the blank line: 431 beyond */
    size_t max_fields; /* header lines: 431 beyond */
} spi_head_limits;

/*
 * Looks at data[0..len), the same start each time with more behind it. Returns the length of the
 * complete head with its blank line, 0 if more is needed, or the negated HTTP status of what is
 * wrong already: -400 for what can't become a request (a byte that no request line begins with,
 * bare CR or LF, control characters), -414, -431. One empty line before the request line is skipped
 * (RFC 9112 §2.2) and counted in the length. The answer depends on the bytes alone, not on how they
 * were cut. After a negative result the error is set (SPOUT_EPROTO and words for the log) and the
 * connection reads no further.
 */
long spi_head_scan(
    spi_head_scanner *scanner, const char *data, size_t len, const spi_head_limits *limits);

typedef enum spi_method {
    SPI_METHOD_OTHER, /* a token that we don't know by name */
    SPI_METHOD_GET,
    SPI_METHOD_HEAD,
    SPI_METHOD_POST,
    SPI_METHOD_PUT,
    SPI_METHOD_DELETE,
    SPI_METHOD_PATCH,
    SPI_METHOD_OPTIONS,
    SPI_METHOD_CONNECT,
    SPI_METHOD_TRACE
} spi_method;
spi_method spi_method_parse(const char *text, size_t len);

/* What follows the head. */
typedef enum spi_body_kind { SPI_BODY_NONE, SPI_BODY_LENGTH, SPI_BODY_CHUNKED } spi_body_kind;

typedef struct spi_request_head {
    spi_method method;
    const char *method_text;
    spout_bytes target; /* as received; NUL-terminated */
    const char *
        /* raw (still percent-encoded), NUL-terminated: "/a%2Fb"; "*" for OPTIONS *; "" for CONNECT
           */
        path;
    size_t path_len;
    const char *query; /* behind the '?', "" if none */
    const char *
        /* host and port, of an absolute-form or CONNECT target else of Host; lower-cased; "" if
           none (HTTP/1.0) */
        host;
    int minor_version; /* 0 or 1 */
    spi_field *fields; /* in the arena, in order */
    size_t field_count;
    spi_body_kind body_kind;
    uint64_t content_length;
    bool keep_alive;      /* what the client asks for, Connection as a list, version's default */
    bool expect_continue; /* and there is a body to wait for */
    bool upgrade; /* Connection lists "upgrade" and there is an Upgrade field; never in HTTP/1.0 */
    bool has_condition; /* an If-Match or If-None-Match is among the fields */
} spi_request_head;

/*
 * Parses a complete head in place: `text` is the request's own copy (NUL-terminated at text[len])
 * and is changed. Returns 0, or the negated HTTP status with the error set (SPOUT_EPROTO and words
 * for the log): -400, -414, -417 (Expect other than 100-continue), -431 (too many fields), -501
 * (transfer codings that we don't decode), -505 (major version other than 1).
 *
 * RFC 9112 and 9110: method a token; no white space around it; target in origin, absolute, asterisk
 * (OPTIONS) or authority (CONNECT) form without controls, spaces or non-ASCII oddities that smuggle
 * (bytes >= 0x80 are allowed, as browsers send them); field names tokens, no space before the
 * colon, no obs-fold; values HTAB, SP, VCHAR, obs-text, stripped of SP and HTAB only. Refused with
 * 400: Host missing (1.1), repeated or with illegal characters; Content-Length that isn't digits,
 * overflows or differs between copies (equal copies and equal lists count as one);
 * Transfer-Encoding together with Content-Length, twice "chunked", chunked not last (also when
 * there is another coding only: RFC 9112 §6.3), or on HTTP/1.0; a Host that isn't a name or address
 * with a port.
 */
int spi_request_head_parse(spi_arena *arena, char *text, size_t len, const spi_head_limits *limits,
    spi_request_head *ret_head);

/*
 * Scan, copy and parse in one pass, for what nearly all requests are: all of a short head is there,
 * origin-form target, HTTP/1.1, nothing unusual. Returns the head's length, with everything as
 * spi_request_head_parse would have it, or 0 if it is any other case, right or wrong: then
 * spi_head_scan decides, *ret_head is worth nothing, neither is the error, and the arena holds a
 * scrap of up to 3 KiB. For the first look at the bytes of a request (a scanner that is still
 * zero).
 */
long spi_request_head_try(spi_arena *arena, const char *data, size_t len,
    const spi_head_limits *limits, spi_request_head *ret_head);

/* One header line, in place: from `line` to its CR at `end`. Returns 0, or -400 with the error
   set. */
int spi_field_parse(char *line, char *end, spi_field *ret_field);
/* How many lines end in [at, end). */
size_t spi_field_lines(const char *at, const char *end);

/* The first field of that name (ASCII case ignored), or NULL. name_len of `name` must be right. */
const spi_field *spi_field_find(
    const spi_field *fields, size_t count, const char *name, size_t name_len);

/* Whether a comma-separated field value lists the token (case ignored); all fields of the name
   together. */
bool spi_field_lists(const spi_field *fields, size_t count, const char *name, const char *token);

#endif
