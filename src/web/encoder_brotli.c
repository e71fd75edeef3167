/* Brotli (RFC 7932): the one file that knows its library; built where there is one. */
#include "web/encoder.h"

#include <spout/error.h>

#include "base/memory.h"

#include <brotli/encode.h>

/* What compresses about as fast as gzip does, in about as much memory, and smaller. */
enum { QUALITY = 4, WINDOW_BITS = 18 };

typedef struct encoder {
    BrotliEncoderState *state; /* NULL while it is being made */
} encoder;

/* To begin with, memory may be refused. Later on brotli would end the process without a word:
   running out of memory does it with one. */
static void *allocate(void *opaque, size_t size)
{
    const encoder *self = opaque;
    return self->state ? spi_malloc(size) : spi_try_malloc(size);
}

static void give_back(void *opaque, void *block)
{
    (void)opaque;
    spi_free(block);
}

static void *open_brotli(void)
{
    encoder *self = spi_calloc(sizeof *self);
    self->state = BrotliEncoderCreateInstance(allocate, give_back, self);
    if (!self->state) {
        spi_free(self);
        return NULL;
    }
    BrotliEncoderSetParameter(self->state, BROTLI_PARAM_QUALITY, QUALITY);
    BrotliEncoderSetParameter(self->state, BROTLI_PARAM_LGWIN, WINDOW_BITS);
    return self;
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

static int feed(void *self, spout_bytes input, spi_encode_mode mode, const spi_encode_sink *sink)
{
    BrotliEncoderState *state = ((encoder *)self)->state;
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

static void close_brotli(void *arg)
{
    encoder *self = arg;
    BrotliEncoderDestroyInstance(self->state);
    spi_free(self);
}

const spi_encoding spi_encoding_brotli = { "br", open_brotli, feed, close_brotli };
