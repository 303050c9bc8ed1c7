"""Operators that the graph of a .pt2 file may call: the ATen operators networks consist of, each by name.

Our networks use a third of them. The others are related ones, so that plain third-party networks load as well.
"""

import re

import torch

PYTHON = re.compile(r"_operator\.(add|sub|mul|floordiv|truediv|mod|neg|eq|ne|ge|gt|le|lt|getitem)")
ATEN = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
LAYERS = """
conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d linear addmm addmv mm mv bmm baddbmm
matmul einsum dot outer embedding scaled_dot_product_attention
batch_norm instance_norm layer_norm native_layer_norm group_norm native_group_norm rms_norm
_native_batch_norm_legit_no_training native_batch_norm dropout feature_dropout alpha_dropout
avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool2d_with_indices
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d _adaptive_avg_pool2d
upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_bilinear2d upsample_bicubic2d upsample_linear1d
upsample_trilinear3d _upsample_nearest_exact2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler
grid_sampler_2d affine_grid_generator pixel_shuffle pixel_unshuffle channel_shuffle im2col col2im unfold
pad constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d _pad_circular
"""
ACTIVATIONS = """
relu relu_ relu6 relu6_ leaky_relu leaky_relu_ prelu _prelu_kernel elu elu_ selu selu_ celu celu_ gelu gelu_ silu silu_
mish mish_ hardswish hardswish_ hardsigmoid hardsigmoid_ hardtanh hardtanh_ softplus sigmoid sigmoid_ tanh tanh_
log_sigmoid glu threshold threshold_ hardshrink softshrink softmax _softmax log_softmax _log_softmax
"""
ARITHMETIC = """
add add_ sub sub_ rsub mul mul_ div div_ neg neg_ pow pow_ square sqrt sqrt_ rsqrt rsqrt_ exp exp_ expm1 log log_ log1p
log2 log10 abs abs_ sign sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh erf reciprocal reciprocal_ floor
floor_ ceil ceil_ round round_ trunc frac remainder remainder_ fmod floor_divide floor_divide_ true_divide lerp addcmul
addcdiv clamp clamp_ clamp_min clamp_min_ clamp_max clamp_max_ clip clip_ minimum maximum fmin fmax subtract multiply
divide negative hypot logaddexp logsumexp nan_to_num xlogy deg2rad
sum mean prod var std var_mean std_mean amax amin max min argmax argmin any all cumsum cumprod norm
linalg_vector_norm median mode count_nonzero
"""
COMPARISONS = """
eq ne lt le gt ge eq_ ne_ equal isnan isinf isfinite isclose greater greater_equal less less_equal not_equal logical_and
logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_not bitwise_xor bitwise_left_shift bitwise_right_shift
__and__ __or__ __xor__ __lshift__ __rshift__ where masked_fill masked_fill_ masked_select
"""
INDEXING = """
index index_put index_put_ index_select index_add index_copy index_fill gather scatter scatter_ scatter_add
scatter_reduce take take_along_dim select select_scatter slice slice_scatter narrow split split_with_sizes tensor_split
chunk unbind sort argsort topk kthvalue nonzero nonzero_numpy bucketize searchsorted repeat_interleave one_hot tril triu
diagonal diag_embed
"""
SHAPES = """
view view_as _unsafe_view reshape reshape_as flatten unflatten squeeze squeeze_ unsqueeze unsqueeze_ permute transpose
transpose_ t t_ movedim swapaxes numpy_T mT expand expand_as repeat tile broadcast_to broadcast_tensors as_strided
cat concat concatenate stack hstack vstack flip roll rot90 meshgrid contiguous clone copy copy_ detach detach_ alias
lift_fresh lift_fresh_copy to type_as _to_copy zeros zeros_like ones ones_like full full_like fill fill_ zero_
new_zeros new_ones new_full arange linspace eye scalar_tensor size sym_size sym_numel sym_stride item
_local_scalar_dense _assert_scalar _assert_tensor_metadata sym_constrain_range sym_constrain_range_for_size
"""
NAMES = frozenset(" ".join((LAYERS, ACTIVATIONS, ARITHMETIC, COMPARISONS, INDEXING, SHAPES)).split())


def check_operator(target: str) -> None:
    """Raises a ValueError for anything but arithmetic and the ATen operators networks consist of."""
    if PYTHON.fullmatch(target):
        return
    match = ATEN.fullmatch(target)
    if match is not None and match[1] in NAMES:
        overload = getattr(getattr(torch.ops.aten, match[1], None), match[2], None)
        if isinstance(overload, torch._ops.OpOverload) and computes(overload):
            return
    raise ValueError(f"its graph calls {target[:80]}, which is not an operator that a network needs")


def computes(overload: torch._ops.OpOverload) -> bool:
    """Whether an operator has a kernel, returns a new result and checks its arguments.

    TorchScript's own operators have no kernel, such as aten::save, which writes a file.
    """
    arguments = overload._schema.arguments
    trusting = any(argument.is_out or argument.name.startswith("unsafe") for argument in arguments)
    return not trusting and torch._C._dispatch_has_kernel(overload.name())
