/* Escaping (Tornado's escape). Results are scoped unless said otherwise; NULL gives NULL. */
#ifndef SPOUT_ESCAPE_H
#define SPOUT_ESCAPE_H

#include <spout/base.h>

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

SPOUT_API const char *spout_xhtml_escape(const char *text); /* & < > " ' */

/*
 * The text that references stand for: `&name;` of all the names of HTML, `&#8217;` and `&#x2019;`.
 * Numbers mean what browsers take them for: 128 to 159 as windows-1252, no character as U+FFFD.
 * What is no reference with its semicolon stays as it is.
 */
SPOUT_API const char *spout_xhtml_unescape(const char *text);

/* Percent-encodes all but A-Z a-z 0-9 _ . - ~ ; plus: space becomes '+' (url_escape); else '/' is
   kept too. */
SPOUT_API const char *spout_url_escape(const char *text, bool plus);
/* SPOUT_EINVAL (NULL) if the result isn't UTF-8 or holds a NUL. */
SPOUT_API const char *spout_url_unescape(const char *text, bool plus);
/* The same for any bytes (url_unescape with encoding=None); a NUL stands behind them. */
SPOUT_API spout_bytes spout_url_unescape_bytes(const char *text, bool plus);

/* A JSON text, any value, nested at most 128 deep (json_decode). Owned: json_decref. NULL:
   SPOUT_EINVAL with where and why. */
SPOUT_API json_t *spout_json_parse(spout_bytes text);

/*
 * A compact JSON text, all ASCII, that may stand in a <script> of a page (json_encode): "</" is
 * written <\/, and a '<' that might begin a comment or a tag \u003c. The value stays the caller's.
 * NULL: SPOUT_EINVAL for NULL, SPOUT_ELIMIT for more than 128 levels.
 */
SPOUT_API const char *spout_json_encode(const json_t *value);

/* Runs of white space and control characters up to U+0020 become one space; none at the ends. */
SPOUT_API const char *spout_squeeze(const char *text);

typedef struct spout_linkify_options {
    bool shorten;                           /* show at most about 30 characters of a link */
    bool require_protocol;                  /* leave what only begins with "www." */
    const char *const *permitted_protocols; /* ended by NULL; NULL: http and https */
    const char *extra_params;               /* attributes for each link: "rel=\"nofollow\"" */
    /* Or those of one link; href is escaped already. */
    const char *(*extra_params_of)(void *self, const char *href);
    void *self;
    void *reserved[4];
} spout_linkify_options;

/*
 * HTML of a plain text, escaped, with links made of its URLs; linear in its length. Marks at the
 * end of a URL are not part of it, parentheses in pairs are. options NULL: all zero.
 *
 *     spout_linkify("see www.example.com!", NULL)
 *         see <a href="http://www.example.com">www.example.com</a>!
 */
SPOUT_API const char *spout_linkify(const char *text, const spout_linkify_options *options);

/* Base64 (RFC 4648 §4), padded. */
SPOUT_API const char *spout_base64_encode(spout_bytes bytes);

SPOUT_API bool spout_is_utf8(spout_bytes bytes);

/* The bytes as text: U+FFFD for each NUL, and as browsers have it for what isn't valid UTF-8: one for
   a character that breaks off, one for each other byte. */
SPOUT_API const char *spout_utf8_or_replacement(spout_bytes bytes);

#ifdef __cplusplus
}
#endif

#endif
