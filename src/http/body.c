#include "http/body.h"

#include "base/text.h"
#include "http/token.h"

enum { MAX_SIZE_LINE = 4 * 1024, MAX_TRAILERS = 16 * 1024, MAX_SIZE_DIGITS = 16 };

typedef enum body_state {
    AT_CONTENT,         /* of a body with a length */
    AT_SIZE,            /* chunk-size digits */
    AT_EXTENSION_BLANK, /* blanks that a ';' must follow */
    AT_EXTENSION_START, /* behind the ';' */
    AT_EXTENSION_NAME,
    AT_EXTENSION_NAME_BLANK,  /* blanks that a '=' or ';' must follow */
    AT_EXTENSION_VALUE_START, /* behind the '=' */
    AT_EXTENSION_VALUE,
    AT_EXTENSION_QUOTED,
    AT_EXTENSION_ESCAPE,
    AT_EXTENSION_UNQUOTED, /* behind the closing quote */
    AT_SIZE_LF,
    AT_CHUNK,
    AT_CHUNK_CR,
    AT_CHUNK_LF,
    AT_TRAILER_START,
    AT_TRAILER_NAME,
    AT_TRAILER_VALUE,
    AT_TRAILER_LF,
    AT_LAST_LF,
    AT_END,
    AT_ERROR,     /* 400 */
    AT_TOO_LARGE, /* 413 */
} body_state;

void spi_body_decoder_init(
    spi_body_decoder *decoder, spi_body_kind kind, uint64_t content_length, uint64_t max)
{
    *decoder = (spi_body_decoder){ .max = max };
    switch (kind) {
    case SPI_BODY_NONE: decoder->state = AT_END; break;
    case SPI_BODY_LENGTH:
        decoder->left = content_length;
        decoder->state = content_length ? AT_CONTENT : AT_END;
        break;
    case SPI_BODY_CHUNKED: decoder->state = AT_SIZE; break;
    }
}

/* line_len counts the digits too. */
static body_state size_digit(spi_body_decoder *decoder, int value)
{
    if (decoder->line_len > MAX_SIZE_DIGITS)
        return AT_ERROR;
    decoder->left = decoder->left << 4 | (uint64_t)value;
    return AT_SIZE;
}

/* What may stand behind the size, an extension's name or its value. */
static body_state after_word(char c, body_state blank)
{
    if (c == '\r')
        return AT_SIZE_LF;
    if (c == ';')
        return AT_EXTENSION_START;
    return spi_is_blank(c) ? blank : AT_ERROR;
}

static body_state on_size(spi_body_decoder *decoder, char c)
{
    int value = spi_hex_value(c);
    if (value >= 0)
        return size_digit(decoder, value);
    return decoder->line_len > 1 ? after_word(c, AT_EXTENSION_BLANK) : AT_ERROR;
}

/* RFC 9112 §7.1.1: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) */
static body_state on_extension(body_state state, char c)
{
    if (state == AT_EXTENSION_BLANK)
        return c == ';' ? AT_EXTENSION_START : spi_is_blank(c) ? state : AT_ERROR;
    if (state == AT_EXTENSION_START)
        return spi_is_token_char(c) ? AT_EXTENSION_NAME : spi_is_blank(c) ? state : AT_ERROR;
    if (state == AT_EXTENSION_NAME) {
        if (spi_is_token_char(c))
            return state;
        return c == '=' ? AT_EXTENSION_VALUE_START : after_word(c, AT_EXTENSION_NAME_BLANK);
    }
    if (state == AT_EXTENSION_NAME_BLANK) {
        if (c == '=')
            return AT_EXTENSION_VALUE_START;
        return c == ';' ? AT_EXTENSION_START : spi_is_blank(c) ? state : AT_ERROR;
    }
    if (state == AT_EXTENSION_VALUE_START) {
        if (c == '"')
            return AT_EXTENSION_QUOTED;
        return spi_is_token_char(c) ? AT_EXTENSION_VALUE : spi_is_blank(c) ? state : AT_ERROR;
    }
    return spi_is_token_char(c) ? state : after_word(c, AT_EXTENSION_BLANK);
}

static body_state on_quoted(body_state state, char c)
{
    if (spi_is_control(c) && c != '\t')
        return AT_ERROR;
    if (state == AT_EXTENSION_ESCAPE)
        return AT_EXTENSION_QUOTED;
    return c == '\\' ? AT_EXTENSION_ESCAPE : c == '"' ? AT_EXTENSION_UNQUOTED : state;
}

