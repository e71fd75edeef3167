/*
 * A TLS server in memory. The first byte chooses what the rest is: all that a client sends, what it
 * sends behind a good handshake, or text that it sends encrypted, which must come back unchanged.
 */
#define _POSIX_C_SOURCE 200809L
#include "fuzz.h"

#include <spout/log.h>
#include <spout/loop.h>

#include "base/buffer.h"
#include "net/tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RAW, RAW_BEHIND_HANDSHAKE, ECHO, MODES, TURNS = 2000 };

static spout_loop *loop;
static spout_tls *tls;
static SSL_CTX *client_ctx;

typedef struct server {
    spout_transport transport;
    bool lost;
} server;

static server *server_of(spout_transport *transport)
{
    return spi_container(transport, server, transport);
}

static void on_data(spout_transport *transport, char *data, size_t len)
{
    data[len] = '\0';
    spi_transport_write(transport, data, len);
}

static void on_eof(spout_transport *transport)
{
    spi_transport_close(transport);
}

static void on_drain(spout_transport *transport)
{
    (void)transport;
}

static void on_lost(spout_transport *transport)
{
    server_of(transport)->lost = true;
}

static const spout_consumer consumer = { on_data, on_eof, on_drain, on_lost };

static char *temporary(char *path, FILE **ret_file)
{
    int fd = mkstemp(path);
    MUST(fd >= 0);
    *ret_file = fdopen(fd, "w");
    return path;
}

static void make_tls(void)
{
    char cert_path[] = "/tmp/spout-fuzz-XXXXXX", key_path[] = "/tmp/spout-fuzz-XXXXXX";
    FILE *file;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    MUST(X509_sign(cert, key, EVP_sha256()) > 0);
    temporary(cert_path, &file);
    PEM_write_X509(file, cert);
    fclose(file);
    temporary(key_path, &file);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    tls = spout_tls_server_new(
        &(spout_tls_options){ .cert_file = cert_path, .key_file = key_path });
    MUST(tls);
    unlink(cert_path);
    unlink(key_path);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void set_up(void)
{
    spout_log_set_level(SPOUT_LOG_OFF);
    loop = spout_loop_new(NULL);
    MUST(loop);
    make_tls();
    client_ctx = SSL_CTX_new(TLS_client_method());
    MUST(client_ctx);
}

static void turn(void)
{
    MUST(spout_loop_run_once(loop, 0) == 0);
}

static SSL *shake_hands(int fd)
{
    SSL *ssl = SSL_new(client_ctx);
    SSL_set_fd(ssl, fd);
    for (int i = 0; SSL_connect(ssl) != 1; i++) {
        MUST(i < TURNS);
        turn();
    }
    return ssl;
}

static void send_raw(int fd, const uint8_t *data, size_t size, uint32_t seed)
{
    for (size_t at = 0; at < size;) {
        size_t piece = next_piece(&seed, size - at);
        ssize_t sent = send(fd, data + at, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0)
            break;
        at += (size_t)sent;
        turn();
    }
}

static void echo(SSL *ssl, const uint8_t *data, size_t size)
{
    char *back = malloc(size + 1);
    size_t sent = 0, got = 0;
    for (int i = 0; got < size; i++) {
        size_t part;
        MUST(i < TURNS);
        if (sent < size && SSL_write_ex(ssl, data + sent, size - sent, &part) == 1)
            sent += part;
        turn();
        if (SSL_read_ex(ssl, back + got, size - got, &part) == 1)
            got += part;
    }
    MUST(memcmp(back, data, size) == 0);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2], mode;
    server self = { .lost = false };
    SSL *ssl = NULL;
    if (!loop)
        set_up();
    if (size < 1 || size > 60000)
        return 0;
    mode = data[0] % MODES;
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    MUST(spi_transport_open(&self.transport, loop, fds[0], &spi_transport_plain, &consumer) == 0);
    MUST(spi_tls_wrap(&self.transport, tls, &(spi_tls_wrap_options){ .plain_reply = "no\n" }) == 0);
    spi_transport_resume(&self.transport);
    if (mode != RAW)
        ssl = shake_hands(fds[1]);
    if (mode == ECHO)
        echo(ssl, data + 1, size - 1);
    else
        send_raw(fds[1], data + 1, size - 1, data[0] / MODES);
    SSL_free(ssl);
    close(fds[1]);
    for (int i = 0; i < 50 && !self.lost; i++)
        turn();
    MUST(self.lost);
    spi_transport_abort(&self.transport);
    return 0;
}
