/*
 * Sums of products in index notation, and the two simplest of them. An equation becomes sums, permutations and batched matrix
 * products, so that it runs as fast as these and is derived as these.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "../samples.h"
#include "look.h"
#include "ops.h"

ag_tensor ag_outer_at(ag_place where, ag_tensor a, ag_tensor b)
{
    const ag_value *x = look(where, "ag_outer", a), *y = look(where, "ag_outer", b);
    char ta[AG_SHAPE_TEXT], tb[AG_SHAPE_TEXT];
    if (x == NULL || y == NULL) {
        return AG_NIL;
    }
    if (x->ndim != 1 || y->ndim != 1) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_outer: two vectors are needed, got %s and %s", look_text(x, ta), look_text(y, tb));
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, ag_mul_at(where, ag_unsqueeze_at(where, a, 1), b));
}

ag_tensor ag_dot_at(ag_place where, ag_tensor a, ag_tensor b)
{
    const ag_value *x = look(where, "ag_dot", a), *y = look(where, "ag_dot", b);
    char ta[AG_SHAPE_TEXT], tb[AG_SHAPE_TEXT];
    if (x == NULL || y == NULL) {
        return AG_NIL;
    }
    if (x->ndim != 1 || y->ndim != 1 || x->numel != y->numel) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_dot: two vectors of one length are needed, got %s and %s", look_text(x, ta),
                       look_text(y, tb));
        return AG_NIL;
    }
    return ag_matmul_at(where, a, b);
}

/* ---- einsum --------------------------------------------------------------------------------------------------------------------------------- */

#define LABELS 60 /* 52 letters, then the dimensions that the dots stand for, the last one last */
#define DOTS 52

/* A tensor whose dimensions have labels, each once. */
struct term {
    ag_tensor tensor;
    int n, label[AG_MAX_DIMS];
};

struct equation {
    ag_place where;
    const char *text;
    int dots;             /* dimensions that "..." stands for, at most */
    int count[LABELS];    /* how often a label occurs on the left */
    int64_t size[LABELS]; /* -1: not seen yet; 1 may still grow */
    int outputs, output[AG_MAX_DIMS];
    bool in_output[LABELS];
};

static bool wrong(const struct equation *e, const char *at, const char *what)
{
    ag_error_raise(e->where, AG_ERROR_VALUE, "ag_einsum: \"%s\", position %d: %s", e->text, (int)(at - e->text), what);
    return false;
}

static int label_of(char c)
{
    return c >= 'a' ? c - 'a' : c - 'A' + 26;
}

/* Reads labels up to ',', '-' or the end; "..." is written as -1. Returns how many, -1 after raising. */
static int read_labels(const struct equation *e, const char **at, int *label)
{
    int n = 0;
    bool dots = false;
    for (;; ++*at) {
        char c = **at;
        if (c == '\0' || c == ',' || c == '-') {
            return n;
        }
        if (c == ' ') {
            continue;
        }
        if (n == AG_MAX_DIMS + 1) {
            wrong(e, *at, "more than 8 dimensions");
            return -1;
        }
        if (strncmp(*at, "...", 3) == 0) {
            if (dots) {
                wrong(e, *at, "the dots stand twice");
                return -1;
            }
            dots = true;
            label[n++] = -1;
            *at += 2;
        } else if (isalpha((unsigned char)c) && (unsigned char)c < 128) {
            label[n++] = label_of(c);
        } else {
            wrong(e, *at, "a letter, a comma, dots or an arrow are expected");
            return -1;
        }
    }
}

