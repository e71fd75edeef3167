/* Groups: children that end before their parent goes on. */
#include "loop/internal.h"

#include "base/log.h"
#include "base/memory.h"

struct spout_group {
    spout_loop *loop;
    spi_list children; /* by `sibling` */
    spi_list joiners;
    bool cancelled;     /* who starts now is refused */
    bool cut_short;     /* a child failed after, and so because, it was cancelled */
    bool orphaned;      /* freed where nobody could wait: the last child takes it along */
    int failure;        /* the first child's, or 0 */
    spout_error *error; /* with it, until it is handed out; owned */
};

spout_group *spout_group_new(void)
{
    spout_loop *loop = spi_loop_need();
    if (!loop)
        return NULL;
    spout_group *group = spi_calloc(sizeof *group);
    group->loop = loop;
    spi_list_init(&group->children);
    spi_list_init(&group->joiners);
    return group;
}

static void dispose(spout_group *group)
{
    spi_error_free(group->error);
    spi_free(group);
}

/* The first failure counts; what cancelled children return is its consequence. */
static void note_failure(spout_group *group, int result)
{
    if (group->cancelled) {
        group->cut_short = true;
        return;
    }
    group->failure = result;
    group->error = spi_error_take();
    spout_group_cancel(group);
}

static void child_ended(spi_task *task, int result)
{
    spout_group *group = task->owner;
    spi_list_remove(&task->sibling);
    if (result < 0)
        note_failure(group, result);
    if (!spi_list_is_empty(&group->children))
        return;
    spi_wake_all(&group->joiners);
    if (group->orphaned)
        dispose(group);
}

int spout_group_start(
    spout_group *group, spout_task_fn *fn, void *arg, const spout_task_options *options)
{
    if (group->cancelled)
        return spout_error_set(SPOUT_ECANCELED, "the group was cancelled");
    spi_task_birth birth = {
        .name = options ? options->name : NULL,
        .stack_size = options ? options->stack_size : 0,
        .fn = fn,
        .arg = arg,
        .ended = child_ended,
        .owner = group,
    };
    spi_task *child = spi_task_create(group->loop, &birth);
    if (!child)
        return SPOUT_ELIMIT;
    const spi_task *parent = spi_task_current();
    if (parent)
        child->deadline_ms = parent->deadline_ms;
    spi_list_push(&group->children, &child->sibling);
    spi_task_start_later(child);
    return 0;
}

void spout_group_cancel(spout_group *group)
{
    group->cancelled = true;
    for (spi_list *node = group->children.next; node != &group->children; node = node->next)
        spi_task_cancel(spi_container(node, spi_task, sibling));
}

static int result_of(spout_group *group)
{
    if (!group->failure)
        return spout_error_set(SPOUT_ECANCELED, "the group was cancelled");
    spout_error *error = group->error;
    group->error = NULL;
    if (!error)
        return spout_error_set(group->failure, "a coroutine of the group has failed");
    spi_error_put(error);
    return group->failure;
}

int spout_group_join(spout_group *group)
{
    if (!spout_in_task())
        return spout_error_set(SPOUT_ESTATE, "only a coroutine can wait (group)");
    int interrupted = 0;
    while (!interrupted && !spi_list_is_empty(&group->children))
        interrupted = spi_wait(&group->joiners, "group");
    if (interrupted) {
        spout_group_cancel(group);
        while (!spi_list_is_empty(&group->children))
            spi_wait_to_the_end(&group->joiners, "group");
    }
    if (group->failure)
        return result_of(group);
    if (interrupted)
        return interrupted;
    return group->cut_short ? result_of(group) : 0;
}

void spout_group_free(spout_group *group)
{
    if (!group)
        return;
    if (!spi_list_is_empty(&group->children)) {
        spout_group_cancel(group);
        if (!spout_in_task()) {
            group->orphaned = true;
            return;
        }
        while (!spi_list_is_empty(&group->children))
            spi_wait_to_the_end(&group->joiners, "group");
    }
    dispose(group);
}
