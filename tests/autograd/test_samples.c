/*
 * The proof, from the table: every sample of every operation against PyTorch's values and gradients and against numerical
 * derivatives of first and second order, in every memory layout; every refusal with its message. With --dump it writes the
 * samples, all or those of the families named, for tests/golden/make_samples.py; with names or --all it checks those in this
 * process and says the worst errors; with --table it writes the table of operations for people, with --shapes what shapes the samples have.
 */
#include <check.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "samples_driver.h"

#define MAX_SETS 512
#define MAX_FAILURES 100

/* ---- counting and reporting ----------------------------------------------------------------------------------------------- */

static int failures, checks;
static double worst64, worst32, worst_first, worst_second;

static void differs(const ag_samples *s, const char *format, ...)
{
    static const char *const layouts[] = {"row-major", "transposed", "strided", "expanded", "copied"};
    va_list arguments;
    va_start(arguments, format);
    if (failures++ < MAX_FAILURES) {
        fprintf(stderr, "%s: %s [%s, %s]: ", s->set->name, s->text, ag_dtype_name(s->dtype), layouts[s->layout]);
        vfprintf(stderr, format, arguments);
        fprintf(stderr, "\n");
    }
    va_end(arguments);
}

static void quiet(ag_error code, const char *message, void *user)
{
    (void)code;
    (void)message;
    (void)user;
}

/* ---- PyTorch's values -------------------------------------------------------------------------------------------------------- */

/* Samples of autograd/ops/<family>.c have their values in golden/samples/<family>.txt. There, a line "sample <set> <text>" is
 * followed by "result <n> values…" and "grad <input> <n> values…", until "end". */
struct reference {
    char family[64];
    char *text; /* the whole file; NULL if there is none */
    size_t size;
};

/* "loss" of ".../autograd/ops/loss.c". */
static void family_of(const ag_sample_set *set, char *family, size_t bytes)
{
    const char *name = strrchr(set->file, '/');
    name = name != NULL ? name + 1 : set->file;
    snprintf(family, bytes, "%.*s", (int)strcspn(name, "."), name);
}

static struct reference reference_load(const ag_sample_set *set)
{
    struct reference r = {"", NULL, 0};
    char path[512];
    family_of(set, r.family, sizeof(r.family));
    snprintf(path, sizeof(path), "%s/samples/%s.txt", TESTS_GOLDEN, r.family);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return r;
    }
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    r.text = calloc((size_t)size + 1, 1);
    r.size = fread(r.text, 1, (size_t)size, f);
    fclose(f);
    return r;
}

/* The place after the sample's own line, NULL if the file does not have it. */
static const char *reference_find(const struct reference *r, const ag_samples *s)
{
    char line[512];
    snprintf(line, sizeof(line), "\nsample %s %s\n", s->set->name, s->text);
    const char *at = r->text == NULL ? NULL : strstr(r->text, line);
    return at == NULL ? NULL : at + strlen(line);
}

/* The values of the entry `key` ("result 0", "grad a"), NULL if there is none before "end". */
static double *reference_values(const char *at, const char *key, int64_t *n)
{
    const char *end = strstr(at, "\nend\n");
    char start[64];
    snprintf(start, sizeof(start), "%s ", key);
    for (const char *line = at; line != NULL && line < end + 1; line = strchr(line, '\n'), line += line != NULL) {
        if (strncmp(line, start, strlen(start)) != 0) {
            continue;
        }
        char *next;
        *n = strtoll(line + strlen(start), &next, 10);
        double *values = calloc((size_t)*n + 1, sizeof(double));
        for (int64_t k = 0; k < *n; k++) {
            values[k] = strtod(next, &next);
        }
        return values;
    }
    return NULL;
}

/* Whether PyTorch has no gradient at all: not the same as one that is zero. */
static bool reference_none(const char *at, const char *key)
{
    const char *end = strstr(at, "\nend\n");
    char line[64];
    snprintf(line, sizeof(line), "\n%s none\n", key);
    const char *found = strstr(at - 1, line);
    return found != NULL && found < end + 1;
}

