/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doubly linked circular lists. A head is a list_node that points to itself when empty.
 */
#pragma once

#include <stdbool.h>

struct list_node {
	struct list_node *prev, *next;
};

static inline void list_init(struct list_node *h)
{
	h->prev = h;
	h->next = h;
}

static inline bool list_empty(const struct list_node *h) { return h->next == h; }

/* Inserts n before h: at the tail when h is the head. */
static inline void list_add_tail(struct list_node *h, struct list_node *n)
{
	n->prev = h->prev;
	n->next = h;
	h->prev->next = n;
	h->prev = n;
}

/* Removes n and leaves it pointing to itself. */
static inline void list_del(struct list_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* NOLINTBEGIN(bugprone-macro-parentheses): n is declared, which leaves no place for them */
#define list_for_each(n, head) for (struct list_node *n = (head)->next; n != (head); n = n->next)
/* n may be removed in the body. */
#define list_for_each_safe(n, tmp, head)                                                           \
	for (struct list_node *n = (head)->next, *tmp = n->next; n != (head);                      \
	     n = tmp, tmp = n->next)
/* NOLINTEND(bugprone-macro-parentheses) */
