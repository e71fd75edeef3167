/*
 * Command-line options (Tornado's options): defined once in a table, parsed from --name=value, read
 * by name.
 *
 * The registry is the process's own, like the log sink. '-' and '_' are the same in names. Texts
 * handed out live until the process ends or the option is set again.
 *
 * Example:
 *     static const spout_option options[] = {
 *         { .name = "static", .type = SPOUT_OPTION_TEXT, .metavar = "DIR", .help = "folder of the static files" },
 *         { 0 },
 *     };
 *     spout_options_define(options);
 *     int rest = spout_options_parse(argc, argv);
 *     const char *folder = spout_option_text("static");
 */
#ifndef SPOUT_OPTIONS_H
#define SPOUT_OPTIONS_H

#include <spout/base.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spout_option_type {
    SPOUT_OPTION_TEXT,
    SPOUT_OPTION_INT,
    SPOUT_OPTION_BOOL, /* --name means true; else true/false, yes/no, on/off, 1/0 */
    SPOUT_OPTION_SIZE  /* bytes: 1048576, 64k, 10M, 1G (powers of 1024) */
} spout_option_type;

typedef struct spout_option {
    const char *name; /* NULL ends a table */
    spout_option_type type;
    const char *default_value; /* as on the command line; NULL: unset text, 0, false */
    const char *metavar;       /* in --help: --name=METAVAR */
    const char *help;
    void *reserved[4];
} spout_option;

/* Adds a table; it must outlive the process's use of options. SPOUT_EEXIST for a name that is
   there, SPOUT_EINVAL for a bad default. */
SPOUT_API int spout_options_define(const spout_option *table);

/*
 * Parses argv (parse_command_line): stops at the first word that isn't an option, or behind "--".
 * Returns the index of the first word left. SPOUT_EINVAL with words such as "unknown option
 * '--prot': see --help" or "option '--port' needs a number, not 'x'".
 */
SPOUT_API int spout_options_parse(int argc, char **argv);

SPOUT_API const char *spout_option_text(const char *name); /* NULL if unset or unknown */
SPOUT_API int64_t spout_option_int(const char *name);      /* also of SIZE; 0 if unknown */
SPOUT_API bool spout_option_bool(const char *name);
/* given on the command line or by spout_option_set */
SPOUT_API bool spout_option_is_set(const char *name);
SPOUT_API int spout_option_set(const char *name, const char *value);

SPOUT_API void spout_options_print_help(FILE *out, const char *program);

/* Forgets all definitions and values: for tests. */
SPOUT_API void spout_options_reset(void);

#ifdef __cplusplus
}
#endif

#endif
