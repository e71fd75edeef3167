/* PROXY headers: byte by byte the same as at once, nothing is taken back, and what is complete does
   not depend on what follows. */
#include "fuzz.h"

#include "net/proxy_parser.h"

static int is_same(const spi_proxy_header *a, const spi_proxy_header *b)
{
    return a->version == b->version && a->local == b->local &&
           a->source.family == b->source.family && a->source.port == b->source.port &&
           memcmp(a->source.ip, b->source.ip, 16) == 0 &&
           a->destination.port == b->destination.port &&
           memcmp(a->destination.ip, b->destination.ip, 16) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *why = NULL;
    spi_proxy_header whole = { 0 }, part = { 0 };
    int result = spi_proxy_parse(text, size, &whole, &why);
    MUST(result <= (int)size && result <= SPI_PROXY_MAX);
    MUST((result < 0) == (why != NULL));
    size_t most = size < SPI_PROXY_MAX + 1 ? size : SPI_PROXY_MAX + 1;
    for (size_t len = 0; len <= most; len++) {
        char *exact = malloc(len ? len : 1);
        memcpy(exact, data, len);
        int now = spi_proxy_parse(exact, len, &part, &why);
        free(exact);
        if (now == 0)
            continue;
        MUST(now == result);
        MUST(now < 0 || ((size_t)now == len && is_same(&whole, &part)));
        return 0;
    }
    MUST(result == 0 && size <= SPI_PROXY_MAX);
    return 0;
}
