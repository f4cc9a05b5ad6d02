/*
 * One checkpoint as one safetensors file, and the checksum that tells a damaged one from a whole one. Single values stand in the
 * metadata, numbers are tensors.
 *
 * Note [Checksum of a checkpoint]
 * The sum of one number for each value and for each piece of a tensor, which mixes a digest of the bytes with one of the name and
 * the piece's number. A sum has no order, so the pieces are read by all threads, and the order of a file's entries does not
 * matter. A cut, a changed bit, a value under another's name change it; it is no protection from people who mean it.
 *
 * The digest has four lanes of 64 bits, as XXH64 (Collet 2012): what a lane becomes is a bijection of the word that goes in, so that
 * a changed word always changes it. It runs as fast as memory is read. A CRC-32 takes a third of the time that the disk does.
 */
#include "data/checkpoint_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/parallel.h"
#include "autograd/storage.h"

enum { PIECE = 1 << 20 };

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

static uint64_t turn(uint64_t lane, uint64_t word)
{
    lane += word * UINT64_C(0xc2b2ae3d27d4eb4f);
    return (lane << 31 | lane >> 33) * UINT64_C(0x9e3779b185ebca87);
}

/* Note [Checksum of a checkpoint] */
static uint64_t digest(const void *bytes, size_t n)
{
    uint64_t lane[4] = { 1, 2, 3, 4 }, sum = n;
    const unsigned char *at = bytes, *end = at + n;
    for (; end - at >= 32; at += 32) {
        uint64_t word[4];
        memcpy(word, at, 32);
        for (int k = 0; k < 4; k++) {
            lane[k] = turn(lane[k], word[k]);
        }
    }
    for (; at < end; at++) {
        lane[0] = turn(lane[0], *at);
    }
    for (int k = 0; k < 4; k++) {
        sum = mix(sum + lane[k]);
    }
    return sum;
}

static size_t entry_bytes(const ag_state_entry *e)
{
    return (size_t)ag_shape_numel(e->shape) * ag_dtype_size(e->dtype);
}

/* What the pieces of a sum share. */
struct pieces {
    const char *data;
    size_t n;
    uint64_t seed, *each;
};

static uint64_t sum_of_piece(const struct pieces *t, int64_t i)
{
    size_t at = (size_t)i * PIECE, bytes = t->n - at < PIECE ? t->n - at : PIECE;
    return mix(t->seed + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15) + digest(t->data + at, bytes));
}

static void keep_sum_of_piece(const void *task, int64_t i)
{
    const struct pieces *t = task;
    t->each[i] = sum_of_piece(t, i);
}

