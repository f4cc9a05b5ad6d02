/*
 * One reduction over strided arrays. Included once for every kind and type with
 *     T element type, Y result type, A accumulator type, NAME function name, START its first value, STEP(acc, x) one step, FINISH(acc, scale) the result.
 *
 * The elements that meet in one result are added in an order that depends on the shape alone: lanes, then fixed chunks.
 */
#define LANES 16
#define BLOCK 256  /* columns at a time */
#define CHUNKS 16

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* n elements with the given stride into one accumulator. */
AG_MULTIVERSION static A JOIN(NAME, _row)(const T *x, int64_t n, int64_t stride)
{
    A lane[LANES];
    for (int l = 0; l < LANES; l++) {
        lane[l] = START;
    }
    int64_t i = 0;
    if (stride == 1) {
        for (; i + LANES <= n; i += LANES) {
            for (int l = 0; l < LANES; l++) {
                A v = (A)x[i + l];
                lane[l] = STEP(lane[l], v);
            }
        }
    }
    for (int l = 0; i < n; i++, l = (l + 1) % LANES) {
        A v = (A)x[i * stride];
        lane[l] = STEP(lane[l], v);
    }
    A total = lane[0];
    for (int l = 1; l < LANES; l++) {
        total = STEP(total, lane[l]);
    }
    return total;
}

/* One more row of `cols` elements into as many accumulators. */
AG_MULTIVERSION static void JOIN(NAME, _columns)(A *acc, const T *x, int64_t cols, int64_t stride)
{
    if (stride == 1) {
        for (int64_t j = 0; j < cols; j++) {
            A v = (A)x[j];
            acc[j] = STEP(acc[j], v);
        }
        return;
    }
    for (int64_t j = 0; j < cols; j++) {
        A v = (A)x[j * stride];
        acc[j] = STEP(acc[j], v);
    }
}

/* The reduced elements number [begin, end) of the columns at x. */
static void JOIN(NAME, _rows)(const struct reduction *r, const T *x, int64_t cols, int64_t stride, int64_t begin,
                              int64_t end, A *acc)
{
    for (int64_t j = 0; j < cols; j++) {
        acc[j] = START;
    }
    for (int64_t i = begin; i < end; i++) {
        JOIN(NAME, _columns)(acc, x + offset_of(r->reduced, r->reduced_size, r->reduced_stride, i), cols, stride);
    }
}

static void NAME(int threads, const struct reduction *r, const void *input, void *output, double scale)
{
    const T *x = input;
    Y *y = output;
    if (r->inner_reduced) {
        /* The last reduced dimension is dense: each result is a sum of rows. */
        int64_t last = r->reduced - 1, n = r->reduced_size[last], step = r->reduced_stride[last];
        int64_t rows = r->reduced_total / (n > 0 ? n : 1);
        int64_t parts = r->kept_total == 1 && rows == 1 && n >= 65536 ? CHUNKS : 1;
        if (parts > 1) {
            A part[CHUNKS];
            K_PARALLEL_FOR(threads, (int64_t c = 0; c < CHUNKS; c++), {
                int64_t begin = n * c / CHUNKS, end = n * (c + 1) / CHUNKS;
                part[c] = JOIN(NAME, _row)(x + begin * step, end - begin, step);
            });
            A total = part[0];
            for (int c = 1; c < CHUNKS; c++) {
                total = STEP(total, part[c]);
            }
            y[0] = FINISH(total, scale);
            return;
        }
        K_PARALLEL_FOR(threads > 1 && r->total >= 65536 ? threads : 1, (int64_t k = 0; k < r->kept_total; k++), {
            const T *base = x + offset_of(r->kept, r->kept_size, r->kept_stride, k);
            A total = START;
            for (int64_t i = 0; i < rows; i++) {
                A row = JOIN(NAME, _row)(base + offset_of(last, r->reduced_size, r->reduced_stride, i), n, step);
                total = STEP(total, row);
            }
            y[k] = FINISH(total, scale);
        });
        return;
    }
    /* The last kept dimension is dense: accumulate whole rows of results. */
    int64_t last = r->kept - 1, cols = r->kept > 0 ? r->kept_size[last] : 1;
    int64_t stride = r->kept > 0 ? r->kept_stride[last] : 1, outer = r->kept_total / (cols > 0 ? cols : 1);
    int64_t blocks = (cols + BLOCK - 1) / BLOCK;
    if (outer * blocks == 1 && r->reduced_total >= 64 && r->total >= 32768) {
        A part[CHUNKS][BLOCK];
        K_PARALLEL_FOR(threads, (int64_t c = 0; c < CHUNKS; c++), {
            JOIN(NAME, _rows)(r, x, cols, stride, r->reduced_total * c / CHUNKS, r->reduced_total * (c + 1) / CHUNKS,
                              part[c]);
        });
        for (int64_t j = 0; j < cols; j++) {
            A total = part[0][j];
            for (int c = 1; c < CHUNKS; c++) {
                total = STEP(total, part[c][j]);
            }
            y[j] = FINISH(total, scale);
        }
        return;
    }
    K_PARALLEL_FOR(threads > 1 && r->total >= 65536 ? threads : 1, (int64_t k = 0; k < outer * blocks; k++), {
        int64_t o = k / blocks, begin = k % blocks * BLOCK;
        int64_t width = cols - begin < BLOCK ? cols - begin : BLOCK;
        A acc[BLOCK];
        const T *base = x + offset_of(last < 0 ? 0 : last, r->kept_size, r->kept_stride, o) + begin * stride;
        JOIN(NAME, _rows)(r, base, width, stride, 0, r->reduced_total, acc);
        for (int64_t j = 0; j < width; j++) {
            y[o * cols + begin + j] = FINISH(acc[j], scale);
        }
    });
}

#undef LANES
#undef BLOCK
#undef CHUNKS
#undef JOIN_
#undef JOIN
#undef T
#undef Y
#undef A
#undef NAME
#undef START
#undef STEP
#undef FINISH
