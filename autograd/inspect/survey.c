/*
 * Reading the tape: names, numbers, what depends on what. Changes nothing.
 */
#include "survey.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ag_array row_major(const ag_value *v, double *data, int64_t *stride)
{
    int64_t s = 1;
    for (int d = v->ndim - 1; d >= 0; d--) {
        stride[d] = s;
        s = ag_next_stride(s, v->size[d]);
    }
    ag_array a = {data, AG_FLOAT64, v->ndim, v->numel, v->size, stride};
    return a;
}

double *ag_value_doubles(ag_place where, const char *function, const ag_value *v)
{
    int64_t stride[AG_MAX_DIMS];
    double *numbers = malloc(((size_t)v->numel + 1) * sizeof(double));
    if (numbers == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return NULL;
    }
    ag_array_copy(row_major(v, numbers, stride), ag_value_array(v));
    return numbers;
}

struct ag_survey ag_survey_of(const ag_value *v)
{
    struct ag_survey s = {false, 0, 0, 0, 0, INFINITY, -INFINITY, 0};
    double *numbers = ag_value_there(v) ? ag_value_doubles(ag_caller(), "ag_survey", v) : NULL;
    if (numbers == NULL) {
        return s;
    }
    double squares = 0;
    s.there = true;
    s.count = v->numel;
    for (int64_t i = 0; i < v->numel; i++) {
        double x = numbers[i];
        if (!isfinite(x)) {
            s.nans += isnan(x) != 0;
            s.infinities += isinf(x) != 0;
            continue;
        }
        s.zeros += x == 0;
        s.min = fmin(s.min, x);
        s.max = fmax(s.max, x);
        squares += x * x;
    }
    s.norm = s.nans > 0 ? NAN : s.infinities > 0 ? INFINITY : sqrt(squares);
    free(numbers);
    return s;
}

const ag_value *ag_node_gradient(const ag_node *node, int output)
{
    const ag_value *v = node->output[output];
    if (node->pending_grad[output] != NULL) {
        return node->pending_grad[output];
    }
    if (node->kept != NULL && node->kept->grad[output] != NULL) {
        return node->kept->grad[output];
    }
    return v != NULL && v->retain_grad && v->has_grad && v->producer == node ? v->grad : NULL;
}

const ag_value *ag_leaf_gradient_now(const ag_value *leaf)
{
    return leaf->has_grad && !leaf->grad_failed ? leaf->grad : NULL;
}

const char *ag_input_text(const struct ag_node_input *input, char *text, size_t bytes)
{
    const ag_value *v = input->value;
    char shape[AG_SHAPE_TEXT];
    if (v == NULL) {
        snprintf(text, bytes, "-");
    } else if (v->name != NULL && v->producer == input->producer) {
        snprintf(text, bytes, "%s", v->name);
    } else if (input->producer != NULL && input->output > 0) {
        snprintf(text, bytes, "#%lld.%d", (long long)input->producer->index, input->output);
    } else if (input->producer != NULL) {
        snprintf(text, bytes, "#%lld", (long long)input->producer->index);
    } else {
        snprintf(text, bytes, "%s%s", v->requires_grad ? "leaf" : "const",
                 ag_shape_format(ag_value_shape_of(v), shape, sizeof(shape)));
    }
    return text;
}

void ag_text_append(char *text, size_t bytes, const char *more, const char *between)
{
    size_t used = strlen(text);
    snprintf(text + used, bytes - used, "%s%s", used > 0 ? between : "", more);
}

const char *ag_saved_text(const ag_node *node, char *text, size_t bytes)
{
    char item[32];
    text[0] = '\0';
    for (int i = 0; i < node->inputs; i++) {
        if (node->input[i].saved) {
            snprintf(item, sizeof(item), "x%d", i);
            ag_text_append(text, bytes, item, ",");
        }
    }
    for (int i = 0; i < node->outputs; i++) {
        if ((node->saves & AG_SAVE_OUTPUT(i)) != 0) {
            snprintf(item, sizeof(item), node->outputs > 1 ? "y%d" : "y", i);
            ag_text_append(text, bytes, item, ",");
        }
    }
    if (text[0] == '\0') {
        snprintf(text, bytes, "-");
    }
    return text;
}

