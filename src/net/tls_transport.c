/*
 * TLS as a row of transports.
 *
 * Input: one recv into a buffer that the loop's connections share; OpenSSL decrypts all of it into
 * the receive buffer, so that no plain text stays behind. Only during the handshake OpenSSL reads
 * from the socket itself, all that is there: what comes behind the handshake waits in its buffer
 * (`held`) for the first read. Output: sealed into a shared buffer, then one
 * send; what the system refuses waits as it is (`wire`), and nothing further is sealed until it is
 * out. So OpenSSL never has to write and never has to be called again with the same bytes.
 *
 * The state hangs on the transport's table: each TLS connection has a copy of its own, of which the
 * state is the rest. Plain connections pay nothing.
 */
#include "net/tls.h"

#include <spout/error.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/endpoint.h"
#include "net/output.h"
#include "net/tls_buffers.h"
#include "net/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RECORD = 16 * 1024,                  /* plain text in a record, at most */
    SEALED_RECORD = RECORD + 512,        /* and what it is as a record */
    IN_SIZE = SPI_RECEIVE_SIZE - RECORD, /* with a record that is half here already, it must fit */
    OUT_SIZE = 64 * 1024,
    WIRE_MAX = 512 * 1024 /* of a peer that makes us answer and does not read the answers */
};

struct spi_tls_shared {
    char in[IN_SIZE], stage[RECORD], out[OUT_SIZE];
    size_t out_len;
    spi_tls_keepers keepers;
};

/* What each request touches comes first. */
typedef struct tls_state {
    spi_transport_ops ops;
    SSL *ssl;
    spout_transport *transport;
    const char *in; /* received and not yet decrypted: only while tls_read runs */
    size_t in_len;
    spi_tls_buffers buffers;
    bool dry;        /* a step of the handshake has read all there was */
    bool held;       /* input came along with the handshake's end: OpenSSL has it */
    bool secure;     /* both sides have agreed */
    bool ended;      /* the peer has said goodbye */
    bool hung_up;    /* the socket's end, without goodbye */
    bool fin_due;    /* FIN follows the wire */
    char *broken;    /* what it sent makes no sense, or ends the connection: why; else NULL */
    spi_buffer wire; /* sealed, refused by the system so far */
    spi_tls_peer peer;
    spi_timeout timeout;
    spi_ready owed; /* the end came behind data: told once the owner reads on */
    void (*on_secure)(spout_transport *transport);
    const char *plain_reply;
    spout_endpoint remote; /* for the log: a connection that was reset has none any more */
} tls_state;

static const spi_transport_ops tls_ops;

static tls_state *state_of(const spout_transport *transport)
{
    return (tls_state *)(uintptr_t)transport->ops;
}

static const spi_transport_ops *below(const spout_transport *transport)
{
    return spi_transport_plain_on(transport->loop);
}

/* Both without a detour if nobody measures, as for plain transports. */
static inline ssize_t read_below(spout_transport *transport, void *out, size_t len)
{
    const spi_transport_ops *ops = below(transport);
    if (ops == &spi_transport_plain) {
        ssize_t got = recv(transport->fd, out, len, 0);
        if (got >= 0 || errno != EINTR)
            return got;
    }
    return ops->read(transport, out, len);
}

static inline ssize_t write_below(
    spout_transport *transport, const void *data, size_t len, bool more)
{
    const spi_transport_ops *ops = below(transport);
    if (ops == &spi_transport_plain && !more) {
        ssize_t sent = send(transport->fd, data, len, MSG_NOSIGNAL);
        if (sent >= 0 || errno != EINTR)
            return sent;
    }
    return ops->write(transport, &(struct iovec){ (void *)(uintptr_t)data, len }, 1, more);
}

bool spi_transport_is_tls(const spout_transport *transport)
{
    return transport->ops && transport->ops->read == tls_ops.read;
}

bool spi_transport_is_secure(const spout_transport *transport)
{
    return spi_transport_is_tls(transport) && state_of(transport)->secure;
}

static spi_tls_shared *shared_of(const tls_state *state)
{
    return state->transport->net->tls;
}

static size_t wire_len(const tls_state *state)
{
    return spi_buffer_len(&state->wire);
}

/* --- what OpenSSL reads and writes --- */

static int keep_on_wire(tls_state *state, const void *data, size_t len)
{
    int result = spi_buffer_append(&state->wire, data, len);
    if (result == 0)
        spi_output_hold(state->transport, wire_len(state));
    else
        errno = ENOBUFS;
    return result;
}

