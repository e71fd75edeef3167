/* Sessions in memory: a map, and a list with the one that was used last at its end. */
#include <spout/error.h>
#include <spout/escape.h>
#include <spout/loop.h>
#include <spout/session.h>

#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "http/json.h"

enum { DEFAULT_MAX = 100000 };

typedef struct entry {
    spi_list node;
    char *id, *text;
    int64_t expires_ms;
} entry;

typedef struct memory_store {
    spout_session_store table; /* first: the store is freed by its address */
    spi_map *entries;
    spi_list by_use;
    size_t max;
} memory_store;

static void free_entry(memory_store *store, entry *e)
{
    spi_map_remove(store->entries, e->id, strlen(e->id));
    spi_list_remove(&e->node);
    spi_free(e->id);
    spi_free(e->text);
    spi_free(e);
}

static entry *find(memory_store *store, const char *id)
{
    entry *e = spi_map_get(store->entries, id, strlen(id));
    if (!e || e->expires_ms > spout_time_ms())
        return e;
    free_entry(store, e);
    return NULL;
}

static void use(memory_store *store, entry *e)
{
    spi_list_remove(&e->node);
    spi_list_push(&store->by_use, &e->node);
}

static int load(void *self, const char *id, json_t **ret_data)
{
    memory_store *store = self;
    entry *e = find(store, id);
    *ret_data = NULL;
    if (!e)
        return 0;
    use(store, e);
    *ret_data = spout_json_parse(spout_bytes_of(e->text));
    return *ret_data ? 0 : spout_error_code_current();
}

static entry *add(memory_store *store, const char *id)
{
    if (spi_map_count(store->entries) >= store->max)
        free_entry(store, spi_container(spi_list_first(&store->by_use), entry, node));
    entry *e = spi_calloc(sizeof *e);
    e->id = spi_strdup(id);
    spi_list_init(&e->node);
    spi_map_set(store->entries, id, strlen(id), e);
    return e;
}

static int save(void *self, const char *id, const json_t *data, int64_t max_age_s)
{
    memory_store *store = self;
    size_t len;
    char *text = spi_json_dump(data, &len);
    if (!text)
        return spout_error_code_current();
    entry *e = find(store, id);
    if (!e)
        e = add(store, id);
    spi_free(e->text);
    e->text = text;
    int64_t now = spout_time_ms();
    e->expires_ms = max_age_s > (INT64_MAX - now) / 1000 ? INT64_MAX : now + max_age_s * 1000;
    use(store, e);
    return 0;
}

static int remove_one(void *self, const char *id)
{
    memory_store *store = self;
    entry *e = find(store, id);
    if (e)
        free_entry(store, e);
    return 0;
}

spout_session_store *spout_memory_session_store_new(size_t max)
{
    memory_store *store = spi_calloc(sizeof *store);
    store->table = (spout_session_store){
        .load = load, .save = save, .remove = remove_one, .self = store
    };
    store->entries = spi_map_new();
    store->max = max ? max : DEFAULT_MAX;
    spi_list_init(&store->by_use);
    return &store->table;
}

void spout_memory_session_store_free(spout_session_store *table)
{
    if (!table)
        return;
    memory_store *store = table->self;
    while (!spi_list_is_empty(&store->by_use))
        free_entry(store, spi_container(spi_list_first(&store->by_use), entry, node));
    spi_map_free(store->entries);
    spi_free(store);
}
