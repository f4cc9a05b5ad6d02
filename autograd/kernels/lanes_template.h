/*
 * The sum of the partial sums of a vector loop, for one element type: included by the templates of norms and of attention, with T,
 * LANES and NAME(x) defined. Halves upon halves: one after the other each sum would wait for the one before.
 */

/* In T; lane[] is used up. */
static AG_ALWAYS_INLINE T NAME(lanes_joined)(T *lane)
{
    for (int width = LANES / 2; width > 0; width /= 2) {
        for (int j = 0; j < width; j++) {
            lane[j] += lane[j + width];
        }
    }
    return lane[0];
}

/* In double. */
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
