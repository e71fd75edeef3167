#include "base/bug.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

void spi_bug(const char *file, int line, const char *what)
{
    spi_log_flush_if_free();
    fprintf(stderr, "waterspout: bug at %s:%d: %s\n", file, line, what);
    abort();
}
