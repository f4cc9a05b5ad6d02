/*
 * Jacobians, Hessians and products with vectors: calls of ag_grad() around one evaluation of a function. Knows no operation by
 * name except those it puts results together with.
 *
 * Note [Where it is calculated]
 * Without create_graph everything happens in a scope of its own, which records whatever the caller's does, and is ended before
 * the return: nodes and temporaries are gone, and the results move to the caller's scope. With create_graph the nodes have to
 * stay, so the caller's scope is used, and a frame lets go of the temporaries.
 */
#include "functional.h"

#include <stdio.h>

#include "error_internal.h"
#include "internal.h"
#include "ops/ops.h"

#define DEFAULTS 0x6675636eu

/* One call, from the copies of the inputs to the results. */
struct derivation {
    const char *name; /* "ag_jacobian" */
    ag_place where, caller;
    int n;
    const ag_tensor *inputs;
    bool create;
    int depth;          /* of scopes, while it is calculated */
    ag_scope scope;
    ag_frame frame;
    ag_storage *memory; /* of the arrays */
    ag_tensor *x;       /* the copies of the inputs */
    ag_tensor *g;       /* n gradients */
    ag_tensor *u;       /* n cotangents that are differentiated through */
    ag_tensor y;        /* what the function returned */
};

ag_functional_config ag_functional_defaults(void)
{
    ag_functional_config config = {DEFAULTS, false};
    return config;
}

static bool fail(const struct derivation *d, ag_error code, const char *format, ...) AG_PRINTF(3, 4);

/* The message begins with the function's name. */
static bool fail(const struct derivation *d, ag_error code, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    ag_error_raise(d->where, code, "%s: %s", d->name, message);
    return false;
}

static bool fine(void)
{
    return ag_error_code() == AG_OK;
}

/* ---- arguments --------------------------------------------------------------------------------------------------------------- */

static bool check_arguments(const struct derivation *d, ag_function f, const void *results,
                            const ag_functional_config *config)
{
    const ag_context *ctx = ag_context_get();
    if (!fine() || ctx == NULL) {
        return false;
    }
    if (config->made_by_defaults != DEFAULTS) {
        return fail(d, AG_ERROR_STATE, "the config does not come from ag_functional_defaults()");
    }
    if (f == NULL || d->inputs == NULL || results == NULL) {
        return fail(d, AG_ERROR_VALUE, "%s NULL",
                    f == NULL ? "the function is" : d->inputs == NULL ? "the inputs are" : "the place for results is");
    }
    if (d->n < 1) {
        return fail(d, AG_ERROR_VALUE, "%d inputs; at least one is needed", d->n);
    }
    if (ctx->scopes == 0) {
        return fail(d, AG_ERROR_STATE, "no scope is open");
    }
    if (ctx->in_backward > 0) {
        return fail(d, AG_ERROR_STATE, "a backward is running");
    }
    if (config->create_graph && !ctx->grad) {
        return fail(d, AG_ERROR_STATE, "create_graph needs a scope that records");
    }
    for (int i = 0; i < d->n; i++) {
        const ag_value *v = ag_resolve(d->where, d->name, d->inputs[i]);
        if (v == NULL) {
            return false;
        }
        if (!ag_dtype_is_float((ag_dtype)v->dtype)) {
            return fail(d, AG_ERROR_DTYPE, "input %d is %s; derivatives need float32 or float64", i,
                        ag_dtype_name((ag_dtype)v->dtype));
        }
    }
    return true;
}

/* Whether t is like `model`, which is called `what`. */
static bool check_like(const struct derivation *d, const char *v, ag_tensor t, const char *what, ag_tensor model)
{
    const ag_value *a = ag_resolve(d->where, d->name, t), *b = ag_peek(model);
    char given[AG_SHAPE_TEXT], wanted[AG_SHAPE_TEXT];
    if (a == NULL) {
        return false;
    }
    if (a->dtype == b->dtype && ag_shape_equal(ag_value_shape_of(a), ag_value_shape_of(b))) {
        return true;
    }
    return fail(d, a->dtype == b->dtype ? AG_ERROR_SHAPE : AG_ERROR_DTYPE, "%s is %s %s, %s is %s %s", v,
                ag_dtype_name((ag_dtype)a->dtype), ag_shape_format(ag_value_shape_of(a), given, sizeof(given)), what,
                ag_dtype_name((ag_dtype)b->dtype), ag_shape_format(ag_value_shape_of(b), wanted, sizeof(wanted)));
}

