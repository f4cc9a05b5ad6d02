/*
 * NumPy's archives of arrays: a zip file of .npy files. Internal: not installed. Built without libzip, both directions are
 * refused.
 */
#ifndef WENGERT_DATA_NPZ_H
#define WENGERT_DATA_NPZ_H

#include "data/tensors_internal.h"

/* Whether these are the bytes that a zip file begins with. */
bool npz_begins(const unsigned char *bytes, size_t n);
/* Lists the archive that file->view has; reads nothing but the headers. False with the reason. */
bool npz_open(data_tensors *file, char reason[ELEMENT_REASON]);
void npz_close(data_tensors *file);
/* Unpacks the numbers of an entry, all of them, with their checksum compared; to be freed. NULL with the reason. */
unsigned char *npz_unpack(data_tensors *file, const struct tensor_entry *e, char reason[ELEMENT_REASON]);

/* Writes an archive, whole or not at all. The numbers as for safetensors_write(). */
ag_error npz_write(const char *path, int64_t items, const struct tensor_item *item, bool compress,
                   const void *(*numbers)(void *user, int64_t i), void *user, char reason[ELEMENT_REASON]);

#endif
