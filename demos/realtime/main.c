/*
 * The realtime demo: `make demo`, then http://localhost:8888 in two browsers.
 */
#include "realtime.h"

enum { UPDATE_MS = 1000, HEARTBEAT_MS = 30000, CLEAN_UP_MS = 3600000 };

static const spout_route routes[] = {
    { "/", &home_handler },
    { "/api/data", &data_handler },
    { "/api/push", &push_handler },
    { "/api/longpoll", &longpoll_handler },
    { "/ws/chat", &chat_handler },
    { "/async", &async_handler },
    { "/modern", &modern_handler },
    { "/stats", &stats_handler },
    { "/health", &health_handler },
    { "/static/{path:path}", &static_handler },
    { 0 },
};

static const spout_option options[] = {
    { .name = "static",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "DIR",
        .help = "folder of the page and its static files" },
    { .name = "allow-origin",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "LIST",
        .help = "further origins that may open the chat, or '*'" },
    { 0 },
};

static spout_periodic *update_timer, *heartbeat_timer, *clean_up_timer;

static int update(void *arg)
{
    stats_update(arg);
    return 0;
}

static int heartbeat(void *arg)
{
    (void)arg;
    spout_log_info("heartbeat: %zu people", chat_people());
    return 0;
}

static int clean_up(void *arg)
{
    (void)arg;
    feed_clean_up();
    return 0;
}

static int configure(spout_application_options *application)
{
    (void)application;
    if (chat_configure(spout_option_text("allow-origin")) < 0 || data_configure() < 0 ||
        stats_configure() < 0)
        return -1;
    feed_configure();
    return home_configure(spout_option_text("static"));
}

static int on_start(spout_application *application)
{
    stats_start(application);
    update_timer = spout_every(
        UPDATE_MS, update, application, &(spout_task_options){ .name = "update" });
    heartbeat_timer = spout_every(
        HEARTBEAT_MS, heartbeat, NULL, &(spout_task_options){ .name = "heartbeat" });
    clean_up_timer = spout_every(
        CLEAN_UP_MS, clean_up, NULL, &(spout_task_options){ .name = "clean-up" });
    return update_timer && heartbeat_timer && clean_up_timer ? feed_start() : -1;
}

static int on_drain(spout_application *application)
{
    (void)application;
    stats_drain();
    feed_drain();
    return 0;
}

static int on_stop(spout_application *application)
{
    (void)application;
    spout_periodic_stop(update_timer);
    spout_periodic_stop(heartbeat_timer);
    spout_periodic_stop(clean_up_timer);
    feed_release();
    return 0;
}

int main(int argc, char **argv)
{
    return spout_main(argc, argv, routes,
        &(spout_main_options){
            .options = options,
            .configure = configure,
            .on_start = on_start,
            .on_drain = on_drain,
            .on_stop = on_stop,
            .application = { .default_handler = &not_found,
                .http = { .error_headers = site_error_headers } },
        });
}
