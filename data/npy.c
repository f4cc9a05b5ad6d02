/*
 * The header of NumPy's .npy files, read and written. The dictionary is Python, and only what NumPy itself writes of it is taken:
 * three keys, a text, a truth value, and a tuple of whole numbers.
 */
#include "data/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const unsigned char magic[6] = { 0x93, 'N', 'U', 'M', 'P', 'Y' };

bool npy_begins(const unsigned char *bytes, size_t n)
{
    return n >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

/* Where the dictionary begins: behind a length of 2 bytes in version 1, of 4 in versions 2 and 3. */
static size_t text_begin(const unsigned char *bytes)
{
    return bytes[6] == 1 ? 10 : 12;
}

size_t npy_header_length(const unsigned char *bytes, size_t n, char reason[ELEMENT_REASON])
{
    if (n < 8 || !npy_begins(bytes, n)) {
        element_refuse(reason, "byte 0: is not a .npy file");
        return 0;
    }
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0) {
        element_refuse(reason, "byte 6: version %d.%d of the format is not known", bytes[6],
                       bytes[7]);
        return 0;
    }
    size_t begin = text_begin(bytes);
    if (n < begin) {
        element_refuse(reason, "%zu bytes are too few for a header", n);
        return 0;
    }
    uint64_t length = 0;
    for (size_t i = begin; i > 8; i--) {
        length = length << 8 | bytes[i - 1];
    }
    if (length > NPY_LONGEST) {
        element_refuse(reason, "byte 8: a header of %" PRIu64 " bytes is longer than any that is needed",
                       length);
        return 0;
    }
    return begin + (size_t)length;
}

/* ---- the dictionary -------------------------------------------------------------------------- */

struct parser {
    const unsigned char *bytes;
    size_t at, end;
    char *reason;
};

static bool expected(const struct parser *p, const char *what)
{
    return element_refuse(p->reason, "byte %zu: %s is expected in the header", p->at, what);
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && (p->bytes[p->at] == ' ' || p->bytes[p->at] == '\n')) {
        p->at++;
    }
}

/* Takes the character, if it is the next one. */
static bool take(struct parser *p, char c)
{
    skip_blanks(p);
    bool is = p->at < p->end && p->bytes[p->at] == (unsigned char)c;
    p->at += is;
    return is;
}

static bool take_word(struct parser *p, const char *word)
{
    skip_blanks(p);
    size_t n = strlen(word);
    bool is = p->end - p->at >= n && memcmp(p->bytes + p->at, word, n) == 0;
    p->at += is ? n : 0;
    return is;
}

enum { WORD = 32 };

/* A text between quotes, without escapes, cut to what `text` can hold. */
static bool read_text(struct parser *p, char text[WORD])
{
    skip_blanks(p);
    unsigned char quote = p->at < p->end ? p->bytes[p->at] : 0;
    if (quote != '\'' && quote != '"') {
        return expected(p, "a text");
    }
    size_t begin = ++p->at;
    while (p->at < p->end && p->bytes[p->at] != quote) {
        if (p->bytes[p->at] == '\\') {
            return expected(p, "a text without escapes");
        }
        p->at++;
    }
    if (p->at == p->end) {
        return expected(p, "the end of a text");
    }
    size_t n = p->at++ - begin;
    snprintf(text, WORD, "%.*s", (int)(n < WORD ? n : WORD - 1), (const char *)p->bytes + begin);
    return true;
}

static bool read_size(struct parser *p, int64_t *size)
{
    size_t begin = p->at;
    *size = 0;
    while (p->at < p->end && p->bytes[p->at] >= '0' && p->bytes[p->at] <= '9') {
        int digit = p->bytes[p->at] - '0';
        if (*size > (INT64_MAX - digit) / 10) {
            return element_refuse(p->reason, "byte %zu: shape: a size is larger than can be counted",
                                  begin);
        }
        *size = 10 * *size + digit;
        p->at++;
    }
    if (p->at == begin) {
        return expected(p, "shape: a size from 0");
    }
    if (p->at < p->end && p->bytes[p->at] == 'L') { /* Python 2 wrote long numbers so */
        p->at++;
    }
    return true;
}

static bool read_shape(struct parser *p, ag_shape *shape)
{
    *shape = (ag_shape){ 0 };
    if (!take(p, '(')) {
        return expected(p, "shape: a tuple");
    }
    bool comma = true;
    while (!take(p, ')')) {
        if (!comma) {
            return expected(p, "shape: a comma");
        }
        if (shape->ndim == AG_MAX_DIMS) {
            return element_refuse(p->reason, "byte %zu: shape: has more than %d dimensions", p->at,
                                  AG_MAX_DIMS);
        }
        if (!read_size(p, &shape->size[shape->ndim])) {
            return false;
        }
        shape->ndim++;
        comma = take(p, ',');
    }
    return shape->ndim != 1 || comma || expected(p, "shape: a comma behind its only size");
}

/* What an array of another kind than numbers is, by NumPy's letter. */
static const char *other_kind(char letter)
{
    switch (letter) {
    case 'O':
        return "Python objects, which only Python can read";
    case 'S':
    case 'a':
    case 'U':
        return "texts";
    case 'V':
        return "raw bytes";
    case 'c':
        return "complex numbers";
    case 'm':
    case 'M':
        return "times";
    default:
        return "of a type that is not known";
    }
}

