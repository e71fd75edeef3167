/* What is kept of files that were served, for how long, and that it is never out of date. */
#include "kit.h"

#include "file_kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static spout_loop *loop;
static spi_file_cache *cache;
static int64_t clock_ms;

static int64_t open_figure, memory_figure, load_figure;

static void count(void *self, const char *name, int64_t delta)
{
    (void)self;
    if (strcmp(name, "static_open_files") == 0)
        open_figure += delta;
    else if (strcmp(name, "static_memory_bytes") == 0)
        memory_figure += delta;
    else if (strcmp(name, "static_loads") == 0)
        load_figure += delta;
}

static int64_t now(void *self)
{
    (void)self;
    return clock_ms;
}

static int64_t wall(void *self)
{
    (void)self;
    return clock_ms * 1000;
}

static void go_on(void *self, int64_t delay_ms)
{
    (void)self;
    clock_ms += delay_ms;
}

static void make_cache(int64_t max_open, int64_t max_memory)
{
    cache = file_kit_cache(cache, false, max_open, max_memory, INT64_MAX);
}

static int set_up(void **state)
{
    (void)state;
    folder_make();
    open_figure = memory_figure = load_figure = 0;
    loop = spout_loop_new(&(spout_loop_options){ .metrics = &(spout_metrics){ .count = count },
        .clock = &(spout_clock){ .monotonic_ms = now, .wall_us = wall, .skip_ms = go_on } });
    make_cache(4, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spi_file_cache_free(cache);
    cache = NULL;
    spout_loop_free(loop);
    folder_remove();
    return 0;
}

static spi_file *get(const char *name)
{
    return file_kit_get(cache, loop, name);
}

static void expect_bytes(const char *name, const char *text)
{
    spi_file *file = get(name);
    assert_int_equal(file->size, strlen(text));
    assert_memory_equal(file->bytes, text, strlen(text));
    spi_file_unref(file);
}

static int get_error(const char *name)
{
    spi_file *file;
    assert_int_equal(spi_file_cache_get(cache, loop, folder_path(name), false, &file), -1);
    return errno;
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void small_files_stay_in_memory(void **state)
{
    (void)state;
    folder_write("a.css", "a { }");
    int before = open_descriptors();
    for (int i = 0; i < 3; i++)
        expect_bytes("a.css", "a { }");
    assert_int_equal(cache->loads, 1);
    assert_int_equal(cache->open_count, 0);
    assert_true(cache->memory > 5);
    assert_int_equal(open_descriptors(), before);
    spi_file *file = get("a.css");
    assert_string_equal(file->content_type, "text/css; charset=utf-8");
    assert_int_equal(strlen(file->version), 32);
    assert_int_equal(strlen(file->etag), 34);
    spi_file_unref(file);
}

static void changes_are_seen(void **state)
{
    (void)state;
    folder_write("a", "first");
    expect_bytes("a", "first");
    folder_write("a", "edited in place");
    expect_bytes("a", "edited in place");
    folder_write("b", "replaced");
    assert_int_equal(rename(folder_path("b"), folder_path("a")), 0);
    expect_bytes("a", "replaced");
    assert_int_equal(cache->loads, 3);
    const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    assert_int_equal(utimensat(AT_FDCWD, folder_path("a"), times, 0), 0);
    spi_file *file = get("a");
    assert_int_equal(file->modified, 1000);
    assert_string_equal(file->last_modified, "Thu, 01 Jan 1970 00:16:40 GMT");
    spi_file_unref(file);
    assert_int_equal(unlink(folder_path("a")), 0);
    assert_int_equal(get_error("a"), ENOENT);
    assert_int_equal(cache->memory, 0);
}

/* Edits that follow each other faster than the file system's clock ticks, with the same length. */
static void changes_of_one_tick_are_seen(void **state)
{
    (void)state;
    cache->grain_ms = SPI_FILE_GRAIN_MS;
    for (int i = 0; i < 200; i++) {
        char text[16];
        snprintf(text, sizeof text, "%07d", i);
        folder_write("tick", text);
        expect_bytes("tick", text);
    }
}

static int look_twice(void *arg)
{
    (void)arg;
    spi_file *file;
    expect_bytes("a", "before");
    folder_write("a", "after that");
    expect_bytes("a", "before");
    assert_int_equal(spi_file_cache_get(cache, loop, folder_path("a"), true, &file), 0);
    assert_int_equal(file->size, 10);
    spi_file_unref(file);
    expect_bytes("a", "after that");
    folder_write("a", "and again");
    assert_int_equal(spout_yield(), 0);
    expect_bytes("a", "and again");
    return 0;
}

static void one_look_in_a_turn(void **state)
{
    (void)state;
    folder_write("a", "before");
    assert_int_equal(spout_loop_run_sync(loop, look_twice, NULL, 0), 0);
}

static void what_was_used_longest_ago_is_closed(void **state)
{
    (void)state;
    make_cache(3, 0);
    int before = open_descriptors();
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        folder_write(name, name);
        spi_file_unref(get(name));
        if (i > 0)
            spi_file_unref(get("0")); /* stays */
    }
    assert_int_equal(cache->open_count, 3);
    assert_int_equal(spi_map_count(cache->files), 3);
    assert_int_equal(open_descriptors(), before + 3);
    uint64_t loads = cache->loads;
    spi_file_unref(get("0"));
    spi_file_unref(get("5"));
    spi_file_unref(get("4"));
    assert_int_equal(cache->loads, loads);
    spi_file_unref(get("3"));
    assert_int_equal(cache->loads, loads + 1);
    spi_file_cache_free(cache);
    cache = NULL;
    assert_int_equal(open_descriptors(), before);
}

static void memory_has_a_limit(void **state)
{
    (void)state;
    char text[1001] = { 0 };
    memset(text, 'x', 1000);
    make_cache(4, 8000);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        folder_write(name, text);
        expect_bytes(name, text);
        assert_true(cache->memory <= 8000);
    }
    assert_true(spi_map_count(cache->files) >= 3);
    make_cache(4, 100); /* none of them fits */
    expect_bytes("1", text);
    assert_int_equal(spi_map_count(cache->files), 0);
    make_cache(0, 0); /* nothing is kept at all */
    spi_file *file = get("1");
    assert_non_null(file->open);
    spi_file_unref(file);
    assert_int_equal(spi_map_count(cache->files), 0);
}

