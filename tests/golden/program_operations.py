"""The operations of the random programs that make_programs.py makes: name -> what PyTorch calls it."""
import torch
import torch.nn.functional as F


def dims(i):
    return tuple(i[1:])


def pads(i):
    return list(i[1:])


def standardised(x, over):
    """Composed: the third derivatives of PyTorch 1.13's own normalisations are wrong."""
    centred = x - x.mean(over, keepdim=True)
    return centred / torch.sqrt((centred * centred).mean(over, keepdim=True) + 1e-5)


def group_norm(x, groups):
    y = x.reshape(x.shape[0], groups, -1)
    return standardised(y, (2,)).reshape(x.shape)


def alike(a, b):
    if a.shape != b.shape:
        raise RuntimeError("losses take two of the same shape")
    return a, b


PAD = ["constant", "reflect", "replicate", "circular"]
UNARY = {
    "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu, "sin": torch.sin, "cos": torch.cos, "square": torch.square,
    "abs": torch.abs, "neg": torch.neg, "softplus": F.softplus, "gelu": F.gelu, "silu": F.silu, "erf": torch.erf,
    "atan": torch.atan, "exp": torch.exp, "expm1": torch.expm1, "softsign": F.softsign, "mish": F.mish, "selu": F.selu,
    "hardswish": F.hardswish, "logsigmoid": F.logsigmoid, "floor": torch.floor, "clone": torch.clone, "sinh": torch.sinh,
    "contiguous": lambda x: x.contiguous(), "detach": torch.detach, "sum": torch.sum, "mean": torch.mean, "prod": torch.prod,
    "max": torch.max, "squeeze_all": torch.squeeze,
}
POSITIVE = {"log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal, "log2": torch.log2}
BINARY = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "maximum": torch.maximum, "minimum": torch.minimum,
    "mse_loss": lambda a, b: F.mse_loss(*alike(a, b)), "smooth_l1_loss": lambda a, b: F.smooth_l1_loss(*alike(a, b)), "matmul": torch.matmul, "outer": torch.outer, "linear": lambda a, b: F.linear(a, b) if b.dim() == 2 else b.view(-7),
    "bce_with_logits": lambda a, b: F.binary_cross_entropy_with_logits(*alike(a, b)),
    "checkpoint": lambda a, b: torch.tanh(a * b) + a, "framed": lambda a, b: torch.sin(a) * b,
    "einsum_ij_kj": lambda a, b: torch.einsum("ij,kj->ik", a, b), "einsum_i_ij": lambda a, b: torch.einsum("...i,ij->...j", a, b),
}
REDUCTIONS = {
    "sum_dims": torch.sum, "mean_dims": torch.mean, "amax": torch.amax, "amin": torch.amin, "logsumexp": torch.logsumexp,
    "var": lambda x, d, k: torch.var(x, d, unbiased=True, keepdim=k), "std": lambda x, d, k: torch.std(x, d, unbiased=True, keepdim=k),
    "norm": lambda x, d, k: torch.linalg.vector_norm(x, 2, d, k),
}
ALONG = {
    "softmax": torch.softmax, "log_softmax": torch.log_softmax, "cumsum": torch.cumsum, "cumprod": torch.cumprod,
    "normalize": lambda x, d: F.normalize(x, 2, d), "unsqueeze": torch.unsqueeze, "squeeze": torch.squeeze,
    "glu": F.glu, "sort": lambda x, d: torch.sort(x, d)[0],
}
# Their results have channels last in the library.
LAID_OUT = {"conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "pixel_shuffle", "batch_norm", "group_norm",
            "conv1d", "max_pool1d"}
IMAGES = {
    "conv2d": lambda x, w, i: F.conv2d(x, w, None, i[0], i[1], i[2]),
    "conv_transpose2d": lambda x, w, i: F.conv_transpose2d(x, w, None, i[0], i[1]),
    "conv1d": lambda x, w, i: F.conv1d(x, w, None, i[0], i[1], i[2]),
}


