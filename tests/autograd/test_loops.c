/*
 * A hundred thousand steps of a loop that nests at random: no_grad inside grad inside no_grad, early returns that leave scopes
 * open, kept states, changes in place, hooks, checkpoints, gradients of gradients, mistakes. Memory stays as it was after the
 * first thousand, counted by the library and, where there is such a counter, by the allocator.
 */
#if defined(__linux__)
#include <malloc.h>
#endif

#include "common.h"

#define STEPS 100000
#define WARM 1000

#if defined(__GNUC__)
/* The sanitizers' own count, if this program runs under them. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));
#endif

/* Bytes that the process holds from malloc; 0 where nobody counts. */
static size_t allocated(void)
{
#if defined(__GNUC__)
    if (__sanitizer_get_current_allocated_bytes != NULL) {
        return __sanitizer_get_current_allocated_bytes();
    }
#endif
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

struct world {
    ag_rng rng;
    ag_tensor w, kept[3];
    int64_t backwards, mistakes, early, checkpoints;
};

static ag_tensor through_a_hook(ag_tensor grad, void *user)
{
    struct world *world = user;
    return ag_rng_below(&world->rng, 2) == 0 ? AG_NONE : ag_mul_scalar(grad, 0.5);
}

static ag_tensor block(const ag_tensor *x, int n, void *user)
{
    struct world *world = user;
    (void)n;
    return ag_tanh(ag_add(ag_matmul(x[0], world->w), ag_uniform(AG_SHAPE(2, 3), 0, 1, AG_FLOAT32, &world->rng)));
}

static void backward_somehow(struct world *world, ag_tensor h)
{
    ag_backward_config config = ag_backward_defaults();
    config.allow_unused = true;
    if (!ag_requires_grad(h)) {
        return;
    }
    world->backwards++;
    switch (ag_rng_below(&world->rng, 4)) {
    case 0:
        ag_backward(ag_sum(h));
        ag_zero_grad(world->w);
        break;
    case 1: {
        ag_tensor g;
        config.create_graph = true;
        if (ag_grad(ag_mean(ag_square(h)), 1, &world->w, &g, config) == AG_OK && !ag_is_none(g)) {
            ag_backward(ag_sum(ag_square(g)));
            ag_zero_grad(world->w);
        }
        break;
    }
    case 2:
        config.cotangent = ag_ones_like(h);
        ag_backward_with(h, config);
        ag_zero_grad(world->w);
        break;
    default: /* recorded for nothing */
        break;
    }
}

/* What happens to h in a step; the scope that is open may or may not record. */
static ag_tensor work(struct world *world, ag_tensor h)
{
    switch (ag_rng_below(&world->rng, 9)) {
    case 0:
        return ag_matmul(h, world->w);
    case 1:
        return ag_tanh(h);
    case 2: {
        ag_tensor copy = ag_clone(h);
        ag_mul_scalar_(ag_select(copy, 0, 1), 0.5);
        ag_add_(copy, ag_select(h, 0, 0));
        return copy;
    }
    case 3:
        ag_keep(&world->kept[ag_rng_below(&world->rng, 3)], h);
        return h;
    case 4:
        return ag_add(h, world->kept[ag_rng_below(&world->rng, 3)]);
    case 5:
        if (ag_requires_grad(h)) {
            ag_register_hook(h, through_a_hook, world);
        }
        return ag_relu(h);
    case 6:
        world->checkpoints++;
        return ag_checkpoint(block, world, 1, &h);
    case 7: {
        ag_frame frame = ag_frame_begin();
        ag_tensor parts[2];
        ag_split(h, 1, 0, 2, parts);
        return ag_frame_end(frame, ag_cat(2, parts, 0));
    }
    default:
        world->mistakes++;
        ag_matmul(h, ag_zeros(AG_SHAPE(7, 7), AG_FLOAT32));
        backward_somehow(world, h); /* does nothing: there is an error */
        ag_error_clear();
        return h;
    }
}

static void nest(struct world *world, int depth)
{
    ag_scope scope = {0};
    int64_t rounds = 1 + ag_rng_below(&world->rng, 3);
    for (int64_t i = 0; i < rounds; i++) {
        if (ag_rng_below(&world->rng, 3) == 0) {
            ag_begin_no_grad(&scope);
        } else {
            ag_begin(&scope);
        }
        ag_tensor h = ag_ones(AG_SHAPE(2, 3), AG_FLOAT32);
        for (int64_t k = ag_rng_below(&world->rng, 5); k >= 0; k--) {
            h = work(world, h);
        }
        if (depth < 3 && ag_rng_below(&world->rng, 3) == 0) {
            nest(world, depth + 1);
        }
        switch (ag_rng_below(&world->rng, 5)) {
        case 0:
            world->early++;
            return; /* the scope stays open; whoever is outside ends it */
        case 1:
            continue;
        case 2:
            i = rounds;
            break;
        default:
            backward_somehow(world, h);
        }
    }
    ag_end(&scope);
}

START_TEST(random_loops_stay_flat)
{
    struct world world = {.rng = ag_rng_seed(11)};
    world.w = leaf32(AG_SHAPE(3, 3), 0.5, -0.25, 0.125, 0.75, -0.5, 0.25, -0.125, 0.5, 0.375);
    for (int i = 0; i < 3; i++) {
        world.kept[i] = frozen32(AG_SHAPE(2, 3), 0.5);
    }
    int64_t live = 0;
    size_t held = 0;
    ag_scope outer = {0};
    for (int step = 1; step <= STEPS; step++) {
        ag_begin(&outer);
        nest(&world, 0);
        if (step == WARM || step == STEPS) {
            ag_end(&outer);
            assert_no_error();
            ck_assert_int_eq(ag_scope_depth(), 0);
            ck_assert_int_eq(ag_tape_length(), 0);
        }
        if (step == WARM) {
            live = ag_memory().live_buffers;
            held = allocated();
        }
    }
    ck_assert_int_eq(ag_memory().live_buffers, live);
    /* The pool keeps what its busiest time needed, and longer runs meet a busier one: a few buffers, no growth with the steps. */
    size_t now = allocated();
    ck_assert_msg(now <= held + 65536, "%zu bytes from malloc after %d steps, %zu after %d", now, STEPS, held, WARM);
    ck_assert_int_gt(world.backwards, STEPS / 3);
    ck_assert_int_gt(world.mistakes, STEPS / 10);
    ck_assert_int_gt(world.early, STEPS / 10);
    ck_assert_int_gt(world.checkpoints, STEPS / 10);
    ag_drop(&world.w);
    for (int i = 0; i < 3; i++) {
        ag_drop(&world.kept[i]);
    }
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, random_loops_stay_flat);
}

int main(void)
{
    return run_tests("loops", add, 240);
}
