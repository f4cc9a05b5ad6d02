/*
 * Module trees: completing, listing, sharing, cloning, freeing, and what the mistakes of a program
 * say. Written as a program that uses the library.
 */
#include "tests/nn/common.h"

static nn_module *small(uint64_t seed)
{
    nn_module *m = nn_sequential(nn_linear(3, 5), nn_tanh(), nn_linear(5, 2));
    ag_rng rng = ag_rng_seed(seed);
    ck_assert_int_eq(nn_init(m, &rng), AG_OK);
    return m;
}

/* ---- completing ------------------------------------------------------------------------------ */

START_TEST(parameters_lie_in_one_block_and_stay_there)
{
    nn_module *m = residual_new();
    ag_rng rng = ag_rng_seed(1);
    ck_assert_int_eq(nn_init(m, &rng), AG_OK);
    ag_list *list = nn_parameters(m);
    const char *names[] = { "scale",       "body.0.weight", "body.0.bias", "body.1.weight",
                            "body.1.bias", "out.weight",    "out.bias" };
    ck_assert_int_eq(ag_list_count(list), 7);
    const char *data[7], *expected = ag_data(ag_list_tensor(list, 0));
    for (int i = 0; i < 7; i++) {
        ag_tensor t = ag_list_tensor(list, i);
        ck_assert_str_eq(ag_list_name(list, i), names[i]);
        ck_assert_str_eq(ag_name_of(t), names[i]);
        data[i] = ag_data(t);
        ck_assert_uint_eq((uintptr_t)data[i] % 64, 0);
        ck_assert_ptr_eq(data[i], expected);
        expected += (ag_numel(t) * (int64_t)sizeof(float) + 63) / 64 * 64;
        ck_assert(ag_requires_grad(t));
    }
    uint64_t first = nn_hash(m);
    ck_assert_int_eq(nn_init(m, &rng), AG_OK);
    ck_assert(nn_hash(m) != first);
    rng = ag_rng_seed(1);
    ck_assert_int_eq(nn_init(m, &rng), AG_OK);
    ck_assert(nn_hash(m) == first);
    for (int i = 0; i < 7; i++) {
        ck_assert_ptr_eq(ag_data(ag_list_tensor(list, i)), data[i]);
    }
    ag_list_free(list);
    nn_free(m);
}
END_TEST

START_TEST(a_second_init_forgets_gradients_and_keeps_frozen_ones_frozen)
{
    nn_module *m = small(1);
    ag_list *list = nn_parameters(m);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_backward(ag_sum(nn_forward(m, ag_ones(AG_SHAPE(1, 3), AG_FLOAT32))));
    ck_no_error();
    ck_assert(!ag_is_none(ag_grad_of(ag_list_tensor(list, 0))));
    ag_end(&scope);
    nn_set_requires_grad(nn_sequential_child(m, 2), false);
    ag_rng rng = ag_rng_seed(2);
    ck_assert_int_eq(nn_init(m, &rng), AG_OK);
    ck_assert(ag_is_none(ag_grad_of(ag_list_tensor(list, 0))));
    ck_assert(ag_requires_grad(ag_list_tensor(list, 0)));
    ck_assert(!ag_requires_grad(ag_list_tensor(list, 2)));
    ag_list_free(list);
    nn_free(m);
}
END_TEST

START_TEST(a_part_of_a_tree_can_be_initialised_anew)
{
    nn_module *m = small(1);
    uint64_t head = nn_hash(nn_sequential_child(m, 2)), body = nn_hash(nn_sequential_child(m, 0));
    ag_rng rng = ag_rng_seed(5);
    ck_assert_int_eq(nn_init(nn_sequential_child(m, 2), &rng), AG_OK);
    ck_assert(nn_hash(nn_sequential_child(m, 2)) != head);
    ck_assert(nn_hash(nn_sequential_child(m, 0)) == body);
    nn_free(m);
}
END_TEST

START_TEST(the_element_type_is_the_trees)
{
    nn_module *m = residual_new();
    ag_rng rng = ag_rng_seed(1);
    ck_assert_int_eq(nn_init_dtype(m, &rng, AG_FLOAT64), AG_OK);
    ag_list *state = nn_state(m);
    for (int64_t i = 0; i < ag_list_count(state); i++) {
        bool counter = strstr(ag_list_name(state, i), "num_batches_tracked") != NULL;
        ck_assert_int_eq(ag_dtype_of(ag_list_tensor(state, i)), counter ? AG_INT64 : AG_FLOAT64);
    }
    ck_assert_int_eq(nn_init(m, &rng), AG_OK);
    ck_assert_int_eq(ag_dtype_of(ag_list_tensor(state, 0)), AG_FLOAT64);
    nn_init_dtype(m, &rng, AG_FLOAT32);
    ck_error(AG_ERROR_DTYPE,
             "nn_init_dtype: \"scale\" is float64 already and cannot become float32 (");
    ag_list_free(state);
    nn_free(m);
}
END_TEST

