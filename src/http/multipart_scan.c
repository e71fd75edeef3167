#include <spout/error.h>

#include "base/text.h"
#include "http/header_params.h"
#include "http/multipart.h"
#include "http/token.h"

enum { DEFAULT_MAX_PARTS = 100, DEFAULT_MAX_PART_HEADER = 10240 };

typedef enum multipart_mode { IN_PREAMBLE, IN_HEAD, IN_CONTENT, AT_END } multipart_mode;

typedef enum tail_state { TAIL_START, TAIL_DASH, TAIL_PADDING, TAIL_LF } tail_state;

typedef enum line_state { LINE_START, LINE_TEXT, LINE_LF, BLANK_LF } line_state;

typedef enum match_result { MATCH_OPEN, MATCH_FAILED, MATCH_DONE, MATCH_BAD } match_result;

static int refuse(const char *what)
{
    return spout_error_set(SPOUT_EPROTO, "multipart: %s", what);
}

static spi_multipart_event bad(const char *what)
{
    refuse(what);
    return SPI_MULTIPART_BAD;
}

static bool is_boundary(spout_bytes boundary)
{
    if (boundary.len < 1 || boundary.len > SPI_BOUNDARY_MAX ||
        boundary.data[boundary.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < boundary.len; i++) {
        if (boundary.data[i] < ' ' || boundary.data[i] > '~')
            return false;
    }
    return true;
}

static int read_boundary(spi_multipart *m, const char *content_type)
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
        if (m->delimiter_len || !is_boundary(value))
            return refuse("the boundary is malformed or given twice");
        memcpy(m->delimiter, "\r\n--", 4);
        memcpy(m->delimiter + 4, value.data, value.len);
        m->delimiter_len = (uint8_t)(4 + value.len);
    }
    if (result < 0)
        return result;
    return m->delimiter_len ? 0 : refuse("the Content-Type has no boundary");
}

/* With so many of the delimiter's bytes behind us: 2 where a line has just ended. */
static void begin_match(spi_multipart *m, uint8_t matched)
{
    m->matching = true;
    m->matched = matched;
    m->tail = TAIL_START;
    m->padding = 0;
    m->is_last = false;
}

int spi_multipart_init(
    spi_multipart *m, const char *content_type, const spout_multipart_options *options)
{
    static const spout_multipart_options defaults;
    if (!options)
        options = &defaults;
    *m = (spi_multipart){
        .mode = IN_PREAMBLE,
        .at_start = true,
        .max_parts = options->max_parts ? options->max_parts : DEFAULT_MAX_PARTS,
        .max_part_header = options->max_part_header ? options->max_part_header
                                                    : DEFAULT_MAX_PART_HEADER,
    };
    spi_buffer_init(&m->lines, m->max_part_header);
    begin_match(m, 2);
    if (options->disabled)
        return refuse("such forms are switched off");
    return read_boundary(m, content_type ? content_type : "");
}

void spi_multipart_finish(spi_multipart *m)
{
    spi_buffer_release(&m->lines);
}

/* What stands behind a boundary decides whether it is one: blanks and a line end, or "--" and these
   (RFC 2046 §5.1.1). */
static match_result match_tail(spi_multipart *m, char c)
{
    switch ((tail_state)m->tail) {
    case TAIL_START:
        m->tail = c == '-' ? TAIL_DASH : TAIL_PADDING;
        if (c == '-')
            return MATCH_OPEN;
        break;
    case TAIL_DASH:
        m->tail = TAIL_PADDING;
        m->is_last = true;
        return c == '-' ? MATCH_OPEN : MATCH_FAILED;
    case TAIL_PADDING: break;
    case TAIL_LF: return c == '\n' ? MATCH_DONE : MATCH_FAILED;
    }
    if (spi_is_blank(c))
        return m->padding++ < SPI_PADDING_MAX ? MATCH_OPEN : MATCH_BAD;
    m->tail = TAIL_LF;
    return c == '\r' ? MATCH_OPEN : MATCH_FAILED;
}

/* From in[*at] on; *at goes behind what has matched. Where it fails no other delimiter can have
   begun in between: a CR is only ever the first byte of one, or followed by what made it fail. */
static match_result match(spi_multipart *m, const char *in, size_t len, size_t *at)
{
    for (; *at < len; ++*at) {
        match_result result = MATCH_OPEN;
        if (m->matched == m->delimiter_len)
            result = match_tail(m, in[*at]);
        else if (in[*at] == m->delimiter[m->matched])
            m->matched++;
        else
            result = MATCH_FAILED;
        if (result == MATCH_DONE)
            ++*at;
        if (result != MATCH_OPEN)
            return result;
    }
    return MATCH_OPEN;
}

static void hold(spi_multipart *m, const char *in, size_t len)
{
    memcpy(m->held + m->held_len, in, len);
    m->held_len = (uint8_t)(m->held_len + len);
}

static void begin_part(spi_multipart *m)
{
    m->mode = IN_HEAD;
    m->line = LINE_START;
    m->head_len = 0;
    spi_buffer_clear(&m->lines);
}

/* Behind a delimiter's line. A form without parts is just the last delimiter: behind a preamble
   that would be one whose first delimiter was mutilated. */
static spi_multipart_event pass_delimiter(spi_multipart *m)
{
    bool in_preamble = m->mode == IN_PREAMBLE;
    m->matching = false;
    m->held_len = 0;
    if (in_preamble && m->is_last && !m->at_start)
        return bad("the first boundary is missing");
    if (m->is_last)
        m->mode = AT_END;
    else
        begin_part(m);
    return in_preamble ? SPI_MULTIPART_MORE : SPI_MULTIPART_DONE;
}

