/*
 * The safetensors format (https://github.com/huggingface/safetensors, "Format"), out and in.
 */
#include "data/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/platform.h"

static const char metadata[] = "__metadata__";

enum {
    LENGTH_BYTES = 8,
    LONGEST_HEADER = 100000000, /* as the format says, against files that are all header */
};

/* ---- writing --------------------------------------------------------------------------------- */

/* Whether a key is new in the object; for a tensor or a text. */
static bool is_new(const json_t *object, const char *key, char reason[ELEMENT_REASON])
{
    return json_object_get(object, key) == NULL ||
           element_refuse(reason, "the name \"%.100s\" is used twice", key);
}

static bool add_text(json_t *object, const struct safetensors_text *text,
                     char reason[ELEMENT_REASON])
{
    if (!is_new(object, text->key, reason)) {
        return false;
    }
    return json_object_set_new(object, text->key, json_string(text->value)) == 0 ||
           element_refuse(reason, "the name or text of \"%.100s\" is not UTF-8", text->key);
}

static bool add_tensor(json_t *root, struct safetensors_tensor *t, size_t *offset,
                       char reason[ELEMENT_REASON])
{
    if (strcmp(t->name, metadata) == 0) {
        return element_refuse(reason, "the format keeps the name \"%s\" for itself", metadata);
    }
    if (!is_new(root, t->name, reason)) {
        return false;
    }
    if (!element_bytes(t->type, t->shape, &t->bytes) || t->bytes > (size_t)INT64_MAX - *offset) {
        return element_refuse(reason, "\"%.100s\" is too large", t->name);
    }
    t->begin = *offset;
    *offset += t->bytes;
    json_t *shape = json_array();
    for (int d = 0; d < t->shape.ndim; d++) {
        json_array_append_new(shape, json_integer(t->shape.size[d]));
    }
    json_t *item =
        json_pack("{s:s, s:o, s:[I,I]}", "dtype", element_types[t->type].name, "shape", shape,
                  "data_offsets", (json_int_t)t->begin, (json_int_t)*offset);
    return (item != NULL && json_object_set_new(root, t->name, item) == 0) ||
           element_refuse(reason, "the name or text of \"%.100s\" is not UTF-8", t->name);
}

/* The header as text, padded with blanks so that the numbers behind it are aligned. NULL with the reason; "" for lack of memory. */
static char *header_text(const struct safetensors_content *content, size_t *length,
                         char reason[ELEMENT_REASON])
{
    json_t *root = json_object(), *meta = json_object();
    bool good = json_object_set_new(root, metadata, meta) == 0; /* freed with it, whatever fails */
    size_t offset = 0;
    for (int64_t i = 0; i < content->texts && good; i++) {
        good = add_text(meta, &content->text[i], reason);
    }
    if (content->texts == 0) {
        json_object_del(root, metadata);
    }
    for (int type = 0; type < ELEMENTS && good; type++) {
        for (int64_t i = 0; i < content->tensors && good; i++) {
            struct safetensors_tensor *t = &content->tensor[i];
            good = (int)t->type != type || add_tensor(root, t, &offset, reason);
        }
    }
    char *json = good ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (json == NULL) {
        return NULL;
    }
    size_t used = strlen(json);
    *length = (used + 7) / 8 * 8;
    char *text = malloc(*length + 1);
    if (text != NULL) {
        memset(text, ' ', *length);
        memcpy(text, json, used);
    }
    free(json);
    return text;
}

static bool write_all(struct platform_file *file, const struct safetensors_content *content,
                      const char *header, size_t length)
{
    unsigned char little[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++) {
        little[i] = (unsigned char)((uint64_t)length >> 8 * i);
    }
    bool good = platform_file_write(file, little, sizeof little) &&
                platform_file_write(file, header, length);
    for (int type = 0; type < ELEMENTS && good; type++) {
        for (int64_t i = 0; i < content->tensors && good; i++) {
            const struct safetensors_tensor *t = &content->tensor[i];
            if ((int)t->type == type && t->bytes > 0) {
                const void *numbers = content->numbers(content->user, i);
                good = numbers != NULL && platform_file_write(file, numbers, t->bytes);
            }
        }
    }
    return good;
}

