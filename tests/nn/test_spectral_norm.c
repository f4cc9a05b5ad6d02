/*
 * Spectral normalisation: training that follows PyTorch's over several steps (golden/make_spectral.py; single layers are in
 * test_layers.c), weights that come from PyTorch and go, clones, saved states, gradients, and the mistakes that the wrapper finds.
 */
#define _POSIX_C_SOURCE 200809L

#include "tests/nn/common.h"

#include "data/data.h"
#include "optim/optim.h"

#define NEW_NAMES(layer)                                                                              \
    { layer ".parametrizations.weight.original", layer ".weight_orig" },                              \
        { layer ".parametrizations.weight.0._u", layer ".weight_u" }, { layer ".parametrizations.weight.0._v", layer ".weight_v" }

enum { STEPS = 8, PICTURES = 4 * 36 };

static nn_module *net(void)
{
    nn_conv2d_config c = nn_conv2d_defaults(1, 3, 3);
    c.conv.stride[0] = c.conv.stride[1] = 2;
    c.conv.padding[0] = c.conv.padding[1] = 1;
    return nn_sequential(nn_spectral_norm(nn_conv2d_with(c)), nn_leaky_relu(0.2), nn_spectral_norm(nn_conv_transpose2d(3, 2, 3)),
                         nn_tanh(), nn_flatten(), nn_spectral_norm(nn_linear(50, 1)));
}

static nn_module *made(nn_module *m, ag_dtype dtype)
{
    ag_rng rng = ag_rng_seed(5);
    nn_init_dtype(m, &rng, dtype);
    ck_no_error();
    return m;
}

static void draw(uint32_t *state, int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++) {
        *state = (uint32_t)(((uint64_t)*state * 1103515245u + 12345u) % 2147483648u);
        x[i] = (double)*state / 1073741824.0 - 1;
    }
}

static ag_tensor pictures(uint32_t *state)
{
    double x[PICTURES];
    draw(state, PICTURES, x);
    return ag_from(AG_SHAPE(4, 1, 6, 6), AG_FLOAT64, x);
}

static void draw_state(uint32_t *state, nn_module *m)
{
    ag_list *list = nn_state(m);
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        double x[256];
        int64_t n = ag_numel(ag_list_tensor(list, i));
        ck_assert_int_le(n, 256);
        draw(state, n, x);
        ag_write(ag_list_tensor(list, i), x, n);
    }
    ag_list_free(list);
}

static void near_each(FILE *file, ag_tensor t)
{
    long long n = 0;
    double found[256], wanted;
    ck_assert_int_eq(fscanf(file, "%lld", &n), 1);
    ck_assert_int_eq(n, ag_numel(t));
    ag_read(t, found, n);
    for (long long i = 0; i < n; i++) {
        ck_assert_int_eq(fscanf(file, "%lf", &wanted), 1);
        ck_assert_double_eq_tol(found[i], wanted, 1e-12);
    }
}

/* One step of a discriminator: two forwards, one backward. */
static ag_tensor hinge(nn_module *d, ag_tensor real, ag_tensor fake)
{
    ag_tensor right = nn_forward(d, real), wrong = nn_forward(d, fake);
    return ag_add(ag_mean(ag_relu(ag_add_scalar(ag_neg(right), 1))), ag_mean(ag_relu(ag_add_scalar(wrong, 1))));
}

START_TEST(training_follows_pytorch)
{
    FILE *file = fopen(TESTS_GOLDEN "/spectral.txt", "r");
    ck_assert_ptr_nonnull(file);
    nn_module *d = made(net(), AG_FLOAT64);
    uint32_t state = 21;
    draw_state(&state, d);
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = 0.01;
    optim *opt = optim_adam(nn_parameters(d), adam);
    ag_scope step = { 0 };
    ag_tensor real = AG_NONE;
    char name[64];
    for (int i = 0; i < STEPS; i++) {
        double wanted;
        int which;
        ck_assert_int_eq(fscanf(file, " loss %d %lf", &which, &wanted), 2);
        ag_begin(&step);
        real = pictures(&state);
        ag_tensor loss = hinge(d, real, pictures(&state));
        optim_zero_grad(opt);
        ag_backward(loss);
        optim_step(opt);
        ck_assert_double_eq_tol(ag_item(loss), wanted, 1e-13);
    }
    ag_list *list = nn_state(d);
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        ck_assert_int_eq(fscanf(file, " state %63s", name), 1);
        ck_assert_str_eq(ag_list_name(list, i), name);
        near_each(file, ag_list_tensor(list, i));
    }
    ag_list_free(list);
    nn_eval(d);
    uint64_t hash = nn_hash(d);
    ck_assert_int_eq(fscanf(file, " %63s", name), 1);
    near_each(file, nn_forward(d, real));
    ck_assert(nn_hash(d) == hash); /* eval mode leaves u and v alone */
    fclose(file);
    ag_end(&step);
    ck_no_error();
    optim_free(opt);
    nn_free(d);
}
END_TEST

