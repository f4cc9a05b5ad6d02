#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif
#include <time.h>
#include <unistd.h>

#include "compiler.h"
#include "platform.h"

void *platform_aligned_alloc(size_t bytes)
{
    void *block = NULL;
    return posix_memalign(&block, 64, bytes) == 0 ? block : NULL;
}

void platform_aligned_free(void *block)
{
    free(block);
}

bool platform_is_terminal(FILE *stream)
{
    const char *kind = getenv("TERM");
    int descriptor = fileno(stream);
    return descriptor >= 0 && isatty(descriptor) && kind != NULL && strcmp(kind, "dumb") != 0;
}

double platform_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static pthread_key_t key[PLATFORM_EXITS];
static bool key_made[PLATFORM_EXITS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void platform_at_thread_exit(enum platform_exit purpose, void (*destroy)(void *), void *pointer)
{
    platform_lock();
    if (!key_made[purpose]) {
        key_made[purpose] = pthread_key_create(&key[purpose], destroy) == 0;
    }
    bool made = key_made[purpose];
    platform_unlock();
    if (made) { /* else the thread's memory is not used again: a process has at most some hundred keys */
        pthread_setspecific(key[purpose], pointer);
    }
}

/* When the library is unloaded, threads that end later must not look for what it would have run. */
AG_DESTRUCTOR static void forget_exits(void)
{
    for (int i = 0; i < PLATFORM_EXITS; i++) {
        if (key_made[i]) {
            pthread_key_delete(key[i]);
            key_made[i] = false;
        }
    }
}

void platform_lock(void)
{
    pthread_mutex_lock(&lock);
}

void platform_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* A fork waits until no other thread has the lock: in the child nobody would give it back. */
AG_CONSTRUCTOR static void lock_around_forks(void)
{
    (void)pthread_atfork(platform_lock, platform_unlock, platform_unlock);
}

/* ---- threads ---------------------------------------------------------------------------------------------------------- */

/* The share of time in one folder's cpu.max, "quota period" or "max period", in processors and rounded up; 0: no limit. */
static int processors_of_file(const char *root, const char *folder)
{
    char path[1024], text[64];
    long quota = 0, period = 0;
    snprintf(path, sizeof(path), "%s%s/cpu.max", root, folder);
    FILE *file = fopen(path, "re");
    bool limited = file != NULL && fgets(text, sizeof(text), file) != NULL && sscanf(text, "%ld %ld", &quota, &period) == 2;
    if (file != NULL) {
        fclose(file);
    }
    return limited && quota > 0 && period > 0 && quota / period < 65536 ? (int)((quota + period - 1) / period) : 0;
}

int platform_processors_of_group(const char *root, const char *group)
{
    char folder[512];
    int least = 0;
    snprintf(folder, sizeof(folder), "%s", group);
    for (;;) {
        int n = processors_of_file(root, folder);
        least = n > 0 && (least == 0 || n < least) ? n : least;
        char *end = strrchr(folder, '/');
        if (end == NULL) {
            return least;
        }
        *end = '\0';
    }
}

/* Of the control group this process is in. Groups of the earlier kind (version 1) are not asked. */
static int processors_of_my_group(void)
{
    char line[512];
    int n = 0;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "0::", 3) == 0) {
            line[strcspn(line, "\n")] = '\0';
            n = platform_processors_of_group("/sys/fs/cgroup", line + 3);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return n;
}

int platform_processors_of_machine(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 0 : (int)n;
}

/* The fourth word of "0.20 0.18 0.12 3/512 11206". Read without a stream, which would allocate. */
int platform_runnable_threads(void)
{
    char text[128] = "";
    int n = 0, descriptor = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) {
        ssize_t length = read(descriptor, text, sizeof(text) - 1);
        n = length > 0 && sscanf(text, "%*s %*s %*s %d/", &n) == 1 && n > 0 ? n : 0;
        close(descriptor);
    }
    return n;
}

int platform_processors(void)
{
    int n = platform_processors_of_machine();
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        n = CPU_COUNT(&set);
    }
