/*
 * What all optimizers share: groups, state, step counts, and finding the runs of adjacent
 * parameters that a rule then updates in one loop. Must not know any particular rule, nor layers.
 */
#include "internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../autograd/parallel.h"

/* What constructors return after an error; every call takes it. Never written to. */
static struct optim optim_nil;

bool optim_usable(ag_place where, const char *function, const optim *o)
{
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (o == NULL || o->rule == NULL) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the optimizer is %s", function,
                       o == NULL ? "NULL" : "nil: making it failed");
        return false;
    }
    return true;
}

bool optim_check(ag_place where, const char *function, const char *field, double value,
                 enum optim_range range)
{
    static const char *const need[] = {
        [OPTIM_FINITE] = "finite",
        [OPTIM_NOT_NEGATIVE] = "finite and at least 0",
        [OPTIM_FRACTION] = "at least 0 and below 1",
    };
    bool fits = isfinite(value) && (range == OPTIM_FINITE || value >= 0) &&
                (range != OPTIM_FRACTION || value < 1);
    if (!fits) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s is %g, it must be %s", function, field, value,
                       need[range]);
    }
    return fits;
}

static bool check_config(ag_place where, const char *function, const struct optim_rule *rule,
                         const void *config)
{
    uint32_t made_by_defaults = 0;
    if (config != NULL) {
        memcpy(&made_by_defaults, config, sizeof(made_by_defaults));
    }
    if (made_by_defaults != rule->made_by_defaults) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config was not made by %s_defaults()",
                       function, rule->name);
        return false;
    }
    return rule->check(where, function, config);
}

/* ---- groups -------------------------------------------------------------------------------- */

static void group_free(struct optim_group *group)
{
    for (int64_t i = 0; group->parameters != NULL && i < group->count; i++) {
        free(group->parameters[i].name);
    }
    free(group->config);
    free(group->state);
    free(group->parameters);
}

/* How many of the group's first parameters have that name, with a number behind it or without. */
static int64_t count_name(const struct optim_group *group, int64_t count, const char *name)
{
    size_t length = strlen(name);
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        const char *other = group->parameters[i].name;
        found +=
            strncmp(other, name, length) == 0 && (other[length] == '\0' || other[length] == '#');
    }
    return found;
}

/* "weight", or "weight#2" if a parameter has that name already. NULL without memory. */
static char *distinct_name(const optim *o, const struct optim_group *group, int64_t count,
                           const char *name)
{
    int64_t before = count_name(group, count, name);
    for (int k = 0; k < o->group_count; k++) {
        before += count_name(&o->groups[k], o->groups[k].count, name);
    }
    size_t bytes = strlen(name) + 24;
    char *copy = malloc(bytes);
    if (copy != NULL && before == 0) {
        strcpy(copy, name);
    } else if (copy != NULL) {
        snprintf(copy, bytes, "%s#%lld", name, (long long)before + 1);
    }
    return copy;
}

static bool group_has(const struct optim_group *group, int64_t count, ag_tensor t)
{
    for (int64_t i = 0; i < count; i++) {
        if (group->parameters[i].tensor.id == t.id) {
            return true;
        }
    }
    return false;
}

/* Checks parameter i of the list and puts it into the group, which holds those before it. */
static bool group_add_parameter(ag_place where, const char *function, const optim *o,
                                struct optim_group *group, const ag_list *list, int64_t i)
{
    ag_tensor t = ag_list_tensor(list, i);
    const char *name = ag_list_name(list, i);
    long long number = (long long)i;
    if (!ag_is_alive(t)) {
        ag_error_raise(where, AG_ERROR_LIFETIME, "%s: parameter %lld \"%s\" is %s", function,
                       number, name,
                       ag_is_none(t)  ? "none"
                       : ag_is_nil(t) ? "nil"
                                      : "a tensor that is gone");
        return false;
    }
    if (!ag_is_leaf_at(where, t)) {
        ag_error_raise(
            where, AG_ERROR_VALUE,
            "%s: parameter %lld \"%s\" is the result of an operation; only leaves can be optimized",
            function, number, name);
        return false;
    }
    ag_dtype dtype = ag_dtype_of_at(where, t);
    if (!ag_dtype_is_float(dtype)) {
        ag_error_raise(where, AG_ERROR_DTYPE,
                       "%s: parameter %lld \"%s\" is %s; only float32 and float64 can be optimized",
                       function, number, name, ag_dtype_name(dtype));
        return false;
    }
    if (!ag_is_contiguous_at(where, t)) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: parameter %lld \"%s\" is not row-major in memory", function, number,
                       name);
        return false;
    }
    bool twice = group_has(group, i, t);
    for (int k = 0; k < o->group_count; k++) {
        twice = twice || group_has(&o->groups[k], o->groups[k].count, t);
    }
    if (twice) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: parameter %lld \"%s\" is already in this optimizer", function, number,
                       name);
        return false;
    }
    struct optim_parameter *p = &group->parameters[i];
    *p = (struct optim_parameter){ .tensor = t, .offset = group->state_bytes };
    p->name = distinct_name(o, group, i, name);
    if (p->name == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: no memory for the name of parameter %lld",
                       function, number);
        return false;
    }
    if (!ag_leaf_raw_get(where, t, &p->raw)) {
        return false;
    }
    group->state_bytes += p->raw.padded_bytes;
    return true;
}

