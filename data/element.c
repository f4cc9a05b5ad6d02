/*
 * Element types as files have them: one table, and loops that widen.
 */
#include "data/element.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "autograd/kernels/loop.h"

const struct element_type element_types[ELEMENTS] = {
    [ELEMENT_F64] = { "F64", "f8", 8, true, AG_FLOAT64 },
    [ELEMENT_I64] = { "I64", "i8", 8, true, AG_INT64 },
    [ELEMENT_U64] = { "U64", "u8", 8, false, AG_INT64 },
    [ELEMENT_F32] = { "F32", "f4", 4, true, AG_FLOAT32 },
    [ELEMENT_I32] = { "I32", "i4", 4, true, AG_INT64 },
    [ELEMENT_U32] = { "U32", "u4", 4, true, AG_INT64 },
    [ELEMENT_F16] = { "F16", "f2", 2, true, AG_FLOAT32 },
    [ELEMENT_BF16] = { "BF16", NULL, 2, true, AG_FLOAT32 },
    [ELEMENT_I16] = { "I16", "i2", 2, true, AG_INT64 },
    [ELEMENT_U16] = { "U16", "u2", 2, true, AG_INT64 },
    [ELEMENT_I8] = { "I8", "i1", 1, true, AG_INT64 },
    [ELEMENT_U8] = { "U8", "u1", 1, true, AG_UINT8 },
    [ELEMENT_BOOL] = { "BOOL", "b1", 1, true, AG_UINT8 },
    [ELEMENT_F8_E4M3] = { "F8_E4M3", NULL, 1, false, AG_FLOAT32 },
    [ELEMENT_F8_E5M2] = { "F8_E5M2", NULL, 1, false, AG_FLOAT32 },
};

bool element_named(const char *name, element *type)
{
    for (int i = 0; i < ELEMENTS; i++) {
        if (strcmp(element_types[i].name, name) == 0) {
            *type = (element)i;
            return true;
        }
    }
    return false;
}

element element_of(ag_dtype dtype)
{
    switch (dtype) {
    case AG_FLOAT64:
        return ELEMENT_F64;
    case AG_INT64:
        return ELEMENT_I64;
    case AG_UINT8:
        return ELEMENT_U8;
    default:
        return ELEMENT_F32;
    }
}

bool element_bytes(element type, ag_shape shape, size_t *bytes)
{
    int64_t n = shape.ndim > AG_MAX_DIMS ? -1 : ag_shape_numel(shape), size = element_types[type].size;
    if (n < 0 || n > INT64_MAX / size || (uint64_t)(n * size) > SIZE_MAX) {
        return false;
    }
    *bytes = (size_t)(n * size);
    return true;
}

/* ---- widening -------------------------------------------------------------------------------- */

/* The bits of binary16 as those of binary32: the exponent's bias is 15 there and 127 here. */
static uint32_t half_bits(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = h >> 10 & 31u, fraction = h & 0x3ffu;
    if (exponent == 31) { /* infinity; NaN keeps its payload */
        return sign | 0x7f800000u | fraction << 13;
    }
    if (exponent == 0 && fraction == 0) {
        return sign;
    }
    if (exponent == 0) { /* below the normal ones there, normal here */
        exponent = 1;
        while ((fraction & 0x400u) == 0) {
            fraction <<= 1;
            exponent--; /* may wrap; the sum below does, too */
        }
        fraction &= 0x3ffu;
    }
    return sign | (exponent + 112u) << 23 | fraction << 13;
}

#define WIDEN(name, FROM, TO, value)                                                               \
    static void name(const unsigned char *from, int64_t n, void *to)                               \
    {                                                                                              \
        TO *out = to;                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            FROM x;                                                                                \
            memcpy(&x, from + (size_t)i * sizeof x, sizeof x);                                     \
            out[i] = value;                                                                        \
        }                                                                                          \
    }

/* As bits: a float that passes through a register of the 387 would lose the payload of a NaN. */
WIDEN(widen_f16, uint16_t, uint32_t, half_bits(x))
WIDEN(widen_bf16, uint16_t, uint32_t, (uint32_t)x << 16)
WIDEN(widen_i32, int32_t, int64_t, x)
WIDEN(widen_u32, uint32_t, int64_t, x)
WIDEN(widen_i16, int16_t, int64_t, x)
WIDEN(widen_u16, uint16_t, int64_t, x)
WIDEN(widen_i8, int8_t, int64_t, x)
WIDEN(widen_bool, uint8_t, uint8_t, x != 0)

static void (*const widen[ELEMENTS])(const unsigned char *, int64_t, void *) = {
    [ELEMENT_F16] = widen_f16, [ELEMENT_BF16] = widen_bf16, [ELEMENT_I32] = widen_i32,
    [ELEMENT_U32] = widen_u32, [ELEMENT_I16] = widen_i16,   [ELEMENT_U16] = widen_u16,
    [ELEMENT_I8] = widen_i8,   [ELEMENT_BOOL] = widen_bool,
};

/* Numbers of the type's own `dtype`. */
static void read_natural(element type, const unsigned char *from, int64_t n, void *to)
{
    if (widen[type] != NULL) {
        widen[type](from, n, to);
    } else if (n > 0) {
        memcpy(to, from, (size_t)n * (size_t)element_types[type].size);
    }
}

void element_read(element type, const void *from, int64_t n, ag_dtype dtype, void *to)
{
    ag_dtype natural = element_types[type].dtype;
    if (natural == dtype) {
        read_natural(type, from, n, to);
        return;
    }
    enum { BLOCK = 512 };
    union {
        double d[BLOCK];
        float f[BLOCK];
        uint8_t u[BLOCK];
    } block;
    size_t step = (size_t)element_types[type].size, out = ag_dtype_size(dtype);
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t some = n - i < BLOCK ? n - i : BLOCK;
        read_natural(type, (const unsigned char *)from + (size_t)i * step, some, &block);
        char *const each[] = { (char *)to + (size_t)i * out, (char *)&block };
        const int64_t stride[] = { (int64_t)out, (int64_t)ag_dtype_size(natural) };
        k_cast_loops[dtype][natural](some, each, stride, NULL);
    }
}

/* ---- reasons --------------------------------------------------------------------------------- */

bool element_refuse(char reason[ELEMENT_REASON], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, ELEMENT_REASON, format, arguments);
    va_end(arguments);
    for (char *c = reason; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 127) {
            *c = '?';
        }
    }
    return false;
}
