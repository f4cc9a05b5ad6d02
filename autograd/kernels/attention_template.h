/*
 * Attention for one element type: included once per type, after attention_few_template.h, with T, DTYPE, EXP and NAME(x) defined.
 *
 * Note [Scores in columns]
 * The scores of a block of queries are held as (key,query), `ld` queries wide: a vector has the same key for as many queries, so that
 * largest and sum over the keys are taken in vectors, and keys and values are rows that the tile finds where they lie. What a query of
 * a causal block does not see is left out by strips of STRIP queries and as many keys, and within these it is hidden.
 */

/* Queries first … first + rows of a slice, and the keys that they look at. */
struct NAME(block) {
    const k_attention *p;
    int64_t slice, first, rows, ld, keys;
    bool cut;       /* strips see different keys; with a mask all are looked at: where it hides all, the NaN reaches every key */
    int64_t before; /* keys that come before the block's own first */
};

static struct NAME(block) NAME(block_at)(const k_attention *p, int64_t slice, int64_t first)
{
    int64_t rows = p->l - first < BLOCK ? p->l - first : BLOCK;
    struct NAME(block) b = {
        .p = p, .slice = slice, .first = first, .rows = rows, .ld = (rows + STRIP - 1) / STRIP * STRIP, .keys = p->s
    };
    b.before = first + p->shift;
    b.cut = p->causal && p->mask.data == NULL;
    if (b.cut && b.before + rows < p->s) {
        b.keys = b.before + rows;
    }
    return b;
}

/* How many keys the strip of queries from `query` on looks at. */
static int64_t NAME(keys_of_strip)(const struct NAME(block) *b, int64_t query)
{
    int64_t seen = b->before + query + STRIP;
    return b->cut && seen < b->keys ? seen : b->keys;
}

/* The keys from `key` on that the same strips look at: where they end, and the first of these strips' queries. */
static int64_t NAME(keys_alike)(const struct NAME(block) *b, int64_t key, int64_t *query)
{
    int64_t end = b->before + STRIP;
    *query = 0;
    if (key >= end) {
        *query = (key - b->before) / STRIP * STRIP;
        end = b->before + *query + STRIP;
    }
    return b->cut && end < b->keys ? end : b->keys;
}

/* ---- products ------------------------------------------------------------------------------------------------------------ */

/* The right side of a product, (depth,n): panel after panel, in whole vectors. */
struct NAME(packed) {
    const T *data;
    int64_t depth, n;
};

/* Rows of a matrix, each `n` numbers. */
static struct NAME(packed) NAME(pack_rows)(int64_t depth, int64_t n, const T *from, int64_t rs, int64_t cs, T *to)
{
    const k_tile_kernel *kernel = k_tile_for(DTYPE);
    for (int64_t j = 0; j < k_panel_count(kernel, n); j++) {
        k_panel panel = k_panel_at(kernel, n, j);
        T *at = to + depth * panel.start;
        if (cs == 1) {
            kernel->pack(depth, panel.n, from + panel.start, rs, at, panel.width, kernel->lanes, NULL);
            continue;
        }
        for (int64_t k = 0; k < depth; k++) {
            for (int64_t i = 0; i < panel.width; i++) {
                at[k * panel.width + i] = i < panel.n ? from[k * rs + (panel.start + i) * cs] : 0;
            }
        }
    }
    return (struct NAME(packed)){ to, depth, n };
}

/* Rows of a matrix, turned to columns; 0 for those up to `n`. */
static struct NAME(packed) NAME(pack_turned)(int64_t depth, int64_t rows, int64_t n, const T *from, int64_t rs, int64_t cs, T *to)
{
    const k_tile_kernel *kernel = k_tile_for(DTYPE);
    if (rows < n) {
        memset(to, 0, (size_t)(depth * n) * sizeof(T));
    }
    for (int64_t j = 0; j < k_panel_count(kernel, n); j++) {
        k_panel panel = k_panel_at(kernel, n, j);
        int64_t real = rows - panel.start < panel.width ? rows - panel.start : panel.width;
        T *at = to + depth * panel.start;
        if (cs == 1 && real > 0) {
            kernel->transpose(depth, real, from + panel.start * rs, rs, at, panel.width);
            continue;
        }
        for (int64_t i = 0; i < real; i++) {
            for (int64_t k = 0; k < depth; k++) {
                at[k * panel.width + i] = from[(panel.start + i) * rs + k * cs];
            }
        }
    }
    return (struct NAME(packed)){ to, depth, n };
}