START_TEST(modes_and_freezing_reach_the_whole_tree)
{
    nn_module *m = residual_new();
    struct residual *self = (struct residual *)m;
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    ck_assert(m->training && self->body->training);
    nn_eval(m);
    ck_assert(!m->training && !nn_sequential_child(self->body, 1)->training);
    nn_train(m);
    ck_assert(m->training && nn_sequential_child(self->body, 1)->training);
    ck_assert_int_eq(nn_count_parameters(m, false), 4 + 30 + 12 + 28);
    nn_set_requires_grad(self->body, false);
    ck_assert_int_eq(nn_count_parameters(m, true), 4 + 28);
    ck_assert_int_eq(nn_count_parameters(m, false), 4 + 30 + 12 + 28);
    nn_set_requires_grad(m, true);
    ck_assert_int_eq(nn_count_parameters(m, true), 4 + 30 + 12 + 28);
    nn_free(m);
}
END_TEST

START_TEST(parameters_are_counted_before_init)
{
    nn_module *m = nn_sequential(nn_conv2d(1, 32, 3), nn_linear(10, 5));
    ck_assert_int_eq(nn_count_parameters(m, true), 320 + 55);
    nn_free(m);
}
END_TEST

/* ---- forward --------------------------------------------------------------------------------- */

START_TEST(a_constructors_error_names_its_line)
{
    char line[64];
    nn_free(nn_linear(0, 3));
    snprintf(line, sizeof(line), "test_module.c:%d", __LINE__ - 1);
    ck_assert_msg(strstr(ag_error_message(), line) != NULL, "%s", ag_error_message());
    ag_error_clear();
}
END_TEST

START_TEST(a_programs_own_module_reports_its_own_lines)
{
    nn_module *m = residual_new();
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_place before = ag_caller();
    nn_forward(m, ag_zeros(AG_SHAPE(2, 3), AG_FLOAT32));
    /* The line of nn_forward(self->body, x), which is in the header. */
    ck_assert_msg(strstr(ag_error_message(), ", in body.0 (") != NULL, "%s", ag_error_message());
    ck_assert_msg(strstr(ag_error_message(), "common.h:") != NULL, "%s", ag_error_message());
    ag_error_clear();
    /* Nothing of the failed call is left behind. */
    ck_assert(ag_caller().file == before.file && ag_caller().line == before.line);
    ag_add(ag_zeros(AG_SHAPE(2), AG_FLOAT32), ag_zeros(AG_SHAPE(3), AG_FLOAT32));
    ck_assert_msg(strstr(ag_error_message(), ", in ") == NULL, "%s", ag_error_message());
    ag_error_clear();
    ag_end(&scope);
    nn_free(m);
}
END_TEST

static ag_tensor kept_inside;

static ag_tensor leaky_forward(nn_module *m, ag_tensor x)
{
    (void)m;
    kept_inside = ag_mul_scalar(x, 2);
    return ag_relu(kept_inside);
}

static ag_tensor none_forward(nn_module *m, ag_tensor x)
{
    (void)m, (void)x;
    return AG_NONE;
}

START_TEST(a_forward_is_a_frame)
{
    static const nn_module_type type = { .size = sizeof(nn_module_type),
                                         .name = "Leaky",
                                         .instance_size = sizeof(nn_module),
                                         .forward = leaky_forward };
    nn_module *m = nn_module_new(&type);
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor y = nn_forward(m, ag_ones(AG_SHAPE(3), AG_FLOAT32));
    ck_assert(ag_is_alive(y));
    ck_assert(!ag_is_alive(kept_inside));
    ag_end(&scope);
    nn_free(m);
}
END_TEST

START_TEST(a_forward_without_a_result_is_an_error)
{
    static const nn_module_type type = { .size = sizeof(nn_module_type),
                                         .name = "Empty",
                                         .instance_size = sizeof(nn_module),
                                         .forward = none_forward };
    nn_module *m = nn_module_new(&type);
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ck_assert(ag_is_nil(nn_forward(m, ag_ones(AG_SHAPE(3), AG_FLOAT32))));
    ck_error(AG_ERROR_VALUE, "nn_forward: the forward of Empty returned no tensor (");
    ag_end(&scope);
    nn_free(m);
}
END_TEST

static int64_t live_bytes(void)
{
    return ag_memory().live_bytes;
}

START_TEST(a_sequence_holds_one_output_at_a_time)
{
    nn_module *m =
        nn_sequential(nn_relu(), nn_tanh(), nn_identity(), nn_relu(), nn_dropout(0.5), nn_tanh());
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    nn_eval(m);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    enum { N = 1 << 18, BYTES = N * 4 };
    ag_tensor x = ag_ones(AG_SHAPE(N), AG_FLOAT32);
    int64_t before = live_bytes();
    ag_memory_reset_peak();
    ag_tensor y = nn_forward(m, x);
    ck_no_error();
    ck_assert_int_le(live_bytes() - before, BYTES + BYTES / 8 + 4096);
    ck_assert_int_le(ag_memory().peak_bytes - before, 2 * (BYTES + BYTES / 8 + 4096));
    ck_assert(ag_is_alive(x) && ag_is_alive(y));
    ag_end(&scope);
    nn_free(m);
}
END_TEST

