/*
 * Softmax for one element type: included once per type with T, LANES, EXP, LOG and NAME(x) defined.
 *
 * Rows are read in blocks of LANES, each lane with a maximum and a sum of its own, so that the loops become vector code and
 * the order of every sum is fixed. A row's last block is filled up with -infinity, which changes neither.
 */

/* Block number i of a row of d elements: in place, or a filled-up copy of the last one. */
static AG_ALWAYS_INLINE const T *NAME(block_of)(const T *x, int64_t i, int64_t d, T *last)
{
    if (i + LANES <= d) {
        return x + i;
    }
    for (int64_t j = 0; j < LANES; j++) {
        last[j] = i + j < d ? x[i + j] : -(T)INFINITY;
    }
    return last;
}

/* The maximum of a row and the sum of e^(x - max). */
static AG_ALWAYS_INLINE void NAME(row_sum)(int64_t d, const T *x, T *max, T *sum)
{
    T m[LANES], s[LANES], last[LANES];
    for (int j = 0; j < LANES; j++) {
        m[j] = -(T)INFINITY;
        s[j] = 0;
    }
    for (int64_t i = 0; i < d; i += LANES) {
        const T *b = NAME(block_of)(x, i, d, last);
        for (int j = 0; j < LANES; j++) {
            m[j] = b[j] > m[j] ? b[j] : m[j];
        }
    }
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int j = 0; j < half; j++) {
            m[j] = m[j + half] > m[j] ? m[j + half] : m[j];
        }
    }
    for (int64_t i = 0; i < d; i += LANES) {
        const T *b = NAME(block_of)(x, i, d, last);
        for (int j = 0; j < LANES; j++) {
            s[j] += EXP(b[j] - m[0]);
        }
    }
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int j = 0; j < half; j++) {
            s[j] += s[j + half];
        }
    }
    *max = m[0];
    *sum = s[0];
}

/* Rows too short for blocks lie side by side instead, one a lane: block[i][j] = x[j][i]. */
static AG_ALWAYS_INLINE void NAME(group_load)(int64_t rows, int64_t d, const T *x, T *block)
{
    for (int64_t j = 0; j < LANES; j++) {
        const T *row = x + (j < rows ? j : 0) * d;
        for (int64_t i = 0; i < d; i++) {
            block[i * LANES + j] = row[i];
        }
    }
}

/* Replaces the block by e^(x - max), with each lane's maximum and sum. */
static AG_ALWAYS_INLINE void NAME(group_exp)(int64_t d, T *block, T *max, T *sum)
{
    for (int j = 0; j < LANES; j++) {
        max[j] = -(T)INFINITY;
        sum[j] = 0;
    }
    for (int64_t i = 0; i < d; i++) {
        for (int j = 0; j < LANES; j++) {
            T v = block[i * LANES + j];
            max[j] = v > max[j] ? v : max[j];
        }
    }
    for (int64_t i = 0; i < d; i++) {
        for (int j = 0; j < LANES; j++) {
            T e = EXP(block[i * LANES + j] - max[j]);
            block[i * LANES + j] = e;
            sum[j] += e;
        }
    }
}

AG_MULTIVERSION static void NAME(softmax_short_rows)(int64_t rows, int64_t d, const T *x, T *y)
{
    T block[SHORT * LANES], max[LANES], sum[LANES];
    for (int64_t r = 0; r < rows; r += LANES, x += LANES * d, y += LANES * d) {
        int64_t group = rows - r < LANES ? rows - r : LANES;
        NAME(group_load)(group, d, x, block);
        NAME(group_exp)(d, block, max, sum);
        for (int64_t j = 0; j < group; j++) {
            T scale = (T)1 / sum[j];
            for (int64_t i = 0; i < d; i++) {
                y[j * d + i] = block[i * LANES + j] * scale;
            }
        }
    }
}

AG_MULTIVERSION static void NAME(softmax_rows)(int64_t rows, int64_t d, const T *x, T *y, bool logarithm)
{
    if (d <= SHORT && !logarithm) {
        NAME(softmax_short_rows)(rows, d, x, y);
        return;
    }
    for (int64_t r = 0; r < rows; r++, x += d, y += d) {
        T max, sum;
        NAME(row_sum)(d, x, &max, &sum);
        if (logarithm) {
            T log_sum = LOG(sum);
            for (int64_t i = 0; i < d; i++) {
                y[i] = x[i] - max - log_sum;
            }
        } else {
            T scale = (T)1 / sum;
            for (int64_t i = 0; i < d; i++) {
                y[i] = EXP(x[i] - max) * scale;
            }
        }
    }
}

