/*
 * Files of named tensors, opened: what they list, and numbers out of them. Knows that there are formats, not what they look like.
 */
#include "data/tensors_internal.h"

#include "data/npy.h"
#include "data/npz.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static data_tensors nil_file; /* stays empty */

bool data_tensors_is_nil(const data_tensors *file)
{
    return file == NULL || file == &nil_file;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool open_safetensors(data_tensors *file, char reason[ELEMENT_REASON])
{
    struct safetensors *s = &file->header;
    if (!safetensors_open(s, file->view.bytes, file->view.length, reason)) {
        return false;
    }
    file->entry = calloc((size_t)s->tensors + 1, sizeof *file->entry);
    if (file->entry == NULL) {
        return element_refuse(reason, "out of memory");
    }
    file->count = s->tensors;
    for (int64_t i = 0; i < s->tensors; i++) {
        const struct safetensors_tensor *t = &s->tensor[i];
        file->entry[i] = (struct tensor_entry){ .name = t->name,
                                                .type = t->type,
                                                .shape = t->shape,
                                                .bytes = t->bytes,
                                                .numbers = s->data + t->begin,
                                                .offset = (int64_t)(s->data_offset + t->begin) };
    }
    return true;
}

/* A .npy file has one tensor, and it has no name. */
static bool open_npy(data_tensors *file, char reason[ELEMENT_REASON])
{
    struct npy npy;
    if (!npy_open(&npy, file->view.bytes, file->view.length, reason)) {
        return false;
    }
    file->entry = calloc(1, sizeof *file->entry);
    if (file->entry == NULL) {
        return element_refuse(reason, "out of memory");
    }
    file->count = 1;
    file->entry[0] = (struct tensor_entry){ .name = "",
                                            .type = npy.type,
                                            .shape = npy.shape,
                                            .fortran = npy.fortran,
                                            .bytes = npy.bytes,
                                            .numbers = file->view.bytes + npy.header,
                                            .offset = (int64_t)npy.header };
    return true;
}

/* By what the file begins with: the length of a safetensors header, read as text, could be that of an archive, but then byte 8,
 * where the header begins, would be a method of compression. */
static bool open_any(data_tensors *file, char reason[ELEMENT_REASON])
{
    const struct platform_view *view = &file->view;
    return npy_begins(view->bytes, view->length)   ? open_npy(file, reason)
           : npz_begins(view->bytes, view->length) && (view->length < 9 || view->bytes[8] != '{')
               ? npz_open(file, reason)
               : open_safetensors(file, reason);
}

static int compare_names(const void *a, const void *b)
{
    const struct tensor_entry *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static bool sort_names(data_tensors *file, char reason[ELEMENT_REASON])
{
    file->by_name = calloc((size_t)file->count + 1, sizeof *file->by_name);
    if (file->by_name == NULL) {
        return element_refuse(reason, "out of memory");
    }
    for (int64_t i = 0; i < file->count; i++) {
        file->by_name[i] = &file->entry[i];
    }
    qsort(file->by_name, (size_t)file->count, sizeof *file->by_name, compare_names);
    for (int64_t i = 1; i < file->count; i++) {
        if (strcmp(file->by_name[i - 1]->name, file->by_name[i]->name) == 0) {
            return element_refuse(reason, "the name \"%.100s\" is there twice",
                                  file->by_name[i]->name);
        }
    }
    return true;
}

data_tensors *data_tensors_open_at(ag_place where, const char *path)
{
    static const char function[] = "data_tensors_open";
    if (ag_error_code() != AG_OK) {
        return &nil_file;
    }
    if (path == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the path is NULL", function);
        return &nil_file;
    }
    data_tensors *file = calloc(1, sizeof *file);
    char *copy = malloc(strlen(path) + 1);
    if (file == NULL || copy == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        free(file);
        free(copy);
        return &nil_file;
    }
    file->path = strcpy(copy, path);
    const char *problem = NULL;
    char reason[ELEMENT_REASON] = "";
    if (!platform_view_open(&file->view, path, &problem)) {
        ag_error_raise(where, AG_ERROR_FILE, "%s: %s: cannot be read: %s", function, path, problem);
    } else if (!open_any(file, reason) || !sort_names(file, reason)) {
        ag_error_raise(where, AG_ERROR_FORMAT, "%s: %s: %s", function, path, reason);
    }
    if (ag_error_code() != AG_OK) {
        data_tensors_close(file);
        return &nil_file;
    }
    return file;
}

void data_tensors_close(data_tensors *file)
{
    if (data_tensors_is_nil(file)) {
        return;
    }
    for (int64_t i = 0; i < file->count; i++) {
        free(file->entry[i].unpacked);
        free(file->entry[i].owned_name);
    }
    free(file->entry);
    free(file->by_name);
    safetensors_close(&file->header);
    npz_close(file);
    platform_view_close(&file->view);
    free(file->path);
    free(file);
}

/* ---- listing --------------------------------------------------------------------------------- */

int64_t data_tensors_count(const data_tensors *file)
{
    return file == NULL ? 0 : file->count;
}

data_tensor_info data_tensors_info(const data_tensors *file, int64_t i)
{
    if (i < 0 || i >= data_tensors_count(file)) {
        return (data_tensor_info){ .name = "", .type = "", .offset = -1 };
    }
    const struct tensor_entry *e = &file->entry[i];
    const struct element_type *type = &element_types[e->type];
    return (data_tensor_info){ .name = e->name,
                               .type = type->name,
                               .readable = type->readable,
                               .dtype = type->dtype,
                               .shape = e->shape,
                               .offset = e->offset,
                               .bytes = (int64_t)e->bytes };
}

int64_t data_tensors_find(const data_tensors *file, const char *name)
{
    if (data_tensors_count(file) == 0 || name == NULL) {
        return -1;
    }
    struct tensor_entry wanted = { .name = name };
    const struct tensor_entry *key = &wanted;
    const struct tensor_entry *const *found =
        bsearch(&key, file->by_name, (size_t)file->count, sizeof *file->by_name, compare_names);
    return found == NULL ? -1 : *found - file->entry;
}

int64_t data_tensors_texts(const data_tensors *file)
{
    return file == NULL ? 0 : file->header.texts;
}

const char *data_tensors_text_key(const data_tensors *file, int64_t i)
{
    return i < 0 || i >= data_tensors_texts(file) ? "" : file->header.text[i].key;
}

const char *data_tensors_text(const data_tensors *file, const char *key)
{
    for (int64_t i = 0; i < data_tensors_texts(file) && key != NULL; i++) {
        if (strcmp(file->header.text[i].key, key) == 0) {
            return file->header.text[i].value;
        }
    }
    return NULL;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* The numbers of an entry of an archive into *block; false after raising. */
static bool unpack(ag_place where, const char *function, data_tensors *file,
                   const struct tensor_entry *e, void **block)
{
    char reason[ELEMENT_REASON];
    *block = npz_unpack(file, e, reason);
    if (*block == NULL) {
        ag_error_raise(where, AG_ERROR_FORMAT, "%s: %s: %s", function, file->path, reason);
    }
    return *block != NULL;
}

/* From the first dimension running fastest to the last one. */
static void to_row_major(const struct tensor_entry *e, const unsigned char *from, unsigned char *to)
{
    size_t size = (size_t)element_types[e->type].size;
    int64_t index[AG_MAX_DIMS] = { 0 };
    size_t stride[AG_MAX_DIMS], all = size, at = 0;
    for (int d = 0; d < e->shape.ndim; d++) {
        stride[d] = all;
        all *= (size_t)e->shape.size[d];
    }
    for (size_t out = 0; out < e->bytes; out += size) {
        memcpy(to + out, from + at, size);
        int d = e->shape.ndim - 1;
        at += stride[d];
        while (++index[d] == e->shape.size[d] && d > 0) {
            at -= (size_t)index[d] * stride[d];
            index[d--] = 0;
            at += stride[d];
        }
    }
}

const void *data_tensors_bytes(ag_place where, const char *function, data_tensors *file,
                               struct tensor_entry *e, void **block)
{
    static const unsigned char nothing[1];
    *block = NULL;
    const unsigned char *numbers = e->bytes == 0 ? nothing : e->numbers;
    if (numbers == NULL && !unpack(where, function, file, e, block)) {
        return NULL;
    }
    numbers = numbers == NULL ? *block : numbers;
    if (!e->fortran || e->shape.ndim < 2 || e->bytes == 0) {
        return numbers;
    }
    unsigned char *rows = malloc(e->bytes);
    if (rows == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: %s: \"%s\": no memory for %zu bytes", function,
                       file->path, e->name, e->bytes);
    } else {
        to_row_major(e, numbers, rows);
    }
    free(*block);
    *block = rows;
    return rows;
}

/* Numbers of an entry that is readable, converted. False after raising. */
static bool read_entry(ag_place where, const char *function, data_tensors *file,
                       struct tensor_entry *e, ag_dtype dtype, void *numbers)
{
    void *block;
    const void *bytes = data_tensors_bytes(where, function, file, e, &block);
    if (bytes != NULL) {
        element_read(e->type, bytes, ag_shape_numel(e->shape), dtype, numbers);
    }
    free(block);
    return bytes != NULL;
}

/* The entry of that name, if it can be read; NULL after raising. */
static struct tensor_entry *readable_entry(ag_place where, const char *function, data_tensors *file,
                                           const char *name)
{
    if (ag_error_code() != AG_OK) {
        return NULL;
    }
    if (data_tensors_is_nil(file) || name == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the %s", function,
                       name == NULL   ? "name is NULL"
                       : file == NULL ? "file is NULL"
                                      : "file is nil: opening it failed");
        return NULL;
    }
    int64_t i = data_tensors_find(file, name);
    if (i < 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s: there is no \"%s\"", function, file->path,
                       name);
        return NULL;
    }
    struct tensor_entry *e = &file->entry[i];
    if (!element_types[e->type].readable) {
        ag_error_raise(where, AG_ERROR_DTYPE,
                       "%s: %s: \"%s\" has the type %s, for which the library has none", function,
                       file->path, name, element_types[e->type].name);
        return NULL;
    }
    return e;
}

