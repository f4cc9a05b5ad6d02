/* The tape as JSON and as a drawing with its numbers: what is told of values and gradients, and what stands where there are none. */
#define _POSIX_C_SOURCE 200809L
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "common.h"

static ag_scope scope;

static char *written(bool json, ag_tensor output)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    ag_error error = json ? ag_tape_json(stream, output) : ag_tape_dot(stream, output);
    fclose(stream);
    ck_assert_msg(error == AG_OK, "%s", ag_error_message());
    return text;
}

static json_t *read_back(ag_tensor output)
{
    char *text = written(true, output);
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(root != NULL, "%s in\n%s", error.text, text);
    free(text);
    return root;
}

/* "nodes.2.outputs.0.value.numbers.1" */
static const json_t *at(const json_t *root, const char *path)
{
    char part[64];
    for (const json_t *j = root;;) {
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof(part), "%.*s", (int)n, path);
        j = json_is_array(j) ? json_array_get(j, (size_t)atoi(part)) : json_object_get(j, part);
        ck_assert_msg(j != NULL, "there is no %s", path);
        if (path[n] == '\0') {
            return j;
        }
        path += n + 1;
    }
}

static void assert_text(const json_t *root, const char *path, const char *expected)
{
    const char *text = json_string_value(at(root, path));
    ck_assert_msg(text != NULL && strcmp(text, expected) == 0, "%s is %s, expected %s", path, text, expected);
}

static void assert_number(const json_t *root, const char *path, double expected)
{
    const json_t *j = at(root, path);
    ck_assert_msg(json_is_number(j) && fabs(json_number_value(j) - expected) < 1e-12 * fmax(1, fabs(expected)), "%s is %.17g, expected %.17g",
                  path, json_number_value(j), expected);
}

static ag_tensor a, b;

/* loss = sum(tanh(a * b)) of two numbers each, in float64. */
static ag_tensor record(void)
{
    const double x[] = { 0.5, -1 }, y[] = { 2, 0.25 };
    a = ag_set_name(filled_leaf(AG_FLOAT64, AG_SHAPE(2), 2, x, true), "a");
    b = ag_set_name(filled_leaf(AG_FLOAT64, AG_SHAPE(2), 2, y, true), "b");
    ag_begin(&scope);
    ag_label_push("head");
    ag_tensor p = ag_mul(a, b);
    ag_label_push("activation");
    ag_tensor t = ag_tanh(p);
    ag_label_pop();
    ag_label_pop();
    return ag_sum(t);
}

static void done(void)
{
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
    assert_no_error();
}

START_TEST(the_document_has_nodes_leaves_values_and_gradients)
{
    ag_tensor loss = record();
    json_t *root = read_back(loss);
    assert_text(root, "format", "wengert tape 1");
    assert_number(root, "loss.node", 2);
    ck_assert_uint_eq(json_array_size(at(root, "nodes")), 3);
    ck_assert_uint_eq(json_array_size(at(root, "leaves")), 2);
    assert_text(root, "nodes.0.operation", "mul");
    assert_text(root, "nodes.0.formula", "y = a b");
    assert_text(root, "nodes.0.derivative", "da = dy b, db = dy a");
    assert_text(root, "nodes.0.layer", "head");
    assert_text(root, "nodes.1.layer", "head.activation");
    assert_number(root, "nodes.0.inputs.1.leaf", 1);
    assert_text(root, "nodes.0.inputs.1.name", "b");
    assert_number(root, "nodes.1.inputs.0.node", 0);
    ck_assert(strncmp(json_string_value(at(root, "nodes.0.line")), "test_inspect_draw.c:", 20) == 0);
    assert_number(root, "nodes.0.outputs.0.value.numbers.0", 1);
    assert_number(root, "nodes.0.outputs.0.value.numbers.1", -0.25);
    assert_number(root, "nodes.1.outputs.0.value.numbers.0", tanh(1));
    assert_number(root, "nodes.2.outputs.0.value.numbers.0", tanh(1) + tanh(-0.25));
    assert_number(root, "nodes.1.outputs.0.value.norm", sqrt(tanh(1) * tanh(1) + tanh(0.25) * tanh(0.25)));
    assert_text(root, "leaves.0.name", "a");
    assert_text(root, "leaves.0.kind", "leaf");
    assert_text(root, "leaves.0.type", "float64");
    assert_number(root, "leaves.0.bytes", 16);
    assert_number(root, "leaves.0.value.numbers.1", -1);
    /* No backward has run; the gradients are there all the same, and in the leaves there are none. */
    double s = 1 - tanh(1) * tanh(1), t = 1 - tanh(0.25) * tanh(0.25);
    assert_number(root, "nodes.2.outputs.0.gradient.numbers.0", 1);
    assert_number(root, "nodes.0.outputs.0.gradient.numbers.0", s);
    assert_number(root, "leaves.0.gradient.numbers.0", 2 * s);
    assert_number(root, "leaves.1.gradient.numbers.1", -t);
    assert_number(root, "nodes.0.inputs.0.contribution.numbers.0", 2 * s);
    ck_assert(ag_is_none(ag_grad_of(a)));
    json_decref(root);
    done();
}
END_TEST

