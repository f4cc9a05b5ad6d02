/*
 * Image augmentation: random transforms of one image. Knows images as planes of rows, and nothing of
 * sets or of how often a sample is read.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/kernels/kernels.h"
#include "data/internal.h"
#include "data/transform_internal.h"

static const double pi = 3.14159265358979323846;

/* What any of them must know; each uses some. */
struct augment {
    const char *function;
    int64_t rows, columns, padding;
    double low, high, p, fill;
};

/* ---- images ---------------------------------------------------------------------------------- */

struct image {
    int64_t planes, height, width;
    size_t element; /* bytes */
};

static struct image image_of(data_form form)
{
    bool planes = form.shape.ndim == 3;
    return (struct image){ planes ? form.shape.size[0] : 1, form.shape.size[form.shape.ndim - 2],
                           form.shape.size[form.shape.ndim - 1], ag_dtype_size(form.dtype) };
}

static ag_error image_form(void *state, data_form in, data_form *out)
{
    const struct augment *self = state;
    *out = in;
    if (in.shape.ndim != 2 && in.shape.ndim != 3) {
        char text[AG_SHAPE_TEXT];
        return ag_error_raise(ag_caller(), AG_ERROR_SHAPE,
                              "%s: images have the shape (C,H,W) or (H,W), not %s", self->function,
                              ag_shape_format(in.shape, text, sizeof text));
    }
    if (!ag_dtype_is_float(in.dtype) && in.dtype != AG_UINT8) {
        return ag_error_raise(ag_caller(), AG_ERROR_DTYPE,
                              "%s: images are float32, float64 or uint8, not %s", self->function,
                              ag_dtype_name(in.dtype));
    }
    if (in.dtype == AG_UINT8 &&
        !(self->fill >= 0 && self->fill <= 255 && self->fill == floor(self->fill))) {
        return ag_error_raise(ag_caller(), AG_ERROR_VALUE,
                              "%s: images of uint8 cannot be filled with %g", self->function,
                              self->fill);
    }
    return AG_OK;
}

static ag_error float_image_form(void *state, data_form in, data_form *out)
{
    const struct augment *self = state;
    if (image_form(state, in, out) == AG_OK && !ag_dtype_is_float(in.dtype)) {
        ag_error_raise(ag_caller(), AG_ERROR_DTYPE, "%s: images must be of a floating type, not %s",
                       self->function, ag_dtype_name(in.dtype));
    }
    return ag_error_code();
}

/* `count` times the filling value. */
static void fill(size_t element, double value, char *to, int64_t count)
{
    if (element == 1) {
        memset(to, (int)value, (size_t)count);
    } else if (element == sizeof(float)) {
        for (int64_t i = 0; i < count; i++) {
            ((float *)(void *)to)[i] = (float)value;
        }
    } else {
        for (int64_t i = 0; i < count; i++) {
            ((double *)(void *)to)[i] = value;
        }
    }
}

/* The part of an image that begins `top` rows down and `left` columns to the right: out has the size
 * `part`, and what lies outside of the image is filled. */
static void window(struct image image, struct image part, int64_t top, int64_t left, double value,
                   const char *in, char *out)
{
    int64_t begin = left < 0 ? -left : 0, end = image.width - left;
    begin = begin < part.width ? begin : part.width;
    end = end < part.width ? end : part.width;
    end = end > begin ? end : begin;
    for (int64_t plane = 0; plane < image.planes; plane++) {
        for (int64_t i = 0; i < part.height; i++, out += (size_t)part.width * part.element) {
            int64_t row = i + top;
            if (row < 0 || row >= image.height) {
                fill(part.element, value, out, part.width);
                continue;
            }
            const char *from =
                in + (size_t)((plane * image.height + row) * image.width) * image.element;
            fill(part.element, value, out, begin);
            if (end > begin) {
                memcpy(out + (size_t)begin * part.element,
                       from + (size_t)(begin + left) * part.element,
                       (size_t)(end - begin) * part.element);
            }
            fill(part.element, value, out + (size_t)end * part.element, part.width - end);
        }
    }
}

/* ---- making ---------------------------------------------------------------------------------- */

static data_transform *augment_make(ag_place where, const data_transform_type *type,
                                    struct augment like, ag_rng *rng)
{
    struct augment *self = ag_error_code() == AG_OK ? malloc(sizeof *self) : NULL;
    if (self == NULL) {
        if (ag_error_code() == AG_OK) {
            ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", like.function);
        }
        return data_transform_nil();
    }
    *self = like;
    return data_transform_make(where, like.function, type, self, rng);
}

