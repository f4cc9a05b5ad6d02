/*
 * The training helpers against losses that are given in advance and loops written out.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

static void quiet(ag_error code, const char *message, void *user)
{
    (void)code, (void)message, (void)user;
}

static void expect(ag_error code, const char *message)
{
    ck_assert_str_eq(ag_error_name(ag_error_code()), ag_error_name(code));
    ck_assert_msg(strncmp(ag_error_message(), message, strlen(message)) == 0, "\"%s\" should begin with \"%s\"",
                  ag_error_message(), message);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "test_train.c:"));
    ag_error_clear();
}

/* y = 2 x + 1 on 8 points, one batch of 4 after the other. */
enum { POINTS = 8 };

static data_loader *points(void)
{
    float x[POINTS], y[POINTS];
    for (int i = 0; i < POINTS; i++) {
        x[i] = (float)i / POINTS;
        y[i] = 2 * x[i] + 1;
    }
    data_loader_config c = data_loader_defaults();
    c.batch = 4;
    return data_loader_new(data_arrays(POINTS, x, AG_SHAPE(1), AG_FLOAT32, y, AG_SHAPE(1), AG_FLOAT32), c, NULL);
}

static nn_module *line(uint64_t seed)
{
    ag_rng rng = ag_rng_seed(seed);
    nn_module *net = nn_sequential(nn_linear(1, 3), nn_batch_norm1d(3), nn_linear(3, 1));
    nn_init(net, &rng);
    return net;
}

static optim *descent(nn_module *net)
{
    optim_sgd_config c = optim_sgd_defaults();
    c.lr = 0.1;
    return optim_sgd(nn_parameters(net), c);
}

/* Weights that no other epoch had. */
static void move(nn_module *net, int step)
{
    ag_list *list = nn_parameters(net);
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        ag_tensor w = ag_list_tensor(list, i);
        float x[16];
        ag_read(w, x, ag_numel(w));
        x[0] += (float)(step + 1);
        ag_write(w, x, ag_numel(w));
    }
    ag_list_free(list);
}

/* ---- early stopping on scripted values ----------------------------------------------------------------------------------- */

struct script {
    const double *values;
    int count, stops_at, best; /* the value at which it must say stop (count: never), and the best by then */
    int patience;
    double delta;
    optim_mode mode;
};

static void follow(struct script s)
{
    nn_module *net = line(1);
    train_early_stopping_config c = train_early_stopping_defaults();
    c.patience = s.patience;
    c.min_delta = s.delta;
    c.mode = s.mode;
    train_early_stopping *stop = train_early_stopping_new(net, c);
    uint64_t hash[32];
    int at = 0;
    ck_assert_int_eq(train_early_stopping_best(stop), -1);
    ck_assert(isnan(train_early_stopping_value(stop)));
    for (; at < s.count; at++) {
        move(net, at);
        hash[at] = nn_hash(net);
        if (train_early_stopping_add(stop, s.values[at])) {
            break;
        }
    }
    ck_assert_int_eq(at, s.stops_at);
    ck_assert_int_eq(train_early_stopping_best(stop), s.best);
    ck_assert_double_eq(train_early_stopping_value(stop), s.values[s.best]);
    move(net, 20);
    ck_assert_int_eq(train_early_stopping_restore(stop), AG_OK);
    ck_assert(nn_hash(net) == hash[s.best]);
    train_early_stopping_free(stop);
    nn_free(net);
}

START_TEST(early_stopping_restores_the_best_weights)
{
    const double falls[] = { 5, 4, 3, 3, 3, 2, 2.5, 2.5, 2, 1 };
    follow((struct script){ falls, 10, .stops_at = 8, .best = 5, .patience = 3 });
    follow((struct script){ falls, 10, .stops_at = 10, .best = 9, .patience = 4 });
    follow((struct script){ falls, 10, .stops_at = 3, .best = 2, .patience = 1 });
    /* With a least improvement of 1, 4 and 3 and 2 do not count as better than the one before unless they are below by more. */
    follow((struct script){ falls, 10, .stops_at = 4, .best = 2, .patience = 2, .delta = 1 });
    const double rises[] = { 0.1, 0.5, 0.4, 0.6, 0.6, NAN, 0.2 };
    follow((struct script){ rises, 7, .stops_at = 6, .best = 3, .patience = 3, .mode = OPTIM_MAX });
    const double lost[] = { NAN, NAN, 3, NAN, INFINITY, 4 };
    follow((struct script){ lost, 6, .stops_at = 5, .best = 2, .patience = 3 });
}
END_TEST

