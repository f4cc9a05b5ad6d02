/*
 * Layers against PyTorch's numbers (golden/nn.txt, made by golden/make_nn.py): names and shapes of
 * the state, outputs in both modes, gradients, running statistics; and the mistakes that layers
 * find.
 */
#include "tests/nn/common.h"

/* ---- models, as make_nn.py builds them ------------------------------------------------------- */

static nn_module *build_cnn(void)
{
    nn_conv2d_config c = nn_conv2d_defaults(4, 6, 3);
    c.kernel[1] = 2;
    c.conv.stride[1] = 2;
    c.conv.padding[0] = 1;
    c.conv.dilation[1] = 2;
    c.conv.groups = 2;
    c.bias = false;
    return nn_sequential(nn_conv2d(2, 4, 3), nn_batch_norm2d(4), nn_leaky_relu(0.2),
                         nn_max_pool2d(2), nn_conv2d_with(c), nn_adaptive_avg_pool2d(2, 1),
                         nn_flatten(), nn_linear(12, 3));
}

static nn_module *build_deconv(void)
{
    nn_conv_transpose2d_config a = nn_conv_transpose2d_defaults(4, 6, 4), b = nn_conv_transpose2d_defaults(6, 4, 3);
    a.conv.stride[0] = a.conv.stride[1] = 2;
    a.conv.padding[0] = a.conv.padding[1] = 1;
    b.kernel[1] = 2;
    b.conv.stride[0] = 2;
    b.conv.stride[1] = 3;
    b.conv.padding[0] = 1;
    b.conv.output_padding[0] = 1;
    b.conv.output_padding[1] = 2;
    b.conv.dilation[1] = 2;
    b.conv.groups = 2;
    b.bias = false;
    return nn_sequential(nn_linear(3, 24), nn_unflatten(1, AG_SHAPE(4, 2, 3)), nn_batch_norm2d(4), nn_relu(),
                         nn_conv_transpose2d_with(a), nn_tanh(), nn_conv_transpose2d_with(b));
}

static nn_module *build_spectral_conv(void)
{
    nn_conv2d_config c = nn_conv2d_defaults(4, 6, 3);
    c.kernel[1] = 2;
    c.conv.stride[1] = 2;
    c.conv.groups = 2;
    return nn_spectral_norm(nn_conv2d_with(c));
}

static nn_module *build_spectral_deconv(void)
{
    nn_conv_transpose2d_config c = nn_conv_transpose2d_defaults(3, 4, 3);
    c.conv.stride[0] = c.conv.stride[1] = 2;
    return nn_spectral_norm(nn_conv_transpose2d_with(c));
}

static nn_module *build_spectral_more(void)
{
    nn_spectral_norm_config c = nn_spectral_norm_defaults();
    c.iterations = 3;
    c.eps = 1e-6;
    c.dim = 1;
    return nn_spectral_norm_with(nn_linear(4, 3), c);
}

static nn_module *build_conv(int64_t kernel, ag_padding_mode mode)
{
    nn_conv2d_config c = nn_conv2d_defaults(1, 2, kernel);
    c.conv.padding_mode = mode;
    return nn_conv2d_with(c);
}

static nn_module *build_pools(void)
{
    ag_pool2d_config average = ag_pool2d_defaults(3), most = ag_pool2d_defaults(2);
    average.stride[0] = average.stride[1] = 2;
    average.padding[0] = average.padding[1] = 1;
    average.ceil_mode = true;
    average.count_include_pad = false;
    most.kernel[1] = 3;
    most.stride[0] = most.stride[1] = 1;
    most.padding[0] = most.padding[1] = 1;
    return nn_sequential(nn_avg_pool2d_with(average), nn_max_pool2d_with(most));
}

static nn_module *build_line(void)
{
    nn_conv1d_config c = nn_conv1d_defaults(4, 6, 2);
    c.conv.stride = 2;
    c.conv.padding = 1;
    c.conv.dilation = 3;
    c.conv.groups = 2;
    c.bias = false;
    return nn_sequential(nn_conv1d(2, 4, 3), nn_batch_norm1d(4), nn_relu(), nn_max_pool1d(2), nn_conv1d_with(c),
                         nn_adaptive_avg_pool1d(3), nn_flatten(), nn_linear(18, 3));
}

