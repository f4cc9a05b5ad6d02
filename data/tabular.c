/*
 * Sets out of tables: which columns are inputs and targets, categories as numbers, missing values.
 *
 * A column that is used has a part: how it is written into samples. Parts of inputs stand in the
 * order of the columns asked for, then those of targets.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/number.h"
#include "data/table_internal.h"

enum { MADE_BY_DEFAULTS = 0x7461626c };

enum coding { AS_NUMBER, AS_ONE_HOT, AS_INDEX, AS_CLASS };

struct part {
    const struct data_column *column; /* of the table */
    const struct data_column *fitted; /* where levels and means come from */
    enum coding coding;
    bool target;
    int64_t width; /* numbers in a sample */
    /* The levels of a category: those of the fitted column if it is text, and the code of each of
     * the table's own; or its different numbers in ascending order. */
    int64_t levels;
    double *number;    /* levels that are numbers; NULL for text */
    const char **text; /* levels that are text; NULL for numbers */
    int32_t *code_of;  /* NULL for numbers; -1: the fitted table does not have it */
    double
        filled; /* what a missing value becomes: a number, or the place of a level; NaN: it stays */
};

struct build {
    ag_place where;
    const char *function;
    const data_table *table, *fitted;
    data_table_config config;
    struct data_words x, without, y, one_hot, index;
    struct part *part;
    int64_t parts, x_width, y_width;
    int64_t rows;     /* that are not left out */
    uint8_t *dropped; /* 1 for a row that is left out; NULL if none is */
};

data_table_config data_table_defaults(void)
{
    return (data_table_config){ .made_by_defaults = MADE_BY_DEFAULTS,
                                .dtype = AG_FLOAT32,
                                .missing = DATA_MISSING_ERROR,
                                .fill_text = "missing" };
}

static ag_error out_of_memory(const struct build *b)
{
    return ag_error_raise(b->where, AG_ERROR_MEMORY, "%s: %s: out of memory", b->function,
                          b->table->path);
}

/* ---- which columns --------------------------------------------------------------------------- */

static bool words_have(const struct data_words *words, const char *name)
{
    return data_words_have(words, name, strlen(name));
}

/* Every name of a list must be a column; raises if not. */
static bool list_fits(const struct build *b, const char *what, const struct data_words *words,
                      bool star)
{
    for (int64_t w = 0; w < words->n; w++) {
        const char *name = words->word[w];
        if (data_table_find(b->table, name) < 0 && !(star && strcmp(name, "*") == 0)) {
            ag_error_raise(b->where, AG_ERROR_VALUE, "%s: %s: %s: there is no column \"%.200s\"",
                           b->function, b->table->path, what, name);
            return false;
        }
        for (int64_t v = 0; v < w; v++) {
            if (strcmp(words->word[v], name) == 0) {
                ag_error_raise(b->where, AG_ERROR_VALUE,
                               "%s: %s: %s: column \"%.200s\" is there twice", b->function,
                               b->table->path, what, name);
                return false;
            }
        }
    }
    return true;
}

static bool lists_parse(struct build *b)
{
    const data_table_config *c = &b->config;
    return data_words_parse(b->where, b->function, "x", c->x, &b->x) &&
           data_words_parse(b->where, b->function, "without", c->without, &b->without) &&
           data_words_parse(b->where, b->function, "y", c->y, &b->y) &&
           data_words_parse(b->where, b->function, "one_hot", c->one_hot, &b->one_hot) &&
           data_words_parse(b->where, b->function, "index", c->index, &b->index) &&
           list_fits(b, "x", &b->x, false) && list_fits(b, "without", &b->without, false) &&
           list_fits(b, "y", &b->y, false) && list_fits(b, "one_hot", &b->one_hot, true) &&
           list_fits(b, "index", &b->index, true);
}

/* The same column in the table it is fitted on; -1 if there is none. Mostly it stands in the same place, which keeps tables of
 * very many columns from taking the square of that. */
