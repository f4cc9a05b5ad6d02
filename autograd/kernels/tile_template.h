/*
 * The register tile for one instruction set and element type; included by tile.c only, once for
 * each, with
 *
 *   TILE(name)             the name of a function of this version
 *   TILE_TARGET            its target attribute
 *   T, VECTOR, LANES       element, vector, elements of a vector
 *   ROWS, VECTORS          the largest register tile
 *   LOAD, STORE, SET, FMA  unaligned load and store, broadcast, a b + c
 *   LOAD_PART, STORE_PART  the first `count` elements only (the others load as 0)
 */

/* What a register tile asks for on the way, since it is read soon: nothing, a line of each row from an address on, or the next tile's
 * rows of A, a line at a time. */
enum TILE(errand) { TILE(NONE), TILE(COMING), TILE(NEXT) };

/* Rows `mr`, vectors `nv` and the errand are constants in every call, so that the accumulators become
 * registers. */
TILE_TARGET static AG_ALWAYS_INLINE void TILE(block)(const int mr, const int nv, const enum TILE(errand) errand, const k_tile *t,
                                                     const T *const *a, T *const *c, int64_t tail, uintptr_t coming,
                                                     int64_t coming_step)
{
    const T *row[ROWS];
    VECTOR sum[ROWS][VECTORS];
    AG_UNROLL
    for (int i = 0; i < mr; i++) {
        row[i] = a[i] + t->a_offset;
        AG_OPAQUE(row[i]);
    }
    if (t->accumulate) {
        AG_UNROLL
        for (int i = 0; i < mr; i++) {
            const T *from = c[i] + t->c_offset;
            AG_UNROLL
            for (int j = 0; j < nv - 1; j++) {
                sum[i][j] = LOAD(from + j * LANES);
            }
            sum[i][nv - 1] = LOAD_PART(from + (nv - 1) * LANES, tail);
        }
    } else if (t->bias != NULL) {
        const T *bias = t->bias;
        AG_UNROLL
        for (int j = 0; j < nv; j++) {
            VECTOR v = j < nv - 1 ? LOAD(bias + j * LANES) : LOAD_PART(bias + j * LANES, tail);
            AG_UNROLL
            for (int i = 0; i < mr; i++) {
                sum[i][j] = v;
            }
        }
    } else {
        AG_UNROLL
        for (int i = 0; i < mr; i++) {
            AG_UNROLL
            for (int j = 0; j < nv; j++) {
                sum[i][j] = SET((T)0);
            }
        }
    }
    if (!t->accumulate) { /* written at the end; by then the lines are there */
        AG_UNROLL
        for (int i = 0; i < mr; i++) {
            AG_UNROLL
            for (int j = 0; j < nv; j++) {
                __builtin_prefetch(c[i] + t->c_offset + j * LANES, 1);
            }
        }
    }
    const T *b = t->b;
    const int64_t *step = t->step;
    int64_t ldb = t->ldb;
    /* A panel of one vector has too few chains to hide the latency of a sum: odd k get chains of
     * their own. */
    VECTOR odd[ROWS];
    if (nv == 1) {
        AG_UNROLL
        for (int i = 0; i < mr; i++) {
            odd[i] = SET((T)0);
        }
    }
    int64_t k = t->k;
    for (; k >= 2; k -= 2) {
        if (errand == TILE(COMING)) {
            __builtin_prefetch((const void *)coming, 0, 2);
            __builtin_prefetch((const void *)(coming + (uintptr_t)coming_step), 0, 2);
            coming += 2 * (uintptr_t)coming_step;
        }
        if (errand == TILE(NEXT) && (t->k - k) % (K_LINE / (int64_t)sizeof(T)) == 0) {
            AG_UNROLL
            for (int i = 0; i < mr; i++) {
                __builtin_prefetch(a[mr + i] + t->a_offset + step[0], 0, 2);
            }
        }
        VECTOR right[2][VECTORS];
        int64_t at[2] = { step[0], step[1] };
        AG_UNROLL
        for (int j = 0; j < nv; j++) {
            right[0][j] = LOAD(b + j * LANES);
            right[1][j] = LOAD(b + ldb + j * LANES);
        }
        AG_UNROLL
        for (int u = 0; u < 2; u++) {
            AG_UNROLL
            for (int i = 0; i < mr; i++) {
                VECTOR left = SET(row[i][at[u]]);
                AG_UNROLL
                for (int j = 0; j < nv; j++) {
                    if (nv == 1 && u == 1) {
                        odd[i] = FMA(left, right[u][j], odd[i]);
                    } else {
                        sum[i][j] = FMA(left, right[u][j], sum[i][j]);
                    }
                }
            }
        }
        step += 2;
        b += 2 * ldb;
    }
    if (k > 0) {
        int64_t at = *step;
        AG_UNROLL
        for (int i = 0; i < mr; i++) {
            VECTOR left = SET(row[i][at]);
            AG_UNROLL
            for (int j = 0; j < nv; j++) {
                sum[i][j] = FMA(left, LOAD(b + j * LANES), sum[i][j]);
            }
        }
    }
    if (nv == 1) {
        AG_UNROLL
        for (int i = 0; i < mr; i++) {
            sum[i][0] = sum[i][0] + odd[i];
        }
    }
    AG_UNROLL
    for (int i = 0; i < mr; i++) {
        T *to = c[i] + t->c_offset;
        AG_UNROLL
        for (int j = 0; j < nv - 1; j++) {
            STORE(to + j * LANES, sum[i][j]);
        }
        if (tail == LANES) {
            STORE(to + (nv - 1) * LANES, sum[i][nv - 1]);
        } else {
            STORE_PART(to + (nv - 1) * LANES, sum[i][nv - 1], tail);
        }
    }
}