ag_error safetensors_write(const char *path, const struct safetensors_content *content,
                           char reason[ELEMENT_REASON])
{
    size_t length = 0;
    reason[0] = '\0';
    char *header = header_text(content, &length, reason);
    if (header == NULL) {
        if (reason[0] != '\0') {
            return AG_ERROR_VALUE;
        }
        element_refuse(reason, "out of memory");
        return AG_ERROR_MEMORY;
    }
    struct platform_file file;
    const char *problem = NULL;
    bool good = length <= LONGEST_HEADER;
    if (!good) {
        element_refuse(reason, "a header of %zu bytes is longer than the format allows", length);
    } else {
        good = platform_file_begin(&file, path, &problem) &&
               platform_file_end(&file, write_all(&file, content, header, length), &problem);
        if (!good) {
            element_refuse(reason, "cannot be written: %.300s", problem);
        }
    }
    free(header);
    return good ? AG_OK : problem == NULL ? AG_ERROR_VALUE : AG_ERROR_FILE;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_shape(const json_t *sizes, ag_shape *shape)
{
    if (!json_is_array(sizes) || json_array_size(sizes) > AG_MAX_DIMS) {
        return false;
    }
    *shape = (ag_shape){ .ndim = (int)json_array_size(sizes) };
    for (int d = 0; d < shape->ndim; d++) {
        const json_t *size = json_array_get(sizes, (size_t)d);
        if (!json_is_integer(size) || json_integer_value(size) < 0) {
            return false;
        }
        shape->size[d] = json_integer_value(size);
    }
    return true;
}

/* One tensor of the header; `room`: the bytes of the data. */
static bool read_tensor(struct safetensors_tensor *t, const json_t *item, size_t room,
                        char reason[ELEMENT_REASON])
{
    if (!json_is_object(item)) {
        return element_refuse(reason, "\"%.100s\": a tensor is an object of three entries",
                              t->name);
    }
    const json_t *type = json_object_get(item, "dtype"), *sizes = json_object_get(item, "shape"),
                 *places = json_object_get(item, "data_offsets");
    if (!json_is_string(type) || !element_named(json_string_value(type), &t->type)) {
        return element_refuse(reason, "\"%.100s\": dtype: %s%.20s%s", t->name,
                              json_is_string(type) ? "\"" : "a text is needed",
                              json_is_string(type) ? json_string_value(type) : "",
                              json_is_string(type) ? "\" is not known" : "");
    }
    if (!read_shape(sizes, &t->shape)) {
        return element_refuse(
            reason, "\"%.100s\": shape: a list of at most %d sizes from 0 is needed%s", t->name,
            AG_MAX_DIMS, json_array_size(sizes) > AG_MAX_DIMS ? ", and it has more" : "");
    }
    char shape[AG_SHAPE_TEXT];
    ag_shape_format(t->shape, shape, sizeof shape);
    if (!element_bytes(t->type, t->shape, &t->bytes)) {
        return element_refuse(reason, "\"%.100s\": shape: %s has more elements than can be counted",
                              t->name, shape);
    }
    const json_t *first = json_array_get(places, 0), *last = json_array_get(places, 1);
    if (json_array_size(places) != 2 || !json_is_integer(first) || !json_is_integer(last)) {
        return element_refuse(reason, "\"%.100s\": data_offsets: two whole numbers are needed",
                              t->name);
    }
    int64_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > room) {
        return element_refuse(
            reason, "\"%.100s\": data_offsets: %" PRId64 " to %" PRId64 " is not within %zu bytes",
            t->name, begin, end, room);
    }
    if ((uint64_t)(end - begin) != t->bytes) {
        return element_refuse(reason,
                              "\"%.100s\": data_offsets: %" PRId64 " to %" PRId64
                              " does not fit %s %s, which has %zu bytes",
                              t->name, begin, end, element_types[t->type].name, shape, t->bytes);
    }
    t->begin = (size_t)begin;
    return true;
}

