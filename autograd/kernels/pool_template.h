/*
 * Pooling loops for one element type; included by pool.c only, once for each, with POOL(name) for
 * the names, T for the element and BITS for an unsigned integer as wide as T.
 *
 * Note [Lanes]: channels are taken LANES at a time. The last step of a pixel may run over into the
 * next pixels of the row: what it writes there is overwritten by their own turns. Only at the end
 * of a row (`left` elements before it) a step ends in time, with a part of a vector.
 */

#define LANES (32 / (int64_t)sizeof(T))
typedef T POOL(vector) __attribute__((vector_size(32)));
typedef BITS POOL(bits) __attribute__((vector_size(32)));
typedef uint16_t POOL(short) __attribute__((vector_size(64 / sizeof(T))));

/* The first `count` lanes; a constant count of LANES is one instruction. */
#define LOAD(vector, from, count) memcpy(&(vector), from, (size_t)(count) * sizeof *(from))
#define STORE(to, vector, count) memcpy(to, &(vector), (size_t)(count) * sizeof *(to))

/* y = max over the cells of a window, index = the first of equals; a NaN beats all that is not NaN,
 * and stays. */
static AG_ALWAYS_INLINE void POOL(max_lanes)(const int64_t count, const T *x, int64_t line,
                                             int64_t pixel, window v, window h, int64_t wide, T *y,
                                             uint16_t *index)
{
    POOL(vector) best = (POOL(vector)){ 0 } - (T)INFINITY;
    POOL(bits) winner = (POOL(bits)){ 0 } + (BITS)(v.low * wide + h.low);
    for (int64_t i = v.low; i < v.high; i++) {
        for (int64_t j = h.low; j < h.high; j++) {
            POOL(vector) value = { 0 };
            LOAD(value, x + i * line + j * pixel, count);
            /* Greater, or not a number. */
            POOL(bits) wins = (POOL(bits))(~(value <= best) & (best == best));
            best = (POOL(vector))(((POOL(bits))value & wins) | ((POOL(bits))best & ~wins));
            winner = ((BITS)(i * wide + j) & wins) | (winner & ~wins);
        }
    }
    STORE(y, best, count);
    if (index != NULL) {
        POOL(short) narrow = __builtin_convertvector(winner, POOL(short));
        STORE(index, narrow, count);
    }
}

/* One pixel of y. */
static AG_ALWAYS_INLINE void POOL(max_pixel)(int64_t channels, int64_t left, const T *x,
                                             int64_t line, window v, window h, int64_t wide, T *y,
                                             uint16_t *index)
{
    for (int64_t c = 0; c < channels; c += LANES) {
        uint16_t *at = index == NULL ? NULL : index + c;
        if (c + LANES > left) {
            POOL(max_lanes)(left - c, x + c, line, channels, v, h, wide, y + c, at);
        } else {
            POOL(max_lanes)(LANES, x + c, line, channels, v, h, wide, y + c, at);
        }
    }
}

/* One row of y. Whole windows of 2 x 2, the most common ones, get loops of constant length. */
AG_MULTIVERSION static void POOL(max_row)(const k_pool *p, const T *x, T *y, uint16_t *index,
                                          int64_t oy)
{
    static const window pair = { 0, 0, 2, 0 };
    int64_t line = p->w * p->c;
    window v = window_at(p, 0, oy);
    x += v.start * line;
    y += oy * p->ow * p->c;
    index += index == NULL ? 0 : oy * p->ow * p->c;
    for (int64_t ox = 0; ox < p->ow; ox++) {
        window h = window_at(p, 1, ox);
        const T *from = x + h.start * p->c;
        int64_t left = (p->ow - ox) * p->c;
        if (v.low == 0 && v.high == 2 && h.low == 0 && h.high == 2) {
            POOL(max_pixel)(p->c, left, from, line, pair, pair, p->kernel[1], y, index);
        } else {
            POOL(max_pixel)(p->c, left, from, line, v, h, p->kernel[1], y, index);
        }
        y += p->c;
        index += index == NULL ? 0 : p->c;
    }
}

static AG_ALWAYS_INLINE void POOL(spread_lanes)(const int64_t count, const T *dy,
                                                const uint16_t *index, BITS cell, T *dx)
{
    POOL(vector) value = { 0 };
    POOL(short) narrow = { 0 };
    LOAD(value, dy, count);
    LOAD(narrow, index, count);
    POOL(bits) wins = (POOL(bits))(__builtin_convertvector(narrow, POOL(bits)) == cell);
    value = (POOL(vector))((POOL(bits))value & wins);
    STORE(dx, value, count);
}

/* dx of one image whose windows tile it: each cell is written once; those that no window touches
 * become 0. */
