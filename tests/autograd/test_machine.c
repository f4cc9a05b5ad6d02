/* What the library says about the kernels that it chose, and when it has advice. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>

#include <blis.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/tile.h"
#include "common.h"

START_TEST(the_choice_is_said_in_one_line)
{
    const char *text = ag_machine_text();
    ck_assert(strncmp(text, "loops x86-64-v4, ", 17) == 0 || strncmp(text, "loops x86-64-v3, ", 17) == 0 ||
              strncmp(text, "loops baseline, ", 16) == 0);
    const char *products = strstr(text, ", products ");
    ck_assert_ptr_nonnull(products);
    ck_assert(strstr(products, k_gemm_arch()) != NULL);
    ck_assert_ptr_eq(ag_machine_text(), text);
}
END_TEST

/* BLIS is told that it does not know the processor, before it looks. */
static void forget_processor(const char *tile)
{
    char number[16];
    snprintf(number, sizeof(number), "%d", (int)BLIS_ARCH_GENERIC);
    setenv("BLIS_ARCH_TYPE", number, 1);
    ck_assert(k_tile_choose(tile));
}

START_TEST(generic_kernels_of_blis_come_with_a_remedy)
{
    forget_processor("plain");
    ck_assert_ptr_nonnull(strstr(ag_machine_text(), "products BLIS "));
    ck_assert_ptr_nonnull(strstr(ag_machine_text(), " generic"));
    ck_assert_ptr_nonnull(ag_machine_remedy());
    ck_assert_ptr_nonnull(strstr(ag_machine_remedy(), "set the environment variable BLIS_ARCH_TYPE"));
}
END_TEST

START_TEST(own_kernels_make_up_for_them)
{
    const char *best = k_tile_for(AG_FLOAT32)->name;
    if (strcmp(best, "plain") != 0) {
        forget_processor(best);
        ck_assert_ptr_nonnull(strstr(ag_machine_text(), "products own "));
        ck_assert_ptr_null(ag_machine_remedy());
    }
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, the_choice_is_said_in_one_line);
    tcase_add_test(tests, generic_kernels_of_blis_come_with_a_remedy);
    tcase_add_test(tests, own_kernels_make_up_for_them);
}

int main(void)
{
    return run_tests("machine", add, 30);
}
