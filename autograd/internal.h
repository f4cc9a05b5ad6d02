/*
 * What the files of the engine know of one another. Internal: not installed.
 *
 * Note [Who holds the bytes]
 * A tensor's header (struct ag_value) lives while something refers to it: the list of visible results of the thread, nodes
 * that have it as input or output, a slot of the user's. Its bytes (struct ag_storage) live while
 *   - the handle is visible: until its frame or scope ends, or ag_release(); or
 *   - a node saved it for backward: until that node's backward has run; or
 *   - another value shares the storage (a view, a detached tensor).
 * A handle without a visible hold cannot be read, even if the bytes happen to be there: whether a program works never
 * depends on what an operation chose to save.
 */
#ifndef WENGERT_AUTOGRAD_INTERNAL_H
#define WENGERT_AUTOGRAD_INTERNAL_H

#include <stdatomic.h>

#include "backward.h"
#include "error.h"
#include "op.h"
#include "storage.h"
#include "tape.h"
#include "tensor.h"

/* ---- storage ---------------------------------------------------------------------------------------------------------- */

/* The header of a buffer; 64 bytes, the data follows directly unless it lies in a parent's buffer. */
typedef struct ag_storage {
    atomic_int refs;
    uint32_t version;          /* counts in-place changes; shared by all views */
    void *data;
    size_t bytes;              /* usable */
    struct ag_storage *parent; /* a slice of this one's buffer */
    struct ag_pool *pool;      /* of the thread that made it: counts it, wherever it is freed */
    ag_place changed;          /* where the last in-place change was made */
    uint32_t size_class;
} ag_storage;

/* A buffer of at least `bytes`, 64-byte aligned, with 64 bytes of slack behind it; uninitialised. NULL after raising. */
ag_storage *ag_storage_new(size_t bytes);
/* A part of another storage with a version of its own: parameters in an arena are variables, not views. */
ag_storage *ag_storage_slice(ag_storage *parent, size_t offset, size_t bytes);
void ag_storage_release(ag_storage *storage);

static inline ag_storage *ag_storage_retain(ag_storage *storage)
{
    atomic_fetch_add_explicit(&storage->refs, 1, memory_order_relaxed);
    return storage;
}

static inline bool ag_storage_shared(const ag_storage *storage)
{
    return atomic_load_explicit(&storage->refs, memory_order_acquire) > 1;
}

/* ---- values and nodes --------------------------------------------------------------------------------------------------- */

typedef struct ag_node ag_node;
typedef struct ag_value ag_value;
typedef struct ag_context ag_context;

/* Why a value has no history, for the message of a backward that reaches nothing. */
enum ag_reason {
    AG_REASON_CONSTANT, /* nothing it was made of requires a gradient */
    AG_REASON_NO_GRAD,  /* made in a no_grad scope */
    AG_REASON_DETACHED, /* detached, or kept */
    AG_REASON_NO_RULE   /* came through an operation that is not differentiable */
};

/* A function that sees, and may replace, a gradient; the newest is first. */
typedef struct ag_hook_entry {
    struct ag_hook_entry *next;
    uint64_t id;
    uint8_t output; /* of a node's: which output's gradient; AG_OP_MAX_OUTPUTS: the node itself */
    ag_tensor (*tensor_hook)(ag_tensor grad, void *user);
    void (*node_hook)(int n, ag_tensor *grad_inputs, int m, const ag_tensor *grad_outputs, void *user);
    void *user;
} ag_hook_entry;

struct ag_value {
    uint64_t id;        /* the only handle that is valid for this slot; 0: free */
    uint32_t generation, slot; /* outlive the value */
    int visible;        /* handles that may be read */
    int saved;          /* nodes that need the bytes, and pending gradients */
    atomic_int refs;    /* holders of the header */
    uint8_t dtype, ndim;
    uint8_t output;     /* which output of the producer it is */
    uint8_t reason;
    bool requires_grad, persistent, contiguous, view;
    bool listed;        /* in the list of visible results, which then holds the header */
    bool in_slot;       /* a leaf or kept value that was not dropped yet: the user's slot holds the header */
    bool has_grad, grad_failed, retain_grad, target;
    ag_node *producer;  /* NULL: a leaf, or without history; replaced when the tensor is changed in place */
    ag_value *base;     /* of a view: the tensor that is no view; holds its header */
    uint32_t history;   /* how often this or a view of it was changed in place with a history */
    uint32_t history_seen; /* of a view: the base's history when the view's own producer was recorded */
    uint64_t scope;     /* the serial of the scope it belongs to; 0: a leaf or kept value */
    uint64_t birth;     /* counts the thread's values */
    ag_storage *storage; /* NULL: released */
    int64_t offset;     /* in elements */
    int64_t numel;
    ag_value *grad;     /* accumulated (leaves), or retained; valid if has_grad */
    ag_value *pending;  /* of a leaf: what has arrived in the running sweep, where it is not added up in grad */
    ag_hook_entry *hooks; /* of a leaf */
    ag_place where;     /* the line that made it */
    ag_place reason_where;
    char *name;
    _Atomic(ag_context *) recorder; /* the thread that records this trainable leaf */
    uint64_t recorder_epoch;
    ag_value *next_free;
    int64_t size[AG_MAX_DIMS];
    int64_t stride[AG_MAX_DIMS]; /* in elements */
};

