/*
 * The command line of the example programs: one table of options, numbers checked to the last
 * character. It knows nothing about training; a program says which of the options it takes.
 */
#ifndef EXAMPLES_COMMON_OPTIONS_H
#define EXAMPLES_COMMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OPTION_SEED = 1 << 0,
    OPTION_THREADS = 1 << 1,
    OPTION_EPOCHS = 1 << 2,
    OPTION_STEPS = 1 << 3,
    OPTION_BATCH = 1 << 4,
    OPTION_LR = 1 << 5,
    OPTION_DATA = 1 << 6,
    OPTION_JSON = 1 << 7,
    OPTION_PICTURES = 1 << 8,
    OPTION_VALIDATION = 1 << 9,
    OPTION_PATIENCE = 1 << 10,
    OPTION_SHUFFLE_LABELS = 1 << 11,
    OPTION_DOT = 1 << 12,
    OPTION_SAVE = 1 << 13, /* --save, --save-every and --resume */
    OPTION_LABELS = 1 << 14,
    OPTION_CLOTHES = 1 << 15, /* --data is Fashion-MNIST, and --digits MNIST */
    OPTION_NET = 1 << 16,
    OPTION_LATENT = 1 << 17,
    OPTION_BETA = 1 << 18,
    OPTION_FROM_SAVED = 1 << 19,
    OPTION_LOSS = 1 << 20,
    OPTION_ADVERSARY = 1 << 21, /* --conditional, --too-strong, --label-smoothing, --label-noise */
    OPTION_TABLE = 1 << 22, /* --data names a table, not a folder */
    OPTION_WITHOUT = 1 << 23,
    OPTION_PARTS = 1 << 24,
    OPTION_RATES = 1 << 25,
    OPTION_WIDTHS = 1 << 26,
    OPTION_SEEDS = 1 << 27,
    OPTION_IMAGE = 1 << 28,
    OPTION_HTML = 1 << 29,
    OPTION_GRAPH = 1 << 30,

    OPTIONS_CLASSIFIER = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR |
                         OPTION_DATA | OPTION_JSON | OPTION_PICTURES | OPTION_VALIDATION |
                         OPTION_PATIENCE | OPTION_SHUFFLE_LABELS | OPTION_SAVE,
};

enum { LIST_MAX = 32 };

/* Numbers separated by commas. */
struct number_list {
    int count;
    double value[LIST_MAX];
};

/* What an option that one program alone has writes to. */
enum own_kind {
    OWN_SWITCH, /* bool: true if given; it takes no value */
    OWN_WHOLE,  /* int64_t */
    OWN_REAL,   /* double */
    OWN_CHOICE, /* int: index into `choices` */
    OWN_TEXT,   /* const char *: any text but the empty one */
};

/* An option that one program alone has. The program keeps a table of them, ended by a NULL name, and holds the values itself: what
 * they are before options_parse() is the default. */
struct own_option {
    const char *name, *argument; /* --name ARGUMENT; NULL: takes none */
    const char *help;            /* lines separated by '\n'; '@' stands for the default */
    enum own_kind kind;
    void *value;
    double low, high;           /* OWN_WHOLE, OWN_REAL: from low to high, both allowed */
    const char *const *choices; /* OWN_CHOICE: ended by NULL */
    bool same;                  /* a run that is resumed must have the same */
};

struct options {
    const char *program; /* its name, for messages and file names; the caller sets it */
    const char *purpose; /* one or more lines for --help; the caller sets it */
    unsigned accepts;    /* OPTION_… | …; the caller sets it */
    const struct own_option *own; /* NULL, or the program's own; the caller sets it */
    const char *path;    /* argv[0] */
    int64_t seed;        /* default 1 */
    int threads;         /* 0: as many as the library chooses */
    /* The caller may set these five to defaults of its own. */
    int epochs;           /* default 0: digits_usual_epochs() */
    const char *usual_epochs; /* NULL, or the default in words, if it is none of these */
    int steps;            /* default 600 */
    int64_t batch;        /* default 64 */
    double lr;            /* default 1e-3 */
    const char *usual_lr; /* NULL, or the default in words: lr is 0 if none is given, and the program chooses */
    double validation;    /* share of the training files, default 0.05 */
    const char *data;     /* NULL: the embedded sample */
    const char *json;     /* NULL: none is written */
    const char *pictures; /* a folder; NULL: none are drawn */
    bool svg;             /* the pictures are SVG, else PNG */
    int patience;         /* default 3; the caller may set one of its own */
    bool shuffle_labels;
    const char *save;          /* a folder for checkpoints; NULL: nothing is saved */
    int64_t save_every;        /* steps; 0: at the end of an epoch and every few minutes only */
    bool resume;               /* go on from the newest checkpoint in `save` */
    const char *dot;           /* NULL: none is written */
    const char *html;          /* likewise */
    struct number_list rates;  /* learning rates to try; the caller sets the default */
    struct number_list widths; /* of the hidden layer, likewise */
    struct number_list labels; /* how many labelled samples to try, likewise */
    const char *digits;        /* NULL: the embedded sample of MNIST */
    int seeds;                 /* how many seeds, from `seed` on; the caller sets the default */
    const char *image;         /* NULL: the one that comes with the source */
    const char *const *
        nets; /* names of networks to choose from, the default first, ended by NULL; the caller sets them */
    int net; /* which of them */
    const char *const *losses; /* likewise, of losses */
    int loss;
    bool conditional;       /* the class is given to both networks */
    bool too_strong;        /* the discriminator gets every advantage */
    double label_smoothing; /* taken from the target of real pictures; default 0 */
    double label_noise;     /* share of the labels that are turned round; default 0 */
    int64_t
        latent;  /* numbers in a latent vector; the caller may set a default of its own, else 20 */
    double beta; /* weight of the divergence; default 1 */
    bool from_saved;         /* no training: the pictures of the newest checkpoint in `save` */
    const char *without;     /* columns of the table that are left out; NULL: none */
    int parts;               /* how many parts the lesson has; the caller sets it */
    struct number_list part; /* which of them are wanted, from 1; default: all */
};

/* Fills the defaults and then what argv says. Returns -1 if the program should go on, else its exit
 * status: 0 after --help, 2 after a usage error, which has been printed. */
int options_parse(struct options *o, int argc, char **argv);
/* Whether that part of the lesson is wanted. */
bool options_part(const struct options *o, int part);

#endif
