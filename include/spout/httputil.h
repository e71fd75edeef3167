/* HTTP's small parts (Tornado's httputil): status phrases, dates, URL pieces, query strings and
   forms, cookies, ranges. */
#ifndef SPOUT_HTTPUTIL_H
#define SPOUT_HTTPUTIL_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The standard phrase of a status, "Unknown" for others. Static. */
SPOUT_API const char *spout_status_phrase(int status);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (format_timestamp, RFC 9110 §5.6.7). out holds 30 bytes. Returns
   out. */
SPOUT_API char *spout_format_timestamp(int64_t seconds, char out[30]);
/* Reads the three formats of RFC 9110; SPOUT_EINVAL for others. */
SPOUT_API int spout_parse_timestamp(const char *text, int64_t *ret_seconds);

/* One name with a value, from a query string, a form or a cookie header; raw bytes after decoding,
   in the order received. */
typedef struct spout_pair {
    spout_bytes name, value;
} spout_pair;

/*
 * Splits "a=1&b=2" at '&', decodes %XX and '+', keeps blank values (parse_qs_bytes). Scoped.
 * SPOUT_ELIMIT beyond max_pairs (0: 10,000). Returns the number of pairs.
 */
SPOUT_API long spout_parse_query(spout_bytes query, size_t max_pairs, spout_pair **ret_pairs);

/*
 * A Cookie header: split at ';' always, quoted values unquoted (\ooo and \c), a bad name skipped,
 * duplicates kept in order (parse_cookie); a piece without '=' is the value of the cookie without a
 * name. Scoped. Returns the number of pairs; NULL has none.
 */
SPOUT_API long spout_parse_cookies(const char *header, spout_pair **ret_pairs);

/* An uploaded file (HTTPFile). Texts are scoped, content_type "" if the part had none. */
typedef struct spout_file {
    spout_bytes name;     /* of the form field */
    const char *filename; /* UTF-8, as sent: not a path to trust */
    const char *content_type;
    spout_bytes body;
} spout_file;

typedef struct spout_multipart {
    spout_pair *pairs;
    size_t pair_count;
    spout_file *files;
    size_t file_count;
} spout_multipart;

typedef struct spout_multipart_options {
    size_t max_parts;       /* 0: 100 (ParseMultipartConfig) */
    size_t max_part_header; /* bytes of a part's header lines; 0: 10,240 */
    void *reserved[4];
} spout_multipart_options;

/*
 * multipart/form-data (RFC 7578), in time linear in the body. Values are views into `body`; texts
 * scoped. SPOUT_EPROTO with words. A preamble and an epilogue are ignored (RFC 2046); a part with a
 * file name that isn't empty is a file. Refused: a boundary that isn't 1 to 70 characters, no final
 * boundary, a part without a name, two names or file names, lines that don't end in CRLF, control
 * characters in a part's header, a file name that isn't UTF-8. `filename*` (RFC 8187) goes before
 * `filename`.
 */
SPOUT_API int spout_parse_multipart(const char *content_type, spout_bytes body,
    const spout_multipart_options *options, spout_multipart *ret_form);

/*
 * A Range header against a size: fills up to max ranges as [start, end) and returns how many; 0: no
 * valid Range (send everything); SPOUT_ELIMIT: more than max ranges (send everything);
 * SPOUT_ENOTFOUND: none satisfiable (416). RFC 9110 §14. In the order asked for, neither merged nor
 * sorted; those that can't be satisfied among others are left out.
 */
typedef struct spout_range {
    int64_t start, end;
} spout_range;
SPOUT_API int spout_parse_range(const char *header, int64_t size, spout_range *ret_ranges, int max);

/* Whether an If-None-Match value names the tag ('*' or weak comparison, RFC 9110 §13.1.2). etag
   with its quotes. */
SPOUT_API bool spout_etag_matches(const char *if_none_match, const char *etag);

/* "host:port" → host and port (-1 if none); brackets of IPv6 are kept (split_host_and_port). Scoped
   host. */
SPOUT_API int spout_split_host_and_port(const char *netloc, const char **ret_host, int *ret_port);

#ifdef __cplusplus
}
#endif

#endif
