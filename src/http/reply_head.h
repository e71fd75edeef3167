/* How a reply is framed on HTTP/1 (RFC 9112 §6), the bytes of its head, and the count of its
   body. No I/O. */
#ifndef SPI_REPLY_HEAD_H
#define SPI_REPLY_HEAD_H

#include "http/exchange.h"

/* What `ready` of a head begins with. */
#define SPI_STATUS_LINE_200 "HTTP/1.1 200 OK\r\n"

typedef enum spi_framing {
    SPI_FRAMING_NONE, /* 204, 1xx, and a HEAD or 304 of unknown length */
    SPI_FRAMING_LENGTH,
    SPI_FRAMING_CHUNKED,
    SPI_FRAMING_CLOSE /* HTTP/1.0 without a length: the end of the connection ends the body */
} spi_framing;

typedef struct spi_reply {
    spi_framing framing;
    size_t bound;    /* the head is not longer */
    uint64_t left;   /* LENGTH: announced and not given yet */
    bool bodiless;   /* the body is dropped: HEAD, 1xx, 204, 304 */
    bool close;      /* the connection ends behind it */
    bool keep_alive; /* HTTP/1.0 has to be told */
    bool broken;     /* more body than announced, or a piece of it was lost */
} spi_reply;

/* `close`: what the connection wants; head->close and a Connection field may want it too. */
void spi_reply_begin(
    spi_reply *reply, const spi_request_head *request, const spi_reply_head *head, bool close);

/* What any exchange refuses: a second head, or a body without one. 0, or the error. */
int spi_reply_may_begin(const spi_exchange *exchange, const spi_reply_head *head);
int spi_reply_may_finish(const spi_exchange *exchange);
/* Counts `len` bytes of body too, see spi_reply_take. */
int spi_reply_may_send(const spi_exchange *exchange, spi_reply *reply, uint64_t len);

/* send_reply for any exchange: the head, the body and the end by their own functions. */
int spi_reply_send_in_steps(spi_exchange *exchange, const spi_reply_head *head, spout_bytes body);

/* The straight way through a head, for what nearly all of them are: short, a 200 with its first lines
   ready and a length, in answer to HTTP/1.1, behind which the connection goes on (which the caller
   has seen to). Returns the end of what is put, which is as spi_reply_begin and
   spi_reply_head_format would have it; NULL if it is any other case. */
enum { SPI_REPLY_USUAL_MAX = 4096 };
char *spi_reply_put_usual(
    char out[SPI_REPLY_USUAL_MAX], const spi_request_head *request, const spi_reply_head *head);

size_t spi_reply_head_bound(const spi_reply_head *head); /* no head is longer */
size_t spi_reply_head_format(const spi_reply *reply, const spi_reply_head *head, char *out);

/* A 101: the fields as they are, with `Connection: Upgrade`. The same bound holds. */
size_t spi_upgrade_head_format(const spi_reply_head *head, char *out);

/* `len` bytes of body come: SPOUT_EPROTO, and the reply is broken, if that is more than was
   announced. */
int spi_reply_take(spi_reply *reply, uint64_t len);
/* The end of the body: SPOUT_EPROTO if it is broken or shorter than announced. */
int spi_reply_end(const spi_reply *reply);

/* Whether the exchange writes the field of this name itself. */
bool spi_reply_owns_field(const spi_field *field);

#endif
