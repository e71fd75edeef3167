#include <spout/httputil.h>
#include <spout/memory.h>

#include <stdlib.h>

#include "base/text.h"
#include "http/header_params.h"
#include "http/token.h"

enum { ALL = 1000 }; /* of quality */

/* Up to the next comma that isn't in quotes. */
static const char *element_end(const char *at, const char *end)
{
    bool quoted = false;
    for (; at < end && (quoted || *at != ','); at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (quoted && *at == '\\' && end - at > 1)
            at++;
    }
    return at;
}

/* RFC 9110 §12.4.2: 0 to 1 with up to three digits; -1 for anything else. */
static int parse_quality(spout_bytes text)
{
    if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.len > 1 && text.data[1] != '.'))
        return -1;
    int quality = (text.data[0] - '0') * ALL, worth = 100;
    for (size_t i = 2; i < text.len; i++, worth /= 10) {
        if (!spi_is_digit(text.data[i]))
            return -1;
        quality += (text.data[i] - '0') * worth;
    }
    return quality <= ALL ? quality : -1;
}

static bool is_range(spout_bytes value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!spi_is_token_char(value.data[i]) && value.data[i] != '/')
            return false;
    return value.len > 0;
}

static char *put_lower(char *out, spout_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        *out++ = spi_lower(text.data[i]);
    return out;
}

/* Writes `text/html;level=1` with a NUL, and the quality. Never longer than the element. NULL if it
   is malformed. */
static char *put_element(spout_bytes element, char *out, int *ret_quality)
{
    spi_params params;
    spout_bytes value = spi_params_start(element, &params), name;
    if (!is_range(value))
        return NULL;
    out = put_lower(out, value);
    *ret_quality = ALL;
    int result;
    while ((result = spi_params_next(&params, &name, &value)) > 0) {
        if (spi_equal_nocase(name.data, name.len, "q", 1)) {
            *ret_quality = parse_quality(value);
            break; /* what follows are extensions of Accept */
        }
        *out++ = ';';
        out = put_lower(out, name);
        *out++ = '=';
        memcpy(out, value.data, value.len);
        out += value.len;
    }
    *out++ = '\0';
    return result < 0 || *ret_quality < 0 ? NULL : out;
}

/* In the order of the header. */
static size_t parse(const char *header, spout_preference **ret_items)
{
    size_t len = strlen(header), room = 1, count = 0;
    const char *at = header, *end = header + len;
    for (size_t i = 0; i < len; i++)
        room += header[i] == ',';
    spout_preference *items = spout_scope_alloc(room * sizeof *items);
    for (char *out = spout_scope_alloc(len + 1); at < end; at++) {
        const char *stop = element_end(at, end);
        int quality;
        char *next = put_element((spout_bytes){ at, (size_t)(stop - at) }, out, &quality);
        if (next) {
            items[count++] = (spout_preference){ .value = out, .quality = quality };
            out = next;
        }
        at = stop;
    }
    *ret_items = items;
    return count;
}

/* The values lie in memory one behind the other: that keeps the order of equals. */
static int compare(const void *a_ptr, const void *b_ptr)
{
    const spout_preference *a = a_ptr, *b = b_ptr;
    if (a->quality != b->quality)
        return a->quality > b->quality ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

long spout_parse_preferences(const char *header, spout_preference **ret_items)
{
    spout_preference *items;
    size_t count = parse(header ? header : "", &items);
    qsort(items, count, sizeof *items, compare);
    *ret_items = items;
    return (long)count;
}

/* How closely a range names what is offered; 0: not at all. */
typedef size_t closeness_fn(const char *range, const char *offer);

static int best_quality(
    const char *header, const char *offer, closeness_fn *closeness_of, int otherwise)
{
    spout_preference *items;
    size_t count = parse(header, &items), closest = 0;
    int quality = otherwise;
    for (size_t i = 0; i < count; i++) {
        size_t closeness = closeness_of(items[i].value, offer);
        if (closeness == 0 || closeness < closest)
            continue;
        if (closeness > closest || items[i].quality > quality)
            quality = items[i].quality;
        closest = closeness;
    }
    return quality;
}

static size_t media_closeness(const char *range, const char *offer)
{
    size_t type = strcspn(offer, "/"), whole = strcspn(offer, ";");
    if (strcmp(range, offer) == 0)
        return offer[whole] ? 4 : 3;
    if (strncmp(range, offer, whole) == 0 && range[whole] == '\0')
        return 3;
    if (strncmp(range, offer, type) == 0 && strcmp(range + type, "/*") == 0)
        return 2;
    return strcmp(range, "*/*") == 0;
}

int spout_accept_quality(const char *header, const char *type)
{
    if (!header || !*header)
        return ALL;
    int ignored;
    char *offer = spout_scope_alloc(strlen(type) + 1);
    if (!put_element(spout_bytes_of(type), offer, &ignored))
        return 0;
    return best_quality(header, offer, media_closeness, 0);
}

bool spout_accepts(const char *header, const char *type)
{
    return spout_accept_quality(header, type) > 0;
}

/* RFC 4647 §3.3.1: a range is the tag or the beginning of it, up to a hyphen. */
static size_t language_closeness(const char *range, const char *tag)
{
    size_t len = strlen(range);
    if (strcmp(range, "*") == 0)
        return 1;
    bool matches = strlen(tag) >= len && spi_equal_nocase(range, len, tag, len) &&
                   (tag[len] == '\0' || tag[len] == '-');
    return matches ? len + 1 : 0;
}

int spout_accept_language_quality(const char *header, const char *tag)
{
    return header && *header ? best_quality(header, tag, language_closeness, 0) : ALL;
}

static size_t coding_closeness(const char *range, const char *coding)
{
    if (strcmp(range, "*") == 0)
        return 1;
    return spi_text_equal_nocase(range, coding) ? 2 : 0;
}

int spout_accept_encoding_quality(const char *header, const char *coding)
{
    if (!header)
        return ALL;
    bool is_identity = spi_text_equal_nocase(coding, "identity");
    return best_quality(header, coding, coding_closeness, is_identity ? ALL : 0);
}
