#include "base/log.h"

#include "base/buffer.h"
#include "base/context.h"
#include "base/log_json.h"
#include "base/memory.h"
#include "base/text.h"

#include <spout/error.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { HELD_BACK_MAX = 32 * 1024 };

atomic_int spi_log_level = SPOUT_LOG_INFO;
atomic_bool spi_log_unflushed; /* set with the lock held */
static _Atomic(int64_t (*)(void)) wall_clock;

/* Guards everything below it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static spout_log_format log_format = SPOUT_LOG_TEXT;
static char held_back[HELD_BACK_MAX];
static size_t held_back_len;
static time_t prefix_second = -1;
static char prefix_time[80]; /* "261122 06:32:13" */
static size_t prefix_time_len;

static _Thread_local bool in_sink;
static _Thread_local spi_log_own_sink *own_sink;
static pthread_once_t process_once = PTHREAD_ONCE_INIT;

int64_t spi_wall_clock_us(void)
{
    int64_t (*replaced)(void) = atomic_load_explicit(&wall_clock, memory_order_relaxed);
    if (replaced)
        return replaced();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void spi_wall_clock_replace(int64_t (*clock_us)(void))
{
    atomic_store_explicit(&wall_clock, clock_us, memory_order_relaxed);
}

/* A stderr that takes nothing (closed, or a full pipe that doesn't block) loses lines: better than
   a server that stands. */
static void write_stderr(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDERR_FILENO, data, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        data += written;
        len -= (size_t)written;
    }
}

static void default_flush(void *self)
{
    (void)self;
    write_stderr(held_back, held_back_len);
    held_back_len = 0;
}

static void hold_back(const char *data, size_t len)
{
    if (len > HELD_BACK_MAX - held_back_len)
        default_flush(NULL);
    if (len > HELD_BACK_MAX) {
        write_stderr(data, len);
        return;
    }
    spi_put(held_back + held_back_len, data, len);
    held_back_len += len;
}

static char level_letter(spout_log_level level)
{
    switch (level) {
    case SPOUT_LOG_DEBUG: return 'D';
    case SPOUT_LOG_INFO: return 'I';
    case SPOUT_LOG_WARNING: return 'W';
    case SPOUT_LOG_ERROR: return 'E';
    case SPOUT_LOG_OFF: break;
    }
    return '?';
}

static void format_time(time_t second)
{
    struct tm local;
    if (second == prefix_second)
        return;
    if (localtime_r(&second, &local))
        snprintf(prefix_time, sizeof prefix_time, "%02d%02d%02d %02d:%02d:%02d",
            local.tm_year % 100, local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min,
            local.tm_sec);
    prefix_time_len = strlen(prefix_time);
    prefix_second = second;
}

static void write_json(const spout_log_record *record, const char *raw)
{
    spi_buffer line;
    spi_buffer_init(&line, SIZE_MAX);
    spi_log_json_line(&line, record, raw);
    hold_back(spi_buffer_head(&line), spi_buffer_len(&line));
    spi_buffer_release(&line);
}

static void write_text(const spout_log_record *record, size_t len)
{
    char prefix[sizeof prefix_time + 32], *at = prefix;
    const char *name = spi_log_logger_name(record->logger);
    format_time((time_t)(record->time_us / 1000000));
    *at++ = '[';
    *at++ = level_letter(record->level);
    *at++ = ' ';
    at = spi_put(at, prefix_time, prefix_time_len);
    *at++ = ' ';
    at = spi_put(at, name, strlen(name));
    at = SPI_PUT_LITERAL(at, "] ");
    hold_back(prefix, (size_t)(at - prefix));
    hold_back(record->message, len);
    if (record->request_id) {
        hold_back(" [", 2);
        hold_back(record->request_id, strlen(record->request_id));
        hold_back("]", 1);
    }
    hold_back("\n", 1);
}

/* `len` is the message's; `raw` is what it was before it was escaped, which JSON does in its own
   way, or NULL. */
static void write_line(const spout_log_record *record, size_t len, const char *raw)
{
    if (log_format == SPOUT_LOG_JSON)
        write_json(record, raw);
    else
        write_text(record, len);
    if (record->level >= SPOUT_LOG_ERROR)
        default_flush(NULL);
}

