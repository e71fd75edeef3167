#include <spout/error.h>
#include <spout/httputil.h>

#include "base/text.h"
#include "http/multipart.h"

#include "cut.h"
#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TYPE "multipart/form-data; boundary=b"
#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define FILE_HEAD(name, filename) \
    "Content-Disposition: form-data; name=\"" name "\"; filename=\"" filename "\"\r\n"

static int parse(const char *type, const char *body, spout_multipart *form)
{
    return spout_parse_multipart(type, spout_bytes_of(body), NULL, form);
}

static void test_fields_and_files(void **state)
{
    (void)state;
    spout_multipart form;
    assert_int_equal(
        parse(TYPE,
            "--b\r\n" FIELD("a") "1\r\n"
                                 "--b\r\n" FILE_HEAD(
                                     "f", "x.txt") "Content-Type: text/plain\r\n\r\n"
                                                   "line 1\r\nline 2\r\n\r\n"
                                                   "--b\r\n" FIELD("a") "\r\n"
                                                                        "--b\r\n" FILE_HEAD(
                                                                            "f", "y") "\r\n\r\n"
                                                                                      "--b--\r\n",
            &form),
        0);
    assert_int_equal(form.pair_count, 2);
    assert_true(spi_bytes_equal(form.pairs[0].name, "a"));
    assert_true(spi_bytes_equal(form.pairs[0].value, "1"));
    assert_true(spi_bytes_equal(form.pairs[1].value, ""));
    assert_int_equal(form.file_count, 2);
    assert_true(spi_bytes_equal(form.files[0].name, "f"));
    assert_string_equal(form.files[0].filename, "x.txt");
    assert_string_equal(form.files[0].content_type, "text/plain");
    assert_true(spi_bytes_equal(form.files[0].body, "line 1\r\nline 2\r\n"));
    assert_string_equal(form.files[1].content_type, "");
    assert_true(spi_bytes_equal(form.files[1].body, ""));
}

