/* The handler of static folders, and single files from anywhere. */
#include "web/static.h"

#include <spout/error.h>
#include <spout/escape.h>
#include <spout/httputil.h>

#include "web/request.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    MAX_TRIES = 3,
    TEN_YEARS_S = 86400 * 365 * 10, /* CACHE_MAX_AGE */
    MAX_OPEN = 128,                 /* of an application's single files, and so on */
    MAX_CACHED = 8 * 1024 * 1024,
    MAX_HASHED = 64 * 1024 * 1024
};

int spi_file_fail(spout_request *r, const char *path, int errnum)
{
    const spi_static_root *root = r->handler->static_root;
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case EINVAL: return spout_fail(r, 404, "%s", "");
    case ELOOP:
        if (!root || root->options.links != SPOUT_STATIC_LINKS_NONE)
            return spout_fail(r, 404, "%s", "");
        return spout_fail(r, 403, "%s leads through a symbolic link", path);
    case EXDEV: return spout_fail(r, 403, "%s is outside the static folder", path);
    case EISDIR:
    case ENXIO: return spout_fail(r, 403, "%s is not a file", path);
    case EACCES:
    case EPERM: return spout_fail(r, 403, "%s may not be read", path);
    default: return spout_error_set_errno(errnum, "cannot open %s", path);
    }
}

/* A browser that is told "//host" or "/\host" goes to that host. */
static bool is_safe_redirect(const char *path)
{
    return path[0] == '/' && path[1] != '/' && path[1] != '\\';
}

static int redirect_to_folder(spout_request *r)
{
    const spi_request_head *head = &r->exchange->head;
    if (!is_safe_redirect(head->path))
        return spout_fail(r, 403, "a redirect to %s/ would lead elsewhere", head->path);
    const char *query = *head->query ? spi_arena_format(spi_request_arena(r), "?%s", head->query)
                                     : "";
    const char *url = spi_arena_format(spi_request_arena(r), "%s/%s", head->path, query);
    return spout_redirect(r, url, 301);
}

/* --- how long it may be kept --- */

