/* gzip (RFC 1952): the one file of web that knows zlib. */
#define ZLIB_CONST

#include "web/encoder.h"

#include <spout/error.h>

#include "base/bug.h"
#include "base/memory.h"

#include <zlib.h>

enum {
    LEVEL = 6,
    GZIP_WINDOW = 15 + 16, /* 32 KiB, in a gzip wrapper */
    MEMORY = 8,
    OUT_SIZE = 8 * 1024
};

static voidpf allocate(voidpf opaque, uInt count, uInt size)
{
    (void)opaque;
    return spi_try_malloc((size_t)count * size);
}

static void give_back(voidpf opaque, voidpf block)
{
    (void)opaque;
    spi_free(block);
}

static void *open_gzip(void)
{
    z_stream *stream = spi_calloc(sizeof *stream);
    stream->zalloc = allocate;
    stream->zfree = give_back;
    int result = deflateInit2(stream, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY);
    SPI_BUG_IF(result != Z_OK && result != Z_MEM_ERROR, "zlib doesn't start");
    if (result == Z_OK)
        return stream;
    spi_free(stream);
    return NULL;
}

static int flush_of(spi_encode_mode mode)
{
    switch (mode) {
    case SPI_ENCODE_MORE: return Z_NO_FLUSH;
    case SPI_ENCODE_FLUSH: return Z_SYNC_FLUSH;
    case SPI_ENCODE_END: break;
    }
    return Z_FINISH;
}

static int feed(void *encoder, spout_bytes input, spi_encode_mode mode, const spi_encode_sink *sink)
{
    z_stream *stream = encoder;
    unsigned char out[OUT_SIZE];
    stream->next_in = (const unsigned char *)input.data;
    stream->avail_in = (uInt)input.len;
    do {
        stream->next_out = out;
        stream->avail_out = sizeof out;
        int result = deflate(stream, flush_of(mode));
        if (result == Z_STREAM_ERROR)
            return spout_error_set(SPOUT_EFAILED, "zlib failed to compress a reply");
        int written = sink->write(sink->self, out, sizeof out - stream->avail_out);
        if (written < 0)
            return written;
    } while (stream->avail_out == 0);
    return 0;
}

static void close_gzip(void *encoder)
{
    z_stream *stream = encoder;
    deflateEnd(stream);
    spi_free(stream);
}

const spi_encoding spi_encoding_gzip = { "gzip", open_gzip, feed, close_gzip };