/* ‖got − wanted‖∞ / ‖wanted‖∞; infinities and NaN must be the same. */
static double distance(const double *got, const double *wanted, int64_t count)
{
    double scale = 0, worst = 0;
    for (int64_t k = 0; k < count; k++) {
        if (isfinite(wanted[k])) {
            scale = fmax(scale, fabs(wanted[k]));
        }
    }
    for (int64_t k = 0; k < count; k++) {
        bool same = got[k] == wanted[k] || (isnan(got[k]) && isnan(wanted[k]));
        double error = same ? 0 : fabs(got[k] - wanted[k]) / (scale > 0 ? scale : 1);
        if (!(error <= worst)) {
            worst = isnan(error) ? INFINITY : error;
        }
    }
    return worst;
}

static double *read_all(ag_tensor t)
{
    int64_t count = ag_numel(t);
    double *values = calloc((size_t)count + 1, sizeof(double));
    ag_read_doubles(t, values, count);
    return values;
}

static void compare(const ag_samples *s, const char *what, ag_tensor t, const char *at, const char *key)
{
    int64_t n = -1, count = ag_numel(t);
    double *wanted = reference_values(at, key, &n);
    if (wanted == NULL || n != count) {
        differs(s, "%s has %lld elements, PyTorch's %lld", what, (long long)count, (long long)n);
        free(wanted);
        return;
    }
    double *got = read_all(t), worst = distance(got, wanted, count);
    bool wide = s->dtype == AG_FLOAT64 || !ag_dtype_is_float(ag_dtype_of(t));
    double tolerance = wide ? 1e-12 : 1e-5, looser = wide ? s->looser64 : s->looser32;
    tolerance = looser > 0 ? looser : tolerance;
    double *record = wide ? &worst64 : &worst32;
    *record = fmax(*record, isfinite(worst) && looser == 0 ? worst : 0);
    checks++;
    if (!(worst <= tolerance)) {
        differs(s, "%s differs from PyTorch's by %g of its largest element", what, worst);
    }
    free(wanted);
    free(got);
}

/* The rule as it is recorded, for gradients of gradients, may take another way than the fast one: the numbers are the same. */
static void against_recorded(ag_samples *s, ag_tensor value, int i, ag_tensor fast)
{
    if (s->set->op != NULL && s->set->op->orders < 2) {
        return;
    }
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = config.allow_unused = true;
    ag_tensor leaf = s->input[i].leaf, g;
    if (ag_grad(value, 1, &leaf, &g, config) != AG_OK) {
        return;
    }
    g = ag_is_none(g) ? ag_zeros_like(leaf) : g;
    double *a = read_all(g), *b = read_all(fast), error = distance(a, b, ag_numel(g));
    checks++;
    if (!(error <= (s->dtype == AG_FLOAT64 ? 1e-12 : 2e-5))) {
        differs(s, "grad %s: the recorded rule and the fast one differ by %g of the largest element", s->input[i].name, error);
    }
    free(a);
    free(b);
}

static void against_pytorch(ag_samples *s, const struct reference *r)
{
    ag_scope scope = {0};
    ag_begin(&scope);
    samples_run(s);
    const char *at = reference_find(r, s);
    if (ag_error_code() != AG_OK || at == NULL || s->results == 0) {
        differs(s, "%s", ag_error_code() != AG_OK ? ag_error_message() : at == NULL ? "no reference value" : "no result");
        ag_error_clear();
        ag_end(&scope);
        return;
    }
    char key[32];
    for (int i = 0; i < s->results; i++) {
        snprintf(key, sizeof(key), "result %d", i);
        compare(s, key, s->result[i], at, key);
    }
    ag_tensor value = samples_objective(s);
    bool differentiable = !ag_is_none(value) && ag_requires_grad(value);
    for (int i = 0; i < s->inputs && differentiable && ag_error_code() == AG_OK; i++) {
        if (!s->input[i].differentiable) {
            continue;
        }
        ag_backward_config config = ag_backward_defaults();
        config.retain_graph = config.allow_unused = true;
        ag_tensor leaf = s->input[i].leaf, g;
        if (ag_grad(value, 1, &leaf, &g, config) != AG_OK) {
            break;
        }
        snprintf(key, sizeof(key), "grad %s", s->input[i].name);
        if (ag_is_none(g) != reference_none(at, key)) {
            differs(s, "%s: %s", key, ag_is_none(g) ? "there is none, but PyTorch has one" : "there is one, but PyTorch has none");
            continue;
        }
        checks++;
        if (ag_is_none(g)) {
            continue;
        }
        /* The gradient lies as the leaf does; the sample's view of it is what PyTorch knows. */
        ag_samples view = *s;
        view.input[i].leaf = g;
        compare(s, key, samples_view(&view, i), at, key);
        against_recorded(s, value, i, g);
    }
    if (ag_error_code() != AG_OK) {
        differs(s, "%s", ag_error_message());
        ag_error_clear();
    }
    ag_end(&scope);
}

