/*
 * The smallest program that needs a dynamic graph: a recurrent network learns to add.
 *
 * It reads two numbers bit by bit, the lowest first, as one adds on paper, and says a bit of the sum each time. That something is
 * to be carried to the next bit nobody tells it. The numbers of each batch have another length; the loop over their bits is an
 * ordinary loop in C, and the graph is what this loop did. After training on at most 16 bits it adds numbers of 32.
 */
#include <stdio.h>
#include <stdlib.h>

#include "add/add.h"
#include "common/files.h"
#include "common/saving.h"

/* Two numbers of that many bits. One pair in ten is not for training: whatever the test asks has never been seen. */
static void draw(uint64_t number[2], int bits, bool unseen, ag_rng *rng)
{
    do {
        number[0] = ag_rng_next(rng) >> (64 - bits);
        number[1] = ag_rng_next(rng) >> (64 - bits);
    } while (((number[0] + 3 * number[1]) % 10 == 0) != unseen);
}

/* n sums: x (steps, n, 2) has the bits of both numbers, y (steps, n, 1) those of their sum, which has one more. */
static struct sums make_sums(int64_t n, int bits, bool unseen, ag_rng *rng)
{
    struct sums s = { bits + 1, ag_zeros(AG_SHAPE(bits + 1, n, 2), AG_FLOAT32), ag_zeros(AG_SHAPE(bits + 1, n, 1), AG_FLOAT32) };
    float *x = ag_data_mut(s.x), *y = ag_data_mut(s.y);
    for (int64_t i = 0; i < n && x != NULL && y != NULL; i++) {
        uint64_t number[2];
        draw(number, bits, unseen, rng);
        for (int t = 0; t <= bits; t++) {
            x[(t * n + i) * 2] = (float)(number[0] >> t & 1);
            x[(t * n + i) * 2 + 1] = (float)(number[1] >> t & 1);
            y[t * n + i] = (float)((number[0] + number[1]) >> t & 1);
        }
    }
    return s;
}

/* The network over all steps: the state goes from turn to turn of the loop, and with it everything that is carried.
 * noise: NULL, or draws a little noise that is added to what is carried. A network that is to get it through must keep "carry" and
 * "no carry" far apart, as the two voltages of a wire; without it, a carry that has to wait for many bits may fade.
 * hidden: NULL, or becomes the states (steps, n, HIDDEN). Returns (steps, n, 1), above 0 where the bit is 1. */
static ag_tensor read_bits(struct adder *net, struct sums s, ag_rng *noise, ag_tensor *hidden)
{
    nn_rnn_state state = { 0 };
    ag_tensor h[STEPS], bit[STEPS];
    for (int t = 0; t < s.steps; t++) {
        h[t] = nn_cell_forward(net->cell, ag_select(s.x, 0, t), &state); /* h = tanh(W [x, h] + b) */
        if (noise != NULL) {
            state.h = h[t] = ag_add(h[t], ag_normal(ag_shape_of(h[t]), 0, 0.2, AG_FLOAT32, noise));
        }
        bit[t] = nn_forward(net->out, h[t]);
    }
    if (hidden != NULL) {
        *hidden = ag_stack(s.steps, h, 0);
    }
    return ag_stack(s.steps, bit, 0);
}

static int64_t wrong_bits(ag_tensor bits, ag_tensor y)
{
    return (int64_t)ag_item(ag_sum(ag_ne(ag_gt(bits, ag_scalar(0, AG_FLOAT32)), ag_gt(y, ag_scalar(0.5, AG_FLOAT32)))));
}

static bool train(struct adder *net, const struct options *o, ag_rng *rng)
{
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    optim *opt = optim_adam(nn_parameters(&net->base), adam);
    ag_scope scope = { 0 };
    int64_t step = 0;
    struct saving saving;
    bool good = saving_begin(&saving, o);
    saving_add(&saving, "model", nn_stateful(&net->base));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "numbers", ag_stateful_rng(rng));
    saving_add(&saving, "step", ag_stateful_int64(&step));
    good = good && saving_resume(&saving);
    while (good && step < o->steps) {
        ag_begin(&scope);
        int bits = 1 + (int)ag_rng_below(rng, TRAINED); /* another length, and so another graph, each time */
        struct sums s = make_sums(o->batch, bits, false, rng);
        ag_tensor said = read_bits(net, s, rng, NULL), loss = ag_bce_with_logits(said, s.y);
        optim_zero_grad(opt);
        ag_backward(loss);
        optim_step(opt);
        step++;
        if (step == 1 || step % 200 == 0 || step == o->steps) {
            printf("step %5lld: %2d bits, loss %8.6f, %5.2f %% of the bits wrong\n", (long long)step, bits, ag_item(loss),
                   100.0 * (double)wrong_bits(said, s.y) / (double)ag_numel(s.y));
        }
        good = ag_exit_status() == 0 && !saving_step(&saving);
    }
    good = good && !saving_epoch(&saving);
    ag_end(&scope);
    saving_end(&saving);
    optim_free(opt);
    return good;
}

int main(int argc, char **argv)
{
    struct options options = { .program = "add",
                               .purpose = "A recurrent network learns to add two numbers bit by bit, and then adds longer ones.",
                               .accepts = OPTION_SEED | OPTION_STEPS | OPTION_BATCH | OPTION_LR | OPTION_PICTURES | OPTION_SAVE,
                               .steps = 2000, .batch = 64, .lr = 0.01 };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    ag_rng rng = ag_rng_seed((uint64_t)options.seed), test = ag_rng_seed((uint64_t)options.seed + 1000);
    struct adder *net = adder_new();
    nn_init(&net->base, &rng);
    bool good = train(net, &options, &rng);
    ag_scope scope = { 0 };
    for (int bits = TRAINED; good && bits <= 2 * TRAINED; bits += TRAINED) {
        ag_begin_no_grad(&scope);
        struct sums s = make_sums(10000, bits, true, &test);
        printf("%s10000 sums of %d bits that it has not seen: %lld of %lld bits wrong\n", bits == TRAINED ? "\n" : "", bits,
               (long long)wrong_bits(read_bits(net, s, NULL, NULL), s.y), (long long)ag_numel(s.y));
    }
    if (good && ag_exit_status() == 0) {
        ag_begin_no_grad(&scope);
        ag_tensor hidden, said;
        struct sums one = make_sums(1, TRAINED, true, &test), many = make_sums(500, TRAINED, true, &test);
        read_bits(net, many, NULL, &hidden);
        struct carry_unit unit = carry_find(many, hidden);
        said = read_bits(net, one, NULL, &hidden);
        good = carry_show(&options, one, said, hidden, unit);
    }
    ag_end(&scope);
    nn_free(&net->base);
    good = output_standard_flush(options.program) && good && ag_exit_status() == 0;
    return saving_exit_status(good);
}
