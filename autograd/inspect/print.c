/*
 * The tape as a table, with its numbers and its totals.
 */
#include <stdlib.h>
#include <string.h>

#include "inspect.h"
#include "survey.h"

#define DEFAULTS 0x70726e74u

ag_print_config ag_print_defaults(void)
{
    ag_print_config config = {.made_by_defaults = DEFAULTS};
    return config;
}

/* ---- which nodes ------------------------------------------------------------------------------------------------------- */

static bool named(const ag_node *node, const char *name)
{
    bool found = strstr(node->label->path, name) != NULL;
    for (int i = 0; i < node->inputs && !found; i++) {
        const ag_value *v = node->input[i].value;
        found = v != NULL && v->name != NULL && strstr(v->name, name) != NULL;
    }
    for (int i = 0; i < node->outputs && !found; i++) {
        const ag_value *v = node->output[i];
        found = v != NULL && v->name != NULL && strstr(v->name, name) != NULL;
    }
    return found;
}

/* "train.c" means any file of that name, "src/train.c" the one in a folder of that name. */
static bool of_file(const ag_node *node, const char *file)
{
    const char *own = node->where.file;
    size_t length = strlen(file), all = own == NULL ? 0 : strlen(own);
    return all >= length && strcmp(own + all - length, file) == 0 && (all == length || own[all - length - 1] == '/');
}

static bool chosen(const ag_print_config *c, const ag_node *node)
{
    return (c->operation == NULL || strcmp(node->op->name, c->operation) == 0) && (c->name == NULL || named(node, c->name)) &&
           (c->file == NULL || of_file(node, c->file)) && (c->line == 0 || node->where.line == c->line);
}

/* ---- the table --------------------------------------------------------------------------------------------------------- */

static void numbers(FILE *stream, const ag_value *v, const char *nothing)
{
    struct ag_survey s = ag_survey_of(v);
    char text[48];
    if (!s.there) {
        fprintf(stream, " %33s", nothing);
        return;
    }
    if (s.min > s.max) {
        snprintf(text, sizeof(text), s.nans > 0 ? "%lld NaN" : s.infinities > 0 ? "%lld inf" : "empty",
                 (long long)(s.nans > 0 ? s.nans : s.infinities));
        fprintf(stream, " %33s", text);
        return;
    }
    fprintf(stream, " %10.4g %10.4g %10.4g", s.norm, s.min, s.max);
    if (s.nans + s.infinities > 0) {
        fprintf(stream, " (%lld NaN, %lld inf)", (long long)s.nans, (long long)s.infinities);
    }
}

static void heading(FILE *stream, bool with_numbers)
{
    fprintf(stream, "%5s  %-14s %-28s %-18s %-8s %10s  %-8s %-16s %s", "node", "operation", "inputs", "result", "type",
            "bytes", "saved", "part", "line");
    if (with_numbers) {
        fprintf(stream, "\n%5s  %10s %10s %10s %10s %10s %10s %10s", "", "", "value:norm", "min", "max", "grad:norm", "min", "max");
    }
    fprintf(stream, "\n");
}

static void row(FILE *stream, const ag_node *node, bool with_numbers)
{
    char inputs[256] = "", saved[128], shape[AG_SHAPE_TEXT], item[96], name[64], bytes[32], line[64];
    long long k = (long long)node->index;
    snprintf(name, sizeof(name), "%s%s", node->op->name, node->in_place ? "_" : "");
    ag_place_text(node->where, line, sizeof(line));
    const ag_value *y = node->output[0];
    if (y == NULL) {
        fprintf(stream, "%5lld  %-14s %-28s %-18s %-8s %10s  %-8s %-16s %s\n", k, name, "(freed by backward)", "", "", "", "",
                node->label->path, line);
        return;
    }
    for (int i = 0; i < node->inputs; i++) {
        ag_text_append(inputs, sizeof(inputs), ag_input_text(&node->input[i], item, sizeof(item)), " ");
    }
    snprintf(bytes, sizeof(bytes), "%lld", (long long)(y->numel * (int64_t)ag_dtype_size((ag_dtype)y->dtype)));
    fprintf(stream, "%5lld  %-14s %-28s %-18s %-8s %10s  %-8s %-16s %s\n", k, name, inputs,
            ag_shape_format(ag_value_shape_of(y), shape, sizeof(shape)), ag_dtype_name((ag_dtype)y->dtype),
            y->view ? "view" : bytes, ag_saved_text(node, saved, sizeof(saved)), node->label->path, line);
    for (int i = 0; with_numbers && i < node->outputs; i++) {
        char which[16] = "";
        if (node->outputs > 1) {
            snprintf(which, sizeof(which), "y%d", i);
        }
        fprintf(stream, "%5s  %10s", "", which);
        numbers(stream, node->output[i], "released");
        const ag_value *g = ag_node_gradient(node, i);
        numbers(stream, g, node->state == AG_NODE_FREED ? "not kept" : "no gradient yet");
        fprintf(stream, "\n");
    }
}

/* Leaves that the chosen nodes use: parameters, inputs. */
static void leaves(FILE *stream, const ag_context *ctx, const bool *wanted)
{
    bool any = false;
    for (int64_t k = 0; k < ctx->nodes; k++) {
        const ag_node *node = ctx->node[k];
        for (int i = 0; wanted[k] && i < node->inputs; i++) {
            const ag_value *v = node->input[i].value;
            bool seen = v == NULL || node->input[i].producer != NULL || !v->requires_grad;
            for (int64_t a = 0; a <= k && !seen; a++) {
                for (int b = 0; wanted[a] && !seen && b < (a == k ? i : ctx->node[a]->inputs); b++) {
                    seen = ctx->node[a]->input[b].value == v;
                }
            }
            if (seen) {
                continue;
            }
            char shape[AG_SHAPE_TEXT], name[96];
            fprintf(stream, "%s%5s  %-14s %-28s\n%5s  %10s", any ? "" : "leaves\n", "", ag_input_text(&node->input[i], name, sizeof(name)),
                    ag_shape_format(ag_value_shape_of(v), shape, sizeof(shape)), "", "");
            any = true;
            numbers(stream, v, "released");
            numbers(stream, ag_leaf_gradient_now(v), v->grad_failed ? "half-done" : "no gradient");
            fprintf(stream, "\n");
        }
    }
}

