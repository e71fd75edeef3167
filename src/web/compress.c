#include "web/compress.h"

#include <spout/httputil.h>
#include <spout/task.h>

#include "base/log.h"
#include "base/text.h"
#include "web/coding.h"
#include "web/encoder.h"

enum {
    MIN_LENGTH = 1024,      /* of a complete reply */
    TURN_SIZE = 1024 * 1024 /* others run after so much has been compressed */
};

/* The first of those that the client likes best. */
static const spi_encoding *const encodings[] = {
#if SPI_HAVE_BROTLI
    &spi_encoding_brotli,
#endif
    &spi_encoding_gzip,
};

struct spi_compressor {
    const spi_encoding *encoding;
    void *encoder;
};

static void close_compressor(void *arg)
{
    struct spi_compressor *compressor = arg;
    compressor->encoding->close(compressor->encoder);
}

static bool open_compressor(spout_request *r, struct spi_compressor *compressor)
{
    compressor->encoder = compressor->encoding->open();
    if (compressor->encoder)
        spi_arena_on_reset(spi_request_arena(r), close_compressor, compressor);
    else
        spi_log_warning("no memory to compress a reply: it goes as it is");
    return compressor->encoder;
}

static const char *field_value(const spi_response *response, const char *name)
{
    int at = spi_response_find(response, name, strlen(name));
    return at < 0 ? NULL : spi_response_field(response, (uint32_t)at)->value;
}

static bool is_compressible(const char *type)
{
    static const char *const types[] = { "application/javascript", "application/x-javascript",
        "application/json", "application/xml", "application/atom+xml", "application/xhtml+xml",
        "application/rss+xml", "application/ld+json", "application/problem+json",
        "application/manifest+json", "application/wasm", "image/svg+xml" };
    size_t len = type ? strcspn(type, "; \t") : 0;
    if (len > 5 && spi_equal_nocase(type, 5, "text/", 5))
        return true;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (spi_equal_nocase(type, len, types[i], strlen(types[i])))
            return true;
    }
    return false;
}

static bool may_be_encoded(const spi_response *response, bool whole)
{
    return !spi_status_is_bodiless(response->status) && response->status != 206 &&
           (!whole || response->len >= MIN_LENGTH) && !field_value(response, "Content-Encoding") &&
           !field_value(response, "Content-Range") &&
           is_compressible(field_value(response, "Content-Type")) &&
           !spi_lists(field_value(response, "Cache-Control"), "no-transform");
}

static const spi_encoding *choose(spout_request *r)
{
    enum { COUNT = sizeof encodings / sizeof encodings[0] };
    const char *names[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        names[i] = encodings[i]->name;
    int best = spi_coding_choose(r, names, COUNT);
    return best < 0 ? NULL : encodings[best];
}

static void weaken_etag(spout_request *r)
{
    const char *etag = field_value(&r->response, "Etag");
    if (etag && *etag == '"')
        spi_response_put(r, "Etag", spi_arena_format(spi_request_arena(r), "W/%s", etag));
}

void spi_compress_begin(spout_request *r, bool whole)
{
    spi_response_vary(r, "Accept-Encoding");
    const spi_encoding *encoding = may_be_encoded(&r->response, whole) ? choose(r) : NULL;
    if (!encoding)
        return;
    struct spi_compressor *compressor = spi_arena_alloc(spi_request_arena(r), sizeof *compressor);
    *compressor = (struct spi_compressor){ .encoding = encoding };
    if (!whole && !open_compressor(r, compressor))
        return;
    r->response.compressor = compressor;
    r->response.coding = encoding->name;
    spi_response_put(r, "Content-Encoding", encoding->name);
    weaken_etag(r);
}

static int append(void *self, const void *data, size_t len)
{
    return spi_response_append(self, data, len);
}

/* Others have their turn; a deadline or a cancellation ends that wait only. */
static void let_others_run(size_t *done, size_t len)
{
    *done += len;
    if (*done < TURN_SIZE || !spout_in_task())
        return;
    *done = 0;
    if (spout_yield() < 0)
        spout_error_clear();
}

static int feed_piece(struct spi_compressor *compressor, const spi_piece *piece,
    const spi_encode_sink *sink, size_t *done)
{
    const char *data = piece->data;
    for (size_t left = piece->len; left;) {
        size_t len = left < SPI_ENCODE_SLICE ? left : SPI_ENCODE_SLICE;
        int result = compressor->encoding->feed(
            compressor->encoder, (spout_bytes){ data, len }, SPI_ENCODE_MORE, sink);
        if (result < 0)
            return result;
        data += len;
        left -= len;
        let_others_run(done, len);
    }
    return 0;
}

static int encode(spout_request *r, const spi_piece *piece, bool last)
{
    struct spi_compressor *compressor = r->response.compressor;
    const spi_encode_sink sink = { append, r };
    size_t done = 0;
    int result = 0;
    for (; piece && result == 0; piece = piece->next)
        result = feed_piece(compressor, piece, &sink, &done);
    if (result < 0)
        return result;
    return compressor->encoding->feed(compressor->encoder, (spout_bytes){ "", 0 },
        last ? SPI_ENCODE_END : SPI_ENCODE_FLUSH, &sink);
}

/* Undoes what the head says. */
static void go_without(spout_request *r)
{
    spi_response *response = &r->response;
    response->compressor = NULL;
    response->coding = NULL;
    spi_response_remove_at(response, (uint32_t)spi_response_find(response, "Content-Encoding", 16));
    weaken_etag(r); /* it may have been made for the coding */
}

int spi_compress_pieces(spout_request *r, bool last)
{
    spi_response *response = &r->response;
    struct spi_compressor *compressor = response->compressor;
    if (!compressor->encoder && !open_compressor(r, compressor)) {
        go_without(r);
        return 0;
    }
    if (!response->len && !last)
        return 0;
    const spi_piece *piece = response->first;
    response->plain += response->len;
    spi_response_drop_body(r);
    response->encoding = true;
    int result = encode(r, piece, last);
    response->encoding = false;
    return result;
}
