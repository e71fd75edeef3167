#include "kit.h"

#include "folder.h"

#include <spout/executor.h>
#include <spout/multipart.h>
#include <spout/stream.h>
#include <spout/tcpclient.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TYPE "multipart/form-data; boundary=b"
#define FIELD(name, value) \
    "--b\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_PART(name, filename, content)                                           \
    "--b\r\nContent-Disposition: form-data; name=\"" name "\"; filename=\"" filename \
    "\"\r\nContent-Type: text/plain\r\n\r\n" content "\r\n"
#define END "--b--\r\n"

static const char mixed[] = FIELD("title", " Sea ") FILE_PART("photo", "x.txt", "one\r\ntwo")
    FIELD("title", "Sky") FILE_PART("photo", "y.txt", "") FIELD("empty", "") END;

static int list_parts(spout_request *r)
{
    spout_part part;
    spout_bytes piece;
    int result;
    while ((result = spout_multipart_next(r, &part)) > 0) {
        spout_write_format(
            r, "%s/%s/%s=", part.name, part.filename ? part.filename : "-", part.content_type);
        while ((result = spout_part_read(r, &piece)) > 0)
            spout_write_bytes(r, piece);
        if (result < 0)
            return result;
        assert_int_equal(spout_part_read(r, &piece), 0);
        spout_write(r, ";");
    }
    if (result < 0)
        return result;
    const spout_upload *upload;
    assert_int_equal(spout_part_save(r, folder_path(""), 0, &upload), SPOUT_ESTATE);
    return spout_multipart_next(r, &part);
}

static int list_names(spout_request *r)
{
    spout_part part;
    int result;
    spout_multipart_options options = { .max_parts = 5 };
    if (spout_multipart_start(r, &options) < 0)
        return -1;
    assert_int_equal(spout_multipart_start(r, &options), SPOUT_ESTATE);
    while ((result = spout_multipart_next(r, &part)) > 0)
        spout_write_format(r, "%s ", part.name);
    return result;
}

/* Of a form that is wrong nothing can be read after the error. */
static int go_on(spout_request *r)
{
    spout_part part;
    spout_bytes piece;
    const spout_upload *upload;
    assert_int_equal(spout_part_read(r, &piece), SPOUT_ESTATE);
    assert_int_equal(spout_part_save(r, folder_path(""), 0, &upload), SPOUT_ESTATE);
    while (spout_multipart_next(r, &part) > 0)
        ;
    assert_true(spout_multipart_next(r, &part) < 0);
    assert_true(spout_part_read(r, &piece) < 0);
    return spout_fail(r, 418, "as expected");
}

static int first_only(spout_request *r)
{
    spout_part part;
    spout_bytes content;
    if (spout_multipart_next(r, &part) <= 0 || spout_part_read_all(r, 8, &content) < 0)
        return -1;
    assert_int_equal(content.data[content.len], 0);
    return spout_write_bytes(r, content);
}

