/*
 * Checkpoints in files: what is put back, which file is taken, what is refused, and that a save that fails leaves the last good one.
 */
#include "runs.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

/* ---- a small thing with a state -------------------------------------------------------------- */

/* Its files have a few hundred bytes. */
struct thing {
    int64_t step;
    double value;
    ag_tensor weight; /* (3) */
};

static void thing_make(struct thing *t)
{
    *t = (struct thing){ .weight = ag_leaf(AG_SHAPE(3), AG_FLOAT32, true) };
}

static data_checkpoint *thing_open(struct thing *t, data_checkpoint_config config)
{
    data_checkpoint *c = data_checkpoint_new(test_path("run"), config);
    data_checkpoint_add(c, "step", ag_stateful_int64(&t->step));
    data_checkpoint_add(c, "value", ag_stateful_double(&t->value));
    data_checkpoint_add(c, "weight", ag_stateful_tensor(&t->weight));
    ck_assert_int_eq(ag_error_code(), AG_OK);
    return c;
}

/* Everything in the thing follows from its step. */
static void thing_set(struct thing *t, int64_t step)
{
    float w[3] = { (float)step, -0.0f, (float)step / 3 };
    t->step = step;
    t->value = 1.0 / (double)(step + 2);
    ag_write(t->weight, w, 3);
}

static void assert_thing(const struct thing *t, int64_t step)
{
    struct thing want;
    thing_make(&want);
    thing_set(&want, step);
    ck_assert_int_eq(t->step, step);
    ck_assert_mem_eq(&t->value, &want.value, sizeof t->value);
    ck_assert_uint_eq(ag_hash(t->weight), ag_hash(want.weight));
    ag_drop(&want.weight);
}

static const char *run_path(const char *name)
{
    char inside[PATH_ROOM / 2];
    snprintf(inside, sizeof inside, "run/%.200s", name);
    return test_path(inside);
}

static bool there(const char *name)
{
    return access(run_path(name), F_OK) == 0;
}

/* Reads a file of the run into memory; returns its length. */
static size_t slurp(const char *name, unsigned char *bytes, size_t room)
{
    FILE *file = fopen(run_path(name), "rb");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(bytes, 1, room, file);
    ck_assert_uint_lt(n, room);
    fclose(file);
    return n;
}

