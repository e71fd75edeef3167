/*
 * Who the user is, and whether a request is meant (Tornado's current_user, authenticated,
 * xsrf_token).
 *
 * A handler with .authenticated runs its methods for users that are logged in only. Others are
 * redirected to .login_url with ?next= what they wanted (GET and HEAD), or get 403, which is the
 * answer to all where there is no .login_url. That happens after prepare, which may set the user
 * itself.
 *
 * With .xsrf_cookies in the application's options each request but GET, HEAD and OPTIONS must carry
 * the token of the XSRF cookie, in the argument _xsrf or the header X-Xsrftoken or X-Csrftoken: 403
 * otherwise, before prepare. Handlers that know their clients otherwise (a bearer token) switch it
 * off: .xsrf_cookies = SPOUT_NONE; paths without a handler stay 404.
 *
 * Example:
 *     static int find_user(spout_request *r)
 *     {
 *         const char *name = spout_get_signed_cookie(r, "user", NULL);
 *         if (name)
 *             spout_set_current_user(r, db_user(spout_data(r), name)); // may suspend
 *         return 0;
 *     }
 *     static const spout_handler site = { .get_current_user = find_user, .authenticated = 1 };
 */
#ifndef SPOUT_AUTH_H
#define SPOUT_AUTH_H

#include <spout/base.h>
#include <spout/web.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What get_current_user of the handler has set, found out when first asked for; NULL: nobody, or
   the hook failed, which fails the request (current_user). The application knows its type. */
SPOUT_API void *spout_current_user(spout_request *r) SPOUT_SUSPENDS;
/* The pointer is kept for the request, what it leads to is the caller's. NULL: nobody. */
SPOUT_API void spout_set_current_user(spout_request *r, void *user);

/* .login_url of the handler or the application. NULL: SPOUT_ESTATE (get_login_url). */
SPOUT_API const char *spout_get_login_url(spout_request *r);

/* Whether a URL from outside, as ?next= of a login, stays on this host: a path, and not one that
   browsers take for a host ("//evil", "/\evil"). */
SPOUT_API bool spout_is_local_url(const char *url);

/* The token for this reply, as text for the argument or header; sets the cookie if the client has
   none, for 30 days if there is a user (xsrf_token). Masked anew for each reply, so that compressed
   pages don't give it away. NULL: the head was sent and there is no cookie (SPOUT_ESTATE). */
SPOUT_API const char *spout_xsrf_token(spout_request *r) SPOUT_SUSPENDS;
/* <input type="hidden" name="_xsrf" value="…"/>, for forms (xsrf_form_html). */
SPOUT_API const char *spout_xsrf_form_html(spout_request *r) SPOUT_SUSPENDS;
/* The check itself, for handlers that have .check_xsrf_cookie of their own. 0, or 403 set. With
   .stream_body only the query and the headers count. */
SPOUT_API int spout_check_xsrf_cookie(spout_request *r);

#ifdef __cplusplus
}
#endif

#endif
