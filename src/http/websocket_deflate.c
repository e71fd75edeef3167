#include "http/websocket_deflate.h"

#include <spout/error.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "net/transport.h"

#include <zlib.h>

#include <errno.h>
#include <limits.h>

enum {
    TAIL = 4, /* 00 00 FF FF, with which a flushed stream ends and which isn't sent */
    MIN_STEP = 512,
    MAX_STEP = 64 * 1024,
    MAX_SCRATCH = 64 * 1024 /* kept */
};

struct spi_deflater {
    z_stream zlib;
    spi_deflate_setting setting;
    bool stale; /* to be reset */
    spi_list node;
    spi_blob *frame;
};

struct spi_inflater {
    z_stream zlib;
    bool ended; /* the last block was a final one (§7.2.3.4); what follows starts a stream anew */
};

typedef struct deflate_loop {
    spi_list deflaters;
    spi_inflater *idle;
    spi_buffer scratch;
} deflate_loop;

static voidpf allocate(voidpf self, uInt count, uInt size)
{
    (void)self;
    return spi_try_malloc((size_t)count * size);
}

static void release(voidpf self, voidpf block)
{
    (void)self;
    spi_free(block);
}

static int no_memory(const char *what)
{
    return spout_error_set_errno(ENOMEM, "cannot %s messages", what);
}

/* zlib takes no const, and never writes there. */
static Bytef *input_of(const char *data)
{
    return (Bytef *)(uintptr_t)data;
}

static uInt step(size_t len)
{
    return len < UINT_MAX / 2 ? (uInt)len : UINT_MAX / 2;
}

spi_deflater *spi_deflater_new(spi_deflate_setting setting)
{
    spi_deflater *deflater = spi_calloc(sizeof *deflater);
    deflater->zlib.zalloc = allocate;
    deflater->zlib.zfree = release;
    deflater->setting = setting;
    spi_list_init(&deflater->node);
    int result = deflateInit2(&deflater->zlib, setting.level, Z_DEFLATED, -setting.window_bits,
        setting.mem_level, Z_DEFAULT_STRATEGY);
    if (result == Z_OK)
        return deflater;
    spi_free(deflater);
    if (result == Z_MEM_ERROR)
        no_memory("compress");
    else
        spout_error_set(SPOUT_EINVAL, "zlib has no compressor with these settings");
    return NULL;
}

void spi_deflater_free(spi_deflater *deflater)
{
    if (!deflater)
        return;
    spi_list_remove(&deflater->node);
    spi_blob_unref(deflater->frame);
    deflateEnd(&deflater->zlib);
    spi_free(deflater);
}

void spi_deflater_forget(spi_deflater *deflater)
{
    deflater->stale = true;
}

static int deflate_some(z_stream *zlib, size_t left, spi_buffer *out)
{
    size_t room = zlib->avail_in < MIN_STEP   ? MIN_STEP
                  : zlib->avail_in < MAX_STEP ? zlib->avail_in
                                              : MAX_STEP;
    char *to = spi_buffer_reserve(out, room);
    if (!to)
        return SPOUT_ELIMIT;
    zlib->next_out = (Bytef *)to;
    zlib->avail_out = (uInt)room;
    int result = deflate(zlib, left > 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH);
    spi_buffer_commit(out, room - zlib->avail_out);
    if (result == Z_OK || result == Z_BUF_ERROR)
        return 0;
    return spout_error_set(SPOUT_EFAILED, "zlib can't compress (%d)", result);
}

static int deflate_all(z_stream *zlib, spout_bytes message, spi_buffer *out)
{
    zlib->next_in = input_of(message.data);
    size_t left = message.len;
    do {
        zlib->avail_in = step(left);
        left -= zlib->avail_in;
        do {
            int result = deflate_some(zlib, left, out);
            if (result < 0)
                return result;
        } while (zlib->avail_out == 0 || zlib->avail_in > 0);
    } while (left > 0);
    out->end -= TAIL;
    return 0;
}

int spi_deflater_run(spi_deflater *deflater, spout_bytes message, spi_buffer *out)
{
    if (message.len == 0)
        return spout_error_set(SPOUT_EINVAL, "there is nothing to compress");
    if (deflater->stale)
        deflateReset(&deflater->zlib);
    int result = deflate_all(&deflater->zlib, message, out);
    deflater->stale = result < 0;
    return result;
}

spi_inflater *spi_inflater_new(void)
{
    spi_inflater *inflater = spi_calloc(sizeof *inflater);
    inflater->zlib.zalloc = allocate;
    inflater->zlib.zfree = release;
    if (inflateInit2(&inflater->zlib, -MAX_WBITS) == Z_OK)
        return inflater;
    spi_free(inflater);
    no_memory("decompress");
    return NULL;
}

void spi_inflater_free(spi_inflater *inflater)
{
    if (!inflater)
        return;
    inflateEnd(&inflater->zlib);
    spi_free(inflater);
}

static size_t output_step(const z_stream *zlib, size_t room)
{
    size_t wanted = 4 * (size_t)zlib->avail_in;
    wanted = wanted < MIN_STEP ? MIN_STEP : wanted < MAX_STEP ? wanted : MAX_STEP;
    return wanted < room ? wanted : room;
}

/* One call of zlib's. A full buffer gets one byte beside it, which must stay unused. */
static int inflate_some(z_stream *zlib, spi_buffer *out, int *ret_status)
{
    char beyond;
    size_t len = output_step(zlib, out->max - spi_buffer_len(out));
    bool is_full = len == 0;
    char *to = is_full ? &beyond : spi_buffer_reserve(out, len);
    if (!to)
        return SPOUT_ELIMIT;
    zlib->next_out = (Bytef *)to;
    zlib->avail_out = is_full ? 1 : (uInt)len;
    *ret_status = inflate(zlib, Z_SYNC_FLUSH);
    if (is_full && zlib->avail_out == 0)
        return spout_error_set(SPOUT_ELIMIT, "message too big after decompression");
    if (!is_full)
        spi_buffer_commit(out, len - zlib->avail_out);
    return 0;
}