/* C = [C +] A B of m rows, with the columns of B from `column` and its rows from `row` on, `depth` of them; C's columns lie side by side. */
static void NAME(multiply)(int64_t m, const T *a, int64_t ars, int64_t acs, const struct NAME(packed) *b, int64_t row, int64_t depth,
                           int64_t column, bool accumulate, T *c, int64_t crs)
{
    const k_tile_kernel *kernel = k_tile_for(DTYPE);
    const int64_t panels = k_panel_count(kernel, b->n);
    const void *a_row[TALL];
    void *c_row[TALL];
    int64_t step[DEPTH];
    for (int64_t k = 0; k < depth && k < DEPTH; k++) {
        step[k] = k * acs;
    }
    for (int64_t k = 0; k < depth; k += DEPTH) {
        for (int64_t i = 0; i < m; i += TALL) {
            int64_t rows = m - i < TALL ? m - i : TALL;
            for (int64_t r = 0; r < rows; r++) {
                a_row[r] = a + (i + r) * ars;
                c_row[r] = c + (i + r) * crs;
            }
            for (int64_t j = 0; j < panels; j++) {
                k_panel panel = k_panel_at(kernel, b->n, j);
                int64_t skip = column > panel.start ? column - panel.start : 0;
                if (skip >= panel.n) {
                    continue;
                }
                k_tile t = {
                    .m = rows,
                    .n = panel.n - skip,
                    .k = depth - k < DEPTH ? depth - k : DEPTH,
                    .a = a_row,
                    .a_offset = k * acs,
                    .step = step,
                    .b = b->data + b->depth * panel.start + (row + k) * panel.width + skip,
                    .ldb = panel.width,
                    .c = c_row,
                    .c_offset = panel.start + skip,
                    .accumulate = accumulate || k > 0,
                    .asks = acs == 1,
                };
                kernel->run(&t);
            }
        }
    }
}

/* The same into rows of a matrix of `n` columns, at `row`. Where its columns do not lie side by side, by way of `between`. */
static void NAME(multiply_into)(const k_matrix *to, int64_t slice, int64_t to_row, int64_t m, const T *a, int64_t ars, int64_t acs,
                                const struct NAME(packed) *b, int64_t row, int64_t depth, bool accumulate, T *between)
{
    T *c = NAME(at)(to, slice, to_row);
    if (to->cs == 1) {
        NAME(multiply)(m, a, ars, acs, b, row, depth, 0, accumulate, c, to->rs);
        return;
    }
    for (int64_t i = 0; i < m; i += TALL) {
        int64_t rows = m - i < TALL ? m - i : TALL;
        NAME(multiply)(rows, a + i * ars, ars, acs, b, row, depth, 0, false, between, b->n);
        for (int64_t r = 0; r < rows; r++) {
            for (int64_t j = 0; j < b->n; j++) {
                T *at = c + (i + r) * to->rs + j * to->cs;
                *at = between[r * b->n + j] + (accumulate ? *at : 0);
            }
        }
    }
}

/* scores[key][query] = x_key . y_query for rows x of a matrix and the block's queries as columns y: what is looked at. */
static void NAME(score)(const struct NAME(block) *b, const k_matrix *x, const struct NAME(packed) *y, T *scores)
{
    int64_t query;
    for (int64_t key = 0, end; key < b->keys; key = end) {
        end = NAME(keys_alike)(b, key, &query);
        T *to = scores + key * b->ld;
        if (y->depth == 0) {
            memset(to, 0, (size_t)((end - key) * b->ld) * sizeof(T));
        }
        NAME(multiply)(end - key, NAME(at)(x, b->slice, key), x->rs, x->cs, y, 0, y->depth, query, false, to, b->ld);
    }
}

/* Rows from `first` up to `end` become 0. */
static void NAME(clear)(const k_matrix *m, int64_t slice, int64_t first, int64_t end, int64_t columns)
{
    for (int64_t i = first; i < end; i++) {
        for (int64_t j = 0; j < columns; j++) {
            NAME(at)(m, slice, i)[j * m->cs] = 0;
        }
    }
}

/* Rows of `to` for the block's queries: sums over the keys of scores[key][query] x_key. */
static void NAME(gather)(const struct NAME(block) *b, const T *scores, const k_matrix *x, int64_t n, const k_matrix *to, T *work,
                         T *between)
{
    if (b->keys == 0) {
        NAME(clear)(to, b->slice, b->first, b->first + b->rows, n);
    }
    for (int64_t key = 0; key < b->keys; key += DEPTH) {
        int64_t depth = b->keys - key < DEPTH ? b->keys - key : DEPTH;
        struct NAME(packed) rows = NAME(pack_rows)(depth, n, NAME(at)(x, b->slice, key), x->rs, x->cs, work);
        for (int64_t query = 0, strip = b->cut ? STRIP : b->rows; query < b->rows; query += strip) {
            int64_t m = b->rows - query < strip ? b->rows - query : strip, seen = NAME(keys_of_strip)(b, query) - key;
            if (seen > 0) {
                NAME(multiply_into)(to, b->slice, b->first + query, m, scores + key * b->ld + query, 1, b->ld, &rows, 0,
                                    seen < depth ? seen : depth, key > 0, between);
            }
        }
    }
}

