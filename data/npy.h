/*
 * NumPy's format of one array (numpy.lib.format): a magic number, a version, a Python dictionary as text, the numbers. Internal:
 * not installed. Knows the header, nothing of files and archives.
 */
#ifndef WENGERT_DATA_NPY_H
#define WENGERT_DATA_NPY_H

#include "data/element.h"

struct npy {
    element type;
    ag_shape shape;
    bool fortran;  /* the first dimension runs fastest */
    size_t header; /* bytes before the numbers */
    size_t bytes;  /* of the numbers */
};

enum {
    NPY_START = 12,               /* as many bytes tell how long the header is */
    NPY_LONGEST = 1 << 16,        /* no array of at most 8 dimensions needs a longer header */
    NPY_HEADER = 512              /* room for one that is written */
};

/* Whether these are the bytes that a .npy file begins with. */
bool npy_begins(const unsigned char *bytes, size_t n);
/* How long the header is, from the first bytes, of which `n` are there; 0 with the reason. */
size_t npy_header_length(const unsigned char *bytes, size_t n, char reason[ELEMENT_REASON]);
/* Reads the header, of which all bytes are there. `length`: of header and numbers together, which the header must agree with.
 * False with the reason, which names the byte. */
bool npy_open(struct npy *npy, const unsigned char *bytes, size_t length, char reason[ELEMENT_REASON]);
/* The header of a row-major array; returns its length. The type must have a name in NumPy. */
size_t npy_header(element type, ag_shape shape, char text[NPY_HEADER]);

#endif