START_TEST(what_a_child_passes_on_stays)
{
    nn_module *m =
        nn_sequential(nn_identity(), nn_flatten(), nn_identity(), nn_relu(), nn_identity());
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_full(AG_SHAPE(2, 3, 2), 4, AG_FLOAT32);
    ag_tensor y = nn_forward(m, x);
    float values[12];
    ck_assert_int_eq(ag_read(y, values, 12), AG_OK);
    ck_assert(values[11] == 4);
    ck_assert_int_eq(ag_read(x, values, 12), AG_OK);
    nn_module *nothing = nn_sequential_from(NN_END);
    nn_init(nothing, &rng);
    ck_assert(nn_forward(nothing, x).id == x.id);
    ck_assert(ag_is_alive(x));
    ag_end(&scope);
    nn_free(nothing);
    nn_free(m);
}
END_TEST

START_TEST(a_frozen_part_records_no_products)
{
    nn_module *m = small(1);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_ones(AG_SHAPE(2, 3), AG_FLOAT32);
    nn_set_requires_grad(m, false);
    ck_assert(!ag_requires_grad(nn_forward(m, x)));
    nn_set_requires_grad(m, true);
    ck_assert(ag_requires_grad(nn_forward(m, x)));
    ag_end(&scope);
    nn_free(m);
}
END_TEST

/* ---- tied weights ---------------------------------------------------------------------------- */

START_TEST(a_child_held_twice_is_one_set_of_parameters)
{
    nn_module *shared = nn_linear(4, 4);
    nn_module *inner = nn_sequential(nn_tanh(), shared);
    nn_module *m = nn_sequential(shared, inner);
    ag_rng rng = ag_rng_seed(1), same = ag_rng_seed(1);
    ck_assert_int_eq(nn_init(m, &rng), AG_OK);
    nn_module *alone = nn_linear(4, 4);
    nn_init(alone, &same);
    ck_assert(rng.counter == same.counter); /* drawn once */
    ag_list *parameters = nn_parameters(m), *state = nn_state(m);
    ck_assert_int_eq(ag_list_count(parameters), 2);
    ck_assert_str_eq(ag_list_name(parameters, 1), "0.bias");
    ck_assert_int_eq(ag_list_count(state), 4);
    ck_assert_str_eq(ag_list_name(state, 2), "1.1.weight");
    ck_assert(ag_list_tensor(state, 0).id == ag_list_tensor(state, 2).id);
    ck_assert_int_eq(nn_count_parameters(m, true), 20);
    nn_module *copy = nn_clone(m);
    ck_assert(nn_hash(copy) == nn_hash(m));
    ck_assert_ptr_eq(nn_sequential_child(copy, 0),
                     nn_sequential_child(nn_sequential_child(copy, 1), 1));
    ck_assert_ptr_ne(nn_sequential_child(copy, 0), shared);
    ag_list_free(parameters);
    ag_list_free(state);
    nn_free(alone);
    nn_free(copy);
    nn_free(m);
    ck_no_error();
}
END_TEST

/* Lists the slot of another module's parameter as its own: a decoder that uses the encoder's
 * weight. */
struct decoder {
    nn_module base;
    struct encoder *encoder;
};
struct encoder {
    nn_module base;
    ag_tensor table;
};
struct autoencoder {
    nn_module base;
    nn_module *encoder, *decoder;
};

static void normal(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    (void)owner;
    nn_init_normal(w, 0, 1, rng);
}

static void encoder_visit(nn_module *m, nn_visitor *v)
{
    nn_visit_parameter(v, "weight", &((struct encoder *)m)->table, AG_SHAPE(2, 3), normal);
}

static void decoder_visit(nn_module *m, nn_visitor *v)
{
    nn_visit_parameter(v, "weight", &((struct decoder *)m)->encoder->table, AG_SHAPE(2, 3), normal);
}

static void autoencoder_visit(nn_module *m, nn_visitor *v)
{
    struct autoencoder *self = (struct autoencoder *)m;
    nn_visit_child(v, "encoder", &self->encoder);
    nn_visit_child(v, "decoder", &self->decoder);
    ((struct decoder *)self->decoder)->encoder = (struct encoder *)self->encoder;
}

