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
    ag_tensor x = ones(AG_HERE, (ag_shape){ .ndim = 2, .size = { 256, 256 } }, AG_FLOAT32);
    matmul(AG_HERE, x, x);
    end(&scope);
}

static pthread_barrier_t barrier;

static void *use_and_wait(void *library)
{
    use(library);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

START_TEST(its_threads_end_when_the_library_is_unloaded)
{
    for (int round = 0; round < 3; round++) {
        void *library = dlopen(TESTS_LIBRARY, RTLD_NOW | RTLD_LOCAL);
        ck_assert_msg(library != NULL, "%s", dlerror());
        pthread_t thread;
        pthread_barrier_init(&barrier, NULL, 2);
        pthread_create(&thread, NULL, use_and_wait, library);
        pthread_barrier_wait(&barrier);
        use(library);
        ck_assert_int_eq(threads_of_process(), 4); /* two of the program, two that help */
        ck_assert_int_eq(dlclose(library), 0);
        ck_assert_int_eq(threads_of_process(), 2);
        ck_assert_ptr_null(dlopen(TESTS_LIBRARY, RTLD_NOW | RTLD_NOLOAD)); /* it is gone */
        pthread_barrier_wait(&barrier);
        pthread_join(thread, NULL);
        pthread_barrier_destroy(&barrier);
    }
}
END_TEST

int main(void)
{
    if (threads_of_process() == 0) {
        return 77; /* the system does not say */
    }
    Suite *suite = suite_create("unload");
    TCase *tests = tcase_create("unload");
    tcase_add_test(tests, its_threads_end_when_the_library_is_unloaded);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
