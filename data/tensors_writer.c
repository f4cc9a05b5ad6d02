/*
 * Files of named tensors, written: what goes into one is gathered first, then the format writes it.
 */
#include "data/npy.h"
#include "data/npz.h"

#include <stdlib.h>
#include <string.h>

struct data_tensors_writer {
    struct tensor_item *item;
    int64_t items, item_room;
    struct safetensors_text *text; /* owns keys and values */
    int64_t texts, text_room;
    bool compress;
    void *block; /* a copy of the numbers that are being written */
    ag_place where; /* of the save that is going on */
};

static data_tensors_writer nil_writer; /* stays empty */

data_tensors_writer *data_tensors_writer_new_at(ag_place where)
{
    data_tensors_writer *w = ag_error_code() != AG_OK ? NULL : calloc(1, sizeof *w);
    if (w == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "data_tensors_writer_new: out of memory");
        return &nil_writer;
    }
    return w;
}

void data_tensors_writer_free(data_tensors_writer *w)
{
    if (w == NULL || w == &nil_writer) {
        return;
    }
    for (int64_t i = 0; i < w->items; i++) {
        free(w->item[i].name);
    }
    for (int64_t i = 0; i < w->texts; i++) {
        free((void *)(uintptr_t)w->text[i].key);
        free((void *)(uintptr_t)w->text[i].value);
    }
    free(w->item);
    free(w->text);
    free(w->block);
    free(w);
}

/* ---- gathering ------------------------------------------------------------------------------- */

static bool usable(ag_place where, const char *function, const data_tensors_writer *w)
{
    if (ag_error_code() == AG_OK && (w == NULL || w == &nil_writer)) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the writer is %s", function,
                       w == NULL ? "NULL" : "nil: making it failed");
    }
    return ag_error_code() == AG_OK;
}

/* Both parts of a text, copied; NULL after raising. */
static char *copy_text(ag_place where, const char *function, const char *front, const char *text)
{
    size_t bytes = strlen(front) + strlen(text) + 1;
    char *copy = malloc(bytes);
    if (copy == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return NULL;
    }
    strcpy(copy, front);
    return strcat(copy, text);
}

/* Room for one more; NULL after raising. */
static void *grown(ag_place where, const char *function, void *array, int64_t count, int64_t *room,
                   size_t each)
{
    if (count < *room) {
        return array;
    }
    int64_t more = *room == 0 ? 16 : 2 * *room;
    void *larger = realloc(array, (size_t)more * each);
    if (larger == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return NULL;
    }
    *room = more;
    return larger;
}

/* Adds an item, whose name gets a prefix and is copied. */
static ag_error add(ag_place where, const char *function, data_tensors_writer *w,
                    const char *prefix, struct tensor_item item)
{
    struct tensor_item *larger =
        grown(where, function, w->item, w->items, &w->item_room, sizeof *larger);
    if (larger == NULL) {
        return ag_error_code();
    }
    w->item = larger;
    item.name = copy_text(where, function, prefix, item.name);
    if (item.name != NULL) {
        w->item[w->items++] = item;
    }
    return ag_error_code();
}

static ag_error add_tensor(ag_place where, const char *function, data_tensors_writer *w,
                           const char *prefix, const char *name, ag_tensor t)
{
    if (name == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: a tensor has no name", function);
    }
    if (ag_is_none(t) || ag_is_nil(t) || !ag_is_alive(t)) {
        return ag_error_raise(where, AG_ERROR_LIFETIME, "%s: the tensor \"%s%s\" is %s", function,
                              prefix, name,
                              ag_is_none(t)  ? "none"
                              : ag_is_nil(t) ? "nil"
                                             : "gone");
    }
    struct tensor_item item = { .name = (char *)(uintptr_t)name,
                                .type = element_of(ag_dtype_of_at(where, t)),
                                .shape = ag_shape_of_at(where, t),
                                .tensor = t };
    return add(where, function, w, prefix, item);
}

ag_error data_tensors_writer_add_at(ag_place where, data_tensors_writer *w, const char *name,
                                    ag_tensor t)
{
    static const char function[] = "data_tensors_writer_add";
    return usable(where, function, w) ? add_tensor(where, function, w, "", name, t)
                                      : ag_error_code();
}