/* A final block ends a stream, but not the message and not the context: the window stays. */
static void begin_next_stream(spi_inflater *inflater)
{
    inflateResetKeep(&inflater->zlib);
    inflater->ended = false;
}

static int inflate_piece(spi_inflater *inflater, spi_buffer *out)
{
    z_stream *zlib = &inflater->zlib;
    int status = Z_OK;
    do {
        if (inflater->ended)
            begin_next_stream(inflater);
        int result = inflate_some(zlib, out, &status);
        if (result < 0)
            return result;
        inflater->ended = status == Z_STREAM_END;
        if (status == Z_MEM_ERROR)
            return no_memory("decompress");
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return spout_error_set(SPOUT_EPROTO, "invalid compressed data");
    } while (zlib->avail_in > 0 || (zlib->avail_out == 0 && status == Z_OK));
    return 0;
}

int spi_inflater_feed(spi_inflater *inflater, spout_bytes piece, spi_buffer *out)
{
    inflater->zlib.next_in = input_of(piece.data);
    while (piece.len > 0) {
        uInt len = step(piece.len);
        inflater->zlib.avail_in = len;
        piece.len -= len;
        int result = inflate_piece(inflater, out);
        if (result < 0)
            return result;
    }
    return 0;
}

/* At the end of a block, which zlib shows by a bit. */
static bool is_between_blocks(const z_stream *zlib)
{
    return zlib->data_type & 128;
}

int spi_inflater_end(spi_inflater *inflater, spi_buffer *out)
{
    /* Some senders end with a final block and nothing behind it: that is complete. */
    if (inflater->ended)
        return 0;
    size_t len = spi_buffer_len(out);
    int result = spi_inflater_feed(inflater, (spout_bytes){ "\0\0\xFF\xFF", TAIL }, out);
    if (result < 0)
        return result;
    /* The tail is the end of an empty block: if it stands for anything, one before is cut. */
    bool is_cut = spi_buffer_len(out) > len || !is_between_blocks(&inflater->zlib);
    if (inflater->ended || is_cut)
        return spout_error_set(SPOUT_EPROTO, "compressed data that ends too early");
    return 0;
}

static void destroy(void *value)
{
    deflate_loop *shared = value;
    spi_list *node;
    while ((node = spi_list_first(&shared->deflaters)))
        spi_deflater_free(spi_container(node, spi_deflater, node));
    spi_inflater_free(shared->idle);
    spi_buffer_release(&shared->scratch);
    spi_free(shared);
}

static deflate_loop *shared_of(spout_loop *loop)
{
    deflate_loop *shared = spi_loop_slot_get(loop, SPI_SLOT_WEBSOCKET);
    if (shared)
        return shared;
    shared = spi_calloc(sizeof *shared);
    spi_list_init(&shared->deflaters);
    spi_buffer_init(&shared->scratch, SIZE_MAX / 2);
    spi_loop_slot_set(loop, SPI_SLOT_WEBSOCKET, shared, destroy);
    return shared;
}

static bool is_same(spi_deflate_setting a, spi_deflate_setting b)
{
    return a.level == b.level && a.mem_level == b.mem_level && a.window_bits == b.window_bits;
}

spi_deflater *spi_deflater_shared(spout_loop *loop, spi_deflate_setting setting)
{
    deflate_loop *shared = shared_of(loop);
    spi_list *all = &shared->deflaters;
    for (spi_list *node = all->next; node != all; node = node->next) {
        spi_deflater *deflater = spi_container(node, spi_deflater, node);
        if (is_same(deflater->setting, setting))
            return deflater;
    }
    spi_deflater *deflater = spi_deflater_new(setting);
    if (deflater)
        spi_list_push(all, &deflater->node);
    return deflater;
}

spi_blob **spi_deflater_frame(spi_deflater *deflater)
{
    return &deflater->frame;
}

void spi_deflater_drop_frames(spout_loop *loop)
{
    deflate_loop *shared = spi_loop_slot_get(loop, SPI_SLOT_WEBSOCKET);
    if (!shared)
        return;
    for (spi_list *node = shared->deflaters.next; node != &shared->deflaters; node = node->next) {
        spi_deflater *deflater = spi_container(node, spi_deflater, node);
        spi_blob_unref(deflater->frame);
        deflater->frame = NULL;
    }
}

spi_buffer *spi_deflate_scratch(spout_loop *loop)
{
    spi_buffer *scratch = &shared_of(loop)->scratch;
    spi_buffer_clear(scratch);
    return scratch;
}

void spi_deflate_scratch_done(spout_loop *loop)
{
    spi_buffer *scratch = &shared_of(loop)->scratch;
    if (scratch->capacity > MAX_SCRATCH)
        spi_buffer_release(scratch);
}

spi_inflater *spi_inflater_take(spout_loop *loop)
{
    deflate_loop *shared = shared_of(loop);
    spi_inflater *inflater = shared->idle;
    shared->idle = NULL;
    if (!inflater)
        return spi_inflater_new();
    inflateReset(&inflater->zlib);
    inflater->ended = false;
    return inflater;
}

void spi_inflater_give(spout_loop *loop, spi_inflater *inflater)
{
    deflate_loop *shared = spi_loop_slot_get(loop, SPI_SLOT_WEBSOCKET);
    if (!shared || shared->idle) {
        spi_inflater_free(inflater);
        return;
    }
    shared->idle = inflater;
}
