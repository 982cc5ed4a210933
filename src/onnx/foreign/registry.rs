//! The operators that can be read: the allow-list.

use super::evaluator::{Call, Evaluator};
use super::fault::{Outcome, unsupported};
use super::tensor::Tensor;
use crate::suggest;

/// What reads an operator: gives its outputs.
pub(super) type Handler =
    for<'a, 'b> fn(&'b mut Evaluator<'a>, &'b mut Call<'a>) -> Outcome<Vec<Tensor>>;

macro_rules! operators {
    ($($handler:ident: $($name:literal)*;)*) => {
        const OPERATORS: &[(&str, Handler)] = &[
            $($(($name, |evaluator, call| evaluator.$handler(call)),)*)*
        ];
    };
}

operators! {
    plain: "Add" "Sub" "Mul" "Pow" "Neg" "Abs" "Sign" "Sqrt" "Exp" "Log" "Sin" "Cos" "Tan" "Asin" "Acos" "Atan" "Sinh"
        "Cosh" "Tanh" "Floor" "Ceil" "Round" "Sigmoid" "Relu" "Softplus" "Erf" "Less" "Greater" "LessOrEqual"
        "GreaterOrEqual" "Not" "And" "Or";
    divide: "Div";
    fold: "Sum" "Max" "Min" "Mean";
    equal: "Equal";
    exclusive: "Xor";
    reciprocal: "Reciprocal";
    modulo: "Mod";
    choose: "Where";
    clip: "Clip";
    cast: "Cast";
    cast_like: "CastLike";
    activation: "LeakyRelu" "Elu" "Celu" "Selu" "ThresholdedRelu" "HardSigmoid" "HardSwish" "Softsign" "Mish" "Swish"
        "Gelu" "Shrink" "IsNaN" "IsInf" "Asinh" "Acosh" "Atanh";
    parametric_relu: "PRelu";
    matmul: "MatMul";
    gemm: "Gemm";
    determinant: "Det";
    reduction: "ReduceSum" "ReduceMean" "ReduceProd" "ReduceMax" "ReduceMin" "ReduceL1" "ReduceL2" "ReduceSumSquare"
        "ReduceLogSum" "ReduceLogSumExp";
    softmax: "Softmax" "LogSoftmax";
    layer_norm: "LayerNormalization" "RMSNormalization";
    instance_norm: "InstanceNormalization" "GroupNormalization";
    norm_of_one: "LpNormalization";
    batch_norm: "BatchNormalization";
    identity: "Identity" "Dropout";
    constant_node: "Constant";
    constant_of_shape: "ConstantOfShape";
    shape: "Shape";
    size: "Size";
    reshape: "Reshape";
    flatten: "Flatten";
    squeeze: "Squeeze";
    unsqueeze: "Unsqueeze";
    transpose: "Transpose";
    expand: "Expand";
    concat: "Concat";
    split: "Split";
    slice: "Slice";
    gather: "Gather";
    branch: "If";
    repeat: "Loop";
    scan: "Scan";
    recurrent: "RNN" "GRU" "LSTM";
    convolution: "Conv";
    transposed_convolution: "ConvTranspose";
    pool: "MaxPool" "AveragePool";
    global_pool: "GlobalAveragePool" "GlobalMaxPool";
    pad: "Pad";
    einsum: "Einsum";
    triangle: "Trilu";
    eye_like: "EyeLike";
    running_sum: "CumSum";
    range: "Range";
    tile: "Tile";
    gather_elements: "GatherElements";
    gather_nd: "GatherND";
    scatter_elements: "ScatterElements";
    scatter_nd: "ScatterND";
    blocks: "DepthToSpace" "SpaceToDepth";
    place_of_most: "ArgMax" "ArgMin";
    hard_max: "Hardmax";
    one_hot: "OneHot";
    top: "TopK";
    resize: "Resize";
}

/// What reads the operator of this name.
pub(super) fn find(name: &str) -> Outcome<Handler> {
    if let Some((_, handler)) = OPERATORS.iter().find(|(known, _)| *known == name) {
        return Ok(*handler);
    }
    let near = suggest::closest(name, OPERATORS.iter().map(|(known, _)| *known));
    let near = near.map_or(String::new(), |near| format!("; {near} is"));
    Err(unsupported(format!(
        "is not one that can be read{near}: write it with operators that are in the list of docs/onnx.md, or keep this part \
         outside of the model"
    )))
}

/// The names of the operators that can be read, in alphabetical order.
pub fn operators() -> Vec<&'static str> {
    let mut names: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names
}
