/*
 * Files as replies (Tornado's StaticFileHandler): folders, single files, and URLs that change with
 * what they name.
 *
 * GET and HEAD, conditions (If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since),
 * If-Range, one range or several (multipart/byteranges; RFC 9110 §13, §14), 416 for those that lie
 * behind the end.
 *
 * The Etag is a hash of the content, so it is the same on all machines and for all copies. Large
 * files are hashed in the executor, once, while their first requests wait for it together. A hash
 * belongs to one state of one file: that it was replaced, edited in place or given another time is
 * seen by the next request. Files beyond .max_hashed_bytes have a tag of device, inode, size and
 * times, which changes with the file too but differs between machines.
 *
 * Small files stay in memory, others stay open, each up to a limit and for as long as they are
 * asked for. However many requests come in one turn of the loop, a file's state is looked at once.
 *
 * For the loop's metrics: static_open_files and static_memory_bytes are what is kept now, of all
 * folders; static_loads counts files that were read or opened, static_hashes those hashed in the
 * executor.
 *
 * Never outside the folder: a path that leads above it, and a symbolic link that does, is a 403,
 * and so is a folder without .default_filename. The path of one that has it is redirected to the
 * same with a slash behind it (301).
 *
 * With ?v= in the URL a client may keep the file for ten years: .static_path of the application and
 * spout_static_url make such URLs. A hash there that isn't the file's gets Cache-Control: no-cache.
 *
 * .compress_response compresses small files of types that shrink at each request, and no parts;
 * .precompressed sends what was compressed once for all, whatever its size.
 *
 * Example:
 *     static const spout_static_options assets = { .path = "www", .default_filename = "index.html" };
 *     static const spout_handler files = { .static_files = &assets };
 *     static const spout_route routes[] = { { "/{path:path}", &files }, { 0 } };
 */
#ifndef SPOUT_STATIC_H
#define SPOUT_STATIC_H

#include <spout/base.h>
#include <spout/web.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which symbolic links are followed. */
typedef enum spout_static_links {
    SPOUT_STATIC_LINKS_INSIDE,  /* those that lead to something inside the folder; others: 403 */
    SPOUT_STATIC_LINKS_NONE,    /* none: 403 */
    SPOUT_STATIC_LINKS_ANYWHERE /* all, as Tornado: who can make one can publish any file */
} spout_static_links;

/* Copied when the application is built; the texts are not. Limits: 0 the default in brackets,
   SPOUT_ZERO nothing at all, SPOUT_NONE no limit. */
typedef struct spout_static_options {
    const char *path;             /* the folder; must exist when the application is built */
    const char *default_filename; /* for a folder: "index.html"; NULL: 403 */
    int64_t max_age_s;            /* Cache-Control: max-age for URLs without ?v=; 0: none */

    /* "a.css.br" and "a.css.gz" beside "a.css" go to clients that like them better, by the
       q-values of Accept-Encoding: with the type of the original, an Etag of their own, and ranges
       of what is sent. One that is older than its original doesn't count. All replies vary by
       Accept-Encoding. */
    bool precompressed;
    spout_static_links links;
    bool hide_dotfiles; /* 404 for a name that begins with a dot, but for ".well-known" */
    bool sha256; /* for hashes: slower, and safe where authors of files may be hostile; else XXH3 */
    int include_host; /* spout_static_url begins with protocol and host: 1; they don't: 0 */

    int64_t max_open_files;   /* kept open by the folder [128] */
    int64_t max_cached_bytes; /* of small files, kept in memory by the folder [8 MiB] */
    int64_t max_hashed_bytes; /* of a file: larger ones have a tag without a hash [64 MiB] */

    /* The path in the folder for the path of a URL (parse_url_path): scoped, or NULL with an
       error set. */
    const char *(*parse_url_path)(spout_request *r, const char *path);
    /* The version for ?v= of a path in the folder (get_version), instead of its hash: scoped; NULL:
       none. May suspend. */
    const char *(*get_version)(spout_request *r, const char *path);
    /* The whole URL, from its slash, for a path in the folder (make_static_url): scoped; version
       NULL: without one. */
    const char *(*make_static_url)(spout_request *r, const char *path, const char *version);
    void *reserved[4];
} spout_static_options;

/* Makes one file from disk the whole reply, with the same care: for pages outside a static folder.
   Content-Type by its name unless it was set. 404 if there is none, 403 if it can't be read. The
   path is the application's: nothing of it is checked. */
SPOUT_API int spout_write_file(spout_request *r, const char *path) SPOUT_SUSPENDS;

typedef struct spout_static_url_options {
    /* The name of another handler with .static_files, whose first route makes the URL; NULL:
       .static_path of the application. */
    const char *handler;
    int include_host; /* 1, SPOUT_NONE (without); 0: as the folder's options say */
    bool no_version;  /* without ?v= */
    void *reserved[4];
} spout_static_url_options;

/*
 * The URL of a file in a static folder, with its version behind it (static_url): scoped;
 * "/static/css/site.css?v=9f1c…". Percent-encoded. options NULL: all defaults. A file that can't be
 * read has a URL without a version, and a line in the log. NULL: SPOUT_ESTATE without .static_path,
 * SPOUT_ENOTFOUND without such a handler, or the end of the wait for the hash.
 *
 * Example:
 *     spout_write_format(r, "<link rel=stylesheet href=\"%s\">", spout_static_url(r, "site.css", NULL));
 */
SPOUT_API const char *spout_static_url(
    spout_request *r, const char *path, const spout_static_url_options *options) SPOUT_SUSPENDS;

/* The hash of a file in the folder of .static_path, or of the handler of that name if it isn't NULL
   (get_content_version): lower-case hex, scoped; NULL with the error set. What .get_version says,
   where there is one. */
SPOUT_API const char *spout_static_version(
    spout_request *r, const char *handler, const char *path) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
