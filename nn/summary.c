/*
 * The table of a model: layers, output shapes, numbers of parameters. Finds the shapes by running
 * the model once. Knows no layer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define UNSEEN (-1) /* ndim of a shape that forward has not written */

/* What one run of the model showed, and what must be as before afterwards. */
struct run {
    ag_shape shape;
    bool training;
};

static void run_once(ag_place where, const nn_tree *tree, ag_shape input, ag_dtype dtype,
                     struct run *run)
{
    for (int64_t i = 0; i < tree->members; i++) {
        nn_module *m = tree->member[i].module;
        run[i].shape.ndim = UNSEEN;
        run[i].training = m->training;
        if (tree->member[i].first == i) {
            nn_private_of(m)->watch = &run[i].shape;
        }
    }
    nn_module *root = tree->member[0].module;
    nn_eval(root);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    nn_forward_at(where, root, ag_zeros(input, dtype));
    ag_end(&scope);
    for (int64_t i = tree->members - 1; i >= 0; i--) {
        tree->member[i].module->training = run[i].training;
        nn_private_of(tree->member[i].module)->watch = NULL;
    }
}

/* 1234567 as "1,234,567". */
static const char *with_commas(int64_t n, char *text, size_t bytes)
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%lld", (long long)n);
    size_t used = 0;
    for (int i = 0; i < length && used + 2 < bytes; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-') {
            text[used++] = ',';
        }
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

static const char *as_bytes(double bytes, char *text, size_t room)
{
    static const char *const unit[] = { "B", "KB", "MB", "GB", "TB" };
    int i = 0;
    while (bytes >= 1024 && i < 4) {
        bytes /= 1024;
        i++;
    }
    snprintf(text, room, "%.2f %s", bytes, unit[i]);
    return text;
}

static void print_line(FILE *stream, char c, int width)
{
    for (int i = 0; i < width; i++) {
        fputc(c, stream);
    }
    fputc('\n', stream);
}

/* Elements of one kind: of one module, or (owner NULL) of all. Tied ones count where they come
 * first. */
static int64_t count_elements(const nn_tree *tree, const nn_module *owner, nn_kind kind,
                              bool frozen_only)
{
    int64_t count = 0;
    for (int64_t i = 0; i < tree->entries; i++) {
        const nn_entry *e = &tree->entry[i];
        if (e->kind == kind && e->first == i && (owner == NULL || e->owner == owner) &&
            !(frozen_only && ag_requires_grad(*e->slot))) {
            count += ag_shape_numel(e->shape);
        }
    }
    return count;
}

/* "  conv (Conv2d)": indented below the children of the root; "(Conv2d)" if it has no name. */
static int layer_text(const nn_member *member, char *text, size_t bytes)
{
    int indent = member->depth > 1 ? 2 * (member->depth - 1) : 0;
    if (member->depth == 0) {
        return snprintf(text, bytes, "%s", member->module->type->name);
    }
    return snprintf(text, bytes, "%*s%s%s(%s)", indent, "", member->name, member->name[0] != '\0' ? " " : "",
                    member->module->type->name);
}

static void print_table(FILE *stream, const nn_tree *tree, const struct run *run, ag_dtype dtype)
{
    char text[NN_TEXT], shape[AG_SHAPE_TEXT], number[64], size[32];
    int layer_width = (int)sizeof("Layer (type)") - 1,
        shape_width = (int)sizeof("Output shape") - 1;
    for (int64_t i = 0; i < tree->members; i++) {
        int layer = layer_text(&tree->member[i], text, sizeof(text));
        layer_width = layer > layer_width ? layer : layer_width;
        if (run[i].shape.ndim != UNSEEN) {
            int length = (int)strlen(ag_shape_format(run[i].shape, shape, sizeof(shape)));
            shape_width = length > shape_width ? length : shape_width;
        }
    }
    int width = layer_width + shape_width + 18;
    fprintf(stream, "Model: %s\n", tree->member[0].module->type->name);
    print_line(stream, '_', width);
    fprintf(stream, " %-*s  %-*s  %12s\n", layer_width, "Layer (type)", shape_width, "Output shape",
            "Parameters");
    print_line(stream, '=', width);
    /* The root has the heading; a row too only if it has no children or parameters of its own beside them. */
    const nn_module *root = tree->member[0].module;
    bool root_row = tree->members == 1 || count_elements(tree, root, NN_PARAMETER, false) > 0;
    for (int64_t i = root_row ? 0 : 1; i < tree->members; i++) {
        const nn_member *member = &tree->member[i];
        layer_text(member, text, sizeof(text));
        snprintf(shape, sizeof(shape), "-");
        if (run[member->first].shape.ndim != UNSEEN) {
            ag_shape_format(run[member->first].shape, shape, sizeof(shape));
        }
        int64_t own = count_elements(tree, member->module, NN_PARAMETER, false);
        if (member->first != i) {
            snprintf(number, sizeof(number), "shared");
        } else if (member->has_children && own == 0) {
            number[0] = '\0';
        } else {
            with_commas(own, number, sizeof(number));
        }
        fprintf(stream, " %-*s  %-*s  %12s\n", layer_width, text, shape_width, shape, number);
    }
    int64_t all = count_elements(tree, NULL, NN_PARAMETER, false);
    int64_t frozen = count_elements(tree, NULL, NN_PARAMETER, true);
    int64_t buffers = count_elements(tree, NULL, NN_BUFFER, false);
    double bytes = (double)ag_dtype_size(dtype);
    print_line(stream, '=', width);
    fprintf(stream, "Total parameters: %s (%s)\n", with_commas(all, number, sizeof(number)),
            as_bytes((double)all * bytes, size, sizeof(size)));
    fprintf(stream, "Trainable: %s\n", with_commas(all - frozen, number, sizeof(number)));
    fprintf(stream, "Non-trainable: %s\n", with_commas(frozen, number, sizeof(number)));
    if (buffers > 0) {
        fprintf(stream, "Buffers: %s\n", with_commas(buffers, number, sizeof(number)));
    }
    print_line(stream, '_', width);
}

ag_error nn_summary_at(ag_place where, nn_module *m, ag_shape input, FILE *stream)
{
    if (!nn_usable(where, "nn_summary", m)) {
        return ag_error_code();
    }
    if (stream == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "nn_summary: the stream is NULL");
    }
    ag_place before = ag_caller_set(where);
    nn_tree tree;
    struct run *run = NULL;
    if (nn_tree_build(&tree, where, "nn_summary", m) && nn_tree_complete(&tree)) {
        run = calloc((size_t)tree.members, sizeof(struct run));
        if (run == NULL) {
            ag_error_raise(where, AG_ERROR_MEMORY, "nn_summary: no memory for the table");
        } else {
            run_once(where, &tree, input, nn_tree_dtype(&tree), run);
        }
    }
    if (run != NULL && ag_error_code() == AG_OK) {
        print_table(stream, &tree, run, nn_tree_dtype(&tree));
        if (ferror(stream)) {
            ag_error_raise(where, AG_ERROR_FILE, "nn_summary: the stream cannot be written");
        }
    }
    free(run);
    nn_tree_free(&tree);
    ag_caller_set(before);
    return ag_error_code();
}
