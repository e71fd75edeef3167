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
    bool disabled;          /* any such form is SPOUT_EPROTO */
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
 * valid Range, or the end of nothing (send everything); SPOUT_ELIMIT: more than max ranges (send
 * everything); SPOUT_ENOTFOUND: none satisfiable (416). RFC 9110 §14. In the order asked for,
 * neither merged nor sorted; those that can't be satisfied among others are left out.
 */
typedef struct spout_range {
    int64_t start, end;
} spout_range;
SPOUT_API int spout_parse_range(const char *header, int64_t size, spout_range *ret_ranges, int max);

/*
 * A Content-Range header (RFC 9110 §14.4): [start, end) and the whole size, -1 for '*'. An
 * unsatisfied range, an asterisk in its place, has start and end 0. SPOUT_EPROTO for others.
 */
SPOUT_API int spout_parse_content_range(
    const char *header, spout_range *ret_range, int64_t *ret_size);

/* Whether an If-None-Match value names the tag ('*' or weak comparison, RFC 9110 §13.1.2). etag
   with its quotes. */
SPOUT_API bool spout_etag_matches(const char *if_none_match, const char *etag);
/* Whether an If-Match value does ('*' or strong comparison, RFC 9110 §13.1.1: weak tags never). */
SPOUT_API bool spout_etag_is_matched(const char *if_match, const char *etag);

/*
 * The URL with more arguments behind its query, in front of its fragment (url_concat). What the
 * query held already stays, blank values too, and is escaped anew. Scoped; `url` itself where pairs
 * or url is NULL.
 *
 *     spout_pair more[] = { { spout_bytes_of("page"), spout_bytes_of("2") } };
 *     spout_url_concat("/list?by=name#top", more, 1) // "/list?by=name&page=2#top"
 */
SPOUT_API const char *spout_url_concat(const char *url, const spout_pair *pairs, size_t count);

/* "user:password", scoped, as Basic authentication encodes it (encode_username_password, RFC 7617).
   Texts are taken as they are: who wants them normalised (NFC) has done so. NULL: SPOUT_EINVAL for
   a colon in the name, control characters, or what isn't UTF-8. */
SPOUT_API const char *spout_encode_username_password(const char *username, const char *password);

/* --- header fields --- */

/*
 * An ordered list of fields, whose names are compared without case and may repeat (HTTPHeaders).
 * All that goes in is checked (RFC 9110 §5): a name that is no token and a control character in a
 * value are SPOUT_EINVAL, or SPOUT_EPROTO in what is parsed; blanks around a value are dropped.
 * Texts that come out are the list's until it is freed, unless they are scoped.
 *
 *     spout_headers *headers = spout_headers_new();
 *     spout_headers_add(headers, "Accept", "text/html");
 *     spout_headers_add(headers, "accept", "text/plain");
 *     spout_headers_get(headers, "ACCEPT", NULL) // "text/html, text/plain"
 */
typedef struct spout_headers spout_headers;
SPOUT_API spout_headers *spout_headers_new(void); /* owned */
SPOUT_API void spout_headers_free(spout_headers *headers);
SPOUT_API spout_headers *spout_headers_copy(const spout_headers *headers); /* owned */

/* Lines up to a blank one or the end, each with CRLF, LF or the end behind it. Owned. NULL:
   SPOUT_EPROTO, also for a line that is folded. */
SPOUT_API spout_headers *spout_headers_parse(const char *text);
SPOUT_API int spout_headers_parse_line(spout_headers *headers, const char *line);

SPOUT_API int spout_headers_add(spout_headers *headers, const char *name, const char *value);
/* In the place of the first of that name; others of it go. */
SPOUT_API int spout_headers_set(spout_headers *headers, const char *name, const char *value);
/* All of that name; returns how many there were. */
SPOUT_API size_t spout_headers_remove(spout_headers *headers, const char *name);

/* Repeated ones joined by ", ", which is scoped then; not for Set-Cookie. `fallback` if there is
   none. */
SPOUT_API const char *spout_headers_get(
    const spout_headers *headers, const char *name, const char *fallback);