/* ---- begin and end ------------------------------------------------------------------------------------------------------------ */

/* Two copies of one tensor are two variables; with create_graph the way back to an input stays. */
static ag_tensor copy_of(const struct derivation *d, ag_tensor input)
{
    if (d->create && ag_requires_grad(input)) {
        return ag_reshape(input, ag_shape_of(input));
    }
    return ag_set_requires_grad(ag_detach(input), true);
}

/* Opens what is needed and evaluates the function; after a failure, finish() still has to be called. */
static bool start(struct derivation *d, ag_function f, void *user, ag_functional_config config, const ag_tensor *results)
{
    d->caller = ag_caller_set(d->where);
    d->y = AG_NIL;
    if (!check_arguments(d, f, results, &config)) {
        return false;
    }
    d->create = config.create_graph;
    d->memory = ag_storage_new((size_t)d->n * 3 * sizeof(ag_tensor));
    if (d->memory == NULL) {
        return false;
    }
    d->x = d->memory->data;
    d->g = d->x + d->n;
    d->u = d->g + d->n;
    if (d->create) {
        d->frame = ag_frame_begin();
    } else {
        ag_begin(&d->scope);
    }
    d->depth = ag_scope_depth();
    for (int i = 0; i < d->n; i++) {
        d->x[i] = copy_of(d, d->inputs[i]);
        d->g[i] = d->u[i] = AG_NONE;
    }
    if (!fine()) {
        return false;
    }
    d->y = f(d->x, d->n, user);
    ag_caller_set(d->where);
    if (!fine()) {
        return false;
    }
    if (ag_scope_depth() < d->depth) {
        return fail(d, AG_ERROR_STATE, "the function ended a scope that it had not opened");
    }
    const ag_value *y = ag_resolve(d->where, d->name, d->y);
    if (y != NULL && !ag_dtype_is_float((ag_dtype)y->dtype)) {
        return fail(d, AG_ERROR_DTYPE, "the function's result is %s; derivatives need float32 or float64",
                    ag_dtype_name((ag_dtype)y->dtype));
    }
    return fine();
}

static bool one_element(const struct derivation *d)
{
    char text[AG_SHAPE_TEXT];
    return ag_numel(d->y) == 1 ||
           fail(d, AG_ERROR_SHAPE, "the function's result has shape %s; it must have one element",
                ag_shape_format(ag_shape_of(d->y), text, sizeof(text)));
}

/* Moves result t out of the scope that is about to end: it is held until it is listed in the caller's. */
static ag_value *lift(ag_tensor t)
{
    ag_value *v = ag_peek(ag_detach(t)); /* a handle of its own, whatever t is */
    if (v != NULL) {
        ag_value_ref(v);
        v->visible++;
    }
    return v;
}

/* Ends what start() opened, `count` results staying; after an error, all are AG_NIL. */
static void finish(struct derivation *d, int64_t count, ag_tensor *result)
{
    ag_storage *held = NULL;
    ag_value **lifted = NULL;
    for (int64_t i = 0; i < count && !fine(); i++) {
        result[i] = AG_NIL;
    }
    if (d->depth > 0 && d->create) {
        ag_frame_end_n(d->frame, (int)count, result);
    } else if (d->depth > 0) {
        held = fine() ? ag_storage_new((size_t)count * sizeof(*lifted)) : NULL;
        lifted = held != NULL ? held->data : NULL;
        for (int64_t i = 0; lifted != NULL && i < count; i++) {
            lifted[i] = lift(result[i]);
        }
        ag_end(&d->scope);
        for (int64_t i = 0; lifted != NULL && i < count; i++) {
            ag_value *v = lifted[i];
            if (v == NULL) {
                continue;
            }
            result[i] = ag_handle(v);
            if (!ag_made_push(ag_current, v)) {
                ag_value_hide(v);
                ag_value_unref(v);
            }
        }
    }
    if (held != NULL) {
        ag_storage_release(held);
    }
    if (d->memory != NULL) {
        ag_storage_release(d->memory);
    }
    for (int64_t i = 0; i < count && !fine(); i++) {
        result[i] = AG_NIL;
    }
    ag_caller_set(d->caller);
}

