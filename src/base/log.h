/* The library's own way into the log. */
#ifndef SPI_LOG_H
#define SPI_LOG_H

#include <spout/log.h>

#include <stdatomic.h>

extern atomic_int spi_log_level;

/* spout_log_enabled, where each request asks. */
static inline bool spi_log_is_on(spout_log_level level)
{
    return level < SPOUT_LOG_OFF &&
           (int)level >= atomic_load_explicit(&spi_log_level, memory_order_relaxed);
}

/* The general logger. */
void spi_log_debug(const char *format, ...) SPOUT_PRINTF(1, 2);
void spi_log_info(const char *format, ...) SPOUT_PRINTF(1, 2);
void spi_log_warning(const char *format, ...) SPOUT_PRINTF(1, 2);
void spi_log_error(const char *format, ...) SPOUT_PRINTF(1, 2);

/* A line that is there already, from `time_us` of the wall clock; text[len] is NUL. What is not plain
   text is escaped, as in every message. */
void spi_log_text(
    spout_logger logger, spout_log_level level, int64_t time_us, const char *text, size_t len);

/* The current error with its causes as "what: message: cause: cause", at `level`. */
void spi_log_current_error(spout_logger logger, spout_log_level level, const char *what);

/* The wall clock in microseconds, used for records; tests replace it, NULL restores it. */
int64_t spi_wall_clock_us(void);
void spi_wall_clock_replace(int64_t (*clock_us)(void));

/* Instead of the process's sink, what this thread logs goes to one of its own, without a lock. It
   is lent until the next call; NULL: the process's again. */
typedef struct spi_log_own_sink {
    spout_log_sink sink;
    bool unflushed;
} spi_log_own_sink;
void spi_log_use_own(spi_log_own_sink *own);

/* Has spout_log_flush something to do in a thread whose sink may be `own`? Each turn asks. */
extern atomic_bool spi_log_unflushed;
static inline bool spi_log_is_unflushed(const spi_log_own_sink *own)
{
    return own->unflushed || atomic_load_explicit(&spi_log_unflushed, memory_order_relaxed);
}

/* Like spout_log_flush, but gives up where the lock is held: on the way to abort(). */
void spi_log_flush_if_free(void);

#endif
