#include "http/websocket_extension.h"

#include "base/text.h"
#include "http/token.h"

#include <stdio.h>

/* What is left to read of the field. */
typedef struct reader {
    const char *at, *end;
} reader;

/* value.data is NULL for a parameter without one. */
typedef struct parameter {
    spout_bytes name, value;
} parameter;

enum { SERVER_NO_TAKEOVER = 1, CLIENT_NO_TAKEOVER = 2, SERVER_BITS = 4, CLIENT_BITS = 8 };

static bool is(spout_bytes bytes, const char *text)
{
    return spi_equal_nocase(bytes.data, bytes.len, text, strlen(text));
}

static void skip_blanks(reader *r)
{
    while (r->at < r->end && spi_is_blank(*r->at))
        r->at++;
}

static bool take_char(reader *r, char c)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool take_token(reader *r, spout_bytes *ret_token)
{
    skip_blanks(r);
    const char *start = r->at;
    while (r->at < r->end && spi_is_token_char(*r->at))
        r->at++;
    *ret_token = (spout_bytes){ start, (size_t)(r->at - start) };
    return ret_token->len > 0;
}

/* In quotes there must be a token too (RFC 6455 §9.1), so nothing is escaped. */
static bool take_value(reader *r, spout_bytes *ret_value)
{
    bool quoted = take_char(r, '"');
    if (!take_token(r, ret_value))
        return false;
    return !quoted || (r->at < r->end && *r->at++ == '"');
}

static bool take_parameter(reader *r, parameter *ret_parameter)
{
    parameter found = { .value = { NULL, 0 } };
    if (!take_token(r, &found.name) || (take_char(r, '=') && !take_value(r, &found.value)))
        return false;
    *ret_parameter = found;
    return true;
}

/* Behind an offer that can't be read: to the next one. */
static void skip_offer(reader *r)
{
    bool quoted = false;
    for (; r->at < r->end && (quoted || *r->at != ','); r->at++)
        quoted ^= *r->at == '"';
}

/* 8 to 15 without leading zeros; 0 if it is something else. */
static unsigned window_bits(spout_bytes value)
{
    if (value.len == 1 && (value.data[0] == '8' || value.data[0] == '9'))
        return (unsigned)(value.data[0] - '0');
    if (value.len == 2 && value.data[0] == '1' && value.data[1] >= '0' && value.data[1] <= '5')
        return 10 + (unsigned)(value.data[1] - '0');
    return 0;
}

static bool accept_server_bits(spout_bytes value, spi_deflate_terms *terms)
{
    unsigned bits = window_bits(value);
    if (bits < SPI_DEFLATE_MIN_BITS)
        return false;
    if (bits < terms->server_bits)
        terms->server_bits = (uint8_t)bits;
    terms->names_server_bits = true;
    return true;
}

static bool accept_client_bits(spout_bytes value, unsigned wanted, spi_deflate_terms *terms)
{
    unsigned bits = value.data ? window_bits(value) : SPI_DEFLATE_MAX_BITS;
    if (bits == 0)
        return false;
    terms->client_bits = (uint8_t)(bits < wanted ? bits : wanted);
    return true;
}

/* 0 for what is none of them. */
static unsigned which_parameter(spout_bytes name)
{
    return is(name, "server_no_context_takeover")   ? SERVER_NO_TAKEOVER
           : is(name, "client_no_context_takeover") ? CLIENT_NO_TAKEOVER
           : is(name, "server_max_window_bits")     ? SERVER_BITS
           : is(name, "client_max_window_bits")     ? CLIENT_BITS
                                                    : 0;
}

/* Marks in *seen which one it was: none may come twice. */
static bool accept_parameter(
    parameter p, const spi_deflate_terms *wanted, spi_deflate_terms *terms, unsigned *seen)
{
    unsigned which = which_parameter(p.name);
    if (which == 0 || *seen & which)
        return false;
    *seen |= which;
    if (which == SERVER_BITS)
        return accept_server_bits(p.value, terms);
    if (which == CLIENT_BITS)
        return accept_client_bits(p.value, wanted->client_bits, terms);
    if (which == SERVER_NO_TAKEOVER)
        terms->server_takeover = false;
    else
        terms->client_takeover = false;
    return !p.value.data;
}

/* The client's window is 32 KiB unless it says that it can do with less. */
static spi_deflate_terms start_terms(const spi_deflate_terms *wanted)
{
    spi_deflate_terms terms = *wanted;
    terms.client_bits = SPI_DEFLATE_MAX_BITS;
    terms.names_server_bits = wanted->server_bits < SPI_DEFLATE_MAX_BITS;
    return terms;
}