static void spill(const char *name, const unsigned char *bytes, size_t n)
{
    FILE *file = fopen(run_path(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void run_clear(void)
{
    DIR *folder = opendir(test_path("run"));
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        unlink(run_path(entry->d_name));
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

static void clear_and_end(void)
{
    run_clear();
    test_end();
}

#define FIRST "checkpoint-00000001.safetensors"
#define SECOND "checkpoint-00000002.safetensors"
#define THIRD "checkpoint-00000003.safetensors"

/* ---- runs ------------------------------------------------------------------------------------ */

START_TEST(a_run_goes_on_from_its_file_with_the_same_bits)
{
    int kind = _i / 2;
    ag_set_threads(1 + _i % 2);
    struct run whole = makes[kind](5);
    run_on(&whole, STEPS);
    for (int64_t stop = 0; stop <= STEPS; stop++) {
        struct run stopped = makes[kind](5);
        data_checkpoint *c = data_checkpoint_new(test_path("run"), data_checkpoint_defaults());
        data_checkpoint_add(c, "run", run_stateful(&stopped));
        run_on(&stopped, stop);
        ck_assert_int_eq(data_checkpoint_save(c), AG_OK);
        data_checkpoint_free(c);
        run_free(&stopped);

        struct run resumed = makes[kind](900 + (uint64_t)stop);
        c = data_checkpoint_new(test_path("run"), data_checkpoint_defaults());
        data_checkpoint_add(c, "run", run_stateful(&resumed));
        ck_assert(data_checkpoint_resume(c));
        run_on(&resumed, STEPS);
        ck_assert_msg(run_hash(&whole) == run_hash(&resumed), "stopped at step %" PRId64, stop);
        ck_assert_mem_eq(whole.losses, resumed.losses, sizeof whole.losses);
        data_checkpoint_free(c);
        run_free(&resumed);
    }
    run_free(&whole);
}
END_TEST

START_TEST(without_a_checkpoint_there_is_nothing_to_resume)
{
    struct thing t;
    thing_make(&t);
    thing_set(&t, 7);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    ck_assert(!data_checkpoint_resume(c));
    ck_assert(!data_checkpoint_resume_best(c));
    ck_assert_int_eq(ag_error_code(), AG_OK);
    ck_assert_str_eq(data_checkpoint_path(c), "");
    ck_assert_int_eq(data_checkpoint_count(c), 0);
    assert_thing(&t, 7);
    data_checkpoint_free(c);
    ag_drop(&t.weight);
}
END_TEST

START_TEST(the_latest_and_the_best_are_kept)
{
    struct thing t;
    thing_make(&t);
    data_checkpoint_config config = data_checkpoint_defaults();
    config.keep = 3;
    data_checkpoint *c = thing_open(&t, config);
    for (int64_t step = 1; step <= 7; step++) {
        thing_set(&t, step);
        data_checkpoint_save(c);
        if (step == 2 || step == 4) {
            data_checkpoint_save_best(c);
        }
    }
    ck_assert_int_eq(data_checkpoint_count(c), 3);
    ck_assert(!there("checkpoint-00000004.safetensors"));
    ck_assert(there("checkpoint-00000005.safetensors"));
    ck_assert(there("checkpoint-00000006.safetensors"));
    ck_assert(there("checkpoint-00000007.safetensors"));
    ck_assert_str_eq(data_checkpoint_path(c), run_path("checkpoint-00000007.safetensors"));
    thing_set(&t, 0);
    ck_assert(data_checkpoint_resume_best(c));
    assert_thing(&t, 4);
    ck_assert(data_checkpoint_resume(c));
    assert_thing(&t, 7);
    data_checkpoint_free(c);

    c = thing_open(&t, data_checkpoint_defaults()); /* the numbers go on */
    ck_assert_int_eq(data_checkpoint_count(c), 3);
    data_checkpoint_save(c);
    ck_assert(there("checkpoint-00000008.safetensors"));
    ck_assert(there("checkpoint-00000007.safetensors"));
    ck_assert(!there("checkpoint-00000006.safetensors"));
    ck_assert(there("best.safetensors"));
    data_checkpoint_free(c);
    ag_drop(&t.weight);
}
END_TEST

START_TEST(steps_and_minutes_make_a_save_due)
{
    struct thing t;
    thing_make(&t);
    data_checkpoint_config config = data_checkpoint_defaults();
    data_checkpoint *c = thing_open(&t, config);
    for (int i = 0; i < 20; i++) {
        ck_assert(!data_checkpoint_step(c)); /* never, as the defaults say */
    }
    data_checkpoint_free(c);
    config.every_steps = 4;
    c = thing_open(&t, config);
    for (int i = 1; i <= 12; i++) {
        ck_assert_int_eq(data_checkpoint_step(c), i % 4 == 0);
    }
    ck_assert(!data_checkpoint_step(c));
    data_checkpoint_save(c); /* counts from here */
    for (int i = 1; i <= 4; i++) {
        ck_assert_int_eq(data_checkpoint_step(c), i == 4);
    }
    data_checkpoint_free(c);
    config.every_steps = 0;
    config.every_minutes = 0.05 / 60;
    c = thing_open(&t, config);
    ck_assert(!data_checkpoint_step(c));
    nanosleep(&(struct timespec){ .tv_nsec = 60000000 }, NULL);
    ck_assert(data_checkpoint_step(c));
    ck_assert(!data_checkpoint_step(c));
    data_checkpoint_free(c);
    ag_drop(&t.weight);
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

enum { FILE_ROOM = 1 << 16 };

/* Two checkpoints, of steps 1 and 2; the newer one's bytes. */
static size_t two_checkpoints(struct thing *t, unsigned char bytes[FILE_ROOM])
{
    thing_make(t);
    data_checkpoint *c = thing_open(t, data_checkpoint_defaults());
    for (int64_t step = 1; step <= 2; step++) {
        thing_set(t, step);
        ck_assert_int_eq(data_checkpoint_save(c), AG_OK);
    }
    data_checkpoint_free(c);
    return slurp(SECOND, bytes, FILE_ROOM);
}

/* The damaged newer file is passed over, and the reason has this in it. */
static void assert_passed_over(struct thing *t, const char *reason)
{
    thing_set(t, 9);
    data_checkpoint *c = thing_open(t, data_checkpoint_defaults());
    ck_assert_msg(data_checkpoint_resume(c), "%s", ag_error_message());
    assert_thing(t, 1);
    ck_assert_ptr_nonnull(strstr(data_checkpoint_damage(c), SECOND));
    ck_assert_msg(strstr(data_checkpoint_damage(c), reason) != NULL, "%s instead of %s",
                  data_checkpoint_damage(c), reason);
    data_checkpoint_free(c);
}

START_TEST(a_newest_file_cut_anywhere_is_passed_over)
{
    static unsigned char bytes[FILE_ROOM];
    struct thing t;
    size_t n = two_checkpoints(&t, bytes);
    for (size_t length = 0; length < n; length++) {
        spill(SECOND, bytes, length);
        assert_passed_over(&t, length < 8 ? "too few" : "");
    }
    ag_drop(&t.weight);
}
END_TEST

START_TEST(a_newest_file_with_one_byte_changed_anywhere_is_passed_over)
{
    static unsigned char bytes[FILE_ROOM];
    struct thing t;
    size_t n = two_checkpoints(&t, bytes);
    for (size_t at = 0; at < n; at++) {
        bytes[at] ^= (unsigned char)(1 << at % 8);
        spill(SECOND, bytes, n);
        assert_passed_over(&t, at >= n - 12 ? "checksum" : "");
        bytes[at] ^= (unsigned char)(1 << at % 8);
    }
    spill(SECOND, bytes, n);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    ck_assert(data_checkpoint_resume(c)); /* it was good but for that */
    assert_thing(&t, 2);
    ck_assert_str_eq(data_checkpoint_damage(c), "");
    data_checkpoint_free(c);
    ag_drop(&t.weight);
}
END_TEST

START_TEST(when_no_file_is_whole_an_error_says_why)
{
    static unsigned char bytes[FILE_ROOM];
    struct thing t;
    size_t n = two_checkpoints(&t, bytes);
    spill(FIRST, bytes, n / 2);
    spill(SECOND, (const unsigned char *)"no", 2);
    thing_set(&t, 9);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    ck_assert(!data_checkpoint_resume(c));
    ck_assert_int_eq(ag_error_code(), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), FIRST));
    ck_assert_ptr_nonnull(strstr(ag_error_message(), SECOND ": is damaged: 2 bytes are too few"));
    ag_error_clear();
    assert_thing(&t, 9);
    ck_assert(there(FIRST) && there(SECOND));
    data_checkpoint_free(c);
    ag_drop(&t.weight);
}
END_TEST

/* A file with this header and these bytes behind it, as the only one. */
static void assert_refused(struct thing *t, const char *header, uint64_t says, const char *reason)
{
    unsigned char bytes[2048] = { 0 };
    size_t n = strlen(header);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(says >> 8 * i);
    }
    memcpy(bytes + 8, header, n);
    run_clear();
    spill(FIRST, bytes, 8 + n + 12);
    data_checkpoint *c = thing_open(t, data_checkpoint_defaults());
    ck_assert(!data_checkpoint_resume(c));
    ck_assert_msg(strstr(ag_error_message(), reason) != NULL, "%s\ninstead of %s",
                  ag_error_message(), reason);
    ag_error_clear();
    data_checkpoint_free(c);
}

START_TEST(files_that_are_no_checkpoints_are_refused)
{
    struct thing t;
    thing_make(&t);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    data_checkpoint_free(c);
#define META                                              \
    "{\"__metadata__\":{\"wengert.format\":\"checkpoint " \
    "1\",\"wengert.checksum\":\"0000000000000000\"}"
    const struct {
        const char *header, *reason;
    } bad[] = {
        { "{\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", "not a checkpoint" },
        { "{}", "is damaged: byte 10: 12 bytes belong to no tensor" },
        { META ",\"w\":{\"dtype\":\"BF16\",\"shape\":[6],\"data_offsets\":[0,12]}}", "has the type BF16" },
        { "[1,2]", "" },
        { META ",\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}}", "" },
        { META ",\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[4,16]}}", "" },
        { META
          ",\"w\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
          "" },
        { META ",\"w\":{\"dtype\":\"F32\",\"shape\":[-3],\"data_offsets\":[0,12]}}", "" },
        { META ",\"w\":{\"dtype\":\"F33\",\"shape\":[3],\"data_offsets\":[0,12]}}", "" },
        { META ",\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", "checksum" },
        { META ",\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
               "\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}",
          "" },
        { META ",\"w\":3}", "" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(&t, bad[i].header, strlen(bad[i].header), bad[i].reason);
    }
    assert_refused(&t, "{}", UINT64_MAX, "");
    assert_refused(&t, "{}", UINT64_MAX - 7, "");
    assert_refused(&t, "{}", (uint64_t)1 << 63, "");
    ag_drop(&t.weight);
}
END_TEST

/* ---- what does not fit ----------------------------------------------------------------------- */

static nn_module *perceptron(int64_t width, int layers)
{
    nn_module *net = nn_sequential(nn_linear(4, width), nn_relu(), nn_linear(width, 2));
    ag_rng rng = ag_rng_seed((uint64_t)(width + layers));
    if (layers == 3) {
        nn_free(net);
        net = nn_sequential(nn_linear(4, width), nn_relu(), nn_linear(width, 2), nn_dropout(0.1),
                            nn_linear(2, 2));
    }
    nn_init(net, &rng);
    return net;
}

static data_checkpoint *model_open(nn_module *net, optim *opt)
{
    data_checkpoint *c = data_checkpoint_new(test_path("run"), data_checkpoint_defaults());
    data_checkpoint_add(c, "model", nn_stateful(net));
    data_checkpoint_add(c, "optimizer", optim_stateful(opt));
    return c;
}

static optim *adam_of(nn_module *net)
{
    return optim_adam(nn_parameters(net), optim_adam_defaults());
}

/* Resuming this model with this optimizer fails, says these things, and changes nothing. */
static void assert_does_not_fit(nn_module *net, optim *opt, const char *const *says)
{
    uint64_t before = nn_hash(net);
    ag_state *state = ag_state_take(optim_stateful(opt));
    data_checkpoint *c = model_open(net, opt);
    ck_assert(!data_checkpoint_resume(c));
    ck_assert_int_eq(ag_error_code(), AG_ERROR_VALUE);
    for (; *says != NULL; says++) {
        ck_assert_msg(strstr(ag_error_message(), *says) != NULL, "%s\ndoes not say: %s",
                      ag_error_message(), *says);
    }
    ck_assert_ptr_nonnull(strstr(ag_error_message(),
                                 FIRST " does not fit, and nothing was changed: resume with what "
                                       "it was saved with, or begin in another folder"));
    ag_error_clear();
    ck_assert_uint_eq(nn_hash(net), before);
    ck_assert_int_eq(ag_state_restore(state, optim_stateful(opt)), AG_OK);
    ag_state_free(state);
    data_checkpoint_free(c);
    optim_free(opt);
    nn_free(net);
}

START_TEST(another_architecture_or_optimizer_is_listed_and_changes_nothing)
{
    nn_module *net = perceptron(5, 2);
    optim *opt = adam_of(net);
    data_checkpoint *c = model_open(net, opt);
    data_checkpoint_save(c);
    data_checkpoint_free(c);
    optim_free(opt);
    nn_free(net);
    ck_assert_int_eq(ag_error_code(), AG_OK);

    net = perceptron(6, 2);
    assert_does_not_fit(
        net, adam_of(net),
        (const char *[]){ "model.0.weight: saved as float32 (5,4), here it is float32 (6,4)",
                          "model.2.weight: saved as float32 (2,5), here it is float32 (2,6)",
                          NULL });
    net = perceptron(5, 3);
    assert_does_not_fit(net, adam_of(net),
                        (const char *[]){ "model.4.weight: was not saved",
                                          "model.3.rng.key: was not saved", NULL });
    net = perceptron(5, 2);
    assert_does_not_fit(
        net, optim_sgd(nn_parameters(net), optim_sgd_defaults()),
        (const char *[]){ "optimizer.kind: saved as optim_adam, here it is optim_sgd",
                          "optimizer.state.0.weight.exp_avg: was saved, but is not expected here",
                          NULL });
    net = perceptron(5, 2);
    assert_does_not_fit(
        net, optim_adamw(nn_parameters(net), optim_adamw_defaults()),
        (const char *[]){ "optimizer.kind: saved as optim_adam, here it is optim_adamw", NULL });
    net = perceptron(5, 2);
    opt = adam_of(net);
    ag_tensor extra = ag_leaf(AG_SHAPE(2), AG_FLOAT32, true);
    ag_list *list = ag_list_new();
    ag_list_add(list, "extra", extra);
    optim_adam_config config = optim_adam_defaults();
    optim_add_group(opt, list, &config);
    assert_does_not_fit(net, opt,
                        (const char *[]){ "optimizer.groups: saved as 1, here it is 2",
                                          "optimizer.param_groups.1.lr: was not saved", NULL });
    ag_drop(&extra);
    /* The same model in another precision. */
    net = nn_sequential(nn_linear(4, 5), nn_relu(), nn_linear(5, 2));
    ag_rng rng = ag_rng_seed(1);
    nn_init_dtype(net, &rng, AG_FLOAT64);
    assert_does_not_fit(
        net, adam_of(net),
        (const char *[]){ "model.0.bias: saved as float32 (5), here it is float64 (5)", NULL });
}
END_TEST

START_TEST(objects_that_are_missing_or_too_many_are_named)
{
    struct thing t;
    int64_t more = 3;
    thing_make(&t);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    data_checkpoint_save(c);
    data_checkpoint_free(c);
    c = thing_open(&t, data_checkpoint_defaults());
    data_checkpoint_add(c, "epoch", ag_stateful_int64(&more));
    ck_assert(!data_checkpoint_resume(c));
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "1 difference: epoch: was not saved"));
    ag_error_clear();
    data_checkpoint_free(c);
    c = data_checkpoint_new(test_path("run"), data_checkpoint_defaults());
    data_checkpoint_add(c, "step", ag_stateful_double(&t.value));
    ck_assert(!data_checkpoint_resume(c));
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "3 differences: "));
    ck_assert_ptr_nonnull(
        strstr(ag_error_message(), "step: saved as \"0\", which is not a real number"));
    ck_assert_ptr_nonnull(
        strstr(ag_error_message(), "weight: was saved, but is not expected here"));
    ag_error_clear();
    data_checkpoint_free(c);
    ag_drop(&t.weight);
}
END_TEST

