/* Everything that is not C11, in one file. Internal. */
#ifndef WENGERT_AUTOGRAD_PLATFORM_H
#define WENGERT_AUTOGRAD_PLATFORM_H

#include <stddef.h>

void *platform_aligned_alloc(size_t bytes); /* 64-byte aligned; NULL if there is no memory */
void platform_aligned_free(void *block);
double platform_seconds(void); /* of a clock that only goes forward */
int platform_processors(void); /* that this process may use */

/* Runs `destroy` with the pointer when the thread that set it ends. Each purpose has one destroy function; the order between
 * purposes is open, and a destroy function may set the other purpose's pointer anew. */
enum platform_exit {
    PLATFORM_EXIT_TAPE,
    PLATFORM_EXIT_POOL,
    PLATFORM_EXITS
};
void platform_at_thread_exit(enum platform_exit purpose, void (*destroy)(void *), void *pointer);
void platform_lock(void); /* one lock for the rare shared tables */
void platform_unlock(void);

#endif
