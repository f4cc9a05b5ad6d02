/*
 * A network writes names: a letter is drawn, read as if it had been there, and the next one drawn, until the end is drawn.
 */
#include "write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/record.h"

enum { EMBEDDED = 32, HIDDEN = 128, TEMPERATURES = 6 };

/* ---- the network --------------------------------------------------------------------------------------------------------- */

static void net_visit(nn_module *m, nn_visitor *v)
{
    struct net *self = (struct net *)m;
    nn_visit_child(v, "embed", &self->embed);
    nn_visit_child(v, "gru", &self->gru);
    nn_visit_child(v, "out", &self->out);
}

static const nn_module_type net_type = {
    .size = sizeof(nn_module_type),
    .name = "Namer",
    .instance_size = sizeof(struct net),
    .visit = net_visit,
};

struct net *net_new(const struct names *names)
{
    struct net *net = (struct net *)nn_module_new(&net_type);
    int64_t kinds = data_vocabulary_size(names->letters);
    nn_rnn_config gru = nn_rnn_defaults(EMBEDDED, HIDDEN);
    gru.batch_first = true;
    net->embed = nn_embedding(kinds + SEXES, EMBEDDED);
    net->gru = nn_gru_with(gru);
    net->out = nn_linear(HIDDEN, kinds);
    return net;
}

/* ---- one name ------------------------------------------------------------------------------------------------------------ */

struct writer {
    struct net *net;
    nn_rnn_state state; /* of all that was read */
};

static ag_tensor next_letter(void *object, ag_tensor tokens)
{
    struct writer *w = object;
    nn_rnn_state s = w->state;
    ag_tensor h = nn_rnn_forward(w->net->gru, nn_forward(w->net->embed, tokens), &s); /* (1,t,HIDDEN) */
    nn_rnn_state_keep(&w->state, s);
    return nn_forward(w->net->out, ag_select(h, 1, -1)); /* (1,letters) */
}

/* text has room for WRITTEN bytes. */
static bool write_name(struct net *net, const struct names *names, int sex, const char *starts, double temperature, ag_rng *rng,
                       char *text)
{
    int64_t tokens[2 * LONGEST + 1] = { names_begin(names, sex) };
    int64_t given = data_vocabulary_encode(names->letters, starts, (int64_t)strlen(starts), tokens + 1);
    struct writer writer = { .net = net };
    nn_token_model model = { .size = sizeof model, .next = next_letter, .state = &writer };
    nn_generation_config config = nn_generation_defaults();
    config.prompt = tokens;
    config.prompt_length = 1 + given;
    config.length = LONGEST;
    config.stop = names->end;
    config.sampling.temperature = temperature;
    int64_t made = given >= 0 ? nn_generate(&model, config, rng, tokens + 1 + given) : -1;
    nn_rnn_state_drop(&writer.state);
    if (made < 0) {
        return false;
    }
    made += given;
    made -= tokens[made] == names->end;
    return data_vocabulary_decode(names->letters, made, tokens + 1, text, WRITTEN) >= 0;
}

bool write_line(struct net *net, const struct names *names, uint64_t seed, char *line)
{
    char text[SEXES][WRITTEN] = { "", "" };
    ag_rng rng = ag_rng_seed(seed);
    bool good = true;
    nn_eval(&net->base);
    for (int sex = 0; good && sex < SEXES; sex++) {
        good = write_name(net, names, sex, "", 0.8, &rng, text[sex]);
    }
    nn_train(&net->base);
    snprintf(line, LINE, "%s, %s", text[FEMALE], text[MALE]);
    return good;
}

/* ---- many names ---------------------------------------------------------------------------------------------------------- */

