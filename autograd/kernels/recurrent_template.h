/*
 * One element type of recurrent.c: included once per type with T and NAME(x) defined. H is the width of a state.
 */

/* ---- one step of a few rows, after the products ---------------------------------------------------------------------- */

/* In place: i, f, g, o become the activated gates. c is carried on; c and h are also stored. */
AG_MULTIVERSION static void NAME(lstm_row)(int64_t H, T *restrict i, T *restrict f, T *restrict g, T *restrict o,
                                           T *restrict c, T *restrict h, T *restrict cells, T *restrict y)
{
    for (int64_t j = 0; j < H; j++) {
        T in = NAME(k_sigmoid)(i[j]), forget = NAME(k_sigmoid)(f[j]);
        T cell = NAME(k_tanh)(g[j]), out = NAME(k_sigmoid)(o[j]);
        T now = forget * c[j] + in * cell, state = out * NAME(k_tanh)(now);
        i[j] = in;
        f[j] = forget;
        g[j] = cell;
        o[j] = out;
        c[j] = cells[j] = now;
        h[j] = y[j] = state;
    }
}

/* m is the part of n that comes from h, and stays as it is. */
AG_MULTIVERSION static void NAME(gru_row)(int64_t H, T *restrict r, T *restrict z, T *restrict n, const T *restrict m,
                                          T *restrict h, T *restrict y)
{
    for (int64_t j = 0; j < H; j++) {
        T reset = NAME(k_sigmoid)(r[j]), update = NAME(k_sigmoid)(z[j]);
        T fresh = NAME(k_tanh)(n[j] + reset * m[j]);
        r[j] = reset;
        z[j] = update;
        n[j] = fresh;
        h[j] = y[j] = fresh + update * (h[j] - fresh);
    }
}

AG_MULTIVERSION static void NAME(rnn_row)(int64_t H, bool relu, T *restrict y, T *restrict h)
{
    if (relu) {
        for (int64_t j = 0; j < H; j++) {
            h[j] = y[j] = y[j] <= 0 ? 0 : y[j];
        }
    } else {
        for (int64_t j = 0; j < H; j++) {
            h[j] = y[j] = NAME(k_tanh)(y[j]);
        }
    }
}

/* dh is the whole gradient of this step's h; dc what came from the step after, and leaves as what goes to the one before. */
AG_MULTIVERSION static void NAME(lstm_row_back)(int64_t H, const T *restrict gates, const T *restrict cell,
                                                const T *restrict before, const T *restrict dh, T *restrict dc,
                                                T *restrict di, T *restrict df, T *restrict dg, T *restrict d_o)
{
    const T *i = gates, *f = gates + H, *g = gates + 2 * H, *o = gates + 3 * H;
    for (int64_t j = 0; j < H; j++) {
        T t = NAME(k_tanh)(cell[j]);
        T d = dc[j] + dh[j] * o[j] * (1 - t * t);
        di[j] = d * g[j] * i[j] * (1 - i[j]);
        df[j] = d * before[j] * f[j] * (1 - f[j]);
        dg[j] = d * i[j] * (1 - g[j] * g[j]);
        d_o[j] = dh[j] * t * o[j] * (1 - o[j]);
        dc[j] = d * f[j];
    }
}

/* dh comes whole and leaves as the part that goes past the gates. */
AG_MULTIVERSION static void NAME(gru_row_back)(int64_t H, const T *restrict gates, const T *restrict before, T *restrict dh,
                                               T *restrict dx, T *restrict dm)
{
    const T *r = gates, *z = gates + H, *n = gates + 2 * H, *m = gates + 3 * H;
    T *restrict x_r = dx, *restrict x_z = dx + H, *restrict x_n = dx + 2 * H;
    T *restrict m_r = dm, *restrict m_z = dm + H, *restrict m_n = dm + 2 * H;
    for (int64_t j = 0; j < H; j++) {
        T fresh = dh[j] * (1 - z[j]) * (1 - n[j] * n[j]);
        T reset = fresh * m[j] * r[j] * (1 - r[j]), update = dh[j] * (before[j] - n[j]) * z[j] * (1 - z[j]);
        x_r[j] = m_r[j] = reset;
        x_z[j] = m_z[j] = update;
        x_n[j] = fresh;
        m_n[j] = fresh * r[j];
        dh[j] *= z[j];
    }
}

AG_MULTIVERSION static void NAME(rnn_row_back)(int64_t H, bool relu, const T *restrict y, const T *restrict dh, T *restrict dx)
{
    for (int64_t j = 0; j < H; j++) {
        dx[j] = relu ? (y[j] <= 0 ? 0 : dh[j]) : dh[j] * (1 - y[j] * y[j]);
    }
}

