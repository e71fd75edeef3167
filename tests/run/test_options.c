#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>
#include <spout/options.h>

static const spout_option table[] = {
    { .name = "port",
        .type = SPOUT_OPTION_INT,
        .default_value = "8888",
        .metavar = "PORT",
        .help = "where" },
    { .name = "log-file", .type = SPOUT_OPTION_TEXT },
    { .name = "debug", .type = SPOUT_OPTION_BOOL, .help = "say more" },
    { .name = "max-size", .type = SPOUT_OPTION_SIZE, .default_value = "10M" },
    { 0 },
};

static int define_table(void **state)
{
    (void)state;
    spout_options_reset();
    return spout_options_define(table);
}

static int forget(void **state)
{
    (void)state;
    spout_options_reset();
    spout_error_clear();
    return 0;
}

static int parse(const char *a, const char *b, const char *c)
{
    char words[4][64] = { "program" };
    const char *given[] = { a, b, c };
    char *argv[5] = { words[0] };
    int argc = 1;
    for (int i = 0; i < 3 && given[i]; i++) {
        snprintf(words[argc], sizeof words[argc], "%s", given[i]);
        argv[argc] = words[argc];
        argc++;
    }
    return spout_options_parse(argc, argv);
}

static void defaults_hold_until_something_is_given(void **state)
{
    (void)state;
    assert_int_equal(parse(NULL, NULL, NULL), 1);
    assert_int_equal(spout_option_int("port"), 8888);
    assert_null(spout_option_text("log-file"));
    assert_false(spout_option_bool("debug"));
    assert_int_equal(spout_option_int("max-size"), 10 << 20);
    assert_false(spout_option_is_set("port"));
}

static void values_are_parsed_by_their_type(void **state)
{
    (void)state;
    assert_int_equal(parse("--port=-5", "--log_file=a=b", "-debug"), 4);
    assert_int_equal(spout_option_int("port"), -5);
    assert_string_equal(spout_option_text("log_file"), "a=b");
    assert_string_equal(spout_option_text("log-file"), "a=b");
    assert_true(spout_option_bool("debug"));
    assert_true(spout_option_is_set("debug"));
}

static void no_means_no(void **state)
{
    (void)state;
    static const char *const off[] = { "--debug=no", "--debug=False", "--debug=0", "--debug=off",
        "--debug=f" };
    static const char *const on[] = { "--debug=yes", "--debug=TRUE", "--debug=1", "--debug=on",
        "--debug" };
    for (int i = 0; i < 5; i++) {
        assert_int_equal(parse(on[i], NULL, NULL), 2);
        assert_true(spout_option_bool("debug"));
        assert_int_equal(parse(off[i], NULL, NULL), 2);
        assert_false(spout_option_bool("debug"));
    }
}

static void sizes_have_units_of_1024(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        int64_t bytes;
    } cases[] = {
        { "--max-size=0", 0 },
        { "--max-size=1k", 1024 },
        { "--max-size=2M", 2 << 20 },
        { "--max-size=3g", (int64_t)3 << 30 },
        { "--max-size=1048577", 1048577 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(cases[i].word, NULL, NULL), 2);
        assert_int_equal(spout_option_int("max-size"), cases[i].bytes);
    }
}

static void mistakes_are_told_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *word, *message;
    } cases[] = {
        { "--prot=1", "unknown option '--prot': see --help" },
        { "-x", "unknown option '-x': see --help" },
        { "--port", "option '--port' requires a value: --port=PORT" },
        { "--port=x", "option '--port' needs a number, not 'x'" },
        { "--port=", "option '--port' needs a number, not ''" },
        { "--port=1 ", "option '--port' needs a number, not '1 '" },
        { "--port=99999999999999999999",
            "option '--port' needs a number, not '99999999999999999999'" },
        { "--debug=maybe", "option '--debug' needs true or false, not 'maybe'" },
        { "--max-size=-1", "option '--max-size' needs a size such as 10M, not '-1'" },
        { "--max-size=M", "option '--max-size' needs a size such as 10M, not 'M'" },
        { "--max-size=99999999999G",
            "option '--max-size' needs a size such as 10M, not '99999999999G'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(cases[i].word, NULL, NULL), SPOUT_EINVAL);
        assert_string_equal(spout_error_message(), cases[i].message);
    }
    assert_int_equal(spout_option_int("port"), 8888);
}

static void words_end_the_options(void **state)
{
    (void)state;
    assert_int_equal(parse("--debug", "word", "--port=1"), 2);
    assert_int_equal(parse("--", "--port=1", NULL), 2);
    assert_int_equal(parse("-", "--port=1", NULL), 1);
    assert_int_equal(spout_option_int("port"), 8888);
}

static void a_name_is_defined_once(void **state)
{
    (void)state;
    static const spout_option twice[] = { { .name = "log_file", .type = SPOUT_OPTION_TEXT },
        { 0 } };
    static const spout_option bad[] = {
        { .name = "n", .type = SPOUT_OPTION_INT, .default_value = "x" }, { 0 }
    };
    assert_int_equal(spout_options_define(twice), SPOUT_EEXIST);
    assert_int_equal(spout_options_define(bad), SPOUT_EINVAL);
}

static void options_can_be_set_by_the_program(void **state)
{
    (void)state;
    assert_int_equal(spout_option_set("port", "1"), 0);
    assert_int_equal(spout_option_int("port"), 1);
    assert_int_equal(spout_option_set("port", "one"), SPOUT_EINVAL);
    assert_int_equal(spout_option_set("nothing", "1"), SPOUT_ENOTFOUND);
    assert_int_equal(spout_option_int("nothing"), 0);
    assert_null(spout_option_text("nothing"));
}

static void help_names_every_option_with_its_default(void **state)
{
    (void)state;
    char text[2048] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    spout_options_print_help(out, "program");
    fclose(out);
    assert_non_null(strstr(text, "Usage: program [OPTIONS]"));
    assert_non_null(strstr(text, "--port=PORT"));
    assert_non_null(strstr(text, "where (default 8888)"));
    assert_non_null(strstr(text, "--debug "));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            defaults_hold_until_something_is_given, define_table, forget),
        cmocka_unit_test_setup_teardown(values_are_parsed_by_their_type, define_table, forget),
        cmocka_unit_test_setup_teardown(no_means_no, define_table, forget),
        cmocka_unit_test_setup_teardown(sizes_have_units_of_1024, define_table, forget),
        cmocka_unit_test_setup_teardown(mistakes_are_told_in_words, define_table, forget),
        cmocka_unit_test_setup_teardown(words_end_the_options, define_table, forget),
        cmocka_unit_test_setup_teardown(a_name_is_defined_once, define_table, forget),
        cmocka_unit_test_setup_teardown(options_can_be_set_by_the_program, define_table, forget),
        cmocka_unit_test_setup_teardown(
            help_names_every_option_with_its_default, define_table, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
