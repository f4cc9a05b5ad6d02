/*
 * The debugger: a line is cut into words, and a table says which function answers. What is printed is in debug_show.c.
 */
#include "debug_internal.h"

#include <stdlib.h>
#include <string.h>

#include "../error_internal.h"
#include "explain.h"
#include "inspect.h"
#include "replay.h"
#include "survey.h"

#define WORDS 6

static ag_debugger nil_debugger = {.nil = true};


/* ---- small things ------------------------------------------------------------------------------------------------------------ */

bool debug_say(ag_debugger *d, const char *text)
{
    fprintf(d->out, "%s\n", text);
    return true;
}

static bool standing(const ag_debugger *d)
{
    return d->stepper != NULL && ag_stepper_node(d->stepper) >= 0;
}

/* Whether the scope whose operations are looked at is open still. */
bool debug_alive(const ag_debugger *d)
{
    for (int i = 0; ag_current == d->ctx && i < d->ctx->scopes; i++) {
        if (d->ctx->scope[i].serial == d->scope) {
            return true;
        }
    }
    return false;
}

bool debug_whole_number(const char *text, int64_t *number)
{
    char *end;
    *number = strtoll(text, &end, 10);
    return end != text && *end == '\0';
}

/* The tensor that a word names; says so if there is none. */
bool debug_word(ag_debugger *d, const char *word, struct debug_tensor *t)
{
    char why[256];
    if (strcmp(word, "loss") == 0) {
        snprintf(why, sizeof(why), "#%lld", (long long)d->end);
        return debug_find(d->ctx, d->wanted, why, t, why, sizeof(why));
    }
    if (!debug_find(d->ctx, d->wanted, word, t, why, sizeof(why))) {
        debug_say(d, why);
        return false;
    }
    return true;
}

/* Says what went wrong in a call of the library, and forgets it. */
static bool failed(ag_debugger *d)
{
    if (ag_error_code() == AG_OK) {
        return false;
    }
    fprintf(d->out, "%s\n", ag_error_message());
    ag_error_clear();
    return true;
}

static bool show_stop(ag_debugger *d)
{
    if (standing(d)) {
        ag_stepper_print(d->stepper, d->out);
    } else if (!failed(d)) {
        d->finished = true;
        debug_say(d, "backward is at its end; the gradients are in the leaves");
    }
    return true;
}

/* Begins backward if it has not begun; false if there is nothing to step through. */
static bool begin(ag_debugger *d)
{
    if (d->finished) {
        debug_say(d, "backward is at its end; \"restart\" begins anew");
        return false;
    }
    if (d->stepper == NULL) {
        ag_backward_config config = ag_backward_defaults();
        config.retain_graph = true;
        d->stepper = ag_stepper_new_at(d->where, d->loss, config);
        if (failed(d)) {
            ag_stepper_free(d->stepper);
            d->stepper = NULL;
            return false;
        }
    }
    return true;
}

/* ---- backward ---------------------------------------------------------------------------------------------------------------- */

static bool do_start(ag_debugger *d, int n, char **word)
{
    (void)n, (void)word;
    return d->stepper != NULL && !d->finished ? show_stop(d) : begin(d) ? show_stop(d) : true;
}

static bool do_restart(ag_debugger *d, int n, char **word)
{
    (void)n, (void)word;
    if (d->stepper != NULL) {
        ag_stepper_free(d->stepper);
        d->stepper = NULL;
    }
    d->finished = false;
    for (int64_t k = 0; k < d->ctx->nodes; k++) {
        const ag_node *node = d->ctx->node[k];
        for (int i = 0; d->wanted[k] && i < node->inputs; i++) {
            const struct ag_node_input *input = &node->input[i];
            if (input->value != NULL && input->producer == NULL && input->value->requires_grad) {
                ag_value *v = input->value;
                bool borrowed = ag_value_borrow(v);
                ag_zero_grad_at(d->where, ag_handle(v));
                if (borrowed) {
                    ag_value_hide(v);
                }
            }
        }
    }
    return failed(d) || do_start(d, n, word);
}

