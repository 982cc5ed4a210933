//! The tape of one path, computed again for a batch of samples, and gone back over for the gradients.
//!
//! The values of the tape stand in registers. A value that is made takes the register of the value that has been dead for
//! the longest time; so the registers follow from sorting, without a loop over the tape. An adjoint lives as long as its
//! value, the other way round, and has the same register.

use super::functions::{Back, Functions, NONE, Operands};
use super::set::{Code, FUNCTIONS, NUMERIC, OPERATIONS, TAPE_ROW, function};
use super::sheet::{Dim, Sheet, Tensor, int_attribute, word_attribute};
use crate::error::Result;
use crate::onnx::proto::tensor_proto::DataType;
use crate::ops::Op;

/// So often chains of registers are halved: longer ones than this power of two do not occur.
const HALVINGS: usize = 24;

const SAMPLES: [Dim; 2] = [Dim::Is(1), Dim::Named("samples")];
const FILE: [Dim; 2] = [Dim::Named("registers"), Dim::Named("samples")];

/// A path, and the samples that may follow it.
pub struct Path<'a> {
    /// The rows of the machine, of which those count whose first number is not zero.
    pub tape: &'a Tensor,
    /// The cell of the program's value.
    pub value: &'a Tensor,
    /// The inputs, one a row.
    pub inputs: &'a Tensor,
    /// How many inputs there are: one number, and as a tensor of one.
    pub count: &'a Tensor,
    pub counts: &'a Tensor,
}

/// What the replay of a path needs.
pub struct Tape {
    /// For each row: the registers of the operands and of the result, whether the operands are constants, and where the
    /// operands stand among all values.
    whole: Tensor,
    functions: Tensor,
    /// The payloads of the operands.
    payloads: Tensor,
    branches: Tensor,
    /// How many rows there are.
    length: Tensor,
    /// How many registers there are, the one for what is thrown away included.
    registers: Tensor,
    /// The registers of the inputs.
    inputs: Tensor,
    /// The register of the result, and its place among all values.
    result: Tensor,
    place: Tensor,
    /// Whether the result hangs on no input, and its payload.
    constant: Tensor,
    payload: Tensor,
}