START_TEST(early_stopping_is_resumed)
{
    nn_module *net = line(1), *other = line(2);
    train_early_stopping_config c = train_early_stopping_defaults();
    c.patience = 2;
    train_early_stopping *stop = train_early_stopping_new(net, c), *again = train_early_stopping_new(other, c);
    train_early_stopping_add(stop, 1);
    uint64_t best = nn_hash(net);
    move(net, 1);
    ck_assert(!train_early_stopping_add(stop, 2));
    ag_state *state = ag_state_take(train_early_stopping_stateful(stop));
    ck_assert_int_eq(ag_state_restore(state, train_early_stopping_stateful(again)), AG_OK);
    ck_assert(train_early_stopping_add(again, 2));
    train_early_stopping_restore(again);
    ck_assert(nn_hash(other) == best);
    ag_state_free(state);
    train_early_stopping_free(stop);
    train_early_stopping_free(again);
    nn_free(net);
    nn_free(other);
}
END_TEST

/* ---- history ------------------------------------------------------------------------------------------------------------- */

static const char *const two[] = { "loss", "accuracy" };

START_TEST(a_history_finds_the_best_and_writes_itself)
{
    const double rows[3][2] = { { 2, 0.5 }, { NAN, 0.75 }, { 1, 0.75 } };
    train_history *h = train_history_new(3, 2, two), *again = train_history_new(4, 2, two);
    ck_assert_int_eq(train_history_best(h, "loss", OPTIM_MIN), -1);
    for (int i = 0; i < 3; i++) {
        train_history_add(h, rows[i]);
    }
    ag_state *state = ag_state_take(train_history_stateful(h));
    ck_assert_int_eq(ag_state_restore(state, train_history_stateful(again)), AG_OK);
    ag_state_free(state);
    ck_assert_int_eq(train_history_count(again), 3);
    ck_assert_int_eq(train_history_best(again, "loss", OPTIM_MIN), 2);
    ck_assert_int_eq(train_history_best(again, "loss", OPTIM_MAX), 0);
    ck_assert_int_eq(train_history_best(again, "accuracy", OPTIM_MAX), 1);
    ck_assert_double_eq(train_history_value(again, 1, "accuracy"), 0.75);
    char text[200] = { 0 };
    FILE *out = tmpfile();
    ck_assert_int_eq(train_history_write(again, out), AG_OK);
    rewind(out);
    ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, out), 0);
    fclose(out);
    ck_assert_str_eq(text, "epoch,loss,accuracy\n1,2,0.5\n2,,0.75\n3,1,0.75\n");
    train_history_free(h);
    train_history_free(again);
}
END_TEST

/* ---- a whole run --------------------------------------------------------------------------------------------------------- */

/* What happened, as a text: B(egin), e(poch begin), s(tep), v(alidation), E(poch end), X(end); capital V: the best so far. */
struct diary {
    char text[200];
    uint64_t hash[40]; /* after each epoch */
    int64_t stop_at;   /* the step after which to stop; 0: never */
};

static bool note(const train_event *event, void *user)
{
    struct diary *d = user;
    char letter = "BesvEX"[event->kind];
    letter = event->kind == TRAIN_VALIDATION && event->best ? 'V' : letter;
    size_t length = strlen(d->text);
    ck_assert_uint_lt(length + 1, sizeof(d->text));
    d->text[length] = letter;
    if (event->kind == TRAIN_EPOCH_END) {
        d->hash[event->epoch] = nn_hash(event->net);
        ck_assert_int_eq(train_history_count(event->history), event->epoch + 1);
    }
    return d->stop_at == 0 || event->step < d->stop_at;
}

/* The mean squared error; while validating the loss is taken from a script. */
struct scripted {
    const double *values;
    int64_t calls;     /* with a graph */
    int64_t validated; /* batches without */
    int64_t nan_at;
};

