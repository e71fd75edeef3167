/*
 * Sessions: what an application remembers of a visitor between requests, as a JSON object. Kept in
 * a signed cookie, in memory, or wherever a store of your own puts it; .session of the
 * application's options.
 *
 * The object is loaded when it is first asked for, and saved before the head of the reply goes out
 * if it has changed, unless the status is 500 or more. A visitor gets a cookie only when there is
 * something to remember. Call spout_session_renew when somebody logs in.
 *
 * Example:
 *     static const spout_session_options sessions = { .max_age_s = 7 * 24 * 3600 };
 *     … .session = &sessions, .cookie_secret = secret
 *
 *     json_t *cart = json_object_get(spout_session(r), "cart");
 *     spout_session_set(r, "theme", json_string("dark"));
 */
#ifndef SPOUT_SESSION_H
#define SPOUT_SESSION_H

#include <spout/base.h>
#include <spout/web.h>

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where sessions are kept. All functions may suspend; < 0 with the error set fails the request. Ids
   are 64 hexadecimal digits, random. */
typedef struct spout_session_store {
    /* *ret_data: an object that the caller owns, or NULL if there is none, or no longer. */
    int (*load)(void *self, const char *id, json_t **ret_data);
    int (*save)(void *self, const char *id, const json_t *data, int64_t max_age_s);
    int (*remove)(void *self, const char *id);
    void *self;
    void *reserved[4];
} spout_session_store;

/* Outlives the application. */
typedef struct spout_session_options {
    /* NULL: in the cookie itself, signed: the visitor can read it, it holds up to 3,800 bytes, and
       an older one can be played back until it is too old. */
    const spout_session_store *store;
    const char *cookie_name; /* NULL: "session" */
    int64_t max_age_s;       /* since it was last saved; 0: 14 days */
    /* NULL: HttpOnly, SameSite=Lax, and Secure over https. Its times don't count. */
    const struct spout_cookie_options *cookie;
    void *reserved[4];
} spout_session_options;

/* The object, borrowed, to read and to change. NULL: SPOUT_ESTATE without .session, or the store's
   error. */
SPOUT_API json_t *spout_session(spout_request *r) SPOUT_SUSPENDS;

/* One member as text; `fallback` if there is none, or it is no text, or the store failed, which
   fails the request. */
SPOUT_API const char *spout_session_get(
    spout_request *r, const char *key, const char *fallback) SPOUT_SUSPENDS;
/* Steals the reference; NULL removes the member. SPOUT_ESTATE once the head was sent. */
SPOUT_API int spout_session_set(spout_request *r, const char *key, json_t *value) SPOUT_SUSPENDS;

/* The same data under a new id: whoever planted the old one has nothing of it. */
SPOUT_API int spout_session_renew(spout_request *r) SPOUT_SUSPENDS;
/* Saves even if nothing has changed, so that the time begins anew. */
SPOUT_API int spout_session_touch(spout_request *r) SPOUT_SUSPENDS;
/* Forgets everything, cookie and store too (log out). */
SPOUT_API int spout_session_clear(spout_request *r) SPOUT_SUSPENDS;

/* A store in the memory of this process, for one loop. The sessions used longest ago go when there
   are more than `max` (0: 100,000). Owned; outlives the applications that use it. */
SPOUT_API spout_session_store *spout_memory_session_store_new(size_t max);
SPOUT_API void spout_memory_session_store_free(spout_session_store *store); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