START_TEST(what_cannot_be_saved_is_named_and_leaves_the_last_file)
{
    struct thing t;
    thing_make(&t);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    ck_assert_int_eq(data_checkpoint_save(c), AG_OK);
    nn_module *net = nn_linear(2, 2); /* not initialised */
    data_checkpoint_add(c, "model", nn_stateful(net));
    ck_assert_int_eq(data_checkpoint_save(c), AG_ERROR_STATE);
    test_expect(AG_ERROR_STATE, "nn_stateful: \"weight\" has no value yet: call nn_init() first");
    ag_rng rng = ag_rng_seed(1);
    nn_init(net, &rng);
    ck_assert_int_eq(data_checkpoint_save(c), AG_OK);
    data_checkpoint_add(c, "weight.x", ag_stateful_int64(&t.step));
    data_checkpoint_add(c, "model.weight", ag_stateful_int64(&t.step)); /* which the model has */
    data_checkpoint_save(c);
    test_expect(AG_ERROR_VALUE, "data_checkpoint_save: the name \"model.weight\" is used twice");
    ck_assert(there(FIRST) && there(SECOND) && !there(THIRD));
    data_checkpoint_free(c);

    c = thing_open(&t, data_checkpoint_defaults());
    data_checkpoint_add(c, "a\xff", ag_stateful_int64(&t.step));
    data_checkpoint_save(c);
    ck_assert_int_eq(ag_error_code(), AG_ERROR_VALUE);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "is not UTF-8"));
    ag_error_clear();
    data_checkpoint_free(c);
    nn_free(net);
    ag_drop(&t.weight);
}
END_TEST