START_TEST(a_retained_tape_shows_the_last_backward)
{
    ag_retain_tape(true); /* in the scopes opened from now on */
    ag_tensor loss = record();
    ag_tensor twice = ag_mul_scalar(loss, 3);
    ag_backward(twice);
    double s = 1 - tanh(1) * tanh(1);
    json_t *root = read_back(twice);
    assert_number(root, "leaves.0.gradient.numbers.0", 6 * s);
    assert_number(root, "nodes.3.outputs.0.gradient.numbers.0", 1);
    assert_number(root, "nodes.2.outputs.0.gradient.numbers.0", 3);
    assert_number(root, "nodes.0.outputs.0.gradient.numbers.0", 3 * s);
    assert_number(root, "nodes.0.inputs.0.contribution.numbers.0", 6 * s);
    assert_number(root, "nodes.3.numbers.c", 3);
    ck_assert(json_number_value(at(root, "nodes.3.forward")) > 0);
    json_decref(root);
    done();
    ag_retain_tape(false);
}
END_TEST

START_TEST(what_is_gone_is_said_to_be_released)
{
    ag_tensor loss = record();
    ag_frame frame = ag_frame_begin();
    ag_tensor more = ag_add(ag_add_scalar(loss, 1), loss); /* what is added saves nothing */
    more = ag_frame_end(frame, more);
    json_t *root = read_back(more);
    assert_text(root, "nodes.3.outputs.0.value", "released");
    assert_number(root, "nodes.3.outputs.0.gradient.numbers.0", 1);
    json_decref(root);
    ag_backward(more);
    root = read_back(more);
    assert_text(root, "nodes.0.state", "freed");
    ck_assert_uint_eq(json_array_size(at(root, "nodes.0.outputs")), 0);
    json_decref(root);
    char *dot = written(false, AG_NONE);
    ck_assert_ptr_nonnull(strstr(dot, "freed by backward"));
    free(dot);
    done();
}
END_TEST

START_TEST(what_was_changed_in_place_is_said_to_be)
{
    ag_tensor loss = record();
    const double other[] = { 7, 8 };
    ag_write(a, other, 2);
    json_t *root = read_back(loss);
    ck_assert(json_is_true(at(root, "leaves.0.changed")));
    ck_assert_ptr_null(json_object_get(at(root, "leaves.1"), "changed"));
    assert_text(root, "leaves.0.gradient", "none"); /* the product's rule has lost what it saved */
    json_decref(root);
    assert_no_error();
    ag_tensor half = ag_mul_scalar(b, 0.5);
    ag_tensor sum = ag_sum(half);
    ag_begin_no_grad(&(ag_scope){ 0 });
    ag_fill_(half, 4);
    root = read_back(sum);
    assert_text(root, "nodes.0.outputs.0.value", "changed");
    json_decref(root);
    done();
}
END_TEST

static ag_tensor block(const ag_tensor *in, int n, void *user)
{
    (void)n, (void)user;
    ag_tensor h = in[0];
    for (int i = 0; i < 40; i++) { /* longer than the tape around it */
        h = ag_tanh(ag_mul(h, b));
    }
    return h;
}

