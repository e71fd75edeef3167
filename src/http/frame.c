#include "http/frame.h"

#include "base/memory.h"

enum { FIN = 0x80, RSV1 = 0x40, RSV2_3 = 0x30, OPCODE = 0x0F, MASKED = 0x80, LENGTH = 0x7F };
enum { LENGTH_16 = 126, LENGTH_64 = 127, MAX_CONTROL = 125 };

/* AT_HEAD is between frames. */
enum { AT_HEAD, AT_SECOND, AT_LENGTH, AT_MASK, AT_PAYLOAD, AT_FRAME_END, AT_CLOSED, AT_ERROR };

enum { PROTOCOL_ERROR = 1002, NO_CODE = 1005, BAD_TEXT = 1007, TOO_BIG = 1009 };

void spi_frame_parser_init(spi_frame_parser *parser, bool server_side, uint64_t max_message)
{
    *parser = (spi_frame_parser){
        .max_message = max_message, .expect_mask = server_side, .head_need = 2
    };
}

void spi_frame_parser_finish(spi_frame_parser *parser)
{
    spi_free(parser->control);
    parser->control = NULL;
}

bool spi_close_code_is_valid(unsigned code)
{
    if (code >= 3000)
        return code <= 4999;
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

enum { BLOCK_LEN = 16, STEP_LEN = 4 * BLOCK_LEN };
typedef uint64_t block __attribute__((vector_size(BLOCK_LEN)));

static inline void mask_block(char *out, const char *data, block key)
{
    block bytes;
    memcpy(&bytes, data, sizeof bytes);
    bytes ^= key;
    memcpy(out, &bytes, sizeof bytes);
}

/* Less than a block; `len` is a constant. */
static inline size_t mask_part(char *out, const char *data, size_t len, uint64_t key)
{
    uint64_t bytes = 0;
    memcpy(&bytes, data, len);
    bytes ^= key;
    memcpy(out, &bytes, len);
    return len;
}

char *spi_frame_mask_to(char *out, const char *data, size_t len, const uint8_t mask[4])
{
    uint64_t key;
    memcpy(&key, mask, 4);
    memcpy((char *)&key + 4, mask, 4);
    const size_t steps_len = len - len % STEP_LEN;
    size_t at = 0;
    for (; at < steps_len; at += STEP_LEN)
        for (size_t i = at; i < at + STEP_LEN; i += BLOCK_LEN)
            mask_block(out + i, data + i, (block){ key, key });
    for (; len - at >= BLOCK_LEN; at += BLOCK_LEN)
        mask_block(out + at, data + at, (block){ key, key });
    if (len & 8)
        at += mask_part(out + at, data + at, 8, key);
    if (len & 4)
        at += mask_part(out + at, data + at, 4, key);
    if (len & 2)
        at += mask_part(out + at, data + at, 2, key);
    if (len & 1)
        out[at] = (char)(data[at] ^ mask[at & 3]);
    return out + len;
}

void spi_frame_mask(char *data, size_t len, const uint8_t mask[4], unsigned at)
{
    const uint8_t turned[4] = { mask[at & 3], mask[(at + 1) & 3], mask[(at + 2) & 3],
        mask[(at + 3) & 3] };
    spi_frame_mask_to(data, data, len, turned);
}

static uint64_t read_big_endian(const uint8_t *at, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | at[i];
    return value;
}

static char *write_big_endian(char *out, uint64_t value, size_t len)
{
    for (size_t i = len; i-- > 0; value >>= 8)
        out[i] = (char)(value & 0xFF);
    return out + len;
}

size_t spi_frame_head(
    char out[14], spi_opcode opcode, bool fin, bool compressed, uint64_t len, const uint8_t *mask)
{
    char *at = out;
    unsigned masked = mask ? MASKED : 0;
    *at++ = (char)((fin ? FIN : 0) | (compressed ? RSV1 : 0) | (unsigned)opcode);
    if (len < LENGTH_16) {
        *at++ = (char)(masked | (unsigned)len);
    } else if (len <= UINT16_MAX) {
        *at++ = (char)(masked | LENGTH_16);
        at = write_big_endian(at, len, 2);
    } else {
        *at++ = (char)(masked | LENGTH_64);
        at = write_big_endian(at, len, 8);
    }
    if (mask) {
        memcpy(at, mask, 4);
        at += 4;
    }
    return (size_t)(at - out);
}

static inline bool is_control(const spi_frame_parser *parser)
{
    return parser->opcode >= SPI_OP_CLOSE;
}

static inline bool checks_text(const spi_frame_parser *parser)
{
    return parser->message_opcode == SPI_OP_TEXT && !parser->compressed;
}

static const char *fail(spi_frame_parser *parser, unsigned code, const char *what)
{
    parser->state = AT_ERROR;
    parser->close_code = (uint16_t)code;
    return what;
}

/* The following checks return NULL, or what is wrong. Each is done as soon as its byte is there. */

static const char *begin_message(spi_frame_parser *parser, bool compressed)
{
    if (parser->in_message)
        return fail(parser, PROTOCOL_ERROR, "a new message inside an unfinished one");
    parser->in_message = true;
    parser->message_opcode = parser->opcode;
    parser->message_len = 0;
    parser->utf8 = SPI_UTF8_ACCEPT;
    parser->compressed = compressed;
    return NULL;
}

static const char *take_first_byte(spi_frame_parser *parser, uint8_t byte)
{
    bool rsv1 = byte & RSV1;
    parser->fin = byte & FIN;
    parser->opcode = byte & OPCODE;
    if (byte & RSV2_3)
        return fail(parser, PROTOCOL_ERROR, "a reserved bit is set");
    if (rsv1 && !(parser->allow_compressed &&
                    (parser->opcode == SPI_OP_TEXT || parser->opcode == SPI_OP_BINARY)))
        return fail(parser, PROTOCOL_ERROR, "RSV1 on a frame that can't be compressed");
    switch (parser->opcode) {
    case SPI_OP_CONTINUATION:
        return parser->in_message
                   ? NULL
                   : fail(parser, PROTOCOL_ERROR, "a continuation without a message");
    case SPI_OP_TEXT:
    case SPI_OP_BINARY: return begin_message(parser, rsv1);
    case SPI_OP_CLOSE:
    case SPI_OP_PING:
    case SPI_OP_PONG:
        return parser->fin ? NULL : fail(parser, PROTOCOL_ERROR, "a fragmented control frame");
    default: return fail(parser, PROTOCOL_ERROR, "an unknown opcode");
    }
}

static size_t head_len_of(uint8_t second_byte)
{
    unsigned len = second_byte & LENGTH;
    return 2u +
           (len == LENGTH_16      ? 2u
               : len == LENGTH_64 ? 8u
                                  : 0u) +
           (second_byte & MASKED ? 4u : 0u);
}

static const char *take_second_byte(spi_frame_parser *parser, uint8_t byte)
{
    unsigned len = byte & LENGTH;
    bool masked = byte & MASKED;
    if (masked != parser->expect_mask)
        return fail(parser, PROTOCOL_ERROR,
            masked ? "a masked frame from a server" : "an unmasked frame from a client");
    if (is_control(parser) && len > MAX_CONTROL)
        return fail(parser, PROTOCOL_ERROR, "a control frame with more than 125 bytes");
    parser->head_need = (uint8_t)head_len_of(byte);
    return NULL;
}

/* What doesn't shrink grows a little by being compressed; the decompressed size is the caller's to
   check. */
static uint64_t max_payload(const spi_frame_parser *parser)
{
    uint64_t max = parser->max_message, extra = max / 64 + 64;
    return parser->compressed && max <= UINT64_MAX - extra ? max + extra : max;
}

/* The length decides before the mask is there, so that too big a message is refused from what
   announces it. */
static const char *take_length(spi_frame_parser *parser, const uint8_t *head)
{
    uint64_t len = head[1] & LENGTH;
    if (len >= LENGTH_16) {
        bool is_64 = len == LENGTH_64;
        len = read_big_endian(head + 2, is_64 ? 8 : 2);
        if (len >> 63)
            return fail(parser, PROTOCOL_ERROR, "a length with its highest bit set");
        if (len < LENGTH_16 || (is_64 && len <= UINT16_MAX))
            return fail(parser, PROTOCOL_ERROR, "a length that isn't in its shortest form");
    }
    if (!is_control(parser)) {
        if (len > max_payload(parser) - parser->message_len)
            return fail(parser, TOO_BIG, "message too big");
        parser->message_len += len;
    }
    parser->left = len;
    return NULL;
}

static void end_head(spi_frame_parser *parser, const uint8_t *head)
{
    if (parser->expect_mask)
        memcpy(parser->mask, head + parser->head_need - 4, 4);
    parser->mask_at = 0;
    parser->control_len = 0;
    parser->head_len = 0;
    parser->head_need = 2;
    parser->state = parser->left ? AT_PAYLOAD : AT_FRAME_END;
}

/* How many bytes of the head must be there for the next decision. */
static size_t head_goal(const spi_frame_parser *parser)
{
    switch (parser->state) {
    case AT_HEAD: return 1;
    case AT_LENGTH: return parser->head_need - (parser->expect_mask ? 4u : 0u);
    default: return parser->head_need;
    }
}

static const char *take_whole_head(spi_frame_parser *parser, const uint8_t *head)
{
    const char *what = take_first_byte(parser, head[0]);
    if (!what)
        what = take_second_byte(parser, head[1]);
    if (!what)
        what = take_length(parser, head);
    if (!what)
        end_head(parser, head);
    return what;
}

static const char *take_head(spi_frame_parser *parser, const char *data, size_t len, size_t *used)
{
    const uint8_t *head = (const uint8_t *)data + *used;
    size_t room = len - *used;
    if (parser->state == AT_HEAD && room >= 2 && room >= head_len_of(head[1])) {
        *used += head_len_of(head[1]);
        return take_whole_head(parser, head);
    }
    const char *what = NULL;
    while (!what && parser->state <= AT_MASK) {
        size_t goal = head_goal(parser);
        while (parser->head_len < goal && *used < len)
            parser->head[parser->head_len++] = (uint8_t)data[(*used)++];
        if (parser->head_len < goal)
            break;
        uint8_t state = parser->state++;
        if (state == AT_HEAD)
            what = take_first_byte(parser, parser->head[0]);
        else if (state == AT_SECOND)
            what = take_second_byte(parser, parser->head[1]);
        else if (state == AT_LENGTH)
            what = take_length(parser, parser->head);
        else
            end_head(parser, parser->head);
    }
    return what;
}

bool spi_frame_try_whole(const char *data, size_t len, uint64_t max, spi_whole_message *ret_message)
{
    enum { SHORT_HEAD = 6, LONG_HEAD = 8 };
    const uint8_t *head = (const uint8_t *)data;
    if (len < LONG_HEAD || (head[0] != (FIN | SPI_OP_TEXT) && head[0] != (FIN | SPI_OP_BINARY)))
        return false;
    size_t payload = head[1] ^ MASKED, head_len = SHORT_HEAD; /* too much without the mask's bit */
    if (payload == LENGTH_16) {
        payload = (size_t)head[2] << 8 | head[3];
        head_len = LONG_HEAD;
        if (payload < LENGTH_16)
            return false;
    } else if (payload > LENGTH_16) {
        return false;
    }
    if (payload > max || payload > len - head_len)
        return false;
    *ret_message = (spi_whole_message){
        .frame_len = head_len + payload,
        .payload = { data + head_len, payload },
        .mask = head + head_len - 4,
        .is_text = head[0] == (FIN | SPI_OP_TEXT),
    };
    return true;
}

/* The next piece of the payload, unmasked. */
static spout_bytes take_payload(spi_frame_parser *parser, char *data, size_t len, size_t *used)
{
    size_t room = len - *used;
    spout_bytes piece = { data + *used, parser->left < room ? (size_t)parser->left : room };
    if (parser->expect_mask)
        spi_frame_mask(data + *used, piece.len, parser->mask, parser->mask_at);
    parser->mask_at = (uint8_t)((parser->mask_at + piece.len) & 3);
    parser->left -= piece.len;
    *used += piece.len;
    if (parser->left == 0)
        parser->state = AT_FRAME_END;
    return piece;
}

static const char *check_text(spi_frame_parser *parser, spout_bytes piece)
{
    parser->utf8 = spi_utf8_feed(parser->utf8, piece.data, piece.len);
    bool at_end = parser->fin && parser->left == 0;
    if (parser->utf8 == SPI_UTF8_REJECT || (at_end && parser->utf8 != SPI_UTF8_ACCEPT))
        return fail(parser, BAD_TEXT, "a text message that isn't UTF-8");
    return NULL;
}

static spi_frame_event end_control(
    spi_frame_parser *parser, spout_bytes payload, spout_bytes *ret_data, const char **ret_what)
{
    parser->state = AT_HEAD;
    *ret_data = payload;
    if (parser->opcode == SPI_OP_PING)
        return SPI_FRAME_PING;
    if (parser->opcode == SPI_OP_PONG)
        return SPI_FRAME_PONG;
    parser->close_code = NO_CODE;
    if (payload.len > 0) {
        unsigned code = (unsigned)read_big_endian((const uint8_t *)payload.data, 2);
        const char *what = NULL;
        if (!spi_close_code_is_valid(code))
            what = fail(parser, PROTOCOL_ERROR, "an invalid close code");
        else if (!spi_is_utf8(payload.data + 2, payload.len - 2))
            what = fail(parser, BAD_TEXT, "a close reason that isn't UTF-8");
        if (what) {
            *ret_what = what;
            return SPI_FRAME_BAD;
        }
        parser->close_code = (uint16_t)code;
        *ret_data = (spout_bytes){ payload.data + 2, payload.len - 2 };
    }
    parser->state = AT_CLOSED;
    return SPI_FRAME_CLOSE;
}

/* Mostly the payload is there in one piece and isn't copied. */
static spi_frame_event parse_control(spi_frame_parser *parser, char *data, size_t len, size_t *used,
    spout_bytes *ret_data, const char **ret_what)
{
    spout_bytes piece = { "", 0 };
    if (parser->opcode == SPI_OP_CLOSE && parser->left == 1 && parser->control_len == 0) {
        *ret_what = fail(parser, PROTOCOL_ERROR, "a close frame with half a code");
        return SPI_FRAME_BAD;
    }
    if (parser->state == AT_PAYLOAD)
        piece = take_payload(parser, data, len, used);
    if (parser->control_len > 0 || parser->state == AT_PAYLOAD) {
        if (!parser->control)
            parser->control = spi_malloc(MAX_CONTROL);
        if (piece.len)
            memcpy(parser->control + parser->control_len, piece.data, piece.len);
        parser->control_len = (uint8_t)(parser->control_len + piece.len);
        piece = (spout_bytes){ (const char *)parser->control, parser->control_len };
    }
    if (parser->state == AT_PAYLOAD)
        return SPI_FRAME_MORE;
    return end_control(parser, piece, ret_data, ret_what);
}

/* The end of a data frame; true if it is the end of a message as well. */
static bool end_data_frame(spi_frame_parser *parser)
{
    parser->state = AT_HEAD;
    if (!parser->fin)
        return false;
    parser->in_message = false;
    return true;
}

static spi_frame_event parse_data(spi_frame_parser *parser, char *data, size_t len, size_t *used,
    spout_bytes *ret_data, const char **ret_what)
{
    bool has_payload = parser->state == AT_PAYLOAD;
    spout_bytes piece = { "", 0 };
    if (has_payload)
        piece = take_payload(parser, data, len, used);
    if (checks_text(parser)) {
        const char *what = check_text(parser, piece);
        if (what) {
            *ret_what = what;
            return SPI_FRAME_BAD;
        }
    }
    if (has_payload) {
        *ret_data = piece;
        return SPI_FRAME_DATA;
    }
    return end_data_frame(parser) ? SPI_FRAME_MESSAGE : SPI_FRAME_MORE;
}

static inline bool can_go_on(const spi_frame_parser *parser, size_t used, size_t len)
{
    return used < len || parser->state == AT_FRAME_END;
}

spi_frame_event spi_frame_parse(spi_frame_parser *parser, char *data, size_t len, size_t *ret_used,
    spout_bytes *ret_data, const char **ret_what)
{
    size_t used = 0;
    spi_frame_event event = SPI_FRAME_MORE;
    if (parser->control && parser->state == AT_HEAD)
        spi_frame_parser_finish(parser);
    while (event == SPI_FRAME_MORE && can_go_on(parser, used, len)) {
        if (parser->state == AT_CLOSED) {
            used = len;
        } else if (parser->state == AT_ERROR) {
            *ret_what = "the connection has failed";
            event = SPI_FRAME_BAD;
        } else if (parser->state <= AT_MASK) {
            const char *what = take_head(parser, data, len, &used);
            if (what) {
                *ret_what = what;
                event = SPI_FRAME_BAD;
            }
        } else if (is_control(parser)) {
            event = parse_control(parser, data, len, &used, ret_data, ret_what);
        } else {
            event = parse_data(parser, data, len, &used, ret_data, ret_what);
        }
    }
    *ret_used = used;
    return event;
}