/// Lays a tape out.
pub fn lay_out(sheet: &mut Sheet, path: &Path) -> Tape {
    let columns = |sheet: &mut Sheet, tensor: &Tensor, widths: &[i64]| {
        let sizes = sheet.ints(&[widths.len() as i64], widths);
        let axis = vec![int_attribute("axis", 1)];
        sheet.ops_with("Split", &[tensor, &sizes], widths.len(), axis)
    };
    // one more row, which does nothing, so that there is one
    let noted = columns(sheet, path.tape, &[1, TAPE_ROW as i64 - 1]);
    let zero = sheet.real(0.0);
    let noted = sheet.op("Greater", &[&noted[0], &zero]);
    let noted = sheet.reshape(&noted, &[-1]);
    let axis = vec![int_attribute("axis", 0)];
    let rows = sheet.op_with("Compress", &[path.tape, &noted], axis);
    let branch = f64::from(Code::Branch as u8);
    let last = sheet.reals(&[1, TAPE_ROW as i64], &[1.0, branch, -1.0, -1.0, 0.0, 0.0]);
    let rows = sheet.concat(&[&rows, &last]);
    let parts = columns(sheet, &rows, &[1, 1, 1, 1, 2]);
    let whole: Vec<Tensor> = (1..4)
        .map(|i| {
            let column = sheet.reshape(&parts[i], &[-1]);
            sheet.cast(&column, DataType::Int64)
        })
        .collect();
    let (operations, a, b) = (&whole[0], &whole[1], &whole[2]);
    let payloads = parts[4].clone();
    let table = function_of_operation(sheet);
    let functions = sheet.op("Gather", &[&table, operations]);
    let branch = sheet.int(i64::from(Code::Branch as u8));
    let branches = sheet.op("Equal", &[operations, &branch]);
    let length = sheet.op("Size", &[operations]);

    // values are numbered: the inputs, the rows, and one for what is no value
    let zero = sheet.int(0);
    let one = sheet.int(1);
    let values = sheet.op("Add", &[path.count, &length]);
    let times = sheet.op("Range", &[path.count, &values, &one]);
    let all = sheet.op("Range", &[&zero, &values, &one]);
    let place = sheet.gather(path.value, &[2]);
    let place = sheet.cast(&place, DataType::Int64);
    let mut constants = Vec::new();
    let mut placed = Vec::new();
    for reference in [a, b, &place] {
        let constant = sheet.op("Less", &[reference, &zero]);
        placed.push(sheet.op("Where", &[&constant, &values, reference]));
        constants.push(constant);
    }

    // when each value is read last; inputs live until all of them are there
    let ready = sheet.op("Sub", &[path.count, &one]);
    let end = sheet.op("Add", &[&values, &one]);
    let births = sheet.op("Range", &[&zero, &end, &one]);
    let births = sheet.op("Max", &[&births, &ready]);
    let values_row = sheet.reshape(&values, &[1]);
    let read = sheet.concat(&[&placed[0], &placed[1], &placed[2]]);
    let when = sheet.concat(&[&times, &times, &values_row]);
    let greatest = vec![word_attribute("reduction", "max")];
    let deaths = sheet.op_with("ScatterElements", &[&births, &read, &when], greatest);
    let start = sheet.ints(&[1], &[0]);
    let deaths = sheet.slice(&deaths, &start, &values_row);

    // so many registers that a dead one is there whenever a value is made
    let zeros = sheet.op("Mul", &[&births, &zero]);
    let ones = sheet.op("Mul", &[&all, &zero]);
    let ones = sheet.op("Add", &[&ones, &one]);
    let sum = vec![word_attribute("reduction", "add")];
    let dying = sheet.op_with("ScatterElements", &[&zeros, &deaths, &ones], sum);
    let exclusive = vec![int_attribute("exclusive", 1)];
    let dead = sheet.op_with("CumSum", &[&dying, &zero], exclusive);
    let dead = sheet.slice(&dead, &start, &values_row);
    let live = sheet.op("Sub", &[&all, &dead]);
    let keep = vec![int_attribute("keepdims", 1)];
    let live = sheet.op_with("ReduceMax", &[&live], keep);
    let count = sheet.op("Add", &[&live, &one]);
    let smallest = vec![int_attribute("largest", 0)];
    let order = sheet.ops_with("TopK", &[&deaths, &values_row], 2, smallest);
    let later = sheet.op("Sub", &[&values_row, &count]);
    let order = sheet.slice(&order[1], &start, &later);
    let free = sheet.reshape(&count, &[]);
    let free = sheet.op("Range", &[&zero, &free, &one]);
    let mut register = sheet.concat(&[&free, &order]);
    for _ in 0..HALVINGS {
        register = sheet.op("Gather", &[&register, &register]);
    }
    let registers = sheet.concat(&[&register, &count]);
    let of = |sheet: &mut Sheet, places: &Tensor| sheet.op("Gather", &[&registers, places]);
    let (to_a, to_b) = (of(sheet, &placed[0]), of(sheet, &placed[1]));
    let (to, result) = (of(sheet, &times), of(sheet, &placed[2]));
    let inputs = sheet.slice(&register, &start, path.counts);
    let column = |sheet: &mut Sheet, tensor: &Tensor| sheet.reshape(tensor, &[-1, 1]);
    let mut whole = vec![
        column(sheet, &to_a),
        column(sheet, &to_b),
        column(sheet, &to),
    ];
    for constant in &constants[..2] {
        let constant = sheet.cast(constant, DataType::Int64);
        whole.push(column(sheet, &constant));
    }
    for reference in [a, b] {
        let place = sheet.op("Max", &[reference, &zero]);
        whole.push(column(sheet, &place));
    }
    let axis = vec![int_attribute("axis", 1)];
    let whole = sheet.op_with("Concat", &whole.iter().collect::<Vec<_>>(), axis);
    let place = sheet.op("Max", &[&place, &zero]);
    Tape {
        whole,
        functions,
        payloads,
        branches,
        length,
        registers: sheet.op("Add", &[&count, &one]),
        inputs,
        result,
        place,
        constant: constants[2].clone(),
        payload: sheet.gather(path.value, &[1]),
    }
}

/// For each operation the leaf that computes it.
fn function_of_operation(sheet: &mut Sheet) -> Tensor {
    let leaf = |operation: usize| match operation.checked_sub(NUMERIC) {
        Some(place) if place < FUNCTIONS.len() => place,
        None if operation == Code::IsEq as usize => function(Op::Equal).unwrap_or(NONE),
        _ => NONE,
    };
    let leaves: Vec<f64> = (0..OPERATIONS).map(|i| leaf(i) as f64).collect();
    sheet.reals(&[OPERATIONS as i64], &leaves)
}

/// What a replay gives: the values of all inputs and rows, and that of the program, one a sample.
pub struct Replayed {
    pub all: Tensor,
    pub value: Tensor,
    /// Which samples follow the path.
    pub follow: Tensor,
}

/// Zeros and a one-row of a batch.
pub struct Shapes {
    pub zeros: Tensor,
    pub ones: Tensor,
    pub file: Tensor,
}