/* The tensor with labels, dots written out, dimensions that are named twice reduced to their diagonals. */
static bool read_term(struct equation *e, const char *at, int n, const int *label, ag_tensor t, int operand, struct term *term)
{
    char text[AG_SHAPE_TEXT], message[300];
    const ag_value *v = look(e->where, "ag_einsum", t);
    if (v == NULL) {
        return false;
    }
    bool dots = false;
    for (int i = 0; i < n; i++) {
        dots = dots || label[i] < 0;
    }
    int hidden = v->ndim - (n - (dots ? 1 : 0));
    if (hidden < 0 || (hidden > 0 && !dots)) {
        snprintf(message, sizeof(message), "operand %d is %s, which is not what stands here", operand, look_text(v, text));
        return wrong(e, at, message);
    }
    e->dots = hidden > e->dots ? hidden : e->dots;
    term->tensor = t;
    term->n = 0;
    for (int i = 0; i < n; i++) {
        for (int k = 0; label[i] < 0 && k < hidden; k++) {
            term->label[term->n++] = LABELS - hidden + k;
        }
        if (label[i] >= 0) {
            term->label[term->n++] = label[i];
        }
    }
    for (int i = 0; i < term->n; i++) {
        int64_t size = v->size[i], *known = &e->size[term->label[i]];
        if (*known >= 0 && *known != size && *known != 1 && size != 1) {
            snprintf(message, sizeof(message), "operand %d is %s, but a dimension of this label has %lld elements elsewhere",
                     operand, look_text(v, text), (long long)*known);
            return wrong(e, at, message);
        }
        *known = *known < 0 || *known == 1 ? size : *known;
        e->count[term->label[i]]++;
    }
    for (int i = 0; i < term->n; i++) { /* diagonals */
        for (int k = i + 1; k < term->n; k++) {
            if (term->label[i] != term->label[k]) {
                continue;
            }
            ag_shape shape = ag_shape_of(term->tensor);
            if (shape.size[i] != shape.size[k]) {
                snprintf(message, sizeof(message), "operand %d is %s, and one label names dimensions of different lengths", operand,
                         look_text(v, text));
                return wrong(e, at, message);
            }
            int l = term->label[i];
            term->tensor = ag_diagonal_at(e->where, term->tensor, 0, i, k); /* the diagonal comes last */
            memmove(term->label + k, term->label + k + 1, (size_t)(term->n - k - 1) * sizeof(int));
            memmove(term->label + i, term->label + i + 1, (size_t)(term->n - i - 2) * sizeof(int));
            term->n--;
            term->label[term->n - 1] = l;
            i = -1;
            break;
        }
    }
    return true;
}

static bool read_output(struct equation *e, const char *at)
{
    if (*at == '\0') { /* implicit: dots, then the letters that occur once, in the order of A…Z a…z */
        for (int k = 0; k < e->dots; k++) {
            e->output[e->outputs++] = LABELS - e->dots + k;
        }
        for (int i = 0; i < 52; i++) {
            int l = i < 26 ? i + 26 : i - 26;
            if (e->count[l] == 1) {
                if (e->outputs == AG_MAX_DIMS) {
                    return wrong(e, at, "the result would have more than 8 dimensions");
                }
                e->output[e->outputs++] = l;
            }
        }
    } else {
        int label[AG_MAX_DIMS + 1], n;
        if (at[1] != '>') {
            return wrong(e, at, "a letter, a comma, dots or an arrow are expected");
        }
        at += 2;
        const char *begin = at;
        n = read_labels(e, &at, label);
        if (n < 0) {
            return false;
        }
        if (*at != '\0') {
            return wrong(e, at, "the result is one list of labels");
        }
        for (int i = 0; i < n; i++) {
            int many = label[i] < 0 ? e->dots : 1;
            if (e->outputs + many > AG_MAX_DIMS) {
                return wrong(e, begin, "the result would have more than 8 dimensions");
            }
            for (int k = 0; k < many; k++) {
                e->output[e->outputs++] = label[i] < 0 ? LABELS - e->dots + k : label[i];
            }
            if (label[i] >= 0 && e->count[label[i]] == 0) {
                return wrong(e, begin, "a label of the result is not on the left");
            }
        }
    }
    for (int i = 0; i < e->outputs; i++) {
        if (e->in_output[e->output[i]]) {
            return wrong(e, at, "a label stands twice in the result");
        }
        e->in_output[e->output[i]] = true;
    }
    return true;
}

static int find(const struct term *t, int label)
{
    for (int i = 0; i < t->n; i++) {
        if (t->label[i] == label) {
            return i;
        }
    }
    return -1;
}

