/* The tape as a table and as a drawing: what stands in which column, and that Graphviz reads the drawing. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <unistd.h>

#include "common.h"

static ag_scope scope;

/* What is printed: the table, or the drawing of `output`. The caller frees it. */
static char *printed(bool table, ag_tensor output)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    ck_assert_int_eq(table ? ag_tape_print(stream) : ag_tape_dot(stream, output), AG_OK);
    fclose(stream);
    return text;
}

/* Line k of the text (0: the first), cut into words. */
static int words_of(const char *text, int k, char words[16][96])
{
    for (; k > 0; k--) {
        text = strchr(text, '\n');
        ck_assert_ptr_nonnull(text);
        text++;
    }
    int count = 0, used = 0;
    for (; *text != '\n' && *text != '\0'; text++) {
        if (*text != ' ' && count < 16 && used < 95) {
            words[count][used++] = *text;
            words[count][used] = '\0';
        } else if (used > 0) {
            count++;
            used = 0;
        }
    }
    return count + (used > 0);
}

static int lines_of(const char *text)
{
    int lines = 0;
    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

static void assert_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in\n%s", part, text);
}

static ag_tensor w, bias;
static int lines[5];

/* A small model: features.0 is a product, features.1 a tanh, head a split. */
static ag_tensor record(void)
{
    ag_tensor x = ag_ones(AG_SHAPE(5, 3), AG_FLOAT32);
    ag_label_push("features");
    ag_label_push("0");
    ag_tensor h = ag_linear(x, w, bias);
    lines[0] = __LINE__ - 1;
    ag_label_pop();
    ag_label_push("1");
    h = ag_tanh(h);
    lines[1] = __LINE__ - 1;
    ag_label_pop();
    ag_label_pop();
    ag_tensor view = ag_transpose(h, 0, 1);
    lines[2] = __LINE__ - 1;
    ag_set_name(view, "turned");
    ag_tensor y = ag_mul(view, ag_detach(view));
    lines[3] = __LINE__ - 1;
    ag_tensor loss = ag_sum(y);
    lines[4] = __LINE__ - 1;
    return loss;
}

static void make_parameters(void)
{
    w = ag_set_name(ag_leaf(AG_SHAPE(2, 3), AG_FLOAT32, true), "w \"quoted\" \\ name");
    bias = ag_leaf(AG_SHAPE(2), AG_FLOAT32, true);
}

static void assert_words(const char *text, int line, int count, const char *const *expected)
{
    char words[16][96];
    ck_assert_int_eq(words_of(text, line, words), count);
    for (int i = 0; i < count; i++) {
        ck_assert_msg(strcmp(words[i], expected[i]) == 0, "line %d, word %d: %s, expected %s", line, i, words[i], expected[i]);
    }
}

START_TEST(the_table_has_a_line_a_node)
{
    make_parameters();
    ag_set_name(w, "w");
    ag_begin(&scope);
    record();
    char *text = printed(true, AG_NONE), line[5][64];
    for (int i = 0; i < 5; i++) {
        snprintf(line[i], sizeof(line[i]), "test_inspect.c:%d", lines[i]);
    }
    ck_assert_int_eq(lines_of(text), 6);
    assert_words(text, 0, 9, (const char *[]){ "node", "operation", "inputs", "result", "type", "bytes", "saved", "part", "line" });
    assert_words(text, 1, 11, (const char *[]){ "0", "linear", "const(5,3)", "w", "leaf(2)", "(5,2)", "float32", "40", "x0",
                                                "features.0", line[0] });
    assert_words(text, 2, 9, (const char *[]){ "1", "tanh", "#0", "(5,2)", "float32", "40", "y", "features.1", line[1] });
    assert_words(text, 3, 8, (const char *[]){ "2", "permute", "#1", "(2,5)", "float32", "view", "-", line[2] });
    assert_words(text, 4, 9, (const char *[]){ "3", "mul", "turned", "const(2,5)", "(2,5)", "float32", "40", "x1", line[3] });
    assert_words(text, 5, 8, (const char *[]){ "4", "sum", "#3", "()", "float32", "4", "-", line[4] });
    free(text);
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&bias);
}
END_TEST

START_TEST(freed_nodes_are_shown_as_such)
{
    make_parameters();
    ag_begin(&scope);
    ag_tensor loss = record();
    ag_backward(loss);
    ag_mul(w, w);
    char *text = printed(true, AG_NONE);
    ck_assert_int_eq(lines_of(text), 7);
    char words[16][96];
    for (int i = 1; i <= 5; i++) {
        words_of(text, i, words);
        ck_assert_str_eq(words[2], "(freed");
    }
    words_of(text, 6, words);
    ck_assert_str_eq(words[1], "mul");
    ck_assert_ptr_null(strstr(strstr(text, "mul   "), "(freed by backward)\n"));
    free(text);
    text = printed(false, AG_NONE);
    assert_has(text, "#4 sum");
    assert_has(text, "-> n5");
    ck_assert_ptr_null(strstr(text, "-> n4"));
    free(text);
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&bias);
}
END_TEST

START_TEST(an_empty_tape_prints_its_heading)
{
    char *text = printed(true, AG_NONE); /* without a scope */
    ck_assert_int_eq(lines_of(text), 1);
    free(text);
    text = printed(false, AG_NONE);
    assert_has(text, "digraph tape {");
    free(text);
}
END_TEST

START_TEST(several_results_have_numbers)
{
    ag_tensor many[300];
    make_parameters();
    ag_begin(&scope);
    for (int i = 0; i < 300; i++) {
        many[i] = i % 2 == 0 ? w : ag_neg(w);
    }
    ag_stack(300, many, 0);
    char *text = printed(true, AG_NONE); /* longer than any line may be */
    ck_assert_int_eq(lines_of(text), 152);
    free(text);
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&bias);
}
END_TEST

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part)) {
        count++;
    }
    return count;
}

