/*
 * Compiler and platform differences, in one place. Everything that is not C11 is spelled here.
 * Public (installed): only what public headers need.
 */
#ifndef WENGERT_AUTOGRAD_COMPILER_H
#define WENGERT_AUTOGRAD_COMPILER_H

#ifdef __cplusplus
#define AG_EXTERN_C_BEGIN extern "C" {
#define AG_EXTERN_C_END }
#else
#define AG_EXTERN_C_BEGIN
#define AG_EXTERN_C_END
#endif

#if defined(__GNUC__) || defined(__clang__)
/* A function that is part of the installed interface; the library is built with hidden visibility. */
#define AG_API __attribute__((visibility("default")))
#define AG_PRINTF(string, arguments) __attribute__((format(printf, string, arguments)))
#define AG_LIKELY(x) __builtin_expect(!!(x), 1)
#define AG_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define AG_UNUSED __attribute__((unused))
#define AG_NOINLINE __attribute__((noinline))
#define AG_ALWAYS_INLINE inline __attribute__((always_inline))
#define AG_CONSTRUCTOR __attribute__((constructor))
#define AG_DESTRUCTOR __attribute__((destructor))
#define AG_CLEANUP(function) __attribute__((cleanup(function)))
#else
#define AG_API
#define AG_PRINTF(string, arguments)
#define AG_LIKELY(x) (x)
#define AG_UNLIKELY(x) (x)
#define AG_UNUSED
#define AG_NOINLINE
#define AG_ALWAYS_INLINE inline
/* Such a function does not run: forks are not watched, and threads not stopped at the end. */
#define AG_CONSTRUCTOR AG_UNUSED
#define AG_DESTRUCTOR AG_UNUSED
#endif

/* An unsigned integer of 128 bits, where there is one. */
#if defined(__SIZEOF_INT128__)
__extension__ typedef unsigned __int128 ag_uint128;
#define AG_UINT128 ag_uint128
#endif

/* What a thread says while it looks at memory again and again. */
#if defined(__x86_64__) || defined(__i386__)
#define AG_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define AG_PAUSE() __asm__ volatile("yield")
#else
#define AG_PAUSE() ((void)0)
#endif

/* Kernels compiled for several instruction sets, the best one chosen when the library is loaded. Named by level, not by
 * processor: "arch=haswell" would choose that version on Haswell processors alone. */
#if defined(WENGERT_TARGET_CLONES)
#define AG_MULTIVERSION \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define AG_MULTIVERSION
#endif

#endif
