/* Content codings that replies are compressed with: one file for each library. */
#ifndef SPI_ENCODER_H
#define SPI_ENCODER_H

#include <spout/base.h>

#ifndef SPI_HAVE_BROTLI
#define SPI_HAVE_BROTLI 0
#endif

typedef enum spi_encode_mode {
    SPI_ENCODE_MORE,  /* there is more to come */
    SPI_ENCODE_FLUSH, /* all that came so far can be decoded from what goes out */
    SPI_ENCODE_END
} spi_encode_mode;

/* Where output goes; 0, or < 0 with the error set. */
typedef struct spi_encode_sink {
    int (*write)(void *self, const void *data, size_t len);
    void *self;
} spi_encode_sink;

typedef struct spi_encoding {
    const char *name;                             /* as in Content-Encoding */
    void *(*open)(void);                          /* NULL: no memory */
    int (*feed)(void *encoder, spout_bytes input, /* at most SPI_ENCODE_SLICE bytes */
        spi_encode_mode mode, const spi_encode_sink *sink);
    void (*close)(void *encoder);
} spi_encoding;

enum { SPI_ENCODE_SLICE = 256 * 1024 };

extern const spi_encoding spi_encoding_gzip;
#if SPI_HAVE_BROTLI
extern const spi_encoding spi_encoding_brotli;
#endif

#endif