static void fill(char *state, const struct optim_group *group, double value)
{
    for (int64_t i = 0; i < group->count; i++) {
        const struct optim_parameter *p = &group->parameters[i];
        for (int64_t k = 0; k < p->raw.numel; k++) {
            if (p->raw.dtype == AG_FLOAT32) {
                ((float *)(state + p->offset))[k] = (float)value;
            } else {
                ((double *)(state + p->offset))[k] = value;
            }
        }
    }
}

/* All memory that the group will ever need, so that a step allocates nothing. */
static bool group_fill(ag_place where, const char *function, const optim *o,
                       struct optim_group *group, const ag_list *list, const void *config)
{
    const struct optim_rule *rule = o->rule;
    group->count = ag_list_count(list);
    group->parameters = calloc((size_t)group->count + 1, sizeof(*group->parameters));
    group->config = malloc(rule->config_bytes);
    if (group->parameters == NULL || group->config == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: no memory for %lld parameters", function,
                       (long long)group->count);
        return false;
    }
    memcpy(group->config, config, rule->config_bytes);
    for (int64_t i = 0; i < group->count; i++) {
        if (!group_add_parameter(where, function, o, group, list, i)) {
            return false;
        }
    }
    group->states = rule->states(config);
    size_t bytes = group->state_bytes * (size_t)group->states;
    if (bytes == 0) {
        return true;
    }
    group->state = aligned_alloc(64, bytes);
    if (group->state == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: no memory for %zu bytes of state", function,
                       bytes);
        return false;
    }
    memset(group->state, 0, bytes);
    if (rule->initial_state != NULL && rule->initial_state(config) != 0) {
        for (int k = 0; k < group->states; k++) {
            fill(group->state + (size_t)k * group->state_bytes, group, rule->initial_state(config));
        }
    }
    return true;
}

/* Appends a group, or raises and leaves the optimizer as it was. */
static bool add_group(ag_place where, const char *function, optim *o, const ag_list *list,
                      const void *config)
{
    struct optim_group group = { 0 };
    if (!group_fill(where, function, o, &group, list, config)) {
        group_free(&group);
        return false;
    }
    struct optim_group *groups = realloc(o->groups, ((size_t)o->group_count + 1) * sizeof(*groups));
    if (groups == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: no memory for another group", function);
        group_free(&group);
        return false;
    }
    o->groups = groups;
    o->groups[o->group_count++] = group;
    return true;
}

static optim *make(ag_place where, const struct optim_rule *rule, const ag_list *parameters,
                   const void *config)
{
    if (ag_error_code() != AG_OK || !check_config(where, rule->name, rule, config)) {
        return &optim_nil;
    }
    if (parameters == NULL || ag_list_count(parameters) == 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the list of parameters is %s", rule->name,
                       parameters == NULL ? "NULL" : "empty");
        return &optim_nil;
    }
    optim *o = calloc(1, sizeof(*o));
    if (o == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: no memory for an optimizer", rule->name);
        return &optim_nil;
    }
    o->rule = rule;
    if (!add_group(where, rule->name, o, parameters, config)) {
        optim_free(o);
        return &optim_nil;
    }
    return o;
}

optim *optim_make(ag_place where, const struct optim_rule *rule, ag_list *parameters,
                  const void *config)
{
    ag_place before = ag_caller_set(where);
    optim *o = make(where, rule, parameters, config);
    ag_list_free(parameters);
    ag_caller_set(before);
    return o;
}