/* Whole register tiles first … end of a panel of `nv` vectors; with COMING they ask for x, a line of it each. */
TILE_TARGET static AG_ALWAYS_INLINE void TILE(whole)(const int nv, const enum TILE(errand) errand, const k_tile *t, int64_t first,
                                                     int64_t end, const k_coming *x)
{
    const T *const *a = (const T *const *)t->a + first * ROWS;
    T *const *c = (T *const *)t->c + first * ROWS;
    int64_t tail = t->n - (nv - 1) * LANES;
    for (int64_t i = 0; i < end - first; i++) {
        TILE(block)(ROWS, nv, errand, t, a, c, tail, errand == TILE(COMING) ? x->at + (uintptr_t)(i * K_LINE) : 0,
                    errand == TILE(COMING) ? x->step : 0);
        a += ROWS;
        c += ROWS;
    }
}

/* The rows from `first` on: less than two tiles. Two of nearly equal height end the column better than a whole one and a sliver. */
TILE_TARGET static AG_ALWAYS_INLINE void TILE(rest)(const int nv, const k_tile *t, int64_t first)
{
    const T *const *a = (const T *const *)t->a + first;
    T *const *c = (T *const *)t->c + first;
    int64_t tail = t->n - (nv - 1) * LANES, m = t->m - first;
    while (m > 0) {
        int64_t now = m > ROWS ? (m + 1) / 2 : m;
        switch (now) {
#if ROWS >= 8
        case 8:
            TILE(block)(8, nv, TILE(NONE), t, a, c, tail, 0, 0);
            break;
        case 7:
            TILE(block)(7, nv, TILE(NONE), t, a, c, tail, 0, 0);
            break;
#endif
#if ROWS >= 6
        case 6:
            TILE(block)(6, nv, TILE(NONE), t, a, c, tail, 0, 0);
            break;
        case 5:
            TILE(block)(5, nv, TILE(NONE), t, a, c, tail, 0, 0);
            break;
#endif
        case 4:
            TILE(block)(4, nv, TILE(NONE), t, a, c, tail, 0, 0);
            break;
        case 3:
            TILE(block)(3, nv, TILE(NONE), t, a, c, tail, 0, 0);
            break;
        case 2:
            TILE(block)(2, nv, TILE(NONE), t, a, c, tail, 0, 0);
            break;
        default:
            TILE(block)(1, nv, TILE(NONE), t, a, c, tail, 0, 0);
            break;
        }
        a += now;
        c += now;
        m -= now;
    }
}

struct TILE(panel) {
    void (*whole[3])(const k_tile *t, int64_t first, int64_t end, const k_coming *x); /* by errand */
    void (*rest)(const k_tile *t, int64_t first);
};

