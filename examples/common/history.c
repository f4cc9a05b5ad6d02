/*
 * The history of a run, and its JSON.
 */
#include "history.h"

#include <stdlib.h>

#include "record.h"

bool history_begin(struct history *h, int epochs, int64_t training_samples,
                   int64_t validation_samples)
{
    *h = (struct history){ .best = -1,
                           .asked = epochs,
                           .room = epochs,
                           .validated = validation_samples > 0,
                           .training_samples = training_samples,
                           .validation_samples = validation_samples };
    h->epoch = calloc((size_t)epochs, sizeof *h->epoch);
    return h->epoch != NULL;
}

void history_free(struct history *h)
{
    free(h->epoch);
    h->epoch = NULL;
}

static void history_visit(void *object, ag_state_visitor *v)
{
    struct history *h = object;
    enum { NUMBERS = sizeof *h->epoch / sizeof(double) }; /* of an epoch: it has nothing else */
    int64_t numbers = (int64_t)h->count * NUMBERS;
    ag_state_series(v, "epochs", h->epoch, AG_FLOAT64, &numbers, (int64_t)h->room * NUMBERS);
    ag_state_int(v, "best", &h->best);
    ag_state_bool(v, "stopped", &h->stopped);
    if (ag_state_loading(v)) {
        h->count = (int)(numbers / NUMBERS);
    }
}

ag_stateful history_stateful(struct history *h)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "history", history_visit };
    return ag_stateful_make(&type, h);
}

static bool better(const struct history_epoch *a, const struct history_epoch *b)
{
    if (a->validation_accuracy != b->validation_accuracy) {
        return a->validation_accuracy > b->validation_accuracy;
    }
    return a->validation_loss < b->validation_loss;
}

bool history_add(struct history *h, struct history_epoch e)
{
    if (h->count == h->room) {
        return false;
    }
    h->epoch[h->count] = e;
    bool best = h->best < 0 || !h->validated || better(&e, &h->epoch[h->best]);
    if (best) {
        h->best = h->count;
    }
    h->count++;
    return best;
}

void history_print_last(const struct history *h)
{
    const struct history_epoch *e = &h->epoch[h->count - 1];
    printf("epoch %2d/%d  training: loss %.4f, %6.2f %%", h->count, h->asked, e->train_loss,
           100 * e->train_accuracy);
    if (h->validated) {
        printf("   validation: loss %.4f, %6.2f %%", e->validation_loss,
               100 * e->validation_accuracy);
    }
    printf("   %.1f s%s\n", e->seconds, h->validated && h->best == h->count - 1 ? "   best" : "");
    fflush(stdout);
}

int history_since_best(const struct history *h)
{
    return h->count - 1 - h->best;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *epochs_to_json(const struct history *h)
{
    json_t *array = json_array();
    for (int i = 0; i < h->count; i++) {
        const struct history_epoch *e = &h->epoch[i];
        json_t *item = json_object();
        json_object_set_new(item, "epoch", json_integer(i + 1));
        json_object_set_new(item, "train_loss", record_number(e->train_loss));
        json_object_set_new(item, "train_accuracy", record_number(e->train_accuracy));
        json_object_set_new(item, "validation_loss", record_number(e->validation_loss));
        json_object_set_new(item, "validation_accuracy", record_number(e->validation_accuracy));
        json_object_set_new(item, "seconds", record_number(e->seconds));
        json_array_append_new(array, item);
    }
    return array;
}

static json_t *to_json(const struct history *h, const struct options *o, const struct results *r)
{
    double seconds = 0;
    for (int i = 0; i < h->count; i++) {
        seconds += h->epoch[i].seconds;
    }
    json_t *root = record_begin(o);
    json_object_set_new(root, "batch", json_integer(o->batch));
    json_object_set_new(root, "lr", record_number(o->lr));
    json_object_set_new(root, "shuffle_labels", json_boolean(o->shuffle_labels));
    json_object_set_new(root, "data", record_path(r->data_folder));
    json_object_set_new(root, "training_samples", json_integer(h->training_samples));
    json_object_set_new(root, "validation_samples", json_integer(h->validation_samples));
    json_object_set_new(root, "test_samples", json_integer(r->test->samples));
    json_object_set_new(root, "parameters", json_integer(r->parameters));
    json_object_set_new(root, "epochs_asked", json_integer(h->asked));
    json_object_set_new(root, "stopped_early", json_boolean(h->stopped));
    json_object_set_new(root, "best_epoch", json_integer(h->best + 1));
    json_object_set_new(root, "epochs", epochs_to_json(h));
    json_object_set_new(root, "seconds", record_number(seconds));
    json_object_set_new(root, "test_loss", record_number(r->test->loss));
    json_object_set_new(root, "test_accuracy", record_number(r->test->accuracy));
    json_object_set_new(
        root, "confusion",
        record_count_table(DIGIT_CLASSES, DIGIT_CLASSES, &r->test->confusion[0][0]));
    json_object_set_new(root, "weights_hash", record_hash(r->weights_hash));
    return root;
}

bool history_write_json(const struct history *h, const struct options *o, const struct results *r)
{
    return record_write(o, to_json(h, o, r));
}
