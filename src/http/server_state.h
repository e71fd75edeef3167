/* What a server is made of. Private to the server and its connections. */
#ifndef SPI_SERVER_STATE_H
#define SPI_SERVER_STATE_H

#include "http/error_page.h"
#include "http/exchange.h"
#include "http/forwarded.h"
#include "http/server.h"
#include "net/transport.h"

/* The options with every default in its place: sizes without a limit are the type's maximum,
   times without one < 0. */
typedef struct spi_server_limits {
    spi_head_limits head;
    uint64_t max_body;
    int64_t header_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms, drain_timeout_ms;
    int64_t request_timeout_ms;            /* <= 0: none */
    int64_t min_body_rate, min_write_rate; /* the same */
    size_t max_connections, chunk_size;
    const char *protocol; /* NULL: what is spoken */
    bool no_keep_alive, decompress, xheaders, forwarded, trusts_all;
    bool has_options; /* spi_http1_apply_options has something to do */
} spi_server_limits;

struct spout_http_server {
    spout_loop *loop;
    const spi_service *service;
    void *service_self;
    spi_server_limits limits;
    spi_exchange blank; /* what each exchange begins as, but for its head and what is its own */
    spi_networks trusted;
    spi_error_fields error_fields;
    spi_timeout_class *header_timeouts, *body_timeouts, *idle_timeouts; /* NULL: none */
    spi_list listeners;
    spi_list connections;
    size_t connection_count;
    spi_list drained; /* who waits for the last connection */
    int port;
    bool draining;
    bool ends_connections; /* behind each reply: it drains, or keeps none alive */
    bool crowded;          /* connections are being refused: said once in the log */
};

#endif