/* Raises if there is no error yet. */
static data_transform *refuse(ag_place where, const char *function, const char *what)
{
    if (ag_error_code() == AG_OK) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s", function, what);
    }
    return data_transform_nil();
}

#define AUGMENT_TYPE(kind, forms, text)                                                   \
    static const data_transform_type kind##_type = { .size = sizeof(data_transform_type), \
                                                     .name = text,                        \
                                                     .random = true,                      \
                                                     .form = forms,                       \
                                                     .apply = kind##_apply,               \
                                                     .release = free }

/* ---- shift ----------------------------------------------------------------------------------- */

static ag_error shift_apply(void *state, data_form form, const void *in, void *out, ag_rng *rng)
{
    const struct augment *self = state;
    struct image image = image_of(form);
    int64_t down = ag_rng_below(rng, 2 * self->rows + 1) - self->rows;
    int64_t right = ag_rng_below(rng, 2 * self->columns + 1) - self->columns;
    window(image, image, -down, -right, self->fill, in, out);
    return AG_OK;
}

AUGMENT_TYPE(shift, image_form, "data_random_shift");

data_transform *data_random_shift_at(ag_place where, int64_t rows, int64_t columns,
                                     double fill_with, ag_rng *rng)
{
    const char *function = "data_random_shift";
    if (rows < 0 || columns < 0 || rows > INT32_MAX || columns > INT32_MAX) {
        return refuse(where, function, "rows and columns must be 0 or more");
    }
    return augment_make(
        where, &shift_type,
        (struct augment){ function, .rows = rows, .columns = columns, .fill = fill_with }, rng);
}

/* ---- flips ----------------------------------------------------------------------------------- */

static ag_error flip_horizontal_apply(void *state, data_form form, const void *in, void *out,
                                      ag_rng *rng)
{
    const struct augment *self = state;
    struct image m = image_of(form);
    bool turned = ag_rng_uniform(rng) < self->p;
    if (!turned) {
        memcpy(out, in, (size_t)(m.planes * m.height * m.width) * m.element);
        return AG_OK;
    }
    const char *from = in;
    char *to = out;
    for (int64_t row = 0; row < m.planes * m.height; row++) {
        for (int64_t j = 0; j < m.width; j++) {
            memcpy(to + (size_t)(m.width - 1 - j) * m.element, from + (size_t)j * m.element,
                   m.element);
        }
        from += (size_t)m.width * m.element;
        to += (size_t)m.width * m.element;
    }
    return AG_OK;
}

static ag_error flip_vertical_apply(void *state, data_form form, const void *in, void *out,
                                    ag_rng *rng)
{
    const struct augment *self = state;
    struct image m = image_of(form);
    bool turned = ag_rng_uniform(rng) < self->p;
    size_t row = (size_t)m.width * m.element;
    for (int64_t plane = 0; plane < m.planes; plane++) {
        for (int64_t i = 0; i < m.height; i++) {
            int64_t from = plane * m.height + (turned ? m.height - 1 - i : i);
            memcpy((char *)out + (size_t)(plane * m.height + i) * row,
                   (const char *)in + (size_t)from * row, row);
        }
    }
    return AG_OK;
}

AUGMENT_TYPE(flip_horizontal, image_form, "data_random_flip_horizontal");
AUGMENT_TYPE(flip_vertical, image_form, "data_random_flip_vertical");

static data_transform *flip_make(ag_place where, const char *function,
                                 const data_transform_type *type, double p, ag_rng *rng)
{
    if (!(p >= 0 && p <= 1)) {
        return refuse(where, function, "a probability is 0 to 1");
    }
    return augment_make(where, type, (struct augment){ function, .p = p }, rng);
}

data_transform *data_random_flip_horizontal_at(ag_place where, double p, ag_rng *rng)
{
    return flip_make(where, "data_random_flip_horizontal", &flip_horizontal_type, p, rng);
}

data_transform *data_random_flip_vertical_at(ag_place where, double p, ag_rng *rng)
{
    return flip_make(where, "data_random_flip_vertical", &flip_vertical_type, p, rng);
}

/* ---- rotation -------------------------------------------------------------------------------- */

/* Where pixel (i, j) of the turned image comes from, with the origin in the centre and rows counted
 * downwards:   x = cos j - sin i,   y = sin j + cos i.
 * Its value is that of the four pixels around (y, x), weighed by how near they are; a neighbour
 * outside of the image has the value of the filling. */