static int64_t find_fitted(const struct build *b, int64_t at)
{
    const char *name = b->table->column[at].name;
    bool same = at < b->fitted->columns && strcmp(b->fitted->column[at].name, name) == 0;
    return same ? at : data_table_find(b->fitted, name);
}

static bool add_part(struct build *b, int64_t at, bool target)
{
    const struct data_column *column = &b->table->column[at];
    const char *name = column->name;
    int64_t in_fitted = find_fitted(b, at);
    if (in_fitted < 0 || b->fitted->column[in_fitted].text != column->text) {
        ag_error_raise(b->where, AG_ERROR_VALUE,
                       "%s: %s: column \"%.80s\" %s in the table it is fitted on, %s", b->function,
                       b->table->path, name,
                       in_fitted < 0  ? "is not"
                       : column->text ? "is text, but numbers"
                                      : "is numbers, but text",
                       b->fitted->path);
        return false;
    }
    bool star = column->text && !target;
    bool one_hot = words_have(&b->one_hot, name) || (star && words_have(&b->one_hot, "*"));
    bool index = words_have(&b->index, name) || (star && words_have(&b->index, "*"));
    if (one_hot && index) {
        /* A name says more than a star. */
        one_hot = words_have(&b->one_hot, name);
        index = words_have(&b->index, name);
    }
    if (one_hot == index && one_hot) {
        ag_error_raise(b->where, AG_ERROR_VALUE,
                       "%s: %s: column \"%.80s\" cannot be one-hot and an index", b->function,
                       b->table->path, name);
        return false;
    }
    enum coding coding = target && b->config.classes ? AS_CLASS
                         : one_hot                   ? AS_ONE_HOT
                         : index                     ? AS_INDEX
                                                     : AS_NUMBER;
    if (coding == AS_NUMBER && column->text) {
        char where_text[DATA_SNIPPET + 64] = ": it is text, as asked for";
        if (column->odd_line > 0) {
            snprintf(where_text, sizeof where_text, ": %s is not a number", column->odd);
        }
        char line[40] = "";
        if (column->odd_line > 0) {
            snprintf(line, sizeof line, "line %" PRId64 ", ", column->odd_line);
        }
        ag_error_raise(b->where, AG_ERROR_FORMAT,
                       "%s: %s: %scolumn \"%.80s\"%s (a category must be listed in %s)",
                       b->function, b->table->path, line, name, where_text,
                       target ? "one_hot or index, or the target be called classes"
                              : "one_hot or index");
        return false;
    }
    b->part[b->parts++] = (struct part){ .column = column,
                                         .fitted = &b->fitted->column[in_fitted],
                                         .coding = coding,
                                         .target = target,
                                         .width = 1 };
    return true;
}

static bool choose_columns(struct build *b)
{
    int64_t most = b->table->columns + b->x.n + b->y.n + 1;
    b->part = calloc((size_t)most, sizeof *b->part);
    if (b->part == NULL) {
        out_of_memory(b);
        return false;
    }
    bool good = true;
    for (int64_t w = 0; w < b->x.n && good; w++) {
        if (words_have(&b->y, b->x.word[w])) {
            ag_error_raise(b->where, AG_ERROR_VALUE,
                           "%s: %s: column \"%.200s\" cannot be both input and target", b->function,
                           b->table->path, b->x.word[w]);
            return false;
        }
        good = words_have(&b->without, b->x.word[w]) ||
               add_part(b, data_table_find(b->table, b->x.word[w]), false);
    }
    for (int64_t c = 0; c < b->table->columns && b->x.n == 0 && good; c++) {
        const char *name = b->table->column[c].name;
        if (!words_have(&b->y, name) && !words_have(&b->without, name)) {
            good = add_part(b, c, false);
        }
    }
    if (good && b->parts == 0) {
        ag_error_raise(b->where, AG_ERROR_VALUE, "%s: %s: no column is left for the inputs",
                       b->function, b->table->path);
        return false;
    }
    if (good && b->config.classes && b->y.n != 1) {
        ag_error_raise(b->where, AG_ERROR_VALUE,
                       "%s: %s: classes are one column, but y has %" PRId64, b->function,
                       b->table->path, b->y.n);
        return false;
    }
    for (int64_t w = 0; w < b->y.n && good; w++) {
        good = add_part(b, data_table_find(b->table, b->y.word[w]), true);
    }
    return good;
}

