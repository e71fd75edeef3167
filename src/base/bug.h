/* Broken promises of our own code: a line on stderr with file and line, then abort(). Stays on in
   release builds. Log lines that are still held back are written first. */
#ifndef SPI_BUG_H
#define SPI_BUG_H

__attribute__((noreturn)) void spi_bug(const char *file, int line, const char *what);

#define SPI_BUG_IF(condition, what) ((condition) ? spi_bug(__FILE__, __LINE__, what) : (void)0)

#endif
