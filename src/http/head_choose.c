#include "http/head_try.h"

long spi_request_head_try(spi_arena *arena, const char *data, size_t len,
    const spi_head_limits *limits, spi_request_head *ret_head)
{
    spi_head_try *avx2 = spi_head_try_for_avx2();
    return avx2 ? avx2(arena, data, len, limits, ret_head)
                : spi_head_try_base(arena, data, len, limits, ret_head);
}
