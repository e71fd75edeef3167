#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/text.h"
#include "http/header_params.h"
#include "http/token.h"

enum { DEFAULT_MAX_PARTS = 100, DEFAULT_MAX_PART_HEADER = 10240, MAX_BOUNDARY = 70 };

typedef struct parser {
    const char *at, *end;                 /* what is left of the body */
    char delimiter[2 + 2 + MAX_BOUNDARY]; /* CR LF "--" boundary */
    size_t delimiter_len;
    size_t max_parts, max_part_header;
    size_t part_count;
    size_t pair_room, file_room;
    spout_multipart form;
} parser;

/* What a part's header lines say. */
typedef struct part_head {
    spout_bytes name;
    const char *filename;     /* NULL if there is none */
    const char *content_type; /* "" if there is none */
    bool has_disposition, has_name, has_filename, has_extended;
} part_head;

static int refuse(const char *what)
{
    return spout_error_set(SPOUT_EPROTO, "multipart: %s", what);
}

static bool is_boundary(spout_bytes boundary)
{
    if (boundary.len < 1 || boundary.len > MAX_BOUNDARY || boundary.data[boundary.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < boundary.len; i++) {
        if (boundary.data[i] < ' ' || boundary.data[i] > '~')
            return false;
    }
    return true;
}

static int read_boundary(parser *p, const char *content_type)
{
    spi_params params;
    spout_bytes type = spi_params_start(spout_bytes_of(content_type), &params);
    if (!spi_equal_nocase(type.data, type.len, "multipart/form-data", 19))
        return refuse("the Content-Type isn't multipart/form-data");
    spout_bytes name, value;
    int result;
    while ((result = spi_params_next(&params, &name, &value)) > 0) {
        if (!spi_equal_nocase(name.data, name.len, "boundary", 8))
            continue;
        if (p->delimiter_len || !is_boundary(value))
            return refuse("the boundary is malformed or given twice");
        memcpy(p->delimiter, "\r\n--", 4);
        memcpy(p->delimiter + 4, value.data, value.len);
        p->delimiter_len = 4 + value.len;
    }
    if (result < 0)
        return result;
    return p->delimiter_len ? 0 : refuse("the Content-Type has no boundary");
}

typedef enum delimiter_kind { NO_DELIMITER, PART_DELIMITER, LAST_DELIMITER } delimiter_kind;

/* What stands behind a boundary decides whether it is one: blanks and a line end, or "--" (RFC 2046
   §5.1.1). */
static delimiter_kind classify(const char *at, const char *end, const char **ret_next)
{
    delimiter_kind kind = PART_DELIMITER;
    if (end - at >= 2 && at[0] == '-' && at[1] == '-') {
        kind = LAST_DELIMITER;
        at += 2;
    }
    while (at < end && spi_is_blank(*at))
        at++;
    bool at_line_end = end - at >= 2 && at[0] == '\r' && at[1] == '\n';
    if (!at_line_end && (kind == PART_DELIMITER || at < end))
        return NO_DELIMITER;
    *ret_next = at_line_end ? at + 2 : at;
    return kind;
}

/* Looks for the next delimiter from p->at on; p->at goes behind its line. *ret_content_end is where
   it began. Linear: a CR is only ever the delimiter's first byte, so that comparisons begun at
   different ones don't overlap. */
static delimiter_kind find_delimiter(parser *p, const char **ret_content_end)
{
    const char *at = p->at;
    while (p->end - at >= (ptrdiff_t)p->delimiter_len) {
        at = memchr(at, '\r', (size_t)(p->end - at) - p->delimiter_len + 1);
        if (!at)
            break;
        if (memcmp(at, p->delimiter, p->delimiter_len) == 0) {
            delimiter_kind kind = classify(at + p->delimiter_len, p->end, &p->at);
            if (kind != NO_DELIMITER) {
                *ret_content_end = at;
                return kind;
            }
        }
        at++;
    }
    return NO_DELIMITER;
}

/* The first one has no line end in front of it if there is no preamble. A form without parts is
   just the last delimiter: behind a preamble that would be one whose first delimiter was mutilated.
   */
static delimiter_kind find_first_delimiter(parser *p)
{
    size_t len = p->delimiter_len - 2;
    if (p->end - p->at >= (ptrdiff_t)len && memcmp(p->at, p->delimiter + 2, len) == 0) {
        delimiter_kind kind = classify(p->at + len, p->end, &p->at);
        if (kind != NO_DELIMITER)
            return kind;
    }
    const char *ignored;
    return find_delimiter(p, &ignored) == PART_DELIMITER ? PART_DELIMITER : NO_DELIMITER;
}

/* A header line up to its CRLF, which p->at goes behind. Nothing but HTAB of the control characters
   may be in it. */
static int take_line(parser *p, const char *limit, spout_bytes *ret_line)
{
    const char *at = p->at;
    while (at < limit && (!spi_is_control(*at) || *at == '\t'))
        at++;
    if (limit - at < 2)
        return refuse(
            limit < p->end ? "a part's header is too long" : "a part's header has no end");
    if (at[0] != '\r' || at[1] != '\n')
        return refuse("a control character or half a line end in a part's header");
    *ret_line = (spout_bytes){ p->at, (size_t)(at - p->at) };
    p->at = at + 2;
    return 0;
}

static bool has_nul_or_bad_utf8(spout_bytes text)
{
    return memchr(text.data, '\0', text.len) || !spi_is_utf8(text.data, text.len);
}

static int take_filename(part_head *part, spout_bytes value)
{
    if (part->has_filename)
        return refuse("two file names in a part");
    part->has_filename = true;
    if (part->has_extended)
        return 0;
    if (has_nul_or_bad_utf8(value))
        return refuse("a file name that isn't UTF-8");
    part->filename = spout_scope_bytes(value);
    return 0;
}

static int take_extended_filename(part_head *part, spout_bytes value)
{
    if (part->has_extended)
        return refuse("two file names in a part");
    part->has_extended = true;
    part->filename = spi_params_decode_extended(value);
    return part->filename ? 0 : SPOUT_EPROTO;
}

static int take_disposition_parameter(part_head *part, spout_bytes name, spout_bytes value)
{
    if (spi_equal_nocase(name.data, name.len, "name", 4)) {
        if (part->has_name)
            return refuse("two names in a part");
        part->has_name = true;
        part->name = value;
        return 0;
    }
    if (spi_equal_nocase(name.data, name.len, "filename", 8))
        return take_filename(part, value);
    if (spi_equal_nocase(name.data, name.len, "filename*", 9))
        return take_extended_filename(part, value);
    return 0;
}

static int take_disposition(part_head *part, spout_bytes field)
{
    spi_params params;
    spout_bytes name, value, type = spi_params_start(field, &params);
    if (part->has_disposition || !spi_equal_nocase(type.data, type.len, "form-data", 9))
        return refuse("a part's Content-Disposition isn't form-data, once");
    part->has_disposition = true;
    int result;
    while ((result = spi_params_next(&params, &name, &value)) > 0) {
        result = take_disposition_parameter(part, name, value);
        if (result < 0)
            return result;
    }
    return result;
}

static int take_field(part_head *part, spout_bytes line)
{
    const char *colon = memchr(line.data, ':', line.len);
    size_t name_len = colon ? (size_t)(colon - line.data) : 0;
    if (!spi_is_token(line.data, name_len))
        return refuse("a header line of a part is malformed");
    const char *value = colon + 1, *end = line.data + line.len;
    while (value < end && spi_is_blank(*value))
        value++;
    while (end > value && spi_is_blank(end[-1]))
        end--;
    spout_bytes field = { value, (size_t)(end - value) };
    if (spi_equal_nocase(line.data, name_len, "content-disposition", 19))
        return take_disposition(part, field);
    if (spi_equal_nocase(line.data, name_len, "content-type", 12)) {
        if (has_nul_or_bad_utf8(field))
            return refuse("a part's Content-Type isn't UTF-8");
        part->content_type = spout_scope_bytes(field);
    }
    return 0;
}

static int take_header(parser *p, part_head *part)
{
    size_t left = (size_t)(p->end - p->at);
    const char *limit = p->at + (left < p->max_part_header ? left : p->max_part_header);
    for (;;) {
        spout_bytes line;
        int result = take_line(p, limit, &line);
        if (result < 0)
            return result;
        if (line.len == 0)
            break;
        result = take_field(part, line);
        if (result < 0)
            return result;
    }
    if (!part->has_disposition)
        return refuse("a part without Content-Disposition");
    return part->name.len ? 0 : refuse("a part without a name");
}

/* Room for one more element: the old array is left to the scope. */
static void *grow(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 8;
    void *larger = spout_scope_alloc(*room * size);
    if (count)
        memcpy(larger, array, count * size);
    return larger;
}

static void add_part(parser *p, const part_head *part, spout_bytes content)
{
    spout_multipart *form = &p->form;
    if (part->filename && *part->filename) {
        form->files = grow(form->files, form->file_count, &p->file_room, sizeof *form->files);
        form->files[form->file_count++] = (spout_file){
            .name = part->name,
            .filename = part->filename,
            .content_type = part->content_type,
            .body = content,
        };
    } else {
        form->pairs = grow(form->pairs, form->pair_count, &p->pair_room, sizeof *form->pairs);
        form->pairs[form->pair_count++] = (spout_pair){ part->name, content };
    }
}

/* p->at is behind the delimiter line that begins a part. *ret_kind is what ends it. */
static int take_part(parser *p, delimiter_kind *ret_kind)
{
    part_head part = { .content_type = "" };
    if (p->part_count++ == p->max_parts)
        return refuse("too many parts");
    int result = take_header(p, &part);
    if (result < 0)
        return result;
    /* An empty content may leave no line end of its own before the delimiter. */
    const char *start = p->at, *content_end = NULL;
    p->at -= 2;
    delimiter_kind kind = find_delimiter(p, &content_end);
    if (kind == NO_DELIMITER)
        return refuse("the final boundary is missing");
    if (content_end < start)
        content_end = start;
    add_part(p, &part, (spout_bytes){ start, (size_t)(content_end - start) });
    *ret_kind = kind;
    return 0;
}

int spout_parse_multipart(const char *content_type, spout_bytes body,
    const spout_multipart_options *options, spout_multipart *ret_form)
{
    static const spout_multipart_options defaults;
    if (!options)
        options = &defaults;
    parser p = {
        .at = body.data ? body.data : "",
        .max_parts = options->max_parts ? options->max_parts : DEFAULT_MAX_PARTS,
        .max_part_header = options->max_part_header ? options->max_part_header
                                                    : DEFAULT_MAX_PART_HEADER,
    };
    p.end = p.at + body.len;
    int result = read_boundary(&p, content_type ? content_type : "");
    if (result < 0)
        return result;
    delimiter_kind kind = find_first_delimiter(&p);
    if (kind == NO_DELIMITER)
        return refuse("the first boundary is missing");
    while (kind == PART_DELIMITER) {
        result = take_part(&p, &kind);
        if (result < 0)
            return result;
    }
    *ret_form = p.form;
    return 0;
}
