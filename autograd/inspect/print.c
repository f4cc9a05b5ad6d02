/*
 * The tape as a table.
 */
#include <string.h>

#include "../internal.h"
#include "inspect.h"

/* "#3" for the result of node 3, "#3.1" for its second output, a name, or "leaf". A name stands for what the tensor is now: what
 * was read before a change in place is called by its node. */
static void name_input(const struct ag_node_input *input, char *text, size_t bytes)
{
    const ag_value *v = input->value;
    if (v == NULL) {
        snprintf(text, bytes, "-");
    } else if (v->name != NULL && v->producer == input->producer) {
        snprintf(text, bytes, "%s", v->name);
    } else if (input->producer != NULL && input->output > 0) {
        snprintf(text, bytes, "#%lld.%d", (long long)input->producer->index, input->output);
    } else if (input->producer != NULL) {
        snprintf(text, bytes, "#%lld", (long long)input->producer->index);
    } else {
        char shape[AG_SHAPE_TEXT];
        snprintf(text, bytes, "%s%s", v->requires_grad ? "leaf" : "const",
                 ag_shape_format(ag_value_shape_of(v), shape, sizeof(shape)));
    }
}

static void append(char *text, size_t bytes, const char *more, const char *between)
{
    size_t used = strlen(text);
    snprintf(text + used, bytes - used, "%s%s", used > 0 ? between : "", more);
}

/* "x0, y": what the node keeps for backward. */
static void name_saved(const ag_node *node, char *text, size_t bytes)
{
    char item[32];
    text[0] = '\0';
    for (int i = 0; i < node->inputs; i++) {
        if (node->input[i].saved) {
            snprintf(item, sizeof(item), "x%d", i);
            append(text, bytes, item, ",");
        }
    }
    for (int i = 0; i < node->outputs; i++) {
        if ((node->op->saves & AG_SAVE_OUTPUT(i)) != 0) {
            snprintf(item, sizeof(item), node->outputs > 1 ? "y%d" : "y", i);
            append(text, bytes, item, ",");
        }
    }
    if (text[0] == '\0') {
        snprintf(text, bytes, "-");
    }
}

ag_error ag_tape_print(FILE *stream)
{
    const ag_context *ctx = ag_context_get();
    if (ctx == NULL) {
        return ag_error_code();
    }
    if (stream == NULL) {
        return ag_error_raise(ag_caller(), AG_ERROR_VALUE, "ag_tape_print: the stream is NULL");
    }
    fprintf(stream, "%5s  %-14s %-28s %-18s %-8s %10s  %-8s %-16s %s\n", "node", "operation", "inputs", "result", "type",
            "bytes", "saved", "part", "line");
    for (int64_t k = 0; k < ctx->nodes; k++) {
        const ag_node *node = ctx->node[k];
        char inputs[256] = "", saved[128], shape[AG_SHAPE_TEXT], item[96], name[64];
        snprintf(name, sizeof(name), "%s%s", node->op->name, node->in_place ? "_" : "");
        const char *file = node->where.file != NULL ? node->where.file : "?";
        const char *slash = strrchr(file, '/');
        file = slash != NULL ? slash + 1 : file;
        if (node->state == AG_NODE_FREED) {
            fprintf(stream, "%5lld  %-14s %-28s %-18s %-8s %10s  %-8s %-16s %s:%d\n", (long long)k, name,
                    "(freed by backward)", "", "", "", "", node->label->path, file, node->where.line);
            continue;
        }
        for (int i = 0; i < node->inputs; i++) {
            name_input(&node->input[i], item, sizeof(item));
            append(inputs, sizeof(inputs), item, " ");
        }
        const ag_value *y = node->output[0];
        name_saved(node, saved, sizeof(saved));
        char bytes[32];
        snprintf(bytes, sizeof(bytes), "%lld", (long long)(y->numel * (int64_t)ag_dtype_size((ag_dtype)y->dtype)));
        fprintf(stream, "%5lld  %-14s %-28s %-18s %-8s %10s  %-8s %-16s %s:%d\n", (long long)k, name, inputs,
                ag_shape_format(ag_value_shape_of(y), shape, sizeof(shape)), ag_dtype_name((ag_dtype)y->dtype),
                y->view ? "view" : bytes, saved, node->label->path, file, node->where.line);
    }
    if (ferror(stream)) {
        return ag_error_raise(ag_caller(), AG_ERROR_FILE, "ag_tape_print: the stream cannot be written to");
    }
    return AG_OK;
}
