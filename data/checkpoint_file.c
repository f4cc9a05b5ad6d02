/*
 * One checkpoint as one safetensors file, and the checksum that tells a damaged one from a whole one. Single values stand in the
 * metadata, numbers are tensors.
 *
 * Note [Checksum of a checkpoint]
 * The sum of one number for each value and for each piece of a tensor, which mixes a CRC-32 of the bytes with one of the name and
 * the piece's number. A sum has no order, so the pieces are read by all threads, and the order of a file's entries does not
 * matter. A cut, a changed bit, a value under another's name change it; it is no protection from people who mean it.
 */
#include "data/checkpoint_file.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "autograd/kernels/parallel.h"
#include "autograd/storage.h"

enum { PIECE = 1 << 20 };

static const char metadata[] = "__metadata__";
static const char format_key[] = "wengert.format", format_text[] = "checkpoint 1";
static const char checksum_key[] = "wengert.checksum";

/* ---- the checksum ---------------------------------------------------------------------------- */

/* The finaliser of MurmurHash3 (Appleby 2011): every bit of the result depends on every bit of x. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static uint64_t crc(const void *bytes, size_t n)
{
    return crc32_z(0, bytes, n);
}

static size_t entry_bytes(const ag_state_entry *e)
{
    return (size_t)ag_shape_numel(e->shape) * ag_dtype_size(e->dtype);
}

/* Of `n` bytes under a name, with a number for what they are. */
static uint64_t sum_of(const char *name, uint64_t kind, const void *data, size_t n)
{
    uint64_t seed = mix(mix(crc(name, strlen(name))) + kind) + n, sum = mix(seed);
    int64_t pieces = (int64_t)((n + PIECE - 1) / PIECE);
    uint64_t *each = pieces > 1 ? calloc((size_t)pieces, sizeof *each) : NULL;
    if (each == NULL) { /* few pieces, or no memory: one after the other */
        for (int64_t i = 0; i < pieces; i++) {
            size_t at = (size_t)i * PIECE, bytes = n - at < PIECE ? n - at : PIECE;
            sum += mix(seed + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15) +
                       crc((const char *)data + at, bytes));
        }
        return sum;
    }
    K_PARALLEL_FOR(ag_threads(), (int64_t i = 0; i < pieces; i++), {
        size_t at = (size_t)i * PIECE, bytes = n - at < PIECE ? n - at : PIECE;
        each[i] = mix(seed + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15) +
                      crc((const char *)data + at, bytes));
    });
    for (int64_t i = 0; i < pieces; i++) {
        sum += each[i];
    }
    free(each);
    return sum;
}

static void checksum(const ag_state *state, char text[17])
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < state->count; i++) {
        const ag_state_entry *e = &state->entry[i];
        if (e->text != NULL) {
            sum += sum_of(e->name, 0, e->text, strlen(e->text));
            continue;
        }
        uint64_t form = (uint64_t)e->dtype + 1;
        for (int d = 0; d < e->shape.ndim; d++) {
            form = mix(form + (uint64_t)e->shape.size[d]);
        }
        sum += sum_of(e->name, form, e->data, entry_bytes(e));
    }
    snprintf(text, 17, "%016" PRIx64, sum);
}

/* ---- writing --------------------------------------------------------------------------------- */

static const struct {
    ag_dtype dtype;
    const char *name;
} types[] = {
    { AG_FLOAT64, "F64" }, { AG_INT64, "I64" }, { AG_FLOAT32, "F32" }, { AG_UINT8, "U8" }
}; /* by falling size: written in this order, all numbers are aligned */
enum { TYPES = sizeof types / sizeof types[0] };

/* Sets object[key]; false if key or value is no UTF-8 text, or without memory. */
static bool set_text(json_t *object, const char *key, const char *value)
{
    return json_object_set_new(object, key, json_string(value)) == 0;
}

static bool set_tensor(json_t *root, const ag_state_entry *e, int type, int64_t *offset)
{
    json_t *shape = json_array();
    for (int d = 0; d < e->shape.ndim; d++) {
        json_array_append_new(shape, json_integer(e->shape.size[d]));
    }
    int64_t end = *offset + (int64_t)entry_bytes(e);
    json_t *item = json_pack("{s:s, s:o, s:[I,I]}", "dtype", types[type].name, "shape", shape,
                             "data_offsets", (json_int_t)*offset, (json_int_t)end);
    *offset = end;
    return item != NULL && json_object_set_new(root, e->name, item) == 0;
}

