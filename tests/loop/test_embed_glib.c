/* Our loop as a source of GLib's main loop. */
#include "kit.h"

#include <glib.h>
#include <limits.h>
#include <stdbool.h>

typedef struct guest {
    GSource source;
    spout_loop *loop;
    gpointer tag;
} guest;

static gboolean guest_prepare(GSource *source, gint *ret_timeout_ms)
{
    int64_t timeout_ms = spout_loop_timeout_ms(((guest *)source)->loop);
    *ret_timeout_ms = timeout_ms > INT_MAX ? INT_MAX : (gint)timeout_ms;
    return timeout_ms == 0;
}

static gboolean guest_check(GSource *source)
{
    guest *self = (guest *)source;
    return g_source_query_unix_fd(source, self->tag) != 0 || spout_loop_timeout_ms(self->loop) == 0;
}

static gboolean guest_dispatch(GSource *source, GSourceFunc fn, gpointer data)
{
    (void)fn, (void)data;
    spout_loop_run_once(((guest *)source)->loop, 0);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs guest_functions = {
    .prepare = guest_prepare, .check = guest_check, .dispatch = guest_dispatch
};

static GSource *guest_new(spout_loop *loop_inside)
{
    GSource *source = g_source_new(&guest_functions, sizeof(guest));
    guest *self = (guest *)source;
    self->loop = loop_inside;
    self->tag = g_source_add_unix_fd(source, spout_loop_fd(loop_inside), G_IO_IN);
    return source;
}

/* No loop where the backend has no descriptor to wait for. */
static int set_up_real(void **state)
{
    (void)state;
    loop = spout_loop_new(NULL);
    if (spout_loop_fd(loop) >= 0)
        return 0;
    spout_loop_free(loop);
    loop = NULL;
    return 0;
}

typedef struct scene {
    int slept, ticks;
    bool worked, done;
} scene;

static int work(void *arg)
{
    scene *s = arg;
    s->worked = true;
    return 0;
}

static int live(void *arg)
{
    scene *s = arg;
    for (int i = 0; i < 3; i++) {
        if (spout_sleep(1) < 0)
            return -1;
        s->slept++;
        spout_yield();
    }
    int result = spout_run_in_executor(work, s);
    s->done = true;
    return result;
}

static gboolean tick(gpointer arg)
{
    scene *s = arg;
    return ++s->ticks < 3;
}

static void we_run_inside_glib(void **state)
{
    (void)state;
    if (!loop)
        skip();
    scene s = { .done = false };
    GMainContext *context = g_main_context_new();
    GSource *source = guest_new(loop), *timer = g_timeout_source_new(1);
    g_source_attach(source, context);
    g_source_set_callback(timer, tick, &s, NULL);
    g_source_attach(timer, context);
    spout_spawn(live, &s, NULL);
    while (!s.done || s.ticks < 3)
        g_main_context_iteration(context, TRUE);
    assert_int_equal(s.slept, 3);
    assert_true(s.worked);
    g_source_destroy(source);
    g_source_unref(source);
    g_source_unref(timer);
    g_main_context_unref(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(we_run_inside_glib, set_up_real, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