START_TEST(a_slot_listed_twice_is_one_parameter)
{
    static const nn_module_type encoder_type = { .size = sizeof(nn_module_type),
                                                 .name = "Encoder",
                                                 .instance_size = sizeof(struct encoder),
                                                 .visit = encoder_visit };
    static const nn_module_type decoder_type = { .size = sizeof(nn_module_type),
                                                 .name = "Decoder",
                                                 .instance_size = sizeof(struct decoder),
                                                 .visit = decoder_visit };
    static const nn_module_type autoencoder_type = { .size = sizeof(nn_module_type),
                                                     .name = "Autoencoder",
                                                     .instance_size = sizeof(struct autoencoder),
                                                     .visit = autoencoder_visit };
    struct autoencoder *self = (struct autoencoder *)nn_module_new(&autoencoder_type);
    self->encoder = nn_module_new(&encoder_type);
    self->decoder = nn_module_new(&decoder_type);
    ((struct decoder *)self->decoder)->encoder = (struct encoder *)self->encoder;
    nn_module *m = &self->base;
    ag_rng rng = ag_rng_seed(1);
    ck_assert_int_eq(nn_init(m, &rng), AG_OK);
    ck_assert_int_eq(nn_count_parameters(m, false), 6);
    ag_list *state = nn_state(m);
    ck_assert_int_eq(ag_list_count(state), 2);
    ck_assert_str_eq(ag_list_name(state, 1), "decoder.weight");
    ck_assert(ag_list_tensor(state, 0).id == ag_list_tensor(state, 1).id);
    /* Its own forward is typed: it has none for nn_forward(). */
    ag_scope scope = { 0 };
    ag_begin(&scope);
    nn_forward(m, ag_ones(AG_SHAPE(2), AG_FLOAT32));
    ck_error(AG_ERROR_VALUE, "nn_forward: Autoencoder has a forward of its own: call that (");
    ag_end(&scope);
    nn_module *copy = nn_clone(m);
    ck_no_error();
    ck_assert(nn_hash(copy) == nn_hash(m));
    ag_list_free(state);
    nn_free(m);
    ck_assert_int_eq(nn_count_parameters(copy, false), 6);
    nn_free(copy);
    ck_no_error();
}
END_TEST

/* ---- state ----------------------------------------------------------------------------------- */

START_TEST(copy_state_makes_trees_equal)
{
    nn_module *a = small(1), *b = small(2);
    ck_assert(nn_hash(a) != nn_hash(b));
    ck_assert_int_eq(nn_copy_state(a, b), AG_OK);
    ck_assert(nn_hash(a) == nn_hash(b));
    ck_assert_int_eq(nn_copy_state(a, a), AG_OK);
    nn_free(a);
    nn_free(b);
}
END_TEST

START_TEST(copy_state_changes_nothing_if_anything_differs)
{
    nn_module *a = small(1);
    ag_rng rng = ag_rng_seed(3);
    uint64_t before = nn_hash(a);
    struct {
        nn_module *from;
        ag_dtype dtype;
        ag_error code;
        const char *message;
    } cases[] = {
        { nn_sequential(nn_linear(3, 5), nn_tanh(), nn_linear(5, 7)), AG_FLOAT32, AG_ERROR_SHAPE,
          "nn_copy_state: \"2.weight\" is (7,5) in the source and (2,5) in the destination (" },
        { nn_sequential(nn_linear(3, 5), nn_tanh(), nn_linear(5, 2)), AG_FLOAT64, AG_ERROR_DTYPE,
          "nn_copy_state: \"0.weight\" is float64 in the source and float32 in the destination (" },
        { nn_sequential(nn_linear(3, 5), nn_linear(5, 2)), AG_FLOAT32, AG_ERROR_VALUE,
          "nn_copy_state: \"2.weight\" is missing in the source (" },
        { nn_sequential(nn_linear(3, 5), nn_tanh(), nn_linear(5, 2), nn_linear(2, 2)), AG_FLOAT32,
          AG_ERROR_VALUE,
          "nn_copy_state: \"3.weight\" of the source is missing in the destination (" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nn_init_dtype(cases[i].from, &rng, cases[i].dtype);
        ck_assert_int_eq(nn_copy_state(a, cases[i].from), cases[i].code);
        ck_error(cases[i].code, cases[i].message);
        ck_assert(nn_hash(a) == before);
        nn_free(cases[i].from);
    }
    nn_free(a);
}
END_TEST

START_TEST(a_clone_has_parameters_of_its_own)
{
    nn_module *m = residual_new();
    struct residual *self = (struct residual *)m;
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    nn_set_requires_grad(self->out, false);
    nn_eval(self->body);
    nn_module *copy = nn_clone(m);
    struct residual *own = (struct residual *)copy;
    ck_no_error();
    ck_assert(nn_hash(copy) == nn_hash(m));
    ck_assert(own->scale.id != self->scale.id && own->body != self->body && own->out != self->out);
    ck_assert_int_eq(nn_count_parameters(copy, true), nn_count_parameters(m, true));
    ck_assert(copy->training && !own->body->training);
    nn_init_zeros(self->scale);
    ck_assert(nn_hash(copy) != nn_hash(m));
    nn_module *part = nn_clone(self->out); /* a part becomes a root */
    ck_assert(nn_hash(part) == nn_hash(self->out));
    uint64_t hash = nn_hash(part);
    nn_free(m);
    ck_assert(nn_hash(part) == hash);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    nn_forward(copy, ag_ones(AG_SHAPE(3, 4), AG_FLOAT32));
    ck_no_error();
    ag_end(&scope);
    nn_free(part);
    nn_free(copy);
}
END_TEST

START_TEST(a_clone_of_an_uninitialised_tree_is_one)
{
    nn_module *m = nn_sequential(nn_linear(2, 2), nn_dropout(0.5));
    nn_module *copy = nn_clone(m);
    ck_no_error();
    ck_assert_int_eq(nn_count_parameters(copy, false), 6);
    ck_assert(!copy->initialised);
    nn_sequential_append(copy, nn_linear(2, 1));
    ck_assert_int_eq(nn_sequential_count(copy), 3);
    ck_assert_int_eq(nn_sequential_count(m), 2);
    nn_free(m);
    nn_free(copy);
    ck_no_error();
}
END_TEST

struct holder {
    nn_module base;
    ag_tensor *weight; /* on the heap */
};

static void holder_visit(nn_module *m, nn_visitor *v)
{
    nn_visit_parameter(v, "weight", ((struct holder *)m)->weight, AG_SHAPE(2), NULL);
}

static void holder_release(nn_module *m)
{
    free(((struct holder *)m)->weight);
}

START_TEST(a_module_with_memory_of_its_own_needs_a_copy_function)
{
    static const nn_module_type without = { .size = sizeof(nn_module_type),
                                            .name = "Holder",
                                            .instance_size = sizeof(struct holder),
                                            .visit = holder_visit,
                                            .release = holder_release };
    static const nn_module_type sharing = { .size = sizeof(nn_module_type),
                                            .name = "Holder",
                                            .instance_size = sizeof(struct holder),
                                            .visit = holder_visit };
    const nn_module_type *types[] = { &without, &sharing };
    const char *messages[] = {
        "nn_clone: 1 (Holder) has memory of its own (a release function) and needs a copy function",
        "nn_clone: the copy of Holder would share \"weight\" with the original: its type needs a "
        "copy",
    };
    ag_rng rng = ag_rng_seed(1);
    for (int i = 0; i < 2; i++) {
        struct holder *h = (struct holder *)nn_module_new(types[i]);
        h->weight = calloc(1, sizeof(ag_tensor));
        ag_tensor *weight = h->weight;
        nn_module *m = nn_sequential(nn_linear(1, 1), &h->base);
        nn_init(m, &rng);
        nn_module *copy = nn_clone(m);
        ck_error(AG_ERROR_VALUE, messages[i]);
        ck_assert(ag_is_alive(*weight));
        nn_free(copy);
        nn_free(m);
        if (i == 1) {
            free(weight);
        }
        ck_no_error();
    }
}
END_TEST

/* ---- summary --------------------------------------------------------------------------------- */

static const char *summary_of(nn_module *m, ag_shape input, char *text, size_t bytes)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    nn_summary(m, input, file);
    long length = ftell(file);
    rewind(file);
    ck_assert_int_lt(length, (long)bytes);
    text[fread(text, 1, (size_t)length, file)] = '\0';
    fclose(file);
    return text;
}

