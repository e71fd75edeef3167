#include "web/exact.h"

/* Its first and its last bytes: all of it, up to sixteen. An empty one is like none. */
static inline void get_ends(const char *path, size_t len, uint64_t *ret_first, uint64_t *ret_last)
{
    if (len >= 8) {
        memcpy(ret_first, path, 8);
        memcpy(ret_last, path + len - 8, 8);
    } else if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, path, 4);
        memcpy(&last, path + len - 4, 4);
        *ret_first = first;
        *ret_last = last;
    } else if (len == 0) {
        *ret_first = *ret_last = 0;
    } else {
        *ret_first = (unsigned char)path[0];
        *ret_last = (uint64_t)(unsigned char)path[len / 2] << 8 | (unsigned char)path[len - 1];
    }
}

/* Only the application's own paths lie in the table: nobody else chooses what collides. */
static inline size_t hash(const spi_exact *exact, size_t len, uint64_t first, uint64_t last)
{
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15);
    return ((first ^ (last * odd) ^ len) * odd) >> exact->shift;
}

void spi_exact_init(spi_exact *exact, spi_arena *arena, uint32_t max)
{
    uint32_t bits = 1; /* never more than half full */
    while (((uint32_t)1 << bits) < max * 2)
        bits++;
    exact->mask = ((uint32_t)1 << bits) - 1;
    exact->shift = 64 - bits;
    exact->slots = spi_arena_calloc(arena, ((size_t)exact->mask + 1) * sizeof *exact->slots);
}

void spi_exact_add(spi_exact *exact, const char *path, size_t len, const void *value)
{
    spi_exact_slot slot = { .path = path, .len = len, .value = value };
    get_ends(path, len, &slot.first, &slot.last);
    size_t i = hash(exact, len, slot.first, slot.last);
    while (exact->slots[i].value)
        i = (i + 1) & exact->mask;
    exact->slots[i] = slot;
}

/* What is between the ends, without a call. */
static inline bool has_middle(const spi_exact_slot *slot, const char *path)
{
    for (size_t i = 8; i + 8 < slot->len; i += 8) {
        uint64_t a, b;
        memcpy(&a, slot->path + i, 8);
        memcpy(&b, path + i, 8);
        if (a != b)
            return false;
    }
    return true;
}

/* Free slots have no length. */
static inline bool is_like(const spi_exact_slot *slot, size_t len, uint64_t first, uint64_t last)
{
    return slot->len == len && slot->first == first && slot->last == last;
}

/* From a slot on that isn't it, or may differ between its ends. */
__attribute__((noinline)) static const void *find_further(
    const spi_exact *exact, const char *path, size_t len, const spi_exact_slot *slot)
{
    uint64_t first, last;
    get_ends(path, len, &first, &last);
    while (slot->value && !(is_like(slot, len, first, last) && has_middle(slot, path))) {
        if (slot++ == exact->slots + exact->mask)
            slot = exact->slots;
    }
    return slot->value;
}

/* Not inlined, so that it needs no stack. */
__attribute__((noinline)) const void *spi_exact_find(
    const spi_exact *exact, const char *path, size_t len)
{
    uint64_t first, last;
    get_ends(path, len, &first, &last);
    const spi_exact_slot *slot = &exact->slots[hash(exact, len, first, last)];
    if (is_like(slot, len, first, last) && len <= 16)
        return slot->value;
    return slot->value ? find_further(exact, path, len, slot) : NULL;
}