typedef struct ag_label {
    const char *name;
    const char *path; /* "features.0" */
    struct ag_label *parent, *children, *sibling;
    struct ag_label *next; /* the child after the one pushed last: sequences push theirs in turn */
} ag_label;

/* What is kept of a node for inspection, while its scope does so (ag_retain_tape): its inputs and results until the scope ends, and */
struct ag_kept {
    ag_value *grad[AG_OP_MAX_OUTPUTS]; /* copies of the gradients that arrived in the last backward */
    double forward, backward;          /* seconds */
};

enum ag_node_state {
    AG_NODE_LIVE,
    AG_NODE_FREED
};

/* Note [Edges]
 * A node knows for each input which node made the value that it read, and as which output. The tensor itself may have another
 * producer by now: an operation in place gives the tensor a new one, and what was recorded before must still lead to the old.
 * Gradients under way are kept with the producer's output for the same reason. */
struct ag_node_input {
    ag_value *value; /* NULL: an optional input that was not given */
    ag_node *producer; /* NULL: a leaf, or without history */
    uint8_t output;    /* of the producer */
    uint32_t version;
    bool wants, saved;
    bool borrowed; /* made visible for the rule that is running */
    bool state;    /* of a checkpointed block, which changes it itself: may differ from what was saved */
};

struct ag_node {
    const struct ag_op *op;
    const void *params;
    int64_t index;
    int inputs;
    unsigned saves; /* of what the operation saves, what gradients that are wanted read */
    uint8_t outputs, state;
    bool renews;  /* gives a view its history anew */
    bool in_place; /* its result was written over its first input */
    bool pending; /* a gradient has arrived in the running sweep */
    bool needed;  /* lies between the output and the chosen inputs of ag_grad */
    uint8_t targets; /* a bit for each output that is a chosen input of ag_grad */
    ag_place where;
    ag_place freed_where;
    ag_label *label;
    struct ag_node_input *input;
    ag_value *output[AG_OP_MAX_OUTPUTS];
    ag_value *pending_grad[AG_OP_MAX_OUTPUTS]; /* what has arrived in the running sweep */
    ag_hook_entry *hooks;
    struct ag_kept *kept; /* NULL, unless the scope retains its tape */
    uint32_t output_version[AG_OP_MAX_OUTPUTS];
    bool output_borrowed[AG_OP_MAX_OUTPUTS], grad_borrowed[AG_OP_MAX_OUTPUTS];
};

/* ---- the context of a thread -------------------------------------------------------------------------------------------- */

#define AG_CHUNK_BITS 10
#define AG_CHUNK (1 << AG_CHUNK_BITS)
#define AG_SLOT_BITS 22
#define AG_TABLE_BITS 10
#define AG_MAX_TABLES ((1 << AG_TABLE_BITS) - 1)

typedef struct ag_table {
    _Atomic(ag_value *) chunk[1 << (AG_SLOT_BITS - AG_CHUNK_BITS)];
    int64_t used; /* slots handed out at least once */
    ag_value *free;
} ag_table;

struct ag_open_scope {
    uint64_t serial;
    const ag_scope *address;
    ag_place where;
    int64_t made, nodes;
    size_t arena_chunk, arena_used;
    bool grad, grad_before, anomaly_before, retaining_before;
    ag_label *label_before;
};

struct ag_arena_chunk {
    char *data;
    size_t size;
};

struct ag_context {
    int table_index;
    ag_table table;
    bool grad; /* recording */
    bool anomaly; /* results are looked at for NaN and infinities */
    bool retaining; /* nodes keep values and gradients for inspection */
    bool inspecting; /* a sweep of the inspection's own: kept nodes may be gone through again, and learn nothing from it */
    struct ag_sweep *stepping; /* a backward that is being taken node by node */
    int64_t stepping_from; /* its first node */
    void (*abandon)(ag_context *ctx); /* gives it up */
    int in_backward;
    int replaying; /* checkpointed blocks that are being computed anew, one inside the other */
    int replay_depth; /* scopes up to here may not be touched while that goes on */
    struct ag_watch *watch; /* of a checkpointed block */