static nn_module *loaded(const char *name, nn_load_config config)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/formats/%s.safetensors", TESTS_GOLDEN, name);
    nn_module *d = net();
    data_tensors *file = data_tensors_open(path);
    nn_load_state_dict(d, data_tensors_entries(file), config, NULL);
    data_tensors_close(file);
    ck_no_error();
    return d;
}

START_TEST(weights_come_from_pytorch_under_both_names)
{
    static const nn_rename renames[] = { NEW_NAMES("0"), NEW_NAMES("2"), NEW_NAMES("5") };
    nn_load_config config = nn_load_defaults();
    nn_module *old = loaded("spectral", config);
    config.renames = sizeof(renames) / sizeof(renames[0]);
    config.rename = renames;
    nn_module *new = loaded("spectral_new", config);
    ck_assert(nn_hash(old) == nn_hash(new));
    char folder[] = "/tmp/spectral-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/state.safetensors", folder);
    ag_list *list = nn_state(old);
    ck_assert_int_eq(data_tensors_save(path, list), AG_OK);
    ag_list_free(list);
    nn_module *again = net();
    data_tensors *file = data_tensors_open(path);
    nn_load_state_dict(again, data_tensors_entries(file), nn_load_defaults(), NULL);
    data_tensors_close(file);
    ck_assert(nn_hash(again) == nn_hash(old));
    remove(path);
    remove(folder);
    ck_no_error();
    nn_free(again);
    nn_free(old);
    nn_free(new);
}
END_TEST

/* The largest singular value of W / sigma, by a long power iteration. */
START_TEST(the_norm_becomes_one)
{
    nn_module *m = made(nn_spectral_norm(nn_linear_no_bias(20, 30)), AG_FLOAT64);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_zeros(AG_SHAPE(1, 20), AG_FLOAT64);
    for (int i = 0; i < 500; i++) {
        nn_forward(m, x);
    }
    nn_eval(m);
    double eye[400] = { 0 };
    for (int i = 0; i < 20; i++) {
        eye[21 * i] = 1;
    }
    ag_tensor w = nn_forward(m, ag_from(AG_SHAPE(20, 20), AG_FLOAT64, eye)), v = ag_ones(AG_SHAPE(30), AG_FLOAT64);
    double norm = 0;
    for (int i = 0; i < 500; i++) {
        v = ag_matmul(ag_transpose(w, 0, 1), ag_matmul(w, v));
        norm = sqrt(ag_item(ag_norm(v, 2, (ag_dims){ 0 }, false)));
        v = ag_normalize(v, 2, 0, 1e-12);
    }
    ck_assert_double_eq_tol(norm, 1, 1e-10);
    ag_end(&scope);
    ck_no_error();
    nn_free(m);
}
END_TEST

/* u and v begin as unit vectors, and the same seed gives the same ones. */
START_TEST(directions_begin_random)
{
    nn_module *m = made(net(), AG_FLOAT32), *other = made(net(), AG_FLOAT32);
    ck_assert(nn_hash(m) == nn_hash(other));
    ag_list *list = nn_state(m);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    int directions = 0;
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        const char *name = ag_list_name(list, i);
        if (strcmp(name + 1, ".weight_u") == 0 || strcmp(name + 1, ".weight_v") == 0) {
            ck_assert_double_eq_tol(ag_item(ag_norm(ag_list_tensor(list, i), 2, (ag_dims){ 0 }, false)), 1, 1e-6);
            directions++;
        }
    }
    ck_assert_int_eq(directions, 6);
    ck_assert_int_eq(nn_count_parameters(m, false), 9 * 3 + 3 + 3 * 2 * 9 + 2 + 50 + 1);
    ag_end(&scope);
    ag_list_free(list);
    nn_free(m);
    nn_free(other);
}
END_TEST

