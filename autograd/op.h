/*
 * The operation table: one operation is one `static const struct ag_op`; nodes of the tape point at it. The library's
 * operations and a program's own are the same struct.
 */
#ifndef WENGERT_AUTOGRAD_OP_H
#define WENGERT_AUTOGRAD_OP_H

#include "tape.h"

AG_EXTERN_C_BEGIN

#define AG_OP_MAX_INPUTS 8   /* except variadic operations such as cat */
#define AG_OP_MAX_OUTPUTS 4
#define AG_ANY_INPUTS (-1)

/* What backward needs, and so what stays in memory until it ran. */
#define AG_SAVE_INPUT(i) (1u << (i))
#define AG_SAVE_OUTPUT(i) (1u << (16 + (i)))
#define AG_SAVE_NOTHING 0u
#define AG_READ_NOTHING (1u << 31) /* only in .reads */
#define AG_OPTIONAL(i) (1u << (i))

typedef struct ag_call ag_call;   /* one application of an operation, while it runs */
typedef struct ag_sweep ag_sweep; /* one node's turn in a backward sweep */

/* The numbers of a tensor, for kernels. Strides are in elements. */
typedef struct ag_array {
    void *data;
    ag_dtype dtype;
    int ndim;
    int64_t numel;
    const int64_t *size;
    const int64_t *stride;
} ag_array;

/* Raw loops for element-wise operations: p[0] is the output, p[1..] the inputs, strides in bytes. */
typedef void (*ag_loop)(int64_t n, char *const *p, const int64_t *stride, const void *params);

struct ag_op {
    size_t size;            /* sizeof(struct ag_op) */
    const char *name;       /* "tanh"; messages begin with "ag_tanh: " */
    const char *formula;    /* "y = tanh(x)", for people; may be NULL */
    const char *derivative; /* "dx = dy (1 - y^2)"; NULL: not differentiable */
    int inputs;             /* how many; AG_ANY_INPUTS: any number */
    int outputs;            /* 1..AG_OP_MAX_OUTPUTS */
    unsigned optional;      /* AG_OPTIONAL(2) | …: inputs that may be AG_NONE */
    unsigned saves;         /* AG_SAVE_INPUT(0) | AG_SAVE_OUTPUT(0) …; of AG_ANY_INPUTS, AG_SAVE_INPUT(0) means all */
    /* What the gradient of input i reads of what is saved, or AG_READ_NOTHING; {0}: each may read all of it. What only the
     * gradients of inputs that want none would read is not saved: mul(x, constant) does without x. Not of AG_ANY_INPUTS. */
    unsigned reads[AG_OP_MAX_INPUTS];
    size_t params;          /* bytes of the parameter struct, copied into the node */
    int orders;             /* how often it can be differentiated: 0, 1, or AG_ORDERS_ANY */
    bool view;              /* output 0 shares input 0's memory */
    /* Validates, and declares each output with ag_call_output() or ag_call_view(); returns false after ag_call_fail(). */
    bool (*shape)(ag_call *call);
    /* Computes the outputs. NULL for views and for element-wise operations that give loops. */
    bool (*forward)(ag_call *call);
    /* Contributes to the gradients of the inputs, in operations of the library. NULL: not differentiable. */
    void (*backward)(ag_sweep *sweep);
    /* The parameters are numbers for elements (fill, pad): an infinity among them is the program's wish, no accident. */
    bool chosen;
    const char *numbers; /* "low high": what the formula calls the doubles that the parameters begin with; may be NULL */
    ag_loop loops[4]; /* by ag_dtype of the inputs, at most five of them; NULL: the type is refused */
};
#define AG_ORDERS_ANY 99

/* ---- applying ------------------------------------------------------------------------------------------------------ */

/* Applies an operation: the one function through which every result comes. `params` is op->params bytes (or NULL). Writes
 * op->outputs handles to `out`; all are AG_NIL after an error. Returns out[0]. */
AG_API ag_tensor ag_apply(ag_place where, const struct ag_op *op, int n, const ag_tensor *inputs, const void *params,
                          ag_tensor *out);

/* ---- inside shape and forward -------------------------------------------------------------------------------------- */

