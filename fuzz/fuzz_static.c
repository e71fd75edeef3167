/* Requests for files. The first line is the path, each further one a field, named by its first
   letter. Nothing from outside the folder is ever seen, and a part is what its head says. */
#define _XOPEN_SOURCE 700
#include "fuzz.h"

#include <spout/log.h>
#include <spout/loop.h>
#include <spout/memory.h>
#include <spout/static.h>

#include "http/exchange_memory.h"
#include "web/application.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FIELDS = 8, LARGEST = 4000 };

static char root[] = "/tmp/spout-fuzz-XXXXXX", inside[64];
static spout_static_options options = {
    .path = inside, .default_filename = "index.html", .precompressed = true
};
static spout_static_options strict_options = {
    .path = inside, .links = SPOUT_STATIC_LINKS_NONE, .hide_dotfiles = true
};
static const spout_handler files = { .static_files = &options };
static const spout_handler strict = { .static_files = &strict_options };
static const spout_route routes[] = { { "/s/{path:path}", &files }, { "/n/(.*)", &strict }, { 0 } };

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void clean_up(void)
{
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void keep_quiet(void *self, const spout_log_record *record)
{
    (void)self, (void)record;
}

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "wb");
    MUST(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static spout_application *start(void)
{
    spout_log_set_sink(&(spout_log_sink){ .write = keep_quiet });
    MUST(mkdtemp(root) && atexit(clean_up) == 0);
    snprintf(inside, sizeof inside, "%s/in", root);
    char path[128];
    snprintf(path, sizeof path, "%s/d", inside);
    MUST(mkdir(inside, 0700) == 0 && mkdir(path, 0700) == 0);
    put("in/a.css", "0123456789");
    put("in/a.css.br", "brotli bytes");
    put("in/d/index.html", "<p>index</p>");
    put("in/.env", "hidden");
    put("in-secret", "secret of others");
    snprintf(path, sizeof path, "%s/link", inside);
    MUST(symlink("../in-secret", path) == 0);
    MUST(spout_loop_new(NULL));
    spout_application *application = spout_application_new(routes, NULL);
    MUST(application);
    return application;
}

static const char *name_of(char letter)
{
    static const char *const names[] = { "Range", "If-Range", "If-None-Match", "If-Match",
        "If-Modified-Since", "If-Unmodified-Since", "Accept-Encoding" };
    return names[(unsigned char)letter % (sizeof names / sizeof names[0])];
}

/* No control characters: they are the parser's business. */
static char *take_line(char **at, char blank)
{
    char *line = *at, *end = line + strcspn(line, "\n");
    *at = *end ? end + 1 : end;
    *end = '\0';
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F || *c == ' ')
            *c = blank;
    }
    return line;
}

static void check(const spi_memory_reply *reply)
{
    const char *range = spi_memory_reply_field(reply, "Content-Range");
    const char *location = spi_memory_reply_field(reply, "Location");
    long long first, last, size;
    MUST(reply->finished && reply->status >= 200 && reply->status < 500);
    MUST(!reply->body.len ||
         (!strstr(reply->body.data, "secret of") && !strstr(reply->body.data, "root:")));
    MUST(!location || (location[0] == '/' && location[1] != '/' && location[1] != '\\'));
    MUST(reply->status != 416 || (range && strncmp(range, "bytes */", 8) == 0));
    if (reply->status != 206 || !range)
        return;
    MUST(sscanf(range, "bytes %lld-%lld/%lld", &first, &last, &size) == 3);
    MUST(first >= 0 && first <= last && last < size);
    MUST((long long)reply->body.len == last - first + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static spout_application *application;
    if (!application)
        application = start();
    if (size > LARGEST)
        return 0;
    char text[LARGEST + 1], target[LARGEST + 2], *at = text;
    memcpy(text, data, size);
    text[size] = '\0';
    snprintf(target, sizeof target, "/%s", take_line(&at, '_'));
    spi_field fields[MAX_FIELDS];
    size_t count = 0;
    while (*at && count < MAX_FIELDS) {
        const char *line = take_line(&at, ' ');
        if (!*line)
            continue;
        const char *name = name_of(*line), *value = line + 1;
        fields[count++] = (spi_field){ name, value, (uint32_t)strlen(name),
            (uint32_t)strlen(value) };
    }
    spi_memory_exchange *exchange = spi_memory_exchange_start(&spi_application_service, application,
        &(spi_memory_request){ .target = target, .fields = fields, .field_count = count });
    MUST(spi_memory_exchange_run(exchange) == 0);
    check(spi_memory_exchange_reply(exchange));
    spi_memory_exchange_free(exchange);
    return 0;
}
