/*
 * Waiting threads. It must not know what they compute.
 */
#define _POSIX_C_SOURCE 200809L

#include "threads.h"

#include <stdlib.h>
#include <unistd.h>

void threads_wait_asleep(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") == NULL && getenv("GOMP_SPINCOUNT") == NULL &&
        setenv("OMP_WAIT_POLICY", "passive", 0) == 0) {
        execv("/proc/self/exe", argv); /* returns only if it failed */
    }
}
