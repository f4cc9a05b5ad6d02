/*
 * The command line of the example programs, read with getopt_long.
 * It must not know what the options are used for.
 */
#define _POSIX_C_SOURCE 200809L

#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/wengert.h>

enum { EXIT_USAGE = 2, GO_ON = -1 };

/* What getopt_long returns: above every character, so that no short option is ever accepted by
 * accident. */
enum key {
    KEY_SEED = 256,
    KEY_THREADS,
    KEY_EPOCHS,
    KEY_STEPS,
    KEY_BATCH,
    KEY_LR,
    KEY_DATA,
    KEY_JSON,
    KEY_PICTURES,
    KEY_NO_PICTURES,
    KEY_SVG,
    KEY_VALIDATION,
    KEY_PATIENCE,
    KEY_SHUFFLE_LABELS,
    KEY_SAVE,
    KEY_SAVE_EVERY,
    KEY_RESUME,
    KEY_DOT,
    KEY_HTML,
    KEY_GRAPH,
    KEY_RATES,
    KEY_WIDTHS,
    KEY_LABELS,
    KEY_DIGITS,
    KEY_SEEDS,
    KEY_IMAGE,
    KEY_NET,
    KEY_LATENT,
    KEY_BETA,
    KEY_FROM_SAVED,
    KEY_LOSS,
    KEY_CONDITIONAL,
    KEY_TOO_STRONG,
    KEY_LABEL_SMOOTHING,
    KEY_LABEL_NOISE,
    KEY_TABLE,
    KEY_WITHOUT,
    KEY_PARTS,
    KEY_HELP,
    KEY_OWN /* the first of the program's own; the others follow */
};

struct entry {
    enum key key;
    unsigned flag; /* OPTION_…; 0: every program takes it */
    const char *name;
    const char *argument; /* NULL: takes none */
    const char *help;     /* lines separated by '\n'; '@' stands for the program's default */
};

