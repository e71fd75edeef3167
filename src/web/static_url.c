/* URLs of static files, which change when the file does. */
#include <spout/error.h>
#include <spout/escape.h>

#include "base/log.h"
#include "web/request.h"
#include "web/static.h"

#include <errno.h>

/* Where a URL leads: the folder, and what makes the URL. */
typedef struct target {
    spi_static_root *root;
    const spi_route *route; /* NULL: .static_url_prefix */
} target;

static int find_target(spout_request *r, const char *name, target *ret_target)
{
    const spout_application *application = r->application;
    if (!name) {
        if (!application->static_handler)
            return spout_error_set(SPOUT_ESTATE, "static_url needs .static_path");
        *ret_target = (target){ .root = application->static_handler->static_root };
        return 0;
    }
    const spi_route *route = spi_application_find_name(application, name);
    if (!route || !route->handler->static_root)
        return spout_error_set(
            SPOUT_ENOTFOUND, "static_url: no handler with .static_files is called \"%s\"", name);
    *ret_target = (target){ .root = route->handler->static_root, .route = route };
    return 0;
}

/* A tag of a file that has no hash, without what makes it a tag. */
static const char *version_of_state(spi_arena *arena, const spi_file *file)
{
    char tag[SPI_FILE_TAG_MAX];
    spi_file_tag(file, tag);
    const char *start = strchr(tag, '"') + 1;
    return spi_arena_memdup(arena, start, strcspn(start, "\""));
}

static const char *hash_version(spout_request *r, spi_static_root *root, const char *path)
{
    spi_arena *arena = spi_request_arena(r);
    const char *normal = spi_static_normalise(arena, path);
    spi_file *file;
    int result;
    if (!normal || spi_static_find_hashed(root, r->exchange->loop, normal, &file, &result) < 0) {
        spi_file_fail(r, path, normal ? errno : EXDEV);
        return NULL;
    }
    const char *version = NULL;
    if (result >= 0)
        version = *file->version ? spi_arena_strdup(arena, file->version)
                                 : version_of_state(arena, file);
    spi_file_unref(file);
    return version;
}

static const char *get_version(spout_request *r, spi_static_root *root, const char *path)
{
    if (root->options.get_version)
        return root->options.get_version(r, path);
    return hash_version(r, root, path);
}

static bool is_end_of_wait(int code)
{
    return code == SPOUT_ECANCELED || code == SPOUT_ETIMEDOUT;
}

/* The version, or NULL with a line in the log; < 0: there is nothing to go on for. */
static int need_version(
    spout_request *r, spi_static_root *root, const char *path, const char **ret_version)
{
    spout_error_clear();
    const char *version = get_version(r, root, path);
    if (!version && is_end_of_wait(spout_error_code_current()))
        return spout_error_code_current();
    if (!version && spout_error_current())
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR,
            spi_arena_format(spi_request_arena(r), "no version of static file %s", path));
    *ret_version = version;
    return 0;
}

static const char *make_url(
    spout_request *r, const target *to, const char *path, const char *version)
{
    spi_arena *arena = spi_request_arena(r);
    if (to->root->options.make_static_url)
        return to->root->options.make_static_url(r, path, version);
    const char *url;
    if (to->route)
        url = spi_router_reverse(to->route, arena, &path, 1);
    else
        url = spi_arena_format(arena, "%s%s", r->application->options.static_url_prefix,
            spout_url_escape(path, false));
    return url && version ? spi_arena_format(arena, "%s?v=%s", url, version) : url;
}

static const char *with_host(spout_request *r, const char *url)
{
    return spi_arena_format(
        spi_request_arena(r), "%s://%s%s", spout_protocol(r), spout_host(r), url);
}

const char *spout_static_url(
    spout_request *r, const char *path, const spout_static_url_options *options)
{
    static const spout_static_url_options usual = { 0 };
    const spout_static_url_options *how = options ? options : &usual;
    target to = { 0 };
    const char *version = NULL;
    if (find_target(r, how->handler, &to) < 0)
        return NULL;
    if (!how->no_version && need_version(r, to.root, path, &version) < 0)
        return NULL;
    const char *url = make_url(r, &to, path, version);
    int include_host = how->include_host ? how->include_host : to.root->options.include_host;
    return url && include_host > 0 ? with_host(r, url) : url;
}

const char *spout_static_version(spout_request *r, const char *handler, const char *path)
{
    target to = { 0 };
    return find_target(r, handler, &to) < 0 ? NULL : get_version(r, to.root, path);
}