static nn_module *build_line_conv(int64_t kernel, ag_padding_mode mode)
{
    nn_conv1d_config c = nn_conv1d_defaults(2, 3, kernel);
    c.conv.padding_mode = mode;
    return nn_conv1d_with(c);
}

static nn_module *build_line_depthwise(void)
{
    nn_conv1d_config c = nn_conv1d_defaults(3, 6, 3);
    c.conv.padding = 2;
    c.conv.groups = 3;
    return nn_conv1d_with(c);
}

static nn_module *build_line_pools(void)
{
    ag_pool1d_config average = ag_pool1d_defaults(3), most = ag_pool1d_defaults(2);
    average.stride = 2;
    average.padding = 1;
    average.ceil_mode = true;
    average.count_include_pad = false;
    most.stride = 1;
    most.padding = 1;
    return nn_sequential(nn_avg_pool1d(2), nn_avg_pool1d_with(average), nn_max_pool1d_with(most));
}

static nn_module *build_activations(void)
{
    nn_module *m = nn_sequential(nn_linear(5, 5), nn_elu(0.7), nn_linear(5, 5), nn_gelu(),
                                 nn_linear(5, 5), nn_silu(), nn_linear(5, 5), nn_sigmoid());
    nn_module *more[] = { nn_linear(5, 5), nn_tanh(),       nn_linear(5, 5), nn_softplus(),
                          nn_identity(),   nn_linear(5, 5), nn_softmax(-1) };
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        nn_sequential_append(m, more[i]);
    }
    return m;
}

static nn_module *build_tied(void)
{
    nn_module *shared = nn_linear(4, 4);
    return nn_sequential(shared, nn_tanh(), shared);
}

static nn_module *build(const char *name, ag_shape *input)
{
    struct {
        const char *name;
        nn_module *model;
        ag_shape input;
    } all[] = {
        { "mlp", nn_sequential(nn_linear(4, 6), nn_relu(), nn_linear_no_bias(6, 3)),
          AG_SHAPE(5, 4) },
        { "linear_3d", nn_linear(4, 3), AG_SHAPE(2, 3, 4) },
        { "cnn", build_cnn(), AG_SHAPE(3, 2, 12, 11) },
        { "deconv", build_deconv(), AG_SHAPE(3, 3) },
        { "spectral_linear", nn_sequential(nn_spectral_norm(nn_linear(4, 5)), nn_tanh(), nn_spectral_norm(nn_linear_no_bias(5, 2))),
          AG_SHAPE(3, 4) },
        { "spectral_conv", build_spectral_conv(), AG_SHAPE(2, 4, 5, 5) },
        { "spectral_deconv", build_spectral_deconv(), AG_SHAPE(2, 3, 3, 2) },
        { "spectral_more", build_spectral_more(), AG_SHAPE(2, 4) },
        { "conv_same", build_conv(4, AG_PADDING_SAME), AG_SHAPE(2, 1, 5, 6) },
        { "conv_valid", build_conv(3, AG_PADDING_VALID), AG_SHAPE(2, 1, 5, 6) },
        { "line", build_line(), AG_SHAPE(3, 2, 23) },
        { "line_same", build_line_conv(4, AG_PADDING_SAME), AG_SHAPE(2, 2, 6) },
        { "line_valid", build_line_conv(3, AG_PADDING_VALID), AG_SHAPE(2, 2, 6) },
        { "line_depthwise", build_line_depthwise(), AG_SHAPE(2, 3, 7) },
        { "line_pools", build_line_pools(), AG_SHAPE(2, 3, 22) },
        { "pools", build_pools(), AG_SHAPE(2, 3, 8, 9) },
        { "batch_norm1d", nn_sequential(nn_linear(4, 3), nn_batch_norm1d(3)), AG_SHAPE(6, 4) },
        { "batch_norm1d_length", nn_batch_norm1d(3), AG_SHAPE(4, 3, 5) },
        { "activations", build_activations(), AG_SHAPE(4, 5) },
        { "log_softmax", nn_log_softmax(1), AG_SHAPE(4, 5) },
        { "dropout_none", nn_sequential(nn_linear(4, 3), nn_dropout(0)), AG_SHAPE(2, 4) },
        { "dropout_all", nn_sequential(nn_linear(4, 3), nn_dropout(1)), AG_SHAPE(2, 4) },
        { "residual", residual_new(), AG_SHAPE(5, 4) },
        { "tied", build_tied(), AG_SHAPE(3, 4) },
    };
    nn_module *found = NULL;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i].name, name) == 0) {
            found = all[i].model;
            *input = all[i].input;
        } else {
            nn_free(all[i].model);
        }
    }
    ck_assert_msg(found != NULL, "no model is called %s", name);
    return found;
}

