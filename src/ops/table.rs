//! The table itself.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::adjoint::{self, Adjoint};
use super::emit::{Emit, NodeId};
use super::kernel::{Kernel, binary, unary};
use super::{adjoint_linear, decompose, decompose_linear, numeric as n, special};
use crate::suggest;

/// What an operation is to the stages after the front end.
#[derive(Clone, Copy)]
pub enum Role {
    /// Numbers to a number: a node of numeric graphs.
    Numeric {
        /// What it computes; `None` for what engines know: `select`, the batch operations, and those of many numbers.
        kernel: Option<Kernel>,
        /// How its derivative is built.
        adjoint: Adjoint,
        /// Whether the result is a boolean.
        boolean: bool,
    },
    /// Numbers to a number, written in terms of numeric operations.
    Defined(fn(&mut dyn Emit, &[NodeId]) -> NodeId),
    /// Works on the structure of values: pairs, symbols, procedures. Never a node of a numeric graph.
    Structural,
    /// Part of the language, but not in this version.
    Missing,
}

/// How ONNX spells an operation.
#[derive(Clone, Copy)]
pub enum OnnxForm {
    /// One operator of the default domain, whose CPU kernel exists in double and single precision.
    Operator(&'static str),
    /// No operator, or none in double precision: written in terms of operations that have one.
    Decomposed(fn(&mut dyn Emit, &[NodeId]) -> NodeId),
    /// Not a value of a numeric graph.
    None,
}

/// One operation.
pub struct Row {
    /// The operation.
    pub op: Op,
    /// Its name in Scheme and in graphs.
    pub name: &'static str,
    /// Fewest arguments.
    pub min: usize,
    /// Most arguments; `None` where there is no limit.
    pub max: Option<usize>,
    /// What it is.
    pub role: Role,
    /// How ONNX spells it.
    pub onnx: OnnxForm,
    /// Whether programs may use the name; the others occur in graphs only.
    pub public: bool,
}

macro_rules! table {
    ($($op:ident $name:literal $min:literal $max:expr, $role:expr, $onnx:expr, $public:expr;)*) => {
        /// An operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum Op {
            $($op,)*
        }

        static ROWS: &[Row] = &[
            $(Row {
                op: Op::$op,
                name: $name,
                min: $min,
                max: $max,
                role: $role,
                onnx: $onnx,
                public: $public,
            },)*
        ];
    };
}

const fn kernel(kernel: Kernel, adjoint: Adjoint) -> Role {
    Role::Numeric {
        kernel: Some(kernel),
        adjoint,
        boolean: false,
    }
}

const fn test(kernel: Kernel) -> Role {
    Role::Numeric {
        kernel: Some(kernel),
        adjoint: adjoint::zero,
        boolean: true,
    }
}

const fn special(adjoint: Adjoint) -> Role {
    Role::Numeric {
        kernel: None,
        adjoint,
        boolean: false,
    }
}

const MANY: Option<usize> = None;
const PUBLIC: bool = true;
const INTERNAL: bool = false;

use OnnxForm::{Decomposed, None as NoForm, Operator};
use Role::{Defined, Missing, Structural};

