/*
 * One reduction over strided arrays. Included once for every kind and type with
 *     T element type, Y result type, A accumulator type, NAME function name, START its first value, STEP(acc, x) one step, FINISH(acc, scale) the result.
 *
 * The elements that meet in one result are added in an order that depends on the shape alone: lanes, then fixed chunks.
 */
#define LANES 16
#define BLOCK 256  /* columns at a time */
#define CHUNKS 16
#define NARROW 32

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

/* Rows of dense columns that lie `step` apart into as many accumulators. NARROW columns stay in registers over all rows. Fewer columns
 * without gaps between the rows are summed as if several rows were one, and then those together. */
AG_MULTIVERSION static void JOIN(NAME, _dense)(const T *x, int64_t rows, int64_t step, int64_t cols, A *acc)
{
    if (cols < NARROW && step == cols && rows >= 4 * NARROW) {
        A wide[2 * NARROW];
        int64_t together = NARROW / cols + 1, width = together * cols, whole = rows / together;
        for (int64_t j = 0; j < width; j++) {
            wide[j] = START;
        }
        for (int64_t i = 0; i < whole; i++) {
            for (int64_t j = 0; j < width; j++) {
                A v = (A)x[i * width + j];
                wide[j] = STEP(wide[j], v);
            }
        }
        for (int64_t j = 0; j < width; j++) {
            acc[j % cols] = STEP(acc[j % cols], wide[j]);
        }
        x += whole * width;
        rows -= whole * together;
    }
    int64_t j = 0;
    for (; j + NARROW <= cols; j += NARROW) {
        A lane[NARROW];
        for (int l = 0; l < NARROW; l++) {
            lane[l] = acc[j + l];
        }
        for (int64_t i = 0; i < rows; i++) {
            const T *from = x + i * step + j;
            for (int l = 0; l < NARROW; l++) {
                A v = (A)from[l];
                lane[l] = STEP(lane[l], v);
            }
        }
        for (int l = 0; l < NARROW; l++) {
            acc[j + l] = lane[l];
        }
    }
    for (int64_t i = 0; i < rows && j < cols; i++) {
        for (int64_t q = j; q < cols; q++) {
            A v = (A)x[i * step + q];
            acc[q] = STEP(acc[q], v);
        }
    }
}

/* The reduced elements number [begin, end) of the columns at x. */
static void JOIN(NAME, _rows)(const struct reduction *r, const T *x, int64_t cols, int64_t stride, int64_t begin,
                              int64_t end, A *acc)
{
    for (int64_t j = 0; j < cols; j++) {
        acc[j] = START;
    }
    if (stride == 1 && r->reduced == 1) {
        int64_t step = r->reduced_stride[0];
        JOIN(NAME, _dense)(x + begin * step, end - begin, step, cols, acc);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        JOIN(NAME, _columns)(acc, x + offset_of(r->reduced, r->reduced_size, r->reduced_stride, i), cols, stride);
    }
}

/* What the turns of one reduction share, and where the parts of a sum go that is cut into chunks. */
struct JOIN(NAME, _task) {
    const struct reduction *r;
    const T *x;
    Y *y;
    double scale;
    int64_t n, step, rows;                /* of each result, where the dense dimension is reduced */
    int64_t outer, cols, stride, blocks; /* of all results, where it is kept */
    A (*part)[BLOCK];
};

static void JOIN(NAME, _chunk_of_row)(const void *task, int64_t c)
{
    const struct JOIN(NAME, _task) *t = task;
    int64_t begin = t->n * c / CHUNKS, end = t->n * (c + 1) / CHUNKS;
    t->part[c][0] = JOIN(NAME, _row)(t->x + begin * t->step, end - begin, t->step);
}

