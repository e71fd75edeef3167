#include "web/pattern.h"

#include <spout/error.h>

#include "base/buffer.h"
#include "base/bug.h"
#include "base/text.h"

enum {
    MAX_SOURCE = 16 * 1024,
    MAX_NAME = 32,         /* PCRE2's limit */
    MATCH_LIMIT = 1000000, /* about ten milliseconds of work */
    HEAP_LIMIT_KIB = 16 * 1024,
    JIT_STACK_START = 32 * 1024,
    JIT_STACK_MAX = 1024 * 1024
};

/* The walk over a pattern. */
typedef struct reader {
    spi_arena *arena;
    const char *source, *at;
    spi_buffer regex; /* the pattern with its sugar written out */
    spi_buffer text;  /* the literal since the last capture */
    spi_part parts[SPI_PATTERN_MAX_PARTS];
    size_t part_count;
    size_t prefix_len;
    int depth; /* of groups */
    bool plain, reversible;
    bool prefix_ended;
} reader;

static int bad(const reader *in, const char *what)
{
    return spout_error_set(SPOUT_EINVAL, "route \"%s\": %s at character %zu", in->source, what,
        (size_t)(in->at - in->source) + 1);
}

static int too_long(const reader *in)
{
    return spout_error_set(SPOUT_EINVAL, "route \"%.60s…\" is too long", in->source);
}

static int add_part(reader *in, spi_part_kind kind, const char *text, size_t len)
{
    if (in->part_count == SPI_PATTERN_MAX_PARTS)
        return bad(in, "too many parts");
    const char *copy = text ? spi_arena_memdup(in->arena, text, len) : NULL;
    in->parts[in->part_count++] = (spi_part){ kind, copy, len };
    return 0;
}

static int end_text(reader *in)
{
    size_t len = spi_buffer_len(&in->text);
    if (!len)
        return 0;
    if (add_part(in, SPI_PART_TEXT, spi_buffer_head(&in->text), len) < 0)
        return SPOUT_EINVAL;
    spi_buffer_clear(&in->text);
    return 0;
}

/* Anything that only a regular expression can say. At the top level nothing can be put back
   together from there. */
static void becomes_regex(reader *in)
{
    in->plain = false;
    in->prefix_ended = true;
    if (in->depth == 0)
        in->reversible = false;
}

static int copy_regex(reader *in, size_t len)
{
    if (spi_buffer_append(&in->regex, in->at, len) < 0)
        return too_long(in);
    in->at += len;
    return 0;
}

/* A character that stands for itself, written with `len` characters. */
static int read_literal(reader *in, char c, size_t len)
{
    if (in->depth == 0 && spi_buffer_append_char(&in->text, c) < 0)
        return too_long(in);
    if (!in->prefix_ended)
        in->prefix_len++;
    return copy_regex(in, len);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || spi_is_digit(c) || c == '_';
}

static int read_escape(reader *in)
{
    char c = in->at[1];
    if (!c)
        return bad(in, "a backslash with nothing behind it");
    if (!is_word(c))
        return read_literal(in, c, 2);
    becomes_regex(in);
    return copy_regex(in, 2);
}

static int read_class(reader *in)
{
    const char *p = in->at + 1;
    if (*p == '^')
        p++;
    if (*p == ']')
        p++;
    while (*p && *p != ']')
        p += *p == '\\' && p[1] ? 2 : 1;
    if (!*p)
        return bad(in, "a class that is not closed");
    becomes_regex(in);
    return copy_regex(in, (size_t)(p + 1 - in->at));
}

/* Whether a '(' opens a capture: "(…", "(?<name>…", "(?P<name>…", "(?'name'…". */
static bool is_capture(const char *at)
{
    if (at[1] == '*')
        return false;
    if (at[1] != '?')
        return true;
    const char *p = at + 2;
    if (*p == 'P')
        p++;
    return (*p == '<' && p[1] != '=' && p[1] != '!') || *p == '\'';
}

