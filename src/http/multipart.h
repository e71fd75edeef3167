/*
 * A multipart/form-data body (RFC 7578), in whatever pieces it comes. Includes only base.
 *
 * Bytes in, events out; nothing of a part's content is kept, so that a part may be larger than
 * memory. A body that is there as a whole is read by the same machine, in one piece.
 */
#ifndef SPI_MULTIPART_H
#define SPI_MULTIPART_H

#include <spout/httputil.h>

#include "base/buffer.h"

enum {
    SPI_BOUNDARY_MAX = 70,
    SPI_DELIMITER_MAX = 2 + 2 + SPI_BOUNDARY_MAX, /* CR LF "--" boundary */
    SPI_PADDING_MAX = 128, /* blanks between a boundary and its line end; beyond: malformed */
    SPI_HELD_MAX = SPI_DELIMITER_MAX + 2 + SPI_PADDING_MAX + 1
};

/* What a part's header lines say. */
typedef struct spi_part_head {
    spout_bytes name;
    const char *filename;     /* NULL if there is none; scoped */
    const char *content_type; /* "" if there is none; scoped */
    bool has_disposition, has_name, has_filename, has_extended;
} spi_part_head;

/* The lines of a part's header, each with its CRLF, and without the blank one. Checked already: no
   control characters but HTAB in them. `name` is a view into `lines`, or scoped. */
int spi_part_head_parse(spout_bytes lines, spi_part_head *ret_head);

typedef struct spi_multipart {
    char delimiter[SPI_DELIMITER_MAX];
    char held[SPI_HELD_MAX]; /* of earlier input what may be the beginning of a delimiter */
    uint8_t delimiter_len;
    uint8_t held_len;
    uint8_t mode;
    uint8_t matched; /* bytes of the delimiter */
    uint8_t tail;    /* what stands behind it so far */
    uint8_t padding;
    bool is_last;     /* "--" stands behind it */
    bool matching;    /* a delimiter may have begun */
    bool at_start;    /* of the body: no preamble was seen */
    uint8_t line;     /* where in a header line */
    size_t head_len;  /* of the part's header so far */
    spi_buffer lines; /* header lines of earlier input */
    size_t part_count, max_parts, max_part_header;
} spi_multipart;

/* Reads the boundary out of a Content-Type. SPOUT_EPROTO for other types, or a bad boundary. */
int spi_multipart_init(
    spi_multipart *multipart, const char *content_type, const spout_multipart_options *options);
void spi_multipart_finish(spi_multipart *multipart);

typedef enum spi_multipart_event {
    SPI_MULTIPART_MORE, /* all was taken */
    SPI_MULTIPART_HEAD, /* *ret_data: the header lines of the next part, complete */
    SPI_MULTIPART_DATA, /* *ret_data: the next piece of its content */
    SPI_MULTIPART_DONE, /* its content is complete */
    SPI_MULTIPART_END,  /* so is the form: what follows is of no interest */
    SPI_MULTIPART_BAD   /* SPOUT_EPROTO, the error is set */
} spi_multipart_event;

/*
 * Takes from in[0..len) up to the next event; *ret_used is how much that was. Data is a view into
 * `in`, or into the machine, and valid until the next call. Of input in one piece all data are
 * views into it, and the data of one part follow one another without a gap. Each byte is looked at
 * at most twice.
 */
spi_multipart_event spi_multipart_feed(
    spi_multipart *multipart, const char *in, size_t len, size_t *ret_used, spout_bytes *ret_data);

/* The body has ended: 0 if the form was complete, DONE or END that were owed included. */
int spi_multipart_end_input(spi_multipart *multipart);

#endif