static ag_error add_list(ag_place where, const char *function, data_tensors_writer *w,
                         const char *prefix, const ag_list *list)
{
    if (!usable(where, function, w)) {
        return ag_error_code();
    }
    if (list == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: the list is NULL", function);
    }
    for (int64_t i = 0; i < ag_list_count(list) && ag_error_code() == AG_OK; i++) {
        add_tensor(where, function, w, prefix != NULL ? prefix : "", ag_list_name(list, i),
                   ag_list_tensor(list, i));
    }
    return ag_error_code();
}

ag_error data_tensors_writer_add_list_at(ag_place where, data_tensors_writer *w, const char *prefix,
                                         const ag_list *list)
{
    return add_list(where, "data_tensors_writer_add_list", w, prefix, list);
}

ag_error data_tensors_writer_copy_at(ag_place where, data_tensors_writer *w, data_tensors *file,
                                     int64_t i, const char *name)
{
    static const char function[] = "data_tensors_writer_copy";
    if (!usable(where, function, w)) {
        return ag_error_code();
    }
    if (i < 0 || i >= data_tensors_count(file)) {
        return ag_error_raise(where, AG_ERROR_INDEX, "%s: there is no tensor %lld in a file of %lld",
                              function, (long long)i, (long long)data_tensors_count(file));
    }
    struct tensor_entry *e = &file->entry[i];
    struct tensor_item item = { .name = (char *)(uintptr_t)(name != NULL ? name : e->name),
                                .type = e->type,
                                .shape = e->shape,
                                .file = file,
                                .entry = e };
    return add(where, function, w, "", item);
}

ag_error data_tensors_writer_text_at(ag_place where, data_tensors_writer *w, const char *key,
                                     const char *value)
{
    static const char function[] = "data_tensors_writer_text";
    if (!usable(where, function, w)) {
        return ag_error_code();
    }
    if (key == NULL || value == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: the %s is NULL", function,
                              key == NULL ? "key" : "text");
    }
    struct safetensors_text *larger =
        grown(where, function, w->text, w->texts, &w->text_room, sizeof *larger);
    if (larger == NULL) {
        return ag_error_code();
    }
    w->text = larger;
    char *k = copy_text(where, function, key, ""), *v = copy_text(where, function, value, "");
    if (k == NULL || v == NULL) {
        free(k);
        free(v);
        return ag_error_code();
    }
    w->text[w->texts++] = (struct safetensors_text){ k, v };
    return AG_OK;
}

ag_error data_tensors_writer_compress_at(ag_place where, data_tensors_writer *w, bool compress)
{
    if (usable(where, "data_tensors_writer_compress", w)) {
        w->compress = compress;
    }
    return ag_error_code();
}

/* ---- saving ---------------------------------------------------------------------------------- */

static const char save_name[] = "data_tensors_save";

/* The numbers of item i, row-major; valid until the next call. NULL after raising. */
static const void *numbers_of(void *user, int64_t i)
{
    data_tensors_writer *w = user;
    const struct tensor_item *item = &w->item[i];
    free(w->block);
    w->block = NULL;
    if (item->file != NULL) {
        return data_tensors_bytes(w->where, save_name, item->file, item->entry, &w->block);
    }
    if (ag_is_contiguous_at(w->where, item->tensor)) {
        return ag_data_at(w->where, item->tensor);
    }
    int64_t n = ag_shape_numel(item->shape);
    w->block = malloc((size_t)n * (size_t)element_types[item->type].size);
    if (w->block == NULL) {
        ag_error_raise(w->where, AG_ERROR_MEMORY, "%s: no memory for a copy of \"%s\"", save_name,
                       item->name);
        return NULL;
    }
    return ag_read_at(w->where, item->tensor, w->block, n) == AG_OK ? w->block : NULL;
}

static ag_error save_safetensors(data_tensors_writer *w, const char *path,
                                 char reason[ELEMENT_REASON])
{
    struct safetensors_tensor *t = calloc((size_t)w->items + 1, sizeof *t);
    if (t == NULL) {
        element_refuse(reason, "out of memory");
        return AG_ERROR_MEMORY;
    }
    for (int64_t i = 0; i < w->items; i++) {
        const struct tensor_item *item = &w->item[i];
        t[i] = (struct safetensors_tensor){ .name = item->name,
                                            .type = item->type,
                                            .shape = item->shape };
    }
    struct safetensors_content content = { .tensors = w->items, .texts = w->texts, .tensor = t,
                                           .text = w->text, .numbers = numbers_of, .user = w };
    ag_error code = safetensors_write(path, &content, reason);
    free(t);
    return code;
}

