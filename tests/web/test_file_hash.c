/* Hashes: right, shared, of what is there, and never on the loop. */
#include "kit.h"

#include "base/digest.h"
#include "base/text.h"
#include "file_kit.h"

#include <spout/executor.h>

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 300001, TASKS = 5 };

static spout_loop *loop;
static spi_file_cache *cache;
static char large[SIZE + 1];

static void make_cache(bool sha256, int64_t max_open, int64_t max_hashed)
{
    cache = file_kit_cache(cache, sha256, max_open, 1 << 20, max_hashed);
}

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        large[i] = (char)('a' + i % 23);
    folder_make();
    folder_write("large", large);
    folder_write("other", large + 1);
    loop = spout_loop_new(&(spout_loop_options){ .executor_threads = 1 });
    make_cache(false, 4, INT64_MAX);
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

static int hash(void *arg)
{
    return spi_file_hash(arg);
}

static int hash_now(spi_file *file)
{
    return spout_loop_run_sync(loop, hash, file, 0);
}

static void expect_hash(const unsigned char *wanted, size_t len)
{
    char text[65] = { 0 };
    spi_hex_encode(text, wanted, len);
    spi_file *file = get("large");
    assert_string_equal(file->version, "");
    assert_int_equal(hash_now(file), 0);
    assert_string_equal(file->version, text);
    assert_int_equal(strlen(file->etag), 2 * len + 2);
    assert_memory_equal(file->etag + 1, text, 2 * len);
    spi_file_unref(file);
}

static void both_kinds(void **state)
{
    (void)state;
    unsigned char wanted[32];
    spi_content_hash(wanted, large, SIZE);
    expect_hash(wanted, 16);
    make_cache(true, 4, INT64_MAX);
    spi_sha256(wanted, large, SIZE);
    expect_hash(wanted, 32);
    folder_write("abc", "abc");
    spi_file *file = get("abc"); /* in memory: nobody waits */
    assert_string_equal(
        file->version, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    spi_file_unref(file);
}

static int hash_together(void *arg)
{
    spout_group *group = spout_group_new();
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(spout_group_start(group, hash, arg, NULL), 0);
    int result = spout_group_join(group);
    spout_group_free(group);
    return result;
}

static void those_who_wait_share_it(void **state)
{
    (void)state;
    spi_file *file = get("large");
    assert_int_equal(spout_loop_run_sync(loop, hash_together, file, 0), 0);
    assert_int_equal(cache->hashes, 1);
    assert_string_not_equal(file->version, "");
    spi_file_unref(file);
    file = get("large");
    assert_string_not_equal(file->version, "");
    spi_file_unref(file);
}

/* --- one of them gives up --- */

static sem_t gate;

static int hold(void *arg)
{
    (void)arg;
    while (sem_wait(&gate) < 0)
        ;
    return 0;
}

static int hold_thread(void *arg)
{
    (void)arg;
    return spout_run_in_executor(hold, NULL);
}

static int hash_in_vain(void *arg)
{
    int64_t outer = spout_deadline_set_ms(5);
    int result = spi_file_hash(arg);
    spout_deadline_restore(outer);
    assert_int_equal(result, SPOUT_ETIMEDOUT);
    sem_post(&gate);
    return 0;
}

static int give_up(void *arg)
{
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, hold_thread, NULL, NULL), 0);
    assert_int_equal(spout_group_start(group, hash_in_vain, arg, NULL), 0);
    assert_int_equal(spout_group_start(group, hash, arg, NULL), 0);
    int result = spout_group_join(group);
    spout_group_free(group);
    return result;
}

static void another_takes_over(void **state)
{
    (void)state;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    spi_file *file = get("large");
    assert_int_equal(spout_loop_run_sync(loop, give_up, file, 0), 0);
    assert_int_equal(cache->hashes, 1);
    spi_file_unref(file);
    sem_destroy(&gate);
}

/* --- executors that do something else first --- */

typedef struct errand {
    void (*run)(void *job);
    void *job;
} errand;

static void *run_errand(void *arg)
{
    errand *one = arg;
    one->run(one->job);
    return NULL;
}

/* The file changes after it was opened and before it is read. */
static int submit_late(void *self, void (*run)(void *job), void *job)
{
    static errand one;
    one = (errand){ run, job };
    folder_write("large", "shorter now");
    pthread_t *thread = self;
    return pthread_create(thread, NULL, run_errand, &one) ? SPOUT_ESYSTEM : 0;
}

