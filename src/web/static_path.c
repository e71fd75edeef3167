/* What a path of a URL says, before the system is asked where it leads. */
#include "base/text.h"
#include "web/static.h"

static size_t segment_len(const char *at)
{
    return strcspn(at, "/");
}

static bool is_dots(const char *segment, size_t len)
{
    return (len == 1 && segment[0] == '.') || (len == 2 && segment[0] == '.' && segment[1] == '.');
}

static bool is_normal(const char *path)
{
    for (const char *at = path;;) {
        size_t len = segment_len(at);
        if (is_dots(at, len) || (len == 0 && *at))
            return false;
        if (!at[len])
            return true;
        at += len + 1;
    }
}

/* Back to the slash before the last segment; false: there is none. */
static bool go_up(const char *start, char **end)
{
    if (*end == start)
        return false;
    (*end)--;
    while (*end > start && (*end)[-1] != '/')
        (*end)--;
    return true;
}

const char *spi_static_normalise(spi_arena *arena, const char *path)
{
    if (*path == '/')
        return NULL;
    if (is_normal(path))
        return path;
    char *start = spi_arena_chars(arena, strlen(path) + 1), *end = start;
    for (const char *at = path; *at;) {
        size_t len = segment_len(at);
        bool last = !at[len];
        if (len == 2 && is_dots(at, len)) {
            if (!go_up(start, &end))
                return NULL;
        } else if (len && !is_dots(at, len)) {
            memcpy(end, at, len);
            end += len;
            if (!last)
                *end++ = '/';
        }
        at += len + !last;
    }
    *end = '\0';
    return start;
}

bool spi_static_is_hidden(const char *path)
{
    for (const char *at = path; *at;) {
        size_t len = segment_len(at);
        if (*at == '.' && !(len == 11 && memcmp(at, ".well-known", len) == 0))
            return true;
        at += len + (at[len] == '/');
    }
    return false;
}