static int read_open(reader *in)
{
    bool capture = is_capture(in->at);
    if (in->depth == 0) {
        if (end_text(in) < 0)
            return SPOUT_EINVAL;
        if (!capture)
            in->reversible = false;
        else if (add_part(in, SPI_PART_GROUP, NULL, 0) < 0)
            return SPOUT_EINVAL;
    }
    in->plain = false;
    in->prefix_ended = true;
    in->depth++;
    return copy_regex(in, 1);
}

/* What has been read as the literal beginning may be repeated, or left out, by what follows it. */
static int read_operator(reader *in)
{
    char c = *in->at;
    if (c == '|' && in->depth == 0)
        in->prefix_len = 0;
    if ((c == '*' || c == '?' || c == '+' || c == '{') && !in->prefix_ended && in->prefix_len)
        in->prefix_len--;
    becomes_regex(in);
    if (c == ')' && in->depth > 0)
        in->depth--;
    return copy_regex(in, 1);
}

/* The length of {name}, {name:int} or {name:path} at `at`; 0 if it is none. */
static size_t sugar_length(const char *at, spi_part_kind *ret_kind, size_t *ret_name_len)
{
    const char *name = at + 1, *p = name;
    if (spi_is_digit(*p))
        return 0;
    while (is_word(*p))
        p++;
    size_t name_len = (size_t)(p - name);
    spi_part_kind kind = SPI_PART_SEGMENT;
    if (spi_starts_with(p, ":int")) {
        kind = SPI_PART_INT;
        p += 4;
    } else if (spi_starts_with(p, ":path")) {
        kind = SPI_PART_PATH;
        p += 5;
    }
    if (!name_len || *p != '}')
        return 0;
    *ret_kind = kind;
    *ret_name_len = name_len;
    return (size_t)(p + 1 - at);
}

static const char *expression_of(spi_part_kind kind)
{
    switch (kind) {
    case SPI_PART_SEGMENT: return "[^/]+";
    case SPI_PART_INT: return "[0-9]{1,18}";
    case SPI_PART_PATH: return ".*";
    case SPI_PART_TEXT:
    case SPI_PART_GROUP: break;
    }
    return "";
}

static bool at_end(const char *p)
{
    return !*p || (*p == '$' && !p[1]);
}

/* Sugar belongs into the trie if it is a segment of its own. */
static bool fills_segment(const reader *in, spi_part_kind kind, const char *behind)
{
    size_t len = spi_buffer_len(&in->text);
    if (in->depth > 0 || !len || spi_buffer_head(&in->text)[len - 1] != '/')
        return false;
    return at_end(behind) || (*behind == '/' && kind != SPI_PART_PATH);
}

static int read_sugar(reader *in, spi_part_kind kind, size_t name_len, size_t len)
{
    const char *name = in->at + 1;
    if (name_len > MAX_NAME)
        return bad(in, "a name of more than 32 characters");
    if (!fills_segment(in, kind, in->at + len))
        in->plain = false;
    in->prefix_ended = true;
    if (in->depth == 0 && (end_text(in) < 0 || add_part(in, kind, name, name_len) < 0))
        return SPOUT_EINVAL;
    if (spi_buffer_append_format(
            &in->regex, "(?<%.*s>%s)", (int)name_len, name, expression_of(kind)) < 0)
        return too_long(in);
    in->at += len;
    return 0;
}

static int read_brace(reader *in)
{
    spi_part_kind kind = SPI_PART_SEGMENT;
    size_t name_len = 0;
    size_t len = sugar_length(in->at, &kind, &name_len);
    return len ? read_sugar(in, kind, name_len, len) : read_operator(in);
}

static int read_one(reader *in)
{
    switch (*in->at) {
    case '\\': return read_escape(in);
    case '[': return read_class(in);
    case '(': return read_open(in);
    case '{': return read_brace(in);
    case '$':
        if (!in->at[1] && in->depth == 0) {
            in->at++;
            return 0;
        }
        return read_operator(in);
    case ')':
    case '|':
    case '.':
    case '*':
    case '+':
    case '?':
    case '^': return read_operator(in);
    default: return read_literal(in, *in->at, 1);
    }
}

static int read_all(reader *in)
{
    if (*in->at == '^')
        in->at++;
    while (*in->at) {
        if (read_one(in) < 0)
            return SPOUT_EINVAL;
    }
    return end_text(in);
}

