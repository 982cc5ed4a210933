//! `interpreter.onnx`: one model for any ONNX Runtime that runs programs which it is given as tensors, with gradients.
//!
//! Its inputs are a program (`code`, `cells`) and a batch of values of the program's inputs (`inputs`, one row an input). A
//! loop over paths takes the first sample that has no value yet and runs the program for it, step by step, on a machine
//! with a stack and a write-once heap. The operations on numbers that hang on inputs go on a tape (Griewank and Walther,
//! "Evaluating derivatives", 2008). The tape is computed again for all samples that are left, and each branch is checked:
//! the samples for which all of them go the same way have their values, and by a sweep back over the tape their gradients.
//! The others wait for the next path. So no sample gets the numbers of a path that is not its own.
//!
//! What goes wrong is a status, sample by sample; the value and the gradient of such a sample are NaN.

mod encode;
mod functions;
mod replay;
mod set;
mod sheet;
mod step;

use prost::Message;

use super::export::model;
use super::proto::tensor_proto::DataType;
use crate::error::Result;
pub use encode::{Encoded, encode};
use functions::Functions;
use replay::{Path, lay_out, replay, reverse, shapes};
use set::{INSTRUCTION, NOWHERE, OPERATIONS, place, status, tag};
use sheet::{Dim, Sheet, Tensor, int_attribute, ints, truth};
use step::{Program, machine};

/// So many cells of memory there are behind those of the program unless another number is given.
const MEMORY: i64 = 4096;
/// So many steps a path has at most unless another number is given.
const STEPS: i64 = 1_000_000;
/// So many paths are followed at most unless another number is given.
const PATHS: i64 = 64;
/// A step writes no farther than so many cells from the frame and from the heap.
const MARGIN: i64 = 64;
/// Cells that every program has first: false, the value of the program, what nobody reads.
const FIRST: i64 = NOWHERE + 1;

const BATCH: [Dim; 1] = [Dim::Named("N")];
const TABLE: [Dim; 2] = [Dim::Named("K"), Dim::Named("N")];

/// What the words of `status` mean, by their numbers.
pub const STATUS: [&str; 10] = [
    "done",
    "unknown operation",
    "an operand of the wrong type",
    "no procedure, or a wrong number of arguments",
    "memory is full",
    "too many steps",
    "the value is no number",
    "too many paths",
    "the program raised an error",
    "a whole number beyond 2^53",
];

/// The inputs of the model.
struct Inputs {
    code: Tensor,
    cells: Tensor,
    inputs: Tensor,
    memory: Tensor,
    steps: Tensor,
    paths: Tensor,
    gradient: Tensor,
}

/// The bytes of the model. They are always the same.
///
/// # Errors
/// None for the operations that the table has.
pub fn interpreter_file() -> Result<Vec<u8>> {
    let mut sheet = Sheet::new("i");
    let inputs = inputs(&mut sheet);
    let program = prepare(&mut sheet, &inputs);
    let path = one_path(&mut sheet, &inputs, &program)?;

    let (one, two) = (sheet.ints(&[1], &[1]), sheet.ints(&[1], &[2]));
    let table = sheet.op("Shape", &[&inputs.inputs]);
    let samples = sheet.slice(&table, &one, &two);
    let (no, nan, waits) = (
        sheet.truth(false),
        sheet.real(f64::NAN),
        sheet.int(status::PATHS),
    );
    let done = sheet.op("Expand", &[&no, &samples]);
    let value = sheet.op("Expand", &[&nan, &samples]);
    let gradient = sheet.op("Expand", &[&nan, &table]);
    let state = sheet.op("Expand", &[&waits, &samples]);
    let count = sheet.int(0);
    let any = sheet.item(&table, 1);
    let go = sheet.op("Greater", &[&any, &count]);
    let states = [
        &inputs.paths,
        &go,
        &done,
        &value,
        &gradient,
        &state,
        &count,
        &count,
    ];
    let outputs = sheet.bodies("Loop", &states, 6, vec![("body", path)]);
    sheet.output_as("value", &outputs[1], DataType::Double, &BATCH);
    sheet.output_as("gradient", &outputs[2], DataType::Double, &TABLE);
    sheet.output_as("status", &outputs[3], DataType::Int64, &BATCH);
    sheet.output_as("steps", &outputs[4], DataType::Int64, &[]);
    sheet.output_as("paths", &outputs[5], DataType::Int64, &[]);
    Ok(model(sheet.finish(), String::new()).encode_to_vec())
}

