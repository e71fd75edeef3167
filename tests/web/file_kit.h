/* A cache of files that is of no folder and no application, for its tests. */
#ifndef TEST_WEB_FILE_KIT_H
#define TEST_WEB_FILE_KIT_H

#include "folder.h"
#include "web/file_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static inline int file_kit_open(const void *self, const char *path)
{
    (void)self;
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* In place of another. What was written just now counts as old. */
static inline spi_file_cache *file_kit_cache(
    spi_file_cache *before, bool sha256, int64_t max_open, int64_t max_memory, int64_t max_hashed)
{
    spi_file_cache_free(before);
    spi_file_cache *cache = spi_file_cache_new(&(spi_file_source){ .open = file_kit_open,
        .folder = AT_FDCWD,
        .links = true,
        .sha256 = sha256,
        .max_open = max_open,
        .max_memory = max_memory,
        .max_hashed = max_hashed });
    cache->grain_ms = 0;
    return cache;
}

static inline spi_file *file_kit_get(spi_file_cache *cache, spout_loop *loop, const char *name)
{
    spi_file *file = NULL;
    if (spi_file_cache_get(cache, loop, folder_path(name), false, &file) < 0)
        fail_msg("%s: %s", name, strerror(errno));
    return file;
}

#endif