AG_MULTIVERSION static void POOL(max_spread)(const k_pool *p, const T *dy, const uint16_t *index,
                                             T *dx)
{
    int64_t used = p->ow * p->stride[1] * p->c, rest = p->w * p->c - used;
    for (int64_t oy = 0; oy < p->oh; oy++) {
        for (int64_t i = 0; i < p->kernel[0]; i++) {
            for (int64_t ox = 0; ox < p->ow; ox++) {
                const T *from = dy + (oy * p->ow + ox) * p->c;
                const uint16_t *at = index + (oy * p->ow + ox) * p->c;
                for (int64_t j = 0; j < p->kernel[1]; j++, dx += p->c) {
                    BITS cell = (BITS)(i * p->kernel[1] + j);
                    int64_t left = used - (ox * p->kernel[1] + j) * p->c;
                    for (int64_t c = 0; c < p->c; c += LANES) {
                        if (c + LANES > left) {
                            POOL(spread_lanes)(p->c - c, from + c, at + c, cell, dx + c);
                        } else {
                            POOL(spread_lanes)(LANES, from + c, at + c, cell, dx + c);
                        }
                    }
                }
            }
            memset(dx, 0, (size_t)rest * sizeof(T));
            dx += rest;
        }
    }
    memset(dx, 0, (size_t)((p->h - p->oh * p->stride[0]) * p->w * p->c) * sizeof(T));
}

/* dx of one image, windows anyhow. */
static void POOL(max_scatter)(const k_pool *p, const T *dy, const uint16_t *index, T *dx)
{
    memset(dx, 0, (size_t)(p->h * p->w * p->c) * sizeof(T));
    for (int64_t oy = 0; oy < p->oh; oy++) {
        window v = window_at(p, 0, oy);
        for (int64_t ox = 0; ox < p->ow; ox++) {
            window h = window_at(p, 1, ox);
            for (int64_t c = 0; c < p->c; c++, dy++, index++) {
                int64_t row = v.start + *index / p->kernel[1],
                        column = h.start + *index % p->kernel[1];
                dx[(row * p->w + column) * p->c + c] += *dy;
            }
        }
    }
}

static void POOL(gather_row)(const k_pool *p, const T *x, const uint16_t *index, T *y, int64_t oy)
{
    window v = window_at(p, 0, oy);
    for (int64_t ox = 0; ox < p->ow; ox++) {
        window h = window_at(p, 1, ox);
        for (int64_t c = 0; c < p->c; c++) {
            int64_t i = (oy * p->ow + ox) * p->c + c;
            int64_t row = v.start + index[i] / p->kernel[1],
                    column = h.start + index[i] % p->kernel[1];
            y[i] = x[(row * p->w + column) * p->c + c];
        }
    }
}

static AG_ALWAYS_INLINE void POOL(avg_lanes)(const int64_t count, const T *x, int64_t line,
                                             int64_t pixel, const window *v, const window *h,
                                             T divisor, T *y)
{
    POOL(vector) sum = { 0 };
    for (int64_t i = v->low; i < v->high; i++) {
        for (int64_t j = h->low; j < h->high; j++) {
            POOL(vector) value = { 0 };
            LOAD(value, x + i * line + j * pixel, count);
            sum += value;
        }
    }
    sum /= divisor;
    STORE(y, sum, count);
}

/* One row of y. */
AG_MULTIVERSION static void POOL(avg_row)(const k_pool *p, const T *x, T *y, int64_t oy)
{
    int64_t line = p->w * p->c;
    window v = window_at(p, 0, oy);
    x += v.start * line;
    y += oy * p->ow * p->c;
    for (int64_t ox = 0; ox < p->ow; ox++, y += p->c) {
        window h = window_at(p, 1, ox);
        const T *from = x + h.start * p->c;
        T divisor = (T)(v.cells * h.cells);
        int64_t left = (p->ow - ox) * p->c;
        for (int64_t c = 0; c < p->c; c += LANES) {
            if (c + LANES > left) {
                POOL(avg_lanes)(p->c - c, from + c, line, p->c, &v, &h, divisor, y + c);
            } else {
                POOL(avg_lanes)(LANES, from + c, line, p->c, &v, &h, divisor, y + c);
            }
        }
    }
}

/* dx of one image. */
AG_MULTIVERSION static void POOL(avg_scatter)(const k_pool *p, const T *restrict dy, T *restrict dx)
{
    memset(dx, 0, (size_t)(p->h * p->w * p->c) * sizeof(T));
    for (int64_t oy = 0; oy < p->oh; oy++) {
        window v = window_at(p, 0, oy);
        for (int64_t ox = 0; ox < p->ow; ox++, dy += p->c) {
            window h = window_at(p, 1, ox);
            T divisor = (T)(v.cells * h.cells);
            for (int64_t i = v.low; i < v.high; i++) {
                for (int64_t j = h.low; j < h.high; j++) {
                    T *to = dx + ((v.start + i) * p->w + h.start + j) * p->c;
                    for (int64_t c = 0; c < p->c; c++) {
                        to[c] += dy[c] / divisor;
                    }
                }
            }
        }
    }
}

#undef LANES
#undef POOL
#undef T
#undef BITS
#undef LOAD
#undef STORE
