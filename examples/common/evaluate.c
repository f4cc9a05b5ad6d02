/*
 * Evaluation of a classifier of digits.
 */
#include "evaluate.h"

#include <string.h>

enum { EVALUATION_BATCH = 500 };

data_loader *evaluate_loader(data_set *set)
{
    data_loader_config config = data_loader_defaults();
    config.batch = EVALUATION_BATCH;
    return data_loader_new(set, config, NULL);
}

/* Keeps a mistake if it is among the most confident ones; equally confident ones stay in the order
 * of the set. */
static void keep_mistake(struct evaluation *e, const float *pixels, int truth, int guess,
                         double confidence)
{
    int place = e->mistakes;
    while (place > 0 && e->worst[place - 1].confidence < confidence) {
        place--;
    }
    if (place == MISTAKES_KEPT) {
        return;
    }
    if (e->mistakes < MISTAKES_KEPT) {
        e->mistakes++;
    }
    memmove(&e->worst[place + 1], &e->worst[place],
            (size_t)(e->mistakes - 1 - place) * sizeof e->worst[0]);
    struct mistake *m = &e->worst[place];
    memcpy(m->pixels, pixels, sizeof m->pixels);
    m->truth = truth;
    m->guess = guess;
    m->confidence = confidence;
}

void evaluate(nn_module *net, data_loader *loader, struct evaluation *result)
{
    static const struct evaluation nothing = { 0 };
    *result = nothing;
    double loss_sum = 0;

    nn_eval(net);
    ag_scope scope = { 0 };
    data_batch batch;
    data_loader_rewind(loader);
    while (data_loader_next(loader, &batch)) {
        ag_begin_no_grad(&scope);
        ag_tensor logits = nn_forward(net, batch.x);
        loss_sum += ag_item(ag_cross_entropy(logits, batch.y)) * (double)batch.n;

        int64_t truth[EVALUATION_BATCH], guess[EVALUATION_BATCH];
        double confidence[EVALUATION_BATCH];
        float pixels[DIGIT_PIXELS];
        ag_tensor probabilities = ag_softmax(logits, 1);
        if (ag_read(batch.y, truth, batch.n) != AG_OK ||
            ag_read(ag_argmax(logits, 1, false), guess, batch.n) != AG_OK ||
            ag_read_doubles(ag_amax(probabilities, AG_DIMS(1), false), confidence, batch.n) !=
                AG_OK) {
            break;
        }
        for (int64_t i = 0; i < batch.n; i++) {
            result->confusion[truth[i]][guess[i]]++;
            if (truth[i] == guess[i]) {
                result->right++;
            } else if (ag_read(ag_contiguous(ag_select(batch.x, 0, i)), pixels, DIGIT_PIXELS) ==
                       AG_OK) {
                keep_mistake(result, pixels, (int)truth[i], (int)guess[i], confidence[i]);
            }
        }
        result->samples += batch.n;
    }
    ag_end(&scope);
    nn_train(net);

    if (result->samples > 0) {
        result->loss = loss_sum / (double)result->samples;
        result->accuracy = (double)result->right / (double)result->samples;
    }
}