/* All values of that name; the array is scoped and ended by NULL (get_list). */
SPOUT_API size_t spout_headers_get_list(
    const spout_headers *headers, const char *name, const char *const **ret_values);
/* Each field, names as they were given (get_all). */
SPOUT_API size_t spout_headers_count(const spout_headers *headers);
SPOUT_API bool spout_headers_at(
    const spout_headers *headers, size_t index, const char **ret_name, const char **ret_value);
/* "Name: value" and CRLF for each; scoped. */
SPOUT_API const char *spout_headers_text(const spout_headers *headers);

/* The first line of a message, without its line end. Texts are scoped. SPOUT_EPROTO for others than
   HTTP/1.x. */
typedef struct spout_request_start_line {
    const char *method, *path, *version; /* "GET", the whole target, "HTTP/1.1" */
} spout_request_start_line;
SPOUT_API int spout_parse_request_start_line(const char *line, spout_request_start_line *ret_line);

typedef struct spout_response_start_line {
    const char *version;
    int code;           /* 100–999 */
    const char *reason; /* "" if there is none */
} spout_response_start_line;
SPOUT_API int spout_parse_response_start_line(
    const char *line, spout_response_start_line *ret_line);

/* --- what the client likes best (RFC 9110 §12) --- */

/* An element of Accept, Accept-Language, Accept-Encoding or Accept-Charset. */
typedef struct spout_preference {
    const char *value; /* lower case: "text/html;level=1" (a parameter's value as sent), "en-gb" */
    int quality;       /* thousandths: 1000 without q; 0: not wanted */
} spout_preference;

/* Splits such a header, best first, equals in the order received. Elements that are malformed are
   left out. Scoped. Returns the number; NULL has none. */
SPOUT_API long spout_parse_preferences(const char *header, spout_preference **ret_items);

/*
 * How much a media type ("text/html", perhaps with parameters), a language tag or a content coding
 * is wanted, in thousandths. The closest element decides: `text/html;level=1` before `text/html`
 * before `text/` with an asterisk before all; for languages "en-GB" before "en" (RFC 4647 §3.3.1)
 * before '*'. Without the header (NULL) everything is welcome; an Accept-Encoding that is empty
 * leaves "identity", which has to be refused by name or '*'.
 */
SPOUT_API int spout_accept_quality(const char *header, const char *type);
SPOUT_API int spout_accept_language_quality(const char *header, const char *tag);
SPOUT_API int spout_accept_encoding_quality(const char *header, const char *coding);
/* Whether an Accept header has room for the media type. */
SPOUT_API bool spout_accepts(const char *header, const char *type);

/* --- what proxies say --- */

/*
 * The client's address behind proxies: `peer`, or what its X-Forwarded-For says if it is trusted:
 * the last entry that isn't a trusted address, for each entry is only the word of the one behind
 * it. trusted: addresses and networks ("10.0.0.0/8", "::1"), ended by NULL; a peer that is "" (a
 * Unix socket) is trusted. Reading stops at what is no address. Scoped. NULL: SPOUT_EINVAL for what
 * is no network in `trusted`.
 */
SPOUT_API const char *spout_client_ip(
    const char *peer, const char *x_forwarded_for, const char *const *trusted);

/* One hop of a Forwarded header (RFC 7239). Texts are scoped and as sent ("192.0.2.60",
   "[2001:db8::1]:4711", "unknown", "_hidden"), NULL if they weren't. */
typedef struct spout_forwarded {
    const char *client; /* `for` */
    const char *by, *host;
    const char *protocol; /* `proto` */
} spout_forwarded;

/* The hops, the client's first. Any peer can write any of them. Returns the number; NULL has none;
   SPOUT_EPROTO for a malformed one. Scoped. */
SPOUT_API long spout_parse_forwarded(const char *header, spout_forwarded **ret_hops);

/* "host:port" → host and port (-1 if none); brackets of IPv6 are kept (split_host_and_port). Scoped
   host. */
SPOUT_API int spout_split_host_and_port(const char *netloc, const char **ret_host, int *ret_port);

#ifdef __cplusplus
}
#endif

#endif
