/*
 * The tape as a Graphviz digraph.
 */
#include <stdlib.h>
#include <string.h>

#include "../internal.h"
#include "inspect.h"

/* Text inside a quoted DOT string. */
static void quoted(FILE *stream, const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', stream);
        }
        fputc(*text == '\n' ? ' ' : *text, stream);
    }
}

static void edge(FILE *stream, const ag_node *node, const struct ag_node_input *input)
{
    const ag_value *v = input->value;
    char shape[AG_SHAPE_TEXT];
    ag_shape_format(ag_value_shape_of(v), shape, sizeof(shape));
    if (input->producer != NULL) {
        fprintf(stream, "  n%lld -> n%lld [label=\"%s\"];\n", (long long)input->producer->index, (long long)node->index,
                shape);
    } else {
        fprintf(stream, "  v%llx -> n%lld [label=\"%s\"];\n", (unsigned long long)v->id, (long long)node->index, shape);
    }
}

/* A leaf is drawn once, before the first node that uses it among the nodes drawn. */
static bool first_use(const ag_context *ctx, const bool *wanted, int64_t k, int i, const ag_value *v)
{
    for (int64_t a = 0; a <= k; a++) {
        const ag_node *node = ctx->node[a];
        int inputs = a == k ? i : node->inputs;
        for (int b = 0; wanted[a] && b < inputs; b++) {
            if (node->input[b].value == v) {
                return false;
            }
        }
    }
    return true;
}

static void leaf(FILE *stream, const ag_value *v)
{
    char shape[AG_SHAPE_TEXT];
    fprintf(stream, "  v%llx [shape=ellipse, style=filled, fillcolor=\"%s\", label=\"", (unsigned long long)v->id,
            v->requires_grad ? "#d5e8d4" : "#f5f5f5");
    quoted(stream, v->name != NULL ? v->name : v->requires_grad ? "leaf" : "constant");
    fprintf(stream, "\\n%s %s\"];\n", ag_dtype_name((ag_dtype)v->dtype),
            ag_shape_format(ag_value_shape_of(v), shape, sizeof(shape)));
}

/* Marks the node and, as tape order is topological order, in one pass all that it depends on. */
static void mark(const ag_context *ctx, int64_t start, bool *wanted)
{
    wanted[start] = true;
    for (int64_t k = start; k >= 0; k--) {
        const ag_node *node = ctx->node[k];
        for (int i = 0; wanted[k] && i < node->inputs; i++) {
            if (node->input[i].value != NULL && node->input[i].producer != NULL) {
                wanted[node->input[i].producer->index] = true;
            }
        }
    }
}

ag_error ag_tape_dot_at(ag_place where, FILE *stream, ag_tensor output)
{
    const ag_context *ctx = ag_context_get();
    const ag_value *v = ag_is_none(output) || ctx == NULL ? NULL : ag_resolve(where, "ag_tape_dot", output);
    if (ctx == NULL || ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (stream == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "ag_tape_dot: the stream is NULL");
    }
    bool *wanted = calloc((size_t)ctx->nodes + 1, sizeof(*wanted));
    if (wanted == NULL) {
        return ag_error_raise(where, AG_ERROR_MEMORY, "ag_tape_dot: out of memory");
    }
    if (v != NULL && v->producer != NULL) {
        mark(ctx, v->producer->index, wanted);
    }
    for (int64_t k = 0; v == NULL && k < ctx->nodes; k++) {
        wanted[k] = true;
    }
    fprintf(stream, "digraph tape {\n  rankdir=TB;\n  node [fontname=\"Helvetica\", fontsize=10];\n"
                    "  edge [fontname=\"Helvetica\", fontsize=9];\n");
    for (int64_t k = 0; k < ctx->nodes; k++) {
        const ag_node *node = ctx->node[k];
        if (!wanted[k]) {
            continue;
        }
        fprintf(stream, "  n%lld [shape=box, style=filled, fillcolor=\"#dae8fc\", label=\"#%lld ", (long long)k,
                (long long)k);
        quoted(stream, node->op->name);
        fprintf(stream, "%s", node->in_place ? "_" : "");
        if (node->label->path[0] != '\0') {
            fprintf(stream, "\\n");
            quoted(stream, node->label->path);
        }
        fprintf(stream, "\\n");
        quoted(stream, node->op->formula);
        fprintf(stream, "\", tooltip=\"");
        quoted(stream, node->where.file != NULL ? node->where.file : "?");
        fprintf(stream, ":%d\"];\n", node->where.line);
        for (int i = 0; i < node->inputs; i++) {
            const ag_value *input = node->input[i].value;
            if (input == NULL) {
                continue;
            }
            if (node->input[i].producer == NULL && first_use(ctx, wanted, k, i, input)) {
                leaf(stream, input);
            }
            edge(stream, node, &node->input[i]);
        }
    }
    fprintf(stream, "}\n");
    free(wanted);
    if (ferror(stream)) {
        return ag_error_raise(where, AG_ERROR_FILE, "ag_tape_dot: the stream cannot be written to");
    }
    return AG_OK;
}
