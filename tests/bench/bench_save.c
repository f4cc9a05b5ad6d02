/*
 * How fast weights are brought to the disk: a state of float32 tensors is saved as a file, and dd writes as many bytes beside it
 * with conv=fsync, in turns. Prints the median of each in MB/s and the median of the paired ratios.
 *
 *     bench_save [--megabytes N] [--rounds N] [--format safetensors|npy|npz|checkpoint] FOLDER
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wengert/wengert.h>

enum { MOST_ROUNDS = 101, TENSOR = 1 << 20 };

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(*values), ascending);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Tensors of `each` numbers that no file system can shorten. */
static ag_list *state_of(int count, int64_t each)
{
    ag_list *list = ag_list_new();
    uint64_t state = 1;
    for (int i = 0; i < count; i++) {
        char name[32];
        ag_tensor t = ag_leaf(AG_SHAPE(each), AG_FLOAT32, false);
        float *numbers = ag_data_mut(t);
        for (int64_t k = 0; k < each; k++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
            numbers[k] = (float)(state >> 40);
        }
        snprintf(name, sizeof(name), "layers.%d.weight", i);
        ag_list_add(list, name, t);
    }
    return list;
}

static void list_visit(void *object, ag_state_visitor *v)
{
    ag_list *list = object;
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        ag_state_tensor(v, ag_list_name(list, i), ag_list_tensor(list, i));
    }
}

static const ag_stateful_type list_type = { sizeof(ag_stateful_type), "list", list_visit };

/* As the only checkpoint of a run that begins. */
static bool save_checkpoint(const char *folder, ag_list *state)
{
    data_checkpoint *c = data_checkpoint_new(folder, data_checkpoint_defaults());
    data_checkpoint_add(c, "state", ag_stateful_make(&list_type, state));
    data_checkpoint_save(c);
    data_checkpoint_free(c);
    return ag_error_code() == AG_OK;
}

int main(int argc, char **argv)
{
    int megabytes = 256, rounds = 7;
    const char *format = "safetensors", *folder = NULL;
    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && strcmp(argv[i], "--megabytes") == 0) {
            megabytes = atoi(argv[++i]);
        } else if (i + 1 < argc && strcmp(argv[i], "--rounds") == 0) {
            rounds = atoi(argv[++i]);
        } else if (i + 1 < argc && strcmp(argv[i], "--format") == 0) {
            format = argv[++i];
        } else {
            folder = argv[i];
        }
    }
    if (folder == NULL || strchr(folder, '\'') != NULL || megabytes < 1 || rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: bench_save [--megabytes N] [--rounds N] [--format safetensors|npy|npz|checkpoint] FOLDER\n");
        return 2;
    }
    bool one = strcmp(format, "npy") == 0, run = strcmp(format, "checkpoint") == 0;
    ag_list *state = state_of(one ? 1 : megabytes, (int64_t)(one ? megabytes : 1) * TENSOR / 4);
    char path[1024], beside[1024], command[2048];
    char run_folder[900];
    snprintf(run_folder, sizeof(run_folder), "%.800s/bench_save.run", folder);
    if (run) {
        snprintf(path, sizeof(path), "%s/checkpoint-00000001.safetensors", run_folder);
    } else {
        snprintf(path, sizeof(path), "%.800s/bench_save.%s", folder, format);
    }
    snprintf(beside, sizeof(beside), "%s/bench_save.dd", folder);
    snprintf(command, sizeof(command), "dd if=/dev/zero of='%s' bs=1M count=%d conv=fsync 2>/dev/null", beside, megabytes);
    double save[MOST_ROUNDS], dd[MOST_ROUNDS], ratio[MOST_ROUNDS];
    bool good = true;
    for (int round = 0; round < rounds && good; round++) {
        for (int turn = 0; turn < 2 && good; turn++) {
            bool ours = (turn + round) % 2 == 0;
            remove(ours ? path : beside);
            double begin = now();
            good = !ours ? system(command) == 0
                   : run ? save_checkpoint(run_folder, state)
                         : data_tensors_save(path, state) == AG_OK;
            *(ours ? &save[round] : &dd[round]) = megabytes * (TENSOR / 1e6) / (now() - begin);
        }
        ratio[round] = save[round] / dd[round];
    }
    remove(path);
    remove(beside);
    remove(run_folder);
    if (good) {
        printf("%d MB as %s: saving %.0f MB/s, dd conv=fsync %.0f MB/s, ratio %.2f (median of %d pairs)\n", megabytes, format,
               median(save, rounds), median(dd, rounds), median(ratio, rounds), rounds);
    }
    for (int64_t i = 0; i < ag_list_count(state); i++) {
        ag_tensor t = ag_list_tensor(state, i);
        ag_drop(&t);
    }
    ag_list_free(state);
    return good ? ag_exit_status() : 1;
}