/* The gradient of an input is the same when it is the only one that is wanted: what the rule reads for it is saved then, too. */
static void against_alone(ag_samples *s, const struct reference *r)
{
    for (int i = 0; i < s->inputs; i++) {
        ag_scope scope = {0};
        char key[32];
        if (!s->input[i].differentiable) {
            continue;
        }
        for (int j = 0; j < s->inputs; j++) {
            if (s->input[j].differentiable) {
                ag_set_requires_grad(s->input[j].leaf, j == i);
            }
        }
        ag_begin(&scope);
        samples_run(s);
        const char *at = reference_find(r, s);
        ag_tensor value = samples_objective(s), leaf = s->input[i].leaf, g = AG_NONE;
        ag_backward_config config = ag_backward_defaults();
        config.allow_unused = true;
        if (!ag_is_none(value) && ag_requires_grad(value) && ag_grad(value, 1, &leaf, &g, config) == AG_OK && !ag_is_none(g)) {
            snprintf(key, sizeof(key), "grad %s", s->input[i].name);
            compare(s, key, g, at, key);
        }
        if (ag_error_code() != AG_OK) {
            differs(s, "%s alone: %s", s->input[i].name, ag_error_message());
            ag_error_clear();
        }
        ag_end(&scope);
    }
    for (int j = 0; j < s->inputs; j++) {
        if (s->input[j].differentiable) {
            ag_set_requires_grad(s->input[j].leaf, true);
        }
    }
}

/* ---- numerical derivatives ------------------------------------------------------------------------------------------------------ */

static ag_tensor sample_function(const ag_tensor *inputs, int n, void *user)
{
    ag_samples *s = user;
    (void)inputs;
    (void)n;
    samples_run(s);
    return samples_objective(s);
}

static void against_differences(ag_samples *s, int order)
{
    ag_tensor leaves[SAMPLE_INPUTS];
    int n = 0;
    ag_scope scope = {0};
    ag_begin(&scope); /* a first run makes the inputs */
    samples_run(s);
    ag_tensor value = samples_objective(s);
    bool differentiable = !ag_is_none(value) && !ag_is_nil(value) && ag_requires_grad(value);
    ag_end(&scope);
    for (int i = 0; i < s->inputs; i++) {
        if (s->input[i].differentiable && ag_numel(s->input[i].leaf) > 0) {
            leaves[n++] = s->input[i].leaf;
        }
    }
    if (!differentiable || n == 0 || s->no_differences || (order == 2 && s->first_order_only)) {
        return;
    }
    for (int i = 0; i < n; i++) {
        ag_gradcheck_config config = ag_gradcheck_defaults();
        config.order = order;
        ag_gradcheck_report report = ag_gradcheck(sample_function, s, 1, &leaves[i], config);
        checks++;
        if (ag_error_code() != AG_OK) {
            differs(s, "order %d: %s", order, ag_error_message());
            ag_error_clear();
            return;
        }
        /* Where a derivative vanishes, differences leave rounding noise that is no scale to measure against. */
        bool vanishes = report.scale < 1e-9 && fabs(report.analytic) < 1e-9;
        double *record = order == 1 ? &worst_first : &worst_second;
        *record = fmax(*record, isfinite(report.worst) && !vanishes ? report.worst : 0);
        if (!report.passed && !vanishes) {
            differs(s, "order %d, input %d, element %lld: %.12g by the tape, %.12g by differences, error %g of %g", order, i,
                 (long long)report.element, report.analytic, report.numeric, report.worst, report.scale);
        }
    }
}

/* ---- expanded inputs ------------------------------------------------------------------------------------------------------------- */

