#include "http/head_try.h"

#include "base/text.h"
#include "http/framing.h"
#include "http/host.h"
#include "http/scan.h"

/*
 * The straight way through a head. It knows only what is plain and gives up at anything else, so
 * that each rule is written out in one place (head_scan.c, head.c), and what it accepts is read
 * exactly as there: tests and a fuzzer compare the two.
 *
 * The text is looked at in steps of 32 bytes, each of which gives a number with a bit for each odd
 * byte: where the first of them is, a name or a value ends. The copy is followed by a step of
 * zeros: whole steps can be read from any place in it, and whatever runs towards its end stops
 * there.
 *
 * Compiled once for each kind of processor, under different names.
 */
#ifndef SPI_HEAD_TRY
#define SPI_HEAD_TRY spi_head_try_base
#endif

enum { MAX_LEN = 2048, MAX_FIELDS = 24, STEP_LEN = 32 };

typedef struct cursor {
    char *at;
    spi_field *fields; /* room for MAX_FIELDS */
    spi_arena *arena;
    spi_request_head *head;
} cursor;

/* The bytes of the next step that are no plain text. */
static inline uint32_t odd_in_text(const char *at)
{
    uint32_t odd = 0;
    for (int i = 0; i < STEP_LEN; i += SPI_BLOCK_LEN)
        odd |= spi_unusual_block(at + i) << i;
    return odd;
}

/* Those that are no letter or '-', which names mostly are made of. */
static inline uint32_t odd_in_name(const char *at)
{
    uint32_t odd = 0;
    for (int i = 0; i < STEP_LEN; i += SPI_BLOCK_LEN) {
        spi_block block = spi_block_load(at + i);
        spi_block others = spi_block_outside(block | 0x20, 'a', 'z');
        odd |= spi_block_mask(spi_block_without(others, block == '-')) << i;
    }
    return odd;
}

/* Those that are '?' or '#', or not printable. */
static inline uint32_t odd_in_path(const char *at)
{
    uint32_t odd = 0;
    for (int i = 0; i < STEP_LEN; i += SPI_BLOCK_LEN) {
        spi_block block = spi_block_load(at + i), marks = (block == '?') | (block == '#');
        odd |= spi_block_mask(spi_block_outside(block, '!', '~') | marks) << i;
    }
    return odd;
}

static inline char *text_end(char *at)
{
    uint32_t odd;
    while ((odd = odd_in_text(at)) == 0)
        at += STEP_LEN;
    return at + spi_first_bit_32(odd);
}

static inline char *path_end(char *at)
{
    uint32_t odd;
    while ((odd = odd_in_path(at)) == 0)
        at += STEP_LEN;
    return at + spi_first_bit_32(odd);
}

static inline bool is_line_end(const char *at)
{
    return memcmp(at, "\r\n", 2) == 0;
}

/* Returns where the target begins, or NULL. Not inlined, as what else is rare, so that the usual way
   keeps its registers. */
__attribute__((noinline)) static char *take_other_method(char *text, spi_request_head *head)
{
    size_t len = 0;
    while (spi_is_token_char(text[len]))
        len++;
    head->method = spi_method_parse(text, len);
    bool plain = len > 0 && memcmp(text + len, " /", 2) == 0;
    return plain && head->method != SPI_METHOD_CONNECT ? text + len + 1 : NULL;
}

static inline char *take_method(char *text, spi_request_head *head)
{
    head->method_text = text;
    if (memcmp(text, "GET /", 5) != 0)
        return take_other_method(text, head);
    head->method = SPI_METHOD_GET;
    return text + 4;
}

static inline bool take_request_line(cursor *c)
{
    spi_request_head *head = c->head;
    char *target = take_method(c->at, head);
    if (!target)
        return false;
    char *mark = path_end(target), *end = mark;
    while (*end == '?')
        end = path_end(end + 1);
    if (memcmp(end, " HTTP/1.1\r\n", 11) != 0)
        return false;
    target[-1] = '\0';
    *end = '\0';
    head->target = (spout_bytes){ target, (size_t)(end - target) };
    head->path_len = (size_t)(mark - target);
    head->path = mark == end ? target : spi_arena_memdup(c->arena, target, head->path_len);
    head->query = mark == end ? end : mark + 1;
    head->minor_version = 1;
    c->at = end + sizeof " HTTP/1.1\r\n" - 1;
    return true;
}

/* A line with a plain name, ": ", and a value that is neither empty nor has odd bytes or blanks
   around it. That the name isn't empty is seen to later. */
