/* The shared library, loaded by hand and unloaded: its threads end with it, and those of the program end after it. */
#define _DEFAULT_SOURCE
#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* The names stand for types here: nothing is linked. */
#include "autograd/autograd.h"

static int threads_of_process(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    ck_assert_msg(found != NULL, "%s", dlerror());
    return found;
}

/* One product that is worth threads. */
static void use(void *library)
{
    ag_scope scope = { 0 };
    void (*set_threads)(int);
    __typeof__(&ag_begin_at) begin;
    __typeof__(&ag_ones_at) ones;
    __typeof__(&ag_matmul_at) matmul;
    __typeof__(&ag_end) end;
    *(void **)&set_threads = symbol(library, "ag_set_threads");
    *(void **)&begin = symbol(library, "ag_begin_at");
    *(void **)&ones = symbol(library, "ag_ones_at");
    *(void **)&matmul = symbol(library, "ag_matmul_at");
    *(void **)&end = symbol(library, "ag_end");
    set_threads(3);
    begin(AG_HERE, &scope);
    ag_tensor x = ones(AG_HERE, ag_shape_make(2, (int64_t[]){ 256, 256 }), AG_FLOAT32);
    matmul(AG_HERE, x, x);
    end(&scope);
}