/// Tensors of the shapes that a replay works on.
pub fn shapes(sheet: &mut Sheet, tape: &Tape, samples: &Tensor) -> Shapes {
    let one = sheet.ints(&[1], &[1]);
    let row = sheet.concat(&[&one, samples]);
    let file = sheet.concat(&[&tape.registers, samples]);
    let (zero, unit) = (sheet.real(0.0), sheet.real(1.0));
    Shapes {
        zeros: sheet.op("Expand", &[&zero, &row]),
        ones: sheet.op("Expand", &[&unit, &row]),
        file: sheet.op("Expand", &[&zero, &file]),
    }
}

/// The parts of one row of the tape, each a tensor of one.
struct Row {
    whole: Vec<Tensor>,
    function: Tensor,
    payloads: Vec<Tensor>,
}

fn row(body: &mut Sheet, tape: &Tape, index: &Tensor) -> Row {
    let whole = body.op("Gather", &[&tape.whole, index]);
    let payloads = body.op("Gather", &[&tape.payloads, index]);
    Row {
        whole: body.split(&whole, &[1; 7]),
        function: body.op("Gather", &[&tape.functions, index]),
        payloads: body.split(&payloads, &[1; 2]),
    }
}

/// Operand `i` of a row: a constant, or one of `values` at the place that column `column` says.
fn operand(body: &mut Sheet, row: &Row, i: usize, values: &Tensor, column: usize) -> Tensor {
    let constant = body.cast(&row.whole[3 + i], DataType::Bool);
    let value = body.op("Gather", &[values, &row.whole[column]]);
    body.op("Where", &[&constant, &row.payloads[i], &value])
}

/// Computes the tape for all samples.
pub fn replay(
    sheet: &mut Sheet,
    functions: &mut Functions,
    path: &Path,
    tape: &Tape,
    shapes: &Shapes,
) -> Result<Replayed> {
    let mut body = sheet.inner();
    let index = body.param(DataType::Int64, &[]);
    let go = body.param(DataType::Bool, &[]);
    let file = body.param(DataType::Double, &FILE);
    let this = row(&mut body, tape, &index);
    let a = operand(&mut body, &this, 0, &file, 0);
    let b = operand(&mut body, &this, 1, &file, 1);
    let operands = Operands { a: &a, b: &b };
    let value = functions.value(&mut body, &this.function, &operands, &SAMPLES)?;
    let to = body.reshape(&this.whole[2], &[1, 1]);
    let file = body.op("ScatterND", &[&file, &to, &value]);
    let go = body.op("Identity", &[&go]);
    body.output(&go, DataType::Bool, &[]);
    body.output(&file, DataType::Double, &FILE);
    body.output(&value, DataType::Double, &SAMPLES);
    let places = sheet.reshape(&tape.inputs, &[-1, 1]);
    let file = sheet.op("ScatterND", &[&shapes.file, &places, path.inputs]);
    let go = sheet.truth(true);
    let bodies = vec![("body", body.finish())];
    let outputs = sheet.bodies("Loop", &[&tape.length, &go, &file], 2, bodies);
    let axes = sheet.ints(&[1], &[1]);
    let log = sheet.op("Squeeze", &[&outputs[1], &axes]);
    let all = sheet.concat(&[path.inputs, &log]);
    let value = sheet.op("Gather", &[&all, &tape.place]);
    let value = sheet.op("Where", &[&tape.constant, &tape.payload, &value]);

    // branches must go for each sample as they went for the first
    let axis = || vec![int_attribute("axis", 0)];
    let tests = sheet.op_with("Compress", &[&log, &tape.branches], axis());
    let first = sheet.op_with("Compress", &[&tape.payloads, &tape.branches], axis());
    let column = sheet.ints(&[1], &[0]);
    let first = sheet.op_with("Gather", &[&first, &column], vec![int_attribute("axis", 1)]);
    let zero = sheet.real(0.0);
    let (tests, first) = (
        sheet.op("Equal", &[&tests, &zero]),
        sheet.op("Equal", &[&first, &zero]),
    );
    let differ = sheet.op("Xor", &[&tests, &first]);
    let axes = sheet.ints(&[1], &[0]);
    let keep = vec![int_attribute("keepdims", 0)];
    let differ = sheet.op_with("ReduceMax", &[&differ, &axes], keep);
    let follow = sheet.op("Not", &[&differ]);
    // whatever rounding does, the sample whose path this is follows it
    let (zero, one) = (sheet.int(0), sheet.int(1));
    let samples = sheet.op("Size", &[&follow]);
    let places = sheet.op("Range", &[&zero, &samples, &one]);
    let leads = sheet.op("Equal", &[&places, &zero]);
    let follow = sheet.op("Or", &[&follow, &leads]);
    Ok(Replayed {
        all,
        value: sheet.reshape(&value, &[-1]),
        follow,
    })
}

