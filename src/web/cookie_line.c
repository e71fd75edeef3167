#include "web/cookie_line.h"

#include <spout/error.h>
#include <spout/httputil.h>

#include "base/text.h"
#include "http/token.h"

#define MAX_TIME INT64_C(253402300799) /* the last second that four digits of a year can say */
enum { DAY = 24 * 60 * 60, ATTRIBUTES_ROOM = 192 };

/* The characters of names and of values that need no quotes: what Python's cookies say. */
static bool is_legal(char c)
{
    return spi_is_token_char(c) || c == ':';
}

static bool is_all_legal(const char *text)
{
    if (!*text)
        return false;
    while (*text && is_legal(*text))
        text++;
    return !*text;
}

bool spi_is_cookie_name(const char *name)
{
    return is_all_legal(name);
}

static int check_value(const char *name, const char *value)
{
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c <= 0x20)
            return spout_error_set(
                SPOUT_EINVAL, "the value of cookie %s has white space or control characters", name);
    }
    return 0;
}

static int check_attribute(const char *what, const char *value)
{
    for (const char *c = value ? value : ""; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte <= 0x20 || byte >= 0x7F || byte == ';')
            return spout_error_set(
                SPOUT_EINVAL, "%s of a cookie has a character that it may not have", what);
    }
    return 0;
}

static int check_samesite(const char *value)
{
    if (!value || spi_text_equal_nocase(value, "Lax") || spi_text_equal_nocase(value, "Strict") ||
        spi_text_equal_nocase(value, "None"))
        return 0;
    return spout_error_set(SPOUT_EINVAL, "samesite of a cookie is \"Lax\", \"Strict\" or \"None\"");
}

static int check_numbers(const spout_cookie_options *options)
{
    if (options->expires < SPOUT_ZERO || options->expires == SPOUT_NONE ||
        options->expires > MAX_TIME || options->expires_days < SPOUT_ZERO ||
        options->expires_days > MAX_TIME / DAY || options->max_age < SPOUT_ZERO ||
        options->max_age == SPOUT_NONE)
        return spout_error_set(SPOUT_EINVAL, "a time of a cookie is out of range");
    return 0;
}

static int check(const char *name, const char *value, const spout_cookie_options *options)
{
    if (!name || !value)
        return spout_error_set(SPOUT_EINVAL, "the name or value of a cookie is NULL");
    if (!spi_is_cookie_name(name))
        return spout_error_set(SPOUT_EINVAL, "that is no name of a cookie");
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++) {
        if (options->reserved[i])
            return spout_error_set(SPOUT_EINVAL, "reserved members of cookie options must be zero");
    }
    int result = check_value(name, value);
    if (result == 0)
        result = check_attribute("domain", options->domain);
    if (result == 0)
        result = check_attribute("path", options->path);
    if (result == 0)
        result = check_samesite(options->samesite);
    return result < 0 ? result : check_numbers(options);
}

static char *put(char *at, const char *text)
{
    size_t len = strlen(text);
    memcpy(at, text, len);
    return at + len;
}

/* Octal escapes for all that Python escapes, so that any reader of quoted strings gets it back. */
static char *put_quoted(char *at, const char *value)
{
    *at++ = '"';
    for (const char *c = value; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (*c == '"' || *c == '\\') {
            *at++ = '\\';
            *at++ = *c;
        } else if (is_legal(*c) || strchr("()/<=>?@[]{}", *c)) {
            *at++ = *c;
        } else {
            *at++ = '\\';
            *at++ = (char)('0' + (byte >> 6));
            *at++ = (char)('0' + (byte >> 3 & 7));
            *at++ = (char)('0' + (byte & 7));
        }
    }
    *at++ = '"';
    return at;
}

static char *put_attribute(char *at, const char *name, const char *value)
{
    if (!value || !*value)
        return at;
    at = put(at, "; ");
    at = put(at, name);
    return put(at, value);
}

static char *put_expires(char *at, const spout_cookie_options *options, int64_t now)
{
    int64_t time = options->expires == SPOUT_ZERO ? 0 : options->expires;
    if (!options->expires) {
        if (!options->expires_days || options->expires_days == SPOUT_NONE)
            return at;
        int64_t days = options->expires_days == SPOUT_ZERO ? 0 : options->expires_days;
        time = now + days * DAY;
    }
    char text[30];
    return put_attribute(
        at, "expires=", spout_format_timestamp(time > MAX_TIME ? MAX_TIME : time, text));
}

static char *put_max_age(char *at, const spout_cookie_options *options)
{
    if (!options->max_age)
        return at;
    char digits[21];
    uint64_t age = options->max_age == SPOUT_ZERO ? 0 : (uint64_t)options->max_age;
    digits[spi_format_uint(digits, age)] = '\0';
    return put_attribute(at, "Max-Age=", digits);
}

const char *spi_cookie_line(spi_arena *arena, const char *name, const char *value,
    const spout_cookie_options *options, int64_t now)
{
    static const spout_cookie_options none = { 0 };
    if (!options)
        options = &none;
    if (check(name, value, options) < 0)
        return NULL;
    size_t texts = strlen(name) + 4 * strlen(value);
    texts += (options->domain ? strlen(options->domain) : 0) +
             (options->path ? strlen(options->path) : 0);
    char *line = spi_arena_chars(arena, texts + ATTRIBUTES_ROOM);
    char *at = put(put(line, name), "=");
    at = is_all_legal(value) ? put(at, value) : put_quoted(at, value);
    at = put_attribute(at, "Domain=", options->domain);
    at = put_expires(at, options, now);
    if (options->httponly)
        at = put(at, "; HttpOnly");
    at = put_max_age(at, options);
    if (options->partitioned)
        at = put(at, "; Partitioned");
    at = put_attribute(at, "Path=", options->path ? options->path : "/");
    at = put_attribute(at, "SameSite=", options->samesite);
    if (options->secure)
        at = put(at, "; Secure");
    *at = '\0';
    return line;
}
