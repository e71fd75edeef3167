/* A file as a reply: validators, conditions (RFC 9110 §13), the whole of it. */
#include "base/text.h"
#include "web/request.h"
#include "web/static.h"

#include <spout/httputil.h>

/* The fields that make a request for a file more than that. */
enum {
    IF_MATCH = 1,
    IF_NONE_MATCH = 2,
    IF_MODIFIED_SINCE = 4,
    IF_UNMODIFIED_SINCE = 8,
    RANGE = 16
};

static unsigned named(const spi_field *field, const char *name, unsigned flag)
{
    return spi_equal_nocase(field->name, field->name_len, name, field->name_len) ? flag : 0;
}

/* One pass, since most requests have none of them. */
static unsigned find_wishes(const spi_request_head *head)
{
    unsigned wishes = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        switch (field->name_len) {
        case 5: wishes |= named(field, "Range", RANGE); break;
        case 8: wishes |= named(field, "If-Match", IF_MATCH); break;
        case 13: wishes |= named(field, "If-None-Match", IF_NONE_MATCH); break;
        case 17: wishes |= named(field, "If-Modified-Since", IF_MODIFIED_SINCE); break;
        case 19: wishes |= named(field, "If-Unmodified-Since", IF_UNMODIFIED_SINCE); break;
        }
    }
    return wishes;
}

static bool has_time(spout_request *r, const char *name, int64_t *ret_time)
{
    const char *text = spout_header(r, name, NULL);
    return text && spout_parse_timestamp(text, ret_time) == 0;
}

static bool precondition_fails(spout_request *r, const spi_file_reply *reply, unsigned wishes)
{
    int64_t since;
    if (wishes & IF_MATCH)
        return !spout_etag_is_matched(spout_header(r, "If-Match", ""), reply->etag);
    return (wishes & IF_UNMODIFIED_SINCE) && has_time(r, "If-Unmodified-Since", &since) &&
           reply->modified > since;
}

static bool is_known(spout_request *r, const spi_file_reply *reply, unsigned wishes)
{
    int64_t since;
    if (wishes & IF_NONE_MATCH)
        return spout_etag_matches(spout_header(r, "If-None-Match", NULL), reply->etag);
    return (wishes & IF_MODIFIED_SINCE) && has_time(r, "If-Modified-Since", &since) &&
           reply->modified <= since;
}

/* If-Range: only with the very version that the client has. The time of one that has neighbours
   doesn't tell which of them it was. */
static bool wants_ranges(spout_request *r, const spi_file_reply *reply)
{
    const char *if_range = spout_header(r, "If-Range", NULL);
    int64_t time;
    if (!if_range)
        return true;
    if (*if_range == '"')
        return strcmp(if_range, reply->etag) == 0;
    const spi_static_root *root = r->handler->static_root;
    return !(root && root->options.precompressed) && spout_parse_timestamp(if_range, &time) == 0 &&
           time == reply->modified;
}

static const char *make_tag(spout_request *r, const spi_file *file, const char *coding)
{
    char tag[SPI_FILE_TAG_MAX];
    if (*file->version && !coding)
        return file->etag;
    if (!*file->version)
        spi_file_tag(file, tag);
    const char *plain = *file->version ? file->etag : tag;
    if (!coding)
        return spi_arena_strdup(spi_request_arena(r), plain);
    return spi_arena_format(
        spi_request_arena(r), "%.*s-%s\"", (int)strlen(plain) - 1, plain, coding);
}

/* RFC 9110 §8.8.2.1: never later than Date. */
static const char *last_modified(spout_request *r, const spi_file_reply *reply)
{
    if (reply->modified == reply->file->modified)
        return reply->file->last_modified;
    return spout_format_timestamp(reply->modified, spi_arena_chars(spi_request_arena(r), 30));
}

static void put_fields(spout_request *r, const spi_file_reply *reply)
{
    spi_response_put(r, "Accept-Ranges", "bytes");
    spi_response_put(r, "Etag", reply->etag);
    spi_response_put(r, "Last-Modified", last_modified(r, reply));
    if (!r->response.type_set)
        spi_response_put(r, "Content-Type", reply->content_type);
    if (reply->coding)
        spi_response_put(r, "Content-Encoding", reply->coding);
}

int spi_file_send_part(spout_request *r, const spi_file *file, int64_t start, int64_t len)
{
    const spi_exchange_ops *ops = r->exchange->ops;
    int result = file->open ? ops->send_file(r->exchange, file->open, start, len)
                            : ops->send_body(
                                  r->exchange, (spout_bytes){ file->bytes + start, (size_t)len });
    if (result == 0)
        r->response.sent += (uint64_t)len;
    return spi_response_sent(r, result);
}

/* As a body of the handler's own would be, so that .compress_response sees it. */
static bool is_compressed_later(const spout_request *r, const spi_file_reply *reply)
{
    return r->handler->compresses && reply->file->bytes && !reply->coding;
}

static int send_whole(spout_request *r, const spi_file_reply *reply)
{
    if (is_compressed_later(r, reply))
        return spi_response_append(r, reply->file->bytes, (size_t)reply->file->size);
    int result = spi_response_send_head(r, reply->file->size);
    if (result < 0 || r->exchange->head.method == SPI_METHOD_HEAD || reply->file->size == 0)
        return result;
    return spi_file_send_part(r, reply->file, 0, reply->file->size);
}

/* 1: no condition stands against sending it. */
static int answer_condition(spout_request *r, const spi_file_reply *reply, unsigned wishes)
{
    if (precondition_fails(r, reply, wishes))
        return spout_fail(r, 412, "%s", "");
    return is_known(r, reply, wishes) ? spout_set_status(r, 304, NULL) : 1;
}

static void drop_file(void *arg)
{
    spi_file_unref(arg);
}

static spi_file_reply describe(
    spout_request *r, spi_file *file, const char *content_type, const char *coding)
{
    int64_t now = spi_loop_wall_us(r->exchange->loop) / 1000000;
    return (spi_file_reply){
        .file = file,
        .content_type = content_type,
        .etag = make_tag(r, file, coding),
        .coding = coding,
        .modified = file->modified > now ? now : file->modified,
    };
}

int spi_file_send(spout_request *r, spi_file *file, const char *content_type, const char *coding)
{
    const spi_request_head *head = &r->exchange->head;
    bool get = head->method == SPI_METHOD_GET;
    spi_arena_on_reset(
        spi_request_arena(r), drop_file, file); /* texts of it are among the fields */
    const spi_file_reply reply = describe(r, file, content_type, coding);
    r->response.declared = -1;
    r->response.as_is = true;
    put_fields(r, &reply);
    bool conditional = r->response.status == 200 && (get || head->method == SPI_METHOD_HEAD);
    unsigned wishes = conditional ? find_wishes(head) : 0;
    int result = wishes ? answer_condition(r, &reply, wishes) : 1;
    if (result == 1 && get && (wishes & RANGE) && wants_ranges(r, &reply))
        result = spi_file_send_ranges(r, &reply);
    return result == 1 ? send_whole(r, &reply) : result;
}
