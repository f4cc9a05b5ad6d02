/*
 * Snapshots from inside: for those who write them to files and read them back. Internal: not installed.
 */
#ifndef WENGERT_AUTOGRAD_SNAPSHOT_H
#define WENGERT_AUTOGRAD_SNAPSHOT_H

#include <stddef.h>

#include "state.h"

/* One named value: a scalar as text, or numbers. */
typedef struct ag_state_entry {
    char *name;
    char *text; /* NULL: numbers */
    ag_dtype dtype;
    ag_shape shape;
    const void *data;
    void *owned; /* what `data` points to, if it is the snapshot's */
    bool seen;   /* the object listed it */
} ag_state_entry;

struct ag_state {
    int64_t count, capacity;
    ag_state_entry *entry;
    int64_t *by_name; /* `count` indices, sorted by name; NULL: not sorted yet */
    bool failed;      /* an error was raised while it was filled */
};

/* An empty snapshot; the nil one after raising. */
ag_state *ag_state_new(ag_place where);
/* The nil snapshot, which stays empty. */
ag_state *ag_state_nil(void);
bool ag_state_is_nil(const ag_state *state);
/* Adds what the object lists, with "prefix." in front of the names. The numbers are borrowed: they must stay where and as they
 * are while the snapshot is used. False after raising. */
bool ag_state_borrow(ag_state *state, ag_place where, const char *function, const char *prefix, ag_stateful s);
/* Adds one value by hand; the numbers are borrowed, name and text copied. False after raising. */
bool ag_state_add_text(ag_state *state, ag_place where, const char *name, const char *text);
bool ag_state_add_numbers(ag_state *state, ag_place where, const char *name, ag_dtype dtype, ag_shape shape, const void *data);
/* The entry of that name; NULL if there is none. */
ag_state_entry *ag_state_find(ag_state *state, const char *name);
/* A name that was added twice; NULL if there is none. */
const char *ag_state_name_twice(ag_state *state);

/* What differs, as text: one line a difference. */
#define AG_STATE_DIFFERENCES 700
typedef struct ag_state_report {
    int64_t differences;
    char text[AG_STATE_DIFFERENCES]; /* the first ones, separated by "; " */
} ag_state_report;

/* Compares the part of the snapshot under "prefix." with what the object has room for; adds to the report. False after raising
 * (not for differences). ag_state_unseen() then reports what no object listed. */
bool ag_state_compare(ag_state *state, ag_place where, const char *function, const char *prefix, ag_stateful s,
                      ag_state_report *report);
void ag_state_unseen(const ag_state *state, ag_state_report *report);
/* Puts that part in place; call it after a comparison without differences. False after raising. */
bool ag_state_put(ag_state *state, ag_place where, const char *function, const char *prefix, ag_stateful s);

#endif
