/* A small service on bare exchanges, as web is one: what the connection's tests and the wire
   scripts talk to. */
#ifndef TESTS_HTTP_SERVICE_H
#define TESTS_HTTP_SERVICE_H

#include <spout/base.h>

#include "base/list.h"
#include "http/exchange.h"

/*
 * By path (a query of digits is N):
 *   /hello              "Hello, world"
 *   /echo               the body back
 *   /about              method, target, host, X-Tag and body, on lines
 *   /slow               the same, but only after another connection has asked for /wake
 *   /wake               wakes them
 *   /later              "later", in another turn
 *   /big?N              N times 'x' with Content-Length
 *   /stream             "one", "two", "three", of unknown length, each in a turn of its own
 *   /flood?N            N bytes of unknown length, waiting for room to write
 *   /status?N           that status with the body "status"
 *   /close              ends the connection
 *   /reset              half a reply, then reset
 *   /short, /long       3 and 7 bytes where 5 were announced
 *   /file?N             N bytes of a file of digits
 *   /stream-in          reads a streamed body: its pieces joined and echoed
 *   /stream-count       reads it: "N bytes"
 *   /stream-in-small    the same with max_body 5
 *   /stream-pieces      reads it: the sizes of the pieces
 *   /client             protocol and address
 *   /stream-early       replies without reading the body
 *   /stream-later       reads only after /wake
 *   /whole-small        max_body 5
 *   /impatient          body_timeout 1 s
 *   /refuse             on_head says 404
 *   /hang               waits until the client is gone; an end of input counts
 *   /wait               waits until the client is gone
 *   /upgrade            a tunnel that echoes; "bye" closes, "abort" aborts, "pause" pauses until /wake
 *   /upgrade-kept       the same without drop_arena
 *   anything else       404
 */
typedef struct test_service {
    spi_list sleepers; /* until /wake */
    spi_list gone_waiters;
    spi_list tunnels;
    bool own_errors; /* on_error answers with a page of its own */
    int requests, gone, lost, shutdowns, running, errors;
    char last_error[256]; /* what the last failing call said */
} test_service;

extern const spi_service test_service_table; /* without on_error */
extern const spi_service test_service_table_with_errors;

void test_service_init(test_service *service);
void test_service_wake(test_service *service); /* sleepers and tunnels, as /wake does */

#endif
