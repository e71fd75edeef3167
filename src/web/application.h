/* An application: its handlers, its routes, its servers. */
#ifndef SPI_APPLICATION_H
#define SPI_APPLICATION_H

#include <spout/web.h>

#include "base/arena.h"
#include "http/exchange.h"
#include "web/handler.h"
#include "web/router.h"
#include "web/usual.h"

typedef struct spi_server_link {
    struct spi_server_link *next;
    spout_http_server *server;
} spi_server_link;

/* Routes for certain hosts. */
typedef struct spi_host_rule {
    struct spi_host_rule *next;
    spi_pattern pattern;
    spi_router router;
} spi_host_rule;

struct spout_application {
    size_t refs; /* its owner's and one for each request that runs */
    spi_arena *arena;
    spi_router router;
    spi_host_rule *hosts; /* in the order they were added */
    spi_handler *handlers;
    const spi_handler *default_handler;  /* an empty one if the author gave none */
    const spi_handler *static_handler;   /* of .static_path; NULL: there is none */
    struct spi_file_cache *single_files; /* of spout_write_file; NULL: none yet */
    spi_server_link *servers;
    spi_usual usual;
    spout_application_options options;
};

void spi_application_ref(spout_application *application);
void spi_application_unref(spout_application *application);

/* As spi_router_match, over the routes of the host and those for all hosts (hosts.c); for an
   application that has any of the former. */
int spi_application_match(const spout_application *application, spi_matcher *matcher,
    spi_arena *arena, const spi_request_head *head, spi_match *ret_match);

/* The first route of that name, whatever host it is for, or NULL (builtin.c). */
const spi_route *spi_application_find_name(const spout_application *application, const char *name);

/* Compiles a table into a router (application.c); on failure it has been finished. */
int spi_application_add_routes(
    spout_application *application, spi_router *router, const spout_route *routes);

/* How requests come in: see exchange.h. self is the application. */
extern const spi_service spi_application_service;

#endif
