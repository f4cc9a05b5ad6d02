/*
 * Convolution, pooling and functions of one float against plain loops in float64, in both element types and with every register
 * tile this processor runs; the same bits for any number of threads; nothing written beside the results.
 */
#include "kernels.h"

#include "autograd/kernels/vector.h"

/* ---- convolution ----------------------------------------------------------------------------- */

static int64_t x_at(const k_conv *p, int64_t n, int64_t y, int64_t x, int64_t c)
{
    return ((n * p->h + y) * p->w + x) * p->c + c;
}

/* Calls `visit` with the places of every product x[i] weight[j] that belongs to y[k]. */
static void each_product(const k_conv *p,
                         void (*visit)(void *data, int64_t i, int64_t j, int64_t k), void *data)
{
    int64_t cg = p->c / p->groups, og = p->o / p->groups;
    for (int64_t n = 0; n < p->n; n++) {
        for (int64_t oy = 0; oy < p->oh; oy++) {
            for (int64_t ox = 0; ox < p->ow; ox++) {
                for (int64_t o = 0; o < p->o; o++) {
                    int64_t k = ((n * p->oh + oy) * p->ow + ox) * p->o + o;
                    for (int64_t kh = 0; kh < p->kh; kh++) {
                        for (int64_t kw = 0; kw < p->kw; kw++) {
                            int64_t y = oy * p->stride[0] + kh * p->dilation[0] - p->pad_top;
                            int64_t x = ox * p->stride[1] + kw * p->dilation[1] - p->pad_left;
                            for (int64_t c = 0; c < cg && y >= 0 && y < p->h && x >= 0 && x < p->w;
                                 c++) {
                                visit(data, x_at(p, n, y, x, o / og * cg + c),
                                      ((o * cg + c) * p->kh + kh) * p->kw + kw, k);
                            }
                        }
                    }
                }
            }
        }
    }
}

typedef struct trial {
    buffer x, weight, bias, dy;
    double *y, *dx, *dweight;
} trial;

static void visit_product(void *data, int64_t i, int64_t j, int64_t k)
{
    trial *t = data;
    t->y[k] += get(&t->x, i) * get(&t->weight, j);
    t->dx[i] += get(&t->dy, k) * get(&t->weight, j);
    t->dweight[j] += get(&t->dy, k) * get(&t->x, i);
}

static void same_bits(buffer *first, buffer *now, int threads, const char *what)
{
    size_t n = (size_t)now->n * ag_dtype_size(now->dtype);
    if (threads == 1) {
        memcpy(first->bytes, now->bytes, n);
    }
    CHECK(memcmp(first->bytes, now->bytes, n) == 0, "%s: %d threads give other bits", what,
          threads);
    buffer_free(now);
}

