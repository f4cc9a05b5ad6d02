/*
 * What the files of nn/ know of one another: the visitor behind the visit functions, the table of a
 * tree that is made with it, and what the library keeps about each module. Internal: not installed.
 * Knows no layer.
 */
#ifndef WENGERT_NN_INTERNAL_H
#define WENGERT_NN_INTERNAL_H

#include "module.h"

/* ---- a module's private part, in front of the struct in the same allocation ------------------ */

typedef struct nn_private {
    nn_module *parent; /* the one that reached it first; NULL: a root, or not reached yet */
    char *name;        /* its name there, and its label on the tape; NULL for a root, and for one without a name */
    nn_module *next;   /* chains the modules of a tree while it is freed */
    ag_shape
        *watch;  /* where forward writes the shape of its result, for summaries; NULL: nowhere */
    bool nil;    /* made after an error: every call does nothing */
    bool busy;   /* being walked: it may not be reached from within itself */
    bool listed; /* in the chain */
    bool spoken_for; /* its parent lists what it owns: its own visit function is not asked */
} nn_private;

static inline nn_private *nn_private_of(const nn_module *m)
{
    return (nn_private *)m->priv;
}

/* A nil module of that type, for constructors that refuse their arguments. */
nn_module *nn_module_nil(const nn_module_type *type);
/* The nil module that nobody has to free, for functions that lend a module. */
nn_module *nn_module_nobody(void);
bool nn_is_nil(const nn_module *m);
/* Whether m can be worked on. Raises for NULL and for a struct that nn_module_new() did not
 * make; is silent for a nil module, whose error was raised when it was made, and while an error
 * is sticky. */
bool nn_usable(ag_place where, const char *function, const nn_module *m);
/* The module's name in its tree and what it is, for messages: "features.0 (Conv2d(3, 8, …))"; a
 * root: "Sequential". */
#define NN_TEXT 256
char *nn_module_text(const nn_module *m, char *text, size_t bytes);
/* What it is alone: "Conv2d(3, 8, …)". */
void nn_kind_text(const nn_module *m, char *text, size_t bytes);
nn_module *nn_root_of(nn_module *m);
/* The name, by address, of a child whose parent only stands around it: what the child owns goes by the parent's path. */
extern const char nn_nameless[];
/* Gives a child that no parent has reached yet its parent and name. False after raising. */
bool nn_adopt(ag_place where, nn_module *parent, const char *name, nn_module *child);
char *nn_copy_text(ag_place where, const char *text); /* NULL after raising */

/* ---- visiting -------------------------------------------------------------------------------- */

/* What to do with what a visit function lists; NULL: nothing. */
typedef struct nn_visits {
    void (*parameter)(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape,
                      nn_initialiser init);
    void (*buffer)(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape, ag_dtype dtype,
                   nn_initialiser init);
    void (*child)(nn_visitor *v, const char *name, nn_module **slot);
    void (*rng)(nn_visitor *v, const char *name, ag_rng *slot);
} nn_visits;

struct nn_visitor {
    const nn_visits *visits;
    nn_module *owner; /* whose visit function is running */
    void *user;
};

/* Runs one module's visit function; does not descend. */
void nn_visit_module(nn_module *m, const nn_visits *visits, void *user);
/* Calls `each` on m and everything below it, parents first; a child held twice is met twice.
 * Allocates nothing. */
void nn_each_module(nn_module *m, void (*each)(nn_module *m, void *user), void *user);

/* ---- the table of a tree --------------------------------------------------------------------- */

typedef enum nn_kind { NN_PARAMETER, NN_BUFFER, NN_GENERATOR } nn_kind;

typedef struct nn_entry {
    nn_kind kind;
    char *name; /* "features.0.weight" */
    nn_module *owner;
    ag_tensor *slot; /* parameters and buffers */
    ag_rng *rng;     /* generators */
    ag_shape shape;
    ag_dtype dtype; /* buffers: as visited */
    nn_initialiser init;
    int64_t first; /* the entry that reached the slot first: itself, unless tied */
} nn_entry;

typedef struct nn_member {
    nn_module *module;
    char *path;       /* "features.0"; "" for the root */
    const char *name; /* its last part, "0" */
    int depth;
    int64_t first; /* the member that is the same module: itself, unless shared */
    bool has_children;
} nn_member;

/* Modules and what they own under every name they are reached by: parents before children; in a
 * module parameters, then buffers, then generators, then children, each in the order of
 * visiting. That is PyTorch's order. */
typedef struct nn_tree {
    ag_place where;
    const char *function; /* for messages */
    bool failed;
    nn_member *member;
    int64_t members, member_capacity;
    nn_entry *entry;
    int64_t entries, entry_capacity;
} nn_tree;

/* False after raising; the tree must be freed in any case. */
bool nn_tree_build(nn_tree *tree, ag_place where, const char *function, nn_module *root);
void nn_tree_free(nn_tree *tree);
/* Whether all parameters and buffers have their leaves; raises if not. */
bool nn_tree_complete(const nn_tree *tree);
/* Gives all parameters (of `dtype`) and buffers their leaves. All or none; false after raising. */
bool nn_tree_allocate(nn_tree *tree, ag_dtype dtype);
/* The type of the parameters of a complete tree; AG_FLOAT32 if it has none. */
ag_dtype nn_tree_dtype(const nn_tree *tree);
void nn_tree_set_initialised(nn_tree *tree);
/* nn_state() in the name of another function. */
ag_list *nn_state_for(const char *function, nn_module *m);

/* ---- forwards with several inputs or results (call.c) ---------------------------------------- */

typedef struct nn_call {
    nn_module *module;
    ag_place before;
    ag_frame frame;
} nn_call;

/* Opens the frame and the label of m's forward, with `where` as the line of errors; to be ended with
 * what stays. False after raising, and for a nil module or a sticky error: then nothing is open. */
bool nn_call_begin(nn_call *call, ag_place where, const char *function, nn_module *m);
void nn_call_end(nn_call *call, int n, const ag_tensor *results);
/* "nn_rnn_forward: needs an RNN, LSTM or GRU, got Linear(…)" */
void nn_call_wrong_type(ag_place where, const char *function, const char *needed, const nn_module *m);

/* What made_by_defaults holds in a config of a layer that came from its defaults function. */
#define NN_MADE_BY_DEFAULTS 0x6e6e6c79u

/* Whether the outputs are the second dimension of a layer's weight (conv_transpose.c). */
bool nn_is_transposed(const nn_module *m);

/* ---- for layers ------------------------------------------------------------------------------ */

/* Initialisers for visit functions. */
void nn_fill_zeros(ag_tensor w, ag_rng *rng, const nn_module *owner);
void nn_fill_ones(ag_tensor w, ag_rng *rng, const nn_module *owner);
/* U(-1/sqrt(fan_in), 1/sqrt(fan_in)) of a weight: PyTorch's kaiming_uniform with a = sqrt(5). */
void nn_fill_fan_in(ag_tensor w, ag_rng *rng, const nn_module *owner);

#endif
