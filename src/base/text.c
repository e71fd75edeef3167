#include "base/text.h"

int spi_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = spi_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool spi_equal_nocase(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len != b_len)
        return false;
    if (a_len == 0 || memcmp(a, b, a_len) == 0) /* mostly they are written alike */
        return true;
    for (size_t i = 0; i < a_len; i++) {
        if (spi_lower(a[i]) != spi_lower(b[i]))
            return false;
    }
    return true;
}

bool spi_text_equal_nocase(const char *a, const char *b)
{
    while (*a && spi_lower(*a) == spi_lower(*b)) {
        a++;
        b++;
    }
    return spi_lower(*a) == spi_lower(*b);
}

bool spi_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool spi_bytes_equal(spout_bytes a, const char *text)
{
    size_t len = strlen(text);
    return a.len == len && (len == 0 || memcmp(a.data, text, len) == 0);
}

bool spi_equal_constant_time(const void *a, size_t a_len, const void *b, size_t b_len)
{
    if (a_len != b_len)
        return false;
    /* volatile: the compiler must not stop at the first difference. */
    const volatile unsigned char *left = a, *right = b;
    unsigned char difference = 0;
    for (size_t i = 0; i < a_len; i++)
        difference = (unsigned char)(difference | (left[i] ^ right[i]));
    return difference == 0;
}

bool spi_parse_uint(const char *text, size_t len, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!spi_is_digit(text[i]))
            return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

bool spi_parse_hex(const char *text, size_t len, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        int digit = spi_hex_value(text[i]);
        if (digit < 0 || (uint64_t)digit > max || value > (max - (uint64_t)digit) / 16)
            return false;
        value = value * 16 + (uint64_t)digit;
    }
    *ret_value = value;
    return true;
}

size_t spi_format_uint(char out[20], uint64_t value)
{
    if (value < 10) {
        *out = (char)('0' + value);
        return 1;
    }
    if (value < 100) {
        unsigned tens = (unsigned)value * 103 >> 10; /* value / 10, right up to 178 */
        out[0] = (char)('0' + tens);
        out[1] = (char)('0' + (unsigned)value - tens * 10);
        return 2;
    }
    size_t len = 3;
    for (uint64_t rest = value / 100; rest >= 10; rest /= 10)
        len++;
    for (size_t at = len; at-- > 0; value /= 10)
        out[at] = (char)('0' + value % 10);
    return len;
}

/* Within a character the state says how many bytes are missing and between which bounds the next
   one lies: only the second byte has other bounds than 80–BF, and these keep out overlong forms,
   surrogates and what is above U+10FFFF. */
static inline spi_utf8_state expect(unsigned missing, unsigned low, unsigned high)
{
    return (spi_utf8_state)(missing << 16 | low << 8 | high);
}

static inline spi_utf8_state utf8_lead(unsigned char byte)
{
    if (byte < 0x80)
        return SPI_UTF8_ACCEPT;
    if (byte < 0xC2)
        return SPI_UTF8_REJECT;
    if (byte < 0xE0)
        return expect(1, 0x80, 0xBF);
    if (byte < 0xF0)
        return expect(2, byte == 0xE0 ? 0xA0 : 0x80, byte == 0xED ? 0x9F : 0xBF);
    if (byte < 0xF5)
        return expect(3, byte == 0xF0 ? 0x90 : 0x80, byte == 0xF4 ? 0x8F : 0xBF);
    return SPI_UTF8_REJECT;
}

static inline spi_utf8_state utf8_follow(spi_utf8_state state, unsigned char byte)
{
    if (byte < (state >> 8 & 0xFF) || byte > (state & 0xFF))
        return SPI_UTF8_REJECT;
    unsigned missing = (state >> 16) - 1;
    return missing ? expect(missing, 0x80, 0xBF) : SPI_UTF8_ACCEPT;
}

