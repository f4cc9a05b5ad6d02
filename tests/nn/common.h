/*
 * What the tests of layers share: caught errors, and a module written as a program would write it.
 */
#ifndef WENGERT_TESTS_NN_COMMON_H
#define WENGERT_TESTS_NN_COMMON_H

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

#ifndef TESTS_GOLDEN
#define TESTS_GOLDEN "tests/golden"
#endif

static inline void keep_quiet(ag_error code, const char *message, void *user)
{
    (void)code, (void)message, (void)user;
}

static inline void catch_errors(void)
{
    ag_error_set_handler(keep_quiet, NULL);
}

/* The thread's error is of that code and its message begins like that; forgets it. */
#define ck_error(expected, text)                                                                   \
    do {                                                                                           \
        ck_assert_msg(strncmp(ag_error_message(), text, strlen(text)) == 0, "the message is:\n%s", \
                      ag_error_message());                                                         \
        ck_assert_str_eq(ag_error_name(ag_error_code()), ag_error_name(expected));                 \
        ag_error_clear();                                                                          \
    } while (0)

#define ck_no_error() ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message())

/* ---- a module of the program's own ----------------------------------------------------------- */

/* y = scale * (out(relu(body(x))) + x + shift) */
struct residual {
    nn_module base;
    nn_module *body, *out;
    ag_tensor scale, shift;
};

static inline void ones(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    (void)rng, (void)owner;
    nn_init_ones(w);
}

/* The children stand first here, and last in the state: that is PyTorch's order. */
static inline void residual_visit(nn_module *m, nn_visitor *v)
{
    struct residual *self = (struct residual *)m;
    nn_visit_child(v, "body", &self->body);
    nn_visit_child(v, "out", &self->out);
    nn_visit_parameter(v, "scale", &self->scale, AG_SHAPE(4), ones);
    nn_visit_buffer(v, "shift", &self->shift, AG_SHAPE(4), AG_FLOAT32, NULL);
}

static inline ag_tensor residual_forward(nn_module *m, ag_tensor x)
{
    struct residual *self = (struct residual *)m;
    ag_tensor h = ag_relu(nn_forward(self->body, x));
    ag_tensor y = ag_add(nn_forward(self->out, h), x);
    return ag_mul(self->scale, ag_add(y, self->shift));
}

static const nn_module_type residual_type = {
    .size = sizeof(nn_module_type),
    .name = "Residual",
    .instance_size = sizeof(struct residual),
    .visit = residual_visit,
    .forward = residual_forward,
};

static inline nn_module *residual_new(void)
{
    struct residual *self = (struct residual *)nn_module_new(&residual_type);
    self->body = nn_sequential(nn_linear(4, 6), nn_batch_norm1d(6));
    self->out = nn_linear(6, 4);
    return &self->base;
}

#endif
