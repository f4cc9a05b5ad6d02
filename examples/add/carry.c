/*
 * Looking into the adder: which of its hidden units says whether something is carried, and the picture of it.
 */
#include <stdio.h>
#include <string.h>

#include "add.h"
#include "common/plot.h"

/* ---- the network --------------------------------------------------------------------------------------------------------- */

static void adder_visit(nn_module *m, nn_visitor *v)
{
    struct adder *self = (struct adder *)m;
    nn_visit_child(v, "cell", &self->cell);
    nn_visit_child(v, "out", &self->out);
}

static const nn_module_type adder_type = {
    .size = sizeof(nn_module_type),
    .name = "Adder",
    .instance_size = sizeof(struct adder),
    .visit = adder_visit,
};

struct adder *adder_new(void)
{
    struct adder *net = (struct adder *)nn_module_new(&adder_type);
    net->cell = nn_rnn_cell(2, HIDDEN);
    net->out = nn_linear(HIDDEN, 1);
    return net;
}

/* ---- the carry ----------------------------------------------------------------------------------------------------------- */

/* What each step of sum i carries to the next. */
static void carries(const float *x, int64_t n, int64_t i, int steps, int *carry)
{
    for (int t = 0; t < steps; t++) {
        const float *bit = x + (t * n + i) * 2;
        carry[t] = bit[0] + bit[1] + (float)(t > 0 ? carry[t - 1] : 0) >= 2;
    }
}

struct carry_unit carry_find(struct sums s, ag_tensor hidden)
{
    struct carry_unit found = { 0, 1, 0 };
    const float *x = ag_data(s.x), *h = ag_data(hidden);
    const int64_t n = ag_size(s.x, 1);
    double with[HIDDEN] = { 0 }, without[HIDDEN] = { 0 }, count[2] = { 0 }, right[HIDDEN] = { 0 };
    if (x == NULL || h == NULL) {
        return found;
    }
    /* First the mean of each unit with and without a carry, then how often it is on the right side of the middle between them. */
    for (int judge = 0; judge < 2; judge++) {
        for (int64_t i = 0; i < n; i++) {
            int carry[STEPS];
            carries(x, n, i, s.steps, carry);
            for (int t = 0; t < s.steps; t++) {
                const float *unit = h + (t * n + i) * HIDDEN;
                for (int k = 0; k < HIDDEN; k++) {
                    if (judge == 0) {
                        *(carry[t] ? &with[k] : &without[k]) += (double)unit[k];
                    } else {
                        double middle = (with[k] / count[1] + without[k] / count[0]) / 2;
                        right[k] += ((unit[k] > middle) == (with[k] / count[1] > middle)) == (carry[t] != 0);
                    }
                }
                count[carry[t]] += judge == 0;
            }
        }
    }
    for (int k = 0; k < HIDDEN; k++) {
        double share = right[k] / (count[0] + count[1]);
        if (share > found.share) {
            found = (struct carry_unit){ k, with[k] / count[1] > without[k] / count[0] ? 1 : -1, share };
        }
    }
    return found;
}

/* ---- one sum ------------------------------------------------------------------------------------------------------------- */

enum { ROWS = 4, COLUMNS = TRAINED + 1 };

static void print_row(const char *name, const char *format, const double *values)
{
    printf("  %-14s", name);
    for (int c = 0; c < COLUMNS; c++) {
        printf(format, values[c]);
    }
    printf("\n");
}

/* The highest bit stands at the left, as one writes. A carry stands over the bit that it is added to. */
bool carry_show(const struct options *o, struct sums one, ag_tensor said, ag_tensor hidden, struct carry_unit unit)
{
    static const char *const rows[ROWS] = { "carry", "one number", "the other", "sum, as read" };
    double bits[ROWS][COLUMNS], units[HIDDEN][COLUMNS], shown[HIDDEN][COLUMNS], carried[COLUMNS];
    char names[HIDDEN][24], columns[COLUMNS][16];
    const char *unit_names[HIDDEN], *column_names[COLUMNS];
    int carry[STEPS];
    const float *x = ag_data(one.x), *logit = ag_data(said), *h = ag_data(hidden);
    if (x == NULL || logit == NULL || h == NULL) {
        return false;
    }
    carries(x, 1, 0, one.steps, carry);
    for (int t = 0; t < COLUMNS; t++) {
        int c = COLUMNS - 1 - t;
        bits[0][c] = t > 0 ? carry[t - 1] : 0;
        bits[1][c] = (double)x[2 * t];
        bits[2][c] = (double)x[2 * t + 1];
        bits[3][c] = logit[t] > 0;
        for (int k = 0; k < HIDDEN; k++) {
            units[k][c] = t > 0 ? (double)h[(t - 1) * HIDDEN + k] : 0;
        }
        carried[c] = unit.sign * units[unit.index][c];
        snprintf(columns[c], sizeof columns[c], "%d", t);
        column_names[c] = columns[c];
    }
    printf("\nHidden unit %d says in %.1f %% of all steps what must be carried. A sum, and that unit%s:\n\n", unit.index,
           100 * unit.share, unit.sign < 0 ? " (its sign turned round)" : "");
    for (int r = 0; r < ROWS; r++) {
        print_row(rows[r], "  %3.0f", bits[r]);
        if (r == 0) {
            char name[24];
            snprintf(name, sizeof name, "unit %d", unit.index);
            print_row(name, " %4.1f", carried);
        }
    }
    struct plot *p = plot_new("What a network carries when it adds");
    snprintf(p->note, sizeof p->note, "each column: what the units hold when the network comes to that bit; unit %d is the "
             "carry in %.1f %% of all steps", unit.index, 100 * unit.share);
    p->columns = 1;
    struct plot_panel *sum = plot_panel(p, "", "", ""), *inside = plot_panel(p, "", "bit", "");
    for (int row = 0; row < HIDDEN; row++) { /* that unit first, under the sum */
        int k = row == 0 ? unit.index : row <= unit.index ? row - 1 : row;
        snprintf(names[row], sizeof names[row], row == 0 ? "carry: unit %d" : "hidden unit %d", k);
        unit_names[row] = names[row];
        memcpy(shown[row], units[k], sizeof units[k]);
    }
    struct plot_series *above = plot_table(sum, ROWS, COLUMNS, &bits[0][0]);
    above->format = "%.0f";
    above->map = PLOT_MAP_LIGHT;
    above->low = 0;
    above->high = 2;
    struct plot_series *below = plot_table(inside, HIDDEN, COLUMNS, &shown[0][0]);
    below->format = "%.1f";
    below->map = PLOT_MAP_DIVERGING;
    below->low = -1;
    below->high = 1;
    plot_axis_names(sum, &sum->x, COLUMNS, column_names);
    plot_axis_names(sum, &sum->y, ROWS, rows);
    plot_axis_names(inside, &inside->x, COLUMNS, column_names);
    plot_axis_names(inside, &inside->y, HIDDEN, unit_names);
    sum->width = inside->width = 760;
    sum->height = 170;
    inside->height = 290;
    struct plot_output out = { .program = o->program, .folder = o->pictures, .svg = o->svg };
    bool good = plot_save(&out, p, "carry");
    plot_free(p);
    return good;
}
