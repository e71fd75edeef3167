/* An intrusive, circular, doubly linked list. A node that is in no list points at itself once
   initialised. */
#ifndef SPI_LIST_H
#define SPI_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct spi_list {
    struct spi_list *next, *prev;
} spi_list;

/* The struct that `node` is the member of. */
#define spi_container(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void spi_list_init(spi_list *list)
{
    list->next = list->prev = list;
}
static inline bool spi_list_is_empty(const spi_list *list)
{
    return list->next == list;
}

static inline void spi_list_insert(spi_list *before, spi_list *node)
{
    node->next = before;
    node->prev = before->prev;
    before->prev->next = node;
    before->prev = node;
}
static inline void spi_list_push(spi_list *list, spi_list *node)
{
    spi_list_insert(list, node);
}
static inline void spi_list_push_front(spi_list *list, spi_list *node)
{
    spi_list_insert(list->next, node);
}

/* Safe on a node that is in no list. */
static inline void spi_list_remove(spi_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    spi_list_init(node);
}

static inline spi_list *spi_list_first(const spi_list *list)
{
    return list->next == list ? NULL : list->next;
}

static inline spi_list *spi_list_pop(spi_list *list)
{
    spi_list *node = spi_list_first(list);
    if (node)
        spi_list_remove(node);
    return node;
}

/* Moves all nodes of `from` to the end of `to`. */
static inline void spi_list_splice(spi_list *to, spi_list *from)
{
    if (spi_list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    spi_list_init(from);
}

#endif
