/*
 * A network learns to write by guessing, character by character, how a text goes on.
 *
 * Nobody tells it what a letter is, a word or a sentence. It reads 64 characters of the Gospels at a time and says of each which is
 * likely to follow; what it is told is how surprised it was. A surprise has a size, in bits: the fewer bits a character, the better
 * the text is known. Then it writes: it guesses, takes its own guess for what it has read, and guesses again.
 *
 * Two networks: an LSTM, which remembers (Hochreiter & Schmidhuber 1997), and a small GPT, which looks back (Radford et al. 2018).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "char_lm/corpus.h"
#include "char_lm/net.h"
#include "char_lm/write.h"
#include "common/evaluate.h"
#include "common/files.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/progress.h"
#include "common/record.h"
#include "common/report.h"
#include "common/saving.h"

enum { EVERY = 250, STEPS_MAX = 250000, LOOKS = STEPS_MAX / EVERY + 1, LINE = 56 };

static const char *const nets[] = { "lstm", "gpt", NULL };

/* Nats to bits. */
static double bits(double nats)
{
    return nats / log(2);
}

/* Bits a character, every 250 steps and at the end: of the training text since the last look, while the weights moved; of the
 * last 5 %. */
struct course {
    int64_t step, looks, counts[2], in_sum;
    double at[LOOKS], train[LOOKS], validation[LOOKS];
    double sum; /* nats since the last look */
};

static void course_visit(void *object, ag_state_visitor *v)
{
    struct course *self = object;
    ag_state_int64_in(v, "step", &self->step, 0, STEPS_MAX);
    ag_state_series(v, "at", self->at, AG_FLOAT64, &self->looks, LOOKS);
    ag_state_series(v, "train", self->train, AG_FLOAT64, &self->counts[0], LOOKS);
    ag_state_series(v, "validation", self->validation, AG_FLOAT64, &self->counts[1], LOOKS);
    ag_state_double(v, "sum", &self->sum);
    ag_state_int64(v, "in_sum", &self->in_sum);
}

static const ag_stateful_type course_type = { sizeof(ag_stateful_type), "course", course_visit };

/* Nats a character over the windows of a loader. */
static double judge(struct net *net, data_loader *loader)
{
    ag_scope scope = { 0 };
    data_batch batch;
    double sum = 0;
    nn_eval(&net->base);
    data_loader_rewind(loader);
    while (data_loader_next(loader, &batch)) {
        ag_begin_no_grad(&scope);
        sum += ag_item(ag_cross_entropy(net_scores(net, batch.x), ag_reshape(batch.y, AG_SHAPE(-1)))) * (double)batch.n;
    }
    ag_end(&scope);
    nn_train(&net->base);
    return sum / (double)data_loader_samples(loader);
}

/* Where the network stands, and a line that it writes. */
static bool look(struct net *net, data_loader *validation, const struct corpus *corpus, struct course *c, double begun)
{
    char line[4 * LINE + 1] = "";
    int64_t i = c->looks;
    c->at[i] = (double)c->step;
    c->train[i] = bits(c->sum / (double)c->in_sum);
    c->validation[i] = bits(judge(net, validation));
    c->looks = c->counts[0] = c->counts[1] = i + 1;
    c->sum = 0;
    c->in_sum = 0;
    bool good = ag_exit_status() == 0 && write_line(net, corpus->letters, LINE, line);
    printf("%5lld   %8.3f   %8.3f   %5.0f s   %s\n", (long long)c->step, c->train[i], c->validation[i], progress_clock() - begun,
           line);
    fflush(stdout);
    return good;
}