#define ROTATE(type)                                                                               \
    do {                                                                                           \
        const type *a = in;                                                                        \
        type *b = out;                                                                             \
        for (int64_t i = 0; i < m.height; i++) {                                                   \
            double di = (double)i - middle_i;                                                      \
            for (int64_t j = 0; j < m.width; j++) {                                                \
                double dj = (double)j - middle_j;                                                  \
                double x = c * dj - s * di + middle_j, y = s * dj + c * di + middle_i;             \
                int64_t x0 = (int64_t)(x + far) - (int64_t)far;                                    \
                int64_t y0 = (int64_t)(y + far) - (int64_t)far;                                    \
                double fx = x - (double)x0, fy = y - (double)y0;                                   \
                bool inside = x0 >= 0 && y0 >= 0 && x0 < m.width - 1 && y0 < m.height - 1;         \
                for (int64_t plane = 0; plane < m.planes; plane++) {                               \
                    const type *p = a + plane * area;                                              \
                    double v00 = edge, v01 = edge, v10 = edge, v11 = edge;                         \
                    if (inside) {                                                                  \
                        const type *q = p + y0 * m.width + x0;                                     \
                        v00 = q[0], v01 = q[1], v10 = q[m.width], v11 = q[m.width + 1];            \
                    } else {                                                                       \
                        bool left = x0 >= 0 && x0 < m.width, right = x0 >= -1 && x0 < m.width - 1; \
                        bool top = y0 >= 0 && y0 < m.height, low = y0 >= -1 && y0 < m.height - 1;  \
                        v00 = top && left ? (double)p[y0 * m.width + x0] : edge;                   \
                        v01 = top && right ? (double)p[y0 * m.width + x0 + 1] : edge;              \
                        v10 = low && left ? (double)p[(y0 + 1) * m.width + x0] : edge;             \
                        v11 = low && right ? (double)p[(y0 + 1) * m.width + x0 + 1] : edge;        \
                    }                                                                              \
                    double upper = v00 + fx * (v01 - v00), lower = v10 + fx * (v11 - v10);         \
                    b[plane * area + i * m.width + j] = (type)(upper + fy * (lower - upper));      \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static ag_error rotation_apply(void *state, data_form form, const void *in, void *out, ag_rng *rng)
{
    const struct augment *self = state;
    struct image m = image_of(form);
    double angle = self->low + (self->high - self->low) * ag_rng_uniform(rng);
    double c = cos(angle * pi / 180), s = sin(angle * pi / 180), edge = self->fill;
    double middle_i = (double)(m.height - 1) / 2, middle_j = (double)(m.width - 1) / 2;
    double far = 2 * (double)(m.height + m.width); /* casts round down only above 0 */
    int64_t area = m.height * m.width;
    if (form.dtype == AG_FLOAT32) {
        ROTATE(float);
    } else {
        ROTATE(double);
    }
    return AG_OK;
}

AUGMENT_TYPE(rotation, float_image_form, "data_random_rotation");

data_transform *data_random_rotation_at(ag_place where, double low, double high, double fill_with,
                                        ag_rng *rng)
{
    const char *function = "data_random_rotation";
    if (!(low <= high) || !isfinite(low) || !isfinite(high) || !isfinite(fill_with)) {
        return refuse(where, function,
                      "angles are a range of degrees, low to high, and the filling is finite");
    }
    return augment_make(where, &rotation_type,
                        (struct augment){ function, .low = low, .high = high, .fill = fill_with },
                        rng);
}

/* ---- crop ------------------------------------------------------------------------------------ */

static ag_error crop_form(void *state, data_form in, data_form *out)
{
    const struct augment *self = state;
    if (image_form(state, in, out) != AG_OK) {
        return ag_error_code();
    }
    struct image m = image_of(in);
    if (self->rows > m.height + 2 * self->padding || self->columns > m.width + 2 * self->padding) {
        return ag_error_raise(ag_caller(), AG_ERROR_SHAPE,
                              "%s: %" PRId64 " x %" PRId64 " cannot be cut out of %" PRId64
                              " x %" PRId64 " with a padding of %" PRId64,
                              self->function, self->rows, self->columns, m.height, m.width,
                              self->padding);
    }
    out->shape.size[in.shape.ndim - 2] = self->rows;
    out->shape.size[in.shape.ndim - 1] = self->columns;
    return AG_OK;
}

static ag_error crop_apply(void *state, data_form form, const void *in, void *out, ag_rng *rng)
{
    const struct augment *self = state;
    struct image m = image_of(form), part = m;
    part.height = self->rows;
    part.width = self->columns;
    int64_t top = ag_rng_below(rng, m.height + 2 * self->padding - self->rows + 1);
    int64_t left = ag_rng_below(rng, m.width + 2 * self->padding - self->columns + 1);
    window(m, part, top - self->padding, left - self->padding, self->fill, in, out);
    return AG_OK;
}

AUGMENT_TYPE(crop, crop_form, "data_random_crop");

data_transform *data_random_crop_at(ag_place where, int64_t height, int64_t width, int64_t padding,
                                    double fill_with, ag_rng *rng)
{
    const char *function = "data_random_crop";
    bool sizes = height >= 1 && width >= 1 && height <= INT32_MAX && width <= INT32_MAX;
    if (!sizes || padding < 0 || padding > INT32_MAX) {
        return refuse(where, function, "height and width must be 1 or more, padding 0 or more");
    }
    return augment_make(where, &crop_type,
                        (struct augment){ function, .rows = height, .columns = width,
                                          .padding = padding, .fill = fill_with },
                        rng);
}

/* ---- noise ----------------------------------------------------------------------------------- */

static ag_error noise_apply(void *state, data_form form, const void *in, void *out, ag_rng *rng)
{
    const struct augment *self = state;
    int64_t n = ag_shape_numel(form.shape);
    k_random_normal(form.dtype, 1, n, ag_rng_next(rng), 0, self->high, out);
    if (form.dtype == AG_FLOAT32) {
        for (int64_t i = 0; i < n; i++) {
            ((float *)out)[i] += ((const float *)in)[i];
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            ((double *)out)[i] += ((const double *)in)[i];
        }
    }
    return AG_OK;
}

AUGMENT_TYPE(noise, float_image_form, "data_random_noise");

data_transform *data_random_noise_at(ag_place where, double deviation, ag_rng *rng)
{
    if (!(deviation >= 0) || !isfinite(deviation)) {
        return refuse(where, "data_random_noise", "a standard deviation is 0 or more, and finite");
    }
    return augment_make(where, &noise_type,
                        (struct augment){ "data_random_noise", .high = deviation }, rng);
}

/* ---- erasing --------------------------------------------------------------------------------- */

static ag_error erasing_apply(void *state, data_form form, const void *in, void *out, ag_rng *rng)
{
    const struct augment *self = state;
    struct image m = image_of(form);
    memcpy(out, in, (size_t)(m.planes * m.height * m.width) * m.element);
    if (!(ag_rng_uniform(rng) < self->p)) {
        return AG_OK;
    }
    const double ratio_low = log(0.3), ratio_high = log(1 / 0.3);
    for (int attempt = 0; attempt < 10; attempt++) {
        double area = (double)(m.height * m.width) *
                      (self->low + (self->high - self->low) * ag_rng_uniform(rng));
        double ratio = exp(ratio_low + (ratio_high - ratio_low) * ag_rng_uniform(rng));
        int64_t height = (int64_t)floor(sqrt(area * ratio) + 0.5);
        int64_t width = (int64_t)floor(sqrt(area / ratio) + 0.5);
        if (height >= m.height || width >= m.width) {
            continue;
        }
        int64_t top = ag_rng_below(rng, m.height - height + 1);
        int64_t left = ag_rng_below(rng, m.width - width + 1);
        for (int64_t plane = 0; plane < m.planes; plane++) {
            for (int64_t i = top; i < top + height; i++) {
                int64_t begin = (plane * m.height + i) * m.width + left;
                fill(m.element, self->fill, (char *)out + (size_t)begin * m.element, width);
            }
        }
        return AG_OK;
    }
    return AG_OK;
}

AUGMENT_TYPE(erasing, image_form, "data_random_erasing");

data_transform *data_random_erasing_at(ag_place where, double p, double area_low, double area_high,
                                       double fill_with, ag_rng *rng)
{
    const char *function = "data_random_erasing";
    if (!(p >= 0 && p <= 1) || !(area_low >= 0 && area_low <= area_high && area_high <= 1)) {
        return refuse(where, function,
                      "a probability is 0 to 1, and areas are a range of shares, 0 to 1");
    }
    return augment_make(
        where, &erasing_type,
        (struct augment){ function, .low = area_low, .high = area_high, .p = p, .fill = fill_with },
        rng);
}
