/*
 * What must survive an interruption: objects list their state once, and saving, checking and loading follow from that list.
 *
 * An object with a state is an ag_stateful: a pointer and a type with one function, which lists what the object must not
 * forget. Modules, optimizers, schedules and loaders give theirs (nn_stateful(), optim_stateful(), data_loader_stateful());
 * a program's own struct is made stateful the same way:
 *
 *     struct progress { int64_t epoch, losses; double best, loss[100]; };
 *     static void progress_visit(void *object, ag_state_visitor *v)
 *     {
 *         struct progress *self = object;
 *         ag_state_int64(v, "epoch", &self->epoch);
 *         ag_state_double(v, "best", &self->best);
 *         ag_state_series(v, "loss", self->loss, AG_FLOAT64, &self->losses, 100);
 *     }
 *     static const ag_stateful_type progress_type = { sizeof(ag_stateful_type), "progress", progress_visit };
 *     ag_state *saved = ag_state_take(ag_stateful_make(&progress_type, &progress));
 *     …
 *     ag_state_restore(saved, ag_stateful_make(&progress_type, &progress));
 *
 * A snapshot (ag_state) is kept in memory; data_checkpoint (data/checkpoint.h) keeps them in files.
 *
 * The same function runs when a state is taken, when it is compared with what the object has room for, and when it is put
 * back. It must list the same names in the same order each time, however far the object has come, and change nothing of its
 * own accord, unless ag_state_loading() says that the values have just been put in place. Restoring compares everything before
 * anything is changed.
 */
#ifndef WENGERT_AUTOGRAD_STATE_H
#define WENGERT_AUTOGRAD_STATE_H

#include "tensor.h"

AG_EXTERN_C_BEGIN

typedef struct ag_state_visitor ag_state_visitor;

typedef struct ag_stateful_type {
    size_t size;      /* sizeof(ag_stateful_type) */
    const char *name; /* what it is, for messages: "optimizer" */
    void (*visit)(void *object, ag_state_visitor *v); /* lists the state */
} ag_stateful_type;

/* Something with a state; borrows the object. */
typedef struct ag_stateful {
    void *object;
    const ag_stateful_type *type;
} ag_stateful;

static inline ag_stateful ag_stateful_make(const ag_stateful_type *type, void *object)
{
    ag_stateful s;
    s.object = object;
    s.type = type;
    return s;
}

/* ---- single values, for programs that have no struct to write a visit function for --------------------------------- */

AG_API ag_stateful ag_stateful_int64(int64_t *value); /* a whole number */
AG_API ag_stateful ag_stateful_double(double *value); /* a real number, all of its bits */
AG_API ag_stateful ag_stateful_rng(ag_rng *rng);      /* a generator: stream and position */
AG_API ag_stateful ag_stateful_tensor(ag_tensor *slot); /* a slot, as ag_state_slot() takes it */

/* ---- inside visit: what must survive ------------------------------------------------------------------------------- */

/* Names may have dots in them and are distinct within an object; "" is the name of an object's only value. Numbers come back
 * with every bit. What is put back is compared first: name, kind, and what each function says. */

AG_API void ag_state_int64(ag_state_visitor *v, const char *name, int64_t *value); /* any whole number */
/* The same for a number that makes sense from low to high only: anything else is refused. */
AG_API void ag_state_int64_in(ag_state_visitor *v, const char *name, int64_t *value, int64_t low, int64_t high);
AG_API void ag_state_int(ag_state_visitor *v, const char *name, int *value); /* an int: a count, an enum */
AG_API void ag_state_uint64(ag_state_visitor *v, const char *name, uint64_t *value); /* 64 bits */
AG_API void ag_state_bool(ag_state_visitor *v, const char *name, bool *value); /* true or false */
AG_API void ag_state_double(ag_state_visitor *v, const char *name, double *value); /* also NaN and infinities */
/* The same for a number that makes sense from low to high only: anything else, NaN included, is refused. */
AG_API void ag_state_double_in(ag_state_visitor *v, const char *name, double *value, double low, double high);
AG_API void ag_state_rng(ag_state_visitor *v, const char *name, ag_rng *rng); /* a generator: stream and position */

/* The numbers of a tensor that is there all the time, such as a parameter; shape and type must agree, and the numbers are
 * written in place. For a leaf. */
AG_API void ag_state_tensor(ag_state_visitor *v, const char *name, ag_tensor t);
/* A slot that ag_keep() fills: it may hold no tensor, or one of any shape. It is kept anew. */
AG_API void ag_state_slot(ag_state_visitor *v, const char *name, ag_tensor *slot);
/* Numbers in memory, as many as the shape says, row-major; shape and type must agree. */
AG_API void ag_state_array(ag_state_visitor *v, const char *name, void *data, ag_dtype dtype, ag_shape shape);
/* Numbers that become more: *count of them, with room for `room`; refused if the saved ones are more. */
AG_API void ag_state_series(ag_state_visitor *v, const char *name, void *data, ag_dtype dtype, int64_t *count, int64_t room);

/* What is not put back but must be the same: the kind of an optimizer, the size of a set. */
AG_API void ag_state_same_int64(ag_state_visitor *v, const char *name, int64_t value);
AG_API void ag_state_same_double(ag_state_visitor *v, const char *name, double value);
AG_API void ag_state_same_text(ag_state_visitor *v, const char *name, const char *text);

/* Another object inside this one: its names get "name." in front. */
AG_API void ag_state_child(ag_state_visitor *v, const char *name, ag_stateful child);
/* Puts "name." in front of all that is listed until the end. */
AG_API void ag_state_group_begin(ag_state_visitor *v, const char *name);
AG_API void ag_state_group_end(ag_state_visitor *v);
/* Whether values are being put in place: what has been listed so far in this call of visit has its new value now. For objects
 * that must act upon it, such as a loader that has to go to its new position. */
AG_API bool ag_state_loading(const ag_state_visitor *v);

/* ---- snapshots ----------------------------------------------------------------------------------------------------- */

typedef struct ag_state ag_state;

/* A copy of the object's state in memory. Never NULL: after an error it is raised and a nil snapshot returned, which cannot be
 * restored. */
AG_API ag_state *ag_state_take_at(ag_place where, ag_stateful s);
/* Puts the state back, into the same object or one built alike. First everything is compared; if anything differs (a name is
 * missing or not expected, a shape, a type, a kind), one error lists what, and nothing is changed. */
AG_API ag_error ag_state_restore_at(ag_place where, const ag_state *state, ag_stateful s);
#define ag_state_take(...) ag_state_take_at(AG_HERE, __VA_ARGS__)
#define ag_state_restore(...) ag_state_restore_at(AG_HERE, __VA_ARGS__)
AG_API void ag_state_free(ag_state *state); /* NULL is fine */

AG_EXTERN_C_END

#endif