static bool is_hash(const char *text, size_t len)
{
    return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

/* A version of ours that isn't the file's: an old page, or a server that has not got the new file
   yet. Versions of other kinds are taken at their word. */
static bool is_other_version(const spi_static_root *root, const spi_file *file, const char *version)
{
    if (root->options.get_version || !*file->version)
        return false;
    return is_hash(version, strlen(file->version)) && strcmp(version, file->version) != 0;
}

static void put_for_ever(spout_request *r)
{
    int64_t now = spi_loop_wall_us(r->exchange->loop) / 1000000;
    char *expires = spi_arena_chars(spi_request_arena(r), 30);
    spi_response_put(r, "Expires", spout_format_timestamp(now + TEN_YEARS_S, expires));
    spi_response_put(r, "Cache-Control", "max-age=315360000, immutable");
}

static void put_cache_control(spout_request *r, const spi_static_root *root, const spi_file *file)
{
    const char *query = r->exchange->head.query;
    const char *version = *query ? spout_query_argument(r, "v", "") : "";
    if (!*version && root->options.max_age_s <= 0)
        return;
    if (spi_response_find(&r->response, "Cache-Control", 13) >= 0)
        return; /* the application's own is kept */
    if (*version && is_other_version(root, file, version))
        spi_response_put(r, "Cache-Control", "no-cache");
    else if (*version)
        put_for_ever(r);
    else
        spi_response_put(r, "Cache-Control",
            spi_arena_format(
                spi_request_arena(r), "max-age=%lld", (long long)root->options.max_age_s));
}

/* --- the file --- */

/* With its hash, if it can be had: *ret_result is that of spi_file_hash. `root` NULL: the cache's
   own. -1 with errno. */
static int find_hashed(spi_static_root *root, spi_file_cache *cache, spout_loop *loop,
    const char *path, spi_file **ret_file, int *ret_result)
{
    for (int i = 0;; i++) {
        spi_file *file;
        int found = root ? spi_static_find(root, loop, path, false, &file)
                         : spi_file_cache_get(cache, loop, path, true, &file);
        if (found < 0)
            return -1;
        int result = spi_file_hash(file);
        if (result != SPI_FILE_CHANGED || i == MAX_TRIES) {
            *ret_file = file;
            *ret_result = result;
            return 0;
        }
        spi_file_unref(file);
    }
}

int spi_static_find_hashed(
    spi_static_root *root, spout_loop *loop, const char *path, spi_file **ret_file, int *ret_result)
{
    return find_hashed(root, NULL, loop, path, ret_file, ret_result);
}

/* Takes the reference. */
static int send_from_folder(spout_request *r, spi_static_root *root, spi_file *file)
{
    const char *type = file->content_type, *coding = NULL;
    put_cache_control(r, root, file);
    if (root->options.precompressed) {
        spi_file *chosen = spi_static_choose(r, root, file, &coding);
        spi_file_unref(file);
        file = chosen;
        spi_response_vary(r, "Accept-Encoding");
        int result = spi_file_hash(file);
        if (result < 0) {
            spi_file_unref(file);
            return result;
        }
    }
    return spi_file_send(r, file, type, coding);
}

static int serve_path(spout_request *r, const char *path, bool folder);

static int serve_folder(spout_request *r, const char *path)
{
    const spi_static_root *root = r->handler->static_root;
    const char *name = root->options.default_filename;
    if (!name)
        return spout_fail(r, 403, "%s is a folder", *path ? path : "/");
    const char *raw = r->exchange->head.path;
    if (raw[strlen(raw) - 1] != '/')
        return redirect_to_folder(r);
    size_t len = strlen(path);
    const char *separator = len && path[len - 1] != '/' ? "/" : "";
    const char *file = spi_arena_format(spi_request_arena(r), "%s%s%s", path, separator, name);
    return serve_path(r, file, false);
}

/* `folder`: it may be one. */
static int serve_path(spout_request *r, const char *path, bool folder)
{
    spi_static_root *root = r->handler->static_root;
    spi_file *file;
    int result;
    if (spi_static_find_hashed(root, r->exchange->loop, path, &file, &result) < 0)
        return folder && errno == EISDIR ? serve_folder(r, path) : spi_file_fail(r, path, errno);
    if (result < 0) {
        spi_file_unref(file);
        return result;
    }
    return send_from_folder(r, root, file);
}

/* What the pattern captures; the whole path where it can't capture anything. */
static const char *captured_path(spout_request *r)
{
    if (!r->match.capture_count) {
        const char *whole = r->exchange->head.path + 1;
        return strchr(whole, '%') ? spout_url_unescape(whole, false) : whole;
    }
    const char *path = spout_path_argument(r, "path");
    if (!path)
        path = spout_path_argument_at(r, 1);
    return path ? path : "";
}

int spi_static_serve(spout_request *r)
{
    const spout_static_options *options = &r->handler->static_root->options;
    const char *url_path = captured_path(r);
    if (options->parse_url_path) {
        url_path = options->parse_url_path(r, url_path);
        if (!url_path)
            return spout_error_current() ? spout_error_code_current()
                                         : spout_fail(r, 404, "%s", "");
    }
    const char *path = spi_static_normalise(spi_request_arena(r), url_path);
    if (!path)
        return spi_file_fail(r, url_path, EXDEV);
    if (options->hide_dotfiles && spi_static_is_hidden(path))
        return spi_file_fail(r, path, ENOENT);
    bool is_folder = !*path || path[strlen(path) - 1] == '/';
    if (is_folder && options->default_filename)
        return serve_folder(r, path); /* what is there shows in its file */
    return serve_path(r, path, true);
}

/* --- single files --- */

static int open_anywhere(const void *self, const char *path)
{
    (void)self;
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static spi_file_cache *single_files(spout_application *application)
{
    static const spi_file_source source = {
        .open = open_anywhere,
        .folder = AT_FDCWD,
        .links = true,
        .max_open = MAX_OPEN,
        .max_memory = MAX_CACHED,
        .max_hashed = MAX_HASHED,
    };
    if (!application->single_files)
        application->single_files = spi_file_cache_new(&source);
    return application->single_files;
}

int spout_write_file(spout_request *r, const char *path)
{
    if (r->response.head_sent || r->response.len)
        return spout_error_set(SPOUT_ESTATE, "spout_write_file: the reply has been begun already");
    spi_file_cache *cache = single_files(r->application);
    spi_file *file;
    int result;
    if (find_hashed(NULL, cache, r->exchange->loop, path, &file, &result) < 0)
        return spi_file_fail(r, path, errno);
    if (result < 0) {
        spi_file_unref(file);
        return result;
    }
    return spi_file_send(r, file, file->content_type, NULL);
}
