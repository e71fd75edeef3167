/* As it is where no vector instructions are known. */
#define SPI_SCAN_PORTABLE
#define SPI_HEAD_TRY spi_head_try_portable
#include "http/head_try.c"