static inline bool follows(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Of a character beyond ASCII that is all there and right; 0 for all else. */
static inline size_t whole_character(const unsigned char *at, const unsigned char *end)
{
    ptrdiff_t left = end - at;
    if (left < 2 || !follows(at[1]))
        return 0;
    unsigned upper = (at[0] & 0xFu) << 6 | (at[1] & 0x3Fu);
    if (at[0] < 0xE0)
        return at[0] >= 0xC2 ? 2 : 0;
    if (left < 3 || !follows(at[2]))
        return 0;
    if (at[0] < 0xF0) /* neither overlong nor a surrogate */
        return upper >= 0x800 >> 6 && upper >> 5 != 0xD800 >> 11 ? 3 : 0;
    if (left < 4 || !follows(at[3]))
        return 0;
    return upper >= 0x10000 >> 12 && upper <= 0x10FFFF >> 12 ? 4 : 0;
}

static inline uint64_t word_at(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* The first byte in memory that has a bit set. */
static inline size_t first_byte(uint64_t word)
{
    bool is_little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    return (size_t)(is_little ? __builtin_ctzll(word) : __builtin_clzll(word)) / 8;
}

static inline const unsigned char *skip_ascii(const unsigned char *at, const unsigned char *end)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    const unsigned char *stop = at + (size_t)(end - at) / 32 * 32;
    while (at < stop &&
           !((word_at(at) | word_at(at + 8) | word_at(at + 16) | word_at(at + 24)) & high_bits))
        at += 32;
    for (; end - at >= 8; at += 8) {
        uint64_t high = word_at(at) & high_bits;
        if (high)
            return at + first_byte(high);
    }
    while (at < end && *at < 0x80)
        at++;
    return at;
}

/* Whole characters where there are, byte by byte elsewhere. */
spi_utf8_state spi_utf8_feed(spi_utf8_state state, const void *data, size_t len)
{
    if (len == 0)
        return state;
    const unsigned char *at = data, *end = at + len;
    while (at < end && state != SPI_UTF8_REJECT) {
        size_t whole;
        if (state != SPI_UTF8_ACCEPT)
            state = utf8_follow(state, *at++);
        else if (*at < 0x80)
            at = skip_ascii(at, end);
        else if ((whole = whole_character(at, end)) > 0)
            at += whole;
        else
            state = utf8_lead(*at++);
    }
    return state;
}

bool spi_is_utf8(const void *data, size_t len)
{
    return spi_utf8_feed(SPI_UTF8_ACCEPT, data, len) == SPI_UTF8_ACCEPT;
}

size_t spi_utf8_encode(char out[4], uint32_t code_point)
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
        return 0;
    size_t len = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    out[0] = (char)(lead[len] | code_point);
    return len;
}

static inline bool is_escape(const char *at, const char *end)
{
    return *at == '%' && end - at > 2 && spi_hex_value(at[1]) >= 0 && spi_hex_value(at[2]) >= 0;
}

enum { BLOCK_LEN = 16 };
typedef signed char block __attribute__((vector_size(BLOCK_LEN)));

/* As signed numbers, bytes from 0x80 on are below those of ASCII. */
bool spi_is_plain(const char *text, size_t len)
{
    block plain = { 0 };
    plain = ~plain;
    for (; len >= BLOCK_LEN; len -= BLOCK_LEN, text += BLOCK_LEN) {
        block bytes;
        memcpy(&bytes, text, sizeof bytes);
        plain &= (bytes > 0x1F) & (bytes != 0x7F);
    }
    uint64_t halves[2];
    memcpy(halves, &plain, sizeof halves);
    bool all = (halves[0] & halves[1]) == UINT64_MAX;
    for (; len > 0; len--, text++)
        all &= *text >= 0x20 && *text < 0x7F;
    return all;
}

static char *find(char *at, const char *end, char c)
{
    char *found = memchr(at, c, (size_t)(end - at));
    return found ? found : at + (end - at);
}