static void JOIN(NAME, _result)(const void *task, int64_t k)
{
    const struct JOIN(NAME, _task) *t = task;
    const struct reduction *r = t->r;
    const T *base = t->x + offset_of(r->kept, r->kept_size, r->kept_stride, k);
    A total = START;
    for (int64_t i = 0; i < t->rows; i++) {
        A row = JOIN(NAME, _row)(base + offset_of(r->reduced - 1, r->reduced_size, r->reduced_stride, i), t->n, t->step);
        total = STEP(total, row);
    }
    t->y[k] = FINISH(total, t->scale);
}

static void JOIN(NAME, _chunk_of_rows)(const void *task, int64_t c)
{
    const struct JOIN(NAME, _task) *t = task;
    int64_t all = t->r->reduced_total;
    JOIN(NAME, _rows)(t->r, t->x, t->cols, t->stride, all * c / CHUNKS, all * (c + 1) / CHUNKS, t->part[c]);
}

static void JOIN(NAME, _block)(const void *task, int64_t k)
{
    const struct JOIN(NAME, _task) *t = task;
    const struct reduction *r = t->r;
    int64_t o = k / t->blocks, begin = k % t->blocks * BLOCK;
    int64_t width = t->cols - begin < BLOCK ? t->cols - begin : BLOCK;
    A acc[BLOCK];
    const T *base = t->x + offset_of(r->kept > 0 ? r->kept - 1 : 0, r->kept_size, r->kept_stride, o) + begin * t->stride;
    JOIN(NAME, _rows)(r, base, width, t->stride, 0, r->reduced_total, acc);
    for (int64_t j = 0; j < width; j++) {
        t->y[o * t->cols + begin + j] = FINISH(acc[j], t->scale);
    }
}

static void NAME(int threads, const struct reduction *r, const void *input, void *output, double scale)
{
    A part[CHUNKS][BLOCK];
    struct JOIN(NAME, _task) t = { .r = r, .x = input, .y = output, .scale = scale, .part = part };
    int team = r->total < WORTH_A_THREAD ? 1 : threads;
    if (r->inner_reduced) {
        /* The last reduced dimension is dense: each result is a sum of rows. */
        t.n = r->reduced_size[r->reduced - 1];
        t.step = r->reduced_stride[r->reduced - 1];
        t.rows = r->reduced_total / (t.n > 0 ? t.n : 1);
        if (r->kept_total > 1 || t.rows > 1 || t.n < 65536) {
            ag_parallel(team, r->kept_total, JOIN(NAME, _result), &t);
            return;
        }
        ag_parallel(threads, CHUNKS, JOIN(NAME, _chunk_of_row), &t);
        A total = part[0][0];
        for (int c = 1; c < CHUNKS; c++) {
            total = STEP(total, part[c][0]);
        }
        t.y[0] = FINISH(total, scale);
        return;
    }
    /* The last kept dimension is dense: accumulate whole rows of results. */
    t.cols = r->kept > 0 ? r->kept_size[r->kept - 1] : 1;
    t.stride = r->kept > 0 ? r->kept_stride[r->kept - 1] : 1;
    t.outer = r->kept_total / (t.cols > 0 ? t.cols : 1);
    t.blocks = (t.cols + BLOCK - 1) / BLOCK;
    if (t.outer * t.blocks > 1 || r->reduced_total < 64 || r->total < 32768) {
        ag_parallel(team, t.outer * t.blocks, JOIN(NAME, _block), &t);
        return;
    }
    ag_parallel(threads, CHUNKS, JOIN(NAME, _chunk_of_rows), &t);
    for (int64_t j = 0; j < t.cols; j++) {
        A total = part[0][j];
        for (int c = 1; c < CHUNKS; c++) {
            total = STEP(total, part[c][j]);
        }
        t.y[j] = FINISH(total, scale);
    }
}

#undef LANES
#undef BLOCK
#undef CHUNKS
#undef NARROW
#undef JOIN_
#undef JOIN
#undef T
#undef Y
#undef A
#undef NAME
#undef START
#undef STEP
#undef FINISH