fn inputs(sheet: &mut Sheet) -> Inputs {
    let code = [Dim::Named("P"), Dim::Is(INSTRUCTION as i64)];
    let cells = [Dim::Named("A"), Dim::Is(3)];
    let whole = |sheet: &mut Sheet, name: &str, value: i64| {
        sheet.default_value(ints(name, &[], &[value]));
        sheet.input(name, DataType::Int64, &[])
    };
    let gradient = sheet.input("with_gradient", DataType::Bool, &[]);
    sheet.default_value(truth("with_gradient", true));
    Inputs {
        code: sheet.input("code", DataType::Int64, &code),
        cells: sheet.input("cells", DataType::Double, &cells),
        inputs: sheet.input("inputs", DataType::Double, &TABLE),
        memory: whole(sheet, "memory", MEMORY),
        steps: whole(sheet, "max_steps", STEPS),
        paths: whole(sheet, "max_paths", PATHS),
        gradient,
    }
}

/// What is the same for all paths.
struct Prepared {
    code: Tensor,
    /// Zero, and the room that a frame needs.
    frame: Tensor,
    /// The cells before and behind those of the inputs, the last ones empty.
    before: Tensor,
    behind: Tensor,
    /// How many inputs there are.
    count: Tensor,
    counts: Tensor,
    /// Where the registers begin.
    registers: Tensor,
    steps: Tensor,
}

fn prepare(sheet: &mut Sheet, inputs: &Inputs) -> Prepared {
    let (zero, one) = (sheet.int(0), sheet.int(1));
    let axis = || vec![int_attribute("axis", 1)];
    // an operation whose number is not in the tables is one of those that fail
    let sizes = sheet.ints(&[2], &[1, INSTRUCTION as i64 - 1]);
    let parts = sheet.ops_with("Split", &[&inputs.code, &sizes], 2, axis());
    let most = sheet.int(OPERATIONS as i64);
    let (small, large) = (
        sheet.op("Less", &[&parts[0], &zero]),
        sheet.op("GreaterOrEqual", &[&parts[0], &most]),
    );
    let wrong = sheet.op("Or", &[&small, &large]);
    let operation = sheet.op("Where", &[&wrong, &zero, &parts[0]]);
    let code = sheet.op_with("Concat", &[&operation, &parts[1]], axis());
    let code = sheet.cast(&code, DataType::Double);
    let last = sheet.ints(&[1], &[INSTRUCTION as i64 - 1]);
    let frames = sheet.op_with("Gather", &[&inputs.code, &last], axis());
    let keep = vec![int_attribute("keepdims", 0)];
    let frame = sheet.op_with("ReduceMax", &[&frames], keep);
    let margin = sheet.int(MARGIN);
    let frame = sheet.op("Add", &[&frame, &margin]);
    let frame = sheet.op("Max", &[&frame, &margin]);
    let real = sheet.cast(&frame, DataType::Double);
    let real = sheet.reshape(&real, &[1]);
    let none = sheet.reals(&[1], &[0.0]);
    let pair = sheet.concat(&[&none, &real]);

    let table = sheet.op("Shape", &[&inputs.inputs]);
    let count = sheet.item(&table, 0);
    let counts = sheet.reshape(&count, &[1]);
    let cells = sheet.op("Shape", &[&inputs.cells]);
    let cells = sheet.item(&cells, 0);
    let (start, end) = (sheet.ints(&[1], &[0]), sheet.ints(&[1], &[FIRST]));
    let before = sheet.slice(&inputs.cells, &start, &end);
    let all = sheet.reshape(&cells, &[1]);
    let behind = sheet.slice(&inputs.cells, &end, &all);
    let room = sheet.op("Max", &[&inputs.memory, &frame]);
    // the last pair is fetched with two cells more
    let two = sheet.int(2);
    let rooms = sheet.op("Add", &[&room, &two]);
    let rooms = sheet.reshape(&rooms, &[1]);
    let three = sheet.ints(&[1], &[3]);
    let shape = sheet.concat(&[&rooms, &three]);
    let nothing = sheet.real(0.0);
    let empty = sheet.op("Expand", &[&nothing, &shape]);
    let behind = sheet.concat(&[&behind, &empty]);

    let stack = sheet.op("Add", &[&cells, &count]);
    let heap = sheet.op("Add", &[&stack, &room]);
    let registers: Vec<Tensor> = [&one, &stack, &heap, &count, &zero]
        .iter()
        .map(|register| sheet.reshape(register, &[1]))
        .collect();
    let registers = sheet.concat(&registers.iter().collect::<Vec<_>>());
    let registers = sheet.cast(&registers, DataType::Double);
    Prepared {
        code,
        frame: pair,
        before,
        behind,
        count,
        counts,
        registers,
        steps: sheet.op("Max", &[&inputs.steps, &one]),
    }
}

