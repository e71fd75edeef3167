#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/text.h"

/* A URL's parts, without the '?' and '#' between them. */
typedef struct url_parts {
    spout_bytes front, query, fragment;
    bool has_fragment;
} url_parts;

static url_parts split(const char *url)
{
    size_t front = strcspn(url, "?#");
    const char *query = url[front] == '?' ? url + front + 1 : url + front;
    size_t query_len = strcspn(query, "#");
    const char *fragment = query + query_len;
    return (url_parts){
        .front = { url, front },
        .query = { query, query_len },
        .fragment = spout_bytes_of(*fragment ? fragment + 1 : fragment),
        .has_fragment = *fragment == '#',
    };
}

static char *put(char *out, spout_bytes bytes)
{
    if (bytes.len > 0)
        memcpy(out, bytes.data, bytes.len);
    return out + bytes.len;
}

static bool is_unreserved(char c)
{
    char lower = spi_lower(c);
    return (lower >= 'a' && lower <= 'z') || spi_is_digit(c) || (c && strchr("_.-~", c));
}

static char *put_escaped(char *out, spout_bytes bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        if (is_unreserved(bytes.data[i])) {
            *out++ = bytes.data[i];
        } else if (byte == ' ') {
            *out++ = '+';
        } else {
            *out++ = '%';
            *out++ = digits[byte >> 4];
            *out++ = digits[byte & 15];
        }
    }
    return out;
}

static char *put_pairs(char *out, char separator, const spout_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *out++ = i == 0 ? separator : '&';
        out = put_escaped(out, pairs[i].name);
        *out++ = '=';
        out = put_escaped(out, pairs[i].value);
    }
    return out;
}

static size_t bound(const spout_pair *pairs, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += 3 * (pairs[i].name.len + pairs[i].value.len) + 2;
    return len;
}

const char *spout_url_concat(const char *url, const spout_pair *pairs, size_t count)
{
    if (!url || !pairs)
        return url;
    url_parts parts = split(url);
    spout_pair *old;
    long old_count = spout_parse_query(parts.query, SIZE_MAX - 1, &old);
    size_t kept = old_count > 0 ? (size_t)old_count : 0;
    char *result = spout_scope_alloc(strlen(url) + bound(old, kept) + bound(pairs, count) + 1);
    char *out = put_pairs(put(result, parts.front), '?', old, kept);
    out = put_pairs(out, kept ? '&' : '?', pairs, count);
    if (parts.has_fragment) {
        *out++ = '#';
        put(out, parts.fragment);
    }
    return result;
}
