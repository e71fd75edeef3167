/*
 * A block of bytes at a time: the few vector operations that the parsers are made of. Compilers
 * know vectors with C's operators; comparisons give bytes of 0xFF and 0x00. SSE2 is part of every
 * x86-64 and NEON of every AArch64, with blocks of 16 bytes; a file that is compiled for AVX2 has
 * blocks of 32. Elsewhere loops do the same (SPI_SCAN_PORTABLE forces these).
 *
 * spi_block_mask makes an integer of the highest bits of the bytes, the first byte's lowest.
 */
#ifndef SPI_SCAN_H
#define SPI_SCAN_H

#include <spout/base.h>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#else
#define SPI_SCAN_PORTABLE
#endif

#if defined(__AVX2__) && !defined(SPI_SCAN_PORTABLE)
enum { SPI_BLOCK_LEN = 32 };
#else
enum { SPI_BLOCK_LEN = 16 };
#endif

typedef int8_t spi_block __attribute__((vector_size(SPI_BLOCK_LEN)));

static inline spi_block spi_block_load(const char *at)
{
    spi_block block;
    memcpy(&block, at, sizeof block);
    return block;
}

static inline void spi_block_store(char *at, spi_block block)
{
    memcpy(at, &block, sizeof block);
}

#if !defined(SPI_SCAN_PORTABLE) && defined(__SSE2__)

/* What is outside is told by the highest bit only: moved up so that `high` becomes the highest
   positive byte, the range is what remains positive when its low end is taken away. */
#ifdef __AVX2__

static inline spi_block spi_block_outside(spi_block block, char low, char high)
{
    char up = (char)(0x7F - high);
    __m256i moved = _mm256_add_epi8((__m256i)block, _mm256_set1_epi8(up));
    return (spi_block)_mm256_subs_epi8(moved, _mm256_set1_epi8((char)(up + low)));
}

static inline spi_block spi_block_without(spi_block a, spi_block b)
{
    return (spi_block)_mm256_andnot_si256((__m256i)b, (__m256i)a);
}

static inline uint32_t spi_block_mask(spi_block block)
{
    return (uint32_t)_mm256_movemask_epi8((__m256i)block);
}

#else

static inline spi_block spi_block_outside(spi_block block, char low, char high)
{
    char up = (char)(0x7F - high);
    __m128i moved = _mm_add_epi8((__m128i)block, _mm_set1_epi8(up));
    return (spi_block)_mm_subs_epi8(moved, _mm_set1_epi8((char)(up + low)));
}

static inline spi_block spi_block_without(spi_block a, spi_block b)
{
    return (spi_block)_mm_andnot_si128((__m128i)b, (__m128i)a);
}

static inline uint32_t spi_block_mask(spi_block block)
{
    return (uint32_t)_mm_movemask_epi8((__m128i)block);
}

#endif
#else

/* Both bounds are ASCII, and what isn't is negative. */
static inline spi_block spi_block_outside(spi_block block, char low, char high)
{
    return (block < (int8_t)low) | (block > (int8_t)high);
}

static inline spi_block spi_block_without(spi_block a, spi_block b)
{
    return a & ~b;
}

static inline uint32_t spi_block_mask(spi_block block)
{
#ifdef SPI_SCAN_PORTABLE
    uint32_t mask = 0;
    for (int i = 0; i < SPI_BLOCK_LEN; i++)
        mask |= (uint32_t)(block[i] < 0) << i;
    return mask;
#else
    static const uint8_t weights[SPI_BLOCK_LEN] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32,
        64, 128 };
    uint8x16_t bits = vandq_u8((uint8x16_t)block, vld1q_u8(weights));
    return (uint32_t)vaddv_u8(vget_low_u8(bits)) | (uint32_t)vaddv_u8(vget_high_u8(bits)) << 8;
#endif
}

#endif

/* The number of the lowest bit, which must be there. */
static inline unsigned spi_first_bit(uint64_t mask)
{
    return (unsigned)__builtin_ctzll(mask);
}

/* The same, 32 if there is none. */
static inline uint32_t spi_first_bit_32(uint32_t mask)
{
#ifdef __BMI__
    return _tzcnt_u32(mask);
#else
    return mask ? (uint32_t)__builtin_ctz(mask) : 32;
#endif
}

/* The bytes of a block that aren't 0x20–0x7E: a line of text mostly has none of these. */
static inline uint32_t spi_unusual_block(const char *at)
{
    return spi_block_mask(spi_block_outside(spi_block_load(at), ' ', '~'));
}

static inline uint64_t spi_unusual_64(const char *at)
{
    uint64_t mask = 0;
    for (int i = 0; i < 64; i += SPI_BLOCK_LEN)
        mask |= (uint64_t)spi_unusual_block(at + i) << i;
    return mask;
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
        return spi_unusual_block(data + at);
    }
    *ret_next = end;
    if (end >= SPI_BLOCK_LEN)
        return spi_unusual_block(data + end - SPI_BLOCK_LEN) >> (SPI_BLOCK_LEN - left);
    uint64_t mask = 0;
    for (size_t i = 0; i < left; i++)
        mask |= (uint64_t)(data[at + i] < ' ' || data[at + i] > '~') << i;
    return mask;
}

#endif
