/*
 * Files of named tensors: what PyTorch wrote loads by name and gives PyTorch's outputs; what does not fit is listed and changes
 * nothing; every bit comes back. The files in golden/formats were made by golden/make_formats.py.
 */
#include "files.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "data/checkpoint.h"
#include "data/tensors.h"
#include "nn/nn.h"

static const char *golden(const char *name)
{
    static char path[4][PATH_ROOM];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], PATH_ROOM, "%s/formats/%s", TESTS_GOLDEN, name);
    return path[turn];
}

static void assert_fine(void)
{
    ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
}

/* ---- models ---------------------------------------------------------------------------------- */

static nn_module *mlp(void)
{
    return nn_sequential(nn_linear(5, 6), nn_batch_norm1d(6), nn_relu(), nn_linear(6, 3));
}

static nn_module *cnn(void)
{
    return nn_sequential(nn_conv2d(2, 4, 3), nn_batch_norm2d(4), nn_relu(), nn_max_pool2d(2),
                         nn_flatten(), nn_linear(36, 3));
}

struct sequence {
    nn_module base;
    nn_module *lstm, *head;
};

static void sequence_visit(nn_module *m, nn_visitor *v)
{
    struct sequence *self = (struct sequence *)m;
    nn_visit_child(v, "lstm", &self->lstm);
    nn_visit_child(v, "head", &self->head);
}

static ag_tensor sequence_forward(nn_module *m, ag_tensor x)
{
    struct sequence *self = (struct sequence *)m;
    return nn_forward(self->head, nn_forward(self->lstm, x));
}

static nn_module *sequence(void)
{
    static const nn_module_type type = { .size = sizeof(nn_module_type),
                                         .name = "Sequence",
                                         .instance_size = sizeof(struct sequence),
                                         .visit = sequence_visit,
                                         .forward = sequence_forward };
    struct sequence *m = (struct sequence *)nn_module_new(&type);
    nn_rnn_config config = nn_rnn_defaults(3, 4);
    config.layers = 2;
    config.bidirectional = true;
    m->lstm = nn_lstm_with(config);
    m->head = nn_linear(8, 2);
    return &m->base;
}

static nn_module *initialised(nn_module *m, uint64_t seed)
{
    ag_rng rng = ag_rng_seed(seed);
    nn_init(m, &rng);
    return m;
}

static ag_error load(nn_module *m, const char *path, nn_load_config config, nn_load_result *result)
{
    data_tensors *file = data_tensors_open(path);
    ag_error code = nn_load_state_dict(m, data_tensors_entries(file), config, result);
    data_tensors_close(file);
    return code;
}

/* The module gives the outputs that PyTorch gave. */
static void assert_outputs(nn_module *m, const char *name, double tolerance)
{
    char path[64];
    snprintf(path, sizeof path, "%s.io.safetensors", name);
    data_tensors *file = data_tensors_open(golden(path));
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    nn_eval(m);
    ag_tensor want = data_tensors_get(file, "output");
    ag_tensor got = nn_forward(m, data_tensors_get(file, "input"));
    assert_fine();
    ck_assert(ag_shape_equal(ag_shape_of(got), ag_shape_of(want)));
    int64_t n = ag_numel(got);
    double a[64], b[64];
    ck_assert_int_le(n, 64);
    ag_read_doubles(got, a, n);
    ag_read_doubles(want, b, n);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(fabs(a[i] - b[i]) <= tolerance * (1 + fabs(b[i])), "%s: %.17g instead of %.17g",
                      name, a[i], b[i]);
    }
    ag_end(&scope);
    data_tensors_close(file);
}

static const struct {
    const char *name;
    nn_module *(*make)(void);
    double tolerance;
} models[] = {
    { "mlp", mlp, 1e-6 },  { "cnn", cnn, 1e-6 },      { "lstm", sequence, 1e-6 },
    { "half", mlp, 1e-6 }, { "bfloat16", mlp, 1e-6 }, { "double", mlp, 1e-14 },
};

START_TEST(a_state_dict_of_pytorch_loads_by_name_and_gives_its_outputs)
{
    char path[64];
    snprintf(path, sizeof path, "%s.safetensors", models[_i].name);
    bool wide = strcmp(models[_i].name, "double") == 0;
    nn_module *fresh = models[_i].make(); /* completed by loading, with the file's type */
    ck_assert_int_eq(load(fresh, golden(path), nn_load_defaults(), NULL), AG_OK);
    assert_outputs(fresh, models[_i].name, models[_i].tolerance);
    if (!wide) {
        nn_module *used = initialised(models[_i].make(), 3);
        ck_assert_int_eq(load(used, golden(path), nn_load_defaults(), NULL), AG_OK);
        ck_assert_uint_eq(nn_hash(used), nn_hash(fresh));
        nn_free(used);
    }
    nn_free(fresh);
}
END_TEST