static void check_conv(ag_dtype dtype, const k_conv *p, bool with_bias)
{
    char what[200];
    snprintf(what, sizeof what,
             "conv n%d %dx%dx%d -> %dx%dx%d kernel %dx%d stride %d,%d dilation %d,%d pad %d,%d "
             "groups %d",
             (int)p->n, (int)p->h, (int)p->w, (int)p->c, (int)p->oh, (int)p->ow, (int)p->o,
             (int)p->kh, (int)p->kw, (int)p->stride[0], (int)p->stride[1], (int)p->dilation[0],
             (int)p->dilation[1], (int)p->pad_top, (int)p->pad_left, (int)p->groups);
    int64_t nx = p->n * p->h * p->w * p->c, ny = p->n * p->oh * p->ow * p->o,
            nw = p->o * p->c / p->groups * p->kh * p->kw;
    trial t = { buffer_random(dtype, nx),
                buffer_random(dtype, nw),
                buffer_random(dtype, p->o),
                buffer_random(dtype, ny),
                calloc((size_t)ny + 1, sizeof(double)),
                calloc((size_t)nx + 1, sizeof(double)),
                calloc((size_t)nw + 1, sizeof(double)) };
    for (int64_t i = 0; i < ny && with_bias; i++) {
        t.y[i] = get(&t.bias, i % p->o);
    }
    each_product(p, visit_product, &t);

    buffer y1 = buffer_new(dtype, ny), dx1 = buffer_new(dtype, nx), dw1 = buffer_new(dtype, nw);
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        buffer y = buffer_new(dtype, ny), dx = buffer_new(dtype, nx), dw = buffer_new(dtype, nw);
        buffer work = buffer_bytes(k_conv_forward_bytes(dtype, p, threads));
        k_conv_forward(dtype, threads, p, t.x.bytes, t.weight.bytes,
                       with_bias ? t.bias.bytes : NULL, y.bytes, work.bytes);
        buffer_free(&work);
        check_close(&y, t.y, what);
        same_bits(&y1, &y, threads, what);

        work = buffer_bytes(k_conv_input_bytes(dtype, p, threads));
        k_conv_input(dtype, threads, p, t.dy.bytes, t.weight.bytes, dx.bytes, work.bytes);
        buffer_free(&work);
        check_close(&dx, t.dx, what);
        same_bits(&dx1, &dx, threads, what);

        work = buffer_bytes(k_conv_weight_bytes(dtype, p, threads));
        k_conv_weight(dtype, threads, p, t.x.bytes, t.dy.bytes, false, dw.bytes, work.bytes);
        check_close(&dw, t.dweight, what);
        if (threads == 1) {
            /* Twice the gradient, by accumulating it. */
            buffer twice = buffer_new(dtype, nw);
            memcpy(twice.bytes, dw.bytes, (size_t)nw * ag_dtype_size(dtype));
            k_conv_weight(dtype, threads, p, t.x.bytes, t.dy.bytes, true, twice.bytes, work.bytes);
            for (int64_t i = 0; i < nw; i++) {
                CHECK(get(&twice, i) == 2 * get(&dw, i), "%s: accumulated weight gradient", what);
            }
            buffer_free(&twice);
        }
        buffer_free(&work);
        same_bits(&dw1, &dw, threads, what);
    }
    buffer_free(&y1);
    buffer_free(&dx1);
    buffer_free(&dw1);
    buffer_free(&t.x);
    buffer_free(&t.weight);
    buffer_free(&t.bias);
    buffer_free(&t.dy);
    free(t.y);
    free(t.dx);
    free(t.dweight);
}