static const struct entry entries[] = {
    { KEY_SEED, OPTION_SEED, "seed", "N",
      "of all randomness; same seed, same weights (default 1)" },
    { KEY_THREADS, OPTION_THREADS, "threads", "N",
      "worker threads; the result does not depend on them\n"
      "(default: WENGERT_NUM_THREADS, else all processors)" },
    { KEY_EPOCHS, OPTION_EPOCHS, "epochs", "N",
      "passes over the training samples, at most (default @)" },
    { KEY_STEPS, OPTION_STEPS, "steps", "N", "optimizer steps (default @)" },
    { KEY_BATCH, OPTION_BATCH, "batch", "N", "samples in a batch (default @)" },
    { KEY_LR, OPTION_LR, "lr", "X", "learning rate (default @)" },
    { KEY_DATA, OPTION_DATA, "data", "DIR",
      "folder with MNIST's four files, plain or .gz, as\n"
      "examples/fetch_data.sh gets them (default: $WENGERT_DATA\n"
      "if set, else the sample that comes with the source)" },
    { KEY_NET, OPTION_NET, "net", "NAME", "the network: @" },
    { KEY_LOSS, OPTION_LOSS, "loss", "NAME", "the loss: @" },
    { KEY_CONDITIONAL, OPTION_ADVERSARY, "conditional", NULL, "both networks are told which digit it is" },
    { KEY_LABEL_SMOOTHING, OPTION_ADVERSARY, "label-smoothing", "X",
      "real pictures count as 1 - X, from 0 to below 1 (default 0)" },
    { KEY_LABEL_NOISE, OPTION_ADVERSARY, "label-noise", "SHARE",
      "share of the discriminator's labels that are turned round,\nfrom 0 to 0.5 (default 0)" },
    { KEY_TOO_STRONG, OPTION_ADVERSARY, "too-strong", NULL,
      "what goes wrong when the discriminator is too strong" },
    { KEY_LATENT, OPTION_LATENT, "latent", "N", "numbers in a latent vector (default @)" },
    { KEY_BETA, OPTION_BETA, "beta", "X",
      "weight of the divergence in the loss, 0 or more (default @)" },
    { KEY_VALIDATION, OPTION_VALIDATION, "validation", "SHARE",
      "share of the training digits kept for validation, from 0\n"
      "to below 1; 0: none, and no early stopping (default @)" },
    { KEY_PATIENCE, OPTION_PATIENCE, "patience", "N",
      "stop after N epochs without a better validation; the\n"
      "best weights are restored (default @)" },
    { KEY_SHUFFLE_LABELS, OPTION_SHUFFLE_LABELS, "shuffle-labels", NULL,
      "train on permuted labels: nothing can be learned, and the\n"
      "test accuracy must stay near 10 %" },
    { KEY_JSON, OPTION_JSON, "json", "FILE", "write history and results as JSON" },
    { KEY_PICTURES, OPTION_PICTURES, "pictures", "DIR",
      "folder for the pictures; it is made if need be; pictures\n"
      "of an earlier run of this program are replaced\n"
      "(default wengert-out)" },
    { KEY_NO_PICTURES, OPTION_PICTURES, "no-pictures", NULL, "draw none" },
    { KEY_SVG, OPTION_PICTURES, "svg", NULL, "pictures as SVG, not PNG (animations stay PNG)" },
    { KEY_SAVE, OPTION_SAVE, "save", "DIR",
      "save the run in this folder: after each epoch, every five\n"
      "minutes, and when it is stopped by Ctrl-C or SIGTERM" },
    { KEY_SAVE_EVERY, OPTION_SAVE, "save-every", "N", "also every N steps" },
    { KEY_RESUME, OPTION_SAVE, "resume", NULL,
      "go on where the run in --save was; the result is the same\n"
      "as if it had not been stopped, bit for bit" },
    { KEY_FROM_SAVED, OPTION_FROM_SAVED, "from-saved", NULL,
      "do not train: take the networks that --save holds" },
    { KEY_DOT, OPTION_DOT, "dot", "FILE", "write the first step's tape as a Graphviz drawing" },
    { KEY_HTML, OPTION_HTML, "html", "FILE", "write the tape as a page for a browser" },
    { KEY_GRAPH, OPTION_GRAPH, "graph", "NAME", "the tape: @" },
    { KEY_RATES, OPTION_RATES, "rates", "LIST", "learning rates to try (default @)" },
    { KEY_WIDTHS, OPTION_WIDTHS, "widths", "LIST",
      "widths of the hidden layer to try (default @)" },
    { KEY_LABELS, OPTION_LABELS, "labels", "LIST",
      "how many labelled pictures to try (default @)" },
    { KEY_DATA, OPTION_CLOTHES, "data", "DIR",
      "folder with Fashion-MNIST's four files, plain or .gz, as\n"
      "examples/fetch_data.sh gets them (default: the sample that\n"
      "comes with the source)" },
    { KEY_DIGITS, OPTION_CLOTHES, "digits", "DIR",
      "folder with MNIST's four files, to train on first (default:\n"
      "$WENGERT_DATA if set, else the sample in the source)" },
    { KEY_SEEDS, OPTION_SEEDS, "seeds", "N", "seeds to try each with, from --seed on (default @)" },
    { KEY_IMAGE, OPTION_IMAGE, "image", "FILE",
      "a picture of your own, PNG (default: the photograph that\n"
      "comes with the source)" },
    { KEY_TABLE, OPTION_TABLE, "data", "FILE",
      "a table of your own with the same columns, CSV (default:\n"
      "the one that comes with the source)" },
    { KEY_WITHOUT, OPTION_WITHOUT, "without", "LIST", "columns of the table that are left out" },
    { KEY_PARTS, OPTION_PARTS, "parts", "LIST", "parts of the lesson to run (default @)" },
    { KEY_HELP, 0, "help", NULL, "show this and exit" },
};
enum { ENTRIES = sizeof entries / sizeof entries[0] };

static bool accepted(const struct options *o, const struct entry *e)
{
    return e->flag == 0 || (o->accepts & e->flag) != 0;
}

/* "dense or conv" */
static const char *names_text(const char *const *names, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; names[i] != NULL && used < bytes; i++) {
        const char *between = i == 0 ? "" : names[i + 1] == NULL ? " or " : ", ";
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", between, names[i]);
    }
    return text;
}

static const char *list_text(const struct number_list *list, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < list->count && used < bytes; i++) {
        used +=
            (size_t)snprintf(text + used, bytes - used, "%s%g", i > 0 ? "," : "", list->value[i]);
    }
    return text;
}

