#include "http/topic.h"

/* Takes the first segment off: false if there is none left. */
static bool take_segment(spout_bytes *rest, spout_bytes *ret_segment)
{
    if (!rest->data)
        return false;
    const char *slash = memchr(rest->data, '/', rest->len);
    *ret_segment = (spout_bytes){ rest->data, slash ? (size_t)(slash - rest->data) : rest->len };
    if (slash)
        *rest = (spout_bytes){ slash + 1, rest->len - ret_segment->len - 1 };
    else
        *rest = (spout_bytes){ NULL, 0 };
    return true;
}

static bool is_text(spout_bytes bytes, const char *text)
{
    size_t len = strlen(text);
    return bytes.len == len && memcmp(bytes.data, text, len) == 0;
}

static bool matches_segment(spout_bytes pattern, spout_bytes segment)
{
    return is_text(pattern, "*") ||
           (pattern.len == segment.len && memcmp(pattern.data, segment.data, segment.len) == 0);
}

bool spi_topic_matches(spout_bytes pattern, spout_bytes name)
{
    spout_bytes wanted, segment;
    while (take_segment(&pattern, &wanted)) {
        if (!take_segment(&name, &segment))
            return false;
        if (!pattern.data && is_text(wanted, "**"))
            return true;
        if (!matches_segment(wanted, segment))
            return false;
    }
    return !name.data;
}
