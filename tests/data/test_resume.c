/*
 * Runs that are stopped and go on: in a model, an optimizer, a loader that were built anew, with other weights, and got back
 * what was saved. A run that never stopped says what must come out: every bit of the weights, at any step, for any number of
 * threads. Also what is refused, and that nothing is changed then.
 */
#include "runs.h"

static void assert_same_end(const struct run *whole, const struct run *resumed, int64_t stop)
{
    ck_assert_msg(run_hash(whole) == run_hash(resumed), "stopped at step %" PRId64, stop);
    ck_assert_int_eq(resumed->count, STEPS);
    ck_assert_mem_eq(whole->losses, resumed->losses, sizeof whole->losses);
}

START_TEST(a_run_stopped_at_any_step_ends_with_the_same_bits)
{
    int kind = _i / 2;
    ag_set_threads(1 + _i % 2);
    struct run whole = makes[kind](5);
    run_on(&whole, STEPS);
    for (int64_t stop = 0; stop <= STEPS; stop++) {
        struct run stopped = makes[kind](5);
        run_on(&stopped, stop);
        ag_state *saved = ag_state_take(run_stateful(&stopped));
        run_on(&stopped, STEPS); /* what happens afterwards is not in the snapshot */
        run_free(&stopped);

        struct run resumed = makes[kind](900 + (uint64_t)stop);
        run_on(&resumed, stop % 4); /* it may even have begun */
        ck_assert_int_eq(ag_state_restore(saved, run_stateful(&resumed)), AG_OK);
        run_on(&resumed, STEPS);
        assert_same_end(&whole, &resumed, stop);
        run_free(&resumed);
        ag_state_free(saved);
    }
    run_free(&whole);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resume");
    TCase *runs = tcase_create("runs");
    tcase_add_checked_fixture(runs, test_begin, test_end);
    tcase_add_loop_test(runs, a_run_stopped_at_any_step_ends_with_the_same_bits, 0, 2 * KINDS);
    suite_add_tcase(suite, runs);
    return test_main(suite);
}
