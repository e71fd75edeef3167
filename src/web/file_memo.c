/* Hashes of large files outlive what is kept of these: hashing one again costs more than a line in
   here. Bounded; the one used longest ago goes. */
#include "base/memory.h"
#include "web/file_cache.h"

typedef struct key {
    int64_t facts[7];
} key;

typedef struct memo {
    spi_list node;
    key key;
    char version[SPI_FILE_VERSION_MAX];
} memo;

struct spi_hash_memo {
    spi_map *memos;
    spi_list order; /* the one used last in front */
};

static key key_of(const spi_file_state *state)
{
    return (key){ { (int64_t)state->device, (int64_t)state->inode, state->size,
        (int64_t)state->modified.tv_sec, (int64_t)state->modified.tv_nsec,
        (int64_t)state->changed.tv_sec, (int64_t)state->changed.tv_nsec } };
}

spi_hash_memo *spi_hash_memo_new(void)
{
    spi_hash_memo *all = spi_malloc(sizeof *all);
    all->memos = spi_map_new();
    spi_list_init(&all->order);
    return all;
}

static void drop(spi_hash_memo *all, memo *one)
{
    spi_map_remove(all->memos, &one->key, sizeof one->key);
    spi_list_remove(&one->node);
    spi_free(one);
}

void spi_hash_memo_free(spi_hash_memo *all)
{
    if (!all)
        return;
    for (spi_list *node; (node = spi_list_first(&all->order));)
        drop(all, spi_container(node, memo, node));
    spi_map_free(all->memos);
    spi_free(all);
}

void spi_hash_memo_add(spi_hash_memo *all, const spi_file_state *state, const char *version)
{
    if (spi_hash_memo_find(all, state))
        return;
    if (spi_map_count(all->memos) == SPI_HASH_MEMO_MAX)
        drop(all, spi_container(all->order.prev, memo, node));
    memo *one = spi_calloc(sizeof *one);
    one->key = key_of(state);
    memcpy(one->version, version, strlen(version) + 1);
    spi_map_set(all->memos, &one->key, sizeof one->key, one);
    spi_list_push_front(&all->order, &one->node);
}

const char *spi_hash_memo_find(spi_hash_memo *all, const spi_file_state *state)
{
    key wanted = key_of(state);
    memo *one = spi_map_get(all->memos, &wanted, sizeof wanted);
    if (!one)
        return NULL;
    spi_list_remove(&one->node);
    spi_list_push_front(&all->order, &one->node);
    return one->version;
}

size_t spi_hash_memo_count(const spi_hash_memo *all)
{
    return spi_map_count(all->memos);
}
