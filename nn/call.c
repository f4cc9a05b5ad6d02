/*
 * Forwards that take more than one tensor: what nn_forward() does around a layer's forward, for layers with a typed one.
 */
#include "internal.h"

bool nn_call_begin(nn_call *call, ag_place where, const char *function, nn_module *m)
{
    char text[NN_TEXT];
    if (!nn_usable(where, function, m)) {
        return false;
    }
    if (!m->initialised) {
        ag_error_raise(where, AG_ERROR_STATE,
                       "%s: %s is not initialised: call nn_init() on its tree, and list it in the visit function of its parent",
                       function, nn_module_text(m, text, sizeof(text)));
        return false;
    }
    const nn_private *p = nn_private_of(m);
    *call = (nn_call){.module = m, .before = ag_caller_set(where), .frame = ag_frame_begin()};
    if (p->name != NULL) {
        ag_label_push(p->name);
    }
    return true;
}

void nn_call_end(nn_call *call, int n, const ag_tensor *results)
{
    const nn_private *p = nn_private_of(call->module);
    if (p->name != NULL) {
        ag_label_pop();
    }
    ag_frame_end_n(call->frame, n, results);
    if (p->watch != NULL && n > 0 && ag_is_alive(results[0])) {
        *p->watch = ag_shape_of(results[0]);
    }
    ag_caller_set(call->before);
}

void nn_call_wrong_type(ag_place where, const char *function, const char *needed, const nn_module *m)
{
    char text[NN_TEXT];
    ag_error_raise(where, AG_ERROR_VALUE, "%s: needs %s, got %s", function, needed, nn_module_text(m, text, sizeof(text)));
}
