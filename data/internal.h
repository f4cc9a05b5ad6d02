/*
 * What the files of this folder share. Internal: not installed.
 */
#ifndef WENGERT_DATA_INTERNAL_H
#define WENGERT_DATA_INTERNAL_H

#include <stdatomic.h>
#include <stdio.h>

#include "data.h"

struct data_set {
    atomic_int holders;
    data_set_type type;
    void *state;
    int64_t n;
    ag_shape x_shape, y_shape;
    ag_dtype x_dtype, y_dtype;
    size_t x_bytes, y_bytes; /* of one sample */
    bool quick;              /* reading a sample is about as fast as copying it */
};

/* What a failed constructor gives: no samples, and no holder counts. */
data_set *data_set_nil(void);
bool data_set_is_nil(const data_set *set);
/* One sample into x and y, neither NULL, i in range, from any thread. An error is not raised: it is
 * returned and its message written, for the thread that wanted the sample to raise with
 * ag_error_hand_over(). */
#define DATA_MESSAGE 1024
ag_error data_set_copy_caught(data_set *set, int64_t i, void *x, void *y,
                              char message[DATA_MESSAGE]);
/* A set of the library's own, in the name of the function that the user called. Takes `state`:
 * released on an error too. */
data_set *data_set_make(ag_place where, const char *function, const data_set_type *type,
                        void *state, int64_t n, ag_shape x_shape, ag_dtype x_dtype,
                        ag_shape y_shape, ag_dtype y_dtype);

/* data_idx_read() in the name of the function that the user called. */
ag_error data_idx_load(ag_place where, const char *function, const char *path, data_idx *idx);
/* A new file beside `path`, so that renaming it cannot cross file systems; *name is its name, to be freed, also on failure.
 * Exclusive: two writers never share one. NULL, and errno, if there can be none. */
FILE *data_open_beside(const char *path, char **name);
/* "60000 x 28 x 28" into text. */
#define DATA_SIZES_TEXT 192
const char *data_sizes_format(int ndim, const int64_t *size, char text[DATA_SIZES_TEXT]);

#endif
