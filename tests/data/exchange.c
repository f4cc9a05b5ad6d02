/*
 * Writes files for Python to read: exchange FOLDER. The numbers follow formulas that exchange.py knows, and a model's come with
 * its outputs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "data/data.h"
#include "nn/nn.h"

/* A tensor of 2 x 3 x 4 whose element i is (i - 5) / scale. */
static ag_tensor counted(ag_dtype dtype, double scale)
{
    double value[24];
    for (int i = 0; i < 24; i++) {
        value[i] = (i - (dtype == AG_UINT8 ? 0 : 5)) / scale;
    }
    return ag_cast(ag_from(AG_SHAPE(2, 3, 4), AG_FLOAT64, value), dtype);
}

static void write_types(const char *folder)
{
    static const char *const endings[] = {
        "safetensors",
#if defined(EXCHANGE_NPZ)
        "npz",
#endif
    };
    char path[512];
    data_tensors_writer *w = data_tensors_writer_new();
    ag_tensor f32 = counted(AG_FLOAT32, 7);
    data_tensors_writer_add(w, "f32", f32);
    data_tensors_writer_add(w, "f64", counted(AG_FLOAT64, 7));
    data_tensors_writer_add(w, "i64", counted(AG_INT64, 1));
    data_tensors_writer_add(w, "u8", counted(AG_UINT8, 1));
    data_tensors_writer_add(w, "turned", ag_transpose(f32, 0, 2));
    data_tensors_writer_add(w, "scalar", ag_scalar(2.5, AG_FLOAT32));
    data_tensors_writer_add(w, "empty", ag_zeros(AG_SHAPE(0, 3), AG_FLOAT64));
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        snprintf(path, sizeof path, "%s/types.%s", folder, endings[i]);
        data_tensors_writer_save(w, path);
    }
#if defined(EXCHANGE_NPZ)
    data_tensors_writer_compress(w, true);
    snprintf(path, sizeof path, "%s/compressed.npz", folder);
    data_tensors_writer_save(w, path);
#endif
    data_tensors_writer_free(w);
    w = data_tensors_writer_new();
    data_tensors_writer_add(w, "turned", ag_transpose(f32, 0, 2));
    snprintf(path, sizeof path, "%s/turned.npy", folder);
    data_tensors_writer_save(w, path);
    data_tensors_writer_free(w);
}

/* The formats of a file of PyTorch's, copied byte by byte. */
static void write_copy(const char *folder)
{
    char path[512];
    data_tensors *types = data_tensors_open(TESTS_GOLDEN "/formats/types.safetensors");
    data_tensors_writer *w = data_tensors_writer_new();
    for (int64_t i = 0; i < data_tensors_count(types); i++) {
        data_tensors_writer_copy(w, types, i, NULL);
    }
    snprintf(path, sizeof path, "%s/copied.safetensors", folder);
    data_tensors_writer_save(w, path);
    data_tensors_writer_free(w);
    data_tensors_close(types);
}

/* A state after training, with an input and the output in evaluation mode. */
static void write_model(const char *folder, const char *name, nn_module *net, ag_shape input)
{
    char path[512];
    ag_rng rng = ag_rng_seed(11);
    nn_init(net, &rng);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    for (int i = 0; i < 3; i++) { /* moves the running statistics */
        nn_forward(net, ag_normal(input, 1, 2, AG_FLOAT32, &rng));
    }
    nn_eval(net);
    ag_tensor x = ag_normal(input, 0, 1, AG_FLOAT32, &rng);
    data_tensors_writer *w = data_tensors_writer_new();
    ag_list *state = nn_state(net);
    data_tensors_writer_add_list(w, "model.", state);
    data_tensors_writer_add(w, "input", x);
    data_tensors_writer_add(w, "output", nn_forward(net, x));
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    data_tensors_writer_text(w, "format", "pt");
    data_tensors_writer_save(w, path);
    data_tensors_writer_free(w);
    ag_list_free(state);
    ag_end(&scope);
    nn_free(net);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: exchange FOLDER\n");
        return 2;
    }
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    write_types(argv[1]);
    write_copy(argv[1]);
    ag_end(&scope);
    write_model(argv[1], "mlp",
                nn_sequential(nn_linear(5, 6), nn_batch_norm1d(6), nn_relu(), nn_linear(6, 3)),
                AG_SHAPE(4, 5));
    write_model(argv[1], "cnn",
                nn_sequential(nn_conv2d(2, 4, 3), nn_batch_norm2d(4), nn_relu(), nn_max_pool2d(2),
                              nn_flatten(), nn_linear(36, 3)),
                AG_SHAPE(2, 2, 8, 8));
    nn_rnn_config config = nn_rnn_defaults(3, 4);
    config.layers = 2;
    config.bidirectional = true;
    write_model(argv[1], "lstm", nn_sequential(nn_lstm_with(config), nn_linear(8, 2)), AG_SHAPE(5, 2, 3));
    return ag_exit_status();
}