START_TEST(objects_and_configs_that_make_no_sense_are_refused)
{
    struct thing t;
    thing_make(&t);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    ag_stateful step = ag_stateful_int64(&t.step);
    data_checkpoint_add(c, "step", step);
    test_expect(AG_ERROR_VALUE, "data_checkpoint_add: the object \"step\" is there already");
    data_checkpoint_add(c, "", step);
    test_expect(AG_ERROR_VALUE, "data_checkpoint_add: the object \"\" has no name");
    data_checkpoint_add(c, NULL, step);
    test_expect(AG_ERROR_VALUE, "data_checkpoint_add: the object \"\" has no name");
    data_checkpoint_add(c, "a.", step);
    test_expect(AG_ERROR_VALUE, "data_checkpoint_add: the object \"a.\" begins or ends with a dot");
    data_checkpoint_add(c, "wengert.x", step);
    test_expect(AG_ERROR_VALUE,
                "data_checkpoint_add: the object \"wengert.x\" has a name that is the library's");
    data_checkpoint_add(c, "null", ag_stateful_int64(NULL));
    test_expect(AG_ERROR_VALUE, "data_checkpoint_add: the object \"null\" is NULL");
    data_checkpoint_free(c);

    data_checkpoint_config config = { 0 };
    c = data_checkpoint_new(test_path("run"), config);
    test_expect(AG_ERROR_VALUE,
                "data_checkpoint_new: the config did not come from data_checkpoint_defaults()");
    data_checkpoint_save(c);
    test_expect(AG_ERROR_STATE, "data_checkpoint_save: the checkpoint is nil: making it failed");
    ck_assert(!data_checkpoint_resume(NULL));
    test_expect(AG_ERROR_STATE, "data_checkpoint_resume: the checkpoint is NULL");
    config = data_checkpoint_defaults();
    config.keep = 0;
    data_checkpoint_new(test_path("run"), config);
    test_expect(AG_ERROR_VALUE, "data_checkpoint_new: at least 1 checkpoint is kept, not 0");
    config = data_checkpoint_defaults();
    config.every_minutes = -1;
    data_checkpoint_new(test_path("run"), config);
    test_expect(AG_ERROR_VALUE, "data_checkpoint_new: every_minutes is -1");
    config = data_checkpoint_defaults();
    config.every_steps = -1;
    data_checkpoint_new(test_path("run"), config);
    test_expect(AG_ERROR_VALUE, "data_checkpoint_new: every_steps is -1");
    data_checkpoint_new("", data_checkpoint_defaults());
    test_expect(AG_ERROR_VALUE, "data_checkpoint_new: the folder has no name");
    ag_drop(&t.weight);
}
END_TEST

