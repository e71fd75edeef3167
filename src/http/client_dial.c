#include "http/client_dial.h"

#include <spout/error.h>
#include <spout/tls.h>

#include "http/websocket_client.h"
#include "loop/loop.h"

enum { MAX_INTERIM = 8 };

static const spi_head_limits limits = {
    .max_line = 8192, .max_head = SPI_RESPONSE_MAX_HEAD, .max_fields = 1000
};

static void free_default_tls(void *tls)
{
    spout_tls_unref(tls);
}

/* The loop's own: reading the system's store takes longer than a handshake. */
static spout_tls *default_tls(void)
{
    static const char *const alpn[] = { "http/1.1", NULL };
    spout_loop *loop = spout_loop_current();
    spout_tls *tls = spi_loop_slot_get(loop, SPI_SLOT_HTTP_CLIENT);
    if (tls)
        return tls;
    tls = spout_tls_client_new(&(spout_tls_options){ .alpn = alpn });
    if (tls)
        spi_loop_slot_set(loop, SPI_SLOT_HTTP_CLIENT, tls, free_default_tls);
    return tls;
}

static int receive_head(spout_stream *stream, spi_buffer *got, size_t *ret_len)
{
    spi_head_scanner scanner = { .scanned = 0 };
    long found;
    while ((found = spi_response_head_scan(
                &scanner, spi_buffer_head(got), spi_buffer_len(got), &limits)) == 0) {
        spout_bytes piece;
        /* All that is there: the stream may become somebody else's behind the head. */
        int result = spout_stream_read_some(stream, 0, &piece);
        if (result == 0)
            result = spi_buffer_append(got, piece.data, piece.len);
        if (result < 0)
            return result;
    }
    if (found < 0)
        return (int)found;
    *ret_len = (size_t)found;
    return 0;
}

int spi_read_response_head(
    spi_arena *arena, spout_stream *stream, spi_buffer *got, spi_response_head *ret_head)
{
    for (int i = 0; i < MAX_INTERIM; i++) {
        spi_response_head head;
        size_t len = 0;
        int result = receive_head(stream, got, &len);
        if (result < 0)
            return result;
        char *text = spi_arena_memdup(arena, spi_buffer_head(got), len);
        spi_buffer_consume(got, len);
        result = spi_response_head_parse(arena, text, len, &limits, &head);
        if (result < 0)
            return result;
        if (head.status >= 200 || head.status == 101) {
            *ret_head = head;
            return 0;
        }
    }
    return spout_error_set(SPOUT_EPROTO, "the server sends one interim answer after the other");
}

/* RFC 9110 §9.3.6. */
static const char *connect_text(
    spi_arena *arena, const spi_client_url *url, const spi_client_url *proxy)
{
    bool is_ipv6 = strchr(url->host, ':') != NULL;
    const char *authority = spi_arena_format(
        arena, is_ipv6 ? "[%s]:%d" : "%s:%d", url->host, url->port);
    const char *credentials = proxy->user
                                  ? spi_arena_format(arena, "Proxy-Authorization: Basic %s\r\n",
                                        spi_basic_credentials(arena, proxy->user, proxy->password))
                                  : "";
    return spi_arena_format(
        arena, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", authority, authority, credentials);
}

static int open_tunnel(spi_arena *arena, spout_stream *stream, const char *text, int *ret_status)
{
    spi_response_head head;
    spi_buffer got;
    spi_buffer_init(&got, SPI_RESPONSE_MAX_GOT);
    int result = spout_stream_write(stream, spout_bytes_of(text));
    if (result == 0)
        result = spi_read_response_head(arena, stream, &got, &head);
    if (result == 0 && head.status / 100 != 2) {
        *ret_status = head.status;
        result = spout_error_set(
            SPOUT_EPROTO, "the proxy has answered %d %s", head.status, head.reason);
    }
    /* Behind a tunnel we speak first. */
    if (result == 0 && spi_buffer_len(&got) > 0)
        result = spout_error_set(SPOUT_EPROTO, "the proxy has sent more than its answer");
    spi_buffer_release(&got);
    return result < 0 ? spout_error_wrap(result, "the proxy opens no tunnel") : 0;
}

static int parse_proxy(spi_arena *arena, const char *text, spi_client_url *ret_proxy)
{
    int result = spi_client_url_parse(arena, text, ret_proxy);
    if (result < 0)
        return spout_error_wrap(result, "the proxy's URL is wrong");
    if (ret_proxy->secure)
        return spout_error_set(
            SPOUT_EUNSUPPORTED, "a proxy is spoken to in plain HTTP: http://host:port");
    return 0;
}

static int check_path(const spi_dial_options *options)
{
    const char *path = options->unix_path;
    if (path && options->proxy)
        return spout_error_set(SPOUT_EINVAL, "a Unix socket isn't reached through a proxy");
    if (path && path[0] != '@' && !strchr(path, '/'))
        return spout_error_set(
            SPOUT_EINVAL, "the path of a Unix socket has a '/' or begins with '@'");
    return 0;
}

static int start_tls(spout_stream *stream, const spi_client_url *url,
    const spout_tcp_connect_options *tcp, bool *ret_final)
{
    spout_tls *tls = tcp->tls ? tcp->tls : default_tls();
    if (!tls) {
        *ret_final = true;
        return spout_error_code_current();
    }
    int result = spout_stream_start_tls(
        stream, tls, tcp->server_name ? tcp->server_name : url->host);
    *ret_final = result == SPOUT_EPROTO;
    return result;
}

spout_stream *spi_dial(spi_arena *arena, const spi_client_url *url, const spi_dial_options *options,
    int *ret_status, bool *ret_final)
{
    static const spout_tcp_connect_options defaults;
    const spout_tcp_connect_options *tcp = options->tcp ? options->tcp : &defaults;
    spout_tcp_connect_options plain = *tcp;
    spi_client_url proxy;
    plain.tls = NULL;
    *ret_final = true;
    if (check_path(options) < 0 ||
        (options->proxy && parse_proxy(arena, options->proxy, &proxy) < 0))
        return NULL;
    *ret_final = false;
    const spi_client_url *next = options->proxy ? &proxy : url;
    spout_stream *stream = spout_tcp_connect(
        options->unix_path ? options->unix_path : next->host, next->port, &plain);
    int result = stream ? 0 : spout_error_code_current();
    if (result == 0 && options->proxy)
        result = open_tunnel(arena, stream, connect_text(arena, url, &proxy), ret_status);
    if (result == 0 && url->secure)
        result = start_tls(stream, url, tcp, ret_final);
    if (result == 0)
        return stream;
    *ret_final |= result == SPOUT_EINVAL;
    spout_stream_close(stream);
    return NULL;
}
