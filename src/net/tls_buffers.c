#include "net/tls_buffers.h"

/* Frees them now; if they are in use, OpenSSL does so when it is done with them. */
static void give_up(spi_tls_buffers *buffers)
{
    buffers->place = NULL;
    SSL_set_mode(buffers->ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_free_buffers(buffers->ssl);
}

/* In the place of the one that has kept them for the longest time. If that is still busy, its next
   read makes it a keeper again. */
void spi_tls_buffers_keep(spi_tls_buffers *buffers, spi_tls_keepers *keepers)
{
    spi_tls_buffers **place = &keepers->kept[keepers->next++ % SPI_TLS_KEEPERS];
    if (*place)
        give_up(*place);
    *place = buffers;
    buffers->place = place;
    SSL_clear_mode(buffers->ssl, SSL_MODE_RELEASE_BUFFERS);
}

void spi_tls_buffers_forget(spi_tls_buffers *buffers)
{
    if (buffers->place)
        *buffers->place = NULL;
    buffers->place = NULL;
}
