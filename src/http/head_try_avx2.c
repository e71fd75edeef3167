/* Compiled for processors with AVX2. */
#define SPI_HEAD_TRY spi_head_try_avx2
#include "http/head_try.c"
