/*
 * Topics: publishing to many WebSockets at once; with a name, also to those of other workers.
 *
 * A frame is encoded once, and compressed once for each setting in use, and shared by all members;
 * those with takeover start anew behind it. Publishing never suspends: with a member whose queue is
 * over its maximum it goes as the handler's .queue_policy says, with one line in the log for each
 * socket, and the others don't notice (an empty queue takes a message of any size). Members leave
 * by themselves when they begin to close, so that .close finds its socket in no topic. Joining or
 * leaving inside a callback is safe.
 *
 * For the loop's metrics: topic_published counts what was published on this loop; what its members
 * get of that is in websocket_sent.
 *
 * Example:
 *     static spout_topic *room; // made in .on_start
 *     static int enter(spout_websocket *ws) { return spout_topic_join(room, ws); }
 *     static int say(spout_websocket *ws, spout_message m) { return spout_topic_publish_except(room, m, ws, NULL); }
 *     static const spout_websocket_handler chat = { .open = enter, .message = say };
 */
#ifndef SPOUT_TOPIC_H
#define SPOUT_TOPIC_H

#include <spout/base.h>
#include <spout/websocket.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_topic spout_topic;

SPOUT_API spout_topic *spout_topic_new(void); /* owned, of the current loop alone */

/*
 * Topics with names. Equal names on one loop are one topic: each call needs its spout_topic_free.
 *
 * Where the loop shares its topics with other workers, as it does under spout_main with several of
 * them (spout_process_share_topics), a topic is the same in all of them: what is published in one
 * reaches the members in all. Everything has one order then, which all workers see, and a
 * publication, a joining or a leaving takes effect where it comes in this order, also for the
 * worker that it comes from: a moment after the call, but after what the same worker did before.
 * (A socket that leaves hears nothing more at once.) With a single worker it all happens within the
 * call.
 *
 * A pattern gets what is published to the names that match it. Names are compared in segments,
 * which `/` divides: the segment `*` stands for any one, `**` as the last segment for one or more;
 * all else stands for itself. A socket that is a member of the topic and of patterns that match, or
 * of several of these, gets a publication once. Nothing can be published to a pattern itself. A
 * name is never a pattern: in spout_topic_new_named "*" is but a character, so that names may come
 * from users.
 *
 * 1 to 255 bytes of UTF-8, else NULL with SPOUT_EINVAL.
 *
 * Example:
 *     spout_topic *kitchen = spout_topic_new_named("home/kitchen/lamp");
 *     spout_topic *every_room = spout_topic_new_pattern("home/" "*" "/lamp");
 *     spout_topic *everything = spout_topic_new_pattern("**");
 */
SPOUT_API spout_topic *spout_topic_new_named(const char *name);
SPOUT_API spout_topic *spout_topic_new_pattern(const char *pattern);

SPOUT_API void spout_topic_free(spout_topic *topic);              /* members leave; NULL is fine */
SPOUT_API const char *spout_topic_name(const spout_topic *topic); /* "" without one */

/* Twice is once. SPOUT_ECLOSED when closing or closed; SPOUT_ELIMIT where the queue to the other
   workers is full. With `info`, which others see of the member (up to 4,000 bytes of UTF-8; NULL:
   ""), in topics with names. */
SPOUT_API int spout_topic_join(spout_topic *topic, spout_websocket *ws);
SPOUT_API int spout_topic_join_as(spout_topic *topic, spout_websocket *ws, const char *info);
/* Of no member: nothing. */
SPOUT_API void spout_topic_leave(spout_topic *topic, spout_websocket *ws);

/* Members, of all workers. */
SPOUT_API size_t spout_topic_count(const spout_topic *topic);

/*
 * To all members, but `except` (may be NULL), and of matching patterns. The number reached goes to
 * ret_count (may be NULL); over several workers it is that of the members as they are known now.
 * SPOUT_EINVAL for a text that isn't UTF-8 or for a pattern. Over several workers also SPOUT_ELIMIT
 * where the queue to them is full (1 MiB; an empty one takes up to 8 MiB): then it reached nobody.
 */
SPOUT_API int spout_topic_publish(spout_topic *topic, spout_message message);
SPOUT_API int spout_topic_publish_except(
    spout_topic *topic, spout_message message, const spout_websocket *except, size_t *ret_count);
/* At once, and to the topic's members on this loop alone. */
SPOUT_API int spout_topic_publish_here(
    spout_topic *topic, spout_message message, const spout_websocket *except, size_t *ret_count);

/* Walks the members on this loop in the order they joined: the next one after `after` (NULL: the
   first), or NULL, also if `after` is no member. Don't suspend in between: members come and go
   meanwhile. */
SPOUT_API spout_websocket *spout_topic_next(const spout_topic *topic, const spout_websocket *after);

/* A member of a topic with a name, of whichever worker. */
typedef struct spout_member {
    const char *info;    /* valid like the member */
    spout_websocket *ws; /* on this loop; NULL elsewhere, or when it has left meanwhile */
    int worker;          /* spout_task_id of its process; 0 with a single one */
    const void *place;   /* of the walk */
} spout_member;

/*
 * Walks all members, in the order in which they joined. *member is zeroed before the first call.
 * False at the end. Don't suspend in between.
 *
 * Example:
 *     spout_member m = { 0 };
 *     while (spout_topic_next_member(room, &m))
 *         json_array_append_new(list, json_string(m.info));
 */
SPOUT_API bool spout_topic_next_member(const spout_topic *topic, spout_member *member);

/*
 * What a program may want to know of a topic with a name. All may be NULL; they are called on the
 * loop and must not suspend. What they do to topics comes after what they are told of.
 */
typedef struct spout_topic_watcher {
    /* Whoever joins or leaves, here or elsewhere; those of a worker that died leave with it. The
       topic has changed already. */
    void (*joined)(void *arg, spout_topic *topic, const spout_member *member);
    void (*left)(void *arg, spout_topic *topic, const spout_member *member);
    /* Each publication, also to a pattern, after the members have got it. */
    void (*message)(void *arg, spout_topic *topic, spout_message message);
    /* Over several workers: first `ready`, with the others that are there already, then who comes
       and goes. A worker that was started anew comes anew. */
    void (*ready)(void *arg, spout_topic *topic, const int *others, size_t count);
    void (*came)(void *arg, spout_topic *topic, int worker);
    void (*gone)(void *arg, spout_topic *topic, int worker);
    void *reserved[4];
} spout_topic_watcher;

/* One for each topic, replacing the one before; NULL: none. It must outlive the topic or the next
   call. SPOUT_EINVAL for a topic without a name. */
SPOUT_API int spout_topic_watch(spout_topic *topic, const spout_topic_watcher *watcher, void *arg);

/* Of the current loop. */
typedef struct spout_topic_figures {
    bool shared;      /* topics with names span workers */
    size_t workers;   /* known now, this one included; 0 before `ready`; 1 if not shared */
    uint64_t refused; /* publications, joinings: the queue to the other workers was full */
    uint64_t dropped; /* publications of others that this worker was too slow for */
} spout_topic_figures;
SPOUT_API spout_topic_figures spout_topics_figures(void);

#ifdef __cplusplus
}
#endif

#endif