/* ---- totals ------------------------------------------------------------------------------------------------------------- */

struct total {
    char key[96];
    int64_t nodes, bytes, saved;
    double forward, backward;
    bool timed;
};

static const char *key_of(const ag_node *node, int kind, char *text, size_t bytes)
{
    if (kind == 0) {
        snprintf(text, bytes, "%s", node->op->name);
    } else if (kind == 1) {
        snprintf(text, bytes, "%s", node->label->path[0] != '\0' ? node->label->path : "(no layer)");
    } else {
        ag_place_text(node->where, text, bytes);
    }
    return text;
}

static int64_t bytes_of(const ag_value *v)
{
    return v == NULL ? 0 : v->numel * (int64_t)ag_dtype_size((ag_dtype)v->dtype);
}

static void add_to_total(struct total *t, const ag_node *node)
{
    t->nodes++;
    for (int i = 0; i < node->outputs; i++) {
        const ag_value *y = node->output[i];
        t->bytes += y == NULL || y->view ? 0 : bytes_of(y);
        t->saved += (node->saves & AG_SAVE_OUTPUT(i)) != 0 ? bytes_of(y) : 0;
    }
    for (int i = 0; i < node->inputs; i++) {
        t->saved += node->input[i].saved ? bytes_of(node->input[i].value) : 0;
    }
    if (node->kept != NULL) {
        t->timed = true;
        t->forward += node->kept->forward;
        t->backward += node->kept->backward;
    }
}

static int by_bytes(const void *a, const void *b)
{
    const struct total *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes) : strcmp(x->key, y->key);
}

static void print_totals(FILE *stream, const ag_context *ctx, const bool *wanted, int kind, struct total *total)
{
    static const char *const title[3] = {"operation", "part", "line"};
    int64_t count = 0;
    char key[96];
    for (int64_t k = 0; k < ctx->nodes; k++) {
        if (!wanted[k]) {
            continue;
        }
        key_of(ctx->node[k], kind, key, sizeof(key));
        int64_t at = 0;
        while (at < count && strcmp(total[at].key, key) != 0) {
            at++;
        }
        if (at == count) {
            memset(&total[count], 0, sizeof(*total));
            memcpy(total[count++].key, key, sizeof(key));
        }
        add_to_total(&total[at], ctx->node[k]);
    }
    qsort(total, (size_t)count, sizeof(*total), by_bytes);
    fprintf(stream, "\n%-28s %8s %12s %12s %12s %12s\n", title[kind], "nodes", "bytes", "saved", "forward", "backward");
    for (int64_t i = 0; i < count; i++) {
        const struct total *t = &total[i];
        fprintf(stream, "%-28s %8lld %12lld %12lld", t->key, (long long)t->nodes, (long long)t->bytes, (long long)t->saved);
        if (t->timed) {
            fprintf(stream, " %9.1f us %9.1f us", 1e6 * t->forward, 1e6 * t->backward);
        } else {
            fprintf(stream, " %12s %12s", "-", "-");
        }
        fprintf(stream, "\n");
    }
}

bool ag_totals_print(ag_place where, const char *function, FILE *stream, const ag_context *ctx, const bool *wanted)
{
    struct total *total = calloc((size_t)ctx->nodes + 1, sizeof(*total));
    if (total == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return false;
    }
    for (int kind = 0; kind < 3; kind++) {
        print_totals(stream, ctx, wanted, kind, total);
    }
    free(total);
    return true;
}

/* ---- calls ------------------------------------------------------------------------------------------------------------- */

static ag_error print(ag_place where, const char *function, FILE *stream, const ag_print_config *config)
{
    const ag_context *ctx = ag_context_get();
    const ag_value *loss = ag_is_none(config->loss) || ctx == NULL ? NULL : ag_resolve_own(where, function, config->loss);
    if (ctx == NULL || ag_error_code() != AG_OK || !ag_stream_given(where, function, stream)) {
        return ag_error_code();
    }
    bool *wanted = ag_tape_cone(where, function, ctx, loss);
    if (wanted == NULL) {
        return ag_error_code();
    }
    heading(stream, config->numbers);
    for (int64_t k = 0; k < ctx->nodes; k++) {
        wanted[k] = wanted[k] && chosen(config, ctx->node[k]);
        if (wanted[k]) {
            row(stream, ctx->node[k], config->numbers);
        }
    }
    if (config->numbers) {
        leaves(stream, ctx, wanted);
    }
    if (config->totals) {
        ag_totals_print(where, function, stream, ctx, wanted);
    }
    free(wanted);
    return ag_stream_result(where, function, stream);
}

ag_error ag_tape_print(FILE *stream)
{
    ag_print_config config = ag_print_defaults();
    return print(ag_caller(), "ag_tape_print", stream, &config);
}

ag_error ag_tape_print_with_at(ag_place where, FILE *stream, ag_print_config config)
{
    if (config.made_by_defaults != DEFAULTS) {
        return ag_error_raise(where, AG_ERROR_STATE, "ag_tape_print_with: the config does not come from ag_print_defaults()");
    }
    return print(where, "ag_tape_print_with", stream, &config);
}
