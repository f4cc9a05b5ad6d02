/*
 * Trains a network of char_lm and leaves behind what another framework needs to train the same: first weights, batches, the text
 * that judges. follow_char_lm.py does, and compares.
 *
 *     follow_char_lm lstm|gpt STEPS RATE FOLDER
 *
 * In FOLDER, which must exist: first.safetensors, batches.bin (STEPS x 32 x 65 bytes, a token each: a window and the token behind
 * it), judge.bin (windows x 65), losses.txt (nats a character: each step's, and a last line with that of the last 5 % of the text).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "data/data.h"

#include "char_lm/corpus.h"
#include "char_lm/net.h"

enum { BATCH = 32, ROW = NET_WINDOW + 1 };

static FILE *create(const char *folder, const char *name, char path[4096])
{
    snprintf(path, 4096, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    return file;
}

/* A window and the token behind it, for each sample of the batch. */
static void put(FILE *file, const data_batch *batch)
{
    static int64_t x[BATCH * NET_WINDOW], y[BATCH * NET_WINDOW];
    ag_read(batch->x, x, batch->n * NET_WINDOW);
    ag_read(batch->y, y, batch->n * NET_WINDOW);
    for (int64_t i = 0; i < batch->n; i++) {
        for (int t = 0; t < NET_WINDOW; t++) {
            fputc((int)x[i * NET_WINDOW + t], file);
        }
        fputc((int)y[i * NET_WINDOW + NET_WINDOW - 1], file);
    }
}

static ag_tensor loss_of(struct net *net, const data_batch *batch)
{
    return ag_cross_entropy(net_scores(net, batch->x), ag_reshape(batch->y, AG_SHAPE(-1)));
}

int main(int argc, char **argv)
{
    struct corpus corpus;
    char path[4096];
    if (argc != 5) {
        fprintf(stderr, "usage: %s lstm|gpt STEPS RATE FOLDER\n", argv[0]);
        return 2;
    }
    int64_t steps = atoll(argv[2]);
    const char *folder = argv[4];
    if (!corpus_open(&corpus, argv[0], argv[0], NULL, NET_WINDOW)) {
        return EXIT_FAILURE;
    }
    ag_rng rng = ag_rng_seed(1);
    struct net *net = net_new(strcmp(argv[1], "gpt") == 0 ? NET_GPT : NET_LSTM, data_vocabulary_size(corpus.letters));
    nn_init(&net->base, &rng);
    snprintf(path, sizeof path, "%s/first.safetensors", folder);
    ag_list *first = nn_state(&net->base);
    data_tensors_save(path, first);
    ag_list_free(first);
    data_loader_config config = data_loader_defaults();
    config.batch = BATCH;
    data_loader *judges = data_loader_new(data_set_share(corpus.validation), config, &rng);
    config.shuffle = config.drop_last = true;
    ag_rng order = ag_rng_split(&rng), again = order;
    data_loader *loader = data_loader_new(data_set_share(corpus.train), config, &order);
    optim *opt = net_optimizer(net, atof(argv[3]));
    data_batch batch;
    ag_scope step = { 0 };

    FILE *file = create(folder, "judge.bin", path);
    while (data_loader_next(judges, &batch)) {
        put(file, &batch);
    }
    fclose(file);

    /* All batches first, so that the other side can begin. */
    file = create(folder, "batches.bin", path);
    for (int64_t i = 0; i < steps && data_loader_next(loader, &batch); i++) {
        put(file, &batch);
    }
    fclose(file);
    data_loader_free(loader);
    loader = data_loader_new(data_set_share(corpus.train), config, &again);

    file = create(folder, "losses.txt", path);
    for (int64_t i = 0; i < steps && data_loader_next(loader, &batch); i++) {
        ag_begin(&step);
        ag_tensor loss = loss_of(net, &batch);
        optim_zero_grad(opt);
        ag_backward(loss);
        optim_step(opt);
        fprintf(file, "%.9g\n", ag_item(loss));
        fflush(file);
    }
    double sum = 0;
    nn_eval(&net->base);
    data_loader_rewind(judges);
    while (data_loader_next(judges, &batch)) {
        ag_begin_no_grad(&step);
        sum += ag_item(loss_of(net, &batch)) * (double)batch.n;
    }
    ag_end(&step);
    fprintf(file, "%.9g\n", sum / (double)data_loader_samples(judges));
    fclose(file);
    printf("%s after %lld steps: %.5f nats a character on the last 5 %% of the text\n", argv[1], (long long)steps,
           sum / (double)data_loader_samples(judges));
    optim_free(opt);
    nn_free(&net->base);
    data_loader_free(loader);
    data_loader_free(judges);
    corpus_close(&corpus);
    return ag_exit_status();
}
