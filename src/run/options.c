#include <spout/error.h>
#include <spout/options.h>

#include "base/memory.h"
#include "base/text.h"

typedef struct entry {
    const spout_option *option;
    char *text; /* owned; NULL while the value is an unset text */
    int64_t number;
    bool is_set;
} entry;

/* The registry: the process's own, filled before threads and loops. */
static struct {
    entry *entries;
    size_t count;
} registry;

static bool names_equal(const char *a, const char *b, size_t b_len)
{
    if (strlen(a) != b_len)
        return false;
    for (size_t i = 0; i < b_len; i++)
        if ((a[i] == '_' ? '-' : a[i]) != (b[i] == '_' ? '-' : b[i]))
            return false;
    return true;
}

static entry *find(const char *name, size_t len)
{
    for (size_t i = 0; i < registry.count; i++)
        if (names_equal(registry.entries[i].option->name, name, len))
            return &registry.entries[i];
    return NULL;
}

static bool parse_int(const char *text, int64_t *ret_value)
{
    bool negative = *text == '-';
    const char *digits = text + negative;
    uint64_t value;
    if (!spi_parse_uint(digits, strlen(digits), INT64_MAX, &value))
        return false;
    *ret_value = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

static bool parse_size(const char *text, int64_t *ret_value)
{
    size_t len = strlen(text);
    unsigned shift = 0;
    if (len > 1) {
        switch (spi_lower(text[len - 1])) {
        case 'k': shift = 10; break;
        case 'm': shift = 20; break;
        case 'g': shift = 30; break;
        default: break;
        }
    }
    uint64_t value;
    if (!spi_parse_uint(text, len - (shift != 0), (uint64_t)INT64_MAX >> shift, &value))
        return false;
    *ret_value = (int64_t)(value << shift);
    return true;
}

static bool parse_bool(const char *text, int64_t *ret_value)
{
    static const char *const words[][2] = {
        { "false", "true" },
        { "no", "yes" },
        { "off", "on" },
        { "0", "1" },
        { "f", "t" },
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        for (int value = 0; value < 2; value++)
            if (spi_text_equal_nocase(text, words[i][value])) {
                *ret_value = value;
                return true;
            }
    return false;
}

static int assign(entry *e, const char *value)
{
    const char *name = e->option->name;
    int64_t number = 0;
    switch (e->option->type) {
    case SPOUT_OPTION_TEXT: break;
    case SPOUT_OPTION_INT:
        if (!parse_int(value, &number))
            return spout_error_set(
                SPOUT_EINVAL, "option '--%s' needs a number, not '%s'", name, value);
        break;
    case SPOUT_OPTION_SIZE:
        if (!parse_size(value, &number))
            return spout_error_set(
                SPOUT_EINVAL, "option '--%s' needs a size such as 10M, not '%s'", name, value);
        break;
    case SPOUT_OPTION_BOOL:
        if (!parse_bool(value, &number))
            return spout_error_set(
                SPOUT_EINVAL, "option '--%s' needs true or false, not '%s'", name, value);
        break;
    }
    spi_free(e->text);
    e->text = spi_strdup(value);
    e->number = number;
    return 0;
}

int spout_options_define(const spout_option *table)
{
    for (const spout_option *option = table; option && option->name; option++) {
        if (find(option->name, strlen(option->name)))
            return spout_error_set(SPOUT_EEXIST, "option '--%s' is defined twice", option->name);
        registry.entries = spi_realloc(registry.entries, (registry.count + 1) * sizeof(entry));
        entry *e = &registry.entries[registry.count++];
        *e = (entry){ .option = option };
        if (option->default_value) {
            int result = assign(e, option->default_value);
            if (result < 0)
                return result;
        }
    }
    return 0;
}

static int parse_one(const char *word)
{
    const char *name = word + (word[1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    entry *e = find(name, len);
    if (!e)
        return spout_error_set(SPOUT_EINVAL, "unknown option '%.*s': see --help",
            (int)(len + (size_t)(name - word)), word);
    if (!equals && e->option->type != SPOUT_OPTION_BOOL)
        return spout_error_set(SPOUT_EINVAL, "option '--%s' requires a value: --%s=%s",
            e->option->name, e->option->name, e->option->metavar ? e->option->metavar : "VALUE");
    int result = assign(e, equals ? equals + 1 : "true");
    if (result == 0)
        e->is_set = true;
    return result;
}

int spout_options_parse(int argc, char **argv)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "--") == 0)
            return i + 1;
        int result = parse_one(argv[i]);
        if (result < 0)
            return result;
    }
    return i < argc ? i : argc;
}

static const entry *lookup(const char *name)
{
    return find(name, strlen(name));
}

const char *spout_option_text(const char *name)
{
    const entry *e = lookup(name);
    return e ? e->text : NULL;
}

int64_t spout_option_int(const char *name)
{
    const entry *e = lookup(name);
    return e ? e->number : 0;
}

bool spout_option_bool(const char *name)
{
    return spout_option_int(name) != 0;
}

bool spout_option_is_set(const char *name)
{
    const entry *e = lookup(name);
    return e && e->is_set;
}

int spout_option_set(const char *name, const char *value)
{
    entry *e = find(name, strlen(name));
    if (!e)
        return spout_error_set(SPOUT_ENOTFOUND, "there is no option '--%s'", name);
    int result = assign(e, value);
    if (result == 0)
        e->is_set = true;
    return result;
}

static void print_option(FILE *out, const spout_option *option)
{
    char usage[64];
    if (option->type == SPOUT_OPTION_BOOL)
        snprintf(usage, sizeof usage, "--%s", option->name);
    else
        snprintf(usage, sizeof usage, "--%s=%s", option->name,
            option->metavar ? option->metavar : "VALUE");
    fprintf(out, "  %-28s %s", usage, option->help ? option->help : "");
    if (option->default_value && *option->default_value && option->type != SPOUT_OPTION_BOOL)
        fprintf(out, " (default %s)", option->default_value);
    fputc('\n', out);
}

void spout_options_print_help(FILE *out, const char *program)
{
    fprintf(out, "Usage: %s [OPTIONS]\n\nOptions:\n", program);
    for (size_t i = 0; i < registry.count; i++)
        print_option(out, registry.entries[i].option);
}

void spout_options_reset(void)
{
    for (size_t i = 0; i < registry.count; i++)
        spi_free(registry.entries[i].text);
    spi_free(registry.entries);
    registry.entries = NULL;
    registry.count = 0;
}
