/*
 * Datasets and loaders.
 *
 * A dataset is a number of samples, each an input and a target, that can be read in any order. A loader lends batches of
 * them. Constructors never return NULL: after an error they give a nil object, and loops over it end at once.
 */
#ifndef WENGERT_DATA_DATA_H
#define WENGERT_DATA_DATA_H

#include "../autograd/autograd.h"
#include "augment.h"
#include "checkpoint.h"
#include "collate.h"
#include "image.h"
#include "sampler.h"
#include "split.h"
#include "table.h"
#include "tensors.h"
#include "text.h"
#include "transform.h"

AG_EXTERN_C_BEGIN

/* ---- IDX files (the format of MNIST), plain or gzip-compressed ----------------------------------------------------------- */

typedef struct data_idx {
    int ndim;
    int64_t size[AG_MAX_DIMS];
    uint8_t *bytes; /* product of the sizes, row-major; free with data_idx_free */
} data_idx;

/* Reads an IDX file of unsigned bytes. If `path` does not exist, `path` with ".gz" is tried. Errors name the file, the
 * place in it and the reason: missing, truncated, longer than its header says, corrupt compression, another element type.
 * On an error *idx is zeroed. */
AG_API ag_error data_idx_read_at(ag_place where, const char *path, data_idx *idx);
AG_API void data_idx_free(data_idx *idx);
#define data_idx_read(...) data_idx_read_at(AG_HERE, __VA_ARGS__)

/* ---- datasets ------------------------------------------------------------------------------------------------------------ */

typedef struct data_set data_set;

/* Images (uint8, N H W or N H W C) and labels (uint8, N) from two IDX files. Inputs are float32 (C,H,W), pixels divided by
 * 255; targets are int64 labels, each below `classes`. */
AG_API data_set *data_idx_images_at(ag_place where, const char *images, const char *labels, int64_t classes);
/* MNIST's file names (train-images-idx3-ubyte, t10k-…) under a folder; part is "train" or "test". */
AG_API data_set *data_mnist_at(ag_place where, const char *folder, const char *part);

/* A folder of PNG files. */
typedef struct data_png_folder_config {
    uint32_t made_by_defaults;
    int channels;          /* 1: all grey; 3: all colour; default 0: colour if one file has colours, else grey */
    bool lazy;             /* default false: all pixels are read at once and stay in memory, a byte each; true: only the headers, and
                            * pixels when a sample is read, so that a file that is damaged is an error only then */
    bool resize;           /* all pictures are brought to `height` x `width`, stretched if need be, smoothly (Pillow's BILINEAR,
                            * torchvision's Resize); default false: pictures of several sizes are an error */
    int64_t height, width; /* for resize: 1 to 16384; default 0 */
    uint8_t background;    /* the grey that shows where pictures are transparent; default 255, white */
} data_png_folder_config;
AG_API data_png_folder_config data_png_folder_defaults(void);
/* Pictures out of the PNG files of a folder, as torchvision's ImageFolder: each folder in it is a class, numbered in the order of their
 * names (sorted by bytes), which data_set_class_name() tells; all PNG files in and below it are its samples, a folder's own in
 * the order of their names, then those of the folders in it. A folder that holds PNG files and no folder is a set without labels: all
 * targets are 0, and data_set_classes() is 0. Other files, and all names that begin with a dot, are passed over. Inputs are float32
 * (C,H,W), bytes divided by 255; targets int64. Errors name the file or folder and the reason: no PNG file at all, or in a class; one
 * beside the folders; one that is missing, no regular file, no PNG, truncated or damaged; two of different sizes. */
AG_API data_set *data_png_folder_at(ag_place where, const char *folder, data_png_folder_config config);
#define data_png_folder(...) data_png_folder_at(AG_HERE, __VA_ARGS__)

/* Arrays: `n` inputs of shape `x_shape` and type `x_dtype`, row-major, and `n` targets likewise. The data is copied; a NaN in
 * it is an error. Samples have at most 7 dimensions. */
AG_API data_set *data_arrays_at(ag_place where, int64_t n, const void *x, ag_shape x_shape, ag_dtype x_dtype, const void *y,
                                ag_shape y_shape, ag_dtype y_dtype);