/// The body of the loop over paths.
fn one_path(
    sheet: &mut Sheet,
    inputs: &Inputs,
    program: &Prepared,
) -> Result<super::proto::GraphProto> {
    let mut functions = Functions::new();
    let mut body = sheet.inner();
    body.param(DataType::Int64, &[]);
    body.param(DataType::Bool, &[]);
    let done = body.param(DataType::Bool, &BATCH);
    let values = body.param(DataType::Double, &BATCH);
    let gradients = body.param(DataType::Double, &TABLE);
    let states = body.param(DataType::Int64, &BATCH);
    let steps = body.param(DataType::Int64, &[]);
    let paths = body.param(DataType::Int64, &[]);

    // the samples that are left, and the first of them
    let left = body.op("Not", &[&done]);
    let left = body.op("NonZero", &[&left]);
    let left = body.reshape(&left, &[-1]);
    let axis = || vec![int_attribute("axis", 1)];
    let table = body.op_with("Gather", &[&inputs.inputs, &left], axis());
    let memory = memory(&mut body, program, &table);

    let given = Program {
        code: &program.code,
        frame: &program.frame,
        steps: &program.steps,
    };
    let run = machine(
        &mut body,
        &mut functions,
        &given,
        &program.registers,
        &memory,
    )?;
    let result = body.item(&run.memory, 1);
    let state = state(&mut body, program, &run.registers, &result);

    let path = Path {
        tape: &run.tape,
        value: &result,
        inputs: &table,
        count: &program.count,
        counts: &program.counts,
    };
    let tape = lay_out(&mut body, &path);
    let samples = body.op("Shape", &[&left]);
    let shapes = shapes(&mut body, &tape, &samples);
    let replayed = replay(&mut body, &mut functions, &path, &tape, &shapes)?;

    let mut with = body.inner();
    let gradient = reverse(&mut with, &mut functions, &tape, &shapes, &replayed.all)?;
    with.output(&gradient, DataType::Double, &TABLE);
    let mut without = body.inner();
    let nan = without.real(f64::NAN);
    let shape = without.op("Shape", &[&table]);
    let none = without.op("Expand", &[&nan, &shape]);
    without.output(&none, DataType::Double, &TABLE);
    let bodies = vec![
        ("then_branch", with.finish()),
        ("else_branch", without.finish()),
    ];
    let gradient = body.bodies("If", &[&inputs.gradient], 1, bodies).remove(0);

    // what is known now of the samples that were left
    let fine = body.int(status::DONE);
    let fine = body.op("Equal", &[&state, &fine]);
    let fine = body.op("And", &[&fine, &replayed.follow]);
    let nan = body.real(f64::NAN);
    let value = body.op("Where", &[&fine, &replayed.value, &nan]);
    let gradient = body.op("Where", &[&fine, &gradient, &nan]);
    let waits = body.int(status::PATHS);
    let state = body.op("Where", &[&replayed.follow, &state, &waits]);
    let done = body.op("ScatterElements", &[&done, &left, &replayed.follow]);
    let values = body.op("ScatterElements", &[&values, &left, &value]);
    let states = body.op("ScatterElements", &[&states, &left, &state]);
    let shape = body.op("Shape", &[&table]);
    let places = body.op("Expand", &[&left, &shape]);
    let gradients = body.op_with("ScatterElements", &[&gradients, &places, &gradient], axis());
    let taken = body.op("Shape", &[&run.tape]);
    let taken = body.item(&taken, 0);
    let steps = body.op("Add", &[&steps, &taken]);
    let one = body.int(1);
    let paths = body.op("Add", &[&paths, &one]);
    let left = body.op("Not", &[&done]);
    let left = body.any(&left);
    body.output(&left, DataType::Bool, &[]);
    body.output(&done, DataType::Bool, &BATCH);
    body.output(&values, DataType::Double, &BATCH);
    body.output(&gradients, DataType::Double, &TABLE);
    body.output(&states, DataType::Int64, &BATCH);
    body.output(&steps, DataType::Int64, &[]);
    body.output(&paths, DataType::Int64, &[]);
    Ok(body.finish())
}

