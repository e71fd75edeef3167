#include "http/gunzip.h"

#include <spout/error.h>

#include <errno.h>
#include <limits.h>

#include <zlib.h>

#include "base/memory.h"

struct spi_gunzip {
    z_stream stream;
    uint64_t left;
    bool complete;
};

static void *allocate(void *self, unsigned count, unsigned size)
{
    (void)self;
    return spi_try_malloc((size_t)count * size);
}

static void release(void *self, void *block)
{
    (void)self;
    spi_free(block);
}

static int no_memory(void)
{
    return spout_error_set_errno(ENOMEM, "the body's gzip can't be taken off");
}

spi_gunzip *spi_gunzip_new(uint64_t max)
{
    enum { GZIP = 16 };
    spi_gunzip *inflater = spi_calloc(sizeof *inflater);
    inflater->stream.zalloc = allocate;
    inflater->stream.zfree = release;
    inflater->left = max;
    if (inflateInit2(&inflater->stream, MAX_WBITS + GZIP) == Z_OK)
        return inflater;
    spi_free(inflater);
    no_memory();
    return NULL;
}

void spi_gunzip_free(spi_gunzip *inflater)
{
    if (!inflater)
        return;
    inflateEnd(&inflater->stream);
    spi_free(inflater);
}

bool spi_gunzip_is_complete(const spi_gunzip *inflater)
{
    return inflater->complete;
}

static unsigned bounded(size_t len)
{
    return len > UINT_MAX ? UINT_MAX : (unsigned)len;
}

/* One call of inflate. Returns what came out. */
static size_t take_step(spi_gunzip *inflater, spout_bytes *in, char *out, size_t room, int *ret)
{
    z_stream *stream = &inflater->stream;
    unsigned given = bounded(in->len), space = bounded(room);
    stream->next_in = (Bytef *)(uintptr_t)in->data;
    stream->avail_in = given;
    stream->next_out = (Bytef *)out;
    stream->avail_out = space;
    *ret = inflate(stream, Z_NO_FLUSH);
    in->data += given - stream->avail_in;
    in->len -= given - stream->avail_in;
    return space - stream->avail_out;
}

long spi_gunzip_feed(spi_gunzip *inflater, spout_bytes *in, char *out, size_t room)
{
    for (;;) {
        if (inflater->complete && in->len == 0)
            return 0;
        if (inflater->complete)
            inflateReset(&inflater->stream);
        int result;
        size_t produced = take_step(inflater, in, out, room, &result);
        inflater->complete = result == Z_STREAM_END;
        if (result == Z_MEM_ERROR)
            return no_memory();
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return spout_error_set(SPOUT_EPROTO, "the body's gzip is damaged: %s",
                inflater->stream.msg ? inflater->stream.msg : "it asks for a dictionary");
        if (produced > inflater->left)
            return spout_error_set(SPOUT_ELIMIT, "the body is too large when inflated");
        inflater->left -= produced;
        if (produced > 0 || (in->len == 0 && result != Z_STREAM_END))
            return (long)produced;
    }
}