/* ---- sweeps ------------------------------------------------------------------------------------------------------------------- */

/* d <y, cotangent> / d inputs into gradients; AG_NONE where there is no way. */
static bool gradients(ag_tensor y, ag_tensor cotangent, int n, const ag_tensor *inputs, ag_tensor *g, bool create)
{
    for (int i = 0; i < n; i++) {
        g[i] = AG_NONE;
    }
    if (!fine() || ag_is_none(y) || !ag_requires_grad(y)) {
        return fine();
    }
    ag_backward_config config = ag_backward_defaults();
    config.cotangent = cotangent;
    config.retain_graph = config.allow_unused = true;
    config.create_graph = create;
    return ag_grad(y, n, inputs, g, config) == AG_OK;
}

/* No way means that the derivative is zero. */
static void fill_zeros(int n, const ag_tensor *like, ag_tensor *g)
{
    for (int i = 0; i < n && fine(); i++) {
        if (ag_is_none(g[i])) {
            g[i] = ag_zeros(ag_shape_of(like[i]), ag_dtype_of(like[i]));
        }
    }
}

/* Σ_i <a_i, b_i> in y's type, over those a_i that there are; b == NULL: of ones. AG_NONE if there are none. */
static ag_tensor inner_product(const struct derivation *d, const ag_tensor *a, const ag_tensor *b)
{
    ag_dtype dtype = ag_dtype_of(d->y);
    ag_tensor total = AG_NONE;
    for (int i = 0; i < d->n && fine(); i++) {
        if (ag_is_none(a[i])) {
            continue;
        }
        ag_tensor part = ag_sum(b == NULL ? a[i] : ag_mul(a[i], b[i]));
        if (ag_dtype_of(part) != dtype) {
            part = ag_cast(part, dtype);
        }
        total = ag_is_none(total) ? part : ag_add(total, part);
    }
    return total;
}

static bool check_vectors(const struct derivation *d, const ag_tensor *v)
{
    if (v == NULL) {
        return (d->n == 1 && ag_numel(d->x[0]) == 1) ||
               fail(d, AG_ERROR_VALUE, "v is NULL, which stands for 1 only with one input of one element");
    }
    for (int i = 0; i < d->n; i++) {
        char name[32], what[32];
        snprintf(name, sizeof(name), "v[%d]", i);
        snprintf(what, sizeof(what), "input %d", i);
        if (!check_like(d, name, v[i], what, d->x[i])) {
            return false;
        }
    }
    return true;
}

/* ---- jacobian, hessian --------------------------------------------------------------------------------------------------------- */

/* Writes a gradient over row k of a Jacobian. */
static void set_row(ag_tensor jacobian, int64_t k, ag_tensor g)
{
    const ag_value *v = ag_peek(jacobian), *row = ag_peek(g);
    size_t bytes = (size_t)row->numel * ag_dtype_size((ag_dtype)row->dtype);
    int outer = v->ndim - row->ndim;
    ag_array part = {(char *)ag_value_data(v) + (size_t)k * bytes, (ag_dtype)v->dtype, row->ndim, row->numel,
                     v->size + outer, v->stride + outer};
    ag_array_copy(part, ag_value_array(row));
}

/* 1 at element k, else 0, of y's shape. */
static ag_tensor unit(ag_tensor y, int64_t k)
{
    ag_tensor e = ag_zeros(ag_shape_of(y), ag_dtype_of(y));
    void *data = ag_data_mut(e);
    if (data != NULL && ag_dtype_of(e) == AG_FLOAT32) {
        ((float *)data)[k] = 1;
    } else if (data != NULL) {
        ((double *)data)[k] = 1;
    }
    return e;
}

