/* The parent's end of the relay; the workers are played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/log.h>

#include "run/relay.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 3, BIG = 1 << 20 };

static spi_relay *relay;
static int ends[WORKERS];
static int warnings;

static void count_warning(void *self, const spout_log_record *record)
{
    (void)self;
    warnings += record->level == SPOUT_LOG_WARNING;
}

static int set_up(void **state)
{
    (void)state;
    spout_log_set_sink(&(spout_log_sink){ .write = count_warning });
    warnings = 0;
    relay = spi_relay_new(WORKERS);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(spi_relay_open(relay, i, &ends[i]), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spi_relay_free(relay);
    for (int i = 0; i < WORKERS; i++)
        close(ends[i]);
    spout_log_set_sink(NULL);
    return 0;
}

static void turn(void)
{
    struct pollfd polled[WORKERS];
    for (int i = 0; i < 20; i++) {
        spi_relay_poll_set(relay, polled);
        assert_true(poll(polled, WORKERS, 0) >= 0);
        spi_relay_turn(relay, polled);
    }
}

static void say_part(int worker, const void *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(ends[worker], data, len, MSG_NOSIGNAL);
        if (sent > 0) {
            data = (const char *)data + sent;
            len -= (size_t)sent;
        }
        turn();
    }
}

static void say(int worker, spi_relay_kind kind, int to, bool may_drop, spout_bytes payload)
{
    const spi_relay_head head = {
        .len = (uint32_t)payload.len, .worker = to, .kind = (uint8_t)kind, .may_drop = may_drop
    };
    say_part(worker, &head, sizeof head);
    say_part(worker, payload.data, payload.len);
}

static void say_text(int worker, int to, const char *text)
{
    say(worker, SPI_RELAY_DATA, to, true, spout_bytes_of(text));
}

static void hello(int worker)
{
    say(worker, SPI_RELAY_HELLO, 0, false, (spout_bytes){ "", 0 });
}

static void take(int worker, void *out, size_t len)
{
    for (size_t at = 0; at < len; turn()) {
        ssize_t got = recv(ends[worker], (char *)out + at, len - at, 0);
        assert_true(got != 0);
        at += got > 0 ? (size_t)got : 0;
    }
}

/* The next frame, whose payload is in `payload` and has a NUL behind it. */
static char payload[BIG + 1];

static spi_relay_head hear(int worker, spi_relay_kind kind, int from)
{
    spi_relay_head head;
    take(worker, &head, sizeof head);
    assert_int_equal(head.kind, kind);
    if (kind != SPI_RELAY_DROPPED && kind != SPI_RELAY_RESET)
        assert_int_equal(head.worker, from);
    assert_true(head.len <= BIG);
    take(worker, payload, head.len);
    payload[head.len] = 0;
    return head;
}

static void hear_text(int worker, int from, const char *text)
{
    hear(worker, SPI_RELAY_DATA, from);
    assert_string_equal(payload, text);
}

static void hear_nothing(int worker)
{
    char byte;
    assert_int_equal(recv(ends[worker], &byte, 1, MSG_PEEK), -1);
}

static void all_say_hello(void)
{
    for (int i = 0; i < WORKERS; i++)
        hello(i);
    for (int i = 0; i < WORKERS; i++) {
        spi_relay_head head = hear(i, SPI_RELAY_READY, i);
        assert_int_equal(head.len, (size_t)i * sizeof(int));
        for (int other = i + 1; other < WORKERS; other++)
            hear(i, SPI_RELAY_CAME, other);
    }
}

static void hands_on_to_all_in_one_order(void **state)
{
    (void)state;
    say_text(0, -1, "before all are there");
    all_say_hello();
    say_text(0, -1, "one");
    say_text(1, -1, "two");
    say_text(2, 0, "for one");
    say_text(0, 99, "for nobody");
    for (int i = 0; i < WORKERS; i++) {
        hear_text(i, 0, "one");
        hear_text(i, 1, "two");
        if (i == 0)
            hear_text(0, 2, "for one");
        hear_nothing(i);
    }
}

static void frames_may_come_in_pieces(void **state)
{
    (void)state;
    all_say_hello();
    struct {
        spi_relay_head head;
        char text[5];
    } frame = { { 5, -1, SPI_RELAY_DATA, 1, { 0, 0 } }, "hello" };
    for (size_t i = 0; i < sizeof(spi_relay_head) + 5; i++)
        say_part(1, (const char *)&frame + i, 1);
    hear_text(0, 1, "hello");
    char *big = calloc(1, BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 % 251);
    say(2, SPI_RELAY_DATA, -1, false, (spout_bytes){ big, BIG });
    assert_int_equal(hear(0, SPI_RELAY_DATA, 2).len, BIG);
    assert_memory_equal(payload, big, BIG);
    free(big);
}

