/*
 * Logging: three loggers as in Tornado (access, application, general), levels, one sink per
 * process; a loop may have one of its own (`.log_sink` of spout_loop_options).
 *
 * A line reads `[I 261122 06:32:13 general] listening on 127.0.0.1:8888`, and ` [id]` behind it for
 * what a request with an id has logged. Control characters in a message are escaped (\n, \x1b), so a
 * message is always one line. Below the level nothing is formatted.
 */
#ifndef SPOUT_LOG_H
#define SPOUT_LOG_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spout_log_level {
    SPOUT_LOG_DEBUG,
    SPOUT_LOG_INFO,
    SPOUT_LOG_WARNING,
    SPOUT_LOG_ERROR,
    SPOUT_LOG_OFF
} spout_log_level;

typedef enum spout_logger {
    SPOUT_LOGGER_APPLICATION, /* tornado.application: what handlers and tasks do wrong */
    SPOUT_LOGGER_ACCESS,      /* tornado.access: one line a request */
    SPOUT_LOGGER_GENERAL      /* tornado.general: the library itself */
} spout_logger;

typedef struct spout_log_record {
    spout_logger logger;
    spout_log_level level;
    int64_t time_us;     /* wall clock, microseconds since 1970 */
    const char *message; /* one line, without its line end */
    /* Of the request whose coroutine has logged it, where .request_id_header of the application is
       set; NULL: none. Lines of the access log have it in the message. */
    const char *request_id;
} spout_log_record;

/* Where records go. `write` is called with a lock held, from any thread; `flush` at the end of a
   loop's turn, if there was a record. What a sink itself logs is dropped; so is everything where
   `write` is NULL. */
typedef struct spout_log_sink {
    void (*write)(void *self, const spout_log_record *record);
    void (*flush)(void *self); /* may be NULL */
    void *self;
    void *reserved[4];
} spout_log_sink;

/* Copies the sink. NULL restores the default: lines on stderr, written together once a turn of the
   loop, with an error record or at exit, whichever comes first. */
SPOUT_API void spout_log_set_sink(const spout_log_sink *sink);

/* What the default sink writes for a record: the line above, or a JSON object in a line of its own
   with level, logger, time (RFC 3339, UTC), message and request_id, in which JSON's own escapes are
   the only ones; an access log that is JSON already (.access_log) gets level and logger into its own
   objects. */
typedef enum spout_log_format { SPOUT_LOG_TEXT, SPOUT_LOG_JSON } spout_log_format;
SPOUT_API void spout_log_set_format(spout_log_format format); /* default SPOUT_LOG_TEXT */

SPOUT_API void spout_log_set_level(spout_log_level level); /* default SPOUT_LOG_INFO */
SPOUT_API spout_log_level spout_log_get_level(void);
SPOUT_API bool spout_log_enabled(spout_log_level level);

/* "debug", "info", "warning", "error", "none" → level; SPOUT_EINVAL for others. */
SPOUT_API int spout_log_level_parse(const char *text, spout_log_level *ret_level);

/* A line of the application logger. */
SPOUT_API void spout_log_debug(const char *format, ...) SPOUT_PRINTF(1, 2);
SPOUT_API void spout_log_info(const char *format, ...) SPOUT_PRINTF(1, 2);
SPOUT_API void spout_log_warning(const char *format, ...) SPOUT_PRINTF(1, 2);
SPOUT_API void spout_log_error(const char *format, ...) SPOUT_PRINTF(1, 2);

/* A line of any logger. */
SPOUT_API void spout_log(spout_logger logger, spout_log_level level, const char *format, ...)
    SPOUT_PRINTF(3, 4);

/* Writes out what the sink holds back. */
SPOUT_API void spout_log_flush(void);

#ifdef __cplusplus
}
#endif

#endif
