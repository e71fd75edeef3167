#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>

#include "http/gunzip.h"

/* "hello world" */
static const char packed[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcb\x48\xcd\xc9\xc9\x57\x28\xcf\x2f\xca\x49\x01\x00"
    "\x85\x11\x4a\x0d\x0b\x00\x00\x00";
enum { PACKED = sizeof packed - 1 };

/* Feeds pieces of `step` bytes into rooms of `room`; returns what came out, or an error. */
static long inflate_in(
    const char *in, size_t len, size_t step, size_t room, uint64_t max, char out[64])
{
    spi_gunzip *inflater = spi_gunzip_new(max);
    long total = 0, result = 0;
    for (size_t at = 0; at < len && result >= 0; at += step) {
        spout_bytes piece = { in + at, len - at < step ? len - at : step };
        while ((result = spi_gunzip_feed(inflater, &piece, out + total, room)) > 0)
            total += result;
    }
    if (result == 0 && !spi_gunzip_is_complete(inflater))
        result = SPOUT_ESTATE;
    spi_gunzip_free(inflater);
    return result < 0 ? result : total;
}

static void any_cut_gives_the_same(void **state)
{
    (void)state;
    char out[64];
    for (size_t step = 1; step <= PACKED; step++)
        for (size_t room = 1; room <= 12; room++) {
            assert_int_equal(inflate_in(packed, PACKED, step, room, 11, out), 11);
            assert_memory_equal(out, "hello world", 11);
        }
}

static void members_follow_one_another(void **state)
{
    (void)state;
    char twice[2 * PACKED], out[64];
    memcpy(twice, packed, PACKED);
    memcpy(twice + PACKED, packed, PACKED);
    for (size_t step = 1; step <= sizeof twice; step++)
        assert_int_equal(inflate_in(twice, sizeof twice, step, 7, 22, out), 22);
    assert_memory_equal(out, "hello worldhello world", 22);
    assert_int_equal(inflate_in(twice, sizeof twice, 5, 7, 21, out), SPOUT_ELIMIT);
}

static void limits_and_damage_are_told(void **state)
{
    (void)state;
    char out[64], damaged[PACKED];
    assert_int_equal(inflate_in(packed, PACKED, 4, 8, 10, out), SPOUT_ELIMIT);
    assert_int_equal(inflate_in(packed, PACKED - 1, 4, 8, 11, out), SPOUT_ESTATE);
    for (size_t i = 0; i < PACKED; i++) {
        memcpy(damaged, packed, PACKED);
        damaged[i] = (char)(damaged[i] ^ 0x80);
        long result = inflate_in(damaged, PACKED, 3, 5, 60, out);
        assert_true(result == SPOUT_EPROTO || result == SPOUT_ESTATE || result == SPOUT_ELIMIT ||
                    result == 11);
    }
    assert_int_equal(inflate_in("hello", 5, 1, 8, 10, out), SPOUT_EPROTO);
    spi_gunzip_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cut_gives_the_same),
        cmocka_unit_test(members_follow_one_another),
        cmocka_unit_test(limits_and_damage_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
