/*
 * The client side of WebSocket: a socket of the same type as a server's, on an exchange that is made
 * of a stream; the handshake; and messages that are asked for. http/websocket_socket.h has the rest.
 */
#ifndef SPI_WEBSOCKET_CLIENT_H
#define SPI_WEBSOCKET_CLIENT_H

#include <spout/websocketclient.h>

#include "base/buffer.h"
#include "base/list.h"
#include "http/client_url.h"
#include "http/frame.h"
#include "http/response_head.h"
#include "http/websocket.h"

enum { SPI_WEBSOCKET_KEY_SIZE = 25 };

/* What a socket has because it is a client's. Belongs to it, and stays as long. */
typedef struct spi_websocket_client {
    spout_websocket_handler handler;
    spout_websocket_compression compression;
    void *data;
    bool pulls;       /* messages are for spout_websocket_read */
    bool waits;       /* a coroutine does so there */
    bool has_message; /* complete, in `next`: nothing more is received until it is taken */
    bool is_binary;
    bool closed_here;       /* by spout_websocket_close */
    spi_buffer next, taken; /* `taken` is what the last read has returned */
    spi_list readers;
} spi_websocket_client;

void spi_websocket_client_free(spi_websocket_client *client); /* NULL is fine */

/* A client's socket on the stream, which is the socket's from now on, behind the 101. `rest` is
   what came with it. The caller sets what was agreed on, runs .open and calls
   spi_websocket_start. */
spout_websocket *spi_websocket_client_new(spout_stream *stream, spout_bytes rest,
    const spout_websocket_connect_options *options, const char *subprotocol);

/* --- what websocket*.c calls for a client's socket --- */

/* A frame with its mask, whose key is the loop's latest random number. The payload isn't changed. */
int spi_websocket_send_masked(
    spout_websocket *ws, spi_opcode opcode, bool fin, bool compressed, spout_bytes payload);
/* The next message: takes the buffer's bytes, which leaves it empty. */
void spi_websocket_offer(spout_websocket *ws, spi_buffer *message, bool is_binary);
int spi_websocket_pull(spout_websocket *ws, spout_message *ret_message);
/* Waits until the socket has ended, whoever gets its messages. */
int spi_websocket_client_await_end(spout_websocket *ws);
/* The socket begins to close, or has ended. */
void spi_websocket_client_wake(spout_websocket *ws);
void spi_websocket_client_settle(spout_websocket *ws);
/* A reference was given back, and others are left. */
void spi_websocket_client_dropped(spout_websocket *ws);
void spi_websocket_client_closed_here(spout_websocket *ws);

/* --- the exchange --- */

/* One with the tunnel's functions alone, over the stream; gone when its on_lost has returned. NULL
   with the error set, if the stream has ended. */
spi_exchange *spi_client_end_new(spout_stream *stream, const spi_tunnel *tunnel);
void spi_client_end_set_owner(spi_exchange *exchange, spout_websocket *ws);

/* --- the handshake (RFC 6455 §4.1) --- */

/* SPOUT_EINVAL for a header line or a subprotocol that can't be sent. */
int spi_websocket_check_options(const spout_websocket_connect_options *options);

typedef struct spi_websocket_request {
    const spi_client_url *url;
    const spout_websocket_connect_options *options;
    char key[SPI_WEBSOCKET_KEY_SIZE];
    bool foreign; /* redirected to another host: secrets stay behind */
} spi_websocket_request;
/* The GET, in the arena. */
spout_bytes spi_websocket_request_text(spi_arena *arena, const spi_websocket_request *request);

/* What a 101 has agreed on. */
typedef struct spi_websocket_agreement {
    const char *subprotocol; /* one of the options'; NULL: none */
    bool compressed;
    spi_deflate_terms terms;
} spi_websocket_agreement;
/* Checks a 101; SPOUT_EPROTO with words. */
int spi_websocket_check_response(const spi_response_head *head,
    const spi_websocket_request *request, spi_websocket_agreement *ret_agreement);

/* What answers a key of 24 characters. */
void spi_websocket_accept_value(const char *key, char out[29]);
/* "user:password" in base64 (RFC 7617). */
const char *spi_basic_credentials(spi_arena *arena, const char *user, const char *password);
/* What compression options ask for. */
spi_deflate_terms spi_websocket_wanted_terms(const spout_websocket_compression *compression);

/* --- connecting --- */

/* Why an attempt has failed, for those who try again. */
typedef struct spi_websocket_attempt {
    int status;
    int64_t retry_after_ms; /* -1: not said */
    bool is_final;          /* a later one would fail as well */
} spi_websocket_attempt;
spout_websocket *spi_websocket_attempt_connect(const char *url,
    const spout_websocket_connect_options *options, spi_websocket_attempt *ret_attempt);

#endif
