/* The debugger: what each command answers, that mistakes change nothing, and that the gradients are those of ag_backward(). */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "networks.h"

static ag_scope scope;
static ag_tensor a, b;

/* loss = (a b + a)^2 with a = 3, b = -2: nodes 0 mul, 1 add, 2 square; loss = 9, dloss/da = 6, dloss/db = -18. */
static ag_tensor record(void)
{
    a = ag_set_name(leaf64(AG_SHAPE_SCALAR, 3), "a");
    b = ag_set_name(leaf64(AG_SHAPE_SCALAR, -2), "b");
    ag_begin(&scope);
    ag_retain_tape(true);
    ag_label_push("first");
    ag_tensor product = ag_mul(a, b);
    ag_label_pop();
    ag_tensor sum = ag_add(product, a);
    return ag_square(sum);
}

static void done(void)
{
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
    assert_no_error();
}

/* What is answered to a whole session. The caller frees it. */
static char *session(ag_tensor loss, const char *commands)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *in = fmemopen((char *)(uintptr_t)commands, strlen(commands), "r"), *out = open_memstream(&text, &bytes);
    ag_debug(loss, in, out);
    fclose(in);
    fclose(out);
    return text;
}

/* The texts stand in the answer in this order. */
static void assert_order(const char *text, int n, const char *const *part)
{
    const char *at = text;
    for (int i = 0; i < n; i++) {
        at = strstr(at, part[i]);
        ck_assert_msg(at != NULL, "\"%s\" is not, or not in order, in\n%s", part[i], text);
        at += strlen(part[i]);
    }
}
#define assert_answers(text, ...)                                                        \
    do {                                                                                 \
        const char *const parts_[] = { __VA_ARGS__ };                                    \
        assert_order(text, (int)(sizeof(parts_) / sizeof(parts_[0])), parts_);           \
        free(text);                                                                      \
    } while (0)

START_TEST(a_session_steps_through_backward)
{
    char *text = session(record(), "step\nstep\ns\n\nquit\n");
    assert_answers(text, "#2 square", "gradient arrived         1", "contribution           -6", "#1 add", "gradient arrived         -6", "#0 mul",
                   "contribution           12", "added up before        -6", "contribution           -18", "backward is at its end");
    ck_assert_double_eq(ag_item(ag_grad_of(a)), 6);
    ck_assert_double_eq(ag_item(ag_grad_of(b)), -18);
    done();
}
END_TEST

START_TEST(what_is_left_is_run_when_the_session_ends)
{
    const char *const ways[] = { "", "quit\n", "step\n", "step\nstep\nquit\n", "run\nrestart\nstep\n", "explain a\ncheck b\n", "nonsense\n" };
    for (size_t k = 0; k < sizeof(ways) / sizeof(ways[0]); k++) {
        free(session(record(), ways[k]));
        ck_assert_double_eq(ag_item(ag_grad_of(a)), 6);
        ck_assert_double_eq(ag_item(ag_grad_of(b)), -18);
        done();
    }
}
END_TEST

START_TEST(running_stops_where_it_is_told_to)
{
    char *text = session(record(), "run to #1\n");
    assert_answers(text, "#1 add");
    done();
    text = session(record(), "run to op mul\nrun\n");
    assert_answers(text, "#0 mul", "at its end");
    done();
    text = session(record(), "run to b\nprint b\n");
    assert_answers(text, "at its end", "b: float64 (), a leaf", "value                    -2", "gradient                 -18", "used by", "#0 mul, input 1");
    done();
    text = session(record(), "out\nout\n");
    assert_answers(text, "#1 add", "#0 mul");
    done();
    text = session(record(), "run to nonfinite\n");
    assert_answers(text, "every gradient is finite", "at its end");
    done();
}
END_TEST

START_TEST(the_first_infinity_is_found)
{
    const double x[] = { 1, 0 };
    ag_tensor leaf = ag_set_name(filled_leaf(AG_FLOAT64, AG_SHAPE(2), 2, x, true), "x");
    ag_begin(&scope);
    ag_tensor loss = ag_sum(ag_neg(ag_log(ag_mul_scalar(leaf, 1))));
    char *text = session(loss, "run to nonfinite\nquit\n");
    assert_answers(text, "#1 log", "contribution", "-inf");
    ag_end(&scope);
    ag_drop(&leaf);
}
END_TEST

