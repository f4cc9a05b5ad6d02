/* Named lists of tensors. */
#include <stdlib.h>
#include <string.h>

#include "tensor.h"

struct item {
    char *name;
    ag_tensor tensor;
};

struct ag_list {
    int64_t count, capacity;
    struct item *item;
};

static ag_list nil_list; /* stays empty */

ag_list *ag_list_new(void)
{
    ag_list *list = calloc(1, sizeof(*list));
    if (list == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "ag_list_new: out of memory");
        return &nil_list;
    }
    return list;
}

void ag_list_add(ag_list *list, const char *name, ag_tensor t)
{
    if (list == &nil_list || ag_error_code() != AG_OK) {
        return;
    }
    if (list == NULL || name == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_VALUE, "ag_list_add: the %s is NULL", list == NULL ? "list" : "name");
        return;
    }
    if (list->count == list->capacity) {
        int64_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        struct item *grown = realloc(list->item, (size_t)capacity * sizeof(*grown));
        if (grown == NULL) {
            ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "ag_list_add: out of memory");
            return;
        }
        list->item = grown;
        list->capacity = capacity;
    }
    size_t bytes = strlen(name) + 1;
    char *copy = malloc(bytes);
    if (copy == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "ag_list_add: out of memory");
        return;
    }
    memcpy(copy, name, bytes);
    list->item[list->count].name = copy;
    list->item[list->count++].tensor = t;
}

int64_t ag_list_count(const ag_list *list)
{
    return list == NULL ? 0 : list->count;
}

ag_tensor ag_list_tensor(const ag_list *list, int64_t i)
{
    return i < 0 || i >= ag_list_count(list) ? AG_NONE : list->item[i].tensor;
}

const char *ag_list_name(const ag_list *list, int64_t i)
{
    return i < 0 || i >= ag_list_count(list) ? "" : list->item[i].name;
}

ag_tensor ag_list_find(const ag_list *list, const char *name)
{
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        if (strcmp(list->item[i].name, name) == 0) {
            return list->item[i].tensor;
        }
    }
    return AG_NONE;
}

void ag_list_free(ag_list *list)
{
    if (list == NULL || list == &nil_list) {
        return;
    }
    for (int64_t i = 0; i < list->count; i++) {
        free(list->item[i].name);
    }
    free(list->item);
    free(list);
}