static void figures_tell_what_is_kept(void **state)
{
    (void)state;
    make_cache(2, 8000);
    folder_write("a", "small");
    static char text[SPI_FILE_IN_MEMORY + 2];
    memset(text, 'z', sizeof text - 1);
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "l%d", i);
        folder_write(name, text);
        spi_file_unref(get(name));
        expect_bytes("a", "small");
        assert_int_equal(open_figure, cache->open_count);
        assert_int_equal(memory_figure, cache->memory);
    }
    assert_int_equal(open_figure, 2);
    assert_int_equal(load_figure, 6);
    spi_file_cache_free(cache);
    cache = NULL;
    assert_int_equal(open_figure, 0);
    assert_int_equal(memory_figure, 0);
}

static void who_sends_keeps_what_it_sends(void **state)
{
    (void)state;
    make_cache(4, 0);
    folder_write("a", "old");
    spi_file *old = get("a");
    assert_int_equal(unlink(folder_path("a")), 0);
    folder_write("a", "new one");
    spi_file *new = get("a");
    char bytes[8];
    assert_ptr_not_equal(old, new);
    assert_null(old->cache);
    assert_int_equal(pread(old->open->fd, bytes, sizeof bytes, 0), 3);
    spi_shared_file *sending = spi_shared_file_ref(old->open);
    spi_file_unref(old);
    assert_int_equal(pread(sending->fd, bytes, sizeof bytes, 0), 3);
    spi_shared_file_unref(sending);
    spi_file_unref(new);
}

static void large_files_are_opened(void **state)
{
    (void)state;
    static char text[SPI_FILE_IN_MEMORY + 2];
    memset(text, 'y', sizeof text - 1);
    folder_write("large", text);
    spi_file *file = get("large");
    assert_non_null(file->open);
    assert_null(file->bytes);
    assert_string_equal(file->version, "");
    spi_file_unref(file);
    text[SPI_FILE_IN_MEMORY] = '\0';
    folder_write("largest", text);
    file = get("largest");
    assert_null(file->open);
    spi_file_unref(file);
}