static bool read_type(struct parser *p, element *type)
{
    skip_blanks(p);
    size_t begin = p->at;
    char text[WORD];
    if (take(p, '[')) {
        return element_refuse(p->reason, "byte %zu: descr: the elements are records", begin);
    }
    if (!read_text(p, text)) {
        return false;
    }
    const char *rest = text + (text[0] != '\0' && strchr("<>|=", text[0]) != NULL);
    for (int i = 0; i < ELEMENTS; i++) {
        if (element_types[i].numpy == NULL || strcmp(element_types[i].numpy, rest) != 0) {
            continue;
        }
        if (text[0] == '>' && element_types[i].size > 1) {
            return element_refuse(p->reason,
                                  "byte %zu: descr: %s is byte-swapped: save it with "
                                  "astype('<%s')",
                                  begin, text, rest);
        }
        *type = (element)i;
        return true;
    }
    return element_refuse(p->reason, "byte %zu: descr: %s: the elements are %s", begin, text,
                          other_kind(*rest));
}

static bool read_order(struct parser *p, bool *fortran)
{
    *fortran = take_word(p, "True");
    return *fortran || take_word(p, "False") || expected(p, "fortran_order: True or False");
}

/* The whole dictionary: each key once, no other, and nothing behind it. */
static bool read_dictionary(struct parser *p, struct npy *npy)
{
    static const char *const keys[] = { "descr", "fortran_order", "shape" };
    bool seen[3] = { false };
    if (!take(p, '{')) {
        return expected(p, "{");
    }
    for (bool comma = true; !take(p, '}'); comma = take(p, ',')) {
        char key[WORD];
        if (!comma) {
            return expected(p, "a comma");
        }
        size_t begin = p->at;
        if (!read_text(p, key) || (!take(p, ':') && !expected(p, "a colon"))) {
            return false;
        }
        int k = 0;
        while (k < 3 && strcmp(keys[k], key) != 0) {
            k++;
        }
        if (k == 3 || seen[k]) {
            return element_refuse(p->reason, "byte %zu: the key \"%s\" is %s", begin, key,
                                  k == 3 ? "not known" : "there twice");
        }
        seen[k] = true;
        if (!(k == 0   ? read_type(p, &npy->type)
              : k == 1 ? read_order(p, &npy->fortran)
                       : read_shape(p, &npy->shape))) {
            return false;
        }
    }
    skip_blanks(p);
    if (p->at < p->end) {
        return expected(p, "the end");
    }
    for (int k = 0; k < 3; k++) {
        if (!seen[k]) {
            return element_refuse(p->reason, "the header has no key \"%s\"", keys[k]);
        }
    }
    return true;
}

bool npy_open(struct npy *npy, const unsigned char *bytes, size_t length,
              char reason[ELEMENT_REASON])
{
    *npy = (struct npy){ .header = npy_header_length(bytes, length, reason) };
    if (npy->header == 0) {
        return false;
    }
    if (npy->header > length) {
        return element_refuse(reason, "%zu bytes are too few for a header of %zu", length,
                              npy->header);
    }
    struct parser p = { bytes, text_begin(bytes), npy->header, reason };
    if (!read_dictionary(&p, npy)) {
        return false;
    }
    char shape[AG_SHAPE_TEXT];
    ag_shape_format(npy->shape, shape, sizeof shape);
    if (!element_bytes(npy->type, npy->shape, &npy->bytes)) {
        return element_refuse(reason, "shape: %s has more elements than can be counted", shape);
    }
    size_t there = length - npy->header;
    return there == npy->bytes ||
           element_refuse(reason, "byte %zu: %s of type %s has %zu bytes, but there are %zu",
                          npy->header, shape, element_types[npy->type].numpy, npy->bytes, there);
}

/* ---- writing --------------------------------------------------------------------------------- */

size_t npy_header(element type, ag_shape shape, char text[NPY_HEADER])
{
    char sizes[AG_SHAPE_TEXT];
    size_t used = 0;
    sizes[0] = '\0';
    for (int d = 0; d < shape.ndim; d++) {
        used += (size_t)snprintf(sizes + used, sizeof sizes - used, "%s%" PRId64, d > 0 ? ", " : "",
                                 shape.size[d]);
    }
    const struct element_type *t = &element_types[type];
    size_t n = 10; /* magic, version, length */
    n += (size_t)snprintf(text + n, NPY_HEADER - n,
                          "{'descr': '%c%s', 'fortran_order': False, 'shape': (%s%s), }",
                          t->size > 1 ? '<' : '|', t->numpy, sizes, shape.ndim == 1 ? "," : "");
    size_t padded = (n + 1 + 63) / 64 * 64; /* the numbers are aligned, as NumPy does */
    memset(text + n, ' ', padded - n);
    text[padded - 1] = '\n';
    memcpy(text, magic, sizeof magic);
    text[6] = 1;
    text[7] = 0;
    text[8] = (char)((padded - 10) & 255);
    text[9] = (char)((padded - 10) >> 8);
    return padded;
}
