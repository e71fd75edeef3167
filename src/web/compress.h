/* Replies that are compressed (GZipContentEncoding): whether, with what, and when. */
#ifndef SPI_COMPRESS_H
#define SPI_COMPRESS_H

#include "web/request.h"

/* Before the head goes out: sets Vary, and if the reply is to be encoded Content-Encoding, and
   makes a strong Etag weak. `whole`: the reply is complete; else there is an encoder afterwards, or
   the reply goes as it is. */
void spi_compress_begin(spout_request *r, bool whole);

/* Puts what the pieces hold through the encoder; `last`: and ends it. Without memory for the encoder
   the reply goes as it is, and there is no compressor any more. */
int spi_compress_pieces(spout_request *r, bool last);

#endif