/* The same along a dimension that is not the last: x and y are (d, inner), columns are independent. */
AG_MULTIVERSION static void NAME(softmax_columns)(int64_t d, int64_t inner, const T *x, T *y, bool logarithm)
{
    for (int64_t c = 0; c < inner; c += LANES) {
        int64_t width = inner - c < LANES ? inner - c : LANES;
        T max[LANES], sum[LANES];
        for (int64_t j = 0; j < width; j++) {
            max[j] = -(T)INFINITY;
            sum[j] = 0;
        }
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j < width; j++) {
                T v = x[i * inner + c + j];
                max[j] = v > max[j] ? v : max[j];
            }
        }
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j < width; j++) {
                sum[j] += EXP(x[i * inner + c + j] - max[j]);
            }
        }
        for (int64_t j = 0; j < width; j++) {
            sum[j] = logarithm ? LOG(sum[j]) : (T)1 / sum[j];
        }
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j < width; j++) {
                T v = x[i * inner + c + j] - max[j];
                y[i * inner + c + j] = logarithm ? v - sum[j] : EXP(v) * sum[j];
            }
        }
    }
}

/* dx = y (dy - sum of dy y), or dy - e^y (sum of dy) for the logarithm; `inner` columns side by side. */
AG_MULTIVERSION static void NAME(softmax_back)(int64_t d, int64_t inner, const T *dy, const T *y, T *dx, bool logarithm)
{
    for (int64_t c = 0; c < inner; c += LANES) {
        int64_t width = inner - c < LANES ? inner - c : LANES;
        T sum[LANES] = { 0 };
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j < width; j++) {
                int64_t at = i * inner + c + j;
                sum[j] += logarithm ? dy[at] : dy[at] * y[at];
            }
        }
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j < width; j++) {
                int64_t at = i * inner + c + j;
                dx[at] = logarithm ? dy[at] - EXP(y[at]) * sum[j] : y[at] * (dy[at] - sum[j]);
            }
        }
    }
}

AG_MULTIVERSION static void NAME(softmax_rows_back)(int64_t rows, int64_t d, const T *dy, const T *y, T *dx, bool logarithm)
{
    for (int64_t r = 0; r < rows; r++, dy += d, y += d, dx += d) {
        T lane[LANES] = { 0 }, sum = 0;
        int64_t i = 0;
        for (; i + LANES <= d; i += LANES) {
            for (int j = 0; j < LANES; j++) {
                lane[j] += logarithm ? dy[i + j] : dy[i + j] * y[i + j];
            }
        }
        for (; i < d; i++) {
            sum += logarithm ? dy[i] : dy[i] * y[i];
        }
        for (int j = 0; j < LANES; j++) {
            sum += lane[j];
        }
        if (logarithm) {
            for (i = 0; i < d; i++) {
                dx[i] = dy[i] - EXP(y[i]) * sum;
            }
        } else {
            for (i = 0; i < d; i++) {
                dx[i] = y[i] * (dy[i] - sum);
            }
        }
    }
}

/* loss = log(sum of e^(x - max)) - (x[label] - max); stats keeps max and log(sum) for the way back. */
AG_MULTIVERSION static void NAME(cross_entropy_short_rows)(int64_t rows, int64_t d, const T *x, const int64_t *label,
                                                           T *loss, T *stats)
{
    T block[SHORT * LANES], max[LANES], sum[LANES];
    for (int64_t r = 0; r < rows; r += LANES, x += LANES * d) {
        int64_t group = rows - r < LANES ? rows - r : LANES;
        NAME(group_load)(group, d, x, block);
        NAME(group_exp)(d, block, max, sum);
        for (int64_t j = 0; j < group; j++) {
            T log_sum = LOG(sum[j]);
            stats[2 * (r + j)] = max[j];
            stats[2 * (r + j) + 1] = log_sum;
            loss[r + j] = log_sum - (x[j * d + label[r + j]] - max[j]);
        }
    }
}

