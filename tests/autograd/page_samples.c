/*
 * Tapes for the test of the page: written as pages into a folder, or one of them as JSON, with some numbers of its leaves changed:
 *     page_samples FOLDER
 *     page_samples NAME [LEAF ELEMENT VALUE]…
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"

static ag_scope scope;
static int changes;
static char **change; /* LEAF ELEMENT VALUE… */

/* A leaf of the numbers, with what the command line changes. */
static ag_tensor leaf(const char *name, ag_dtype dtype, ag_shape shape, bool trained, const double *numbers)
{
    ag_tensor t = ag_zeros(shape, dtype);
    int64_t n = ag_numel(t);
    void *data = ag_data_mut(t);
    for (int64_t i = 0; i < n; i++) {
        double x = numbers[i];
        for (int k = 0; k + 2 < changes; k += 3) {
            if (strcmp(change[k], name) == 0 && atoll(change[k + 1]) == i) {
                x = atof(change[k + 2]);
            }
        }
        if (dtype == AG_FLOAT32) {
            ((float *)data)[i] = (float)x;
        } else {
            ((double *)data)[i] = x;
        }
    }
    return ag_set_requires_grad(ag_set_name(t, name), trained);
}

static double noise(int i)
{
    return 0.7 * sin(12.9898 * i + 4.1414) + 0.3 * cos(78.233 * i);
}

static ag_tensor filled(const char *name, ag_dtype dtype, ag_shape shape, bool trained, int seed)
{
    static double numbers[1 << 16];
    for (int i = 0; i < (1 << 16); i++) {
        numbers[i] = noise(i + 1000 * seed);
    }
    return leaf(name, dtype, shape, trained, numbers);
}

/* loss = tanh(a b + c), of single numbers */
static ag_tensor scalar(void)
{
    ag_tensor a = leaf("a", AG_FLOAT64, AG_SHAPE_SCALAR, true, (double[]){ 0.5 });
    ag_tensor b = leaf("b", AG_FLOAT64, AG_SHAPE_SCALAR, true, (double[]){ -3 });
    ag_tensor c = leaf("c", AG_FLOAT64, AG_SHAPE_SCALAR, true, (double[]){ 2 });
    return ag_tanh(ag_add(ag_mul(a, b), c));
}

/* Every kind of formula that the page reads, with broadcasting. */
static ag_tensor formulas(ag_dtype dtype)
{
    ag_tensor x = leaf("x", dtype, AG_SHAPE(2, 3), true, (double[]){ 0.3, -1.2, 2, 0.8, -0.4, 1.5 });
    ag_tensor y = leaf("y", dtype, AG_SHAPE(3), true, (double[]){ 1.1, 0.6, -0.7 });
    ag_tensor s = leaf("s", dtype, AG_SHAPE_SCALAR, true, (double[]){ 0.9 });
    ag_label_push("smooth");
    ag_tensor u = ag_add(ag_gelu(x), ag_mul(ag_silu(ag_mul(x, y)), ag_gelu_tanh(x)));
    u = ag_add(u, ag_div(ag_sigmoid(x), ag_add_scalar(ag_square(y), 1)));
    u = ag_sub(u, ag_log(ag_add_scalar(ag_exp(ag_neg(x)), 0.5)));
    u = ag_add(u, ag_mul(ag_sin(x), ag_atan(ag_mul_scalar(y, 0.3))));
    u = ag_add(u, ag_erf(ag_sqrt(ag_abs(x))));
    u = ag_add(u, ag_softplus(ag_rsqrt(ag_add_scalar(ag_square(u), 2))));
    u = ag_add(u, ag_pow(ag_add_scalar(ag_abs(x), 0.1), s));
    u = ag_add(u, ag_pow_scalar(ag_add_scalar(ag_square(x), 1), -0.5));
    ag_label_pop();
    ag_label_push("bent");
    ag_tensor v = ag_add(ag_relu(x), ag_maximum(x, y));
    v = ag_add(v, ag_minimum(ag_leaky_relu(x, 0.1), ag_elu(u, 1.3)));
    v = ag_add(v, ag_clamp(u, -0.5, 0.75));
    v = ag_mul(v, ag_hardswish(u));
    ag_label_pop();
    ag_tensor w = ag_reshape(ag_softmax(ag_mul_scalar(v, 0.1), 1), AG_SHAPE(6));
    ag_tensor target = leaf("target", dtype, AG_SHAPE(6), false, (double[]){ 0.1, 0.2, 0.3, 0.4, 0.5, 2.6 });
    ag_tensor loss = ag_add(ag_mse_loss(w, target), ag_huber_loss_with(ag_mul(w, ag_reshape(u, AG_SHAPE(6))), target, 0.4, AG_REDUCE_SUM));
    loss = ag_add(loss, ag_smooth_l1_loss(w, target));
    return ag_add(loss, ag_mul(ag_mean(v), ag_sum(ag_sum_dims(u, AG_DIMS(0), false))));
}