START_TEST(the_counter_of_batch_norm_and_the_running_statistics_come_along)
{
    nn_module *m = mlp();
    load(m, golden("mlp.safetensors"), nn_load_defaults(), NULL);
    ag_list *state = nn_state(m);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ck_assert_double_eq(ag_item(ag_list_find(state, "1.num_batches_tracked")), 7);
    float mean[6];
    ag_read(ag_list_find(state, "1.running_mean"), mean, 6);
    ck_assert(mean[0] != 0 && mean[5] != 0);
    ag_end(&scope);
    ag_list_free(state);
    nn_free(m);
}
END_TEST

/* ---- what does not fit ------------------------------------------------------------------------ */

/* Another first layer, another head, one layer more than the file has. */
static nn_module *other_mlp(void)
{
    return nn_sequential(nn_linear(5, 6), nn_batch_norm1d(6), nn_relu(), nn_linear(6, 4),
                         nn_linear_no_bias(4, 2));
}

START_TEST(what_is_missing_unexpected_or_of_another_shape_stands_in_one_error)
{
    nn_module *m = initialised(other_mlp(), 1);
    uint64_t before = nn_hash(m);
    nn_load_result result;
    const nn_rename rename = { "0.bias", "0.offset" };
    nn_load_config config = nn_load_defaults();
    config.renames = 1;
    config.rename = &rename;
    load(m, golden("mlp.safetensors"), config, &result);
    char want[4 * PATH_ROOM];
    snprintf(want, sizeof want,
             "nn_load_state_dict: the file %s does not fit Sequential, and nothing was changed: "
             "unexpected: 0.bias; 3.weight: float32 (3,6) there, float32 (4,6) here; "
             "3.bias: float32 (3) there, float32 (4) here; missing: 0.bias, float32 (6); "
             "missing: 4.weight, float32 (2,4) (",
             golden("mlp.safetensors"));
    test_expect(AG_ERROR_VALUE, want);
    ck_assert_int_eq(result.loaded, 0);
    ck_assert_int_eq(result.missing, 2);
    ck_assert_int_eq(result.unexpected, 1);
    ck_assert_int_eq(result.mismatched, 2);
    nn_load_result_free(&result);
    ck_assert_uint_eq(nn_hash(m), before);
    nn_free(m);
}
END_TEST

/* Each kind of difference alone is enough. */
START_TEST(strict_refuses_one_missing_one_unexpected_and_one_of_another_type)
{
    float w[4] = { 1, 2, 3, 4 };
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor weight = ag_from(AG_SHAPE(2, 2), AG_FLOAT32, w), bias = ag_from(AG_SHAPE(2), AG_FLOAT32, w),
              whole = ag_arange(2, AG_INT64);
    const struct {
        const char *name[3];
        ag_tensor tensor[3];
        const char *says;
    } bad[] = {
        { { "weight" }, { weight }, "missing: bias, float32 (2)" },
        { { "weight", "bias", "more" }, { weight, bias, bias }, "unexpected: more" },
        { { "weight", "bias" }, { weight, whole }, "bias: int64 (2) there, float32 (2) here" },
    };
    nn_module *m = initialised(nn_linear(2, 2), 1);
    uint64_t before = nn_hash(m);
    for (int i = 0; i < 3; i++) {
        ag_list *list = ag_list_new();
        for (int k = 0; k < 3 && bad[i].name[k] != NULL; k++) {
            ag_list_add(list, bad[i].name[k], bad[i].tensor[k]);
        }
        nn_load_state_dict(m, ag_entries_list(list), nn_load_defaults(), NULL);
        char want[200];
        snprintf(want, sizeof want, "nn_load_state_dict: the list does not fit Linear, and nothing was changed: %s (", bad[i].says);
        test_expect(AG_ERROR_VALUE, want);
        ck_assert_uint_eq(nn_hash(m), before);
        ag_list_free(list);
    }
    ag_end(&scope);
    nn_free(m);
}
END_TEST