static int64_t positions(int64_t length, int64_t before, int64_t after, int64_t kernel,
                         int64_t stride, int64_t dilation)
{
    int64_t room = length + before + after - (kernel - 1) * dilation - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static k_conv conv_random(int64_t groups, int64_t cg, int64_t og)
{
    k_conv p = {
        .n = pick(1, 4),
        .h = pick(1, 12),
        .w = pick(1, 12),
        .c = groups * cg,
        .o = groups * og,
        .kh = pick(1, 4),
        .kw = pick(1, 4),
        .groups = groups,
        .stride = { pick(1, 3), pick(1, 3) },
        .dilation = { pick(1, 2), pick(1, 2) },
        .pad_top = pick(0, 3),
        .pad_left = pick(0, 3),
    };
    p.oh = positions(p.h, p.pad_top, pick(0, 3), p.kh, p.stride[0], p.dilation[0]);
    p.ow = positions(p.w, p.pad_left, pick(0, 3), p.kw, p.stride[1], p.dilation[1]);
    return p;
}

static k_conv conv_square(int64_t n, int64_t size, int64_t c, int64_t o, int64_t kernel,
                          int64_t stride, int64_t pad)
{
    int64_t out = positions(size, pad, pad, kernel, stride, 1);
    return (k_conv){
        .n = n,
        .h = size,
        .w = size,
        .c = c,
        .o = o,
        .kh = kernel,
        .kw = kernel,
        .groups = 1,
        .oh = out,
        .ow = out,
        .stride = { stride, stride },
        .dilation = { 1, 1 },
        .pad_top = pad,
        .pad_left = pad,
    };
}

START_TEST(convolutions_match_the_definition)
{
    if (!k_tile_choose(tiles[_i])) {
        return;
    }
    for (int i = 0; i < 120; i++) {
        k_conv p = conv_random(1, pick(1, 5), pick(1, 20));
        if (i % 4 == 1) {
            p = conv_random(pick(2, 3), pick(1, 3), pick(1, 3));
        } else if (i % 4 == 2) {
            p = conv_random(pick(2, 9), 1, 1);
        }
        check_conv(types[i % 2], &p, i % 3 == 0);
    }
}
END_TEST

START_TEST(convolutions_of_every_size_class)
{
    if (!k_tile_choose(tiles[_i])) {
        return;
    }
    const k_conv shapes[] = {
        conv_square(0, 5, 2, 3, 3, 1, 0),    /* no image */
        conv_square(3, 2, 2, 3, 5, 1, 0),    /* no position */
        conv_square(2, 3, 2, 3, 7, 1, 2),    /* kernel larger than the image */
        conv_square(1, 40, 1, 6, 5, 1, 2),   /* one image in several bands, copied */
        conv_square(1, 37, 3, 33, 3, 1, 0),  /* and not copied; more than two vectors */
        conv_square(8, 6, 33, 70, 3, 1, 1),  /* deep: k in several pieces */
        conv_square(16, 3, 16, 50, 3, 1, 0), /* one position an image */
        conv_square(4, 14, 6, 16, 4, 2, 1),  /* stride with phases */
        conv_square(2, 7, 3, 5, 1, 3, 0),    /* stride larger than the kernel */
        conv_square(2, 3, 2, 4, 2, 4, 1),    /* stride larger than the image */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        check_conv(types[i % 2], &shapes[i], true);
        check_conv(types[(i + 1) % 2], &shapes[i], false);
    }
    k_conv wide =
        conv_square(2, 5, 70, 70, 3, 1, 1); /* depthwise, more channels than are kept at once */
    wide.groups = 70;
    check_conv(AG_FLOAT32, &wide, true);
    check_conv(AG_FLOAT64, &wide, false);
}
END_TEST

/* ---- pooling --------------------------------------------------------------------------------- */

static void check_pool(ag_dtype dtype, const k_pool *p, bool with_nan)
{
    int64_t nx = p->n * p->h * p->w * p->c, ny = p->n * p->oh * p->ow * p->c;
    buffer x = buffer_random(dtype, nx), dy = buffer_random(dtype, ny);
    for (int64_t i = 0; i < nx && with_nan; i += 5) {
        set(&x, i, i % 2 == 0 ? (double)NAN : -(double)INFINITY);
    }
    double *most = calloc((size_t)ny + 1, sizeof *most),
           *mean = calloc((size_t)ny + 1, sizeof *mean);
    double *dmost = calloc((size_t)nx + 1, sizeof *dmost),
           *dmean = calloc((size_t)nx + 1, sizeof *dmean);
    int64_t *winner = calloc((size_t)ny + 1, sizeof *winner);
    for (int64_t i = 0; i < ny; i++) {
        int64_t c = i % p->c, ox = i / p->c % p->ow, oy = i / p->c / p->ow % p->oh,
                n = i / p->c / p->ow / p->oh;
        int64_t cells = 0, found = -1, places[64];
        double sum = 0;
        for (int64_t kh = 0; kh < p->kernel[0]; kh++) {
            for (int64_t kw = 0; kw < p->kernel[1]; kw++) {
                int64_t iy = oy * p->stride[0] + kh - p->padding[0],
                        ix = ox * p->stride[1] + kw - p->padding[1];
                if (iy < 0 || iy >= p->h || ix < 0 || ix >= p->w) {
                    /* Zeros count up to the padding, but not beyond it. */
                    cells += p->count_include_pad && iy < p->h + p->padding[0] &&
                             ix < p->w + p->padding[1];
                    places[kh * p->kernel[1] + kw] = -1;
                    continue;
                }
                cells++;
                int64_t at = ((n * p->h + iy) * p->w + ix) * p->c + c;
                places[kh * p->kernel[1] + kw] = at;
                double v = get(&x, at);
                sum += v;
                if (found < 0 || v > most[i] || (isnan(v) && !isnan(most[i]))) {
                    found = at;
                    most[i] = v;
                    winner[i] = kh * p->kernel[1] + kw;
                }
            }
        }
        mean[i] = sum / (double)cells;
        dmost[found] += get(&dy, i);
        for (int64_t q = 0; q < p->kernel[0] * p->kernel[1]; q++) {
            if (places[q] >= 0) {
                dmean[places[q]] += get(&dy, i) / (double)cells;
            }
        }
    }
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        buffer y = buffer_new(dtype, ny), dx = buffer_new(dtype, nx), again = buffer_new(dtype, ny);
        buffer index = buffer_bytes((size_t)ny * sizeof(uint16_t));
        k_max_pool(dtype, threads, p, x.bytes, y.bytes, (uint16_t *)index.bytes);
        k_max_pool(dtype, threads, p, x.bytes, again.bytes, NULL);
        for (int64_t i = 0; i < ny; i++) {
            CHECK(((uint16_t *)index.bytes)[i] == winner[i], "winner of window %d", (int)i);
            CHECK(get(&y, i) == most[i] || (isnan(get(&y, i)) && isnan(most[i])), "maximum %d",
                  (int)i);
        }
        ck_assert_mem_eq(y.bytes, again.bytes, (size_t)ny * ag_dtype_size(dtype));
        k_max_pool_gather(dtype, threads, p, x.bytes, (uint16_t *)index.bytes, again.bytes);
        ck_assert_mem_eq(y.bytes, again.bytes, (size_t)ny * ag_dtype_size(dtype));
        k_max_pool_input(dtype, threads, p, dy.bytes, (uint16_t *)index.bytes, dx.bytes);
        check_close(&dx, dmost, "gradient of max pooling");
        if (!with_nan) {
            k_avg_pool(dtype, threads, p, x.bytes, y.bytes);
            check_close(&y, mean, "average pooling");
            k_avg_pool_input(dtype, threads, p, dy.bytes, dx.bytes);
            check_close(&dx, dmean, "gradient of average pooling");
        }
        buffer_free(&index);
        buffer_free(&again);
        buffer_free(&dx);
        buffer_free(&y);
    }
    buffer_free(&dy);
    buffer_free(&x);
    free(most);
    free(mean);
    free(dmost);
    free(dmean);
    free(winner);
}

