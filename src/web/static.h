/* Files as replies: where a path leads within a folder, and how a file is sent. */
#ifndef SPI_STATIC_H
#define SPI_STATIC_H

#include <spout/static.h>

#include "base/arena.h"
#include "web/file_cache.h"

struct spi_handler;

/* An open folder. */
typedef struct spi_static_root {
    int fd;
    const char *path; /* absolute, without symbolic links */
    size_t path_len;
    spout_static_options options;
    spi_file_cache *cache; /* NULL: nothing was asked for yet */
} spi_static_root;

/* In the arena, its fd and its cache until spi_static_close (NULL is fine). NULL: no such folder,
   or options that make no sense. */
spi_static_root *spi_static_open(spi_arena *arena, const spout_static_options *options);
void spi_static_close(spi_static_root *root);

/* The method of handlers with .static_files, for GET and HEAD. */
int spi_static_serve(spout_request *r);

/* Puts the routes of the application's .static_path, with their handler, in front of its own, in the
   arena. Without it nothing changes. */
int spi_static_routes(spi_arena *arena, spout_application_options *options,
    const spout_route **routes, const spout_handler **ret_handler);

/* The path without ".", ".." and empty segments (RFC 3986 §5.2.4), in the arena or as it is. NULL:
   it leads above its start, or is absolute. */
const char *spi_static_normalise(spi_arena *arena, const char *path);
bool spi_static_is_hidden(const char *path);

/*
 * Opens what a relative path names, for reading; never blocks on a device, and follows no link that
 * the folder's options forbid. -1 with errno: EXDEV for what leaves the folder, ELOOP for a link
 * where none is followed.
 */
int spi_static_open_file(const spi_static_root *root, const char *path);

/* As spi_file_cache_get, from the folder. */
int spi_static_find(
    spi_static_root *root, spout_loop *loop, const char *path, bool fresh, spi_file **ret_file);

/* The same with its hash: *ret_result is that of spi_file_hash. May suspend. */
int spi_static_find_hashed(spi_static_root *root, spout_loop *loop, const char *path,
    spi_file **ret_file, int *ret_result);

/* The neighbour of a file that the client likes better: a new reference, and the name of its
   coding; the file itself again where there is none. */
spi_file *spi_static_choose(
    spout_request *r, spi_static_root *root, spi_file *file, const char **ret_coding);

/* What opening has failed with, as an error of the request. */
int spi_file_fail(spout_request *r, const char *path, int errnum);

/* How a file is sent. */
typedef struct spi_file_reply {
    spi_file *file;
    const char *content_type;
    const char *etag;
    const char *coding; /* NULL: as it is */
    int64_t modified;   /* never later than now */
} spi_file_reply;

/* Replies with a file whose hash was asked for: fields, conditions, ranges (RFC 9110 §13, §14).
   Takes the reference. content_type: unless the handler has set one. */
int spi_file_send(spout_request *r, spi_file *file, const char *content_type, const char *coding);

/* The ranges of a request for part of a file. 0: sent; 1: nothing to do, send all of it. */
int spi_file_send_ranges(spout_request *r, const spi_file_reply *reply);

/* Part of the file behind a head that was sent. */
int spi_file_send_part(spout_request *r, const spi_file *file, int64_t start, int64_t len);

/* By the extension of a file's name: "text/css; charset=utf-8"; "application/octet-stream" for
   unknown ones. */
const char *spi_mime_type(const char *name);

#endif