/* ---- the folder ------------------------------------------------------------------------------ */

START_TEST(a_folder_belongs_to_one_run_and_killed_saves_leave_nothing)
{
    struct thing t;
    thing_make(&t);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    data_checkpoint_save(c);
    data_checkpoint_new(test_path("run"), data_checkpoint_defaults());
    ck_assert_int_eq(ag_error_code(), AG_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "/run: another run saves there"));
    ag_error_clear();
    data_checkpoint_free(c);

    const unsigned char half[] = "half a file";
    spill("checkpoint-00000002.safetensors.4711-0.part", half, sizeof half);
    spill("best.safetensors.4711-3.part", half, sizeof half);
    spill("other.safetensors.4711-3.part", half, sizeof half);
    spill("checkpoint-00000002.safetensors.txt", half, sizeof half);
    spill("checkpoint-2.safetensors", half, sizeof half);
    c = thing_open(&t, data_checkpoint_defaults());
    ck_assert_int_eq(data_checkpoint_count(c), 1);
    ck_assert(!there("checkpoint-00000002.safetensors.4711-0.part"));
    ck_assert(!there("best.safetensors.4711-3.part"));
    ck_assert(there("other.safetensors.4711-3.part"));
    ck_assert(there("checkpoint-00000002.safetensors.txt"));
    ck_assert(there("checkpoint-2.safetensors"));
    ck_assert(there(FIRST));
    data_checkpoint_free(c);
    ag_drop(&t.weight);
}
END_TEST

