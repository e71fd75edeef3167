/* Text and bytes: ASCII case, digits-only numbers, UTF-8, percent and hex and base64 coding.
   Nothing here allocates. */
#ifndef SPI_TEXT_H
#define SPI_TEXT_H

#include <spout/base.h>

static inline char spi_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}
/* Whether they may be the same letter; a first look that is cheaper than spi_lower. */
static inline bool spi_alike(char a, char b)
{
    return ((a ^ b) & ~0x20) == 0;
}
static inline bool spi_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
int spi_hex_value(char c); /* 0–15, or -1 */

/* Nothing but printable ASCII: no control character, and UTF-8 in any case. */
bool spi_is_plain(const char *text, size_t len);

bool spi_equal_nocase(const char *a, size_t a_len, const char *b, size_t b_len);
bool spi_text_equal_nocase(const char *a, const char *b);
bool spi_starts_with(const char *text, const char *prefix);
bool spi_bytes_equal(spout_bytes a, const char *text);

/* Same time whatever the content; false at once if the lengths differ. */
bool spi_equal_constant_time(const void *a, size_t a_len, const void *b, size_t b_len);

/* One or more decimal digits and nothing else, at most `max`. */
bool spi_parse_uint(const char *text, size_t len, uint64_t max, uint64_t *ret_value);
bool spi_parse_hex(const char *text, size_t len, uint64_t max, uint64_t *ret_value);
size_t spi_format_uint(char out[20], uint64_t value); /* no NUL; returns the digits' count */

/* As memcpy, for short texts whose length only the caller knows, and without a call: what is too
   short for a block is copied as two halves that overlap. Returns the end. */
static inline char *spi_put_short(char *out, const char *text, size_t len)
{
    char *end = out + len;
    if (len >= 16) {
        const char *last = text + len - 16;
        for (; text < last; text += 16, out += 16)
            memcpy(out, text, 16);
        memcpy(end - 16, last, 16);
    } else if (len >= 8) {
        uint64_t first, last;
        memcpy(&first, text, 8);
        memcpy(&last, text + len - 8, 8);
        memcpy(out, &first, 8);
        memcpy(end - 8, &last, 8);
    } else if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, text, 4);
        memcpy(&last, text + len - 4, 4);
        memcpy(out, &first, 4);
        memcpy(end - 4, &last, 4);
    } else {
        while (out < end)
            *out++ = *text++;
    }
    return end;
}

/* The same for any length. */
static inline char *spi_put(char *out, const char *text, size_t len)
{
    if (len <= 64)
        return spi_put_short(out, text, len);
    memcpy(out, text, len);
    return out + len;
}
#define SPI_PUT_LITERAL(out, literal) \
    ((char *)memcpy(out, literal, sizeof(literal) - 1) + sizeof(literal) - 1)

/* Incremental UTF-8 (RFC 3629: no surrogates, no overlong forms). State 0 at the start and at each
   character's end. */
typedef uint32_t spi_utf8_state;
enum { SPI_UTF8_ACCEPT = 0, SPI_UTF8_REJECT = 1 };
/* REJECT is final. */
spi_utf8_state spi_utf8_feed(spi_utf8_state state, const void *data, size_t len);
bool spi_is_utf8(const void *data, size_t len);
/* The bytes' count; 0 for what is no character. */
size_t spi_utf8_encode(char out[4], uint32_t code_point);

/* Decodes %XX (and + to space where `plus`) in place; bad escapes stay as they are. Returns the
   new length. */
size_t spi_percent_decode(char *text, size_t len, bool plus);

/* 4*((len+2)/3) characters, no NUL. */
size_t spi_base64_encode(char *out, const void *data, size_t len);
/* Strict: padded, no blanks, no stray bits. `out` has room for len/4*3 bytes and may be `text`
   itself. */
bool spi_base64_decode(char *out, size_t *ret_len, const char *text, size_t len);
void spi_hex_encode(char *out, const void *data, size_t len); /* 2*len characters, no NUL */
void spi_hex_encode_u64(char out[16], uint64_t value);        /* with leading zeros, no NUL */

#endif
