/*
 * What a resumed run needs of an optimizer. It is listed by parameter, whatever the memory looks like: a state that was kept in
 * one block comes back into one block, bit for bit, and equal step counts keep the joined runs of optim.c joined.
 */
#include "internal.h"

#include <float.h>
#include <stdio.h>

void optim_visit(ag_state_visitor *v, const char *field, double *value, enum optim_range range)
{
    double low = range == OPTIM_FINITE ? -DBL_MAX : 0;
    double high = range == OPTIM_FRACTION ? 1 - DBL_EPSILON / 2 : DBL_MAX; /* the last below 1 */
    ag_state_double_in(v, field, value, low, high);
}

/* As in PyTorch all that one parameter has stands together. */
static void visit_parameter(const optim *o, struct optim_group *group, struct optim_parameter *p,
                            ag_state_visitor *v)
{
    ag_shape shape = ag_shape_of(p->tensor);
    ag_dtype dtype = ag_dtype_of(p->tensor);
    if (ag_error_code() != AG_OK) {
        return;
    }
    ag_state_group_begin(v, p->name);
    ag_state_int64_in(v, "step", &p->steps, 0, INT64_MAX - 1);
    for (int k = 0; k < group->states; k++) {
        ag_state_array(v, o->rule->state_name(group->config, k),
                       group->state + (size_t)k * group->state_bytes + p->offset, dtype, shape);
    }
    ag_state_group_end(v);
}

static void visit_group(const optim *o, int number, ag_state_visitor *v)
{
    struct optim_group *group = &o->groups[number];
    char name[32];
    snprintf(name, sizeof(name), "param_groups.%d", number);
    ag_state_group_begin(v, name);
    ag_state_same_int64(v, "params", group->count);
    o->rule->settings(group->config, v);
    ag_state_group_end(v);
    ag_state_group_begin(v, "state");
    for (int64_t i = 0; i < group->count; i++) {
        visit_parameter(o, group, &group->parameters[i], v);
    }
    ag_state_group_end(v);
}

static void visit(void *object, ag_state_visitor *v)
{
    optim *o = object;
    if (!optim_usable(ag_caller(), "optim_stateful", o)) {
        return;
    }
    ag_state_same_text(v, "kind", o->rule->name);
    ag_state_same_int64(v, "groups", o->group_count);
    for (int k = 0; k < o->group_count; k++) {
        visit_group(o, k, v);
    }
}

ag_stateful optim_stateful(optim *o)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "optimizer", visit };
    return ag_stateful_make(&type, o);
}