static ag_tensor formulas32(void)
{
    return formulas(AG_FLOAT32);
}

static ag_tensor formulas64(void)
{
    return formulas(AG_FLOAT64);
}

/* The 2-8-1 network on the exclusive or. */
static ag_tensor exclusive_or(void)
{
    ag_tensor x = leaf("x", AG_FLOAT32, AG_SHAPE(4, 2), false, (double[]){ 0, 0, 0, 1, 1, 0, 1, 1 });
    ag_tensor y = leaf("y", AG_FLOAT32, AG_SHAPE(4, 1), false, (double[]){ 0, 1, 1, 0 });
    ag_tensor w0 = filled("0.weight", AG_FLOAT32, AG_SHAPE(8, 2), true, 1), b0 = filled("0.bias", AG_FLOAT32, AG_SHAPE(8), true, 2);
    ag_tensor w2 = filled("2.weight", AG_FLOAT32, AG_SHAPE(1, 8), true, 3), b2 = filled("2.bias", AG_FLOAT32, AG_SHAPE(1), true, 4);
    ag_label_push("0");
    ag_tensor h = ag_linear(x, w0, b0);
    ag_label_pop();
    ag_label_push("1");
    h = ag_tanh(h);
    ag_label_pop();
    ag_label_push("2");
    h = ag_linear(h, w2, b2);
    ag_label_pop();
    return ag_mse_loss(h, y);
}

static ag_tensor gate(ag_tensor gates, int i, int64_t hidden)
{
    return ag_slice(gates, 1, i * hidden, (i + 1) * hidden, 1);
}

/* An LSTM over 20 steps, operation by operation. */
static ag_tensor lstm(void)
{
    const int64_t batch = 8, in = 12, hidden = 24;
    ag_tensor w_ih = filled("weight_ih", AG_FLOAT32, AG_SHAPE(4 * hidden, in), true, 1);
    ag_tensor w_hh = filled("weight_hh", AG_FLOAT32, AG_SHAPE(4 * hidden, hidden), true, 2);
    ag_tensor b_ih = filled("bias_ih", AG_FLOAT32, AG_SHAPE(4 * hidden), true, 3), b_hh = filled("bias_hh", AG_FLOAT32, AG_SHAPE(4 * hidden), true, 4);
    ag_tensor h = ag_zeros(AG_SHAPE(batch, hidden), AG_FLOAT32), c = ag_zeros(AG_SHAPE(batch, hidden), AG_FLOAT32);
    for (int t = 0; t < 20; t++) {
        char name[16];
        snprintf(name, sizeof(name), "x[%d]", t);
        ag_tensor x = filled(name, AG_FLOAT32, AG_SHAPE(batch, in), false, 5 + t);
        ag_label_push("cell");
        ag_tensor gates = ag_add(ag_linear(x, w_ih, b_ih), ag_linear(h, w_hh, b_hh));
        ag_tensor i = ag_sigmoid(gate(gates, 0, hidden));
        ag_tensor f = ag_sigmoid(gate(gates, 1, hidden));
        ag_tensor g = ag_tanh(gate(gates, 2, hidden));
        ag_tensor o = ag_sigmoid(gate(gates, 3, hidden));
        c = ag_add(ag_mul(f, c), ag_mul(i, g));
        h = ag_mul(o, ag_tanh(c));
        ag_label_pop();
    }
    ag_label_push("head");
    ag_tensor w = filled("head.weight", AG_FLOAT32, AG_SHAPE(5, hidden), true, 40), y = ag_linear(h, w, AG_NONE);
    ag_label_pop();
    return ag_mean(ag_square(y));
}