/* Some samples of another set, by index (copied); `set` is shared, not copied: it lives until its last user is freed. */
AG_API data_set *data_subset_at(ag_place where, data_set *set, int64_t n, const int64_t *indices);
#define data_idx_images(...) data_idx_images_at(AG_HERE, __VA_ARGS__)
#define data_mnist(...) data_mnist_at(AG_HERE, __VA_ARGS__)
#define data_arrays(...) data_arrays_at(AG_HERE, __VA_ARGS__)
#define data_subset(...) data_subset_at(AG_HERE, __VA_ARGS__)

/* Numbers of all samples, one sample after the other. With `lengths`, one for each sample, sample i has the shape (lengths[i],
 * shape…) and `shape` is that of one step; without (NULL), `shape` is that of a sample. */
typedef struct data_values {
    const void *data;
    ag_shape shape;
    ag_dtype dtype;
    const int64_t *lengths; /* 1 or more each */
} data_values;
/* Sequences: samples whose inputs, or targets, or both vary in length. The data is copied; a NaN in it is an error.
 * data_set_x_shape() is that of the longest input, and a sample that is read has its numbers first and zeros behind them. A loader
 * needs batches of equal lengths, or data_collate_pad(). */
AG_API data_set *data_sequences_at(ag_place where, int64_t n, data_values x, data_values y);
#define data_sequences(...) data_sequences_at(AG_HERE, __VA_ARGS__)

AG_API int64_t data_set_size(const data_set *set); /* number of samples */
AG_API ag_shape data_set_x_shape(const data_set *set); /* of one sample's input */
AG_API ag_shape data_set_y_shape(const data_set *set); /* of one sample's label */
AG_API ag_dtype data_set_x_dtype(const data_set *set); /* element type of the inputs */
AG_API ag_dtype data_set_y_dtype(const data_set *set); /* element type of the labels */
/* Entries of the first dimension of sample i's input: its own if inputs vary in length, else as the shape says (1 if it has no
 * dimension). 0 if there is no such sample. */
AG_API int64_t data_set_x_length(const data_set *set, int64_t i);
AG_API int64_t data_set_y_length(const data_set *set, int64_t i); /* the same of its target */
/* Copies sample i: x and y must have room for one sample (either may be NULL). */
AG_API ag_error data_set_read_at(ag_place where, data_set *set, int64_t i, void *x, void *y);
#define data_set_read(...) data_set_read_at(AG_HERE, __VA_ARGS__)
/* The same in a later epoch, counted from 0: what random transforms make of the sample then. */
AG_API ag_error data_set_read_epoch_at(ag_place where, data_set *set, int64_t epoch, int64_t i, void *x, void *y);
#define data_set_read_epoch(...) data_set_read_epoch_at(AG_HERE, __VA_ARGS__)
/* All samples as two tensors, x (n, input shape) and y (n, target shape), for what needs all of them at once. They live until
 * ag_drop(); after an error both are nil. */
AG_API ag_error data_set_tensors_at(ag_place where, data_set *set, ag_tensor *x, ag_tensor *y);
#define data_set_tensors(...) data_set_tensors_at(AG_HERE, __VA_ARGS__)
AG_API const char *data_set_x_name(const data_set *set, int64_t j); /* of the j-th number of an input; "" if it has none */
AG_API int64_t data_set_classes(const data_set *set); /* how many classes the labels tell apart; 0: none, or not known */
AG_API const char *data_set_class_name(const data_set *set, int64_t label); /* "" if it has none */
/* Lets go of a set. Loaders and subsets that use it keep it alive. NULL is fine. */
AG_API void data_set_free(data_set *set);

/* A set of the program's own: the struct describes it (name its fields: more may follow), `state` is handed to its functions.
 * `read` writes sample i (in range) to x and y (never NULL). It may be called from several threads at a time: those of a loader,
 * and others that use the set; it raises its errors with ag_error_raise() and returns them: they reach the handler on the thread
 * that wanted the sample. */
typedef struct data_set_type {
    size_t size; /* sizeof(data_set_type) */
    const char *name;
    ag_error (*read)(void *state, int64_t i, void *x, void *y);
    void (*release)(void *state); /* NULL: nothing to release */
    /* NULL, or read for sets whose samples differ from epoch to epoch: then it is called instead. Epochs are counted from 0. */
    ag_error (*read_epoch)(void *state, int64_t epoch, int64_t i, void *x, void *y);
    /* NULL, or the length of sample i's input (target), from 1 to the first size of the shape: for sets whose samples vary. Only so
     * many entries of the first dimension are written then. From any thread. */
    int64_t (*x_length)(void *state, int64_t i);
    int64_t (*y_length)(void *state, int64_t i);
} data_set_type;
/* Takes the state: it is released when the set's last holder lets go, or at once after an error (unless the error is that
 * `type` cannot be used). */
