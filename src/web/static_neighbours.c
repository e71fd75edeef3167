/* Files that were compressed beforehand: "a.css.br" and "a.css.gz" beside "a.css". */
#include "web/coding.h"
#include "web/request.h"
#include "web/static.h"

static const struct {
    const char *coding, *extension;
} kinds[] = { { "br", ".br" }, { "gzip", ".gz" } };

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static bool is_older(const spi_file *a, const spi_file *b)
{
    struct timespec x = a->state.modified, y = b->state.modified;
    return x.tv_sec < y.tv_sec || (x.tv_sec == y.tv_sec && x.tv_nsec < y.tv_nsec);
}

/* What was not there is not looked for again in the same turn. */
static spi_file *find_neighbour(
    spout_request *r, spi_static_root *root, spi_file *file, unsigned kind)
{
    uint64_t turn = spi_loop_turn(r->exchange->loop);
    if (file->lacks_turn != turn) {
        file->lacks_turn = turn;
        file->lacks = 0;
    }
    if (turn && (file->lacks & (1U << kind)))
        return NULL;
    const char *path = spi_arena_format(
        spi_request_arena(r), "%s%s", file->path, kinds[kind].extension);
    spi_file *neighbour;
    if (spi_static_find(root, r->exchange->loop, path, false, &neighbour) == 0) {
        if (!is_older(neighbour, file))
            return neighbour;
        spi_file_unref(neighbour);
    }
    file->lacks |= 1U << kind;
    return NULL;
}

spi_file *spi_static_choose(
    spout_request *r, spi_static_root *root, spi_file *file, const char **ret_coding)
{
    spi_file *found[KINDS];
    const char *codings[KINDS];
    size_t count = 0;
    *ret_coding = NULL;
    file->refs++;
    if (!spout_header(r, "Accept-Encoding", NULL))
        return file;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        found[count] = find_neighbour(r, root, file, kind);
        if (found[count])
            codings[count++] = kinds[kind].coding;
    }
    int best = spi_coding_choose(r, codings, count);
    spi_file *chosen = file;
    for (size_t i = 0; i < count; i++) {
        spi_file *other = found[i];
        if ((int)i == best) {
            *ret_coding = codings[i];
            other = chosen;
            chosen = found[i];
        }
        spi_file_unref(other);
    }
    return chosen;
}
