/* The verbs that build a reply. */
#include <spout/httputil.h>

#include "base/error.h"
#include "base/text.h"
#include "http/date.h"
#include "web/compress.h"
#include "web/etag.h"
#include "web/request.h"

#include <stdarg.h>
#include <stdio.h>

static int refuse_late(const char *what)
{
    return spout_error_set(SPOUT_ESTATE, "%s: the head of the reply has been sent", what);
}

int spout_clear(spout_request *r)
{
    if (r->response.head_sent)
        return refuse_late("spout_clear");
    spout_method *set_default_headers = r->handler->spec.set_default_headers;
    spi_response_reset(r);
    return set_default_headers ? spi_request_call(r, set_default_headers) : 0;
}

int spout_set_status(spout_request *r, int status, const char *reason)
{
    if (r->response.head_sent)
        return refuse_late("spout_set_status");
    if (status < 200 || status > 999)
        return spout_error_set(SPOUT_EINVAL, "%d is no status of a final reply", status);
    if (reason && !spi_is_field_value(reason, strlen(reason)))
        return spout_error_set(SPOUT_EINVAL, "a reason phrase holds no control characters");
    r->response.status = status;
    r->response.reason = reason ? spi_arena_strdup(spi_request_arena(r), reason) : NULL;
    return 0;
}

int spout_get_status(spout_request *r)
{
    return r->response.status;
}

/* Fields that decide how the message is framed. Returns 1 if it was one and is dealt with. */
static int set_framing(spout_request *r, const char *name, size_t name_len, const char *value)
{
    if (spi_equal_nocase(name, name_len, "Content-Length", 14)) {
        uint64_t length;
        if (!spi_parse_uint(value, strlen(value), INT64_MAX, &length))
            return spout_error_set(SPOUT_EINVAL, "Content-Length takes digits, not \"%s\"", value);
        r->response.declared = (int64_t)length;
        r->response.declared_text = spi_arena_strdup(spi_request_arena(r), value);
        return 1;
    }
    if (spi_equal_nocase(name, name_len, "Connection", 10)) {
        if (spi_text_equal_nocase(value, "close"))
            r->response.close = true;
        else if (!spi_text_equal_nocase(value, "keep-alive"))
            return spout_error_set(SPOUT_EINVAL, "Connection takes \"close\" or \"keep-alive\"");
        return 1;
    }
    if (spi_equal_nocase(name, name_len, "Transfer-Encoding", 17))
        return spout_error_set(SPOUT_EINVAL, "Transfer-Encoding is the server's to choose");
    return 0;
}

/* Without outer white space, as a receiver would read it; validated. */
static int take_value(spout_request *r, const char *name, const char *value, const char **ret_value)
{
    if (!value)
        return spout_error_set(SPOUT_EINVAL, "the value of header %s is NULL", name);
    while (*value == ' ' || *value == '\t')
        value++;
    size_t len = strlen(value);
    while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    if (!spi_is_field_value(value, len))
        return spout_error_set(SPOUT_EINVAL, "the value of header %s has control characters", name);
    *ret_value = spi_arena_memdup(spi_request_arena(r), value, len);
    return 0;
}

static int check_name(const char *name)
{
    if (!name || !spi_is_token(name, strlen(name)))
        return spout_error_set(SPOUT_EINVAL, "that is no name of a header");
    return 0;
}

/* 0: the value is to be stored; 1: nothing is left to do; < 0. */
static int prepare_field(
    spout_request *r, const char *name, const char *value, const char **ret_value)
{
    if (r->response.head_sent)
        return refuse_late("spout_set_header");
    if (check_name(name) < 0 || take_value(r, name, value, ret_value) < 0)
        return SPOUT_EINVAL;
    return set_framing(r, name, strlen(name), *ret_value);
}

static void remove_others(spi_response *response, int kept)
{
    const spi_field *field = spi_response_change(response, (uint32_t)kept);
    uint32_t out = (uint32_t)kept + 1;
    for (uint32_t i = out; i < response->field_count; i++) {
        const spi_field *other = &response->fields[i];
        if (other->name_len == field->name_len &&
            spi_equal_nocase(other->name, other->name_len, field->name, field->name_len))
            continue;
        if (out != i)
            response->fields[out] = *other;
        out++;
    }
    response->field_count = out;
}

/* A type that was set before is known to be a valid one. */
static inline bool set_known_type(spout_request *r, const char *name, const char *value)
{
    static const char type[] = "Content-Type";
    spi_response *response = &r->response;
    if (!name || !value || response->head_sent || strlen(name) != sizeof type - 1 ||
        memcmp(name, type, sizeof type - 1) != 0)
        return false;
    spi_usual *usual = spi_usual_find(&r->application->usual, value, strlen(value));
    if (!usual || !spi_response_has_usual_type(response))
        return false;
    response->usual = usual;
    response->type_set = true;
    return true;
}

__attribute__((noinline)) static int set_any_header(
    spout_request *r, const char *name, const char *value)
{
    const char *stored;
    int result = prepare_field(r, name, value, &stored);
    if (result)
        return result < 0 ? result : 0;
    size_t len = strlen(name);
    if (spi_equal_nocase(name, len, "Content-Type", 12)) {
        r->response.type_set = true;
        if (spi_response_take_type(r, stored))
            return 0;
    }
    int at = spi_response_find(&r->response, name, len);
    if (at < 0) {
        spi_response_add(r, spi_arena_strdup(spi_request_arena(r), name), stored);
        return 0;
    }
    spi_field *field = spi_response_change(&r->response, (uint32_t)at);
    field->value = stored;
    field->value_len = (uint32_t)strlen(stored);
    remove_others(&r->response, at);
    return 0;
}

