/*
 * Pooling loops for one element type; included by pool.c only, once for each, with POOL(name) for the functions' names, T
 * for the element and COUNT for an unsigned integer as wide as T, so that winners and maxima fit the same vectors.
 *
 * Note [Lanes]: channels are taken LANES at a time by loops of constant length, which become straight vector code. The last
 * step of a pixel may run over into the next pixel of the row: what it writes there is overwritten by that pixel's own
 * turn. Only at the end of a row (`left` elements before it) a step must end in time.
 */

#define LANES (32 / (int64_t)sizeof(T))

/* y = max over the cells of a window, winner = the first of equals; a NaN beats all that is not NaN, and stays. */
static AG_ALWAYS_INLINE void POOL(max_lanes)(const int64_t count, const T *x, int64_t line, int64_t pixel,
                                             const window *v, const window *h, int64_t wide, T *y, uint16_t *index)
{
    T best[LANES];
    COUNT winner[LANES];
    for (int64_t c = 0; c < count; c++) {
        best[c] = -(T)INFINITY;
        winner[c] = (COUNT)(v->low * wide + h->low);
    }
    for (int64_t i = v->low; i < v->high; i++) {
        for (int64_t j = h->low; j < h->high; j++) {
            const T *from = x + i * line + j * pixel;
            COUNT cell = (COUNT)(i * wide + j);
            for (int64_t c = 0; c < count; c++) {
                T value = from[c];
                /* Greater or not a number; bitwise, so that no branch stands in the way of vectors. */
                COUNT wins = (COUNT)!(value <= best[c]) & (COUNT)(best[c] == best[c]);
                best[c] = wins ? value : best[c];
                winner[c] = wins ? cell : winner[c];
            }
        }
    }
    for (int64_t c = 0; c < count; c++) {
        y[c] = best[c];
    }
    for (int64_t c = 0; c < count && index != NULL; c++) {
        index[c] = (uint16_t)winner[c];
    }
}

/* One row of y. */
AG_MULTIVERSION static void POOL(max_row)(const k_pool *p, const T *x, T *y, uint16_t *index, int64_t oy)
{
    int64_t line = p->w * p->c;
    window v = window_at(p, 0, oy);
    x += v.start * line;
    y += oy * p->ow * p->c;
    index += index == NULL ? 0 : oy * p->ow * p->c;
    for (int64_t ox = 0; ox < p->ow; ox++) {
        window h = window_at(p, 1, ox);
        const T *from = x + h.start * p->c;
        int64_t left = (p->ow - ox) * p->c;
        for (int64_t c = 0; c < p->c; c += LANES) {
            if (c + LANES > left) {
                POOL(max_lanes)(p->c - c, from + c, line, p->c, &v, &h, p->kernel[1], y + c, index == NULL ? NULL : index + c);
            } else {
                POOL(max_lanes)(LANES, from + c, line, p->c, &v, &h, p->kernel[1], y + c, index == NULL ? NULL : index + c);
            }
        }
        y += p->c;
        index += index == NULL ? 0 : p->c;
    }
}

static AG_ALWAYS_INLINE void POOL(spread_lanes)(const int64_t count, const T *dy, const uint16_t *index, COUNT cell, T *dx)
{
    for (int64_t c = 0; c < count; c++) {
        dx[c] = (COUNT)index[c] == cell ? dy[c] : 0;
    }
}

/* dx of one image whose windows tile it: each cell is written once; those that no window touches become 0. */
AG_MULTIVERSION static void POOL(max_spread)(const k_pool *p, const T *dy, const uint16_t *index, T *dx)
{
    int64_t used = p->ow * p->stride[1] * p->c, rest = p->w * p->c - used;
    for (int64_t oy = 0; oy < p->oh; oy++) {
        for (int64_t i = 0; i < p->kernel[0]; i++) {
            for (int64_t ox = 0; ox < p->ow; ox++) {
                const T *from = dy + (oy * p->ow + ox) * p->c;
                const uint16_t *at = index + (oy * p->ow + ox) * p->c;
                for (int64_t j = 0; j < p->kernel[1]; j++, dx += p->c) {
                    COUNT cell = (COUNT)(i * p->kernel[1] + j);
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
                int64_t row = v.start + *index / p->kernel[1], column = h.start + *index % p->kernel[1];
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
            int64_t row = v.start + index[i] / p->kernel[1], column = h.start + index[i] % p->kernel[1];
            y[i] = x[(row * p->w + column) * p->c + c];
        }
    }
}

static AG_ALWAYS_INLINE void POOL(avg_lanes)(const int64_t count, const T *x, int64_t line, int64_t pixel,
                                             const window *v, const window *h, T divisor, T *y)
{
    T sum[LANES];
    for (int64_t c = 0; c < count; c++) {
        sum[c] = 0;
    }
    for (int64_t i = v->low; i < v->high; i++) {
        for (int64_t j = h->low; j < h->high; j++) {
            const T *from = x + i * line + j * pixel;
            for (int64_t c = 0; c < count; c++) {
                sum[c] += from[c];
            }
        }
    }
    for (int64_t c = 0; c < count; c++) {
        y[c] = sum[c] / divisor;
    }
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
#undef COUNT
