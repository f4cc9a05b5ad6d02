/*
 * House prices: a small network on a small table, and how to know whether it is any good.
 *
 * 506 districts are few. A quarter of them kept for a test gives one number, and another quarter another one; four-fold
 * cross-validation uses every district once for the test. Three parts, each a file under house_prices/:
 *
 *     train.c      the network, its scalers and its loop
 *     folds.c      1. four folds, and their learning curves   2. how sure is the result?
 *     leaks.c      3. what goes wrong when something sees the test part
 */
#include <stdio.h>
#include <stdlib.h>

#include "house_prices/houses.h"

#include "common/files.h"
#include "common/report.h"
#include "common/tables.h"

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
    l->houses = data_table_to_set(l->table, columns);
    if (ag_exit_status() != 0) {
        return false;
    }
    if (o->without != NULL &&
        ag_shape_numel(data_set_x_shape(l->houses)) == data_table_columns(l->table) - 1) {
        fprintf(stderr,
                "%s: --without %s: no feature is left out; the price is what is predicted\n",
                o->program, o->without);
        return false;
    }
    /* A feature that is the same everywhere is a mistake in the table, and an error here; in a fold it may happen. */
    data_transform_free(data_standard_scaler(l->houses, data_scaler_defaults()));
    if (ag_exit_status() != 0) {
        return false;
    }
    l->n = data_set_size(l->houses);
    l->prices = malloc((size_t)l->n * sizeof *l->prices);
    if (l->prices == NULL) {
        fprintf(stderr, "%s: out of memory\n", o->program);
        return false;
    }
    const double *prices = data_table_numbers(l->table, data_table_find(l->table, "MEDV"));
    for (int64_t i = 0; i < l->n; i++) {
        l->prices[i] = prices[i];
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "house_prices",
        .purpose = "A small network predicts house prices: four-fold cross-validation, and leaks.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR |
                   OPTION_PATIENCE | OPTION_SEEDS | OPTION_TABLE | OPTION_WITHOUT | OPTION_PARTS |
                   OPTION_JSON | OPTION_PICTURES | OPTION_SAVE,
        .epochs = 200,
        .batch = 16,
        .lr = 0.003,
        .patience = 40,
        .seeds = 10,
        .parts = 3,
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
    bool (*const parts[])(struct lesson *) = { folds_part, repeats_part, leaks_part };
    char path[TABLES_PATH];
    bool good = open_houses(&lesson, path);
    if (good) {
        printf("%lld districts, %lld features, from %s; prices and errors in thousand dollars\n\n",
               (long long)lesson.n, (long long)ag_shape_numel(data_set_x_shape(lesson.houses)),
               path);
    }
    for (int i = 0; good && i < options.parts; i++) {
        if (options_part(&options, i + 1)) {
            good = parts[i](&lesson);
            printf("\n");
        }
    }
    good = good && ag_exit_status() == 0 && record_write(&options, json_incref(lesson.record));
    json_decref(lesson.record);
    free(lesson.prices);
    data_set_free(lesson.houses);
    data_table_free(lesson.table);
    return output_standard_flush(options.program) ? saving_exit_status(good) : EXIT_FAILURE;
}