size_t spi_percent_decode(char *text, size_t len, bool plus)
{
    char *at = text, *end = text + len, *out = text;
    char *percent = find(at, end, '%');
    while (at < end) {
        if (percent < at)
            percent = find(at, end, '%');
        char *stop = plus ? find(at, percent, '+') : percent;
        if (out < at)
            memmove(out, at, (size_t)(stop - at));
        out += stop - at;
        at = stop;
        if (at == end)
            break;
        if (is_escape(at, end)) {
            *out++ = (char)(spi_hex_value(at[1]) * 16 + spi_hex_value(at[2]));
            at += 3;
        } else {
            *out++ = *at == '+' ? ' ' : *at;
            at++;
        }
    }
    return (size_t)(out - text);
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t spi_base64_encode(char *out, const void *data, size_t len)
{
    const unsigned char *at = data;
    char *start = out;
    for (; len >= 3; at += 3, len -= 3) {
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        *out++ = base64_digits[bits >> 18];
        *out++ = base64_digits[bits >> 12 & 63];
        *out++ = base64_digits[bits >> 6 & 63];
        *out++ = base64_digits[bits & 63];
    }
    if (len > 0) {
        uint32_t bits = (uint32_t)at[0] << 16 | (len > 1 ? (uint32_t)at[1] << 8 : 0);
        *out++ = base64_digits[bits >> 18];
        *out++ = base64_digits[bits >> 12 & 63];
        *out++ = len > 1 ? base64_digits[bits >> 6 & 63] : '=';
        *out++ = '=';
    }
    return (size_t)(out - start);
}

static inline int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters of which the last `padding` are '='; negative if they are none. */
static int32_t base64_group(const char *text, size_t padding)
{
    int32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - padding ? base64_value(text[i]) : 0;
        if (value < 0)
            return -1;
        bits = bits << 6 | value;
    }
    int32_t unused = padding == 2 ? 0xFFFF : padding == 1 ? 0xFF : 0;
    return bits & unused ? -1 : bits;
}

bool spi_base64_decode(char *out, size_t *ret_len, const char *text, size_t len)
{
    if (len % 4 != 0)
        return false;
    char *start = out;
    for (size_t i = 0; i < len; i += 4) {
        size_t padding = 0;
        if (i + 4 == len && text[i + 3] == '=')
            padding = text[i + 2] == '=' ? 2 : 1;
        int32_t bits = base64_group(text + i, padding);
        if (bits < 0)
            return false;
        *out++ = (char)(bits >> 16);
        if (padding < 2)
            *out++ = (char)(bits >> 8);
        if (padding < 1)
            *out++ = (char)bits;
    }
    *ret_len = (size_t)(out - start);
    return true;
}

typedef unsigned char octets __attribute__((vector_size(BLOCK_LEN)));
typedef uint64_t two_words __attribute__((vector_size(BLOCK_LEN)));

static inline octets hex_digits(octets nibbles)
{
    octets letters = (octets)((block)nibbles > 9);
    return nibbles + '0' + (letters & ('a' - '0' - 10));
}

/* Sixteen bytes at once: the nibbles are taken apart, and their digits put side by side. */
static void hex_encode_block(char *out, const unsigned char *at)
{
    octets bytes;
    memcpy(&bytes, at, sizeof bytes);
    octets high = hex_digits(bytes >> 4), low = hex_digits(bytes & 15);
    octets first = __builtin_shufflevector(
        high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    octets second = __builtin_shufflevector(
        high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    memcpy(out, &first, sizeof first);
    memcpy(out + sizeof first, &second, sizeof second);
}

void spi_hex_encode_u64(char out[16], uint64_t value)
{
    unsigned char big_endian[8];
    for (int i = 0; i < 8; i++)
        big_endian[i] = (unsigned char)(value >> (56 - 8 * i));
    uint64_t lower;
    memcpy(&lower, big_endian, sizeof lower);
    octets bytes = (octets)(two_words){ lower, 0 };
    octets nibbles = __builtin_shufflevector(
        bytes >> 4, bytes & 15, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    octets digits = hex_digits(nibbles);
    memcpy(out, &digits, sizeof digits);
}

void spi_hex_encode(char *out, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = data;
    for (; len >= BLOCK_LEN; len -= BLOCK_LEN, at += BLOCK_LEN, out += 2 * BLOCK_LEN)
        hex_encode_block(out, at);
    for (; len > 0; len--, at++) {
        *out++ = digits[*at >> 4];
        *out++ = digits[*at & 15];
    }
}
