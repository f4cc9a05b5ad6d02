/*
 * Named tensors that lie somewhere else, such as in a file: what loading reads from, whoever has them.
 *
 * A source of entries is a pointer and a type with a few functions. Files give theirs (data_tensors_entries(), data/tensors.h),
 * and so do lists of tensors; nn_load_state_dict() (nn/load.h) reads from any. Names, types and shapes are known before a
 * number is read, and numbers are read straight to where they are needed.
 */
#ifndef WENGERT_AUTOGRAD_ENTRIES_H
#define WENGERT_AUTOGRAD_ENTRIES_H

#include "tensor.h"

AG_EXTERN_C_BEGIN

typedef struct ag_entry {
    const char *name; /* valid as long as the source */
    ag_dtype dtype;
    ag_shape shape;
} ag_entry;

typedef struct ag_entries_type {
    size_t size;      /* sizeof(ag_entries_type) */
    const char *name; /* what it is, for messages: "file" */
    const char *(*path)(const void *object); /* which one it is, for messages: a file's path; NULL: there is no more to say */
    int64_t (*count)(const void *object);    /* how many there are; the source must not change while it is used */
    ag_entry (*entry)(const void *object, int64_t i); /* i from 0 to count - 1 */
    /* Makes sure that reading entry i cannot fail; false after raising. NULL: it never can. */
    bool (*prepare)(void *object, ag_place where, int64_t i);
    /* Writes the numbers of entry i, row-major, converted to a type for which ag_dtype_converts() is true of its own. False
     * after raising. */
    bool (*read)(void *object, ag_place where, int64_t i, ag_dtype dtype, void *numbers);
} ag_entries_type;

/* Named tensors; borrows the object. */
typedef struct ag_entries {
    void *object;
    const ag_entries_type *type;
} ag_entries;

static inline ag_entries ag_entries_make(const ag_entries_type *type, void *object)
{
    ag_entries e;
    e.object = object;
    e.type = type;
    return e;
}

/* The tensors of a list under their names; borrows list and tensors. */
AG_API ag_entries ag_entries_list(ag_list *list);

/* Whether numbers of one type are read as another: of the same, uint8 as int64, and floating types as one another. */
AG_API bool ag_dtype_converts(ag_dtype from, ag_dtype to);
/* Whether that changes no number: all but float64 as float32. */
AG_API bool ag_dtype_converts_exactly(ag_dtype from, ag_dtype to);

AG_EXTERN_C_END

#endif
