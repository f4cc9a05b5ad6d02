/*
 * Softmax regression: the simplest classifier that knows more than two classes.
 *
 * Each class has one weight for each input. The sum of weight times input is the class's score, and the softmax makes
 * probabilities of the scores. On digits the weights are pictures and can be looked at; and with so little in the way, it can be
 * seen what the choice of the loss does. Irises have four measurements, and with two of them the whole model is a picture. Each
 * part is a file under softmax_regression/:
 *
 *     digits.c     1. digits, and what their weights look like
 *     losses.c     2. four losses, two starts
 *     iris.c       3. irises: an honest judgement of 150 flowers, and where the boundaries run
 */
#include <stdio.h>
#include <stdlib.h>

#include "softmax_regression/softmax.h"

#include "common/files.h"
#include "common/report.h"
#include "common/saving.h"

int main(int argc, char **argv)
{
    struct options options = {
        .program = "softmax_regression",
        .purpose = "One linear layer and a softmax read digits, and tell irises apart.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR |
                   OPTION_DATA | OPTION_JSON | OPTION_PICTURES | OPTION_PATIENCE | OPTION_SAVE,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    options.validation = 0.1;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    ag_rng rng = ag_rng_seed((uint64_t)options.seed);
    struct lesson lesson = {
        .options = &options,
        .out = { .program = options.program, .folder = options.pictures, .svg = options.svg }
    };
    if (!digits_open(&lesson.digits, &options, &rng)) {
        return EXIT_FAILURE;
    }
    data_set *train = lesson.digits.train, *validation = lesson.digits.validation;
    bool good = digits_lesson(&lesson, train, validation, &rng) &&
                losses_lesson(&lesson, train, validation) && iris_lesson(&lesson) &&
                record_write(&options, json_incref(lesson.record));
    json_decref(lesson.record);
    digits_close(&lesson.digits);
    return output_standard_flush(options.program) ? saving_exit_status(good) : EXIT_FAILURE;
}