START_TEST(a_checkpointed_block_is_one_node)
{
    ag_tensor loss = record(), x[] = { a };
    ag_tensor more = ag_add(loss, ag_sum(ag_checkpoint(block, NULL, 1, x)));
    json_t *root = read_back(more);
    ck_assert_uint_eq(json_array_size(at(root, "nodes")), 6);
    assert_number(root, "nodes.4.outputs.0.gradient.numbers.0", 1);
    ck_assert(json_is_object(at(root, "nodes.3.outputs.0.gradient")));
    ck_assert_ptr_null(json_object_get(at(root, "nodes.3.inputs.0"), "contribution")); /* it sends its gradients on itself */
    ck_assert(json_is_object(at(root, "leaves.1.gradient")));
    json_decref(root);
    double with[2], without[2];
    ag_backward(more);
    ag_read_doubles(ag_grad_of(b), with, 2);
    ag_zero_grad(b);
    ag_zero_grad(a);
    ag_tensor again = ag_add(ag_sum(ag_tanh(ag_mul(a, b))), ag_sum(block(x, 1, NULL)));
    root = read_back(again);
    for (int i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof(path), "leaves.1.gradient.numbers.%d", i);
        without[i] = json_number_value(at(root, path));
        ck_assert(fabs(with[i] - without[i]) < 1e-12 * fmax(1, fabs(with[i])));
    }
    json_decref(root);
    done();
}
END_TEST

START_TEST(a_step_of_training_is_drawn_between_its_parts)
{
    ag_tensor loss = record();
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = true;
    ag_stepper *s = ag_stepper_new(loss, config);
    ag_stepper_step(s);
    json_t *root = read_back(loss); /* the tanh's gradient has arrived, the product's has not */
    ck_assert(json_is_object(at(root, "nodes.1.outputs.0.gradient")));
    assert_text(root, "nodes.0.outputs.0.gradient", "none");
    json_decref(root);
    ag_stepper_finish(s);
    ag_stepper_free(s);
    double s0 = 1 - tanh(1) * tanh(1);
    ck_assert(fabs(((const double *)ag_data(ag_grad_of(a)))[0] - 2 * s0) < 1e-15);
    done();
}
END_TEST

START_TEST(numbers_that_json_lacks_are_strings)
{
    const double x[] = { 0, -1, 4 };
    ag_tensor leaf = filled_leaf(AG_FLOAT32, AG_SHAPE(3), 3, x, true);
    ag_begin(&scope);
    ag_tensor y = ag_log(leaf), loss = ag_sum(y);
    json_t *root = read_back(loss);
    assert_text(root, "nodes.0.outputs.0.value.numbers.0", "-Infinity");
    assert_text(root, "nodes.0.outputs.0.value.numbers.1", "NaN");
    assert_number(root, "nodes.0.outputs.0.value.nan", 1);
    assert_number(root, "nodes.0.outputs.0.value.infinite", 1);
    ck_assert((float)json_number_value(at(root, "nodes.0.outputs.0.value.min")) == (float)log(4)); /* nine digits are enough */
    assert_text(root, "nodes.1.outputs.0.value.numbers.0", "NaN");
    assert_text(root, "nodes.1.outputs.0.value.norm", "NaN");
    assert_text(root, "leaves.0.gradient.numbers.0", "Infinity");
    json_decref(root);
    char *dot = written(false, loss);
    ck_assert_ptr_nonnull(strstr(dot, "\\nvalue -Infinity NaN 1.386"));
    free(dot);
    ag_end(&scope);
    ag_drop(&leaf);
}
END_TEST

