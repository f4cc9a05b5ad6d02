/*
 * A loop over independent pieces of work, on one thread or on several. Internal.
 *
 * Note [Serial regions]
 * An OpenMP region with an if-clause that is false, or with one thread, is not free: the runtime allocates a team for it and frees it
 * again, at every call. So a loop that is not worth several threads must not meet a pragma at all.
 */
#ifndef WENGERT_KERNELS_PARALLEL_H
#define WENGERT_KERNELS_PARALLEL_H

#define K_PRAGMA_(text) _Pragma(#text)
#define K_PRAGMA(text) K_PRAGMA_(text)
#define K_BARE_(...) __VA_ARGS__

/* K_PARALLEL_FOR(team, (int64_t i = 0; i < n; i++), { … }): the iterations are divided among `team` threads. With
 * K_PARALLEL_FOR_UNEVEN each thread takes the next one when it is done. */
#define K_PARALLEL_FOR(team, header, ...) K_PARALLEL_FOR_(team, static, header, __VA_ARGS__)
#define K_PARALLEL_FOR_UNEVEN(team, header, ...) K_PARALLEL_FOR_(team, dynamic, header, __VA_ARGS__)
#define K_PARALLEL_FOR_(team, kind, header, ...)                           \
    do {                                                                   \
        const int k_team_ = (team);                                        \
        if (k_team_ > 1) {                                                 \
            K_PRAGMA(omp parallel for num_threads(k_team_) schedule(kind)) \
            for (K_BARE_ header)                                           \
                __VA_ARGS__                                                \
        } else {                                                           \
            for (K_BARE_ header)                                           \
                __VA_ARGS__                                                \
        }                                                                  \
    } while (0)

#endif
