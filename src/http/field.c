#include "http/head.h"

#include "base/text.h"
#include "http/scan.h"

/* RFC 9110 §5.6.2: "!#$%&'*+-.^_`|~", digits, letters. */
const bool spi_token_chars[256] = {
    ['!'] = true,
    ['#'] = true,
    ['$'] = true,
    ['%'] = true,
    ['&'] = true,
    ['\''] = true,
    ['*'] = true,
    ['+'] = true,
    ['-'] = true,
    ['.'] = true,
    ['^'] = true,
    ['_'] = true,
    ['`'] = true,
    ['|'] = true,
    ['~'] = true,
    ['0'] = true,
    ['1'] = true,
    ['2'] = true,
    ['3'] = true,
    ['4'] = true,
    ['5'] = true,
    ['6'] = true,
    ['7'] = true,
    ['8'] = true,
    ['9'] = true,
    ['A'] = true,
    ['B'] = true,
    ['C'] = true,
    ['D'] = true,
    ['E'] = true,
    ['F'] = true,
    ['G'] = true,
    ['H'] = true,
    ['I'] = true,
    ['J'] = true,
    ['K'] = true,
    ['L'] = true,
    ['M'] = true,
    ['N'] = true,
    ['O'] = true,
    ['P'] = true,
    ['Q'] = true,
    ['R'] = true,
    ['S'] = true,
    ['T'] = true,
    ['U'] = true,
    ['V'] = true,
    ['W'] = true,
    ['X'] = true,
    ['Y'] = true,
    ['Z'] = true,
    ['a'] = true,
    ['b'] = true,
    ['c'] = true,
    ['d'] = true,
    ['e'] = true,
    ['f'] = true,
    ['g'] = true,
    ['h'] = true,
    ['i'] = true,
    ['j'] = true,
    ['k'] = true,
    ['l'] = true,
    ['m'] = true,
    ['n'] = true,
    ['o'] = true,
    ['p'] = true,
    ['q'] = true,
    ['r'] = true,
    ['s'] = true,
    ['t'] = true,
    ['u'] = true,
    ['v'] = true,
    ['w'] = true,
    ['x'] = true,
    ['y'] = true,
    ['z'] = true,
};

bool spi_is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!spi_is_token_char(text[i]))
            return false;
    }
    return len > 0;
}

bool spi_is_field_value(const char *text, size_t len)
{
    if (len == 0)
        return true;
    if (spi_is_blank(text[0]) || spi_is_blank(text[len - 1]))
        return false;
    for (size_t at = 0, next; at < len; at = next) {
        for (uint64_t odd = spi_unusual(text, at, len, &next); odd; odd &= odd - 1) {
            char c = text[at + spi_first_bit(odd)];
            if (spi_is_control(c) && c != '\t')
                return false;
        }
    }
    return true;
}

const spi_field *spi_field_find(
    const spi_field *fields, size_t count, const char *name, size_t name_len)
{
    for (const spi_field *field = fields, *end = fields + count; field < end; field++) {
        if (field->name_len == name_len && spi_alike(*field->name, *name) &&
            spi_equal_nocase(field->name, name_len, name, name_len))
            return field;
    }
    return NULL;
}

bool spi_list_next(const char **at, const char *end, spout_bytes *ret_element)
{
    if (!*at || *at > end)
        return false;
    const char *start = *at;
    const char *comma = start < end ? memchr(start, ',', (size_t)(end - start)) : NULL;
    const char *stop = comma ? comma : end;
    *at = comma ? comma + 1 : NULL;
    while (start < stop && spi_is_blank(*start))
        start++;
    while (stop > start && spi_is_blank(stop[-1]))
        stop--;
    *ret_element = (spout_bytes){ start, (size_t)(stop - start) };
    return true;
}

bool spi_field_lists(const spi_field *fields, size_t count, const char *name, const char *token)
{
    size_t name_len = strlen(name), token_len = strlen(token);
    for (size_t i = 0; i < count; i++) {
        if (!spi_equal_nocase(fields[i].name, fields[i].name_len, name, name_len))
            continue;
        const char *at = fields[i].value, *end = at + fields[i].value_len;
        spout_bytes element;
        while (spi_list_next(&at, end, &element)) {
            if (spi_equal_nocase(element.data, element.len, token, token_len))
                return true;
        }
    }
    return false;
}
