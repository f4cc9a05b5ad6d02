/*
 * A tensor's numbers as JSON: all of them if they are few, else what they are like.
 */
#include "content.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "survey.h"

#define BINS 24

/* A level of a map is one of these: -max|x| is the first, max|x| the last. */
static const char levels[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
#define LEVELS 64

bool ag_content_put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

json_t *ag_content_number(double x)
{
    if (isnan(x)) {
        return json_string("NaN");
    }
    if (isinf(x)) {
        return json_string(x > 0 ? "Infinity" : "-Infinity");
    }
    return fabs(x) < 1e15 && x == floor(x) && !(x == 0 && signbit(x)) ? json_integer((json_int_t)x) : json_real(x);
}

/* The length of the UTF-8 sequence at p, or 0. */
static int sequence(const unsigned char *p)
{
    int length = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool outside = (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf4 && p[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

json_t *ag_content_text(const char *text)
{
    json_t *plain = json_string(text);
    if (plain != NULL) {
        return plain;
    }
    char *clean = malloc(3 * strlen(text) + 1), *end = clean;
    for (const unsigned char *p = (const unsigned char *)text; clean != NULL && *p != '\0';) {
        int length = sequence(p);
        memcpy(end, length == 0 ? "\xef\xbf\xbd" : (const char *)p, length == 0 ? 3 : (size_t)length);
        end += length == 0 ? 3 : length;
        p += length == 0 ? 1 : length;
    }
    if (clean != NULL) {
        *end = '\0';
        plain = json_string(clean);
    }
    free(clean);
    return plain;
}

/* Means of blocks of the matrix that the tensor is with all but its last dimension run together. */
static json_t *map_of(const ag_value *v, const double *number, int side, double scale)
{
    int64_t columns = v->ndim == 0 ? 1 : v->size[v->ndim - 1], rows = columns == 0 ? 0 : v->numel / columns;
    int64_t across = rows == 1 ? 4 * side : side;
    int64_t h = rows < side ? rows : side, w = columns < across ? columns : across;
    char *cell = malloc((size_t)(h * w) + 1);
    if (cell == NULL) {
        return NULL;
    }
    for (int64_t i = 0; i < h; i++) {
        for (int64_t j = 0; j < w; j++) {
            int64_t top = i * rows / h, bottom = (i + 1) * rows / h, left = j * columns / w, right = (j + 1) * columns / w;
            double sum = 0;
            for (int64_t r = top; r < bottom; r++) {
                for (int64_t c = left; c < right; c++) {
                    sum += number[r * columns + c];
                }
            }
            double mean = sum / (double)((bottom - top) * (right - left));
            int level = scale > 0 ? (int)((mean / scale + 1) / 2 * (LEVELS - 1) + 0.5) : LEVELS / 2;
            cell[i * w + j] = isfinite(mean) ? levels[level < 0 ? 0 : level >= LEVELS ? LEVELS - 1 : level] : '!';
        }
    }
    cell[h * w] = '\0';
    json_t *map = json_pack("{s:I, s:I, s:s}", "rows", (json_int_t)h, "columns", (json_int_t)w, "cells", cell);
    free(cell);
    return map;
}

static json_t *histogram_of(const double *number, int64_t n, double min, double max)
{
    int64_t count[BINS] = {0};
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(number[i])) {
            double at = max > min ? (number[i] - min) / (max - min) * BINS : 0;
            count[at >= BINS ? BINS - 1 : (int)at]++;
        }
    }
    json_t *counts = json_array();
    for (int b = 0; b < BINS; b++) {
        json_array_append_new(counts, json_integer((json_int_t)count[b]));
    }
    return counts;
}

json_t *ag_content_of(const ag_value *v, struct ag_content_limits limits, const char *nothing)
{
    if (!ag_value_there(v)) {
        return json_string(v == NULL ? nothing : "released");
    }
    struct ag_survey s = ag_survey_of(v);
    double *number = s.there ? ag_value_doubles(ag_caller(), "ag_tape_json", v) : NULL, sum = 0;
    if (number == NULL) {
        return NULL;
    }
    for (int64_t i = 0; i < v->numel; i++) {
        sum += number[i];
    }
    json_t *content = json_object();
    bool ok = ag_content_put(content, "norm", ag_content_number(s.norm)) &&
              ag_content_put(content, "zeros", json_integer((json_int_t)s.zeros));
    if (s.nans + s.infinities > 0) {
        ok = ok && ag_content_put(content, "nan", json_integer((json_int_t)s.nans)) &&
             ag_content_put(content, "infinite", json_integer((json_int_t)s.infinities));
    }
    if (s.min <= s.max) {
        ok = ok && ag_content_put(content, "min", ag_content_number(s.min)) &&
             ag_content_put(content, "max", ag_content_number(s.max)) &&
             ag_content_put(content, "mean", ag_content_number(sum / (double)v->numel));
    }
    if (v->numel <= limits.numbers) {
        json_t *numbers = json_array();
        for (int64_t i = 0; i < v->numel; i++) {
            ok = json_array_append_new(numbers, ag_content_number(number[i])) == 0 && ok;
        }
        ok = ag_content_put(content, "numbers", numbers) && ok;
    } else if (s.min <= s.max) {
        ok = ok && ag_content_put(content, "map", map_of(v, number, limits.side, fmax(fabs(s.min), fabs(s.max)))) &&
             ag_content_put(content, "histogram", histogram_of(number, v->numel, s.min, s.max));
    }
    free(number);
    if (!ok) {
        json_decref(content);
        return NULL;
    }
    return content;
}
