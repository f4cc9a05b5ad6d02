/*
 * Backward by hand: a debugger on one of several ready tapes, with commands like gdb's.
 *
 *     tape_debugger --graph cell
 *     (tape) step                    the first stop: what has arrived, the rule, what flows on
 *     (tape) run to w_hh             until that weight's gradient is complete
 *     (tape) html tape.html          all of it in the browser
 *
 * A program of one's own is looked at the same way, by a call of ag_debug(loss, stdin, stdout) where it calls
 * ag_backward(loss). The commands can come from a file or a pipe, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"

#include "common/files.h"
#include "common/options.h"
#include "tape_debugger/graphs.h"
#include "tape_debugger/lines.h"

enum { MOST = 32 };

int main(int argc, char **argv)
{
    const char *names[MOST] = { NULL };
    char purpose[2048] = "Steps through the backward of a ready tape. Tapes:";
    for (int i = 0; i < graph_count && i < MOST - 1; i++) {
        size_t used = strlen(purpose);
        names[i] = graphs[i].name;
        snprintf(purpose + used, sizeof purpose - used, "\n  %-10s %s", graphs[i].name, graphs[i].text);
    }
    struct options options = {
        .program = "tape_debugger",
        .purpose = purpose,
        .accepts = OPTION_SEED | OPTION_GRAPH | OPTION_HTML,
        .nets = names,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    const struct graph *graph = &graphs[options.net];

    ag_rng rng = ag_rng_seed((uint64_t)options.seed);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_retain_tape(true); /* before anything is recorded: all values can be looked at */
    ag_tensor loss = graph->record(&rng);
    if (options.html != NULL) {
        if (ag_tape_html(options.html, loss) == AG_OK) {
            printf("wrote %s: open it in a browser\n", options.html);
        }
    } else {
        printf("%s: %s. %lld operations, loss %g.\n\"step\" begins, \"help\" lists the commands.\n", graph->name, graph->text,
               (long long)ag_tape_length(), ag_item(loss));
        ag_debugger *debugger = ag_debugger_new(loss, stdout);
        struct lines lines;
        lines_begin(&lines, debugger);
        while (ag_debugger_command(debugger, lines_next(&lines))) {
        }
        lines_end(&lines);
        ag_debugger_free(debugger);
    }
    ag_end(&scope);
    return output_standard_flush(options.program) ? ag_exit_status() : EXIT_FAILURE;
}
