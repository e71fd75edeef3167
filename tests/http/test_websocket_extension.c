#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/websocket_extension.h"

static const spi_deflate_terms no_takeover = { .server_bits = 15, .client_bits = 15 };
static const spi_deflate_terms takeover = {
    .server_takeover = true, .client_takeover = true, .server_bits = 15, .client_bits = 15
};
static const spi_deflate_terms small_windows = {
    .server_takeover = true, .client_takeover = true, .server_bits = 11, .client_bits = 10
};

/* What comes after "permessage-deflate" in the answer; NULL: declined. */
static void expect(const char *offer, const spi_deflate_terms *wanted, const char *answer)
{
    spi_deflate_terms terms;
    char out[SPI_DEFLATE_ANSWER_SIZE];
    bool taken = spi_deflate_negotiate(spout_bytes_of(offer), wanted, &terms);
    assert_int_equal(taken, answer != NULL);
    if (!taken)
        return;
    size_t len = spi_deflate_answer(&terms, out);
    assert_int_equal(len, strlen(out));
    assert_memory_equal(out, "permessage-deflate", 18);
    assert_string_equal(out + 18, answer);
}

#define NO_TAKEOVER "; server_no_context_takeover; client_no_context_takeover"

static void answers_without_takeover(void **state)
{
    (void)state;
    expect("permessage-deflate", &no_takeover, NO_TAKEOVER);
    expect("Permessage-Deflate ; client_max_window_bits", &no_takeover, NO_TAKEOVER);
    expect("permessage-deflate; server_no_context_takeover", &no_takeover, NO_TAKEOVER);
}

static void answers_with_takeover_unless_refused(void **state)
{
    (void)state;
    expect("permessage-deflate", &takeover, "");
    expect("permessage-deflate; client_max_window_bits", &takeover, "");
    expect("permessage-deflate; server_no_context_takeover", &takeover,
        "; server_no_context_takeover");
    expect("permessage-deflate; CLIENT_no_context_takeover", &takeover,
        "; client_no_context_takeover");
}

static void bounds_windows(void **state)
{
    (void)state;
    expect("permessage-deflate; server_max_window_bits=9", &takeover, "; server_max_window_bits=9");
    expect(
        "permessage-deflate; server_max_window_bits=15", &takeover, "; server_max_window_bits=15");
    expect("permessage-deflate; server_max_window_bits=\"10\"", &takeover,
        "; server_max_window_bits=10");
    expect("permessage-deflate; client_max_window_bits=8", &takeover, "; client_max_window_bits=8");
    expect("permessage-deflate; client_max_window_bits=12; server_max_window_bits=14", &takeover,
        "; server_max_window_bits=14; client_max_window_bits=12");
    expect("permessage-deflate; client_max_window_bits=15", &takeover, "");
}

static void asks_for_smaller_windows(void **state)
{
    (void)state;
    /* The client's may only be bounded where it says that it can. */
    expect("permessage-deflate", &small_windows, "; server_max_window_bits=11");
    expect("permessage-deflate; client_max_window_bits", &small_windows,
        "; server_max_window_bits=11; client_max_window_bits=10");
    expect("permessage-deflate; client_max_window_bits=9; server_max_window_bits=10",
        &small_windows, "; server_max_window_bits=10; client_max_window_bits=9");
    expect("permessage-deflate; client_max_window_bits=14; server_max_window_bits=14",
        &small_windows, "; server_max_window_bits=11; client_max_window_bits=10");
}

