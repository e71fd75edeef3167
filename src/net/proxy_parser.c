#include "net/proxy_parser.h"

#include "base/text.h"

#include <arpa/inet.h>

enum { V1_MAX = 107, V2_FIXED = 16 };

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static int refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -1;
}

/* --- version 1: PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n --- */

/* The next word, up to a blank or the end; `line` moves behind the blank. Exactly one blank stands
   between words. */
static spout_bytes next_word(spout_bytes *line)
{
    const char *blank = memchr(line->data, ' ', line->len);
    size_t len = blank ? (size_t)(blank - line->data) : line->len;
    spout_bytes word = { line->data, len };
    size_t skip = blank ? len + 1 : len;
    line->data += skip;
    line->len -= skip;
    return word;
}

static bool parse_ip(spout_bytes word, uint8_t family, unsigned char out[16])
{
    char text[INET6_ADDRSTRLEN];
    if (word.len == 0 || word.len >= sizeof text)
        return false;
    memcpy(text, word.data, word.len);
    text[word.len] = '\0';
    return strlen(text) == word.len && inet_pton(family == 4 ? AF_INET : AF_INET6, text, out) == 1;
}

static bool parse_port(spout_bytes word, uint16_t *out)
{
    uint64_t value;
    if (word.len > 1 && word.data[0] == '0')
        return false;
    if (!spi_parse_uint(word.data, word.len, UINT16_MAX, &value))
        return false;
    *out = (uint16_t)value;
    return true;
}

static bool parse_addresses(spout_bytes line, uint8_t family, spi_proxy_header *out)
{
    out->source.family = out->destination.family = family;
    return parse_ip(next_word(&line), family, out->source.ip) &&
           parse_ip(next_word(&line), family, out->destination.ip) &&
           parse_port(next_word(&line), &out->source.port) &&
           parse_port(line, &out->destination.port);
}

static int parse_line(spout_bytes line, spi_proxy_header *out, const char **ret_why)
{
    next_word(&line); /* PROXY */
    spout_bytes protocol = next_word(&line);
    out->version = 1;
    if (spi_bytes_equal(protocol, "UNKNOWN"))
        return 0;
    bool four = spi_bytes_equal(protocol, "TCP4");
    if (!four && !spi_bytes_equal(protocol, "TCP6"))
        return refuse(ret_why, "a PROXY header of an unknown protocol");
    if (!parse_addresses(line, four ? 4 : 6, out))
        return refuse(ret_why, "a PROXY header with a bad address or port");
    return 0;
}

static int parse_v1(
    const char *data, size_t len, spi_proxy_header *ret_header, const char **ret_why)
{
    static const char start[] = "PROXY ";
    size_t compared = len < sizeof start - 1 ? len : sizeof start - 1;
    if (memcmp(data, start, compared) != 0)
        return refuse(ret_why, "no PROXY header");
    const char *end = memchr(data, '\r', len < V1_MAX ? len : V1_MAX);
    if (!end || end + 1 == data + len)
        return len < V1_MAX ? 0 : refuse(ret_why, "a PROXY header without an end");
    if (end[1] != '\n' || end + 2 - data > V1_MAX)
        return refuse(ret_why, "a PROXY header without an end");
    spi_proxy_header header = { .version = 1 };
    if (parse_line((spout_bytes){ data, (size_t)(end - data) }, &header, ret_why) < 0)
        return -1;
    *ret_header = header;
    return (int)(end + 2 - data);
}

/* --- version 2: binary --- */

static unsigned read_u16(const char *at)
{
    return (unsigned)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

/* source address, destination address, source port, destination port */
static void read_addresses(const char *at, uint8_t family, spi_proxy_header *out)
{
    size_t size = family == 4 ? 4 : 16;
    out->source.family = out->destination.family = family;
    memcpy(out->source.ip, at, size);
    memcpy(out->destination.ip, at + size, size);
    out->source.port = (uint16_t)read_u16(at + 2 * size);
    out->destination.port = (uint16_t)read_u16(at + 2 * size + 2);
}

/* TCP over IPv4 or IPv6 has addresses for us; whatever else there is leaves the connection's own.
   */
static int parse_body(const char *data, size_t body, spi_proxy_header *out, const char **ret_why)
{
    enum { AF_INET_STREAM = 0x11, AF_INET6_STREAM = 0x21, IPV4_SIZE = 12, IPV6_SIZE = 36 };
    unsigned char kind = (unsigned char)data[13];
    if (kind >> 4 > 3 || (kind & 15) > 2)
        return refuse(ret_why, "a PROXY header of an unknown protocol");
    uint8_t family = kind == AF_INET_STREAM ? 4 : kind == AF_INET6_STREAM ? 6 : 0;
    if (out->local || family == 0)
        return 0;
    if (body < (family == 4 ? (size_t)IPV4_SIZE : (size_t)IPV6_SIZE))
        return refuse(ret_why, "a PROXY header that is too short for its addresses");
    read_addresses(data + V2_FIXED, family, out);
    return 0;
}

static int parse_v2(
    const char *data, size_t len, spi_proxy_header *ret_header, const char **ret_why)
{
    size_t compared = len < sizeof v2_signature ? len : sizeof v2_signature;
    if (memcmp(data, v2_signature, compared) != 0)
        return refuse(ret_why, "no PROXY header");
    if (len > 12 && ((unsigned char)data[12] >> 4 != 2 || ((unsigned char)data[12] & 15) > 1))
        return refuse(ret_why, "a PROXY header of an unknown version or command");
    if (len < V2_FIXED)
        return 0;
    size_t body = read_u16(data + 14);
    if (V2_FIXED + body > SPI_PROXY_MAX)
        return refuse(ret_why, "a PROXY header that is too long");
    if (len < V2_FIXED + body)
        return 0;
    spi_proxy_header header = { .version = 2, .local = ((unsigned char)data[12] & 15) == 0 };
    if (parse_body(data, body, &header, ret_why) < 0)
        return -1;
    *ret_header = header;
    return (int)(V2_FIXED + body);
}

int spi_proxy_parse(
    const char *data, size_t len, spi_proxy_header *ret_header, const char **ret_why)
{
    if (len == 0)
        return 0;
    return data[0] == 'P' ? parse_v1(data, len, ret_header, ret_why)
                          : parse_v2(data, len, ret_header, ret_why);
}
