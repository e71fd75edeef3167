/* Escaping (Tornado's escape). Results are scoped unless said otherwise; NULL gives NULL. */
#ifndef SPOUT_ESCAPE_H
#define SPOUT_ESCAPE_H

#include <spout/base.h>

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

SPOUT_API const char *spout_xhtml_escape(const char *text); /* & < > " ' */

/* Percent-encodes all but A-Z a-z 0-9 _ . - ~ ; plus: space becomes '+' (url_escape); else '/' is
   kept too. */
SPOUT_API const char *spout_url_escape(const char *text, bool plus);
/* SPOUT_EINVAL (NULL) if the result isn't UTF-8 or holds a NUL. */
SPOUT_API const char *spout_url_unescape(const char *text, bool plus);

/* A JSON text, any value, nested at most 128 deep (json_decode). Owned: json_decref. NULL:
   SPOUT_EINVAL with where and why. */
SPOUT_API json_t *spout_json_parse(spout_bytes text);

/* Base64 (RFC 4648 §4), padded. */
SPOUT_API const char *spout_base64_encode(spout_bytes bytes);

/* The bytes as text: U+FFFD for each NUL and each byte that is no part of valid UTF-8. */
SPOUT_API const char *spout_utf8_or_replacement(spout_bytes bytes);

#ifdef __cplusplus
}
#endif

#endif