static int submit_never(void *self, void (*run)(void *job), void *job)
{
    (void)self;
    (void)run;
    (void)job;
    return spout_error_set(SPOUT_ELIMIT, "busy");
}

static void what_changes_meanwhile_has_none(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(
        spout_set_default_executor(&(spout_executor){ .submit = submit_late, .self = &thread }), 0);
    spi_file *file = get("large");
    assert_int_equal(hash_now(file), SPI_FILE_CHANGED);
    assert_int_equal(hash_now(file), SPI_FILE_CHANGED);
    pthread_join(thread, NULL);
    assert_null(file->cache);
    char tag[SPI_FILE_TAG_MAX];
    spi_file_tag(file, tag);
    assert_memory_equal(tag, "W/\"", 3);
    spi_file_unref(file);
    file = get("large");
    assert_int_equal(hash_now(file), 0);
    spi_file_unref(file);
}

static void no_thread_no_hash(void **state)
{
    (void)state;
    assert_int_equal(spout_set_default_executor(&(spout_executor){ .submit = submit_never }), 0);
    spi_file *file = get("large");
    assert_int_equal(hash_now(file), SPI_FILE_UNHASHED);
    spi_file_unref(file);
}

static void large_ones_have_another_tag(void **state)
{
    (void)state;
    make_cache(false, 4, SIZE - 1);
    spi_file *file = get("large"), *other = get("other");
    char tag[SPI_FILE_TAG_MAX], other_tag[SPI_FILE_TAG_MAX];
    assert_int_equal(hash_now(file), SPI_FILE_UNHASHED);
    assert_int_equal(hash_now(other), 0);
    spi_file_tag(file, tag);
    spi_file_tag(other, other_tag);
    assert_int_equal(strlen(tag), 34);
    assert_string_not_equal(tag, other_tag);
    file->grain_ms = 3600 * 1000;
    spi_file_tag(file, other_tag);
    assert_memory_equal(other_tag, "W/", 2);
    assert_string_equal(other_tag + 2, tag);
    spi_file_unref(file);
    spi_file_unref(other);
}

static void hashes_outlive_descriptors(void **state)
{
    (void)state;
    make_cache(false, 1, INT64_MAX);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = { "large", "other" };
        for (size_t k = 0; k < 2; k++) {
            spi_file *file = get(names[k]);
            assert_int_equal(hash_now(file), 0);
            spi_file_unref(file);
        }
    }
    assert_int_equal(cache->open_count, 1);
    assert_int_equal(cache->hashes, 2);
    folder_write("large", large + 2);
    spi_file *file = get("large");
    assert_int_equal(hash_now(file), 0);
    assert_int_equal(cache->hashes, 3);
    spi_file_unref(file);
}

static void what_is_remembered_has_a_limit(void **state)
{
    (void)state;
    spi_hash_memo *memo = spi_hash_memo_new();
    spi_file_state file = { .size = 1 };
    for (int i = 0; i < SPI_HASH_MEMO_MAX + 100; i++) {
        char version[SPI_FILE_VERSION_MAX];
        snprintf(version, sizeof version, "%d", i);
        file.inode = (ino_t)i;
        spi_hash_memo_add(memo, &file, version);
        spi_hash_memo_add(memo, &file, "of no interest");
        assert_string_equal(spi_hash_memo_find(memo, &file), version);
        file.inode = 0;
        assert_string_equal(spi_hash_memo_find(memo, &file), "0"); /* in use: stays */
    }
    assert_int_equal(spi_hash_memo_count(memo), SPI_HASH_MEMO_MAX);
    file.inode = 1;
    assert_null(spi_hash_memo_find(memo, &file));
    file.inode = SPI_HASH_MEMO_MAX;
    assert_non_null(spi_hash_memo_find(memo, &file));
    file.changed.tv_nsec = 1;
    assert_null(spi_hash_memo_find(memo, &file));
    spi_hash_memo_free(memo);
    spi_hash_memo_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_kinds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_who_wait_share_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_takes_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_changes_meanwhile_has_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_thread_no_hash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_ones_have_another_tag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hashes_outlive_descriptors, set_up, tear_down),
        cmocka_unit_test(what_is_remembered_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