    struct ag_open_scope *scope; /* stack */
    int scopes, scope_capacity;
    uint64_t epoch; /* counts outermost scopes */
    uint64_t serials; /* of scopes */
    uint64_t births;  /* of values */

    uint64_t *made; /* ids of visible results, in order */
    int64_t made_count, made_capacity;

    ag_node **node;
    int64_t nodes, node_capacity;
    struct ag_arena_chunk *arena; /* where nodes lie */
    size_t arena_chunks, arena_capacity, arena_chunk, arena_used;

    ag_label root;
    ag_label *label;

    uint64_t *touched; /* leaves whose gradient the running backward has changed */
    int64_t touched_count, touched_capacity;

    uint64_t *hooked; /* leaves with hooks that the running backward has reached */
    int64_t hooked_count, hooked_capacity;

    struct ag_products *products; /* that wait: see Note [Products wait] in products.c; NULL before the first */

    struct ag_context *next; /* all contexts, for statistics; never freed, reused by later threads */
    bool in_use;
};

/* The calling thread's context, made at first use. NULL after raising (out of memory). */
extern _Thread_local ag_context *ag_current;
ag_context *ag_context_make(void);

static inline ag_context *ag_context_get(void)
{
    return AG_LIKELY(ag_current != NULL) ? ag_current : ag_context_make();
}

/* Table 0: leaves and kept values; the others belong to threads. */
extern ag_table *ag_tables[AG_MAX_TABLES + 1];

/* The number of the table that the handle names. */
static inline int ag_table_of(ag_tensor t)
{
    return (int)(t.id >> AG_SLOT_BITS & ((1 << AG_TABLE_BITS) - 1));
}

static inline ag_value *ag_peek(ag_tensor t)
{
    const ag_table *table = ag_tables[ag_table_of(t)];
    if (AG_UNLIKELY(table == NULL)) {
        return NULL;
    }
    uint32_t slot = (uint32_t)t.id & ((1u << AG_SLOT_BITS) - 1);
    ag_value *chunk = atomic_load_explicit(&table->chunk[slot >> AG_CHUNK_BITS], memory_order_relaxed);
    if (AG_UNLIKELY(chunk == NULL)) {
        return NULL;
    }
    ag_value *v = &chunk[slot & (AG_CHUNK - 1)];
    return AG_LIKELY(v->id == t.id) ? v : NULL;
}

static inline ag_tensor ag_handle(const ag_value *v)
{
    return ag_tensor_of_id(v->id);
}

/* Note [Views and what is changed in place]
 * All views of a tensor share its bytes, its version and, in effect, its history: what is written through one shows in all. So a
 * view knows its base, the tensor that is no view itself. An operation in place on a view, when it is recorded, becomes two nodes:
 * the operation, and as_strided_scatter, which gives the base its new history. The base counts such changes; a view whose
 * count is behind is given a new producer, as_strided of the base, when it is next used (ag_value_renew), as in PyTorch. */
static inline bool ag_value_stale(const ag_value *v)
{
    return v->base != NULL && v->history_seen != v->base->history;
}
/* Gives a stale view the history of its base: a node in a scope that records, or if `node` asks for one; else it only learns
 * whether it requires a gradient. */
void ag_value_renew(ag_value *v, bool node);
/* base = base with x's elements in x's place (ops/strided.c); x's are output 0 of `producer`. False after raising. */
bool ag_view_scatter_node(ag_context *ctx, ag_value *base, ag_value *x, ag_node *producer);

/* The value behind a readable handle; NULL after raising an error that says in `function`'s name what is wrong. */
ag_value *ag_resolve(ag_place where, const char *function, ag_tensor t);
ag_value *ag_resolve_failed(ag_place where, const char *function, ag_tensor t);
/* The same for what has to be on this thread's tape, a leaf or kept. */
ag_value *ag_resolve_own(ag_place where, const char *function, ag_tensor t);

/* A header without storage, refs 1, visible 1, in the thread's table or among the persistent ones. NULL after raising. */
ag_value *ag_value_new(ag_context *ctx, bool persistent);
/* Shape, row-major strides and bytes for a header. */
bool ag_value_shape(ag_value *v, ag_dtype dtype, const ag_shape *shape);
bool ag_value_allocate(ag_value *v);
void ag_value_set_contiguous(ag_value *v);
/* Strides for v in the order of `stride`: the same permutation, without gaps. */
void ag_value_order_like(ag_value *v, const int64_t *stride);
/* A row-major value with bytes that belongs to the innermost scope. */
ag_value *ag_value_in_scope(ag_place where, const char *function, ag_dtype dtype, ag_shape shape);
void ag_value_unref(ag_value *v);
void ag_hooks_free(ag_hook_entry *hooks);
/* Ends a visible hold. */
void ag_value_hide(ag_value *v);
/* Makes a saved value readable; false if it is so anyway. A borrow ends with ag_value_hide(). */
bool ag_value_borrow(ag_value *v);
void ag_value_save(ag_value *v);
void ag_value_unsave(ag_value *v);
/* Another header for the same bytes: no history, belongs to the innermost scope. */
ag_value *ag_value_alias(ag_context *ctx, const ag_value *v, bool persistent);