/* Rows of `to` for the keys: [what they are +] sums over the block's queries of scores[key][query] x_query. */
static void NAME(scatter)(const struct NAME(block) *b, const T *scores, const struct NAME(packed) *x, bool accumulate,
                          const k_matrix *to, T *between)
{
    int64_t query;
    for (int64_t key = 0, end; key < b->keys; key = end) {
        end = NAME(keys_alike)(b, key, &query);
        NAME(multiply_into)(to, b->slice, key, end - key, scores + key * b->ld + query, b->ld, 1, x, query, b->rows - query,
                            accumulate, between);
    }
}

/* ---- shares -------------------------------------------------------------------------------------------------------------- */

/* `n` keys' numbers of a mask for a query, as what is added to its scores. */
static void NAME(mask_row)(const k_attention *p, int64_t slice, int64_t query, int64_t key, int64_t n, T *to)
{
    int64_t at = p->mask.offset[slice] + query * p->mask.rs + key * p->mask.cs, step = p->mask.cs;
    const uint8_t *seen = (const uint8_t *)p->mask.data + at;
    const T *add = (const T *)p->mask.data + at;
    for (int64_t k = 0; k < n && p->mask_bytes; k++) {
        to[k] = seen[k * step] != 0 ? 0 : -(T)INFINITY;
    }
    for (int64_t k = 0; k < n && !p->mask_bytes; k++) {
        to[k] = add[k * step];
    }
}

/* x = x scale + mask */
AG_MULTIVERSION static void NAME(add_mask)(int64_t n, T *restrict x, T scale, const T *restrict mask)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = x[i] * scale + mask[i];
    }
}

/* scores = scores scale + mask; `work` has room for two squares of a block. */
static void NAME(mask)(const struct NAME(block) *b, T *scores, T *work)
{
    T *turned = work + BLOCK * BLOCK;
    for (int64_t key = 0; key < b->keys; key += BLOCK) {
        int64_t n = b->keys - key < BLOCK ? b->keys - key : BLOCK;
        for (int64_t query = 0; query < b->rows; query++) {
            NAME(mask_row)(b->p, b->slice, b->first + query, key, n, work + query * BLOCK);
        }
        memset(work + b->rows * BLOCK, 0, (size_t)((b->ld - b->rows) * BLOCK) * sizeof(T));
        k_tile_for(DTYPE)->transpose(n, b->ld, work, BLOCK, turned, b->ld);
        NAME(add_mask)(n * b->ld, scores + key * b->ld, (T)b->p->scale, turned);
    }
}

/* The softmax of x scale over `keys` keys for a strip of queries, of which query i sees the first visible + i. Sums are taken of
 * STRIP keys, and of these. */
AG_MULTIVERSION static void NAME(softmax)(int64_t keys, int64_t visible, int64_t ld, T scale, T *restrict x)
{
    T most[STRIP], sum[STRIP];
    for (int i = 0; i < STRIP; i++) {
        most[i] = -(T)INFINITY;
        sum[i] = 0;
    }
    for (int64_t k = 0; k < keys; k++) {
        T *row = x + k * ld;
        for (int i = 0; i < STRIP; i++) {
            row[i] *= scale;
        }
        for (int i = 0; k >= visible && i < STRIP; i++) {
            row[i] = i > k - visible ? row[i] : -(T)INFINITY;
        }
        for (int i = 0; i < STRIP; i++) {
            most[i] = row[i] > most[i] ? row[i] : most[i];
        }
    }
    for (int64_t k = 0; k < keys; k += STRIP) {
        T part[STRIP] = { 0 };
        for (int64_t q = k; q < k + STRIP && q < keys; q++) {
            T *row = x + q * ld;
            for (int i = 0; i < STRIP; i++) {
                row[i] = EXP(row[i] - most[i]);
                part[i] += row[i];
            }
        }
        for (int i = 0; i < STRIP; i++) {
            sum[i] += part[i];
        }
    }
    for (int i = 0; i < STRIP; i++) {
        sum[i] = 1 / sum[i];
    }
    for (int64_t k = 0; k < keys; k++) {
        T *row = x + k * ld;
        for (int i = 0; i < STRIP; i++) {
            row[i] *= sum[i];
        }
    }
}