START_TEST(pooling_matches_the_definition)
{
    for (int i = 0; i < 200; i++) {
        k_pool p = { .n = pick(0, 3),
                     .h = pick(3, 12),
                     .w = pick(3, 12),
                     .c = pick(1, i % 20 == 0 ? 150 : 20),
                     .kernel = { pick(1, 3), pick(1, 3) },
                     .stride = { pick(1, 4), pick(1, 4) },
                     .count_include_pad = i % 3 == 0 };
        for (int d = 0; d < 2; d++) {
            p.padding[d] = pick(0, p.kernel[d] / 2);
            if (i % 4 == 0) { /* windows side by side */
                p.stride[d] = p.kernel[d];
                p.padding[d] = 0;
            }
        }
        p.oh = positions(p.h, p.padding[0], p.padding[0], p.kernel[0], p.stride[0], 1);
        p.ow = positions(p.w, p.padding[1], p.padding[1], p.kernel[1], p.stride[1], 1);
        check_pool(types[i % 2], &p, i % 5 == 0);
    }
    k_pool large = { .n = 6,
                     .h = 24,
                     .w = 24,
                     .c = 32,
                     .oh = 12,
                     .ow = 12,
                     .kernel = { 2, 2 },
                     .stride = { 2, 2 } };
    check_pool(AG_FLOAT32, &large, false);
    large.kernel[0] = 3; /* windows that overlap, and end outside the image */
    check_pool(AG_FLOAT64, &large, false);
}
END_TEST