static int check_plain(const reader *in)
{
    if (!in->part_count || in->parts[0].kind != SPI_PART_TEXT || in->parts[0].text[0] != '/')
        return spout_error_set(
            SPOUT_EINVAL, "route \"%s\" can match nothing: a path begins with '/'", in->source);
    for (size_t i = 0; i < in->part_count; i++) {
        for (size_t k = i + 1; k < in->part_count && in->parts[i].kind != SPI_PART_TEXT; k++) {
            if (in->parts[k].kind != SPI_PART_TEXT &&
                strcmp(in->parts[i].text, in->parts[k].text) == 0)
                return spout_error_set(SPOUT_EINVAL,
                    "route \"%s\": the name \"%s\" stands there twice", in->source,
                    in->parts[i].text);
        }
    }
    return 0;
}

static void take_parts(const reader *in, spi_pattern *out)
{
    out->part_count = in->part_count;
    out->parts = spi_arena_alloc(in->arena, (in->part_count + 1) * sizeof *out->parts);
    memcpy(out->parts, in->parts, in->part_count * sizeof *out->parts);
}

static size_t count_captures(const reader *in)
{
    size_t count = 0;
    for (size_t i = 0; i < in->part_count; i++)
        count += in->parts[i].kind != SPI_PART_TEXT;
    return count;
}

static void name_plain_captures(const reader *in, spi_pattern *out)
{
    out->capture_count = count_captures(in);
    out->names = spi_arena_calloc(in->arena, (out->capture_count + 1) * sizeof *out->names);
    size_t at = 0;
    for (size_t i = 0; i < in->part_count; i++) {
        if (in->parts[i].kind != SPI_PART_TEXT)
            out->names[at++] = out->parts[i].text;
    }
}

static pcre2_code *compile_regex(reader *in)
{
    int number = 0;
    PCRE2_SIZE where = 0;
    const char *text = spi_buffer_text(&in->regex);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
        PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF, &number,
        &where, NULL);
    if (!code) {
        PCRE2_UCHAR message[200] = "";
        pcre2_get_error_message(number, message, sizeof message);
        spout_error_set(SPOUT_EINVAL, "route \"%s\": %s near \"%.20s\"", in->source,
            (const char *)message, text + where);
        return NULL;
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* where it can't be had the interpreter serves */
    return code;
}

