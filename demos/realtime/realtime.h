/* The realtime demo: chat over WebSocket, a live feed by long polling, and figures about itself.
   One file for each part. */
#ifndef REALTIME_H
#define REALTIME_H

#include <spout.h>

/* site.c: what all handlers share. CORS headers, OPTIONS, JSON error pages, accounting. */
extern const spout_handler site;
extern const char *const site_error_headers[]; /* of pages that come from no handler */
extern const spout_handler not_found;

/* The .config of a handler; without one, a request that takes more than a second is a warning in
   the log. */
typedef struct site_traits {
    bool waits; /* waiting is its purpose */
} site_traits;

/* Shorthand for a reply: status and {"error": text}. Returns 0. */
int site_error(spout_request *r, int status, const char *text);
/* The body as a JSON object, or NULL when the 400 is written. Borrowed. */
json_t *site_body_object(spout_request *r);
json_t *site_timestamp(void); /* now, ISO 8601 */

/* home.c: the page or a greeting; where the static files are. */
extern const spout_handler home_handler;
extern spout_handler static_handler;
int home_configure(const char *chosen); /* NULL: finds the page by itself */

/* data.c */
extern const spout_handler data_handler;
int data_configure(void);

/* feed.c: pushes and those who wait for them. */
extern spout_handler push_handler;
extern const spout_handler longpoll_handler;
void feed_configure(void);
int feed_start(void);
void feed_clean_up(void);
void feed_drain(void); /* answers all who wait */
void feed_release(void);

/* chat.c */
extern const spout_handler chat_handler;
int chat_configure(const char *allowed_origins);
size_t chat_people(void);

/* tasks.c */
extern const spout_handler async_handler, modern_handler;

/* stats.c */
extern const spout_handler stats_handler, health_handler;
int stats_configure(void);
void stats_start(const spout_application *application);
void stats_update(const spout_application *application); /* what changes without requests */
void stats_drain(void);
void stats_record(const char *handler, int status, int64_t time_us);

/* system.c: what the system says of this process. Owned reference. */
json_t *system_figures(void);

#endif
