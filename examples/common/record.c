/*
 * Results as JSON. It must not know what they mean.
 */
#include "record.h"

#include <inttypes.h>
#include <math.h>

#include "autograd/autograd.h"

#include "files.h"

json_t *record_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *record_numbers(int64_t n, const double *x)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < n; i++) {
        json_array_append_new(array, record_number(x[i]));
    }
    return array;
}

json_t *record_counts(int64_t n, const int64_t *x)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < n; i++) {
        json_array_append_new(array, json_integer(x[i]));
    }
    return array;
}

json_t *record_table(int64_t rows, int64_t columns, const double *x)
{
    json_t *table = json_array();
    for (int64_t i = 0; i < rows; i++) {
        json_array_append_new(table, record_numbers(columns, x + i * columns));
    }
    return table;
}

json_t *record_count_table(int64_t rows, int64_t columns, const int64_t *x)
{
    json_t *table = json_array();
    for (int64_t i = 0; i < rows; i++) {
        json_array_append_new(table, record_counts(columns, x + i * columns));
    }
    return table;
}

json_t *record_hash(uint64_t hash)
{
    char text[32];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    return json_string(text);
}

json_t *record_path(const char *path)
{
    json_t *text = json_string(path);
    return text ? text : json_null();
}

json_t *record_begin(const struct options *o)
{
    json_t *root = json_object();
    json_object_set_new(root, "program", json_string(o->program));
    json_object_set_new(root, "seed", json_integer(o->seed));
    json_object_set_new(root, "threads", json_integer(ag_threads()));
    json_object_set_new(root, "kernels", json_string(ag_machine_text()));
    return root;
}

bool record_write(const struct options *o, json_t *root)
{
    struct output_file file;
    if (o->json == NULL) {
        json_decref(root);
        return true;
    }
    if (root == NULL || !output_file_open(&file, o->program, o->json)) {
        json_decref(root);
        return false;
    }
    bool complete = json_dumpf(root, file.stream, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) == 0;
    complete = complete && fputc('\n', file.stream) != EOF;
    json_decref(root);
    bool replaces = file.replaces;
    if (!output_file_close(&file, o->program, complete)) {
        if (!complete) {
            fprintf(stderr, "%s: %s: cannot be written\n", o->program, o->json);
        }
        return false;
    }
    printf("%s %s\n", replaces ? "replaced" : "wrote   ", o->json);
    return true;
}