static bool read_texts(struct safetensors *s, const json_t *meta, char reason[ELEMENT_REASON])
{
    if (!json_is_object(meta)) {
        return element_refuse(reason, "\"%s\" is not an object", metadata);
    }
    s->text = calloc(json_object_size(meta) + 1, sizeof *s->text);
    if (s->text == NULL) {
        return element_refuse(reason, "out of memory");
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)meta, key, value)
    {
        if (!json_is_string(value)) {
            return element_refuse(reason, "the metadata \"%.100s\" is no text", key);
        }
        s->text[s->texts++] = (struct safetensors_text){ key, json_string_value(value) };
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct safetensors_tensor *x = a, *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return x->bytes != y->bytes ? x->bytes < y->bytes ? -1 : 1 : strcmp(x->name, y->name);
}

/* Whether the tensors, sorted, lie one behind the other up to the end. */
static bool places_are_dense(const struct safetensors *s, size_t room, char reason[ELEMENT_REASON])
{
    size_t end = 0;
    for (int64_t i = 0; i < s->tensors; i++) {
        const struct safetensors_tensor *t = &s->tensor[i];
        if (t->begin < end) {
            const struct safetensors_tensor *before = &s->tensor[i - 1];
            return element_refuse(reason,
                                  "\"%.100s\": data_offsets: %zu to %zu overlaps \"%.100s\", which "
                                  "has %zu to %zu",
                                  t->name, t->begin, t->begin + t->bytes, before->name,
                                  before->begin, before->begin + before->bytes);
        }
        if (t->begin > end) {
            return element_refuse(
                reason, "\"%.100s\": data_offsets: %zu to %zu leaves a gap behind byte %zu",
                t->name, t->begin, t->begin + t->bytes, end);
        }
        end += t->bytes;
    }
    return end == room ||
           element_refuse(reason, "byte %zu: %zu bytes belong to no tensor", s->data_offset + end,
                          room - end);
}

/* Everything that the header says. */
static bool read_header(struct safetensors *s, size_t room, char reason[ELEMENT_REASON])
{
    json_t *root = s->json, *item;
    s->tensor = calloc(json_object_size(root) + 1, sizeof *s->tensor);
    if (s->tensor == NULL) {
        return element_refuse(reason, "out of memory");
    }
    const char *name;
    json_object_foreach(root, name, item)
    {
        if (strcmp(name, metadata) == 0) {
            if (!read_texts(s, item, reason)) {
                return false;
            }
            continue;
        }
        s->tensor[s->tensors].name = name;
        if (!read_tensor(&s->tensor[s->tensors], item, room, reason)) {
            return false;
        }
        s->tensors++;
    }
    qsort(s->tensor, (size_t)s->tensors, sizeof *s->tensor, by_place);
    return places_are_dense(s, room, reason);
}

bool safetensors_open(struct safetensors *s, const unsigned char *bytes, size_t length,
                      char reason[ELEMENT_REASON])
{
    *s = (struct safetensors){ 0 };
    uint64_t header = 0;
    for (int i = 0; i < LENGTH_BYTES && length >= LENGTH_BYTES; i++) {
        header |= (uint64_t)bytes[i] << 8 * i;
    }
    if (length < LENGTH_BYTES || header > length - LENGTH_BYTES) {
        return element_refuse(reason, "%zu bytes are too few for a header of %" PRIu64, length,
                              header);
    }
    if (header > LONGEST_HEADER) {
        return element_refuse(reason,
                              "byte 0: a header of %" PRIu64 " bytes is longer than the %d that "
                              "the format allows",
                              header, LONGEST_HEADER);
    }
    if (header == 0 || bytes[LENGTH_BYTES] != '{') {
        return element_refuse(reason, "byte %d: the header does not begin with {", LENGTH_BYTES);
    }
    json_error_t error;
    json_t *root = json_loadb((const char *)bytes + LENGTH_BYTES, (size_t)header,
                              JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        return element_refuse(reason, "byte %d: %s", LENGTH_BYTES + error.position, error.text);
    }
    s->json = root;
    s->data_offset = LENGTH_BYTES + (size_t)header;
    s->data = bytes + s->data_offset;
    return read_header(s, length - s->data_offset, reason);
}

void safetensors_close(struct safetensors *s)
{
    free(s->tensor);
    free(s->text);
    json_decref(s->json);
    *s = (struct safetensors){ 0 };
}
