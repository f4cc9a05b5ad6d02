/* The threads behind loops, alone: every turn once, whatever else happens. It knows nothing else of the library, so that it can be
 * built with a sanitizer for threads where the library is not. */
#define _DEFAULT_SOURCE
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "autograd/parallel.h"
#include "autograd/platform.h"

#if defined(__has_feature) && !defined(__SANITIZE_THREAD__)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#if defined(__has_feature) && !defined(__SANITIZE_ADDRESS__)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

enum { MOST = 5000, TEAMS = 5 };

static const int teams[TEAMS] = { 1, 2, 3, 7, 12 };

struct marks {
    int *done;
    atomic_int *using; /* per member */
    int team;
    atomic_int *wrong;
};

static void mark(const void *task, int64_t i)
{
    const struct marks *t = task;
    int me = ag_parallel_member();
    if (me < 0 || me >= t->team || atomic_exchange(&t->using[me], 1) != 0) {
        atomic_fetch_add(t->wrong, 1);
        return;
    }
    t->done[i]++;
    atomic_store(&t->using[me], 0);
}

static void mark_turns(int team, int64_t n)
{
    static int done[MOST];
    static atomic_int using[64], wrong;
    struct marks task = { done, using, team, &wrong };
    for (int64_t i = 0; i < n; i++) {
        done[i] = 0;
    }
    ag_parallel(team, n, mark, &task);
    for (int64_t i = 0; i < n; i++) {
        if (done[i] != 1) { /* a check of each would be noted, and slow */
            ck_abort_msg("turn %d of %d ran %d times", (int)i, (int)n, done[i]);
        }
    }
    ck_assert_int_eq(atomic_load(&wrong), 0);
    ck_assert(!ag_parallel_inside());
    ck_assert_int_eq(ag_parallel_member(), 0);
}

START_TEST(every_turn_runs_once_and_members_have_numbers_of_their_own)
{
    for (int64_t n = 0; n < MOST; n += 1 + n / 10) {
        mark_turns(teams[_i], n);
    }
}
END_TEST

/* What a turn needs to see is there, and what it leaves is seen, without a lock. */
struct sums {
    const int64_t *x;
    int64_t *part;
};

static void add_some(const void *task, int64_t i)
{
    const struct sums *t = task;
    t->part[i] = 0;
    for (int k = 0; k < 100; k++) {
        t->part[i] += t->x[(i + k) % 64];
    }
}

/* The sum over 64 turns of x[k] = k + round: each x[k] is met 100 times. */
static bool sum_is_right(int team, int64_t round)
{
    int64_t x[64], part[64], sum = 0;
    for (int64_t k = 0; k < 64; k++) {
        x[k] = k + round;
    }
    struct sums task = { x, part };
    ag_parallel(team, 64, add_some, &task);
    for (int i = 0; i < 64; i++) {
        sum += part[i];
    }
    return sum == 100 * (2016 + 64 * round);
}

START_TEST(sizes_of_the_team_may_change_from_task_to_task)
{
    for (int round = 0; round < 300; round++) {
        mark_turns(teams[TEAMS - 1 - round % TEAMS], MOST);
        ck_assert(sum_is_right(teams[round % TEAMS], round));
    }
}
END_TEST

START_TEST(sleeping_members_wake_up)
{
    for (int round = 0; round < 30; round++) {
        ck_assert(sum_is_right(3, round));
        usleep(3000);
    }
}
END_TEST

static void inner(const void *task, int64_t i)
{
    atomic_int *count = *(atomic_int *const *)task;
    if (i >= 0 && ag_parallel_inside() && ag_parallel_member() == 0) {
        atomic_fetch_add(count, 1);
    }
}

static void outer(const void *task, int64_t i)
{
    int before = ag_parallel_member();
    (void)i;
    usleep(100); /* the others come, too */
    ag_parallel(4, 10, inner, task);
    if (ag_parallel_member() != before || !ag_parallel_inside()) {
        atomic_fetch_add(*(atomic_int *const *)task, 1000000);
    }
}

START_TEST(tasks_within_a_turn_run_on_its_thread)
{
    static atomic_int count;
    atomic_int *at = &count;
    for (int round = 1; round <= 50; round++) {
        ag_parallel(3, 12, outer, &at);
        ck_assert_int_eq(atomic_load(&count), round * 120);
    }
}
END_TEST