/* ---- categories ------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    double l = *(const double *)a, r = *(const double *)b;
    return l < r ? -1 : l > r;
}

/* The numbers of a column without the missing ones, sorted; NULL if there is no memory. */
static double *sorted_numbers(const struct data_column *column, int64_t rows, int64_t *n)
{
    double *a = malloc(((size_t)rows + 1) * sizeof *a);
    *n = 0;
    for (int64_t i = 0; a != NULL && i < rows; i++) {
        if (column->number[i] == column->number[i]) {
            a[(*n)++] = column->number[i] + 0.0; /* one zero, not two */
        }
    }
    if (a != NULL) {
        qsort(a, (size_t)*n, sizeof *a, by_value);
    }
    return a;
}

static int64_t find_text(const char *const *level, int64_t levels, const char *text)
{
    int64_t low = 0, high = levels;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (strcmp(level[middle], text) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < levels && strcmp(level[low], text) == 0 ? low : -1;
}

static int64_t find_number(const double *level, int64_t levels, double value)
{
    int64_t low = 0, high = levels;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (level[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < levels && level[low] == value ? low : -1;
}

/* Whether what missing values become is a level of its own. */
static bool fill_is_level(const struct build *b, const struct part *p)
{
    return b->config.missing == DATA_MISSING_CONSTANT && p->fitted->missing > 0;
}

static bool find_texts(struct build *b, struct part *p)
{
    const struct data_column *fitted = p->fitted;
    p->text = malloc(((size_t)fitted->levels + 1) * sizeof *p->text);
    p->code_of = malloc(((size_t)p->column->levels + 1) * sizeof *p->code_of);
    if (p->text == NULL || p->code_of == NULL) {
        return false;
    }
    const char *fill = fill_is_level(b, p) ? b->config.fill_text : NULL;
    for (int64_t k = 0; k < fitted->levels; k++) {
        int order = fill != NULL ? strcmp(fill, fitted->level[k]) : 1;
        if (order < 0) {
            p->text[p->levels++] = fill;
        }
        fill = order > 0 ? fill : NULL;
        p->text[p->levels++] = fitted->level[k];
    }
    if (fill != NULL) {
        p->text[p->levels++] = fill;
    }
    for (int64_t k = 0; k < p->column->levels; k++) {
        p->code_of[k] = (int32_t)find_text(p->text, p->levels, p->column->level[k]);
    }
    return true;
}

static bool find_levels(struct build *b, struct part *p)
{
    if (p->column->text) {
        return find_texts(b, p);
    }
    int64_t n;
    p->number = sorted_numbers(p->fitted, b->fitted->rows, &n);
    if (p->number != NULL && fill_is_level(b, p)) { /* there is room: a value is missing */
        p->number[n++] = b->config.fill + 0.0;
        qsort(p->number, (size_t)n, sizeof *p->number, by_value);
    }
    for (int64_t i = 0; p->number != NULL && i < n; i++) {
        if (p->levels == 0 || p->number[p->levels - 1] != p->number[i]) {
            p->number[p->levels++] = p->number[i];
        }
    }
    return p->number != NULL;
}

/* The name of a level, as short as says which number it is. */
static const char *level_text(const struct part *p, int64_t k, char number[32])
{
    if (p->number == NULL) {
        return p->text[k];
    }
    for (int digits = 1; digits <= 17; digits++) {
        double back = 0;
        snprintf(number, 32, "%.*g", digits, p->number[k]);
        for (char *q = number; *q != '\0'; q++) {
            *q = *q == ',' ? '.' : *q; /* whatever the locale */
        }
        if (data_number_scan(number, &back) != NULL && back == p->number[k]) {
            break;
        }
    }
    return number;
}

static bool categories_fit(struct build *b)
{
    for (int64_t i = 0; i < b->parts; i++) {
        struct part *p = &b->part[i];
        if (p->coding == AS_NUMBER) {
            continue;
        }
        if (!find_levels(b, p)) {
            out_of_memory(b);
            return false;
        }
        if (p->coding == AS_CLASS && p->levels < 2) {
            char number[32];
            ag_error_raise(b->where, AG_ERROR_VALUE,
                           "%s: %s: column \"%.80s\": %s%.80s%s; classes need at least two",
                           b->function, b->fitted->path, p->column->name,
                           p->levels == 0 ? "there is no value" : "there is only one value, \"",
                           p->levels == 0 ? "" : level_text(p, 0, number),
                           p->levels == 0 ? "" : "\"");
            return false;
        }
        if (p->levels == 0) {
            ag_error_raise(b->where, AG_ERROR_VALUE, "%s: %s: column \"%.80s\": there is no value",
                           b->function, b->fitted->path, p->column->name);
            return false;
        }
        p->width = p->coding == AS_ONE_HOT ? p->levels : 1;
    }
    return true;
}

/* ---- missing values -------------------------------------------------------------------------- */

static bool is_missing(const struct part *p, int64_t row)
{
    return p->column->text ? p->column->code[row] < 0
                           : p->column->number[row] != p->column->number[row];
}

/* The level of a row of the fitted column that has one. */
static int64_t fitted_level(const struct part *p, int64_t row)
{
    return p->number != NULL
               ? find_number(p->number, p->levels, p->fitted->number[row])
               : find_text(p->text, p->levels, p->fitted->level[p->fitted->code[row]]);
}

static bool fitted_missing(const struct part *p, int64_t row)
{
    return p->fitted->text ? p->fitted->code[row] < 0
                           : p->fitted->number[row] != p->fitted->number[row];
}

/* What a missing level becomes: the constant or the most frequent one. */
static bool fill_category(struct build *b, struct part *p)
{
    if (b->config.missing == DATA_MISSING_CONSTANT) {
        int64_t k = p->number != NULL ? find_number(p->number, p->levels, b->config.fill)
                                      : find_text(p->text, p->levels, b->config.fill_text);
        if (k < 0) {
            ag_error_raise(b->where, AG_ERROR_VALUE,
                           "%s: %s: column \"%.80s\": what missing values become is not one of its "
                           "levels",
                           b->function, b->fitted->path, p->column->name);
        }
        p->filled = (double)k;
        return k >= 0;
    }
    int64_t *count = calloc((size_t)p->levels + 1, sizeof *count), best = 0;
    if (count == NULL) {
        out_of_memory(b);
        return false;
    }
    for (int64_t row = 0; row < b->fitted->rows; row++) {
        if (!fitted_missing(p, row)) {
            count[fitted_level(p, row)]++;
        }
    }
    for (int64_t k = 1; k < p->levels; k++) {
        best = count[k] > count[best] ? k : best;
    }
    free(count);
    p->filled = (double)best;
    return true;
}

static bool fill_number(struct build *b, struct part *p)
{
    if (b->config.missing == DATA_MISSING_CONSTANT) {
        p->filled = b->config.fill;
        return true;
    }
    int64_t n = 0;
    double *sorted = sorted_numbers(p->fitted, b->fitted->rows, &n), sum = 0;
    if (sorted == NULL) {
        out_of_memory(b);
        return false;
    }
    if (n == 0) {
        ag_error_raise(b->where, AG_ERROR_VALUE,
                       "%s: %s: column \"%.80s\": there is no value to fill missing ones with",
                       b->function, b->fitted->path, p->column->name);
    } else if (b->config.missing == DATA_MISSING_MEAN) {
        for (int64_t row = 0; row < b->fitted->rows; row++) {
            sum += fitted_missing(p, row) ? 0 : p->fitted->number[row];
        }
        p->filled = sum / (double)n;
    } else {
        double low = sorted[(n - 1) / 2], high = sorted[n / 2];
        p->filled = low == high ? low : low / 2 + high / 2;
    }
    free(sorted);
    return n > 0;
}

/* What missing values of a column become; NaN if they stay. False after an error. */
static bool find_fill(struct build *b, struct part *p)
{
    data_missing rule = b->config.missing;
    p->filled = data_nan();
    if (rule == DATA_MISSING_KEEP || rule == DATA_MISSING_DROP || rule == DATA_MISSING_ERROR) {
        return true;
    }
    return p->coding == AS_NUMBER ? fill_number(b, p) : fill_category(b, p);
}

static ag_error missing_error(const struct build *b, const struct part *p, int64_t row)
{
    return ag_error_raise(b->where, AG_ERROR_FORMAT,
                          "%s: %s: line %" PRId64 ", column \"%.80s\": the %s is missing%s",
                          b->function, b->table->path, b->table->line[row], p->column->name,
                          p->target ? "target" : "value",
                          p->target ? "" : " (data_table_config.missing says what to do then)");
}

/* Applies the rule: which rows are left out, what is filled in. False after an error. */
static bool missing_settle(struct build *b)
{
    for (int64_t i = 0; i < b->parts; i++) {
        struct part *p = &b->part[i];
        if (p->column->missing == 0) {
            continue;
        }
        if (!find_fill(b, p)) {
            return false;
        }
        for (int64_t row = 0; row < b->table->rows; row++) {
            if (!is_missing(p, row)) {
                continue;
            }
            if (b->config.missing == DATA_MISSING_DROP) {
                if (b->dropped == NULL) {
                    b->dropped = calloc((size_t)b->table->rows, sizeof *b->dropped);
                }
                if (b->dropped == NULL) {
                    out_of_memory(b);
                    return false;
                }
                b->dropped[row] = 1;
            } else if (p->target || b->config.missing == DATA_MISSING_ERROR ||
                       (b->config.missing == DATA_MISSING_KEEP && p->coding == AS_CLASS)) {
                missing_error(b, p, row);
                return false;
            } else {
                break;
            }
        }
    }
    b->rows = b->table->rows;
    for (int64_t row = 0; b->dropped != NULL && row < b->table->rows; row++) {
        b->rows -= b->dropped[row];
    }
    if (b->rows == 0) {
        ag_error_raise(b->where, AG_ERROR_VALUE,
                       "%s: %s: each of the %" PRId64 " rows has a missing value: none is left",
                       b->function, b->table->path, b->table->rows);
        return false;
    }
    return true;
}

/* ---- samples --------------------------------------------------------------------------------- */

/* The place of a row's level in the category; -1 if it is missing, raises if the category lacks it. */
static int64_t level_of(const struct build *b, const struct part *p, int64_t row)
{
    if (is_missing(p, row)) {
        return p->filled == p->filled ? (int64_t)p->filled : -1;
    }
    double value = p->number != NULL ? p->column->number[row] : 0;
    int64_t k = p->number != NULL ? find_number(p->number, p->levels, value)
                                  : p->code_of[p->column->code[row]];
    if (k < 0) {
        char snippet[DATA_SNIPPET], number[32];
        const char *text = number;
        if (p->number == NULL) {
            text = p->column->level[p->column->code[row]];
        } else {
            snprintf(number, sizeof number, "%.17g", value);
        }
        ag_error_raise(b->where, AG_ERROR_VALUE,
                       "%s: %s: line %" PRId64 ", column \"%.80s\": %s is not among the %" PRId64
                       " levels it is fitted on",
                       b->function, b->table->path, b->table->line[row], p->column->name,
                       data_snippet(text, strlen(text), snippet), p->levels);
    }
    return k;
}

static void put(ag_dtype dtype, void *out, int64_t i, double value)
{
    if (dtype == AG_FLOAT32) {
        ((float *)out)[i] = (float)value;
    } else if (dtype == AG_FLOAT64) {
        ((double *)out)[i] = value;
    } else {
        ((int64_t *)out)[i] = (int64_t)value;
    }
}

/* One column into all samples: numbers begin..begin+width of each, which are `stride` apart. */
static bool write_part(const struct build *b, const struct part *p, ag_dtype dtype, void *out,
                       int64_t begin, int64_t stride)
{
    int64_t at = begin;
    for (int64_t row = 0; row < b->table->rows; row++) {
        if (b->dropped != NULL && b->dropped[row]) {
            continue;
        }
        if (p->coding == AS_NUMBER) {
            put(dtype, out, at, is_missing(p, row) ? p->filled : p->column->number[row]);
        } else {
            int64_t k = level_of(b, p, row);
            if (ag_error_code() != AG_OK) {
                return false;
            }
            if (p->coding != AS_ONE_HOT) {
                put(dtype, out, at, k >= 0 ? (double)k : data_nan());
            } else {
                for (int64_t j = 0; j < p->levels; j++) {
                    put(dtype, out, at + j, j == k);
                }
            }
        }
        at += stride;
    }
    return true;
}

static char *join_name(const char *column, const char *level)
{
    size_t n = strlen(column) + strlen(level) + 2;
    char *name = malloc(n);
    if (name != NULL) {
        snprintf(name, n, "%s%s%s", column, level[0] != '\0' ? "_" : "", level);
    }
    return name;
}

/* Names of inputs and classes; NULL if there is no memory. */
static struct data_info *info_make(const struct build *b)
{
    const struct part *classes = b->config.classes ? &b->part[b->parts - 1] : NULL;
    struct data_info *info =
        data_info_new(b->x_width, classes != NULL ? classes->levels : 0, classes != NULL);
    char number[32];
    bool good = info != NULL;
    int64_t j = 0;
    for (int64_t i = 0; i < b->parts && good; i++) {
        const struct part *p = &b->part[i];
        for (int64_t k = 0; !p->target && k < p->width && good; k++) {
            const char *level = p->coding == AS_ONE_HOT ? level_text(p, k, number) : "";
            info->x_name[j] = join_name(p->column->name, level);
            good = info->x_name[j++] != NULL;
        }
    }
    for (int64_t k = 0; classes != NULL && k < classes->levels && good; k++) {
        info->class_name[k] = join_name(level_text(classes, k, number), "");
        good = info->class_name[k] != NULL;
    }
    if (!good) {
        data_info_free(info);
        return NULL;
    }
    return info;
}

static bool write_samples(const struct build *b, ag_dtype y_dtype, void *x, void *y)
{
    int64_t x_at = 0, y_at = 0;
    for (int64_t i = 0; i < b->parts; i++) {
        const struct part *p = &b->part[i];
        int64_t *at = p->target ? &y_at : &x_at;
        if (!write_part(b, p, p->target ? y_dtype : b->config.dtype, p->target ? y : x, *at,
                        p->target ? b->y_width : b->x_width)) {
            return false;
        }
        *at += p->width;
    }
    for (int64_t row = 0, i = 0; y_at == 0 && row < b->table->rows; row++) {
        if (b->dropped == NULL || !b->dropped[row]) {
            ((int64_t *)y)[i++] = row;
        }
    }
    return true;
}

static data_set *samples_make(struct build *b)
{
    for (int64_t i = 0; i < b->parts; i++) {
        *(b->part[i].target ? &b->y_width : &b->x_width) += b->part[i].width;
    }
    ag_dtype y_dtype = b->y.n == 0 || b->config.classes ? AG_INT64 : b->config.dtype;
    ag_shape y_shape = b->y.n == 0 || b->config.classes ? AG_SHAPE_SCALAR : AG_SHAPE(b->y_width);
    b->y_width = b->y.n == 0 ? 1 : b->y_width;
    int64_t most = (int64_t)(SIZE_MAX / 4 / sizeof(double)) / b->rows;
    bool fits = b->x_width <= most && b->y_width <= most;
    void *x = fits ? malloc((size_t)(b->rows * b->x_width) * ag_dtype_size(b->config.dtype)) : NULL;
    void *y = fits ? malloc((size_t)(b->rows * b->y_width) * ag_dtype_size(y_dtype)) : NULL;
    struct data_info *info = x != NULL && y != NULL ? info_make(b) : NULL;
    if (info == NULL) {
        out_of_memory(b);
    }
    if (info == NULL || !write_samples(b, y_dtype, x, y)) {
        free(x);
        free(y);
        data_info_free(info);
        return data_set_nil();
    }
    data_set *set = data_arrays_take(b->where, b->function, b->rows, x, AG_SHAPE(b->x_width),
                                     b->config.dtype, y, y_shape, y_dtype);
    if (data_set_is_nil(set)) {
        data_info_free(info);
        return set;
    }
    set->info = info;
    if (b->config.dropped != NULL) {
        *b->config.dropped = b->table->rows - b->rows;
    }
    return set;
}

static bool config_fits(ag_place where, const char *function, const data_table *table,
                        const data_table_config *config)
{
    if (config->made_by_defaults != MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: the config did not come from data_table_defaults()", function);
    } else if (table == NULL || table->rows == 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: there is no table", function);
    } else if (config->fitted != NULL && config->fitted->rows == 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: there is no table to be fitted on", function);
    } else if (config->dtype != AG_FLOAT32 && config->dtype != AG_FLOAT64) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: samples are float32 or float64, not %s",
                       function, ag_dtype_name(config->dtype));
    } else if (config->missing < DATA_MISSING_ERROR || config->missing > DATA_MISSING_KEEP) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %d is no rule for missing values", function,
                       (int)config->missing);
    } else if (config->missing == DATA_MISSING_CONSTANT && config->fill_text == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: fill_text is NULL", function);
    } else {
        return true;
    }
    return false;
}

