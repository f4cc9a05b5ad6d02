/*
 * Pictures of digits out of a file, judged by number: are all ten there, can they be read, do they differ from one another as real
 * ones do, are they copies? Whoever made them, with whatever program, is judged by the same measures:
 *
 *     numpy.save("samples.npy", pictures)       in Python: (n,28,28), float32 from 0 to 1 or uint8 from 0 to 255
 *     judge_pictures --file samples.npy
 *
 * Without a file the real test pictures are judged, to know what can be had: they are like no training picture, and still real.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "data/data.h"

#include "common/critique.h"
#include "common/digits.h"
#include "common/files.h"
#include "common/options.h"
#include "common/record.h"
#include "common/report.h"

static const char *file, *weights, *pngs;

static const struct own_option own[] = {
    { .name = "file", .argument = "FILE", .kind = OWN_TEXT, .value = &file,
      .help = "pictures as .npy (or the only array of an .npz or\n.safetensors file): (n,28,28), (n,1,28,28) or (n,784),\n"
              "floats from 0 (paper) to 1 (ink) or bytes from 0 to 255\n(default: the real test pictures)" },
    { .name = "weights", .argument = "FILE", .kind = OWN_TEXT, .value = &weights,
      .help = "another judge, trained by train_judge\n(default: the one that comes with the source)" },
    { .name = "pngs", .argument = "DIR", .kind = OWN_TEXT, .value = &pngs, .help = DIGITS_PNGS_HELP },
    { .name = NULL },
};

/* Whether the sizes after the first are those of a picture. */
static bool is_pictures(ag_shape s)
{
    return (s.ndim == 2 && s.size[1] == DIGIT_PIXELS) ||
           (s.ndim >= 3 && s.ndim <= 4 && s.size[s.ndim - 1] == DIGIT_SIDE && s.size[s.ndim - 2] == DIGIT_SIDE &&
            (s.ndim == 3 || s.size[1] == 1));
}

/* The pictures of the file, to be freed; NULL after an error, which has been printed. */
static float *read_pictures(const struct options *o, int64_t *n)
{
    data_tensors *tensors = data_tensors_open(file);
    if (ag_exit_status() != 0) {
        return NULL;
    }
    data_tensor_info info = data_tensors_info(tensors, 0);
    float *pixels = NULL;
    char text[AG_SHAPE_TEXT];
    bool bytes = info.dtype == AG_UINT8, masks = bytes && strcmp(info.type, "BOOL") == 0; /* true is ink */
    if (data_tensors_count(tensors) != 1) {
        fprintf(stderr, "%s: %s: holds %lld arrays; one is wanted\n", o->program, file, (long long)data_tensors_count(tensors));
    } else if (!info.readable || !(bytes || info.dtype == AG_FLOAT32 || info.dtype == AG_FLOAT64)) {
        fprintf(stderr, "%s: %s: the numbers are %s, but pictures are floats from 0 to 1 or bytes (uint8)\n", o->program, file,
                info.type);
    } else if (!is_pictures(info.shape)) {
        fprintf(stderr, "%s: %s: the shape is %s, but pictures are (n,28,28), (n,1,28,28) or (n,784)\n", o->program, file,
                ag_shape_format(info.shape, text, sizeof text));
    } else {
        *n = info.shape.size[0];
        ag_scope scope = { 0 };
        ag_begin_no_grad(&scope);
        ag_tensor x = ag_cast(data_tensors_get(tensors, info.name), AG_FLOAT32);
        pixels = malloc((size_t)(*n > 0 ? *n : 1) * DIGIT_PIXELS * sizeof *pixels);
        if (pixels == NULL) {
            fprintf(stderr, "%s: out of memory for %lld pictures\n", o->program, (long long)*n);
        } else {
            ag_read(bytes && !masks ? ag_div(x, ag_scalar(255, AG_FLOAT32)) : x, pixels, *n * DIGIT_PIXELS);
        }
        ag_end(&scope);
    }
    data_tensors_close(tensors);
    return pixels;
}

/* The test pictures, to be freed; NULL after an error, which has been printed. */
static float *real_pictures(const struct options *o, data_set *test, int64_t *n)
{
    *n = data_set_size(test);
    float *pixels = malloc((size_t)*n * DIGIT_PIXELS * sizeof *pixels);
    if (pixels == NULL) {
        fprintf(stderr, "%s: out of memory for %lld pictures\n", o->program, (long long)*n);
    }
    for (int64_t i = 0; i < *n && pixels != NULL; i++) {
        data_set_read(test, i, pixels + i * DIGIT_PIXELS, NULL);
    }
    return pixels;
}

static bool run(const struct options *o)
{
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    struct digits digits;
    if (!digits_open_pngs(&digits, o, pngs, &rng)) {
        return false;
    }
    int64_t n = 0;
    data_set *test = digits_test(&digits);
    float *pixels = test == NULL ? NULL : file != NULL ? read_pictures(o, &n) : real_pictures(o, test, &n);
    struct critique_bench *bench = pixels != NULL ? critique_open(o, weights, digits.train, test) : NULL;
    struct critique found;
    bool good = bench != NULL && critique_judge(bench, n, pixels, &found) && critique_print(bench, &found);
    if (good && o->json != NULL) {
        json_t *record = record_begin(o);
        json_object_set_new(record, "judgement", critique_record(&found));
        json_object_set_new(record, "judge_accuracy", record_number(critique_accuracy(bench)));
        good = record_write(o, record);
    }
    critique_close(bench);
    free(pixels);
    data_set_free(test);
    digits_close(&digits);
    return output_standard_flush(o->program) && good && ag_exit_status() == 0;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "judge_pictures",
        .purpose = "Says by number how near made-up pictures of digits come to real ones.",
        .accepts = OPTION_THREADS | OPTION_DATA | OPTION_JSON,
        .own = own,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    options.validation = 0;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    return report_possible(&options) && run(&options) ? EXIT_SUCCESS : EXIT_FAILURE;
}
