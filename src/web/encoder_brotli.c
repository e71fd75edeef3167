/* Brotli (RFC 7932): the one file that knows its library; built where there is one. */
#include "web/encoder.h"

#include <spout/error.h>

#include "base/bug.h"
#include "base/memory.h"

#include <brotli/encode.h>

/* What compresses about as fast as gzip does, in about as much memory, and smaller. */
enum { QUALITY = 4, WINDOW_BITS = 18 };

static void *allocate(void *opaque, size_t size)
{
    (void)opaque;
    return spi_malloc(size);
}

static void give_back(void *opaque, void *block)
{
    (void)opaque;
    spi_free(block);
}

static void *open_brotli(void)
{
    BrotliEncoderState *state = BrotliEncoderCreateInstance(allocate, give_back, NULL);
    SPI_BUG_IF(!state, "brotli doesn't start");
    BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, QUALITY);
    BrotliEncoderSetParameter(state, BROTLI_PARAM_LGWIN, WINDOW_BITS);
    return state;
}

static BrotliEncoderOperation operation_of(spi_encode_mode mode)
{
    switch (mode) {
    case SPI_ENCODE_MORE: return BROTLI_OPERATION_PROCESS;
    case SPI_ENCODE_FLUSH: return BROTLI_OPERATION_FLUSH;
    case SPI_ENCODE_END: break;
    }
    return BROTLI_OPERATION_FINISH;
}

static int feed(void *encoder, spout_bytes input, spi_encode_mode mode, const spi_encode_sink *sink)
{
    BrotliEncoderState *state = encoder;
    const uint8_t *next_in = (const uint8_t *)input.data;
    size_t left = input.len;
    do {
        size_t none = 0;
        if (!BrotliEncoderCompressStream(
                state, operation_of(mode), &left, &next_in, &none, NULL, NULL))
            return spout_error_set(SPOUT_EFAILED, "brotli failed to compress a reply");
        size_t len = 0;
        const uint8_t *out = BrotliEncoderTakeOutput(state, &len);
        int written = len ? sink->write(sink->self, out, len) : 0;
        if (written < 0)
            return written;
    } while (left || BrotliEncoderHasMoreOutput(state));
    return 0;
}

static void close_brotli(void *encoder)
{
    BrotliEncoderDestroyInstance(encoder);
}

const spi_encoding spi_encoding_brotli = { "br", open_brotli, feed, close_brotli };
