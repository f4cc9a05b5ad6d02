/*
 * Training at a glance. Looks at leaves between the steps and at the tape before backward; changes nothing.
 */
#include "monitor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../internal.h"
#include "local.h"
#include "survey.h"

#define WHATS 4
#define COURSE 20 /* signs of a course */

struct watched {
    char *name;
    ag_tensor tensor;
    double *before; /* the weights before the step */
    int64_t numel;
    double *noted; /* WHATS for each step */
};

struct activation {
    char name[128];
    double *dead; /* for each step */
};

struct ag_monitor {
    struct watched *parameter;
    int count;
    struct activation *activation;
    int activations;
    int64_t activation_capacity;
    int64_t steps, capacity;
    bool begun; /* gradients of a step were noted */
    bool nil;
};

static ag_monitor nil_monitor = {.nil = true};

static double norm(const double *x, const double *minus, int64_t n)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = x[i] - (minus == NULL ? 0 : minus[i]);
        squares += d * d;
    }
    return sqrt(squares);
}

ag_monitor *ag_monitor_new_at(ag_place where, const ag_list *parameters)
{
    if (ag_error_code() != AG_OK) {
        return &nil_monitor;
    }
    int64_t n = ag_list_count(parameters);
    ag_monitor *m = calloc(1, sizeof(*m));
    bool good = m != NULL && (m->parameter = calloc((size_t)n + 1, sizeof(*m->parameter))) != NULL, living = true;
    for (int64_t i = 0; good && living && i < n; i++) {
        struct watched *w = &m->parameter[m->count++];
        const char *name = ag_list_name(parameters, i);
        const ag_value *v = ag_resolve(where, "ag_monitor_new", ag_list_tensor(parameters, i));
        living = v != NULL;
        w->tensor = ag_list_tensor(parameters, i);
        w->numel = living ? v->numel : 0;
        w->name = malloc(strlen(name) + 1);
        w->before = malloc(((size_t)w->numel + 1) * sizeof(double));
        good = w->name != NULL && w->before != NULL;
        if (w->name != NULL) {
            memcpy(w->name, name, strlen(name) + 1);
        }
    }
    if (!good) {
        ag_error_raise(where, AG_ERROR_MEMORY, "ag_monitor_new: out of memory");
    }
    if (!good || !living) {
        if (m != NULL) {
            ag_monitor_free(m);
        }
        return &nil_monitor;
    }
    return m;
}

void ag_monitor_free(ag_monitor *m)
{
    if (m->nil) {
        return;
    }
    for (int i = 0; i < m->count; i++) {
        free(m->parameter[i].name);
        free(m->parameter[i].before);
        free(m->parameter[i].noted);
    }
    for (int i = 0; i < m->activations; i++) {
        free(m->activation[i].dead);
    }
    free(m->activation);
    free(m->parameter);
    free(m);
}

/* ---- noting ------------------------------------------------------------------------------------------------------------------ */

static bool grow(double **array, int64_t count, int64_t from, int64_t to)
{
    double *grown = realloc(*array, (size_t)(to * count) * sizeof(double));
    if (grown == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "ag_monitor: out of memory");
        return false;
    }
    for (int64_t i = from * count; i < to * count; i++) {
        grown[i] = NAN;
    }
    *array = grown;
    return true;
}

/* Room for the step that is being noted. */
static bool room(ag_monitor *m)
{
    int64_t capacity = m->capacity == 0 ? 64 : 2 * m->capacity;
    bool good = m->steps < m->capacity;
    if (good) {
        return true;
    }
    good = true;
    for (int i = 0; good && i < m->count; i++) {
        good = grow(&m->parameter[i].noted, WHATS, m->capacity, capacity);
    }
    for (int i = 0; good && i < m->activations; i++) {
        good = grow(&m->activation[i].dead, 1, m->capacity, capacity);
    }
    m->capacity = good ? capacity : m->capacity;
    return good;
}

/* How the program calls the operation: the part of the model, else the line; and its number among those of that name. */
static struct activation *activation_of(ag_monitor *m, const ag_node *node)
{
    char name[112], line[64], full[128];
    int again = 1;
    snprintf(name, sizeof(name), "%.60s %.40s", node->label->path[0] != '\0' ? node->label->path : ag_place_text(node->where, line, sizeof(line)),
             node->op->name);
    for (int i = 0; i <= m->activations; i++) {
        snprintf(full, sizeof(full), again == 1 ? "%s" : "%s (%d)", name, again);
        if (i == m->activations) {
            break;
        }
        if (strcmp(m->activation[i].name, full) == 0) {
            if (isnan(m->activation[i].dead[m->steps])) {
                return &m->activation[i];
            }
            again++;
            i = -1; /* this one ran already in this step: it is another use */
        }
    }
    if (!ag_grow((void **)&m->activation, m->activations, &m->activation_capacity, sizeof(*m->activation))) {
        return NULL;
    }
    struct activation *a = &m->activation[m->activations];
    memset(a, 0, sizeof(*a));
    memcpy(a->name, full, sizeof(full));
    if (!grow(&a->dead, 1, 0, m->capacity)) {
        return NULL;
    }
    m->activations++;
    return a;
}

