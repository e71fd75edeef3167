#include <spout/escape.h>
#include <spout/memory.h>

#include "base/buffer.h"
#include "base/text.h"

/* A link in escaped text. */
typedef struct link {
    const char *start, *end;
    size_t protocol_len; /* "http"; 0: it begins with "www." */
    size_t prefix_len;   /* "http://" */
} link;

static bool is_word(char c)
{
    char lower = spi_lower(c);
    return (lower >= 'a' && lower <= 'z') || spi_is_digit(c) || c == '_' || (c & 0x80);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
}

/* A link may hold this mark, but not end in it. */
static bool is_mark(char c)
{
    return c && strchr("!\"#$%&'()*+,.:;<=>?@[]^`{|}~", c);
}

/* One character of a link outside parentheses, or an escaped '&' or '"'; 0 where it ends. */
static size_t unit_len(const char *at)
{
    if (*at == '&')
        return spi_starts_with(at, "&amp;") ? 5 : spi_starts_with(at, "&quot;") ? 6 : 0;
    return *at && *at != '(' && *at != ')' && !is_space(*at) ? 1 : 0;
}

/* at: a '('. The end behind its ')', NULL if there is none. */
static const char *parenthesis_end(const char *at)
{
    size_t len;
    for (at++; (len = unit_len(at)) > 0; at += len)
        ;
    return *at == ')' ? at + 1 : NULL;
}

/* Where the run of characters at `at` ends, trailing marks left aside; *ret_stop is behind those.
   */
static const char *run_end(const char *at, const char **ret_stop)
{
    const char *end = at;
    size_t len;
    for (; (len = unit_len(at)) > 0; at += len)
        if (len == 1 && !is_mark(*at))
            end = at + 1;
    *ret_stop = at;
    return end;
}

/* The rest of a link behind "http://" or "www."; `at` itself if there is none. */
static const char *body_end(const char *at)
{
    for (;;) {
        const char *stop;
        const char *end = run_end(at, &stop);
        const char *next = end == stop && *stop == '(' ? parenthesis_end(stop) : NULL;
        if (!next)
            return end;
        at = next;
    }
}

/* [start, stop): a run of word characters and hyphens. Whether a link begins in it. */
static bool find_in_run(const char *start, const char *stop, link *ret_link)
{
    while (start < stop && *start == '-')
        start++;
    if (stop > start && stop[0] == ':' && stop[1] == '/') {
        size_t slashes = stop[2] != '/' ? 1 : stop[3] != '/' ? 2 : 3;
        const char *body = stop + 1 + slashes, *end = body_end(body);
        if (end == body && slashes > 1)
            end = body_end(--body);
        *ret_link = (link){ start, end, (size_t)(stop - start), (size_t)(body - start) };
        return end > body;
    }
    bool is_www = stop - start >= 3 && memcmp(stop - 3, "www", 3) == 0 && *stop == '.' &&
                  (stop - start == 3 || stop[-4] == '-');
    if (!is_www)
        return false;
    *ret_link = (link){ stop - 3, body_end(stop + 1), 0, 0 };
    return ret_link->end > stop + 1;
}

static bool find_link(const char *at, link *ret_link)
{
    while (*at) {
        const char *stop = at;
        while (is_word(*stop) || *stop == '-')
            stop++;
        if (stop > at && find_in_run(at, stop, ret_link))
            return true;
        at = stop > at ? stop : at + 1;
    }
    return false;
}

/* The length of the first `count` characters. */
static size_t prefix_len(const char *text, size_t len, size_t count)
{
    size_t at = 0;
    for (; at < len; at++)
        if ((text[at] & 0xC0) != 0x80 && count-- == 0)
            break;
    return at;
}

static size_t length_of(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += (text[i] & 0xC0) != 0x80;
    return count;
}

enum { SHORT = 30, LONG = 45, PATH = 8 };

