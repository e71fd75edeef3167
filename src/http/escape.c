#include <spout/error.h>
#include <spout/escape.h>
#include <spout/memory.h>

#include "base/text.h"

static const char *entity(char c)
{
    static const char *const entities['>' + 1] = {
        ['&'] = "&amp;",
        ['<'] = "&lt;",
        ['>'] = "&gt;",
        ['"'] = "&quot;",
        ['\''] = "&#x27;",
    };
    unsigned char at = (unsigned char)c;
    return at <= '>' ? entities[at] : NULL;
}

const char *spout_xhtml_escape(const char *text)
{
    if (!text)
        return NULL;
    size_t len = 0;
    for (const char *at = text; *at; at++)
        len += entity(*at) ? strlen(entity(*at)) : 1;
    char *escaped = spout_scope_alloc(len + 1), *out = escaped;
    for (; *text; text++) {
        const char *replacement = entity(*text);
        size_t replacement_len = replacement ? strlen(replacement) : 1;
        memcpy(out, replacement ? replacement : text, replacement_len);
        out += replacement_len;
    }
    return escaped;
}

static bool is_safe(char c, bool plus)
{
    char lower = spi_lower(c);
    return (lower >= 'a' && lower <= 'z') || spi_is_digit(c) || c == '_' || c == '.' || c == '-' ||
           c == '~' || (c == '/' && !plus);
}

const char *spout_url_escape(const char *text, bool plus)
{
    static const char digits[] = "0123456789ABCDEF";
    if (!text)
        return NULL;
    char *escaped = spout_scope_alloc(3 * strlen(text) + 1), *out = escaped;
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (is_safe(*text, plus)) {
            *out++ = *text;
        } else if (plus && byte == ' ') {
            *out++ = '+';
        } else {
            *out++ = '%';
            *out++ = digits[byte >> 4];
            *out++ = digits[byte & 15];
        }
    }
    return escaped;
}

const char *spout_url_unescape(const char *text, bool plus)
{
    if (!text)
        return NULL;
    char *plain = spout_scope_text(text);
    size_t len = spi_percent_decode(plain, strlen(plain), plus);
    if (memchr(plain, '\0', len) || !spi_is_utf8(plain, len)) {
        spout_error_set(SPOUT_EINVAL, "an escaped text that isn't UTF-8 or holds a NUL");
        return NULL;
    }
    plain[len] = '\0';
    return plain;
}

const char *spout_squeeze(const char *text)
{
    if (!text)
        return NULL;
    char *squeezed = spout_scope_alloc(strlen(text) + 1), *out = squeezed;
    for (; *text; text++) {
        if ((unsigned char)*text > ' ')
            *out++ = *text;
        else if (out > squeezed && out[-1] != ' ')
            *out++ = ' ';
    }
    if (out > squeezed && out[-1] == ' ')
        out[-1] = '\0';
    return squeezed;
}

spout_bytes spout_url_unescape_bytes(const char *text, bool plus)
{
    if (!text)
        return (spout_bytes){ NULL, 0 };
    char *plain = spout_scope_text(text);
    size_t len = spi_percent_decode(plain, strlen(plain), plus);
    plain[len] = '\0';
    return (spout_bytes){ plain, len };
}

bool spout_is_utf8(spout_bytes bytes)
{
    return spi_is_utf8(bytes.data, bytes.len);
}

const char *spout_base64_encode(spout_bytes bytes)
{
    char *text = spout_scope_alloc((bytes.len + 2) / 3 * 4 + 1);
    spi_base64_encode(text, bytes.data, bytes.len);
    return text;
}

/* How many bytes at the start form one UTF-8 character other than NUL; 0 if none do. */
static size_t character_len(const char *at, size_t left)
{
    if (*at == '\0')
        return 0;
    for (size_t len = 1; len <= 4 && len <= left; len++)
        if (spi_is_utf8(at, len))
            return len;
    return 0;
}

/* How many of the bytes that form none are the beginning of one, and so are one mistake: those that
   others could follow to make a character. */
static size_t mistake_len(const char *at, size_t left)
{
    static const char *const endings[] = { "\x80\x80", "\xBF\xBF" };
    if ((unsigned char)*at < 0xE0)
        return 1;
    for (size_t len = 3; len > 1; len--) {
        char whole[4];
        if (len > left || (len == 3 && (unsigned char)*at < 0xF0))
            continue;
        size_t total = (unsigned char)*at < 0xF0 ? 3 : 4;
        memcpy(whole, at, len);
        for (size_t i = 0; i < 2; i++) {
            memcpy(whole + len, endings[i], total - len);
            if (spi_is_utf8(whole, total))
                return len;
        }
    }
    return 1;
}

const char *spout_utf8_or_replacement(spout_bytes bytes)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    char *text = spout_scope_alloc(3 * bytes.len + 1), *out = text;
    for (size_t at = 0; at < bytes.len;) {
        size_t len = character_len(bytes.data + at, bytes.len - at);
        memcpy(out, len ? bytes.data + at : replacement, len ? len : 3);
        out += len ? len : 3;
        at += len ? len : mistake_len(bytes.data + at, bytes.len - at);
    }
    return text;
}
