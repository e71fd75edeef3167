/* A list of header fields as a value of its own: HTTPHeaders. */
#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/memory.h"
#include "base/text.h"
#include "http/head.h"

/* Fields that were replaced or removed stay in the arena. */
struct spout_headers {
    spi_arena *arena;
    spi_field *fields;
    size_t count, capacity;
};

spout_headers *spout_headers_new(void)
{
    spout_headers *headers = spi_calloc(sizeof *headers);
    headers->arena = spi_arena_new(1024);
    return headers;
}

void spout_headers_free(spout_headers *headers)
{
    if (!headers)
        return;
    spi_arena_free(headers->arena);
    spi_free(headers->fields);
    spi_free(headers);
}

static bool is_named(const spi_field *field, const char *name, size_t len)
{
    return spi_equal_nocase(field->name, field->name_len, name, len);
}

/* Of a value without the blanks around it. */
static spout_bytes strip(const char *value, size_t len)
{
    while (len && spi_is_blank(*value)) {
        value++;
        len--;
    }
    while (len && spi_is_blank(value[len - 1]))
        len--;
    return (spout_bytes){ value, len };
}

static int make_field(
    spout_headers *headers, spout_bytes name, spout_bytes value, spi_field *ret_field)
{
    value = strip(value.data, value.len);
    if (!spi_is_token(name.data, name.len))
        return spout_error_set(SPOUT_EINVAL, "that is no name of a header");
    if (!spi_is_field_value(value.data, value.len))
        return spout_error_set(SPOUT_EINVAL, "the value of header %.*s has control characters",
            (int)name.len, name.data);
    *ret_field = (spi_field){
        .name = spi_arena_memdup(headers->arena, name.data, name.len),
        .value = spi_arena_memdup(headers->arena, value.data, value.len),
        .name_len = (uint32_t)name.len,
        .value_len = (uint32_t)value.len,
    };
    return 0;
}

static void append(spout_headers *headers, spi_field field)
{
    if (headers->count == headers->capacity) {
        headers->capacity = headers->capacity ? headers->capacity * 2 : 8;
        headers->fields = spi_realloc(headers->fields, headers->capacity * sizeof *headers->fields);
    }
    headers->fields[headers->count++] = field;
}

static int add_bytes(spout_headers *headers, spout_bytes name, spout_bytes value)
{
    spi_field field;
    int result = make_field(headers, name, value, &field);
    if (result == 0)
        append(headers, field);
    return result;
}

static int refuse_null(void)
{
    return spout_error_set(SPOUT_EINVAL, "the name or value of a header is NULL");
}

int spout_headers_add(spout_headers *headers, const char *name, const char *value)
{
    if (!name || !value)
        return refuse_null();
    return add_bytes(headers, spout_bytes_of(name), spout_bytes_of(value));
}

/* From there on; returns how many went. */
static size_t remove_named(spout_headers *headers, size_t from, const char *name)
{
    size_t len = strlen(name), out = from;
    for (size_t i = from; i < headers->count; i++) {
        if (!is_named(&headers->fields[i], name, len))
            headers->fields[out++] = headers->fields[i];
    }
    size_t removed = headers->count - out;
    headers->count = out;
    return removed;
}

int spout_headers_set(spout_headers *headers, const char *name, const char *value)
{
    spi_field field;
    if (!name || !value)
        return refuse_null();
    int result = make_field(headers, spout_bytes_of(name), spout_bytes_of(value), &field);
    if (result < 0)
        return result;
    for (size_t i = 0; i < headers->count; i++) {
        if (!is_named(&headers->fields[i], name, field.name_len))
            continue;
        headers->fields[i] = field;
        remove_named(headers, i + 1, name);
        return 0;
    }
    append(headers, field);
    return 0;
}

size_t spout_headers_remove(spout_headers *headers, const char *name)
{
    return remove_named(headers, 0, name);
}