static void declines_what_it_cannot_do(void **state)
{
    (void)state;
    static const char *const bad[] = { "", " ", ",", ";", "x", "permessage-deflat",
        "x-webkit-deflate-frame", "permessage-bzip2", "permessage-deflate; foo",
        "permessage-deflate; foo=1", "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=1",
        "permessage-deflate; server_max_window_bits=100",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=\"\"",
        "permessage-deflate; server_max_window_bits=\"10",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=\"true\"",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate;", "permessage-deflate; ;", "permessage-deflate x",
        "permessage-deflate = 1", "permessage-deflate; =1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect(bad[i], &takeover, NULL);
}

static void takes_the_first_acceptable_offer(void **state)
{
    (void)state;
    expect("permessage-deflate; server_max_window_bits=8, permessage-deflate", &takeover, "");
    expect("permessage-deflate; server_max_window_bits=10, permessage-deflate", &takeover,
        "; server_max_window_bits=10");
    expect("foo; bar=\"a, permessage-deflate\", permessage-deflate; client_no_context_takeover",
        &takeover, "; client_no_context_takeover");
    expect("foo; bar=\"a, permessage-deflate\"", &takeover, NULL);
    expect(",, permessage-deflate; nonsense , ,permessage-deflate\t;\tserver_max_window_bits = 11",
        &takeover, "; server_max_window_bits=11");
    /* An offer that was declined leaves nothing behind. */
    expect("permessage-deflate; server_no_context_takeover; x, permessage-deflate", &takeover, "");
}

static void expect_offer(const spi_deflate_terms *wanted, const char *expected)
{
    char out[SPI_DEFLATE_OFFER_SIZE];
    assert_int_equal(spi_deflate_offer(wanted, out), strlen(expected));
    assert_string_equal(out, expected);
}

static void offers_what_it_wants_and_what_anyone_has(void **state)
{
    (void)state;
    expect_offer(&(spi_deflate_terms){ true, true, 15, 15, false },
        "permessage-deflate; client_max_window_bits");
    expect_offer(&(spi_deflate_terms){ false, false, 15, 15, false },
        "permessage-deflate; client_max_window_bits; server_no_context_takeover; "
        "client_no_context_takeover, permessage-deflate; client_max_window_bits");
    expect_offer(&(spi_deflate_terms){ false, false, 10, 10, false },
        "permessage-deflate; client_max_window_bits; server_no_context_takeover; "
        "client_no_context_takeover; server_max_window_bits=10, "
        "permessage-deflate; client_max_window_bits");
    expect_offer(&(spi_deflate_terms){ true, true, 9, 9, false },
        "permessage-deflate; client_max_window_bits; server_max_window_bits=9, "
        "permessage-deflate; client_max_window_bits");
}

static void expect_answer(
    const char *value, const spi_deflate_terms *wanted, const spi_deflate_terms *expected)
{
    spi_deflate_terms agreed;
    assert_true(spi_deflate_take_answer(spout_bytes_of(value), wanted, &agreed));
    assert_int_equal(agreed.server_takeover, expected->server_takeover);
    assert_int_equal(agreed.client_takeover, expected->client_takeover);
    assert_int_equal(agreed.server_bits, expected->server_bits);
    assert_int_equal(agreed.client_bits, expected->client_bits);
}

static void understands_answers(void **state)
{
    (void)state;
    const spi_deflate_terms all = { true, true, 15, 15, false };
    const spi_deflate_terms little = { false, false, 10, 10, false };
    expect_answer("permessage-deflate", &all, &all);
    expect_answer("PERMESSAGE-deflate ; server_no_context_takeover", &all,
        &(spi_deflate_terms){ false, true, 15, 15, false });
    expect_answer("permessage-deflate; client_no_context_takeover; client_max_window_bits=\"11\"",
        &all, &(spi_deflate_terms){ true, false, 15, 11, false });
    expect_answer("permessage-deflate; server_max_window_bits=8", &all,
        &(spi_deflate_terms){ true, true, 8, 15, false });
    expect_answer("permessage-deflate; client_max_window_bits=8", &all,
        &(spi_deflate_terms){ true, true, 15, 9, false });
    /* A server that doesn't do what was asked for first has taken the other offer. We still may
       forget, and use a smaller window. */
    expect_answer(
        "permessage-deflate", &little, &(spi_deflate_terms){ true, false, 15, 10, false });
    expect_answer("permessage-deflate; client_max_window_bits=12", &little,
        &(spi_deflate_terms){ true, false, 15, 10, false });
}

static void refuses_bad_answers(void **state)
{
    (void)state;
    static const char *const bad_answers[] = { "", "permessage-foo",
        "permessage-deflate, permessage-deflate", "permessage-deflate, foo",
        "permessage-deflate; foo", "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_max_window_bits", "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=010",
        "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate;", "permessage-deflate x" };
    const spi_deflate_terms all = { true, true, 15, 15, false };
    for (size_t i = 0; i < sizeof bad_answers / sizeof *bad_answers; i++) {
        spi_deflate_terms agreed;
        assert_false(spi_deflate_take_answer(spout_bytes_of(bad_answers[i]), &all, &agreed));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_without_takeover),
        cmocka_unit_test(answers_with_takeover_unless_refused),
        cmocka_unit_test(bounds_windows),
        cmocka_unit_test(asks_for_smaller_windows),
        cmocka_unit_test(declines_what_it_cannot_do),
        cmocka_unit_test(takes_the_first_acceptable_offer),
        cmocka_unit_test(offers_what_it_wants_and_what_anyone_has),
        cmocka_unit_test(understands_answers),
        cmocka_unit_test(refuses_bad_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
