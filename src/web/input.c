/* The verbs that look at what came in. */
#include "web/arguments.h"

#include "base/text.h"

spi_input *spi_request_input(spout_request *r)
{
    if (!r->input)
        r->input = spi_arena_calloc(spi_request_arena(r), sizeof *r->input);
    return r->input;
}

static size_t append_latin1(char *out, char c)
{
    unsigned char byte = (unsigned char)c;
    return spi_utf8_encode(out, byte ? byte : ' ');
}

static const char *latin1_to_utf8(spi_arena *arena, spout_bytes raw)
{
    char *text = spi_arena_chars(arena, raw.len * 2 + 4);
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++)
        len += append_latin1(text + len, raw.data[i]);
    text[len] = '\0';
    return text;
}

const char *spi_text_of(spi_arena *arena, spout_bytes raw)
{
    if (!spi_is_utf8(raw.data, raw.len))
        return latin1_to_utf8(arena, raw);
    char *text = spi_arena_memdup(arena, raw.data, raw.len);
    for (char *nul = memchr(text, '\0', raw.len); nul;
         nul = memchr(nul, '\0', raw.len - (size_t)(nul - text)))
        *nul = ' ';
    return text;
}

/* A text that is the request's already: a copy is needed only where it isn't UTF-8. */
static const char *own_text(spout_request *r, const char *text, size_t len)
{
    return spi_is_utf8(text, len)
               ? text
               : latin1_to_utf8(spi_request_arena(r), (spout_bytes){ text, len });
}

const char *spout_get_method(spout_request *r)
{
    return r->exchange->head.method_text;
}

const char *spout_uri(spout_request *r)
{
    return own_text(r, r->exchange->head.target.data, r->exchange->head.target.len);
}

spout_bytes spout_uri_bytes(spout_request *r)
{
    return r->exchange->head.target;
}

const char *spout_path(spout_request *r)
{
    return own_text(r, r->exchange->head.path, strlen(r->exchange->head.path));
}

const char *spout_query(spout_request *r)
{
    return own_text(r, r->exchange->head.query, strlen(r->exchange->head.query));
}

const char *spout_http_version(spout_request *r)
{
    return r->exchange->head.minor_version ? "HTTP/1.1" : "HTTP/1.0";
}

int spout_request_tls_info(spout_request *r, struct spout_tls_info *ret_info)
{
    spi_exchange *exchange = r->exchange;
    if (!exchange->ops->tls_info)
        return spout_error_set(SPOUT_ESTATE, "the connection does not speak TLS");
    return exchange->ops->tls_info(exchange, ret_info);
}

const char *spout_protocol(spout_request *r)
{
    return r->exchange->protocol;
}

const char *spout_host(spout_request *r)
{
    return r->exchange->head.host;
}

size_t spi_request_put_remote_ip(const spout_request *r, char out[46])
{
    out[0] = '\0';
    if (r->exchange->peer)
        spout_endpoint_text(r->exchange->peer, out);
    return strlen(out);
}

const char *spout_full_url(spout_request *r)
{
    const char *target = spout_uri(r);
    if (*target != '/' && strcmp(target, "*") != 0)
        return target; /* a proxy's way of asking: it is all in there */
    return spi_arena_format(spi_request_arena(r), "%s://%s%s", spout_protocol(r), spout_host(r),
        *target == '/' ? target : "");
}

const char *spout_remote_ip(spout_request *r)
{
    spi_input *input = spi_request_input(r);
    if (!input->remote_ip) {
        char text[46];
        const spout_endpoint *peer = r->exchange->peer;
        input->remote_ip = peer ? spi_arena_strdup(
                                      spi_request_arena(r), spout_endpoint_text(peer, text))
                                : "";
    }
    return input->remote_ip;
}

static bool is_named(const spi_field *field, const char *name, size_t len)
{
    return field->name_len == len && spi_equal_nocase(field->name, len, name, len);
}

/* All values of a repeated field, in one pass more over the head: linear, however often it is
   repeated. */
static const char *join_fields(spout_request *r, const char *name, size_t name_len, char separator)
{
    const spi_request_head *head = &r->exchange->head;
    size_t size = 1;
    for (size_t i = 0; i < head->field_count; i++)
        size += is_named(&head->fields[i], name, name_len) ? head->fields[i].value_len + 2 : 0;
    char *text = spi_arena_chars(spi_request_arena(r), size), *end = text;
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        if (!is_named(field, name, name_len))
            continue;
        if (end != text) {
            *end++ = separator;
            *end++ = ' ';
        }
        memcpy(end, field->value, field->value_len);
        end += field->value_len;
    }
    *end = '\0';
    return text;
}

const char *spout_header(spout_request *r, const char *name, const char *fallback)
{
    const spi_request_head *head = &r->exchange->head;
    size_t len = strlen(name);
    const spi_field *field = spi_field_find(head->fields, head->field_count, name, len);
    if (!field)
        return fallback;
    size_t behind = head->field_count - (size_t)(field - head->fields) - 1;
    if (spi_field_find(field + 1, behind, name, len)) {
        const char *all = join_fields(r, name, len, ',');
        return own_text(r, all, strlen(all));
    }
    return own_text(r, field->value, field->value_len);
}