size_t spout_headers_get_list(
    const spout_headers *headers, const char *name, const char *const **ret_values)
{
    const char **values = spout_scope_alloc((headers->count + 1) * sizeof *values);
    size_t count = 0, len = strlen(name);
    for (size_t i = 0; i < headers->count; i++) {
        if (is_named(&headers->fields[i], name, len))
            values[count++] = headers->fields[i].value;
    }
    values[count] = NULL;
    *ret_values = values;
    return count;
}

static const char *join(const char *const *values)
{
    size_t size = 1;
    for (const char *const *value = values; *value; value++)
        size += strlen(*value) + 2;
    char *text = spout_scope_alloc(size), *at = text;
    for (const char *const *value = values; *value; value++) {
        if (value != values)
            at = spi_put(at, ", ", 2);
        at = spi_put(at, *value, strlen(*value));
    }
    *at = '\0';
    return text;
}

const char *spout_headers_get(const spout_headers *headers, const char *name, const char *fallback)
{
    const spi_field *found = spi_field_find(headers->fields, headers->count, name, strlen(name));
    if (!found)
        return fallback;
    size_t behind = headers->count - (size_t)(found - headers->fields) - 1;
    if (!spi_field_find(found + 1, behind, name, found->name_len))
        return found->value;
    const char *const *values;
    spout_headers_get_list(headers, name, &values);
    return join(values);
}

size_t spout_headers_count(const spout_headers *headers)
{
    return headers->count;
}

bool spout_headers_at(
    const spout_headers *headers, size_t index, const char **ret_name, const char **ret_value)
{
    if (index >= headers->count)
        return false;
    *ret_name = headers->fields[index].name;
    *ret_value = headers->fields[index].value;
    return true;
}

spout_headers *spout_headers_copy(const spout_headers *headers)
{
    spout_headers *copy = spout_headers_new();
    for (size_t i = 0; i < headers->count; i++) {
        const spi_field *field = &headers->fields[i];
        (void)add_bytes(copy, (spout_bytes){ field->name, field->name_len },
            (spout_bytes){ field->value, field->value_len }); /* it was checked before */
    }
    return copy;
}

const char *spout_headers_text(const spout_headers *headers)
{
    size_t size = 1;
    for (size_t i = 0; i < headers->count; i++)
        size += headers->fields[i].name_len + headers->fields[i].value_len + strlen(": \r\n");
    char *text = spout_scope_alloc(size), *at = text;
    for (size_t i = 0; i < headers->count; i++) {
        const spi_field *field = &headers->fields[i];
        at = spi_put(at, field->name, field->name_len);
        at = spi_put(at, ": ", 2);
        at = spi_put(at, field->value, field->value_len);
        at = spi_put(at, "\r\n", 2);
    }
    *at = '\0';
    return text;
}

static int parse_line(spout_headers *headers, const char *line, size_t len)
{
    const char *colon = len ? memchr(line, ':', len) : NULL;
    if (len && spi_is_blank(*line))
        return spout_error_set(SPOUT_EPROTO, "a folded header line");
    if (!colon)
        return spout_error_set(SPOUT_EPROTO, "a header line without a colon");
    const char *value = colon + 1;
    if (add_bytes(headers, (spout_bytes){ line, (size_t)(colon - line) },
            (spout_bytes){ value, len - (size_t)(value - line) }) == 0)
        return 0;
    return spout_error_set(SPOUT_EPROTO, "%s", spout_error_message());
}

int spout_headers_parse_line(spout_headers *headers, const char *line)
{
    size_t len = strlen(line);
    if (len && line[len - 1] == '\n')
        len--;
    if (len && line[len - 1] == '\r')
        len--;
    return parse_line(headers, line, len);
}

spout_headers *spout_headers_parse(const char *text)
{
    spout_headers *headers = spout_headers_new();
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t len = end ? (size_t)(end - text) : strlen(text);
        const char *next = end ? end + 1 : text + len;
        if (end && len && text[len - 1] == '\r')
            len--;
        if (len == 0)
            break;
        if (parse_line(headers, text, len) < 0) {
            spout_headers_free(headers);
            return NULL;
        }
        text = next;
    }
    return headers;
}