/* Hands the system what was sealed. -1 with errno; what is refused goes on the wire. */
static int send_out(tls_state *state, bool more)
{
    spi_tls_shared *shared = shared_of(state);
    size_t len = shared->out_len;
    shared->out_len = 0;
    if (len == 0)
        return 0;
    ssize_t sent = write_below(state->transport, shared->out, len, more);
    if (sent < 0 && errno != EAGAIN)
        return -1;
    size_t gone = sent < 0 ? 0 : (size_t)sent;
    return gone < len ? keep_on_wire(state, shared->out + gone, len - gone) : 0;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    tls_state *state = BIO_get_data(bio);
    spi_tls_shared *shared = shared_of(state);
    size_t size = len > 0 ? (size_t)len : 0;
    BIO_clear_retry_flags(bio);
    if (wire_len(state) == 0 && OUT_SIZE - shared->out_len < size)
        send_out(state, true);
    if (wire_len(state) > 0 || size > OUT_SIZE)
        return keep_on_wire(state, data, size) < 0 ? -1 : len;
    memcpy(shared->out + shared->out_len, data, size);
    shared->out_len += size;
    return len;
}

static int bio_read_socket(tls_state *state, BIO *bio, char *out, int len)
{
    ssize_t got = -1;
    if (state->dry)
        errno = EAGAIN;
    else
        got = read_below(state->transport, out, (size_t)len);
    if (got < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    else if (got <= 0)
        state->hung_up = true;
    state->dry = got > 0 && got < len;
    return (int)got;
}

static int bio_read(BIO *bio, char *out, int len)
{
    tls_state *state = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!state->secure)
        return bio_read_socket(state, bio, out, len);
    if (state->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t part = state->in_len < (size_t)len ? state->in_len : (size_t)len;
    memcpy(out, state->in, part);
    state->in += part;
    state->in_len -= part;
    return (int)part;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number, (void)pointer;
    if (command == BIO_CTRL_EOF) {
        const tls_state *state = BIO_get_data(bio);
        return state && state->hung_up;
    }
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

/* The contexts' own, made once. NULL: no memory. */
static const BIO_METHOD *need_method(spout_tls *tls)
{
    if (tls->method)
        return tls->method;
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "transport");
    if (!method)
        return NULL;
    BIO_meth_set_create(method, bio_create);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
    return tls->method = method;
}

static BIO *new_bio(tls_state *state)
{
    const BIO_METHOD *method = need_method(state->peer.tls);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (bio)
        BIO_set_data(bio, state);
    return bio;
}

/* --- its end --- */

/* The transport is plain again. */
static void unwrap(tls_state *state)
{
    state->transport->ops = below(state->transport);
    spi_timeout_stop(&state->timeout);
    spi_ready_cancel(&state->owed);
    spi_tls_buffers_forget(&state->buffers);
    shared_of(state)->out_len = 0;
    spi_buffer_release(&state->wire);
    SSL_free(state->ssl);
    ERR_clear_error();
    spi_free(state->peer.server_name);
    spi_free(state->broken);
    spout_tls_unref(state->peer.tls);
    spi_free(state);
}

static void tls_close(spout_transport *transport)
{
    unwrap(state_of(transport));
    spi_transport_plain.close(transport);
}

static void log_failure(const tls_state *state, const char *words)
{
    if (!state->peer.tls->is_server)
        return;
    char name[SPI_ENDPOINT_NAME];
    if (state->hung_up)
        spi_log_debug("TLS with %s: %s", spi_endpoint_name(&state->remote, name), words);
    else
        spi_log_warning("TLS with %s: %s", spi_endpoint_name(&state->remote, name), words);
}

/* The peer is to get our alert: unread input would turn the close into a reset that destroys it. */
static void part_softly(const spout_transport *transport, char *waste, size_t size)
{
    shutdown(transport->fd, SHUT_WR);
    while (recv(transport->fd, waste, size, MSG_DONTWAIT) > 0)
        continue;
}

static void fail(tls_state *state, int code, const char *words)
{
    spout_transport *transport = state->transport;
    log_failure(state, words);
    spi_tls_shared *shared = shared_of(state);
    part_softly(transport, shared->in, sizeof shared->in);
    spi_transport_lose_text(transport, code, words);
}

static void on_handshake_timeout(spi_timeout *timeout)
{
    fail(
        spi_container(timeout, tls_state, timeout), SPOUT_ETIMEDOUT, "the TLS handshake timed out");
}

/* Somebody typed http:// for https://. */
static void answer_plain_http(tls_state *state)
{
    spout_transport *transport = state->transport;
    const char *reply = state->plain_reply;
    log_failure(state, "the peer speaks plain HTTP");
    unwrap(state);
    transport->ops->write(
        transport, &(struct iovec){ (void *)(uintptr_t)reply, strlen(reply) }, 1, false);
    spi_transport_close(transport);
}

/* --- the handshake --- */

static void fail_handshake(tls_state *state)
{
    char words[256];
    if (state->plain_reply && spi_tls_error_is_plain_http() && !state->transport->closing &&
        !spi_output_waits(state->transport)) {
        answer_plain_http(state);
        return;
    }
    if (state->hung_up) {
        ERR_clear_error();
        fail(state, SPOUT_ECLOSED, "the peer hung up during the TLS handshake");
        return;
    }
    spi_tls_handshake_words(state->ssl, state->peer.server_name, words, sizeof words);
    fail(state, SPOUT_EPROTO, words);
}

static void become_secure(tls_state *state)
{
    spout_transport *transport = state->transport;
    state->secure = true;
    state->ops.prepare = NULL; /* events are as those of a plain socket from here on */
    state->held = SSL_has_pending(state->ssl);
    spi_timeout_stop(&state->timeout);
    if (transport->fin)
        state->ops.shutdown(transport);
    spi_transport_update(transport);
    if (state->on_secure && !transport->closing)
        state->on_secure(transport);
}

/* As far as it gets. */
static int step(tls_state *state)
{
    ERR_clear_error();
    state->dry = false;
    int result = SSL_do_handshake(state->ssl);
    return result == 1 ? SSL_ERROR_NONE : SSL_get_error(state->ssl, result);
}

static bool waits(int why)
{
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/* The transport may be lost afterwards, or its owner have freed it. */
static void shake_hands(tls_state *state)
{
    int why = step(state), errnum = send_out(state, false) < 0 ? errno : 0;
    if (errnum && waits(why))
        why = step(state); /* an alert that is here says more than a reset */
    if (errnum && (waits(why) || why == SSL_ERROR_NONE))
        spi_transport_lose_errno(state->transport, errnum);
    else if (why == SSL_ERROR_NONE)
        become_secure(state);
    else if (!waits(why))
        fail_handshake(state);
}

/* What OpenSSL had to say in the handshake and the system did not take. */
static void flush_handshake(spout_transport *transport)
{
    if (transport->ops->flush(transport) < 0 && errno != EAGAIN) {
        spi_transport_lose_errno(transport, errno);
    } else if (!spi_output_waits(transport)) {
        if (transport->closing)
            spi_transport_lose(transport, SPOUT_OK, 0, "");
        else
            spi_output_free(transport);
        spi_transport_update(transport);
    }
}

/* It ends before both sides have agreed: what comes is thrown away. */
static bool is_given_up(const tls_state *state)
{
    return !state->secure && state->transport->closing && state->transport->fin;
}

static bool tls_prepare(spout_transport *transport, unsigned events)
{
    tls_state *state = state_of(transport);
    if (state->secure || is_given_up(state))
        return true;
    spi_net *net = transport->net;
    if ((events & SPOUT_WRITABLE) && wire_len(state) > 0)
        flush_handshake(transport);
    if (transport->closed)
        return false;
    if (events & (SPOUT_READABLE | SPOUT_HANGUP))
        shake_hands(state);
    if (net->current != transport || transport->closed || !spi_transport_is_tls(transport))
        return false;
    if (!state->secure && (events & SPOUT_HANGUP)) {
        state->hung_up = true;
        fail_handshake(state);
        return false;
    }
    return state->secure;
}

static unsigned tls_events(const spout_transport *transport, unsigned wanted)
{
    const tls_state *state = state_of(transport);
    if (state->secure || is_given_up(state))
        return wanted;
    return SPOUT_READABLE | (wire_len(state) > 0 ? (unsigned)SPOUT_WRITABLE : 0);
}

/* --- input --- */

static void tell_owed(spi_ready *ready)
{
    spi_transport_poke(spi_container(ready, tls_state, owed)->transport);
}

static void tls_resumed(spout_transport *transport)
{
    tls_state *state = state_of(transport);
    if (state->ended || state->broken || state->held)
        spi_ready_schedule(transport->loop, &state->owed);
}

/* What OpenSSL holds comes before a hang-up. */
static ssize_t tls_peek(spout_transport *transport)
{
    return state_of(transport)->held ? 1 : below(transport)->peek(transport);
}

/* As read: -1, with the transport lost unless it ends anyway. */
static ssize_t break_off(tls_state *state, int code, const char *words)
{
    bool closing = state->transport->closing;
    if (!closing)
        spi_transport_lose_text(state->transport, code, words);
    errno = closing ? ECONNRESET : EAGAIN;
    return -1;
}

static ssize_t end_of_input(tls_state *state)
{
    if (state->ended)
        return 0;
    return break_off(state, SPOUT_EPROTO, state->broken);
}

/* OpenSSL gave nothing: there is no more here, or none will come. */
static void note_end(tls_state *state)
{
    char words[256];
    if (SSL_want_read(state->ssl))
        return;
    if ((SSL_get_shutdown(state->ssl) & SSL_RECEIVED_SHUTDOWN) && !spi_tls_error_is_alert())
        state->ended = true;
    else
        state->broken = spi_strdup(spi_tls_error_words(words, sizeof words));
}

/* Decrypts all that is here. Most often this is one record: asking OpenSSL for another would cost a
   third of what the record did, and to empty its queue of errors beforehand, a twentieth. */
static size_t unseal(tls_state *state, char *out, size_t len)
{
    size_t total = 0, got;
    while (total < len) {
        if (SSL_read_ex(state->ssl, out + total, len - total, &got) != 1) {
            note_end(state);
            break;
        }
        total += got;
        if (state->in_len == 0 && !SSL_has_pending(state->ssl))
            break;
    }
    return total;
}

static ssize_t tls_read(spout_transport *transport, void *out, size_t len)
{
    tls_state *state = state_of(transport);
    spi_tls_shared *shared = transport->net->tls;
    if (!state->secure)
        return read_below(transport, out, len);
    if (state->ended || state->broken)
        return end_of_input(state);
    ssize_t got = state->held ? 0 : read_below(transport, shared->in, sizeof shared->in);
    if (got < 0)
        return -1;
    spi_tls_buffers_note_read(&state->buffers, &shared->keepers);
    if (got == 0 && !state->held)
        return transport->closing
                   ? 0
                   : break_off(state, SPOUT_ECLOSED,
                         "the connection was cut: its end came without close_notify");
    state->in = shared->in;
    state->in_len = (size_t)got;
    state->held = false;
    size_t total = unseal(state, out, len);
    state->in_len = 0;
    send_out(state, false); /* a failure shows at the next read or write */
    if (total == 0 && (state->ended || state->broken))
        return end_of_input(state);
    tls_resumed(transport);
    errno = EAGAIN;
    return total > 0 ? (ssize_t)total : -1;
}

/* --- output --- */

/* Where in a vector the next record begins. */
typedef struct cursor {
    const struct iovec *at, *end;
    size_t offset;
} cursor;

static void advance(cursor *from, size_t len)
{
    from->offset += len;
    if (from->offset == from->at->iov_len) {
        from->at++;
        from->offset = 0;
    }
}

/* Small pieces share a record, which is put together in `stage`. */
static spout_bytes next_record(cursor *from, char *stage)
{
    size_t staged = 0;
    while (from->at < from->end && staged < RECORD) {
        const char *data = (const char *)from->at->iov_base + from->offset;
        size_t left = from->at->iov_len - from->offset, room = RECORD - staged;
        size_t part = left < room ? left : room;
        bool alone = staged == 0 && (part == RECORD || from->at + 1 == from->end);
        advance(from, part);
        if (alone)
            return (spout_bytes){ data, part };
        memcpy(stage + staged, data, part);
        staged += part;
    }
    return (spout_bytes){ stage, staged };
}

/* -1 with errno if the connection is of no use. */
static int seal(tls_state *state, spout_bytes record)
{
    size_t taken;
    if (SSL_write_ex(state->ssl, record.data, record.len, &taken) == 1)
        return 0;
    ERR_clear_error();
    errno = EPIPE;
    return -1;
}

static bool takes_output(const tls_state *state)
{
    return state->secure && wire_len(state) == 0;
}

static ssize_t tls_write(spout_transport *transport, const struct iovec *iov, int count, bool more)
{
    tls_state *state = state_of(transport);
    spi_tls_shared *shared = transport->net->tls;
    cursor from = { iov, iov + count, 0 };
    size_t total = 0;
    if (!takes_output(state)) {
        errno = EAGAIN;
        return -1;
    }
    while (from.at < from.end && takes_output(state)) {
        spout_bytes record = next_record(&from, shared->stage);
        if (record.len > 0 && seal(state, record) < 0)
            return -1;
        total += record.len;
        if (OUT_SIZE - shared->out_len < SEALED_RECORD && send_out(state, true) < 0)
            return -1;
    }
    return send_out(state, more) < 0 ? -1 : (ssize_t)total;
}

/* What waits on the wire. */
static ssize_t tls_flush(spout_transport *transport)
{
    tls_state *state = state_of(transport);
    ssize_t sent = write_below(transport, spi_buffer_head(&state->wire), wire_len(state), false);
    if (sent <= 0)
        return sent;
    spi_buffer_consume(&state->wire, (size_t)sent);
    spi_output_hold(transport, wire_len(state));
    if (wire_len(state) == 0) {
        spi_buffer_release(&state->wire);
        if (state->fin_due)
            shutdown(transport->fd, SHUT_WR);
    }
    return sent;
}

static void tls_shutdown(spout_transport *transport)
{
    tls_state *state = state_of(transport);
    if (state->secure) {
        ERR_clear_error();
        SSL_shutdown(state->ssl);
        ERR_clear_error();
        send_out(state, false);
        state->fin_due = true;
    }
    if (wire_len(state) == 0 && (state->secure || transport->closing))
        shutdown(transport->fd, SHUT_WR);
}

static bool tls_moved(spout_transport *transport, spout_transport *to)
{
    tls_state *state = state_of(transport);
    if (state->secure)
        state->transport = to;
    return state->secure;
}

static const spi_transport_ops tls_ops = {
    .read = tls_read,
    .write = tls_write,
    .send_file = spi_copy_file,
    .peek = tls_peek,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .prepare = tls_prepare,
    .events = tls_events,
    .resumed = tls_resumed,
    .flush = tls_flush,
    .moved = tls_moved,
};

/* --- putting it on --- */

/* The zone of a numeric address is of this machine: no certificate names it. Changes the text. */
static const char *without_zone(char *name)
{
    char *percent = strchr(name, '%');
    if (percent)
        *percent = '\0';
    if (percent && !spout_is_valid_ip(name))
        *percent = '%';
    return name;
}

static int no_memory(void)
{
    ERR_clear_error();
    return spout_error_set(SPOUT_EFAILED, "OpenSSL has no memory for a connection");
}

/* Whom a client wants to reach. */
static int set_server_name(tls_state *state, const char *name)
{
    spout_tls *tls = state->peer.tls;
    if (!name || !*name) {
        if (tls->options.insecure)
            return 0;
        return spout_error_set(
            SPOUT_EINVAL, "a TLS client needs the server's name, which it verifies");
    }
    state->peer.server_name = spi_strdup(name);
    name = without_zone(state->peer.server_name);
    bool is_ip = spout_is_valid_ip(name);
    ERR_clear_error();
    SSL_set_hostflags(state->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int done = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(state->ssl), name)
                     : SSL_set1_host(state->ssl, name) &&
                           SSL_set_tlsext_host_name(state->ssl, state->peer.server_name);
    unsigned long error = ERR_peek_error();
    if (!done && (!error || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE))
        return no_memory();
    if (!done)
        return spout_error_set(SPOUT_EINVAL, "\"%s\" is no host name", name);
    SSL_SESSION *session = spi_tls_session_take(tls, name);
    if (session)
        SSL_set_session(state->ssl, session);
    SSL_SESSION_free(session);
    return 0;
}

static void set_protocols(tls_state *state, const char *fallback)
{
    const spout_tls *tls = state->peer.tls;
    state->peer.alpn = tls->alpn;
    state->peer.alpn_len = tls->alpn_len;
    if (tls->alpn_len == 0 && fallback) {
        state->peer.alpn = (const unsigned char *)fallback;
        state->peer.alpn_len = (unsigned)strlen(fallback);
    }
}

static int set_side(tls_state *state, const spi_tls_wrap_options *options)
{
    BIO *bio = state->ssl ? new_bio(state) : NULL;
    if (!bio || SSL_set_app_data(state->ssl, &state->peer) != 1) {
        BIO_free(bio);
        return no_memory();
    }
    SSL_set_bio(state->ssl, bio, bio);
    if (state->peer.tls->is_server) {
        set_protocols(state, options->alpn);
        SSL_set_accept_state(state->ssl);
        return 0;
    }
    SSL_set_connect_state(state->ssl);
    return set_server_name(state, options->server_name);
}

static void start(tls_state *state)
{
    spout_transport *transport = state->transport;
    int64_t limit_ms = state->peer.tls->options.handshake_timeout_ms;
    if (limit_ms > 0)
        spi_timeout_start(spi_timeout_class_get(transport->loop, limit_ms, on_handshake_timeout),
            &state->timeout);
    spi_transport_update(transport);
    if (!state->peer.tls->is_server && !transport->closed)
        shake_hands(state);
}

int spi_tls_wrap(spout_transport *transport, spout_tls *tls, const spi_tls_wrap_options *options)
{
    static const spi_tls_wrap_options defaults = { 0 };
    if (!options)
        options = &defaults;
    spi_net_let_out(transport);
    if (!spi_transport_is_plain(transport->ops) || transport->closed || transport->closing ||
        transport->eof || transport->shut || spi_transport_pending(transport) > 0)
        return spout_error_set(SPOUT_ESTATE,
            "TLS can't start: the connection has ended, output is queued, or TLS is on it already");
    spi_net *net = transport->net;
    if (!net->tls)
        net->tls = spi_calloc(sizeof *net->tls);
    tls_state *state = spi_calloc(sizeof *state);
    state->ops = tls_ops;
    state->transport = transport;
    state->peer.tls = spout_tls_ref(tls);
    spi_endpoint_of_peer(&state->remote, transport->fd);
    state->on_secure = options->on_secure;
    state->plain_reply = options->plain_reply;
    spi_buffer_init(&state->wire, WIRE_MAX);
    spi_timeout_init(&state->timeout);
    spi_ready_init(&state->owed, tell_owed);
    state->ssl = state->buffers.ssl = SSL_new(tls->ctx);
    int result = set_side(state, options);
    if (result < 0) {
        unwrap(state);
        return result;
    }
    transport->ops = &state->ops;
    start(state);
    return 0;
}

/* --- what was agreed on --- */

static void copy_text(char *out, size_t size, const char *text)
{
    size_t len = 0;
    for (; text && *text && len + 1 < size; text++)
        out[len++] = *text >= ' ' && *text < 127 ? *text : '?';
    out[len] = '\0';
}

static void describe_certificate(const X509 *certificate, spout_tls_info *info)
{
    unsigned char digest[32];
    unsigned len = 0;
    BIO *memory = BIO_new(BIO_s_mem());
    if (memory &&
        X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
        int got = BIO_read(memory, info->peer_subject, sizeof info->peer_subject - 1);
        info->peer_subject[got > 0 ? got : 0] = '\0';
    }
    BIO_free(memory);
    if (X509_digest(certificate, EVP_sha256(), digest, &len) == 1)
        for (unsigned i = 0; i < len; i++)
            snprintf(info->peer_fingerprint + 2 * i, 3, "%02x", digest[i]);
    ERR_clear_error();
}

int spi_tls_info(const spout_transport *transport, spout_tls_info *ret_info)
{
    if (!spi_transport_is_secure(transport))
        return spout_error_set(SPOUT_ESTATE, "the connection does not speak TLS");
    const tls_state *state = state_of(transport);
    *ret_info = (spout_tls_info){ .resumed = SSL_session_reused(state->ssl) };
    copy_text(ret_info->version, sizeof ret_info->version, SSL_get_version(state->ssl));
    copy_text(ret_info->cipher, sizeof ret_info->cipher, SSL_get_cipher_name(state->ssl));
    copy_text(ret_info->server_name, sizeof ret_info->server_name,
        SSL_get_servername(state->ssl, TLSEXT_NAMETYPE_host_name));
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    SSL_get0_alpn_selected(state->ssl, &alpn, &alpn_len);
    if (alpn_len > 0 && alpn_len < sizeof ret_info->alpn)
        memcpy(ret_info->alpn, alpn, alpn_len);
    const X509 *certificate = SSL_get0_peer_certificate(state->ssl);
    if (certificate) {
        describe_certificate(certificate, ret_info);
        ret_info->peer_verified = SSL_get_verify_mode(state->ssl) != SSL_VERIFY_NONE &&
                                  SSL_get_verify_result(state->ssl) == X509_V_OK;
    }
    return 0;
}