static body_state end_size_line(spi_body_decoder *decoder, char c)
{
    if (c != '\n')
        return AT_ERROR;
    decoder->line_len = 0;
    if (decoder->left == 0)
        return AT_TRAILER_START;
    return decoder->left > decoder->max - decoder->total ? AT_TOO_LARGE : AT_CHUNK;
}

static body_state on_trailer(body_state state, char c)
{
    if (state == AT_TRAILER_START && c == '\r')
        return AT_LAST_LF;
    if (state == AT_TRAILER_NAME && c == ':')
        return AT_TRAILER_VALUE;
    if (state != AT_TRAILER_VALUE)
        return spi_is_token_char(c) ? AT_TRAILER_NAME : AT_ERROR;
    if (c == '\r')
        return AT_TRAILER_LF;
    return spi_is_control(c) && c != '\t' ? AT_ERROR : state;
}

/* One byte of what isn't content. */
static body_state step(spi_body_decoder *decoder, char c)
{
    body_state state = (body_state)decoder->state;
    switch (state) {
    case AT_SIZE: return on_size(decoder, c);
    case AT_EXTENSION_BLANK:
    case AT_EXTENSION_START:
    case AT_EXTENSION_NAME:
    case AT_EXTENSION_NAME_BLANK:
    case AT_EXTENSION_VALUE_START:
    case AT_EXTENSION_VALUE: return on_extension(state, c);
    case AT_EXTENSION_QUOTED:
    case AT_EXTENSION_ESCAPE: return on_quoted(state, c);
    case AT_EXTENSION_UNQUOTED: return after_word(c, AT_EXTENSION_BLANK);
    case AT_SIZE_LF: return end_size_line(decoder, c);
    case AT_CHUNK_CR: return c == '\r' ? AT_CHUNK_LF : AT_ERROR;
    case AT_CHUNK_LF: decoder->line_len = 0; return c == '\n' ? AT_SIZE : AT_ERROR;
    case AT_TRAILER_START:
    case AT_TRAILER_NAME:
    case AT_TRAILER_VALUE: return on_trailer(state, c);
    case AT_TRAILER_LF: return c == '\n' ? AT_TRAILER_START : AT_ERROR;
    case AT_LAST_LF: return c == '\n' ? AT_END : AT_ERROR;
    case AT_CONTENT:
    case AT_CHUNK:
    case AT_END:
    case AT_ERROR:
    case AT_TOO_LARGE: break;
    }
    return state;
}

static body_state step_within_limits(spi_body_decoder *decoder, char c)
{
    bool in_trailers = decoder->state >= AT_TRAILER_START;
    if (++decoder->line_len > (in_trailers ? MAX_TRAILERS : MAX_SIZE_LINE))
        return AT_ERROR;
    return step(decoder, c);
}

static spi_body_result give_content(
    spi_body_decoder *decoder, const char *in, size_t len, size_t *used, spout_bytes *ret_data)
{
    size_t room = len - *used;
    size_t piece = decoder->left < room ? (size_t)decoder->left : room;
    *ret_data = (spout_bytes){ in + *used, piece };
    *used += piece;
    decoder->left -= piece;
    decoder->total += piece;
    if (decoder->left == 0)
        decoder->state = decoder->state == AT_CHUNK ? AT_CHUNK_CR : AT_END;
    return SPI_BODY_DATA;
}

spi_body_result spi_body_decode(spi_body_decoder *decoder, const char *in, size_t len,
    size_t *ret_used, spout_bytes *ret_data, int *ret_status)
{
    size_t used = 0;
    spi_body_result result = SPI_BODY_MORE;
    while (used < len && decoder->state < AT_END && decoder->state != AT_CONTENT &&
           decoder->state != AT_CHUNK)
        decoder->state = (uint8_t)step_within_limits(decoder, in[used++]);
    if (decoder->state == AT_END) {
        result = SPI_BODY_END;
    } else if (decoder->state > AT_END) {
        result = SPI_BODY_BAD;
        *ret_status = decoder->state == AT_TOO_LARGE ? 413 : 400;
    } else if (used < len) {
        result = give_content(decoder, in, len, &used, ret_data);
    }
    *ret_used = used;
    return result;
}
