/* The reply that a request builds: status, fields, the body as far as it is not sent, and how it
   goes out. */
#ifndef SPI_RESPONSE_H
#define SPI_RESPONSE_H

#include <spout/web.h>

#include "http/exchange.h"
#include "web/usual.h"

/* A piece of the body, in the request's arena. */
typedef struct spi_piece {
    struct spi_piece *next;
    size_t len, size;
    char data[];
} spi_piece;

/* A cookie that the reply will set (set_cookie.c). */
typedef struct spi_new_cookie spi_new_cookie;

enum {
    SPI_FIRST_FIELDS = 6, /* the usual ones and a few more */
    SPI_FIRST_PIECE = 256
};

typedef struct spi_response {
    spi_usual *usual;  /* the application's: what a fresh reply begins with */
    spi_field *fields; /* value NULL: the date, filled in when it goes out */
    uint32_t field_count, field_capacity;
    uint32_t as_made; /* so many of the first are the usual ones, and not in `fields` */
    int status;
    const char *reason; /* NULL: the standard phrase */
    spi_piece *first, *last;
    spi_piece *spare; /* has been sent and takes more */
    size_t len;       /* of the pieces */
    uint64_t sent;    /* body bytes given to the exchange */
    int64_t declared; /* Content-Length as the handler has set it; -1: not set */
    const char *declared_text;
    spi_new_cookie *cookies; /* stay when the reply is begun anew: an error page sets them too */
    struct spi_compressor *compressor; /* NULL: it goes out as it is (compress.c) */
    const char *coding;                /* its name */
    uint64_t plain;                    /* body bytes that went into it */
    uint64_t hash;                     /* `tagged`: of the body */
    bool head_sent, ended;
    bool encoding : 1; /* the encoder is at work, and may be waiting for its turn */
    bool close : 1;
    bool type_set : 1; /* Content-Type is the handler's */
    bool lost : 1;     /* sending has met a closed connection */
    bool as_is : 1;    /* not for transforms: a file, or they have had it, or one has failed */
    bool tagged : 1;   /* went out with the usual Etag, which is in none of the fields */
} spi_response;

/* 200 with nothing but Server, Date and Content-Type, and with an empty piece; in a request that is all
   zero. `fields` and `piece` have room for so many as above, and no values. */
void spi_response_init(
    spi_response *response, spi_usual *usual, spi_field *fields, spi_piece *piece);

/* Back to that. Not after the head was sent. */
void spi_response_reset(spout_request *r);

static inline const spi_field *spi_response_field(const spi_response *response, uint32_t at)
{
    return at < response->as_made ? &response->usual->fields[at] : &response->fields[at];
}

/* Whether there are no fields but those. */
static inline bool spi_response_is_usual(const spi_response *response)
{
    return response->field_count == response->as_made;
}

/* The place of a field, or -1. */
int spi_response_find(const spi_response *response, const char *name, size_t name_len);

/* Sets a field of ours without checks: name and value are static or lie in the request's arena. */
void spi_response_put(spout_request *r, const char *name, const char *value);

/* Content-Type, which is valid and static, or lies in the request's arena. */
void spi_response_put_type(spout_request *r, const char *type);

/* The same if it is the type of one of the application's usual beginnings, or can become one, and the
   reply still has such a beginning. False: nothing has happened. */
bool spi_response_take_type(spout_request *r, const char *type);
/* Whether nothing but the usual fields can be a Content-Type. */
bool spi_response_has_usual_type(const spi_response *response);

/* A field that is about to be changed: it, and all behind it, are the reply's own from here on. */
spi_field *spi_response_change(spi_response *response, uint32_t at);

/* Adds one more, and removes one. */
void spi_response_add(spout_request *r, const char *name, const char *value);
void spi_response_add_field(spout_request *r, spi_field field);
void spi_response_remove_at(spi_response *response, uint32_t at);

int spi_response_append_slowly(spout_request *r, const void *data, size_t len);
static inline int spi_response_append(spout_request *r, const void *data, size_t len);
void spi_response_drop_body(spout_request *r);

/* Turns the cookies into fields. */
void spi_response_put_cookies(spout_request *r);

/* Whether a comma-separated list, which may be NULL, has the token, case ignored. */
bool spi_lists(const char *list, const char *token);

/* Adds a name to Vary, unless it is listed there. */
void spi_response_vary(spout_request *r, const char *name);

/* The fields that come last: cookies, CORS, the request's id. */
void spi_response_dress(spout_request *r);

/* All fields in one piece, which is the reply's own, with the date. */
const spi_field *spi_response_own_fields(spout_request *r);

/* Sends the head. content_length -1: not known. */
int spi_response_send_head(spout_request *r, int64_t content_length);

/* Sends the pieces; suspends where the peer is slow and there is much of them. */
int spi_response_send_pieces(spout_request *r);

/* Runs the application's transforms over what is to be sent, if there are any for this reply
   (transform.c). */
int spi_response_transform(spout_request *r, bool last);

/* Passes on what a function of the exchange has returned, and takes note of a connection that is
   closed. */
int spi_response_sent(spout_request *r, int result);

/* Completes the reply: ETag, lengths, what is left. < 0: the error decides what follows. */
int spi_response_end(spout_request *r);

#endif