START_TEST(not_strict_loads_what_fits_and_tells_the_rest)
{
    nn_module *m = initialised(other_mlp(), 1), *whole = mlp();
    load(whole, golden("mlp.safetensors"), nn_load_defaults(), NULL);
    nn_load_config config = nn_load_defaults();
    config.strict = false;
    nn_load_result result;
    ck_assert_int_eq(load(m, golden("mlp.safetensors"), config, &result), AG_OK);
    ck_assert_int_eq(result.loaded, 7);
    ck_assert_str_eq(result.text, "3.weight: float32 (3,6) there, float32 (4,6) here\n"
                                  "3.bias: float32 (3) there, float32 (4) here\n"
                                  "missing: 4.weight, float32 (2,4)\n");
    ag_list *a = nn_state(m), *b = nn_state(whole);
    for (int i = 0; i < 7; i++) {
        ck_assert_uint_eq(ag_hash(ag_list_tensor(a, i)), ag_hash(ag_list_tensor(b, i)));
    }
    ag_list_free(a);
    ag_list_free(b);
    nn_load_result_free(&result);

    nn_module *fresh = other_mlp(); /* has nothing that could stay as it is */
    load(fresh, golden("mlp.safetensors"), config, NULL);
    test_expect(AG_ERROR_VALUE, "nn_load_state_dict: the file ");
    ck_assert(!fresh->initialised);
    nn_free(fresh);
    nn_free(m);
    nn_free(whole);
}
END_TEST

START_TEST(prefixes_are_taken_off_put_on_exchanged_and_passed_over)
{
    nn_module *whole = mlp(), *m = mlp();
    load(whole, golden("mlp.safetensors"), nn_load_defaults(), NULL);
    nn_load_config config = nn_load_defaults();
    const nn_rename off = { "module.", "" };
    config.renames = 1;
    config.rename = &off;
    ck_assert_int_eq(load(m, golden("parallel.safetensors"), config, NULL), AG_OK);
    ck_assert_uint_eq(nn_hash(m), nn_hash(whole));
    nn_free(m);

    m = nn_sequential(mlp()); /* its names begin with "0." */
    const nn_rename on = { "", "0." };
    config.rename = &on;
    ck_assert_int_eq(load(m, golden("mlp.safetensors"), config, NULL), AG_OK);
    assert_outputs(m, "mlp", 1e-6);
    nn_free(m);

    m = initialised(nn_sequential(nn_linear(6, 3), nn_linear(5, 6)), 1);
    const nn_rename several[] = { { "1.", NULL }, { "0.", "1." }, { "3.", "0." } };
    config.renames = 3;
    config.rename = several;
    ck_assert_int_eq(load(m, golden("mlp.safetensors"), config, NULL), AG_OK);
    ag_list *a = nn_state(m), *b = nn_state(whole);
    ck_assert_uint_eq(ag_hash(ag_list_find(a, "0.weight")), ag_hash(ag_list_find(b, "3.weight")));
    ck_assert_uint_eq(ag_hash(ag_list_find(a, "1.bias")), ag_hash(ag_list_find(b, "0.bias")));
    ag_list_free(a);
    ag_list_free(b);

    const nn_rename both = { "3.", "0." };
    config.renames = 1;
    config.rename = &both;
    load(m, golden("mlp.safetensors"), config, NULL);
    test_expect(AG_ERROR_VALUE, "nn_load_state_dict: \"0.weight\" and \"3.weight\" would both be loaded as \"0.weight\"");
    nn_free(m);
    nn_free(whole);
}
END_TEST

START_TEST(numbers_are_rounded_only_if_that_was_asked_for)
{
    nn_module *m = initialised(mlp(), 1);
    uint64_t before = nn_hash(m);
    nn_load_config config = nn_load_defaults();
    load(m, golden("double.safetensors"), config, NULL);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "0.weight: float64 (6,5) there, float32 (6,5) here"));
    test_expect(AG_ERROR_VALUE, "nn_load_state_dict: ");
    ck_assert_uint_eq(nn_hash(m), before);
    config.round = true;
    ck_assert_int_eq(load(m, golden("double.safetensors"), config, NULL), AG_OK);
    ag_list *state = nn_state(m);
    data_tensors *file = data_tensors_open(golden("double.safetensors"));
    double wide[30];
    float got[30];
    data_tensors_read(file, "0.weight", AG_FLOAT64, wide, 30);
    ag_read(ag_list_find(state, "0.weight"), got, 30);
    for (int i = 0; i < 30; i++) {
        ck_assert_float_eq(got[i], (float)wide[i]);
    }
    data_tensors_close(file);
    ag_list_free(state);
    nn_free(m);
}
END_TEST

/* One parameter under two names. */
struct tied {
    nn_module base;
    ag_tensor weight;
};

static void tied_visit(nn_module *m, nn_visitor *v)
{
    struct tied *self = (struct tied *)m;
    nn_visit_parameter(v, "in", &self->weight, AG_SHAPE(2), NULL);
    nn_visit_parameter(v, "out", &self->weight, AG_SHAPE(2), NULL);
}

