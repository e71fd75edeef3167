#include <spout/httputil.h>

/* The opaque part with its quotes: weak comparison ignores the W/. */
static const char *skip_weakness(const char *tag)
{
    return tag[0] == 'W' && tag[1] == '/' ? tag + 2 : tag;
}

/* A list, or "*" alone. */
static bool names(const char *list, const char *etag, bool strongly)
{
    const char *opaque = skip_weakness(etag), *at = list + strspn(list, " \t,");
    size_t len = strlen(opaque);
    if (*at == '*')
        return at[1 + strspn(at + 1, " \t,")] == '\0';
    if (strongly && opaque != etag)
        return false;
    while (*at) {
        const char *tag = skip_weakness(at);
        bool counts = tag == at || !strongly;
        const char *close = *tag == '"' ? strchr(tag + 1, '"') : NULL;
        if (!close)
            return false;
        if (counts && (size_t)(close + 1 - tag) == len && memcmp(tag, opaque, len) == 0)
            return true;
        at = close + 1 + strspn(close + 1, " \t,");
    }
    return false;
}

bool spout_etag_matches(const char *if_none_match, const char *etag)
{
    return if_none_match && etag && names(if_none_match, etag, false);
}

bool spout_etag_is_matched(const char *if_match, const char *etag)
{
    return if_match && etag && names(if_match, etag, true);
}