/* ds = p (dp - sum over the keys of p dp) scale, in place of dp. The sum is taken from these p and dp, not from y dy, which is the
 * same but for rounding: the ds of a query must add up to 0. */
AG_MULTIVERSION static void NAME(softmax_back)(int64_t keys, int64_t ld, T scale, const T *restrict share, T *restrict dp)
{
    T sum[STRIP] = { 0 };
    for (int64_t k = 0; k < keys; k += STRIP) {
        T part[STRIP] = { 0 };
        for (int64_t q = k; q < k + STRIP && q < keys; q++) {
            for (int i = 0; i < STRIP; i++) {
                part[i] += share[q * ld + i] * dp[q * ld + i];
            }
        }
        for (int i = 0; i < STRIP; i++) {
            sum[i] += part[i];
        }
    }
    for (int64_t k = 0; k < keys; k++) {
        for (int i = 0; i < STRIP; i++) {
            dp[k * ld + i] = share[k * ld + i] * (dp[k * ld + i] - sum[i]) * scale;
        }
    }
}

/* shares[key][query] for what is looked at: 0 for what is not seen, NaN where a mask hides all. */
static void NAME(shares)(const struct NAME(block) *b, T *shares, T *work)
{
    const k_attention *p = b->p;
    struct NAME(packed) q =
        NAME(pack_turned)(p->e, b->rows, b->ld, NAME(at)(&p->q, b->slice, b->first), p->q.rs, p->q.cs, work);
    NAME(score)(b, &p->k, &q, shares);
    if (p->mask.data != NULL) {
        NAME(mask)(b, shares, work);
    }
    for (int64_t query = 0; query < b->ld; query += STRIP) {
        int64_t visible = p->causal ? b->before + query + 1 : b->keys;
        NAME(softmax)(NAME(keys_of_strip)(b, query), visible, b->ld, p->mask.data != NULL ? 1 : (T)p->scale, shares + query);
    }
}

/* ---- blocks -------------------------------------------------------------------------------------------------------------- */

static void NAME(forward_block)(const k_attention *p, int64_t slice, int64_t first, T *work)
{
    struct NAME(block) b = NAME(block_at)(p, slice, first);
    T *shares = work, *packed = shares + p->s * BLOCK, *between = packed + packed_of(p);
    NAME(shares)(&b, shares, packed);
    NAME(gather)(&b, shares, &p->v, p->ev, &p->y, packed, between);
}

/* Blocks of queries come from the last to the first: the last sees all keys that any other sees, and writes their gradients; the
 * others add to them. */
static void NAME(back_block)(const k_attention *p, int64_t slice, int64_t first, T *work)
{
    struct NAME(block) b = NAME(block_at)(p, slice, first);
    T *shares = work, *ds = shares + p->s * BLOCK, *packed = ds + p->s * BLOCK, *between = packed + packed_of(p);
    const bool adds = first + b.rows < p->l;
    const T *dy = NAME(at)(&p->dy, slice, first), *q = NAME(at)(&p->q, slice, first);
    NAME(shares)(&b, shares, packed);
    if (!adds && p->dv.data != NULL) {
        NAME(clear)(&p->dv, slice, b.keys, p->s, p->ev);
    }
    if (!adds && p->dk.data != NULL) {
        NAME(clear)(&p->dk, slice, b.keys, p->s, p->e);
    }
    if (p->dv.data != NULL) {
        struct NAME(packed) rows = NAME(pack_rows)(b.rows, p->ev, dy, p->dy.rs, p->dy.cs, packed);
        NAME(scatter)(&b, shares, &rows, adds, &p->dv, between);
    }
    if (p->dq.data == NULL && p->dk.data == NULL) {
        return;
    }
    struct NAME(packed) turned = NAME(pack_turned)(p->ev, b.rows, b.ld, dy, p->dy.rs, p->dy.cs, packed);
    NAME(score)(&b, &p->v, &turned, ds);
    for (int64_t query = 0; query < b.ld; query += STRIP) {
        NAME(softmax_back)(NAME(keys_of_strip)(&b, query), b.ld, (T)p->scale, shares + query, ds + query);
    }
    if (p->dq.data != NULL) {
        NAME(gather)(&b, ds, &p->k, p->e, &p->dq, packed, between);
    }
    if (p->dk.data != NULL) {
        struct NAME(packed) rows = NAME(pack_rows)(b.rows, p->e, q, p->q.rs, p->q.cs, packed);
        NAME(scatter)(&b, ds, &rows, adds, &p->dk, between);
    }
}

#undef T
#undef DTYPE
#undef EXP
#undef NAME