START_TEST(one_name_of_a_tied_parameter_is_enough)
{
    static const nn_module_type type = { .size = sizeof(nn_module_type), .name = "Tied",
                                         .instance_size = sizeof(struct tied), .visit = tied_visit };
    ag_tensor w = ag_leaf(AG_SHAPE(2), AG_FLOAT32, false);
    ag_write(w, (float[]){ 3, 4 }, 2);
    ag_list *list = ag_list_new();
    ag_list_add(list, "out", w);
    ck_assert_int_eq(data_tensors_save(test_path("t.safetensors"), list), AG_OK);
    nn_module *m = nn_module_new(&type);
    ck_assert_int_eq(load(m, test_path("t.safetensors"), nn_load_defaults(), NULL), AG_OK);
    ck_assert_uint_eq(ag_hash(((struct tied *)m)->weight), ag_hash(w));
    nn_free(m);
    ag_list_free(list);
    ag_drop(&w);
}
END_TEST

START_TEST(a_list_is_a_source_too_and_widens)
{
    nn_module *m = initialised(mlp(), 1), *wide = mlp();
    ag_rng rng = ag_rng_seed(2);
    nn_init_dtype(wide, &rng, AG_FLOAT64);
    ag_list *state = nn_state(m);
    ck_assert_int_eq(nn_load_state_dict(wide, ag_entries_list(state), nn_load_defaults(), NULL), AG_OK);
    float narrow[30];
    double got[30];
    ag_list *there = nn_state(wide);
    ag_read(ag_list_tensor(state, 0), narrow, 30);
    ag_read(ag_list_tensor(there, 0), got, 30);
    for (int i = 0; i < 30; i++) {
        ck_assert_double_eq(got[i], (double)narrow[i]);
    }
    ag_list_free(there);
    ag_list_free(state);
    nn_free(m);
    nn_free(wide);
}
END_TEST

START_TEST(wrong_arguments_are_named)
{
    nn_module *m = initialised(mlp(), 1);
    nn_load_config config = { .strict = true };
    nn_load_state_dict(m, data_tensors_entries(NULL), nn_load_defaults(), NULL);
    test_expect(AG_ERROR_VALUE, "nn_load_state_dict: the source is NULL (");
    ag_list *list = ag_list_new();
    nn_load_state_dict(m, ag_entries_list(list), config, NULL);
    test_expect(AG_ERROR_VALUE, "nn_load_state_dict: the config was not made by nn_load_defaults() (");
    nn_load_state_dict(m, (ag_entries){ list, NULL }, nn_load_defaults(), NULL);
    test_expect(AG_ERROR_VALUE, "nn_load_state_dict: the source has no type with all of its functions (");
    config = nn_load_defaults();
    config.renames = 2;
    nn_load_state_dict(m, ag_entries_list(list), config, NULL);
    test_expect(AG_ERROR_VALUE, "nn_load_state_dict: the renames are missing (");
    nn_load_state_dict(NULL, ag_entries_list(list), nn_load_defaults(), NULL);
    test_expect(AG_ERROR_VALUE, "nn_load_state_dict: ");
    ag_list_free(list);
    nn_free(m);
}
END_TEST

/* ---- reading ---------------------------------------------------------------------------------- */