#endif
    static atomic_int asked = -1; /* threads that find it so ask, and find the same */
    int share = atomic_load(&asked);
    if (share < 0) {
        share = processors_of_my_group();
        atomic_store(&asked, share);
    }
    n = share > 0 && share < n ? share : n;
    return n < 1 ? 1 : n;
}

_Static_assert(sizeof(pthread_t) <= sizeof(uintptr_t), "a thread's name fits its place");

static void *begin_thread(void *argument)
{
    struct platform_thread *thread = argument;
    thread->work(thread->argument);
    return NULL;
}

bool platform_thread_start(struct platform_thread *thread, void (*work)(void *), void *argument)
{
    thread->work = work;
    thread->argument = argument;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t id;
    bool started = pthread_create(&id, NULL, begin_thread, thread) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) {
        memcpy(&thread->id, &id, sizeof(id));
    }
    return started;
}

void platform_thread_join(struct platform_thread *thread)
{
    pthread_t id;
    memcpy(&id, &thread->id, sizeof(id));
    pthread_join(id, NULL);
}

void platform_yield(void)
{
    sched_yield();
}

#if defined(__linux__)
void platform_wait(atomic_uint *word, unsigned value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void platform_wake(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
#else
static pthread_mutex_t wait_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void lock_waiting(void)
{
    pthread_mutex_lock(&wait_lock);
}

static void unlock_waiting(void)
{
    pthread_mutex_unlock(&wait_lock);
}

AG_CONSTRUCTOR static void lock_waiting_around_forks(void)
{
    (void)pthread_atfork(lock_waiting, unlock_waiting, unlock_waiting);
}

void platform_wait(atomic_uint *word, unsigned value)
{
    pthread_mutex_lock(&wait_lock);
    if (atomic_load(word) == value) {
        pthread_cond_wait(&changed, &wait_lock);
    }
    pthread_mutex_unlock(&wait_lock);
}

void platform_wake(atomic_uint *word)
{
    (void)word; /* all look at theirs */
    pthread_mutex_lock(&wait_lock);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&wait_lock);
}
#endif

bool platform_in_forked_child(void (*forget)(void))
{
    return pthread_atfork(NULL, NULL, forget) == 0;
}

/* ---- folders ------------------------------------------------------------------------------------------------------- */

/* Note [One writer a folder]
 * A lock on the folder, which ends with the process however that ends, says that nobody else writes into it: so a temporary file
 * that is found there is nobody's, and may be removed. File systems without locks (some that are mounted from elsewhere) are
 * used without. */
int platform_folder_take(const char *path, const char **reason)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        *reason = strerror(errno);
        return -1;
    }
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        *reason = strerror(errno);
        return -1;
    }
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        *reason = "another run saves there";
        close(descriptor);
        return -1;
    }
    return descriptor;
}

void platform_folder_leave(int descriptor)
{
    close(descriptor); /* and with it the lock */
}

enum platform_kind platform_path_kind(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return PLATFORM_NOTHING;
    }
    return S_ISREG(status.st_mode) ? PLATFORM_FILE : S_ISDIR(status.st_mode) ? PLATFORM_FOLDER : PLATFORM_OTHER;
}

bool platform_folder_each(const char *path, void (*each)(const char *name, void *user), void *user,
                          const char **reason)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        *reason = strerror(errno);
        return false;
    }
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(folder)) != NULL) {
        each(entry->d_name, user);
        errno = 0;
    }
    int problem = errno;
    closedir(folder);
    *reason = strerror(problem);
    return problem == 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

enum {
    GATHER = 1 << 18,    /* bytes of small writes that become one */
    DISK_PIECE = 1 << 23 /* bytes after which the disk is told to begin */
};

bool platform_file_begin(struct platform_file *file, const char *path, const char **reason)
{
    static atomic_uint serial;
    size_t room = strlen(path) + 64;
    *file = (struct platform_file){ .descriptor = -1, .path = strdup(path), .temporary = malloc(room) };
    if (file->path != NULL && file->temporary != NULL) {
        snprintf(file->temporary, room, "%s.%ld-%u" PLATFORM_PART, path, (long)getpid(),
                 atomic_fetch_add(&serial, 1));
        file->descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->descriptor >= 0) {
            file->gathered = malloc(GATHER);
            return true;
        }
    }
    *reason = strerror(errno);
    free(file->path);
    free(file->temporary);
    return false;
}

