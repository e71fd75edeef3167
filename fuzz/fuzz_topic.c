/* What workers tell one another of topics, and the patterns that names are compared with: the first
   byte chooses. A record that is taken is the one that was sent; a pattern matches what a slower way
   of looking finds. */
#include "fuzz.h"

#include "http/topic.h"
#include "http/topic_record.h"

static void parse_record(const char *data, size_t size)
{
    spi_record record;
    if (!spi_record_parse((spout_bytes){ data, size }, &record))
        return;
    char head[SPI_RECORD_HEAD];
    spi_record_head(head, &record);
    MUST(size == sizeof head + record.name.len + record.rest.len);
    MUST(memcmp(head, data, sizeof head) == 0);
    MUST(record.name.data == data + sizeof head);
    MUST(record.rest.data == record.name.data + record.name.len);
}

/* The end of the segment that begins there. */
static size_t segment_end(spout_bytes text, size_t at)
{
    while (at < text.len && text.data[at] != '/')
        at++;
    return at;
}

/* Segment by segment, from both starts. */
static int matches_slowly(spout_bytes pattern, size_t p, spout_bytes name, size_t n)
{
    size_t p_end = segment_end(pattern, p), n_end = segment_end(name, n);
    size_t p_len = p_end - p, n_len = n_end - n;
    int is_last = p_end == pattern.len;
    if (is_last && p_len == 2 && memcmp(pattern.data + p, "**", 2) == 0)
        return 1;
    int is_any = p_len == 1 && pattern.data[p] == '*';
    if (!is_any && (p_len != n_len || memcmp(pattern.data + p, name.data + n, p_len) != 0))
        return 0;
    if (is_last || n_end == name.len)
        return is_last && n_end == name.len;
    return matches_slowly(pattern, p_end + 1, name, n_end + 1);
}

static void match_pattern(const char *data, size_t size)
{
    const char *nul = memchr(data, 0, size);
    if (!nul)
        return;
    const spout_bytes pattern = { data, (size_t)(nul - data) };
    const spout_bytes name = { nul + 1, size - pattern.len - 1 };
    MUST(spi_topic_matches(pattern, name) == matches_slowly(pattern, 0, name, 0));
    MUST(spi_topic_matches((spout_bytes){ "**", 2 }, name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    char *copy = malloc(size - 1);
    memcpy(copy, data + 1, size - 1);
    if (data[0] & 1)
        match_pattern(copy, size - 1);
    else
        parse_record(copy, size - 1);
    free(copy);
    return 0;
}