static bool train(struct net *net, const struct options *o, const struct corpus *corpus, data_loader *loader, struct course *c)
{
    optim *opt = net_optimizer(net, o->lr);
    data_loader *validation = evaluate_loader(data_set_share(corpus->validation));
    struct saving saving;
    bool good = saving_begin(&saving, o);
    saving_add(&saving, "letters", data_vocabulary_stateful(corpus->letters));
    saving_add(&saving, "model", nn_stateful(&net->base));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "windows", data_loader_stateful(loader));
    saving_add(&saving, "course", ag_stateful_make(&course_type, c));
    good = good && saving_resume(&saving);
    if (good && o->from_saved && !saving.resumed) {
        fprintf(stderr, "%s: --from-saved: there is no checkpoint in %s\n", o->program, o->save);
        good = false;
    }
    int64_t steps = o->from_saved ? 0 : o->steps;
    if (good && c->step < steps) {
        printf(" step   training   last 5 %%   (bits a character)   what it writes\n");
    }
    ag_scope step = { 0 };
    double begun = progress_clock();
    while (good && c->step < steps) {
        data_batch batch;
        if (!data_loader_next(loader, &batch)) {
            data_loader_rewind(loader);
            good = ag_exit_status() == 0;
            continue;
        }
        ag_begin(&step);
        ag_tensor loss = ag_cross_entropy(net_scores(net, batch.x), ag_reshape(batch.y, AG_SHAPE(-1)));
        optim_zero_grad(opt);
        ag_backward(loss);
        optim_step(opt);
        c->sum += ag_item(loss);
        c->in_sum++;
        c->step++;
        if (!isfinite(c->sum)) {
            report_not_finite(o, ag_item(loss), 1, c->step);
            good = false;
        }
        if (good && (c->step % EVERY == 0 || c->step == steps)) {
            good = look(net, validation, corpus, c, begun);
        }
        good = good && ag_exit_status() == 0 && !saving_step(&saving);
    }
    ag_end(&step);
    good = good && (steps == 0 || !saving_epoch(&saving));
    saving_end(&saving);
    data_loader_free(validation);
    optim_free(opt);
    return good && ag_exit_status() == 0;
}

static bool draw(const struct options *o, const struct course *c, double letters, double pairs)
{
    struct plot_output out = { .program = o->program, .folder = o->pictures, .svg = o->svg };
    struct plot *p = plot_new(o->net == NET_LSTM ? "An LSTM learns to write" : "A small GPT learns to write");
    struct plot_panel *panel = plot_panel(p, "", "step", "bits a character");
    panel->width = 620;
    plot_line(panel, "training text", c->looks, c->at, c->train)->dashed = true;
    plot_line(panel, "last 5 %, never trained on", c->looks, c->at, c->validation)->points = true;
    plot_mark(panel, "counting letters", NAN, letters);
    plot_mark(panel, "counting pairs of letters", NAN, pairs);
    panel->y.low = 1.5;
    bool good = plot_save(&out, p, o->net == NET_LSTM ? "lstm-curve" : "gpt-curve");
    plot_free(p);
    return good;
}

