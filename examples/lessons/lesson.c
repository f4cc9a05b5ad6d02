#include "lesson.h"

#include <stdarg.h>

#include "common/files.h"

int lesson_begin(struct lesson *l, int argc, char **argv, const char *name, const char *idea)
{
    *l = (struct lesson){ .options = { .program = name, .purpose = idea, .accepts = OPTION_SEED | OPTION_HTML } };
    int status = options_parse(&l->options, argc, argv);
    if (status >= 0) {
        return status;
    }
    printf("%s\n", idea);
    l->rng = ag_rng_seed((uint64_t)l->options.seed);
    ag_retain_tape(true);
    ag_begin(&l->scope);
    return -1;
}

void lesson_part(const char *text)
{
    printf("\n%s\n", text);
}

void lesson_claim(struct lesson *l, bool holds, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("  %s: ", holds ? "yes" : "NO");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    l->claims++;
    l->wrong += !holds;
}

void lesson_page(struct lesson *l, ag_tensor loss)
{
    if (l->options.html != NULL && ag_tape_html(l->options.html, loss) == AG_OK) {
        printf("  wrote %s: open it in a browser\n", l->options.html);
    }
    l->options.html = NULL;
}

int lesson_end(struct lesson *l)
{
    ag_end(&l->scope);
    printf("\n%d of %d claims hold\n", l->claims - l->wrong, l->claims);
    bool told = output_standard_flush(l->options.program);
    return ag_exit_status() == 0 && l->wrong == 0 && told ? EXIT_SUCCESS : EXIT_FAILURE;
}

double lesson_norm(ag_tensor t)
{
    return ag_is_none(t) ? 0 : sqrt(ag_item(ag_sum(ag_square(ag_detach(t)))));
}
