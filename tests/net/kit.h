/* What the tests of this floor share: loops, pairs of sockets, a consumer that records, a clock
   that skips. */
#ifndef TESTS_NET_KIT_H
#define TESTS_NET_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>
#include <spout/log.h>
#include <spout/loop.h>
#include <spout/netutil.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "net/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A clock that stands still, but for the waits of its loop, which take no time. */
typedef struct fake_clock {
    int64_t now_ms;
    int naps;
} fake_clock;

static inline int64_t fake_monotonic_ms(void *self)
{
    return ((fake_clock *)self)->now_ms;
}

static inline int64_t fake_wall_us(void *self)
{
    return ((fake_clock *)self)->now_ms * 1000;
}

static inline void fake_skip_ms(void *self, int64_t delay_ms)
{
    ((fake_clock *)self)->now_ms += delay_ms;
}

/* Before a wait is skipped, whatever is on its way through the system has its real time to arrive.
   */
static inline void fake_skip_patiently(void *self, int64_t delay_ms)
{
    fake_clock *fake = self;
    const struct timespec nap = { 0, 5 * 1000 * 1000 };
    int patience = delay_ms > 60 * 1000 ? 200
                                        : 4; /* beyond, only the end of all time limits waits */
    if (delay_ms > 0 && ++fake->naps % patience != 0)
        nanosleep(&nap, NULL);
    else
        fake->now_ms += delay_ms;
}

static inline spout_loop *kit_fake_loop_with(
    fake_clock *fake, void (*skip_ms)(void *self, int64_t delay_ms))
{
    *fake = (fake_clock){ .now_ms = 1000000 };
    spout_clock clock = {
        .monotonic_ms = fake_monotonic_ms, .wall_us = fake_wall_us, .skip_ms = skip_ms, .self = fake
    };
    spout_loop *loop = spout_loop_new(&(spout_loop_options){ .clock = &clock });
    assert_non_null(loop);
    return loop;
}

static inline spout_loop *kit_fake_loop(fake_clock *fake)
{
    return kit_fake_loop_with(fake, fake_skip_ms);
}

static inline spout_loop *kit_loop(void)
{
    spout_loop *loop = spout_loop_new(NULL);
    assert_non_null(loop);
    return loop;
}

static inline void kit_turn(spout_loop *loop, int64_t timeout_ms)
{
    assert_int_equal(spout_loop_run_once(loop, timeout_ms), 0);
}

/* Turns without waiting, for what must (not) happen by itself. */
static inline void kit_turns(spout_loop *loop, int count)
{
    while (count-- > 0)
        kit_turn(loop, 0);
}

/* Turns until *flag is set; fails after 20 s. */
static inline void kit_until(spout_loop *loop, const bool *flag)
{
    time_t limit = time(NULL) + 20;
    while (!*flag) {
        kit_turn(loop, 20);
        assert_true(time(NULL) < limit);
    }
}

static inline int64_t kit_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The loop would sleep now: nothing is ready, and no descriptor is reported again and again. A
   backend without a descriptor is asked to wait a moment. */
static inline void kit_assert_quiet(spout_loop *loop)
{
    kit_turns(loop, 4);
    assert_int_not_equal(spout_loop_timeout_ms(loop), 0);
    struct pollfd waiting = { .fd = spout_loop_fd(loop), .events = POLLIN };
    if (waiting.fd >= 0) {
        assert_int_equal(poll(&waiting, 1, 0), 0);
    } else {
        int64_t start = kit_now_ms();
        kit_turn(loop, 20);
        assert_true(kit_now_ms() - start >= 15);
    }
}

static inline void kit_unix_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static inline void kit_nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static inline int kit_connect(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline void kit_tcp_pair(int fds[2])
{
    spout_listener listener;
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .address = "127.0.0.1" }, &listener, 1), 1);
    fds[1] = kit_connect(listener.port);
    fds[0] = accept(listener.fd, NULL, NULL);
    assert_true(fds[0] >= 0);
    close(listener.fd);
    kit_nonblocking(fds[0]);
    kit_nonblocking(fds[1]);
}

/* Only the sender's: a tiny window makes TCP slow. */
static inline void kit_small_buffers(const int fds[2])
{
    int size = 4096;
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
}

/* A temporary file that has no name any more. */
static inline int kit_file(const void *data, size_t len)
{
    char path[] = "/tmp/spout-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    return fd;
}

static inline char *kit_pattern(size_t len, unsigned seed)
{
    char *data = spi_malloc(len);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245u + 12345u;
        data[i] = (char)(seed >> 16);
    }
    return data;
}

