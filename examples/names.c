/*
 * A network makes up first names.
 *
 * Names have 2 letters or 15, and a batch of them is a rectangle with holes. It is packed instead: the first letters of all names,
 * then the second letters of those that have one, and so on. What is not there costs nothing and cannot be learned from. The first
 * token says whether the name is a woman's or a man's; the network guesses the letters behind it one by one, and the end.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/files.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/progress.h"
#include "common/record.h"
#include "common/report.h"
#include "common/saving.h"
#include "names/list.h"
#include "names/write.h"

enum { EPOCHS = 20, EPOCHS_MAX = 1000 };

static const char *const sexes[] = { "both", "female", "male", NULL };

/* How surprised the network is by the names of a batch: nats a letter, the end included. x (n, longest) and its lengths. */
static ag_tensor surprise(struct net *net, const data_batch *batch)
{
    nn_packed letters = nn_pack_padded(batch->x, batch->x_lengths, true); /* all letters, no padding: (letters) */
    nn_packed targets = nn_pack_padded(batch->y, batch->y_lengths, true); /* in the same order */
    letters.data = nn_forward(net->embed, letters.data);                  /* (letters,EMBEDDED) */
    nn_packed h = nn_rnn_forward_packed(net->gru, letters, NULL);         /* (letters,HIDDEN) */
    return ag_cross_entropy(nn_forward(net->out, h.data), targets.data);
}

static int64_t letters_of(const data_batch *batch)
{
    return (int64_t)ag_item(ag_sum(batch->x_lengths));
}

/* Names of near lengths come in one batch, so that the loader has little to pad. */
static data_loader *new_loader(data_set *set, int64_t batch, bool shuffled, ag_rng *rng)
{
    data_loader_config batches = data_loader_defaults();
    batches.batch = batch;
    batches.sampler = shuffled ? data_sampler_bucketed(0, NULL, 20) : NULL;
    batches.collate = data_collate_pad(0, 0);
    return data_loader_new(data_set_share(set), batches, rng);
}

/* ---- training ------------------------------------------------------------------------------------------------------------ */

/* Bits a letter after each epoch: of the names to learn from (while the weights moved), and of those held out. */
struct course {
    int64_t epochs, counts[1], best;
    double train[EPOCHS_MAX], held_out[EPOCHS_MAX];
    double sum, letters; /* of the epoch that is running */
};

static void course_visit(void *object, ag_state_visitor *v)
{
    struct course *self = object;
    ag_state_series(v, "train", self->train, AG_FLOAT64, &self->epochs, EPOCHS_MAX);
    ag_state_series(v, "held_out", self->held_out, AG_FLOAT64, &self->counts[0], EPOCHS_MAX);
    ag_state_int64_in(v, "best", &self->best, 0, EPOCHS_MAX - 1);
    ag_state_double(v, "sum", &self->sum);
    ag_state_double(v, "letters", &self->letters);
}

static const ag_stateful_type course_type = { sizeof(ag_stateful_type), "course", course_visit };

static double judge(struct net *net, data_loader *loader)
{
    ag_scope scope = { 0 };
    data_batch batch;
    double sum = 0, letters = 0;
    nn_eval(&net->base);
    data_loader_rewind(loader);
    while (data_loader_next(loader, &batch)) {
        ag_begin_no_grad(&scope);
        int64_t n = letters_of(&batch);
        sum += ag_item(surprise(net, &batch)) * (double)n;
        letters += (double)n;
    }
    ag_end(&scope);
    nn_train(&net->base);
    return sum / log(2) / letters;
}

/* The end of an epoch: how good is it, and is it the best so far? */
static bool look(struct net *net, struct net *best, const struct names *names, data_loader *held_out, struct course *c,
                 const struct options *o, double begun)
{
    char line[LINE];
    int64_t e = c->epochs;
    c->train[e] = c->sum / log(2) / c->letters;
    c->held_out[e] = judge(net, held_out);
    c->sum = c->letters = 0;
    if (e == 0 || c->held_out[e] < c->held_out[c->best]) {
        c->best = e;
        nn_copy_state(&best->base, &net->base);
    }
    c->epochs = c->counts[0] = e + 1;
    if (!write_line(net, names, (uint64_t)o->seed + 500, line)) {
        return false;
    }
    printf("%5lld   %8.3f   %8.3f   %5.1f s   %s\n", (long long)e + 1, c->train[e], c->held_out[e], progress_clock() - begun, line);
    fflush(stdout);
    return ag_exit_status() == 0;
}