START_TEST(the_summary_lists_layers_shapes_and_parameters)
{
    nn_module *shared = nn_linear(4, 4);
    nn_module *m = nn_sequential(nn_conv2d(1, 2, 3), nn_batch_norm2d(2), nn_flatten(),
                                 nn_linear(32, 4), nn_sequential(shared, nn_dropout(0.5)), shared);
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    nn_set_requires_grad(nn_sequential_child(m, 0), false);
    uint64_t before = nn_hash(m);
    nn_eval(shared);
    char text[4096];
    ck_assert_str_eq(summary_of(m, AG_SHAPE(5, 1, 6, 6), text, sizeof(text)),
                     "Model: Sequential\n"
                     "_____________________________________________\n"
                     " Layer (type)     Output shape    Parameters\n"
                     "=============================================\n"
                     " 0 (Conv2d)       (5,2,4,4)               20\n"
                     " 1 (BatchNorm2d)  (5,2,4,4)                4\n"
                     " 2 (Flatten)      (5,32)                   0\n"
                     " 3 (Linear)       (5,4)                  132\n"
                     " 4 (Sequential)   (5,4)                     \n"
                     "   0 (Linear)     (5,4)                   20\n"
                     "   1 (Dropout)    (5,4)                    0\n"
                     " 5 (Linear)       (5,4)               shared\n"
                     "=============================================\n"
                     "Total parameters: 176 (704.00 B)\n"
                     "Trainable: 156\n"
                     "Non-trainable: 20\n"
                     "Buffers: 5\n"
                     "_____________________________________________\n");
    ck_no_error();
    ck_assert(nn_hash(m) == before); /* evaluation: no statistics moved */
    ck_assert(m->training && !shared->training);
    ck_assert_int_eq(ag_scope_depth(), 0);
    summary_of(m, AG_SHAPE(5, 2, 6, 6), text, sizeof(text));
    ck_assert_str_eq(text, "");
    ck_assert_msg(strstr(ag_error_message(), ", in 0 (") != NULL, "%s", ag_error_message());
    ag_error_clear();
    nn_summary(m, AG_SHAPE(5, 1, 6, 6), NULL);
    ck_error(AG_ERROR_VALUE, "nn_summary: the stream is NULL (");
    nn_free(m);
}
END_TEST

START_TEST(the_summary_has_a_row_for_parameters_of_the_root)
{
    nn_module *m = residual_new();
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    char text[4096];
    summary_of(m, AG_SHAPE(5, 4), text, sizeof(text));
    ck_no_error();
    ck_assert_msg(strstr(text, "=\n Residual ") != NULL && strstr(text, "  4\n") != NULL, "%s", text);
    nn_free(m);
}
END_TEST