static ag_tensor squares(nn_module *net, const data_batch *batch, double *metrics, void *user)
{
    struct scripted *s = user;
    ag_tensor y = nn_forward(net, batch->x), loss = ag_mse_loss(y, batch->y);
    metrics[0] = (double)batch->n;
    if (!ag_requires_grad(loss)) {
        return s->values == NULL ? loss : ag_scalar(s->values[s->validated++ / 2], AG_FLOAT32);
    }
    return ++s->calls == s->nan_at ? ag_mul_scalar(loss, NAN) : loss;
}

static const char *const metric[] = { "batch" };

static train_fit_config with_metric(void)
{
    train_fit_config c = train_fit_defaults();
    c.metrics = 1;
    c.metric_names = metric;
    return c;
}

/* The same run written out, with the bits of the weights and of the losses. */
START_TEST(fit_is_the_loop_written_out)
{
    nn_module *net = line(3), *by_hand = line(3);
    optim *o = descent(net), *other = descent(by_hand);
    data_loader *train = points(), *validation = points(), *batches = points(), *held = points();
    optim_schedule *schedule = optim_exponential_lr(o, 0.9);
    struct scripted s = { 0 };
    train_fit_config c = with_metric();
    c.epochs = 4;
    c.validation = validation;
    c.validate_every = 3;
    c.schedule = schedule;
    c.clip_grad_norm = 0.5;
    train_history *h = train_fit(net, o, train, squares, &s, c);
    ck_assert_int_eq(ag_error_code(), AG_OK);
    ck_assert_int_eq(train_history_count(h), 4);
    ag_scope scope = { 0 };
    data_batch batch;
    for (int epoch = 0; epoch < 4; epoch++) {
        double sum = 0, lr = 0.1 * pow(0.9, epoch);
        optim_set_lr(other, 0, lr);
        data_loader_rewind(batches);
        while (data_loader_next(batches, &batch)) {
            ag_begin(&scope);
            ag_tensor loss = ag_mse_loss(nn_forward(by_hand, batch.x), batch.y);
            optim_zero_grad(other);
            ag_backward(loss);
            optim_clip_grad_norm(other, 0.5);
            optim_step(other);
            sum += ag_item(loss) * (double)batch.n;
        }
        ck_assert_double_eq_tol(train_history_value(h, epoch, "loss"), sum / POINTS, 1e-6);
        ck_assert_double_eq(train_history_value(h, epoch, "batch"), 4);
        ck_assert_double_eq_tol(train_history_value(h, epoch, "lr"), lr, 1e-12);
        double validated = train_history_value(h, epoch, "validation_loss");
        if (epoch < 2) {
            ck_assert_double_nan(validated);
            continue;
        }
        sum = 0;
        nn_eval(by_hand);
        data_loader_rewind(held);
        while (data_loader_next(held, &batch)) {
            ag_begin_no_grad(&scope);
            sum += ag_item(ag_mse_loss(nn_forward(by_hand, batch.x), batch.y)) * (double)batch.n;
        }
        nn_train(by_hand);
        ck_assert_double_eq_tol(validated, sum / POINTS, 1e-6);
    }
    ag_end(&scope);
    ck_assert_double_gt(train_history_value(h, 0, "loss"), train_history_value(h, 3, "loss"));
    train_history_free(h);
    optim_schedule_free(schedule);
    optim_free(o);
    optim_free(other);
    data_loader_free(train);
    data_loader_free(validation);
    data_loader_free(batches);
    data_loader_free(held);
    nn_free(net);
    nn_free(by_hand);
}
END_TEST

struct outcome {
    struct diary diary;
    train_end end;
    uint64_t hash;
    int64_t epochs;
    double lr;
};