/* 2000 operations: 18 blocks of layers with skips, each other one a loop. */
static ag_tensor large(void)
{
    ag_tensor x = filled("x", AG_FLOAT32, AG_SHAPE(4, 16), false, 9);
    int made = 0;
    for (int block = 0; ag_tape_length() < 1990; block++) {
        char name[32], weight[32];
        snprintf(name, sizeof(name), "block%d", block);
        snprintf(weight, sizeof(weight), "block%d.weight", block);
        ag_tensor w = filled(weight, AG_FLOAT32, AG_SHAPE(16, 16), true, block), skip = x;
        ag_label_push(name);
        for (int k = 0; k < 10 && ag_tape_length() < 1990; k++) {
            ag_label_push(k % 2 == 0 ? "mix" : "gate");
            x = ag_tanh(ag_linear(ag_mul_scalar(x, 0.5), w, AG_NONE));
            x = ag_add(x, ag_mul(ag_sigmoid(x), skip));
            ag_label_pop();
            made++;
        }
        x = ag_add(x, skip);
        ag_label_pop();
    }
    x = ag_sum(x);
    while (ag_tape_length() < 2000) {
        x = ag_mul_scalar(x, 1.01);
    }
    return x;
}

/* NaN and infinities, and a name that would end the page if it could. */
static ag_tensor spoiled(void)
{
    ag_tensor a = leaf("</script><script>document.title='taken'</script><!--", AG_FLOAT32, AG_SHAPE(4), true, (double[]){ -1, 0, 2, 3 });
    ag_label_push("\"quoted\" & <b>bold</b>");
    ag_tensor y = ag_sum(ag_log(a));
    ag_label_pop();
    return y;
}

static const struct sample {
    const char *name;
    ag_tensor (*record)(void);
    bool retained;
} samples[] = {
    { "scalar", scalar, true },       { "formulas32", formulas32, true }, { "formulas64", formulas64, true },
    { "xor", exclusive_or, true },    { "lstm", lstm, true },             { "large", large, true },
    { "spoiled", spoiled, true },     { "freed", exclusive_or, false },
    { "released", formulas32, false },
};

int main(int argc, char **argv)
{
    for (size_t k = 0; k < sizeof(samples) / sizeof(samples[0]); k++) {
        const struct sample *s = &samples[k];
        bool only = argc >= 2 && strcmp(argv[1], s->name) == 0;
        if (!only && strchr(argc >= 2 ? argv[1] : "", '/') == NULL) {
            continue;
        }
        changes = only ? argc - 2 : 0;
        change = argv + 2;
        ag_begin(&scope);
        ag_retain_tape(s->retained);
        ag_frame frame = ag_frame_begin();
        ag_tensor loss = ag_frame_end(frame, s->record());
        if (strcmp(s->name, "freed") == 0) {
            ag_backward(loss);
        }
        if (only) {
            ag_tape_json(stdout, loss);
        } else {
            char path[4096];
            snprintf(path, sizeof(path), "%s/%s.html", argv[1], s->name);
            ag_tape_html(path, loss);
        }
        ag_end(&scope);
    }
    return ag_exit_status();
}
