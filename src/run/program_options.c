/* The options that every program has. */
#define _GNU_SOURCE
#include "run/program.h"

#include <spout/error.h>
#include <spout/log.h>

#include "base/memory.h"
#include "net/networks.h"

#include <stdio.h>

enum { DEFAULT_PORT = 8888, MAX_WORKERS = 1024 };

static char default_port[12]; /* the program's, for --help */

static const spout_option address_options[] = {
    { .name = "port",
        .type = SPOUT_OPTION_INT,
        .default_value = default_port,
        .metavar = "PORT",
        .help = "port to listen on, 0 for any free one" },
    { .name = "address",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "ADDRESS",
        .help = "address to listen on: an IP, a name or unix:PATH; all by default" },
    { 0 },
};

static const spout_option tls_port_option[] = {
    { .name = "tls-port",
        .type = SPOUT_OPTION_INT,
        .metavar = "PORT",
        .help = "port for TLS besides, 0 for any free one; needs the next two" },
    { 0 },
};

static const spout_option standard_options[] = {
    { .name = "tls-cert",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "FILE",
        .help = "certificate and its chain, PEM; read again on SIGHUP" },
    { .name = "tls-key", .type = SPOUT_OPTION_TEXT, .metavar = "FILE", .help = "its key, PEM" },
    { .name = "proxies",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "NETWORKS",
        .help = "whose connections begin with a PROXY header: 10.0.0.0/8,::1,unix" },
    { .name = "workers",
        .type = SPOUT_OPTION_INT,
        .default_value = "1",
        .metavar = "N",
        .help = "worker processes, 0 for one a CPU" },
    { .name = "logging",
        .type = SPOUT_OPTION_TEXT,
        .default_value = "info",
        .metavar = "LEVEL",
        .help = "debug, info, warning, error or none" },
    { 0 },
};

static const spout_option help_option[] = {
    { .name = "help", .type = SPOUT_OPTION_BOOL, .help = "show this text" }, { 0 }
};

int spi_program_parse(spi_program *p, int argc, char **argv)
{
    const spout_option *const tables[] = { address_options, p->tls_only ? NULL : tls_port_option,
        standard_options, p->kind_options, help_option, p->own_options };
    snprintf(
        default_port, sizeof default_port, "%d", p->default_port ? p->default_port : DEFAULT_PORT);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        int result = spout_options_define(tables[i]);
        if (result < 0)
            return result;
    }
    int rest = spout_options_parse(argc, argv);
    if (rest >= 0 && rest < argc && !p->takes_words)
        return spout_error_set(SPOUT_EINVAL, "unexpected argument '%s': see --help", argv[rest]);
    return rest;
}

static int check_log_level(void)
{
    spout_log_level level;
    if (spout_log_level_parse(spout_option_text("logging"), &level) < 0)
        return -1;
    if (spout_option_bool("debug") && !spout_option_is_set("logging"))
        level = SPOUT_LOG_DEBUG;
    spout_log_set_level(level);
    return 0;
}

static int check_port(const char *name)
{
    int64_t port = spout_option_int(name);
    if (port < 0 || port > 65535)
        return spout_error_set(SPOUT_EINVAL, "option '--%s' must be from 0 to 65535", name);
    return 0;
}

static int check_tls(const spi_program *p)
{
    static const char *const names[] = { "tls-cert", "tls-key", "tls-port" };
    int all = p->tls_only ? 2 : 3, count = 0;
    for (int i = 0; i < all; i++)
        count += spout_option_is_set(names[i]);
    if (p->tls_only && count < all)
        return spout_error_set(
            SPOUT_EINVAL, "options '--tls-cert' and '--tls-key' are needed: see --help");
    if (count > 0 && count < all)
        return spout_error_set(
            SPOUT_EINVAL, "options '--tls-port', '--tls-cert' and '--tls-key' come together");
    return check_port("tls-port");
}

static int check_proxies(spi_program *p)
{
    const char *text = spout_option_text("proxies");
    spi_networks networks;
    int count = 0;
    if (!text)
        return 0;
    p->proxies_text = spi_strdup(text);
    for (char *left = p->proxies_text, *part; (part = strsep(&left, ","));) {
        if (count == SPI_PROGRAM_MAX_PROXIES)
            return spout_error_set(SPOUT_EINVAL, "option '--proxies' takes %d networks at most",
                SPI_PROGRAM_MAX_PROXIES);
        p->proxies[count++] = part;
    }
    if (spi_networks_parse(p->proxies, &networks) < 0) {
        char why[128];
        snprintf(why, sizeof why, "%s", spout_error_message());
        return spout_error_set(SPOUT_EINVAL, "option '--proxies': %s", why);
    }
    spi_networks_free(&networks);
    return 0;
}

static int check_workers(const spi_program *p)
{
    int64_t workers = spout_option_int("workers");
    if (workers < 0 || workers > MAX_WORKERS)
        return spout_error_set(
            SPOUT_EINVAL, "option '--workers' must be from 0 to %d", MAX_WORKERS);
    if (p->single_worker && workers != 1)
        return spout_error_set(SPOUT_EINVAL,
            "option '--workers' must be 1: this program keeps its state in the process");
    return 0;
}

int spi_program_check(spi_program *p)
{
    int result = check_log_level();
    if (result == 0)
        result = check_port("port");
    if (result == 0)
        result = check_tls(p);
    if (result == 0)
        result = check_proxies(p);
    return result == 0 ? check_workers(p) : result;
}
