/*
 * Topics from inside: topic.c keeps members and publishes on this loop, topic_hub.c knows the topics
 * with names and tells other workers of them.
 *
 * A topic with a name lasts while the program holds it (`opened`) or somebody is present in it, here
 * or elsewhere. Who is present is told by the backend's records; a membership is what a socket of
 * this loop has beside its presence, from the call of join to that of leave.
 */
#ifndef SPI_TOPIC_H
#define SPI_TOPIC_H

#include <spout/topic.h>

#include "base/list.h"
#include "http/websocket_socket.h"

struct spi_blob;
typedef struct spi_hub spi_hub;

struct spout_topic {
    spout_loop *loop;
    spi_list members; /* of this loop, who get what is published */
    size_t count;
    spi_hub *hub;   /* NULL without a name; the rest is for those with one */
    size_t opened;  /* calls of spout_topic_new_named or _pattern without their _free */
    size_t uses;    /* presences, and calls that are at work with it */
    uint64_t order; /* of a pattern, among those of the loop; 0: none */
    spi_list in_hub;
    spi_list in_patterns;
    spi_list pending; /* own presences that the backend has not told yet */
    spi_list present;
    size_t present_count;
    const spout_topic_watcher *watcher;
    void *watcher_arg;
    size_t name_len;
    char name[];
};

/* What all workers know of a member. */
typedef struct spi_presence {
    spi_list in_topic; /* of the pending or, once it has taken effect, of the present */
    spi_list in_worker;
    spout_topic *topic;
    spi_membership *membership; /* NULL: of another worker, or it has left and that is to be told */
    struct spi_topic_worker *worker;
    uint64_t number; /* of the worker's own counting */
    bool joined;
    char info[];
} spi_presence;

/* A membership in a topic with a name. */
typedef struct spi_named_membership {
    spi_membership base;
    spi_presence *presence; /* NULL until it is made */
} spi_named_membership;

/* NULL in topics without names. */
static inline spi_presence **spi_presence_of(spi_membership *membership)
{
    return membership->topic->hub ? &((spi_named_membership *)(void *)membership)->presence : NULL;
}

/* One message on its way to the members of one or more topics: encoded when the first one needs it,
   until `end`. */
typedef struct spi_publication {
    spout_message message;
    struct spi_blob *plain; /* its frame as it is sent to those without compression */
    bool used;
} spi_publication;

/* True if the frame is on its way; `end` is told to how many. */
bool spi_publication_send(spi_publication *publication, spout_websocket *ws);
void spi_publication_end(spi_publication *publication, spout_loop *loop, size_t sent);

/* From its presence on, a membership gets what is published. */
void spi_membership_begin(spi_membership *membership);

/* In topics with names. The membership's presence is made by `join`, and told to have ended by
   `leave`, which may free the topic. */
int spi_hub_join(spi_membership *membership, const char *info);
void spi_hub_leave(spi_presence *presence);
int spi_hub_publish(
    spout_topic *topic, spout_message message, const spout_websocket *except, size_t *ret_count);
void spi_hub_release(spout_topic *topic); /* nobody holds it any more: gone, once it is not used */

/* Whether the pattern matches: see <spout/topic.h>. */
bool spi_topic_matches(spout_bytes pattern, spout_bytes name);

#endif