static bool same(ag_tensor a, ag_tensor b)
{
    return ag_hash(ag_contiguous(a)) == ag_hash(ag_contiguous(b));
}

START_TEST(clones_and_saved_states_go_on_alike)
{
    nn_module *d = made(net(), AG_FLOAT64), *fresh = net(), *early = nn_clone(fresh);
    uint32_t state = 3;
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = pictures(&state);
    nn_forward(d, x);
    nn_module *copy = nn_clone(d), *average = nn_clone(d);
    ag_state *saved = ag_state_take(nn_stateful(d));
    uint64_t hash = nn_hash(d);
    ck_assert(nn_hash(copy) == hash);
    ag_tensor y = nn_forward(d, x);
    ck_assert(nn_hash(d) != hash);    /* u and v moved */
    ck_assert(nn_hash(copy) == hash); /* but not the copy's */
    ck_assert(same(y, nn_forward(copy, x)));
    ck_assert(nn_hash(copy) == nn_hash(d));
    ck_assert_int_eq(ag_state_restore(saved, nn_stateful(d)), AG_OK);
    ck_assert(nn_hash(d) == hash);
    ck_assert(same(y, nn_forward(d, x)));
    ck_assert_int_eq(nn_average(average, d, 0.5), AG_OK);
    ck_assert_int_eq(nn_copy_state(average, d), AG_OK);
    ck_assert(nn_hash(average) == nn_hash(d));
    nn_set_requires_grad(d, false);
    ck_assert_int_eq(nn_count_parameters(d, true), 0);
    ag_state_free(saved);
    ag_end(&scope);
    made(early, AG_FLOAT64); /* a clone of what was not initialised yet */
    made(fresh, AG_FLOAT64);
    ck_assert(nn_hash(early) == nn_hash(fresh));
    ck_no_error();
    nn_free(d);
    nn_free(copy);
    nn_free(average);
    nn_free(early);
    nn_free(fresh);
}
END_TEST

static ag_tensor forward_squared(const ag_tensor *in, int n, void *user)
{
    (void)n;
    return ag_sum(ag_square(nn_forward(user, in[0])));
}

/* To the second order, as a gradient penalty needs it. In eval mode: the differences must see the same u and v. */
START_TEST(gradients_pass_a_numerical_check)
{
    nn_module *d = made(net(), AG_FLOAT64);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[PICTURES];
    uint32_t state = 4;
    draw(&state, PICTURES, x);
    ag_tensor in[16] = { ag_leaf(AG_SHAPE(4, 1, 6, 6), AG_FLOAT64, true) };
    ag_write(in[0], x, PICTURES);
    ag_list *list = nn_parameters(d);
    int n = 1;
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        in[n++] = ag_list_tensor(list, i);
    }
    for (int i = 0; i < 20; i++) {
        nn_forward(d, in[0]);
    }
    nn_eval(d);
    ag_gradcheck_config config = ag_gradcheck_defaults();
    for (config.order = 1; config.order <= 2; config.order++) {
        ag_gradcheck_report report = ag_gradcheck(forward_squared, d, n, in, config);
        ck_no_error();
        ck_assert_msg(report.passed, "order %d: input %d is off by %g", config.order, report.input, report.worst);
    }
    ag_end(&scope);
    ag_drop(&in[0]);
    ag_list_free(list);
    nn_free(d);
}
END_TEST

START_TEST(the_summary_counts_once)
{
    nn_module *m = made(nn_sequential(nn_spectral_norm(nn_linear(4, 3)), nn_flatten()), AG_FLOAT32);
    char text[2048] = "";
    FILE *stream = tmpfile();
    nn_summary(m, AG_SHAPE(2, 4), stream);
    rewind(stream);
    ck_assert(fread(text, 1, sizeof(text) - 1, stream) > 0);
    fclose(stream);
    ck_assert_msg(strstr(text, " 0 (SpectralNorm)") != NULL && strstr(text, "\n   (Linear)") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "Total parameters: 15 ") != NULL && strstr(text, "Buffers: 7") != NULL, "%s", text);
    nn_free(m);
}
END_TEST