/* Whether NumPy has a type for everything, and its formats a place. */
static bool numpy_can(const data_tensors_writer *w, char reason[ELEMENT_REASON])
{
    if (w->texts > 0) {
        return element_refuse(reason, "NumPy's formats have no place for the text \"%.100s\"",
                              w->text[0].key);
    }
    for (int64_t i = 0; i < w->items; i++) {
        const struct element_type *type = &element_types[w->item[i].type];
        if (type->numpy == NULL) {
            return element_refuse(reason, "NumPy has no type for \"%.100s\", which is %s",
                                  w->item[i].name, type->name);
        }
    }
    return true;
}

static ag_error save_npz(data_tensors_writer *w, const char *path, char reason[ELEMENT_REASON])
{
    return numpy_can(w, reason)
               ? npz_write(path, w->items, w->item, w->compress, numbers_of, w, reason)
               : AG_ERROR_VALUE;
}

static ag_error save_npy(data_tensors_writer *w, const char *path, char reason[ELEMENT_REASON])
{
    if (!numpy_can(w, reason)) {
        return AG_ERROR_VALUE;
    }
    if (w->items != 1) {
        element_refuse(reason, "a .npy file has one tensor, not %lld", (long long)w->items);
        return AG_ERROR_VALUE;
    }
    const struct tensor_item *item = &w->item[0];
    char header[NPY_HEADER];
    size_t length = npy_header(item->type, item->shape, header), bytes = 0;
    element_bytes(item->type, item->shape, &bytes);
    const void *numbers = bytes > 0 ? numbers_of(w, 0) : header;
    if (numbers == NULL) {
        return ag_error_code();
    }
    struct platform_file file;
    const char *problem = NULL;
    if (platform_file_begin(&file, path, &problem) &&
        platform_file_end(&file,
                          platform_file_write(&file, header, length) &&
                              platform_file_write(&file, numbers, bytes),
                          &problem)) {
        return AG_OK;
    }
    element_refuse(reason, "cannot be written: %.300s", problem);
    return AG_ERROR_FILE;
}

static bool ends_with(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

static ag_error save(ag_place where, data_tensors_writer *w, const char *path)
{
    char reason[ELEMENT_REASON] = "";
    ag_error code = AG_ERROR_VALUE;
    w->where = where;
    if (path == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: the path is NULL", save_name);
    }
    for (int64_t i = 0; i < w->items; i++) { /* all of them, before a byte is written */
        if (w->item[i].file == NULL && !ag_is_alive(w->item[i].tensor)) {
            return ag_error_raise(where, AG_ERROR_LIFETIME, "%s: the tensor \"%s\" is gone",
                                  save_name, w->item[i].name);
        }
    }
    bool npz = ends_with(path, ".npz");
    if (w->compress && !npz) {
        element_refuse(reason, "only .npz files are compressed");
    } else if (npz) {
        code = save_npz(w, path, reason);
    } else if (ends_with(path, ".npy")) {
        code = save_npy(w, path, reason);
    } else if (ends_with(path, ".safetensors")) {
        code = save_safetensors(w, path, reason);
    } else {
        element_refuse(reason, "the ending must be .safetensors, .npz or .npy, to say the format");
    }
    free(w->block);
    w->block = NULL;
    return code == AG_OK ? ag_error_code()
                         : ag_error_raise(where, code, "%s: %s: %s", save_name, path, reason);
}

ag_error data_tensors_writer_save_at(ag_place where, data_tensors_writer *w, const char *path)
{
    return usable(where, "data_tensors_writer_save", w) ? save(where, w, path) : ag_error_code();
}

ag_error data_tensors_save_at(ag_place where, const char *path, const ag_list *list)
{
    data_tensors_writer *w = data_tensors_writer_new_at(where);
    if (add_list(where, save_name, w, "", list) == AG_OK) {
        save(where, w, path);
    }
    data_tensors_writer_free(w);
    return ag_error_code();
}
