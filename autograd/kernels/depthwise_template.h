/*
 * Depthwise loops for one element type; included by depthwise.c only, once for each, with
 * DEPTHWISE(name) for the names and T for the element.
 */

static void DEPTHWISE(turn)(int64_t taps, int64_t channels, const T *weight, T *w)
{
    for (int64_t i = 0; i < taps; i++) {
        for (int64_t c = 0; c < channels; c++) {
            w[i * channels + c] = weight[c * taps + i];
        }
    }
}

/* One row of y. */
AG_MULTIVERSION static void DEPTHWISE(forward)(const k_conv *p, const T *restrict x,
                                               const T *restrict w, const T *restrict bias,
                                               T *restrict y, int64_t n, int64_t oy)
{
    for (int64_t ox = 0; ox < p->ow; ox++) {
        for (int64_t c0 = 0; c0 < p->c; c0 += CHANNELS) {
            int64_t now = p->c - c0 < CHANNELS ? p->c - c0 : CHANNELS;
            T sum[CHANNELS];
            for (int64_t c = 0; c < now; c++) {
                sum[c] = bias == NULL ? 0 : bias[c0 + c];
            }
            for (int64_t i = 0; i < p->kh; i++) {
                int64_t iy = oy * p->stride[0] + i * p->dilation[0] - p->pad_top;
                for (int64_t j = 0; j < p->kw && iy >= 0 && iy < p->h; j++) {
                    int64_t ix = ox * p->stride[1] + j * p->dilation[1] - p->pad_left;
                    if (ix >= 0 && ix < p->w) {
                        const T *from = x + ((n * p->h + iy) * p->w + ix) * p->c + c0;
                        const T *v = w + (i * p->kw + j) * p->c + c0;
                        for (int64_t c = 0; c < now; c++) {
                            sum[c] += from[c] * v[c];
                        }
                    }
                }
            }
            T *to = y + ((n * p->oh + oy) * p->ow + ox) * p->c + c0;
            for (int64_t c = 0; c < now; c++) {
                to[c] = sum[c];
            }
        }
    }
}

/* One row of dx: the outputs whose windows hold it. */
AG_MULTIVERSION static void DEPTHWISE(input)(const k_conv *p, const T *restrict dy,
                                             const T *restrict w, T *restrict dx, int64_t n,
                                             int64_t iy)
{
    for (int64_t ix = 0; ix < p->w; ix++) {
        for (int64_t c0 = 0; c0 < p->c; c0 += CHANNELS) {
            int64_t now = p->c - c0 < CHANNELS ? p->c - c0 : CHANNELS;
            T sum[CHANNELS] = { 0 };
            for (int64_t i = 0; i < p->kh; i++) {
                int64_t down = iy + p->pad_top - i * p->dilation[0], oy = down / p->stride[0];
                if (down < 0 || oy * p->stride[0] != down || oy >= p->oh) {
                    continue;
                }
                for (int64_t j = 0; j < p->kw; j++) {
                    int64_t right = ix + p->pad_left - j * p->dilation[1],
                            ox = right / p->stride[1];
                    if (right < 0 || ox * p->stride[1] != right || ox >= p->ow) {
                        continue;
                    }
                    const T *from = dy + ((n * p->oh + oy) * p->ow + ox) * p->c + c0;
                    const T *v = w + (i * p->kw + j) * p->c + c0;
                    for (int64_t c = 0; c < now; c++) {
                        sum[c] += from[c] * v[c];
                    }
                }
            }
            T *to = dx + ((n * p->h + iy) * p->w + ix) * p->c + c0;
            for (int64_t c = 0; c < now; c++) {
                to[c] = sum[c];
            }
        }
    }
}

