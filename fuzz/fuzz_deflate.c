/* The negotiation of compression, and what claims to be compressed: the first byte chooses. However
   the bytes of a message are cut, the same comes out, and never more than the limit. */
#include "fuzz.h"

#include "base/memory.h"
#include "http/websocket_deflate.h"
#include "http/websocket_extension.h"

enum { LIMIT = 5000 };

static void check_answer(const spi_deflate_terms *terms)
{
    char text[SPI_DEFLATE_ANSWER_SIZE];
    size_t len = spi_deflate_answer(terms, text);
    MUST(len < sizeof text && strlen(text) == len);
    /* As an offer it means the same; but a client's window of 8 bits stays one. */
    spi_deflate_terms wanted = *terms, again;
    MUST(spi_deflate_negotiate((spout_bytes){ text, len }, &wanted, &again));
    MUST(again.server_bits == terms->server_bits && again.client_bits == terms->client_bits);
    MUST(again.server_takeover == terms->server_takeover);
    MUST(again.client_takeover == terms->client_takeover);
}

static void negotiate(unsigned options, const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    const spi_deflate_terms wanted = { .server_takeover = options & 1,
        .client_takeover = options & 1,
        .server_bits = (uint8_t)(9 + (options >> 1) % 7),
        .client_bits = (uint8_t)(9 + (options >> 4) % 7) };
    spi_deflate_terms terms;
    if (spi_deflate_negotiate((spout_bytes){ copy, size }, &wanted, &terms)) {
        MUST(terms.server_bits >= 9 && terms.server_bits <= wanted.server_bits);
        MUST(terms.client_bits >= 8 && terms.client_bits <= 15);
        MUST(!terms.server_takeover || wanted.server_takeover);
        MUST(!terms.client_takeover || wanted.client_takeover);
        check_answer(&terms);
    }
    if (spi_deflate_take_answer((spout_bytes){ copy, size }, &wanted, &terms)) {
        MUST(terms.server_bits >= 8 && terms.server_bits <= 15);
        MUST(terms.client_bits >= 9 && terms.client_bits <= wanted.client_bits);
        MUST(!terms.client_takeover || wanted.client_takeover);
    }
    free(copy);
}

/* The result, and what came out up to it. */
static int inflate_cut(const uint8_t *data, size_t size, uint32_t seed, spi_buffer *out)
{
    spi_inflater *inflater = spi_inflater_new();
    int result = 0;
    for (size_t at = 0; at < size && result == 0;) {
        size_t len = next_piece(&seed, size - at);
        char *copy = malloc(len);
        memcpy(copy, data + at, len);
        result = spi_inflater_feed(inflater, (spout_bytes){ copy, len }, out);
        free(copy);
        at += len;
        MUST(spi_buffer_len(out) <= LIMIT);
    }
    if (result == 0)
        result = spi_inflater_end(inflater, out);
    MUST(spi_buffer_len(out) <= LIMIT);
    spi_inflater_free(inflater);
    return result;
}

static void go_round(spi_buffer *message)
{
    spi_buffer packed, again;
    spi_buffer_init(&packed, 1 << 20);
    spi_buffer_init(&again, LIMIT);
    spi_deflater *deflater = spi_deflater_new((spi_deflate_setting){ 6, 8, 15 });
    const spout_bytes bytes = { spi_buffer_head(message), spi_buffer_len(message) };
    MUST(spi_deflater_run(deflater, bytes, &packed) == 0);
    const uint8_t *data = (const uint8_t *)spi_buffer_head(&packed);
    MUST(inflate_cut(data, spi_buffer_len(&packed), 7, &again) == 0);
    MUST(spi_buffer_len(&again) == bytes.len);
    MUST(memcmp(spi_buffer_head(&again), bytes.data, bytes.len) == 0);
    spi_deflater_free(deflater);
    spi_buffer_release(&packed);
    spi_buffer_release(&again);
}

static void inflate(const uint8_t *data, size_t size)
{
    spi_buffer whole, cut;
    spi_buffer_init(&whole, LIMIT);
    spi_buffer_init(&cut, LIMIT);
    int result = inflate_cut(data, size, 0, &whole);
    for (uint32_t seed = 1; seed < 4; seed++) {
        spi_buffer_clear(&cut);
        MUST(inflate_cut(data, size, seed == 1 ? 1 : seed * 7919, &cut) == result);
        MUST(result < 0 || spi_buffer_len(&cut) == spi_buffer_len(&whole));
        if (result == 0 && spi_buffer_len(&cut) > 0)
            MUST(memcmp(spi_buffer_head(&cut), spi_buffer_head(&whole), spi_buffer_len(&cut)) == 0);
    }
    if (result == 0 && spi_buffer_len(&whole) > 0)
        go_round(&whole);
    spi_buffer_release(&whole);
    spi_buffer_release(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] & 0x80)
        inflate(data + 1, size - 1);
    else
        negotiate(data[0], data + 1, size - 1);
    return 0;
}
