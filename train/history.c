/*
 * A table of what was measured. Must not know what is trained.
 */
#include "history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct train_history {
    int columns;
    char **names;   /* [columns] */
    int64_t count, room;
    double *values; /* [room][columns] */
};

static struct train_history nil;

void train_history_free(train_history *h)
{
    if (h == NULL || h == &nil) {
        return;
    }
    for (int i = 0; h->names != NULL && i < h->columns; i++) {
        free(h->names[i]);
    }
    free(h->names);
    free(h->values);
    free(h);
}

static int column_of(const train_history *h, const char *name)
{
    for (int i = 0; i < h->columns; i++) {
        if (strcmp(h->names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static bool check_names(ag_place where, int64_t room, int columns, const char *const *names)
{
    if (room < 1 || columns < 1 || names == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "train_history_new: room for %lld epochs and %d columns%s", (long long)room, columns,
                       names == NULL ? " without names" : "");
        return false;
    }
    for (int i = 0; i < columns; i++) {
        const char *wrong = names[i] == NULL || names[i][0] == '\0' ? "has no name" : NULL;
        if (wrong == NULL && strpbrk(names[i], ",\"\n\r") != NULL) {
            wrong = "has a comma, a quote or a line break in its name";
        }
        for (int k = 0; wrong == NULL && k < i; k++) {
            wrong = strcmp(names[i], names[k]) == 0 ? "has the name of another" : NULL;
        }
        if (wrong != NULL) {
            ag_error_raise(where, AG_ERROR_VALUE, "train_history_new: column %d %s", i, wrong);
            return false;
        }
    }
    return true;
}

train_history *train_history_new_at(ag_place where, int64_t room, int columns, const char *const *names)
{
    if (ag_error_code() != AG_OK || !check_names(where, room, columns, names)) {
        return &nil;
    }
    train_history *h = calloc(1, sizeof(*h));
    bool good = h != NULL && (uint64_t)room <= SIZE_MAX / sizeof(double) / (size_t)columns;
    if (good) {
        h->columns = columns;
        h->room = room;
        h->names = calloc((size_t)columns, sizeof(*h->names));
        h->values = malloc((size_t)room * (size_t)columns * sizeof(double));
        good = h->names != NULL && h->values != NULL;
    }
    for (int i = 0; good && i < columns; i++) {
        h->names[i] = malloc(strlen(names[i]) + 1);
        good = h->names[i] != NULL;
        if (good) {
            strcpy(h->names[i], names[i]);
        }
    }
    if (!good) {
        ag_error_raise(where, AG_ERROR_MEMORY, "train_history_new: no memory for %lld epochs", (long long)room);
        train_history_free(h);
        return &nil;
    }
    return h;
}

static bool usable(ag_place where, const char *function, const train_history *h)
{
    if (ag_error_code() == AG_OK && (h == NULL || h == &nil)) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the history is %s", function, h == NULL ? "NULL" : "nil: making it failed");
    }
    return ag_error_code() == AG_OK;
}

ag_error train_history_add_at(ag_place where, train_history *h, const double *row)
{
    if (usable(where, "train_history_add", h)) {
        if (h->count == h->room) {
            ag_error_raise(where, AG_ERROR_STATE, "train_history_add: there is room for %lld epochs", (long long)h->room);
        } else {
            memcpy(h->values + h->count++ * h->columns, row, (size_t)h->columns * sizeof(*row));
        }
    }
    return ag_error_code();
}

/* The column of that name; -1 after raising. */
static int find(ag_place where, const char *function, const train_history *h, const char *name)
{
    if (!usable(where, function, h)) {
        return -1;
    }
    int column = name == NULL ? -1 : column_of(h, name);
    if (column < 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: there is no column \"%s\"", function, name == NULL ? "(NULL)" : name);
    }
    return column;
}

double train_history_value_at(ag_place where, const train_history *h, int64_t epoch, const char *name)
{
    int column = find(where, "train_history_value", h, name);
    if (column < 0) {
        return NAN;
    }
    if (epoch < 0 || epoch >= h->count) {
        ag_error_raise(where, AG_ERROR_INDEX, "train_history_value: epoch %lld of %lld", (long long)epoch, (long long)h->count);
        return NAN;
    }
    return h->values[epoch * h->columns + column];
}

int64_t train_history_best_at(ag_place where, const train_history *h, const char *name, optim_mode mode)
{
    int column = find(where, "train_history_best", h, name);
    int64_t best = -1;
    for (int64_t i = 0; column >= 0 && i < h->count; i++) {
        double value = h->values[i * h->columns + column];
        double before = best < 0 ? NAN : h->values[best * h->columns + column];
        if (!isnan(value) && (best < 0 || (mode == OPTIM_MIN ? value < before : value > before))) {
            best = i;
        }
    }
    return best;
}

int64_t train_history_count(const train_history *h)
{
    return h == NULL ? 0 : h->count;
}

int train_history_columns(const train_history *h)
{
    return h == NULL ? 0 : h->columns;
}

const char *train_history_name(const train_history *h, int column)
{
    return h == NULL || column < 0 || column >= h->columns ? NULL : h->names[column];
}

bool train_history_has(const train_history *h, const char *name)
{
    return h != NULL && name != NULL && column_of(h, name) >= 0;
}

ag_error train_history_write_at(ag_place where, const train_history *h, FILE *out)
{
    if (!usable(where, "train_history_write", h)) {
        return ag_error_code();
    }
    bool good = fputs("epoch", out) >= 0;
    for (int k = 0; k < h->columns; k++) {
        good = good && fprintf(out, ",%s", h->names[k]) > 0;
    }
    for (int64_t i = 0; i < h->count; i++) {
        good = good && fprintf(out, "\n%lld", (long long)i + 1) > 0;
        for (int k = 0; k < h->columns; k++) {
            double value = h->values[i * h->columns + k];
            good = good && (isnan(value) ? fputc(',', out) != EOF : fprintf(out, ",%.17g", value) > 0);
        }
    }
    good = good && fputc('\n', out) != EOF && fflush(out) == 0;
    return good ? AG_OK : ag_error_raise(where, AG_ERROR_FILE, "train_history_write: the stream cannot be written");
}

static void visit(void *object, ag_state_visitor *v)
{
    train_history *h = object;
    if (!usable(ag_caller(), "train_history_stateful", h)) {
        return;
    }
    for (int k = 0; k < h->columns; k++) {
        char label[32];
        snprintf(label, sizeof(label), "column.%d", k);
        ag_state_same_text(v, label, h->names[k]);
    }
    int64_t numbers = h->count * h->columns;
    ag_state_series(v, "values", h->values, AG_FLOAT64, &numbers, h->room * h->columns);
    if (ag_state_loading(v)) {
        h->count = numbers / h->columns;
    }
}

ag_stateful train_history_stateful(train_history *h)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "history", visit };
    return ag_stateful_make(&type, h);
}