/* sum[tap][c] += what one row of dy gives. */
AG_MULTIVERSION static void DEPTHWISE(weight)(const k_conv *p, const T *restrict x,
                                              const T *restrict dy, T *restrict sum, int64_t n,
                                              int64_t oy)
{
    for (int64_t i = 0; i < p->kh; i++) {
        int64_t iy = oy * p->stride[0] + i * p->dilation[0] - p->pad_top;
        for (int64_t j = 0; j < p->kw && iy >= 0 && iy < p->h; j++) {
            T *to = sum + (i * p->kw + j) * p->c;
            for (int64_t ox = 0; ox < p->ow; ox++) {
                int64_t ix = ox * p->stride[1] + j * p->dilation[1] - p->pad_left;
                if (ix >= 0 && ix < p->w) {
                    const T *a = x + ((n * p->h + iy) * p->w + ix) * p->c;
                    const T *b = dy + ((n * p->oh + oy) * p->ow + ox) * p->c;
                    for (int64_t c = 0; c < p->c; c++) {
                        to[c] += a[c] * b[c];
                    }
                }
            }
        }
    }
}

/* What the turns of one call share. */
struct DEPTHWISE(task) {
    const k_conv *p;
    const T *x, *dy, *bias;
    T *out, *work; /* the turned weight, or the parts' sums */
};

static void DEPTHWISE(forward_row)(const void *task, int64_t r)
{
    const struct DEPTHWISE(task) *t = task;
    DEPTHWISE(forward)(t->p, t->x, t->work, t->bias, t->out, r / t->p->oh, r % t->p->oh);
}

static void DEPTHWISE(forward_rows)(int threads, const k_conv *p, const T *x, const T *weight,
                                    const T *bias, T *y, T *work)
{
    DEPTHWISE(turn)(p->kh * p->kw, p->c, weight, work);
    struct DEPTHWISE(task) task = { .p = p, .x = x, .bias = bias, .out = y, .work = work };
    int team = team_for(threads, p->n * p->oh * p->ow * p->c * p->kh * p->kw);
    ag_parallel(team, p->n * p->oh, DEPTHWISE(forward_row), &task);
}

static void DEPTHWISE(input_row)(const void *task, int64_t r)
{
    const struct DEPTHWISE(task) *t = task;
    DEPTHWISE(input)(t->p, t->dy, t->work, t->out, r / t->p->h, r % t->p->h);
}

static void DEPTHWISE(input_rows)(int threads, const k_conv *p, const T *dy, const T *weight, T *dx,
                                  T *work)
{
    DEPTHWISE(turn)(p->kh * p->kw, p->c, weight, work);
    struct DEPTHWISE(task) task = { .p = p, .dy = dy, .out = dx, .work = work };
    int team = team_for(threads, p->n * p->oh * p->ow * p->c * p->kh * p->kw);
    ag_parallel(team, p->n * p->h, DEPTHWISE(input_row), &task);
}

static void DEPTHWISE(weight_part)(const void *task, int64_t part)
{
    const struct DEPTHWISE(task) *t = task;
    const k_conv *p = t->p;
    int64_t numbers = p->kh * p->kw * p->c, rows = p->n * p->oh;
    T *sum = t->work + part * numbers;
    for (int64_t i = 0; i < numbers; i++) {
        sum[i] = 0;
    }
    for (int64_t r = rows * part / PARTS; r < rows * (part + 1) / PARTS; r++) {
        DEPTHWISE(weight)(p, t->x, t->dy, sum, r / p->oh, r % p->oh);
    }
}

static void DEPTHWISE(weight_rows)(int threads, const k_conv *p, const T *x, const T *dy,
                                   bool accumulate, T *dweight, T *work)
{
    int64_t taps = p->kh * p->kw, numbers = taps * p->c;
    struct DEPTHWISE(task) task = { .p = p, .x = x, .dy = dy, .work = work };
    ag_parallel(team_for(threads, p->n * p->oh * p->ow * numbers), PARTS, DEPTHWISE(weight_part), &task);
    for (int64_t c = 0; c < p->c; c++) {
        for (int64_t i = 0; i < taps; i++) {
            T sum = 0;
            for (int64_t part = 0; part < PARTS; part++) {
                sum += work[part * numbers + i * p->c + c];
            }
            T *to = dweight + c * taps + i;
            *to = (accumulate ? *to : 0) + sum;
        }
    }
}

#undef DEPTHWISE
#undef T
