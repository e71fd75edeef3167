/* Hashes and randomness: the one file that knows libcrypto and xxHash. */
#ifndef SPI_DIGEST_H
#define SPI_DIGEST_H

#include <spout/base.h>

/* Only where a protocol demands it. */
void spi_sha1(unsigned char out[20], const void *data, size_t len);
void spi_sha256(unsigned char out[32], const void *data, size_t len);
void spi_hmac_sha256(unsigned char out[32], spout_bytes key, spout_bytes data);
void spi_hmac_sha1(unsigned char out[20], spout_bytes key, spout_bytes data);

/* XXH3, 128 bits, big endian: content hashes (ETags). Not for secrets, not against hostile
   authors. */
void spi_content_hash(unsigned char out[16], const void *data, size_t len);
typedef struct spi_content_hasher spi_content_hasher;
spi_content_hasher *spi_content_hasher_new(void);
spi_content_hasher *spi_content_hasher_new_sha256(void); /* SHA-256 instead: for hostile ones */
void spi_content_hasher_feed(spi_content_hasher *hasher, const void *data, size_t len);
/* And frees it. 16 bytes, or 32 of SHA-256. */
void spi_content_hasher_finish(spi_content_hasher *hasher, unsigned char *out);

/* XXH3, 64 bits: enough to tell one version of a page from the next. */
uint64_t spi_content_hash64(const void *data, size_t len);
uint64_t spi_content_hasher_finish64(spi_content_hasher *hasher); /* not of SHA-256; frees it */

uint64_t spi_hash64(const void *data, size_t len, uint64_t seed);

/* From the system's generator; aborts where there is none. */
void spi_random_bytes(void *out, size_t len);
void spi_uuid4(char out[37]); /* "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx" and a NUL */

#endif
