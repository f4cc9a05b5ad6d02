/*
 * Logistic regression: how probable is it that a tumour is malignant?
 *
 * One weight for each measurement; their weighted sum is the log-odds, and the sigmoid makes a probability of it. So simple a
 * model can be looked through: how it is judged, where it draws the line, what its probabilities are worth, why its loss is
 * cross-entropy; and what a hidden layer adds when no line will do. Each part is a file under logistic_regression/:
 *
 *     train.c         the training loop that all parts share
 *     folds.c         1. an honest judgement: five folds, confusion matrix, ROC curve
 *     boundary.c      2. the boundary, with two measurements
 *     calibration.c   3. are 90 % right when it says 90 %?
 *     losses.c        4. squared error against cross-entropy
 *     hidden.c        5. when no line will do: a hidden layer bends the plane
 */
#include <stdio.h>
#include <stdlib.h>

#include "logistic_regression/logistic.h"

#include "common/files.h"
#include "common/report.h"
#include "common/saving.h"

static bool open_cells(struct lesson *l, char path[TABLES_PATH])
{
    const struct options *o = l->options;
    if (!tables_find(o, "breast_cancer.csv", path)) {
        return false;
    }
    l->table = data_csv_read(path, data_csv_defaults());
    l->cells = cells_of(l, NULL);
    if (ag_exit_status() != 0) {
        return false;
    }
    if (data_set_classes(l->cells) != 2) {
        fprintf(stderr, "%s: %s: 'diagnosis' must tell two classes apart, it has %lld\n",
                o->program, path, (long long)data_set_classes(l->cells));
        return false;
    }
    l->features = ag_shape_numel(data_set_x_shape(l->cells));
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "logistic_regression",
        .purpose = "Is a tumour benign or malignant, and how sure can one be? One linear layer and "
                   "a sigmoid;\n"
                   "then a hidden layer where no line will do.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR |
                   OPTION_TABLE | OPTION_PARTS | OPTION_JSON | OPTION_PICTURES | OPTION_SAVE,
        .epochs = 50,
        .batch = 32,
        .lr = 0.01,
        .parts = 5,
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
    bool (*const parts[])(struct lesson *) = { folds_part, boundary_part, calibration_part,
                                               losses_part, hidden_part };
    char path[TABLES_PATH];
    bool good = open_cells(&lesson, path);
    for (int i = 0; good && i < options.parts; i++) {
        if (options_part(&options, i + 1)) {
            good = parts[i](&lesson) && ag_exit_status() == 0;
            printf("\n");
            fflush(stdout);
        }
    }
    good = good && record_write(&options, json_incref(lesson.record));
    json_decref(lesson.record);
    data_set_free(lesson.cells);
    data_table_free(lesson.table);
    return output_standard_flush(options.program) ? saving_exit_status(good) : EXIT_FAILURE;
}
