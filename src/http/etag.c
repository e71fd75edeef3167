#include <spout/httputil.h>

#include "http/token.h"

/* The opaque part with its quotes: weak comparison ignores the W/. */
static const char *skip_weakness(const char *tag)
{
    return tag[0] == 'W' && tag[1] == '/' ? tag + 2 : tag;
}

bool spout_etag_matches(const char *if_none_match, const char *etag)
{
    if (!if_none_match || !etag)
        return false;
    const char *opaque = skip_weakness(etag);
    size_t len = strlen(opaque);
    const char *at = if_none_match;
    while (*at) {
        if (spi_is_blank(*at) || *at == ',') {
            at++;
            continue;
        }
        if (*at == '*')
            return true;
        at = skip_weakness(at);
        const char *close = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (!close)
            return false;
        if ((size_t)(close + 1 - at) == len && memcmp(at, opaque, len) == 0)
            return true;
        at = close + 1;
    }
    return false;
}
