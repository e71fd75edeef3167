#define _DEFAULT_SOURCE /* getentropy */

#include "base/digest.h"

#include "base/bug.h"
#include "base/memory.h"
#include "base/text.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <unistd.h>

/* Most replies are short, and for them the call costs as much as the hash. */
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Fetched once: asking OpenSSL's providers costs more than hashing a cookie. They live as long as
   the process. */
static EVP_MD *sha1, *sha256;
static EVP_MAC *hmac;
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    SPI_BUG_IF(!sha1 || !sha256 || !hmac, "libcrypto has no SHA-1, SHA-256 or HMAC");
}

void spi_sha1(unsigned char out[20], const void *data, size_t len)
{
    pthread_once(&fetch_once, fetch);
    SPI_BUG_IF(EVP_Digest(data, len, out, NULL, sha1, NULL) != 1, "SHA-1 failed");
}

void spi_sha256(unsigned char out[32], const void *data, size_t len)
{
    pthread_once(&fetch_once, fetch);
    SPI_BUG_IF(EVP_Digest(data, len, out, NULL, sha256, NULL) != 1, "SHA-256 failed");
}

static void compute_hmac(
    unsigned char *out, size_t size, const char *digest, spout_bytes key, spout_bytes data)
{
    pthread_once(&fetch_once, fetch);
    char name[16];
    memcpy(name, digest, strlen(digest) + 1);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    /* An empty key is a key; a NULL one would mean "as before". */
    const unsigned char *secret = (const unsigned char *)(key.len ? key.data : "");
    const unsigned char *text = (const unsigned char *)(data.len ? data.data : "");
    size_t len = 0;
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(hmac);
    bool done = context && EVP_MAC_init(context, secret, key.len, params) == 1 &&
                EVP_MAC_update(context, text, data.len) == 1 &&
                EVP_MAC_final(context, out, &len, size) == 1;
    EVP_MAC_CTX_free(context);
    SPI_BUG_IF(!done || len != size, "HMAC failed");
}

void spi_hmac_sha256(unsigned char out[32], spout_bytes key, spout_bytes data)
{
    compute_hmac(out, 32, "SHA256", key, data);
}

void spi_hmac_sha1(unsigned char out[20], spout_bytes key, spout_bytes data)
{
    compute_hmac(out, 20, "SHA1", key, data);
}

enum { SHORT = 16 }; /* up to here a hash is a few multiplications, without a loop */

static void store(unsigned char out[16], XXH128_hash_t hash)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(out, canonical.digest, 16);
}

__attribute__((noinline)) static void hash_long(unsigned char out[16], const void *data, size_t len)
{
    store(
        out, XXH3_128bits_withSeed(data, len, 0)); /* is the same, and leaves the other to inline */
}

void spi_content_hash(unsigned char out[16], const void *data, size_t len)
{
    if (len > SHORT)
        hash_long(out, data, len);
    else
        store(out, XXH3_128bits(data, len));
}

__attribute__((noinline)) static uint64_t hash64_long(const void *data, size_t len)
{
    return XXH3_64bits_withSeed(data, len, 0);
}

uint64_t spi_content_hash64(const void *data, size_t len)
{
    return len > SHORT ? hash64_long(data, len) : XXH3_64bits(data, len);
}

struct spi_content_hasher {
    XXH3_state_t *state; /* NULL: SHA-256 */
    EVP_MD_CTX *sha256;
};

spi_content_hasher *spi_content_hasher_new(void)
{
    spi_content_hasher *hasher = spi_calloc(sizeof *hasher);
    hasher->state = XXH3_createState();
    SPI_BUG_IF(!hasher->state || XXH3_128bits_reset(hasher->state) != XXH_OK, "XXH3 failed");
    return hasher;
}

spi_content_hasher *spi_content_hasher_new_sha256(void)
{
    spi_content_hasher *hasher = spi_calloc(sizeof *hasher);
    pthread_once(&fetch_once, fetch);
    hasher->sha256 = EVP_MD_CTX_new();
    SPI_BUG_IF(
        !hasher->sha256 || EVP_DigestInit_ex2(hasher->sha256, sha256, NULL) != 1, "SHA-256 failed");
    return hasher;
}

void spi_content_hasher_feed(spi_content_hasher *hasher, const void *data, size_t len)
{
    if (!len)
        return;
    if (hasher->state)
        SPI_BUG_IF(XXH3_128bits_update(hasher->state, data, len) != XXH_OK, "XXH3 failed");
    else
        SPI_BUG_IF(EVP_DigestUpdate(hasher->sha256, data, len) != 1, "SHA-256 failed");
}

void spi_content_hasher_finish(spi_content_hasher *hasher, unsigned char *out)
{
    if (hasher->state)
        store(out, XXH3_128bits_digest(hasher->state));
    else
        SPI_BUG_IF(EVP_DigestFinal_ex(hasher->sha256, out, NULL) != 1, "SHA-256 failed");
    XXH3_freeState(hasher->state);
    EVP_MD_CTX_free(hasher->sha256);
    spi_free(hasher);
}

uint64_t spi_content_hasher_finish64(spi_content_hasher *hasher)
{
    uint64_t hash = XXH3_64bits_digest(hasher->state);
    XXH3_freeState(hasher->state);
    spi_free(hasher);
    return hash;
}

uint64_t spi_hash64(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}

void spi_random_bytes(void *out, size_t len)
{
    enum { LARGEST_REQUEST = 256 }; /* what getentropy gives at once */
    char *at = out;
    while (len > 0) {
        size_t part = len < LARGEST_REQUEST ? len : LARGEST_REQUEST;
        SPI_BUG_IF(getentropy(at, part) != 0, "the system gives no random bytes");
        at += part;
        len -= part;
    }
}

void spi_uuid4(char out[37])
{
    unsigned char random[16];
    char digits[32];
    spi_random_bytes(random, sizeof random);
    random[6] = (unsigned char)((random[6] & 0x0F) | 0x40); /* version 4 */
    random[8] = (unsigned char)((random[8] & 0x3F) | 0x80); /* the variant of RFC 9562 */
    spi_hex_encode(digits, random, sizeof random);
    char *at = out;
    for (size_t i = 0; i < sizeof digits; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *at++ = '-';
        *at++ = digits[i];
    }
    *at = '\0';
}