int optim_add_group_at(ag_place where, optim *o, ag_list *parameters, const void *config)
{
    const char *function = "optim_add_group";
    ag_place before = ag_caller_set(where);
    int number = -1;
    if (optim_usable(where, function, o) && check_config(where, function, o->rule, config)) {
        if (parameters == NULL) {
            ag_error_raise(where, AG_ERROR_VALUE, "%s: the list of parameters is NULL", function);
        } else if (add_group(where, function, o, parameters, config)) {
            number = o->group_count - 1;
        }
    }
    ag_list_free(parameters);
    ag_caller_set(before);
    return number;
}

int optim_group_count(const optim *o)
{
    return o == NULL ? 0 : o->group_count;
}

/* Whether the optimizer can be used and has that group; raises if not. */
static bool has_group(const char *function, const optim *o, int group)
{
    if (!optim_usable(ag_caller(), function, o)) {
        return false;
    }
    if (group < 0 || group >= o->group_count) {
        ag_error_raise(ag_caller(), AG_ERROR_INDEX, "%s: group %d of an optimizer with %d group%s",
                       function, group, o->group_count, o->group_count == 1 ? "" : "s");
        return false;
    }
    return true;
}

double optim_lr(const optim *o, int group)
{
    return has_group("optim_lr", o, group) ? *optim_group_lr(o, group) : NAN;
}

void optim_set_lr(optim *o, int group, double lr)
{
    if (has_group("optim_set_lr", o, group) &&
        optim_check(ag_caller(), "optim_set_lr", "lr", lr, OPTIM_NOT_NEGATIVE)) {
        *optim_group_lr(o, group) = lr;
    }
}

/* The place of a group's momentum; NULL after an error. */
static double *momentum_of(const char *function, const optim *o, int group)
{
    if (!has_group(function, o, group)) {
        return NULL;
    }
    double *slot = optim_group_momentum(o, group);
    if (slot == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_STATE, "%s: %s has no momentum", function, o->rule->name);
    }
    return slot;
}

double optim_momentum(const optim *o, int group)
{
    const double *slot = momentum_of("optim_momentum", o, group);
    return slot == NULL ? NAN : *slot;
}

void optim_set_momentum(optim *o, int group, double momentum)
{
    const char *function = "optim_set_momentum";
    double *slot = momentum_of(function, o, group);
    if (slot != NULL &&
        optim_check(ag_caller(), function, "momentum", momentum, o->rule->momentum_range) &&
        (momentum == 0 || optim_reserve_momentum(ag_caller(), function, o, group))) {
        *slot = momentum;
    }
}

bool optim_reserve_momentum(ag_place where, const char *function, optim *o, int number)
{
    struct optim_group *group = &o->groups[number];
    double *slot = optim_group_momentum(o, number), before = *slot;
    *slot = before > 0 ? before : 0.5; /* any but 0 */
    int states = o->rule->states(group->config);
    *slot = before;
    size_t held = group->state_bytes * (size_t)group->states;
    size_t bytes = group->state_bytes * (size_t)states;
    if (states <= group->states) {
        return true;
    }
    if (bytes > 0) {
        char *state = aligned_alloc(64, bytes);
        if (state == NULL) {
            ag_error_raise(where, AG_ERROR_MEMORY, "%s: no memory for %zu bytes of state", function, bytes);
            return false;
        }
        if (held > 0) {
            memcpy(state, group->state, held);
        }
        memset(state + held, 0, bytes - held); /* a momentum is the last of a rule's states */
        free(group->state);
        group->state = state;
    }
    group->states = states;
    return true;
}

void optim_free(optim *o)
{
    if (o == NULL || o == &optim_nil) {
        return;
    }
    for (int k = 0; k < o->group_count; k++) {
        group_free(&o->groups[k]);
    }
    free(o->groups);
    free(o);
}

/* ---- a step -------------------------------------------------------------------------------- */

void optim_zero_grad(optim *o)
{
    if (!optim_usable(ag_caller(), "optim_zero_grad", o)) {
        return;
    }
    for (int k = 0; k < o->group_count; k++) {
        for (int64_t i = 0; i < o->groups[k].count; i++) {
            ag_zero_grad(o->groups[k].parameters[i].tensor);
        }
    }
}

bool optim_fetch(ag_place where, optim *o)
{
    for (int k = 0; k < o->group_count; k++) {
        for (int64_t i = 0; i < o->groups[k].count; i++) {
            struct optim_parameter *p = &o->groups[k].parameters[i];
            if (!ag_leaf_raw_get(where, p->tensor, &p->raw)) {
                return false;
            }
        }
    }
    return true;
}

