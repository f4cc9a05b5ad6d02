/*
 * What a convolution does.
 *
 * First with filters made by hand, on a photograph; then what happens at the border, and between pixels: padding, stride,
 * pooling; then a small network learns its filters from digits, and is asked where it looked. Each part is a file under filters/:
 *
 *     hand.c         1. filters made by hand
 *     padding.c      2. valid, half, same and full padding
 *     pooling.c      3. stride and pooling
 *     learned.c      4. learned filters, and what they answer
 *     activation.c   5. class activation maps: where did it look?
 */
#include <stdio.h>
#include <stdlib.h>

#include "filters/filters.h"

#include "common/files.h"
#include "common/report.h"
#include "common/saving.h"

double difference(ag_tensor a, ag_tensor b)
{
    return ag_item(ag_max(ag_abs(ag_sub(a, b))));
}

void claim(struct lesson *l, const char *key, const char *words, double value)
{
    printf("  %-62s %.1e\n", words, value);
    json_object_set_new(l->record, key, record_number(value));
}

static bool all_lessons(struct lesson *l, const struct photo *photo)
{
    const struct options *o = l->options;
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    struct digits digits;
    if (!digits_open(&digits, o, &rng)) {
        return false;
    }
    data_set *test = digits_test(&digits);
    static float digit[DIGIT_PIXELS];
    bool good = test != NULL && data_set_read(test, 0, digit, NULL) == AG_OK;
    good = good && hand_lesson(l, photo) && padding_lesson(l, digit) && pooling_lesson(l, photo) &&
           learned_lesson(l, &digits, test);
    data_set_free(test);
    digits_close(&digits);
    return good && record_write(o, json_incref(l->record));
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "filters",
        .purpose = "Shows what a convolution does: filters made by hand and learned ones, padding, "
                   "stride, pooling,\n"
                   "and where a network looks.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR |
                   OPTION_DATA | OPTION_JSON | OPTION_PICTURES | OPTION_IMAGE | OPTION_SAVE,
        .epochs = 3,
        .lr = 0.01,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    options.validation = 0;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    struct photo photo;
    if (!report_possible(&options) || !photo_read(&photo, &options)) {
        return EXIT_FAILURE;
    }
    struct lesson lesson = {
        .options = &options,
        .out = { .program = options.program, .folder = options.pictures, .svg = options.svg },
        .record = record_begin(&options)
    };
    status = saving_exit_status(all_lessons(&lesson, &photo));
    json_decref(lesson.record);
    photo_free(&photo);
    return output_standard_flush(options.program) ? status : EXIT_FAILURE;
}
