/*
 * Collate functions: how samples become a batch. Without one, a loader stacks samples, which must then have the same shape;
 *
 *     config.collate = data_collate_pad(0, -100);
 *
 * pads those of different lengths, and a program's own function makes of them what it likes. The loader takes a collate function,
 * also after an error; one that no loader took is freed with data_collate_free().
 */
#ifndef WENGERT_DATA_COLLATE_H
#define WENGERT_DATA_COLLATE_H

#include "../autograd/autograd.h"
#include "transform.h"

AG_EXTERN_C_BEGIN

typedef struct data_collate data_collate;

enum { DATA_BATCH_MORE = 4 }; /* tensors of a batch that only collate functions of a program's own have */

/* Pads inputs and targets that vary in length (data_sequences()) at their ends, to the longest of the batch: x (n, longest, …)
 * and x_lengths (n, int64); y and y_lengths likewise if targets vary. Those that do not vary are stacked. `x` and `y` are the
 * values to pad with, which the element type must be able to hold; for classes of steps, -100 is what ag_cross_entropy() ignores. */
AG_API data_collate *data_collate_pad_at(ag_place where, double x, double y);
#define data_collate_pad(...) data_collate_pad_at(AG_HERE, __VA_ARGS__)
AG_API void data_collate_free(data_collate *collate); /* one that no loader took; NULL is fine */

/* ---- a collate function of the program's own -------------------------------------------------------------------------------- */

/* One sample of a batch. */
typedef struct data_sample {
    int64_t index;     /* in the set */
    int64_t x_length;  /* entries of the input's first dimension: its length if inputs vary, else the size; 1 if it has none */
    int64_t y_length;  /* of the target, likewise */
    const void *x, *y; /* row-major; NULL in form() */
} data_sample;

/* The tensors of a batch: their whole shapes, the number of samples included. A shape with ndim -1, as form() finds all of them,
 * stands for a tensor that is not there (AG_NONE in the data_batch). */
typedef struct data_batch_form {
    data_form x, y, x_lengths, y_lengths, more[DATA_BATCH_MORE];
} data_batch_form;

/* Where their numbers go, row-major; NULL for what is not there. */
typedef struct data_batch_memory {
    void *x, *y, *x_lengths, *y_lengths, *more[DATA_BATCH_MORE];
} data_batch_memory;

/* `state` is handed to the functions, which may run on several threads at a time; they raise their errors with ag_error_raise()
 * and return them. Name the fields: more may follow. */
typedef struct data_collate_type {
    size_t size; /* sizeof(data_collate_type) */
    const char *name;
    /* What the batch of these samples is: depends on their number, indices and lengths, not on what is in them. `x` and `y` are the
     * forms of a sample of the set, the longest if they vary. */
    ag_error (*form)(void *state, data_form x, data_form y, int64_t n, const data_sample *samples, data_batch_form *form);
    /* Writes all numbers of the batch. */
    ag_error (*fill)(void *state, data_form x, data_form y, int64_t n, const data_sample *samples, const data_batch_form *form,
                     const data_batch_memory *to);
    void (*release)(void *state); /* NULL: nothing to release */
} data_collate_type;
/* Takes the state: it is released with the collate function, or at once after an error (unless the error is that `type` cannot be
 * used). */
AG_API data_collate *data_collate_new_at(ag_place where, const data_collate_type *type, void *state);
#define data_collate_new(...) data_collate_new_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
