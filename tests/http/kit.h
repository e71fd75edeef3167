/* What the tests of connections share: a loop on a clock that is moved by hand, a server with the
   test service, clients over socket pairs in the same thread, a log that is kept. Nothing waits:
   everything happens within kit_pump. */
#ifndef TESTS_HTTP_KIT_H
#define TESTS_HTTP_KIT_H

#include <spout/httpserver.h>

#include "base/buffer.h"
#include "http/server.h"
#include "service.h"

enum { KIT_PEERS = 16 };

typedef struct kit_peer {
    int fd; /* -1: closed */
    spi_buffer received, unsent;
    bool eof, reset;
    bool held;       /* doesn't read */
    bool half_close; /* once all is sent */
} kit_peer;

typedef struct test_kit {
    spout_loop *loop;
    spout_http_server *server; /* NULL until the first peer comes, or kit_listen */
    spout_http_server_options options;
    test_service service;
    kit_peer peers[KIT_PEERS];
    int64_t now_ms;
    spi_buffer log; /* a line each */
} test_kit;

void kit_start(test_kit *kit);
void kit_stop(test_kit *kit);        /* after a last look at what is still open */
void kit_make_server(test_kit *kit); /* from options; once */
kit_peer *kit_connect(test_kit *kit, int number);
void kit_pump(test_kit *kit); /* until nothing happens any more */
void kit_advance(test_kit *kit, int64_t ms);

void kit_send(test_kit *kit, kit_peer *peer, spout_bytes bytes);
void kit_close(kit_peer *peer);

/* What a peer has received, taken out; valid until the next call for it. */
const char *kit_take(test_kit *kit, kit_peer *peer);

/* Sends, pumps, and returns what came back. */
const char *kit_ask(test_kit *kit, kit_peer *peer, const char *text);

#endif