/* ---- mistakes -------------------------------------------------------------------------------- */

START_TEST(calls_before_init_say_so)
{
    nn_module *m = nn_sequential(nn_relu(), nn_linear(2, 2));
    nn_module *other = small(1);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_ones(AG_SHAPE(1, 2), AG_FLOAT32);
    ck_assert(ag_is_nil(nn_forward(m, x)));
    ck_error(AG_ERROR_STATE,
             "nn_forward: Sequential is not initialised: call nn_init() on its tree");
    ck_assert(ag_is_nil(nn_forward(nn_sequential_child(m, 1), x)));
    ck_error(AG_ERROR_STATE,
             "nn_forward: 1 (Linear(in_features=2, out_features=2, bias=True)) is not "
             "initialised");
    ag_list *list = nn_parameters(m);
    ck_error(AG_ERROR_STATE, "nn_parameters: \"1.weight\" has no value yet: call nn_init() first");
    ck_assert_int_eq(ag_list_count(list), 0);
    ag_list_free(list);
    ag_list_free(nn_state(m));
    ck_error(AG_ERROR_STATE, "nn_state: \"1.weight\" has no value yet");
    nn_set_requires_grad(m, false);
    ck_error(AG_ERROR_STATE,
             "nn_set_requires_grad: weight of 1 (Linear(in_features=2, out_features=2, "
             "bias=True)) has no value yet");
    ck_assert_int_eq(nn_copy_state(other, m), AG_ERROR_STATE);
    ck_error(AG_ERROR_STATE, "nn_copy_state: \"1.weight\" has no value yet");
    ck_assert(nn_hash(m) == 0);
    ck_error(AG_ERROR_STATE, "nn_hash: \"1.weight\" has no value yet");
    nn_summary(m, AG_SHAPE(1, 2), stdout);
    ck_error(AG_ERROR_STATE, "nn_summary: \"1.weight\" has no value yet");
    ag_end(&scope);
    nn_free(m);
    nn_free(other);
}
END_TEST

START_TEST(null_and_nil_modules_do_nothing)
{
    ag_rng rng = ag_rng_seed(1);
    nn_forward(NULL, AG_NONE);
    ck_error(AG_ERROR_VALUE, "nn_forward: the module is NULL (");
    nn_init(NULL, &rng);
    ck_error(AG_ERROR_VALUE, "nn_init: the module is NULL (");
    nn_train(NULL);
    ck_error(AG_ERROR_VALUE, "nn_train: the module is NULL");
    nn_sequential_append(NULL, nn_relu());
    ck_error(AG_ERROR_VALUE, "nn_sequential_append: needs a Sequential, got NULL");
    nn_free(NULL);
    nn_module *nil = nn_linear(-1, 1);
    ag_error_clear();
    ck_assert_int_eq(nn_init(nil, &rng), AG_OK);
    nn_train(nil);
    nn_set_requires_grad(nil, true);
    ck_assert_int_eq(nn_count_parameters(nil, false), 0);
    ck_assert(ag_is_nil(nn_forward(nil, AG_NONE)));
    nn_module *copy = nn_clone(nil);
    nn_free(copy);
    ag_list *list = nn_parameters(nil);
    ck_assert_int_eq(ag_list_count(list), 0);
    ag_list_free(list);
    ck_no_error();
    nn_module *m = nn_sequential(nn_relu(), nil);
    ck_assert_int_eq(nn_init(m, &rng), AG_ERROR_VALUE);
    ck_error(AG_ERROR_VALUE,
             "nn_init: child \"1\" of Sequential is nil: an error was raised when it was "
             "made (");
    nn_free(m);
    ck_no_error();
}
END_TEST

START_TEST(a_null_child_is_an_error)
{
    nn_module *shared = nn_relu();
    nn_module *m = nn_sequential(shared, NULL, shared, nn_linear(2, 2));
    ck_error(AG_ERROR_VALUE, "nn_sequential: child 1 is NULL");
    nn_free(m);
    struct residual *self = (struct residual *)residual_new();
    nn_free(self->out);
    self->out = NULL;
    ag_rng rng = ag_rng_seed(1);
    nn_init(&self->base, &rng);
    ck_error(AG_ERROR_VALUE, "nn_init: child \"out\" of Residual is NULL (");
    ck_assert(ag_is_none(self->scale));
    nn_free(&self->base);
    ck_no_error();
}
END_TEST

START_TEST(a_sequence_grows_only_before_init)
{
    nn_module *m = small(1);
    nn_sequential_append(m, nn_relu());
    ck_error(AG_ERROR_STATE, "nn_sequential_append: the tree is initialised and cannot grow");
    ck_assert_int_eq(nn_sequential_count(m), 3);
    nn_sequential_child(m, 3);
    ck_error(AG_ERROR_INDEX, "nn_sequential_child: there is no child 3 of 3");
    nn_sequential_append(nn_sequential_child(m, 0), nn_relu());
    ck_error(AG_ERROR_VALUE, "nn_sequential_append: needs a Sequential, got Linear");
    nn_free(m);
}
END_TEST