/* Rows that are recorded, of one input, become its Jacobian. */
static ag_tensor joined(ag_tensor *row, int64_t rows, ag_tensor x, ag_shape shape)
{
    int64_t columns = ag_numel(x);
    for (int64_t k = 0; k < rows && fine(); k++) {
        row[k] = ag_is_none(row[k]) ? ag_zeros(AG_SHAPE(columns), ag_dtype_of(x)) : ag_reshape(row[k], AG_SHAPE(columns));
    }
    return fine() ? ag_reshape(ag_stack((int)rows, row, 0), shape) : AG_NIL;
}

/* (a…, b…) */
static bool joint_shape(const struct derivation *d, ag_shape a, int i, ag_shape *joint)
{
    ag_shape b = ag_shape_of(d->x[i]);
    char left[AG_SHAPE_TEXT], right[AG_SHAPE_TEXT];
    *joint = a;
    joint->ndim = a.ndim + b.ndim;
    if (joint->ndim > AG_MAX_DIMS) {
        return fail(d, AG_ERROR_SHAPE, "the derivative of %s by input %d, %s, has %d dimensions; at most %d are possible",
                    ag_shape_format(a, left, sizeof(left)), i, ag_shape_format(b, right, sizeof(right)), joint->ndim,
                    AG_MAX_DIMS);
    }
    for (int j = 0; j < b.ndim; j++) {
        joint->size[a.ndim + j] = b.size[j];
    }
    return true;
}

/* dy/dx_i into jacobian[i] for all i: what jacobian and hessian share. */
static void rows_of(struct derivation *d, ag_tensor y, ag_tensor *jacobian)
{
    ag_shape shape;
    int64_t rows = ag_numel(y);
    bool reached = rows > 0 && ag_requires_grad(y), recorded = d->create && reached;
    ag_storage *memory = recorded ? ag_storage_new((size_t)rows * (size_t)d->n * sizeof(ag_tensor)) : NULL;
    ag_tensor *row = memory != NULL ? memory->data : NULL; /* row k of input i at i * rows + k */
    for (int i = 0; i < d->n && fine(); i++) {
        if (joint_shape(d, ag_shape_of(y), i, &shape) && !recorded) {
            jacobian[i] = ag_zeros(shape, ag_dtype_of(d->x[i]));
        }
    }
    for (int64_t k = 0; k < rows && reached && fine(); k++) {
        ag_frame frame = ag_frame_begin();
        gradients(y, unit(y, k), d->n, d->x, d->g, d->create);
        for (int i = 0; i < d->n && fine(); i++) {
            if (recorded) {
                row[i * rows + k] = d->g[i];
            } else if (!ag_is_none(d->g[i])) {
                set_row(jacobian[i], k, d->g[i]);
            }
        }
        ag_frame_end_n(frame, recorded ? d->n : 0, d->g);
    }
    for (int i = 0; i < d->n && recorded && fine(); i++) {
        if (joint_shape(d, ag_shape_of(y), i, &shape)) {
            jacobian[i] = joined(row + i * rows, rows, d->x[i], shape);
        }
    }
    if (memory != NULL) {
        ag_storage_release(memory);
    }
}

ag_error ag_jacobian_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs, ag_tensor *jacobians,
                        ag_functional_config config)
{
    struct derivation d = {.name = "ag_jacobian", .where = where, .n = n, .inputs = inputs};
    if (start(&d, f, user, config, jacobians)) {
        rows_of(&d, d.y, jacobians);
    }
    finish(&d, jacobians == NULL || n < 0 ? 0 : n, jacobians);
    return ag_error_code();
}

ag_error ag_hessian_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs, ag_tensor *hessians,
                       ag_functional_config config)
{
    struct derivation d = {.name = "ag_hessian", .where = where, .n = n, .inputs = inputs};
    if (start(&d, f, user, config, hessians) && one_element(&d) && gradients(d.y, AG_NONE, n, d.x, d.u, true)) {
        fill_zeros(n, d.x, d.u);
        for (int i = 0; i < n && fine(); i++) {
            rows_of(&d, d.u[i], hessians + (int64_t)i * n);
        }
    }
    finish(&d, hessians == NULL || n < 0 ? 0 : (int64_t)n * n, hessians);
    return ag_error_code();
}

