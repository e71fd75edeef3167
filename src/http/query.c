#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/text.h"

enum { DEFAULT_MAX_PAIRS = 10000 };

static char *find(char *at, char *end, char c)
{
    char *found = at < end ? memchr(at, c, (size_t)(end - at)) : NULL;
    return found ? found : end;
}

/* Pieces that aren't empty; stops counting beyond `max`. */
static size_t count_pieces(char *at, char *end, size_t max)
{
    size_t count = 0;
    while (at < end && count <= max) {
        char *stop = find(at, end, '&');
        count += stop > at;
        at = stop + 1;
    }
    return count;
}

static spout_pair split_piece(char *at, char *end)
{
    char *equals = find(at, end, '=');
    char *value = equals < end ? equals + 1 : end;
    spout_pair pair = { .name = { at, spi_percent_decode(at, (size_t)(equals - at), true) },
        .value = { value, spi_percent_decode(value, (size_t)(end - value), true) } };
    return pair;
}

long spout_parse_query(spout_bytes query, size_t max_pairs, spout_pair **ret_pairs)
{
    if (max_pairs == 0)
        max_pairs = DEFAULT_MAX_PAIRS;
    char *at = spout_scope_bytes(query), *end = at + query.len;
    size_t count = count_pieces(at, end, max_pairs);
    if (count > max_pairs)
        return spout_error_set(SPOUT_ELIMIT, "more than %zu fields in a query or form", max_pairs);
    spout_pair *pairs = spout_scope_alloc((count ? count : 1) * sizeof *pairs);
    for (size_t i = 0; i < count;) {
        char *stop = find(at, end, '&');
        if (stop > at)
            pairs[i++] = split_piece(at, stop);
        at = stop + 1;
    }
    *ret_pairs = pairs;
    return (long)count;
}
