#include "http/host.h"

#include "base/text.h"

/* unreserved, sub-delims without the comma, and '%' of an escape. */
static bool is_name_char(char c)
{
    char lower = spi_lower(c);
    return (lower >= 'a' && lower <= 'z') || spi_is_digit(c) || (c && strchr("-._~!$&'()*+;=%", c));
}

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!is_name_char(text[i]))
            return false;
        if (text[i] == '%' &&
            (len - i < 3 || spi_hex_value(text[i + 1]) < 0 || spi_hex_value(text[i + 2]) < 0))
            return false;
    }
    return true;
}

static bool is_ipv4(const char *text, size_t len)
{
    const char *end = text + len;
    for (int part = 0; part < 4; part++) {
        size_t digits = 0;
        while (text + digits < end && spi_is_digit(text[digits]))
            digits++;
        uint64_t value;
        if (digits > 3 || !spi_parse_uint(text, digits, 255, &value) ||
            (digits > 1 && *text == '0'))
            return false;
        text += digits;
        if (part < 3 && (text == end || *text++ != '.'))
            return false;
    }
    return text == end;
}

/* Up to eight groups of one to four hex digits, one run of them replaced by "::", the last two
   possibly an IPv4 address. */
static bool is_ipv6(const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    int groups = 0;
    bool shortened = false;
    if (len >= 2 && at[0] == ':' && at[1] == ':') {
        shortened = true;
        at += 2;
    }
    while (at < end) {
        size_t digits = 0;
        while (digits < 5 && at + digits < end && spi_hex_value(at[digits]) >= 0)
            digits++;
        if (at + digits < end && at[digits] == '.')
            return is_ipv4(at, (size_t)(end - at)) && (shortened ? groups <= 5 : groups == 6);
        if (digits == 0 || digits > 4 || ++groups > 8)
            return false;
        at += digits;
        if (at == end)
            break;
        if (*at++ != ':' || at == end)
            return false;
        if (*at == ':') {
            if (shortened)
                return false;
            shortened = true;
            at++;
        }
    }
    return shortened ? groups < 8 : groups == 8;
}

/* "v" hex digits "." characters: whatever comes after IPv6. */
static bool is_later_address(const char *text, size_t len)
{
    size_t at = 1;
    if (len < 4 || spi_lower(text[0]) != 'v')
        return false;
    while (at < len && spi_hex_value(text[at]) >= 0)
        at++;
    if (at == 1 || at + 1 >= len || text[at] != '.')
        return false;
    for (at++; at < len; at++) {
        if ((!is_name_char(text[at]) && text[at] != ':') || text[at] == '%')
            return false;
    }
    return true;
}

static bool is_port(const char *text, size_t len)
{
    unsigned port = 0;
    for (size_t i = 0; i < len; i++) {
        if (!spi_is_digit(text[i]))
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
        if (port > 65535)
            return false;
    }
    return true;
}

static bool is_host(const char *text, size_t len)
{
    const char *port;
    if (len > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        if (!close)
            return false;
        size_t inner = (size_t)(close - text) - 1;
        if (!is_ipv6(text + 1, inner) && !is_later_address(text + 1, inner))
            return false;
        port = close + 1;
        if (port < text + len && *port != ':')
            return false;
    } else {
        port = memchr(text, ':', len);
        if (!is_name(text, port ? (size_t)(port - text) : len))
            return false;
    }
    return !port || port == text + len || is_port(port + 1, (size_t)(text + len - port) - 1);
}

static bool has_upper(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] != spi_lower(text[i]))
            return true;
    }
    return false;
}

bool spi_host_parse(spi_arena *arena, const char *text, size_t len, const char **ret_host)
{
    if (!is_host(text, len))
        return false;
    if (has_upper(text, len)) {
        char *copy = spi_arena_memdup(arena, text, len);
        for (size_t i = 0; i < len; i++)
            copy[i] = spi_lower(copy[i]);
        text = copy;
    }
    *ret_host = text;
    return true;
}