START_TEST(folders_that_cannot_be_are_named)
{
    test_write("file", "x", 1);
    data_checkpoint_new(test_path("file"), data_checkpoint_defaults());
    ck_assert_int_eq(ag_error_code(), AG_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "/file: Not a directory"));
    ag_error_clear();
    data_checkpoint_new(test_path("nowhere/run"), data_checkpoint_defaults());
    ck_assert_int_eq(ag_error_code(), AG_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "nowhere/run: No such file or directory"));
    ag_error_clear();
}
END_TEST

/* The last save failed for this reason, and all that was there before is there and good. */
static void assert_save_failed(data_checkpoint *c, struct thing *t, const char *reason)
{
    ck_assert_int_eq(ag_error_code(), AG_ERROR_FILE);
    ck_assert_msg(strstr(ag_error_message(), SECOND ": cannot be written: ") != NULL &&
                      strstr(ag_error_message(), reason) != NULL,
                  "%s", ag_error_message());
    ag_error_clear();
    ck_assert(there(FIRST) && !there(SECOND));
    DIR *folder = opendir(test_path("run"));
    int files = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        files += entry->d_name[0] != '.';
    }
    closedir(folder);
    ck_assert_int_eq(files, 1);
    ck_assert(data_checkpoint_resume(c));
    assert_thing(t, 1);
}