/* Each errand has a function of its own: in one function of all, compilers find worse registers for the loops. */
#define TILE_PANEL(nv)                                                                                                         \
    TILE_TARGET static AG_NOINLINE void TILE(whole##nv)(const k_tile *t, int64_t first, int64_t end, const k_coming *x)        \
    {                                                                                                                          \
        TILE(whole)(nv, TILE(NONE), t, first, end, x);                                                                         \
    }                                                                                                                          \
    TILE_TARGET static AG_NOINLINE void TILE(coming##nv)(const k_tile *t, int64_t first, int64_t end, const k_coming *x)       \
    {                                                                                                                          \
        TILE(whole)(nv, TILE(COMING), t, first, end, x);                                                                       \
    }                                                                                                                          \
    TILE_TARGET static AG_NOINLINE void TILE(next##nv)(const k_tile *t, int64_t first, int64_t end, const k_coming *x)         \
    {                                                                                                                          \
        TILE(whole)(nv, TILE(NEXT), t, first, end, x);                                                                         \
    }                                                                                                                          \
    TILE_TARGET static AG_NOINLINE void TILE(rest##nv)(const k_tile *t, int64_t first)                                         \
    {                                                                                                                          \
        TILE(rest)(nv, t, first);                                                                                              \
    }                                                                                                                          \
    static const struct TILE(panel) TILE(panel##nv) = { { TILE(whole##nv), TILE(coming##nv), TILE(next##nv) }, TILE(rest##nv) };

TILE_PANEL(1)
TILE_PANEL(2)
#if VECTORS >= 3
TILE_PANEL(3)
#endif

static void TILE(run)(const k_tile *t)
{
    static const struct TILE(panel) *const by_vectors[] = {
        &TILE(panel1),
        &TILE(panel2),
#if VECTORS >= 3
        &TILE(panel3),
#endif
    };
    const struct TILE(panel) *panel = by_vectors[(t->n - 1) / LANES];
    int64_t tiles = t->m >= 2 * ROWS ? t->m / ROWS - 1 : 0, done = 0;
    for (int i = 0; i < 2 && done < tiles; i++) {
        int64_t lines = t->coming[i].lines < tiles - done ? t->coming[i].lines : tiles - done;
        if (lines > 0) {
            panel->whole[TILE(COMING)](t, done, done + lines, &t->coming[i]);
            done += lines;
        }
    }
    if (done < tiles) {
        panel->whole[t->asks ? TILE(NEXT) : TILE(NONE)](t, done, tiles, NULL);
    }
    panel->rest(t, tiles * ROWS);
}

TILE_TARGET static void TILE(transpose)(int64_t rows, int64_t n, const void *from, int64_t ld,
                                        void *to, int64_t ldto)
{
    const T *restrict x = from;
    T *restrict y = to;
    int64_t filled = (n + LANES - 1) / LANES * LANES;
    for (int64_t j0 = 0; j0 < filled; j0 += LANES) {
        int64_t k = 0;
#ifdef TRANSPOSE
        if (j0 + LANES <= n) {
            for (; k + LANES <= rows; k += LANES) {
                TRANSPOSE(x + j0 * ld + k, ld, y + k * ldto + j0, ldto);
            }
        }
#endif
        int64_t real = n - j0 < LANES ? n - j0 : LANES;
        for (; k < rows; k++) {
            for (int64_t j = 0; j < real; j++) {
                y[k * ldto + j0 + j] = x[(j0 + j) * ld + k];
            }
            for (int64_t j = real; j < LANES; j++) {
                y[k * ldto + j0 + j] = 0;
            }
        }
    }
}

/* One row, `vectors` of them and a last one of `tail` elements. */
TILE_TARGET static AG_ALWAYS_INLINE void TILE(pack_row)(int64_t vectors, int64_t tail, const T *x, T *y,
                                                        int64_t apart, T *sums)
{
    for (int64_t v = 0; v < vectors + (tail > 0); v++) {
        VECTOR now = v < vectors ? LOAD(x + v * LANES) : LOAD_PART(x + v * LANES, tail);
        STORE(y + v * apart, now);
        if (sums != NULL) {
            VECTOR sum = LOAD(sums + v * LANES) + now;
            STORE(sums + v * LANES, sum);
        }
    }
}

TILE_TARGET static AG_ALWAYS_INLINE void TILE(pack_rows)(int64_t rows, int64_t n, const T *restrict x, int64_t ld,
                                                         T *restrict y, int64_t ldto, int64_t apart, T *restrict sums)
{
    int64_t vectors = n / LANES, tail = n % LANES, k = 0;
    for (; k + AG_TILE_AHEAD < rows; k++) {
        const T *coming = x + (k + AG_TILE_AHEAD) * ld;
        for (int64_t at = 0; at < n; at += K_LINE / (int64_t)sizeof(T)) {
            __builtin_prefetch(coming + at);
        }
        TILE(pack_row)(vectors, tail, x + k * ld, y + k * ldto, apart, sums);
    }
    for (; k < rows; k++) {
        TILE(pack_row)(vectors, tail, x + k * ld, y + k * ldto, apart, sums);
    }
}

TILE_TARGET static void TILE(pack)(int64_t rows, int64_t n, const void *from, int64_t ld, void *to,
                                   int64_t ldto, int64_t apart, void *sums)
{
    if (sums == NULL) {
        TILE(pack_rows)(rows, n, from, ld, to, ldto, apart, NULL);
    } else {
        TILE(pack_rows)(rows, n, from, ld, to, ldto, apart, sums);
    }
}

static const k_tile_kernel TILE(kernel) = {
    TILE_NAME, LANES, LANES *VECTORS, ROWS, TILE(run), TILE(transpose), TILE(pack),
};

#undef TILE
#undef TILE_PANEL
#undef TILE_TARGET
#undef TILE_NAME
#undef T
#undef VECTOR
#undef LANES
#undef ROWS
#undef VECTORS
#undef LOAD
#undef STORE
#undef SET
#undef FMA
#undef LOAD_PART
#undef STORE_PART
#undef TRANSPOSE
