/*
 * What the library runs on: which kernels were chosen for this processor. The choice is made when the library is first used and
 * stays; it changes the last bits of results, not what they mean.
 */
#ifndef WENGERT_AUTOGRAD_MACHINE_H
#define WENGERT_AUTOGRAD_MACHINE_H

#include "compiler.h"

AG_EXTERN_C_BEGIN

/* The choice in one line, such as "loops x86-64-v3, products BLIS 0.9.0 zen3": the instruction set of the loops ("baseline": the one
 * the library was compiled for) and whose matrix products run, the library's own (with their instruction set) or BLIS's (with its
 * name for the processor). The text belongs to the library and stays. */
AG_API const char *ag_machine_text(void);

/* A sentence that says what is slower than it needs to be on this machine, and the remedy; NULL: nothing is known to be. That is so
 * when BLIS does not know the processor and would run its generic kernels, and the library has none of its own for it either. The
 * library never prints: a program that wants its user to know prints this once. */
AG_API const char *ag_machine_remedy(void);

AG_EXTERN_C_END

#endif