static bool print_names(struct net *net, const struct names *names, const struct wishes *w, json_t *record)
{
    static const char *const titles[SEXES] = { "female", "male" };
    ag_rng rng = ag_rng_seed(w->seed + 1000);
    bool good = true;
    for (int sex = 0; good && sex < SEXES; sex++) {
        if (w->sex != SEXES && w->sex != sex) {
            continue;
        }
        json_t *list = json_array();
        int column = printf("\n%s, at temperature %g:", titles[sex], w->temperature);
        for (int64_t i = 0; good && i < w->count; i++) {
            char text[WRITTEN];
            good = write_name(net, names, sex, w->starts, w->temperature, &rng, text);
            if (good) {
                int wide = (int)data_text_count(text, (int64_t)strlen(text)) + 3;
                if (column + wide > 78) {
                    printf("\n   ");
                    column = 3;
                }
                enum known known = names_known(names, text);
                printf(" %s%s%s", text, known == NEW ? "" : known == HELD_OUT ? "+" : "*", i + 1 < w->count ? "," : "\n");
                column += wide;
                json_array_append_new(list, json_string(text));
            }
        }
        json_object_set_new(record, titles[sex], list);
    }
    printf("\n    * a name that it learned from; + one that was held out; all others are in no list\n");
    return good;
}

struct tally {
    double learned, held_out, fresh, distinct; /* shares in percent */
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Some names at a temperature. */
static bool tally_names(struct net *net, const struct names *names, const struct wishes *w, double temperature, struct tally *t)
{
    char(*text)[WRITTEN] = calloc((size_t)w->tries, sizeof *text);
    ag_rng rng = ag_rng_seed(w->seed + 2000);
    int64_t count[3] = { 0 }, distinct = 0;
    bool good = text != NULL;
    for (int64_t i = 0; good && i < w->tries; i++) {
        good = write_name(net, names, w->sex == SEXES ? (int)(i % SEXES) : w->sex, w->starts, temperature, &rng, text[i]);
        if (good) {
            count[names_known(names, text[i])]++;
        }
    }
    if (good) {
        qsort(text, (size_t)w->tries, sizeof *text, by_text);
        for (int64_t i = 0; i < w->tries; i++) {
            distinct += i == 0 || strcmp(text[i], text[i - 1]) != 0;
        }
    }
    free(text);
    const double share = 100.0 / (double)w->tries;
    *t = (struct tally){ (double)count[LEARNED] * share, (double)count[HELD_OUT] * share, (double)count[NEW] * share,
                         (double)distinct * share };
    return good;
}

static bool try_temperatures(struct net *net, const struct names *names, const struct wishes *w, struct plot_output *out,
                             json_t *record)
{
    static const double temperatures[TEMPERATURES] = { 0.25, 0.5, 0.75, 1, 1.25, 1.5 };
    double learned[TEMPERATURES], fresh[TEMPERATURES], distinct[TEMPERATURES];
    bool good = true;
    printf("\n%lld names at each temperature:\n\n  temperature   learned   held out     new   different ones\n",
           (long long)w->tries);
    for (int i = 0; good && i < TEMPERATURES; i++) {
        struct tally t;
        good = tally_names(net, names, w, temperatures[i], &t);
        printf("  %11.2f   %5.1f %%    %5.1f %%  %5.1f %%          %5.1f %%\n", temperatures[i], t.learned, t.held_out, t.fresh,
               t.distinct);
        learned[i] = t.learned;
        fresh[i] = t.fresh;
        distinct[i] = t.distinct;
    }
    if (!good) {
        return false;
    }
    json_object_set_new(record, "temperatures", record_numbers(TEMPERATURES, temperatures));
    json_object_set_new(record, "learned", record_numbers(TEMPERATURES, learned));
    json_object_set_new(record, "new", record_numbers(TEMPERATURES, fresh));
    struct plot *p = plot_new("Names that it knows, and names that it makes up");
    struct plot_panel *panel = plot_panel(p, "", "temperature", "% of the names written");
    panel->width = 560;
    panel->y.low = 0;
    panel->y.high = 100;
    plot_line(panel, "in no list: new", TEMPERATURES, temperatures, fresh)->points = true;
    plot_line(panel, "learned by heart", TEMPERATURES, temperatures, learned)->points = true;
    plot_line(panel, "different ones", TEMPERATURES, temperatures, distinct)->dashed = true;
    good = plot_save(out, p, "temperature");
    plot_free(p);
    return good;
}

bool write_names(struct net *net, const struct names *names, const struct wishes *w, struct plot_output *out, json_t *record)
{
    nn_eval(&net->base);
    bool good = print_names(net, names, w, record) && (w->tries == 0 || try_temperatures(net, names, w, out, record));
    nn_train(&net->base);
    return good;
}
