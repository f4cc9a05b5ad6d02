/*
 * The training loop of all parts, and what a trained network answers.
 */
#include "logistic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/report.h"
#include "common/saving.h"

data_set *cells_of(const struct lesson *l, const char *columns)
{
    data_table_config config = data_table_defaults();
    config.x = columns;
    config.y = "diagnosis";
    config.classes = true;
    return data_table_to_set(l->table, config);
}

nn_module *new_line(int64_t features)
{
    nn_module *line = nn_linear(features, 1);
    ag_rng rng = ag_rng_seed(0);
    nn_init(line, &rng);
    ag_list *parameters = nn_parameters(line);
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        nn_init_zeros(ag_list_tensor(parameters, i));
    }
    ag_list_free(parameters);
    return line;
}

struct training training_of(const struct options *o, ag_rng *rng, const char *part)
{
    return (struct training){
        .part = part, .epochs = o->epochs, .batch = o->batch, .lr = o->lr, .decay = 0.1, .rng = rng
    };
}

bool train(const struct lesson *l, nn_module *net, data_set *set, struct training t)
{
    data_loader_config batches = data_loader_defaults();
    batches.batch = t.batch;
    batches.shuffle = true;
    data_loader *loader = data_loader_new(data_set_share(set), batches, t.rng);
    optim_adam_config adamw = optim_adamw_defaults();
    adamw.lr = t.lr;
    adamw.weight_decay = t.decay;
    optim *opt = optim_adamw(nn_parameters(net), adamw);
    ag_scope step = { 0 };
    int64_t epoch = 1;
    struct saving saving = { 0 };
    bool good = ag_exit_status() == 0;
    if (good && t.part != NULL) {
        good = saving_begin_part(&saving, l->options, t.part);
        saving_add(&saving, "model", nn_stateful(net));
        saving_add(&saving, "optimizer", optim_stateful(opt));
        saving_add(&saving, "samples", data_loader_stateful(loader));
        saving_add(&saving, "epoch", ag_stateful_int64(&epoch));
        good = good && saving_resume(&saving);
    }
    good = good && (t.watch == NULL || t.watch(t.user, 0));
    while (good && epoch <= t.epochs) {
        data_batch batch;
        data_loader_rewind(loader);
        while (good && data_loader_next(loader, &batch)) {
            ag_begin(&step);
            ag_tensor truth = ag_reshape(ag_cast(batch.y, AG_FLOAT32), AG_SHAPE(batch.n, 1));
            /* The sigmoid and -log of the probability of the right class, in one: neither overflows. */
            ag_tensor loss = ag_bce_with_logits(nn_forward(net, batch.x), truth);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            double now = ag_item(loss);
            if (!isfinite(now) && ag_exit_status() == 0) {
                report_not_finite(l->options, now, (int)epoch, batch.index + 1);
                good = false;
            }
            good = good && !saving_step(&saving);
        }
        ag_end(&step);
        good = good && ag_exit_status() == 0 && (t.watch == NULL || t.watch(t.user, (int)epoch));
        epoch++;
        good = good && !saving_epoch(&saving);
    }
    ag_end(&step);
    saving_end(&saving);
    optim_free(opt);
    data_loader_free(loader);
    return good && ag_exit_status() == 0;
}

bool answers_new(struct answers *a, const struct options *o, int64_t room)
{
    size_t count = (size_t)room + 1;
    *a = (struct answers){ .logit = malloc(count * sizeof(double)),
                           .p = malloc(count * sizeof(double)),
                           .truth = malloc(count * sizeof(int64_t)) };
    if (a->logit != NULL && a->p != NULL && a->truth != NULL) {
        return true;
    }
    fprintf(stderr, "%s: out of memory\n", o->program);
    answers_free(a);
    return false;
}

void answers_free(struct answers *a)
{
    free(a->logit);
    free(a->p);
    free(a->truth);
    *a = (struct answers){ 0 };
}

void answers_add(struct answers *a, nn_module *net, data_set *set)
{
    int64_t n = data_set_size(set);
    ag_tensor x = AG_NONE, y = AG_NONE;
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    if (data_set_tensors(set, &x, &y) == AG_OK) {
        ag_tensor logits = nn_forward(net, x);
        ag_read_doubles(logits, a->logit + a->n, n);
        ag_read_doubles(ag_sigmoid(logits), a->p + a->n, n);
        ag_read(y, a->truth + a->n, n);
        a->n += n;
    }
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&y);
}