AG_MULTIVERSION static void NAME(add_row)(int64_t H, const T *restrict x, T *restrict y)
{
    for (int64_t j = 0; j < H; j++) {
        y[j] += x[j];
    }
}

/* ---- whole sequences ---------------------------------------------------------------------------------------------------- */

/* What a step does after the products, for m rows. */
static void NAME(activate)(const k_recurrent *p, int64_t m, T *gates, T *h, T *c, T *y, T *cells)
{
    const int64_t H = p->hidden, W = k_recurrent_width(p->kind) * H;
    for (int64_t r = 0; r < m; r++, gates += W, h += H, y += H) {
        if (p->kind == K_LSTM) {
            NAME(lstm_row)(H, gates, gates + H, gates + 2 * H, gates + 3 * H, c + r * H, h, cells + r * H, y);
        } else if (p->kind == K_GRU) {
            NAME(gru_row)(H, gates, gates + H, gates + 2 * H, gates + 3 * H, h, y);
        } else {
            NAME(rnn_row)(H, p->kind == K_RNN_RELU, y, h);
        }
    }
}

/* gates += h w^T for m rows; w^T (hidden, gates), its rows wrs and its columns wcs apart. */
static void NAME(products)(int threads, const k_recurrent *p, int64_t m, const T *wt, int64_t wrs, int64_t wcs, const T *h,
                           T *gates)
{
    const int64_t H = p->hidden, W = k_recurrent_width(p->kind) * H, G = gate_count(p->kind) * H;
    if (p->kind == K_GRU) { /* what comes from h into the third gate stands apart */
        k_gemm(DTYPE, threads, m, 2 * H, H, h, H, 1, wt, wrs, wcs, true, gates, W, 1);
        k_gemm(DTYPE, threads, m, H, H, h, H, 1, wt + 2 * H * wcs, wrs, wcs, true, gates + 3 * H, W, 1);
    } else {
        k_gemm(DTYPE, threads, m, G, H, h, H, 1, wt, wrs, wcs, true, gates, W, 1);
    }
}

/* Rows n0 … n1 of the batch through all steps. wt is w^T (hidden, gates), its rows transposed_columns() apart: so the products of every
 * step want it. h and c (batch,hidden) are carried. */
static void NAME(block_forward)(const k_recurrent *p, int64_t n0, int64_t n1, const T *wt, T *gates, T *y, T *cells, T *h, T *c)
{
    const int64_t H = p->hidden, W = k_recurrent_width(p->kind) * H;
    int64_t at = p->reverse ? p->total : 0;
    for (int64_t s = 0; s < p->steps; s++) {
        int64_t t = p->reverse ? p->steps - 1 - s : s, rows = rows_of(p, t);
        at -= p->reverse ? rows : 0;
        int64_t m = (rows < n1 ? rows : n1) - n0, first = at + n0;
        if (m > 0) {
            NAME(products)(1, p, m, wt, transposed_columns(p), 1, h + n0 * H, gates + first * W);
            NAME(activate)(p, m, gates + first * W, h + n0 * H, c + n0 * H, y + first * H,
                           cells == NULL ? NULL : cells + first * H);
        }
        at += p->reverse ? 0 : rows;
    }
}

struct NAME(forward_task) {
    const k_recurrent *p;
    const T *wt;
    T *gates, *y, *cells, *h, *c;
};

static void NAME(forward_turn)(const void *task, int64_t b)
{
    const struct NAME(forward_task) *t = task;
    int64_t n0 = b * BLOCK, n1 = n0 + BLOCK < t->p->batch ? n0 + BLOCK : t->p->batch;
    NAME(block_forward)(t->p, n0, n1, t->wt, t->gates, t->y, t->cells, t->h, t->c);
}

/* One step: only its activations. */
static void NAME(activate_turn)(const void *task, int64_t b)
{
    const struct NAME(forward_task) *t = task;
    const int64_t H = t->p->hidden, n0 = b * BLOCK, n1 = n0 + BLOCK < t->p->batch ? n0 + BLOCK : t->p->batch;
    NAME(activate)(t->p, n1 - n0, t->gates + n0 * k_recurrent_width(t->p->kind) * H, t->h + n0 * H, t->c + n0 * H, t->y + n0 * H,
                   t->cells == NULL ? NULL : t->cells + n0 * H);
}