/* Bodies with a single field "a", and what its value is; NULL: SPOUT_EPROTO. */
static void test_delimiters(void **state)
{
    (void)state;
    static const struct {
        const char *body, *value;
    } cases[] = {
        { "--b\r\n" FIELD("a") "v\r\n--b--\r\n", "v" },
        { "--b\r\n" FIELD("a") "v\r\n--b--", "v" },
        { "--b\r\n" FIELD("a") "v\r\n--b-- \t", "v" },
        { "--b\r\n" FIELD("a") "v\r\n--b--\r\nepilogue --b", "v" },
        { "preamble\r\n--b\r\n" FIELD("a") "v\r\n--b--\r\n", "v" },
        { "\r\n--b\r\n" FIELD("a") "v\r\n--b--\r\n", "v" },
        { "--bx\r\n--b\r\n" FIELD("a") "v\r\n--b--\r\n", "v" },
        { "--b \t\r\n" FIELD("a") "v\r\n--b--\r\n", "v" },
        { "--b\r\n" FIELD("a") "\r\n--b--\r\n", "" },
        { "--b\r\n" FIELD("a") "--b--\r\n", "" },
        { "--b\r\n" FIELD("a") "v\r\n\r\n--b--\r\n", "v\r\n" },
        { "--b\r\n" FIELD("a") "\r\n--bx\r\n--b--\r\n", "\r\n--bx" },
        { "--b\r\n" FIELD("a") "\r\n--b-\r\n--b--\r\n", "\r\n--b-" },
        { "--b\r\n" FIELD("a") "\r\n--b--x\r\n--b--\r\n", "\r\n--b--x" },
        { "--b\r\n" FIELD("a") "\n--b\n\r--b\r\r\n--b--\r\n", "\n--b\n\r--b\r" },
        { "--b\r\n" FIELD("a") "--b\r\r\n--b--\r\n", "--b\r" },
        { "", NULL },
        { "--b", NULL },
        { "--b\r\n", NULL },
        { "--b\r\n--b--\r\n", NULL },
        { "--b\r\n\r\n\r\n--b--\r\n", NULL },
        { "--b\r\n" FIELD("a"), NULL },
        { "--b\r\n" FIELD("a") "v", NULL },
        { "--b\r\n" FIELD("a") "v\r\n", NULL },
        { "--b\r\n" FIELD("a") "v\r\n--b", NULL },
        { "--b\r\n" FIELD("a") "v\r\n--b-", NULL },
        { "--b\r\n" FIELD("a") "v\r\n--c--\r\n", NULL },
        { "--b\r\n" FIELD("a") "v--b--\r\n", NULL },
        { "--b\r\n" FIELD("a") "v\n--b--\r\n", NULL },
        { "--b\n" FIELD("a") "v\r\n--b--\r\n", NULL },
        { "-b\r\n" FIELD("a") "v\r\n-b--\r\n", NULL },
        { "x--b\r\n" FIELD("a") "v\r\n--b--\r\n", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spout_multipart form = { .pair_count = 77 };
        int result = parse(TYPE, cases[i].body, &form);
        if (result != (cases[i].value ? 0 : SPOUT_EPROTO))
            fail_msg("case %zu \"%s\": %d", i, cases[i].body, result);
        if (!cases[i].value) {
            assert_int_equal(form.pair_count, 77);
            continue;
        }
        assert_int_equal(form.pair_count, 1);
        assert_true(spi_bytes_equal(form.pairs[0].name, "a"));
        if (!spi_bytes_equal(form.pairs[0].value, cases[i].value))
            fail_msg(
                "case %zu: \"%.*s\"", i, (int)form.pairs[0].value.len, form.pairs[0].value.data);
    }
}

static void test_no_parts(void **state)
{
    (void)state;
    spout_multipart form;
    assert_int_equal(parse(TYPE, "--b--\r\n", &form), 0);
    assert_int_equal(form.pair_count, 0);
    assert_int_equal(form.file_count, 0);
}

static void test_boundaries(void **state)
{
    (void)state;
    static const struct {
        const char *type, *boundary; /* NULL: refused */
    } cases[] = {
        { "multipart/form-data; boundary=b", "b" },
        { "Multipart/Form-Data;BOUNDARY=b", "b" },
        { "multipart/form-data; boundary=\"a b\"", "a b" },
        { "multipart/form-data; boundary=\"a;b\"; charset=utf-8", "a;b" },
        { "multipart/form-data; charset=x; boundary=a'()+_,-./:=?", "a'()+_,-./:=?" },
        { "multipart/form-data; "
          "boundary=0123456789012345678901234567890123456789012345678901234567890123456789",
            "0123456789012345678901234567890123456789012345678901234567890123456789" },
        { "multipart/form-data; "
          "boundary=0123456789012345678901234567890123456789012345678901234567890123456789x",
            NULL },
        { "multipart/form-data", NULL },
        { "multipart/form-data; boundary=", NULL },
        { "multipart/form-data; boundary=\"\"", NULL },
        { "multipart/form-data; boundary=\"a ", NULL },
        { "multipart/form-data; boundary=\"a \"", NULL },
        { "multipart/form-data; boundary=a; boundary=b", NULL },
        { "multipart/form-data; boundary=\xC3\xA4", NULL },
        { "multipart/mixed; boundary=b", NULL },
        { "multipart/form-datax; boundary=b", NULL },
        { "", NULL },
        { NULL, NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spout_multipart form;
        const char *boundary = cases[i].boundary ? cases[i].boundary : "b";
        char *body = spout_scope_format(
            "--%s\r\n" FIELD("a") "v\r\n--%s--\r\n", boundary, boundary);
        int result = parse(cases[i].type, body, &form);
        if (result != (cases[i].boundary ? 0 : SPOUT_EPROTO))
            fail_msg("%s: %d", cases[i].type, result);
    }
}

/* A part's header lines, and what comes of them: "name/filename" or the name alone; NULL: refused.
   */
static void test_part_headers(void **state)
{
    (void)state;
#define DISPOSITION "Content-Disposition: form-data; "
    static const struct {
        const char *header, *expected;
    } cases[] = {
        { DISPOSITION "name=a\r\n", "a" },
        { "content-disposition:FORM-DATA;NAME=a\r\n", "a" },
        { DISPOSITION "name=\"a\"; filename=\"\"\r\n", "a" },
        { DISPOSITION "name=\"a\"; filename=x\r\n", "a/x" },
        { DISPOSITION "filename=x; name=a\r\n", "a/x" },
        { DISPOSITION "name=a; filename=\"a;b\\\"c\\\\d%22\"\r\n", "a/a;b\"c\\d%22" },
        { DISPOSITION "name=a; filename=\"C:\\dir\\file\"\r\n", "a/C:\\dir\\file" },
        { DISPOSITION "name=a; filename=\"../../etc/passwd\"\r\n", "a/../../etc/passwd" },
        { DISPOSITION "name=a; filename=\"\xE6\x97\xA5\xE6\x9C\xAC.txt\"\r\n",
            "a/\xE6\x97\xA5\xE6\x9C\xAC.txt" },
        { DISPOSITION "name=a; filename*=UTF-8''%E6%97%A5\r\n", "a/\xE6\x97\xA5" },
        { DISPOSITION "name=a; filename=x; filename*=UTF-8''y\r\n", "a/y" },
        { DISPOSITION "name=a; filename*=UTF-8''y; filename=x\r\n", "a/y" },
        { DISPOSITION "name=\"a\\\"b\"\r\n", "a\"b" },
        { DISPOSITION "name=\"\xFF\"\r\n", "\xFF" },
        { DISPOSITION "name=a\r\nX-Other: \t\xFF\r\n", "a" },
        { "X: y\r\n" DISPOSITION "name=a\r\n", "a" },
        { "X: y\r\n", NULL },
        { "", NULL },
        { "Content-Disposition: attachment; name=a\r\n", NULL },
        { "Content-Disposition: form-data\r\n", NULL },
        { DISPOSITION "name=\"\"\r\n", NULL },
        { DISPOSITION "filename=x\r\n", NULL },
        { DISPOSITION "name=a; name=b\r\n", NULL },
        { DISPOSITION "name=a; filename=x; filename=y\r\n", NULL },
        { DISPOSITION "name=a; filename*=UTF-8''x; filename*=UTF-8''y\r\n", NULL },
        { DISPOSITION "name=a\r\n" DISPOSITION "name=b\r\n", NULL },
        { DISPOSITION "name=\"a\r\n", NULL },
        { DISPOSITION "name=\"a\"b\r\n", NULL },
        { DISPOSITION "name=a; filename=\"\xFF\"\r\n", NULL },
        { DISPOSITION "name=a; filename*=UTF-8''%00\r\n", NULL },
        { DISPOSITION "name=a; filename*=x\r\n", NULL },
        { DISPOSITION "name=a\r\nContent-Type: \xFF\r\n", NULL },
        { DISPOSITION "name=a\rX: y\r\n", NULL },
        { DISPOSITION "name=a\nX: y\r\n", NULL },
        { DISPOSITION "name=a\x01\r\n", NULL },
        { DISPOSITION "name=a;\r\n filename=f;\r\n\tx=\"y\r\n z\"\r\nX: y\r\n", "a/f" },
        { "Content-Disposition:\r\n form-data; name=a\r\nX:\r\n \r\n y\r\n", "a" },
        { " " DISPOSITION "name=a\r\n", NULL },
        { "X\r\n : y\r\n" DISPOSITION "name=a\r\n", NULL },
        { DISPOSITION "name=a\r\nno colon\r\n", NULL },
        { DISPOSITION "name=a\r\nX : y\r\n", NULL },
        { DISPOSITION "name=a\r\n: y\r\n", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spout_multipart form;
        char *body = spout_scope_format("--b\r\n%s\r\nv\r\n--b--\r\n", cases[i].header);
        int result = parse(TYPE, body, &form);
        if (result != (cases[i].expected ? 0 : SPOUT_EPROTO))
            fail_msg("%s: %d", cases[i].header, result);
        if (result < 0)
            continue;
        assert_int_equal(form.pair_count + form.file_count, 1);
        const char *found = form.file_count
                                ? spout_scope_format("%s/%s", spout_scope_bytes(form.files[0].name),
                                      form.files[0].filename)
                                : spout_scope_bytes(form.pairs[0].name);
        assert_string_equal(found, cases[i].expected);
    }
}

static char *many_parts(size_t count)
{
    static const char part[] = "--b\r\n" FIELD("a") "v\r\n";
    char *body = malloc(count * sizeof part + 16), *at = body;
    for (size_t i = 0; i < count; i++, at += sizeof part - 1)
        memcpy(at, part, sizeof part);
    strcpy(at, "--b--\r\n");
    return body;
}

static void test_part_limit(void **state)
{
    (void)state;
    spout_multipart form;
    char *body = many_parts(100);
    assert_int_equal(parse(TYPE, body, &form), 0);
    assert_int_equal(form.pair_count, 100);
    free(body);
    body = many_parts(101);
    assert_int_equal(parse(TYPE, body, &form), SPOUT_EPROTO);
    free(body);
    body = many_parts(10000);
    spout_multipart_options options = { .max_parts = 10000 };
    assert_int_equal(spout_parse_multipart(TYPE, spout_bytes_of(body), &options, &form), 0);
    assert_int_equal(form.pair_count, 10000);
    assert_true(spi_bytes_equal(form.pairs[9999].value, "v"));
    free(body);
}

static void test_header_limit(void **state)
{
    (void)state;
    spout_multipart form;
    spout_multipart_options options = { .max_part_header = 60 };
    static const char body[] = "--b\r\nContent-Disposition: form-data; name=a\r\nX: 0123456789\r\n"
                               "\r\nv\r\n--b--";
    for (size_t limit = 1; limit < 80; limit++) {
        options.max_part_header = limit;
        int result = spout_parse_multipart(TYPE, spout_bytes_of(body), &options, &form);
        assert_int_equal(result, limit >= 57 ? 0 : SPOUT_EPROTO);
    }
}

/* A mebibyte of what is nearly a boundary. */
static void test_near_boundaries(void **state)
{
    (void)state;
    static const char *const nears[] = { "\r\n--bound", "\r", "\r\n", "\r\n--boundaryx", "-",
        "\r\n--boundary-", "\r\n--boundary x" };
    enum { SIZE = 1 << 20 };
    char *body = malloc(SIZE + 200);
    assert_non_null(body);
    for (size_t i = 0; i < sizeof nears / sizeof nears[0]; i++) {
        spout_multipart form;
        size_t near_len = strlen(nears[i]);
        strcpy(body, "--boundary\r\n" FIELD("a"));
        char *start = body + strlen(body), *at = start;
        for (; at < start + SIZE; at += near_len)
            memcpy(at, nears[i], near_len);
        size_t len = (size_t)(at - start);
        strcpy(at, "x\r\n--boundary--\r\n");
        int result = parse("multipart/form-data; boundary=boundary", body, &form);
        assert_int_equal(result, 0);
        assert_int_equal(form.pair_count, 1);
        assert_int_equal(form.pairs[0].value.len, len + 1);
    }
    free(body);
}

/* What a form says, however it is cut: "name/filename/type=content;" for each part, "!" for what is
   refused. */
static const char *told_in_pieces(const char *type, spout_bytes body, size_t first, cutter cut)
{
    spi_multipart multipart;
    spi_buffer told;
    spi_buffer_init(&told, 1 << 20);
    int result = spi_multipart_init(&multipart, type, NULL);
    bool in_part = false, ended = false;
    for (size_t at = 0; result == 0 && at < body.len && !ended;) {
        size_t len = first ? first : next_cut(&cut, body.len - at), done = 0;
        char *piece = malloc(len); /* so that nobody looks beyond it */
        memcpy(piece, body.data + at, len);
        at += len;
        first = 0;
        spi_multipart_event event;
        do {
            spout_bytes data;
            size_t used;
            spi_part_head part;
            event = spi_multipart_feed(&multipart, piece + done, len - done, &used, &data);
            done += used;
            if (event == SPI_MULTIPART_HEAD && spi_part_head_parse(data, &part) < 0)
                event = SPI_MULTIPART_BAD;
            if (event == SPI_MULTIPART_HEAD) {
                in_part = true;
                result = spi_buffer_append_format(&told, "%.*s/%s/%s=", (int)part.name.len,
                    part.name.data, part.filename ? part.filename : "", part.content_type);
            } else if (event == SPI_MULTIPART_DATA) {
                assert_true(data.len > 0);
                result = spi_buffer_append(&told, data.data, data.len);
            } else if (event == SPI_MULTIPART_DONE) {
                in_part = false;
                result = spi_buffer_append_char(&told, ';');
            }
        } while (event != SPI_MULTIPART_MORE && event != SPI_MULTIPART_END &&
                 event != SPI_MULTIPART_BAD);
        free(piece);
        ended = event == SPI_MULTIPART_END;
        if (event == SPI_MULTIPART_BAD)
            result = SPOUT_EPROTO;
        if (event == SPI_MULTIPART_MORE)
            assert_int_equal(done, len);
    }
    if (result == 0)
        result = spi_multipart_end_input(&multipart);
    if (result == 0 && in_part)
        assert_int_equal(spi_buffer_append_char(&told, ';'), 0);
    const char *text = result < 0 ? "!" : spout_scope_text(spi_buffer_text(&told));
    spi_multipart_finish(&multipart);
    spi_buffer_release(&told);
    return text;
}

static const char *told_whole(const char *type, spout_bytes body)
{
    return told_in_pieces(type, body, body.len, (cutter){ 0 });
}

static const char *const cut_bodies[] = {
    "--b\r\n" FIELD("a") "1\r\n--b\r\n" FILE_HEAD("f", "x") "Content-Type: text/plain\r\n\r\n"
                                                            "line 1\r\nline 2\r\n\r\n--b\r\n" FIELD(
                                                                "a") "\r\n--b--\r\n",
    "preamble\r\n--b \t\r\n" FIELD("a") "\r\n--bx\r\n--b-\r\n--b \t\r--b--\r\n--b--x\r\n--b--",
    "--bx\r\n--b\r\n" FIELD("a") "\r\r\n\r\n-\r\n--\r\n--b\r\r\n--b--\t \r\nepilogue --b\r\n--b",
    "--b\r\n" FIELD("a") "--b\r\n" FIELD("c") "--b\r\r\n--b-- ",
    "--b--",
    "--b--\r\n",
    "x\r\n--b--\r\n",
    "--b\r\nX: y\r\n\r\nv\r\n--b--",
    "--b\r\n" FIELD("a") "v\r\n--b",
    "--b\r\n" FIELD("a") "v\r\n--b--\r",
    "--b\r\nContent-Disposition: form-data; name=a\n\r\nv\r\n--b--",
};

static void every_cut_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cut_bodies / sizeof cut_bodies[0]; i++) {
        spout_bytes body = spout_bytes_of(cut_bodies[i]);
        const char *whole = told_whole(TYPE, body);
        for (size_t first = 1; first < body.len; first++)
            assert_string_equal(told_in_pieces(TYPE, body, first, (cutter){ 0 }), whole);
        for (uint32_t seed = 1; seed < CUTS; seed++)
            assert_string_equal(told_in_pieces(TYPE, body, 0, (cutter){ seed }), whole);
    }
    assert_string_equal(told_whole(TYPE, spout_bytes_of(cut_bodies[0])),
        "a//=1;f/x/text/plain=line 1\r\nline 2\r\n;a//=;");
    assert_string_equal(told_whole(TYPE, spout_bytes_of(cut_bodies[6])), "!");
    assert_string_equal(told_whole(TYPE, spout_bytes_of(cut_bodies[9])), "a//=v;");
}

/* Blanks behind a boundary are for nobody to count: there are not many. */
static void padding_has_a_limit(void **state)
{
    (void)state;
    spout_multipart form;
    for (int count = SPI_PADDING_MAX - 1; count < SPI_PADDING_MAX + 2; count++) {
        char *body = spout_scope_format(
            "--b%*s\r\n" FIELD("a") "v\r\n--b--%*s\r\n", count, "", count, "");
        int expected = count <= SPI_PADDING_MAX ? 0 : SPOUT_EPROTO;
        assert_int_equal(parse(TYPE, body, &form), expected);
        assert_string_equal(told_in_pieces(TYPE, spout_bytes_of(body), 0, (cutter){ 1 }),
            expected == 0 ? "a//=v;" : "!");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(test_fields_and_files),
        scoped_test(test_delimiters),
        scoped_test(test_no_parts),
        scoped_test(test_boundaries),
        scoped_test(test_part_headers),
        scoped_test(test_part_limit),
        scoped_test(test_header_limit),
        scoped_test(test_near_boundaries),
        scoped_test(every_cut_gives_the_same),
        scoped_test(padding_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