/* PyTorch's tensors of each type, as make_formats.py wrote them down. */
START_TEST(every_type_is_listed_and_widened)
{
    static const struct {
        const char *name, *type;
        ag_dtype dtype;
        int64_t n;
        double value[8];
    } want[] = {
        { "bool", "BOOL", AG_UINT8, 3, { 1, 0, 1 } },
        { "f16", "F16", AG_FLOAT32, 8, { 0, -0.0, 1.5, -2.25, INFINITY, NAN, 0x1p-24, 65504 } },
        { "bf16", "BF16", AG_FLOAT32, 8, { 0, -0.0, 1.5, -2.25, INFINITY, NAN, 0x1p-24, 65536 } },
        { "f32", "F32", AG_FLOAT32, 8, { 0, -0.0, 1.5, -2.25, INFINITY, NAN, 0x1p-24, 65504 } },
        { "f64", "F64", AG_FLOAT64, 8, { 0, -0.0, 0.5, -0.75, INFINITY, NAN, 0x1p-24 / 3, 65504.0 / 3 } },
        { "i8", "I8", AG_INT64, 4, { -128, 127, 0, -1 } },
        { "i16", "I16", AG_INT64, 3, { -32768, 32767, -2 } },
        { "i32", "I32", AG_INT64, 3, { -2147483648.0, 2147483647, -3 } },
        { "u8", "U8", AG_UINT8, 2, { 0, 255 } },
        { "scalar", "F32", AG_FLOAT32, 1, { 2.5 } },
        { "empty", "F64", AG_FLOAT64, 0, { 0 } },
    };
    data_tensors *file = data_tensors_open(golden("types.safetensors"));
    assert_fine();
    ck_assert_int_eq(data_tensors_count(file), 12);
    ck_assert_int_eq(data_tensors_texts(file), 2);
    ck_assert_str_eq(data_tensors_text(file, "gr\xc3\xb6\xc3\x9f" "e"), "klein");
    ck_assert_str_eq(data_tensors_text_key(file, 0), "made by");
    ck_assert_ptr_null(data_tensors_text(file, "none"));
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        data_tensor_info info = data_tensors_info(file, data_tensors_find(file, want[i].name));
        ck_assert_str_eq(info.name, want[i].name);
        ck_assert_str_eq(info.type, want[i].type);
        ck_assert(info.readable);
        ag_tensor t = data_tensors_get(file, want[i].name);
        assert_fine();
        ck_assert_int_eq(ag_dtype_of(t), want[i].dtype);
        ck_assert_int_eq(ag_numel(t), want[i].n);
        double got[8];
        ag_read_doubles(t, got, want[i].n);
        for (int64_t k = 0; k < want[i].n; k++) {
            ck_assert_msg((isnan(got[k]) && isnan(want[i].value[k])) ||
                              (got[k] == want[i].value[k] &&
                               signbit(got[k]) == signbit(want[i].value[k])),
                          "%s[%d]: %g instead of %g", want[i].name, (int)k, got[k], want[i].value[k]);
        }
    }
    int64_t n[3];
    data_tensors_read(file, "i64", AG_INT64, n, 3);
    ck_assert(n[0] == INT64_MIN && n[1] == INT64_MAX && n[2] == -4);
    double wide[8];
    data_tensors_read(file, "f16", AG_FLOAT64, wide, 8);
    ck_assert_double_eq(wide[6], 0x1p-24);
    assert_fine();
    ag_end(&scope);
    data_tensors_close(file);
}
END_TEST

START_TEST(what_cannot_be_read_is_named)
{
    char want[PATH_ROOM + 100];
    data_tensors *file = data_tensors_open(golden("types.safetensors"));
    double numbers[8];
#define EXPECT(code, text)                                                                 \
    do {                                                                                   \
        snprintf(want, sizeof want, "data_tensors_read: %s: " text " (", golden("types.safetensors")); \
        test_expect(code, want);                                                           \
    } while (0)
    data_tensors_read(file, "f65", AG_FLOAT64, numbers, 8);
    EXPECT(AG_ERROR_VALUE, "there is no \"f65\"");
    data_tensors_read(file, "f64", AG_FLOAT64, numbers, 7);
    EXPECT(AG_ERROR_SHAPE, "\"f64\" is (8), and there is room for 7 numbers");
    data_tensors_read(file, "f64", AG_INT64, numbers, 8);
    EXPECT(AG_ERROR_DTYPE, "\"f64\" is float64 and cannot be read as int64");
    data_tensors_close(file);

    data_tensor_info none = data_tensors_info(NULL, 0);
    ck_assert_str_eq(none.name, "");
    ck_assert_int_eq(data_tensors_count(NULL), 0);
    ck_assert_int_eq(data_tensors_find(NULL, "x"), -1);

    file = data_tensors_open(test_path("none.safetensors"));
    test_expect(AG_ERROR_FILE, test_says("data_tensors_open", "none.safetensors",
                                         "cannot be read: No such file or directory ("));
    ck_assert_int_eq(data_tensors_count(file), 0);
    data_tensors_read(file, "f64", AG_FLOAT64, numbers, 8);
    test_expect(AG_ERROR_VALUE, "data_tensors_read: the file is nil: opening it failed (");
    data_tensors_close(file);
    data_tensors_close(data_tensors_open(test_folder));
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "cannot be read: Is a directory"));
    ag_error_clear();
    data_tensors_close(data_tensors_open(test_write("x.safetensors", "\3\0\0\0\0\0\0\0{}", 10)));
    test_expect(AG_ERROR_FORMAT, test_says("data_tensors_open", "x.safetensors",
                                           "10 bytes are too few for a header of 3 ("));
    ck_assert_int_eq(mkfifo(test_path("pipe"), 0600), 0);
    data_tensors_close(data_tensors_open(test_path("pipe"))); /* does not wait for a writer */
    test_expect(AG_ERROR_FILE, test_says("data_tensors_open", "pipe", "cannot be read: "));
}
END_TEST

/* ---- writing ---------------------------------------------------------------------------------- */