AG_MULTIVERSION static void NAME(cross_entropy_rows)(int64_t rows, int64_t d, const T *x, const int64_t *label, T *loss,
                                                     T *stats)
{
    if (d <= SHORT) {
        NAME(cross_entropy_short_rows)(rows, d, x, label, loss, stats);
        return;
    }
    for (int64_t r = 0; r < rows; r++, x += d) {
        T max, sum;
        NAME(row_sum)(d, x, &max, &sum);
        T log_sum = LOG(sum);
        stats[2 * r] = max;
        stats[2 * r + 1] = log_sum;
        loss[r] = log_sum - (x[label[r]] - max);
    }
}

/* dx = (softmax(x) - one_hot(label)) g, with g one number or one a row. */
AG_MULTIVERSION static void NAME(cross_entropy_back)(int64_t rows, int64_t d, const T *x, const int64_t *label,
                                                     const T *stats, const T *g, int64_t g_step, T scale, T *dx)
{
    for (int64_t r = 0; r < rows; r++, x += d, dx += d) {
        T max = stats[2 * r], log_sum = stats[2 * r + 1], factor = g[r * g_step] * scale;
        for (int64_t i = 0; i < d; i++) {
            dx[i] = EXP(x[i] - max - log_sum) * factor;
        }
        dx[label[r]] -= factor;
    }
}

/* ---- labels with weights, some to be ignored, smoothed ---------------------------------------------------------------
 * loss = hot (log(sum) - (x[label] - max)) + smooth (sum of w[c] (log(sum) - (x[c] - max)))
 * with hot = (1 - smoothing) w[label] and smooth = smoothing / c;  dx[c] = (softmax(x)[c] (hot + smooth (sum of w)) - smooth w[c] - hot [c = label]) g */

static AG_ALWAYS_INLINE T NAME(weight_of)(const k_labels *p, int64_t c)
{
    return p->weight == NULL ? (T)1 : ((const T *)p->weight)[c];
}

/* The sum over the classes of w[c] (max - x[c]), in lanes. */
static AG_ALWAYS_INLINE T NAME(smooth_sum)(const k_labels *p, const T *x, T max)
{
    const T *w = p->weight;
    T lane[LANES] = { 0 }, sum = 0;
    int64_t c = 0;
    for (; c + LANES <= p->c; c += LANES) {
        for (int j = 0; j < LANES; j++) {
            lane[j] += (w == NULL ? (T)1 : w[c + j]) * (max - x[c + j]);
        }
    }
    for (; c < p->c; c++) {
        sum += NAME(weight_of)(p, c) * (max - x[c]);
    }
    for (int j = 0; j < LANES; j++) {
        sum += lane[j];
    }
    return sum;
}

static AG_ALWAYS_INLINE T NAME(weight_sum)(const k_labels *p)
{
    T sum = 0;
    for (int64_t c = 0; c < p->c; c++) {
        sum += NAME(weight_of)(p, c);
    }
    return sum;
}

AG_MULTIVERSION static void NAME(label_rows)(const k_labels *p, int64_t first, int64_t rows, const T *x, T *loss, T *stats)
{
    const T hot = (T)(1 - p->smoothing), smooth = (T)(p->smoothing / (double)p->c), all = NAME(weight_sum)(p);
    for (int64_t r = first; r < first + rows; r++) {
        const T *row = x + r * p->c;
        int64_t label = p->label[r];
        T max, sum;
        NAME(row_sum)(p->c, row, &max, &sum);
        T log_sum = LOG(sum);
        stats[2 * r] = max;
        stats[2 * r + 1] = log_sum;
        loss[r] = 0;
        if (label != p->ignore) {
            loss[r] = hot * NAME(weight_of)(p, label) * (log_sum - (row[label] - max));
            if (smooth > 0) {
                loss[r] += smooth * (NAME(smooth_sum)(p, row, max) + all * log_sum);
            }
        }
    }
}

