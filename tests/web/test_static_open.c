/* From a path to a file, with the kernel's help and without it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"
#include "web/static.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static spi_arena *arena;
static char folder[512];

static int set_up(void **state)
{
    (void)state;
    folder_make();
    folder_write("in/a", "a");
    folder_write("in/deep/er/b", "b");
    folder_write("in-secret/key", "key");
    snprintf(folder, sizeof folder, "%s", folder_path("in"));
    assert_int_equal(symlink("a", folder_path("in/near")), 0);
    assert_int_equal(symlink("../in-secret/key", folder_path("in/far")), 0);
    assert_int_equal(symlink("deep", folder_path("in/lane")), 0);
    assert_int_equal(symlink("../in-secret", folder_path("in/exit")), 0);
    assert_int_equal(symlink(folder, folder_path("in/absolute")), 0);
    assert_int_equal(symlink("circle", folder_path("in/circle")), 0);
    arena = spi_arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spi_arena_free(arena);
    folder_remove();
    return 0;
}

typedef struct row {
    const char *path;
    int results[3]; /* 0 or an errno, by policy */
} row;

static void expect_rows(const row *rows, size_t count)
{
    for (int policy = 0; policy < 3; policy++) {
        spi_static_root *root = spi_static_open(
            arena, &(spout_static_options){ .path = folder, .links = (spout_static_links)policy });
        assert_non_null(root);
        for (size_t i = 0; i < count; i++) {
            int fd = spi_static_open_file(root, rows[i].path);
            int result = fd < 0 ? errno : 0;
            if (fd >= 0)
                close(fd);
            if (result != rows[i].results[policy])
                fail_msg("%s with policy %d: %s", rows[i].path, policy, strerror(result));
        }
        spi_static_close(root);
    }
}

static void where_paths_lead(void **state)
{
    (void)state;
    const row rows[] = {
        { "a", { 0, 0, 0 } },
        { "", { 0, 0, 0 } },
        { "deep/", { 0, 0, 0 } },
        { "deep/er/b", { 0, 0, 0 } },
        { "deep//er/./b", { 0, 0, 0 } },
        { "none", { ENOENT, ENOENT, ENOENT } },
        { "none/a", { ENOENT, ENOENT, ENOENT } },
        { "a/b", { ENOTDIR, ENOTDIR, ENOTDIR } },
        { "a/", { ENOTDIR, ENOTDIR, ENOTDIR } },
        { "/a", { EXDEV, EXDEV, EXDEV } },
        { "..", { EXDEV, EXDEV, EXDEV } },
        { "deep/../../in-secret/key", { EXDEV, EXDEV, EXDEV } },
        { "near", { 0, ELOOP, 0 } },
        { "far", { EXDEV, ELOOP, 0 } },
        { "exit/key", { EXDEV, ELOOP, 0 } },
        { "lane/er/b", { 0, ELOOP, 0 } },
        { "absolute/a", { 0, ELOOP, 0 } },
        { "absolute/far", { EXDEV, ELOOP, 0 } },
        { "circle", { ELOOP, ELOOP, ELOOP } },
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

/* As an old kernel would answer, or a sandbox that doesn't know the call. */
static void forbid_openat2(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof filter / sizeof filter[0], filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        skip();
    errno = 0;
    assert_int_equal(syscall(SYS_openat2, -1, NULL, NULL, 0), -1);
    assert_int_equal(errno, ENOSYS);
}

/* The last test: there is no way back. */
static void without_openat2(void **state)
{
    forbid_openat2();
    where_paths_lead(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(where_paths_lead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_openat2, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
