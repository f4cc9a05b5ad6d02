/*
 * What was measured in each epoch of a run: a table of numbers with named columns.
 */
#ifndef WENGERT_TRAIN_HISTORY_H
#define WENGERT_TRAIN_HISTORY_H

#include <stdio.h>

#include "../autograd/autograd.h"
#include "../optim/schedule.h"

AG_EXTERN_C_BEGIN

typedef struct train_history train_history;

/* A table with room for `room` epochs and the columns `names`, which are copied and distinct. Never NULL: nil after an error. */
AG_API train_history *train_history_new_at(ag_place where, int64_t room, int columns, const char *const *names);
/* One more epoch: a number for each column; NaN is what was not measured. */
AG_API ag_error train_history_add_at(ag_place where, train_history *h, const double *row);
/* A number of epoch `epoch`, from 0, by the name of its column. */
AG_API double train_history_value_at(ag_place where, const train_history *h, int64_t epoch, const char *name);
/* The epoch in which a column is lowest or highest, the first among equals; -1 if it holds no number. */
AG_API int64_t train_history_best_at(ag_place where, const train_history *h, const char *name, optim_mode mode);
#define train_history_new(...) train_history_new_at(AG_HERE, __VA_ARGS__)
#define train_history_add(...) train_history_add_at(AG_HERE, __VA_ARGS__)
#define train_history_value(...) train_history_value_at(AG_HERE, __VA_ARGS__)
#define train_history_best(...) train_history_best_at(AG_HERE, __VA_ARGS__)

AG_API int64_t train_history_count(const train_history *h);             /* epochs so far */
AG_API int train_history_columns(const train_history *h);               /* how many columns */
AG_API const char *train_history_name(const train_history *h, int column); /* NULL if there is no such column */
AG_API bool train_history_has(const train_history *h, const char *name); /* whether there is a column of that name */
/* Writes it as CSV: a line of names, "epoch" first, then a line for each epoch, numbers with all of their digits, nothing where
 * nothing was measured. Errors: the stream cannot be written. */
AG_API ag_error train_history_write_at(ag_place where, const train_history *h, FILE *out);
#define train_history_write(...) train_history_write_at(AG_HERE, __VA_ARGS__)
AG_API ag_stateful train_history_stateful(train_history *h); /* the epochs so far, for a resumed run */
AG_API void train_history_free(train_history *h);            /* NULL is fine */

AG_EXTERN_C_END

#endif
