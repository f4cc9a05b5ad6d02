/*
 * The network that judges pictures.
 */
#include "critic.h"

#include "data/data.h"
#include "evaluate.h"

nn_module *critic_new(void)
{
    nn_module *trunk = nn_sequential(nn_conv2d(1, 16, 3), nn_relu(), nn_max_pool2d(2),   /* (16,13,13) */
                                     nn_conv2d(16, 32, 3), nn_relu(), nn_max_pool2d(2),  /* (32,5,5) */
                                     nn_conv2d(32, 48, 3), nn_relu(), nn_flatten(),      /* (432) */
                                     nn_linear(48 * 3 * 3, CRITIC_FEATURES), nn_relu()); /* (64), the features */
    return nn_sequential(trunk, nn_linear(CRITIC_FEATURES, DIGIT_CLASSES));
}

nn_module *critic_trunk(nn_module *critic)
{
    return nn_sequential_child(critic, 0);
}

nn_module *critic_head(nn_module *critic)
{
    return nn_sequential_child(critic, 1);
}

nn_module *critic_load(const char *path)
{
    nn_module *critic = critic_new();
    data_tensors *file = data_tensors_open(path);
    nn_load_state_dict(critic, data_tensors_entries(file), nn_load_defaults(), NULL);
    data_tensors_close(file);
    nn_eval(critic);
    return critic;
}
