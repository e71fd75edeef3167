#include "http/head.h"

#include "http/scan.h"

#include <spout/error.h>

/* Everything is decided by the position at which it shows, so that the answer doesn't depend on how
   the bytes were cut. */

static long refuse(int status, const char *what)
{
    spout_error_set(SPOUT_EPROTO, "%s", what);
    return -status;
}

/* A status line has no other start, nor an empty line before it. */
static long check_protocol(const char *data, size_t len)
{
    static const char name[] = "HTTP/";
    return memcmp(data, name, len < 5 ? len : 5) == 0
               ? 0
               : refuse(400, "it is no HTTP response that begins so");
}

static const char *line_name(const spi_head_scanner *scanner)
{
    return scanner->is_response ? "status line" : "request line";
}

static long refuse_line(const spi_head_scanner *scanner, const char *what)
{
    spout_error_set(SPOUT_EPROTO, "the %s %s", line_name(scanner), what);
    return -414;
}

/* What follows the request line's start can be anything but a line that doesn't end in a version.
   */
static bool ends_in_version(const char *data, size_t start, size_t end)
{
    static const char version[] = " HTTP/";
    enum { VERSION_LEN = sizeof " HTTP/1.1" - 1 };
    return end - start > VERSION_LEN && memcmp(data + end - VERSION_LEN, version, 6) == 0;
}

/* Where the request line starts, behind an empty line if there is one: 0, 2, or a negated status.
   */
static long find_start(const char *data, size_t len)
{
    if (data[0] != '\r')
        return spi_is_token_char(data[0]) ? 0 : refuse(400, "the first byte can't begin a request");
    if (len >= 2 && data[1] != '\n')
        return refuse(400, "a CR without LF");
    if (len >= 3 && !spi_is_token_char(data[2]))
        return refuse(400, "the request line is empty or begins with what is no method");
    return 2;
}

static long overrun(const spi_head_scanner *scanner, size_t start, size_t at, size_t len,
    const spi_head_limits *limits)
{
    if (scanner->line_end == 0 && at > start && at - start > limits->max_line)
        return refuse_line(scanner, "is too long");
    if (len < limits->max_head)
        return 0;
    return scanner->line_end == 0 ? refuse_line(scanner, "is longer than a head may be")
                                  : refuse(431, "the header is too large");
}

/* A control character that isn't the start of a line end. */
static long refuse_control(
    const spi_head_scanner *scanner, size_t start, size_t at, char c, const spi_head_limits *limits)
{
    if (scanner->line_end == 0 && at - start > limits->max_line)
        return refuse_line(scanner, "is too long");
    return refuse(400, c == '\n'   ? "an LF without CR"
                       : c == '\r' ? "a CR without LF"
                                   : "a control character in the head");
}

static long check_line(const spi_head_scanner *scanner, const char *data, size_t start, size_t end,
    const spi_head_limits *limits)
{
    if (end - start > limits->max_line)
        return refuse_line(scanner, "is too long");
    if (!scanner->is_response && !ends_in_version(data, start, end))
        return refuse(400, "the request line doesn't end in a version");
    return 0;
}

/* What may stand in a head apart from plain text and line ends: bytes from 0x80 on, HTAB in a
   field or a reason, and the LF of a CR that was the last byte of the block before. */
static inline bool is_harmless(const char *data, size_t at, const spi_head_scanner *scanner)
{
    bool tab_allowed = scanner->line_end > 0 || scanner->is_response;
    return (unsigned char)data[at] >= 0x80 || (data[at] == '\t' && tab_allowed) ||
           (data[at] == '\n' && at > 0 && data[at - 1] == '\r');
}

static inline bool is_line_end(const char *at)
{
    return at[0] == '\r' && at[1] == '\n';
}

/* Goes over data[at..end). Returns the head's length, 0 where more is needed, or a negated status.
   */
static long scan(spi_head_scanner *scanner, const char *data, size_t first, size_t at, size_t end,
    const spi_head_limits *limits)
{
    for (size_t next; at < end; at = next) {
        uint64_t odd = spi_unusual(data, at, end, &next);
        for (; odd; odd &= odd - 1) {
            size_t place = at + spi_first_bit(odd);
            if (place + 1 == end && data[place] == '\r') {
                scanner->scanned = place;
                return 0;
            }
            if (!is_line_end(data + place)) {
                if (!is_harmless(data, place, scanner))
                    return refuse_control(scanner, first, place, data[place], limits);
                continue;
            }
            if (data[place - 1] == '\n')
                return (long)place + 2;
            if (scanner->line_end == 0) {
                long status = check_line(scanner, data, first, place, limits);
                if (status < 0)
                    return status;
                scanner->line_end = place;
            }
        }
    }
    scanner->scanned = at;
    return 0;
}

long spi_head_scan(
    spi_head_scanner *scanner, const char *data, size_t len, const spi_head_limits *limits)
{
    size_t end = len < limits->max_head ? len : limits->max_head;
    long start = end == 0               ? 0
                 : scanner->is_response ? check_protocol(data, end)
                                        : find_start(data, end);
    if (start < 0)
        return start;
    size_t first = (size_t)start;
    size_t at = scanner->scanned > first ? scanner->scanned : first < end ? first : end;
    long result = scan(scanner, data, first, at, end, limits);
    return result != 0 ? result : overrun(scanner, first, scanner->scanned, len, limits);
}