static void tells_who_is_gone_behind_what_it_said(void **state)
{
    (void)state;
    all_say_hello();
    say_text(1, -1, "last words");
    shutdown(ends[1], SHUT_WR);
    turn();
    hear_text(0, 1, "last words");
    hear(0, SPI_RELAY_GONE, 1);
    hear_nothing(0);
    close(ends[1]);
    assert_int_equal(spi_relay_open(relay, 1, &ends[1]), 0);
    hello(1);
    assert_int_equal(hear(1, SPI_RELAY_READY, 1).len, 2 * sizeof(int));
    hear(0, SPI_RELAY_CAME, 1);
}

/* The parent learns of a death before it has read what the dead has said. */
static void a_channel_is_read_to_its_end_before_it_is_replaced(void **state)
{
    (void)state;
    all_say_hello();
    const spi_relay_head head = { .len = 3, .worker = -1, .kind = SPI_RELAY_DATA };
    assert_int_equal(send(ends[1], &head, sizeof head, 0), sizeof head);
    assert_int_equal(send(ends[1], "end", 3, 0), 3);
    close(ends[1]);
    assert_int_equal(spi_relay_open(relay, 1, &ends[1]), 0);
    turn();
    hear_text(0, 1, "end");
    hear(0, SPI_RELAY_GONE, 1);
}

static void nonsense_ends_a_channel(void **state)
{
    (void)state;
    all_say_hello();
    const spi_relay_head bad[] = { { .kind = 77 }, { .kind = SPI_RELAY_READY },
        { .kind = SPI_RELAY_DATA, .len = SPI_RELAY_MAX_LEN + 1 } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        say_part(1, &bad[i], sizeof bad[i]);
        hear(0, SPI_RELAY_GONE, 1);
        close(ends[1]);
        assert_int_equal(spi_relay_open(relay, 1, &ends[1]), 0);
        hello(1);
        hear(1, SPI_RELAY_READY, 1);
        hear(0, SPI_RELAY_CAME, 1);
    }
}

static void drops_for_who_does_not_read(void **state)
{
    (void)state;
    all_say_hello();
    char *big = calloc(1, BIG);
    int sent = 0;
    for (; sent < 20; sent++) {
        say(0, SPI_RELAY_DATA, -1, true, (spout_bytes){ big, BIG });
        hear(0, SPI_RELAY_DATA, 0);
        hear(2, SPI_RELAY_DATA, 0);
    }
    say(0, SPI_RELAY_DATA, -1, false, spout_bytes_of("never dropped"));
    assert_int_equal(warnings, 1);
    int heard = 0;
    uint64_t dropped = 0;
    for (;;) {
        spi_relay_head head;
        take(1, &head, sizeof head);
        take(1, payload, head.len);
        if (head.kind == SPI_RELAY_DROPPED)
            memcpy(&dropped, payload, sizeof dropped);
        else if (!head.may_drop)
            break;
        else
            heard++;
    }
    assert_true(dropped > 0);
    assert_int_equal(heard + (int)dropped, sent);
    hear_text(0, 0, "never dropped");
    free(big);
}

static void who_reads_nothing_at_all_starts_over(void **state)
{
    (void)state;
    all_say_hello();
    char *big = calloc(1, BIG);
    for (int i = 0; i < 70; i++) {
        say(0, SPI_RELAY_DATA, -1, false, (spout_bytes){ big, BIG });
        hear(0, SPI_RELAY_DATA, 0);
        hear(2, SPI_RELAY_DATA, 0);
    }
    free(big);
    assert_int_equal(warnings, 1);
    spi_relay_head head;
    do {
        take(1, &head, sizeof head);
        take(1, payload, head.len);
    } while (head.kind == SPI_RELAY_DATA);
    assert_int_equal(head.kind, SPI_RELAY_RESET);
    say_text(0, -1, "not for it yet");
    hello(1);
    assert_int_equal(hear(1, SPI_RELAY_READY, 1).len, 2 * sizeof(int));
    hear_text(0, 0, "not for it yet");
    hear(0, SPI_RELAY_CAME, 1);
    say_text(2, -1, "again");
    hear_text(1, 2, "again");
}

#define on_relay(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_relay(hands_on_to_all_in_one_order),
        on_relay(frames_may_come_in_pieces),
        on_relay(tells_who_is_gone_behind_what_it_said),
        on_relay(a_channel_is_read_to_its_end_before_it_is_replaced),
        on_relay(nonsense_ends_a_channel),
        on_relay(drops_for_who_does_not_read),
        on_relay(who_reads_nothing_at_all_starts_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
