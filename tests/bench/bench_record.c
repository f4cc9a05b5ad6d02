/*
 * What the tape itself costs: recording one small operation, and its share of backward. Two float32 tensors of four elements
 * are added, gradients required, a thousand times in a row; the median over many rounds is printed in nanoseconds, beside the
 * cost without recording.
 *
 *     bench_record [--rounds N]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wengert/wengert.h>

#define CHAIN 1000

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(*values), ascending);
    return values[n / 2];
}

int main(int argc, char **argv)
{
    int rounds = 300;
    if (argc == 3 && strcmp(argv[1], "--rounds") == 0) {
        rounds = atoi(argv[2]);
    }
    if ((argc != 1 && argc != 3) || rounds < 1) {
        fprintf(stderr, "usage: bench_record [--rounds N]\n");
        return 2;
    }
    double *record = calloc((size_t)rounds, sizeof(double)), *backward = calloc((size_t)rounds, sizeof(double));
    double *plain = calloc((size_t)rounds, sizeof(double));
    if (record == NULL || backward == NULL || plain == NULL) {
        return 1;
    }
    ag_tensor a = ag_leaf(AG_SHAPE(4), AG_FLOAT32, true), b = ag_leaf(AG_SHAPE(4), AG_FLOAT32, true);
    ag_scope scope = {0};
    for (int round = 0; round < rounds; round++) {
        ag_begin(&scope);
        ag_tensor x = a;
        double begin = now();
        for (int i = 0; i < CHAIN; i++) {
            x = ag_add(x, b);
        }
        record[round] = (now() - begin) / CHAIN * 1e9;
        ag_backward_config config = ag_backward_defaults();
        config.cotangent = ag_ones(AG_SHAPE(4), AG_FLOAT32);
        begin = now();
        ag_backward_with(x, config);
        backward[round] = (now() - begin) / CHAIN * 1e9;
        ag_zero_grad(a);
        ag_zero_grad(b);
        ag_begin_no_grad(&scope);
        x = a;
        begin = now();
        for (int i = 0; i < CHAIN; i++) {
            x = ag_add(x, b);
        }
        plain[round] = (now() - begin) / CHAIN * 1e9;
    }
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
    printf("{\"record_ns\": %.1f, \"backward_ns\": %.1f, \"no_grad_ns\": %.1f}\n", median(record, rounds),
           median(backward, rounds), median(plain, rounds));
    free(record);
    free(backward);
    free(plain);
    return ag_exit_status();
}