static void write_uploads(spout_request *r)
{
    const spout_upload *const *all;
    size_t count = spout_uploads(r, &all);
    assert_null(all[count]);
    for (size_t i = 0; i < count; i++) {
        char text[64] = "";
        struct stat status;
        FILE *file = fopen(all[i]->path, "r");
        assert_non_null(file);
        assert_int_equal(fstat(fileno(file), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        size_t len = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        assert_int_equal(status.st_size, all[i]->size);
        spout_write_format(r, " %s/%s/%s=%.*s;", all[i]->name, all[i]->filename,
            all[i]->content_type, (int)len, text);
    }
}

static int whole_form(spout_request *r)
{
    const char *const *titles;
    spout_form_options options = {
        .folder = folder_path(""), .max_field_size = 10, .max_fields_size = 40, .max_file_size = 20
    };
    if (spout_read_form(r, &options) < 0)
        return -1;
    size_t count = spout_arguments(r, "title", &titles);
    spout_write_format(r, "%zu %s %s", count, spout_argument(r, "title", "-"),
        spout_body_argument(r, "empty", "-"));
    write_uploads(r);
    return 0;
}

static int keep(spout_request *r)
{
    spout_form_options options = { .folder = folder_path("") };
    if (spout_read_form(r, &options) < 0)
        return -1;
    const spout_upload *photo = spout_find_upload(r, "photo");
    assert_null(spout_find_upload(r, "nobody"));
    if (!photo)
        return spout_fail(r, 400, "no photo");
    assert_int_equal(spout_upload_move(r, photo, "/nowhere/at/all"), SPOUT_ESYSTEM);
    if (spout_upload_move(r, photo, folder_path("kept")) < 0)
        return -1;
    assert_int_equal(spout_upload_move(r, photo, folder_path("again")), SPOUT_ESTATE);
    return spout_write(r, photo->filename);
}

static int count_bytes(spout_request *r, const spout_part *part)
{
    spout_bytes piece;
    size_t size = 0;
    int result = 0;
    if (strcmp(part->filename, "skip") == 0)
        return 0;
    if (strcmp(part->filename, "refuse") == 0)
        return spout_fail(r, 409, "refused");
    while ((result = spout_part_read(r, &piece)) > 0)
        size += piece.len;
    spout_write_format(r, "%s=%zu ", part->filename, size);
    return result;
}

static int with_callback(spout_request *r)
{
    if (spout_read_form(r, &(spout_form_options){ .on_file = count_bytes }) < 0)
        return -1;
    return spout_write(r, spout_argument(r, "title", "-"));
}

static int bad_options(spout_request *r)
{
    assert_int_equal(
        spout_read_form(r, &(spout_form_options){ .folder = "x", .on_file = count_bytes }),
        SPOUT_EINVAL);
    assert_int_equal(
        spout_read_form(r, &(spout_form_options){ .max_file_size = -1 }), SPOUT_EINVAL);
    return spout_write(r, "");
}

static int not_streamed(spout_request *r)
{
    spout_part part;
    assert_int_equal(spout_multipart_next(r, &part), SPOUT_ESTATE);
    return spout_write(r, spout_argument(r, "title", "-"));
}

static int nowhere(spout_request *r)
{
    return spout_read_form(r, &(spout_form_options){ .folder = "/nowhere/at/all" });
}

static int disturbed_prepare(spout_request *r)
{
    return spout_write(r, spout_argument(r, "title", "no argument yet; "));
}

#define STREAM(fn)                                             \
    &(const spout_handler)                                     \
    {                                                          \
        .post = fn, .stream_body = 1, .max_body_size = 8 << 20 \
    }

static const spout_route routes[] = {
    { "/parts", STREAM(list_parts) },
    { "/names", STREAM(list_names) },
    { "/go-on", STREAM(go_on) },
    { "/first", STREAM(first_only) },
    { "/form", STREAM(whole_form) },
    { "/keep", STREAM(keep) },
    { "/callback", STREAM(with_callback) },
    { "/options", STREAM(bad_options) },
    { "/nowhere", STREAM(nowhere) },
    { "/prepared",
        &(const spout_handler){
            .prepare = disturbed_prepare, .post = whole_form, .stream_body = 1 } },
    { "/whole", &(const spout_handler){ .post = not_streamed } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    folder_make();
    kit_start(routes, NULL);
    return 0;
}

static int files_in_folder(void)
{
    DIR *folder = opendir(folder_path(""));
    assert_non_null(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    folder_remove();
    return 0;
}

static const spi_memory_reply *post(
    const char *target, const char *type, const char *body, size_t piece_size)
{
    const spi_field field = kit_field("Content-Type", type);
    return kit_send(&(spi_memory_request){
        .method = "POST",
        .target = target,
        .fields = &field,
        .field_count = 1,
        .body = spout_bytes_of(body),
        .piece_size = piece_size,
    });
}

static void parts_come_one_by_one(void **state)
{
    (void)state;
    static const char expected[] = "title/-/= Sea ;photo/x.txt/text/plain=one\r\ntwo;title/-/=Sky;"
                                   "photo/y.txt/text/plain=;empty/-/=;";
    for (size_t size = 0; size < sizeof mixed; size++)
        kit_expect(post("/parts", TYPE, mixed, size), 200, expected);
    kit_expect(post("/parts", TYPE, "--b--", 1), 200, "");
    kit_expect(post("/parts", TYPE, FIELD("a", "1") END "epilogue", 3), 200, "a/-/=1;");
    kit_expect(
        post("/parts", TYPE, "--b\r\nContent-Disposition: form-data; name=\xE9\r\n\r\n\r\n" END, 1),
        200, "\xC3\xA9/-/=;");
}

static void unread_content_is_passed_over(void **state)
{
    (void)state;
    kit_expect(post("/names", TYPE, mixed, 1), 200, "title photo title photo empty ");
    kit_expect(post("/first", TYPE, mixed, 5), 200, " Sea ");
}

static void what_is_wrong_has_a_status(void **state)
{
    (void)state;
    static const struct {
        const char *target, *type, *body;
        int status;
    } cases[] = {
        { "/parts", TYPE, "", 400 },
        { "/parts", TYPE, FIELD("a", "1"), 400 },
        { "/parts", TYPE, "--b\r\n\r\n\r\n" END, 400 },
        { "/parts", TYPE, "--b\r\nX\r\n" END, 400 },
        { "/parts", "multipart/form-data", FIELD("a", "1") END, 400 },
        { "/parts", "multipart/mixed; boundary=b", FIELD("a", "1") END, 415 },
        { "/parts", "application/x-www-form-urlencoded", "a=1", 415 },
        { "/names", TYPE,
            FIELD("a", "") FIELD("a", "") FIELD("a", "") FIELD("a", "") FIELD("a", "")
                FIELD("a", "") END,
            400 },
        { "/go-on", TYPE, FIELD("a", "1"), 418 },
        { "/first", TYPE, FIELD("a", "123456789") END, 413 },
        { "/first", TYPE, FIELD("a", "12345678") END, 200 },
        { "/form", TYPE, FIELD("a", "12345678901") END, 413 },
        { "/form", TYPE, FIELD("a", "1234567890") END, 200 },
        { "/form", TYPE,
            FIELD("a", "1234567890") FIELD("a", "1234567890") FIELD("a", "1234567890")
                FIELD("a", "1234567") END,
            413 },
        { "/form", TYPE,
            FIELD("a", "1234567890") FIELD("a", "1234567890") FIELD("a", "1234567890")
                FIELD("a", "123456") END,
            200 },
        { "/form", TYPE, FILE_PART("f", "x", "123456789012345678901") END, 413 },
        { "/form", TYPE, FILE_PART("f", "x", "12345678901234567890") END, 200 },
        { "/form", TYPE, FILE_PART("f", "x", "1") "--b", 400 },
        { "/form", "text/plain", "x", 415 },
        { "/callback", TYPE, FILE_PART("f", "refuse", "1") END, 409 },
        { "/options", TYPE, END, 200 },
        { "/nowhere", TYPE, FILE_PART("f", "x", "1") END, 500 },
        { "/nowhere", TYPE, END, 200 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t size = 0; size < 3; size++) {
            int status = post(cases[i].target, cases[i].type, cases[i].body, size)->status;
            if (status != cases[i].status)
                fail_msg("case %zu, pieces of %zu: %d", i, size, status);
            assert_int_equal(files_in_folder(), 0);
        }
    }
    const spi_field fields[] = { kit_field("Content-Type", TYPE),
        kit_field("Content-Encoding", "gzip") };
    assert_int_equal(kit_send(&(spi_memory_request){ .method = "POST",
                                  .target = "/parts",
                                  .fields = fields,
                                  .field_count = 2,
                                  .body = spout_bytes_of(mixed) })
                         ->status,
        415);
}

static void a_form_is_read_at_once(void **state)
{
    (void)state;
    static const char expected[] = "2 Sky  photo/x.txt/text/plain=one\r\ntwo; "
                                   "photo/y.txt/text/plain=;";
    for (size_t size = 0; size < 40; size++)
        kit_expect(post("/form", TYPE, mixed, size), 200, expected);
    assert_int_equal(files_in_folder(), 0);
    kit_expect(post("/form", "application/x-www-form-urlencoded", "title=a+b&title=%41&empty=x", 1),
        200, "2 A x");
    assert_int_equal(post("/form", "application/x-www-form-urlencoded",
                         "title=1234567890123456789012345678901234567890", 1)
                         ->status,
        413);
    kit_expect(post("/prepared", TYPE, mixed, 9), 200,
        spout_scope_format("no argument yet; %s", expected));
    kit_expect(post("/whole", TYPE, mixed, 0), 200, "Sky");
}

static void what_is_moved_stays(void **state)
{
    (void)state;
    char text[16] = "";
    kit_expect(
        post("/keep", TYPE, FILE_PART("photo", "x", "old") FILE_PART("photo", "z", "new") END, 4),
        200, "z");
    assert_int_equal(files_in_folder(), 1);
    FILE *file = fopen(folder_path("kept"), "r");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text, file), 3);
    fclose(file);
    assert_string_equal(text, "new");
    assert_int_equal(post("/keep", TYPE, FIELD("photo", "1") END, 0)->status, 400);
}

static void files_go_to_a_function(void **state)
{
    (void)state;
    kit_expect(post("/callback", TYPE,
                   FILE_PART("f", "a", "12345") FIELD("title", "T") FILE_PART("f", "skip", "xyz")
                       FILE_PART("f", "b", "") END,
                   2),
        200, "a=5 b=0 T");
}

/* The client leaves in the middle of a file: nothing is left of it. */
static void a_client_that_leaves_leaves_no_file(void **state)
{
    (void)state;
    const spi_field field = kit_field("Content-Type", TYPE);
    spi_memory_exchange *exchange = kit_open(&(spi_memory_request){
        .method = "POST",
        .target = "/form",
        .fields = &field,
        .field_count = 1,
        .body = spout_bytes_of(FILE_PART("f", "x", "123")),
        .open_body = true,
    });
    for (int i = 0; i < 50 && files_in_folder() == 0; i++)
        spout_loop_run_once(kit_loop(), 10);
    assert_int_equal(files_in_folder(), 1);
    spi_memory_exchange_hang_up(exchange);
    (void)kit_finish();
    assert_int_equal(files_in_folder(), 0);
}

/* Content of any size goes through what is in memory of one piece. */
static void a_large_file_is_not_kept_in_memory(void **state)
{
    (void)state;
    enum { SIZE = 900 * 1024 };
    static const char head[] =
        "--b\r\nContent-Disposition: form-data; name=f; filename=big\r\n\r\n";
    static const char end[] = "\r\n--b--\r\n";
    char *body = malloc(sizeof head + SIZE + sizeof end);
    assert_non_null(body);
    memcpy(body, head, sizeof head);
    for (size_t i = 0; i < SIZE; i++)
        body[sizeof head - 1 + i] = "\r\n--b xy"[i % 8];
    memcpy(body + sizeof head - 1 + SIZE, end, sizeof end);
    kit_expect(post("/callback", TYPE, body, 4096), 200, "big=921600 -");
    kit_expect(post("/callback", TYPE, body, 65536), 200, "big=921600 -");
    free(body);
}

enum { BIG = 4 * 1024 * 1024, CHUNK = 50000 };

static unsigned char big_byte(size_t at)
{
    return (unsigned char)(at % 251 == 0 ? '\r' : at * 2654435761u >> 24);
}

static int send_chunk(spout_stream *stream, const char *data, size_t len)
{
    char size[24];
    snprintf(size, sizeof size, "%zx\r\n", len);
    const spout_bytes pieces[] = { spout_bytes_of(size), { data, len }, { "\r\n", 2 } };
    return spout_stream_writev(stream, pieces, 3);
}

static int send_big(spout_stream *stream)
{
    static const char head[] = "POST /keep HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                               "Transfer-Encoding: chunked\r\nContent-Type: " TYPE "\r\n\r\n";
    static const char begin[] = "--b\r\nContent-Disposition: form-data; name=photo; "
                                "filename=big\r\n\r\n";
    static const char end[] = "\r\n--b--\r\n";
    static char chunk[CHUNK];
    int result = spout_stream_write(stream, spout_bytes_of(head));
    if (result == 0)
        result = send_chunk(stream, begin, sizeof begin - 1);
    for (size_t at = 0; result == 0 && at < BIG;) {
        size_t len = 0;
        while (len < CHUNK && at < BIG)
            chunk[len++] = (char)big_byte(at++);
        result = send_chunk(stream, chunk, len);
    }
    if (result == 0)
        result = send_chunk(stream, end, sizeof end - 1);
    return result < 0 ? result : spout_stream_write(stream, spout_bytes_of("0\r\n\r\n"));
}

static int upload_big(void *arg)
{
    spout_stream *stream = spout_tcp_connect("127.0.0.1", *(const int *)arg, NULL);
    if (!stream)
        return -1;
    spout_bytes reply;
    int result = send_big(stream);
    if (result == 0)
        result = spout_stream_read_until_close(stream, 4000, &reply);
    if (result == 0 && memcmp(reply.data, "HTTP/1.1 200 ", 13) != 0)
        result = spout_error_set(SPOUT_EFAILED, "%.*s", (int)reply.len, reply.data);
    spout_stream_close(stream);
    return result;
}

/* Over a socket, with other limits between client and file than memory has. */
static void a_large_file_comes_as_it_is(void **state)
{
    (void)state;
    spout_http_server *server = spout_application_listen(
        kit_application(), &(spout_listen_options){ .address = "127.0.0.1" });
    assert_non_null(server);
    int port = spout_http_server_port(server);
    if (spout_loop_run_sync(kit_loop(), upload_big, &port, 60000) < 0)
        fail_msg("%s", spout_error_message());
    FILE *file = fopen(folder_path("kept"), "r");
    assert_non_null(file);
    size_t at = 0;
    for (int c; (c = getc(file)) != EOF; at++)
        if (c != big_byte(at))
            fail_msg("byte %zu differs", at);
    fclose(file);
    assert_int_equal(at, BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parts_come_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unread_content_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_has_a_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_form_is_read_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_moved_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_go_to_a_function, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_leaves_leaves_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_file_is_not_kept_in_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_file_comes_as_it_is, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
