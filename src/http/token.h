/* The characters that HTTP's grammar is made of (RFC 9110 §5.6), and its comma-separated lists. */
#ifndef SPI_TOKEN_H
#define SPI_TOKEN_H

#include <spout/base.h>

extern const bool spi_token_chars[256];

static inline bool spi_is_token_char(char c)
{
    return spi_token_chars[(unsigned char)c];
}

/* OWS: nothing but SP and HTAB; wider notions of white space are how requests get smuggled. */
static inline bool spi_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool spi_is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7F;
}

bool spi_is_token(const char *text, size_t len);
bool spi_is_field_value(
    const char *text, size_t len); /* HTAB, SP, VCHAR, obs-text; no outer white space */

/* The next element of the list in [*at, end), without outer blanks, possibly empty. *at becomes
   NULL behind the last one. Doesn't know quoted strings: for lists of tokens. */
bool spi_list_next(const char **at, const char *end, spout_bytes *ret_element);

#endif
