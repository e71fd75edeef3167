/*
 * What the bench asks of us besides /plaintext and /json: many routes, forms, files, sockets, long
 * polls. Defaults everywhere.
 */
#include <spout.h>
#include <spout/locks.h>

/* --- a table of 200 routes; the one with a parameter and the regular expression stand last --- */

static int plaintext(spout_request *r)
{
    spout_set_header(r, "Content-Type", "text/plain; charset=UTF-8");
    return spout_write(r, "Hello, World!");
}

static int greet(spout_request *r)
{
    spout_set_header(r, "Content-Type", "text/plain; charset=UTF-8");
    spout_write(r, "Hello, ");
    return spout_write(r, spout_path_argument_at(r, 1));
}

static const spout_handler plain = { .get = plaintext };
static const spout_handler greeting = { .get = greet };

#define ROUTES_OF(letter)                                                               \
    { "/api/" letter "/users", &plain }, { "/api/" letter "/users/{id:int}", &plain },  \
        { "/api/" letter "/users/{id:int}/posts", &plain },                             \
        { "/api/" letter "/users/{id:int}/posts/{post:int}", &plain },                  \
        { "/api/" letter "/tags/{tag}", &plain }, { "/api/" letter "/search", &plain }, \
        { "/" letter "/about", &plain },                                                \
    {                                                                                   \
        "/" letter "/archive/([0-9]{4})/([0-9]{2})", &plain                             \
    }

/* --- forms --- */

static int form(spout_request *r)
{
    const char *name = spout_need_argument(r, "name"), *text = spout_need_argument(r, "text");
    if (!name || !text)
        return -1;
    spout_set_header(r, "Content-Type", "text/plain; charset=UTF-8");
    return spout_write_format(r, "%s: %zu", name, strlen(text));
}

/* --- sockets: an echo, and a topic --- */

static spout_topic *topic;

static int echo(spout_websocket *ws, spout_message message)
{
    return spout_websocket_write(ws, message);
}

static bool any_origin(spout_request *r, const char *origin)
{
    (void)r;
    (void)origin;
    return true;
}

static int join(spout_websocket *ws)
{
    return spout_topic_join(topic, ws);
}

static int publish(spout_websocket *ws, spout_message message)
{
    (void)ws;
    return spout_topic_publish(topic, message);
}

static const spout_handler echo_handler = {
    .websocket = &(const spout_websocket_handler){ .message = echo, .check_origin = any_origin },
};
static const spout_handler deflate_handler = {
    .websocket = &(const spout_websocket_handler){ .message = echo,
        .check_origin = any_origin,
        .compression = &(const spout_websocket_compression){ 0 } },
};
static const spout_handler topic_handler = {
    .websocket = &(const spout_websocket_handler){ .open = join,
        .message = publish,
        .check_origin = any_origin },
};

static const spout_handler packed_topic_handler = {
    .websocket = &(const spout_websocket_handler){ .open = join,
        .message = publish,
        .check_origin = any_origin,
        .compression = &(const spout_websocket_compression){ 0 } },
};

/* --- long polls that one push wakes --- */

static spout_condition *news;
static int waiting;

static int poll_get(spout_request *r)
{
    waiting++;
    int result = spout_condition_wait(news);
    waiting--;
    return result < 0 ? result : spout_write(r, "news");
}

static int push_post(spout_request *r)
{
    spout_condition_notify_all(news);
    return spout_write(r, "pushed");
}

static int waiting_get(spout_request *r)
{
    return spout_write_format(r, "%d", waiting + (int)spout_topic_count(topic));
}

/* --- the program --- */

static spout_static_options files;
static spout_handler files_handler;

static const spout_route routes[] = {
    { "/form", &(const spout_handler){ .post = form } },
    { "/ws", &echo_handler },
    { "/deflate", &deflate_handler },
    { "/topic", &topic_handler },
    { "/topic/deflate", &packed_topic_handler },
    { "/poll", &(const spout_handler){ .get = poll_get } },
    { "/push", &(const spout_handler){ .post = push_post } },
    { "/waiting", &(const spout_handler){ .get = waiting_get } },
    { "/static/{path:path}", &files_handler },
    ROUTES_OF("a"),
    ROUTES_OF("b"),
    ROUTES_OF("c"),
    ROUTES_OF("d"),
    ROUTES_OF("e"),
    ROUTES_OF("f"),
    ROUTES_OF("g"),
    ROUTES_OF("h"),
    ROUTES_OF("i"),
    ROUTES_OF("j"),
    ROUTES_OF("k"),
    ROUTES_OF("l"),
    ROUTES_OF("m"),
    ROUTES_OF("n"),
    ROUTES_OF("o"),
    ROUTES_OF("p"),
    ROUTES_OF("q"),
    ROUTES_OF("r"),
    ROUTES_OF("s"),
    ROUTES_OF("t"),
    ROUTES_OF("u"),
    ROUTES_OF("v"),
    ROUTES_OF("w"),
    ROUTES_OF("x"),
    { "/hello/{name}", &greeting },
    { "/greet-([a-z]+)", &greeting },
    { 0 },
};

static const spout_option options[] = {
    { .name = "static",
        .type = SPOUT_OPTION_TEXT,
        .default_value = ".",
        .metavar = "DIR",
        .help = "folder of the files below /static/" },
    { 0 },
};

static int configure(spout_application_options *application)
{
    (void)application;
    files.path = spout_option_text("static");
    files_handler.static_files = &files;
    return 0;
}

static int on_start(spout_application *application)
{
    (void)application;
    topic = spout_topic_new();
    news = spout_condition_new();
    return 0;
}

static int on_stop(spout_application *application)
{
    (void)application;
    spout_topic_free(topic);
    spout_condition_free(news);
    return 0;
}

int main(int argc, char **argv)
{
    return spout_main(argc, argv, routes,
        &(const spout_main_options){
            .options = options,
            .configure = configure,
            .on_start = on_start,
            .on_stop = on_stop,
        });
}
