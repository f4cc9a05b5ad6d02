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
    bool x_varies, y_varies; /* in length: the shape is that of the longest */
    bool augmented;          /* seen through a random transform */
    bool quick;              /* reading a sample is about as fast as copying it */
    struct data_info *info;  /* NULL: nothing is known */
};

/* What is known of inputs and labels besides their numbers; shared by sets made from one another. */
struct data_info {
    atomic_int holders;
    int64_t x_names; /* 0: without names; else as many as an input has elements */
    char **x_name;
    int64_t classes;   /* 0: the targets are no classes, or how many is not known */
    char **class_name; /* NULL: without names */
};

/* Names are taken over one by one: NULL after an error, for which nothing is raised. */
struct data_info *data_info_new(int64_t x_names, int64_t classes, bool class_names);
struct data_info *data_info_share(struct data_info *info);
void data_info_free(struct data_info *info);

double data_nan(void);

/* A list of words as in the header of a file of tables; NULL is none. */
struct data_words {
    int64_t n;
    char **word;
};
bool data_words_parse(ag_place where, const char *function, const char *what, const char *text,
                      struct data_words *words);
bool data_words_have(const struct data_words *words, const char *text, size_t n);
void data_words_free(struct data_words *words);

/* What a failed constructor gives: no samples, and no holder counts. */
data_set *data_set_nil(void);
bool data_set_is_nil(const data_set *set);
/* One sample into x and y, neither NULL, i in range, from any thread. An error is not raised: it is
 * returned and its message written, for the thread that wanted the sample to raise with
 * ag_error_hand_over(). */
#define DATA_MESSAGE 1024
ag_error data_set_copy_caught(data_set *set, int64_t epoch, int64_t i, void *x, void *y,
                              char message[DATA_MESSAGE]);
/* The same for sets that read another one: the error stays with the thread, where whoever began to
 * read catches it. */
ag_error data_set_copy(data_set *set, int64_t epoch, int64_t i, void *x, void *y);
/* The labels of all samples as numbers, for a caller that divides by them; NULL after an error. */
int64_t *data_set_labels(ag_place where, const char *function, data_set *set);
/* A set of the library's own, in the name of the function that the user called. Takes `state`:
 * released on an error too. */
data_set *data_set_make(ag_place where, const char *function, const data_set_type *type,
                        void *state, int64_t n, ag_shape x_shape, ag_dtype x_dtype,
                        ag_shape y_shape, ag_dtype y_dtype);
/* Arrays that the set takes, also after an error. */
data_set *data_arrays_take(ag_place where, const char *function, int64_t n, void *x,
                           ag_shape x_shape, ag_dtype x_dtype, void *y, ag_shape y_shape,
                           ag_dtype y_dtype);
/* A subset whose indices are in range. */
data_set *data_subset_make(ag_place where, const char *function, data_set *set, int64_t n,
                           const int64_t *indices);

/* data_idx_read() in the name of the function that the user called. */
ag_error data_idx_load(ag_place where, const char *function, const char *path, data_idx *idx);
/* A new file beside `path`, so that renaming it cannot cross file systems; *name is its name, to be freed, also on failure.
 * Exclusive: two writers never share one. NULL, and errno, if there can be none. */
FILE *data_open_beside(const char *path, char **name);
/* "60000 x 28 x 28" into text. */
#define DATA_SIZES_TEXT 192
const char *data_sizes_format(int ndim, const int64_t *size, char text[DATA_SIZES_TEXT]);

#endif
