/*
 * How a line of the debugger may go on.
 */
#include <string.h>

#include "debug_internal.h"

struct completion {
    const char *begin;
    size_t length;
    int left; /* how many possibilities are to be passed over */
    char *text;
    size_t bytes;
};

/* Whether `word` is the possibility that is looked for. */
static bool offer(struct completion *c, const char *word)
{
    if (word == NULL || strncmp(word, c->begin, c->length) != 0 || c->left-- > 0) {
        return false;
    }
    snprintf(c->text, c->bytes, "%s", word);
    return true;
}

static bool offer_names(struct completion *c, const ag_debugger *d)
{
    for (int64_t k = 0; k < d->ctx->nodes; k++) {
        const ag_node *node = d->ctx->node[k];
        for (int i = 0; d->wanted[k] && i < node->inputs + node->outputs; i++) {
            const ag_value *v = i < node->inputs ? node->input[i].value : node->output[i - node->inputs];
            bool first = v != NULL && v->name != NULL;
            for (int64_t a = 0; first && a <= k; a++) { /* each tensor once */
                const ag_node *other = d->ctx->node[a];
                for (int b = 0; first && d->wanted[a] && b < (a == k && i < node->inputs ? i : other->inputs); b++) {
                    first = other->input[b].value != v;
                }
            }
            if (first && offer(c, v->name)) {
                return true;
            }
        }
    }
    return offer(c, "loss");
}

static bool offer_operations(struct completion *c, const ag_debugger *d)
{
    for (int64_t k = 0; k < d->ctx->nodes; k++) {
        bool first = d->wanted[k];
        for (int64_t a = 0; first && a < k; a++) {
            first = !d->wanted[a] || d->ctx->node[a]->op != d->ctx->node[k]->op;
        }
        if (first && offer(c, d->ctx->node[k]->op->name)) {
            return true;
        }
    }
    return false;
}

static bool offer_words(struct completion *c, const char *const *word)
{
    for (; *word != NULL; word++) {
        if (offer(c, *word)) {
            return true;
        }
    }
    return false;
}

bool ag_debugger_complete(ag_debugger *d, const char *line, int k, char *text, size_t bytes)
{
    const char *last = line + strlen(line);
    while (last > line && last[-1] != ' ') {
        last--;
    }
    struct completion c = {last, strlen(last), k, text, bytes};
    char first[32];
    line += strspn(line, " ");
    snprintf(first, sizeof(first), "%.*s", (int)strcspn(line, " "), line);
    bool several, is_first = last <= line;
    const struct debug_command *command = is_first ? NULL : debug_command_of(first, &several);
    if (d->nil || !debug_alive(d) || k < 0) {
        return false;
    }
    for (int i = 0; (is_first || (command != NULL && command->after == 'c')) && i < debug_command_count; i++) {
        if (offer(&c, debug_commands[i].name)) {
            return true;
        }
    }
    if (command == NULL || is_first) {
        return false;
    }
    if (last - line >= 3 && strncmp(last - 3, "op ", 3) == 0) {
        return offer_operations(&c, d);
    }
    if (command->after == 'r' && offer_words(&c, (const char *const[]){"to", "op", "nonfinite", NULL})) {
        return true;
    }
    if (command->after == 'l') {
        return offer_words(&c, (const char *const[]){"all", "op", "name", "line", NULL});
    }
    return (command->after == 'n' || command->after == 'r') && offer_names(&c, d);
}