/// The gradients of the value, for each input a row.
pub fn reverse(
    sheet: &mut Sheet,
    functions: &mut Functions,
    tape: &Tape,
    shapes: &Shapes,
    all: &Tensor,
) -> Result<Tensor> {
    let has = has_adjoints(sheet);
    let one = sheet.int(1);
    let last = sheet.op("Sub", &[&tape.length, &one]);
    let mut body = sheet.inner();
    let iteration = body.param(DataType::Int64, &[]);
    let go = body.param(DataType::Bool, &[]);
    let file = body.param(DataType::Double, &FILE);
    let reached = body.param(DataType::Int64, &[Dim::Named("registers")]);
    let index = body.op("Sub", &[&last, &iteration]);
    let this = row(&mut body, tape, &index);
    let a = operand(&mut body, &this, 0, all, 5);
    let b = operand(&mut body, &this, 1, all, 6);
    let values = tape_values(&mut body, all);
    let inputs = body.op("Sub", &[&values, &tape.length]);
    let place = body.op("Add", &[&inputs, &index]);
    let place = body.reshape(&place, &[1]);
    let value = body.op("Gather", &[all, &place]);
    let adjoint = body.op("Gather", &[&file, &this.whole[2]]);

    // what no adjoint has reached has none: not even zero times infinity
    let is = body.op("Gather", &[&reached, &this.whole[2]]);
    let is_reached = body.cast(&is, DataType::Bool);
    let nothing = body.real(NONE as f64);
    let function = body.op("Where", &[&is_reached, &this.function, &nothing]);
    let operands = Operands { a: &a, b: &b };
    let back = Back {
        value: &value,
        adjoint: &adjoint,
        zeros: &shapes.zeros,
    };
    let parts = functions.adjoints(&mut body, &function, &operands, &back, &SAMPLES)?;
    let function = body.cast(&function, DataType::Int64);
    let has = body.op("Gather", &[&has, &function]);
    let has = body.reshape(&has, &[2]);
    let own = body.reshape(&this.whole[2], &[1, 1]);
    let file = body.op("ScatterND", &[&file, &own, &shapes.zeros]);
    let targets = body.concat(&[&this.whole[0], &this.whole[1]]);
    let rows = body.reshape(&targets, &[2, 1]);
    let parts = body.concat(&[&parts[0], &parts[1]]);
    let sum = vec![word_attribute("reduction", "add")];
    let file = body.op_with("ScatterND", &[&file, &rows, &parts], sum);
    let no = body.ints(&[1], &[0]);
    let reached = body.op("ScatterElements", &[&reached, &this.whole[2], &no]);
    let greatest = vec![word_attribute("reduction", "max")];
    let reached = body.op_with("ScatterElements", &[&reached, &targets, &has], greatest);
    let go = body.op("Identity", &[&go]);
    body.output(&go, DataType::Bool, &[]);
    body.output(&file, DataType::Double, &FILE);
    body.output(&reached, DataType::Int64, &[Dim::Named("registers")]);

    let result = sheet.reshape(&tape.result, &[1, 1]);
    let file = sheet.op("ScatterND", &[&shapes.file, &result, &shapes.ones]);
    let zero = sheet.int(0);
    let reached = sheet.op("Expand", &[&zero, &tape.registers]);
    let yes = sheet.ints(&[1], &[1]);
    let reached = sheet.op("ScatterElements", &[&reached, &tape.result, &yes]);
    let go = sheet.truth(true);
    let bodies = vec![("body", body.finish())];
    let inputs = [&tape.length, &go, &file, &reached];
    let outputs = sheet.bodies("Loop", &inputs, 2, bodies);
    Ok(sheet.op("Gather", &[&outputs[0], &tape.inputs]))
}

/// How many values there are.
fn tape_values(body: &mut Sheet, all: &Tensor) -> Tensor {
    let shape = body.op("Shape", &[all]);
    body.item(&shape, 0)
}

/// For each function, whether its operands have adjoints.
fn has_adjoints(sheet: &mut Sheet) -> Tensor {
    let mut has = vec![0; 2 * (NONE + 1)];
    for (leaf, (op, count)) in FUNCTIONS.iter().enumerate() {
        for i in 0..*count {
            has[2 * leaf + i] = i64::from(op.passes(i, *count));
        }
    }
    sheet.ints(&[NONE as i64 + 1, 2], &has)
}
