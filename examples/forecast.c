/*
 * Forecasts: the highest temperature of a day, three days ahead, in two cities whose last year no network has seen.
 *
 * "As today" is hard to beat. Six networks try: one that weighs every number of the last days, one with hidden layers, one that
 * slides over the days, and three that read them one after the other. Parts, each a file under forecast/:
 *
 *     weather.c     from a table of days to windows, without a look at the year that is held out
 *     networks.c    the six networks
 *     train.c       the loop
 *     show.c        tables and pictures
 */
#include <stdio.h>
#include <stdlib.h>

#include "forecast/forecast.h"

#include "common/files.h"
#include "common/report.h"

static bool train_all(const struct options *o, struct contest *r, int net)
{
    printf("Training, at most %d epochs each, batches of %lld, AdamW with rate %g, %d threads\n\n", o->epochs,
           (long long)o->batch, o->lr, ag_threads());
    bool good = true;
    for (int n = 0; good && n < NETS; n++) {
        for (int s = 0; good && s < r->seeds && (net == 0 || net == n + 1); s++) {
            struct outcome *out = &r->outcome[r->count++];
            good = train(o, r->weather, (enum net)n, o->seed + s, out);
            if (good) {
                printf("  %-21s seed %lld: epoch %2lld of %2lld was best, %.3f °C in %d, weights %016llx\n", net_names[n],
                       (long long)out->seed, (long long)out->best, (long long)out->epochs, out->choose_error[out->best - 1],
                       r->weather->last_year - 1, (unsigned long long)out->hash);
                fflush(stdout);
            }
        }
    }
    printf("\n");
    return good;
}

int main(int argc, char **argv)
{
    int net = 0;
    int64_t window = 14;
    const struct own_option own[] = {
        { "net", "NAME", "one network, or all of them:\n@", OWN_CHOICE, &net, 0, 0, net_keys, false },
        { "window", "N", "days that a network reads, from 5 to 90 (default @)", OWN_WHOLE, &window, 5, 90, NULL, true },
        { .name = NULL },
    };
    struct options options = {
        .program = "forecast",
        .purpose = "Six networks forecast the temperature three days ahead, in a year that they have not seen.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR | OPTION_PATIENCE | OPTION_SEEDS |
                   OPTION_TABLE | OPTION_JSON | OPTION_PICTURES | OPTION_SAVE,
        .own = own,
        .epochs = 60,
        .batch = 32,
        .lr = 0.002,
        .patience = 8,
        .seeds = 5,
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
    struct weather weather;
    struct contest results = { .options = &options, .weather = &weather, .seeds = options.seeds };
    struct plot_output out = { .program = options.program, .folder = options.pictures, .svg = options.svg };
    json_t *record = record_begin(&options);
    results.outcome = calloc((size_t)options.seeds * NETS, sizeof *results.outcome);
    bool good = weather_open(&weather, &options, window);
    if (results.outcome == NULL) {
        fprintf(stderr, "%s: out of memory\n", options.program);
        good = false;
    }
    good = good && train_all(&options, &results, net) && show(&results, &out, record);
    good = good && ag_exit_status() == 0 && record_write(&options, json_incref(record));
    json_decref(record);
    for (int i = 0; i < results.count; i++) {
        outcome_free(&results.outcome[i]);
    }
    free(results.outcome);
    weather_close(&weather);
    return output_standard_flush(options.program) ? saving_exit_status(good) : EXIT_FAILURE;
}