static bool do_step(ag_debugger *d, int n, char **word)
{
    int64_t times = 1;
    if (n > 1 && (!debug_whole_number(word[1], &times) || times < 1)) {
        return debug_say(d, "step takes a number of operations, such as step 3");
    }
    times -= d->stepper == NULL; /* the first step is to the first stop */
    if (!begin(d)) {
        return true;
    }
    while (times-- > 0 && standing(d)) {
        ag_stepper_step(d->stepper);
    }
    return show_stop(d);
}

static bool do_out(ag_debugger *d, int n, char **word)
{
    (void)n, (void)word;
    if (begin(d)) {
        ag_stepper_out(d->stepper);
        show_stop(d);
    }
    return true;
}

static bool do_run(ag_debugger *d, int n, char **word)
{
    int at = n > 1 && strcmp(word[1], "to") == 0 ? 2 : 1;
    struct debug_tensor t;
    if (n > 1 && at >= n) {
        return debug_say(d, "run to what? a node (#3), a name, op NAME, nonfinite");
    }
    if (n > at && strcmp(word[at], "op") == 0 && at + 1 >= n) {
        return debug_say(d, "run to op takes the name of an operation, such as run to op mul");
    }
    bool by_op = n > at && strcmp(word[at], "op") == 0, nonfinite = n > at && strcmp(word[at], "nonfinite") == 0;
    if (n > at && !by_op && !nonfinite && !debug_word(d, word[at], &t)) {
        return true;
    }
    if (!begin(d)) {
        return true;
    }
    if (n <= at) {
        ag_stepper_finish(d->stepper);
    } else if (by_op) {
        ag_stepper_to_op(d->stepper, word[at + 1]);
    } else if (nonfinite) {
        ag_stepper_to_nonfinite(d->stepper);
        if (!standing(d)) {
            debug_say(d, "every gradient is finite");
        }
    } else if (t.node != NULL) {
        ag_stepper_to_node(d->stepper, t.node->index);
    } else {
        bool borrowed = ag_value_borrow(t.value);
        ag_stepper_to_at(d->where, d->stepper, ag_handle(t.value));
        if (borrowed) {
            ag_value_hide(t.value);
        }
    }
    return show_stop(d);
}

/* ---- looking ----------------------------------------------------------------------------------------------------------------- */

static bool do_print(ag_debugger *d, int n, char **word)
{
    struct debug_tensor t;
    if (n == 1) {
        return standing(d) ? show_stop(d) : do_print(d, 2, (char *[]){"print", "loss"});
    }
    if (debug_word(d, word[1], &t)) {
        debug_tensor_print(d->out, d->ctx, d->wanted, t, n > 2 && strcmp(word[2], "all") == 0);
    }
    return true;
}

static bool do_list(ag_debugger *d, int n, char **word)
{
    int64_t here = standing(d) ? ag_stepper_node(d->stepper) : -1, centre = here >= 0 ? here : d->end, from = centre - 6, to = centre + 5;
    const char *op = n > 2 && strcmp(word[1], "op") == 0 ? word[2] : NULL, *name = n > 2 && strcmp(word[1], "name") == 0 ? word[2] : NULL;
    const char *line = n > 2 && strcmp(word[1], "line") == 0 ? word[2] : NULL;
    if (n > 1 && (op != NULL || name != NULL || line != NULL || strcmp(word[1], "all") == 0)) {
        from = 0;
        to = d->end;
    } else if (n > 1 && (!debug_whole_number(word[1] + (word[1][0] == '#'), &from) ||
                         (n > 2 && !debug_whole_number(word[2] + (word[2][0] == '#'), &to)))) {
        return debug_say(d, "list takes numbers of nodes (list 3 9), or all, op NAME, name PART, line FILE:LINE");
    } else if (n == 2) {
        to = from + 11;
    }
    int rows = 0;
    for (int64_t k = from < 0 ? 0 : from; k <= to && k < d->ctx->nodes; k++) {
        const ag_node *node = d->ctx->node[k];
        char place[64], inputs[96] = "";
        bool shown = d->wanted[k] && (op == NULL || strcmp(node->op->name, op) == 0) &&
                     (line == NULL || strcmp(ag_place_text(node->where, place, sizeof(place)), line) == 0);
        bool named = name == NULL || strstr(node->label->path, name) != NULL;
        for (int i = 0; !named && i < node->inputs; i++) {
            named = strstr(ag_input_text(&node->input[i], inputs, sizeof(inputs)), name) != NULL;
        }
        if (shown && named) {
            debug_row(d->out, node, k == here);
            rows++;
        }
    }
    return rows > 0 ? true : debug_say(d, "no such operation");
}

