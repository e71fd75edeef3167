#include "web/trie.h"

#include "base/text.h"

/* Most nodes have few children; the table grows with them and is never more than half full. */
enum { FIRST_SLOTS = 4, MAX_INT_DIGITS = 18 };

typedef struct node node;

typedef struct edge {
    const char *text;
    size_t len;
    uint32_t hash;
    node *to; /* NULL: the slot is free */
} edge;

struct node {
    uint32_t lowest;     /* of the routes that end here or below */
    uint32_t route;      /* that ends here */
    uint32_t path_route; /* whose {name:path} takes everything from here */
    uint32_t edge_count, slots;
    edge *edges;
    node *number, *segment;
};

struct spi_trie {
    spi_arena *arena;
    node *root;
};

static node *new_node(spi_arena *arena)
{
    node *n = spi_arena_calloc(arena, sizeof *n);
    n->lowest = n->route = n->path_route = SPI_NO_ROUTE;
    return n;
}

spi_trie *spi_trie_new(spi_arena *arena)
{
    spi_trie *trie = spi_arena_calloc(arena, sizeof *trie);
    trie->arena = arena;
    trie->root = new_node(arena);
    return trie;
}

/* FNV-1a: only the application's own segments lie in the table, nobody else chooses what collides.
   */
static const uint32_t hash_start = 0x811c9dc5u;

static inline uint32_t hash_step(uint32_t hash, char c)
{
    return (hash ^ (unsigned char)c) * 0x01000193u;
}

static uint32_t hash_of(const char *text, size_t len)
{
    uint32_t hash = hash_start;
    for (size_t i = 0; i < len; i++)
        hash = hash_step(hash, text[i]);
    return hash;
}

static inline edge *find_slot(const node *n, uint32_t hash, const char *text, size_t len)
{
    for (uint32_t i = hash;; i++) {
        edge *e = &n->edges[i & (n->slots - 1)];
        if (!e->to ||
            (e->hash == hash && e->len == len && (len == 0 || memcmp(e->text, text, len) == 0)))
            return e;
    }
}

static void grow(spi_trie *trie, node *n)
{
    edge *old = n->edges;
    uint32_t old_slots = n->slots;
    n->slots = old_slots ? old_slots * 2 : FIRST_SLOTS;
    n->edges = spi_arena_calloc(trie->arena, n->slots * sizeof *n->edges);
    for (uint32_t i = 0; i < old_slots; i++) {
        if (old[i].to)
            *find_slot(n, old[i].hash, old[i].text, old[i].len) = old[i];
    }
}

static node *literal_child(spi_trie *trie, node *n, const char *text, size_t len)
{
    uint32_t hash = hash_of(text, len);
    if (n->slots) {
        edge *e = find_slot(n, hash, text, len);
        if (e->to)
            return e->to;
    }
    if ((n->edge_count + 1) * 2 > n->slots)
        grow(trie, n);
    edge *e = find_slot(n, hash, text, len);
    *e = (edge){ text, len, hash, new_node(trie->arena) };
    n->edge_count++;
    return e->to;
}

static node *capture_child(spi_trie *trie, node **child)
{
    if (!*child)
        *child = new_node(trie->arena);
    return *child;
}

static node *pass(node *n, uint32_t route)
{
    if (route < n->lowest)
        n->lowest = route;
    return n;
}

/* The segments of a literal part, which begins behind its slash. What follows its last slash is a
   segment only if no capture comes next. */
static node *add_text(spi_trie *trie, node *n, const spi_part *part, bool last, uint32_t route)
{
    const char *at = part->text + 1, *end = part->text + part->len;
    for (;;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash ? slash : end;
        if (!slash && !last)
            return n;
        n = pass(literal_child(trie, n, at, (size_t)(stop - at)), route);
        if (!slash)
            return n;
        at = slash + 1;
    }
}

void spi_trie_add(spi_trie *trie, const spi_pattern *pattern, uint32_t route)
{
    node *n = pass(trie->root, route);
    for (size_t i = 0; i < pattern->part_count; i++) {
        const spi_part *part = &pattern->parts[i];
        switch (part->kind) {
        case SPI_PART_TEXT: n = add_text(trie, n, part, i + 1 == pattern->part_count, route); break;
        case SPI_PART_INT: n = pass(capture_child(trie, &n->number), route); break;
        case SPI_PART_SEGMENT: n = pass(capture_child(trie, &n->segment), route); break;
        case SPI_PART_PATH:
            if (route < n->path_route)
                n->path_route = route;
            return;
        case SPI_PART_GROUP: return;
        }
    }
    if (route < n->route)
        n->route = route;
}

static uint32_t lower(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool is_number(const char *text, size_t len)
{
    if (!len || len > MAX_INT_DIGITS)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!spi_is_digit(text[i]))
            return false;
    }
    return true;
}

/* The child that the segment leads to by its own text, if it can have a route below `best`. */
static inline const node *literal_below(
    const node *n, uint32_t hash, const char *text, size_t len, uint32_t best)
{
    if (!n->slots)
        return NULL;
    const node *to = find_slot(n, hash, text, len)->to;
    return to && to->lowest < best ? to : NULL;
}

/* `at` begins a segment, NULL behind the last one. Returns the lowest matching route below `best`,
   else `best`. Goes back only where a segment may be taken in two ways. */
static uint32_t search(const node *n, const char *at, const char *end, uint32_t best)
{
    while (at) {
        best = lower(best, n->path_route);
        const char *stop = at;
        uint32_t hash = hash_start;
        for (; stop < end && *stop != '/'; stop++)
            hash = hash_step(hash, *stop);
        size_t len = (size_t)(stop - at);
        const char *next = stop < end ? stop + 1 : NULL;
        const node *to = literal_below(n, hash, at, len, best);
        if (to && (n->number || n->segment)) {
            best = search(to, next, end, best);
            to = NULL;
        }
        if (n->number && n->number->lowest < best && is_number(at, len))
            best = search(n->number, next, end, best);
        if (n->segment && n->segment->lowest < best && len)
            to = n->segment;
        if (!to)
            return best;
        n = to;
        at = next;
    }
    return lower(best, n->route);
}

uint32_t spi_trie_find(const spi_trie *trie, const char *path, size_t len)
{
    if (!len || path[0] != '/')
        return SPI_NO_ROUTE;
    return search(trie->root, path + 1, path + len, SPI_NO_ROUTE);
}