/* What stands for '@' in the help of an option. */
static const char *default_of(const struct options *defaults, enum key key, char *text,
                              size_t bytes)
{
    switch (key) {
    case KEY_EPOCHS:
        if (defaults->epochs == 0 && defaults->usual_epochs != NULL) {
            return defaults->usual_epochs;
        }
        if (defaults->epochs == 0) {
            return "5;\n10 when there are fewer than 20000 digits to train on";
        }
        snprintf(text, bytes, "%d", defaults->epochs);
        return text;
    case KEY_STEPS:
        snprintf(text, bytes, "%d", defaults->steps);
        return text;
    case KEY_BATCH:
        snprintf(text, bytes, "%lld", (long long)defaults->batch);
        return text;
    case KEY_LR:
        if (defaults->usual_lr != NULL) {
            return defaults->usual_lr;
        }
        snprintf(text, bytes, "%g", defaults->lr);
        return text;
    case KEY_VALIDATION:
        snprintf(text, bytes, "%g", defaults->validation);
        return text;
    case KEY_GRAPH:
    case KEY_NET:
    case KEY_LOSS: {
        const char *const *names = key == KEY_LOSS ? defaults->losses : defaults->nets;
        size_t used = strlen(names_text(names, text, bytes));
        snprintf(text + used, bytes - used, "%s(default %s)", used > 24 ? "\n" : " ", names[0]);
        return text;
    }
    case KEY_LATENT:
        snprintf(text, bytes, "%lld", (long long)defaults->latent);
        return text;
    case KEY_BETA:
        snprintf(text, bytes, "%g", defaults->beta);
        return text;
    case KEY_PATIENCE:
        snprintf(text, bytes, "%d", defaults->patience);
        return text;
    case KEY_RATES:
        return defaults->rates.count == 0 ? "chosen by the lesson"
                                          : list_text(&defaults->rates, text, bytes);
    case KEY_PARTS:
        return list_text(&defaults->part, text, bytes);
    case KEY_WIDTHS:
        return list_text(&defaults->widths, text, bytes);
    case KEY_LABELS:
        return list_text(&defaults->labels, text, bytes);
    case KEY_SEEDS:
        snprintf(text, bytes, "%d", defaults->seeds);
        return text;
    default:
        return "";
    }
}

/* The help of an option, with the defaults of this program in place. */
static void help_of(const struct options *defaults, const struct entry *e, char *text, size_t bytes)
{
    char number[256];
    const char *at = strchr(e->help, '@');
    if (at == NULL) {
        snprintf(text, bytes, "%s", e->help);
    } else {
        snprintf(text, bytes, "%.*s%s%s", (int)(at - e->help), e->help,
                 default_of(defaults, e->key, number, sizeof number), at + 1);
    }
}

/* The same for an option of the program's own. */
static void help_of_own(const struct own_option *own, char *text, size_t bytes)
{
    char value[256] = "";
    switch (own->kind) {
    case OWN_SWITCH:
        break;
    case OWN_WHOLE:
        snprintf(value, sizeof value, "%lld", (long long)*(const int64_t *)own->value);
        break;
    case OWN_REAL:
        snprintf(value, sizeof value, "%g", *(const double *)own->value);
        break;
    case OWN_CHOICE: {
        size_t used = strlen(names_text(own->choices, value, sizeof value));
        snprintf(value + used, sizeof value - used, "%s(default %s)", used > 24 ? "\n" : " ", own->choices[*(const int *)own->value]);
        break;
    }
    case OWN_TEXT: {
        const char *given = *(const char *const *)own->value;
        snprintf(value, sizeof value, "%s", given ? given : "none");
        break;
    }
    }
    const char *at = strchr(own->help, '@');
    snprintf(text, bytes, "%.*s%s%s", at ? (int)(at - own->help) : (int)strlen(own->help), own->help, at ? value : "", at ? at + 1 : "");
}

/* Its first line stands beside the option, the others below one another. */
static void print_entry(const char *name, const char *argument, const char *help)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", name, argument ? " " : "", argument ? argument : "");
    const char *line = help;
    while (line != NULL) {
        const char *end = strchr(line, '\n');
        int length = end ? (int)(end - line) : (int)strlen(line);
        printf("  %-20s %.*s\n", line == help ? left : "", length, line);
        line = end ? end + 1 : NULL;
    }
}

enum { OWN_MAX = 32 };
/* The help of the program's own options, written before the command line changes the defaults. */
static char own_help[OWN_MAX][512];