static bool do_graph(ag_debugger *d, int n, char **word)
{
    struct debug_tensor t;
    int64_t depth = 8;
    char here[32];
    snprintf(here, sizeof(here), "#%lld", (long long)(standing(d) ? ag_stepper_node(d->stepper) : d->end));
    if (n > 2 && (!debug_whole_number(word[2], &depth) || depth < 1)) {
        return debug_say(d, "graph takes a tensor and how deep to go, such as graph #5 3");
    }
    if (debug_word(d, n > 1 ? word[1] : here, &t)) {
        debug_tree(d->out, d->ctx, t, (int)(depth < 60 ? depth : 60));
    }
    return true;
}

static bool do_totals(ag_debugger *d, int n, char **word)
{
    (void)n, (void)word;
    ag_totals_print(d->where, "ag_debug", d->out, d->ctx, d->wanted);
    return true;
}

/* Calls that begin a sweep of their own, and so wait for the end of the one that is stepped through. */
static bool sweep_is_free(ag_debugger *d)
{
    if (standing(d)) {
        debug_say(d, "a backward is being stepped through; \"run\" goes to its end, and then this can be asked");
        return false;
    }
    return true;
}

static bool do_explain(ag_debugger *d, int n, char **word)
{
    struct debug_tensor t;
    if (n < 2) {
        return debug_say(d, "explain takes a name or a node: where its gradient comes from");
    }
    if (debug_word(d, word[1], &t) && sweep_is_free(d)) {
        if (!ag_value_there(t.value)) {
            return debug_say(d, "its numbers are released; ag_retain_tape() keeps them");
        }
        bool borrowed = ag_value_borrow(t.value);
        ag_explain_at(d->where, d->out, d->loss, ag_handle(t.value), ag_explain_defaults());
        if (borrowed) {
            ag_value_hide(t.value);
        }
    }
    return true;
}

static bool do_check(ag_debugger *d, int n, char **word)
{
    struct debug_tensor t;
    if (n < 2) {
        return debug_say(d, "check takes a name or a node: its gradient is compared with differences");
    }
    if (!debug_word(d, word[1], &t)) {
        return true;
    }
    if (!ag_value_there(t.value)) {
        return debug_say(d, "its numbers are released; ag_retain_tape() keeps them");
    }
    bool borrowed = ag_value_borrow(t.value);
    ag_check_report r = ag_check_gradient_at(d->where, d->loss, ag_handle(t.value), ag_check_defaults());
    if (borrowed) {
        ag_value_hide(t.value);
    }
    if (ag_error_code() == AG_OK) {
        fprintf(d->out, "%s: worst of %lld elements is %lld: analytic %.9g, numeric %.9g, relative error %.2e\n", r.passed ? "agrees" : "DIFFERS",
                (long long)r.checked, (long long)r.element, r.analytic, r.numeric, r.worst);
    }
    return true;
}

/* ---- files ------------------------------------------------------------------------------------------------------------------- */

static bool do_html(ag_debugger *d, int n, char **word)
{
    if (n < 2) {
        return debug_say(d, "html takes the name of a file");
    }
    if (ag_tape_html_at(d->where, word[1], d->loss) == AG_OK) {
        fprintf(d->out, "wrote %s: open it in a browser\n", word[1]);
    }
    return true;
}

static bool do_dot(ag_debugger *d, int n, char **word)
{
    bool json = strcmp(word[0], "json") == 0;
    FILE *file = n < 2 ? NULL : fopen(word[1], "w");
    if (n < 2) {
        return debug_say(d, json ? "json takes the name of a file" : "dot takes the name of a file");
    }
    if (file == NULL) {
        fprintf(d->out, "%s cannot be written\n", word[1]);
        return true;
    }
    ag_error error = json ? ag_tape_json_at(d->where, file, d->loss) : ag_tape_dot_at(d->where, file, d->loss);
    if (fclose(file) != 0 || error != AG_OK) {
        remove(word[1]);
        fprintf(d->out, "%s could not be written\n", word[1]);
    } else {
        fprintf(d->out, json ? "wrote %s\n" : "wrote %s: dot -Tsvg draws it\n", word[1]);
    }
    return true;
}

