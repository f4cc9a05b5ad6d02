/*
 * The tape as a Graphviz digraph: a box of boxes for the parts of the model, and in them one for each line.
 */
#include <stdlib.h>
#include <string.h>

#include "../internal.h"
#include "document.h"
#include "inspect.h"
#include "survey.h"

#define FEW 8 /* elements that a label lists */

struct drawing {
    FILE *stream;
    const json_t *nodes, *leaves;
    bool *done; /* by place in nodes */
    int clusters;
};

static const char *string_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static long long integer_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

/* Text inside a quoted DOT string. */
static void quoted(FILE *stream, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', stream);
        }
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, stream);
    }
}

static void shape_text(const json_t *shape, char *text, size_t bytes)
{
    char item[32];
    size_t n = json_array_size(shape);
    snprintf(text, bytes, "(");
    for (size_t i = 0; i < n; i++) {
        snprintf(item, sizeof(item), "%s%lld", i > 0 ? "," : "", (long long)json_integer_value(json_array_get(shape, i)));
        ag_text_append(text, bytes, item, "");
    }
    ag_text_append(text, bytes, ")", "");
}

static void number(FILE *stream, const json_t *x)
{
    if (json_is_string(x)) {
        fputs(json_string_value(x), stream);
    } else {
        fprintf(stream, "%.4g", json_number_value(x));
    }
}

/* "\nvalue 1 2 3", or what the numbers are like, or why they are not there. */
static void content(FILE *stream, const char *what, const json_t *c)
{
    const json_t *numbers = json_object_get(c, "numbers");
    size_t n = json_array_size(numbers);
    if (json_is_string(c)) {
        if (strcmp(json_string_value(c), "none") != 0) {
            fprintf(stream, "\\n%s %s", what, json_string_value(c));
        }
        return;
    }
    fprintf(stream, "\\n%s", what);
    for (size_t i = 0; n <= FEW && i < n; i++) {
        fputc(' ', stream);
        number(stream, json_array_get(numbers, i));
    }
    if (numbers == NULL || n > FEW) {
        fputs(" norm ", stream);
        number(stream, json_object_get(c, "norm"));
        if (json_object_get(c, "min") != NULL) {
            fputs(", ", stream);
            number(stream, json_object_get(c, "min"));
            fputs(" to ", stream);
            number(stream, json_object_get(c, "max"));
        }
    }
}

static void node_line(struct drawing *d, const json_t *node, int depth)
{
    FILE *f = d->stream;
    long long k = integer_of(node, "node");
    fprintf(f, "%*sn%lld [shape=box, style=filled, fillcolor=\"#dae8fc\", label=\"#%lld ", 2 * depth, "", k, k);
    quoted(f, string_of(node, "operation"));
    fputs(json_is_true(json_object_get(node, "in_place")) ? "_" : "", f);
    if (string_of(node, "layer")[0] != '\0') {
        fputs("\\n", f);
        quoted(f, string_of(node, "layer"));
    }
    fputs("\\n", f);
    quoted(f, strcmp(string_of(node, "state"), "freed") == 0 ? "freed by backward" : string_of(node, "formula"));
    size_t i;
    const json_t *output;
    json_array_foreach(json_object_get(node, "outputs"), i, output) {
        content(f, "value", json_object_get(output, "value"));
        content(f, "gradient", json_object_get(output, "gradient"));
    }
    fputs("\", tooltip=\"", f);
    quoted(f, string_of(node, "line"));
    fputs("\"];\n", f);
}

static void leaf_line(FILE *f, const json_t *leaf, size_t i)
{
    char shape[AG_SHAPE_TEXT];
    bool trained = strcmp(string_of(leaf, "kind"), "leaf") == 0;
    shape_text(json_object_get(leaf, "shape"), shape, sizeof(shape));
    fprintf(f, "  v%zu [shape=ellipse, style=filled, fillcolor=\"%s\", label=\"", i, trained ? "#d5e8d4" : "#f5f5f5");
    quoted(f, json_object_get(leaf, "name") != NULL ? string_of(leaf, "name") : string_of(leaf, "kind"));
    fprintf(f, "\\n%s %s", string_of(leaf, "type"), shape);
    content(f, "value", json_object_get(leaf, "value"));
    content(f, "gradient", json_object_get(leaf, "gradient"));
    fputs("\"];\n", f);
}