static bool train(struct net *net, struct net *best, const struct options *o, const struct names *names, ag_rng *rng,
                  struct course *c)
{
    data_loader *loader = new_loader(names->train, o->batch, true, rng), *held_out = new_loader(names->held_out, 256, false, NULL);
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    optim *opt = optim_adam(nn_parameters(&net->base), adam);
    struct saving saving;
    bool good = saving_begin(&saving, o);
    saving_add(&saving, "letters", data_vocabulary_stateful(names->letters));
    saving_add(&saving, "model", nn_stateful(&net->base));
    saving_add(&saving, "best", nn_stateful(&best->base));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "names", data_loader_stateful(loader));
    saving_add(&saving, "course", ag_stateful_make(&course_type, c));
    good = good && saving_resume(&saving);
    if (good && o->from_saved && !saving.resumed) {
        fprintf(stderr, "%s: --from-saved: there is no checkpoint in %s\n", o->program, o->save);
        good = false;
    }
    int64_t epochs = o->from_saved ? 0 : o->epochs;
    if (good && c->epochs < epochs) {
        printf("epoch   training   held out   (bits a letter)   what it writes\n");
    }
    ag_scope step = { 0 };
    while (good && c->epochs < epochs) {
        data_batch batch;
        double begun = progress_clock();
        data_loader_rewind(loader);
        while (good && data_loader_next(loader, &batch)) {
            ag_begin(&step);
            ag_tensor loss = surprise(net, &batch);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_clip_grad_norm(opt, 1);
            optim_step(opt);
            int64_t n = letters_of(&batch);
            c->sum += ag_item(loss) * (double)n;
            c->letters += (double)n;
            if (!isfinite(c->sum)) {
                report_not_finite(o, ag_item(loss), (int)c->epochs + 1, batch.index + 1);
                good = false;
            }
            good = good && ag_exit_status() == 0 && !saving_step(&saving);
        }
        ag_end(&step);
        good = good && ag_exit_status() == 0 && look(net, best, names, held_out, c, o, begun) && !saving_epoch(&saving);
    }
    saving_end(&saving);
    optim_free(opt);
    data_loader_free(held_out);
    data_loader_free(loader);
    return good && ag_exit_status() == 0;
}

static bool draw_course(const struct course *c, double pairs, struct plot_output *out)
{
    double x[EPOCHS_MAX];
    for (int64_t e = 0; e < c->epochs; e++) {
        x[e] = (double)e + 1;
    }
    struct plot *p = plot_new("A GRU learns what names are like");
    struct plot_panel *panel = plot_panel(p, "", "epoch", "bits a letter");
    panel->x.whole = true;
    panel->width = 560;
    plot_line(panel, "names to learn from", c->epochs, x, c->train)->dashed = true;
    plot_line(panel, "names held out", c->epochs, x, c->held_out)->points = true;
    plot_mark(panel, "pairs counted", NAN, pairs);
    plot_mark(panel, "kept", (double)c->best + 1, NAN);
    bool good = plot_save(out, p, "learning-curve");
    plot_free(p);
    return good;
}

/* ---- the program --------------------------------------------------------------------------------------------------------- */