/* ---- the generator of make_nn.py ------------------------------------------------------------- */

static double draw(uint32_t *state)
{
    *state = (uint32_t)(((uint64_t)*state * 1103515245u + 12345u) % 2147483648u);
    return (double)*state / 1073741824.0 - 1;
}

static double *draw_many(uint32_t *state, int64_t n)
{
    double *values = malloc((size_t)(n > 0 ? n : 1) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        values[i] = draw(state);
    }
    return values;
}

static ag_tensor draw_tensor(uint32_t *state, ag_shape shape)
{
    double *values = draw_many(state, ag_shape_numel(shape));
    ag_tensor t = ag_from(shape, AG_FLOAT64, values);
    free(values);
    return t;
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static void draw_state(uint32_t *state, const ag_list *list)
{
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        ag_tensor t = ag_list_tensor(list, i);
        bool seen = ag_dtype_of(t) == AG_INT64;
        for (int64_t j = 0; j < i; j++) {
            seen = seen || ag_list_tensor(list, j).id == t.id;
        }
        if (seen) {
            continue;
        }
        int64_t n = ag_numel(t);
        double *values = draw_many(state, n);
        for (int64_t k = 0; k < n && ends_with(ag_list_name(list, i), "running_var"); k++) {
            values[k] = fabs(values[k]) + 0.5;
        }
        ag_write(t, values, n);
        free(values);
    }
}

/* ---- comparing ------------------------------------------------------------------------------- */

static FILE *golden(void)
{
    FILE *file = fopen(TESTS_GOLDEN "/nn.txt", "r");
    ck_assert_msg(file != NULL, "%s/nn.txt cannot be read", TESTS_GOLDEN);
    return file;
}

static void read_word(FILE *file, char *word)
{
    ck_assert_int_eq(fscanf(file, "%63s", word), 1);
}

/* The largest difference, measured by the largest number. A gradient that is zero but for rounding
 * (a bias in front of a batch norm) has nothing to be measured by: hence the 0.01. */
static void compare(FILE *file, const char *model, const char *what, ag_tensor t)
{
    long long count = 0;
    ck_assert_int_eq(fscanf(file, "%lld", &count), 1);
    ck_assert_msg(!ag_is_none(t), "%s: %s: there is none", model, what);
    ck_assert_int_eq(ag_numel(t), count);
    double *values = malloc((size_t)count * sizeof(double));
    ck_assert_int_eq(ag_read_doubles(t, values, count), AG_OK);
    double worst = 0, scale = 0.01;
    for (long long i = 0; i < count; i++) {
        double expected;
        ck_assert_int_eq(fscanf(file, "%lf", &expected), 1);
        worst = fmax(worst, fabs(values[i] - expected));
        scale = fmax(scale, fabs(expected));
        ck_assert_msg(isfinite(values[i]), "%s: %s: %g", model, what, values[i]);
    }
    free(values);
    ck_assert_msg(worst <= 1e-12 * scale, "%s: %s: off by %g of %g", model, what, worst, scale);
}

static void check_state(FILE *file, const char *model, const ag_list *list, int count)
{
    ck_assert_msg(ag_list_count(list) == count, "%s: %lld state tensors, not %d", model,
                  (long long)ag_list_count(list), count);
    for (int i = 0; i < count; i++) {
        char word[64], name[64];
        read_word(file, word);
        read_word(file, name);
        ag_shape shape = { 0 };
        ck_assert_int_eq(fscanf(file, "%d", &shape.ndim), 1);
        for (int d = 0; d < shape.ndim; d++) {
            long long size;
            ck_assert_int_eq(fscanf(file, "%lld", &size), 1);
            shape.size[d] = size;
        }
        ck_assert_str_eq(ag_list_name(list, i), name);
        ck_assert(ag_shape_equal(ag_shape_of(ag_list_tensor(list, i)), shape));
    }
}

