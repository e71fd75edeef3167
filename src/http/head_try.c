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

/* Where the head goes: copied, with what points into it. */
typedef struct copied {
    spi_field fields[MAX_FIELDS];
    char text[];
} copied;

typedef struct cursor {
    char *at;
    spi_field *fields;
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

/* Those that end a path or aren't allowed in it, and '!' and '"', which are rare there. */
static inline uint32_t odd_in_path(const char *at)
{
    uint32_t odd = 0;
    for (int i = 0; i < STEP_LEN; i += SPI_BLOCK_LEN) {
        spi_block block = spi_block_load(at + i);
        odd |= spi_block_mask(spi_block_outside(block, '$', '~') | (block == '?')) << i;
    }
    return odd;
}

static inline uint32_t odd_in_query(const char *at)
{
    uint32_t odd = 0;
    for (int i = 0; i < STEP_LEN; i += SPI_BLOCK_LEN) {
        spi_block block = spi_block_load(at + i);
        odd |= spi_block_mask(spi_block_outside(block, '!', '~') | (block == '#')) << i;
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

static inline char *query_end(char *at)
{
    uint32_t odd;
    while ((odd = odd_in_query(at)) == 0)
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

static inline bool is_version(const char *at)
{
    return memcmp(at, " HTTP/1.1\r\n", 11) == 0;
}

/* With a query, or longer than a step: `end` is where that ended. */
static inline char *take_long_target(
    spi_arena *arena, spi_request_head *head, char *target, char *end)
{
    char *mark = *end == '?' ? end : path_end(end);
    head->path_len = (size_t)(mark - target);
    head->query = end = mark;
    if (*mark == '?') {
        head->path = spi_arena_memdup(arena, target, head->path_len);
        head->query = mark + 1;
        end = query_end(mark + 1);
    }
    head->target.len = (size_t)(end - target);
    return is_version(end) ? end : NULL;
}

/* Returns its end, or NULL. */
static inline char *take_target(spi_arena *arena, spi_request_head *head, char *target)
{
    size_t len = spi_first_bit_32(odd_in_path(target));
    char *end = target + len;
    head->target.data = head->path = target;
    if (!is_version(end))
        return take_long_target(arena, head, target, end);
    head->target.len = head->path_len = len;
    head->query = end;
    return end;
}

static inline bool take_request_line(cursor *c)
{
    char *target = take_method(c->at, c->head), *end;
    if (!target || !(end = take_target(c->arena, c->head, target)))
        return false;
    target[-1] = '\0';
    *end = '\0';
    c->head->minor_version = 1;
    c->at = end + sizeof " HTTP/1.1\r\n" - 1;
    return true;
}

/* A line with a plain name, ": ", and a value that is neither empty nor has odd bytes or blanks
   around it. That the name isn't empty is seen to later. Returns the line's end, or NULL. (It is
   looked for first, since the next line waits for it.) */
static inline char *take_field(char *name, spi_field *ret_field)
{
    char *end = text_end(name);
    uint32_t name_len = spi_first_bit_32(odd_in_name(name));
    char *value = name + name_len + 2;
    if (memcmp(value - 2, ": ", 2) != 0 || *value <= ' ' || !is_line_end(end) || end[-1] == ' ')
        return NULL;
    value[-2] = '\0';
    *end = '\0';
    ret_field->name = name;
    ret_field->value = value;
    ret_field->name_len = name_len;
    ret_field->value_len = (uint32_t)(end - value);
    return end;
}

/* Whether a small name or IPv4 address in lower case begins here, with or without a port. It ends
   at at[*ret_len], or fills the step. */
static inline bool is_plain_host(const char *at, size_t *ret_len)
{
    uint32_t no_digits = 0, no_name = 0;
    for (int i = 0; i < STEP_LEN; i += SPI_BLOCK_LEN) {
        spi_block block = spi_block_load(at + i), others = spi_block_outside(block, '0', '9');
        no_digits |= spi_block_mask(others) << i;
        others &= spi_block_outside(block, 'a', 'z') & spi_block_outside(block, '-', '.');
        no_name |= spi_block_mask(others) << i;
    }
    size_t name_len = spi_first_bit_32(no_name);
    *ret_len = name_len;
    if (at[name_len] != ':')
        return name_len > 0;
    uint32_t up_to_colon = no_name ^ (no_name - 1);
    size_t len = spi_first_bit_32(no_digits & ~up_to_colon);
    *ret_len = len;
    /* The highest port is 65535. */
    return name_len > 0 &&
           (len <= name_len + 5 || (len == name_len + 6 && at[name_len + 1] <= '5'));
}

/* What most clients send first (RFC 9110, section 7.2). */
static inline bool take_first_host(cursor *c)
{
    char *name = c->at, *value = name + 6;
    size_t len;
    if (!spi_is_word(name, "host", 4) || memcmp(name + 4, ": ", 2) != 0 ||
        !is_plain_host(value, &len) || !is_line_end(value + len))
        return false;
    name[4] = '\0';
    value[len] = '\0';
    *c->fields = (spi_field){
        .name = name, .value = value, .name_len = 4, .value_len = (uint32_t)len
    };
    c->head->host = value;
    c->at = value + len + 2;
    return true;
}

static inline bool take_host(spi_arena *arena, spi_request_head *head, const spi_field *field)
{
    size_t len;
    head->host = field->value;
    return (is_plain_host(field->value, &len) && len == field->value_len) ||
           (field->value[0] != ':' &&
               spi_host_parse(arena, field->value, field->value_len, &head->host));
}

/* Those that framing wants to see are put on a list and looked at when all are there, so that the
   loop calls nothing. Returns the list's end, or NULL. */
static inline const spi_field **take_fields(cursor *c, size_t count, const spi_field **known)
{
    spi_field *field = c->fields + count;
    size_t left = MAX_FIELDS - count;
    char *at = c->at, *end;
    do {
        if (left-- == 0 || !(end = take_field(at, field)))
            return NULL;
        if (!spi_framing_is_none(field))
            *known++ = field;
        field++;
        at = end + 2;
    } while (!is_line_end(at));
    c->at = at;
    c->head->field_count = MAX_FIELDS - left;
    return known;
}

/* Returns Host, or NULL. */
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
    const spi_field *known[MAX_FIELDS], **end = known + 1;
    if (!take_request_line(c))
        return false;
    bool has_host = take_first_host(c);
    c->head->fields = c->fields;
    c->head->field_count = 1;
    known[0] = c->fields;
    if ((!has_host || !is_line_end(c->at)) && !(end = take_fields(c, has_host, known + has_host)))
        return false;
    bool plain = end == known + 1 || (end == known + 2 && spi_framing_is_keep_alive(known[1]));
    if (plain && (has_host || spi_framing_is_host(known[0]))) {
        spi_framing_finish_plain(c->head);
        return has_host || take_host(c->arena, c->head, known[0]);
    }
    const spi_field *host = take_framing(c->head, known, end);
    return host && (has_host || take_host(c->arena, c->head, host));
}

static inline void copy_steps(char *to, const char *from, int steps)
{
    for (int i = 0; i < steps * STEP_LEN; i += SPI_BLOCK_LEN)
        spi_block_store(to + i, spi_block_load(from + i));
}

/* At least a step. The last ones overlap. */
static inline void copy(char *to, const char *from, size_t len)
{
    if (len < 2 * STEP_LEN) {
        copy_steps(to, from, 1);
        copy_steps(to + len - STEP_LEN, from + len - STEP_LEN, 1);
    } else if (len < 4 * STEP_LEN) {
        copy_steps(to, from, 2);
        copy_steps(to + len - 2 * STEP_LEN, from + len - 2 * STEP_LEN, 2);
    } else {
        size_t last = len - 4 * STEP_LEN;
        for (size_t at = 0; at < last; at += 4 * STEP_LEN)
            copy_steps(to + at, from + at, 4);
        copy_steps(to + last, from + last, 4);
    }
}

/* Hardly any head is shorter than a step. What is within the limits of line and head as a whole
   needs not be measured again. */
long SPI_HEAD_TRY(spi_arena *arena, const char *data, size_t len, const spi_head_limits *limits,
    spi_request_head *ret_head)
{
    static const char zeros[STEP_LEN];
    if (len < STEP_LEN)
        return 0;
    if (len > MAX_LEN)
        len = MAX_LEN;
    copied *room = spi_arena_alloc(arena, sizeof *room + len + STEP_LEN);
    copy(room->text, data, len);
    copy_steps(room->text + len, zeros, 1);
    cursor c = { room->text, room->fields, arena, ret_head };
    if (!take_head(&c) || ret_head->field_count > limits->max_fields)
        return 0;
    size_t used = (size_t)(c.at + 2 - room->text);
    return used <= limits->max_line && used <= limits->max_head ? (long)used : 0;
}
