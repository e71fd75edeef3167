#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/text.h"

#include <sys/wait.h>
#include <unistd.h>

static const char *hex(const void *data, size_t len)
{
    static char out[65];
    spi_hex_encode(out, data, len);
    out[2 * len] = '\0';
    return out;
}

static const char *sha1_of(const char *text)
{
    unsigned char out[20];
    spi_sha1(out, text, strlen(text));
    return hex(out, 20);
}

static const char *sha256_of(const char *text)
{
    unsigned char out[32];
    spi_sha256(out, text, strlen(text));
    return hex(out, 32);
}

static void test_sha_vectors(void **state)
{
    (void)state;
    assert_string_equal(sha1_of("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_string_equal(sha1_of(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_string_equal(
        sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(
        sha256_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 6455 §1.3 */
static void test_websocket_accept(void **state)
{
    (void)state;
    unsigned char digest[20];
    char accept[28];
    const char *key = "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    spi_sha1(digest, key, strlen(key));
    assert_int_equal(spi_base64_encode(accept, digest, 20), 28);
    assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28);
}

/* RFC 4231 case 2, RFC 2202 case 2 */
static void test_hmac_vectors(void **state)
{
    (void)state;
    unsigned char out[32];
    spout_bytes key = spout_bytes_of("Jefe"), data = spout_bytes_of("what do ya want for nothing?");
    spi_hmac_sha256(out, key, data);
    assert_string_equal(
        hex(out, 32), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    spi_hmac_sha1(out, key, data);
    assert_string_equal(hex(out, 20), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

static void test_hmac_of_nothing_and_long_key(void **state)
{
    (void)state;
    unsigned char out[32];
    spi_hmac_sha256(out, (spout_bytes){ NULL, 0 }, (spout_bytes){ NULL, 0 });
    assert_string_equal(
        hex(out, 32), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    char key[131];
    memset(key, 0xaa, sizeof key);
    spi_hmac_sha256(out, (spout_bytes){ key, sizeof key },
        spout_bytes_of("Test Using Larger Than Block-Size Key - Hash Key First"));
    assert_string_equal(
        hex(out, 32), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_content_hash_in_one_or_in_pieces(void **state)
{
    (void)state;
    char data[5000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31 >> 3);
    unsigned char whole[16], pieces[16], empty[16];
    spi_content_hash(whole, data, sizeof data);
    for (size_t step = 1; step < sizeof data; step = step * 3 + 1) {
        spi_content_hasher *hasher = spi_content_hasher_new();
        spi_content_hasher_feed(hasher, NULL, 0);
        for (size_t at = 0; at < sizeof data; at += step)
            spi_content_hasher_feed(
                hasher, data + at, sizeof data - at < step ? sizeof data - at : step);
        spi_content_hasher_finish(hasher, pieces);
        assert_memory_equal(pieces, whole, 16);
    }
    for (size_t len = 0; len < sizeof data; len = len * 3 / 2 + 1) {
        spi_content_hasher *hasher = spi_content_hasher_new();
        spi_content_hasher_feed(hasher, data, len / 3);
        spi_content_hasher_feed(hasher, data + len / 3, len - len / 3);
        assert_int_equal(spi_content_hasher_finish64(hasher), spi_content_hash64(data, len));
    }
    assert_int_equal(spi_content_hash64("", 0), UINT64_C(0x2D06800538D394C2));
    spi_content_hash(empty, "", 0);
    assert_string_equal(hex(empty, 16), "99aa06d3014798d86001c324468d497f");
}

static void test_sha256_in_pieces(void **state)
{
    (void)state;
    unsigned char whole[32], pieces[32];
    spi_sha256(whole, "abcdefgh", 8);
    spi_content_hasher *hasher = spi_content_hasher_new_sha256();
    spi_content_hasher_feed(hasher, "abc", 3);
    spi_content_hasher_feed(hasher, "", 0);
    spi_content_hasher_feed(hasher, "defgh", 5);
    spi_content_hasher_finish(hasher, pieces);
    assert_memory_equal(pieces, whole, 32);
}

static void test_hash64_depends_on_its_seed(void **state)
{
    (void)state;
    assert_true(spi_hash64("key", 3, 1) == spi_hash64("key", 3, 1));
    assert_true(spi_hash64("key", 3, 1) != spi_hash64("key", 3, 2));
    assert_true(spi_hash64("key", 3, 1) != spi_hash64("kez", 3, 1));
}

static void test_random_fills_all_and_differs(void **state)
{
    (void)state;
    static unsigned char a[1000], b[1000];
    unsigned char any[1000] = { 0 };
    spi_random_bytes(a, 0);
    for (int turn = 0; turn < 8; turn++) {
        spi_random_bytes(a, sizeof a);
        spi_random_bytes(b, sizeof b);
        assert_memory_not_equal(a, b, sizeof a);
        for (size_t i = 0; i < sizeof a; i++)
            any[i] |= (unsigned char)(a[i] | b[i]);
    }
    for (size_t i = 0; i < sizeof any; i++)
        assert_int_not_equal(any[i], 0);
}

static void test_random_differs_after_fork(void **state)
{
    (void)state;
    unsigned char mine[16], childs[16];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        spi_random_bytes(childs, sizeof childs);
        _exit(write(ends[1], childs, sizeof childs) == sizeof childs ? 0 : 1);
    }
    spi_random_bytes(mine, sizeof mine);
    assert_int_equal(read(ends[0], childs, sizeof childs), sizeof childs);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_memory_not_equal(mine, childs, sizeof mine);
    close(ends[0]);
    close(ends[1]);
}

static void test_uuid4_shape(void **state)
{
    (void)state;
    char a[37], b[37];
    for (int turn = 0; turn < 100; turn++) {
        spi_uuid4(a);
        spi_uuid4(b);
        assert_int_equal(strlen(a), 36);
        for (size_t i = 0; i < 36; i++) {
            if (i == 8 || i == 13 || i == 18 || i == 23)
                assert_int_equal(a[i], '-');
            else
                assert_true(spi_hex_value(a[i]) >= 0);
        }
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
        assert_string_not_equal(a, b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha_vectors),
        cmocka_unit_test(test_websocket_accept),
        cmocka_unit_test(test_hmac_vectors),
        cmocka_unit_test(test_hmac_of_nothing_and_long_key),
        cmocka_unit_test(test_content_hash_in_one_or_in_pieces),
        cmocka_unit_test(test_sha256_in_pieces),
        cmocka_unit_test(test_hash64_depends_on_its_seed),
        cmocka_unit_test(test_random_fills_all_and_differs),
        cmocka_unit_test(test_random_differs_after_fork),
        cmocka_unit_test(test_uuid4_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
