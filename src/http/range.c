#include <spout/error.h>
#include <spout/httputil.h>

#include "base/text.h"
#include "http/token.h"

/* Digits that are too many for the type count as its maximum: such a position lies behind any end.
   */
static bool take_position(const char **at, const char *end, int64_t *ret_position)
{
    int64_t position = 0;
    if (*at == end || !spi_is_digit(**at))
        return false;
    for (; *at < end && spi_is_digit(**at); (*at)++) {
        int digit = **at - '0';
        position = position > (INT64_MAX - digit) / 10 ? INT64_MAX : position * 10 + digit;
    }
    *ret_position = position;
    return true;
}

typedef enum verdict { MALFORMED, UNSATISFIABLE, SATISFIABLE } verdict;

/* "-N": the last N bytes */
static verdict parse_suffix(const char *at, const char *end, int64_t size, spout_range *ret_range)
{
    int64_t length;
    if (!take_position(&at, end, &length) || at != end)
        return MALFORMED;
    if (length == 0)
        return UNSATISFIABLE;
    if (size == 0)
        return MALFORMED; /* satisfied by all of nothing, which no Content-Range can say */
    *ret_range = (spout_range){ length < size ? size - length : 0, size };
    return SATISFIABLE;
}

/* "A-B" or "A-" */
static verdict parse_spec(spout_bytes spec, int64_t size, spout_range *ret_range)
{
    const char *at = spec.data, *end = at + spec.len;
    int64_t first, last = INT64_MAX;
    if (*at == '-')
        return parse_suffix(at + 1, end, size, ret_range);
    if (!take_position(&at, end, &first) || at == end || *at++ != '-')
        return MALFORMED;
    if (at < end && (!take_position(&at, end, &last) || at != end || last < first))
        return MALFORMED;
    if (first >= size)
        return UNSATISFIABLE;
    *ret_range = (spout_range){ first, last < size ? last + 1 : size };
    return SATISFIABLE;
}

int spout_parse_range(const char *header, int64_t size, spout_range *ret_ranges, int max)
{
    enum { UNIT = sizeof "bytes=" - 1 };
    if (!header || strlen(header) < UNIT || !spi_equal_nocase(header, UNIT, "bytes=", UNIT))
        return 0;
    const char *at = header + UNIT, *end = at + strlen(at);
    int specs = 0, count = 0;
    spout_bytes spec;
    while (spi_list_next(&at, end, &spec)) {
        spout_range range;
        if (spec.len == 0)
            continue;
        verdict result = parse_spec(spec, size, &range);
        if (result == MALFORMED)
            return 0;
        if (specs++ == max)
            return spout_error_set(SPOUT_ELIMIT, "more than %d ranges asked for", max);
        if (result == SATISFIABLE)
            ret_ranges[count++] = range;
    }
    if (specs > 0 && count == 0)
        return spout_error_set(
            SPOUT_ENOTFOUND, "no range asked for lies within %lld bytes", (long long)size);
    return count;
}

/* "A-B" of a Content-Range. */
static bool take_extent(const char **at, const char *end, spout_range *ret_range)
{
    int64_t first, last;
    if (!take_position(at, end, &first) || *at == end || *(*at)++ != '-' ||
        !take_position(at, end, &last) || last < first || last == INT64_MAX)
        return false;
    *ret_range = (spout_range){ first, last + 1 };
    return true;
}

int spout_parse_content_range(const char *header, spout_range *ret_range, int64_t *ret_size)
{
    enum { UNIT = sizeof "bytes " - 1 };
    if (header && strlen(header) > UNIT && spi_equal_nocase(header, UNIT, "bytes ", UNIT)) {
        const char *at = header + UNIT, *end = at + strlen(at);
        spout_range range = { 0, 0 };
        int64_t size = -1;
        bool unsatisfied = *at == '*';
        bool good = unsatisfied ? *at++ == '*' : take_extent(&at, end, &range);
        good = good && at < end && *at++ == '/';
        if (good && !unsatisfied && strcmp(at, "*") == 0)
            at++;
        else
            good = good && take_position(&at, end, &size) && size >= range.end;
        if (good && at == end) {
            *ret_range = range;
            *ret_size = size;
            return 0;
        }
    }
    return spout_error_set(SPOUT_EPROTO, "a malformed Content-Range");
}