START_TEST(mistakes_are_named)
{
    nn_free(nn_spectral_norm(NULL));
    ck_error(AG_ERROR_VALUE, "nn_spectral_norm: the layer is NULL (");
    nn_free(nn_spectral_norm(nn_linear(0, 3)));
    ck_error(AG_ERROR_VALUE, "nn_linear: ");
    nn_free(nn_spectral_norm(nn_relu()));
    ck_error(AG_ERROR_VALUE, "nn_spectral_norm: ReLU has no parameter \"weight\" (");
    nn_free(nn_spectral_norm(nn_batch_norm2d(3)));
    ck_error(AG_ERROR_VALUE, "nn_spectral_norm: BatchNorm2d(3, eps=1e-05, momentum=0.1) has a weight that is no matrix (");
    nn_free(nn_spectral_norm(nn_spectral_norm(nn_linear(4, 3))));
    ck_error(AG_ERROR_VALUE, "nn_spectral_norm: SpectralNorm(Linear(in_features=4, out_features=3, bias=True)) has layers within");
    nn_free(nn_spectral_norm(nn_sequential(nn_linear(4, 3))));
    ck_error(AG_ERROR_VALUE, "nn_spectral_norm: Sequential has layers within: wrap those, each by itself (");
    nn_free(nn_spectral_norm(made(nn_linear(4, 3), AG_FLOAT32)));
    ck_error(AG_ERROR_VALUE, "nn_spectral_norm: Linear(in_features=4, out_features=3, bias=True) was initialised before");
    nn_spectral_norm_config config = { 0 };
    nn_free(nn_spectral_norm_with(nn_linear(4, 3), config));
    ck_error(AG_ERROR_VALUE, "nn_spectral_norm_with: the config did not come from nn_spectral_norm_defaults()");
    config = nn_spectral_norm_defaults();
    config.iterations = 0;
    nn_free(nn_spectral_norm_with(nn_linear(4, 3), config));
    ck_error(AG_ERROR_VALUE, "nn_spectral_norm_with: needs at least 1 iteration (iterations=0, eps=1e-12, dim=-1)");
    config = nn_spectral_norm_defaults();
    config.dim = 2;
    nn_free(nn_spectral_norm_with(nn_linear(4, 3), config));
    ck_error(AG_ERROR_VALUE, "nn_spectral_norm_with: dim must be 0 or 1, or -1");
    nn_module *held = nn_linear(4, 3), *wrapper = nn_spectral_norm(held);
    nn_free(nn_spectral_norm(held));
    ck_error(AG_ERROR_VALUE, "nn_spectral_norm: Linear(in_features=4, out_features=3, bias=True) is part of another module");
    ag_scope scope = { 0 };
    ag_begin(&scope);
    nn_forward(wrapper, ag_zeros(AG_SHAPE(2, 4), AG_FLOAT32));
    ck_error(AG_ERROR_STATE, "nn_forward: SpectralNorm(Linear(in_features=4, out_features=3, bias=True)) is not initialised");
    made(wrapper, AG_FLOAT32);
    nn_forward(wrapper, ag_zeros(AG_SHAPE(2, 5), AG_FLOAT32));
    ck_error(AG_ERROR_SHAPE, "ag_linear: ");
    ag_end(&scope);
    nn_free(wrapper);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spectral_norm");
    TCase *t = tcase_create("spectral_norm");
    tcase_add_checked_fixture(t, catch_errors, NULL);
    tcase_add_test(t, training_follows_pytorch);
    tcase_add_test(t, weights_come_from_pytorch_under_both_names);
    tcase_add_test(t, the_norm_becomes_one);
    tcase_add_test(t, directions_begin_random);
    tcase_add_test(t, clones_and_saved_states_go_on_alike);
    tcase_add_test(t, gradients_pass_a_numerical_check);
    tcase_add_test(t, the_summary_counts_once);
    tcase_add_test(t, mistakes_are_named);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