START_TEST(the_tape_is_listed_drawn_and_added_up)
{
    char *text = session(record(), "list\n");
    assert_answers(text, "#0     mul              a b", "first", "test_inspect_debug.c:", "#1     add              #0 a", "#2     square");
    done();
    text = session(record(), "step 2\nlist op add\nlist name first\nlist 0 1\nlist op nothing\nlist x\n");
    assert_answers(text, "#1 add", "-> #1     add", "   #0     mul", "   #0     mul", "-> #1     add", "no such operation", "list takes numbers");
    done();
    text = session(record(), "graph\ngraph #2 1\n");
    assert_answers(text, "#2 square ()\n", "└─ #1 add ()\n", "   ├─ #0 mul ()\n", "   │  ├─ a ()\n", "   │  └─ b ()\n", "   └─ a ()\n",
                   "#2 square ()\n└─ #1 add ()  …\n");
    done();
    text = session(record(), "totals\n");
    assert_answers(text, "operation", "square", "part", "first", "line");
    done();
}
END_TEST

START_TEST(gradients_are_explained_and_checked)
{
    char *text = session(record(), "explain a\ncheck a\ncheck #0\nprint #1\n");
    assert_answers(text, "d loss / d a: 2 paths", "agrees", "analytic 6", "agrees", "analytic -6", "#1 add: float64 ()", "y = a + b", "value                    -3");
    done();
    text = session(record(), "step\nexplain a\nrun\nexplain b\n");
    assert_answers(text, "being stepped through", "at its end", "d loss / d b: 1 path");
    done();
}
END_TEST

START_TEST(forward_is_computed_again_with_other_numbers)
{
    char *text = session(record(), "replay\nset a 0 4\nreplay 1\nreplay\nset #0 0 10\nreplay\n");
    assert_answers(text, "#2 square                9", "recorded                 9", "#0 mul                   -8", "#2 square                16", /* (4 * -2 + 4)^2 */
                   "recorded                 9", "#2 square                196"); /* (10 + 4)^2 */
    ck_assert_double_eq(ag_item(a), 3);
    ck_assert_double_eq(ag_item(ag_grad_of(a)), 6);
    done();
    text = session(record(), "set a 1 4\nset a 0 x\nset a\nset q 0 1\n");
    assert_answers(text, "a has elements 0 to 0", "x is no number", "set takes a tensor", "nothing on the tape is called q");
    done();
}
END_TEST

START_TEST(mistakes_are_answered)
{
    char *text = session(record(), "jump\nst\nprint #7\nprint #1.1\nprint #x\nrun to\nrun to op\nstep x\nexplain\ncheck\nhtml\ndot\nhtml /nowhere/x.html\n"
                                   "json /nowhere/x\nhelp step\n# a remark\n#1\n");
    assert_answers(text, "there is no command jump", "st may mean several commands", "there is no node #7", "#1 add has 1 result", "there is no node #x",
                   "run to what?", "run to op takes", "step takes a number", "explain takes", "check takes", "html takes", "dot takes",
                   "ag_tape_html: /nowhere/x.html: No such file", "/nowhere/x cannot be written", "step [N]", "#1 add: float64");
    done();
    ag_debugger *d = ag_debugger_new(AG_NIL, stdout);
    assert_error(AG_ERROR_LIFETIME, "ag_debugger_new: the tensor is nil");
    ck_assert(!ag_debugger_command(d, "step"));
    ag_debugger_free(d);
    ag_tensor loss = record();
    ag_debug(loss, NULL, stdout);
    assert_error(AG_ERROR_VALUE, "ag_debug: the stream is NULL");
    ag_debugger_new(a, stdout);
    assert_error(AG_ERROR_GRAD, "ag_debugger_new: the tensor was not computed on this tape");
    char *answer = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&answer, &bytes);
    d = ag_debugger_new(loss, out);
    ag_debugger_command(d, "step");
    done();
    ck_assert(ag_debugger_command(d, "print"));
    ck_assert(!ag_debugger_command(d, "quit"));
    ag_debugger_free(d);
    fclose(out);
    assert_answers(answer, "#2 square", "the scope of this tape has ended");
}
END_TEST