/* Values and gradients of one run, one after the other. */
static double *run_flat(ag_samples *s, int64_t *n)
{
    ag_scope scope = {0};
    double *all = NULL;
    ag_tensor parts[SAMPLE_RESULTS + SAMPLE_INPUTS];
    int count = 0;
    *n = 0;
    ag_begin(&scope);
    samples_run(s);
    for (int i = 0; i < s->results; i++) {
        parts[count++] = s->result[i];
    }
    ag_tensor value = samples_objective(s);
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = config.allow_unused = true;
    bool differentiable = ag_error_code() == AG_OK && !ag_is_none(value) && ag_requires_grad(value);
    for (int i = 0; i < s->inputs && differentiable && ag_error_code() == AG_OK; i++) {
        ag_tensor leaf = s->input[i].leaf, g;
        if (s->input[i].differentiable && ag_grad(value, 1, &leaf, &g, config) == AG_OK && !ag_is_none(g)) {
            parts[count++] = g;
        }
    }
    for (int i = 0; i < count && ag_error_code() == AG_OK; i++) {
        int64_t more = ag_numel(parts[i]);
        all = realloc(all, (size_t)(*n + more + 1) * sizeof(double));
        ag_read_doubles(parts[i], all + *n, more);
        *n += more;
    }
    ag_end(&scope);
    return all;
}