AG_API data_set *data_set_new_at(ag_place where, const data_set_type *type, void *state, int64_t n, ag_shape x_shape,
                                 ag_dtype x_dtype, ag_shape y_shape, ag_dtype y_dtype);
#define data_set_new(...) data_set_new_at(AG_HERE, __VA_ARGS__)

/* ---- loaders ------------------------------------------------------------------------------------------------------------- */

typedef struct data_loader_config {
    uint32_t made_by_defaults;
    int64_t batch;  /* samples a batch; default 1 */
    bool shuffle;   /* a new order every epoch; default false */
    bool drop_last; /* leaves out a last batch that is not full; default false */
    data_sampler *sampler; /* which samples in which order (data/sampler.h), instead of `shuffle`; default NULL: the set's own */
    data_collate *collate; /* how samples become a batch (data/collate.h); default NULL: they are stacked */
    int workers;    /* threads of the loader's own that prepare batches ahead, 0 to 256; default 0: a batch is read when it is asked
                     * for (small batches of arrays always are: that takes less time than asking a thread for them; and a batch that
                     * no thread has begun when it is asked for) */
    int prefetch;   /* batches that each of them prepares ahead, 1 to 1024; default 2 */
} data_loader_config;

typedef struct data_batch {
    ag_tensor x;    /* (n, input shape) */
    ag_tensor y;    /* (n, target shape) */
    int64_t n;      /* samples in this batch */
    int64_t index;  /* number of the batch in its epoch */
    ag_tensor x_lengths, y_lengths; /* (n), int64: of what was padded; else AG_NONE, as is `more` */
    ag_tensor more[DATA_BATCH_MORE]; /* what a collate function of the program's own made besides */
} data_batch;

typedef struct data_loader data_loader;

AG_API data_loader_config data_loader_defaults(void);
/* Takes the set, also after an error (the caller must not free it; data_set_share() first to keep it), and the config's sampler and
 * collate function likewise; splits a generator from rng (NULL is fine if nothing is drawn at random). A loader is used by one
 * thread at a time. Errors: a config that makes no sense, whatever the sampler finds wrong with the set. */
AG_API data_loader *data_loader_new_at(ag_place where, data_set *set, data_loader_config config, ag_rng *rng);
#define data_loader_new(...) data_loader_new_at(AG_HERE, __VA_ARGS__)
/* One more holder of the set: returns it. */
AG_API data_set *data_set_share(data_set *set);
/* Begins a new epoch, in a new order if shuffling. A new loader stands at the beginning of its first epoch; at the beginning of
 * an epoch nothing happens. */
AG_API void data_loader_rewind(data_loader *loader);
/* Lends the next batch until the next call; false at the end of the epoch and after an error (the sticky error tells which).
 * Its tensors are leaves without gradient. What something still holds of them (backward, a view, a detached tensor) is not
 * overwritten, but the handles themselves cannot be read any more after the next call, data_loader_rewind() and
 * data_loader_free(). A sample that cannot be read is an error when its batch is asked for, and again at every call until
 * data_loader_rewind(). Batches, errors and their order do not depend on `workers` and `prefetch`. */
AG_API bool data_loader_next_at(ag_place where, data_loader *loader, data_batch *batch);
#define data_loader_next(...) data_loader_next_at(AG_HERE, __VA_ARGS__)
AG_API int64_t data_loader_batches(const data_loader *loader); /* in one epoch */
AG_API int64_t data_loader_samples(const data_loader *loader); /* in one epoch */
/* All that a resumed run needs of the loader (autograd/state.h): the order of the epoch and the position in it. What is put back
 * must be of a loader with the same kind of sampler and the same batches of as many samples; `workers` and `prefetch` may differ.
 * Afterwards the loader goes on with the batch that would have come next: the first data_loader_rewind() does nothing if that
 * epoch was not over (its data_loader_next() had not returned false), so that a loop over epochs continues in the middle of one. */
AG_API ag_stateful data_loader_stateful(data_loader *loader);
AG_API void data_loader_free(data_loader *loader); /* also frees the set if nobody else holds it; NULL is fine */

/* Errors of the functions that take no place name the line of the call, too. */
#ifndef WENGERT_INTERNAL
#define data_loader_rewind(...) AG_NOTING(data_loader_rewind(__VA_ARGS__))
#endif

AG_EXTERN_C_END

#endif
