/* Signed values of both formats. The first byte of an input says what is done: nothing that we did not
   sign is ever accepted, whatever was made of what we did. */
#include "fuzz.h"

#include <spout/memory.h>

#include "base/arena.h"
#include "web/signed.h"

enum { NOW = 1500000000 };

static const spout_signed_options options[] = {
    { .secret = "a secret", .version = 1 },
    { .secret = "a secret", .version = 2 },
    { .secrets = (const spout_secret[]){ { 0, "first" }, { 7, "second" }, { 0 } },
        .key_version = 7 },
};

static bool is_ours(spi_arena *arena, const char *name, const char *text, size_t kind)
{
    const spout_signed_options *o = &options[kind];
    return spi_signed_decode(arena, name, text, o, NOW, spi_signed_max_age(o)).data != NULL;
}

static void try_foreign(spi_arena *arena, const char *text)
{
    for (size_t kind = 0; kind < sizeof options / sizeof options[0]; kind++)
        MUST(!is_ours(arena, "name", text, kind));
    MUST(spi_signed_version(text) >= 1);
    MUST(spout_get_signature_key_version(text) >= -1);
}

static void try_own(spi_arena *arena, spout_bytes value, size_t kind, uint8_t place, uint8_t change)
{
    const spout_signed_options *o = &options[kind];
    const char *text = spi_signed_create(arena, "name", value, o, NOW);
    MUST(text);
    spout_bytes back = spi_signed_decode(arena, "name", text, o, NOW, spi_signed_max_age(o));
    MUST(back.data && back.len == value.len && memcmp(back.data, value.data, value.len) == 0);
    MUST(!is_ours(arena, "nam", text, kind) && !is_ours(arena, "name2", text, kind));
    char *bent = spi_arena_strdup(arena, text);
    size_t at = place % strlen(bent);
    bent[at] = (char)(bent[at] ^ change);
    if (change)
        MUST(!is_ours(arena, "name", bent, kind));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { KINDS = sizeof options / sizeof options[0], HEAD = 3 };
    if (size < HEAD)
        return 0;
    spout_scope *scope = spout_scope_push();
    spi_arena *arena = spi_arena_new(0);
    const spout_bytes rest = { (const char *)data + HEAD, size - HEAD };
    if (data[0] % 4 == KINDS)
        try_foreign(arena, spout_scope_bytes(rest));
    else
        try_own(arena, rest, data[0] % 4, data[1], data[2]);
    spi_arena_free(arena);
    spout_scope_pop(scope);
    return 0;
}
