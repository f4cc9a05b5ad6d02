/*
 * Recurrent layers written in the library's own operations, one step after the other.
 */
#include "autograd/internal.h"
#include "autograd/ops/ops.h"
#include "autograd/ops/recurrent_parts.h"

static ag_tensor gate(ag_tensor a, int i, int64_t hidden)
{
    return ag_narrow(a, 1, i * hidden, hidden);
}

static ag_tensor lstm_step(ag_tensor a, ag_tensor *c, int64_t hidden)
{
    ag_tensor i = ag_sigmoid(gate(a, 0, hidden)), f = ag_sigmoid(gate(a, 1, hidden));
    ag_tensor g = ag_tanh(gate(a, 2, hidden)), o = ag_sigmoid(gate(a, 3, hidden));
    *c = ag_add(ag_mul(f, *c), ag_mul(i, g));
    return ag_mul(o, ag_tanh(*c));
}

/* a comes from x, b from h. */
static ag_tensor gru_step(ag_tensor a, ag_tensor b, ag_tensor h, int64_t hidden)
{
    ag_tensor r = ag_sigmoid(ag_add(gate(a, 0, hidden), gate(b, 0, hidden)));
    ag_tensor z = ag_sigmoid(ag_add(gate(a, 1, hidden), gate(b, 1, hidden)));
    ag_tensor n = ag_tanh(ag_add(gate(a, 2, hidden), ag_mul(r, gate(b, 2, hidden))));
    return ag_add(n, ag_mul(z, ag_sub(h, n)));
}

/* The `rows` states that a step needs: fewer of those of the step before, or more, from the initial ones. */
static ag_tensor states_for(ag_tensor now, ag_tensor initial, int64_t known, int64_t rows)
{
    if (rows <= known) {
        return ag_narrow(now, 0, 0, rows);
    }
    ag_tensor more = ag_narrow(initial, 0, known, rows - known);
    return known == 0 ? more : ag_cat(2, (ag_tensor[]){now, more}, 0);
}

void recurrent_composed(struct recurrent_params p, const ag_tensor *in, ag_tensor *y, ag_tensor *cells)
{
    ag_tensor x = in[R_X], sizes = in[R_BATCH_SIZES];
    int64_t hidden = ag_size(in[R_W_HH], 1), steps = 1;
    const int64_t *rows = NULL;
    int64_t batch = ag_size(x, -2);
    if (!ag_is_none(sizes)) {
        sizes = ag_contiguous(sizes);
        rows = ag_data(sizes);
        steps = ag_numel(sizes);
        batch = rows != NULL ? rows[0] : 0;
    } else if (ag_ndim(x) == 3) {
        steps = ag_size(x, 0);
    }
    *y = *cells = AG_NIL;
    ag_storage *room = ag_error_code() == AG_OK ? ag_storage_new((size_t)(2 * steps) * sizeof(ag_tensor)) : NULL;
    if (room == NULL) {
        return;
    }
    ag_tensor *ys = room->data, *cs = ys + steps;
    ag_tensor a = ag_linear(ag_reshape(x, AG_SHAPE(-1, ag_size(x, -1))), in[R_W_IH], in[R_B_IH]);
    ag_tensor zero = ag_zeros(AG_SHAPE(batch, hidden), ag_dtype_of(x));
    ag_tensor h0 = ag_is_none(in[R_H]) ? zero : in[R_H], c0 = ag_is_none(in[R_C]) ? zero : in[R_C], h = h0, c = c0;
    int64_t at = p.reverse ? ag_size(a, 0) : 0, known = p.reverse ? 0 : batch;
    for (int64_t s = 0; s < steps && ag_error_code() == AG_OK; s++) {
        int64_t t = p.reverse ? steps - 1 - s : s, now = rows != NULL ? rows[t] : batch;
        at -= p.reverse ? now : 0;
        h = states_for(h, h0, known, now);
        c = p.kind == K_LSTM ? states_for(c, c0, known, now) : c;
        ag_tensor from_x = ag_narrow(a, 0, at, now), from_h = ag_linear(h, in[R_W_HH], in[R_B_HH]);
        if (p.kind == K_LSTM) {
            h = lstm_step(ag_add(from_x, from_h), &c, hidden);
        } else if (p.kind == K_GRU) {
            h = gru_step(from_x, from_h, h, hidden);
        } else {
            h = p.kind == K_RNN_RELU ? ag_relu(ag_add(from_x, from_h)) : ag_tanh(ag_add(from_x, from_h));
        }
        ys[t] = h;
        cs[t] = c;
        known = now;
        at += p.reverse ? 0 : now;
    }
    if (ag_error_code() == AG_OK) {
        *y = ag_cat((int)steps, ys, 0);
        *cells = p.kind == K_LSTM ? ag_cat((int)steps, cs, 0) : AG_NONE;
    }
    ag_storage_release(room);
}
