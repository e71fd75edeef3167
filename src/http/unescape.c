#include <spout/escape.h>
#include <spout/memory.h>

#include "base/text.h"
#include "http/entities.h"

/* What the numbers 128 to 159 stand for: windows-1252, as HTML has it (§13.2.5.80). */
static const uint16_t windows_1252[32] = { 0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020,
    0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D, 0x017D, 0x8F, 0x90, 0x2018, 0x2019,
    0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D, 0x017E,
    0x0178 };

static uint32_t meant_by(uint64_t number)
{
    enum { REPLACEMENT = 0xFFFD };
    if (number == 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF))
        return REPLACEMENT;
    return number >= 0x80 && number < 0xA0 ? windows_1252[number - 0x80] : (uint32_t)number;
}

/* The digits between "&#" and ';'. Returns the text's length, 0 for what is no number. */
static size_t resolve_number(const char *digits, size_t len, char out[4])
{
    bool hex = len > 0 && spi_lower(*digits) == 'x';
    uint64_t number = 0;
    if (len == (hex ? 1U : 0U))
        return 0;
    for (size_t i = hex ? 1 : 0; i < len; i++) {
        int digit = spi_hex_value(digits[i]);
        if (digit < 0 || (!hex && digit > 9))
            return 0;
        if (number <= 0x10FFFF)
            number = number * (hex ? 16 : 10) + (unsigned)digit;
    }
    return spi_utf8_encode(out, meant_by(number));
}

static bool is_alphanumeric(char c)
{
    return spi_is_digit(c) || (spi_lower(c) >= 'a' && spi_lower(c) <= 'z');
}

/* at: the '&'. Writes what the reference stands for and returns its length in the source; 0: it is
   none. */
static size_t resolve(const char *at, char **out)
{
    enum { LEADING_ZEROS = 64 };
    bool numeric = at[1] == '#';
    const char *name = at + 1 + numeric;
    size_t len = 0, max = numeric ? LEADING_ZEROS : SPI_ENTITY_NAME_MAX;
    while (len <= max && is_alphanumeric(name[len]))
        len++;
    if (len == 0 || len > max || name[len] != ';')
        return 0;
    char encoded[4];
    const char *text = numeric ? encoded : spi_entity_find(name, len);
    size_t text_len = numeric ? resolve_number(name, len, encoded) : text ? strlen(text) : 0;
    if (text_len == 0)
        return 0;
    memcpy(*out, text, text_len);
    *out += text_len;
    return (size_t)(name - at) + len + 1;
}

const char *spout_xhtml_unescape(const char *text)
{
    if (!text)
        return NULL;
    size_t len = strlen(text);
    /* Few are longer than what names them: "&nGt;" has six bytes. */
    char *plain = spout_scope_alloc(len + len / 5 + 1), *out = plain;
    while (*text) {
        size_t used = *text == '&' ? resolve(text, &out) : 0;
        if (used == 0)
            *out++ = *text;
        text += used > 0 ? used : 1;
    }
    return plain;
}