static void NAME(forward)(int threads, const k_recurrent *p, const T *h, const T *c, const T *w, T *gates, T *y, T *cells,
                          T *work)
{
    const int64_t H = p->hidden, G = gate_count(p->kind) * H, N = p->batch;
    T *carry_h = work, *carry_c = carry_h + N * H, *wt = carry_c + N * H;
    copy_or_zero(carry_h, h, N * H * (int64_t)sizeof(T));
    copy_or_zero(carry_c, c, N * H * (int64_t)sizeof(T));
    struct NAME(forward_task) task = { p, wt, gates, y, cells, carry_h, carry_c };
    if (p->steps == 1) { /* the weights are needed once: turning them is left to the product */
        NAME(products)(threads, p, N, w, 1, H, carry_h, gates);
        ag_parallel(team(p, threads), (N + BLOCK - 1) / BLOCK, NAME(activate_turn), &task);
        return;
    }
    k_tile_for(DTYPE)->transpose(H, G, w, H, wt, transposed_columns(p));
    ag_parallel(team(p, threads), (N + BLOCK - 1) / BLOCK, NAME(forward_turn), &task);
}

/* Where the step that was taken before has the state of row n of step t; `initial` holds what stood before the first. */
static const T *NAME(before)(const k_recurrent *p, const T *states, const T *initial, int64_t t, int64_t at, int64_t n,
                             const T *zero)
{
    const int64_t H = p->hidden;
    int64_t other = p->reverse ? t + 1 : t - 1;
    if (other >= 0 && other < p->steps && n < rows_of(p, other)) {
        return states + (p->reverse ? at + rows_of(p, t) + n : at - rows_of(p, other) + n) * H;
    }
    return initial != NULL ? initial + n * H : zero;
}

/* dh and dc (batch,hidden) are carried from the step after to the one before. */
static void NAME(block_back)(const k_recurrent *p, const k_recurrent_back_arguments *a, int64_t n0, int64_t n1, T *dh, T *dc,
                             const T *zero)
{
    const int64_t H = p->hidden, W = k_recurrent_width(p->kind) * H, G = gate_count(p->kind) * H;
    const T *dy = a->dy, *dcells = a->dcells, *gates = a->gates, *states = a->states, *w = a->w;
    T *dgates = a->dgates, *dhidden = p->kind == K_GRU ? a->dhidden : a->dgates;
    int64_t at = p->reverse ? 0 : p->total;
    for (int64_t s = 0; s < p->steps; s++) {
        int64_t t = p->reverse ? s : p->steps - 1 - s, rows = rows_of(p, t);
        at -= p->reverse ? 0 : rows;
        int64_t m = (rows < n1 ? rows : n1) - n0, first = at + n0;
        for (int64_t r = 0; r < m; r++) {
            int64_t row = first + r;
            T *d = dh + (n0 + r) * H, *d_c = dc + (n0 + r) * H, *g = dgates + row * G;
            if (dy != NULL) {
                NAME(add_row)(H, dy + row * H, d);
            }
            if (dcells != NULL) {
                NAME(add_row)(H, dcells + row * H, d_c);
            }
            const T *before = NAME(before)(p, states, a->initial, t, at, n0 + r, zero);
            if (p->kind == K_LSTM) {
                NAME(lstm_row_back)(H, gates + row * W, states + row * H, before, d, d_c, g, g + H, g + 2 * H, g + 3 * H);
            } else if (p->kind == K_GRU) {
                NAME(gru_row_back)(H, gates + row * W, before, d, g, dhidden + row * G);
            } else {
                NAME(rnn_row_back)(H, p->kind == K_RNN_RELU, states + row * H, d, g);
            }
        }
        if (m > 0) {
            k_gemm(DTYPE, 1, m, H, G, dhidden + first * G, G, 1, w, H, 1, p->kind == K_GRU, dh + n0 * H, H, 1);
        }
        at += p->reverse ? rows : 0;
    }
}

struct NAME(back_task) {
    const k_recurrent *p;
    const k_recurrent_back_arguments *a;
    const T *zero;
};

static void NAME(back_turn)(const void *task, int64_t b)
{
    const struct NAME(back_task) *t = task;
    int64_t n0 = b * BLOCK, n1 = n0 + BLOCK < t->p->batch ? n0 + BLOCK : t->p->batch;
    NAME(block_back)(t->p, t->a, n0, n1, t->a->dh, t->a->dc, t->zero);
}

static void NAME(back)(int threads, const k_recurrent *p, const k_recurrent_back_arguments *a, T *zero)
{
    const int64_t H = p->hidden, N = p->batch;
    memset(a->dh, 0, (size_t)(N * H) * sizeof(T));
    memset(a->dc, 0, (size_t)(N * H) * sizeof(T));
    memset(zero, 0, (size_t)H * sizeof(T));
    struct NAME(back_task) task = { p, a, zero };
    ag_parallel(team(p, threads), (N + BLOCK - 1) / BLOCK, NAME(back_turn), &task);
}

#undef T
#undef NAME
#undef DTYPE