int spout_set_header(spout_request *r, const char *name, const char *value)
{
    return set_known_type(r, name, value) ? 0 : set_any_header(r, name, value);
}

int spout_add_header(spout_request *r, const char *name, const char *value)
{
    const char *stored;
    int result = prepare_field(r, name, value, &stored);
    if (result)
        return result < 0 ? result : 0;
    spi_response_add(r, spi_arena_strdup(spi_request_arena(r), name), stored);
    return 0;
}

int spout_clear_header(spout_request *r, const char *name)
{
    if (r->response.head_sent)
        return refuse_late("spout_clear_header");
    if (check_name(name) < 0)
        return SPOUT_EINVAL;
    size_t len = strlen(name);
    if (spi_equal_nocase(name, len, "Content-Length", 14))
        r->response.declared = -1;
    if (spi_equal_nocase(name, len, "Connection", 10))
        r->response.close = false;
    int at = spi_response_find(&r->response, name, len);
    if (at < 0)
        return 0;
    remove_others(&r->response, at);
    spi_response_remove_at(&r->response, (uint32_t)at);
    return 0;
}

const char *spout_get_reply_header(spout_request *r, const char *name)
{
    size_t len = strlen(name);
    if (r->response.declared >= 0 && spi_equal_nocase(name, len, "Content-Length", 14))
        return r->response.declared_text;
    int at = spi_response_find(&r->response, name, len);
    if (at < 0 && r->response.tagged && spi_equal_nocase(name, len, "Etag", 4))
        return spi_etag_write(r, r->response.hash);
    if (at < 0)
        return NULL;
    const spi_field *field = spi_response_field(&r->response, (uint32_t)at);
    bool is_date = !field->value || field->value == r->response.usual->date;
    return is_date ? spi_http_date(r->exchange->loop) : field->value;
}

int spout_write_bytes(spout_request *r, spout_bytes bytes)
{
    int result = spi_response_append(r, bytes.data, bytes.len);
    return result < 0 ? spi_request_stick(r) : 0;
}

int spout_write(spout_request *r, const char *text)
{
    if (!text) {
        spout_error_set(SPOUT_EINVAL, "spout_write was given NULL");
        return spi_request_stick(r);
    }
    return spout_write_bytes(r, spout_bytes_of(text));
}

SPOUT_PRINTF(2, 0) static int write_formatted(spout_request *r, const char *format, va_list args)
{
    char small[512], *text = small;
    va_list again;
    va_copy(again, args);
    int len = format ? vsnprintf(small, sizeof small, format, args) : -1;
    if (len >= (int)sizeof small) {
        text = spi_arena_chars(spi_request_arena(r), (size_t)len + 1);
        len = vsnprintf(text, (size_t)len + 1, format, again);
    }
    va_end(again);
    if (len >= 0)
        return spout_write_bytes(r, (spout_bytes){ text, (size_t)len });
    spout_error_set(SPOUT_EINVAL, "spout_write_format: the format could not be written");
    return spi_request_stick(r);
}

int spout_write_format(spout_request *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = write_formatted(r, format, args);
    va_end(args);
    return result;
}

/* What went wrong before decides before anything goes out. */
static int check_failure(spout_request *r)
{
    return r->failure ? spi_error_put(spi_error_copy(r->failure)) : 0;
}

static int begin_parts(spout_request *r)
{
    spi_response *response = &r->response;
    if (response->head_sent)
        return 0;
    if (spi_status_is_bodiless(response->status) && response->len)
        return spout_error_set(
            SPOUT_EINVAL, "a reply with status %d has no body", response->status);
    if (r->handler->compresses)
        spi_compress_begin(r, false);
    return spi_response_send_head(r, response->compressor ? -1 : response->declared);
}

static int send_parts(spout_request *r)
{
    if (r->response.ended)
        return spout_error_set(SPOUT_ESTATE, "spout_flush: the reply is finished");
    int result = check_failure(r);
    if (result == 0 && r->handler->transforms)
        result = spi_response_transform(r, false);
    if (result == 0)
        result = begin_parts(r);
    if (result == 0 && r->response.compressor)
        result = spi_compress_pieces(r, false);
    return result < 0 ? result : spi_response_send_pieces(r);
}

/* Ending the wait early loses nothing: what was written is on its way. */
int spout_flush(spout_request *r)
{
    if (send_parts(r) < 0)
        return spi_request_stick(r);
    return spi_response_sent(r, r->exchange->ops->wait_writable(r->exchange));
}

int spout_finish(spout_request *r)
{
    if (r->response.ended)
        return spout_error_set(SPOUT_ESTATE, "spout_finish: the reply is finished already");
    int result = check_failure(r);
    if (result == 0)
        result = spi_response_end(r);
    if (result < 0)
        return spi_request_stick(r);
    spi_request_log(r);
    return 0;
}

bool spout_is_finished(spout_request *r)
{
    return r->response.ended;
}

bool spout_is_gone(spout_request *r)
{
    return r->exchange->gone;
}

int spout_redirect(spout_request *r, const char *url, int status)
{
    if (r->response.head_sent)
        return refuse_late("spout_redirect");
    if (status && (status < 300 || status > 399))
        return spout_error_set(SPOUT_EINVAL, "%d is no status of a redirect", status);
    int result = spout_set_header(r, "Location", url);
    if (result == 0)
        result = spout_set_status(r, status ? status : 302, NULL);
    return result < 0 ? result : spout_finish(r);
}

int spout_fail(spout_request *r, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = spi_arena_vformat(spi_request_arena(r), format, args);
    va_end(args);
    return spout_error_set_status(status, "%s", text);
}