/* Each entry of PCRE2's table is a number of two bytes and a name. */
static void name_regex_captures(const reader *in, spi_pattern *out)
{
    uint32_t count = 0, entry_size = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(out->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(out->code, PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
    pcre2_pattern_info(out->code, PCRE2_INFO_NAMETABLE, &table);
    out->names = spi_arena_calloc(in->arena, (out->capture_count + 1) * sizeof *out->names);
    for (uint32_t i = 0; i < count; i++, table += entry_size) {
        size_t number = (size_t)table[0] << 8 | table[1];
        if (number >= 1 && number <= out->capture_count)
            out->names[number - 1] = spi_arena_strdup(in->arena, (const char *)table + 2);
    }
}

static int finish_regex(reader *in, spi_pattern *out)
{
    out->code = compile_regex(in);
    if (!out->code)
        return SPOUT_EINVAL;
    uint32_t captures = 0;
    pcre2_pattern_info(out->code, PCRE2_INFO_CAPTURECOUNT, &captures);
    if (captures > SPI_PATTERN_MAX_CAPTURES) {
        spi_pattern_finish(out);
        return spout_error_set(SPOUT_EINVAL, "route \"%s\" has more than 32 captures", in->source);
    }
    out->capture_count = captures;
    name_regex_captures(in, out);
    out->reversible = in->reversible && count_captures(in) == captures;
    const char *first = in->part_count && in->parts[0].kind == SPI_PART_TEXT ? in->parts[0].text
                                                                             : "";
    out->prefix = first;
    out->prefix_len = in->prefix_len < strlen(first) ? in->prefix_len : strlen(first);
    return 0;
}

static int read_pattern(reader *in, spi_pattern *ret_pattern)
{
    if (read_all(in) < 0)
        return SPOUT_EINVAL;
    spi_pattern out = { .source = in->source, .plain = in->plain, .reversible = true };
    if (in->plain && check_plain(in) < 0)
        return SPOUT_EINVAL;
    take_parts(in, &out);
    if (in->plain)
        name_plain_captures(in, &out);
    else if (finish_regex(in, &out) < 0)
        return SPOUT_EINVAL;
    if (out.capture_count > SPI_PATTERN_MAX_CAPTURES)
        return spout_error_set(SPOUT_EINVAL, "route \"%s\" has more than 32 captures", in->source);
    *ret_pattern = out;
    return 0;
}

int spi_pattern_compile(spi_arena *arena, const char *source, spi_pattern *ret_pattern)
{
    reader in = { .arena = arena, .plain = true, .reversible = true };
    in.source = in.at = spi_arena_strdup(arena, source);
    spi_buffer_init(&in.regex, MAX_SOURCE);
    spi_buffer_init(&in.text, MAX_SOURCE);
    int result = read_pattern(&in, ret_pattern);
    spi_buffer_release(&in.regex);
    spi_buffer_release(&in.text);
    return result;
}

void spi_pattern_finish(spi_pattern *pattern)
{
    pcre2_code_free(pattern->code);
    pattern->code = NULL;
}

void spi_matcher_init(spi_matcher *matcher)
{
    matcher->limits = pcre2_match_context_create(NULL);
    matcher->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, NULL);
    matcher->data = pcre2_match_data_create(SPI_PATTERN_MAX_CAPTURES + 1, NULL);
    SPI_BUG_IF(!matcher->limits || !matcher->data, "out of memory for matching routes");
    pcre2_set_match_limit(matcher->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(matcher->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(matcher->limits, HEAP_LIMIT_KIB);
    if (matcher->stack)
        pcre2_jit_stack_assign(matcher->limits, NULL, matcher->stack);
}

void spi_matcher_finish(spi_matcher *matcher)
{
    pcre2_match_data_free(matcher->data);
    pcre2_jit_stack_free(matcher->stack);
    pcre2_match_context_free(matcher->limits);
}

static int run_match(const spi_pattern *pattern, spi_matcher *matcher, const char *path, size_t len)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)path;
    int count = pcre2_match(pattern->code, subject, len, 0, 0, matcher->data, matcher->limits);
    if (count < 0 &&
        count != PCRE2_ERROR_NOMATCH) /* compiled code gave up: the interpreter has more room */
        count = pcre2_match(
            pattern->code, subject, len, 0, PCRE2_NO_JIT, matcher->data, matcher->limits);
    return count;
}

int spi_pattern_match(const spi_pattern *pattern, spi_matcher *matcher, const char *path,
    size_t len, spout_bytes *captures)
{
    if (len < pattern->prefix_len || memcmp(path, pattern->prefix, pattern->prefix_len) != 0)
        return 0;
    int count = run_match(pattern, matcher, path, len);
    if (count == PCRE2_ERROR_NOMATCH)
        return 0;
    if (count < 0)
        return spout_error_set(SPOUT_ELIMIT,
            "route \"%s\" needs too much work to match (PCRE2 error %d)", pattern->source, count);
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(matcher->data);
    for (size_t i = 0; i < pattern->capture_count; i++) {
        bool took_part = (int)i + 1 < count && at[2 * i + 2] != PCRE2_UNSET;
        captures[i] = took_part
                          ? (spout_bytes){ path + at[2 * i + 2], at[2 * i + 3] - at[2 * i + 2] }
                          : (spout_bytes){ NULL, 0 };
    }
    return 1;
}

void spi_pattern_captures(
    const spi_pattern *pattern, const char *path, size_t len, spout_bytes *captures)
{
    const char *at = path, *end = path + len;
    for (size_t i = 0; i < pattern->part_count; i++) {
        const spi_part *part = &pattern->parts[i];
        if (part->kind == SPI_PART_TEXT) {
            at += part->len;
            continue;
        }
        const char *slash = part->kind == SPI_PART_PATH ? NULL
                                                        : memchr(at, '/', (size_t)(end - at));
        const char *stop = slash ? slash : end;
        *captures++ = (spout_bytes){ at, (size_t)(stop - at) };
        at = stop;
    }
}