/* The share of units whose derivative is 0 everywhere. */
static double dead_share(const ag_value *y, const double *derivative)
{
    int64_t units = y->ndim == 0 ? 1 : y->size[y->ndim == 4 ? 1 : y->ndim - 1], inner = y->ndim == 4 ? y->size[2] * y->size[3] : 1, dead = 0;
    for (int64_t u = 0; u < units; u++) {
        bool living = false;
        for (int64_t i = 0; i < y->numel && !living; i += units * inner) {
            for (int64_t k = 0; k < inner && !living; k++) {
                living = derivative[i + u * inner + k] != 0;
            }
        }
        dead += !living;
    }
    return (double)dead / (double)units;
}

ag_error ag_monitor_forward_at(ag_place where, ag_monitor *m, ag_tensor loss)
{
    ag_context *ctx = ag_context_get();
    const ag_value *v = ctx == NULL || ag_error_code() != AG_OK || m->nil ? NULL : ag_resolve_own(where, "ag_monitor_forward", loss);
    if (v == NULL || !room(m)) {
        return ag_error_code();
    }
    bool *wanted = ag_tape_cone(where, "ag_monitor_forward", ctx, v);
    for (int i = 0; i < m->activations; i++) {
        m->activation[i].dead[m->steps] = NAN; /* called twice in a step: the last one counts */
    }
    for (int64_t k = 0; wanted != NULL && k < ctx->nodes && ag_error_code() == AG_OK; k++) {
        ag_node *node = ctx->node[k];
        bool there = wanted[k] && node->state == AG_NODE_LIVE && node->inputs > 0 && node->input[0].wants;
        double *derivative = there ? ag_local_derivative(where, ctx, node) : NULL;
        struct activation *a = derivative == NULL ? NULL : activation_of(m, node);
        if (a != NULL) {
            a->dead[m->steps] = dead_share(node->output[0], derivative);
        }
        free(derivative);
    }
    free(wanted);
    return ag_error_code();
}

ag_error ag_monitor_gradients(ag_monitor *m)
{
    if (ag_error_code() != AG_OK || m->nil || !room(m)) {
        return ag_error_code();
    }
    for (int i = 0; i < m->count; i++) {
        struct watched *w = &m->parameter[i];
        double *noted = w->noted + WHATS * m->steps;
        if (ag_read_doubles_at(ag_caller(), w->tensor, w->before, w->numel) != AG_OK) {
            return ag_error_code();
        }
        const ag_value *v = ag_peek(w->tensor), *g = ag_leaf_gradient_now(v);
        noted[AG_MONITOR_WEIGHT] = norm(w->before, NULL, w->numel);
        struct ag_survey s = ag_survey_of(g);
        noted[AG_MONITOR_GRADIENT] = g == NULL ? NAN : s.nans > 0 ? INFINITY : s.norm;
    }
    m->begun = true;
    return ag_error_code();
}