table! {
    // arithmetic
    Add "+" 0 MANY, kernel(binary::<n::Add>(), adjoint::add), Operator("Add"), PUBLIC;
    Sub "-" 1 MANY, kernel(binary::<n::Sub>(), adjoint::sub), Operator("Sub"), PUBLIC;
    Mul "*" 0 MANY, kernel(binary::<n::Mul>(), adjoint::mul), Operator("Mul"), PUBLIC;
    Div "/" 1 MANY, kernel(binary::<n::Div>(), adjoint::div), Operator("Div"), PUBLIC;
    Neg "neg" 1 Some(1), kernel(unary::<n::Neg>(), adjoint::neg), Operator("Neg"), INTERNAL;
    Quotient "quotient" 2 Some(2), kernel(binary::<n::Quotient>(), adjoint::zero), Decomposed(decompose::quotient), PUBLIC;
    Remainder "remainder" 2 Some(2), kernel(binary::<n::Remainder>(), adjoint::remainder), Operator("Mod"), PUBLIC;
    Modulo "modulo" 2 Some(2), kernel(binary::<n::Modulo>(), adjoint::modulo), Decomposed(decompose::modulo), PUBLIC;
    Abs "abs" 1 Some(1), kernel(unary::<n::Abs>(), adjoint::abs), Operator("Abs"), PUBLIC;
    Sign "sign" 1 Some(1), kernel(unary::<n::Sign>(), adjoint::zero), Decomposed(decompose::sign), INTERNAL;
    Min "min" 1 MANY, kernel(binary::<n::Min>(), adjoint::extremum), Decomposed(decompose::min), PUBLIC;
    Max "max" 1 MANY, kernel(binary::<n::Max>(), adjoint::extremum), Decomposed(decompose::max), PUBLIC;
    Square "square" 1 Some(1), Defined(decompose::square), NoForm, PUBLIC;
    Pow "expt" 2 Some(2), kernel(binary::<n::Pow>(), adjoint::pow), Operator("Pow"), PUBLIC;
    Sqrt "sqrt" 1 Some(1), kernel(unary::<n::Sqrt>(), adjoint::sqrt), Operator("Sqrt"), PUBLIC;
    Exp "exp" 1 Some(1), kernel(unary::<n::Exp>(), adjoint::exp), Operator("Exp"), PUBLIC;
    Log "log" 1 Some(2), kernel(unary::<n::Log>(), adjoint::log), Operator("Log"), PUBLIC;
    Sin "sin" 1 Some(1), kernel(unary::<n::Sin>(), adjoint::sin), Operator("Sin"), PUBLIC;
    Cos "cos" 1 Some(1), kernel(unary::<n::Cos>(), adjoint::cos), Operator("Cos"), PUBLIC;
    Tan "tan" 1 Some(1), kernel(unary::<n::Tan>(), adjoint::tan), Decomposed(special::tan), PUBLIC;
    Asin "asin" 1 Some(1), kernel(unary::<n::Asin>(), adjoint::asin), Decomposed(special::asin), PUBLIC;
    Acos "acos" 1 Some(1), kernel(unary::<n::Acos>(), adjoint::acos), Decomposed(special::acos), PUBLIC;
    Atan "atan" 1 Some(2), kernel(unary::<n::Atan>(), adjoint::atan), Decomposed(special::atan), PUBLIC;
    Atan2 "atan2" 2 Some(2), kernel(binary::<n::Atan2>(), adjoint::atan2), Decomposed(special::atan2), INTERNAL;
    Sinh "sinh" 1 Some(1), kernel(unary::<n::Sinh>(), adjoint::sinh), Decomposed(special::sinh), PUBLIC;
    Cosh "cosh" 1 Some(1), kernel(unary::<n::Cosh>(), adjoint::cosh), Decomposed(special::cosh), PUBLIC;
    Tanh "tanh" 1 Some(1), kernel(unary::<n::Tanh>(), adjoint::tanh), Operator("Tanh"), PUBLIC;
    Floor "floor" 1 Some(1), kernel(unary::<n::Floor>(), adjoint::zero), Operator("Floor"), PUBLIC;
    Ceiling "ceiling" 1 Some(1), kernel(unary::<n::Ceiling>(), adjoint::zero), Operator("Ceil"), PUBLIC;
    Round "round" 1 Some(1), kernel(unary::<n::Round>(), adjoint::zero), Operator("Round"), PUBLIC;
    Truncate "truncate" 1 Some(1), kernel(unary::<n::Truncate>(), adjoint::zero), Decomposed(decompose::truncate), PUBLIC;
    Sigmoid "sigmoid" 1 Some(1), kernel(unary::<n::Sigmoid>(), adjoint::sigmoid), Decomposed(decompose::sigmoid), PUBLIC;
    Relu "relu" 1 Some(1), kernel(unary::<n::Relu>(), adjoint::relu), Decomposed(decompose::relu), PUBLIC;
    Softplus "softplus" 1 Some(1), kernel(unary::<n::Softplus>(), adjoint::softplus), Decomposed(special::softplus), PUBLIC;
    Erf "erf" 1 Some(1), kernel(unary::<n::Erf>(), adjoint::erf), Decomposed(special::erf), PUBLIC;

    // comparison
    Equal "=" 1 MANY, test(binary::<n::Equal>()), Operator("Equal"), PUBLIC;
    Less "<" 1 MANY, test(binary::<n::Less>()), Operator("Less"), PUBLIC;
    Greater ">" 1 MANY, test(binary::<n::Greater>()), Operator("Greater"), PUBLIC;
    LessEqual "<=" 1 MANY, test(binary::<n::LessEqual>()), Operator("LessOrEqual"), PUBLIC;
    GreaterEqual ">=" 1 MANY, test(binary::<n::GreaterEqual>()), Operator("GreaterOrEqual"), PUBLIC;
    Not "not" 1 Some(1), test(unary::<n::Not>()), Operator("Not"), PUBLIC;
    And "and" 2 Some(2), test(binary::<n::And>()), Operator("And"), INTERNAL;
    Or "or" 2 Some(2), test(binary::<n::Or>()), Operator("Or"), INTERNAL;
    IsZero "zero?" 1 Some(1), Defined(decompose::is_zero), NoForm, PUBLIC;
    IsPositive "positive?" 1 Some(1), Defined(decompose::is_positive), NoForm, PUBLIC;
    IsNegative "negative?" 1 Some(1), Defined(decompose::is_negative), NoForm, PUBLIC;
    IsEven "even?" 1 Some(1), Defined(decompose::is_even), NoForm, PUBLIC;
    IsOdd "odd?" 1 Some(1), Defined(decompose::is_odd), NoForm, PUBLIC;

    // engines know these
    Select "select" 3 Some(3), special(adjoint::select), Operator("Where"), INTERNAL;
    StraightThrough "straight-through" 2 Some(2), kernel(binary::<n::StraightThrough>(), adjoint::straight_through), Decomposed(decompose::first), INTERNAL;
    BatchSum "batch-sum" 1 Some(1), special(adjoint::batch_sum), Operator("ReduceSum"), INTERNAL;
    BatchCount "batch-count" 0 Some(0), special(adjoint::zero), Operator("Size"), INTERNAL;

    // many numbers to one: a matrix row by row; an index, then the numbers that it chooses from, NaN where it fits none
    DetOf "det-of" 1 MANY, special(adjoint_linear::det), Decomposed(decompose_linear::det), INTERNAL;
    LogDetOf "logdet-of" 1 MANY, special(adjoint_linear::logdet), Decomposed(decompose_linear::logdet), INTERNAL;
    Pick "pick" 2 MANY, special(adjoint::pick), Decomposed(decompose_linear::pick), INTERNAL;

    // the options, then their weights; what checks those: they, and how many there have to be
    SoftChoice "soft-choice" 3 MANY, Structural, NoForm, INTERNAL;
    SoftWeights "soft-weights" 2 Some(2), Structural, NoForm, INTERNAL;
    // an argument of a network as a real; the names of the network and of its input
    NetworkInput "network-input" 3 Some(3), Structural, NoForm, INTERNAL;

    // lists
    Cons "cons" 2 Some(2), Structural, NoForm, PUBLIC;
    Car "car" 1 Some(1), Structural, NoForm, PUBLIC;
    Cdr "cdr" 1 Some(1), Structural, NoForm, PUBLIC;
    List "list" 0 MANY, Structural, NoForm, PUBLIC;
    Length "length" 1 Some(1), Structural, NoForm, PUBLIC;
    Append "append" 0 MANY, Structural, NoForm, PUBLIC;
    Reverse "reverse" 1 Some(1), Structural, NoForm, PUBLIC;
    ListRef "list-ref" 2 Some(2), Structural, NoForm, PUBLIC;
    ListTail "list-tail" 2 Some(2), Structural, NoForm, PUBLIC;
    Memq "memq" 2 Some(2), Structural, NoForm, PUBLIC;
    Member "member" 2 Some(2), Structural, NoForm, PUBLIC;
    Assq "assq" 2 Some(2), Structural, NoForm, PUBLIC;
    Assoc "assoc" 2 Some(2), Structural, NoForm, PUBLIC;
    Iota "iota" 1 Some(3), Structural, NoForm, PUBLIC;
    Map "map" 2 MANY, Missing, NoForm, PUBLIC;
    Filter "filter" 2 Some(2), Missing, NoForm, PUBLIC;
    FoldLeft "fold-left" 3 MANY, Missing, NoForm, PUBLIC;
    FoldRight "fold-right" 3 MANY, Missing, NoForm, PUBLIC;
    Reduce "reduce" 3 Some(3), Missing, NoForm, PUBLIC;
    ForEach "for-each" 2 MANY, Missing, NoForm, PUBLIC;
    Apply "apply" 2 MANY, Structural, NoForm, PUBLIC;
    Error "error" 1 MANY, Structural, NoForm, PUBLIC;

    // predicates
    IsNull "null?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsPair "pair?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsList "list?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsNumber "number?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsInteger "integer?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsReal "real?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsBoolean "boolean?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsSymbol "symbol?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsChar "char?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsString "string?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsVector "vector?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsProcedure "procedure?" 1 Some(1), Structural, NoForm, PUBLIC;
    IsEq "eq?" 2 Some(2), Structural, NoForm, PUBLIC;
    IsEqv "eqv?" 2 Some(2), Structural, NoForm, PUBLIC;
    IsEqual "equal?" 2 Some(2), Structural, NoForm, PUBLIC;

    // vectors and matrices
    Vec "vec" 0 MANY, Structural, NoForm, PUBLIC;
    Ref "ref" 2 Some(2), Structural, NoForm, PUBLIC;
    Dot "dot" 2 Some(2), Structural, NoForm, PUBLIC;
    Cross "cross" 2 Some(2), Structural, NoForm, PUBLIC;
    Norm "norm" 1 Some(1), Structural, NoForm, PUBLIC;
    Normalize "normalize" 1 Some(1), Structural, NoForm, PUBLIC;
    VSum "vsum" 1 Some(1), Structural, NoForm, PUBLIC;
    VLen "vlen" 1 Some(1), Structural, NoForm, PUBLIC;
    Scale "scale" 2 Some(2), Structural, NoForm, PUBLIC;
    Mat "mat" 0 MANY, Structural, NoForm, PUBLIC;
    MatMul "matmul" 2 Some(2), Structural, NoForm, PUBLIC;
    MatVec "matvec" 2 Some(2), Structural, NoForm, PUBLIC;
    Transpose "transpose" 1 Some(1), Structural, NoForm, PUBLIC;
    Trace "trace" 1 Some(1), Structural, NoForm, PUBLIC;
    Det "det" 1 Some(1), Structural, NoForm, PUBLIC;
    LogDet "logdet" 1 Some(1), Structural, NoForm, PUBLIC;
    Inv "inv" 1 Some(1), Structural, NoForm, PUBLIC;
    Solve "solve" 2 Some(2), Structural, NoForm, PUBLIC;
    Outer "outer" 2 Some(2), Structural, NoForm, PUBLIC;
    Eye "eye" 1 Some(1), Structural, NoForm, PUBLIC;
    Zeros "zeros" 1 Some(2), Structural, NoForm, PUBLIC;
    Ones "ones" 1 Some(2), Structural, NoForm, PUBLIC;
}

