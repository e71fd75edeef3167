/*
 * Shows what the server understood of a request: for people who debug clients, and for test suites.
 *
 *     $ curl 'localhost:8888/anything?a=1'
 *     {"method":"GET","uri":"/anything?a=1","version":"HTTP/1.1","headers":[…],"body":""}
 */
#include <spout.h>

/* Raw bytes as JSON text: each byte the code point of the same number, so that nothing is lost. */
static json_t *json_latin1(spout_bytes bytes)
{
    char *text = (char *)spout_alloc(bytes.len * 2 + 1);
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c < 0x80) {
            text[len++] = (char)c;
        } else {
            text[len++] = (char)(0xC0 | c >> 6);
            text[len++] = (char)(0x80 | (c & 0x3F));
        }
    }
    json_t *value = json_stringn(text, len);
    spout_free(text);
    return value;
}

static json_t *json_base64(spout_bytes bytes)
{
    return json_string(spout_base64_encode(bytes));
}

/* --- any path, any method --- */

static json_t *headers_of(spout_request *r)
{
    json_t *list = json_array();
    spout_bytes name, value;
    for (size_t i = 0; spout_header_at(r, i, &name, &value); i++)
        json_array_append_new(list, json_pack("[o, o]", json_latin1(name), json_latin1(value)));
    return list;
}

static int show(spout_request *r)
{
    if (strcmp(spout_get_method(r), "OPTIONS") == 0 &&
        spout_set_header(r, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE") < 0)
        return -1;
    return spout_write_json(
        r, json_pack("{s:s, s:o, s:s, s:o, s:o}", "method", spout_get_method(r), "uri",
               json_latin1(spout_uri_bytes(r)), "version", spout_http_version(r), "headers",
               headers_of(r), "body", json_base64(spout_body(r))));
}

/* --- forms and queries --- */

/* A name as a JSON key: UTF-8 with U+FFFD for what isn't. A NUL stays one. */
static spout_bytes key_of(spout_bytes name)
{
    char *key = (char *)spout_scope_alloc(3 * name.len + 1), *out = key;
    const char *at = name.data, *end = at + name.len;
    for (;;) {
        const char *nul = at < end ? (const char *)memchr(at, 0, (size_t)(end - at)) : NULL;
        const char *stop = nul ? nul : end;
        const char *text = spout_utf8_or_replacement((spout_bytes){ at, (size_t)(stop - at) });
        memcpy(out, text, strlen(text));
        out += strlen(text);
        if (!nul)
            return (spout_bytes){ key, (size_t)(out - key) };
        *out++ = 0;
        at = nul + 1;
    }
}

static void append(json_t *object, spout_bytes name, json_t *value)
{
    json_t *list = json_object_getn(object, name.data, name.len);
    if (!list) {
        list = json_array();
        json_object_setn_new(object, name.data, name.len, list);
    }
    json_array_append_new(list, value);
}

static json_t *args_of(const spout_pair *pairs, size_t count)
{
    json_t *args = json_object();
    for (size_t i = 0; i < count; i++)
        append(args, key_of(pairs[i].name), json_base64(pairs[i].value));
    return args;
}

static int query_get(spout_request *r)
{
    const spout_pair *pairs;
    size_t count = spout_query_pairs(r, &pairs);
    return spout_write_json(r, json_pack("{s:o}", "args", args_of(pairs, count)));
}

static int form_post(spout_request *r)
{
    const spout_pair *pairs;
    size_t pair_count = spout_body_pairs(r, &pairs);
    const spout_file *files;
    size_t file_count = spout_files(r, &files);
    json_t *uploads = json_object();
    for (size_t i = 0; i < file_count; i++)
        append(uploads, key_of(files[i].name),
            json_pack("{s:s, s:s, s:o}", "filename", files[i].filename, "content_type",
                files[i].content_type, "body", json_base64(files[i].body)));
    return spout_write_json(
        r, json_pack("{s:o, s:o}", "args", args_of(pairs, pair_count), "files", uploads));
}

/* --- JSON, cookies, echo --- */

static int json_post(spout_request *r)
{
    json_t *value = spout_need_json(r);
    return value ? spout_write_json(r, json_incref(value)) : -1;
}

static int cookies_get(spout_request *r)
{
    const spout_pair *cookies;
    size_t count = spout_cookies(r, &cookies);
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(
            object, spout_utf8_or_replacement(cookies[i].name), json_latin1(cookies[i].value));
    return spout_write_json(r, object);
}

static bool any_origin(spout_request *r, const char *origin)
{
    (void)r, (void)origin;
    return true;
}

static int echo(spout_websocket *ws, spout_message message)
{
    return spout_websocket_write(ws, message);
}

static const spout_websocket_handler echo_socket = {
    .message = echo,
    .check_origin = any_origin,
    .max_message_size = 64 << 20,
    .max_queue_size = 128 << 20,
    .compression = &(const spout_websocket_compression){ .takeover = true },
};

static const spout_handler any_path = { .name = "show", .any = show, .raw_arguments = 1 };
static const spout_handler query = { .name = "query", .get = query_get, .raw_arguments = 1 };
static const spout_handler form = { .name = "form", .post = form_post, .raw_arguments = 1 };
static const spout_handler json = { .name = "json", .post = json_post, .raw_arguments = 1 };
static const spout_handler cookies = { .name = "cookies", .get = cookies_get, .raw_arguments = 1 };
static const spout_handler socket_handler = { .name = "ws", .websocket = &echo_socket };

/* Filled by configure: without --static the path is like any other. */
static spout_static_options static_options = { .precompressed = true };
static spout_handler static_handler = { .name = "static", .raw_arguments = 1 };

static const spout_route routes[] = {
    { "/query", &query },
    { "/form", &form },
    { "/json", &json },
    { "/cookies", &cookies },
    { "/ws", &socket_handler },
    { "/static/{path:path}", &static_handler },
    { ".*", &any_path },
    { 0 },
};

static const spout_option options[] = {
    { .name = "static",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "DIR",
        .help = "folder that /static/ serves" },
    { 0 },
};

static int configure(spout_application_options *application)
{
    (void)application;
    static_options.path = spout_option_text("static");
    if (static_options.path)
        static_handler.static_files = &static_options;
    else
        static_handler.any = show;
    return 0;
}

int main(int argc, char **argv)
{
    return spout_main(
        argc, argv, routes, &(spout_main_options){ .options = options, .configure = configure });
}
