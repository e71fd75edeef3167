/* A file as a reply: validators, conditions (RFC 9110 §13), the whole of it. */
#include "base/digest.h"
#include "base/text.h"
#include "web/request.h"
#include "web/static.h"

#include <spout/httputil.h>

#include <unistd.h>

/* Changes with the file: its size, its time to the nanosecond, and which file it is. */
static const char *make_etag(spi_arena *arena, const struct stat *info)
{
    const int64_t facts[] = { (int64_t)info->st_size, (int64_t)info->st_mtim.tv_sec,
        (int64_t)info->st_mtim.tv_nsec, (int64_t)info->st_ino };
    unsigned char hash[16];
    spi_content_hash(hash, facts, sizeof facts);
    char *etag = spi_arena_chars(arena, 35);
    etag[0] = '"';
    spi_hex_encode(etag + 1, hash, sizeof hash);
    memcpy(etag + 33, "\"", 2);
    return etag;
}

static spi_file describe(spout_request *r, int fd, const struct stat *info, const char *name)
{
    int64_t now = spi_loop_wall_us(r->exchange->loop) / 1000000;
    int64_t modified = (int64_t)info->st_mtim.tv_sec;
    return (spi_file){
        .fd = fd,
        .size = (int64_t)info->st_size,
        .modified = modified > now ? now : modified, /* RFC 9110 §8.8.2.1: never later than Date */
        .etag = make_etag(spi_request_arena(r), info),
        .content_type = spi_mime_type(name),
    };
}

/* "*" or a list with this very tag: the strong comparison, so a weak one never matches. */
static bool names_strongly(const char *list, const char *etag)
{
    if (strcmp(list, "*") == 0)
        return true;
    const char *at = strstr(list, etag);
    return at && !(at - list >= 2 && at[-1] == '/' && at[-2] == 'W');
}

static bool has_time(spout_request *r, const char *name, int64_t *ret_time)
{
    const char *text = spout_header(r, name, NULL);
    return text && spout_parse_timestamp(text, ret_time) == 0;
}

static bool precondition_fails(spout_request *r, const spi_file *file)
{
    const char *match = spout_header(r, "If-Match", NULL);
    int64_t since;
    if (match)
        return !names_strongly(match, file->etag);
    return has_time(r, "If-Unmodified-Since", &since) && file->modified > since;
}

static bool is_known(spout_request *r, const spi_file *file)
{
    const char *none_match = spout_header(r, "If-None-Match", NULL);
    int64_t since;
    if (none_match)
        return spout_etag_matches(none_match, file->etag);
    return has_time(r, "If-Modified-Since", &since) && file->modified <= since;
}

/* If-Range: only with the very version that the client has. */
static bool wants_ranges(spout_request *r, const spi_file *file)
{
    if (r->exchange->head.method != SPI_METHOD_GET || !spout_header(r, "Range", NULL))
        return false;
    const char *if_range = spout_header(r, "If-Range", NULL);
    int64_t time;
    if (!if_range)
        return true;
    if (*if_range == '"')
        return strcmp(if_range, file->etag) == 0;
    return spout_parse_timestamp(if_range, &time) == 0 && time == file->modified;
}

static void put_fields(spout_request *r, const spi_file *file)
{
    char *modified = spi_arena_chars(spi_request_arena(r), 30);
    spi_response_put(r, "Accept-Ranges", "bytes");
    spi_response_put(r, "Etag", file->etag);
    spi_response_put(r, "Last-Modified", spout_format_timestamp(file->modified, modified));
    if (!r->response.type_set)
        spi_response_put(r, "Content-Type", file->content_type);
}

static int send_whole(spout_request *r, spi_file *file)
{
    int result = spi_response_send_head(r, file->size);
    if (result < 0 || r->exchange->head.method == SPI_METHOD_HEAD || file->size == 0) {
        close(file->fd);
        return result;
    }
    return spi_response_sent(r, r->exchange->ops->send_file(r->exchange, file->fd, 0, file->size));
}

static int answer_condition(spout_request *r, spi_file *file)
{
    if (precondition_fails(r, file)) {
        close(file->fd);
        return spout_fail(r, 412, "%s", "");
    }
    if (!is_known(r, file))
        return 1;
    close(file->fd);
    return spout_set_status(r, 304, NULL);
}

int spi_file_reply(spout_request *r, int fd, const struct stat *info, const char *name)
{
    spi_method method = r->exchange->head.method;
    spi_file file = describe(r, fd, info, name);
    r->response.declared = -1;
    put_fields(r, &file);
    bool conditional = r->response.status == 200 &&
                       (method == SPI_METHOD_GET || method == SPI_METHOD_HEAD);
    int result = conditional ? answer_condition(r, &file) : 1;
    if (result == 1 && conditional && wants_ranges(r, &file))
        result = spi_file_reply_ranges(r, &file);
    return result == 1 ? send_whole(r, &file) : result;
}
