/* Field values that are lists, or have parameters: Accept and its kin, Forwarded, Content-Disposition,
   Content-Range, Sec-WebSocket-Extensions; header lines as a text. */
#include "fuzz.h"

#include <spout/error.h>
#include <spout/escape.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "http/forwarded.h"
#include "http/header_params.h"
#include "http/websocket_extension.h"

static void check_quality(int quality)
{
    MUST(quality >= 0 && quality <= 1000);
}

static void try_preferences(const char *text)
{
    spout_preference *items;
    long count = spout_parse_preferences(text, &items);
    MUST(count >= 0 && (size_t)count <= strlen(text) / 2 + 1);
    for (long i = 0; i < count; i++)
        check_quality(items[i].quality);
    check_quality(spout_accept_quality(text, "text/html"));
    check_quality(spout_accept_language_quality(text, "de-CH"));
    check_quality(spout_accept_encoding_quality(text, "gzip"));
    MUST(spout_accepts(text, "text/html") == (spout_accept_quality(text, "text/html") > 0));
}

static void try_forwarded(const char *text)
{
    spout_forwarded *hops;
    spout_endpoint client;
    long count = spout_parse_forwarded(text, &hops);
    MUST(count >= 0 || count == SPOUT_EPROTO);
    if (spi_forwarded_parse_node(text, strlen(text), &client)) {
        char address[46];
        MUST(*spout_endpoint_text(&client, address));
    }
}

static void try_parameters(spout_bytes field)
{
    spi_params params;
    spout_bytes name, value;
    size_t total = spi_params_start(field, &params).len;
    int result;
    while ((result = spi_params_next(&params, &name, &value)) > 0) {
        total += name.len + value.len;
        const char *text = spi_params_decode_extended(value);
        MUST(!text || spout_is_utf8(spout_bytes_of(text)));
    }
    MUST((result == 0 || result == SPOUT_EPROTO) && total <= field.len);
}

static void try_content_range(const char *text)
{
    spout_range range;
    int64_t size;
    if (spout_parse_content_range(text, &range, &size) < 0)
        return;
    MUST(range.start >= 0 && range.start <= range.end && size >= -1);
    MUST(size == -1 || range.end <= size);
}

/* What was parsed is written so that it is read as the same. */
static void try_headers(const char *text)
{
    spout_request_start_line request;
    spout_response_start_line response;
    if (spout_parse_request_start_line(text, &request) == 0)
        MUST(!strchr(request.method, ' ') && *request.path && !strchr(request.path, ' '));
    if (spout_parse_response_start_line(text, &response) == 0)
        MUST(response.code >= 100 && response.code <= 999);
    spout_headers *headers = spout_headers_parse(text);
    if (!headers)
        return;
    const char *written = spout_headers_text(headers), *name, *value;
    spout_headers *again = spout_headers_parse(written);
    MUST(again && strcmp(spout_headers_text(again), written) == 0);
    for (size_t i = 0; spout_headers_at(again, i, &name, &value); i++)
        MUST(!strpbrk(name, "\r\n: ") && !strpbrk(value, "\r\n"));
    spout_headers_free(again);
    spout_headers_free(headers);
}

static void try_extensions(spout_bytes field)
{
    static const spi_deflate_terms wanted = { .server_takeover = true,
        .client_takeover = true,
        .server_bits = SPI_DEFLATE_MAX_BITS,
        .client_bits = SPI_DEFLATE_MAX_BITS };
    spi_deflate_terms agreed;
    char answer[SPI_DEFLATE_ANSWER_SIZE];
    if (!spi_deflate_negotiate(field, &wanted, &agreed))
        return;
    MUST(agreed.server_bits >= SPI_DEFLATE_MIN_BITS && agreed.server_bits <= SPI_DEFLATE_MAX_BITS);
    MUST(agreed.client_bits <= SPI_DEFLATE_MAX_BITS);
    MUST(spi_deflate_answer(&agreed, answer) < sizeof answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    spout_scope *scope = spout_scope_push();
    const char *text = spout_scope_bytes((spout_bytes){ (const char *)data, size });
    try_preferences(text);
    try_forwarded(text);
    try_parameters(spout_bytes_of(text));
    try_content_range(text);
    try_headers(text);
    try_extensions(spout_bytes_of(text));
    spout_scope_pop(scope);
    return 0;
}