/* ---- the table --------------------------------------------------------------------------------------------------------------- */

static bool do_help(ag_debugger *d, int n, char **word);

static bool do_quit(ag_debugger *d, int n, char **word)
{
    (void)d, (void)n, (void)word;
    return false;
}

const struct debug_command debug_commands[] = {
    {"step", "step [N]", "one operation, or N", do_step, 0},
    {"start", "start", "begins backward, and shows the first stop", do_start, 0},
    {"out", "out", "on to another line of the program", do_out, 0},
    {"run", "run [to #K | to NAME | to op OP | to nonfinite]", "to the end, to a node, until a tensor's gradient is complete, to an "
     "operation, to the first NaN or infinity", do_run, 'r'},
    {"print", "print [#K | NAME | loss [all]]", "the stop; or one tensor, with \"all\" every number", do_print, 'n'},
    {"explain", "explain #K | NAME", "the chain rule along every path to it, or why it gets no gradient", do_explain, 'n'},
    {"check", "check #K | NAME", "its gradient against differences", do_check, 'n'},
    {"list", "list [FROM [TO] | all | op OP | name PART | line FILE:LINE]", "operations of the tape", do_list, 'l'},
    {"graph", "graph [#K | NAME [DEPTH]]", "what it was computed from, as a tree", do_graph, 'n'},
    {"totals", "totals", "memory and time by operation, layer and line", do_totals, 0},
    {"set", "set #K | NAME  ELEMENT  NUMBER", "another number, for replay", debug_set, 'n'},
    {"replay", "replay [N]", "computes all operations again, or the next N", debug_replay, 0},
    {"restart", "restart", "zeroes the gradients and begins backward anew", do_restart, 0},
    {"help", "help [COMMAND]", "this", do_help, 'c'},
    {"html", "html FILE", "writes a page that plays both passes in a browser", do_html, 0},
    {"dot", "dot FILE", "writes a Graphviz drawing", do_dot, 0},
    {"json", "json FILE", "writes the tape as JSON", do_dot, 0},
    {"quit", "quit", "runs what is left of backward, and ends", do_quit, 0},
};
const int debug_command_count = (int)(sizeof(debug_commands) / sizeof(debug_commands[0]));

const struct debug_command *debug_command_of(const char *word, bool *several)
{
    const struct debug_command *found = NULL;
    *several = false;
    for (int i = 0; i < debug_command_count; i++) {
        if (strcmp(debug_commands[i].name, word) == 0) {
            *several = false;
            return &debug_commands[i];
        }
        if (strncmp(debug_commands[i].name, word, strlen(word)) == 0) {
            *several = found != NULL && strlen(word) > 1;
            found = found == NULL ? &debug_commands[i] : found; /* one letter is the first of its kind: s is step, r is run */
        }
    }
    return found;
}

static bool do_help(ag_debugger *d, int n, char **word)
{
    bool several;
    const struct debug_command *only = n > 1 ? debug_command_of(word[1], &several) : NULL;
    for (int i = 0; i < debug_command_count; i++) {
        if (only == NULL || only == &debug_commands[i]) {
            fprintf(d->out, "%s\n        %s\n", debug_commands[i].usage, debug_commands[i].text);
        }
    }
    return only != NULL ? true : debug_say(d, "A command may be shortened. An empty line does the last one again.");
}

/* ---- calls -------------------------------------------------------------------------------------------------------------------- */