const char *ag_numbers_text(const ag_node *node, const char *before, char *text, size_t bytes)
{
    const char *name = node->op->numbers;
    text[0] = '\0';
    for (size_t i = 0; name != NULL && node->params != NULL && (i + 1) * sizeof(double) <= node->op->params; i++) {
        double number;
        char item[64];
        size_t length = strcspn(name, " ");
        memcpy(&number, (const char *)node->params + i * sizeof(double), sizeof(number));
        snprintf(item, sizeof(item), "%s%.*s = %g", i == 0 ? before : "", (int)length, name, number);
        ag_text_append(text, bytes, item, ", ");
        name += length + strspn(name + length, " ");
        if (*name == '\0') {
            break;
        }
    }
    return text;
}

const char *ag_place_text(ag_place where, char *text, size_t bytes)
{
    const char *file = where.file != NULL ? where.file : "?", *slash = strrchr(file, '/');
    snprintf(text, bytes, "%s:%d", slash != NULL ? slash + 1 : file, where.line);
    return text;
}

/* Tape order is topological order, so one pass downwards finds all that the first node depends on. */
bool *ag_tape_cone(ag_place where, const char *function, const ag_context *ctx, const ag_value *output)
{
    bool *wanted = calloc((size_t)ctx->nodes + 1, sizeof(*wanted));
    if (wanted == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return NULL;
    }
    int64_t start = output == NULL || output->producer == NULL ? -1 : output->producer->index;
    for (int64_t k = 0; output == NULL && k < ctx->nodes; k++) {
        wanted[k] = true;
    }
    if (start >= 0) {
        wanted[start] = true;
    }
    for (int64_t k = start; k >= 0; k--) {
        const ag_node *node = ctx->node[k];
        for (int i = 0; wanted[k] && i < node->inputs; i++) {
            if (node->input[i].value != NULL && node->input[i].producer != NULL) {
                wanted[node->input[i].producer->index] = true;
            }
        }
    }
    return wanted;
}

bool ag_stream_given(ag_place where, const char *function, FILE *stream)
{
    if (stream == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the stream is NULL", function);
    }
    return stream != NULL;
}

ag_error ag_stream_result(ag_place where, const char *function, FILE *stream)
{
    if (ferror(stream)) {
        return ag_error_raise(where, AG_ERROR_FILE, "%s: the stream cannot be written to", function);
    }
    return ag_error_code();
}

void ag_held_set(ag_value **slot, ag_value *v)
{
    ag_value_ref(v);
    ag_value_save(v);
    ag_held_drop(slot);
    *slot = v;
}

void ag_held_drop(ag_value **slot)
{
    ag_value *v = *slot;
    if (v != NULL) {
        *slot = NULL;
        ag_value_unsave(v);
        ag_value_unref(v);
    }
}

ag_tensor ag_value_copy_out(ag_place where, const char *function, const ag_value *v)
{
    ag_value *copy = ag_value_in_scope(where, function, (ag_dtype)v->dtype, ag_value_shape_of(v));
    if (copy == NULL) {
        return AG_NIL;
    }
    ag_array_copy(ag_value_array(copy), ag_value_array(v));
    return ag_handle(copy);
}

void ag_value_print(FILE *stream, const char *what, const ag_value *v, const char *nothing)
{
    char shape[AG_SHAPE_TEXT];
    fprintf(stream, "  %-24s ", what);
    if (!ag_value_there(v)) {
        fprintf(stream, "%s\n", v == NULL ? nothing : "released");
        return;
    }
    double *numbers = v->numel > 8 ? NULL : ag_value_doubles(ag_caller(), "ag_value_print", v);
    if (v->ndim > 0) {
        fprintf(stream, "%s ", ag_shape_format(ag_value_shape_of(v), shape, sizeof(shape)));
    }
    for (int64_t i = 0; numbers != NULL && i < v->numel; i++) {
        fprintf(stream, isnan(numbers[i]) ? "%sNaN" : "%s%.6g", i > 0 ? " " : "", numbers[i]);
    }
    if (numbers == NULL) {
        struct ag_survey s = ag_survey_of(v);
        fprintf(stream, "norm %.4g, %.4g to %.4g", s.norm, s.min, s.max);
        if (s.nans + s.infinities > 0) {
            fprintf(stream, ", %lld NaN, %lld infinite", (long long)s.nans, (long long)s.infinities);
        }
    }
    fprintf(stream, "\n");
    free(numbers);
}