static bool same_bytes(const char *a, const char *b)
{
    static unsigned char x[1 << 16], y[1 << 16];
    FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
    ck_assert(f != NULL && g != NULL);
    size_t n = fread(x, 1, sizeof x, f), m = fread(y, 1, sizeof y, g);
    fclose(f);
    fclose(g);
    return n == m && n < sizeof x && memcmp(x, y, n) == 0;
}

START_TEST(a_state_comes_back_with_every_bit)
{
    for (int i = 0; i < 3; i++) {
        nn_module *m = initialised(models[i].make(), 5), *again = models[i].make();
        ag_list *state = nn_state(m);
        float odd[] = { NAN, -0.0f, 1e-42f, INFINITY }; /* into the last tensor of each model, a bias */
        ag_tensor last = ag_list_tensor(state, ag_list_count(state) - 1);
        ag_write(last, odd, ag_numel(last));
        ck_assert_int_eq(data_tensors_save(test_path("m.safetensors"), state), AG_OK);
        ck_assert_int_eq(load(again, test_path("m.safetensors"), nn_load_defaults(), NULL), AG_OK);
        ck_assert_uint_eq(nn_hash(again), nn_hash(m));
        ag_list *second = nn_state(again);
        data_tensors_save(test_path("n.safetensors"), second);
        assert_fine();
        ck_assert(same_bytes(test_path("m.safetensors"), test_path("n.safetensors")));
        ag_list_free(state);
        ag_list_free(second);
        nn_free(m);
        nn_free(again);
    }
}
END_TEST

START_TEST(tensors_of_every_type_are_copied_from_file_to_file_byte_by_byte)
{
    data_tensors *from = data_tensors_open(golden("types.safetensors"));
    data_tensors_writer *w = data_tensors_writer_new();
    for (int64_t i = 0; i < data_tensors_count(from); i++) {
        data_tensors_writer_copy(w, from, i, NULL);
    }
    for (int64_t i = 0; i < data_tensors_texts(from); i++) {
        const char *key = data_tensors_text_key(from, i);
        data_tensors_writer_text(w, key, data_tensors_text(from, key));
    }
    ck_assert_int_eq(data_tensors_writer_save(w, test_path("copy.safetensors")), AG_OK);
    data_tensors_writer_free(w);
    data_tensors *to = data_tensors_open(test_path("copy.safetensors"));
    assert_fine();
    ck_assert_int_eq(data_tensors_count(to), data_tensors_count(from));
    ck_assert_str_eq(data_tensors_text(to, "made by"), "PyTorch");
    static unsigned char a[1 << 14], b[1 << 14];
    FILE *f = fopen(golden("types.safetensors"), "rb"), *g = fopen(test_path("copy.safetensors"), "rb");
    ck_assert_uint_gt(fread(a, 1, sizeof a, f), 0);
    ck_assert_uint_gt(fread(b, 1, sizeof b, g), 0);
    fclose(f);
    fclose(g);
    for (int64_t i = 0; i < data_tensors_count(to); i++) {
        data_tensor_info x = data_tensors_info(to, i),
                         y = data_tensors_info(from, data_tensors_find(from, x.name));
        ck_assert_str_eq(x.type, y.type);
        ck_assert(ag_shape_equal(x.shape, y.shape));
        ck_assert_int_eq(x.bytes, y.bytes);
        ck_assert_mem_eq(b + x.offset, a + y.offset, (size_t)x.bytes);
    }
    data_tensors_close(to);
    data_tensors_close(from);
}
END_TEST

START_TEST(any_layout_is_written_row_major)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_from(AG_SHAPE(2, 3), AG_FLOAT32, ((float[]){ 1, 2, 3, 4, 5, 6 }));
    data_tensors_writer *w = data_tensors_writer_new();
    data_tensors_writer_add(w, "t", ag_transpose(x, 0, 1));
    data_tensors_writer_add(w, "x", x);
    ck_assert_int_eq(data_tensors_writer_save(w, test_path("t.safetensors")), AG_OK);
    data_tensors *file = data_tensors_open(test_path("t.safetensors"));
    float got[6];
    data_tensors_read(file, "t", AG_FLOAT32, got, 6);
    assert_fine();
    ck_assert_mem_eq(got, ((float[]){ 1, 4, 2, 5, 3, 6 }), sizeof got);
    data_tensors_close(file);
    data_tensors_writer_free(w);
    ag_end(&scope);
}
END_TEST

