//! The machine: a `Loop` whose body is one step of a program, for one sample.

use super::functions::{Functions, Operands};
use super::set::{INSTRUCTION, NUMERIC, OUTPUTS, TAGS, TAPE_ROW, Tables, WRITES, place, tables};
use super::sheet::{Dim, Sheet, Tensor, int_attribute};
use crate::error::Result;
use crate::onnx::proto::tensor_proto::DataType;

/// What the machine reads.
pub struct Program<'a> {
    /// Instructions, one a row, as reals.
    pub code: &'a Tensor,
    /// So much room a frame needs at least.
    pub frame: &'a Tensor,
    /// Most steps.
    pub steps: &'a Tensor,
}

/// What a run leaves.
pub struct Run {
    pub registers: Tensor,
    pub memory: Tensor,
    /// For each step a row: whether it counts, the operation, the references of two operands, their payloads.
    pub tape: Tensor,
}

/// The tables, as constants.
struct Constants {
    actions: Tensor,
    first: Tensor,
    second: Tensor,
    fetches: Tensor,
}

/// Runs a program from these registers and this memory.
pub fn machine(
    sheet: &mut Sheet,
    functions: &mut Functions,
    program: &Program,
    registers: &Tensor,
    memory: &Tensor,
) -> Result<Run> {
    let Tables {
        actions,
        first,
        second,
        fetches,
    } = tables();
    let rows = fetches.len() as i64 / 2;
    let constants = Constants {
        actions: sheet.bytes(actions),
        first: sheet.ints(&[rows, OUTPUTS as i64], &first),
        second: sheet.ints(&[rows, OUTPUTS as i64], &second),
        fetches: sheet.ints(&[rows, 2], &fetches),
    };
    let mut body = sheet.inner();
    step(&mut body, functions, program, &constants)?;
    let go = sheet.truth(true);
    let inputs = [program.steps, &go, registers, memory];
    let mut outputs = sheet.bodies("Loop", &inputs, 3, vec![("body", body.finish())]);
    let tape = outputs.pop().unwrap_or_default();
    let memory = outputs.pop().unwrap_or_default();
    let registers = outputs.pop().unwrap_or_default();
    Ok(Run {
        registers,
        memory,
        tape,
    })
}

