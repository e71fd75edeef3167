#include "web/arguments.h"

#include "base/error.h"
#include "base/text.h"

static const spi_field *content_type_field(const spout_request *r)
{
    const spi_request_head *head = &r->exchange->head;
    return spi_field_find(head->fields, head->field_count, "Content-Type", 12);
}

static bool has_type(const spi_field *field, const char *type, size_t len)
{
    if (!field || field->value_len < len || !spi_equal_nocase(field->value, len, type, len))
        return false;
    char next = field->value[len];
    return !next || next == ';' || next == ' ' || next == '\t';
}

const char *spi_form_type(spout_request *r, const char *type)
{
    const spi_field *field = content_type_field(r);
    return has_type(field, type, strlen(type)) ? field->value : NULL;
}

static int invalid_body(const char *why)
{
    return spout_error_set_status(400, "Invalid body: %s", why);
}

static int parse_multipart(spout_request *r, const char *type, spi_input *input)
{
    spout_multipart form;
    if (spout_parse_multipart(type, r->exchange->body, r->application->options.multipart, &form) <
        0)
        return invalid_body(spout_error_message());
    input->body.pairs = form.pairs;
    input->body.count = form.pair_count;
    input->files = form.files;
    input->file_count = form.file_count;
    return 0;
}

static int parse_pairs(spout_bytes text, spi_pairs *out)
{
    long count = spout_parse_query(text, 0, &out->pairs);
    if (count < 0)
        return (int)count;
    out->count = (size_t)count;
    return 0;
}

static int parse_form(spout_request *r, spi_input *input)
{
    const spi_request_head *head = &r->exchange->head;
    const spi_field *type = content_type_field(r);
    bool urlencoded = has_type(type, "application/x-www-form-urlencoded", 33);
    if (head->body_kind == SPI_BODY_NONE || r->exchange->body_mode == SPI_BODY_STREAM ||
        (!urlencoded && !has_type(type, "multipart/form-data", 19)))
        return 0;
    if (spi_field_find(head->fields, head->field_count, "Content-Encoding", 16))
        return invalid_body("a form with a Content-Encoding");
    if (!urlencoded)
        return parse_multipart(r, type->value, input);
    return parse_pairs(r->exchange->body, &input->body) < 0 ? invalid_body(spout_error_message())
                                                            : 0;
}

int spi_arguments_take_urlencoded(spout_request *r, spout_bytes body)
{
    spi_scope_guard guard = spi_request_scope_enter(r);
    int result = parse_pairs(body, &spi_request_input(r)->body);
    spi_scope_leave(guard);
    return result < 0 ? invalid_body(spout_error_message()) : 0;
}

static int parse_form_once(spout_request *r)
{
    spi_input *input = spi_request_input(r);
    if (input->body.parsed)
        return 0;
    spi_scope_guard guard = spi_request_scope_enter(r);
    int result = parse_form(r, input);
    spi_scope_leave(guard);
    input->body.parsed = true;
    return result;
}

static const spi_pairs *body_pairs(spout_request *r)
{
    if (parse_form_once(r) < 0)
        spi_request_stick(r);
    return &spi_request_input(r)->body;
}

static const spi_pairs *query_pairs(spout_request *r)
{
    spi_pairs *query = &spi_request_input(r)->query;
    if (query->parsed)
        return query;
    query->parsed = true;
    spi_scope_guard guard = spi_request_scope_enter(r);
    if (parse_pairs(spout_bytes_of(r->exchange->head.query), query) < 0) {
        spout_error_set_status(400, "Invalid query: %s", spout_error_message());
        spi_request_stick(r);
    }
    spi_scope_leave(guard);
    return query;
}

static int refuse_unicode(const spout_request *r, const spout_pair *pair)
{
    spout_bytes name = { pair->name.data, pair->name.len < 40 ? pair->name.len : 40 };
    return spout_error_set_status(
        400, "Invalid unicode in %s", spi_text_of(spi_request_arena(r), name));
}

int spi_arguments_check_query(spout_request *r)
{
    if (!*r->exchange->head.query || r->handler->spec.raw_arguments > 0)
        return 0;
    const spi_pairs *query = query_pairs(r);
    for (size_t i = 0; i < query->count; i++) {
        const spout_pair *pair = &query->pairs[i];
        if (!spi_is_utf8(pair->name.data, pair->name.len) ||
            !spi_is_utf8(pair->value.data, pair->value.len))
            return refuse_unicode(r, pair);
    }
    return 0;
}

size_t spout_query_pairs(spout_request *r, const spout_pair **ret_pairs)
{
    const spi_pairs *query = query_pairs(r);
    *ret_pairs = query->pairs;
    return query->count;
}

size_t spout_body_pairs(spout_request *r, const spout_pair **ret_pairs)
{
    const spi_pairs *body = body_pairs(r);
    *ret_pairs = body->pairs;
    return body->count;
}

size_t spout_files(spout_request *r, const spout_file **ret_files)
{
    body_pairs(r);
    const spi_input *input = spi_request_input(r);
    *ret_files = input->files;
    return input->file_count;
}

/* As Tornado: control characters other than white space become blanks. */
static void blank_controls(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x09 || (c >= 0x0E && c < 0x20))
            text[i] = ' ';
    }
}

