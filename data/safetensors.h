/*
 * The safetensors format, out and in: a length in 8 little-endian bytes, a JSON object with a name, type, shape and place for each
 * tensor, then the numbers. Internal: not installed. Knows the format, nothing of what the tensors are for.
 */
#ifndef WENGERT_DATA_SAFETENSORS_H
#define WENGERT_DATA_SAFETENSORS_H

#include "data/element.h"

/* Texts beside the tensors, by key. */
struct safetensors_text {
    const char *key, *value;
};

struct safetensors_tensor {
    const char *name;
    element type;
    ag_shape shape;
    size_t begin, bytes; /* in the data; writing sets them */
};

/* ---- writing --------------------------------------------------------------------------------- */

/* What is to be written. */
struct safetensors_content {
    int64_t tensors, texts;
    struct safetensors_tensor *tensor; /* names and shapes of any origin: what cannot be written is refused */
    const struct safetensors_text *text;
    /* The numbers of tensor i, row-major, valid until the next call; NULL: an error was raised. */
    const void *(*numbers)(void *user, int64_t i);
    void *user;
};

/* Writes a file, whole or not at all (autograd/platform.h). The numbers are aligned: larger types stand first. Returns the code
 * of the error with the reason; raises none of its own. */
ag_error safetensors_write(const char *path, const struct safetensors_content *content, char reason[ELEMENT_REASON]);

/* ---- reading --------------------------------------------------------------------------------- */

/* The header of a file. */
struct safetensors {
    int64_t tensors, texts;
    struct safetensors_tensor *tensor; /* in the order of their places */
    struct safetensors_text *text;
    const unsigned char *data; /* what the places count from */
    size_t data_offset;        /* of `data` in the file */
    void *json;                /* owns names and texts */
};

/* Reads the header of a file that lies in memory, and believes nothing: names distinct, types known, shapes without overflow,
 * places as long as the shapes say, without overlap or gap, up to the last byte. Touches none of the numbers. False with the
 * reason; must be closed in any case. */
bool safetensors_open(struct safetensors *s, const unsigned char *bytes, size_t length, char reason[ELEMENT_REASON]);
void safetensors_close(struct safetensors *s);

#endif
