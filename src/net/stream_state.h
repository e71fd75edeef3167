/* What a stream is made of. Private to the files that make up streams. */
#ifndef SPI_STREAM_STATE_H
#define SPI_STREAM_STATE_H

#include "base/buffer.h"
#include "net/net.h"
#include "net/stream.h"

struct spi_regex;

struct spout_stream {
    spout_transport transport;
    spi_net_owned owned;
    spi_buffer input;
    size_t handed;  /* bytes at the front that the last read returned; the next one drops them */
    size_t wake_at; /* bytes that the waiting reader needs */
    size_t max_input, max_output;
    spi_list readers, writers;
    unsigned
        inside; /* coroutines that wait in a call: the last one out frees an abandoned stream */
    bool reading, eof, lost, abandoned;
    bool finished; /* half-closed by us */
    bool reset_on_close;
    int lost_code;
    char lost_message[128];
    spout_callback *on_close; /* until it was called */
    void *on_close_arg;
    char *aside; /* memory of what the last read returned, if input had to go on meanwhile */
    struct spi_regex *regex;        /* what read_until_regex compiled last */
    const spout_consumer *diverted; /* who is told of events instead of coroutines; NULL: nobody */
    void *owner;                    /* the same one's */
    spout_endpoint peer;
    char ip[46];
};

/* Drops what the last read returned. SPOUT_ESTATE while another coroutine reads. */
int spi_stream_begin_read(spout_stream *stream);

/* Waits for input until `len` bytes are there, or the end comes. */
int spi_stream_fill(spout_stream *stream, size_t len);

/* The result of a successful read: `len` bytes at the front. Returns 0. */
int spi_stream_hand_out(spout_stream *stream, size_t len, spout_bytes *ret_bytes);

/* What 0 and too much stand for. */
size_t spi_stream_limit(const spout_stream *stream, size_t max);

/* After a wait inside the stream, which may be gone if this fails. */
int spi_stream_leave(spout_stream *stream, int result);

/* Sets and returns the error for one that is lost. */
int spi_stream_lost_error(const spout_stream *stream);

/* Calls the close callback in the next turn if the time has come. */
void spi_stream_tell_if_over(spout_stream *stream);

void spi_regex_free(struct spi_regex *regex); /* NULL is fine */

#endif
