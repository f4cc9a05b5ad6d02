/*
 * Modules: trees of layers that own parameters, buffers and children.
 *
 * A module is a struct with nn_module first. It lists what it owns once, in its visit function; names, state, train/eval,
 * freezing, counting, cloning and summaries derive from that. A program's own module is written the same way:
 *
 *     struct net { nn_module base; nn_module *hidden, *out; };
 *     static void net_visit(nn_module *m, nn_visitor *v)
 *     {
 *         struct net *self = (struct net *)m;
 *         nn_visit_child(v, "hidden", &self->hidden);
 *         nn_visit_child(v, "out", &self->out);
 *     }
 *     static ag_tensor net_forward(nn_module *m, ag_tensor x)
 *     {
 *         struct net *self = (struct net *)m;
 *         return nn_forward(self->out, ag_relu(nn_forward(self->hidden, x)));
 *     }
 *     static const nn_module_type net_type = {
 *         .size = sizeof(nn_module_type), .name = "Net", .instance_size = sizeof(struct net),
 *         .visit = net_visit, .forward = net_forward,
 *     };
 *     struct net *net = (struct net *)nn_module_new(&net_type);
 *     net->hidden = nn_linear(784, 128);
 *     net->out = nn_linear(128, 10);
 *
 * Parents own their children: nn_free(root) frees the tree, each module once. Constructors never return NULL: after an error
 * they give a nil module, on which every call does nothing; it has the size of its type, so that a constructor may go on
 * and fill its fields.
 *
 * Tied weights. A parameter is a slot (an ag_tensor in a module's struct). A slot that is reached twice is one parameter: one
 * set of numbers, one gradient, initialised and counted once, listed by nn_parameters() under the name reached first and by
 * nn_state() under every name, as in PyTorch. It is reached twice when two parents of one tree hold the same child pointer,
 * or when two visit functions list the same slot. The label of a child held twice is the name it was given first. Copying
 * the handle in one slot to another slot ties nothing and is not supported; nor is one child in two trees, which nn_init()
 * refuses. The tree that was refused must be freed before the one that has the child.
 *
 * The tree is fixed by nn_init(): children are not added, replaced or moved afterwards.
 */
#ifndef WENGERT_NN_MODULE_H
#define WENGERT_NN_MODULE_H

#include <stdio.h>

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

typedef struct nn_module nn_module;
typedef struct nn_visitor nn_visitor;

typedef struct nn_module_type {
    size_t size;            /* sizeof(nn_module_type) */
    const char *name;       /* "Linear" */
    size_t instance_size;   /* sizeof the struct that begins with nn_module */
    void (*visit)(nn_module *m, nn_visitor *v);             /* lists parameters, buffers, children; NULL: none */
    ag_tensor (*forward)(nn_module *m, ag_tensor x);        /* NULL: the module has a typed forward of its own */
    void (*describe)(const nn_module *m, char *text, size_t bytes); /* "in=784, out=10"; NULL: nothing to say */
    void (*release)(nn_module *m); /* frees what visit does not list; NULL: nothing */
    /* For nn_clone(): `to` is a byte copy of `from`; gives it memory of its own for whatever release frees, or returns false.
     * NULL: a byte copy is enough, if there is no release; with one, the module cannot be cloned. The last field */
    bool (*copy)(nn_module *to, const nn_module *from);
} nn_module_type;

struct nn_module {
    const nn_module_type *type;
    bool training;    /* true until nn_eval() */
    bool initialised; /* set by nn_init() or a load */
    void *priv;       /* the library's */
};

/* Fills a parameter or buffer at nn_init(), with the functions of init.h; rng is the one given to nn_init(). */
typedef void (*nn_initialiser)(ag_tensor w, ag_rng *rng, const nn_module *owner);

/* A new module of a type, zeroed after the base. The type must outlive it. */
AG_API nn_module *nn_module_new(const nn_module_type *type);
/* Frees a tree. NULL is fine; a module inside a tree is refused. A tape that recorded the module's labels has its own copies. */
AG_API void nn_free(nn_module *m);

/* ---- inside visit ---------------------------------------------------------------------------------------------------- */

/* Names are PyTorch's, distinct within a module, and may have dots in them ("layers.0"). They are copied. */

/* A trainable tensor of the given shape. `slot` is filled by nn_init(). init NULL: zeros. */
AG_API void nn_visit_parameter(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape, nn_initialiser init);
/* State that is saved but not trained (running statistics); dtype may be AG_INT64. AG_FLOAT32 means the tree's type. */
AG_API void nn_visit_buffer(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape, ag_dtype dtype,
                            nn_initialiser init);
AG_API void nn_visit_child(nn_visitor *v, const char *name, nn_module **slot);
/* A generator of the module's own, split from the one given to nn_init(). */
AG_API void nn_visit_rng(nn_visitor *v, const char *name, ag_rng *slot);

/* ---- the tree -------------------------------------------------------------------------------------------------------- */