static void against_copied(const ag_sample_set *set, int i)
{
    ag_samples expanded, copied;
    int64_t n, m;
    samples_open(&expanded, set, i, AG_FLOAT64, LAYOUT_EXPANDED);
    double *a = run_flat(&expanded, &n);
    if (ag_error_code() != AG_OK) {
        differs(&expanded, "%s", ag_error_message());
        ag_error_clear();
    }
    samples_open(&copied, set, i, AG_FLOAT64, LAYOUT_COPIED);
    double *b = run_flat(&copied, &m);
    ag_error_clear();
    double error = n == m ? distance(a, b, n) : INFINITY;
    checks++;
    if (!(error <= 1e-12)) {
        differs(&expanded, "the results differ from those of a copy by %g of the largest element", error);
    }
    free(a);
    free(b);
    samples_close(&expanded);
    samples_close(&copied);
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------------- */

static void refusal(ag_samples *s)
{
    int64_t live = ag_memory().live_buffers;
    ag_scope scope = {0};
    ag_begin(&scope);
    samples_run(s);
    checks++;
    if (strncmp(ag_error_message(), s->text, strlen(s->text)) != 0) {
        differs(s, "the message is \"%s\"", ag_error_message());
    }
    ag_error_clear();
    ag_end(&scope);
    samples_close(s);
    if (ag_memory().live_buffers != live) {
        differs(s, "%lld buffers leaked", (long long)(ag_memory().live_buffers - live));
    }
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------------ */

static const ag_sample_set *sets[MAX_SETS];
static int set_count;

/* What kind of block it is, found out by running it. */
static bool block_refuses(const ag_sample_set *set, int i)
{
    ag_samples s;
    samples_open(&s, set, i, AG_FLOAT64, LAYOUT_ROW_MAJOR);
    ag_scope scope = {0};
    ag_begin(&scope);
    samples_run(&s);
    ag_error_clear();
    ag_end(&scope);
    samples_close(&s);
    return s.refuses;
}

static int samples_checked, samples_looser;

static void note_looser(const ag_samples *s)
{
    if (s->reason == NULL) {
        return;
    }
    samples_looser++;
    if (s->looser64 > 1e-9 || s->looser32 > 1e-3) {
        differs(s, "a tolerance of %g and %g is too loose", s->looser64, s->looser32);
    }
}

static void check_set(const ag_sample_set *set, const struct reference *r)
{
    for (int i = 0, n = samples_count(set); i < n; i++) {
        ag_samples s;
        if (block_refuses(set, i)) {
            samples_open(&s, set, i, AG_FLOAT64, LAYOUT_ROW_MAJOR);
            refusal(&s);
            continue;
        }
        for (int layout = 0; layout < LAYOUT_COUNT; layout++) {
            samples_open(&s, set, i, AG_FLOAT32, (enum sample_layout)layout);
            against_pytorch(&s, r);
            samples_close(&s);
            samples_open(&s, set, i, AG_FLOAT64, (enum sample_layout)layout);
            against_pytorch(&s, r);
            against_differences(&s, 1);
            if (set->op == NULL || set->op->orders >= 2) {
                against_differences(&s, 2);
            }
            if (layout == LAYOUT_ROW_MAJOR) {
                against_alone(&s, r);
                samples_checked++;
                note_looser(&s);
            }
            samples_close(&s);
        }
        against_copied(set, i);
    }
}

START_TEST(every_sample_agrees)
{
    struct reference r = reference_load(sets[_i]);
    ck_assert_msg(r.text != NULL, "cannot read %s/samples/%s.txt", TESTS_GOLDEN, r.family);
    int64_t live = ag_memory().live_buffers;
    failures = 0;
    check_set(sets[_i], &r);
    free(r.text);
    ck_assert_msg(failures == 0, "%s: %d failures", sets[_i]->name, failures);
    ck_assert_int_eq(ag_memory().live_buffers, live);
}
END_TEST

/* Tolerances above the usual ones are exceptions: at most 3 % of all samples. */
START_TEST(few_samples_are_looser)
{
    int all = 0, looser = 0;
    for (int j = 0; j < set_count; j++) {
        for (int k = 0, n = samples_count(sets[j]); k < n; k++) {
            ag_samples s;
            samples_open(&s, sets[j], k, AG_FLOAT64, LAYOUT_ROW_MAJOR);
            ag_scope scope = {0};
            ag_begin(&scope);
            samples_run(&s);
            ag_error_clear();
            ag_end(&scope);
            samples_close(&s);
            all += !s.refuses;
            looser += !s.refuses && s.reason != NULL;
        }
    }
    ck_assert_int_gt(all, 0);
    ck_assert_msg(looser * 100 <= 3 * all, "%d of %d samples ask for looser tolerances", looser, all);
}
END_TEST

START_TEST(every_operation_has_samples)
{
    const struct ag_op *ops[512];
    int n = samples_ops(ops, 512);
    ck_assert_int_gt(n, 0);
    for (int i = 0; i < n; i++) {
        int good = 0, bad = 0;
        for (int j = 0; j < set_count; j++) {
            if (sets[j]->op != ops[i]) {
                continue;
            }
            for (int k = 0, count = samples_count(sets[j]); k < count; k++) {
                *(block_refuses(sets[j], k) ? &bad : &good) += 1;
            }
        }
        ck_assert_msg(good > 0, "%s has no samples", ops[i]->name);
        ck_assert_msg(bad > 0, "%s has no bad samples", ops[i]->name);
        ck_assert_msg(ops[i]->formula != NULL, "%s has no formula", ops[i]->name);
        ck_assert_msg((ops[i]->derivative != NULL) == (ops[i]->backward != NULL), "%s: derivative in words and in code",
                      ops[i]->name);
    }
}
END_TEST

/* ---- for the script that makes the reference values -------------------------------------------------------------------------------- */

static void dump_sample(ag_samples *s)
{
    ag_scope scope = {0};
    ag_begin(&scope);
    samples_run(s);
    if (!s->refuses && ag_error_code() == AG_OK) {
        printf("sample %s %s\n", s->set->name, s->text);
        for (int i = 0; i < s->inputs; i++) {
            const struct sample_input *in = &s->input[i];
            int64_t n = ag_numel(in->leaf);
            double *values = calloc((size_t)n + 1, sizeof(double));
            ag_read_doubles(in->leaf, values, n);
            printf("input %s %s %d %d", in->name, ag_dtype_name(ag_dtype_of(in->leaf)), in->differentiable,
                   in->shape.ndim);
            for (int d = 0; d < in->shape.ndim; d++) {
                printf(" %lld", (long long)in->shape.size[d]);
            }
            for (int64_t k = 0; k < n; k++) {
                printf(" %.17g", values[k]);
            }
            printf("\n");
            free(values);
        }
        printf("end\n");
    } else if (!s->refuses) {
        fprintf(stderr, "%s: %s: %s\n", s->set->name, s->text, ag_error_message());
    }
    ag_error_clear();
    ag_end(&scope);
    samples_close(s);
}

/* ---- for the table in autograd/ops/README.md ---------------------------------------------------------------------------------------- */

/* A cell of a table in Markdown, as code. */
static void print_cell(const char *text)
{
    printf(" | ");
    if (text == NULL) {
        return;
    }
    printf("`");
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            printf("\\");
        }
        printf("%c", *text);
    }
    printf("`");
}

static int count_good(const ag_sample_set *set)
{
    int good = 0;
    for (int k = 0, n = samples_count(set); k < n; k++) {
        good += !block_refuses(set, k);
    }
    return good;
}