/* A run whose validation losses are `values`. */
static struct outcome run(const double *values, train_fit_config c, struct scripted s, int64_t stop_at)
{
    struct outcome out = { .diary.stop_at = stop_at };
    nn_module *net = line(3);
    optim *o = descent(net);
    data_loader *train = points(), *validation = points();
    optim_reduce_lr_on_plateau_config plateau = optim_reduce_lr_on_plateau_defaults();
    plateau.patience = 0;
    plateau.factor = 0.5;
    optim_schedule *schedule = optim_reduce_lr_on_plateau(o, plateau);
    const train_callback callback = { note, &out.diary };
    s.values = values;
    c.validation = validation;
    c.schedule = schedule;
    c.callback_count = 1;
    c.callbacks = &callback;
    c.end = &out.end;
    train_history *h = train_fit(net, o, train, squares, &s, c);
    out.epochs = train_history_count(h);
    out.hash = nn_hash(net);
    out.lr = ag_error_code() == AG_OK ? optim_lr(o, 0) : NAN;
    train_history_free(h);
    optim_schedule_free(schedule);
    optim_free(o);
    data_loader_free(train);
    data_loader_free(validation);
    nn_free(net);
    return out;
}

START_TEST(fit_calls_back_in_order_and_stops)
{
    const double values[] = { 3, 2, 2.5, 2.25, 1, 1 };
    train_fit_config c = with_metric();
    c.epochs = 6;
    c.patience = 2;
    struct outcome o = run(values, c, (struct scripted){ 0 }, 0);
    ck_assert_str_eq(o.diary.text, "BessVEessVEessvEessvEX");
    ck_assert_int_eq(o.end, TRAIN_END_PATIENCE);
    ck_assert_int_eq(o.epochs, 4);
    ck_assert(o.hash == o.diary.hash[1]);
    ck_assert_double_eq(o.lr, 0.1 * 0.5 * 0.5);
    c.restore_best = false;
    o = run(values, c, (struct scripted){ 0 }, 0);
    ck_assert(o.hash == o.diary.hash[3] && o.hash != o.diary.hash[1]);
    c.patience = 0;
    o = run(values, c, (struct scripted){ 0 }, 0);
    ck_assert_str_eq(o.diary.text, "BessVEessVEessvEessvEessVEessvEX");
    ck_assert_int_eq(o.end, TRAIN_END_EPOCHS);
    c.epochs = 5;
    c.validate_every = 2;
    o = run(values, c, (struct scripted){ 0 }, 0);
    ck_assert_str_eq(o.diary.text, "BessEessVEessEessVEessvEX");
    o = run(values, c, (struct scripted){ 0 }, 3);
    ck_assert_str_eq(o.diary.text, "BessEesVEX"); /* a last look before it ends */
    ck_assert_int_eq(o.end, TRAIN_END_CALLBACK);
}
END_TEST

START_TEST(fit_takes_no_step_with_a_loss_that_is_not_a_number)
{
    const double values[] = { 3, 4, 5, 6 };
    train_fit_config c = with_metric();
    c.epochs = 4;
    c.patience = 3;
    struct outcome o = run(values, c, (struct scripted){ .nan_at = 6 }, 0);
    ck_assert_str_eq(o.diary.text, "BessVEessvEesX");
    ck_assert_int_eq(o.end, TRAIN_END_NOT_FINITE);
    ck_assert_int_eq(o.epochs, 2);
    ck_assert(o.hash == o.diary.hash[0]); /* the best weights, as after any other end */
}
END_TEST

/* ---- progress ------------------------------------------------------------------------------------------------------------ */

START_TEST(progress_sums_and_is_resumed)
{
    FILE *out = tmpfile();
    train_progress p = { 0 }, again = { 0 };
    train_progress_begin(&p, out, "digits", 1, 2, 8);
    train_progress_add(&p, 2, 3);
    train_progress_add(&p, 4, 0);
    ck_assert_double_eq(train_progress_loss(&p), 1);
    ag_state *state = ag_state_take(train_progress_stateful(&p));
    ag_state_restore(state, train_progress_stateful(&again));
    ag_state_free(state);
    train_progress_begin(&again, NULL, "digits", 1, 2, 8);
    train_progress_add(&again, 6, 2);
    ck_assert_double_eq(train_progress_loss(&again), 1.5);
    again.terminal = false;
    train_progress_end(&again);
    train_progress_begin(&again, NULL, "digits", 2, 2, 8);
    ck_assert_double_eq(train_progress_loss(&again), 0);
    p.shown -= 11; /* as if ten seconds had passed */
    p.begun -= 60;
    train_progress_add(&p, 0, 0);
    train_progress_end(&p);
    char text[100] = { 0 };
    rewind(out);
    ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, out), 0);
    fclose(out);
    ck_assert_str_eq(text, "epoch 1/2: 75 %, 0 digits/s, 0:20 left, loss 1.0000\n");
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------------------------------------ */

