/*
 * What the library runs on, in words. It knows no tensors.
 */
#include "machine.h"

#include <stdbool.h>
#include <stdio.h>

#include "kernels/kernels.h"
#include "platform.h"

/* As the loader chose among the versions of AG_MULTIVERSION functions. */
static const char *loops(void)
{
#if defined(WENGERT_TARGET_CLONES)
    return __builtin_cpu_supports("x86-64-v4")   ? "x86-64-v4"
           : __builtin_cpu_supports("x86-64-v3") ? "x86-64-v3"
                                                 : "baseline";
#else
    return "baseline";
#endif
}

const char *ag_machine_text(void)
{
    static char text[128]; /* written once, under the lock */
    platform_lock();
    if (text[0] == '\0') {
        char products[64];
        k_gemm_text(products, sizeof(products));
        snprintf(text, sizeof(text), "loops %s, products %s", loops(), products);
    }
    platform_unlock();
    return text;
}

const char *ag_machine_remedy(void)
{
    return k_gemm_is_generic() ? "BLIS does not know this processor and multiplies matrices with its generic kernels, several times "
                                 "slower than it could be: set the environment variable BLIS_ARCH_TYPE to a relative of this "
                                 "processor (BLIS's documentation lists them), or install a newer BLIS"
                               : NULL;
}