START_TEST(what_cannot_be_saved_leaves_the_file_that_was_there)
{
    nn_module *m = initialised(mlp(), 1);
    ag_list *state = nn_state(m);
    const char *path = test_path("m.safetensors");
    data_tensors_save(path, state);
    data_tensors_writer *w = data_tensors_writer_new();
    data_tensors_writer_add_list(w, "a.", state);
    data_tensors_writer_add_list(w, "a.", state);
    data_tensors_writer_save(w, path);
    test_expect(AG_ERROR_VALUE, test_says("data_tensors_save", "m.safetensors",
                                          "the name \"a.1.num_batches_tracked\" is used twice ("));
    data_tensors_writer_save(w, test_path("m.pt"));
    test_expect(AG_ERROR_VALUE, test_says("data_tensors_save", "m.pt", "the ending must be "));
    data_tensors_writer_add(w, "none", AG_NONE);
    test_expect(AG_ERROR_LIFETIME, "data_tensors_writer_add: the tensor \"none\" is none (");
    data_tensors_writer_copy(w, NULL, 3, NULL);
    test_expect(AG_ERROR_INDEX, "data_tensors_writer_copy: there is no tensor 3 in a file of 0 (");
    data_tensors_writer_free(w);
    data_tensors_save(test_path("nowhere/m.safetensors"), state);
    test_expect(AG_ERROR_FILE, test_says("data_tensors_save", "nowhere/m.safetensors",
                                         "cannot be written: No such file or directory ("));
    nn_module *again = mlp();
    ck_assert_int_eq(load(again, path, nn_load_defaults(), NULL), AG_OK);
    ck_assert_uint_eq(nn_hash(again), nn_hash(m));
    DIR *folder = opendir(test_folder); /* and nothing else */
    int files = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        files += entry->d_name[0] != '.';
    }
    closedir(folder);
    ck_assert_int_eq(files, 1);
    ag_list_free(state);
    nn_free(again);
    nn_free(m);
}
END_TEST

START_TEST(a_disk_that_is_full_leaves_what_was_there)
{
    static const char *const endings[] = { "safetensors", "npy", "npz" };
    enum { N = 1 << 17 };
    ag_tensor small = ag_leaf(AG_SHAPE(2), AG_FLOAT32, false), large = ag_leaf(AG_SHAPE(N), AG_FLOAT32, false);
    ag_list *list[2] = { ag_list_new(), ag_list_new() };
    ag_list_add(list[0], "w", small);
    ag_list_add(list[1], "w", large);
    char name[32];
    snprintf(name, sizeof name, "w.%s", endings[_i]);
    if (data_tensors_save(test_path(name), list[0]) != AG_OK) {
        ck_assert_ptr_nonnull(strstr(ag_error_message(), "without libzip"));
        ag_error_clear();
    } else {
        struct rlimit before, limit;
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
        limit = before;
        limit.rlim_cur = N; /* a quarter of it */
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        data_tensors_save(test_path(name), list[1]);
        setrlimit(RLIMIT_FSIZE, &before);
        test_expect(AG_ERROR_FILE, test_says("data_tensors_save", name, "cannot be written: File too large ("));
        data_tensors *file = data_tensors_open(test_path(name));
        assert_fine();
        ck_assert_int_eq(data_tensors_info(file, 0).bytes, 8);
        data_tensors_close(file);
        DIR *folder = opendir(test_folder);
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            ck_assert(entry->d_name[0] == '.' || strcmp(entry->d_name, name) == 0);
        }
        closedir(folder);
    }
    ag_list_free(list[0]);
    ag_list_free(list[1]);
    ag_drop(&small);
    ag_drop(&large);
}
END_TEST

START_TEST(the_weights_in_a_checkpoint_load_by_name)
{
    nn_module *m = initialised(mlp(), 8), *again = mlp();
    int64_t epoch = 3;
    data_checkpoint *c = data_checkpoint_new(test_path("run"), data_checkpoint_defaults());
    data_checkpoint_add(c, "model", nn_stateful(m));
    data_checkpoint_add(c, "epoch", ag_stateful_int64(&epoch));
    ck_assert_int_eq(data_checkpoint_save(c), AG_OK);
    const nn_rename rename[] = { { "model.", "" }, { "", NULL } };
    nn_load_config config = nn_load_defaults();
    config.renames = 2;
    config.rename = rename;
    ck_assert_int_eq(load(again, data_checkpoint_path(c), config, NULL), AG_OK);
    ck_assert_uint_eq(nn_hash(again), nn_hash(m));
    data_tensors *file = data_tensors_open(data_checkpoint_path(c));
    ck_assert_str_eq(data_tensors_text(file, "epoch"), "3");
    data_tensors_close(file);
    remove(data_checkpoint_path(c));
    data_checkpoint_free(c);
    nn_free(m);
    nn_free(again);
}
END_TEST