static void edges(FILE *f, const json_t *node)
{
    char shape[AG_SHAPE_TEXT];
    size_t i;
    const json_t *input;
    json_array_foreach(json_object_get(node, "inputs"), i, input) {
        if (json_is_null(input)) {
            continue;
        }
        bool leaf = json_object_get(input, "leaf") != NULL;
        shape_text(json_object_get(input, "shape"), shape, sizeof(shape));
        fprintf(f, "  %c%lld -> n%lld [label=\"%s\"];\n", leaf ? 'v' : 'n', integer_of(input, leaf ? "leaf" : "node"),
                integer_of(node, "node"), shape);
    }
}

/* How many parts the layer's path has. */
static int parts_of(const json_t *node)
{
    const char *path = string_of(node, "layer");
    int parts = *path != '\0';
    for (; *path != '\0'; path++) {
        parts += *path == '.';
    }
    return parts;
}

/* The name of the node's box at this depth: one part of its layer's path, then, behind the last, its line; NULL below that. */
static const char *box_of(const json_t *node, int depth, size_t *length)
{
    const char *path = string_of(node, "layer");
    if (depth >= parts_of(node)) {
        path = string_of(node, "line");
        *length = strlen(path);
        return depth == parts_of(node) ? path : NULL;
    }
    for (; depth > 0; depth--) {
        path += strcspn(path, ".") + 1;
    }
    *length = strcspn(path, ".");
    return path;
}

/* Whether two nodes are in the same box down to the depth. */
static bool together(const json_t *a, const json_t *b, int depth)
{
    for (int i = 0; i <= depth; i++) {
        size_t n, m;
        const char *x = box_of(a, i, &n), *y = box_of(b, i, &m);
        if (x == NULL || y == NULL || n != m || strncmp(x, y, n) != 0 || (parts_of(a) == i) != (parts_of(b) == i)) {
            return false;
        }
    }
    return true;
}

/* The box at this depth that node `first` is in, with all that is in it. */
static void box(struct drawing *d, size_t first, int depth)
{
    const json_t *node = json_array_get(d->nodes, first);
    bool line = parts_of(node) == depth;
    size_t length, n = json_array_size(d->nodes);
    const char *name = box_of(node, depth, &length);
    char text[256];
    snprintf(text, sizeof(text), "%.*s", (int)length, name);
    fprintf(d->stream, "%*ssubgraph cluster_%d {\n%*sstyle=\"rounded%s\"; color=\"%s\"; fontname=\"Helvetica\"; fontsize=%d; label=\"",
            2 * depth + 2, "", d->clusters++, 2 * depth + 4, "", line ? ",dashed" : ",bold", line ? "#b0b0b0" : "#6c8ebf", line ? 9 : 11);
    quoted(d->stream, text);
    fputs("\";\n", d->stream);
    for (size_t k = first; k < n; k++) {
        const json_t *other = json_array_get(d->nodes, k);
        if (d->done[k] || !together(node, other, depth)) {
            continue;
        }
        if (line) {
            node_line(d, other, depth + 2);
            d->done[k] = true;
        } else {
            box(d, k, depth + 1);
        }
    }
    fprintf(d->stream, "%*s}\n", 2 * depth + 2, "");
}

ag_error ag_tape_dot_at(ag_place where, FILE *stream, ag_tensor output)
{
    if (ag_error_code() != AG_OK || !ag_stream_given(where, "ag_tape_dot", stream)) {
        return ag_error_code();
    }
    json_t *document = ag_tape_document(where, "ag_tape_dot", output);
    struct drawing d = {.stream = stream};
    d.nodes = json_object_get(document, "nodes");
    d.leaves = json_object_get(document, "leaves");
    d.done = document == NULL ? NULL : calloc(json_array_size(d.nodes) + 1, sizeof(bool));
    if (d.done == NULL) {
        json_decref(document);
        return ag_error_code() != AG_OK ? ag_error_code()
                                        : ag_error_raise(where, AG_ERROR_MEMORY, "ag_tape_dot: out of memory");
    }
    fputs("digraph tape {\n  rankdir=TB;\n  node [fontname=\"Helvetica\", fontsize=10];\n"
          "  edge [fontname=\"Helvetica\", fontsize=9];\n", stream);
    for (size_t k = 0; k < json_array_size(d.nodes); k++) {
        if (!d.done[k]) {
            box(&d, k, 0);
        }
    }
    for (size_t i = 0; i < json_array_size(d.leaves); i++) {
        leaf_line(stream, json_array_get(d.leaves, i), i);
    }
    for (size_t k = 0; k < json_array_size(d.nodes); k++) {
        edges(stream, json_array_get(d.nodes, k));
    }
    fputs("}\n", stream);
    free(d.done);
    json_decref(document);
    return ag_stream_result(where, "ag_tape_dot", stream);
}
