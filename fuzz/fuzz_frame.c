/* WebSocket frames, with options from the first byte. However the bytes are cut, the same messages
   and the same end must come out, also if messages in one frame are taken as wholes. */
#include "fuzz.h"

#include "http/frame.h"

enum { CLIENT = 1, COMPRESSED = 2, LARGE = 4 };

typedef struct receiver {
    spi_frame_parser parser;
    digest digest;  /* of what is complete */
    digest message; /* of the message that isn't */
    uint64_t message_len;
    bool takes_whole; /* messages in one frame without the parser */
    bool in_frame;
    bool is_dead;
} receiver;

static void end_message(receiver *r)
{
    digest_event(&r->digest, r->parser.message_opcode | r->parser.compressed << 8);
    digest_event(&r->digest, (int64_t)r->message.hash);
    r->message = (digest){ 0 };
    r->message_len = 0;
}

static void take_control(receiver *r, spi_frame_event event, spout_bytes data)
{
    MUST(data.len <= 125);
    digest_event(&r->digest, 1000 + (int)event);
    digest_text(&r->digest, data.data, data.len);
    if (event == SPI_FRAME_CLOSE) {
        MUST(r->parser.close_code == 1005 || spi_close_code_is_valid(r->parser.close_code));
        MUST(spi_is_utf8(data.data, data.len));
        digest_event(&r->digest, r->parser.close_code);
    }
}

static void take_event(receiver *r, spi_frame_event event, spout_bytes data, const char *what)
{
    switch (event) {
    case SPI_FRAME_MORE: break;
    case SPI_FRAME_DATA:
        MUST(data.len > 0);
        digest_add(&r->message, data.data, data.len);
        r->message_len += data.len;
        MUST(r->parser.compressed || r->message_len <= r->parser.max_message);
        break;
    case SPI_FRAME_MESSAGE: end_message(r); break;
    case SPI_FRAME_PING:
    case SPI_FRAME_PONG:
    case SPI_FRAME_CLOSE: take_control(r, event, data); break;
    case SPI_FRAME_BAD:
        MUST(what && *what);
        MUST(r->parser.close_code == 1002 || r->parser.close_code == 1007 ||
             r->parser.close_code == 1009);
        digest_event(&r->digest, r->parser.close_code);
        r->is_dead = true;
        break;
    }
}

/* As websocket_receive.c does. */
static size_t take_whole(receiver *r, const char *data, size_t len)
{
    spi_whole_message found;
    if (!r->takes_whole || r->in_frame || r->parser.in_message ||
        !spi_frame_try_whole(data, len, r->parser.max_message, &found))
        return 0;
    MUST(found.frame_len <= len && found.payload.len < found.frame_len);
    char *message = malloc(found.payload.len + 1);
    spi_frame_mask_to(message, found.payload.data, found.payload.len, found.mask);
    bool is_good = !found.is_text || spi_is_utf8(message, found.payload.len);
    if (is_good) {
        digest_add(&r->message, message, found.payload.len);
        digest_event(&r->digest, found.is_text ? SPI_OP_TEXT : SPI_OP_BINARY);
        digest_event(&r->digest, (int64_t)r->message.hash);
        r->message = (digest){ 0 };
    }
    free(message);
    return is_good ? found.frame_len : 0;
}

static void feed(receiver *r, const uint8_t *data, size_t len)
{
    char *copy = malloc(len);
    memcpy(copy, data, len);
    size_t at = 0, whole;
    spi_frame_event event;
    do {
        while ((whole = take_whole(r, copy + at, len - at)) > 0)
            at += whole;
        size_t used;
        spout_bytes piece = { "", 0 };
        const char *what = NULL;
        event = spi_frame_parse(&r->parser, copy + at, len - at, &used, &piece, &what);
        MUST(used <= len - at);
        at += used;
        r->in_frame = event != SPI_FRAME_MESSAGE && event != SPI_FRAME_PING &&
                      event != SPI_FRAME_PONG;
        take_event(r, event, piece, what);
    } while (event != SPI_FRAME_MORE && !r->is_dead);
    MUST(r->is_dead || at == len);
    free(copy);
}

static digest run(
    unsigned options, bool takes_whole, const uint8_t *data, size_t size, uint32_t seed)
{
    receiver r = { .takes_whole = takes_whole && !(options & CLIENT) };
    spi_frame_parser_init(&r.parser, !(options & CLIENT), options & LARGE ? UINT64_MAX : 300);
    r.parser.allow_compressed = (options & COMPRESSED) != 0;
    for (size_t at = 0; at < size && !r.is_dead;) {
        size_t piece = next_piece(&seed, size - at);
        feed(&r, data + at, piece);
        at += piece;
    }
    spi_frame_parser_finish(&r.parser);
    return r.digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    digest whole = run(data[0], false, data + 1, size - 1, 0);
    for (uint32_t number = 0; number < 6; number++) {
        uint32_t seed = number / 2 == 0 ? 0 : number / 2 == 1 ? 1 : number * 7919 + (uint32_t)size;
        digest cut = run(data[0], number % 2 == 0, data + 1, size - 1, seed);
        MUST(cut.hash == whole.hash && cut.events == whole.events);
    }
    return 0;
}
