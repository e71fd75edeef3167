/*
 * libh2o on its own event loop: an answer, the files of a folder, with TLS besides if there is a
 * certificate.  h2o PORT FOLDER [TLS-PORT CERTIFICATE KEY]
 */
#define H2O_USE_EPOLL 1
#include <errno.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

static h2o_globalconf_t config;
static h2o_context_t context;
static h2o_accept_ctx_t plain, secure;

static int answer(h2o_handler_t *self, h2o_req_t *request)
{
    (void)self;
    static h2o_generator_t generator;
    request->res.status = 200;
    request->res.reason = "OK";
    request->res.content_length = 13;
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
        H2O_STRLIT("text/plain"));
    h2o_iovec_t body = { .base = "Hello, World!", .len = 13 };
    h2o_start_response(request, &generator);
    h2o_send(request, &body, 1, H2O_SEND_STATE_FINAL);
    return 0;
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    h2o_socket_t *socket;
    if (!error && (socket = h2o_evloop_socket_accept(listener)))
        h2o_accept(listener->data, socket);
}

static int listen_on(uint16_t port, h2o_accept_ctx_t *accept)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0)
        return -1;
    h2o_socket_t *listener = h2o_evloop_socket_create(context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    listener->data = accept;
    h2o_socket_read_start(listener, on_accept);
    accept->ctx = &context;
    accept->hosts = config.hosts;
    return 0;
}

static SSL_CTX *load_certificate(const char *certificate, const char *key)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        return NULL;
    return tls;
}

int main(int argc, char **argv)
{
    h2o_config_init(&config);
    config.server_name = h2o_iovec_init(H2O_STRLIT("h2o"));
    h2o_hostconf_t *host = h2o_config_register_host(
        &config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_create_handler(h2o_config_register_path(host, "/plaintext", 0), sizeof(h2o_handler_t))
        ->on_req = answer;
    h2o_file_register(h2o_config_register_path(host, "/static", 0), argv[2], NULL, NULL, 0);
    h2o_context_init(&context, h2o_evloop_create(), &config);
    if (listen_on((uint16_t)atoi(argv[1]), &plain) < 0)
        return 1;
    if (argc > 5 && (!(secure.ssl_ctx = load_certificate(argv[4], argv[5])) ||
                        listen_on((uint16_t)atoi(argv[3]), &secure) < 0))
        return 1;
    while (h2o_evloop_run(context.loop, INT32_MAX) == 0 || errno == EINTR) {
    }
    return 0;
}