spout_bytes spout_header_bytes(spout_request *r, const char *name)
{
    const spi_request_head *head = &r->exchange->head;
    size_t len = strlen(name);
    for (size_t i = head->field_count; i > 0; i--) {
        const spi_field *field = &head->fields[i - 1];
        if (is_named(field, name, len))
            return (spout_bytes){ field->value, field->value_len };
    }
    return (spout_bytes){ NULL, 0 };
}

size_t spout_header_count(spout_request *r)
{
    return r->exchange->head.field_count;
}

bool spout_header_at(spout_request *r, size_t index, spout_bytes *ret_name, spout_bytes *ret_value)
{
    const spi_request_head *head = &r->exchange->head;
    if (index >= head->field_count)
        return false;
    const spi_field *field = &head->fields[index];
    *ret_name = (spout_bytes){ field->name, field->name_len };
    *ret_value = (spout_bytes){ field->value, field->value_len };
    return true;
}

static const spi_capture *find_capture(const spout_request *r, const char *name)
{
    for (size_t i = 0; i < r->match.capture_count; i++) {
        const spi_capture *capture = &r->match.captures[i];
        if (capture->name && strcmp(capture->name, name) == 0)
            return capture;
    }
    return NULL;
}

const char *spout_path_argument(spout_request *r, const char *name)
{
    const spi_capture *capture = find_capture(r, name);
    return capture ? capture->text : NULL;
}

const char *spout_path_argument_at(spout_request *r, size_t index)
{
    return index >= 1 && index <= r->match.capture_count ? r->match.captures[index - 1].text : NULL;
}

int64_t spout_path_int(spout_request *r, const char *name)
{
    const spi_capture *capture = find_capture(r, name);
    uint64_t value = 0;
    if (!capture || !capture->text ||
        !spi_parse_uint(capture->text, capture->len, 999999999999999999u, &value))
        return 0;
    return (int64_t)value;
}

static const spi_pairs *cookie_pairs(spout_request *r)
{
    spi_pairs *cookies = &spi_request_input(r)->cookies;
    if (cookies->parsed)
        return cookies;
    cookies->parsed = true;
    const spi_request_head *head = &r->exchange->head;
    const spi_field *field = spi_field_find(head->fields, head->field_count, "Cookie", 6);
    if (!field)
        return cookies;
    spi_scope_guard guard = spi_request_scope_enter(r);
    long count = spout_parse_cookies(join_fields(r, "Cookie", 6, ';'), &cookies->pairs);
    spi_scope_leave(guard);
    cookies->count = count > 0 ? (size_t)count : 0;
    return cookies;
}

size_t spout_cookies(spout_request *r, const spout_pair **ret_pairs)
{
    const spi_pairs *cookies = cookie_pairs(r);
    *ret_pairs = cookies->pairs;
    return cookies->count;
}

const char *spout_cookie(spout_request *r, const char *name, const char *fallback)
{
    const spi_pairs *cookies = cookie_pairs(r);
    size_t len = strlen(name);
    for (size_t i = cookies->count; i > 0; i--) {
        const spout_pair *pair = &cookies->pairs[i - 1];
        if (pair->name.len == len && memcmp(pair->name.data, name, len) == 0)
            return spi_text_of(spi_request_arena(r), pair->value);
    }
    return fallback;
}

spout_bytes spout_body(spout_request *r)
{
    return r->exchange->body;
}

int spout_read_body(spout_request *r, spout_bytes *ret_piece)
{
    spi_exchange *exchange = r->exchange;
    if (exchange->body_mode != SPI_BODY_STREAM)
        return spout_error_set(SPOUT_ESTATE, "spout_read_body is for handlers with .stream_body");
    int result = exchange->ops->send_continue(exchange);
    if (result == 0)
        result = exchange->ops->read_more(exchange, ret_piece);
    if (result > 0)
        r->received += ret_piece->len;
    return result;
}

static int check_streams(const spout_request *r, int64_t limit)
{
    if (r->exchange->body_mode != SPI_BODY_STREAM)
        return spout_error_set(
            SPOUT_ESTATE, "the body is there already: limits change in handlers with .stream_body");
    return limit < SPOUT_ZERO ? spout_error_set(SPOUT_EINVAL, "a limit is negative") : 0;
}

int spout_set_max_body_size(spout_request *r, int64_t bytes)
{
    int result = check_streams(r, bytes);
    if (result == 0)
        r->exchange->max_body = bytes == SPOUT_NONE ? UINT64_MAX : bytes < 0 ? 0 : (uint64_t)bytes;
    return result;
}

int spout_set_body_timeout(spout_request *r, int64_t timeout_ms)
{
    int result = check_streams(r, timeout_ms);
    if (result < 0)
        return result;
    r->exchange->body_timeout_ms = timeout_ms == SPOUT_ZERO ? 0 : timeout_ms;
    if (timeout_ms == SPOUT_NONE)
        r->exchange->min_body_rate = 0;
    return 0;
}

void *spout_data(spout_request *r)
{
    return r->application->options.data;
}

const void *spout_config(spout_request *r)
{
    return r->handler->spec.config;
}

void *spout_state(spout_request *r)
{
    return r->state;
}

const char *spout_handler_name(spout_request *r)
{
    return r->handler->name;
}

int64_t spout_request_time_us(spout_request *r)
{
    int64_t passed = (spi_monotonic_ns() - r->started_ns) / 1000;
    return passed > 0 ? passed : 0;
}

spout_application *spout_request_application(spout_request *r)
{
    return r->application;
}