static void print_help(const struct options *o)
{
    printf("Usage: %s [OPTION…]\n%s\n\n", o->program, o->purpose);
    for (int i = 0; i < ENTRIES; i++) {
        const struct entry *e = &entries[i];
        if (!accepted(o, e)) {
            continue;
        }
        if (e->key == KEY_HELP) { /* the last one */
            for (int own = 0; o->own != NULL && o->own[own].name != NULL; own++) {
                print_entry(o->own[own].name, o->own[own].argument, own_help[own]);
            }
        }
        char help[512];
        help_of(o, e, help, sizeof help);
        print_entry(e->name, e->argument, help);
    }
    printf("\nExit status: 0 on success, 1 after an error, 2 after a wrong option.\n");
}

static int refuse(const struct options *o, const char *option, const char *value,
                  const char *wanted)
{
    fprintf(stderr, "%s: --%s needs %s, got '%s' (see --help)\n", o->program, option, wanted,
            value);
    return EXIT_USAGE;
}

/* A whole number and nothing else: no blanks, no sign but '-', no hexadecimals. */
static bool read_integer(const char *text, int64_t low, int64_t high, int64_t *out)
{
    if (*text == '\0' || text[strspn(text, "-0123456789")] != '\0') {
        return false;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || value < low || value > high) {
        return false;
    }
    *out = value;
    return true;
}

/* A decimal number and nothing else: the character set keeps out nan, inf and hexadecimals, which
 * strtod would take. */
static bool read_real(const char *text, double *out)
{
    if (*text == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0') {
        return false;
    }
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno != 0 || *end != '\0' || end == text) {
        return false;
    }
    *out = value;
    return true;
}

static int take_integer(const struct options *o, const char *name, const char *value,
                        int64_t low, int64_t high, int64_t *out)
{
    if (read_integer(value, low, high, out)) {
        return GO_ON;
    }
    char wanted[96];
    snprintf(wanted, sizeof wanted, "a whole number from %lld to %lld", (long long)low,
             (long long)high);
    return refuse(o, name, value, wanted);
}

static int take_int(const struct options *o, const char *name, const char *value, int low,
                    int high, int *out)
{
    int64_t wide = 0;
    int status = take_integer(o, name, value, low, high, &wide);
    if (status == GO_ON) {
        *out = (int)wide;
    }
    return status;
}

static int take_path(const struct options *o, const char *name, const char *value,
                     const char **out)
{
    if (*value == '\0') {
        return refuse(o, name, value, "a path");
    }
    *out = value;
    return GO_ON;
}

static int take_name(const struct options *o, const char *name, const char *value,
                     const char *const *names, int *out)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], value) == 0) {
            *out = i;
            return GO_ON;
        }
    }
    char wanted[128];
    return refuse(o, name, value, names_text(names, wanted, sizeof wanted));
}

/* Numbers above 0 with commas between them, whole ones if so wanted. */
static int take_list(const struct options *o, const char *name, const char *value, bool whole,
                     double highest, struct number_list *out)
{
    struct number_list list = { 0 };
    for (const char *from = value;; from++) {
        size_t length = strcspn(from, ",");
        char text[64];
        int64_t integer = 0;
        double real = 0;
        if (length >= sizeof text || list.count == LIST_MAX) {
            break;
        }
        memcpy(text, from, length);
        text[length] = '\0';
        if (whole ? !read_integer(text, 1, (int64_t)highest, &integer)
                  : !read_real(text, &real) || !(real > 0 && real <= highest)) {
            break;
        }
        list.value[list.count++] = whole ? (double)integer : real;
        from += length;
        if (*from == '\0') {
            *out = list;
            return GO_ON;
        }
    }
    char wanted[128];
    snprintf(wanted, sizeof wanted, "1 to %d %s%g, separated by commas", LIST_MAX,
             whole ? "whole numbers from 1 to " : "numbers above 0, up to ", highest);
    return refuse(o, name, value, wanted);
}

