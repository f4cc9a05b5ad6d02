#define _POSIX_C_SOURCE 200809L
#include "lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROMPT "(tape) "

#ifdef EXAMPLES_EDITLINE
#include <editline/readline.h>

static ag_debugger *completed; /* libedit asks a function without a pointer of ours */

static char *possibility(const char *word, int k)
{
    char line[512], text[128];
    (void)word;
    snprintf(line, sizeof line, "%.*s", rl_point < (int)sizeof line ? rl_point : 0, rl_line_buffer);
    return ag_debugger_complete(completed, line, k, text, sizeof text) ? strdup(text) : NULL;
}

static char **possibilities(const char *word, int start, int end)
{
    (void)start, (void)end;
    rl_attempted_completion_over = 1; /* names of files are not meant */
    return rl_completion_matches(word, possibility);
}
#endif

void lines_begin(struct lines *l, ag_debugger *debugger)
{
    l->edited = false;
    l->line = NULL;
#ifdef EXAMPLES_EDITLINE
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        static char breaks[] = " \t";
        l->edited = true;
        completed = debugger;
        rl_readline_name = "wengert";
        rl_completer_word_break_characters = breaks;
        rl_attempted_completion_function = possibilities;
        using_history();
    }
#else
    (void)debugger;
#endif
}

const char *lines_next(struct lines *l)
{
#ifdef EXAMPLES_EDITLINE
    if (l->edited) {
        free(l->line);
        l->line = readline(PROMPT);
        if (l->line != NULL && l->line[0] != '\0') {
            add_history(l->line);
        }
        return l->line != NULL ? l->line : "quit";
    }
#endif
    fputs(PROMPT, stdout);
    fflush(stdout);
    if (fgets(l->room, sizeof l->room, stdin) == NULL) {
        fputs("\n", stdout);
        return "quit";
    }
    if (!isatty(STDIN_FILENO)) {
        fputs(l->room, stdout); /* so that what was asked stands beside the answer */
    }
    return l->room;
}

void lines_end(struct lines *l)
{
#ifdef EXAMPLES_EDITLINE
    if (l->edited) {
        clear_history();
    }
#endif
    free(l->line);
    l->line = NULL;
}
