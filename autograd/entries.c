/*
 * Named tensors to be read from: the lists of tensors among them, and which types are read as which. Knows no file and no module.
 */
#include "entries.h"

#include <stdlib.h>

#include "kernels/loop.h"

bool ag_dtype_converts(ag_dtype from, ag_dtype to)
{
    return from == to || (ag_dtype_is_float(from) && ag_dtype_is_float(to)) ||
           (from == AG_UINT8 && to == AG_INT64);
}

bool ag_dtype_converts_exactly(ag_dtype from, ag_dtype to)
{
    return ag_dtype_converts(from, to) && !(from == AG_FLOAT64 && to == AG_FLOAT32);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int64_t list_count(const void *object)
{
    return ag_list_count(object);
}

static ag_entry list_entry(const void *object, int64_t i)
{
    ag_tensor t = ag_list_tensor(object, i);
    return (ag_entry){ .name = ag_list_name(object, i),
                       .dtype = ag_dtype_of_at(ag_caller(), t),
                       .shape = ag_shape_of_at(ag_caller(), t) };
}

static bool list_read(void *object, ag_place where, int64_t i, ag_dtype dtype, void *numbers)
{
    ag_tensor t = ag_list_tensor(object, i);
    ag_dtype own = ag_dtype_of_at(where, t);
    int64_t n = ag_numel_at(where, t);
    if (own == dtype) {
        return ag_read_at(where, t, numbers, n) == AG_OK;
    }
    size_t from = ag_dtype_size(own), to = ag_dtype_size(dtype);
    char *copy = malloc((size_t)n * from + 1);
    if (copy == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "no memory for a copy of \"%s\"",
                       ag_list_name(object, i));
        return false;
    }
    bool good = ag_read_at(where, t, copy, n) == AG_OK;
    if (good) {
        char *const each[] = { numbers, copy };
        const int64_t stride[] = { (int64_t)to, (int64_t)from };
        k_cast_loops[dtype][own](n, each, stride, NULL);
    }
    free(copy);
    return good;
}

ag_entries ag_entries_list(ag_list *list)
{
    static const ag_entries_type type = {
        .size = sizeof(ag_entries_type), .name = "list",
        .count = list_count, .entry = list_entry, .read = list_read,
    };
    return ag_entries_make(&type, list);
}
