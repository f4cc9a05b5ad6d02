/*
 * The debugger's way forward: operations computed again, with other numbers if the user likes.
 */
#include <stdlib.h>

#include "debug_internal.h"
#include "replay.h"
#include "survey.h"

void debug_replay_forget(ag_debugger *d)
{
    if (d->replay != NULL) {
        ag_replay_free(d->replay);
        d->replay = NULL;
    }
}

static bool begin_replay(ag_debugger *d)
{
    if (d->replay == NULL) {
        d->replay = ag_replay_new_at(d->where, d->loss);
        for (int64_t i = 0; i < d->changes && ag_error_code() == AG_OK; i++) {
            const struct change *c = &d->change[i];
            ag_replay_put(d->replay, (struct ag_edge){c->node, c->output, c->tensor}, c->value);
        }
    }
    return ag_error_code() == AG_OK;
}

static void replayed(ag_debugger *d, int64_t k)
{
    char what[64];
    ag_frame frame = ag_frame_begin();
    ag_tensor y = ag_replay_value_at(d->where, d->replay, k, 0);
    snprintf(what, sizeof(what), "#%lld %s", (long long)k, d->ctx->node[k]->op->name);
    if (ag_error_code() == AG_OK && !ag_is_none(y)) {
        ag_value_print(d->out, what, ag_peek(y), "none");
    }
    ag_frame_end_n(frame, 0, NULL);
}

bool debug_replay(ag_debugger *d, int n, char **word)
{
    int64_t times = -1;
    if (n > 1 && (!debug_whole_number(word[1], &times) || times < 1)) {
        return debug_say(d, "replay takes how many operations to compute again, such as replay 3; without it, all");
    }
    if (d->replay != NULL && ag_replay_node(d->replay) < 0) {
        debug_replay_forget(d);
    }
    while (times != 0 && begin_replay(d) && ag_replay_node(d->replay) >= 0) {
        int64_t k = ag_replay_node(d->replay);
        ag_replay_step(d->replay);
        if (ag_error_code() == AG_OK && (times > 0 || k == d->end)) {
            replayed(d, k);
        }
        times -= times > 0;
    }
    if (ag_error_code() == AG_OK && d->replay != NULL && ag_replay_node(d->replay) < 0) {
        ag_value_print(d->out, "recorded", ag_peek(d->loss), "none");
    }
    return true;
}

bool debug_set(ag_debugger *d, int n, char **word)
{
    struct debug_tensor t;
    int64_t element;
    char *end = NULL;
    if (n < 4 || !debug_whole_number(word[2], &element)) {
        return debug_say(d, "set takes a tensor, an element and a number, such as set #3 0 1.5; \"replay\" then shows what comes of it");
    }
    double x = strtod(word[3], &end);
    if (end == word[3] || *end != '\0') {
        fprintf(d->out, "%s is no number\n", word[3]);
        return true;
    }
    if (!debug_word(d, word[1], &t)) {
        return true;
    }
    if (!ag_value_there(t.value) || element < 0 || element >= t.value->numel) {
        fprintf(d->out, ag_value_there(t.value) ? "%s has elements 0 to %lld\n" : "the numbers of %s are released\n", word[1],
                (long long)(t.value->numel - 1));
        return true;
    }
    int64_t i = 0;
    while (i < d->changes && (d->change[i].node != t.node || (t.node == NULL ? d->change[i].tensor != t.value : d->change[i].output != t.output))) {
        i++;
    }
    if (i == d->changes) {
        if (!ag_grow((void **)&d->change, d->changes, &d->change_capacity, sizeof(*d->change))) {
            return true;
        }
        ag_tensor copy = ag_value_copy_out(d->where, "ag_debug", t.value);
        if (ag_error_code() != AG_OK) {
            return true;
        }
        d->change[d->changes++] = (struct change){NULL, NULL, t.node, t.output};
        ag_held_set(&d->change[i].tensor, t.value);
        ag_held_set(&d->change[i].value, ag_peek(copy));
    }
    ag_value *v = d->change[i].value;
    ag_array whole = ag_value_array(v), one = whole;
    one.data = (char *)whole.data + (size_t)element * ag_dtype_size(whole.dtype); /* the copy is row-major */
    one.numel = 1;
    one.ndim = 0;
    ag_array_fill(one, x);
    debug_replay_forget(d);
    return debug_say(d, "set for \"replay\"; the tape itself is as it was");
}
