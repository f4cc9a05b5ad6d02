/*
 * The sum of the partial sums of a vector loop, for one element type: included by the templates of norms, with T, LANES and NAME(x) defined.
 */

/* In double, halves upon halves: one after the other each sum would wait for the one before. */
static AG_ALWAYS_INLINE double NAME(lanes_sum)(const T *lane)
{
    double sum[LANES / 2];
    for (int j = 0; j < LANES / 2; j++) {
        sum[j] = (double)lane[j] + (double)lane[j + LANES / 2];
    }
    for (int width = LANES / 4; width > 0; width /= 2) {
        for (int j = 0; j < width; j++) {
            sum[j] += sum[j + width];
        }
    }
    return sum[0];
}
