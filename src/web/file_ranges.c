/* Parts of a file (RFC 9110 §14): one range as it is, several as multipart/byteranges. */
#include "base/digest.h"
#include "base/text.h"
#include "web/request.h"
#include "web/static.h"

#include <spout/httputil.h>

enum { MAX_RANGES = 16 };

typedef struct parts {
    const spout_range *ranges;
    int count;
    const char *heads[MAX_RANGES];
    const char *end;
    int64_t len; /* of the whole multipart body */
} parts;

static const char *range_text(spout_request *r, spout_range range, int64_t size)
{
    return spi_arena_format(spi_request_arena(r), "bytes %lld-%lld/%lld", (long long)range.start,
        (long long)range.end - 1, (long long)size);
}

static void drop_field(spout_request *r, const char *name)
{
    int at = spi_response_find(&r->response, name, strlen(name));
    if (at >= 0)
        spi_response_remove_at(&r->response, (uint32_t)at);
}

/* That there is no such part is no property of the file: it isn't to be kept. */
static int refuse(spout_request *r, const spi_file *file)
{
    static const char *const others[] = { "Cache-Control", "Expires", "Content-Encoding", "Etag",
        "Last-Modified" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        drop_field(r, others[i]);
    spi_response_put(r, "Content-Type", "text/plain; charset=UTF-8");
    spi_response_put(r, "Content-Range",
        spi_arena_format(spi_request_arena(r), "bytes */%lld", (long long)file->size));
    return spout_set_status(r, 416, NULL);
}

static int send_one(spout_request *r, const spi_file *file, spout_range range)
{
    r->response.status = 206;
    spi_response_put(r, "Content-Range", range_text(r, range, file->size));
    int result = spi_response_send_head(r, range.end - range.start);
    return result < 0 ? result : spi_file_send_part(r, file, range.start, range.end - range.start);
}

static void lay_out(spout_request *r, const spi_file *file, parts *all)
{
    unsigned char random[16];
    char boundary[33];
    spi_random_bytes(random, sizeof random);
    spi_hex_encode(boundary, random, sizeof random);
    boundary[32] = '\0';
    spi_arena *arena = spi_request_arena(r);
    const char *type = spout_get_reply_header(r, "Content-Type");
    for (int i = 0; i < all->count; i++) {
        all->heads[i] = spi_arena_format(arena,
            "%s--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n", i ? "\r\n" : "", boundary,
            type, range_text(r, all->ranges[i], file->size));
        all->len += (int64_t)strlen(all->heads[i]) + all->ranges[i].end - all->ranges[i].start;
    }
    all->end = spi_arena_format(arena, "\r\n--%s--\r\n", boundary);
    all->len += (int64_t)strlen(all->end);
    spi_response_put(
        r, "Content-Type", spi_arena_format(arena, "multipart/byteranges; boundary=%s", boundary));
}

static int send_text(spout_request *r, const char *text)
{
    r->response.sent += strlen(text);
    return spi_response_sent(r, r->exchange->ops->send_body(r->exchange, spout_bytes_of(text)));
}

static int send_part(spout_request *r, const spi_file *file, const parts *all, int i)
{
    spout_range range = all->ranges[i];
    int result = send_text(r, all->heads[i]);
    return result < 0 ? result : spi_file_send_part(r, file, range.start, range.end - range.start);
}

static int send_many(spout_request *r, const spi_file *file, const spout_range *ranges, int count)
{
    parts all = { .ranges = ranges, .count = count };
    lay_out(r, file, &all);
    r->response.status = 206;
    int result = spi_response_send_head(r, all.len);
    for (int i = 0; i < count && result == 0; i++)
        result = send_part(r, file, &all, i);
    return result < 0 ? result : send_text(r, all.end);
}

/* Ranges that together are more than the file, or all of it, are better served by the file. */
static bool is_all(const spi_file *file, const spout_range *ranges, int count)
{
    int64_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += ranges[i].end - ranges[i].start;
    return sum >= file->size;
}

/* Parts of something encoded, in a frame that is not: nobody would know which of both the coding
   is of. */
static bool is_ambiguous(const spi_file_reply *reply, int count)
{
    return reply->coding && count > 1;
}

int spi_file_send_ranges(spout_request *r, const spi_file_reply *reply)
{
    spout_range ranges[MAX_RANGES];
    const spi_file *file = reply->file;
    int count = spout_parse_range(spout_header(r, "Range", ""), file->size, ranges, MAX_RANGES);
    if (count == SPOUT_ENOTFOUND)
        return refuse(r, file);
    if (count <= 0 || is_all(file, ranges, count) || is_ambiguous(reply, count))
        return 1;
    return count == 1 ? send_one(r, file, ranges[0]) : send_many(r, file, ranges, count);
}