/* Host and the beginning of the path: up to where it is cut. */
static size_t cut(const link *found)
{
    const char *host = found->start + found->prefix_len;
    size_t len = (size_t)(found->end - found->start);
    const char *slash = memchr(host, '/', (size_t)(found->end - host));
    if (slash) {
        size_t piece = prefix_len(slash + 1, (size_t)(found->end - slash - 1), PATH);
        size_t kept = 0;
        while (kept < piece && !strchr("/?.", slash[1 + kept]))
            kept++;
        len = (size_t)(slash + 1 - found->start) + kept;
    }
    if (length_of(found->start, len) > LONG)
        len = prefix_len(found->start, len, SHORT);
    return len;
}

/* How much of the link is shown, all of it or what "..." follows. */
static size_t shown_len(const link *found, bool shorten)
{
    size_t len = (size_t)(found->end - found->start);
    size_t characters = length_of(found->start, len);
    if (!shorten || characters <= SHORT)
        return len;
    size_t kept = cut(found);
    if (kept == len)
        return len;
    for (size_t at = kept; at > 0; at--) { /* no half of an "&amp;" */
        if (found->start[at - 1] != '&')
            continue;
        if (length_of(found->start, at - 1) > SHORT - 5)
            kept = at - 1;
        break;
    }
    return length_of(found->start, kept) + 3 < characters ? kept : len;
}

static bool is_permitted(const link *found, const spout_linkify_options *options)
{
    static const char *const usual[] = { "http", "https", NULL };
    const char *const *protocol = options->permitted_protocols;
    if (found->protocol_len == 0)
        return !options->require_protocol;
    for (protocol = protocol ? protocol : usual; *protocol; protocol++)
        if (spi_bytes_equal((spout_bytes){ found->start, found->protocol_len }, *protocol))
            return true;
    return false;
}

static void append(spi_buffer *out, const char *text, size_t len)
{
    (void)!spi_buffer_append(out, text, len); /* its maximum is not to be reached */
}

static void append_text(spi_buffer *out, const char *text)
{
    append(out, text, strlen(text));
}

static void append_parameters(
    spi_buffer *out, const char *href, const spout_linkify_options *options)
{
    const char *text = options->extra_params_of ? options->extra_params_of(options->self, href)
                                                : options->extra_params;
    size_t len = text ? strlen(text) : 0;
    for (; len > 0 && is_space(*text); len--)
        text++;
    while (len > 0 && is_space(text[len - 1]))
        len--;
    if (len > 0) {
        append(out, " ", 1);
        append(out, text, len);
    }
}

static void append_link(spi_buffer *out, const link *found, const spout_linkify_options *options)
{
    size_t len = (size_t)(found->end - found->start), shown = shown_len(found, options->shorten);
    const char *href = spout_scope_format(
        "%s%.*s", found->protocol_len ? "" : "http://", (int)len, found->start);
    append_text(out, "<a href=\"");
    append_text(out, href);
    append_text(out, "\"");
    append_parameters(out, href, options);
    if (shown < len) {
        append_text(out, " title=\"");
        append_text(out, href);
        append_text(out, "\"");
    }
    append_text(out, ">");
    append(out, found->start, shown);
    append_text(out, shown < len ? "...</a>" : "</a>");
}

const char *spout_linkify(const char *text, const spout_linkify_options *options)
{
    static const spout_linkify_options defaults;
    const char *at = spout_xhtml_escape(text);
    if (!at)
        return NULL;
    spi_buffer out;
    spi_buffer_init(&out, SIZE_MAX / 4);
    link found;
    options = options ? options : &defaults;
    for (; find_link(at, &found); at = found.end) {
        append(&out, at, (size_t)(found.start - at));
        if (is_permitted(&found, options))
            append_link(&out, &found, options);
        else
            append(&out, found.start, (size_t)(found.end - found.start));
    }
    append_text(&out, at);
    const char *result = spout_scope_text(spi_buffer_text(&out));
    spi_buffer_release(&out);
    return result;
}