ag_tensor data_tensors_get_at(ag_place where, data_tensors *file, const char *name)
{
    static const char function[] = "data_tensors_get";
    struct tensor_entry *e = readable_entry(where, function, file, name);
    if (e == NULL) {
        return AG_NIL;
    }
    ag_dtype dtype = element_types[e->type].dtype;
    ag_tensor t = ag_zeros_at(where, e->shape, dtype);
    if (ag_is_nil(t) || e->bytes == 0) {
        return t;
    }
    void *numbers = ag_data_mut_at(where, t);
    return numbers != NULL && read_entry(where, function, file, e, dtype, numbers) ? t : AG_NIL;
}

ag_error data_tensors_read_at(ag_place where, data_tensors *file, const char *name, ag_dtype dtype,
                              void *numbers, int64_t count)
{
    static const char function[] = "data_tensors_read";
    struct tensor_entry *e = readable_entry(where, function, file, name);
    if (e == NULL) {
        return ag_error_code();
    }
    ag_dtype own = element_types[e->type].dtype;
    if (!ag_dtype_converts(own, dtype)) {
        return ag_error_raise(where, AG_ERROR_DTYPE, "%s: %s: \"%s\" is %s and cannot be read as %s",
                              function, file->path, name, ag_dtype_name(own), ag_dtype_name(dtype));
    }
    char shape[AG_SHAPE_TEXT];
    if (count != ag_shape_numel(e->shape)) {
        return ag_error_raise(where, AG_ERROR_SHAPE,
                              "%s: %s: \"%s\" is %s, and there is room for %" PRId64 " numbers",
                              function, file->path, name,
                              ag_shape_format(e->shape, shape, sizeof shape), count);
    }
    if (count > 0 && numbers == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: there is no room: numbers is NULL",
                              function);
    }
    if (count > 0) {
        read_entry(where, function, file, e, dtype, numbers);
    }
    return ag_error_code();
}

