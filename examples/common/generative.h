/*
 * What programs that make pictures up share: layers that halve and double the sides of a picture, the set they learn from, the step
 * that must not be made, and the pictures they write. It must not know how anything is trained.
 */
#ifndef EXAMPLES_COMMON_GENERATIVE_H
#define EXAMPLES_COMMON_GENERATIVE_H

#include "digits.h"
#include "evaluate.h"
#include "nn/nn.h"
#include "plot.h"
#include "saving.h"

/* Convolutions with windows of 4 x 4, stride 2 and padding 1: (n, in, h, w) -> (n, out, h / 2, w / 2), and the other way,
 * (n, in, h, w) -> (n, out, 2 h, 2 w). */
nn_module *half(int64_t in, int64_t out);
nn_module *twice(int64_t in, int64_t out);

/* Where the pictures to learn from lie: MNIST's files, or those of Fashion-MNIST, or PNG files. */
struct generative_source {
    bool clothes;
    const char *pngs; /* a folder; NULL: none */
    bool to_order;    /* pictures of a class that is named will be wanted */
};
/* Opens them as digits_open(), clothes_open() and digits_open_pngs() do. A set of one class is refused, as what is learned from it
 * cannot be told from a failure; but PNG files that are in no folders of classes are welcome, unless a class is to be named. False
 * after an error, which has been printed. */
bool generative_open(struct digits *d, const struct options *o, struct generative_source from, ag_rng *rng);
/* What the pictures of a class are called. */
const char *generative_class(bool clothes, int64_t class);

/* Whether loss and gradient are numbers. If not, the step must not be made: says so, what to try, and which checkpoint is the last
 * good one. `name` says of which network; "": there is only one. */
bool generative_finite(const struct saving *s, const char *name, double loss, double gradient, int64_t epoch, int64_t step);
/* Puts a run back that --resume or --from-saved ask for; the latter wants one. False after an error, which has been printed. */
bool generative_resume(struct saving *s);

/* A figure of pictures of 28 x 28, 0 paper to 1 ink, side by side, `columns` to a row; NULL (and a message) without memory. */
struct plot *generative_plot(const char *program, const char *title, const float *pixels, int64_t n, int columns, double side,
                             const char *note);
/* The same, saved. */
bool generative_save(struct plot_output *out, const char *title, const char *name, const float *pixels, int64_t n, int columns,
                     double side, const char *note);

/* Whether --samples FILE (NULL: none) can be written, said before training begins; prints errors. */
bool generative_possible(const struct options *o, const char *path);
/* Makes n more pictures, (n,1,28,28), from 0 (paper) to 1 (ink); `first` have been made before. Called under no_grad. */
typedef ag_tensor (*generative_maker)(void *user, int64_t first, int64_t n);
/* Writes `count` pictures as bytes, (count,28,28), 0 paper to 255 ink, in NumPy's format; says so. False after an error, which has
 * been printed. */
bool generative_write(const struct options *o, const char *path, int64_t count, generative_maker make, void *user);

#endif