static inline bool take_field(cursor *c, spi_field *ret_field)
{
    char *name = c->at;
    uint32_t name_len = spi_first_bit_32(odd_in_name(name));
    char *colon = name + name_len, *value = colon + 2, *end = text_end(name);
    if (memcmp(colon, ": ", 2) != 0 || *value <= ' ' || !is_line_end(end) || end[-1] == ' ')
        return false;
    c->at = end + 2;
    *colon = '\0';
    *end = '\0';
    ret_field->name = name;
    ret_field->value = value;
    ret_field->name_len = name_len;
    ret_field->value_len = (uint32_t)(end - value);
    return true;
}

/* A small name or IPv4 address in lower case, with or without a port, that with its NUL is not
   longer than a block. */
static inline bool is_plain_host(const spi_field *field)
{
    uint32_t len = field->value_len;
    if (len >= SPI_BLOCK_LEN)
        return false;
    spi_block block = spi_block_load(field->value);
    uint32_t no_digits = spi_block_mask(spi_block_outside(block, '0', '9'));
    uint32_t no_name = no_digits & spi_block_mask(spi_block_outside(block, 'a', 'z') &
                                                  spi_block_outside(block, '-', '.'));
    uint32_t name_len = spi_first_bit_32(no_name); /* the NUL at the end is none either */
    if (name_len == len)
        return true;
    uint32_t digits = len - name_len - 1;
    return name_len > 0 && field->value[name_len] == ':' && digits <= 4 &&
           spi_first_bit_32(no_digits >> name_len >> 1) >= digits;
}

static inline bool take_host(spi_arena *arena, spi_request_head *head, const spi_field *field)
{
    head->host = field->value;
    return is_plain_host(field) || (field->value[0] != ':' && spi_host_parse(arena, field->value,
                                                                  field->value_len, &head->host));
}

/* Those that framing wants to see are put on a list and looked at when all are there, so that the
   loop calls nothing. Returns the list's end, or NULL. */
static inline const spi_field **take_fields(cursor *c, const spi_field **known)
{
    spi_field *field = c->fields, *last = field + MAX_FIELDS;
    do {
        if (!take_field(c, field))
            return NULL;
        if (!spi_framing_is_none(field))
            *known++ = field;
    } while (++field < last && !is_line_end(c->at));
    c->head->fields = c->fields;
    c->head->field_count = (size_t)(field - c->fields);
    return is_line_end(c->at) ? known : NULL;
}

__attribute__((noinline)) static const spi_field *take_framing(
    spi_request_head *head, const spi_field *const *known, const spi_field *const *end)
{
    spi_framing framing = { .minor_version = 1 };
    for (; known < end; known++) {
        if (spi_framing_add_known(&framing, *known) < 0)
            return NULL;
    }
    return spi_framing_finish(&framing, head) == 0 ? framing.host : NULL;
}

static inline bool take_head(cursor *c)
{
    const spi_field *known[MAX_FIELDS], **end, *host;
    if (!take_request_line(c) || !(end = take_fields(c, known)))
        return false;
    bool plain = end == known + 1 || (end == known + 2 && spi_framing_is_keep_alive(known[1]));
    if (plain && spi_framing_is_host(known[0])) {
        spi_framing_finish_plain(c->head);
        host = known[0];
    } else {
        host = take_framing(c->head, known, end);
    }
    return host && take_host(c->arena, c->head, host);
}

static inline void copy_step(char *to, const char *from)
{
    for (int i = 0; i < STEP_LEN; i += SPI_BLOCK_LEN)
        spi_block_store(to + i, spi_block_load(from + i));
}

/* By steps that overlap. */
static inline void copy(char *to, const char *from, size_t len)
{
    if (len < STEP_LEN) {
        spi_put(to, from, len);
        return;
    }
    size_t at = 0;
    for (; at + 2 * STEP_LEN < len; at += 2 * STEP_LEN) {
        copy_step(to + at, from + at);
        copy_step(to + at + STEP_LEN, from + at + STEP_LEN);
    }
    if (at + STEP_LEN < len)
        copy_step(to + at, from + at);
    copy_step(to + len - STEP_LEN, from + len - STEP_LEN);
}

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What is within the limits of line and head as a whole needs not be measured again. */
long SPI_HEAD_TRY(spi_arena *arena, const char *data, size_t len, const spi_head_limits *limits,
    spi_request_head *ret_head)
{
    static const char zeros[STEP_LEN];
    enum { FIELDS_SIZE = MAX_FIELDS * sizeof(spi_field) };
    size_t taken = smaller(smaller(len, MAX_LEN), smaller(limits->max_line, limits->max_head));
    char *room = spi_arena_alloc(arena, FIELDS_SIZE + taken + STEP_LEN), *text = room + FIELDS_SIZE;
    copy(text, data, taken);
    copy_step(text + taken, zeros);
    cursor c = { text, (spi_field *)(void *)room, arena, ret_head };
    if (!take_head(&c) || ret_head->field_count > limits->max_fields)
        return 0;
    return c.at + 2 - text;
}