static data_set *tabular(ag_place where, const char *function, const data_table *table,
                         data_table_config config)
{
    if (ag_error_code() != AG_OK || !config_fits(where, function, table, &config)) {
        return data_set_nil();
    }
    struct build b = { .where = where,
                       .function = function,
                       .table = table,
                       .fitted = config.fitted != NULL ? config.fitted : table,
                       .config = config };
    data_set *set = data_set_nil();
    if (lists_parse(&b) && choose_columns(&b) && categories_fit(&b) && missing_settle(&b)) {
        set = samples_make(&b);
    }
    for (int64_t i = 0; i < b.parts; i++) {
        free(b.part[i].number);
        free(b.part[i].text);
        free(b.part[i].code_of);
    }
    free(b.part);
    free(b.dropped);
    struct data_words *lists[] = { &b.x, &b.without, &b.y, &b.one_hot, &b.index };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        data_words_free(lists[i]);
    }
    return set;
}

data_set *data_table_to_set_at(ag_place where, const data_table *table, data_table_config config)
{
    return tabular(where, "data_table_to_set", table, config);
}

data_set *data_csv_at(ag_place where, const char *path, data_table_config config)
{
    data_csv_config csv = data_csv_defaults();
    data_table *table = data_csv_load(where, "data_csv", path, &csv);
    data_set *set =
        ag_error_code() == AG_OK ? tabular(where, "data_csv", table, config) : data_set_nil();
    data_table_free(table);
    return set;
}
