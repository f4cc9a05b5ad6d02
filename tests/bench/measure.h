/*
 * What a benchmark measures with: a clock, the memory of the process, and the two limits of the machine.
 */
#ifndef WENGERT_BENCH_MEASURE_H
#define WENGERT_BENCH_MEASURE_H

#include <stdint.h>

double seconds_now(void);

/* Bytes of the process that lie in memory now, and the most since resident_peak_reset(); -1 where the system does not say. */
int64_t resident_bytes(void);
int64_t resident_peak_bytes(void);
void resident_peak_reset(void);

/* Float32 multiply-adds a second, counted as two each, of that many threads at once: the best of several short runs with the widest
 * instructions of the processor. */
double measure_fma_peak(int threads);
/* The kind of instructions that gave it: "avx512", "avx2" or "portable". */
const char *measure_fma_kind(void);

/* Bytes read and written a second by that many threads at once, in passes over so many bytes as Adam makes them: four arrays read,
 * three of them written. The best of several passes. */
double measure_bandwidth(int threads, double bytes);

/* Seconds that a number takes to another thread and back, through the caches of their processors: the best of several runs. On a
 * virtual machine it may be one time from one minute to the next and five times that in another: where the processors are. */
double measure_round_trip(void);

/* Sorts. */
double median(double *values, int n);

/* Seconds of a step: the median of 7 runs of together so many seconds, after `warm` steps. processor: the processor's time, over
 * all threads and all 7 runs, which a machine that is busy with other things lengthens less. */
struct timing {
    double step, processor;
};
struct timing measure_steps(void (*step)(void *object), void *object, int warm, double seconds);

#endif
