/* The internal face of the allocator: never returns NULL but where the name says so, counts nothing,
   zeroes only where the name says so. */
#ifndef SPI_MEMORY_H
#define SPI_MEMORY_H

#include <spout/memory.h>

void *spi_malloc(size_t size) __attribute__((malloc, returns_nonnull));
void *spi_calloc(size_t size) __attribute__((malloc, returns_nonnull));
void *spi_realloc(void *block, size_t size) __attribute__((returns_nonnull));
void spi_free(void *block);

/* NULL if there is none: for what others' code asks for through us, and can do without. */
void *spi_try_malloc(size_t size) __attribute__((malloc));

char *spi_strdup(const char *text);
char *spi_memdup(const void *data, size_t len); /* with a NUL behind it */

#if defined(__SANITIZE_ADDRESS__)
#define SPI_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SPI_ASAN 1
#endif
#endif
#ifndef SPI_ASAN
#define SPI_ASAN 0
#endif

/* Address-sanitizer marks; nothing elsewhere. */
#if SPI_ASAN
void spi_poison(const void *start, size_t len);
void spi_unpoison(const void *start, size_t len);
#else
static inline void spi_poison(const void *start, size_t len)
{
    (void)start;
    (void)len;
}
static inline void spi_unpoison(const void *start, size_t len)
{
    (void)start;
    (void)len;
}
#endif

#endif
