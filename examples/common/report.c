/*
 * The end of a run.
 */
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "charts.h"
#include "files.h"

bool report_possible(const struct options *o)
{
    return (o->json == NULL || output_file_possible(o->program, "json", o->json)) &&
           (o->pictures == NULL || output_folder_possible(o->program, "pictures", o->pictures));
}

bool report(const struct options *o, const struct history *h, const struct results *r)
{
    charts_print(o, h, r->test);
    printf("\ntest accuracy %.2f %% (%lld of %lld digits), loss %.4f\nweights hash  %016" PRIx64
           "\n\n",
           100 * r->test->accuracy, (long long)r->test->right, (long long)r->test->samples,
           r->test->loss, r->weights_hash);
    bool good = o->json == NULL || history_write_json(h, o, r);
    if (good && o->pictures != NULL) {
        good = charts_save(o, h, r->test);
    }
    return output_standard_flush(o->program) && good;
}

void report_not_finite(const struct options *o, double loss, int epoch, int64_t step)
{
    fflush(stdout);
    fprintf(stderr,
            "%s: the loss became %g at epoch %d, step %lld: the weights are lost; try a smaller "
            "--lr (it is %g)\n",
            o->program, isnan(loss) ? fabs(loss) : loss, epoch, (long long)step,
            o->lr); /* not "-nan" */
}