/* Sums over the dimensions that nobody else has. */
static void sum_out(const struct equation *e, struct term *t, const struct term *rest, int n)
{
    ag_dims dims = {0};
    struct term kept = {.n = 0};
    for (int i = 0; i < t->n; i++) {
        bool needed = e->in_output[t->label[i]];
        for (int k = 0; k < n && !needed; k++) {
            needed = find(&rest[k], t->label[i]) >= 0;
        }
        if (needed) {
            kept.label[kept.n++] = t->label[i];
        } else {
            dims.dim[dims.count++] = i;
        }
    }
    if (dims.count > 0) {
        kept.tensor = ag_sum_dims_at(e->where, t->tensor, dims, false);
        *t = kept;
    }
}

/* t with its dimensions in groups, each label where it is listed, as a tensor of three dimensions; lengths of 1 that stand for
 * more are expanded. */
static ag_tensor grouped(const struct equation *e, const struct term *t, const int *count, int *const *group)
{
    ag_dims order = {0};
    ag_shape full = {0};
    int64_t length[3] = {1, 1, 1};
    for (int g = 0; g < 3; g++) {
        for (int i = 0; i < count[g]; i++) {
            order.dim[order.count++] = find(t, group[g][i]);
            full.size[full.ndim++] = e->size[group[g][i]];
            length[g] *= e->size[group[g][i]];
        }
    }
    ag_tensor x = ag_expand_at(e->where, ag_permute_at(e->where, t->tensor, order), full);
    return ag_reshape_at(e->where, x, AG_SHAPE(length[0], length[1], length[2]));
}

/* a and b joined: labels in both that are needed later are a batch, those that are not are summed over. */
static bool contract(const struct equation *e, struct term *a, const struct term *b, const struct term *rest, int n)
{
    int batch[AG_MAX_DIMS], left[AG_MAX_DIMS], right[AG_MAX_DIMS], inner[AG_MAX_DIMS], nb = 0, nl = 0, nr = 0, ni = 0;
    for (int i = 0; i < a->n; i++) {
        int l = a->label[i];
        bool needed = e->in_output[l];
        for (int k = 0; k < n && !needed; k++) {
            needed = find(&rest[k], l) >= 0;
        }
        if (find(b, l) < 0) {
            left[nl++] = l;
        } else if (needed) {
            batch[nb++] = l;
        } else {
            inner[ni++] = l;
        }
    }
    for (int i = 0; i < b->n; i++) {
        if (find(a, b->label[i]) < 0) {
            right[nr++] = b->label[i];
        }
    }
    if (nb + nl + nr > AG_MAX_DIMS) {
        return wrong(e, e->text, "a product on the way would have more than 8 dimensions");
    }
    ag_tensor x = grouped(e, a, (int[]){nb, nl, ni}, (int *[]){batch, left, inner});
    ag_tensor y = grouped(e, b, (int[]){nb, ni, nr}, (int *[]){batch, inner, right});
    struct term t = {.tensor = ag_matmul_at(e->where, x, y)};
    ag_shape shape = {0};
    for (int i = 0; i < nb + nl + nr; i++) {
        t.label[t.n] = i < nb ? batch[i] : i < nb + nl ? left[i - nb] : right[i - nb - nl];
        shape.size[shape.ndim++] = e->size[t.label[t.n++]];
    }
    t.tensor = ag_reshape_at(e->where, t.tensor, shape);
    *a = t;
    return ag_error_code() == AG_OK;
}

#define OPERANDS 16