START_TEST(large_tensors_become_maps_and_histograms)
{
    ag_tensor leaf = ag_leaf(AG_SHAPE(4, 32, 32), AG_FLOAT32, true);
    float *x = ag_data_mut(leaf);
    for (int i = 0; i < 4 * 32 * 32; i++) { /* rows of 128; the left half is 1, the right one -1 */
        x[i] = i % 32 < 16 ? 1 : -1;
    }
    x[0] = NAN;
    ag_begin(&scope);
    ag_tensor loss = ag_sum(ag_mul_scalar(leaf, 2));
    json_t *root = read_back(loss);
    ck_assert_ptr_null(json_object_get(at(root, "leaves.0.value"), "numbers"));
    assert_number(root, "leaves.0.value.map.rows", 16);
    assert_number(root, "leaves.0.value.map.columns", 16);
    const char *cells = json_string_value(at(root, "leaves.0.value.map.cells"));
    ck_assert_uint_eq(strlen(cells), 256);
    ck_assert_str_eq(cells + 240, "////////AAAAAAAA");
    ck_assert_int_eq(cells[0], '!');
    ck_assert_int_eq(cells[1], '/');
    assert_number(root, "nodes.0.outputs.0.value.histogram.0", 2048);
    assert_number(root, "nodes.0.outputs.0.value.histogram.12", 0);
    assert_number(root, "nodes.0.outputs.0.value.histogram.23", 2047);
    assert_number(root, "leaves.0.gradient.min", 2);
    assert_number(root, "leaves.0.gradient.histogram.0", 4096); /* all are equal */
    json_decref(root);
    ag_end(&scope);
    ag_drop(&leaf);
}
END_TEST

START_TEST(any_name_can_be_written)
{
    ag_tensor loss = record();
    ag_set_name(a, "</script> \"quoted\" \\ \x01 \xff\xc3 gr\xc3\xb6\xc3\x9f" "e\n");
    json_t *root = read_back(loss);
    assert_text(root, "leaves.0.name", "</script> \"quoted\" \\ \x01 \xef\xbf\xbd\xef\xbf\xbd gr\xc3\xb6\xc3\x9f" "e\n");
    json_decref(root);
    done();
}
END_TEST

/* Runs a command on what is written; whether it succeeds. */
static bool accepted(bool json, ag_tensor output, const char *command)
{
    char name[] = "/tmp/wengert-draw-XXXXXX", line[512];
    FILE *stream = fdopen(mkstemp(name), "w");
    ck_assert_int_eq(json ? ag_tape_json(stream, output) : ag_tape_dot(stream, output), AG_OK);
    fclose(stream);
    snprintf(line, sizeof(line), command, name);
    bool good = system(line) == 0;
    unlink(name);
    return good;
}

START_TEST(other_programs_read_what_is_written)
{
    ag_tensor loss = record();
    ag_set_name(a, "</script> \"quoted\" \\ \x01 \xff\n");
    ag_sum(ag_log(ag_neg(b)));
    if (system("python3 -c pass 2>/dev/null") == 0) {
        ck_assert(accepted(true, loss, "python3 -c 'import json,sys; d = json.load(open(sys.argv[1])); "
                                       "assert [n[\"operation\"] for n in d[\"nodes\"]] == [\"mul\", \"tanh\", \"sum\"]' %s"));
        ck_assert(accepted(true, AG_NONE, "python3 -c 'import json,sys\ndef bad(x): raise ValueError(x)\n"
                                          "json.load(open(sys.argv[1]), parse_constant=bad)' %s"));
    }
    if (system("dot -V 2>/dev/null") == 0) {
        ck_assert(accepted(false, loss, "test $(dot -Tplain %s | grep -c '^edge') = 4"));
        ck_assert(accepted(false, AG_NONE, "dot -Tsvg -o /dev/null %s 2>&1 | grep . && exit 1 || exit 0"));
    }
    done();
}
END_TEST

START_TEST(the_drawing_is_clustered_by_layer_and_line)
{
    char expected[3][128];
    ag_tensor loss = record();
    char *text = written(false, loss);
    int line = 0;
    ck_assert_int_eq(sscanf(strstr(text, "tooltip=\"test_inspect_draw.c:"), "tooltip=\"test_inspect_draw.c:%d", &line), 1);
    /* head, with its line, and in it the activation with its own; the sum by itself */
    snprintf(expected[0], sizeof(expected[0]), "label=\"test_inspect_draw.c:%d\";\n      n0 ", line);
    snprintf(expected[1], sizeof(expected[1]), "label=\"test_inspect_draw.c:%d\";\n        n1 ", line + 2);
    snprintf(expected[2], sizeof(expected[2]), "label=\"test_inspect_draw.c:%d\";\n    n2 ", line + 5);
    const char *head = strstr(text, "label=\"head\";"), *activation = strstr(text, "label=\"activation\";");
    ck_assert(head != NULL && activation != NULL && head < activation);
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(strstr(text, expected[i]) != NULL, "no %s in\n%s", expected[i], text);
    }
    ck_assert(strstr(text, expected[0]) > head && strstr(text, expected[1]) > activation);
    ck_assert_ptr_nonnull(strstr(text, "\\nvalue 1 -0.25\\ngradient 0.42 0.94\""));
    ck_assert_ptr_nonnull(strstr(text, "label=\"a\\nfloat64 (2)\\nvalue 0.5 -1\\ngradient 0.8399 0.235\""));
    free(text);
    done();
}
END_TEST

