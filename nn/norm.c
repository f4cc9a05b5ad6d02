/*
 * Batch normalisation: the running statistics are buffers, the operation moves them.
 */
#include <stdio.h>

#include "internal.h"
#include "layers.h"

/* y = (x - mean) / sqrt(var + eps) weight + bias per channel        x (N,C), (N,C,L) or
 * (N,C,H,W)   the others (C) */
struct nn_batch_norm {
    nn_module base;
    int64_t channels;
    ag_batch_norm_config config;
    ag_tensor weight, bias, running_mean, running_var;
    ag_tensor num_batches_tracked; /* int64 () */
};

static void batch_norm_visit(nn_module *m, nn_visitor *v)
{
    struct nn_batch_norm *self = (struct nn_batch_norm *)m;
    ag_shape per_channel = AG_SHAPE(self->channels);
    nn_visit_parameter(v, "weight", &self->weight, per_channel, nn_fill_ones);
    nn_visit_parameter(v, "bias", &self->bias, per_channel, nn_fill_zeros);
    nn_visit_buffer(v, "running_mean", &self->running_mean, per_channel, AG_FLOAT32, nn_fill_zeros);
    nn_visit_buffer(v, "running_var", &self->running_var, per_channel, AG_FLOAT32, nn_fill_ones);
    nn_visit_buffer(v, "num_batches_tracked", &self->num_batches_tracked, AG_SHAPE_SCALAR, AG_INT64,
                    nn_fill_zeros);
}

static ag_tensor batch_norm_forward(nn_module *m, ag_tensor x)
{
    struct nn_batch_norm *self = (struct nn_batch_norm *)m;
    ag_batch_norm_config config = self->config;
    config.training = m->training;
    ag_tensor y =
        ag_batch_norm(x, self->weight, self->bias, self->running_mean, self->running_var, config);
    if (m->training && !ag_is_nil(y)) {
        int64_t *batches = ag_is_replaying() ? NULL : ag_data_mut(self->num_batches_tracked);
        if (batches != NULL) {
            ++*batches;
        }
    }
    return y;
}

/* The operation takes any number of dimensions; a layer of one kind given images of another is
 * a mistake. */
static ag_tensor dimensions_wrong(const nn_module *m, const char *wanted, ag_tensor x)
{
    char text[NN_TEXT], shape[AG_SHAPE_TEXT];
    if (ag_is_nil(x) || ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    ag_shape_format(ag_shape_of(x), shape, sizeof(shape));
    ag_error_raise(AG_HERE, AG_ERROR_SHAPE, "nn_forward: %s needs %s, got %s",
                   nn_module_text(m, text, sizeof(text)), wanted, shape);
    return AG_NIL;
}

static ag_tensor batch_norm1d_forward(nn_module *m, ag_tensor x)
{
    int ndim = ag_ndim(x);
    return ndim == 2 || ndim == 3 ? batch_norm_forward(m, x)
                                  : dimensions_wrong(m, "(N,C) or (N,C,L)", x);
}

static ag_tensor batch_norm2d_forward(nn_module *m, ag_tensor x)
{
    return ag_ndim(x) == 4 ? batch_norm_forward(m, x) : dimensions_wrong(m, "(N,C,H,W)", x);
}

static void batch_norm_describe(const nn_module *m, char *text, size_t bytes)
{
    const struct nn_batch_norm *self = (const struct nn_batch_norm *)m;
    snprintf(text, bytes, "%lld, eps=%g, momentum=%g", (long long)self->channels, self->config.eps,
             self->config.momentum);
}

static const nn_module_type batch_norm1d_type = {
    .size = sizeof(nn_module_type),
    .name = "BatchNorm1d",
    .instance_size = sizeof(struct nn_batch_norm),
    .visit = batch_norm_visit,
    .forward = batch_norm1d_forward,
    .describe = batch_norm_describe,
};

static const nn_module_type batch_norm2d_type = {
    .size = sizeof(nn_module_type),
    .name = "BatchNorm2d",
    .instance_size = sizeof(struct nn_batch_norm),
    .visit = batch_norm_visit,
    .forward = batch_norm2d_forward,
    .describe = batch_norm_describe,
};

static nn_module *batch_norm_new(const char *function, const nn_module_type *type, int64_t channels)
{
    if (channels < 1) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: needs at least 1 channel, got %lld", function,
                       (long long)channels);
        return nn_module_nil(type);
    }
    nn_module *m = nn_module_new(type);
    struct nn_batch_norm *self = (struct nn_batch_norm *)m;
    self->channels = channels;
    self->config = ag_batch_norm_defaults();
    return m;
}

nn_module *nn_batch_norm1d(int64_t channels)
{
    return batch_norm_new("nn_batch_norm1d", &batch_norm1d_type, channels);
}

nn_module *nn_batch_norm2d(int64_t channels)
{
    return batch_norm_new("nn_batch_norm2d", &batch_norm2d_type, channels);
}
