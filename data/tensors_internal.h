/*
 * What the files behind data/tensors.h share. Internal: not installed.
 */
#ifndef WENGERT_DATA_TENSORS_INTERNAL_H
#define WENGERT_DATA_TENSORS_INTERNAL_H

#include "autograd/platform.h"
#include "data/safetensors.h"
#include "data/tensors.h"

/* One tensor of a file of any format. */
struct tensor_entry {
    const char *name;
    element type;
    ag_shape shape;
    bool fortran;                 /* the first dimension runs fastest */
    size_t header, bytes;         /* of the header in front of the numbers in an archive, and of the numbers */
    uint64_t member;              /* of an archive */
    const unsigned char *numbers; /* where they lie; NULL: still packed */
    int64_t offset;               /* of them in the file; -1: packed */
    unsigned char *unpacked;      /* kept by prepare(), to be freed */
    char *owned_name;             /* to be freed; NULL: `name` is of the header */
};

struct data_tensors {
    char *path;
    struct platform_view view;
    int64_t count;
    struct tensor_entry *entry;
    const struct tensor_entry **by_name; /* sorted */
    struct safetensors header;           /* of a safetensors file; else empty */
    void *archive;                       /* of a .npz file; else NULL */
};

bool data_tensors_is_nil(const data_tensors *file);

/* The numbers of an entry in row-major order, with the file's type: where they lie, or in *block, to be freed. NULL after
 * raising. */
const void *data_tensors_bytes(ag_place where, const char *function, data_tensors *file, struct tensor_entry *e, void **block);

/* One tensor that is to be written. */
struct tensor_item {
    char *name;
    element type;
    ag_shape shape;
    ag_tensor tensor;           /* none: of a file */
    data_tensors *file;
    struct tensor_entry *entry; /* of `file` */
};

#endif