fn step(
    body: &mut Sheet,
    functions: &mut Functions,
    program: &Program,
    constants: &Constants,
) -> Result<()> {
    let cells = [Dim::Named("cells"), Dim::Is(3)];
    body.param(DataType::Int64, &[]);
    body.param(DataType::Bool, &[]);
    let registers = body.param(DataType::Double, &[Dim::Is(place::REGISTERS as i64)]);
    let memory = body.param(DataType::Double, &cells);

    // the instruction and the addresses in it
    let pc = body.item(&registers, place::PC as i64);
    let pc = body.cast(&pc, DataType::Int64);
    let row = body.op("Gather", &[program.code, &pc]);
    let parts = body.split(&row, &[INSTRUCTION as i64 - 12, 6, 6]);
    let frame = body.item(&registers, place::FRAME as i64);
    let from = body.op("Mul", &[&parts[1], &frame]);
    let addresses = body.op("Add", &[&from, &parts[2]]);
    let addresses = body.split(&addresses, &[4, 2]);
    let operands = body.cast(&addresses[0], DataType::Int64);
    let operands = body.op("Gather", &[&memory, &operands]);
    let operands = body.reshape(&operands, &[12]);
    let whole = place::constants();
    let whole = body.reals(&[whole.len() as i64], &whole);
    let known = body.concat(&[&registers, &row, &addresses[1], &operands, &whole]);

    // the action
    let key = [place::OPERATION, place::operand(0, 0), place::operand(1, 0)];
    let key = body.gather(&known, &key.map(|place| place as i64));
    let tags = TAGS as f64;
    let weights = body.reals(&[3], &[tags * tags, tags, 1.0]);
    let key = body.op("MatMul", &[&key, &weights]);
    let key = body.cast(&key, DataType::Int64);
    let action = body.op("Gather", &[&constants.actions, &key]);
    let action = body.cast(&action, DataType::Int64);
    let a = body.gather(&known, &[place::operand(0, 1) as i64]);
    let b = body.gather(&known, &[place::operand(1, 1) as i64]);
    let operation = body.item(&row, 0);
    let results = result(body, functions, &operation, &a, &b)?;
    let (result, same) = (&results[0], &results[1]);
    let same_whole = body.cast(same, DataType::Int64);
    let same = body.cast(same, DataType::Double);
    let action = body.op("Add", &[&action, &same_whole]);
    let action = body.reshape(&action, &[]);

    // what the action may read: cells, the result of an operation, its reference
    let at = body.op("Gather", &[&constants.fetches, &action]);
    let at = body.op("Gather", &[&known, &at]);
    let keep = vec![int_attribute("keepdims", 1)];
    let at = body.op_with("ReduceSum", &[&at], keep.clone());
    let window = body.reals(&[4], &[0.0, 1.0, 2.0, 3.0]);
    let at = body.op("Add", &[&at, &window]);
    let at = body.cast(&at, DataType::Int64);
    let fetched = body.op("Gather", &[&memory, &at]);
    let fetched = body.reshape(&fetched, &[12]);
    let references = [place::operand(0, 2), place::operand(1, 2)];
    let references = body.gather(&known, &references.map(|place| place as i64));
    let reference = body.op_with("ReduceMax", &[&references], keep);
    let zero = body.real(0.0);
    let varies = body.op("GreaterOrEqual", &[&reference, &zero]);
    let next = body.gather(&registers, &[place::TAPE as i64]);
    let none = body.real(-1.0);
    let reference = body.op("Where", &[&varies, &next, &none]);
    let varies = body.cast(&varies, DataType::Double);
    let known = body.concat(&[&known, &fetched, result, &varies, &reference, &same]);

    // what it writes
    let first = body.op("Gather", &[&constants.first, &action]);
    let first = body.op("Gather", &[&known, &first]);
    let second = body.op("Gather", &[&constants.second, &action]);
    let second = body.op("Gather", &[&known, &second]);
    let outputs = body.op("Add", &[&first, &second]);
    let writes = WRITES as i64;
    let parts = [
        place::REGISTERS as i64,
        3 * writes,
        3 * writes,
        TAPE_ROW as i64,
    ];
    let parts = body.split(&outputs, &parts);
    let places = body.cast(&parts[1], DataType::Int64);
    let places = body.reshape(&places, &[writes, 3]);
    let values = body.reshape(&parts[2], &[writes, 3]);
    let axis = vec![int_attribute("axis", 0)];
    let memory = body.op_with("ScatterElements", &[&memory, &places, &values], axis);
    let running = running(body, program, &parts[0]);
    body.output(&running, DataType::Bool, &[]);
    body.output(
        &parts[0],
        DataType::Double,
        &[Dim::Is(place::REGISTERS as i64)],
    );
    body.output(&memory, DataType::Double, &cells);
    body.output(&parts[3], DataType::Double, &[Dim::Is(TAPE_ROW as i64)]);
    Ok(())
}

/// What an operation on numbers gives, and its mark; for others zero, and whether the operands are equal.
fn result(
    body: &mut Sheet,
    functions: &mut Functions,
    operation: &Tensor,
    a: &Tensor,
    b: &Tensor,
) -> Result<Vec<Tensor>> {
    let dims = &[Dim::Is(1)];
    let mut then = body.inner();
    let border = then.real(NUMERIC as f64);
    let function = then.op("Sub", &[operation, &border]);
    let found = functions.marked(&mut then, &function, &Operands { a, b })?;
    then.output(&found[0], DataType::Double, dims);
    then.output(&found[1], DataType::Bool, dims);
    let mut otherwise = body.inner();
    let zero = otherwise.reals(&[1], &[0.0]);
    let zero = otherwise.op("Identity", &[&zero]);
    let same = otherwise.op("Equal", &[a, b]);
    otherwise.output(&zero, DataType::Double, dims);
    otherwise.output(&same, DataType::Bool, dims);
    let border = body.real(NUMERIC as f64);
    let numeric = body.op("GreaterOrEqual", &[operation, &border]);
    let bodies = vec![
        ("then_branch", then.finish()),
        ("else_branch", otherwise.finish()),
    ];
    Ok(body.bodies("If", &[&numeric], 2, bodies))
}

/// Whether there is a next instruction, and room for a frame between the stack and the heap.
fn running(body: &mut Sheet, program: &Program, registers: &Tensor) -> Tensor {
    let mut weights = vec![0.0; 2 * place::REGISTERS];
    weights[2 * place::PC] = 1.0;
    weights[2 * place::HEAP + 1] = 1.0;
    weights[2 * place::FRAME + 1] = -1.0;
    let weights = body.reals(&[place::REGISTERS as i64, 2], &weights);
    let found = body.op("MatMul", &[registers, &weights]);
    let short = body.op("LessOrEqual", &[&found, program.frame]);
    let short = body.any(&short);
    body.op("Not", &[&short])
}