/* One model of the file, from behind its name. */
static void check_model(FILE *file, const char *name)
{
    int count;
    char word[64], key[64];
    ck_assert_int_eq(fscanf(file, "%d", &count), 1);
    ag_shape input = { 0 };
    nn_module *m = build(name, &input);
    ag_rng rng = ag_rng_seed(1);
    ck_assert_int_eq(nn_init_dtype(m, &rng, AG_FLOAT64), AG_OK);
    ag_list *state = nn_state(m), *parameters = nn_parameters(m);
    check_state(file, name, state, count);
    uint32_t seed = (uint32_t)strlen(name) + 100;
    draw_state(&seed, state);

    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_leaf(input, AG_FLOAT64, true);
    ag_tensor drawn = draw_tensor(&seed, input);
    ag_write(x, ag_data(drawn), ag_numel(x));
    ag_tensor y = nn_forward(m, x);
    ck_no_error();
    read_word(file, word);
    ck_assert_str_eq(word, "train");
    compare(file, name, "output", y);
    ag_backward(ag_sum(ag_mul(y, draw_tensor(&seed, ag_shape_of(y)))));
    ck_no_error();
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        read_word(file, word);
        ck_assert_str_eq(word, "grad");
        read_word(file, key);
        ck_assert_str_eq(ag_list_name(parameters, i), key);
        compare(file, name, key, ag_grad_of(ag_list_tensor(parameters, i)));
    }
    read_word(file, word);
    ck_assert_str_eq(word, "dx");
    compare(file, name, "gradient of the input", ag_grad_of(x));
    for (read_word(file, word); strcmp(word, "buffer") == 0; read_word(file, word)) {
        read_word(file, key);
        compare(file, name, key, ag_list_find(state, key));
    }
    ck_assert_str_eq(word, "eval");
    nn_eval(m);
    compare(file, name, "output in evaluation", nn_forward(m, x));
    ck_no_error();
    ag_end(&scope);
    ag_drop(&x);
    ag_list_free(state);
    ag_list_free(parameters);
    nn_free(m);
}

START_TEST(layers_agree_with_pytorch)
{
    FILE *file = golden();
    char word[64], name[64];
    int models = 0;
    for (; fscanf(file, "%63s", word) == 1 && strcmp(word, "model") == 0; models++) {
        read_word(file, name);
        check_model(file, name);
    }
    fclose(file);
    ck_assert_int_eq(models, 24);
}
END_TEST

/* ---- dropout --------------------------------------------------------------------------------- */

START_TEST(dropout_drops_and_scales_in_training_only)
{
    nn_module *m = nn_dropout(0.25);
    ag_rng rng = ag_rng_seed(7);
    nn_init(m, &rng);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    enum { N = 40000 };
    ag_tensor x = ag_ones(AG_SHAPE(N), AG_FLOAT32);
    ag_tensor y = nn_forward(m, x), again = nn_forward(m, x);
    static float a[N], b[N];
    ag_read(y, a, N);
    ag_read(again, b, N);
    int dropped = 0, different = 0;
    for (int i = 0; i < N; i++) {
        ck_assert(a[i] == 0 || fabsf(a[i] - 1 / 0.75f) < 1e-6f);
        dropped += a[i] == 0;
        different += a[i] != b[i];
    }
    /* Five standard deviations. */
    ck_assert_int_le(abs(dropped - N / 4), (int)(5 * sqrt(N * 0.25 * 0.75)));
    ck_assert_int_gt(different, N / 4);
    nn_eval(m);
    ck_assert(nn_forward(m, x).id == x.id);
    ck_assert(ag_is_alive(x));
    ag_end(&scope);
    nn_free(m);
}
END_TEST

