/*
 * A file as a run of bytes, plain or compressed with gzip, and what can be wrong with it in words. Knows no format. Internal: not
 * installed.
 *
 *     struct data_reader r = { .where = where, .function = "data_text_read" };
 *     if (data_reader_open(&r, path) == AG_OK) { … data_reader_take() … }
 *     data_reader_close(&r);                                               also after an error
 */
#ifndef WENGERT_DATA_READER_H
#define WENGERT_DATA_READER_H

#include <stdio.h>
#include <zlib.h>

#include "../autograd/autograd.h"

enum data_fault {
    DATA_FAULT_NONE,
    DATA_FAULT_DEVICE,   /* the file cannot be read on; the system says why */
    DATA_FAULT_CUT,      /* the compressed data ends in the middle */
    DATA_FAULT_CORRUPT,  /* the compressed data does not decode or fails its checksum */
    DATA_FAULT_TRAILING, /* something that is not gzip follows the compressed data */
    DATA_FAULT_MEMORY
};

/* The caller sets `where`, `function` and `expected`. */
struct data_reader {
    ag_place where;
    const char *function;
    char *path;
    FILE *file;
    bool compressed, ended; /* ended: the last gzip member is complete and no other follows */
    enum data_fault fault;
    int system_error;
    const char *zlib_says;
    int64_t offset;      /* bytes handed out */
    int64_t expected;    /* bytes that must come, as far as is known; 0: nothing is known */
    int64_t file_offset; /* bytes taken from the file */
    z_stream z;
    unsigned char *in; /* a chunk of the file, of which next.. next + left are not used yet */
    unsigned char *next;
    size_t left;
};

/* If `path` does not exist, `path` with ".gz" is tried. Missing, a directory, empty: an error. */
ag_error data_reader_open(struct data_reader *r, const char *path);
void data_reader_close(struct data_reader *r);
/* Up to n bytes; fewer at the end of the data and after a fault. */
size_t data_reader_take(struct data_reader *r, unsigned char *out, size_t n);
/* Reads on to the end, so that checksums are verified and what is too much is counted. */
void data_reader_drain(struct data_reader *r);
/* Raises what went wrong while reading; AG_OK if nothing did. */
ag_error data_reader_fault(struct data_reader *r);
/* Raises a mistake in the format. In a compressed file corrupt compression may be behind it: then that is said. */
AG_PRINTF(2, 3)
ag_error data_reader_malformed(struct data_reader *r, const char *format, ...);
ag_error data_reader_no_memory(struct data_reader *r, const char *path);

#endif
