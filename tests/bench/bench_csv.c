/*
 * How fast comma-separated files are read, on one core: it makes a file of its own, and says MB/s (10^6 bytes of the file) by the
 * processor's clock.
 *
 *     bench_csv [--megabytes N] [NAME …]      one JSON line a file
 *
 * The median over repeats; the second number of a line is that of copying the file's bytes into memory, read() and no more.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <wengert/wengert.h>

enum { REPEATS = 7 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Measurements with a few digits, as in most tables. */
static void short_row(FILE *file, ag_rng *rng)
{
    for (int j = 0; j < 12; j++) {
        fprintf(file, j == 0 ? "%.3f" : ",%.3f", 100 * ag_rng_normal(rng));
    }
    fputc('\n', file);
}

/* Doubles with all their digits, as programs write them. */
static void long_row(FILE *file, ag_rng *rng)
{
    for (int j = 0; j < 12; j++) {
        fprintf(file, j == 0 ? "%.17g" : ",%.17g", ag_rng_normal(rng));
    }
    fputc('\n', file);
}

/* Pixels: small whole numbers. */
static void pixel_row(FILE *file, ag_rng *rng)
{
    for (int j = 0; j < 64; j++) {
        fprintf(file, j == 0 ? "%" PRId64 : ",%" PRId64, ag_rng_below(rng, 256));
    }
    fputc('\n', file);
}

/* Numbers, missing values, categories, quoted names. */
static void mixed_row(FILE *file, ag_rng *rng)
{
    static const char *const port[] = { "Southampton", "Cherbourg", "Queenstown", "" };
    fprintf(file, "%" PRId64 ",", ag_rng_below(rng, 1000000));
    fprintf(file, ag_rng_below(rng, 5) == 0 ? "," : "%" PRId64 ",", ag_rng_below(rng, 90));
    fprintf(file, "\"Smith, Mr. %c\",%s,", (char)('A' + ag_rng_below(rng, 26)),
            ag_rng_below(rng, 2) == 0 ? "male" : "female");
    fprintf(file, "%.4f,%s\n", 100 * ag_rng_uniform(rng), port[ag_rng_below(rng, 4)]);
}

static const struct shape {
    const char *name, *header;
    int columns; /* 0: the header names them */
    void (*row)(FILE *file, ag_rng *rng);
} shapes[] = { { "short", NULL, 12, short_row },
               { "long", NULL, 12, long_row },
               { "pixels", NULL, 64, pixel_row },
               { "mixed", "id,age,name,sex,fare,port\n", 0, mixed_row } };
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static long make_file(const char *path, const struct shape *shape, long bytes)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    ag_rng rng = ag_rng_seed(1);
    for (int j = 0; j < shape->columns; j++) {
        fprintf(file, "%sc%d", j == 0 ? "" : ",", j);
    }
    fprintf(file, "%s", shape->columns > 0 ? "\n" : shape->header);
    while (ftell(file) < bytes) {
        for (int i = 0; i < 100; i++) {
            shape->row(file, &rng);
        }
    }
    long size = ftell(file);
    fclose(file);
    return size;
}

/* ---- measuring ------------------------------------------------------------------------------- */

static double read_only(const char *path, long size)
{
    char *bytes = malloc((size_t)size);
    double start = now();
    FILE *file = fopen(path, "rb");
    size_t n = file != NULL && bytes != NULL ? fread(bytes, 1, (size_t)size, file) : 0;
    double seconds = now() - start;
    if (n != (size_t)size) {
        fprintf(stderr, "bench_csv: %s cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    free(bytes);
    return seconds;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const struct shape *shape, const char *path, long bytes)
{
    long size = make_file(path, shape, bytes);
    double parse[REPEATS], copy[REPEATS];
    int64_t rows = 0;
    for (int r = 0; r < REPEATS; r++) {
        copy[r] = read_only(path, size);
        double start = now();
        data_table *table = data_csv_read(path, data_csv_defaults());
        parse[r] = now() - start;
        rows = data_table_rows(table);
        data_table_free(table);
    }
    qsort(parse, REPEATS, sizeof parse[0], ascending);
    qsort(copy, REPEATS, sizeof copy[0], ascending);
    printf("{\"file\": \"%s\", \"megabytes\": %.1f, \"rows\": %" PRId64
           ", \"mb_per_s\": %.1f, \"copy_mb_per_s\": %.0f}\n",
           shape->name, (double)size / 1e6, rows, (double)size / 1e6 / parse[REPEATS / 2],
           (double)size / 1e6 / copy[REPEATS / 2]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    double megabytes = 50;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--megabytes") == 0) {
        megabytes = strtod(argv[2], NULL);
        first = 3;
    }
    for (int a = first; a < argc; a++) {
        bool known = false;
        for (int s = 0; s < SHAPES; s++) {
            known = known || strcmp(argv[a], shapes[s].name) == 0;
        }
        if (!known || argv[a][0] == '-') {
            fprintf(stderr, "usage: bench_csv [--megabytes N] [short] [long] [pixels] [mixed]\n");
            return 2;
        }
    }
    if (!(megabytes > 0 && megabytes <= 10000)) {
        fprintf(stderr, "bench_csv: --megabytes wants a number from 0 to 10000\n");
        return 2;
    }
    const char *temporary = getenv("TMPDIR");
    char path[1024];
    snprintf(path, sizeof path, "%s/wengert-bench-XXXXXX", temporary != NULL ? temporary : "/tmp");
    int descriptor = mkstemp(path);
    if (descriptor < 0) {
        perror(path);
        return 1;
    }
    close(descriptor);
    for (int s = 0; s < SHAPES; s++) {
        bool wanted = first >= argc;
        for (int a = first; a < argc; a++) {
            wanted = wanted || strcmp(argv[a], shapes[s].name) == 0;
        }
        if (wanted) {
            measure(&shapes[s], path, (long)(megabytes * 1e6));
        }
    }
    unlink(path);
    return ag_exit_status();
}
