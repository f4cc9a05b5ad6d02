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
 *     static ag_tensor net_forward(nn_module *m, ag_tensor x) { … nn_forward(self->hidden, x) … }
 *     static const nn_module_type net_type = { sizeof(nn_module_type), "Net", sizeof(struct net), net_visit, net_forward, NULL };
 *     nn_module *m = nn_module_new(&net_type);
 *
 * Parents own their children: nn_free(root) frees the tree. Constructors never return NULL: after an error they give a nil
 * module, on which every call does nothing.
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
    void (*release)(nn_module *m); /* frees what visit does not list; NULL: nothing. The last field */
} nn_module_type;

struct nn_module {
    const nn_module_type *type;
    bool training;    /* true until nn_eval() */
    bool initialised; /* set by nn_init() or a load */
    void *priv;       /* the library's */
};

/* Fills a parameter or buffer at nn_init(); rng is the module tree's. */
typedef void (*nn_initialiser)(ag_tensor w, ag_rng *rng, const nn_module *owner);

/* A new module of a type, zeroed after the base. */
AG_API nn_module *nn_module_new(const nn_module_type *type);
AG_API void nn_free(nn_module *m); /* NULL is fine */

/* ---- inside visit ---------------------------------------------------------------------------------------------------- */

/* A trainable tensor of the given shape. `slot` is filled by nn_init(). */
AG_API void nn_visit_parameter(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape, nn_initialiser init);
/* State that is saved but not trained (running statistics); dtype may be AG_INT64. AG_FLOAT32 means the tree's type. */
AG_API void nn_visit_buffer(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape, ag_dtype dtype,
                            nn_initialiser init);
AG_API void nn_visit_child(nn_visitor *v, const char *name, nn_module **slot);
/* A generator of the module's own, split from the one given to nn_init(). */
AG_API void nn_visit_rng(nn_visitor *v, const char *name, ag_rng *slot);

/* ---- the tree -------------------------------------------------------------------------------------------------------- */

/* Completes the tree: gives all parameters their final addresses in one block (64-byte aligned, with a parallel block for
 * gradients; they never move again) and initialises them in the order of visiting. Tied weights (the same slot contents
 * seen twice through the same child pointer) are one parameter. A second call initialises anew, in place. */
AG_API ag_error nn_init_at(ag_place where, nn_module *m, ag_rng *rng);
/* The same with parameters of AG_FLOAT64, for checks. */
AG_API ag_error nn_init_dtype_at(ag_place where, nn_module *m, ag_rng *rng, ag_dtype dtype);
#define nn_init(...) nn_init_at(AG_HERE, __VA_ARGS__)
#define nn_init_dtype(...) nn_init_dtype_at(AG_HERE, __VA_ARGS__)

/* y = m(x). Raises if the tree was not initialised. The module's forward is a frame and its name a label on the tape. */
AG_API ag_tensor nn_forward_at(ag_place where, nn_module *m, ag_tensor x);
#define nn_forward(...) nn_forward_at(AG_HERE, __VA_ARGS__)

AG_API void nn_train(nn_module *m); /* dropout drops, batch norm uses the batch; the whole tree */
AG_API void nn_eval(nn_module *m);
/* Freezes or thaws all parameters of the tree. */
AG_API void nn_set_requires_grad(nn_module *m, bool requires_grad);

/* The parameters by name ("0.weight", "features.conv.bias"), each once, in the order of visiting; the caller frees the list
 * or hands it to an optimizer. */
AG_API ag_list *nn_parameters(nn_module *m);
/* Parameters and buffers, as in PyTorch's state_dict. */
AG_API ag_list *nn_state(nn_module *m);
AG_API int64_t nn_count_parameters(nn_module *m, bool trainable_only);

/* Copies the state of `from` into `to`, name by name; names, shapes and types must match exactly, else nothing is changed. */
AG_API ag_error nn_copy_state_at(ag_place where, nn_module *to, nn_module *from);
#define nn_copy_state(...) nn_copy_state_at(AG_HERE, __VA_ARGS__)
/* A deep copy with parameters of its own (same values, no gradients); hyper-parameters are copied byte by byte. */
AG_API nn_module *nn_clone(nn_module *m);

/* One hash over names and bits of the whole state. */
AG_API uint64_t nn_hash(nn_module *m);

/* Prints layers with output shape and number of parameters, as Keras does, for an input of the given shape. Runs the module
 * once in eval mode on zeros. */
AG_API ag_error nn_summary_at(ag_place where, nn_module *m, ag_shape input, FILE *stream);
#define nn_summary(...) nn_summary_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
