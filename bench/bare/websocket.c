/*
 * Echoes WebSocket frames that come whole, one or several in a piece. The handshake's answer is
 * computed; nothing is checked.  bare_websocket [PORT]
 */
#define _GNU_SOURCE
#include "loop.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shake_hands(int fd, char *in, size_t len, uint64_t *state)
{
    in[len] = '\0';
    const char *key = strcasestr(in, "sec-websocket-key: ");
    if (!key)
        return -1;
    char text[64];
    int text_len = snprintf(
        text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    unsigned char digest[SHA_DIGEST_LENGTH], accept[32];
    SHA1((const unsigned char *)text, (size_t)text_len, digest);
    EVP_EncodeBlock(accept, digest, sizeof digest);
    char answer[256];
    int answer_len = snprintf(answer, sizeof answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n\r\n",
        accept);
    *state = 1;
    return bare_send(fd, answer, (size_t)answer_len, 0);
}

static void unmask(unsigned char *data, size_t len, const unsigned char *mask)
{
    uint32_t key;
    memcpy(&key, mask, 4);
    uint64_t wide = (uint64_t)key << 32 | key;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, 8);
        word ^= wide;
        memcpy(data + i, &word, 8);
    }
    for (; i < len; i++)
        data[i] ^= mask[i & 3];
}

static int serve(int fd, char *in, size_t len, uint64_t *state)
{
    if (!*state)
        return shake_hands(fd, in, len, state);
    static unsigned char out[1 << 17];
    size_t ready = 0;
    unsigned char *at = (unsigned char *)in, *end = at + len;
    while (end - at >= 6) {
        size_t size = at[1] & 127, head = size == 126 ? 4 : 2;
        if (size == 126)
            size = (size_t)at[2] << 8 | at[3];
        if (size == 127 || (at[0] & 15) == 8 || (size_t)(end - at) < head + 4 + size)
            return -1;
        unmask(at + head + 4, size, at + head);
        memcpy(out + ready, at, head);
        out[ready + 1] &= 127;
        memcpy(out + ready + head, at + head + 4, size);
        ready += head + size;
        at += head + 4 + size;
    }
    return bare_send(fd, out, ready, 0);
}

int main(int argc, char **argv)
{
    return bare_run((uint16_t)(argc > 1 ? atoi(argv[1]) : 0), serve);
}