/* ---- products ------------------------------------------------------------------------------------------------------------------- */

/* f's value and the products together: a result of finish() each. */
static ag_tensor finish_with_value(struct derivation *d, int count, ag_tensor *products)
{
    ag_storage *memory = d->depth > 0 && fine() ? ag_storage_new(((size_t)count + 1) * sizeof(ag_tensor)) : NULL;
    if (memory == NULL) {
        finish(d, products == NULL || count < 0 ? 0 : count, products);
        return AG_NIL;
    }
    ag_tensor *all = memory->data;
    for (int i = 0; i < count; i++) {
        all[i] = products[i];
    }
    all[count] = d->y;
    finish(d, (int64_t)count + 1, all);
    for (int i = 0; i < count; i++) {
        products[i] = all[i];
    }
    ag_tensor y = all[count];
    ag_storage_release(memory);
    return y;
}

ag_tensor ag_vjp_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs, ag_tensor v,
                    ag_tensor *products, ag_functional_config config)
{
    struct derivation d = {.name = "ag_vjp", .where = where, .n = n, .inputs = inputs};
    if (start(&d, f, user, config, products) &&
        (ag_is_none(v) ? one_element(&d) : check_like(&d, "v", v, "the function's result", d.y)) &&
        gradients(d.y, v, n, d.x, products, d.create)) {
        fill_zeros(n, d.x, products);
    }
    return finish_with_value(&d, n, products);
}

/* A variable of zeros like t: what is linear in it is differentiated by it. */
static ag_tensor dummy_like(ag_tensor t)
{
    return ag_set_requires_grad(ag_zeros(ag_shape_of(t), ag_dtype_of(t)), true);
}

/* The gradient of <u, f> is linear in u, and its derivative by u in the direction v is J v. */
ag_tensor ag_jvp_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs, const ag_tensor *v,
                    ag_tensor *product, ag_functional_config config)
{
    struct derivation d = {.name = "ag_jvp", .where = where, .n = n, .inputs = inputs};
    if (start(&d, f, user, config, product) && check_vectors(&d, v)) {
        ag_tensor u = dummy_like(d.y);
        if (gradients(d.y, u, n, d.x, d.g, true) && gradients(inner_product(&d, d.g, v), AG_NONE, 1, &u, product, d.create)) {
            fill_zeros(1, &d.y, product);
        }
    }
    return finish_with_value(&d, 1, product);
}

ag_tensor ag_vhp_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs, const ag_tensor *v,
                    ag_tensor *products, ag_functional_config config)
{
    struct derivation d = {.name = "ag_vhp", .where = where, .n = n, .inputs = inputs};
    if (start(&d, f, user, config, products) && one_element(&d) && check_vectors(&d, v) &&
        gradients(d.y, AG_NONE, n, d.x, d.g, true) &&
        gradients(inner_product(&d, d.g, v), AG_NONE, n, d.x, products, d.create)) {
        fill_zeros(n, d.x, products);
    }
    return finish_with_value(&d, n, products);
}

/* The Jacobian of the gradient times v, by the way of ag_jvp(). */
ag_tensor ag_hvp_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs, const ag_tensor *v,
                    ag_tensor *products, ag_functional_config config)
{
    struct derivation d = {.name = "ag_hvp", .where = where, .n = n, .inputs = inputs};
    if (start(&d, f, user, config, products) && one_element(&d) && check_vectors(&d, v) &&
        gradients(d.y, AG_NONE, n, d.x, d.g, true)) {
        for (int i = 0; i < n && fine(); i++) {
            d.u[i] = dummy_like(d.x[i]);
        }
        if (gradients(inner_product(&d, d.g, d.u), AG_NONE, n, d.x, d.g, true) &&
            gradients(inner_product(&d, d.g, v), AG_NONE, n, d.u, products, d.create)) {
            fill_zeros(n, d.x, products);
        }
    }
    return finish_with_value(&d, n, products);
}