static inline ag_value *ag_value_ref(ag_value *v)
{
    if (v->persistent) {
        atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    } else { /* one thread only: a plain increment */
        atomic_store_explicit(&v->refs, atomic_load_explicit(&v->refs, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    }
    return v;
}

/* The stride of the next dimension outwards; an empty tensor's lengths may be larger than any memory. */
static inline int64_t ag_next_stride(int64_t stride, int64_t size)
{
    return size <= 1 || stride > INT64_MAX / size ? stride : stride * size;
}

static inline void *ag_value_data(const ag_value *v)
{
    return (char *)v->storage->data + (size_t)v->offset * ag_dtype_size((ag_dtype)v->dtype);
}

static inline ag_array ag_value_array(const ag_value *v)
{
    ag_array a = {ag_value_data(v), (ag_dtype)v->dtype, v->ndim, v->numel, v->size, v->stride};
    return a;
}

static inline ag_shape ag_value_shape_of(const ag_value *v)
{
    ag_shape shape;
    shape.ndim = v->ndim;
    for (int d = 0; d < AG_MAX_DIMS; d++) {
        shape.size[d] = d < v->ndim ? v->size[d] : 0;
    }
    return shape;
}

/* Lets a rule write into the gradient of output i in place, before it asks for it: true if nothing else can see it and it is
 * row-major or lies as the output does. Call before ag_sweep_grad(). */
bool ag_sweep_own_grad(ag_sweep *s, int i, ag_array *grad);
/* Gives input 0 the gradient op(dy, other), an element-wise operation with loops of its own: in dy's memory, if nothing else can see
 * that and both lie alike. */
void ag_sweep_slope(ag_sweep *s, const struct ag_op *op, ag_tensor other, const void *params);
/* ag_sweep_matmul() with a transposed, without a view of it. */
void ag_sweep_product(ag_sweep *s, int i, ag_tensor a, bool transposed, ag_tensor b);
/* Contributes a^T b to input i, a matrix, and the sum of a's rows to input j, a vector, in one pass over a where that can be. */
void ag_sweep_product_and_sum(ag_sweep *s, int i, int j, ag_tensor a, ag_tensor b);

/* Notes that a block that is being checkpointed uses v. */
void ag_watch_input(struct ag_watch *watch, ag_value *v);
/* Contributes dy to y, a result of nodes from index `mark` on, and sweeps through these: what a checkpointed block computed anew.
 * What lies below gets its gradients as from any node. */
void ag_sweep_through(ag_sweep *s, ag_tensor y, ag_tensor dy, int64_t mark);
/* Raises if the gradient that a rule gives to input i is the first with NaN or infinities; false then. */
bool ag_anomaly_check_gradient(const ag_node *node, int i, const ag_value *g);

/* Makes room for one more element; false after raising. */
bool ag_grow(void **array, int64_t count, int64_t *capacity, size_t item);
/* A recording scope of the engine's own, while backward runs, too; and the end of those above `depth`. */
int ag_scope_push(ag_context *ctx, ag_place where);
void ag_scope_pop(ag_context *ctx, int depth);
/* Appends to the list of visible results. False after raising. */
bool ag_made_push(ag_context *ctx, ag_value *v);
/* A node with room for its inputs and params on the tape; not yet listed. NULL after raising. */
ag_node *ag_node_new(ag_context *ctx, const struct ag_op *op, int inputs, const void *params);
void ag_node_free(ag_node *node, ag_place where);
/* Keeps a recorded node's inputs and results until its scope ends, and notes how long its forward took. */
void ag_node_keep(ag_context *ctx, ag_node *node, double seconds);

/* dst = src and dst += src, same shape, any strides, same type. */
void ag_array_copy(ag_array dst, ag_array src);
void ag_array_accumulate(ag_array dst, ag_array src);
void ag_array_fill(ag_array dst, double value);

/* y = zeros(shape) with y[start + k step] = g, and x[start + k step] for k < size (ops/shape.c). */
ag_tensor ag_region_place(ag_shape shape, const int64_t *start, const int64_t *step, ag_tensor g);

/* The leaf's gradient buffer (row-major), made at first use. NULL after raising. */
ag_value *ag_leaf_gradient(ag_value *leaf);
/* Says that v's numbers were changed in place. */
void ag_value_changed(ag_value *v, ag_place where);

#endif