/// Other names of the same operations.
const ALIASES: [(&str, Op); 1] = [("pow", Op::Pow)];

/// All operations, in the order of the table.
pub fn all() -> &'static [Row] {
    ROWS
}

pub(super) fn row(op: Op) -> &'static Row {
    &ROWS[op as usize]
}

static BY_NAME: LazyLock<HashMap<&'static str, Op>> = LazyLock::new(|| {
    let rows = ROWS.iter().map(|row| (row.name, row.op));
    rows.chain(ALIASES).collect()
});

/// The operation called `name`, in programs and in graphs.
pub fn find(name: &str) -> Option<Op> {
    BY_NAME.get(name).copied()
}

/// The public name nearest to `name`, or the nearest of `others`, if one is near.
pub fn nearest<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Option<String> {
    let public = ROWS.iter().filter(|row| row.public).map(|row| row.name);
    suggest::closest(name, public.chain(others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_the_place_of_their_operation() {
        for (i, row) in ROWS.iter().enumerate() {
            assert_eq!(row.op as usize, i, "{}", row.name);
            assert_eq!(find(row.name), Some(row.op));
        }
    }

    #[test]
    fn numeric_rows_have_every_rule() {
        for row in ROWS {
            if let Role::Numeric { .. } = row.role {
                assert!(
                    !matches!(row.onnx, OnnxForm::None),
                    "{} has no ONNX form",
                    row.name
                );
            }
        }
    }

    #[test]
    fn suggests_near_names_only() {
        assert_eq!(nearest("sine", [].into_iter()).as_deref(), Some("sin"));
        assert_eq!(nearest("sqr", [].into_iter()).as_deref(), Some("sqrt"));
        assert_eq!(nearest("flux_capacitor", [].into_iter()), None);
        assert_eq!(
            nearest("hornet", ["horner"].into_iter()).as_deref(),
            Some("horner")
        );
    }
}
