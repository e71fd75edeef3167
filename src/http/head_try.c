#include "http/head.h"

#include "base/text.h"
#include "http/framing.h"
#include "http/host.h"
#include "http/scan.h"

/*
 * The straight way through a head. It knows only what is plain and gives up at anything else, so
 * that each rule is written out in one place (head_scan.c, head.c), and what it accepts is read
 * exactly as there: tests and a fuzzer compare the two.
 *
 * The copy is followed by a block of zeros: whole blocks can be read from any place in it, and
 * whatever runs towards its end stops there.
 */

enum { MAX_LEN = 2048, MAX_FIELDS = 24 };

typedef struct cursor {
    char *at;
    spi_field *fields; /* room for MAX_FIELDS */
    spi_arena *arena;
    spi_request_head *head;
} cursor;

/* The first byte from `at` on that isn't plain text. */
static inline char *skip_text(char *at)
{
    for (;; at += SPI_BLOCK_LEN) {
        uint32_t odd = (uint32_t)spi_unusual_16(at);
        if (odd)
            return at + spi_first_bit(odd);
    }
}

/* The first byte that isn't a letter or '-', which names mostly are made of. */
static inline char *skip_name(char *at)
{
    for (;; at += SPI_BLOCK_LEN) {
        spi_block block = spi_block_load(at), hyphens = spi_block_equal(block, '-');
        spi_block plain = spi_block_or(
            spi_block_between(spi_block_lower(block), 'a', 'z'), hyphens);
        uint32_t odd = spi_block_mask(plain) ^ SPI_BLOCK_ALL;
        if (odd)
            return at + spi_first_bit(odd);
    }
}

/* The first '?' or '#', or byte that isn't printable. */
static inline char *skip_path(char *at)
{
    for (;; at += SPI_BLOCK_LEN) {
        spi_block block = spi_block_load(at);
        spi_block marks = spi_block_or(spi_block_equal(block, '?'), spi_block_equal(block, '#'));
        uint32_t odd = spi_block_mask(spi_block_between(block, '!', '~')) ^ SPI_BLOCK_ALL;
        odd |= spi_block_mask(marks);
        if (odd)
            return at + spi_first_bit(odd);
    }
}

static inline bool is_line_end(const char *at)
{
    return memcmp(at, "\r\n", 2) == 0;
}

static inline size_t take_method(const char *text, spi_request_head *head)
{
    head->method_text = text;
    if (memcmp(text, "GET ", 4) == 0) {
        head->method = SPI_METHOD_GET;
        return 3;
    }
    size_t len = 0;
    while (spi_is_token_char(text[len]))
        len++;
    head->method = spi_method_parse(text, len);
    return len;
}

static bool take_request_line(cursor *c, const spi_head_limits *limits)
{
    char *text = c->at;
    spi_request_head *head = c->head;
    size_t method_len = take_method(text, head);
    char *target = text + method_len + 1;
    if (method_len == 0 || target[-1] != ' ' || target[0] != '/' ||
        head->method == SPI_METHOD_CONNECT)
        return false;
    char *mark = skip_path(target), *end = mark;
    while (*end == '?')
        end = skip_path(end + 1);
    if (memcmp(end, " HTTP/1.1\r\n", 11) != 0 ||
        (size_t)(end - text) + sizeof "HTTP/1.1" > limits->max_line)
        return false;
    text[method_len] = '\0';
    *end = '\0';
    head->target = (spout_bytes){ target, (size_t)(end - target) };
    head->path_len = (size_t)(mark - target);
    head->path = mark == end ? target : spi_arena_memdup(c->arena, target, head->path_len);
    head->query = mark == end ? end : mark + 1;
    head->minor_version = 1;
    c->at = end + sizeof " HTTP/1.1\r\n" - 1;
    return true;
}

/* A line with a plain name and a value that is neither empty nor has odd bytes or blanks around it,
   one in front excepted. */
static inline bool take_field(cursor *c, spi_field *ret_field)
{
    char *name = c->at, *colon = skip_name(name), *value = colon + 2;
    if (memcmp(colon, ": ", 2) != 0 && *colon == ':')
        value = colon + 1;
    else if (*colon != ':')
        return false;
    if (colon == name)
        return false;
    char *end = skip_text(value);
    if (!is_line_end(end) || *value <= ' ' || end[-1] == ' ')
        return false;
    *colon = '\0';
    *end = '\0';
    ret_field->name = name;
    ret_field->value = value;
    ret_field->name_len = (uint32_t)(colon - name);
    ret_field->value_len = (uint32_t)(end - value);
    c->at = end + 2;
    return true;
}