START_TEST(a_child_of_two_trees_is_refused)
{
    nn_module *shared = nn_linear(2, 2);
    nn_module *a = nn_sequential(shared), *b = nn_sequential(nn_relu(), shared);
    ag_rng rng = ag_rng_seed(1);
    ck_assert_int_eq(nn_init(a, &rng), AG_OK);
    ck_assert_int_eq(nn_init(b, &rng), AG_ERROR_VALUE);
    ck_error(AG_ERROR_VALUE, "nn_init: child \"1\" of Sequential also belongs to another tree");
    nn_free(shared);
    ck_error(AG_ERROR_LIFETIME,
             "nn_free: 0 (Linear(in_features=2, out_features=2, bias=True)) is part "
             "of a tree: free its root");
    nn_free(b);
    ck_assert_int_eq(nn_count_parameters(a, false), 6);
    nn_free(a);
    ck_no_error();
}
END_TEST

START_TEST(a_tree_is_initialised_as_a_whole)
{
    nn_module *part = nn_linear(2, 2);
    ag_rng rng = ag_rng_seed(1);
    nn_init(part, &rng);
    uint64_t hash = nn_hash(part);
    nn_module *m = nn_sequential(part, nn_linear(2, 2));
    ck_assert_int_eq(nn_init(m, &rng), AG_ERROR_STATE);
    ck_error(AG_ERROR_STATE,
             "nn_init: \"0.weight\" was initialised before and \"1.weight\" was not: a "
             "tree is initialised once, as a whole (");
    ck_assert(nn_hash(part) == hash);
    nn_free(m);
}
END_TEST

START_TEST(a_module_that_contains_itself_is_refused)
{
    nn_module *outer = nn_sequential(nn_relu()), *inner = nn_sequential(nn_relu());
    nn_sequential_append(outer, inner);
    nn_sequential_append(inner, outer);
    ck_error(AG_ERROR_VALUE, "nn: Sequential contains itself, as its own child 1");
    nn_sequential_append(outer, outer);
    ck_error(AG_ERROR_VALUE, "nn: Sequential contains itself");
    nn_free(outer);
    struct residual *self = (struct residual *)residual_new();
    nn_free(self->out);
    self->out = &self->base;
    ag_rng rng = ag_rng_seed(1);
    nn_init(&self->base, &rng);
    ck_error(AG_ERROR_VALUE, "nn_init: child \"out\" of Residual contains itself (");
    nn_train(&self->base);
    nn_free(&self->base);
    ck_no_error();
}
END_TEST

static void twice_visit(nn_module *m, nn_visitor *v)
{
    struct autoencoder *self = (struct autoencoder *)m;
    nn_visit_child(v, "layer", &self->encoder);
    nn_visit_child(v, "layer", &self->decoder);
}

static void slotless_visit(nn_module *m, nn_visitor *v)
{
    (void)m;
    nn_visit_parameter(v, "weight", NULL, AG_SHAPE(2), NULL);
}

static void negative_visit(nn_module *m, nn_visitor *v)
{
    nn_visit_parameter(v, "weight", &((struct encoder *)m)->table, AG_SHAPE(2, -3), NULL);
}

static void nameless_visit(nn_module *m, nn_visitor *v)
{
    nn_visit_parameter(v, NULL, &((struct encoder *)m)->table, AG_SHAPE(2), NULL);
}

START_TEST(visit_functions_are_checked)
{
    struct {
        void (*visit)(nn_module *m, nn_visitor *v);
        const char *message;
    } cases[] = {
        { twice_visit, "nn_init: the name \"layer\" of Thing is used twice (" },
        { slotless_visit, "nn_init: parameter \"weight\" of Thing has no slot" },
        { negative_visit, "nn_init: parameter \"weight\" of Thing has a shape that is negative" },
        { nameless_visit, "nn_init: parameter \"\" of Thing has no name" },
    };
    ag_rng rng = ag_rng_seed(1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nn_module_type type = { .size = sizeof(nn_module_type),
                                .name = "Thing",
                                .instance_size = sizeof(struct autoencoder),
                                .visit = cases[i].visit };
        struct autoencoder *self = (struct autoencoder *)nn_module_new(&type);
        if (i == 0) {
            self->encoder = nn_relu();
            self->decoder = nn_relu();
        }
        nn_init(&self->base, &rng);
        ck_error(AG_ERROR_VALUE, cases[i].message);
        nn_free(&self->base);
        ck_no_error();
    }
}
END_TEST