START_TEST(dropout_repeats_from_the_same_seed)
{
    uint64_t hash[2];
    for (int run = 0; run < 2; run++) {
        nn_module *m = nn_sequential(nn_dropout(0.5), nn_dropout(0.5));
        ag_rng rng = ag_rng_seed(3);
        nn_init(m, &rng);
        ag_scope scope = { 0 };
        ag_begin(&scope);
        hash[run] = ag_hash(nn_forward(m, ag_ones(AG_SHAPE(1000), AG_FLOAT32)));
        ag_end(&scope);
        nn_free(m);
    }
    ck_assert(hash[0] == hash[1]);
}
END_TEST

/* ---- batch norm ------------------------------------------------------------------------------ */

START_TEST(batch_norm_counts_batches_in_training_only)
{
    nn_module *m = nn_batch_norm2d(3);
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    ag_list *state = nn_state(m);
    ag_tensor tracked = ag_list_find(state, "num_batches_tracked");
    ck_assert_int_eq(ag_dtype_of(tracked), AG_INT64);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_normal(AG_SHAPE(4, 3, 5, 5), 2, 3, AG_FLOAT32, &rng);
    nn_forward(m, x);
    nn_forward(m, x);
    ck_assert_double_eq(ag_item(tracked), 2);
    nn_eval(m);
    uint64_t before = nn_hash(m);
    nn_forward(m, x);
    ck_assert(nn_hash(m) == before);
    ag_end(&scope);
    ag_list_free(state);
    nn_free(m);
}
END_TEST

START_TEST(batch_norm_refuses_other_dimensions)
{
    nn_module *m = nn_sequential(nn_identity(), nn_batch_norm2d(3));
    nn_module *flat = nn_batch_norm1d(3);
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    nn_init(flat, &rng);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ck_assert(ag_is_nil(nn_forward(m, ag_zeros(AG_SHAPE(2, 3), AG_FLOAT32))));
    ck_error(AG_ERROR_SHAPE,
             "nn_forward: 1 (BatchNorm2d(3, eps=1e-05, momentum=0.1)) needs (N,C,H,W), "
             "got (2,3) (");
    nn_forward(flat, ag_zeros(AG_SHAPE(2, 3, 4, 4), AG_FLOAT32));
    ck_error(AG_ERROR_SHAPE, "nn_forward: BatchNorm1d(3, eps=1e-05, momentum=0.1) needs (N,C) or "
                             "(N,C,L), got (2,3,4,4) (");
    /* A call that failed is not a batch. */
    ag_list *state = nn_state(m);
    ck_assert_double_eq(ag_item(ag_list_find(state, "1.num_batches_tracked")), 0);
    ag_list_free(state);
    ag_end(&scope);
    nn_free(m);
    nn_free(flat);
}
END_TEST

/* ---- mistakes -------------------------------------------------------------------------------- */

static void ck_refused(nn_module *m, const char *message)
{
    ck_assert_ptr_nonnull(m);
    ck_error(AG_ERROR_VALUE, message);
    nn_free(m);
    ck_no_error();
}