/* The header as text, padded so that the numbers behind it are aligned. NULL with the name of what is no UTF-8 text, or NULL
 * without memory. */
static char *header_text(const ag_state *state, const char *sum, size_t *length, const char **wrong)
{
    json_t *root = json_object(), *meta = json_object();
    bool good = json_object_set_new(root, metadata, meta) == 0; /* freed with it, whatever fails */
    good = good && set_text(meta, format_key, format_text) && set_text(meta, checksum_key, sum);
    int64_t offset = 0;
    for (int64_t i = 0; i < state->count && good; i++) {
        if (state->entry[i].text != NULL) {
            good = set_text(meta, state->entry[i].name, state->entry[i].text);
            *wrong = good ? NULL : state->entry[i].name;
        }
    }
    for (int type = 0; type < TYPES && good; type++) {
        for (int64_t i = 0; i < state->count && good; i++) {
            const ag_state_entry *e = &state->entry[i];
            if (e->text == NULL && e->dtype == types[type].dtype) {
                good = set_tensor(root, e, type, &offset);
                *wrong = good ? NULL : e->name;
            }
        }
    }
    char *json = good ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (json == NULL) {
        return NULL;
    }
    *length = (strlen(json) + 7) / 8 * 8;
    char *text = malloc(*length + 1);
    if (text != NULL) {
        snprintf(text, *length + 1, "%-*s", (int)*length, json);
    }
    free(json);
    return text;
}

static bool write_all(struct platform_file *file, const ag_state *state, const char *header,
                      size_t length)
{
    unsigned char little[8];
    for (int i = 0; i < 8; i++) {
        little[i] = (unsigned char)((uint64_t)length >> 8 * i);
    }
    bool good = platform_file_write(file, little, 8) && platform_file_write(file, header, length);
    for (int type = 0; type < TYPES; type++) {
        for (int64_t i = 0; i < state->count && good; i++) {
            const ag_state_entry *e = &state->entry[i];
            if (e->text == NULL && e->dtype == types[type].dtype) {
                good = platform_file_write(file, e->data, entry_bytes(e));
            }
        }
    }
    return good;
}

ag_error checkpoint_file_write(ag_place where, const char *function, const char *path,
                               ag_state *state)
{
    char sum[17];
    checksum(state, sum);
    size_t length = 0;
    const char *wrong = NULL;
    char *header = header_text(state, sum, &length, &wrong);
    if (header == NULL) {
        return wrong != NULL ? ag_error_raise(where, AG_ERROR_VALUE,
                                              "%s: %s: the name or text of \"%s\" is not UTF-8",
                                              function, path, wrong)
                             : ag_error_raise(where, AG_ERROR_MEMORY, "%s: %s: out of memory",
                                              function, path);
    }
    struct platform_file file;
    const char *reason = NULL;
    bool good = platform_file_begin(&file, path, &reason);
    if (good) {
        good = platform_file_end(&file, write_all(&file, state, header, length), &reason);
    }
    free(header);
    return good ? AG_OK
                : ag_error_raise(where, AG_ERROR_FILE, "%s: %s: cannot be written: %s", function,
                                 path, reason);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool no(char reason[CHECKPOINT_REASON], const char *format, ...) AG_PRINTF(2, 3);
static bool no(char reason[CHECKPOINT_REASON], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, CHECKPOINT_REASON, format, arguments);
    va_end(arguments);
    return false;
}

