/*
 * Linear regression: a line through the prices of Boston's houses, and everything that gradient descent has to teach.
 *
 * It is the one model whose best weights can be written down, so that whatever descent does can be held against the truth. Each
 * part is a file under linear_regression/, to be read in this order:
 *
 *     solve.c      the normal equations
 *     descent.c    the loop of gradient descent, and how steep the valley is
 *     line.c       1. both ways to one answer, with one feature and with all
 *     batches.c    2. all houses, some, or one at a time
 *     rates.c      3. learning rates that crawl, converge, oscillate and diverge
 *     bowl.c       4. raw against scaled features: the shape of the bowl
 *     outliers.c   5. one wrong entry, and what scalers make of it
 */
#include <stdio.h>
#include <stdlib.h>

#include "linear_regression/regression.h"

#include "common/files.h"
#include "common/report.h"
#include "common/tables.h"

/* The table as two sets: all features, and the number of rooms alone. Prices are medians of districts, in thousand dollars. */
static bool open_houses(struct lesson *l, char path[TABLES_PATH])
{
    const struct options *o = l->options;
    if (!tables_find(o, "boston_house_prices.csv", path)) {
        return false;
    }
    l->table = data_csv_read(path, data_csv_defaults());
    data_table_config columns = data_table_defaults();
    columns.y = "MEDV";
    columns.without = o->without;
    columns.dtype = AG_FLOAT64;
    l->houses = data_table_to_set(l->table, columns);
    columns.without = NULL;
    columns.x = "RM";
    l->rooms = data_table_to_set(l->table, columns);
    if (ag_exit_status() != 0) {
        return false;
    }
    int64_t features = ag_shape_numel(data_set_x_shape(l->houses));
    if (o->without != NULL && features == data_table_columns(l->table) - 1) {
        fprintf(stderr,
                "%s: --without %s: no feature is left out; the price is what is predicted\n",
                o->program, o->without);
        return false;
    }
    if (features > FEATURES_MAX) {
        fprintf(stderr, "%s: %s: %lld features, at most %d\n", o->program, path,
                (long long)features, FEATURES_MAX);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "linear_regression",
        .purpose = "A line through house prices: solved for, and walked to by gradient descent.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_STEPS | OPTION_BATCH |
                   OPTION_LR | OPTION_RATES | OPTION_TABLE | OPTION_WITHOUT | OPTION_PARTS |
                   OPTION_JSON | OPTION_PICTURES | OPTION_SAVE,
        .epochs = 100,
        .steps = 20000,
        .batch = 32,
        .lr = 0.1,
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
    bool (*const parts[])(struct lesson *) = { line_part, batches_part, rates_part, bowl_part,
                                               outliers_part };
    char path[TABLES_PATH];
    bool good = open_houses(&lesson, path);
    if (good) {
        printf("%lld districts, %lld features, from %s\n\n",
               (long long)data_set_size(lesson.houses),
               (long long)ag_shape_numel(data_set_x_shape(lesson.houses)), path);
    }
    for (int i = 0; good && i < options.parts; i++) {
        if (options_part(&options, i + 1)) {
            good = parts[i](&lesson);
            printf("\n");
        }
    }
    good = good && ag_exit_status() == 0 && record_write(&options, json_incref(lesson.record));
    json_decref(lesson.record);
    data_set_free(lesson.rooms);
    data_set_free(lesson.houses);
    data_table_free(lesson.table);
    return output_standard_flush(options.program) ? saving_exit_status(good) : EXIT_FAILURE;
}
