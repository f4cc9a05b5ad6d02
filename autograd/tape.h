/*
 * The tape: one list of recorded operations per thread. Scopes are marks on it.
 *
 *     ag_scope step = { 0 };
 *     for (…) {
 *         ag_begin(&step);                    the previous step is gone, this one is recorded
 *         … operations, ag_backward(loss) …   continue and break are safe anywhere here
 *     }
 *     ag_end(&step);
 */
#ifndef WENGERT_AUTOGRAD_TAPE_H
#define WENGERT_AUTOGRAD_TAPE_H

#include "tensor.h"

AG_EXTERN_C_BEGIN

/* A scope. Initialise with { 0 }; the fields are the library's. */
typedef struct ag_scope {
    uint64_t serial;
} ag_scope;

/* Opens a scope in which operations are recorded. If it is open already, it is ended first, together with all scopes
 * opened above it. So is an open scope whose memory is being reused: the function that opened it has returned. Raises, and
 * opens nothing, while a backward runs. */
AG_API void ag_begin_at(ag_place where, ag_scope *scope);
/* The same, but nothing is recorded: evaluation, data preparation. Results of operations do not require gradients. */
AG_API void ag_begin_no_grad_at(ag_place where, ag_scope *scope);
/* Ends the scope and those opened above it; what was made in them is gone. Ending a closed scope does nothing. */
AG_API void ag_end(ag_scope *scope);
#define ag_begin(...) ag_begin_at(AG_HERE, __VA_ARGS__)
#define ag_begin_no_grad(...) ag_begin_no_grad_at(AG_HERE, __VA_ARGS__)

/* The number of scopes open on this thread, and where the innermost was opened ({NULL, 0} if none). */
AG_API int ag_scope_depth(void);
AG_API ag_place ag_scope_where(void);
/* Whether operations are being recorded on this thread now. */
AG_API bool ag_grad_enabled(void);

/* A frame inside a scope: what was made in it and is not returned is let go at its end (backward keeps what it saved). A
 * module's forward is a frame; use one around a helper that makes many temporaries, and around each step of a loop over time that is
 * written with operations: an LSTM cell in a frame holds over 600 steps what PyTorch holds, without one three times as much. */
typedef struct ag_frame {
    uint64_t serial;
    int64_t mark;
} ag_frame;

AG_API ag_frame ag_frame_begin(void); /* a frame of the innermost scope */
/* Ends the frame and returns `result`, which stays visible. A frame that is not of the innermost scope ends nothing. */
AG_API ag_tensor ag_frame_end(ag_frame frame, ag_tensor result);
/* The same for several results. */
AG_API void ag_frame_end_n(ag_frame frame, int n, const ag_tensor *results);

/* Labels name the part of the model that nodes belong to, such as "features.0"; nodes remember the path in force when they
 * were recorded. Push and pop in pairs; a scope's end pops what was forgotten. */
AG_API void ag_label_push(const char *name);
AG_API void ag_label_pop(void);

/* Keeps, until the innermost open scope ends (none open: in all scopes opened later), the inputs, results and gradients of what is
 * recorded from now on, and how long each took, so that the tape can be looked at whole, also after backward: printed, drawn,
 * explained (inspect/inspect.h). Costs the memory of all results and gradients. What backward allows stays as it is: a second one
 * through the same nodes is an error still. */
AG_API void ag_retain_tape(bool on);

/* The number of operations recorded on this thread's tape now. */
AG_API int64_t ag_tape_length(void);

AG_EXTERN_C_END

#endif
