/* Hashes of files: at once for those in memory, off the loop for others. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <spout/error.h>
#include <spout/executor.h>

#include "base/digest.h"
#include "base/memory.h"
#include "base/text.h"
#include "loop/task.h"
#include "web/file_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 256 * 1024, HASH_MAX = 32 };

typedef enum outcome { HASHED, CHANGED, UNREADABLE } outcome;

/* What the thread works on: nothing of it is touched by the loop meanwhile. */
typedef struct hash_work {
    int fd;
    bool sha256;
    int64_t grain_ms;
    spi_file_state state;
    unsigned char hash[HASH_MAX];
    outcome outcome;
} hash_work;

static void put_version(spi_file *file, const char *version)
{
    size_t len = strlen(version);
    memcpy(file->version, version, len + 1);
    file->etag[0] = '"';
    memcpy(file->etag + 1, version, len);
    memcpy(file->etag + 1 + len, "\"", 2);
}

static void put_hash(spi_file *file, const unsigned char *hash)
{
    char version[SPI_FILE_VERSION_MAX];
    size_t len = file->sha256 ? 32 : 16;
    spi_hex_encode(version, hash, len);
    version[len * 2] = '\0';
    put_version(file, version);
}

void spi_file_hash_bytes(spi_file *file)
{
    unsigned char hash[HASH_MAX];
    if (file->sha256)
        spi_sha256(hash, file->bytes, (size_t)file->size);
    else
        spi_content_hash(hash, file->bytes, (size_t)file->size);
    put_hash(file, hash);
}

/* Until a change would show. */
static void grow_old(const hash_work *work)
{
    int64_t left_ms = spi_file_youth_ms(&work->state, work->grain_ms);
    if (left_ms > 0)
        nanosleep(&(struct timespec){ left_ms / 1000, (long)(left_ms % 1000) * 1000000 }, NULL);
}

static bool feed_file(const hash_work *work, spi_content_hasher *hasher)
{
    char *piece = spi_malloc(PIECE);
    int64_t at = 0;
    while (at < work->state.size) {
        ssize_t got = pread(work->fd, piece, PIECE, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        spi_content_hasher_feed(hasher, piece, (size_t)got);
        at += got;
    }
    spi_free(piece);
    return at == work->state.size;
}

static bool is_unchanged(const hash_work *work)
{
    struct stat info;
    if (fstat(work->fd, &info) < 0)
        return false;
    spi_file_state now = spi_file_state_of(&info);
    return spi_file_state_equal(&work->state, &now);
}

static int hash_file(void *arg)
{
    hash_work *work = arg;
    grow_old(work);
    spi_content_hasher *hasher = work->sha256 ? spi_content_hasher_new_sha256()
                                              : spi_content_hasher_new();
    bool whole = feed_file(work, hasher);
    spi_content_hasher_finish(hasher, work->hash);
    if (!is_unchanged(work))
        work->outcome = CHANGED;
    else
        work->outcome = whole ? HASHED : UNREADABLE;
    return 0;
}

static int take_outcome(spi_file *file, const hash_work *work)
{
    switch (work->outcome) {
    case HASHED: break;
    case CHANGED:
        file->changed = true;
        spi_file_drop(file);
        return SPI_FILE_CHANGED;
    case UNREADABLE: return SPI_FILE_UNHASHED;
    }
    put_hash(file, work->hash);
    spi_file_cache *cache = file->cache;
    if (!cache)
        return 0;
    if (!cache->memo)
        cache->memo = spi_hash_memo_new();
    spi_hash_memo_add(cache->memo, &file->state, file->version);
    cache->hashes++;
    spi_file_cache_count(cache, "static_hashes", 1);
    return 0;
}

/* Those who wait for it are woken whatever comes of it. */
static int hash_now(spi_file *file)
{
    hash_work work = {
        .fd = file->open->fd,
        .sha256 = file->sha256,
        .grain_ms = file->grain_ms,
        .state = file->state,
    };
    file->hashing = true;
    int result = spout_run_in_executor(hash_file, &work);
    file->hashing = false;
    if (result == 0)
        result = take_outcome(file, &work);
    else if (result != SPOUT_ECANCELED && result != SPOUT_ETIMEDOUT)
        result = SPI_FILE_UNHASHED;
    spi_wake_all(&file->waiters);
    return result;
}

static bool is_remembered(spi_file *file)
{
    const char *version = file->cache && file->cache->memo
                              ? spi_hash_memo_find(file->cache->memo, &file->state)
                              : NULL;
    if (version)
        put_version(file, version);
    return version;
}

/* Who is woken without a hash takes over: who did it was cancelled, or it can't be done. The
   caller's reference keeps the descriptor open. */
int spi_file_hash(spi_file *file)
{
    while (!*file->version) {
        if (file->changed)
            return SPI_FILE_CHANGED;
        if (!file->hashable)
            return SPI_FILE_UNHASHED;
        if (is_remembered(file))
            return 0;
        if (!file->hashing)
            return hash_now(file);
        int result = spi_wait(&file->waiters, "file hash");
        if (result < 0)
            return result;
    }
    return 0;
}

void spi_file_tag(const spi_file *file, char out[SPI_FILE_TAG_MAX])
{
    const spi_file_state *state = &file->state;
    const int64_t facts[] = { (int64_t)state->device, (int64_t)state->inode, state->size,
        (int64_t)state->modified.tv_sec, (int64_t)state->modified.tv_nsec,
        (int64_t)state->changed.tv_sec, (int64_t)state->changed.tv_nsec };
    unsigned char hash[16];
    spi_content_hash(hash, facts, sizeof facts);
    char *at = out;
    if (file->changed || spi_file_youth_ms(state, file->grain_ms) > 0) {
        memcpy(at, "W/", 2);
        at += 2;
    }
    *at++ = '"';
    spi_hex_encode(at, hash, sizeof hash);
    memcpy(at + 32, "\"", 2);
}
