/*
 * Descent: how optimizers walk on surfaces that can be seen.
 *
 * A network's loss is a surface over millions of weights, and nobody has seen one. These have two, and everything that happens on
 * the large ones happens here, too. The slope comes from the tape, as it does for networks, and the optimizers are the library's
 * own. Each part is a file under descent/:
 *
 *     surfaces.c   the surfaces, and where their lowest places are
 *     walk.c       the loop: one walk with one optimizer
 *     starts.c     1. where one arrives depends on where one starts
 *     critical.c   2. flat places: valleys, peaks and saddles, and how long it takes to leave a saddle
 *     momentum.c   3. ravines, and what momentum does about them
 *     race.c       4. SGD, momentum, Nesterov, AdaGrad, RMSprop and Adam on the same surfaces
 */
#include <stdio.h>
#include <stdlib.h>

#include "descent/descent.h"

#include "common/files.h"
#include "common/report.h"

int main(int argc, char **argv)
{
    struct options options = {
        .program = "descent",
        .purpose = "Walks downhill on surfaces that can be seen: from several starts, past saddles, "
                   "through ravines;\n"
                   "and six optimizers race on the same surfaces.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_STEPS | OPTION_RATES | OPTION_PARTS |
                   OPTION_JSON | OPTION_PICTURES,
        .steps = 2000,
        .rates = { 15,
                   { 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2,
                     5 } },
        .parts = 4,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    struct lesson lesson = {
        .options = &options,
        .out = { .program = options.program, .folder = options.pictures, .svg = options.svg },
        .record = record_begin(&options)
    };
    bool (*const parts[])(struct lesson *) = { starts_part, critical_part, momentum_part,
                                               race_part };
    bool good = true;
    for (int i = 0; good && i < options.parts; i++) {
        if (options_part(&options, i + 1)) {
            good = parts[i](&lesson) && ag_exit_status() == 0;
            printf("\n");
            fflush(stdout);
        }
    }
    good = good && record_write(&options, json_incref(lesson.record));
    json_decref(lesson.record);
    return output_standard_flush(options.program) && good ? EXIT_SUCCESS : EXIT_FAILURE;
}
