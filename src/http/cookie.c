#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/text.h"
#include "http/token.h"

static bool is_octal(char c, char max)
{
    return c >= '0' && c <= max;
}

/* Takes quotes off and resolves \ooo and \c, in place and in one pass; what isn't quoted stays as
   it is. */
static spout_bytes unquote(char *text, size_t len)
{
    if (len < 2 || text[0] != '"' || text[len - 1] != '"')
        return (spout_bytes){ text, len };
    char *out = text + 1;
    const char *at = out, *end = text + len - 1;
    while (at < end) {
        if (*at != '\\' || end - at < 2) {
            *out++ = *at++;
        } else if (end - at >= 4 && is_octal(at[1], '3') && is_octal(at[2], '7') &&
                   is_octal(at[3], '7')) {
            *out++ = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 4;
        } else {
            *out++ = at[1];
            at += 2;
        }
    }
    return (spout_bytes){ text + 1, (size_t)(out - text) - 1 };
}

/* What the Python cookie library accepts: tokens, and ':' as well. */
static bool is_name(spout_bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!spi_is_token_char(name.data[i]) && name.data[i] != ':')
            return false;
    }
    return true;
}

static spout_bytes strip(char *at, char *end)
{
    while (at < end && spi_is_blank(*at))
        at++;
    while (end > at && spi_is_blank(end[-1]))
        end--;
    return (spout_bytes){ at, (size_t)(end - at) };
}

/* False if it is empty or its name is bad. Without '=' it is all value, of the nameless cookie. */
static bool parse_cookie(char *at, char *end, spout_pair *ret_pair)
{
    char *equals = at < end ? memchr(at, '=', (size_t)(end - at)) : NULL;
    spout_bytes name = equals ? strip(at, equals) : (spout_bytes){ "", 0 };
    char *rest = equals ? equals + 1 : at;
    spout_bytes value = strip(rest, end);
    if ((name.len == 0 && value.len == 0) || !is_name(name))
        return false;
    *ret_pair = (spout_pair){ name, unquote(rest + (value.data - rest), value.len) };
    return true;
}

long spout_parse_cookies(const char *header, spout_pair **ret_pairs)
{
    char *at = spout_scope_text(header ? header : "");
    size_t room = 1;
    for (const char *c = at; *c; c++)
        room += *c == ';';
    spout_pair *pairs = spout_scope_alloc(room * sizeof *pairs);
    char *end = at + strlen(at);
    long count = 0;
    while (at <= end) {
        char *stop = memchr(at, ';', (size_t)(end - at));
        if (!stop)
            stop = end;
        count += parse_cookie(at, stop, &pairs[count]);
        at = stop + 1;
    }
    *ret_pairs = pairs;
    return count;
}