/* The disk works while the next numbers are copied; without it all of its work is left to fsync(). */
static void let_disk_begin(struct platform_file *file, size_t written)
{
#if defined(SYNC_FILE_RANGE_WRITE)
    file->begun += (int64_t)written;
    if (file->begun >= DISK_PIECE) {
        sync_file_range(file->descriptor, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint: fsync() tells of errors */
        file->begun = 0;
    }
#else
    (void)file, (void)written;
#endif
}

static bool write_out(struct platform_file *file, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        size_t some = n < DISK_PIECE ? n : DISK_PIECE;
        ssize_t written = write(file->descriptor, at, some);
        if (written < 0 && errno != EINTR) {
            file->problem = errno;
            return false;
        }
        if (written > 0) {
            at += written;
            n -= (size_t)written;
            let_disk_begin(file, (size_t)written);
        }
    }
    return true;
}

static bool write_gathered(struct platform_file *file)
{
    size_t n = file->waiting;
    file->waiting = 0;
    return n == 0 || write_out(file, file->gathered, n);
}

bool platform_file_write(struct platform_file *file, const void *bytes, size_t n)
{
    if (n > GATHER - file->waiting && !write_gathered(file)) {
        return false;
    }
    if (file->gathered == NULL || n > GATHER) {
        return write_out(file, bytes, n);
    }
    if (n > 0) {
        memcpy(file->gathered + file->waiting, bytes, n);
        file->waiting += n;
    }
    return true;
}

bool platform_file_seek(struct platform_file *file, uint64_t offset)
{
    if (!write_gathered(file)) {
        return false;
    }
    if (lseek(file->descriptor, (off_t)offset, SEEK_SET) < 0) {
        file->problem = errno;
        return false;
    }
    return true;
}

/* After the rename, so that a power cut does not undo it. */
static bool sync_folder_of(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL) {
        slash[slash == path ? 1 : 0] = '\0';
    }
    int folder = open(slash != NULL ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return false;
    }
    bool good = fsync(folder) == 0 || errno == EINVAL; /* some file systems cannot, and need not */
    close(folder);
    return good;
}

bool platform_file_end(struct platform_file *file, bool complete, const char **reason)
{
    bool good = complete && write_gathered(file) && fsync(file->descriptor) == 0;
    int problem = good ? 0 : file->problem != 0 ? file->problem : errno;
    if (close(file->descriptor) != 0 && good) {
        good = false;
        problem = errno;
    }
    if (good && rename(file->temporary, file->path) != 0) {
        good = false;
        problem = errno;
    }
    if (!good) {
        unlink(file->temporary);
    } else if (!sync_folder_of(file->path)) {
        good = false;
        problem = errno;
    }
    free(file->path);
    free(file->temporary);
    free(file->gathered);
    *reason = strerror(problem);
    return good;
}

bool platform_view_open(struct platform_view *view, const char *path, const char **reason)
{
    *view = (struct platform_view){ NULL, 0 };
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait for a writer */
    struct stat s;
    void *bytes = NULL;
    bool good = descriptor >= 0 && fstat(descriptor, &s) == 0;
    if (good && !S_ISREG(s.st_mode)) {
        errno = S_ISDIR(s.st_mode) ? EISDIR : ESPIPE;
        good = false;
    }
    if (good && s.st_size > 0) {
        bytes = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        good = bytes != MAP_FAILED;
    }
    if (good) {
        *view = (struct platform_view){ bytes, (size_t)s.st_size };
    } else {
        *reason = strerror(errno);
    }
    if (descriptor >= 0) {
        close(descriptor);
    }
    return good;
}

void platform_view_close(struct platform_view *view)
{
    if (view->bytes != NULL) {
        munmap((void *)(uintptr_t)view->bytes, view->length);
    }
    *view = (struct platform_view){ NULL, 0 };
}
