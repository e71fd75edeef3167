/*
 * WebSocket frames (RFC 6455 §5): bytes in, events out; and the head of a frame to send. Includes
 * only base.
 *
 * The parser is strict: reserved bits, opcodes, lengths in their shortest form, masks, control
 * frame rules, fragmentation, the message maximum (checked from the head, before the payload) and
 * UTF-8 (checked as bytes come) are its business.
 */
#ifndef SPI_FRAME_H
#define SPI_FRAME_H

#include <spout/base.h>

#include "base/text.h"

typedef enum spi_opcode {
    SPI_OP_CONTINUATION = 0,
    SPI_OP_TEXT = 1,
    SPI_OP_BINARY = 2,
    SPI_OP_CLOSE = 8,
    SPI_OP_PING = 9,
    SPI_OP_PONG = 10
} spi_opcode;

typedef enum spi_frame_event {
    SPI_FRAME_MORE, /* everything was consumed */
    SPI_FRAME_DATA, /* a piece of a message's payload, unmasked in place */
    /* the message is complete (comes after its last DATA; an empty message has no DATA) */
    SPI_FRAME_MESSAGE,
    SPI_FRAME_PING,
    SPI_FRAME_PONG,
    SPI_FRAME_CLOSE, /* close_code (1005 if none) and the reason as data */
    SPI_FRAME_BAD    /* the connection must fail with close_code and `what` */
} spi_frame_event;

/* Kept by each connection, also while it is idle: small. spi_frame_parser_finish gives back what it
   may hold. */
typedef struct spi_frame_parser {
    uint64_t left;        /* payload bytes of the frame still to come */
    uint64_t message_len; /* of the message so far, announced frames included */
    uint64_t max_message; /* 1009 beyond; compressed, a little more is let through */
    spi_utf8_state utf8;
    uint16_t close_code;
    uint8_t mask[4];
    uint8_t mask_at;
    uint8_t state;
    uint8_t opcode; /* of the frame */
    uint8_t
        /* TEXT or BINARY: of the open message, else (also at MESSAGE) of the last one */
        message_opcode;
    uint8_t head[14], head_len, head_need; /* a head that came in pieces */
    uint8_t control_len;
    uint8_t
        *control; /* a control payload that comes in pieces, allocated when it does; else NULL */
    bool fin : 1;
    bool in_message : 1;  /* more fragments are to come */
    bool expect_mask : 1; /* server side: unmasked frames are an error; client side: masked ones */
    bool compressed : 1;  /* of the current message: RSV1 on its first frame */
    bool
        /* permessage-deflate was negotiated; UTF-8 is then the caller's to check */
        allow_compressed : 1;
} spi_frame_parser;

void spi_frame_parser_init(spi_frame_parser *parser, bool server_side, uint64_t max_message);
void spi_frame_parser_finish(spi_frame_parser *parser);

/* Takes from data[0..len), which is changed by unmasking. *ret_used is how much was consumed;
   *ret_data is a view into `data` or into the parser (control payloads), valid until the next call.
   After BAD: parser->close_code and *ret_what (static); BAD is final. After CLOSE everything is
   consumed and ignored (MORE). The text of a message is checked as it comes: DATA is whole or is
   followed by more of its character, and a message ends at the end of one. */
spi_frame_event spi_frame_parse(spi_frame_parser *parser, char *data, size_t len, size_t *ret_used,
    spout_bytes *ret_data, const char **ret_what);

/* The head of an outgoing frame, without mask (server) or with (client: mask not NULL). Returns its
   length, at most 14. */
size_t spi_frame_head(
    char out[14], spi_opcode opcode, bool fin, bool compressed, uint64_t len, const uint8_t *mask);

/* XORs in place; `at` is the position within the mask of data[0]. Never reads or writes outside
   data. */
void spi_frame_mask(char *data, size_t len, const uint8_t mask[4], unsigned at);
/* The same from the mask's start into another place, or data itself; returns the end of `out`. */
char *spi_frame_mask_to(char *out, const char *data, size_t len, const uint8_t mask[4]);

/* A message that came in one frame, as nearly all do: its payload is masked still. */
typedef struct spi_whole_message {
    size_t frame_len; /* with the head */
    spout_bytes payload;
    const uint8_t *mask;
    bool is_text; /* not checked */
} spi_whole_message;

/* Whether the bytes, which stand between messages, begin with such a one from a client: all there,
   not compressed, and of no more than `max` bytes. All else, faults included, is the parser's, which
   knows nothing of what is taken this way. */
bool spi_frame_try_whole(
    const char *data, size_t len, uint64_t max, spi_whole_message *ret_message);

/* Codes that may stand in a close frame (RFC 6455 §7.4, registered and 3000–4999). */
bool spi_close_code_is_valid(unsigned code);

#endif