/* Completes the tree: gives all parameters their final addresses in one block (64-byte aligned, with a parallel block for
 * gradients; they never move again) and initialises them in the order of nn_state(): a module's own parameters, its buffers,
 * then its children. A second call initialises anew, in place, and forgets the gradients; so does a call on a part of the
 * tree, for that part. A tree of which a part was initialised before is refused. */
AG_API ag_error nn_init_at(ag_place where, nn_module *m, ag_rng *rng);
/* The same with parameters of the given floating type (AG_FLOAT64 for checks). A second nn_init() keeps the type. */
AG_API ag_error nn_init_dtype_at(ag_place where, nn_module *m, ag_rng *rng, ag_dtype dtype);
#define nn_init(...) nn_init_at(AG_HERE, __VA_ARGS__)
#define nn_init_dtype(...) nn_init_dtype_at(AG_HERE, __VA_ARGS__)

/* y = m(x). Raises if the tree was not initialised. The module's forward is a frame (what it makes and does not return is let
 * go) and its name a label on the tape. */
AG_API ag_tensor nn_forward_at(ag_place where, nn_module *m, ag_tensor x);
#define nn_forward(...) nn_forward_at(AG_HERE, __VA_ARGS__)

AG_API void nn_train(nn_module *m); /* dropout drops, batch norm uses the batch; the whole tree */
AG_API void nn_eval(nn_module *m); /* dropout passes on, batch norm uses its running statistics */
/* Freezes or thaws all parameters of the tree, which must be initialised. */
AG_API void nn_set_requires_grad(nn_module *m, bool requires_grad);

/* The parameters by name ("0.weight", "features.conv.bias"), each once, in PyTorch's order; the caller frees the list or hands
 * it to an optimizer. */
AG_API ag_list *nn_parameters(nn_module *m);
/* Parameters and buffers, with the names and in the order of PyTorch's state_dict. */
AG_API ag_list *nn_state(nn_module *m);
/* The number of elements of all parameters, each counted once; known before nn_init() too. */
AG_API int64_t nn_count_parameters(nn_module *m, bool trainable_only);

/* Copies the state of `from` into `to`, name by name; names, shapes and types must match exactly, else nothing is changed. */
AG_API ag_error nn_copy_state_at(ag_place where, nn_module *to, nn_module *from);
#define nn_copy_state(...) nn_copy_state_at(AG_HERE, __VA_ARGS__)
/* A deep copy with parameters of its own (same values, same frozen ones, no gradients), generators in the same state;
 * hyper-parameters are copied byte by byte. Only pointers that visit lists are led to the copies. */
AG_API nn_module *nn_clone(nn_module *m);
/* The exponential moving average of weights: average = decay average + (1 - decay) m, for each parameter that m has; buffers
 * are copied. `average` is an nn_clone() of m, made before training or after some of it, and a module like any other: evaluated
 * with nn_forward(), saved with nn_stateful(). decay in 0..1 (usual: 0.999); the trees must match as for nn_copy_state(), else
 * nothing is changed. Polyak & Juditsky 1992; Tarvainen & Valpola 2017 */
AG_API ag_error nn_average_at(ag_place where, nn_module *average, nn_module *m, double decay);
#define nn_average(...) nn_average_at(AG_HERE, __VA_ARGS__)

/* All that a resumed run needs of the tree (autograd/state.h): parameters and buffers under the names of nn_state(), each once;
 * the generators of its layers; which parameters are frozen, and which modules are in training mode. The tree must be
 * initialised before its state is taken or put back. */
AG_API ag_stateful nn_stateful(nn_module *m);

/* One hash over names and bits of the whole state. */
AG_API uint64_t nn_hash(nn_module *m);

/* Prints layers with output shape and number of parameters, as Keras does, for an input of the given shape (batch included).
 * Runs the module once, in eval mode and without recording, on zeros of the parameters' type. */
AG_API ag_error nn_summary_at(ag_place where, nn_module *m, ag_shape input, FILE *stream);
#define nn_summary(...) nn_summary_at(AG_HERE, __VA_ARGS__)

/* Errors of the functions that take no place name the line of the call, too. */
#ifndef WENGERT_INTERNAL
#define nn_module_new(...) AG_NOTING(nn_module_new(__VA_ARGS__))
#define nn_train(...) AG_NOTING(nn_train(__VA_ARGS__))
#define nn_eval(...) AG_NOTING(nn_eval(__VA_ARGS__))
#define nn_set_requires_grad(...) AG_NOTING(nn_set_requires_grad(__VA_ARGS__))
#define nn_parameters(...) AG_NOTING(nn_parameters(__VA_ARGS__))
#define nn_state(...) AG_NOTING(nn_state(__VA_ARGS__))
#define nn_count_parameters(...) AG_NOTING(nn_count_parameters(__VA_ARGS__))
#define nn_clone(...) AG_NOTING(nn_clone(__VA_ARGS__))
#define nn_hash(...) AG_NOTING(nn_hash(__VA_ARGS__))
#endif

AG_EXTERN_C_END

#endif