static void update(const struct optim_rule *rule, ag_dtype dtype, const struct optim_run *run)
{
    if (dtype == AG_FLOAT32) {
        rule->update_float(run);
    } else {
        rule->update_double(run);
    }
}

static void update_piece(const struct optim_rule *rule, ag_dtype dtype, const struct optim_run *run,
                         int64_t piece)
{
    size_t skip = (size_t)piece * OPTIM_PIECE * ag_dtype_size(dtype);
    struct optim_run part = *run;
    part.n = run->n - piece * OPTIM_PIECE;
    part.n = part.n < OPTIM_PIECE ? part.n : OPTIM_PIECE;
    part.w = (char *)run->w + skip;
    part.g = (const char *)run->g + skip;
    for (int s = 0; s < OPTIM_MAX_STATES; s++) {
        part.state[s] = run->state[s] == NULL ? NULL : (char *)run->state[s] + skip;
    }
    update(rule, dtype, &part);
}

/* What the pieces of one run share. */
struct pieces {
    const struct optim_rule *rule;
    ag_dtype dtype;
    const struct optim_run *run;
};

static void piece_turn(const void *task, int64_t i)
{
    const struct pieces *t = task;
    update_piece(t->rule, t->dtype, t->run, i);
}

/* Whether the bytes behind a parameter's last element are zero, up to where the next may begin.
 * They are unless a program optimizes parts of one tensor; then they are another part's numbers. */
static bool padding_is_zero(const ag_leaf_raw *raw)
{
    const char *data = raw->data;
    for (size_t at = (size_t)raw->numel * ag_dtype_size(raw->dtype); at < raw->padded_bytes; at++) {
        if (data[at] != 0) {
            return false;
        }
    }
    return true;
}

/* Whether p lies right behind its predecessor in the list, in memory and in its number of steps. */
static bool continues(const struct optim_parameter *before, const struct optim_parameter *p)
{
    size_t bytes = before->raw.padded_bytes;
    return optim_moves(p) && p->raw.dtype == before->raw.dtype && p->steps == before->steps &&
           p->raw.data == (char *)before->raw.data + bytes &&
           p->raw.grad == (char *)before->raw.grad + bytes && padding_is_zero(&before->raw);
}

/* Updates `count` adjacent parameters. The run goes over the padding between them, which is zero
 * before and is made zero again: with eps = 0 a rule divides zero by zero there. */
static void step_run(const struct optim_rule *rule, const struct optim_group *group,
                     struct optim_parameter *p, int64_t count)
{
    const ag_leaf_raw *last = &p[count - 1].raw;
    ag_dtype dtype = p->raw.dtype;
    int64_t before_last =
        ((char *)last->data - (char *)p->raw.data) / (int64_t)ag_dtype_size(dtype);
    struct optim_run run = {
        .config = group->config,
        .step = p->steps + 1,
        .n = before_last + last->numel,
        .w = p->raw.data,
        .g = p->raw.grad,
    };
    for (int s = 0; s < group->states; s++) {
        run.state[s] = group->state + (size_t)s * group->state_bytes + p->offset;
    }
    if (run.n <= OPTIM_PARALLEL) {
        update(rule, dtype, &run);
    } else {
        struct pieces task = { rule, dtype, &run };
        ag_parallel(ag_threads(), (run.n + OPTIM_PIECE - 1) / OPTIM_PIECE, piece_turn, &task);
    }
    for (int64_t i = 0; i < count; i++) {
        size_t used = (size_t)p[i].raw.numel * ag_dtype_size(dtype);
        if (i + 1 < count && used < p[i].raw.padded_bytes) {
            memset((char *)p[i].raw.data + used, 0, p[i].raw.padded_bytes - used);
        }
        p[i].steps++;
        ag_leaf_changed(p[i].tensor);
    }
}

static void step_group(const struct optim_rule *rule, const struct optim_group *group)
{
    int64_t i = 0;
    while (i < group->count) {
        struct optim_parameter *first = &group->parameters[i++];
        if (!optim_moves(first)) {
            continue;
        }
        int64_t count = 1;
        while (i < group->count && continues(&group->parameters[i - 1], &group->parameters[i])) {
            count++;
            i++;
        }
        step_run(rule, group, first, count);
    }
}

ag_error optim_step_at(ag_place where, optim *o)
{
    ag_place before = ag_caller_set(where);
    if (optim_usable(where, "optim_step", o) && optim_fetch(where, o)) {
        for (int k = 0; k < o->group_count; k++) {
            step_group(o->rule, &o->groups[k]);
        }
    }
    ag_caller_set(before);
    return ag_error_code();
}