def apply(name, x, i, d):
    """The value of an operation in PyTorch."""
    if name in UNARY:
        return UNARY[name](x[0])
    if name in POSITIVE:
        return POSITIVE[name](x[0])
    if name in BINARY:
        return BINARY[name](*x)
    if name in REDUCTIONS:
        return REDUCTIONS[name](x[0], dims(i), bool(i[0]))
    if name in ALONG:
        return ALONG[name](x[0], i[0])
    if name in IMAGES:
        return IMAGES[name](*x, i)
    t = x[0]
    table = {
        "div": lambda: t / x[1],
        "pow": lambda: torch.pow(t, x[1]),
        "add_scalar": lambda: t + d[0],
        "mul_scalar": lambda: t * d[0],
        "pow_scalar": lambda: t ** d[0],
        "clamp": lambda: torch.clamp(t, d[0], d[1]),
        "elu": lambda: F.elu(t, d[0]),
        "lerp_scalar": lambda: torch.lerp(t, x[1], d[0]),
        "addcmul": lambda: torch.addcmul(t, x[1], x[2], value=d[0]),
        "gt": lambda: torch.gt(t, x[1]).to(torch.uint8),
        "where": lambda: torch.where(t.bool(), x[1], x[2]),
        "masked_fill": lambda: t.masked_fill(x[1].bool(), d[0]),
        "masked_select": lambda: t.masked_select(x[1].bool()),
        "no_grad_tanh": lambda: torch.tanh(t.detach()),
        # views
        "reshape": lambda: t.reshape(i),
        "view": lambda: t.view(i),
        "flatten": lambda: t.flatten(i[0], i[1]),
        "unflatten": lambda: t.unflatten(i[0], i[1:]),
        "permute": lambda: t.permute(i),
        "transpose": lambda: t.transpose(i[0], i[1]),
        "expand": lambda: t.expand(i),
        "slice": lambda: t[(slice(None),) * i[0] + (slice(i[1], i[2], i[3]),)],
        "narrow": lambda: t.narrow(*i),
        "select": lambda: t.select(*i),
        "diagonal": lambda: torch.diagonal(t, *i),
        "chunk": lambda: torch.chunk(t, i[0], i[1])[i[2]],
        # copies
        "cat": lambda: torch.cat(x, i[0]),
        "stack": lambda: torch.stack(x, i[0]),
        "flip": lambda: torch.flip(t, i),
        "roll": lambda: torch.roll(t, i[0], i[1]),
        "repeat": lambda: t.repeat(i),
        "repeat_interleave": lambda: torch.repeat_interleave(t, i[0], i[1]),
        "tril": lambda: torch.tril(t, i[0]),
        "triu": lambda: torch.triu(t, i[0]),
        "pad": lambda: F.pad(t, pads(i), PAD[i[0]], *([d[0]] if i[0] == 0 else [])),
        "index_select": lambda: torch.index_select(t, i[0], x[1]),
        "gather": lambda: torch.gather(t, i[0], x[1]),
        "scatter": lambda: torch.scatter(t, i[0], x[1], x[2]),
        "scatter_add": lambda: torch.scatter_add(t, i[0], x[1], x[2]),
        "index_add": lambda: torch.index_add(t, i[0], x[1], x[2]),
        "embedding": lambda: F.embedding(x[1], t),
        "cross_entropy": lambda: F.cross_entropy(t, x[1]),
        "layer_norm": lambda: standardised(t, (-1,)),
        "group_norm": lambda: group_norm(t, i[0]),
        "batch_norm": lambda: standardised(t, (0, 2, 3)),
        "max_pool2d": lambda: F.max_pool2d(t, i[0], i[1], i[2]),
        "avg_pool2d": lambda: F.avg_pool2d(t, i[0], i[1], i[2]),
        "max_pool1d": lambda: F.max_pool1d(t, i[0], i[1]),
        "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(t, tuple(i)),
        "pixel_shuffle": lambda: F.pixel_shuffle(t, i[0]),
        "unfold": lambda: F.unfold(t, i[0], stride=i[1]),
        # in place
        "add_": lambda: t.add_(x[1]), "sub_": lambda: t.sub_(x[1]), "mul_": lambda: t.mul_(x[1]), "div_": lambda: t.div_(x[1]),
        "copy_": lambda: t.copy_(x[1]), "add_scalar_": lambda: t.add_(d[0]), "mul_scalar_": lambda: t.mul_(d[0]),
        "clamp_": lambda: t.clamp_(d[0], d[1]), "fill_": lambda: t.fill_(d[0]), "zero_": lambda: t.zero_(),
        "masked_fill_": lambda: t.masked_fill_(x[1].bool(), d[0]), "relu_": lambda: t.relu_(), "tanh_": lambda: t.tanh_(),
        "sigmoid_": lambda: t.sigmoid_(), "exp_": lambda: t.exp_(), "square_": lambda: t.square_(), "neg_": lambda: t.neg_(),
    }
    return table[name]()