static ag_tensor evaluate(struct equation *e, int n, const ag_tensor *operands)
{
    struct term term[OPERANDS];
    const char *at = e->text;
    for (int i = 0; i < n; i++) {
        int label[AG_MAX_DIMS + 1];
        const char *begin = at;
        int count = read_labels(e, &at, label);
        if (count < 0 || !read_term(e, begin, count, label, operands[i], i, &term[i])) {
            return AG_NIL;
        }
        if (i + 1 < n && *at++ != ',') {
            wrong(e, at - 1, "there are more operands than lists of labels");
            return AG_NIL;
        }
    }
    if (*at == ',') {
        wrong(e, at, "there are more lists of labels than operands");
        return AG_NIL;
    }
    if (!read_output(e, at)) {
        return AG_NIL;
    }
    sum_out(e, &term[0], term + 1, n - 1);
    for (int i = 1; i < n && ag_error_code() == AG_OK; i++) {
        struct term others[OPERANDS];
        others[0] = term[0];
        memcpy(others + 1, term + i + 1, (size_t)(n - i - 1) * sizeof(*term));
        sum_out(e, &term[i], others, n - i);
        if (!contract(e, &term[0], &term[i], term + i + 1, n - i - 1)) {
            return AG_NIL;
        }
    }
    ag_dims order = {.count = e->outputs};
    ag_shape shape = {.ndim = e->outputs};
    for (int i = 0; i < e->outputs; i++) {
        order.dim[i] = find(&term[0], e->output[i]);
        shape.size[i] = e->size[e->output[i]];
    }
    return ag_error_code() != AG_OK ? AG_NIL : ag_expand_at(e->where, ag_permute_at(e->where, term[0].tensor, order), shape);
}

