#include "web/file_cache.h"

#include <spout/httputil.h>

#include "base/memory.h"
#include "web/request.h"
#include "web/static.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { MAX_READS = 3 };

/* --- states --- */

spi_file_state spi_file_state_of(const struct stat *info)
{
    return (spi_file_state){ info->st_dev, info->st_ino, (int64_t)info->st_size, info->st_mtim,
        info->st_ctim };
}

static bool time_equal(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool spi_file_state_equal(const spi_file_state *a, const spi_file_state *b)
{
    return a->inode == b->inode && a->size == b->size && a->device == b->device &&
           time_equal(a->modified, b->modified) && time_equal(a->changed, b->changed);
}

/* By the clock that the system's file systems use, whatever the loop's says. Times in whole seconds
   are of a file system that knows no others. */
int64_t spi_file_youth_ms(const spi_file_state *state, int64_t grain_ms)
{
    enum { COARSE_MS = 2000 };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    bool coarse = state->changed.tv_nsec == 0 && state->modified.tv_nsec == 0;
    int64_t span_ms = coarse && grain_ms ? COARSE_MS : grain_ms;
    int64_t age_ms = ((int64_t)now.tv_sec - (int64_t)state->changed.tv_sec) * 1000 +
                     (now.tv_nsec - state->changed.tv_nsec) / 1000000;
    return age_ms < 0 ? span_ms : age_ms < span_ms ? span_ms - age_ms : 0;
}

/* --- files --- */

static spi_file *file_new(const char *path, const spi_file_state *state)
{
    size_t len = strlen(path);
    spi_file *file = spi_calloc(sizeof *file + len + 1);
    memcpy(file->path, path, len + 1);
    spi_list_init(&file->node);
    spi_list_init(&file->waiters);
    file->refs = 1;
    file->state = *state;
    file->size = state->size;
    file->modified = (int64_t)state->modified.tv_sec;
    file->content_type = spi_mime_type(path);
    spout_format_timestamp(file->modified, file->last_modified);
    return file;
}

void spi_file_unref(spi_file *file)
{
    if (!file || --file->refs > 0)
        return;
    spi_shared_file_unref(file->open);
    spi_free(file->bytes);
    spi_free(file);
}

/* What a file in memory counts for. */
static int64_t cost_of(const spi_file *file)
{
    return (int64_t)(sizeof *file + strlen(file->path)) + file->size;
}

void spi_file_cache_count(const spi_file_cache *cache, const char *name, int64_t delta)
{
    spi_loop_count(cache->loop, name, delta);
}

/* What is kept has changed by one file. */
static void change_sum(spi_file_cache *cache, const spi_file *file, int64_t sign)
{
    if (file->open) {
        cache->open_count += sign;
        spi_file_cache_count(cache, "static_open_files", sign);
    } else {
        cache->memory += sign * cost_of(file);
        spi_file_cache_count(cache, "static_memory_bytes", sign * cost_of(file));
    }
}

void spi_file_drop(spi_file *file)
{
    spi_file_cache *cache = file->cache;
    if (!cache)
        return;
    change_sum(cache, file, -1);
    spi_list_remove(&file->node);
    spi_map_remove(cache->files, file->path, strlen(file->path));
    file->cache = NULL;
    spi_file_unref(file);
}

static void drop_all(spi_list *files)
{
    for (spi_list *node; (node = spi_list_first(files));)
        spi_file_drop(spi_container(node, spi_file, node));
}

/* --- the cache --- */

spi_file_cache *spi_file_cache_new(const spi_file_source *source)
{
    spi_file_cache *cache = spi_calloc(sizeof *cache);
    spi_list_init(&cache->node);
    spi_list_init(&cache->open);
    spi_list_init(&cache->in_memory);
    cache->source = *source;
    cache->files = spi_map_new();
    cache->grain_ms = SPI_FILE_GRAIN_MS;
    return cache;
}

static void leave_loop(spi_file_cache *cache)
{
    drop_all(&cache->open);
    drop_all(&cache->in_memory);
    spi_timer_stop(cache->loop, &cache->timer);
    spi_list_remove(&cache->node);
    cache->loop = NULL;
}

void spi_file_cache_free(spi_file_cache *cache)
{
    if (!cache)
        return;
    if (cache->loop)
        leave_loop(cache);
    spi_map_free(cache->files);
    spi_hash_memo_free(cache->memo);
    spi_free(cache);
}

void spi_file_caches_leave(spi_list *caches)
{
    for (spi_list *node; (node = spi_list_first(caches));)
        leave_loop(spi_container(node, spi_file_cache, node));
}

static void enter_loop(spi_file_cache *cache, spout_loop *loop)
{
    if (cache->loop == loop)
        return;
    if (cache->loop)
        leave_loop(cache);
    cache->loop = loop;
    spi_list_push(&spi_web_loop_of(loop)->file_caches, &cache->node);
}

static void drop_idle(spi_list *files, int64_t before_ms)
{
    while (!spi_list_is_empty(files)) {
        spi_file *last = spi_container(files->prev, spi_file, node);
        if (last->used_ms > before_ms)
            return;
        spi_file_drop(last);
    }
}

static void on_timer(spi_timer *timer);

static void watch_idle(spi_file_cache *cache)
{
    spi_timer_start(
        cache->loop, &cache->timer, spi_loop_now(cache->loop) + SPI_FILE_IDLE_MS, on_timer);
}

static void on_timer(spi_timer *timer)
{
    spi_file_cache *cache = spi_container(timer, spi_file_cache, timer);
    int64_t before_ms = spi_loop_now(cache->loop) - SPI_FILE_IDLE_MS;
    drop_idle(&cache->open, before_ms);
    drop_idle(&cache->in_memory, before_ms);
    if (spi_map_count(cache->files) > 0)
        watch_idle(cache);
}

static void touch(spi_file *file, spi_list *files)
{
    file->used_ms = spi_loop_now(file->cache->loop);
    if (files->next == &file->node)
        return;
    spi_list_remove(&file->node);
    spi_list_push_front(files, &file->node);
}

static void keep(spi_file_cache *cache, spi_file *file)
{
    const spi_file_source *source = &cache->source;
    int64_t cost = file->open ? 1 : cost_of(file);
    if (cost > (file->open ? source->max_open : source->max_memory))
        return;
    const int64_t *sum = file->open ? &cache->open_count : &cache->memory;
    int64_t limit = file->open ? source->max_open : source->max_memory;
    spi_list *files = file->open ? &cache->open : &cache->in_memory;
    while (*sum > limit - cost)
        spi_file_drop(spi_container(files->prev, spi_file, node));
    if (spi_map_count(cache->files) == 0)
        watch_idle(cache);
    change_sum(cache, file, 1);
    file->cache = cache;
    file->refs++;
    spi_map_set(cache->files, file->path, strlen(file->path), file);
    spi_list_push_front(files, &file->node);
    file->used_ms = spi_loop_now(cache->loop);
}

/* --- loading --- */

/* All of it; false: it has become shorter, or can't be read. */
static bool read_bytes(int fd, char *out, int64_t size)
{
    for (int64_t at = 0; at < size;) {
        ssize_t got = pread(fd, out + at, (size_t)(size - at), at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
    }
    return true;
}

/* Into memory. 1: its state changed meanwhile, which is `state` now. */
static int read_file(int fd, spi_file_state *state, char **ret_bytes)
{
    char *bytes = spi_malloc((size_t)state->size + 1);
    struct stat info;
    errno = 0;
    bool good = read_bytes(fd, bytes, state->size);
    int errnum = errno;
    if (fstat(fd, &info) == 0) {
        spi_file_state after = spi_file_state_of(&info);
        if (good && spi_file_state_equal(state, &after)) {
            *ret_bytes = bytes;
            return 0;
        }
        good = good || !spi_file_state_equal(state, &after);
        *state = after;
    }
    spi_free(bytes);
    errno = errnum ? errnum : EIO;
    return good ? 1 : -1;
}

/* -1: it can't be read; 1: it is not for memory, or never the same for long. */
static int load_bytes(spi_file_cache *cache, int fd, spi_file_state *state, char **ret_bytes)
{
    int result = 1;
    for (int i = 0; i < MAX_READS && result == 1; i++) {
        if (state->size > SPI_FILE_IN_MEMORY || cache->source.max_memory == 0)
            return 1;
        result = read_file(fd, state, ret_bytes);
    }
    return result;
}

/* Takes fd. */
static int load(spi_file_cache *cache, const char *path, int fd, spi_file **ret_file)
{
    struct stat info;
    char *bytes = NULL;
    int result = fstat(fd, &info);
    if (result == 0 && !S_ISREG(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : ENXIO;
        result = -1;
    }
    if (result < 0) {
        int errnum = errno;
        close(fd);
        errno = errnum;
        return -1;
    }
    spi_file_state state = spi_file_state_of(&info);
    result = load_bytes(cache, fd, &state, &bytes);
    if (result < 0) {
        int errnum = errno;
        close(fd);
        errno = errnum;
        return -1;
    }
    spi_file *file = file_new(path, &state);
    cache->loads++;
    spi_file_cache_count(cache, "static_loads", 1);
    file->sha256 = cache->source.sha256;
    file->hashable = state.size <= cache->source.max_hashed;
    file->grain_ms = cache->grain_ms;
    if (bytes) {
        close(fd);
        file->bytes = bytes;
        spi_file_hash_bytes(file);
    } else {
        file->open = spi_shared_file_new(fd);
    }
    *ret_file = file;
    return 0;
}

/* What is kept only for speed makes room. */
static int open_file(spi_file_cache *cache, const char *path)
{
    int fd = cache->source.open(cache->source.self, path);
    if (fd >= 0 || (errno != EMFILE && errno != ENFILE) || spi_list_is_empty(&cache->open))
        return fd;
    drop_all(&cache->open);
    return cache->source.open(cache->source.self, path);
}

static bool is_current(const spi_file *file)
{
    const spi_file_source *source = &file->cache->source;
    struct stat info;
    if (fstatat(source->folder, file->path, &info, source->links ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    spi_file_state now = spi_file_state_of(&info);
    return S_ISREG(info.st_mode) && spi_file_state_equal(&file->state, &now);
}

/* One that is kept and still right, or NULL. */
static spi_file *find(spi_file_cache *cache, const char *path, bool fresh)
{
    spi_file *file = spi_map_get(cache->files, path, strlen(path));
    if (!file)
        return NULL;
    uint64_t turn = spi_loop_turn(cache->loop);
    if (fresh || !turn || file->turn != turn) {
        if (!is_current(file)) {
            spi_file_drop(file);
            return NULL;
        }
        file->turn = turn;
    }
    touch(file, file->open ? &cache->open : &cache->in_memory);
    file->refs++;
    return file;
}

int spi_file_cache_get(
    spi_file_cache *cache, spout_loop *loop, const char *path, bool fresh, spi_file **ret_file)
{
    enter_loop(cache, loop);
    spi_file *file = find(cache, path, fresh);
    if (!file) {
        int fd = open_file(cache, path);
        if (fd < 0 || load(cache, path, fd, &file) < 0)
            return -1;
        file->turn = spi_loop_turn(loop);
        if (file->open || spi_file_youth_ms(&file->state, cache->grain_ms) == 0)
            keep(cache, file);
    }
    *ret_file = file;
    return 0;
}