/* A consumer that keeps what it is told. `on` (may be NULL) is called at the end of each callback,
   and may free it all. */
typedef enum happening { DATA, END, DRAIN, LOST } happening;

typedef struct recorder recorder;
struct recorder {
    spout_transport transport;
    spi_buffer got;
    int datas, ends, drains, losts;
    bool has_data, has_end, has_drain, is_lost;
    int lost_code;
    int64_t lost_at_ms;
    char lost_message[128];
    void (*on)(recorder *self, happening what);
    void *arg;
};

static inline recorder *recorder_of(spout_transport *transport)
{
    return spi_container(transport, recorder, transport);
}

static inline void recorder_call(recorder *self, happening what)
{
    if (self->on)
        self->on(self, what);
}

static inline void recorder_on_data(spout_transport *transport, char *data, size_t len)
{
    recorder *self = recorder_of(transport);
    self->datas++;
    self->has_data = true;
    assert_int_equal(spi_buffer_append(&self->got, data, len), 0);
    data[len] = '\0'; /* the spare byte */
    recorder_call(self, DATA);
}

static inline void recorder_on_eof(spout_transport *transport)
{
    recorder *self = recorder_of(transport);
    self->ends++;
    self->has_end = true;
    recorder_call(self, END);
}

static inline void recorder_on_drain(spout_transport *transport)
{
    recorder *self = recorder_of(transport);
    self->drains++;
    self->has_drain = true;
    recorder_call(self, DRAIN);
}

static inline void recorder_on_lost(spout_transport *transport)
{
    recorder *self = recorder_of(transport);
    assert_true(spi_transport_is_closed(transport));
    self->losts++;
    self->is_lost = true;
    self->lost_at_ms = spout_time_ms();
    self->lost_code = spout_error_code_current();
    snprintf(self->lost_message, sizeof self->lost_message, "%s", spout_error_message());
    recorder_call(self, LOST);
}

static const spout_consumer recorder_consumer = { .on_data = recorder_on_data,
    .on_eof = recorder_on_eof,
    .on_drain = recorder_on_drain,
    .on_lost = recorder_on_lost };

static inline void recorder_open_with(
    recorder *self, spout_loop *loop, int fd, const spi_transport_ops *ops)
{
    *self = (recorder){ 0 };
    spi_buffer_init(&self->got, 256 * 1024 * 1024);
    assert_int_equal(spi_transport_open(&self->transport, loop, fd, ops, &recorder_consumer), 0);
    spi_transport_resume(&self->transport);
}

static inline void recorder_open(recorder *self, spout_loop *loop, int fd)
{
    recorder_open_with(self, loop, fd, &spi_transport_plain);
}

static inline void recorder_finish(recorder *self)
{
    spi_transport_abort(&self->transport);
    spi_buffer_release(&self->got);
}

static inline void recorder_expect(const recorder *self, const char *text)
{
    assert_int_equal(spi_buffer_len(&self->got), strlen(text));
    assert_memory_equal(spi_buffer_head(&self->got), text, strlen(text));
}

/* What a plain descriptor has to read right now, appended; true at the end. */
static inline bool kit_drain_fd(int fd, spi_buffer *got)
{
    char block[8192];
    for (;;) {
        ssize_t len = read(fd, block, sizeof block);
        if (len == 0)
            return true;
        if (len < 0) {
            assert_int_equal(errno, EAGAIN);
            return false;
        }
        assert_int_equal(spi_buffer_append(got, block, (size_t)len), 0);
    }
}

/* Turns and reads until the other end has given `len` bytes. */
static inline void kit_collect(spout_loop *loop, int fd, spi_buffer *got, size_t len)
{
    time_t limit = time(NULL) + 30;
    while (spi_buffer_len(got) < len) {
        kit_turn(loop, 0);
        kit_drain_fd(fd, got);
        assert_true(time(NULL) < limit);
    }
}

/* Log lines of the test. */
static char kit_log_text[8192];
static int kit_log_lines;

static inline void kit_log_write(void *self, const spout_log_record *record)
{
    (void)self;
    size_t used = strlen(kit_log_text);
    snprintf(kit_log_text + used, sizeof kit_log_text - used, "%s\n", record->message);
    kit_log_lines++;
}

static inline void kit_log_capture(void)
{
    kit_log_text[0] = '\0';
    kit_log_lines = 0;
    spout_log_set_sink(&(spout_log_sink){ .write = kit_log_write });
}

#endif