static bool run(const struct options *o, const char *folder, const struct wishes *w)
{
    static struct course course;
    struct names names;
    if (!names_open(&names, o->program, o->path, folder)) {
        names_close(&names);
        return false;
    }
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    struct net *net = net_new(&names);
    nn_init(&net->base, &rng);
    struct net *best = (struct net *)nn_clone(&net->base);
    struct plot_output out = { .program = o->program, .folder = o->pictures, .svg = o->svg };
    json_t *record = record_begin(o);
    double pairs = names_counted(&names);
    printf("%s: %lld names from %s, %lld of them held out; %lld letters\n"
           "embedding and GRU, %lld parameters; %d epochs, batches of %lld, Adam with rate %g, seed %lld, %d threads\n\n",
           o->program, (long long)names.count, names.folder, (long long)data_set_size(names.held_out),
           (long long)data_vocabulary_size(names.letters), (long long)nn_count_parameters(&net->base, false), o->epochs,
           (long long)o->batch, o->lr, (long long)o->seed, ag_threads());
    /* Letters that no name has are a mistake to be told at once. */
    bool good = data_vocabulary_encode(names.letters, w->starts, (int64_t)strlen(w->starts), NULL) >= 0 &&
                train(net, best, o, &names, &rng, &course);
    if (good && course.epochs > 0) {
        printf("\nheld out: %.3f bits a letter after epoch %lld, whose weights are kept (counting pairs of letters: %.3f); "
               "weights %016llx\n", course.held_out[course.best], (long long)course.best + 1, pairs,
               (unsigned long long)nn_hash(&best->base));
        json_object_set_new(record, "train_bits", record_numbers(course.epochs, course.train));
        json_object_set_new(record, "held_out_bits", record_numbers(course.epochs, course.held_out));
        json_object_set_new(record, "pairs_bits", record_number(pairs));
        json_object_set_new(record, "best_epoch", json_integer(course.best + 1));
        json_object_set_new(record, "weights_hash", record_hash(nn_hash(&best->base)));
        good = write_names(best, &names, w, &out, record) && (o->from_saved || draw_course(&course, pairs, &out));
    }
    good = good ? record_write(o, record) : (json_decref(record), false);
    nn_free(&best->base);
    nn_free(&net->base);
    names_close(&names);
    return good && ag_exit_status() == 0;
}

int main(int argc, char **argv)
{
    const char *folder = NULL;
    int sex = 0;
    struct wishes w = { .starts = "", .temperature = 0.8, .count = 20, .tries = 500 };
    const char *starts = NULL;
    const struct own_option own[] = {
        { .name = "data", .argument = "DIR", .kind = OWN_TEXT, .value = &folder,
          .help = "a folder with female.txt and male.txt, a name in each line\n(default: those that come with the source)" },
        { .name = "temperature", .argument = "X", .kind = OWN_REAL, .value = &w.temperature, .low = 0, .high = 100,
          .help = "below 1 what is likely becomes likelier; 0: only the\nlikeliest (default @)" },
        { .name = "starts", .argument = "TEXT", .kind = OWN_TEXT, .value = &starts, .help = "how the names are to begin" },
        { .name = "sex", .argument = "NAME", .kind = OWN_CHOICE, .value = &sex, .choices = sexes,
          .help = "whose names to write: @" },
        { .name = "count", .argument = "N", .kind = OWN_WHOLE, .value = &w.count, .low = 1, .high = 100000,
          .help = "names to write, of each (default @)" },
        { .name = "tries", .argument = "N", .kind = OWN_WHOLE, .value = &w.tries, .low = 0, .high = 100000,
          .help = "names to try each temperature with (default @)" },
        { .name = NULL },
    };
    struct options options = {
        .program = "names",
        .purpose = "A GRU reads first names, letter by letter, and makes up others.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR | OPTION_JSON | OPTION_PICTURES |
                   OPTION_SAVE | OPTION_FROM_SAVED,
        .own = own,
        .epochs = EPOCHS,
        .lr = 3e-3,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    w.starts = starts != NULL ? starts : "";
    w.sex = sex == 0 ? SEXES : sex - 1;
    w.seed = (uint64_t)options.seed;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (options.epochs > EPOCHS_MAX) {
        fprintf(stderr, "%s: --epochs must be at most %d (see --help)\n", options.program, EPOCHS_MAX);
        return 2;
    }
    if (strlen(w.starts) > LONGEST) {
        fprintf(stderr, "%s: --starts has more than %d letters (see --help)\n", options.program, LONGEST);
        return 2;
    }
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    return saving_exit_status(run(&options, folder, &w) && output_standard_flush(options.program));
}
