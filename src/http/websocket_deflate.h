/*
 * Compression of messages (RFC 7692 §7.2) on zlib's raw streams.
 *
 * A socket without context takeover has none of its own: a loop keeps one compressor for each
 * setting in use, and one decompressor, which a socket borrows for the time of a message. Only
 * messages that come in pieces of several sockets at once need more of them.
 */
#ifndef SPI_WEBSOCKET_DEFLATE_H
#define SPI_WEBSOCKET_DEFLATE_H

#include <spout/loop.h>

#include "base/buffer.h"
#include "base/list.h"

struct spi_blob; /* net/transport.h */

typedef struct spi_deflate_setting {
    uint8_t level, mem_level, window_bits;
} spi_deflate_setting;

typedef struct spi_deflater spi_deflater;
typedef struct spi_inflater spi_inflater;

/* NULL with the error set: SPOUT_ESYSTEM without memory, SPOUT_EINVAL for bad settings. */
spi_deflater *spi_deflater_new(spi_deflate_setting setting);
void spi_deflater_free(spi_deflater *deflater);
/* The next message refers to none before it. */
void spi_deflater_forget(spi_deflater *deflater);
/* Appends the payload of a compressed message. SPOUT_EINVAL for an empty one, which is sent as it
   is; SPOUT_ELIMIT where `out` is full. After a failure the context is forgotten. */
SPOUT_NODISCARD int spi_deflater_run(spi_deflater *deflater, spout_bytes message, spi_buffer *out);
/* The loop's own of that setting. Whoever uses it forgets first. */
spi_deflater *spi_deflater_shared(spout_loop *loop, spi_deflate_setting setting);

/* The frame of the message that is being published, in this setting. Owned by the compressor, until
   spi_deflater_drop_frames. */
struct spi_blob **spi_deflater_frame(spi_deflater *deflater);
void spi_deflater_drop_frames(spout_loop *loop);

/* Emptied; for what is compressed and written at once. */
spi_buffer *spi_deflate_scratch(spout_loop *loop);
void spi_deflate_scratch_done(spout_loop *loop);

/* NULL without memory, with the error set. */
spi_inflater *spi_inflater_new(void);
void spi_inflater_free(spi_inflater *inflater);
/* Appends what a piece of a message's payload stands for. SPOUT_ELIMIT: more than `out` may hold,
   found out without making it; SPOUT_EPROTO: not DEFLATE; SPOUT_ESYSTEM: no memory. A failure is
   final. */
SPOUT_NODISCARD int spi_inflater_feed(spi_inflater *inflater, spout_bytes piece, spi_buffer *out);
/* The message is complete: SPOUT_EPROTO if it ends where no message can. The context stays. */
SPOUT_NODISCARD int spi_inflater_end(spi_inflater *inflater, spi_buffer *out);
/* One without context, lent by the loop, or NULL as above; `give` takes it back (NULL is fine). */
spi_inflater *spi_inflater_take(spout_loop *loop);
void spi_inflater_give(spout_loop *loop, spi_inflater *inflater);

#endif