/* One family of files after the other: its operations by name, then the functions composed of them. */
static void print_table(void)
{
    char family[64] = "", own[64];
    for (;;) {
        const char *next = NULL; /* the family after the last one, by name */
        static char names[MAX_SETS][64];
        for (int j = 0; j < set_count; j++) {
            family_of(sets[j], names[j], sizeof(names[j]));
            if (strcmp(names[j], family) > 0 && (next == NULL || strcmp(names[j], next) < 0)) {
                next = names[j];
            }
        }
        if (next == NULL) {
            return;
        }
        snprintf(family, sizeof(family), "%s", next);
        printf("\n### %s.c\n\n| operation | formula | derivative | orders | samples |\n|---|---|---|---|---|\n", family);
        int composed = 0;
        for (int j = 0; j < set_count; j++) {
            const struct ag_op *op = sets[j]->op;
            family_of(sets[j], own, sizeof(own));
            if (strcmp(own, family) != 0) {
                continue;
            }
            composed += op == NULL;
            if (op != NULL) {
                printf("| %s", sets[j]->name);
                print_cell(op->formula);
                print_cell(op->derivative);
                if (op->orders >= AG_ORDERS_ANY) {
                    printf(" | any | %d |\n", count_good(sets[j]));
                } else {
                    printf(" | %d | %d |\n", op->orders, count_good(sets[j]));
                }
            }
        }
        for (int j = 0; j < set_count && composed > 0; j++) {
            family_of(sets[j], own, sizeof(own));
            if (strcmp(own, family) == 0 && sets[j]->op == NULL) {
                printf("| %s | composed of operations | | | %d |\n", sets[j]->name, count_good(sets[j]));
            }
        }
    }
}

/* For functions.py: what shapes the inputs of each block have. */
static void print_shapes(void)
{
    for (int j = 0; j < set_count; j++) {
        for (int k = 0, n = samples_count(sets[j]); k < n; k++) {
            ag_samples s;
            samples_open(&s, sets[j], k, AG_FLOAT64, LAYOUT_ROW_MAJOR);
            ag_scope scope = {0};
            ag_begin(&scope);
            samples_run(&s);
            ag_error_clear();
            ag_end(&scope);
            samples_close(&s);
            printf("%s %u %s\n", sets[j]->name, s.met, s.text);
        }
    }
}

/* Whether the set, or its family, is among the names; no names: every set is. */
static bool chosen(const ag_sample_set *set, int n, char *const *names)
{
    char family[64];
    family_of(set, family, sizeof(family));
    bool found = n == 0;
    for (int i = 0; i < n; i++) {
        found = found || strcmp(set->name, names[i]) == 0 || strcmp(family, names[i]) == 0;
    }
    return found;
}

int main(int argc, char **argv)
{
    ag_error_set_handler(quiet, NULL);
    set_count = samples_sets(sets, MAX_SETS);
    if (argc > 1 && strcmp(argv[1], "--dump") == 0) {
        for (int j = 0; j < set_count; j++) {
            if (!chosen(sets[j], argc - 2, argv + 2)) {
                continue;
            }
            char family[64];
            family_of(sets[j], family, sizeof(family));
            printf("family %s\n", family);
            for (int k = 0, n = samples_count(sets[j]); k < n; k++) {
                ag_samples s;
                samples_open(&s, sets[j], k, AG_FLOAT64, LAYOUT_ROW_MAJOR);
                dump_sample(&s);
            }
        }
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--shapes") == 0) {
        print_shapes();
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        print_table();
        return 0;
    }
    if (argc > 1) { /* sets by name or family, in this process, with the worst errors */
        bool all = strcmp(argv[1], "--all") == 0;
        int checked = 0;
        for (int j = 0; j < set_count; j++) {
            if (chosen(sets[j], all ? 0 : argc - 1, argv + 1)) {
                struct reference r = reference_load(sets[j]);
                check_set(sets[j], &r);
                free(r.text);
                checked++;
            }
        }
        printf("%d sets, %d samples (%d of them looser), %d checks, %d failures; worst: %g and %g of PyTorch (float64, float32), "
               "%g and %g numerically\n",
               checked, samples_checked, samples_looser, checks, failures, worst64, worst32, worst_first, worst_second);
        return failures > 0;
    }
    Suite *suite = suite_create("samples");
    TCase *tcase = tcase_create("table");
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, every_operation_has_samples);
    tcase_add_test(tcase, few_samples_are_looser);
    tcase_add_loop_test(tcase, every_sample_agrees, 0, set_count);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
