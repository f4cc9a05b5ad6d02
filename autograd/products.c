/*
 * What rules multiply: products that go straight into gradients' buffers.
 *
 * Note [Products wait]
 * Products of one rule are computed when it has said all of them: those that need not wait for one another (dx and dw of a linear
 * layer, three of a recurrent cell) are one task for the threads. Whatever looks at a gradient's buffer in between computes first what
 * waits. Their factors are held meanwhile.
 */
#include "sweep.h"

#include <stdlib.h>

#include "error_internal.h"
#include "ops/ops.h"

enum {
    WORTH_WAITING = 32768 /* multiply-adds */
};

static void compute(ag_dtype dtype, int count, const k_product *products)
{
    size_t bytes = k_gemm_several_bytes(dtype, count, products);
    ag_storage *work = bytes > 0 ? ag_storage_new(bytes) : NULL;
    if (bytes == 0 || work != NULL) {
        k_gemm_several(dtype, ag_threads(), count, products, work != NULL ? work->data : NULL);
    }
    if (work != NULL) {
        ag_storage_release(work);
    }
}

static void compute_waiting(struct ag_products *w)
{
    int count = w->count;
    w->count = 0;
    if (ag_error_code() == AG_OK) {
        compute(w->dtype, count, w->product);
    }
    for (int i = 0; i < count; i++) {
        for (int side = 0; side < 2; side++) {
            ag_value_unsave(w->factor[i][side]);
            ag_value_unref(w->factor[i][side]);
        }
    }
}

void ag_products_compute(ag_context *ctx)
{
    if (AG_UNLIKELY(ctx->products != NULL && ctx->products->count > 0)) {
        compute_waiting(ctx->products);
    }
}

/* The buffer of input i's gradient, to which no product that waits writes. */
static bool free_target(ag_sweep *s, int i, ag_array *target, bool *accumulate)
{
    const struct ag_products *w = s->ctx->products;
    if (!ag_sweep_target_beside(s, i, target, accumulate)) {
        return false;
    }
    for (int j = 0; w != NULL && j < w->count; j++) {
        if (w->product[j].c == target->data || w->product[j].sums == target->data) {
            ag_products_compute(s->ctx);
        }
    }
    return true;
}

static void multiply(ag_sweep *s, ag_dtype dtype, const k_product *product, ag_value *x, ag_value *y)
{
    struct ag_products *w = s->ctx->products;
    if (product->m * product->n * product->k >= WORTH_WAITING && w == NULL) {
        w = s->ctx->products = calloc(1, sizeof(*w));
    }
    if (product->m * product->n * product->k < WORTH_WAITING || w == NULL) {
        compute(dtype, 1, product);
        return;
    }
    if (w->count == K_PRODUCTS || w->dtype != dtype) {
        ag_products_compute(s->ctx);
    }
    ag_value *factor[2] = { x, y };
    for (int side = 0; side < 2; side++) {
        ag_value_ref(factor[side]);
        ag_value_save(factor[side]);
        w->factor[w->count][side] = factor[side];
    }
    w->dtype = dtype;
    w->product[w->count++] = *product;
}

void ag_sweep_matmul(ag_sweep *s, int i, ag_tensor a, ag_tensor b)
{
    ag_sweep_product(s, i, a, false, b);
}

/* The gradient's buffer of input i, rows of which are those of a product of x (transposed, perhaps) and y, and that product. */
static bool product_target(ag_sweep *s, int i, const ag_value *x, bool transposed, const ag_value *y, k_product *product)
{
    const ag_value *v = s->node->input[i].value;
    int row = transposed, column = !transposed; /* x's dimensions */
    ag_array target;
    bool accumulate;
    if (v->ndim < 2 || x->ndim != 2 || y->ndim != 2 || v->size[v->ndim - 1] != y->size[1] || v->numel != x->size[row] * y->size[1] ||
        x->size[column] != y->size[0] || !free_target(s, i, &target, &accumulate)) {
        return false;
    }
    *product = (k_product){
        .m = x->size[row],
        .n = y->size[1],
        .k = y->size[0],
        .a = ag_value_data(x),
        .ars = x->stride[row],
        .acs = x->stride[column],
        .b = ag_value_data(y),
        .brs = y->stride[0],
        .bcs = y->stride[1],
        .c = target.data,
        .crs = y->size[1],
        .accumulate = accumulate,
    };
    return true;
}

void ag_sweep_product(ag_sweep *s, int i, ag_tensor a, bool transposed, ag_tensor b)
{
    if (!ag_sweep_wants(s, i) || ag_error_code() != AG_OK) {
        return;
    }
    ag_value *x = ag_resolve(s->node->where, "ag_sweep_matmul", a);
    ag_value *y = ag_resolve(s->node->where, "ag_sweep_matmul", b);
    k_product product;
    if (x == NULL || y == NULL) {
        return;
    }
    if (product_target(s, i, x, transposed, y, &product)) {
        multiply(s, (ag_dtype)x->dtype, &product, x, y);
        return;
    }
    ag_tensor g = ag_matmul(transposed ? ag_transpose(a, 0, 1) : a, b);
    ag_sweep_add(s, i, s->node->input[i].value->ndim > 2 ? ag_reshape(g, ag_sweep_shape(s, i)) : g);
}

void ag_sweep_product_and_sum(ag_sweep *s, int i, int j, ag_tensor a, ag_tensor b)
{
    ag_value *x = ag_error_code() == AG_OK ? ag_resolve(s->node->where, "ag_sweep_matmul", a) : NULL;
    ag_value *y = x != NULL ? ag_resolve(s->node->where, "ag_sweep_matmul", b) : NULL;
    const ag_value *v = s->node->input[j].value;
    k_product product;
    ag_array sums;
    bool together = y != NULL && ag_sweep_wants(s, i) && ag_sweep_wants(s, j) && x->ndim == 2 && y->ndim == 2 && v->ndim == 1 &&
                    v->size[0] == x->size[1] &&
                    k_gemm_sums_fit((ag_dtype)x->dtype, x->size[1], y->size[1], y->size[0], x->stride[1], x->stride[0]) &&
                    product_target(s, i, x, true, y, &product);
    if (!together) {
        ag_sweep_product(s, i, a, true, b);
        ag_sweep_add(s, j, a);
        return;
    }
    bool summed = free_target(s, j, &sums, &product.add_sums);
    product.sums = summed ? sums.data : NULL;
    multiply(s, (ag_dtype)x->dtype, &product, x, y);
    if (!summed) {
        ag_sweep_add(s, j, a);
    }
}