static char *file_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    char *text = calloc(1, 1 << 20);
    ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, file), (1 << 20) - 1);
    fclose(file);
    return text;
}

static int files_in(const char *folder)
{
    char command[256];
    int count = -1;
    snprintf(command, sizeof(command), "ls -A %s | wc -l", folder);
    FILE *list = popen(command, "r");
    ck_assert_int_eq(fscanf(list, "%d", &count), 1);
    pclose(list);
    return count;
}

START_TEST(the_page_is_one_file_that_needs_no_network)
{
    char folder[] = "/tmp/wengert-page-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/tape.html", folder);
    ag_tensor loss = record();
    ag_set_name(a, "</script><!-- name");
    for (int twice = 0; twice < 2; twice++) { /* the second time it replaces the first */
        ck_assert_int_eq(ag_tape_html(path, loss), AG_OK);
    }
    ck_assert_int_eq(files_in(folder), 1);
    char *text = file_text(path);
    ck_assert_ptr_eq(strstr(text, "<!DOCTYPE html>"), text);
    ck_assert_ptr_null(strstr(text, "http://"));
    ck_assert_ptr_null(strstr(text, "https://"));
    ck_assert_ptr_null(strstr(text, "src=\""));
    ck_assert_ptr_null(strstr(text, "@import"));
    const char *data = strstr(text, "id=\"tape\">\n") + strlen("id=\"tape\">\n"), *end = strchr(data, '<');
    ck_assert(strncmp(end, "</script>\n", 10) == 0); /* the first "<" after the data begins is the end of the element */
    json_t *root = json_loadb(data, (size_t)(end - data), 0, NULL);
    assert_text(root, "leaves.0.name", "</script><!-- name");
    assert_number(root, "nodes.1.outputs.0.value.numbers.0", tanh(1));
    json_decref(root);
    free(text);
    unlink(path);
    rmdir(folder);
    done();
}
END_TEST

START_TEST(a_page_that_cannot_be_written_is_an_error)
{
    ag_tensor loss = record();
    ck_assert_int_eq(ag_tape_html("/nowhere/tape.html", loss), AG_ERROR_FILE);
    assert_error(AG_ERROR_FILE, "ag_tape_html: /nowhere/tape.html: No such file or directory (");
    char folder[] = "/tmp/wengert-page-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ag_tape_html(folder, loss); /* a folder stands where the file would */
    assert_error(AG_ERROR_FILE, folder);
    ck_assert_int_eq(files_in(folder), 0);
    rmdir(folder);
    ag_tape_html(NULL, loss);
    assert_error(AG_ERROR_VALUE, "ag_tape_html: the path is NULL");
    ag_tape_html("", loss);
    assert_error(AG_ERROR_VALUE, "ag_tape_html: the path is empty");
    done();
    ag_tape_html("/tmp/wengert-never.html", loss);
    assert_error(AG_ERROR_LIFETIME, "ag_tape_html: ");
    ck_assert_int_ne(access("/tmp/wengert-never.html", F_OK), 0);
}
END_TEST

static ag_tensor foreign;
static pthread_barrier_t both;

static void *another_thread(void *unused)
{
    ag_scope own = { 0 };
    ag_begin(&own);
    ag_tensor x = ag_set_requires_grad(ag_ones(AG_SHAPE(1), AG_FLOAT64), true);
    for (int i = 0; i < 50; i++) { /* far behind the end of the other tape */
        x = ag_mul_scalar(x, 2);
    }
    foreign = x;
    pthread_barrier_wait(&both);
    pthread_barrier_wait(&both);
    ag_end(&own);
    return unused;
}