static void *many_tasks(void *result)
{
    *(bool *)result = true;
    for (int round = 0; round < 600; round++) {
        *(bool *)result &= sum_is_right(2 + round % 2, round);
    }
    return NULL;
}

START_TEST(threads_that_want_the_workers_at_once_all_get_on)
{
    pthread_t thread[4];
    bool right[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&thread[i], NULL, many_tasks, &right[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        ck_assert(right[i]);
    }
}
END_TEST

/* ---- processes ------------------------------------------------------------------------------------------------------------ */

/* The exit status of a child that runs `work`; one that hangs is ended by its alarm. */
static int status_within(unsigned seconds, void (*work)(void))
{
    pid_t child = fork();
    if (child == 0) {
        alarm(seconds);
        work();
        _exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int status_of(void (*work)(void))
{
    return status_within(20, work);
}

static atomic_bool enough;

static void *tasks_without_end(void *argument)
{
    (void)argument;
    for (int round = 0; !atomic_load(&enough); round++) {
        sum_is_right(2, round);
    }
    return NULL;
}

#ifndef __SANITIZE_THREAD__ /* which does not know that a forked child has none of its parent's threads */
/* A thread that begins allocates under a sanitizer for addresses, whose locks a child of that moment inherits locked. */
static void let_threads_begin(void)
{
#ifdef __SANITIZE_ADDRESS__
    usleep(100000);
#endif
}

static void use_after_fork(void)
{
    for (int round = 0; round < 100; round++) {
        if (!sum_is_right(teams[round % TEAMS], round)) {
            _exit(2);
        }
    }
    exit(7); /* through the library's end */
}

START_TEST(a_forked_child_has_threads_of_its_own)
{
    ck_assert(sum_is_right(3, 1));
    let_threads_begin();
    ck_assert_int_eq(status_of(use_after_fork), 7);
    ck_assert(sum_is_right(3, 2));
}
END_TEST

START_TEST(a_fork_in_the_middle_of_anothers_task_is_fine)
{
    pthread_t thread;
    pthread_create(&thread, NULL, tasks_without_end, NULL);
    let_threads_begin();
    for (int round = 0; round < 30; round++) {
        ck_assert_int_eq(status_of(use_after_fork), 7);
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
}
END_TEST
#endif

#ifndef __SANITIZE_THREAD__
#ifndef __SANITIZE_ADDRESS__ /* see let_threads_begin() */
static int delay;

/* A process whose very first task is begun by another thread at about the time of the fork. */
static void fork_beside_the_first_task(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, tasks_without_end, NULL);
    for (volatile int k = 0; k < delay; k++) {
    }
    int status = status_of(use_after_fork);
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    _exit(status);
}

START_TEST(a_fork_beside_the_first_task_is_fine)
{
    for (int round = 0; round < 60; round++) {
        delay = 1500 * round;
        ck_assert_int_eq(status_of(fork_beside_the_first_task), 7);
    }
}
END_TEST
#endif

static atomic_bool locked;

static void *hold_the_lock(void *argument)
{
    (void)argument;
    platform_lock();
    atomic_store(&locked, true);
    usleep(50000);
    platform_unlock();
    return NULL;
}

static void lock_after_fork(void)
{
    platform_lock();
    platform_unlock();
    _exit(7);
}

START_TEST(a_fork_waits_for_the_shared_tables)
{
    pthread_t thread;
    pthread_create(&thread, NULL, hold_the_lock, NULL);
    while (!atomic_load(&locked)) {
        platform_yield();
    }
    ck_assert_int_eq(status_of(lock_after_fork), 7);
    pthread_join(thread, NULL);
    platform_lock(); /* the parent has it no more */
    platform_unlock();
}
END_TEST
#endif

static void end_while_another_works(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, tasks_without_end, NULL);
    usleep(20000);
    exit(8);
}

static void end_from_a_turn(const void *task, int64_t i)
{
    (void)task;
    if (i == 3) {
        exit(9);
    }
    usleep(1000);
}

static void end_within(void)
{
    ag_parallel(3, 100, end_from_a_turn, NULL);
}

START_TEST(a_process_may_end_at_any_time)
{
    ck_assert_int_eq(status_of(end_while_another_works), 8);
    ck_assert_int_eq(status_of(end_within), 9);
}
END_TEST

#ifndef __SANITIZE_THREAD__ /* which sleeps for a second when a process ends */
static void end_while_several_work(void)
{
    pthread_t thread;
    for (int i = 0; i < 3; i++) {
        pthread_create(&thread, NULL, tasks_without_end, NULL);
    }
    end_while_another_works();
}

/* One task follows the other, and between two of them there is hardly a moment in which nobody has the workers. */
START_TEST(a_process_that_ends_does_not_wait_for_luck)
{
    for (int round = 0; round < 10; round++) {
        ck_assert_int_eq(status_within(5, end_while_several_work), 8);
    }
}
END_TEST
#endif

/* Signals are handed to the program's own threads, and wait for those that block them. */
static atomic_int handled, handled_by_worker;
static pthread_t main_thread;

static void note_thread(int signal)
{
    (void)signal;
    atomic_fetch_add(&handled, 1);
    if (!pthread_equal(pthread_self(), main_thread)) {
        atomic_fetch_add(&handled_by_worker, 1);
    }
}

START_TEST(signals_are_not_handed_to_workers)
{
    main_thread = pthread_self();
    signal(SIGUSR1, note_thread);
    ck_assert(sum_is_right(3, 1));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    usleep(20000);
    ck_assert(sum_is_right(3, 2));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    ck_assert_int_eq(atomic_load(&handled), 1);
    ck_assert_int_eq(atomic_load(&handled_by_worker), 0);
}
END_TEST

/* ---- processors ------------------------------------------------------------------------------------------------------------ */

static void write_limit(const char *folder, const char *text)
{
    char path[400];
    mkdir(folder, 0777);
    snprintf(path, sizeof(path), "%s/cpu.max", folder);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

START_TEST(a_control_group_limits_the_processors)
{
    char root[] = "/tmp/wengert-group-XXXXXX", path[300], remove[400];
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(platform_processors_of_group(root, "/"), 0); /* no file */
    snprintf(path, sizeof(path), "%s/a", root);
    write_limit(path, "max 100000\n");
    ck_assert_int_eq(platform_processors_of_group(root, "/a"), 0);
    snprintf(path, sizeof(path), "%s/a/b", root);
    write_limit(path, "250000 100000\n");
    ck_assert_int_eq(platform_processors_of_group(root, "/a/b"), 3);
    ck_assert_int_eq(platform_processors_of_group(root, "/a"), 0);
    snprintf(path, sizeof(path), "%s/a", root);
    write_limit(path, "100000 100000\n");
    ck_assert_int_eq(platform_processors_of_group(root, "/a/b"), 1);
    ck_assert_int_eq(platform_processors_of_group(root, "/a/b/not there"), 1);
    write_limit(path, "1 100000\n");
    ck_assert_int_eq(platform_processors_of_group(root, "/a/b"), 1);
    write_limit(path, "nonsense\n");
    ck_assert_int_eq(platform_processors_of_group(root, "/a/b"), 3);
    write_limit(path, "-5 0\n");
    ck_assert_int_eq(platform_processors_of_group(root, "/a"), 0);
    snprintf(remove, sizeof(remove), "rm -r %s", root);
    ck_assert_int_eq(system(remove), 0);
    ck_assert_int_ge(platform_processors(), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parallel");
    TCase *tests = tcase_create("parallel");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_turn_runs_once_and_members_have_numbers_of_their_own, 0, TEAMS);
    tcase_add_test(tests, sizes_of_the_team_may_change_from_task_to_task);
    tcase_add_test(tests, sleeping_members_wake_up);
    tcase_add_test(tests, tasks_within_a_turn_run_on_its_thread);
    tcase_add_test(tests, threads_that_want_the_workers_at_once_all_get_on);
#ifndef __SANITIZE_THREAD__
    tcase_add_test(tests, a_forked_child_has_threads_of_its_own);
    tcase_add_test(tests, a_fork_in_the_middle_of_anothers_task_is_fine);
#ifndef __SANITIZE_ADDRESS__
    tcase_add_test(tests, a_fork_beside_the_first_task_is_fine);
#endif
    tcase_add_test(tests, a_fork_waits_for_the_shared_tables);
#endif
    tcase_add_test(tests, a_process_may_end_at_any_time);
#ifndef __SANITIZE_THREAD__
    tcase_add_test(tests, a_process_that_ends_does_not_wait_for_luck);
#endif
    tcase_add_test(tests, signals_are_not_handed_to_workers);
    tcase_add_test(tests, a_control_group_limits_the_processors);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
