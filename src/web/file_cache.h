/*
 * Files that were served lately: small ones in memory, others open, with all that their replies
 * need. One cache for each static folder, and one for an application's single files; made when the
 * first file is asked for.
 *
 * A file in here is one state of one inode. Before it is used its path is looked at again, once in
 * a turn of the loop at most: requests of one turn were sent before that look. What is not the same
 * any more is dropped, and whoever still sends from it holds a reference.
 *
 * A file that was changed a moment ago may be changed again without its times showing it: until
 * these are old enough its content is not kept.
 */
#ifndef SPI_FILE_CACHE_H
#define SPI_FILE_CACHE_H

#include <spout/loop.h>

#include "base/list.h"
#include "base/map.h"
#include "loop/loop.h"
#include "net/transport.h"

#include <sys/stat.h>

enum {
    SPI_FILE_IN_MEMORY = 64 * 1024, /* up to here it is read instead of sent by sendfile */
    SPI_FILE_GRAIN_MS = 20,         /* how far apart changes are that have different times */
    SPI_FILE_IDLE_MS = 60 * 1000,   /* so long unused, and it goes */
    SPI_FILE_VERSION_MAX = 65,
    SPI_FILE_TAG_MAX = 72,
    SPI_HASH_MEMO_MAX = 1024
};

typedef struct spi_file_cache spi_file_cache;
typedef struct spi_hash_memo spi_hash_memo;

/* By which a change is known. */
typedef struct spi_file_state {
    dev_t device;
    ino_t inode;
    int64_t size;
    struct timespec modified, changed;
} spi_file_state;

typedef struct spi_file {
    spi_list node; /* in the cache, the one used last in front */
    size_t refs;
    spi_file_cache *cache; /* NULL: dropped */
    spi_shared_file *open; /* NULL: its bytes are in memory */
    char *bytes;
    int64_t size, modified; /* seconds since 1970 */
    spi_file_state state;
    uint64_t turn;   /* in which it was last looked at */
    int64_t used_ms; /* monotonic */
    const char *content_type;
    char last_modified[30];
    char version[SPI_FILE_VERSION_MAX]; /* hex of its hash; "": not known yet */
    char etag[SPI_FILE_TAG_MAX];        /* the same in quotes */
    bool sha256, hashable;
    int64_t grain_ms;
    bool hashing, changed; /* being hashed; seen not to be what it was */
    spi_list waiters;      /* for the hash */
    uint64_t lacks_turn;   /* in which `lacks` was found out */
    unsigned lacks;        /* neighbours that are not there */
    char path[];
} spi_file;

/* How files are found, and how much is kept. */
typedef struct spi_file_source {
    /* Opens a path for reading; -1 with errno. */
    int (*open)(const void *self, const char *path);
    const void *self;
    int folder;         /* that paths are relative to, or AT_FDCWD */
    bool links;         /* symbolic links at the end of a path are looked through */
    bool sha256;        /* or XXH3 */
    int64_t max_open;   /* files */
    int64_t max_memory; /* bytes */
    int64_t max_hashed; /* of a file that is hashed */
} spi_file_source;

struct spi_file_cache {
    spi_list node; /* of the loop's caches */
    spout_loop *loop;
    spi_file_source source;
    spi_map *files;             /* by path */
    spi_list open, in_memory;   /* in order of use */
    int64_t open_count, memory; /* what counts against the limits */
    int64_t grain_ms;
    spi_timer timer;
    spi_hash_memo *memo;    /* NULL: none yet */
    uint64_t loads, hashes; /* since it was made */
};

/* On the loop, or later on the next one that asks. */
spi_file_cache *spi_file_cache_new(const spi_file_source *source);
void spi_file_cache_free(spi_file_cache *cache); /* NULL is fine */

/* The loop goes: empties all its caches. */
void spi_file_caches_leave(spi_list *caches);

/* 0 with a reference to the regular file that the path leads to now; `fresh`: looked at in any
   case. -1 with errno: EISDIR for a folder, ENXIO for what is neither. */
int spi_file_cache_get(
    spi_file_cache *cache, spout_loop *loop, const char *path, bool fresh, spi_file **ret_file);
void spi_file_unref(spi_file *file);

/* For so many ms more its times may not tell that it has changed again; 0: they do. */
int64_t spi_file_youth_ms(const spi_file_state *state, int64_t grain_ms);
spi_file_state spi_file_state_of(const struct stat *info);
bool spi_file_state_equal(const spi_file_state *a, const spi_file_state *b);

/* One more of something, for the loop's metrics: see <spout/static.h>. */
void spi_file_cache_count(const spi_file_cache *cache, const char *name, int64_t delta);

/* Drops it from its cache, if it is in one. */
void spi_file_drop(spi_file *file);

/*
 * Finds out its hash, in the executor if it isn't in memory; waits for who does that already. 0: it
 * has a version and a tag; SPI_FILE_UNHASHED: it is too large, or could not be read: spi_file_tag
 * makes another; SPI_FILE_CHANGED: it changed meanwhile, and was dropped; < 0: the end of the wait.
 */
enum { SPI_FILE_UNHASHED = 1, SPI_FILE_CHANGED };
int spi_file_hash(spi_file *file) SPOUT_SUSPENDS;
void spi_file_hash_bytes(spi_file *file); /* of one in memory */

/* A tag made of its state, in quotes, weak while it is young. */
void spi_file_tag(const spi_file *file, char out[SPI_FILE_TAG_MAX]);

/* --- hashes of files that are not kept any more (file_memo.c) --- */

spi_hash_memo *spi_hash_memo_new(void);
void spi_hash_memo_free(spi_hash_memo *memo); /* NULL is fine */
void spi_hash_memo_add(spi_hash_memo *memo, const spi_file_state *state, const char *version);
const char *spi_hash_memo_find(spi_hash_memo *memo, const spi_file_state *state); /* or NULL */
size_t spi_hash_memo_count(const spi_hash_memo *memo);

#endif