AG_API int ag_call_count(const ag_call *call);                     /* number of inputs */
AG_API bool ag_call_has(const ag_call *call, int i);               /* whether the optional input i was given */
AG_API const ag_array *ag_call_input(const ag_call *call, int i);  /* NULL if it was not given */
AG_API const ag_array *ag_call_result(const ag_call *call, int i); /* in forward: output i, to be written */
AG_API const void *ag_call_params(const ag_call *call); /* the params given to ag_apply() */
/* Whether the result will be recorded: an input requires a gradient and recording is on. */
AG_API bool ag_call_recording(const ag_call *call);
/* Declares output i, row-major. */
AG_API bool ag_call_output(ag_call *call, int i, ag_dtype dtype, ag_shape shape);
/* Declares output i with its dimensions in the memory order of `like` (an input of the same number of dimensions). */
AG_API bool ag_call_output_like(ag_call *call, int i, ag_dtype dtype, ag_shape shape, int like);
/* Declares a four-dimensional output i with channels last in memory. */
AG_API bool ag_call_output_channels_last(ag_call *call, int i, ag_dtype dtype, ag_shape shape);
/* Declares output 0 as a view of input 0: shape, strides and offset in elements from the input's first element. */
AG_API bool ag_call_view(ag_call *call, ag_shape shape, const int64_t *stride, int64_t offset);
/* Working memory for this call: 64-byte aligned, 64 bytes of slack, freed when the call ends. NULL after raising. */
AG_API void *ag_call_work(ag_call *call, size_t bytes);
/* How many threads a kernel may use: ag_threads(). */
AG_API int ag_call_threads(const ag_call *call);
/* Says that input i was changed in place (running statistics); its version moves on. */
AG_API void ag_call_changed(ag_call *call, int i);
/* Whether a checkpointed block is being computed anew: what counts calls (running statistics) must not move a second time. */
AG_API bool ag_call_replaying(const ag_call *call);
/* The shape of input i as a value, and as text in one of a few buffers of the call, for messages. */
AG_API ag_shape ag_call_shape(const ag_call *call, int i);
AG_API const char *ag_call_shape_text(ag_call *call, int i);
/* Shape rules for element-wise operations: one input; inputs of one type that broadcast; the same with a uint8 result. The
 * types that have a loop are accepted. */
AG_API bool ag_shape_unary(ag_call *call);
AG_API bool ag_shape_elementwise(ag_call *call);
AG_API bool ag_shape_compare(ag_call *call);
/* Raises an error whose message starts with "ag_<name>: "; returns false. */
AG_API bool ag_call_fail(ag_call *call, ag_error code, const char *format, ...) AG_PRINTF(3, 4);

/* ---- inside backward ----------------------------------------------------------------------------------------------- */

AG_API int ag_sweep_count(const ag_sweep *sweep);                 /* number of inputs */
AG_API const void *ag_sweep_params(const ag_sweep *sweep); /* the params given to ag_apply() */
AG_API bool ag_sweep_wants(const ag_sweep *sweep, int i);         /* whether input i needs a gradient */
AG_API ag_shape ag_sweep_shape(const ag_sweep *sweep, int i);     /* shape of input i, saved or not */
AG_API ag_dtype ag_sweep_dtype(const ag_sweep *sweep, int i);     /* type of input i */
AG_API ag_tensor ag_sweep_input(ag_sweep *sweep, int i);          /* a saved input; AG_NONE if it was not given */
AG_API ag_tensor ag_sweep_output(ag_sweep *sweep, int i);         /* a saved output */
AG_API ag_tensor ag_sweep_grad(ag_sweep *sweep, int i);           /* gradient of output i; AG_NONE if nothing arrived */
AG_API bool ag_sweep_recording(const ag_sweep *sweep);            /* whether the backward itself is recorded */
/* Contributes g to the gradient of input i; g may have the input's shape or one that broadcasting made of it (then it is
 * summed back). Does nothing if input i wants none. */
AG_API void ag_sweep_add(ag_sweep *sweep, int i, ag_tensor g);
/* Says that the gradient of input i is zero, which is a gradient and not the absence of one; nothing is computed for it. */
AG_API void ag_sweep_zero(ag_sweep *sweep, int i);
/* Contributes g to the part of input i's gradient that starts at start[d] with step[d] in each dimension d. */
AG_API void ag_sweep_add_at(ag_sweep *sweep, int i, const int64_t *start, const int64_t *step, ag_tensor g);
/* Contributes the matrix product a b (two dimensions each) to an input i of two dimensions, or of more that has as many rows; when not
 * recording, straight into the gradient's buffer, and not before the rule has ended: what is multiplied may not be written to. */
AG_API void ag_sweep_matmul(ag_sweep *sweep, int i, ag_tensor a, ag_tensor b);
/* The buffer of input i's gradient, for kernels that write their contribution straight into it: row-major, to be added to if
 * *accumulate, else to be written in full, before another input's buffer is asked for: that may be the same tensor. False if
 * there is no such buffer (then use ag_sweep_add); always so when recording. */
AG_API bool ag_sweep_target(ag_sweep *sweep, int i, ag_array *target, bool *accumulate);
/* Raises an error in the name of the node's operation. */
AG_API void ag_sweep_fail(ag_sweep *sweep, ag_error code, const char *format, ...) AG_PRINTF(3, 4);

AG_EXTERN_C_END

#endif