#define assert_foreign(name) assert_error(AG_ERROR_STATE, name ": the tensor is a result of another thread")

START_TEST(a_tensor_of_another_tape_is_refused)
{
    pthread_t thread;
    pthread_barrier_init(&both, NULL, 2);
    pthread_create(&thread, NULL, another_thread, NULL);
    pthread_barrier_wait(&both);
    ag_tensor loss = record(), out;
    ag_tape_html("/tmp/wengert-never.html", foreign);
    assert_foreign("ag_tape_html");
    ag_tape_json(stdout, foreign);
    assert_foreign("ag_tape_json");
    ag_tape_dot(stdout, foreign);
    assert_foreign("ag_tape_dot");
    ag_print_config print = ag_print_defaults();
    print.loss = foreign;
    ag_tape_print_with(stdout, print);
    assert_foreign("ag_tape_print_with");
    ag_explain(NULL, foreign, a, ag_explain_defaults());
    assert_foreign("ag_explain");
    ag_explain(NULL, loss, foreign, ag_explain_defaults());
    assert_foreign("ag_explain");
    ag_check_gradient(loss, foreign, ag_check_defaults());
    assert_foreign("ag_check_gradient");
    ag_replay_free(ag_replay_new(foreign));
    assert_foreign("ag_replay_new");
    ag_stepper_free(ag_stepper_new(foreign, ag_backward_defaults()));
    assert_foreign("ag_stepper_new");
    ag_debug(foreign, stdin, stdout);
    assert_foreign("ag_debugger_new");
    ag_backward(foreign);
    assert_foreign("ag_backward");
    ag_grad(loss, 1, &foreign, &out, ag_backward_defaults());
    assert_foreign("ag_grad");
    ag_stepper *s = ag_stepper_new(loss, ag_backward_defaults());
    ag_stepper_to(s, foreign);
    assert_foreign("ag_stepper_to");
    ag_stepper_free(s);
    done();
    pthread_barrier_wait(&both);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&both);
}
END_TEST

START_TEST(wrong_calls_are_refused)
{
    ag_tensor loss = record();
    FILE *full = fopen("/dev/full", "w");
    setvbuf(full, NULL, _IONBF, 0);
    ck_assert_int_eq(ag_tape_json(full, loss), AG_ERROR_FILE);
    assert_error(AG_ERROR_FILE, "ag_tape_json: the stream cannot be written to");
    fclose(full);
    ag_tape_json(NULL, loss);
    assert_error(AG_ERROR_VALUE, "ag_tape_json: the stream is NULL");
    done();
    ag_tape_json(stdout, loss);
    assert_error(AG_ERROR_LIFETIME, "ag_tape_json: ");
    ag_tape_dot(stdout, loss);
    assert_error(AG_ERROR_LIFETIME, "ag_tape_dot: ");
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, the_document_has_nodes_leaves_values_and_gradients);
    tcase_add_test(tests, a_retained_tape_shows_the_last_backward);
    tcase_add_test(tests, what_is_gone_is_said_to_be_released);
    tcase_add_test(tests, what_was_changed_in_place_is_said_to_be);
    tcase_add_test(tests, a_checkpointed_block_is_one_node);
    tcase_add_test(tests, a_step_of_training_is_drawn_between_its_parts);
    tcase_add_test(tests, numbers_that_json_lacks_are_strings);
    tcase_add_test(tests, large_tensors_become_maps_and_histograms);
    tcase_add_test(tests, any_name_can_be_written);
    tcase_add_test(tests, other_programs_read_what_is_written);
    tcase_add_test(tests, the_drawing_is_clustered_by_layer_and_line);
    tcase_add_test(tests, the_page_is_one_file_that_needs_no_network);
    tcase_add_test(tests, a_page_that_cannot_be_written_is_an_error);
    tcase_add_test(tests, a_tensor_of_another_tape_is_refused);
    tcase_add_test(tests, wrong_calls_are_refused);
}

int main(void)
{
    return run_tests("inspect_draw", add, 60);
}
