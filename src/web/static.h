/* Files as replies: where a path leads within a folder, and how a file is sent. */
#ifndef SPI_STATIC_H
#define SPI_STATIC_H

#include <spout/web.h>

#include "base/arena.h"

#include <sys/stat.h>

/* An open folder. */
typedef struct spi_static_root {
    int fd;
    const char *path; /* absolute, without symbolic links */
    size_t path_len;
    spout_static_options options;
} spi_static_root;

/* In the arena, its fd until spi_static_close (NULL is fine). NULL: no such folder. */
spi_static_root *spi_static_open(spi_arena *arena, const spout_static_options *options);
void spi_static_close(spi_static_root *root);

/* The method of handlers with .static_files, for GET and HEAD. */
int spi_static_serve(spout_request *r);

/*
 * Opens what a relative path names, for reading; never blocks on a device, never leaves the folder:
 * not by "..", not by an absolute path, not by a symbolic link (one that leads back into the folder
 * is followed). -1 with errno: EXDEV for what leaves it.
 */
int spi_static_open_file(const spi_static_root *root, const char *path);

/* Replies with an open regular file, which it takes: validators, conditions, ranges (RFC 9110 §13,
   §14). */
typedef struct spi_file {
    int fd;
    int64_t size;
    int64_t modified; /* seconds since 1970 */
    const char *etag, *content_type;
} spi_file;
int spi_file_reply(spout_request *r, int fd, const struct stat *info, const char *name);

/* The ranges of a request for part of a file. 0: sent; 1: nothing to do, send all of it. */
int spi_file_reply_ranges(spout_request *r, spi_file *file);

/* By the extension of a file's name: "text/css; charset=utf-8"; "application/octet-stream" for
   unknown ones. */
const char *spi_mime_type(const char *name);

#endif