START_TEST(a_full_disk_leaves_the_last_good_one)
{
    signal(SIGXFSZ, SIG_IGN); /* writing past the limit is an error, as on a full disk */
    struct thing t;
    thing_make(&t);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    thing_set(&t, 1);
    data_checkpoint_save(c);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    rlim_t before = limit.rlim_cur;
    for (rlim_t most = 0; most < 200;
         most += 9) { /* in the length, in the header, in the numbers */
        limit.rlim_cur = most;
        setrlimit(RLIMIT_FSIZE, &limit);
        thing_set(&t, 2);
        data_checkpoint_save(c);
        limit.rlim_cur = before; /* Check writes files, too */
        setrlimit(RLIMIT_FSIZE, &limit);
        assert_save_failed(c, &t, "File too large");
    }
    thing_set(&t, 2);
    ck_assert_int_eq(data_checkpoint_save(c), AG_OK);
    ck_assert(there(SECOND));
    data_checkpoint_free(c);
    ag_drop(&t.weight);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_leaves_the_last_good_one)
{
    struct thing t;
    thing_make(&t);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    thing_set(&t, 1);
    data_checkpoint_save(c);
    ck_assert_int_eq(chmod(test_folder, 0755), 0);
    ck_assert_int_eq(chmod(test_path("run"), 0555), 0);
    uid_t me = geteuid();
    bool root = me == 0; /* whom permissions do not stop */
    if (root) {
        ck_assert_int_eq(seteuid(65534), 0);
    }
    thing_set(&t, 2);
    data_checkpoint_save(c);
    if (root) {
        ck_assert_int_eq(seteuid(me), 0);
    }
    assert_save_failed(c, &t, "Permission denied");
    chmod(test_path("run"), 0755);
    ck_assert_int_eq(data_checkpoint_save(c), AG_OK);
    data_checkpoint_free(c);
    ag_drop(&t.weight);
}
END_TEST

