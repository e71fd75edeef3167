/* The negotiation of permessage-deflate (RFC 7692 §7.1, RFC 6455 §9.1). Includes only base. */
#ifndef SPI_WEBSOCKET_EXTENSION_H
#define SPI_WEBSOCKET_EXTENSION_H

#include <spout/base.h>

/* zlib's compressor knows no window of 256 bytes (8 bits), so that an offer which demands one is
   declined. */
enum {
    SPI_DEFLATE_MIN_BITS = 9,
    SPI_DEFLATE_MAX_BITS = 15,
    SPI_DEFLATE_ANSWER_SIZE = 160,
    SPI_DEFLATE_OFFER_SIZE = 256
};

/* What the server wants, and what was agreed. */
typedef struct spi_deflate_terms {
    bool server_takeover, client_takeover;
    uint8_t server_bits, client_bits;
    bool names_server_bits; /* the offer limits the server's window: the answer must say so too */
} spi_deflate_terms;

/* Takes the first acceptable offer of a Sec-WebSocket-Extensions value. False if there is none:
   what is unknown, malformed or cannot be had is declined, which is no error. */
bool spi_deflate_negotiate(
    spout_bytes value, const spi_deflate_terms *wanted, spi_deflate_terms *ret_agreed);

/* The value that answers the offer; returns its length. */
size_t spi_deflate_answer(const spi_deflate_terms *agreed, char out[SPI_DEFLATE_ANSWER_SIZE]);

/*
 * A client's side. `wanted` is what it would like; the value of its offers, of which the last one
 * asks for nothing, so that any server finds one to agree to. Returns its length.
 */
size_t spi_deflate_offer(const spi_deflate_terms *wanted, char out[SPI_DEFLATE_OFFER_SIZE]);

/*
 * Takes the server's answer to these offers, all of a Sec-WebSocket-Extensions value. False for
 * anything but one permessage-deflate with parameters that make sense: then the connection fails. A
 * server may want a client's window of 8 bits: *ret_agreed has 9 then, whose matches zlib keeps
 * within the smaller window (its longest distance is 262 bytes short of the window).
 */
bool spi_deflate_take_answer(
    spout_bytes value, const spi_deflate_terms *wanted, spi_deflate_terms *ret_agreed);

#endif
