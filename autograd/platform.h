/* Everything that is not C11, in one file. Internal. */
#ifndef WENGERT_AUTOGRAD_PLATFORM_H
#define WENGERT_AUTOGRAD_PLATFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

void *platform_aligned_alloc(size_t bytes); /* 64-byte aligned; NULL if there is no memory */
void platform_aligned_free(void *block);
bool platform_is_terminal(FILE *stream); /* one that can go back in a line and clear it */
double platform_seconds(void); /* of a clock that only goes forward */
/* The processors that this process may use: those it is bound to, and no more than its group's share of the time makes up. */
int platform_processors(void);
/* All processors that are at work, and how many threads of the whole machine want one now, the caller among them; 0: it is not known. */
int platform_processors_of_machine(void);
int platform_runnable_threads(void);
/* How many make up the share of a control group, rounded up, of those below `root`: a group has no more than those it lies in. 0: no limit. */
int platform_processors_of_group(const char *root, const char *group);

/* Runs `destroy` with the pointer when the thread that set it ends. Each purpose has one destroy function; the order between
 * purposes is open, and a destroy function may set the other purpose's pointer anew. */
enum platform_exit { PLATFORM_EXIT_TAPE, PLATFORM_EXIT_POOL, PLATFORM_EXITS };
void platform_at_thread_exit(enum platform_exit purpose, void (*destroy)(void *), void *pointer);
void platform_lock(void); /* one lock for the rare shared tables */
void platform_unlock(void);

/* ---- threads ---------------------------------------------------------------------------------- */

/* A thread that no signal is handed to. */
struct platform_thread {
    uintptr_t id;
    void (*work)(void *);
    void *argument;
};
/* False if the system gives no more. The struct stays in its place until the thread has been joined. */
bool platform_thread_start(struct platform_thread *thread, void (*work)(void *), void *argument);
void platform_thread_join(struct platform_thread *thread); /* not from the thread itself */
void platform_yield(void);
/* Sleeps while *word is `value`, or shorter. */
void platform_wait(atomic_uint *word, unsigned value);
void platform_wake(atomic_uint *word); /* those that sleep on it */
/* Runs `forget` in the child of every fork, where no other thread is left; false if there is no memory for that. */
bool platform_in_forked_child(void (*forget)(void));

/* ---- folders ---------------------------------------------------------------------------------- */

/* Makes the folder if need be, and takes it for this process until platform_folder_leave(). Returns a descriptor, or -1 and a reason. */
int platform_folder_take(const char *path, const char **reason);
void platform_folder_leave(int descriptor);
/* What a path leads to, links followed. */
enum platform_kind { PLATFORM_NOTHING, PLATFORM_FILE, PLATFORM_FOLDER, PLATFORM_OTHER /* a pipe, a device, … */ };
enum platform_kind platform_path_kind(const char *path);
/* Calls `each` with every name in the folder. False and a reason if it cannot be read. */
bool platform_folder_each(const char *path, void (*each)(const char *name, void *user), void *user,
                          const char **reason);
/* ---- files ----------------------------------------------------------------------------------- */

/* A file that appears whole or not at all: written beside its place, brought to the disk, renamed, and the folder brought to the
 * disk. All return false with a reason; nothing is left behind then. */
struct platform_file {
    int descriptor;
    int problem; /* errno of the first write that failed */
    char *path, *temporary;
    unsigned char *gathered; /* small writes, until there are enough of them; NULL: not gathered */
    size_t waiting;          /* bytes in it */
    int64_t begun;           /* bytes that have been written since the disk was last told to begin */
};
#define PLATFORM_PART ".part" /* how the names of unfinished files end */
bool platform_file_begin(struct platform_file *file, const char *path, const char **reason);
bool platform_file_write(struct platform_file *file, const void *bytes, size_t n);
bool platform_file_seek(struct platform_file *file, uint64_t offset); /* where the next write goes */
/* `complete`: all was written; else the file is dropped. */
bool platform_file_end(struct platform_file *file, bool complete, const char **reason);

/* The bytes of a file, in memory that the system fills when they are read. */
struct platform_view {
    const unsigned char *bytes;
    size_t length;
};
bool platform_view_open(struct platform_view *view, const char *path, const char **reason);
void platform_view_close(struct platform_view *view);

#endif
