/*
 * What a run found, as a JSON file, written whole or not at all. The objects are Jansson's.
 */
#ifndef EXAMPLES_COMMON_RECORD_H
#define EXAMPLES_COMMON_RECORD_H

#include <jansson.h>

#include "options.h"

/* An object that holds the program's name, the seed and the number of threads. */
json_t *record_begin(const struct options *o);
/* Writes the object to o->json and says so; takes it. True if no file was asked for, too. False after an error,
 * which has been printed. */
bool record_write(const struct options *o, json_t *root);

/* JSON has no NaN and no infinity: null. */
json_t *record_number(double x);
json_t *record_numbers(int64_t n, const double *x);
json_t *record_counts(int64_t n, const int64_t *x);
/* A table row by row. */
json_t *record_table(int64_t rows, int64_t columns, const double *x);
json_t *record_count_table(int64_t rows, int64_t columns, const int64_t *x);
/* Sixteen hexadecimal digits. */
json_t *record_hash(uint64_t hash);
/* A path is bytes, JSON is UTF-8: null for one whose name is not. */
json_t *record_path(const char *path);

#endif
