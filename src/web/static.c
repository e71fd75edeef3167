/* The handler of static folders, and single files from anywhere. */
#include "web/static.h"

#include <spout/error.h>

#include "web/request.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int fail_open(spout_request *r, const char *path, int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL: return spout_fail(r, 404, "%s", "");
    case EXDEV: return spout_fail(r, 403, "%s is outside the static folder", path);
    case EACCES:
    case EPERM:
    case ENXIO: return spout_fail(r, 403, "%s may not be read", path);
    default: return spout_error_set_errno(errnum, "cannot open %s", path);
    }
}

/* The file, or the folder, that a path leads to. */
static int open_path(spout_request *r, const char *path, struct stat *info)
{
    int fd = spi_static_open_file(r->handler->static_root, path);
    if (fd >= 0 && fstat(fd, info) == 0)
        return fd;
    int errnum = errno;
    if (fd >= 0)
        close(fd);
    return fail_open(r, path, errnum);
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

static int set_cache_control(spout_request *r, const spi_static_root *root)
{
    const char *version = spout_query_argument(r, "v", "");
    if (*version)
        return spout_set_header(r, "Cache-Control", "max-age=315360000, immutable");
    if (root->options.max_age_s <= 0)
        return 0;
    return spout_set_header(r, "Cache-Control",
        spi_arena_format(spi_request_arena(r), "max-age=%lld", (long long)root->options.max_age_s));
}

static int serve_file(spout_request *r, int fd, const struct stat *info, const char *path)
{
    if (!S_ISREG(info->st_mode)) {
        close(fd);
        return spout_fail(r, 403, "%s is not a file", path);
    }
    if (set_cache_control(r, r->handler->static_root) < 0) {
        close(fd);
        return SPOUT_EFAILED;
    }
    return spi_file_reply(r, fd, info, path);
}

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
    struct stat info;
    int fd = open_path(r, file, &info);
    return fd < 0 ? fd : serve_file(r, fd, &info, file);
}

int spi_static_serve(spout_request *r)
{
    const char *path = spout_path_argument(r, "path");
    if (!path)
        path = spout_path_argument_at(r, 1);
    if (!path)
        path = "";
    struct stat info;
    int fd = open_path(r, path, &info);
    if (fd < 0)
        return fd;
    if (!S_ISDIR(info.st_mode))
        return serve_file(r, fd, &info, path);
    close(fd);
    return serve_folder(r, path);
}

int spout_write_file(spout_request *r, const char *path)
{
    if (r->response.head_sent || r->response.len)
        return spout_error_set(SPOUT_ESTATE, "spout_write_file: the reply has been begun already");
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_open(r, path, errno);
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return spout_fail(r, 403, "%s is not a file", path);
    }
    return spi_file_reply(r, fd, &info, path);
}