/* One of the n blocks (c,l). */
AG_MULTIVERSION static void NAME(label_columns)(const k_labels *p, int64_t block, const T *x, T *loss, T *stats)
{
    const T hot = (T)(1 - p->smoothing), smooth = (T)(p->smoothing / (double)p->c), all = NAME(weight_sum)(p);
    const int64_t l = p->l;
    x += block * p->c * l;
    for (int64_t at = 0; at < l; at += LANES) {
        int64_t width = l - at < LANES ? l - at : LANES;
        T max[LANES], sum[LANES], even[LANES] = { 0 };
        for (int64_t j = 0; j < width; j++) {
            max[j] = -(T)INFINITY;
            sum[j] = 0;
        }
        for (int64_t c = 0; c < p->c; c++) {
            for (int64_t j = 0; j < width; j++) {
                T v = x[c * l + at + j];
                max[j] = v > max[j] ? v : max[j];
            }
        }
        for (int64_t c = 0; c < p->c; c++) {
            for (int64_t j = 0; j < width; j++) {
                sum[j] += EXP(x[c * l + at + j] - max[j]);
            }
        }
        for (int64_t c = 0; c < p->c && smooth > 0; c++) {
            T w = NAME(weight_of)(p, c);
            for (int64_t j = 0; j < width; j++) {
                even[j] += w * (max[j] - x[c * l + at + j]);
            }
        }
        for (int64_t j = 0; j < width; j++) {
            int64_t place = block * l + at + j, label = p->label[place];
            T log_sum = LOG(sum[j]), value = 0;
            if (label != p->ignore) {
                value = hot * NAME(weight_of)(p, label) * (log_sum - (x[label * l + at + j] - max[j]));
                if (smooth > 0) {
                    value += smooth * (even[j] + all * log_sum);
                }
            }
            stats[2 * place] = max[j];
            stats[2 * place + 1] = log_sum;
            loss[place] = value;
        }
    }
}

AG_MULTIVERSION static void NAME(label_rows_back)(const k_labels *p, int64_t first, int64_t rows, const T *x,
                                                  const T *stats, const T *g, int64_t g_step, T scale, T *dx)
{
    const T smooth = (T)(p->smoothing / (double)p->c), evenly = smooth * NAME(weight_sum)(p);
    const T *w = p->weight;
    for (int64_t r = first; r < first + rows; r++) {
        const T *row = x + r * p->c;
        T *out = dx + r * p->c;
        int64_t label = p->label[r];
        if (label == p->ignore) {
            for (int64_t c = 0; c < p->c; c++) {
                out[c] = 0;
            }
            continue;
        }
        T max = stats[2 * r], log_sum = stats[2 * r + 1], factor = g[r * g_step] * scale;
        T hot = (T)(1 - p->smoothing) * NAME(weight_of)(p, label), all = (hot + evenly) * factor;
        for (int64_t c = 0; c < p->c; c++) {
            out[c] = EXP(row[c] - max - log_sum) * all;
        }
        if (smooth > 0) {
            for (int64_t c = 0; c < p->c; c++) {
                out[c] -= smooth * factor * (w == NULL ? (T)1 : w[c]);
            }
        }
        out[label] -= hot * factor;
    }
}

AG_MULTIVERSION static void NAME(label_columns_back)(const k_labels *p, int64_t block, const T *x, const T *stats,
                                                     const T *g, int64_t g_step, T scale, T *dx)
{
    const T smooth = (T)(p->smoothing / (double)p->c), evenly = smooth * NAME(weight_sum)(p);
    const int64_t l = p->l;
    x += block * p->c * l;
    dx += block * p->c * l;
    for (int64_t at = 0; at < l; at += LANES) {
        int64_t width = l - at < LANES ? l - at : LANES;
        T max[LANES], log_sum[LANES], hot[LANES], all[LANES], even[LANES];
        for (int64_t j = 0; j < width; j++) {
            int64_t place = block * l + at + j, label = p->label[place];
            bool counts = label != p->ignore;
            T factor = counts ? g[place * g_step] * scale : 0;
            T weight = counts ? (T)(1 - p->smoothing) * NAME(weight_of)(p, label) : 0;
            max[j] = stats[2 * place];
            log_sum[j] = stats[2 * place + 1];
            hot[j] = weight * factor;
            even[j] = smooth * factor;
            all[j] = counts ? (weight + evenly) * factor : 0;
        }
        for (int64_t c = 0; c < p->c; c++) {
            T w = NAME(weight_of)(p, c);
            for (int64_t j = 0; j < width; j++) {
                dx[c * l + at + j] = EXP(x[c * l + at + j] - max[j] - log_sum[j]) * all[j] - even[j] * w;
            }
        }
        for (int64_t j = 0; j < width; j++) {
            int64_t label = p->label[block * l + at + j];
            if (label != p->ignore) {
                dx[label * l + at + j] -= hot[j];
            }
        }
    }
}

#undef T
#undef LANES
#undef EXP
#undef LOG
#undef NAME
