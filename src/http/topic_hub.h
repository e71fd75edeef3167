/* The topics with names of one loop: shared by topic_hub.c (what workers tell one another) and
   topic_name.c (names, members, watchers), and nobody else. */
#ifndef SPI_TOPIC_HUB_H
#define SPI_TOPIC_HUB_H

#include <spout/sys/topic_backend.h>

#include "base/map.h"
#include "http/topic.h"

typedef struct spi_topic_worker {
    spi_list node;
    int number;
    spi_list presences;
} spi_topic_worker;

struct spi_hub {
    spout_loop *loop;
    const spout_topic_backend *backend; /* NULL: none, everything happens at once */
    void *backend_self;
    bool ready;
    bool closed;        /* the loop is gone; lasts until the program has freed its topics */
    spi_map *names;     /* to topics */
    spi_map *presences; /* by worker and number */
    spi_list topics, patterns;
    size_t topic_count;
    spi_topic_worker own;
    spi_list others; /* workers */
    uint64_t last_number, last_order;
    spi_list flights; /* own publications with an exception, which are not back yet */
    uint64_t refused, dropped;
};

spi_hub *spi_hub_of(spout_loop *loop);   /* NULL if there is none */
spi_hub *spi_hub_need(spout_loop *loop); /* made if there is none */

/* The topic, made if there is none. */
spout_topic *spi_hub_need_topic(spi_hub *hub, spout_bytes name, bool is_pattern);

/* A presence begins: `pending` until it is told by `joined`, and is gone with `left`. */
spi_presence *spi_presence_new(
    spout_topic *topic, spi_topic_worker *worker, uint64_t number, spout_bytes info);
spi_presence *spi_presence_find(
    const spi_hub *hub, const spi_topic_worker *worker, uint64_t number);
void spi_presence_joined(spi_presence *presence);
void spi_presence_left(spi_presence *presence);

/* To members on this loop, of the topic of that name and of patterns. Returns how many. */
size_t spi_hub_deliver(
    spi_hub *hub, spout_bytes name, spout_message message, const spout_websocket *except);

typedef enum spi_worker_event {
    SPI_WORKERS_READY,
    SPI_WORKER_CAME,
    SPI_WORKER_GONE
} spi_worker_event;
/* Tells the watchers of all topics. `worker` is of no use for READY. */
void spi_hub_tell_watchers(spi_hub *hub, spi_worker_event event, int worker);
void spi_hub_tell_ready(spi_hub *hub, spout_topic *topic);

#endif
