/* libwebsockets: an HTTP answer, and a WebSocket echo.  websockets PORT */
#include "date.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

typedef struct session {
    size_t len;
    int binary;
    unsigned char data[LWS_PRE + 65536];
} session;

static int add_date(struct lws *wsi, unsigned char **at, unsigned char *end)
{
    const char *date = http_date();
    return lws_add_http_header_by_token(
        wsi, WSI_TOKEN_HTTP_DATE, (const unsigned char *)date, (int)strlen(date), at, end);
}

static int send_page(struct lws *wsi)
{
    unsigned char buffer[LWS_PRE + 512], *start = buffer + LWS_PRE, *at = start;
    unsigned char *end = buffer + sizeof buffer - 1;
    if (lws_add_http_common_headers(wsi, 200, "text/plain", 13, &at, end) ||
        add_date(wsi, &at, end) || lws_finalize_write_http_header(wsi, start, &at, end))
        return 1;
    memcpy(at, "Hello, World!", 13);
    if (lws_write(wsi, at, 13, LWS_WRITE_HTTP_FINAL) != 13)
        return 1;
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int on_http(
    struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    if (reason == LWS_CALLBACK_HTTP)
        return send_page(wsi);
    return lws_callback_http_dummy(wsi, reason, user, in, len);
}

static int on_echo(
    struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    session *s = user;
    if (reason == LWS_CALLBACK_RECEIVE && len <= sizeof s->data - LWS_PRE) {
        memcpy(s->data + LWS_PRE, in, len);
        s->len = len;
        s->binary = lws_frame_is_binary(wsi);
        lws_callback_on_writable(wsi);
    } else if (reason == LWS_CALLBACK_SERVER_WRITEABLE && s->len) {
        lws_write(wsi, s->data + LWS_PRE, s->len, s->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
        s->len = 0;
    }
    return 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    static const struct lws_protocols protocols[] = {
        { .name = "http", .callback = on_http },
        { .name = "echo",
            .callback = on_echo,
            .per_session_data_size = sizeof(session),
            .rx_buffer_size = 65536 },
        { 0 },
    };
    static const struct lws_protocol_vhost_options echo_default = { .name = "default",
        .value = "1" };
    static const struct lws_protocol_vhost_options echo = { .options = &echo_default,
        .name = "echo" };
    struct lws_context_creation_info info = { .port = atoi(argv[1]),
        .iface = "lo",
        .protocols = protocols,
        .pvo = &echo,
        .server_string = "libwebsockets" };
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    while (context && lws_service(context, 0) >= 0) {
    }
    return 1;
}