static spi_multipart_event give(const char *data, size_t len, spout_bytes *ret_data)
{
    *ret_data = (spout_bytes){ data, len };
    return SPI_MULTIPART_DATA;
}

static spi_multipart_event take_content(
    spi_multipart *m, const char *in, size_t len, size_t *ret_used, spout_bytes *ret_data)
{
    size_t at = 0, candidate = 0;
    match_result result;
    do {
        if (!m->matching) {
            const char *cr = memchr(in + at, '\r', len - at);
            m->at_start = false;
            *ret_used = len;
            if (!cr)
                return give(in, len, ret_data);
            candidate = at = (size_t)(cr - in);
            begin_match(m, 0);
        }
        result = match(m, in, len, &at);
        m->matching = result != MATCH_FAILED;
    } while (!m->matching && m->held_len == 0);
    *ret_used = at;
    if (result == MATCH_BAD)
        return bad("too many blanks behind a boundary");
    if (candidate > 0) { /* what is in front of it goes first */
        m->matching = false;
        *ret_used = candidate;
        return give(in, candidate, ret_data);
    }
    if (result == MATCH_DONE)
        return pass_delimiter(m);
    hold(m, in, at);
    if (result == MATCH_OPEN)
        return SPI_MULTIPART_MORE;
    spi_multipart_event event = give(m->held, m->held_len, ret_data);
    m->held_len = 0;
    return event;
}

/* What a byte makes of a header line's state; -1: it may not stand there. */
static int next_line_state(line_state state, char c)
{
    switch (state) {
    case LINE_START:
        if (c == '\r')
            return BLANK_LF;
        break;
    case LINE_TEXT:
        if (c == '\r')
            return LINE_LF;
        break;
    case LINE_LF:
    case BLANK_LF: return c == '\n' ? LINE_START : -1;
    }
    return spi_is_control(c) && c != '\t' ? -1 : LINE_TEXT;
}

static spi_multipart_event end_head(
    spi_multipart *m, const char *in, size_t len, spout_bytes *ret_data)
{
    m->mode = IN_CONTENT;
    begin_match(m, 2); /* empty content may leave no line end of its own before the delimiter */
    *ret_data = (spout_bytes){ in, len - 2 };
    if (spi_buffer_len(&m->lines) == 0 && len >= 2)
        return SPI_MULTIPART_HEAD;
    if (spi_buffer_append(&m->lines, in, len) < 0)
        return SPI_MULTIPART_BAD;
    *ret_data = (spout_bytes){ spi_buffer_head(&m->lines), spi_buffer_len(&m->lines) - 2 };
    return SPI_MULTIPART_HEAD;
}

static spi_multipart_event take_head(
    spi_multipart *m, const char *in, size_t len, size_t *ret_used, spout_bytes *ret_data)
{
    if (m->head_len == 0 && m->part_count++ == m->max_parts)
        return bad("too many parts");
    *ret_used = len;
    for (size_t at = 0; at < len; at++) {
        bool ends = m->line == BLANK_LF;
        int state = next_line_state((line_state)m->line, in[at]);
        if (++m->head_len > m->max_part_header)
            return bad("a part's header is too long");
        if (state < 0)
            return bad("a control character or half a line end in a part's header");
        m->line = (uint8_t)state;
        if (ends) {
            *ret_used = at + 1;
            return end_head(m, in, at + 1, ret_data);
        }
    }
    return spi_buffer_append(&m->lines, in, len) < 0 ? SPI_MULTIPART_BAD : SPI_MULTIPART_MORE;
}

static spi_multipart_event step(
    spi_multipart *m, const char *in, size_t len, size_t *ret_used, spout_bytes *ret_data)
{
    switch ((multipart_mode)m->mode) {
    case IN_PREAMBLE: {
        spi_multipart_event event = take_content(m, in, len, ret_used, ret_data);
        return event == SPI_MULTIPART_DATA ? SPI_MULTIPART_MORE : event;
    }
    case IN_HEAD: return take_head(m, in, len, ret_used, ret_data);
    case IN_CONTENT: return take_content(m, in, len, ret_used, ret_data);
    case AT_END: break;
    }
    *ret_used = len;
    return SPI_MULTIPART_END;
}

spi_multipart_event spi_multipart_feed(
    spi_multipart *m, const char *in, size_t len, size_t *ret_used, spout_bytes *ret_data)
{
    size_t at = 0;
    spi_multipart_event event = SPI_MULTIPART_MORE;
    while (event == SPI_MULTIPART_MORE && at < len) {
        size_t used = 0;
        event = step(m, in + at, len - at, &used, ret_data);
        at += used;
    }
    *ret_used = at;
    return event;
}

/* The last line of all needs no line end, or not the whole of it. */
static bool ends_form(const spi_multipart *m)
{
    return m->matching && m->matched == m->delimiter_len && m->is_last &&
           (m->tail == TAIL_PADDING || m->tail == TAIL_LF);
}

int spi_multipart_end_input(spi_multipart *m)
{
    switch ((multipart_mode)m->mode) {
    case IN_PREAMBLE:
        return ends_form(m) && m->at_start ? 0 : refuse("the first boundary is missing");
    case IN_HEAD: return refuse("a part's header has no end");
    case IN_CONTENT: return ends_form(m) ? 0 : refuse("the final boundary is missing");
    case AT_END: break;
    }
    return 0;
}