/* ---- functions of one float ------------------------------------------------------------------ */

static double units(float y, double truth)
{
    int exponent;
    frexp(truth, &exponent);
    return fabs((double)y - truth) / ldexp(1, exponent - 24);
}

static void note_worst(double *worst, double now)
{
    *worst = now > *worst ? now : *worst;
}

/* Every 997th float from 2^-20 to 16, both signs, against libm's double functions. */
START_TEST(functions_are_as_exact_as_they_say)
{
    double exp_ = 0, tanh_ = 0, erf_ = 0, area = 0, gelu = 0, slope = 0;
    for (uint32_t bits = k_bits_of_float(0x1p-20f); bits < k_bits_of_float(16); bits += 997) {
        for (int sign = 0; sign < 2; sign++) {
            float f = sign ? -k_float_of_bits(bits) : k_float_of_bits(bits), density;
            double x = f, phi = exp(-0.5 * x * x) / sqrt(2 * acos(-1.0)), Phi = 0.5 * erfc(-x * sqrt(0.5));
            note_worst(&exp_, units(k_exp_f32(f), exp(x)));
            if (x <= 0) {
                note_worst(&exp_, units(k_exp_falling_f32(4 * f), exp(4 * x)));
            }
            note_worst(&tanh_, units(k_tanh_f32(f), tanh(x)));
            note_worst(&erf_, units(k_erf_f32(f), erf(x)));
            if (fabs(x) < 8) {
                note_worst(&area, fabs((double)k_normal_area_f32(f, &density) - Phi) / Phi);
                note_worst(&area, fabs((double)density - phi) / phi);
                note_worst(&gelu, fabs((double)k_gelu_f32(f) - x * Phi) / fabs(x * Phi));
            }
            note_worst(&slope, fabs((double)k_gelu_slope_f32(f) - (Phi + x * phi)));
        }
    }
    CHECK(exp_ < 1.5 && tanh_ < 3 && erf_ < 2.5, "units in the last place: exp %g, tanh %g, erf %g", exp_, tanh_, erf_);
    CHECK(area < 3e-6 && gelu < 3e-6 && slope < 5e-7, "relative: area %g, gelu %g; absolute: slope of gelu %g", area, gelu, slope);
    CHECK(k_erf_f32(INFINITY) == 1 && k_erf_f32(-INFINITY) == -1 && isnan(k_erf_f32(NAN)) && isnan(k_gelu_f32(NAN)),
          "infinities and NaN");
    CHECK(k_gelu_f32(INFINITY) == INFINITY && k_gelu_slope_f32(1e37f) == 1 && k_gelu_slope_f32(-1e37f) == 0 && k_gelu_f32(-13) == 0 &&
              k_gelu_f32(-12.9f) < 0,
          "gelu far out");
    float odd = k_float_of_bits(0x7fc12345);
    CHECK(isnan(k_exp_falling_f32(odd)) && isnan(k_exp_falling_f32(-odd)) && isnan(k_tanh_f32(odd)), "NaN of any bits");
    CHECK(signbit(k_tanh_f32(-0.0f)) && signbit(k_erf_f32(-0.0f)) && signbit(k_gelu_f32(-0.0f)), "-0 of what keeps the sign");
    CHECK(k_exp_falling_f32(-INFINITY) == 0 && k_exp_falling_f32(-87) == 0 && k_exp_falling_f32(-0.0f) == 1 &&
              k_exp_falling_f32(-86.6f) > 0x1p-126f,
          "the end of the range");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels");
    TCase *tests = tcase_create("kernels");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, convolutions_match_the_definition, 0, TILES);
    tcase_add_loop_test(tests, convolutions_of_every_size_class, 0, TILES);
    tcase_add_test(tests, pooling_matches_the_definition);
    tcase_add_test(tests, functions_are_as_exact_as_they_say);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