static int wait_long(void *arg)
{
    return spout_sleep(*(const int64_t *)arg);
}

static void idle_ones_go(void **state)
{
    (void)state;
    int64_t half = SPI_FILE_IDLE_MS / 2 + 1, whole = SPI_FILE_IDLE_MS + 1;
    folder_write("a", "a");
    folder_write("b", "b");
    spi_file_unref(get("a"));
    assert_int_equal(spout_loop_run_sync(loop, wait_long, &half, 0), 0);
    spi_file_unref(get("b"));
    assert_int_equal(spout_loop_run_sync(loop, wait_long, &half, 0), 0);
    assert_int_equal(spi_map_count(cache->files), 1);
    assert_int_equal(spout_loop_run_sync(loop, wait_long, &whole, 0), 0);
    assert_int_equal(spi_map_count(cache->files), 0);
    assert_int_equal(cache->memory, 0);
    spi_file_unref(get("a"));
    assert_int_equal(spout_loop_run_sync(loop, wait_long, &whole, 0), 0);
    assert_int_equal(spout_loop_run_sync(loop, wait_long, &whole, 0), 0);
    assert_int_equal(spi_map_count(cache->files), 0);
}

/* The cache is the first to do without a descriptor. */
static void it_makes_room_for_descriptors(void **state)
{
    (void)state;
    make_cache(4, 0);
    folder_write("a", "a");
    folder_write("b", "b");
    spi_file_unref(get("a"));
    int next = dup(0);
    assert_true(next > 0);
    close(next);
    struct rlimit limit, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    spi_file *file = NULL;
    int result = spi_file_cache_get(cache, loop, folder_path("b"), false, &file);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(result, 0);
    assert_int_equal(cache->open_count, 1);
    spi_file_unref(file);
}

static void what_is_no_file(void **state)
{
    (void)state;
    assert_int_equal(get_error("missing"), ENOENT);
    assert_int_equal(get_error(""), EISDIR);
    assert_int_equal(mkfifo(folder_path("fifo"), 0600), 0);
    assert_int_equal(get_error("fifo"), ENXIO);
    folder_write("a", "a");
    expect_bytes("a", "a");
    assert_int_equal(unlink(folder_path("a")), 0);
    assert_int_equal(mkdir(folder_path("a"), 0700), 0);
    assert_int_equal(get_error("a"), EISDIR);
}

static void it_outlives_its_loop(void **state)
{
    (void)state;
    folder_write("a", "a");
    spi_file *file = get("a");
    spout_loop_free(loop);
    assert_int_equal(spi_map_count(cache->files), 0);
    spi_file_unref(file);
    loop = spout_loop_new(NULL);
    expect_bytes("a", "a");
    assert_int_equal(spi_map_count(cache->files), 1);
}

static void youth(void **state)
{
    (void)state;
    struct timespec moment;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &moment), 0);
    spi_file_state file = { .changed = moment, .modified = moment };
    file.changed.tv_nsec |= 1;
    assert_true(spi_file_youth_ms(&file, 3600000) > 0);
    assert_int_equal(spi_file_youth_ms(&file, 0), 0);
    file.changed.tv_sec -= 10;
    assert_int_equal(spi_file_youth_ms(&file, 20), 0);
    file.changed.tv_sec += 1000; /* another machine's clock */
    assert_int_equal(spi_file_youth_ms(&file, 20), 20);
    file.changed = file.modified = (struct timespec){ .tv_sec = moment.tv_sec + 1000 };
    assert_int_equal(spi_file_youth_ms(&file, 20), 2000); /* whole seconds only */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_files_stay_in_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes_are_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes_of_one_tick_are_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_look_in_a_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_used_longest_ago_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_has_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(figures_tell_what_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_sends_keeps_what_it_sends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_files_are_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(idle_ones_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_makes_room_for_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_outlives_its_loop, set_up, tear_down),
        cmocka_unit_test(youth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