ag_debugger *ag_debugger_new_at(ag_place where, ag_tensor loss, FILE *out)
{
    ag_context *ctx = ag_context_get();
    const ag_value *v = ctx == NULL || ag_error_code() != AG_OK ? NULL : ag_resolve_own(where, "ag_debugger_new", loss);
    if (v == NULL || !ag_stream_given(where, "ag_debugger_new", out)) {
        return &nil_debugger;
    }
    if (v->producer == NULL) {
        ag_error_raise(where, AG_ERROR_GRAD, "ag_debugger_new: the tensor was not computed on this tape");
        return &nil_debugger;
    }
    ag_debugger *d = calloc(1, sizeof(*d));
    bool *wanted = d == NULL ? NULL : ag_tape_cone(where, "ag_debugger_new", ctx, v);
    if (wanted == NULL) {
        free(d);
        ag_error_raise(where, AG_ERROR_MEMORY, "ag_debugger_new: out of memory");
        return &nil_debugger;
    }
    *d = (ag_debugger){.ctx = ctx, .where = where, .out = out, .loss = loss, .end = v->producer->index, .wanted = wanted};
    for (int i = ctx->scopes - 1; i >= 0 && d->scope == 0; i--) {
        d->scope = ctx->scope[i].nodes <= d->end || i == 0 ? ctx->scope[i].serial : 0;
    }
    return d;
}

bool ag_debugger_command(ag_debugger *d, const char *line)
{
    char text[DEBUG_LINE], *word[WORDS], *rest = text;
    int n = 0;
    if (d->nil) {
        return false;
    }
    snprintf(text, sizeof(text), "%s", line + strspn(line, " \t\r\n"));
    text[strcspn(text, "\r\n")] = '\0';
    if (text[0] == '\0') {
        snprintf(text, sizeof(text), "%s", d->last);
    }
    memcpy(d->last, text, sizeof(text));
    while (n < WORDS && *(rest += strspn(rest, " \t")) != '\0') {
        word[n++] = rest;
        rest += strcspn(rest, " \t");
        if (*rest != '\0') {
            *rest++ = '\0';
        }
    }
    if (n == 0 || word[0][0] == '#') { /* scripts may have remarks; "#5" alone prints a node */
        return n == 1 && word[0][1] >= '0' && word[0][1] <= '9' && debug_alive(d) ? do_print(d, 2, (char *[]){"print", word[0]}) : true;
    }
    bool several;
    const struct debug_command *command = debug_command_of(word[0], &several);
    if (command == NULL || several) {
        fprintf(d->out, several ? "%s may mean several commands; \"help\" lists them\n" : "there is no command %s; \"help\" lists them\n", word[0]);
        return true;
    }
    if (!debug_alive(d) && command->run != do_quit) {
        return debug_say(d, "the scope of this tape has ended");
    }
    bool captured = ag_error_capture(true), before = ag_error_code() != AG_OK;
    ag_frame frame = ag_frame_begin();
    bool going = command->run(d, n, word);
    ag_frame_end_n(frame, 0, NULL);
    if (!before) {
        failed(d);
    }
    ag_error_capture(captured);
    fflush(d->out);
    return going;
}

ag_error ag_debugger_free(ag_debugger *d)
{
    if (d->nil) {
        return ag_error_code();
    }
    bool left = debug_alive(d) && !d->finished && ag_error_code() == AG_OK;
    if (left && d->stepper == NULL) {
        ag_backward_config config = ag_backward_defaults();
        config.retain_graph = true;
        d->stepper = ag_stepper_new_at(d->where, d->loss, config);
    }
    if (left) {
        ag_stepper_finish(d->stepper);
    }
    if (d->stepper != NULL) {
        ag_stepper_free(d->stepper);
    }
    debug_replay_forget(d);
    for (int64_t i = 0; i < d->changes; i++) {
        ag_held_drop(&d->change[i].tensor);
        ag_held_drop(&d->change[i].value);
    }
    free(d->change);
    free(d->wanted);
    free(d);
    return ag_error_code();
}

ag_error ag_debug_at(ag_place where, ag_tensor loss, FILE *in, FILE *out)
{
    char line[DEBUG_LINE];
    if (ag_error_code() != AG_OK || !ag_stream_given(where, "ag_debug", in) || !ag_stream_given(where, "ag_debug", out)) {
        return ag_error_code();
    }
    ag_debugger *d = ag_debugger_new_at(where, loss, out);
    bool going = !d->nil;
    while (going) {
        fputs("(tape) ", out);
        fflush(out);
        going = fgets(line, sizeof(line), in) != NULL && ag_debugger_command(d, line);
    }
    return ag_debugger_free(d);
}
