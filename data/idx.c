/*
 * IDX files, plain or compressed with gzip. Knows bytes and files, nothing of samples or batches.
 *
 * The format, all numbers big-endian: two zero bytes, a byte for the element type (0x08: unsigned
 * bytes), a byte for the number of dimensions, four bytes for each size, then the elements in
 * row-major order.
 *
 * Nothing in a file is believed before it is checked: memory grows with the bytes that were really
 * there, never with what a header claims.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/internal.h"
#include "data/reader.h"

enum { UNSIGNED_BYTES = 0x08 };

const char *data_sizes_format(int ndim, const int64_t *size, char text[DATA_SIZES_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (int d = 0; d < ndim; d++) {
        int n = snprintf(text + used, DATA_SIZES_TEXT - used, "%s%" PRId64, d == 0 ? "" : " x ",
                         size[d]);
        if (n < 0 || (size_t)n >= DATA_SIZES_TEXT - used) {
            break;
        }
        used += (size_t)n;
    }
    return text;
}

/* ---- the format ------------------------------------------------------------------------------ */

static const char *element_type(int code)
{
    switch (code) {
    case 0x09:
        return "signed bytes";
    case 0x0b:
        return "16-bit integers";
    case 0x0c:
        return "32-bit integers";
    case 0x0d:
        return "32-bit floats";
    case 0x0e:
        return "64-bit floats";
    default:
        return "unknown";
    }
}

static ag_error read_magic(struct data_reader *r, int *ndim)
{
    unsigned char magic[4];
    size_t got = data_reader_take(r, magic, sizeof magic);
    if (got < sizeof magic) {
        return data_reader_malformed(r, "truncated: an IDX file begins with 4 bytes of header, found %zu", got);
    }
    if (magic[0] != 0 || magic[1] != 0) {
        return data_reader_malformed(r, "not an IDX file: it begins with %02x %02x instead of 00 00", magic[0],
                         magic[1]);
    }
    if (magic[2] != UNSIGNED_BYTES) {
        return data_reader_malformed(r, "byte 2: element type 0x%02x (%s); only 0x08 (unsigned bytes) is read",
                         magic[2], element_type(magic[2]));
    }
    if (magic[3] < 1 || magic[3] > AG_MAX_DIMS) {
        return data_reader_malformed(r, "byte 3: %d dimensions; 1 to %d are read", magic[3], AG_MAX_DIMS);
    }
    *ndim = magic[3];
    return AG_OK;
}

static ag_error read_sizes(struct data_reader *r, data_idx *idx, int64_t *count)
{
    unsigned char bytes[4 * AG_MAX_DIMS];
    size_t need = 4 * (size_t)idx->ndim, got = data_reader_take(r, bytes, need);
    if (got < need) {
        return data_reader_malformed(r, "truncated: a header with %d sizes has %zu bytes, found %zu", idx->ndim,
                         4 + need, 4 + got);
    }
    int64_t limit = (int64_t)(SIZE_MAX / 2) - 4 - (int64_t)need;
    bool fits = true;
    *count = 1;
    for (int d = 0; d < idx->ndim; d++) {
        const unsigned char *b = bytes + 4 * d;
        idx->size[d] =
            (int64_t)((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
        fits = fits && (idx->size[d] == 0 || *count <= limit / idx->size[d]);
        *count = fits ? *count * idx->size[d] : 0;
    }
    if (!fits) {
        char text[DATA_SIZES_TEXT];
        return data_reader_malformed(r, "bytes 4 to %zu: the sizes %s are too large", 3 + need,
                         data_sizes_format(idx->ndim, idx->size, text));
    }
    r->expected = 4 + (int64_t)need + *count;
    return AG_OK;
}

/* The elements: as many as there are, at most `count`. */
static ag_error read_elements(struct data_reader *r, data_idx *idx, int64_t count)
{
    size_t room = count < (1 << 24) ? (size_t)count : 1 << 24, have = 0;
    for (;;) {
        uint8_t *grown = realloc(idx->bytes, room > 0 ? room : 1);
        if (grown == NULL) {
            return data_reader_no_memory(r, r->path);
        }
        idx->bytes = grown;
        have += data_reader_take(r, idx->bytes + have, room - have);
        if (have < room || (int64_t)room == count) {
            break;
        }
        room = (int64_t)room > count - (int64_t)room ? (size_t)count : 2 * room;
    }
    data_reader_drain(r);
    if (r->fault != DATA_FAULT_NONE || r->offset != r->expected) {
        char text[DATA_SIZES_TEXT];
        return data_reader_malformed(
            r, "%s: the header says %s, so %" PRId64 " bytes are expected%s; found %" PRId64,
            r->offset < r->expected ? "truncated" : "longer than its header says",
            data_sizes_format(idx->ndim, idx->size, text), r->expected,
            r->compressed ? " when decompressed" : "", r->offset);
    }
    return AG_OK;
}

ag_error data_idx_load(ag_place where, const char *function, const char *path, data_idx *idx)
{
    memset(idx, 0, sizeof *idx);
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (path == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: the path is NULL", function);
    }
    struct data_reader r = { .where = where, .function = function, .expected = 4 };
    int64_t count = 0;
    ag_error error = data_reader_open(&r, path);
    if (error == AG_OK) {
        error = read_magic(&r, &idx->ndim);
    }
    if (error == AG_OK) {
        error = read_sizes(&r, idx, &count);
    }
    if (error == AG_OK) {
        error = read_elements(&r, idx, count);
    }
    data_reader_close(&r);
    if (error != AG_OK) {
        data_idx_free(idx);
    }
    return error;
}

ag_error data_idx_read_at(ag_place where, const char *path, data_idx *idx)
{
    return data_idx_load(where, "data_idx_read", path, idx);
}

void data_idx_free(data_idx *idx)
{
    if (idx != NULL) {
        free(idx->bytes);
        memset(idx, 0, sizeof *idx);
    }
}
