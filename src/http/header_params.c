#include "http/header_params.h"

#include "base/text.h"
#include "http/token.h"

#include <spout/error.h>
#include <spout/memory.h>

static const char *find(const char *at, const char *end, char c)
{
    const char *found = at < end ? memchr(at, c, (size_t)(end - at)) : NULL;
    return found ? found : end;
}

static spout_bytes strip(const char *at, const char *end)
{
    while (at < end && spi_is_blank(*at))
        at++;
    while (end > at && spi_is_blank(end[-1]))
        end--;
    return (spout_bytes){ at, (size_t)(end - at) };
}

spout_bytes spi_params_start(spout_bytes field, spi_params *params)
{
    const char *end = field.data + field.len, *stop = find(field.data, end, ';');
    *params = (spi_params){ stop, end };
    return strip(field.data, stop);
}

static bool is_escape(const char *at, const char *end)
{
    return *at == '\\' && end - at >= 2 && (at[1] == '"' || at[1] == '\\');
}

static spout_bytes resolve_escapes(const char *at, const char *end)
{
    char *copy = spout_scope_alloc((size_t)(end - at) + 1), *out = copy;
    while (at < end) {
        at += is_escape(at, end);
        *out++ = *at++;
    }
    return (spout_bytes){ copy, (size_t)(out - copy) };
}

/* *at is behind the opening quote and goes behind the closing one. */
static int take_quoted(const char **at, const char *end, spout_bytes *ret_value)
{
    const char *start = *at, *stop = start;
    bool has_escapes = false;
    while (stop < end && *stop != '"') {
        bool escape = is_escape(stop, end);
        has_escapes |= escape;
        stop += escape ? 2 : 1;
    }
    if (stop >= end)
        return spout_error_set(SPOUT_EPROTO, "a quoted string without its end");
    *ret_value = has_escapes ? resolve_escapes(start, stop)
                             : (spout_bytes){ start, (size_t)(stop - start) };
    *at = stop + 1;
    return 0;
}

/* *at is at a ';' or the end; goes to the next one. Returns as spi_params_next, and 2 for what is
   no parameter. */
static int take_parameter(
    const char **at, const char *end, spout_bytes *ret_name, spout_bytes *ret_value)
{
    const char *start = *at + 1;
    const char *stop = find(start, end, ';');
    const char *equals = find(start, stop, '=');
    if (equals == stop) {
        *at = stop;
        return 2;
    }
    *ret_name = strip(start, equals);
    const char *value = equals + 1;
    while (value < end && spi_is_blank(*value))
        value++;
    if (value == end || *value != '"') {
        *ret_value = value < stop ? strip(value, stop) : (spout_bytes){ stop, 0 };
        *at = stop;
        return 1;
    }
    value++;
    if (take_quoted(&value, end, ret_value) < 0)
        return SPOUT_EPROTO;
    while (value < end && spi_is_blank(*value))
        value++;
    if (value < end && *value != ';')
        return spout_error_set(SPOUT_EPROTO, "a quoted string with something behind it");
    *at = value;
    return 1;
}

int spi_params_next(spi_params *params, spout_bytes *ret_name, spout_bytes *ret_value)
{
    while (params->at < params->end) {
        int result = take_parameter(&params->at, params->end, ret_name, ret_value);
        if (result != 2)
            return result;
    }
    return 0;
}

static bool has_controls(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (spi_is_control(text[i]))
            return true;
    }
    return false;
}

static const char *utf8_from_latin1(const char *text, size_t len)
{
    char *converted = spout_scope_alloc(2 * len + 1), *out = converted;
    for (size_t i = 0; i < len; i++) {
        char encoded[4];
        size_t encoded_len = spi_utf8_encode(encoded, (unsigned char)text[i]);
        memcpy(out, encoded, encoded_len);
        out += encoded_len;
    }
    return converted;
}

const char *spi_params_decode_extended(spout_bytes value)
{
    const char *end = value.data + value.len;
    const char *charset_end = find(value.data, end, '\'');
    const char *language_end = charset_end < end ? find(charset_end + 1, end, '\'') : end;
    size_t charset_len = (size_t)(charset_end - value.data);
    if (language_end < end) {
        char *text = spout_scope_bytes(
            (spout_bytes){ language_end + 1, (size_t)(end - language_end) - 1 });
        size_t len = spi_percent_decode(text, (size_t)(end - language_end) - 1, false);
        text[len] = '\0';
        bool clean = !has_controls(text, len);
        if (clean && spi_equal_nocase(value.data, charset_len, "utf-8", 5) &&
            spi_is_utf8(text, len))
            return text;
        if (clean && spi_equal_nocase(value.data, charset_len, "iso-8859-1", 10))
            return utf8_from_latin1(text, len);
    }
    spout_error_set(SPOUT_EPROTO, "a malformed extended parameter");
    return NULL;
}