START_TEST(a_file_can_be_listed)
{
    struct thing t;
    thing_make(&t);
    data_checkpoint *c = thing_open(&t, data_checkpoint_defaults());
    thing_set(&t, 6);
    t.value = 0.1;
    data_checkpoint_save(c);
    char text[1024] = "";
    FILE *stream = tmpfile();
    ck_assert_int_eq(data_checkpoint_describe(data_checkpoint_path(c), stream), AG_OK);
    rewind(stream);
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, stream), 0);
    ck_assert_str_eq(text, "step = 6\n"
                           "value = 0.10000000000000001 [3fb999999999999a]\n"
                           "weight: float32 (3)\n");
    ck_assert_int_eq(data_checkpoint_describe(test_path("nothing"), stream), AG_ERROR_FORMAT);
    test_expect(AG_ERROR_FORMAT, test_says("data_checkpoint_describe", "nothing",
                                           "cannot be read: No such file or directory"));
    fclose(stream);
    data_checkpoint_free(c);
    ag_drop(&t.weight);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *tests = tcase_create("checkpoint");
    tcase_add_checked_fixture(tests, test_begin, clear_and_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_run_goes_on_from_its_file_with_the_same_bits, 0, 2 * KINDS);
    tcase_add_test(tests, without_a_checkpoint_there_is_nothing_to_resume);
    tcase_add_test(tests, the_latest_and_the_best_are_kept);
    tcase_add_test(tests, steps_and_minutes_make_a_save_due);
    tcase_add_test(tests, a_newest_file_cut_anywhere_is_passed_over);
    tcase_add_test(tests, a_newest_file_with_one_byte_changed_anywhere_is_passed_over);
    tcase_add_test(tests, when_no_file_is_whole_an_error_says_why);
    tcase_add_test(tests, files_that_are_no_checkpoints_are_refused);
    tcase_add_test(tests, another_architecture_or_optimizer_is_listed_and_changes_nothing);
    tcase_add_test(tests, objects_that_are_missing_or_too_many_are_named);
    tcase_add_test(tests, what_cannot_be_saved_is_named_and_leaves_the_last_file);
    tcase_add_test(tests, objects_and_configs_that_make_no_sense_are_refused);
    tcase_add_test(tests, a_folder_belongs_to_one_run_and_killed_saves_leave_nothing);
    tcase_add_test(tests, folders_that_cannot_be_are_named);
    tcase_add_test(tests, a_full_disk_leaves_the_last_good_one);
    tcase_add_test(tests, a_folder_that_cannot_be_written_leaves_the_last_good_one);
    tcase_add_test(tests, a_file_can_be_listed);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
