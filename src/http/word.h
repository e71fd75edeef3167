/* A short text compared with a known word, whatever its case. */
#ifndef SPI_WORD_H
#define SPI_WORD_H

#include <spout/base.h>

static inline uint64_t spi_word_differs_8(const char *text, const char *lower)
{
    uint64_t found, expected;
    memcpy(&found, text, sizeof found);
    memcpy(&expected, lower, sizeof expected);
    return found ^ expected;
}

static inline uint32_t spi_word_differs_4(const char *text, const char *lower)
{
    uint32_t found, expected;
    memcpy(&found, text, sizeof found);
    memcpy(&expected, lower, sizeof expected);
    return found ^ expected;
}

/* The word has 4 to 17 lower-case letters and '-', the text as many bytes: they are compared by
   pieces that overlap. The bit that isn't looked at makes letters of nothing but letters, and '-' of
   itself and CR, which is in no field. */
static inline bool spi_is_word(const char *text, const char *lower, size_t len)
{
    const uint64_t bits = ~UINT64_C(0x2020202020202020);
    if (len < 8)
        return ((spi_word_differs_4(text, lower) |
                    spi_word_differs_4(text + len - 4, lower + len - 4)) &
                   (uint32_t)bits) == 0;
    uint64_t differs = spi_word_differs_8(text, lower) |
                       spi_word_differs_8(text + len - 8, lower + len - 8);
    if (len > 16)
        differs |= spi_word_differs_8(text + 8, lower + 8);
    return (differs & bits) == 0;
}

#endif