START_TEST(a_tensor_that_is_gone_is_named_before_a_byte_is_written)
{
    ag_tensor t = ag_leaf(AG_SHAPE(2), AG_FLOAT32, false);
    data_tensors_writer *w = data_tensors_writer_new();
    data_tensors_writer_add(w, "t", t);
    ag_drop(&t);
    data_tensors_writer_save(w, test_path("t.safetensors"));
    test_expect(AG_ERROR_LIFETIME, "data_tensors_save: the tensor \"t\" is gone (");
    ck_assert(access(test_path("t.safetensors"), F_OK) != 0);
    data_tensors_writer_free(w);
}
END_TEST

/* ---- large files ------------------------------------------------------------------------------ */

/* Kilobytes of memory that are this process's now. */
static long resident(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    long kilobytes = -1;
    char line[256];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kilobytes) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kilobytes;
}

START_TEST(a_gigabyte_is_listed_in_less_than_ten_megabytes)
{
    enum { TENSORS = 1000, EACH = 1 << 20 };
    const char *path = test_path("large.safetensors");
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    fwrite("\0\0\0\0\0\0\0\0", 1, 8, file);
    for (int64_t i = 0; i < TENSORS; i++) {
        fprintf(file, "%s\"layers.%" PRId64 ".weight\":{\"dtype\":\"F32\",\"shape\":[512,512],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}",
                i == 0 ? "{" : ",", i, i * EACH, (i + 1) * EACH);
    }
    fputc('}', file);
    int64_t header = ftell(file) - 8;
    fseek(file, 0, SEEK_SET);
    for (int i = 0; i < 8; i++) {
        fputc((int)(header >> 8 * i & 255), file);
    }
    fclose(file);
    ck_assert_int_eq(truncate(path, 8 + header + (int64_t)TENSORS * EACH), 0); /* all zeros, and no blocks */
    long before = resident();
    data_tensors *tensors = data_tensors_open(path);
    assert_fine();
    int64_t bytes = 0;
    for (int64_t i = 0; i < data_tensors_count(tensors); i++) {
        bytes += data_tensors_info(tensors, i).bytes;
    }
    long listed = resident();
    ck_assert_int_eq(bytes, (int64_t)TENSORS * EACH);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ck_assert(!ag_is_nil(data_tensors_get(tensors, "layers.777.weight")));
    long one = resident();
    ag_end(&scope);
    data_tensors_close(tensors);
    if (before < 0) {
        printf("how much memory is used is not known on this system\n");
        return;
    }
    printf("listing %" PRId64 " bytes took %ld kB, one tensor of 1024 kB %ld kB more\n", bytes, listed - before,
           one - listed);
    ck_assert_int_lt(listed - before, 10000);
    ck_assert_int_lt(one - before, 10000 + 2 * 1024);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tensors");
    TCase *tcase = tcase_create("tensors");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, test_begin, test_end);
    tcase_add_loop_test(tcase, a_state_dict_of_pytorch_loads_by_name_and_gives_its_outputs, 0,
                        (int)(sizeof models / sizeof models[0]));
    tcase_add_test(tcase, the_counter_of_batch_norm_and_the_running_statistics_come_along);
    tcase_add_test(tcase, what_is_missing_unexpected_or_of_another_shape_stands_in_one_error);
    tcase_add_test(tcase, strict_refuses_one_missing_one_unexpected_and_one_of_another_type);
    tcase_add_test(tcase, not_strict_loads_what_fits_and_tells_the_rest);
    tcase_add_test(tcase, prefixes_are_taken_off_put_on_exchanged_and_passed_over);
    tcase_add_test(tcase, numbers_are_rounded_only_if_that_was_asked_for);
    tcase_add_test(tcase, one_name_of_a_tied_parameter_is_enough);
    tcase_add_test(tcase, a_list_is_a_source_too_and_widens);
    tcase_add_test(tcase, wrong_arguments_are_named);
    tcase_add_test(tcase, every_type_is_listed_and_widened);
    tcase_add_test(tcase, what_cannot_be_read_is_named);
    tcase_add_test(tcase, a_state_comes_back_with_every_bit);
    tcase_add_test(tcase, tensors_of_every_type_are_copied_from_file_to_file_byte_by_byte);
    tcase_add_test(tcase, any_layout_is_written_row_major);
    tcase_add_test(tcase, what_cannot_be_saved_leaves_the_file_that_was_there);
    tcase_add_loop_test(tcase, a_disk_that_is_full_leaves_what_was_there, 0, 3);
    tcase_add_test(tcase, the_weights_in_a_checkpoint_load_by_name);
    tcase_add_test(tcase, a_tensor_that_is_gone_is_named_before_a_byte_is_written);
    tcase_add_test(tcase, a_gigabyte_is_listed_in_less_than_ten_megabytes);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
