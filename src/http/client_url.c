#include "http/client_url.h"

#include "base/text.h"
#include "http/host.h"

#include <spout/error.h>

/* Without the URL itself, which may hold a password. */
static int refuse(const char *what)
{
    return spout_error_set(SPOUT_EINVAL, "this is no URL to connect to: %s", what);
}

/* The scheme's length with its "://", 0 for another one. */
static size_t parse_scheme(const char *text, bool *ret_secure)
{
    static const struct {
        const char *name;
        bool secure;
    } schemes[] = { { "ws", false }, { "wss", true }, { "http", false }, { "https", true } };
    const char *colon = strstr(text, "://");
    for (size_t i = 0; colon && i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = (size_t)(colon - text);
        if (!spi_equal_nocase(text, len, schemes[i].name, strlen(schemes[i].name)))
            continue;
        *ret_secure = schemes[i].secure;
        return len + 3;
    }
    return 0;
}

static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7F || *text == '\\')
            return false;
    return true;
}

static char *decode(spi_arena *arena, const char *text, size_t len)
{
    char *copy = spi_arena_memdup(arena, text, len);
    copy[spi_percent_decode(copy, len, false)] = '\0';
    return copy;
}

static void take_user(spi_arena *arena, const char *text, size_t len, spi_client_url *url)
{
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon ? (size_t)(colon - text) : len;
    url->user = decode(arena, text, user_len);
    url->password = colon ? decode(arena, colon + 1, len - user_len - 1) : "";
}

/* host [":" port], checked and in lower case. */
static bool take_host(spi_arena *arena, const char *text, spi_client_url *url)
{
    const char *end = text + strlen(text), *port = end;
    while (port > text && spi_is_digit(port[-1]))
        port--;
    bool has_port = port > text && port[-1] == ':';
    size_t len = (size_t)((has_port ? port - 1 : end) - text);
    uint64_t number = url->secure ? 443 : 80;
    int own = (int)number;
    if (len == 0 || strchr(text, '%'))
        return false;
    if (has_port && port < end &&
        (!spi_parse_uint(port, (size_t)(end - port), 65535, &number) || number == 0))
        return false;
    url->port = (int)number;
    bool bracketed = text[0] == '[';
    url->host = bracketed ? spi_arena_memdup(arena, text + 1, len - 2)
                          : spi_arena_memdup(arena, text, len);
    url->authority = url->port == own
                         ? spi_arena_memdup(arena, text, len)
                         : spi_arena_format(arena, "%.*s:%d", (int)len, text, url->port);
    return true;
}

static bool parse_authority(spi_arena *arena, const char *text, size_t len, spi_client_url *url)
{
    const char *copy = spi_arena_memdup(arena, text, len), *at = strrchr(copy, '@');
    const char *host = at ? at + 1 : copy, *lower;
    if (at)
        take_user(arena, copy, (size_t)(at - copy), url);
    return *host && spi_host_parse(arena, host, strlen(host), &lower) &&
           take_host(arena, lower, url);
}

/* Path and query as a request has them. */
static const char *make_target(spi_arena *arena, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = strcspn(text, "#");
    char *target = spi_arena_chars(arena, 3 * len + 2), *out = target;
    if (text[0] != '/')
        *out++ = '/';
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x80) {
            *out++ = text[i];
            continue;
        }
        *out++ = '%';
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    *out = '\0';
    return target;
}

int spi_client_url_parse(spi_arena *arena, const char *text, spi_client_url *ret_url)
{
    spi_client_url url = { .secure = false };
    if (!text)
        return spout_error_set(SPOUT_EINVAL, "there is no URL to connect to");
    size_t start = parse_scheme(text, &url.secure);
    if (start == 0)
        return refuse("its scheme must be ws or wss (or http, https)");
    if (!is_clean(text))
        return refuse("it has spaces, control characters or backslashes");
    size_t len = strcspn(text + start, "/?#");
    if (!parse_authority(arena, text + start, len, &url))
        return refuse("its host or port is missing or malformed");
    url.target = make_target(arena, text + start + len);
    *ret_url = url;
    return 0;
}

/* RFC 3986 §5.2.4, in place, up to the query. */
static void remove_dots(char *path)
{
    char *in = path, *out = path, *end = path + strcspn(path, "?");
    while (in < end) {
        size_t len = 1 + strcspn(in + 1, "/?");
        bool is_last = in + len >= end;
        if (len == 2 && in[1] == '.') {
            if (is_last)
                *out++ = '/';
        } else if (len == 3 && in[1] == '.' && in[2] == '.') {
            while (out > path && *--out != '/')
                continue;
            if (is_last)
                *out++ = '/';
        } else {
            memmove(out, in, len);
            out += len;
        }
        in += len;
    }
    memmove(out, end, strlen(end) + 1);
}

int spi_client_url_resolve(
    spi_arena *arena, const spi_client_url *base, const char *location, spi_client_url *ret_url)
{
    size_t scheme = strcspn(location, ":/?#");
    if (location[0] == '\0' || location[0] == '#') {
        *ret_url = *base;
        return 0;
    }
    if (scheme > 0 && location[scheme] == ':')
        return spi_client_url_parse(arena, location, ret_url);
    if (location[0] == '/' && location[1] == '/')
        return spi_client_url_parse(arena,
            spi_arena_format(arena, "%s:%s", base->secure ? "https" : "http", location), ret_url);
    if (!is_clean(location))
        return refuse("it has spaces, control characters or backslashes");
    size_t path_len = strcspn(base->target, "?"), kept = path_len;
    while (location[0] != '?' && base->target[kept - 1] != '/')
        kept--;
    char *target = location[0] == '/'
                       ? spi_arena_strdup(arena, location)
                       : spi_arena_format(arena, "%.*s%s", (int)kept, base->target, location);
    spi_client_url url = *base;
    target[strcspn(target, "#")] = '\0';
    remove_dots(target);
    url.target = make_target(arena, target);
    *ret_url = url;
    return 0;
}

bool spi_client_url_is_same_origin(const spi_client_url *a, const spi_client_url *b)
{
    return a->secure == b->secure && a->port == b->port && strcmp(a->host, b->host) == 0;
}

const char *spi_client_url_name(spi_arena *arena, const spi_client_url *url)
{
    return spi_arena_format(arena, "%s://%s%.*s", url->secure ? "wss" : "ws", url->authority,
        (int)strcspn(url->target, "?"), url->target);
}
