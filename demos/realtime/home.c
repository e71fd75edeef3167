#define _GNU_SOURCE
#include "realtime.h"

#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

static char folder[PATH_MAX];
static spout_static_options static_options = { .path = folder };

/* Whether an Accept header lists text/html, other than with q=0. */
static bool wants_page(const char *accept)
{
    while (*accept) {
        accept += strspn(accept, " \t,");
        size_t len = strcspn(accept, ",");
        size_t type = strcspn(accept, ",; \t");
        if (type == strlen("text/html") && strncasecmp(accept, "text/html", type) == 0) {
            const char *quality = strcasestr(accept, "q=");
            return !quality || quality > accept + len || strtod(quality + 2, NULL) > 0;
        }
        accept += len;
    }
    return false;
}

static int get(spout_request *r)
{
    spout_set_header(r, "Vary", "Accept");
    if (wants_page(spout_header(r, "Accept", "")))
        return spout_write_file(r, spout_scope_format("%s/index.html", folder));
    if (spout_sleep(100) < 0)
        return -1;
    return spout_write_json(
        r, json_pack("{s:s, s:o, s:s}", "message", "Hello, Waterspout!", "timestamp",
               site_timestamp(), "server", "Waterspout/" SPOUT_VERSION));
}

static bool has_page(const char *path)
{
    char page[PATH_MAX + 16];
    snprintf(page, sizeof page, "%s/index.html", path);
    return access(page, R_OK) == 0;
}

/* The folder of the running program, wherever it was started from. */
static bool program_folder(char *out, size_t size, const char *relative)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0)
        return false;
    self[len] = 0;
    *strrchr(self, '/') = 0;
    return snprintf(out, size, "%s/%s", self, relative) < (int)size;
}

/* --static, else what belongs to the program where it lies (a build folder among the sources, an
   installation that was moved), else what the build knew: the sources, then where `make install`
   puts it. */
int home_configure(const char *chosen)
{
    if (chosen) {
        snprintf(folder, sizeof folder, "%s", chosen);
        if (!has_page(folder))
            return spout_error_set(
                SPOUT_ENOTFOUND, "the static folder '%s' has no index.html", folder);
        return 0;
    }
    static const char *const beside[] = { "../../demos/realtime/static",
        "../../share/waterspout/realtime" };
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
        if (program_folder(folder, sizeof folder, beside[i]) && has_page(folder))
            return 0;
    static const char *const built[] = { REALTIME_SOURCE, REALTIME_INSTALLED };
    for (size_t i = 0; i < sizeof built / sizeof built[0]; i++) {
        snprintf(folder, sizeof folder, "%s", built[i]);
        if (has_page(folder))
            return 0;
    }
    return spout_error_set(SPOUT_ENOTFOUND,
        "cannot find the page and its static files: name their folder with --static=DIR");
}

const spout_handler home_handler = { .base = &site, .name = "home", .get = get };
spout_handler static_handler = { .base = &site, .name = "static", .static_files = &static_options };