START_TEST(the_drawing_has_nodes_leaves_and_edges)
{
    make_parameters();
    ag_begin(&scope);
    ag_tensor unrelated = ag_exp(bias), loss = record();
    char *text = printed(false, loss);
    assert_has(text, "digraph tape {");
    ck_assert_int_eq(count_of(text, "shape=box"), 5);
    ck_assert_int_eq(count_of(text, "shape=ellipse"), 4); /* x, w, bias and the detached tensor */
    ck_assert_int_eq(count_of(text, " -> "), 8);
    assert_has(text, "w \\\"quoted\\\" \\\\ name\\nfloat32 (2,3)");
    assert_has(text, "#1 linear\\nfeatures.0\\n");
    assert_has(text, "n4 -> n5 [label=\"(2,5)\"]");
    assert_has(text, "test_inspect.c:");
    ck_assert_ptr_null(strstr(text, "exp"));
    free(text);
    text = printed(false, unrelated);
    ck_assert_int_eq(count_of(text, "shape=box"), 1);
    free(text);
    text = printed(false, AG_NONE);
    ck_assert_int_eq(count_of(text, "shape=box"), 6);
    ck_assert_int_eq(count_of(text, "shape=ellipse"), 4);
    free(text);
    text = printed(false, w); /* a leaf depends on no operation */
    ck_assert_int_eq(count_of(text, "shape=box"), 0);
    free(text);
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&bias);
}
END_TEST

START_TEST(graphviz_reads_the_drawing)
{
    if (system("dot -V >/dev/null 2>&1") != 0) {
        return;
    }
    make_parameters();
    ag_set_name(bias, "two\nlines; } -> { \"");
    ag_begin(&scope);
    ag_label_push("a \"strange\" part\\");
    ag_tensor loss = record();
    char name[] = "/tmp/wengert-tape-XXXXXX", command[128];
    int file = mkstemp(name);
    ck_assert_int_ge(file, 0);
    FILE *stream = fdopen(file, "w");
    ck_assert_int_eq(ag_tape_dot(stream, loss), AG_OK);
    fclose(stream);
    snprintf(command, sizeof(command), "dot -Tplain %s 2>&1 | grep -c '^edge'", name);
    FILE *dot = popen(command, "r");
    int edges = 0;
    ck_assert_int_eq(fscanf(dot, "%d", &edges), 1);
    pclose(dot);
    unlink(name);
    ck_assert_int_eq(edges, 8);
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&bias);
}
END_TEST

static bool nameless_shape(ag_call *call)
{
    return ag_call_output(call, 0, AG_FLOAT32, AG_SHAPE(1)) && ag_call_output(call, 1, AG_FLOAT32, AG_SHAPE(1));
}

static bool nameless_forward(ag_call *call)
{
    (void)call;
    return true;
}

static void nameless_backward(ag_sweep *s)
{
    (void)s;
}

/* A program's operation without a formula, of two results, with an optional input that is not given. */
static const struct ag_op op_nameless = {
    .size = sizeof(struct ag_op), .name = "say \"x\"", .inputs = 2, .outputs = 2, .optional = AG_OPTIONAL(1),
    .saves = AG_SAVE_OUTPUT(1), .shape = nameless_shape, .forward = nameless_forward, .backward = nameless_backward,
};

START_TEST(operations_of_a_program_are_shown)
{
    make_parameters();
    ag_begin(&scope);
    ag_tensor in[] = { w, AG_NONE }, out[2];
    ag_apply(AG_HERE, &op_nameless, 2, in, NULL, out);
    ag_neg(out[1]);
    char *text = printed(true, AG_NONE);
    assert_has(text, "say \"x\"");
    assert_has(text, " -  "); /* what was not given */
    assert_has(text, "#0.1");
    assert_has(text, "y1");
    free(text);
    text = printed(false, AG_NONE);
    assert_has(text, "#0 say \\\"x\\\"");
    free(text);
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&bias);
}
END_TEST

START_TEST(a_stream_that_cannot_be_written_to_is_an_error)
{
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL) {
        return;
    }
    setvbuf(full, NULL, _IONBF, 0);
    ck_assert_int_eq(ag_tape_print(full), AG_ERROR_FILE);
    assert_error(AG_ERROR_FILE, "ag_tape_print: the stream cannot be written to");
    ck_assert_int_eq(ag_tape_dot(full, AG_NONE), AG_ERROR_FILE);
    assert_error(AG_ERROR_FILE, "ag_tape_dot: the stream cannot be written to");
    fclose(full);
    ag_tape_dot(stdout, AG_NIL);
    assert_error(AG_ERROR_LIFETIME, "ag_tape_dot: the tensor is nil");
    ag_tape_print(NULL);
    assert_error(AG_ERROR_VALUE, "ag_tape_print: the stream is NULL");
    ag_tape_dot(NULL, AG_NONE);
    assert_error(AG_ERROR_VALUE, "ag_tape_dot: the stream is NULL");
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, the_table_has_a_line_a_node);
    tcase_add_test(tests, freed_nodes_are_shown_as_such);
    tcase_add_test(tests, an_empty_tape_prints_its_heading);
    tcase_add_test(tests, several_results_have_numbers);
    tcase_add_test(tests, the_drawing_has_nodes_leaves_and_edges);
    tcase_add_test(tests, graphviz_reads_the_drawing);
    tcase_add_test(tests, operations_of_a_program_are_shown);
    tcase_add_test(tests, a_stream_that_cannot_be_written_to_is_an_error);
}

int main(void)
{
    return run_tests("inspect", add, 60);
}
