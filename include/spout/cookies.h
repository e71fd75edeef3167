/*
 * Cookies that a reply sets, and signed values (Tornado's set_cookie, set_signed_cookie,
 * create_signed_value). What the request brought is spout_cookie of <spout/web.h>.
 *
 * A signed value tells that this application wrote it, when, and for which cookie; it hides
 * nothing. The format is Tornado's, versions 1 and 2, so that both read each other's cookies. The
 * keys are .cookie_secret or .cookie_secrets of the application.
 *
 * Example:
 *     spout_set_cookie(r, "theme", "dark", &(spout_cookie_options){ .expires_days = 365 });
 *     spout_set_signed_cookie(r, "user", "ann", &(spout_cookie_options){ .httponly = true });
 *     const char *user = spout_get_signed_cookie(r, "user", NULL);
 */
#ifndef SPOUT_COOKIES_H
#define SPOUT_COOKIES_H

#include <spout/base.h>
#include <spout/web.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a cookie is kept (RFC 6265bis §4.1). All zero: for the session, on all paths of this host. */
typedef struct spout_cookie_options {
    const char *domain;   /* NULL: this host only */
    const char *path;     /* NULL: "/"; "": no attribute, so the folder of the request */
    int64_t expires;      /* seconds since 1970; 0: none, SPOUT_ZERO: 1970 */
    int64_t expires_days; /* from now; counts if .expires is 0; SPOUT_ZERO: now, SPOUT_NONE: none */
    int64_t max_age;      /* seconds; 0: none, SPOUT_ZERO: 0, which deletes the cookie */
    const char *samesite; /* "Lax", "Strict", "None"; NULL: the browser's choice */
    bool httponly, secure;
    bool partitioned;   /* CHIPS: one jar for each site that embeds this one; needs .secure */
    int signed_version; /* of spout_set_signed_cookie: 1 or 2; 0: 2 */
    void *reserved[4];
} spout_cookie_options;

/*
 * Sets a cookie with the reply, error pages included; a second one of the same name, domain and
 * path takes the place of the first. options NULL: all zero. A value with characters beyond a
 * token's is quoted, as Tornado does (spout_cookie reads it back). SPOUT_EINVAL: a name that is no
 * token, white space or control characters in the value, ';' or such in an attribute; SPOUT_ESTATE:
 * the head was sent; SPOUT_ELIMIT: more than 256.
 */
SPOUT_API int spout_set_cookie(
    spout_request *r, const char *name, const char *value, const spout_cookie_options *options);

/* Deletes a cookie: domain and path must be those that it was set with (clear_cookie).
   SPOUT_EINVAL for .expires, .expires_days or .max_age. */
SPOUT_API int spout_clear_cookie(
    spout_request *r, const char *name, const spout_cookie_options *options);
/* Each cookie of the request, up to 256 of them (clear_all_cookies). */
SPOUT_API int spout_clear_all_cookies(spout_request *r, const spout_cookie_options *options);

/* --- signed values --- */

/* A key of several: its version is written into what it signs. */
typedef struct spout_secret {
    int version; /* not negative */
    const char *key;
} spout_secret;

typedef struct spout_signed_options {
    const char *secret;          /* the key; or else: */
    const spout_secret *secrets; /* several, ended by { 0 }: for changing keys */
    int key_version;             /* which of them signs; with .secret: only written down */
    int version;                 /* of the format, to sign: 1 or 2; 0: 2 */
    int min_version;             /* of the format, to read; 0: 1 */
    int64_t max_age_days;        /* to read; 0: 31, SPOUT_NONE: any age, SPOUT_ZERO: this second */
    int64_t now;                 /* seconds since 1970; 0: the loop's clock */
    void *reserved[4];
} spout_signed_options;

/* A scoped text (create_signed_value). NULL: SPOUT_EINVAL: no such key or version, format 1 with
   .secrets. */
SPOUT_API const char *spout_create_signed_value(
    const char *name, spout_bytes value, const spout_signed_options *options);

/* What was signed, scoped, with a NUL behind it; data NULL without an error set: malformed, forged,
   too old, of another name or by a key that is gone (decode_signed_value). Forgeries take the same
   time wherever they differ. SPOUT_EINVAL: the options ask for a min_version above 2. */
SPOUT_API int spout_decode_signed_value(const char *name, const char *text,
    const spout_signed_options *options, spout_bytes *ret_value);

/* The key's version that a text of format 2 names, unchecked; -1 for anything else
   (get_signature_key_version). */
SPOUT_API int spout_get_signature_key_version(const char *text);

/* Fills in the application's keys. SPOUT_ESTATE without .cookie_secret or .cookie_secrets
   (require_setting). */
SPOUT_API int spout_use_cookie_secret(spout_request *r, spout_signed_options *options);

/* A cookie with a signed value; kept for 30 days unless the options say otherwise
   (set_signed_cookie). */
SPOUT_API int spout_set_signed_cookie(
    spout_request *r, const char *name, const char *value, const spout_cookie_options *options);
SPOUT_API int spout_set_signed_cookie_bytes(
    spout_request *r, const char *name, spout_bytes value, const spout_cookie_options *options);

/* What is signed in a cookie of the request (get_signed_cookie): NULL if there is none, or none
   that counts; then no error is set but where the application has no keys (SPOUT_ESTATE). options
   NULL: any format, 31 days; keys in them stand instead of the application's. The text form is NULL
   too for what isn't UTF-8 or holds a NUL. */
SPOUT_API const char *spout_get_signed_cookie(
    spout_request *r, const char *name, const spout_signed_options *options);
SPOUT_API spout_bytes spout_get_signed_cookie_bytes(
    spout_request *r, const char *name, const spout_signed_options *options);
/* The version of the key that signed it, unchecked; -1 without (get_signed_cookie_key_version). */
SPOUT_API int spout_get_signed_cookie_key_version(spout_request *r, const char *name);

#ifdef __cplusplus
}
#endif

#endif