/* Of `n` bytes under a name, with a number for what they are. */
static uint64_t sum_of(const char *name, uint64_t kind, const void *data, size_t n)
{
    uint64_t seed = mix(mix(digest(name, strlen(name))) + kind) + n, sum = mix(seed);
    int64_t pieces = (int64_t)((n + PIECE - 1) / PIECE);
    struct pieces task = { data, n, seed, pieces > 1 ? calloc((size_t)pieces, sizeof *task.each) : NULL };
    if (task.each != NULL) { /* else few pieces, or no memory: one after the other */
        ag_parallel(ag_threads(), pieces, keep_sum_of_piece, &task);
    }
    for (int64_t i = 0; i < pieces; i++) {
        sum += task.each != NULL ? task.each[i] : sum_of_piece(&task, i);
    }
    free(task.each);
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

/* A snapshot as what is written: numbers are tensors, the rest texts. */
struct outgoing {
    const ag_state_entry **entry; /* of each tensor */
    struct safetensors_tensor *tensor;
    struct safetensors_text *text;
    int64_t tensors, texts;
};

static const void *numbers_of(void *user, int64_t i)
{
    const struct outgoing *out = user;
    return out->entry[i]->data;
}

/* False without memory; to be freed in any case. */
static bool outgoing_make(struct outgoing *out, const ag_state *state, const char *sum)
{
    size_t room = (size_t)state->count + 2;
    *out = (struct outgoing){ .entry = calloc(room, sizeof *out->entry),
                              .tensor = calloc(room, sizeof *out->tensor),
                              .text = calloc(room, sizeof *out->text) };
    if (out->entry == NULL || out->tensor == NULL || out->text == NULL) {
        return false;
    }
    out->text[out->texts++] = (struct safetensors_text){ format_key, format_text };
    out->text[out->texts++] = (struct safetensors_text){ checksum_key, sum };
    for (int64_t i = 0; i < state->count; i++) {
        const ag_state_entry *e = &state->entry[i];
        if (e->text != NULL) {
            out->text[out->texts++] = (struct safetensors_text){ e->name, e->text };
        } else {
            out->entry[out->tensors] = e;
            out->tensor[out->tensors++] = (struct safetensors_tensor){
                .name = e->name, .type = element_of(e->dtype), .shape = e->shape
            };
        }
    }
    return true;
}

ag_error checkpoint_file_write(ag_place where, const char *function, const char *path,
                               ag_state *state)
{
    char sum[17], reason[ELEMENT_REASON] = "out of memory";
    checksum(state, sum);
    struct outgoing out;
    ag_error code = AG_ERROR_MEMORY;
    if (outgoing_make(&out, state, sum)) {
        struct safetensors_content content = { .tensors = out.tensors,
                                               .texts = out.texts,
                                               .tensor = out.tensor,
                                               .text = out.text,
                                               .numbers = numbers_of,
                                               .user = &out };
        code = safetensors_write(path, &content, reason);
    }
    free(out.entry);
    free(out.tensor);
    free(out.text);
    return code == AG_OK ? AG_OK
                         : ag_error_raise(where, code, "%s: %s: %s", function, path, reason);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Everything in the file, into the snapshot; `sum` gets the file's checksum. */
static bool read_all(ag_state *state, ag_place where, const struct safetensors *s, char sum[17],
                     char reason[CHECKPOINT_REASON])
{
    const char *format = "", *saved = "";
    for (int64_t i = 0; i < s->texts; i++) {
        const struct safetensors_text *t = &s->text[i];
        if (strcmp(t->key, format_key) == 0) {
            format = t->value;
        } else if (strcmp(t->key, checksum_key) == 0) {
            saved = t->value;
        } else if (!ag_state_add_text(state, where, t->key, t->value)) {
            return false;
        }
    }
    if (strcmp(format, format_text) != 0 || strlen(saved) != 16) {
        return element_refuse(reason, "is a safetensors file, but not a checkpoint");
    }
    memcpy(sum, saved, 17);
    for (int64_t i = 0; i < s->tensors; i++) {
        const struct safetensors_tensor *t = &s->tensor[i];
        ag_dtype dtype = element_types[t->type].dtype;
        if (element_of(dtype) != t->type) {
            return element_refuse(reason, "is damaged: \"%.100s\" has the type %s", t->name,
                                  element_types[t->type].name);
        }
        if (!ag_state_add_numbers(state, where, t->name, dtype, t->shape, s->data + t->begin)) {
            return false;
        }
    }
    return true;
}

static bool read_view(ag_state *state, ag_place where, const struct platform_view *view,
                      char reason[CHECKPOINT_REASON])
{
    char problem[ELEMENT_REASON], sum[17], found[17];
    struct safetensors s;
    bool good = safetensors_open(&s, view->bytes, view->length, problem);
    if (!good) {
        element_refuse(reason, "is damaged: %s", problem);
    }
    good = good && read_all(state, where, &s, sum, reason);
    safetensors_close(&s);
    if (!good) {
        return false;
    }
    checksum(state, found);
    return strcmp(sum, found) == 0 ||
           element_refuse(reason, "is damaged: its checksum is %s, that of what is in it %s", sum,
                          found);
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
        return element_refuse(reason, "cannot be read: %s", problem);
    }
    return read_view(file->state, where, &file->view, reason);
}

void checkpoint_file_close(struct checkpoint_file *file)
{
    ag_state_free(file->state);
    platform_view_close(&file->view);
    *file = (struct checkpoint_file){ 0 };
}