static int take(struct options *o, const struct options *defaults, const struct entry *e,
                const char *value)
{
    switch (e->key) {
    case KEY_SEED:
        return take_integer(o, e->name, value, 0, INT64_MAX, &o->seed);
    case KEY_THREADS:
        return take_int(o, e->name, value, 1, 1024, &o->threads);
    case KEY_EPOCHS:
        return take_int(o, e->name, value, 1, 100000, &o->epochs);
    case KEY_STEPS:
        return take_int(o, e->name, value, 1, INT_MAX, &o->steps);
    case KEY_BATCH:
        return take_integer(o, e->name, value, 1, 1000000, &o->batch);
    case KEY_LR:
        if (!read_real(value, &o->lr) || !(o->lr > 0)) {
            return refuse(o, e->name, value, "a number above 0");
        }
        return GO_ON;
    case KEY_VALIDATION:
        if (!read_real(value, &o->validation) || !(o->validation >= 0 && o->validation < 1)) {
            return refuse(o, e->name, value, "a number from 0 to below 1");
        }
        return GO_ON;
    case KEY_PATIENCE:
        return take_int(o, e->name, value, 1, INT_MAX, &o->patience);
    case KEY_DATA:
        return take_path(o, e->name, value, &o->data);
    case KEY_JSON:
        return take_path(o, e->name, value, &o->json);
    case KEY_PICTURES:
        return take_path(o, e->name, value, &o->pictures);
    case KEY_NO_PICTURES:
        o->pictures = NULL;
        return GO_ON;
    case KEY_SVG:
        o->svg = true;
        return GO_ON;
    case KEY_SHUFFLE_LABELS:
        o->shuffle_labels = true;
        return GO_ON;
    case KEY_SAVE:
        return take_path(o, e->name, value, &o->save);
    case KEY_SAVE_EVERY:
        return take_integer(o, e->name, value, 1, INT64_MAX, &o->save_every);
    case KEY_RESUME:
        o->resume = true;
        return GO_ON;
    case KEY_DOT:
        return take_path(o, e->name, value, &o->dot);
    case KEY_HTML:
        return take_path(o, e->name, value, &o->html);
    case KEY_RATES:
        return take_list(o, e->name, value, false, 1e38, &o->rates);
    case KEY_WIDTHS:
        return take_list(o, e->name, value, true, 10000, &o->widths);
    case KEY_LABELS:
        return take_list(o, e->name, value, true, 1e6, &o->labels);
    case KEY_DIGITS:
        return take_path(o, e->name, value, &o->digits);
    case KEY_SEEDS:
        return take_int(o, e->name, value, 1, 100, &o->seeds);
    case KEY_IMAGE:
        return take_path(o, e->name, value, &o->image);
    case KEY_GRAPH:
    case KEY_NET:
        return take_name(o, e->name, value, o->nets, &o->net);
    case KEY_LOSS:
        return take_name(o, e->name, value, o->losses, &o->loss);
    case KEY_CONDITIONAL:
        o->conditional = true;
        return GO_ON;
    case KEY_TOO_STRONG:
        o->too_strong = true;
        return GO_ON;
    case KEY_LABEL_SMOOTHING:
        if (!read_real(value, &o->label_smoothing) ||
            !(o->label_smoothing >= 0 && o->label_smoothing < 1)) {
            return refuse(o, e->name, value, "a number from 0 to below 1");
        }
        return GO_ON;
    case KEY_LABEL_NOISE:
        if (!read_real(value, &o->label_noise) || !(o->label_noise >= 0 && o->label_noise <= 0.5)) {
            return refuse(o, e->name, value, "a number from 0 to 0.5");
        }
        return GO_ON;
    case KEY_LATENT:
        return take_integer(o, e->name, value, 1, 1000, &o->latent);
    case KEY_BETA:
        if (!read_real(value, &o->beta) || !(o->beta >= 0 && o->beta <= 1e6)) {
            return refuse(o, e->name, value, "a number from 0 to 1e6");
        }
        return GO_ON;
    case KEY_FROM_SAVED:
        o->from_saved = true;
        return GO_ON;
    case KEY_TABLE:
        return take_path(o, e->name, value, &o->data);
    case KEY_WITHOUT:
        if (*value == '\0') {
            return refuse(o, e->name, value, "names of columns");
        }
        o->without = value;
        return GO_ON;
    case KEY_PARTS:
        return take_list(o, e->name, value, true, o->parts, &o->part);
    case KEY_HELP:
        print_help(defaults);
        return EXIT_SUCCESS;
    case KEY_OWN:
        break;
    }
    return GO_ON;
}

static int take_own(const struct options *o, const struct own_option *own, const char *value)
{
    double real = 0;
    switch (own->kind) {
    case OWN_SWITCH:
        *(bool *)own->value = true;
        return GO_ON;
    case OWN_WHOLE:
        return take_integer(o, own->name, value, (int64_t)own->low, (int64_t)own->high, own->value);
    case OWN_REAL:
        if (!read_real(value, &real) || !(real >= own->low && real <= own->high)) {
            char wanted[96];
            snprintf(wanted, sizeof wanted, "a number from %g to %g", own->low, own->high);
            return refuse(o, own->name, value, wanted);
        }
        *(double *)own->value = real;
        return GO_ON;
    case OWN_CHOICE:
        return take_name(o, own->name, value, own->choices, own->value);
    case OWN_TEXT:
        if (*value == '\0') {
            return refuse(o, own->name, value, "some text");
        }
        *(const char **)own->value = value;
        return GO_ON;
    }
    return GO_ON;
}

