/*
 * Forms that stream: multipart/form-data (RFC 7578) part by part, in handlers with .stream_body. Of
 * a file only the piece at hand is in memory, however large it is. What a form may look like is
 * what spout_parse_multipart says. A token against forged requests is in the query or a header
 * then, since it is looked for before the form is read.
 *
 * Either everything at once, fields as arguments and files in a folder:
 *
 * Example:
 *     static int upload(spout_request *r)
 *     {
 *         if (spout_read_form(r, &(spout_form_options){ .folder = "/srv/incoming" }) < 0)
 *             return -1;
 *         const spout_upload *photo = spout_find_upload(r, "photo");
 *         if (!photo)
 *             return spout_fail(r, 400, "no photo");
 *         return spout_upload_move(r, photo, path_for(spout_argument(r, "title", "untitled")));
 *     }
 *
 * or each part as it comes:
 *
 *     spout_part part;
 *     spout_bytes piece;
 *     int result;
 *     while ((result = spout_multipart_next(r, &part)) > 0)
 *         while ((result = spout_part_read(r, &piece)) > 0)
 *             hash_feed(hash, piece);
 *     if (result < 0)
 *         return result;
 *
 * What is wrong with the form is an error with its status: 400 if it is malformed, 408 and 413 by
 * the limits of the server, the handler and the options, 415 if it is no such form; `return -1;`
 * answers with it. After an error the form can't be read on.
 */
#ifndef SPOUT_MULTIPART_H
#define SPOUT_MULTIPART_H

#include <spout/base.h>
#include <spout/httputil.h>
#include <spout/web.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Texts are UTF-8; a name that isn't is read as Latin-1. Valid until the next part is asked for. */
typedef struct spout_part {
    const char *name;         /* of the form's field */
    const char *filename;     /* as sent: not a path to trust; NULL or "": a plain field */
    const char *content_type; /* "" if there is none */
} spout_part;

/* Before the first part is asked for: other limits than those of spout_multipart_options. NULL: the
   defaults. SPOUT_ESTATE once a part was read. */
SPOUT_API int spout_multipart_start(spout_request *r, const spout_multipart_options *options);

/* The next part: 1, 0 behind the last one, < 0. What is unread of the part before is passed over.
   Don't mix with spout_read_body. */
SPOUT_API int spout_multipart_next(spout_request *r, spout_part *ret_part) SPOUT_SUSPENDS;

/* The next piece of the current part's content: 1 with it (valid until the next call), 0 at its
   end, < 0. */
SPOUT_API int spout_part_read(spout_request *r, spout_bytes *ret_piece) SPOUT_SUSPENDS;

/* All that is left of it, up to `max` bytes (413 beyond), with a NUL behind; scoped to the
   request. */
SPOUT_API int spout_part_read_all(
    spout_request *r, size_t max, spout_bytes *ret_content) SPOUT_SUSPENDS;

/* A file that has come, with all texts scoped to the request. */
typedef struct spout_upload {
    const char *name, *filename, *content_type; /* of the part */
    const char *path; /* in the folder; the file is removed when the request ends */
    int64_t size;     /* bytes */
} spout_upload;

/*
 * Writes what is left of the current part to a new file in `folder`, whose name nobody can know
 * beforehand, readable and writable by its owner only; up to max_size bytes (0: no limit of its
 * own; 413 beyond). Off the loop. What was written is not synced to the disk. The file is removed
 * at the end of the request, or at once if this fails; a process that is killed leaves it.
 */
SPOUT_API int spout_part_save(spout_request *r, const char *folder, int64_t max_size,
    const spout_upload **ret_upload) SPOUT_SUSPENDS;

/* Gives an upload a name of its own, for good: rename, which replaces what is there and can't leave
   the file system of the folder. SPOUT_ESTATE if it was moved already. */
SPOUT_API int spout_upload_move(
    spout_request *r, const spout_upload *upload, const char *path) SPOUT_SUSPENDS;

/* The uploads of the request, in their order; an array ended by NULL. And the last of that name,
   NULL if there is none. */
SPOUT_API size_t spout_uploads(spout_request *r, const spout_upload *const **ret_uploads);
SPOUT_API const spout_upload *spout_find_upload(spout_request *r, const char *name);

/* Called with each file; reads it by spout_part_read and its like. What it leaves is passed over; <
   0 ends the reading with that. */
typedef int spout_part_function(spout_request *r, const spout_part *part) SPOUT_SUSPENDS;

/* 0: the default. Sizes in bytes. */
typedef struct spout_form_options {
    spout_multipart_options multipart; /* parts and their headers */
    int64_t max_field_size;            /* of one field's value; 256 KiB; beyond: 413 */
    int64_t max_fields_size;           /* of all names and values together; 1 MiB; beyond: 413 */
    int64_t max_file_size;             /* as large as the body may be; beyond: 413 */
    const char *folder;                /* files go there: spout_uploads */
    spout_part_function *on_file;      /* instead of it; neither: files are passed over */
    void *reserved[4];
} spout_form_options;

/* Reads the whole form: its fields are what spout_argument and the like find from then on. A body
   of type application/x-www-form-urlencoded, up to max_fields_size, will do as well. */
SPOUT_API int spout_read_form(spout_request *r, const spout_form_options *options) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
