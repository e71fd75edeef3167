/* Runs wire scripts against the server of the test kit; one TAP result for each. See README.md for
   the language. */
#include "script.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The arguments, with all the scripts in the place of a folder. */
static size_t find_scripts(int argc, char **argv, glob_t *ret_paths)
{
    char pattern[4096];
    ret_paths->gl_pathc = 0;
    for (int i = 1; i < argc; i++) {
        snprintf(
            pattern, sizeof pattern, "%s%s", argv[i], strstr(argv[i], ".wire") ? "" : "/*.wire");
        glob(pattern, i > 1 ? GLOB_APPEND : 0, NULL, ret_paths);
    }
    return ret_paths->gl_pathc;
}

static bool run_script(size_t number, const char *path)
{
    char complaint[2048] = "";
    bool good = script_run(path, complaint, sizeof complaint);
    if (!good)
        printf("# %s\n", complaint);
    printf("%s %zu - %s\n", good ? "ok" : "not ok", number, base_name(path));
    fflush(stdout);
    return good;
}

int main(int argc, char **argv)
{
    glob_t paths = { 0 };
    size_t failed = 0, count = find_scripts(argc, argv, &paths);
    if (count == 0) {
        fprintf(stderr, "usage: %s SCRIPT.wire|FOLDER ...\n", argv[0]);
        return 2;
    }
    printf("1..%zu\n", count);
    for (size_t i = 0; i < count; i++)
        failed += !run_script(i + 1, paths.gl_pathv[i]);
    globfree(&paths);
    return failed ? 1 : 0;
}
