/* From a path to an open file, without a way out of the folder. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "web/static.h"

#include <spout/error.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A file that is a FIFO or a terminal must not make the loop wait. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, MAX_TRIES = 8 };

/* Of each folder, where its options say nothing. */
enum { MAX_OPEN = 128, MAX_CACHED = 8 * 1024 * 1024, MAX_HASHED = 64 * 1024 * 1024 };

static int64_t limit_of(int64_t option, int64_t usual)
{
    if (option == SPOUT_NONE)
        return INT64_MAX;
    return option == SPOUT_ZERO ? 0 : option ? option : usual;
}

static int check_options(const spout_static_options *options)
{
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++) {
        if (options->reserved[i])
            return spout_error_set(SPOUT_EINVAL, "reserved members of static options must be zero");
    }
    if (!options->path)
        return spout_error_set(SPOUT_EINVAL, "static files need a path");
    if (options->max_open_files < SPOUT_ZERO || options->max_cached_bytes < SPOUT_ZERO ||
        options->max_hashed_bytes < SPOUT_ZERO)
        return spout_error_set(SPOUT_EINVAL, "a limit of static files is negative");
    return 0;
}

spi_static_root *spi_static_open(spi_arena *arena, const spout_static_options *options)
{
    char real[PATH_MAX];
    if (check_options(options) < 0)
        return NULL;
    if (!realpath(options->path, real)) {
        spout_error_set_errno(errno, "static folder %s", options->path);
        return NULL;
    }
    int fd = open(real, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0) {
        spout_error_set_errno(errno, "static folder %s", options->path);
        return NULL;
    }
    spi_static_root *root = spi_arena_calloc(arena, sizeof *root);
    root->fd = fd;
    root->path = spi_arena_strdup(arena, strcmp(real, "/") == 0 ? "" : real);
    root->path_len = strlen(root->path);
    root->options = *options;
    return root;
}

void spi_static_close(spi_static_root *root)
{
    if (!root)
        return;
    spi_file_cache_free(root->cache);
    close(root->fd);
}

static int open_for_cache(const void *self, const char *path)
{
    return spi_static_open_file(self, path);
}

static spi_file_cache *cache_of(spi_static_root *root)
{
    const spout_static_options *options = &root->options;
    const spi_file_source source = {
        .open = open_for_cache,
        .self = root,
        .folder = root->fd,
        .links = options->links != SPOUT_STATIC_LINKS_NONE,
        .sha256 = options->sha256,
        .max_open = limit_of(options->max_open_files, MAX_OPEN),
        .max_memory = limit_of(options->max_cached_bytes, MAX_CACHED),
        .max_hashed = limit_of(options->max_hashed_bytes, MAX_HASHED),
    };
    if (!root->cache)
        root->cache = spi_file_cache_new(&source);
    return root->cache;
}

int spi_static_find(
    spi_static_root *root, spout_loop *loop, const char *path, bool fresh, spi_file **ret_file)
{
    return spi_file_cache_get(cache_of(root), loop, path, fresh, ret_file);
}

static bool leads_up(const char *path)
{
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || !at[2]))
            return true;
    }
    return false;
}

/* Follows the links itself and looks where they end: for absolute links, and where the kernel has
   no openat2. */
static int open_resolved(const spi_static_root *root, const char *path)
{
    char full[PATH_MAX], real[PATH_MAX];
    int len = snprintf(full, sizeof full, "%s/%s", root->path, path);
    if (len < 0 || (size_t)len >= sizeof full) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (!realpath(full, real))
        return -1;
    if (strncmp(real, root->path, root->path_len) != 0 ||
        (real[root->path_len] && real[root->path_len] != '/')) {
        errno = EXDEV;
        return -1;
    }
    size_t path_len = strlen(path);
    struct stat info;
    if (path_len && path[path_len - 1] == '/' && stat(real, &info) == 0 && !S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        return -1;
    }
    return open(real, OPEN_FLAGS | O_NOFOLLOW);
}

static int open_how(const spi_static_root *root, const char *path, uint64_t resolve)
{
    struct open_how how = { .flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | resolve };
    for (int i = 0; i < MAX_TRIES; i++) {
        long fd = syscall(SYS_openat2, root->fd, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) /* EAGAIN: something was renamed meanwhile */
            return (int)fd;
    }
    return -1;
}

/* The kernel refuses that call as a whole: an old one, or a sandbox. */
static bool is_refused(int fd)
{
    return fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EAGAIN);
}

static int open_beneath(const spi_static_root *root, const char *path)
{
    int fd = open_how(root, path, RESOLVE_NO_MAGICLINKS);
    if (is_refused(fd) || (fd < 0 && errno == EXDEV))
        return open_resolved(root, path);
    return fd;
}

/* Where a folder is asked for, a link that isn't to be followed is said to be none. */
static int openat_without_link(int folder, const char *name, int flags)
{
    struct stat info;
    int fd = openat(folder, name, OPEN_FLAGS | O_NOFOLLOW | flags);
    if (fd >= 0 || errno != ENOTDIR)
        return fd;
    bool link = fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
    errno = link ? ELOOP : ENOTDIR;
    return -1;
}

/* Segment by segment: where the kernel has no openat2. */
static int open_segments(const spi_static_root *root, const char *path)
{
    int folder = fcntl(root->fd, F_DUPFD_CLOEXEC, 0);
    for (const char *at = path; folder >= 0;) {
        char name[NAME_MAX + 1];
        size_t len = strcspn(at, "/");
        if (len > NAME_MAX) {
            close(folder);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, at, len);
        name[len] = '\0';
        at += len;
        int fd = openat_without_link(folder, len ? name : ".", *at ? O_DIRECTORY : 0);
        int errnum = errno;
        close(folder);
        errno = errnum;
        if (!*at)
            return fd;
        folder = fd;
        at++;
    }
    return -1;
}

static int open_without_links(const spi_static_root *root, const char *path)
{
    int fd = open_how(root, path, RESOLVE_NO_SYMLINKS);
    return is_refused(fd) ? open_segments(root, path) : fd;
}

int spi_static_open_file(const spi_static_root *root, const char *path)
{
    if (*path == '/' || leads_up(path)) {
        errno = EXDEV;
        return -1;
    }
    const char *inside = *path ? path : ".";
    switch (root->options.links) {
    case SPOUT_STATIC_LINKS_INSIDE: return open_beneath(root, inside);
    case SPOUT_STATIC_LINKS_NONE: return open_without_links(root, inside);
    case SPOUT_STATIC_LINKS_ANYWHERE: break;
    }
    return openat(root->fd, inside, OPEN_FLAGS);
}
