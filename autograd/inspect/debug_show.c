/*
 * The debugger's answers: rows, trees, single tensors.
 */
#include "debug_show.h"

#include <stdlib.h>
#include <string.h>

#include "survey.h"

/* ---- finding --------------------------------------------------------------------------------------------------------------- */

static bool find_number(const ag_context *ctx, const bool *wanted, const char *text, struct debug_tensor *t, char *why, size_t bytes)
{
    char *end;
    long long k = strtoll(text + 1, &end, 10), output = *end == '.' ? strtoll(end + 1, &end, 10) : 0;
    if (end == text + 1 || *end != '\0' || k < 0 || k >= ctx->nodes || !wanted[k]) {
        snprintf(why, bytes, "there is no node %s in what the loss depends on; nodes go up to #%lld", text, (long long)ctx->nodes - 1);
        return false;
    }
    ag_node *node = ctx->node[k];
    if (output < 0 || output >= node->outputs) {
        snprintf(why, bytes, "#%lld %s has %d result%s", k, node->op->name, node->outputs, node->outputs == 1 ? "" : "s");
        return false;
    }
    *t = (struct debug_tensor){node, (int)output, node->output[output]};
    return true;
}

bool debug_find(const ag_context *ctx, const bool *wanted, const char *text, struct debug_tensor *t, char *why, size_t bytes)
{
    if (text[0] == '#') {
        return find_number(ctx, wanted, text, t, why, bytes);
    }
    for (int64_t k = ctx->nodes - 1; k >= 0; k--) {
        ag_node *node = ctx->node[k];
        for (int i = 0; wanted[k] && i < node->outputs; i++) {
            const ag_value *v = node->output[i];
            if (v != NULL && v->name != NULL && strcmp(v->name, text) == 0 && v->producer == node) {
                *t = (struct debug_tensor){node, i, node->output[i]};
                return true;
            }
        }
        for (int i = 0; wanted[k] && i < node->inputs; i++) {
            ag_value *v = node->input[i].value;
            if (v != NULL && node->input[i].producer == NULL && v->name != NULL && strcmp(v->name, text) == 0) {
                *t = (struct debug_tensor){NULL, 0, v};
                return true;
            }
        }
    }
    snprintf(why, bytes, "nothing on the tape is called %s; a node is called by its number, such as #0", text);
    return false;
}

const char *debug_name(struct debug_tensor t, char *text, size_t bytes)
{
    if (t.node == NULL) {
        snprintf(text, bytes, "%s", t.value->name != NULL ? t.value->name : "the leaf");
    } else if (t.node->outputs > 1) {
        snprintf(text, bytes, "#%lld.%d %s", (long long)t.node->index, t.output, t.node->op->name);
    } else {
        snprintf(text, bytes, "#%lld %s", (long long)t.node->index, t.node->op->name);
    }
    return text;
}

/* ---- printing -------------------------------------------------------------------------------------------------------------- */

static void inputs_text(const ag_node *node, char *text, size_t bytes)
{
    char item[96];
    text[0] = '\0';
    for (int i = 0; i < node->inputs; i++) {
        ag_text_append(text, bytes, ag_input_text(&node->input[i], item, sizeof(item)), " ");
    }
}

void debug_row(FILE *out, const ag_node *node, bool here)
{
    char inputs[256], shape[AG_SHAPE_TEXT], line[64], number[24];
    snprintf(number, sizeof(number), "#%lld", (long long)node->index);
    inputs_text(node, inputs, sizeof(inputs));
    fprintf(out, "%s %-6s %-16s %-26s %-12s %-16s %s\n", here ? "->" : "  ", number, node->op->name, node->output[0] == NULL ? "(freed)" : inputs,
            node->output[0] == NULL ? "" : ag_shape_format(ag_value_shape_of(node->output[0]), shape, sizeof(shape)), node->label->path,
            ag_place_text(node->where, line, sizeof(line)));
}

static void every_number(FILE *out, const char *what, const ag_value *v)
{
    double *number = ag_value_there(v) ? ag_value_doubles(ag_caller(), "ag_debug", v) : NULL;
    int64_t columns = v == NULL || v->ndim == 0 ? 1 : v->size[v->ndim - 1];
    if (number == NULL) {
        return;
    }
    fprintf(out, "  every %s\n", what);
    for (int64_t i = 0; i < v->numel; i++) {
        fprintf(out, "%s%12.6g%s", i % columns == 0 ? "    " : " ", number[i], (i + 1) % columns == 0 ? "\n" : "");
    }
    free(number);
}