static bool run(const struct options *o, const char *path, struct wishes *wishes)
{
    static struct course course;
    struct corpus corpus;
    double letters, pairs;
    if (!corpus_open(&corpus, o->program, o->path, path, NET_WINDOW)) {
        corpus_close(&corpus);
        return false;
    }
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    struct net *net = net_new(o->net, data_vocabulary_size(corpus.letters));
    nn_init(&net->base, &rng);
    data_loader_config batches = data_loader_defaults();
    batches.batch = o->batch;
    batches.shuffle = batches.drop_last = true;
    data_loader *loader = data_loader_new(data_set_share(corpus.train), batches, &rng);
    corpus_counted(&corpus, &letters, &pairs);
    json_t *record = record_begin(o);
    printf("%s: %lld characters of %lld kinds from %s\n"
           "%s, %lld parameters; %d steps, each of %lld windows of %d characters, rate %g, seed %lld, %d threads\n\n",
           o->program, (long long)corpus.characters, (long long)data_vocabulary_size(corpus.letters), corpus.path, nets[o->net],
           (long long)nn_count_parameters(&net->base, false), o->from_saved ? 0 : o->steps, (long long)o->batch, NET_WINDOW, o->lr,
           (long long)o->seed, ag_threads());
    /* A prompt with letters that the text has not is a mistake to be told at once. */
    bool good = data_vocabulary_encode(corpus.letters, wishes->prompt, (int64_t)strlen(wishes->prompt), NULL) > 0 &&
                train(net, o, &corpus, loader, &course);
    if (good && course.looks > 0) {
        int64_t last = course.looks - 1;
        printf("\nlast 5 %%: %.3f bits a character after %lld steps (counting letters: %.3f, pairs of letters: %.3f); "
               "weights %016llx\n",
               course.validation[last], (long long)course.at[last], letters, pairs, (unsigned long long)nn_hash(&net->base));
        json_object_set_new(record, "step", record_numbers(course.looks, course.at));
        json_object_set_new(record, "train_bits", record_numbers(course.looks, course.train));
        json_object_set_new(record, "validation_bits", record_numbers(course.looks, course.validation));
        json_object_set_new(record, "letters_bits", record_number(letters));
        json_object_set_new(record, "pairs_bits", record_number(pairs));
        json_object_set_new(record, "weights_hash", record_hash(nn_hash(&net->base)));
        good = write_texts(net, corpus.letters, wishes, record) && draw(o, &course, letters, pairs);
    }
    good = good ? record_write(o, record) : (json_decref(record), false);
    nn_free(&net->base);
    data_loader_free(loader);
    corpus_close(&corpus);
    return good && ag_exit_status() == 0;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    struct wishes w = { .prompt = "And Jesus said", .temperature = NAN, .length = 300, .top_p = 1 };
    int64_t steps = 0;
    double rate = 0;
    const struct own_option own[] = {
        { .name = "data", .argument = "FILE", .kind = OWN_TEXT, .value = &path,
          .help = "a text of your own, UTF-8, plain or .gz, such as the whole\n"
                  "Bible that examples/fetch_data.sh gets (default: the\nGospels and the Acts, which come with the source)" },
        { .name = "steps", .argument = "N", .kind = OWN_WHOLE, .value = &steps, .low = 1, .high = STEPS_MAX,
          .help = "optimizer steps (default 4000; of the GPT, whose steps take\nnine times as long, 1000)" },
        { .name = "lr", .argument = "X", .kind = OWN_REAL, .value = &rate, .low = 1e-9, .high = 1e9, .same = true,
          .help = "learning rate (default 0.004; of the GPT 0.002)" },
        { .name = "prompt", .argument = "TEXT", .kind = OWN_TEXT, .value = &w.prompt, .help = "what is gone on from (default @)" },
        { .name = "length", .argument = "N", .kind = OWN_WHOLE, .value = &w.length, .low = 1, .high = 1000000,
          .help = "characters to write (default @)" },
        { .name = "temperature", .argument = "X", .kind = OWN_REAL, .value = &w.temperature, .low = 0, .high = 100,
          .help = "below 1 what is likely becomes likelier; 0: only the\nlikeliest (default: 0, 0.5, 0.8 and 1 in turn)" },
        { .name = "top-k", .argument = "N", .kind = OWN_WHOLE, .value = &w.top_k, .low = 0, .high = 1000000,
          .help = "only the N likeliest characters; 0: all (default @)" },
        { .name = "top-p", .argument = "X", .kind = OWN_REAL, .value = &w.top_p, .low = 0.001, .high = 1,
          .help = "only the likeliest that have X of the probability together\n(default @: all)" },
        { .name = "beam", .argument = "N", .kind = OWN_WHOLE, .value = &w.beam, .low = 0, .high = 256,
          .help = "nothing at random: search the likeliest text with N beams" },
        { .name = NULL },
    };
    struct options options = {
        .program = "char_lm",
        .purpose = "Trains a network to guess the next character of a text, and lets it write.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_BATCH | OPTION_JSON | OPTION_PICTURES | OPTION_SAVE | OPTION_NET |
                   OPTION_FROM_SAVED,
        .own = own,
        .batch = 32,
        .nets = nets,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (w.beam > 0 && (!isnan(w.temperature) || w.top_k > 0 || w.top_p < 1)) {
        fprintf(stderr, "%s: --beam leaves nothing to chance: it goes with neither --temperature, --top-k nor --top-p "
                "(see --help)\n", options.program);
        return 2;
    }
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    bool lstm = options.net == NET_LSTM;
    options.steps = steps > 0 ? (int)steps : lstm ? 4000 : 1000;
    rate = options.lr = rate > 0 ? rate : lstm ? 4e-3 : 2e-3;
    w.seed = (uint64_t)options.seed;
    return saving_exit_status(run(&options, path, &w) && output_standard_flush(options.program));
}