ag_error ag_monitor_updates(ag_monitor *m)
{
    if (ag_error_code() != AG_OK || m->nil) {
        return ag_error_code();
    }
    if (!m->begun) {
        return ag_error_raise(ag_caller(), AG_ERROR_STATE, "ag_monitor_updates: ag_monitor_gradients() has to come before the optimizer's step");
    }
    for (int i = 0; i < m->count; i++) {
        struct watched *w = &m->parameter[i];
        double *noted = w->noted + WHATS * m->steps;
        const ag_value *v = ag_resolve(ag_caller(), "ag_monitor_updates", w->tensor);
        double *after = v == NULL ? NULL : ag_value_doubles(ag_caller(), "ag_monitor_updates", v);
        if (after == NULL) {
            return ag_error_code();
        }
        noted[AG_MONITOR_UPDATE] = norm(after, w->before, w->numel);
        noted[AG_MONITOR_RATIO] = noted[AG_MONITOR_WEIGHT] > 0 ? noted[AG_MONITOR_UPDATE] / noted[AG_MONITOR_WEIGHT] : NAN;
        free(after);
    }
    m->begun = false;
    m->steps++;
    return ag_error_code();
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------- */

int64_t ag_monitor_steps(const ag_monitor *m)
{
    return m->steps;
}

int ag_monitor_count(const ag_monitor *m)
{
    return m->count;
}

const char *ag_monitor_name(const ag_monitor *m, int parameter)
{
    return parameter < 0 || parameter >= m->count ? "" : m->parameter[parameter].name;
}

double ag_monitor_value(const ag_monitor *m, int64_t step, int parameter, ag_monitor_what what)
{
    bool there = step >= 0 && step < m->steps && parameter >= 0 && parameter < m->count && (int)what >= 0 && (int)what < WHATS;
    return there ? m->parameter[parameter].noted[WHATS * step + (int)what] : NAN;
}

int ag_monitor_activations(const ag_monitor *m)
{
    return m->activations;
}

const char *ag_monitor_activation_name(const ag_monitor *m, int activation)
{
    return activation < 0 || activation >= m->activations ? "" : m->activation[activation].name;
}

double ag_monitor_dead(const ag_monitor *m, int64_t step, int activation)
{
    bool there = step >= 0 && step < m->steps && activation >= 0 && activation < m->activations;
    return there ? m->activation[activation].dead[step] : NAN;
}

/* ---- printing ---------------------------------------------------------------------------------------------------------------- */

/* What is noted of a parameter (what >= 0), or the dead share of an activation. */
static double at(const ag_monitor *m, int i, int what, int64_t step)
{
    return what < 0 ? ag_monitor_dead(m, step, i) : ag_monitor_value(m, step, i, (ag_monitor_what)what);
}

/* The mean of the finite ones among the steps from first to below last; NaN if there are none. */
static double mean_over(const ag_monitor *m, int i, int what, int64_t first, int64_t last)
{
    double sum = 0;
    int64_t n = 0;
    for (int64_t s = first; s < last; s++) {
        double x = at(m, i, what, s);
        sum += isfinite(x) ? x : 0;
        n += isfinite(x) != 0;
    }
    return n > 0 ? sum / (double)n : NAN;
}

static double recent(const ag_monitor *m, int i, int what)
{
    int64_t tenth = m->steps / 10 > 0 ? m->steps / 10 : 1;
    return mean_over(m, i, what, m->steps - tenth, m->steps);
}

/* A sign for each stretch of steps; a norm's on a logarithmic scale, a share's from 0 to 1. */
static void course(FILE *stream, const ag_monitor *m, int i, int what)
{
    static const char *const sign[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    int n = m->steps < COURSE ? (int)m->steps : COURSE;
    double x[COURSE], low = INFINITY, high = -INFINITY;
    for (int k = 0; k < n; k++) {
        x[k] = mean_over(m, i, what, k * m->steps / n, (k + 1) * m->steps / n);
        x[k] = what < 0 ? x[k] : x[k] > 0 ? log(x[k]) : NAN;
        low = fmin(low, x[k]);
        high = fmax(high, x[k]);
    }
    if (what < 0) {
        low = 0;
        high = 1;
    }
    for (int k = 0; k < COURSE; k++) {
        double level = k < n && !isnan(x[k]) ? (high - low > 1e-9 ? (x[k] - low) / (high - low) * 7.999 : 3) : -1;
        fputs(level < 0 ? (k < n ? "·" : " ") : sign[(int)level], stream);
    }
}

static bool finite_so_far(const ag_monitor *m, int i)
{
    for (int64_t s = 0; s < m->steps; s++) {
        if (!isfinite(at(m, i, AG_MONITOR_WEIGHT, s)) || isinf(at(m, i, AG_MONITOR_GRADIENT, s))) {
            return false;
        }
    }
    return true;
}

static const char *remark(const ag_monitor *m, int i)
{
    double ratio = recent(m, i, AG_MONITOR_RATIO), gradient = recent(m, i, AG_MONITOR_GRADIENT);
    return !finite_so_far(m, i) ? "  not finite" : isnan(gradient) ? "  no gradient" : gradient == 0 ? "  gradient 0"
           : ratio > 1e-2 ? "  large steps" : ratio < 1e-5 ? "  hardly moves" : "";
}

ag_error ag_monitor_print(const ag_monitor *m, FILE *stream)
{
    if (!ag_stream_given(ag_caller(), "ag_monitor_print", stream)) {
        return ag_error_code();
    }
    fprintf(stream, "%lld steps\n%-20s  %-31s %-31s %s\n", (long long)m->steps, "parameter", "‖w‖", "‖dw‖", "‖update‖ / ‖w‖");
    for (int i = 0; i < m->count && m->steps > 0; i++) {
        fprintf(stream, "%-20.20s", m->parameter[i].name);
        for (int k = 0; k < 3; k++) {
            int what = k == 2 ? AG_MONITOR_RATIO : k;
            fputs("  ", stream);
            course(stream, m, i, what);
            fprintf(stream, " %-8.3g", recent(m, i, what));
        }
        fprintf(stream, "%s\n", remark(m, i));
    }
    bool any = false;
    for (int i = 0; i < m->activations; i++) {
        bool ever = false;
        for (int64_t s = 0; s < m->steps && !ever; s++) {
            ever = ag_monitor_dead(m, s, i) > 0;
        }
        if (!ever) {
            continue;
        }
        fprintf(stream, "%s%-20.20s  ", any ? "" : "units that pass nothing on, of all\n", m->activation[i].name);
        course(stream, m, i, -1);
        fprintf(stream, " %.0f %%\n", 100 * recent(m, i, -1));
        any = true;
    }
    return ag_stream_result(ag_caller(), "ag_monitor_print", stream);
}
