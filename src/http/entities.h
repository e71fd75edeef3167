/* The named character references of HTML (WHATWG HTML §13.5). */
#ifndef SPI_ENTITIES_H
#define SPI_ENTITIES_H

#include <stddef.h>

enum { SPI_ENTITY_NAME_MAX = 31 };

/* What `&name;` stands for, in UTF-8; name without '&' and ';'. NULL if there is no such name.
   len > 0, no NUL and no space among them. */
const char *spi_entity_find(const char *name, size_t len);

#endif
