/*
 * Element types as files have them, and how their numbers become the library's. Internal: not installed. Knows no file format but
 * the names that two of them have for types.
 */
#ifndef WENGERT_DATA_ELEMENT_H
#define WENGERT_DATA_ELEMENT_H

#include "autograd/shape.h"

typedef enum element {
    ELEMENT_F64,
    ELEMENT_I64,
    ELEMENT_U64,
    ELEMENT_F32,
    ELEMENT_I32,
    ELEMENT_U32,
    ELEMENT_F16,
    ELEMENT_BF16,
    ELEMENT_I16,
    ELEMENT_U16,
    ELEMENT_I8,
    ELEMENT_U8,
    ELEMENT_BOOL,
    ELEMENT_F8_E4M3,
    ELEMENT_F8_E5M2,
    ELEMENTS
} element; /* by falling size: written in this order, all numbers are aligned */

struct element_type {
    const char *name;  /* in safetensors: "F32" */
    const char *numpy; /* NumPy's letter and size, "f4"; NULL: it has none */
    int size;          /* bytes */
    bool readable;     /* whether there is a type of the library that holds every number; else the bytes can only be copied */
    ag_dtype dtype;    /* the one that it becomes: float32 for 16 bits, int64 for whole numbers, uint8 for bool */
};
extern const struct element_type element_types[ELEMENTS];

/* False if there is none of that name. */
bool element_named(const char *name, element *type);
element element_of(ag_dtype dtype);
/* The bytes of a shape; false if they do not fit size_t, or the shape is no shape. */
bool element_bytes(element type, ag_shape shape, size_t *bytes);

/* n numbers at `from`, which need not be aligned, as numbers of `dtype`. The type must be readable; what it
 * becomes by itself is cast to another type as ag_cast() does. */
void element_read(element type, const void *from, int64_t n, ag_dtype dtype, void *to);

/* Why a file is refused. Always false; characters that would disturb a terminal become question marks. */
#define ELEMENT_REASON 512
bool element_refuse(char reason[ELEMENT_REASON], const char *format, ...) AG_PRINTF(2, 3);

#endif
