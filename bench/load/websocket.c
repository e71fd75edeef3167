#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <string.h>

void load_upgrade(load *l, connection *c, const char *path)
{
    char text[1024];
    int len = snprintf(text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
        path, l->options->port,
        l->options->deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
    load_send(c, text, (size_t)len);
    char head[4096];
    load_receive_head(c, head, sizeof head);
    if (!strstr(head, " 101 "))
        load_fail("no WebSocket: %.200s", head);
    c->open = true;
}

static size_t put_head(char *out, size_t size, int mask_bit)
{
    out[0] = (char)0x82;
    if (size < 126) {
        out[1] = (char)(mask_bit | (int)size);
        return 2;
    }
    out[1] = (char)(mask_bit | 126);
    out[2] = (char)(size >> 8);
    out[3] = (char)size;
    return 4;
}

size_t load_frame(char *out, size_t size, char fill)
{
    static const unsigned char mask[4] = { 0x37, 0xFA, 0x21, 0x3D };
    size_t len = put_head(out, size, 0x80);
    memcpy(out + len, mask, 4);
    len += 4;
    for (size_t i = 0; i < size; i++)
        out[len++] = (char)(fill ^ mask[i & 3]);
    return len;
}

size_t load_frame_length(size_t size)
{
    char head[4];
    return put_head(head, size, 0) + size;
}