START_TEST(constructors_refuse_impossible_layers)
{
    ck_refused(nn_linear(0, 3), "nn_linear: needs at least 1 input and 1 output, got in=0, out=3");
    ck_refused(nn_linear_no_bias(2, -1),
               "nn_linear_no_bias: needs at least 1 input and 1 output, got "
               "in=2, out=-1");
    ck_refused(nn_conv2d(3, 8, 0), "nn_conv2d: the kernel must be at least 1 (in=3, out=8");
    nn_conv2d_config c = nn_conv2d_defaults(3, 8, 3);
    c.conv.groups = 2;
    ck_refused(nn_conv2d_with(c), "nn_conv2d_with: the groups must divide the channels");
    c = nn_conv2d_defaults(4, 8, 3);
    c.conv.padding_mode = AG_PADDING_SAME;
    c.conv.stride[1] = 2;
    ck_refused(nn_conv2d_with(c), "nn_conv2d_with: padding \"same\" needs stride 1");
    nn_conv2d_config empty = { 0 };
    nn_conv_transpose2d_config d = nn_conv_transpose2d_defaults(4, 6, 3);
    d.conv.output_padding[1] = 1;
    ck_refused(nn_conv_transpose2d_with(d), "nn_conv_transpose2d_with: the output padding must be less than the stride or the "
                                            "dilation (in=4, out=6, kernel=(3, 3), groups=1)");
    ck_refused(nn_conv_transpose2d(4, 6, 0), "nn_conv_transpose2d: the kernel must be at least 1");
    ck_refused(nn_conv2d_with(empty),
               "nn_conv2d_with: the config did not come from nn_conv2d_defaults()");
    ck_refused(nn_max_pool2d(0), "nn_max_pool2d: the kernel must be at least 1");
    ag_pool2d_config pool = { 0 };
    ck_refused(nn_avg_pool2d_with(pool),
               "nn_avg_pool2d_with: the config did not come from ag_pool2d_defaults()");
    pool = ag_pool2d_defaults(2);
    pool.padding[0] = 2;
    ck_refused(nn_max_pool2d_with(pool),
               "nn_max_pool2d_with: the padding must be between 0 and half the kernel");
    ck_refused(nn_adaptive_avg_pool2d(0, 1), "nn_adaptive_avg_pool2d: needs at least 1 x 1 cells");
    ck_refused(nn_conv1d(3, 8, 0), "nn_conv1d: the kernel must be at least 1 (in=3, out=8, kernel=0, groups=1)");
    nn_conv1d_config line = nn_conv1d_defaults(3, 8, 3);
    line.conv.groups = 2;
    ck_refused(nn_conv1d_with(line), "nn_conv1d_with: the groups must divide the channels");
    line = nn_conv1d_defaults(4, 8, 3);
    line.conv.padding_mode = AG_PADDING_SAME;
    line.conv.stride = 2;
    ck_refused(nn_conv1d_with(line), "nn_conv1d_with: padding \"same\" needs stride 1");
    line.made_by_defaults = 0;
    ck_refused(nn_conv1d_with(line), "nn_conv1d_with: the config did not come from nn_conv1d_defaults()");
    ck_refused(nn_avg_pool1d(0), "nn_avg_pool1d: the kernel must be at least 1 (kernel=0, stride=0, padding=0)");
    ag_pool1d_config cells = ag_pool1d_defaults(3);
    cells.padding = 2;
    ck_refused(nn_max_pool1d_with(cells), "nn_max_pool1d_with: the padding must be between 0 and half the kernel");
    ck_refused(nn_adaptive_avg_pool1d(0), "nn_adaptive_avg_pool1d: needs at least 1 cell, got 0");
    ck_refused(nn_dropout(1.5), "nn_dropout: the probability must be between 0 and 1, got 1.5");
    ck_refused(nn_dropout(NAN), "nn_dropout: the probability must be between 0 and 1, got");
    ck_refused(nn_batch_norm1d(0), "nn_batch_norm1d: needs at least 1 channel, got 0");
}
END_TEST

START_TEST(shape_errors_name_the_layer_and_the_line)
{
    nn_module *m = nn_sequential(nn_relu(), nn_sequential(nn_linear(4, 3)));
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    char place[64];
    ag_tensor x = ag_zeros(AG_SHAPE(2, 5), AG_FLOAT32);
    snprintf(place, sizeof(place), ", in 1.0 (%s:%d)", __FILE__, __LINE__ + 1);
    ck_assert(ag_is_nil(nn_forward(m, x)));
    ck_assert_msg(strncmp(ag_error_message(), "ag_linear: ", 11) == 0, "%s", ag_error_message());
    ck_assert_msg(ends_with(ag_error_message(), place), "%s", ag_error_message());
    ag_error_clear();
    nn_forward(m, ag_zeros(AG_SHAPE(2, 4), AG_FLOAT64));
    ck_assert_msg(strstr(ag_error_message(), "float64") != NULL, "%s", ag_error_message());
    ag_error_clear();
    ag_end(&scope);
    nn_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layers");
    TCase *tests = tcase_create("layers");
    tcase_add_checked_fixture(tests, catch_errors, ag_error_clear);
    tcase_add_test(tests, layers_agree_with_pytorch);
    tcase_add_test(tests, dropout_drops_and_scales_in_training_only);
    tcase_add_test(tests, dropout_repeats_from_the_same_seed);
    tcase_add_test(tests, batch_norm_counts_batches_in_training_only);
    tcase_add_test(tests, batch_norm_refuses_other_dimensions);
    tcase_add_test(tests, constructors_refuse_impossible_layers);
    tcase_add_test(tests, shape_errors_name_the_layer_and_the_line);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