static bool take_offer(reader *r, const spi_deflate_terms *wanted, spi_deflate_terms *ret_agreed)
{
    spi_deflate_terms terms = start_terms(wanted);
    unsigned seen = 0;
    spout_bytes name;
    bool good = take_token(r, &name) && is(name, "permessage-deflate");
    while (good && take_char(r, ';')) {
        parameter p;
        good = take_parameter(r, &p) && accept_parameter(p, wanted, &terms, &seen);
    }
    skip_blanks(r);
    if (!good || (r->at < r->end && *r->at != ','))
        return false;
    *ret_agreed = terms;
    return true;
}

bool spi_deflate_negotiate(
    spout_bytes value, const spi_deflate_terms *wanted, spi_deflate_terms *ret_agreed)
{
    reader r = { value.data, value.data + value.len };
    while (r.at < r.end) {
        const char *start = r.at;
        if (take_offer(&r, wanted, ret_agreed))
            return true;
        r.at = start;
        skip_offer(&r);
        if (r.at < r.end)
            r.at++;
    }
    return false;
}

size_t spi_deflate_answer(const spi_deflate_terms *agreed, char out[SPI_DEFLATE_ANSWER_SIZE])
{
    char server_bits[32] = "", client_bits[32] = "";
    if (agreed->names_server_bits)
        snprintf(server_bits, sizeof server_bits, "; server_max_window_bits=%u",
            (unsigned)agreed->server_bits);
    if (agreed->client_bits < SPI_DEFLATE_MAX_BITS)
        snprintf(client_bits, sizeof client_bits, "; client_max_window_bits=%u",
            (unsigned)agreed->client_bits);
    return (size_t)snprintf(out, SPI_DEFLATE_ANSWER_SIZE, "permessage-deflate%s%s%s%s",
        agreed->server_takeover ? "" : "; server_no_context_takeover",
        agreed->client_takeover ? "" : "; client_no_context_takeover", server_bits, client_bits);
}

size_t spi_deflate_offer(const spi_deflate_terms *wanted, char out[SPI_DEFLATE_OFFER_SIZE])
{
    static const char plain[] = "permessage-deflate; client_max_window_bits";
    char bits[32] = "";
    if (wanted->server_bits < SPI_DEFLATE_MAX_BITS)
        snprintf(bits, sizeof bits, "; server_max_window_bits=%u", (unsigned)wanted->server_bits);
    bool asks = *bits || !wanted->server_takeover || !wanted->client_takeover;
    if (!asks)
        return (size_t)snprintf(out, SPI_DEFLATE_OFFER_SIZE, "%s", plain);
    return (size_t)snprintf(out, SPI_DEFLATE_OFFER_SIZE, "%s%s%s%s, %s", plain,
        wanted->server_takeover ? "" : "; server_no_context_takeover",
        wanted->client_takeover ? "" : "; client_no_context_takeover", bits, plain);
}

/* One of the server's, which is bound by RFC 7692 §7.1 as well. */
static bool take_answer_parameter(parameter p, spi_deflate_terms *terms, unsigned *seen)
{
    unsigned which = which_parameter(p.name), bits = p.value.data ? window_bits(p.value) : 0;
    if (which == 0 || *seen & which)
        return false;
    *seen |= which;
    if (which == SERVER_NO_TAKEOVER)
        terms->server_takeover = false;
    else if (which == CLIENT_NO_TAKEOVER)
        terms->client_takeover = false;
    else if (which == SERVER_BITS)
        terms->server_bits = (uint8_t)bits;
    else if (bits < terms->client_bits)
        terms->client_bits = (uint8_t)(bits < SPI_DEFLATE_MIN_BITS ? SPI_DEFLATE_MIN_BITS : bits);
    return which == SERVER_BITS || which == CLIENT_BITS ? bits > 0 : !p.value.data;
}

bool spi_deflate_take_answer(
    spout_bytes value, const spi_deflate_terms *wanted, spi_deflate_terms *ret_agreed)
{
    reader r = { value.data, value.data + value.len };
    spi_deflate_terms terms = { .server_takeover = true,
        .client_takeover = wanted->client_takeover,
        .server_bits = SPI_DEFLATE_MAX_BITS,
        .client_bits = wanted->client_bits };
    unsigned seen = 0;
    spout_bytes name;
    bool good = take_token(&r, &name) && is(name, "permessage-deflate");
    while (good && take_char(&r, ';')) {
        parameter p;
        good = take_parameter(&r, &p) && take_answer_parameter(p, &terms, &seen);
    }
    skip_blanks(&r);
    if (!good || r.at < r.end)
        return false;
    *ret_agreed = terms;
    return true;
}