START_TEST(files_are_written)
{
    char folder[] = "/tmp/wengert-debug-XXXXXX", commands[256], path[128];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(commands, sizeof(commands), "html %s/a.html\ndot %s/a.dot\njson %s/a.json\n", folder, folder, folder);
    char *text = session(record(), commands);
    assert_answers(text, "open it in a browser", "dot -Tsvg draws it", "wrote");
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/a.%s", folder, i == 0 ? "html" : i == 1 ? "dot" : "json");
        ck_assert_int_eq(unlink(path), 0);
    }
    rmdir(folder);
    done();
}
END_TEST

static void assert_completions(ag_debugger *d, const char *line, const char *expected)
{
    char all[512] = "", text[64];
    for (int k = 0; ag_debugger_complete(d, line, k, text, sizeof(text)); k++) {
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s ", text);
    }
    ck_assert_msg(strcmp(all, expected) == 0, "\"%s\" may go on with \"%s\", expected \"%s\"", line, all, expected);
}

START_TEST(lines_are_completed)
{
    ag_tensor loss = record();
    ag_set_name(loss, "squared");
    ag_debugger *d = ag_debugger_new(loss, stdout);
    assert_completions(d, "st", "step start ");
    assert_completions(d, "help ch", "check ");
    assert_completions(d, "print ", "a b squared loss ");
    assert_completions(d, "explain s", "squared ");
    assert_completions(d, "run to op ", "mul add square ");
    assert_completions(d, "run to n", "nonfinite ");
    assert_completions(d, "list o", "op ");
    assert_completions(d, "list op s", "square ");
    assert_completions(d, "html ", "");
    assert_completions(d, "nonsense ", "");
    ag_debugger_free(d);
    done();
}
END_TEST

/* Every command on a network with released values, then a network's gradients bit for bit. */
START_TEST(a_network_gets_the_gradients_of_backward)
{
    struct trainer t;
    trainer_open(&t, small_net(), AG_SHAPE(16, 6), 3, 1);
    uint64_t hash[2][16];
    int count = 0;
    for (int way = 0; way < 2; way++) {
        ag_rng rng = ag_rng_seed(5);
        (void)rng;
        ag_begin(&t.scope);
        optim_zero_grad(t.opt);
        nn_eval(t.net); /* nothing drawn, nothing counted: the same twice */
        ag_tensor loss = ag_cross_entropy(nn_forward(t.net, t.x[0]), t.y[0]);
        if (way == 0) {
            ag_backward(loss);
        } else {
            free(session(loss, "list all\ngraph\nprint #1\nprint 0.weight all\nexplain 0.weight\ncheck 0.weight\nstep 3\nprint\nrun to 4.weight\nreplay\n"
                               "html /tmp\nout\n"));
            assert_no_error();
        }
        ag_list *list = nn_parameters(t.net);
        count = (int)ag_list_count(list);
        for (int i = 0; i < count; i++) {
            hash[way][i] = ag_hash(ag_grad_of(ag_list_tensor(list, i)));
        }
        ag_list_free(list);
    }
    ck_assert_int_gt(count, 4);
    for (int i = 0; i < count; i++) {
        ck_assert_uint_eq(hash[0][i], hash[1][i]);
    }
    trainer_close(&t);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, a_session_steps_through_backward);
    tcase_add_test(tests, what_is_left_is_run_when_the_session_ends);
    tcase_add_test(tests, running_stops_where_it_is_told_to);
    tcase_add_test(tests, the_first_infinity_is_found);
    tcase_add_test(tests, the_tape_is_listed_drawn_and_added_up);
    tcase_add_test(tests, gradients_are_explained_and_checked);
    tcase_add_test(tests, forward_is_computed_again_with_other_numbers);
    tcase_add_test(tests, mistakes_are_answered);
    tcase_add_test(tests, files_are_written);
    tcase_add_test(tests, lines_are_completed);
    tcase_add_test(tests, a_network_gets_the_gradients_of_backward);
}

int main(void)
{
    return run_tests("inspect_debug", add, 60);
}
