/*
 * Sixteen bytes at a time: the few vector operations that the parsers are made of. SSE2 is part of
 * every x86-64 and NEON of every AArch64; elsewhere plain loops do the same (SPI_SCAN_PORTABLE
 * forces these).
 *
 * A comparison gives a block of 0xFF and 0x00 bytes; spi_block_mask turns it into an integer with a
 * bit for each byte, the first byte lowest.
 */
#ifndef SPI_SCAN_H
#define SPI_SCAN_H

#include <spout/base.h>

enum { SPI_BLOCK_LEN = 16, SPI_BLOCK_ALL = 0xFFFF };

#if defined(__SSE2__) && !defined(SPI_SCAN_PORTABLE)

#include <emmintrin.h>

typedef __m128i spi_block;

static inline spi_block spi_block_load(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

static inline void spi_block_store(char *at, spi_block block)
{
    _mm_storeu_si128((__m128i *)(void *)at, block);
}

static inline spi_block spi_block_or(spi_block a, spi_block b)
{
    return _mm_or_si128(a, b);
}

static inline spi_block spi_block_xor(spi_block a, spi_block b)
{
    return _mm_xor_si128(a, b);
}

static inline spi_block spi_block_equal(spi_block block, char c)
{
    return _mm_cmpeq_epi8(block, _mm_set1_epi8(c));
}

/* Both bounds are ASCII. Comparisons are signed: moved up so that `high` becomes the highest byte
   of all, the range is what lies above one bound. */
static inline spi_block spi_block_between(spi_block block, char low, char high)
{
    spi_block moved = _mm_add_epi8(block, _mm_set1_epi8((char)(0x7F - high)));
    return _mm_cmpgt_epi8(moved, _mm_set1_epi8((char)(0x7F - high + low - 1)));
}

static inline spi_block spi_block_lower(spi_block block)
{
    return _mm_or_si128(block, _mm_set1_epi8(0x20));
}

static inline uint32_t spi_block_mask(spi_block block)
{
    return (uint32_t)_mm_movemask_epi8(block);
}

#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(SPI_SCAN_PORTABLE)

#include <arm_neon.h>

typedef uint8x16_t spi_block;

static inline spi_block spi_block_load(const char *at)
{
    return vld1q_u8((const uint8_t *)at);
}

static inline void spi_block_store(char *at, spi_block block)
{
    vst1q_u8((uint8_t *)at, block);
}

static inline spi_block spi_block_or(spi_block a, spi_block b)
{
    return vorrq_u8(a, b);
}

static inline spi_block spi_block_xor(spi_block a, spi_block b)
{
    return veorq_u8(a, b);
}

static inline spi_block spi_block_equal(spi_block block, char c)
{
    return vceqq_u8(block, vdupq_n_u8((uint8_t)c));
}

static inline spi_block spi_block_between(spi_block block, char low, char high)
{
    return vandq_u8(
        vcgeq_u8(block, vdupq_n_u8((uint8_t)low)), vcleq_u8(block, vdupq_n_u8((uint8_t)high)));
}

static inline spi_block spi_block_lower(spi_block block)
{
    return vorrq_u8(block, vdupq_n_u8(0x20));
}

static inline uint32_t spi_block_mask(spi_block block)
{
    static const uint8_t weights[SPI_BLOCK_LEN] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32,
        64, 128 };
    uint8x16_t bits = vandq_u8(block, vld1q_u8(weights));
    return (uint32_t)vaddv_u8(vget_low_u8(bits)) | (uint32_t)vaddv_u8(vget_high_u8(bits)) << 8;
}

#else

typedef struct spi_block {
    unsigned char byte[SPI_BLOCK_LEN];
} spi_block;

static inline spi_block spi_block_load(const char *at)
{
    spi_block block;
    memcpy(block.byte, at, SPI_BLOCK_LEN);
    return block;
}

static inline void spi_block_store(char *at, spi_block block)
{
    memcpy(at, block.byte, SPI_BLOCK_LEN);
}

static inline spi_block spi_block_or(spi_block a, spi_block b)
{
    for (int i = 0; i < SPI_BLOCK_LEN; i++)
        a.byte[i] |= b.byte[i];
    return a;
}

static inline spi_block spi_block_xor(spi_block a, spi_block b)
{
    for (int i = 0; i < SPI_BLOCK_LEN; i++)
        a.byte[i] ^= b.byte[i];
    return a;
}

static inline spi_block spi_block_equal(spi_block block, char c)
{
    for (int i = 0; i < SPI_BLOCK_LEN; i++)
        block.byte[i] = block.byte[i] == (unsigned char)c ? 0xFF : 0;
    return block;
}

static inline spi_block spi_block_between(spi_block block, char low, char high)
{
    for (int i = 0; i < SPI_BLOCK_LEN; i++)
        block.byte[i] = block.byte[i] >= low && block.byte[i] <= high ? 0xFF : 0;
    return block;
}

static inline spi_block spi_block_lower(spi_block block)
{
    for (int i = 0; i < SPI_BLOCK_LEN; i++)
        block.byte[i] |= 0x20;
    return block;
}

static inline uint32_t spi_block_mask(spi_block block)
{
    uint32_t mask = 0;
    for (int i = 0; i < SPI_BLOCK_LEN; i++)
        mask |= (uint32_t)(block.byte[i] & 1) << i;
    return mask;
}

#endif

/* The number of the lowest bit, which must be there. */
static inline unsigned spi_first_bit(uint64_t mask)
{
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_ctzll(mask);
#else
    unsigned first = 0;
    while (!(mask >> first & 1))
        first++;
    return first;
#endif
}

/* The bytes of a block that are 0x20–0x7E, and those that aren't: a line of text mostly has none of
   these. */
static inline uint64_t spi_usual_16(const char *at)
{
    return spi_block_mask(spi_block_between(spi_block_load(at), ' ', '~'));
}

static inline uint64_t spi_unusual_16(const char *at)
{
    return spi_usual_16(at) ^ SPI_BLOCK_ALL;
}

static inline uint64_t spi_unusual_64(const char *at)
{
    return ~(spi_usual_16(at) | spi_usual_16(at + 16) << 16 | spi_usual_16(at + 32) << 32 |
             spi_usual_16(at + 48) << 48);
}

/* The same for the next up to 64 bytes of data[at..end), where at < end. *ret_next is how far it
   went. Nothing outside data[0..end) is read: what is shorter than a block is looked at together
   with what is before it. */
static inline uint64_t spi_unusual(const char *data, size_t at, size_t end, size_t *ret_next)
{
    size_t left = end - at;
    if (left >= 64) {
        *ret_next = at + 64;
        return spi_unusual_64(data + at);
    }
    if (left >= SPI_BLOCK_LEN) {
        *ret_next = at + SPI_BLOCK_LEN;
        return spi_unusual_16(data + at);
    }
    *ret_next = end;
    if (end >= SPI_BLOCK_LEN)
        return spi_unusual_16(data + end - SPI_BLOCK_LEN) >> (SPI_BLOCK_LEN - left);
    uint64_t mask = 0;
    for (size_t i = 0; i < left; i++)
        mask |= (uint64_t)(data[at + i] < ' ' || data[at + i] > '~') << i;
    return mask;
}

#endif