/* One tensor of the header. */
static bool read_tensor(ag_state *state, ag_place where, const char *name, const json_t *item,
                        const unsigned char *data, size_t length, char reason[CHECKPOINT_REASON])
{
    const char *type_name = json_string_value(json_object_get(item, "dtype"));
    const json_t *sizes = json_object_get(item, "shape"),
                 *offsets = json_object_get(item, "data_offsets");
    int type = 0;
    while (type_name != NULL && type < TYPES && strcmp(types[type].name, type_name) != 0) {
        type++;
    }
    if (type_name == NULL || type == TYPES) {
        return no(reason, "\"%.100s\" has the type %.20s", name,
                  type_name != NULL ? type_name : "none");
    }
    ag_shape shape = { .ndim = (int)json_array_size(sizes) };
    if (!json_is_array(sizes) || json_array_size(sizes) > AG_MAX_DIMS) {
        return no(reason, "\"%.100s\" has no shape, or too many dimensions", name);
    }
    for (int d = 0; d < shape.ndim; d++) {
        const json_t *size = json_array_get(sizes, (size_t)d);
        shape.size[d] = json_is_integer(size) ? json_integer_value(size) : -1;
    }
    int64_t numel = ag_shape_numel(shape), bytes = (int64_t)ag_dtype_size(types[type].dtype);
    int64_t begin = json_integer_value(json_array_get(offsets, 0)),
            end = json_integer_value(json_array_get(offsets, 1));
    if (numel < 0 || numel > INT64_MAX / bytes || json_array_size(offsets) != 2 || begin < 0 ||
        end < begin || (uint64_t)end > length || end - begin != numel * bytes) {
        return no(reason,
                  "\"%.100s\": offsets %" PRId64 " to %" PRId64
                  " of %zu bytes do not fit its shape",
                  name, begin, end, length);
    }
    return ag_state_add_numbers(state, where, name, types[type].dtype, shape, data + begin);
}

/* Everything in the header, into the snapshot; `sum` gets the file's checksum. */
static bool read_header(ag_state *state, ag_place where, const json_t *root,
                        const unsigned char *data, size_t length, char sum[17],
                        char reason[CHECKPOINT_REASON])
{
    const json_t *meta = json_object_get(root, metadata);
    const char *format = json_string_value(json_object_get(meta, format_key));
    const char *saved = json_string_value(json_object_get(meta, checksum_key));
    if (format == NULL || strcmp(format, format_text) != 0 || saved == NULL ||
        strlen(saved) != 16) {
        return no(reason, "is a safetensors file, but not a checkpoint");
    }
    memcpy(sum, saved, 17);
    const char *name;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)meta, name, item)
    {
        if (strcmp(name, format_key) != 0 && strcmp(name, checksum_key) != 0 &&
            (!json_is_string(item) ||
             !ag_state_add_text(state, where, name, json_string_value(item)))) {
            return no(reason, "the metadata \"%.100s\" is no text", name);
        }
    }
    json_object_foreach((json_t *)(uintptr_t)root, name, item)
    {
        if (strcmp(name, metadata) != 0 &&
            !read_tensor(state, where, name, item, data, length, reason)) {
            return false;
        }
    }
    return true;
}

static bool read_view(ag_state *state, ag_place where, const struct platform_view *view,
                      char reason[CHECKPOINT_REASON])
{
    uint64_t header = 0;
    for (int i = 0; i < 8 && view->length >= 8; i++) {
        header |= (uint64_t)view->bytes[i] << 8 * i;
    }
    if (view->length < 8 || header > view->length - 8) {
        return no(reason, "is damaged: %zu bytes are too few for a header of %" PRIu64,
                  view->length, header);
    }
    const char *text = (const char *)view->bytes + 8;
    json_error_t error;
    json_t *root = json_loadb(text, (size_t)header, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        no(reason, "is damaged: byte %d of the header: %s", root == NULL ? error.position : 0,
           root == NULL ? error.text : "no object");
        json_decref(root);
        return false;
    }
    char sum[17], found[17];
    bool good = read_header(state, where, root, view->bytes + 8 + header,
                            view->length - 8 - (size_t)header, sum, reason);
    json_decref(root);
    if (!good) {
        return false;
    }
    checksum(state, found);
    return strcmp(sum, found) == 0 ||
           no(reason, "is damaged: its checksum is %s, that of what is in it %s", sum, found);
}

bool checkpoint_file_open(struct checkpoint_file *file, ag_place where, const char *path,
                          char reason[CHECKPOINT_REASON])
{
    const char *problem = NULL;
    reason[0] = '\0';
    *file = (struct checkpoint_file){ .state = ag_state_new(where) };
    if (ag_state_is_nil(file->state)) {
        return false;
    }
    if (!platform_view_open(&file->view, path, &problem)) {
        return no(reason, "cannot be read: %s", problem);
    }
    return read_view(file->state, where, &file->view, reason);
}

void checkpoint_file_close(struct checkpoint_file *file)
{
    ag_state_free(file->state);
    platform_view_close(&file->view);
    *file = (struct checkpoint_file){ 0 };
}