/* A small name or IPv4 address in lower case, with or without a port; what has not more than a
   block is read as one. */
static inline bool is_plain_host(const spi_field *field)
{
    size_t len = field->value_len;
    if (len > SPI_BLOCK_LEN)
        return false;
    spi_block block = spi_block_load(field->value);
    spi_block plain = spi_block_or(spi_block_between(block, 'a', 'z'),
        spi_block_or(spi_block_between(block, '0', '9'), spi_block_between(block, '-', '.')));
    size_t name_len = spi_first_bit(spi_block_mask(plain) ^ UINT64_C(0x1FFFF));
    if (name_len >= len)
        return true;
    const char *at = field->value + name_len;
    size_t digits = len - name_len - 1;
    if (*at != ':' || name_len == 0 || digits > 4)
        return false;
    uint32_t port = ((1u << digits) - 1) << (name_len + 1);
    return (spi_block_mask(spi_block_between(block, '0', '9')) & port) == port;
}

static inline bool take_host(spi_arena *arena, spi_request_head *head, const spi_field *field)
{
    head->host = field->value;
    return is_plain_host(field) || (field->value[0] != ':' && spi_host_parse(arena, field->value,
                                                                  field->value_len, &head->host));
}

static inline bool is_host(const spi_field *field)
{
    uint32_t name;
    memcpy(&name, field->name, sizeof name);
    uint32_t lower;
    memcpy(&lower, "host", sizeof lower);
    return field->name_len == 4 && (name | UINT32_C(0x20202020)) == lower;
}

/* *ret_known gets a bit for each field that framing may want to see: they are looked at in a second
   round, so that the first calls nothing. */
static inline bool take_fields(cursor *c, size_t max, uint32_t *ret_known)
{
    spi_field *fields = c->fields, *field = fields;
    const spi_field *end = fields + (max < MAX_FIELDS ? max : MAX_FIELDS);
    uint32_t known = 0, bit = 1;
    for (; field < end && take_field(c, field); field++, bit <<= 1)
        known |= spi_framing_is_none(field) ? 0 : bit;
    c->head->fields = fields;
    c->head->field_count = (size_t)(field - fields);
    *ret_known = known;
    return is_line_end(c->at);
}

static bool take_framing(spi_arena *arena, spi_request_head *head, uint32_t known)
{
    spi_framing framing = { .minor_version = 1 };
    for (; known; known &= known - 1) {
        if (spi_framing_add_known(&framing, &head->fields[spi_first_bit(known)]) < 0)
            return false;
    }
    return framing.host && take_host(arena, head, framing.host) &&
           spi_framing_finish(&framing, head) == 0;
}

static inline bool take_head(cursor *c, const spi_head_limits *limits)
{
    uint32_t known;
    if (!take_request_line(c, limits) || !take_fields(c, limits->max_fields, &known))
        return false;
    const spi_field *first = c->head->fields;
    if (known != 1 || !is_host(first))
        return take_framing(c->arena, c->head, known);
    spi_framing_finish_plain(c->head);
    return take_host(c->arena, c->head, first);
}

long spi_request_head_try(spi_arena *arena, const char *data, size_t len,
    const spi_head_limits *limits, spi_request_head *ret_head)
{
    size_t taken = len < MAX_LEN ? len : MAX_LEN;
    enum { FIELDS = MAX_FIELDS * sizeof(spi_field) };
    char *room = spi_arena_alloc(arena, FIELDS + taken + SPI_BLOCK_LEN), *text = room + FIELDS;
    if (taken <= 64)
        spi_put(text, data, taken);
    else /* a call: compilers unroll a memcpy of bounded length into something slower */
        memmove(text, data, taken);
    memset(text + taken, 0, SPI_BLOCK_LEN);
    cursor c = { text, (spi_field *)(void *)room, arena, ret_head };
    if (!take_head(&c, limits))
        return 0;
    size_t head_len = (size_t)(c.at - text) + 2;
    return head_len <= limits->max_head ? (long)head_len : 0;
}