ag_tensor ag_einsum_at(ag_place where, const char *equation, int n, const ag_tensor *operands)
{
    struct equation e = {.where = where, .text = equation};
    for (int i = 0; i < LABELS; i++) {
        e.size[i] = -1;
    }
    if (ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    if (equation == NULL || operands == NULL || n < 1 || n > OPERANDS) {
        ag_error_raise(where, AG_ERROR_VALUE, equation == NULL || operands == NULL ? "ag_einsum: the %s NULL" :
                       "ag_einsum: %s needs one to 16 operands", equation == NULL ? "equation is" : operands == NULL ?
                       "operands are" : equation);
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, evaluate(&e, n, operands));
}

#ifdef WENGERT_SAMPLES
static ag_tensor einsum2(const char *equation, ag_tensor a, ag_tensor b)
{
    return ag_einsum(equation, 2, (const ag_tensor[]){a, b});
}

static ag_tensor einsum1(const char *equation, ag_tensor a)
{
    return ag_einsum(equation, 1, &a);
}

#define A(...) sample_float(s, "a", AG_SHAPE(__VA_ARGS__))
#define B(...) sample_float(s, "b", AG_SHAPE(__VA_ARGS__))

AG_SAMPLES_OF_FUNCTION(outer)
{
    SAMPLE("torch.outer(a, b)") {
        sample_result(s, ag_outer(A(3), B(4)));
    }
    SAMPLE("torch.dot(a, b)") {
        sample_result(s, ag_dot(A(4), B(4)));
    }
    SAMPLE("torch.dot(a, b)  # of nothing") {
        sample_result(s, ag_dot(A(0), B(0)));
    }
    REFUSES("ag_outer: two vectors are needed, got (3) and (2,2)") {
        ag_outer(A(3), B(2, 2));
    }
    REFUSES("ag_dot: two vectors of one length are needed, got (3) and (4)") {
        ag_dot(A(3), B(4));
    }
}
AG_SAMPLES_OF_FUNCTION(einsum)
{
    SAMPLE("torch.einsum('ij,jk->ik', a, b)") {
        sample_result(s, einsum2("ij,jk->ik", A(2, 3), B(3, 4)));
    }
    SAMPLE("torch.einsum('ij,jk', a, b)") {
        sample_result(s, einsum2(" ij , jk ", A(2, 3), B(3, 4)));
    }
    SAMPLE("torch.einsum('bij,bjk->bki', a, b)") {
        sample_result(s, einsum2("bij,bjk->bki", A(2, 3, 4), B(2, 4, 2)));
    }
    SAMPLE("torch.einsum('bhqd,bhkd->bhqk', a, b)") {
        sample_result(s, einsum2("bhqd,bhkd->bhqk", A(2, 2, 3, 2), B(2, 2, 4, 2)));
    }
    SAMPLE("torch.einsum('i,j->ji', a, b)") {
        sample_result(s, einsum2("i,j->ji", A(3), B(4)));
    }
    SAMPLE("torch.einsum('ij->', a)") {
        sample_result(s, einsum1("ij->", A(3, 4)));
    }
    SAMPLE("torch.einsum('ji', a)") {
        sample_result(s, einsum1("ji", A(3, 4)));
    }
    SAMPLE("torch.einsum('ii', a)") {
        sample_result(s, einsum1("ii", A(3, 3)));
    }
    SAMPLE("torch.einsum('iji->ji', a)") {
        sample_result(s, einsum1("iji->ji", A(3, 2, 3)));
    }
    SAMPLE("torch.einsum('iii->i', a)") {
        sample_result(s, einsum1("iii->i", A(3, 3, 3)));
    }
    SAMPLE("torch.einsum('...ij,...jk->...ik', a, b)") {
        sample_result(s, einsum2("...ij,...jk->...ik", A(2, 1, 3, 2), B(4, 2, 3)));
    }
    SAMPLE("torch.einsum('...i,i', a, b)") {
        sample_result(s, einsum2("...i,i", A(2, 3, 4), B(4)));
    }
    SAMPLE("torch.einsum('i...->...', a)") {
        sample_result(s, einsum1("i...->...", A(2, 3, 4)));
    }
    SAMPLE("torch.einsum('Ab,bA->Ab', a, b)") {
        sample_result(s, einsum2("Ab,bA->Ab", A(2, 3), B(3, 2)));
    }
    SAMPLE("torch.einsum('ik,jkl,il->ij', a, b, a[:, :2])") {
        ag_tensor a = A(2, 3), b = B(4, 3, 2);
        sample_result(s, ag_einsum("ik,jkl,il->ij", 3, (const ag_tensor[]){a, b, ag_slice(a, 1, 0, 2, 1)}));
    }
    SAMPLE("torch.einsum('ij,kl->', a, b)") {
        sample_result(s, einsum2("ij,kl->", A(2, 3), B(3, 2)));
    }
    SAMPLE("torch.einsum('ij,ij->i', a, b)  # nothing to sum") {
        sample_result(s, einsum2("ij,ij->i", A(2, 0), B(2, 0)));
    }
    REFUSES("ag_einsum: \"ij,jk->ik\", position 3: operand 1 is (4,2), but a dimension of this label has 3 elements elsewhere") {
        einsum2("ij,jk->ik", A(2, 3), B(4, 2));
    }
    REFUSES("ag_einsum: \"ij->ik\", position 4: a label of the result is not on the left") {
        einsum1("ij->ik", A(2, 3));
    }
    REFUSES("ag_einsum: \"ij->ii\", position 6: a label stands twice in the result") {
        einsum1("ij->ii", A(2, 3));
    }
    REFUSES("ag_einsum: \"i1\", position 1: a letter, a comma, dots or an arrow are expected") {
        einsum1("i1", A(2, 3));
    }
    REFUSES("ag_einsum: \"ij-i\", position 2: a letter, a comma, dots or an arrow are expected") {
        einsum1("ij-i", A(2, 3));
    }
    REFUSES("ag_einsum: \"ijk\", position 0: operand 0 is (2,3), which is not what stands here") {
        einsum1("ijk", A(2, 3));
    }
    REFUSES("ag_einsum: \"ij,jk\", position 2: there are more lists of labels than operands") {
        einsum1("ij,jk", A(2, 3));
    }
    REFUSES("ag_einsum: \"ij\", position 2: there are more operands than lists of labels") {
        einsum2("ij", A(2, 3), B(2, 3));
    }
    REFUSES("ag_einsum: \"ii\", position 0: operand 0 is (2,3), but a dimension of this label has 2 elements elsewhere") {
        einsum1("ii", A(2, 3));
    }
    REFUSES("ag_einsum: \"...i...\", position 4: the dots stand twice") {
        einsum1("...i...", A(2, 3));
    }
    REFUSES("ag_einsum: the equation is NULL") {
        einsum1(NULL, A(2, 3));
    }
}
#undef A
#undef B
#endif