/* The length of the character of white space, as Unicode has it, at the start; 0: it is none. */
static size_t blank_len(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    switch (c[0]) {
    case 0xC2: return c[1] == 0x85 || c[1] == 0xA0 ? 2 : 0;
    case 0xE1: return c[1] == 0x9A && c[2] == 0x80 ? 3 : 0;
    case 0xE2:
        if (c[1] == 0x80)
            return c[2] <= 0x8A || c[2] == 0xA8 || c[2] == 0xA9 || c[2] == 0xAF ? 3 : 0;
        return c[1] == 0x81 && c[2] == 0x9F ? 3 : 0;
    case 0xE3: return c[1] == 0x80 && c[2] == 0x80 ? 3 : 0;
    default: return c[0] == ' ' || (c[0] >= '\t' && c[0] <= '\r') ? 1 : 0;
    }
}

static const char *strip(char *text, size_t len)
{
    while (len) {
        size_t start = len - 1;
        while (start && (text[start] & 0xC0) == 0x80)
            start--;
        if (!blank_len(text + start))
            break;
        text[start] = '\0';
        len = start;
    }
    for (size_t blank; (blank = blank_len(text)) > 0;)
        text += blank;
    return text;
}

/* NULL: not UTF-8, and the request fails with 400. */
static char *decode_text(spout_request *r, const spout_pair *pair)
{
    spout_bytes value = pair->value;
    if (spi_is_plain(value.data, value.len))
        return spi_arena_memdup(spi_request_arena(r), value.data, value.len);
    if (!spi_is_utf8(value.data, value.len)) {
        refuse_unicode(r, pair);
        spi_request_stick(r);
        return NULL;
    }
    char *text = spi_arena_memdup(spi_request_arena(r), value.data, value.len);
    blank_controls(text, value.len);
    return text;
}

static const char *decode(spout_request *r, const spout_pair *pair)
{
    char *text = decode_text(r, pair);
    return text ? strip(text, pair->value.len) : NULL;
}

static const spout_pair *find_last(const spi_pairs *pairs, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = pairs->count; i > 0; i--) {
        const spout_pair *pair = &pairs->pairs[i - 1];
        if (pair->name.len == len && memcmp(pair->name.data, name, len) == 0)
            return pair;
    }
    return NULL;
}

static const char *value_of(spout_request *r, const spout_pair *pair, const char *fallback)
{
    const char *value = pair ? decode(r, pair) : NULL;
    return value ? value : fallback;
}

const char *spout_query_argument(spout_request *r, const char *name, const char *fallback)
{
    return value_of(r, find_last(query_pairs(r), name), fallback);
}

const char *spout_body_argument(spout_request *r, const char *name, const char *fallback)
{
    return value_of(r, find_last(body_pairs(r), name), fallback);
}

static const spout_pair *find_argument(spout_request *r, const char *name)
{
    const spout_pair *pair = find_last(body_pairs(r), name);
    return pair ? pair : find_last(query_pairs(r), name);
}

const char *spout_argument(spout_request *r, const char *name, const char *fallback)
{
    return value_of(r, find_argument(r, name), fallback);
}

static const char *unstripped(spout_request *r, const spout_pair *pair, const char *fallback)
{
    const char *value = pair ? decode_text(r, pair) : NULL;
    return value ? value : fallback;
}

const char *spout_argument_unstripped(spout_request *r, const char *name, const char *fallback)
{
    return unstripped(r, find_argument(r, name), fallback);
}

const char *spout_query_argument_unstripped(
    spout_request *r, const char *name, const char *fallback)
{
    return unstripped(r, find_last(query_pairs(r), name), fallback);
}

const char *spout_body_argument_unstripped(spout_request *r, const char *name, const char *fallback)
{
    return unstripped(r, find_last(body_pairs(r), name), fallback);
}

/* What was found, or NULL with the error that the request fails with. */
static const char *need(spout_request *r, const spout_pair *pair, const char *name)
{
    if (r->failure) {
        spi_error_put(spi_error_copy(r->failure));
        return NULL;
    }
    if (pair)
        return decode(r, pair);
    spout_error_set_status(400, "Missing argument %s", name);
    return NULL;
}

const char *spout_need_argument(spout_request *r, const char *name)
{
    return need(r, find_argument(r, name), name);
}

const char *spout_need_query_argument(spout_request *r, const char *name)
{
    return need(r, find_last(query_pairs(r), name), name);
}

const char *spout_need_body_argument(spout_request *r, const char *name)
{
    return need(r, find_last(body_pairs(r), name), name);
}

static size_t collect(
    spout_request *r, const spi_pairs *pairs, const char *name, const char **out, size_t count)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < pairs->count; i++) {
        const spout_pair *pair = &pairs->pairs[i];
        if (pair->name.len != len || memcmp(pair->name.data, name, len) != 0)
            continue;
        const char *value = decode(r, pair);
        if (value)
            out[count++] = value;
    }
    return count;
}

/* One list, or two of which the first comes first. */
static size_t collect_all(spout_request *r, const spi_pairs *first, const spi_pairs *second,
    const char *name, const char *const **ret_values)
{
    size_t room = first->count + (second ? second->count : 0) + 1;
    const char **values = spi_arena_alloc(spi_request_arena(r), room * sizeof *values);
    size_t count = collect(r, first, name, values, 0);
    if (second)
        count = collect(r, second, name, values, count);
    values[count] = NULL;
    *ret_values = values;
    return count;
}

size_t spout_arguments(spout_request *r, const char *name, const char *const **ret_values)
{
    const spi_pairs *query = query_pairs(r);
    return collect_all(r, query, body_pairs(r), name, ret_values);
}

size_t spout_query_arguments(spout_request *r, const char *name, const char *const **ret_values)
{
    return collect_all(r, query_pairs(r), NULL, name, ret_values);
}

size_t spout_body_arguments(spout_request *r, const char *name, const char *const **ret_values)
{
    return collect_all(r, body_pairs(r), NULL, name, ret_values);
}
