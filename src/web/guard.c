/* What stands between prepare and the method: the shape of the path, and who may go on. */
#include <spout/auth.h>
#include <spout/escape.h>

#include "base/error.h"
#include "base/text.h"
#include "web/request.h"

static bool is_read(const spout_request *r)
{
    spi_method method = r->exchange->head.method;
    return method == SPI_METHOD_GET || method == SPI_METHOD_HEAD;
}

/* A path that begins with two slashes is a host to a browser that is sent there. */
static int redirect_to_path(spout_request *r, const char *path)
{
    if (!is_read(r))
        return spout_fail(r, 404, "%s", "");
    if (!spout_is_local_url(path))
        return spout_fail(r, 403, "\"%s\" is no path to redirect to", path);
    const char *query = r->exchange->head.query;
    return spout_redirect(
        r, spi_arena_format(spi_request_arena(r), "%s%s%s", path, *query ? "?" : "", query), 301);
}

static int fix_slash(spout_request *r)
{
    const char *path = r->exchange->head.path;
    size_t len = strlen(path);
    bool has_slash = len > 0 && path[len - 1] == '/';
    spi_arena *arena = spi_request_arena(r);
    if (r->handler->addslash && !has_slash)
        return redirect_to_path(r, spi_arena_format(arena, "%s/", path));
    if (!r->handler->removeslash || !has_slash || len == 1)
        return 0;
    while (len > 0 && path[len - 1] == '/')
        len--;
    return len ? redirect_to_path(r, spi_arena_memdup(arena, path, len))
               : spout_fail(r, 404, "%s", "");
}

static const char *wanted_url(spout_request *r, const char *login_url)
{
    const char *query = spout_query(r), *path = spout_path(r);
    const char *mark = *query ? "?" : "";
    spi_arena *arena = spi_request_arena(r);
    if (spi_starts_with(login_url, "/") && !spi_starts_with(login_url, "//"))
        return spi_arena_format(arena, "%s%s%s", path, mark, query);
    if (!strstr(login_url, "://"))
        return spi_arena_format(arena, "%s%s%s", path, mark, query);
    return spi_arena_format(
        arena, "%s://%s%s%s%s", spout_protocol(r), spout_host(r), path, mark, query);
}

static int check_user(spout_request *r)
{
    if (spout_current_user(r))
        return 0;
    if (r->failure)
        return spi_error_put(spi_error_copy(r->failure));
    const char *url = r->handler->spec.login_url;
    if (!url || !is_read(r))
        return spout_fail(r, 403, "%s", "nobody is logged in");
    if (strchr(url, '?'))
        return spout_redirect(r, url, 302);
    spi_scope_guard guard = spi_request_scope_enter(r);
    const char *next = spout_url_escape(wanted_url(r, url), true);
    spi_scope_leave(guard);
    return spout_redirect(r, spi_arena_format(spi_request_arena(r), "%s?next=%s", url, next), 302);
}

int spi_request_guard(spout_request *r)
{
    int result = r->handler->addslash || r->handler->removeslash ? fix_slash(r) : 0;
    if (result < 0 || r->response.ended || !r->handler->authenticated)
        return result;
    return check_user(r);
}