static void default_write(void *self, const spout_log_record *record)
{
    (void)self;
    write_line(record, strlen(record->message), NULL);
}

static const spout_log_sink default_sink = { .write = default_write, .flush = default_flush };
static spout_log_sink sink = { .write = default_write, .flush = default_flush };

/* With the lock held. */
static void flush_sink(void)
{
    if (!atomic_exchange_explicit(&spi_log_unflushed, false, memory_order_relaxed) || !sink.flush)
        return;
    bool nested = in_sink;
    in_sink = true;
    sink.flush(sink.self);
    in_sink = nested;
}

static void flush_own(void)
{
    if (!own_sink || !own_sink->unflushed)
        return;
    own_sink->unflushed = false;
    if (!own_sink->sink.flush)
        return;
    in_sink = true;
    own_sink->sink.flush(own_sink->sink.self);
    in_sink = false;
}

void spi_log_use_own(spi_log_own_sink *own)
{
    flush_own();
    own_sink = own;
}

void spout_log_flush(void)
{
    if (!in_sink)
        flush_own();
    if (in_sink || !atomic_load_explicit(&spi_log_unflushed, memory_order_relaxed))
        return;
    pthread_mutex_lock(&lock);
    flush_sink();
    pthread_mutex_unlock(&lock);
}

void spi_log_flush_if_free(void)
{
    if (in_sink || pthread_mutex_trylock(&lock) != 0)
        return;
    flush_sink();
    pthread_mutex_unlock(&lock);
}

/* A child process starts with nothing held back, else its parent's lines would come twice; and with
   a free lock. */
static void before_fork(void)
{
    pthread_mutex_lock(&lock);
    flush_sink();
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void watch_process(void)
{
    atexit(spout_log_flush);
    pthread_atfork(before_fork, after_fork, after_fork);
}

void spout_log_set_sink(const spout_log_sink *replacement)
{
    pthread_mutex_lock(&lock);
    flush_sink();
    sink = replacement ? *replacement : default_sink;
    pthread_mutex_unlock(&lock);
}

void spout_log_set_format(spout_log_format format)
{
    pthread_mutex_lock(&lock);
    log_format = format;
    pthread_mutex_unlock(&lock);
}

void spout_log_set_level(spout_log_level level)
{
    atomic_store_explicit(&spi_log_level, (int)level, memory_order_relaxed);
}

spout_log_level spout_log_get_level(void)
{
    return (spout_log_level)atomic_load_explicit(&spi_log_level, memory_order_relaxed);
}

bool spout_log_enabled(spout_log_level level)
{
    return spi_log_is_on(level);
}

int spout_log_level_parse(const char *text, spout_log_level *ret_level)
{
    static const char *const names[] = { "debug", "info", "warning", "error", "none" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!spi_text_equal_nocase(text, names[i]))
            continue;
        *ret_level = (spout_log_level)i;
        return 0;
    }
    return spout_error_set(
        SPOUT_EINVAL, "\"%s\" is no log level: debug, info, warning, error or none", text);
}

/* The bytes of a control character at `at`: C0, DEL, or a C1 one in UTF-8, which some terminals
   obey; else 0. */
static size_t control_len(const unsigned char *at)
{
    if (*at < 0x20 || *at == 0x7F)
        return 1;
    return *at == 0xC2 && at[1] >= 0x80 && at[1] <= 0x9F ? 2 : 0;
}

static bool needs_escape(const char *text, bool utf8)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (control_len(at) || (!utf8 && *at >= 0x80))
            return true;
    }
    return false;
}

/* A copy that is one line of UTF-8: control characters, or all bytes beyond ASCII if the text is
   none, as \xNN. */
static char *escape(const char *text, bool utf8)
{
    char *copy = spi_malloc(strlen(text) * 4 + 1);
    char *out = copy;
    size_t pending = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (!pending)
            pending = !utf8 && *at >= 0x80 ? 1 : control_len(at);
        if (!pending) {
            *out++ = (char)*at;
            continue;
        }
        pending--;
        if (*at == '\n') {
            memcpy(out, "\\n", 2);
            out += 2;
        } else {
            memcpy(out, "\\x", 2);
            spi_hex_encode(out + 2, at, 1);
            out += 4;
        }
    }
    *out = '\0';
    return copy;
}