/* ---- for those who load by name --------------------------------------------------------------- */

static const char *entries_path(const void *object)
{
    return ((const data_tensors *)object)->path;
}

static int64_t entries_count(const void *object)
{
    return data_tensors_count(object);
}

static ag_entry entries_entry(const void *object, int64_t i)
{
    const struct tensor_entry *e = &((const data_tensors *)object)->entry[i];
    return (ag_entry){ e->name, element_types[e->type].dtype, e->shape };
}

static bool entries_prepare(void *object, ag_place where, int64_t i)
{
    data_tensors *file = object;
    static const char function[] = "data_tensors_entries";
    struct tensor_entry *e = readable_entry(where, function, file, file->entry[i].name);
    if (e == NULL || e->numbers != NULL || e->bytes == 0) {
        return e != NULL;
    }
    void *block;
    if (!unpack(where, function, file, e, &block)) {
        return false;
    }
    e->numbers = e->unpacked = block;
    return true;
}

static bool entries_read(void *object, ag_place where, int64_t i, ag_dtype dtype, void *numbers)
{
    data_tensors *file = object;
    return read_entry(where, "data_tensors_entries", file, &file->entry[i], dtype, numbers);
}

ag_entries data_tensors_entries(data_tensors *file)
{
    static const ag_entries_type type = {
        .size = sizeof(ag_entries_type), .name = "file",   .path = entries_path,
        .count = entries_count,          .entry = entries_entry, .prepare = entries_prepare,
        .read = entries_read,
    };
    return ag_entries_make(&type, file);
}