/// The memory that a run begins with: the inputs are those of the first sample.
fn memory(body: &mut Sheet, program: &Prepared, table: &Tensor) -> Tensor {
    let axis = || vec![int_attribute("axis", 1)];
    let first = body.ints(&[1], &[0]);
    let payloads = body.op_with("Gather", &[table, &first], axis());
    let (zero, one) = (body.int(0), body.int(1));
    let places = body.op("Range", &[&zero, &program.count, &one]);
    let references = body.cast(&places, DataType::Double);
    let references = body.reshape(&references, &[-1, 1]);
    let shape = body.op("Shape", &[&references]);
    let real = body.real(tag::REAL as f64);
    let tags = body.op("Expand", &[&real, &shape]);
    let cells = body.op_with("Concat", &[&tags, &payloads, &references], axis());
    body.concat(&[&program.before, &cells, &program.behind])
}

/// The status of a path.
fn state(body: &mut Sheet, program: &Prepared, registers: &Tensor, result: &Tensor) -> Tensor {
    let register = |body: &mut Sheet, place: usize| {
        let register = body.item(registers, place as i64);
        body.cast(&register, DataType::Int64)
    };
    let (pc, said) = (register(body, place::PC), register(body, place::STATUS));
    let (frame, heap) = (register(body, place::FRAME), register(body, place::HEAP));
    let room = body.op("Sub", &[&heap, &frame]);
    let needed = body.item(&program.frame, 1);
    let needed = body.cast(&needed, DataType::Int64);
    let full = body.op("LessOrEqual", &[&room, &needed]);
    let (memory, steps) = (body.int(status::MEMORY), body.int(status::STEPS));
    let running = body.op("Where", &[&full, &memory, &steps]);
    let kind = body.item(result, 0);
    let (least, most) = (body.real(tag::BOOLEAN as f64), body.real(tag::REAL as f64));
    let (low, high) = (
        body.op("Less", &[&kind, &least]),
        body.op("Greater", &[&kind, &most]),
    );
    let other = body.op("Or", &[&low, &high]);
    let no_number = body.int(status::RESULT);
    let ended = body.op("Where", &[&other, &no_number, &said]);
    let done = body.int(status::DONE);
    let failed = body.op("Greater", &[&said, &done]);
    let ended = body.op("Where", &[&failed, &said, &ended]);
    let zero = body.int(0);
    let ends = body.op("Equal", &[&pc, &zero]);
    body.op("Where", &[&ends, &ended, &running])
}