START_TEST(incomplete_types_are_refused)
{
    nn_module_type good = { .size = sizeof(nn_module_type),
                            .name = "Thing",
                            .instance_size = sizeof(struct autoencoder) };
    nn_module_type unsized_type = good, nameless = good, tiny = good, huge = good;
    unsized_type.size = 0;
    nameless.name = NULL;
    tiny.instance_size = 8;
    huge.instance_size = 1 << 20;
    struct {
        const nn_module_type *type;
        const char *message;
    } cases[] = {
        { NULL, "nn_module_new: the type is NULL" },
        { &unsized_type, "nn_module_new: Thing: the type's size is not sizeof(nn_module_type)" },
        { &nameless, "nn_module_new: the type has no name" },
        { &tiny, "nn_module_new: Thing: the type's instance_size is smaller than nn_module" },
        { &huge, "nn_module_new: Thing: the type's instance_size is above 64 KB" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct autoencoder *self = (struct autoencoder *)nn_module_new(cases[i].type);
        self->encoder = NULL; /* a constructor may go on */
        ck_error(AG_ERROR_VALUE, cases[i].message);
        nn_eval(&self->base);
        nn_free(&self->base);
        ck_no_error();
    }
    nn_module made_by_hand = { .type = &good };
    nn_eval(&made_by_hand);
    ck_error(AG_ERROR_VALUE, "nn_eval: the module was not made by nn_module_new()");
}
END_TEST

START_TEST(init_checks_its_arguments)
{
    nn_module *m = nn_linear(2, 2);
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, NULL);
    ck_error(AG_ERROR_VALUE, "nn_init: the generator is NULL (");
    nn_init_dtype(m, &rng, AG_INT64);
    ck_error(AG_ERROR_DTYPE, "nn_init_dtype: parameters need a floating type, got int64 (");
    ck_assert(!m->initialised);
    nn_free(m);
}
END_TEST

START_TEST(nothing_happens_while_an_error_is_sticky)
{
    nn_module *m = small(1);
    uint64_t before = nn_hash(m);
    ag_error_raise(ag_place_make(NULL, 0), AG_ERROR_FILE, "the first error");
    ag_rng rng = ag_rng_seed(9);
    ck_assert_int_eq(nn_init(m, &rng), AG_ERROR_FILE);
    nn_eval(m);
    ck_assert(m->training);
    ck_assert(ag_is_nil(nn_forward(m, AG_NIL)));
    nn_module *made = nn_sequential(nn_linear(2, 2), nn_relu());
    nn_free(made);
    ck_error(AG_ERROR_FILE, "the first error");
    ck_assert(nn_hash(m) == before);
    nn_free(m);
}
END_TEST

START_TEST(freeing_gives_everything_back)
{
    int64_t before = live_bytes();
    nn_free(small(1));
    nn_module *m = residual_new();
    ag_rng rng = ag_rng_seed(1);
    nn_init(m, &rng);
    nn_free(nn_clone(m));
    nn_free(m);
    ck_assert_int_eq(live_bytes(), before);
    ck_no_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("module");
    TCase *tests = tcase_create("module");
    tcase_add_checked_fixture(tests, catch_errors, ag_error_clear);
    tcase_add_test(tests, parameters_lie_in_one_block_and_stay_there);
    tcase_add_test(tests, a_second_init_forgets_gradients_and_keeps_frozen_ones_frozen);
    tcase_add_test(tests, a_part_of_a_tree_can_be_initialised_anew);
    tcase_add_test(tests, the_element_type_is_the_trees);
    tcase_add_test(tests, modes_and_freezing_reach_the_whole_tree);
    tcase_add_test(tests, parameters_are_counted_before_init);
    tcase_add_test(tests, a_constructors_error_names_its_line);
    tcase_add_test(tests, a_programs_own_module_reports_its_own_lines);
    tcase_add_test(tests, a_forward_is_a_frame);
    tcase_add_test(tests, a_forward_without_a_result_is_an_error);
    tcase_add_test(tests, a_sequence_holds_one_output_at_a_time);
    tcase_add_test(tests, what_a_child_passes_on_stays);
    tcase_add_test(tests, a_frozen_part_records_no_products);
    tcase_add_test(tests, a_child_held_twice_is_one_set_of_parameters);
    tcase_add_test(tests, a_slot_listed_twice_is_one_parameter);
    tcase_add_test(tests, copy_state_makes_trees_equal);
    tcase_add_test(tests, copy_state_changes_nothing_if_anything_differs);
    tcase_add_test(tests, a_clone_has_parameters_of_its_own);
    tcase_add_test(tests, a_clone_of_an_uninitialised_tree_is_one);
    tcase_add_test(tests, a_module_with_memory_of_its_own_needs_a_copy_function);
    tcase_add_test(tests, the_summary_lists_layers_shapes_and_parameters);
    tcase_add_test(tests, the_summary_has_a_row_for_parameters_of_the_root);
    tcase_add_test(tests, calls_before_init_say_so);
    tcase_add_test(tests, null_and_nil_modules_do_nothing);
    tcase_add_test(tests, a_null_child_is_an_error);
    tcase_add_test(tests, a_sequence_grows_only_before_init);
    tcase_add_test(tests, a_child_of_two_trees_is_refused);
    tcase_add_test(tests, a_tree_is_initialised_as_a_whole);
    tcase_add_test(tests, a_module_that_contains_itself_is_refused);
    tcase_add_test(tests, visit_functions_are_checked);
    tcase_add_test(tests, incomplete_types_are_refused);
    tcase_add_test(tests, init_checks_its_arguments);
    tcase_add_test(tests, nothing_happens_while_an_error_is_sticky);
    tcase_add_test(tests, freeing_gives_everything_back);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