static const struct entry *entry_of(int key)
{
    for (int i = 0; i < ENTRIES; i++) {
        if ((int)entries[i].key == key) {
            return &entries[i];
        }
    }
    return NULL;
}

bool options_part(const struct options *o, int part)
{
    for (int i = 0; i < o->part.count; i++) {
        if ((int)o->part.value[i] == part) {
            return true;
        }
    }
    return false;
}

int options_parse(struct options *o, int argc, char **argv)
{
    o->path = argc > 0 ? argv[0] : "";
    o->seed = 1;
    o->steps = o->steps > 0 ? o->steps : 600;
    o->batch = o->batch > 0 ? o->batch : 64;
    o->lr = o->usual_lr != NULL ? 0 : o->lr > 0 ? o->lr : 1e-3;
    o->pictures = "wengert-out";
    o->validation = o->validation > 0 ? o->validation : 0.05;
    o->patience = o->patience > 0 ? o->patience : 3;
    o->latent = o->latent > 0 ? o->latent : 20;
    o->beta = 1;
    for (int i = 0; i < o->parts; i++) {
        o->part.value[o->part.count++] = i + 1;
    }
    const struct options defaults = *o;

    struct option table[ENTRIES + OWN_MAX + 1] = { { NULL, 0, NULL, 0 } };
    int count = 0;
    int own_count = 0; /* at most OWN_MAX */
    for (const struct own_option *own = o->own; own != NULL && own->name != NULL; own++, own_count++) {
        help_of_own(own, own_help[own_count], sizeof own_help[own_count]);
        table[count++] =
            (struct option){ own->name, own->argument ? required_argument : no_argument, NULL, KEY_OWN + own_count };
    }
    for (int i = 0; i < ENTRIES; i++) {
        if (accepted(o, &entries[i])) {
            int has_argument = entries[i].argument ? required_argument : no_argument;
            table[count++] =
                (struct option){ entries[i].name, has_argument, NULL, (int)entries[i].key };
        }
    }

    opterr = 0;
    for (;;) {
        int key = getopt_long(argc, argv, ":", table, NULL);
        if (key == -1) {
            break;
        }
        if (key == ':') {
            fprintf(stderr, "%s: option '%s' needs a value (see --help)\n", o->program,
                    argv[optind - 1]);
            return EXIT_USAGE;
        }
        if (key >= KEY_OWN) {
            int status = take_own(o, &o->own[key - KEY_OWN], optarg);
            if (status != GO_ON) {
                return status;
            }
            continue;
        }
        const struct entry *e = entry_of(key);
        if (e == NULL) {
            const struct entry *refused = entry_of(optopt);
            const char *name = refused != NULL ? refused->name : optopt >= KEY_OWN ? o->own[optopt - KEY_OWN].name : NULL;
            if (name != NULL) {
                fprintf(stderr, "%s: option '--%s' takes no value (see --help)\n", o->program, name);
            } else if (optopt != 0) { /* a letter, perhaps in the middle of a word */
                fprintf(stderr, "%s: unknown option '-%c' (see --help)\n", o->program, optopt);
            } else {
                fprintf(stderr, "%s: unknown option '%s' (see --help)\n", o->program,
                        argv[optind - 1]);
            }
            return EXIT_USAGE;
        }
        int status = take(o, &defaults, e, optarg);
        if (status != GO_ON) {
            return status;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s' (see --help)\n", o->program, argv[optind]);
        return EXIT_USAGE;
    }
    if (o->save == NULL && (o->resume || o->save_every > 0 || o->from_saved)) {
        fprintf(stderr, "%s: --%s needs --save, the folder of the run (see --help)\n", o->program,
                o->from_saved ? "from-saved"
                : o->resume   ? "resume"
                              : "save-every");
        return EXIT_USAGE;
    }
    o->resume = o->resume || o->from_saved;
    if (ag_machine_remedy() != NULL) {
        fprintf(stderr, "%s: %s\n", o->program, ag_machine_remedy());
    }
    return GO_ON;
}
