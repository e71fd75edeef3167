#include "http/json.h"

#include <spout/error.h>
#include <spout/escape.h>
#include <spout/memory.h>

#include "base/buffer.h"
#include "base/memory.h"

bool spi_json_text_is_shallow(const char *text, size_t len)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > SPI_JSON_MAX_DEPTH)
                return false;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return true;
}

/* Where a walk through a value stands, without recursion: one level for each array or object that
   is open. */
typedef struct level {
    const json_t *container;
    size_t index;   /* of an array's next element */
    void *iterator; /* of an object's next member */
} level;

static const json_t *next_child(level *l)
{
    if (json_is_array(l->container))
        return json_array_get(l->container, l->index++);
    const json_t *child = json_object_iter_value(l->iterator);
    l->iterator = json_object_iter_next((json_t *)(uintptr_t)l->container, l->iterator);
    return child;
}

static level open_level(const json_t *container)
{
    level l = { .container = container };
    if (json_is_object(container))
        l.iterator = json_object_iter((json_t *)(uintptr_t)container);
    return l;
}

bool spi_json_value_is_shallow(const json_t *value)
{
    if (!json_is_array(value) && !json_is_object(value))
        return true;
    level levels[SPI_JSON_MAX_DEPTH];
    int depth = 0;
    levels[depth++] = open_level(value);
    while (depth > 0) {
        const json_t *child = next_child(&levels[depth - 1]);
        if (!child) {
            depth--;
        } else if (json_is_array(child) || json_is_object(child)) {
            if (depth == SPI_JSON_MAX_DEPTH)
                return false;
            levels[depth++] = open_level(child);
        }
    }
    return true;
}

/*
 * Jansson can hold names with a NUL, but its parser refuses them. What it refused for that alone is
 * taken apart here into scalars, which it parses. The text is known to be shallow.
 */
typedef struct cursor {
    const char *at, *end;
} cursor;

static json_t *parse_value(cursor *c);

static bool at_end(cursor *c)
{
    while (c->at < c->end && strchr(" \t\r\n", *c->at))
        c->at++;
    return c->at == c->end;
}

static bool take(cursor *c, char wanted)
{
    if (at_end(c) || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* A string from its opening quote on, or whatever stands before the next mark: Jansson says whether
   that is a number or a word. */
static json_t *parse_scalar(cursor *c)
{
    const char *start = c->at;
    if (take(c, '"')) {
        start = c->at - 1;
        while (c->at < c->end && *c->at != '"')
            c->at += *c->at == '\\' && c->end - c->at > 1 ? 2 : 1;
        c->at += c->at < c->end;
    } else {
        while (c->at < c->end && !strchr(",:]} \t\r\n", *c->at))
            c->at++;
    }
    return json_loadb(start, (size_t)(c->at - start), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

static bool parse_member(cursor *c, json_t *object)
{
    json_t *name = parse_scalar(c);
    bool done = json_is_string(name) && take(c, ':') &&
                json_object_setn_new(
                    object, json_string_value(name), json_string_length(name), parse_value(c)) == 0;
    json_decref(name);
    return done;
}

static bool parse_items(cursor *c, json_t *container, char close)
{
    if (take(c, close))
        return true;
    do {
        bool done = json_is_object(container)
                        ? parse_member(c, container)
                        : json_array_append_new(container, parse_value(c)) == 0;
        if (!done)
            return false;
    } while (take(c, ','));
    return take(c, close);
}

static json_t *parse_value(cursor *c)
{
    bool is_object = take(c, '{');
    if (!is_object && !take(c, '['))
        return parse_scalar(c);
    json_t *container = is_object ? json_object() : json_array();
    if (parse_items(c, container, is_object ? '}' : ']'))
        return container;
    json_decref(container);
    return NULL;
}

static json_t *parse_with_nul_names(spout_bytes text)
{
    cursor c = { .at = text.data, .end = text.data + text.len };
    json_t *value = parse_value(&c);
    if (at_end(&c))
        return value;
    json_decref(value);
    return NULL;
}

json_t *spout_json_parse(spout_bytes text)
{
    /* Jansson takes a NUL for the end of the text and would not look at what stands behind it. */
    if (text.len && memchr(text.data, 0, text.len)) {
        spout_error_set(SPOUT_EINVAL, "invalid JSON: it holds a NUL byte");
        return NULL;
    }
    if (!spi_json_text_is_shallow(text.data, text.len)) {
        spout_error_set(SPOUT_EINVAL, "invalid JSON: nested deeper than %d", SPI_JSON_MAX_DEPTH);
        return NULL;
    }
    json_error_t error;
    json_t *value = json_loadb(text.data, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value && json_error_code(&error) == json_error_null_byte_in_key)
        value = parse_with_nul_names(text);
    if (!value)
        spout_error_set(SPOUT_EINVAL, "invalid JSON: %s (line %d, column %d)", error.text,
            error.line, error.column);
    return value;
}

static int append(const char *piece, size_t len, void *arg)
{
    spi_buffer *out = arg;
    return spi_buffer_append(out, piece, len) < 0 ? -1 : 0;
}

static char *dump(const json_t *value, size_t flags, size_t *ret_len)
{
    if (!value) {
        spout_error_set(SPOUT_EINVAL, "there is no JSON value: it could not be built");
        return NULL;
    }
    if (!spi_json_value_is_shallow(value)) {
        spout_error_set(SPOUT_ELIMIT, "a JSON value is nested deeper than %d", SPI_JSON_MAX_DEPTH);
        return NULL;
    }
    spi_buffer out;
    spi_buffer_init(&out, SIZE_MAX / 2);
    if (json_dump_callback(value, append, &out, JSON_COMPACT | JSON_ENCODE_ANY | flags) < 0) {
        spi_buffer_release(&out);
        spout_error_set(SPOUT_EINVAL, "a JSON value could not be written as text");
        return NULL;
    }
    *ret_len = spi_buffer_len(&out);
    return spi_buffer_text(&out);
}

char *spi_json_dump(const json_t *value, size_t *ret_len)
{
    return dump(value, 0, ret_len);
}

/* What stands for the '<' in front of `next` in a page's script; NULL: it stays. */
static const char *guard(char next)
{
    if (next == '/')
        return "<\\";
    return next == '!' || next == '?' || (next | 0x20) == 's' ? "\\u003c" : NULL;
}

const char *spout_json_encode(const json_t *value)
{
    size_t len;
    char *plain = dump(value, JSON_ENSURE_ASCII, &len);
    if (!plain)
        return NULL;
    char *text = spout_scope_alloc(6 * len + 1), *out = text;
    for (const char *at = plain; *at; at++) {
        const char *replacement = *at == '<' ? guard(at[1]) : NULL;
        size_t replacement_len = replacement ? strlen(replacement) : 1;
        memcpy(out, replacement ? replacement : at, replacement_len);
        out += replacement_len;
    }
    spi_free(plain);
    return text;
}