static void deliver_own(const spout_log_record *record)
{
    if (!own_sink->sink.write)
        return;
    in_sink = true;
    own_sink->sink.write(own_sink->sink.self, record);
    in_sink = false;
    own_sink->unflushed = true;
}

/* As write_line. */
static void deliver(const spout_log_record *record, size_t len, const char *raw)
{
    if (own_sink) {
        deliver_own(record);
        return;
    }
    pthread_once(&process_once, watch_process);
    pthread_mutex_lock(&lock);
    if (sink.write) {
        in_sink = true;
        if (sink.write == default_write)
            write_line(record, len, raw);
        else
            sink.write(sink.self, record);
        in_sink = false;
        atomic_store_explicit(&spi_log_unflushed, true, memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock);
}

/* errno stays as it is: a line may say what it means. */
static void log_line(
    spout_logger logger, spout_log_level level, int64_t time_us, const char *text, size_t len)
{
    spout_log_record record = { logger, level, time_us, text, NULL };
    if (logger != SPOUT_LOGGER_ACCESS)
        record.request_id = spi_context_current()->request_id;
    if (spi_is_plain(text, len)) {
        deliver(&record, len, NULL);
        return;
    }
    bool utf8 = spi_is_utf8(text, len);
    char *escaped = needs_escape(text, utf8) ? escape(text, utf8) : NULL;
    if (escaped)
        record.message = escaped;
    deliver(&record, strlen(record.message), escaped ? text : NULL);
    spi_free(escaped);
}

void spi_log_text(
    spout_logger logger, spout_log_level level, int64_t time_us, const char *text, size_t len)
{
    if (!spi_log_is_on(level) || in_sink)
        return;
    int kept_errno = errno;
    log_line(logger, level, time_us, text, len);
    errno = kept_errno;
}

SPOUT_PRINTF(3, 0)
static void log_args(spout_logger logger, spout_log_level level, const char *format, va_list args)
{
    if (!spout_log_enabled(level) || in_sink)
        return;
    int kept_errno = errno;
    char small[1024];
    char *text = small, *large = NULL;
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(small, sizeof small, format, args);
    if (len < 0) {
        small[0] = '\0';
    } else if ((size_t)len >= sizeof small) {
        text = large = spi_malloc((size_t)len + 1);
        vsnprintf(large, (size_t)len + 1, format, again);
    }
    va_end(again);
    log_line(logger, level, spi_wall_clock_us(), text, strlen(text));
    spi_free(large);
    errno = kept_errno;
}

void spout_log(spout_logger logger, spout_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_args(logger, level, format, args);
    va_end(args);
}

void spout_log_debug(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_args(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_DEBUG, format, args);
    va_end(args);
}

void spout_log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_args(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_INFO, format, args);
    va_end(args);
}

void spout_log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_args(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_WARNING, format, args);
    va_end(args);
}

void spout_log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_args(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, format, args);
    va_end(args);
}

void spi_log_debug(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_args(SPOUT_LOGGER_GENERAL, SPOUT_LOG_DEBUG, format, args);
    va_end(args);
}

void spi_log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_args(SPOUT_LOGGER_GENERAL, SPOUT_LOG_INFO, format, args);
    va_end(args);
}

void spi_log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_args(SPOUT_LOGGER_GENERAL, SPOUT_LOG_WARNING, format, args);
    va_end(args);
}

void spi_log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_args(SPOUT_LOGGER_GENERAL, SPOUT_LOG_ERROR, format, args);
    va_end(args);
}

void spi_log_current_error(spout_logger logger, spout_log_level level, const char *what)
{
    if (!spout_log_enabled(level))
        return;
    spi_buffer line;
    spi_buffer_init(
        &line, SIZE_MAX); /* a chain is short, and a failure here would replace the error */
    const spout_error *error = spout_error_current();
    if (spi_buffer_append_text(&line, what) < 0)
        error = NULL;
    for (; error; error = spout_error_get_cause(error)) {
        if (spi_buffer_append_format(&line, ": %s", spout_error_get_message(error)) < 0)
            break;
    }
    spout_log(logger, level, "%s", spi_buffer_text(&line));
    spi_buffer_release(&line);
}
