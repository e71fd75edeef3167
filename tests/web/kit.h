/* An application and a client in memory, for the tests of web. One at a time. */
#ifndef TEST_WEB_KIT_H
#define TEST_WEB_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>
#include <spout/log.h>
#include <spout/loop.h>
#include <spout/memory.h>
#include <spout/static.h>
#include <spout/task.h>
#include <spout/web.h>

#include "http/exchange_memory.h"

/* Makes a loop and the application; a failure to do so fails the test. */
void kit_start(const spout_route *routes, const spout_application_options *options);
/* The same on a loop with at most so many coroutines. */
void kit_start_limited(
    const spout_route *routes, const spout_application_options *options, int max_tasks);
void kit_stop(void);
spout_application *kit_application(void);
spout_loop *kit_loop(void);

/* Sends a request and runs the loop until it is answered. The reply is valid until the next one. */
const spi_memory_reply *kit_send(const spi_memory_request *request);
const spi_memory_reply *kit_get(const char *target);
const spi_memory_reply *kit_call(const char *method, const char *target);
const spi_memory_reply *kit_post(const char *target, const char *type, const char *body);
const spi_memory_reply *kit_get_with(const char *target, const char *name, const char *value);

/* Sends without running the loop: the exchange is the kit's. */
spi_memory_exchange *kit_open(const spi_memory_request *request);
const spi_memory_reply *kit_finish(void); /* runs it to its end */

/* One field for a request. */
spi_field kit_field(const char *name, const char *value);

/* What was logged since the last request was sent, a line each: "general W 404 GET /x (): …". */
const char *kit_log(void);
int kit_log_lines(void);
void kit_log_clear(void);

/* That the reply has this status and this body; its fields by name. */
void kit_expect(const spi_memory_reply *reply, int status, const char *body);
void kit_expect_field(
    const spi_memory_reply *reply, const char *name, const char *value); /* NULL: absent */

#endif
