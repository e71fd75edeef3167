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

spi_static_root *spi_static_open(spi_arena *arena, const spout_static_options *options)
{
    char real[PATH_MAX];
    if (!options->path) {
        spout_error_set(SPOUT_EINVAL, "static files need a path");
        return NULL;
    }
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
    if (root)
        close(root->fd);
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

static int open_beneath(const spi_static_root *root, const char *path)
{
    struct open_how how = { .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    for (int i = 0; i < MAX_TRIES; i++) {
        long fd = syscall(SYS_openat2, root->fd, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) /* EAGAIN: something was renamed meanwhile */
            return (int)fd;
    }
    return -1;
}

int spi_static_open_file(const spi_static_root *root, const char *path)
{
    if (*path == '/' || leads_up(path)) {
        errno = EXDEV;
        return -1;
    }
    int fd = open_beneath(root, *path ? path : ".");
    if (fd < 0 && (errno == EXDEV || errno == ENOSYS || errno == EPERM || errno == EAGAIN))
        fd = open_resolved(root, path);
    return fd;
}
