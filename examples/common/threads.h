/*
 * How the library's threads wait for one another.
 */
#ifndef EXAMPLES_COMMON_THREADS_H
#define EXAMPLES_COMMON_THREADS_H

/* Makes them sleep while they wait, unless OMP_WAIT_POLICY or GOMP_SPINCOUNT says otherwise: by default OpenMP's spin for some
 * milliseconds first, and on a machine that has something else to do they take the processor from the very thread that they
 * wait for (measured: ten times as long). OpenMP reads the variable when a program is loaded, before main(), so the program is
 * loaded once more, in its own process. Call it first; where that is not possible, nothing happens. A debugger or profiler that
 * should not see this sets OMP_WAIT_POLICY=passive itself. */
void threads_wait_asleep(char **argv);

#endif