static ag_tensor no_loss(nn_module *net, const data_batch *batch, double *metrics, void *user)
{
    (void)net, (void)batch, (void)metrics, (void)user;
    return AG_NONE;
}

START_TEST(refuses_what_makes_no_sense)
{
    ag_error_set_handler(quiet, NULL);
    nn_module *net = line(3);
    optim *o = descent(net);
    data_loader *train = points();
    train_fit_config c = { 0 };
    train_end end;
#define REFUSED(loss, code, message)                               \
    do {                                                           \
        train_history_free(train_fit(net, o, train, loss, NULL, c)); \
        expect(code, message);                                     \
        c = train_fit_defaults();                                  \
        c.end = &end;                                              \
    } while (0)
    REFUSED(no_loss, AG_ERROR_VALUE, "train_fit: the config was not made by train_fit_defaults()");
    REFUSED(NULL, AG_ERROR_VALUE, "train_fit: the loss function is NULL");
    REFUSED(no_loss, AG_ERROR_VALUE, "train_fit: the loss function returned no tensor");
    ck_assert_int_eq(end, TRAIN_END_ERROR);
    c.monitor = "validation_loss";
    REFUSED(no_loss, AG_ERROR_VALUE, "train_fit: monitor is \"validation_loss\", which is not measured");
    c.epochs = 0;
    REFUSED(no_loss, AG_ERROR_VALUE, "train_fit: epochs and validate_every must be at least 1");
    c.metrics = 17;
    REFUSED(no_loss, AG_ERROR_VALUE, "train_fit: metrics must be from 0 to 16, and have names");
    c.patience = -1;
    REFUSED(no_loss, AG_ERROR_VALUE, "train_fit: patience must be at least 0");
    c.clip_grad_norm = NAN;
    REFUSED(no_loss, AG_ERROR_VALUE, "train_fit: clip_grad_norm must be at least 0");
    c.callback_count = 1;
    REFUSED(no_loss, AG_ERROR_VALUE, "train_fit: the callbacks are NULL");

    train_early_stopping_config stop = train_early_stopping_defaults();
    stop.patience = 0;
    train_early_stopping_free(train_early_stopping_new(net, stop));
    expect(AG_ERROR_VALUE, "train_early_stopping_new: patience is 0, it must be at least 1");
    stop = train_early_stopping_defaults();
    stop.min_delta = -1;
    train_early_stopping_free(train_early_stopping_new(net, stop));
    expect(AG_ERROR_VALUE, "train_early_stopping_new: min_delta is -1, it must be finite and at least 0");
    ck_assert(train_early_stopping_add(NULL, 1));
    expect(AG_ERROR_STATE, "train_early_stopping_add: the object is NULL");

    const char *const twice[] = { "loss", "loss" };
    train_history_free(train_history_new(3, 2, twice));
    expect(AG_ERROR_VALUE, "train_history_new: column 1 has the name of another");
    train_history *h = train_history_new(1, 2, two);
    const double row[2] = { 1, 2 };
    train_history_add(h, row);
    train_history_add(h, row);
    expect(AG_ERROR_STATE, "train_history_add: there is room for 1 epochs");
    train_history_value(h, 1, "loss");
    expect(AG_ERROR_INDEX, "train_history_value: epoch 1 of 1");
    train_history_value(h, 0, "los");
    expect(AG_ERROR_VALUE, "train_history_value: there is no column \"los\"");
    train_history_free(h);
    data_loader_free(train);
    optim_free(o);
    nn_free(net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train");
    TCase *tests = tcase_create("train");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, early_stopping_restores_the_best_weights);
    tcase_add_test(tests, early_stopping_is_resumed);
    tcase_add_test(tests, a_history_finds_the_best_and_writes_itself);
    tcase_add_test(tests, fit_is_the_loop_written_out);
    tcase_add_test(tests, fit_calls_back_in_order_and_stops);
    tcase_add_test(tests, fit_takes_no_step_with_a_loss_that_is_not_a_number);
    tcase_add_test(tests, progress_sums_and_is_resumed);
    tcase_add_test(tests, refuses_what_makes_no_sense);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