void debug_tensor_print(FILE *out, const ag_context *ctx, const bool *wanted, struct debug_tensor t, bool all)
{
    char name[96], shape[AG_SHAPE_TEXT], line[64], inputs[256], given[128];
    const ag_value *v = t.value, *g;
    fprintf(out, "%s", debug_name(t, name, sizeof(name)));
    if (v == NULL) {
        fprintf(out, ": freed by backward; ag_retain_tape() keeps nodes\n");
        return;
    }
    fprintf(out, ": %s %s", ag_dtype_name((ag_dtype)v->dtype), ag_shape_format(ag_value_shape_of(v), shape, sizeof(shape)));
    if (t.node != NULL) {
        inputs_text(t.node, inputs, sizeof(inputs));
        fprintf(out, ", %s%s%s\n  %-24s %s%s\n  %-24s %s\n  %-24s %s\n", ag_place_text(t.node->where, line, sizeof(line)),
                t.node->label->path[0] != '\0' ? " in " : "", t.node->label->path, "formula",
                t.node->op->formula != NULL ? t.node->op->formula : "(none given)", ag_numbers_text(t.node, "   with ", given, sizeof(given)),
                "derivative", t.node->op->derivative != NULL ? t.node->op->derivative : "(not differentiable)", "inputs", inputs);
        g = ag_node_gradient(t.node, t.output);
    } else {
        fprintf(out, ", %s\n", v->requires_grad ? "a leaf" : "a constant");
        g = ag_leaf_gradient_now(v);
    }
    ag_value_print(out, "value", v, "none");
    ag_value_print(out, "gradient", g, v->grad_failed ? "half-done" : "none so far");
    if (all) {
        every_number(out, "value", v);
        every_number(out, "gradient", g);
    }
    for (int64_t k = 0; k < ctx->nodes; k++) {
        const ag_node *node = ctx->node[k];
        for (int i = 0; wanted[k] && i < node->inputs; i++) {
            bool same = node->input[i].producer == t.node && (t.node != NULL ? node->input[i].output == t.output : node->input[i].value == v);
            if (same && node->input[i].value != NULL) {
                fprintf(out, "  %-24s #%lld %s, input %d, %s\n", "used by", (long long)k, node->op->name, i,
                        ag_place_text(node->where, line, sizeof(line)));
            }
        }
    }
}

/* ---- tree -------------------------------------------------------------------------------------------------------------------- */

struct tree {
    FILE *out;
    bool *seen;
    int depth;
    char indent[512];
};

static void branch(struct tree *tree, struct debug_tensor t, int level)
{
    char name[96], shape[AG_SHAPE_TEXT];
    const ag_value *g = t.value == NULL ? NULL : t.node != NULL ? ag_node_gradient(t.node, t.output) : ag_leaf_gradient_now(t.value);
    fprintf(tree->out, "%s", debug_name(t, name, sizeof(name)));
    if (t.value != NULL) {
        fprintf(tree->out, " %s", ag_shape_format(ag_value_shape_of(t.value), shape, sizeof(shape)));
    }
    if (g != NULL) {
        struct ag_survey s = ag_survey_of(g);
        bool one = g->numel == 1 && s.min <= s.max;
        fprintf(tree->out, "  gradient %s%.4g", one ? "" : "of norm ", one ? s.max : s.norm);
    }
    bool before = t.node != NULL && tree->seen[t.node->index];
    bool deep = t.node != NULL && !before && level >= tree->depth && t.node->inputs > 0;
    fprintf(tree->out, "%s\n", before && t.node->inputs > 0 ? "  (above)" : deep ? "  …" : "");
    if (t.node == NULL || before || deep || t.value == NULL) {
        return;
    }
    tree->seen[t.node->index] = true;
    size_t length = strlen(tree->indent);
    int last = t.node->inputs - 1;
    while (last >= 0 && t.node->input[last].value == NULL) {
        last--;
    }
    for (int i = 0; i <= last; i++) {
        const struct ag_node_input *input = &t.node->input[i];
        if (input->value == NULL) {
            continue;
        }
        fprintf(tree->out, "%s%s", tree->indent, i == last ? "└─ " : "├─ ");
        snprintf(tree->indent + length, sizeof(tree->indent) - length, "%s", i == last ? "   " : "│  ");
        branch(tree, (struct debug_tensor){input->producer, input->output, input->value}, level + 1);
        tree->indent[length] = '\0';
    }
}

void debug_tree(FILE *out, const ag_context *ctx, struct debug_tensor t, int depth)
{
    struct tree tree = {.out = out, .depth = depth < 60 ? depth : 60};
    tree.seen = calloc((size_t)ctx->nodes + 1, sizeof(bool));
    if (tree.seen == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "ag_debug: out of memory");
        return;
    }
    branch(&tree, t, 0);
    free(tree.seen);
}
