//! The instruction set: the numbers of the operations, and for each what a step makes of it.
//!
//! A step gathers what it may need into one row of candidates (see [`place`]). Operation, and the tags of its first two
//! operands, give an *action*; the action says for each thing that a step writes which two candidates it is the sum of. So
//! a step is a few look-ups, whatever it does.

use crate::ops::Op;

/// How many numbers an instruction has: operation, next instruction, the other next one, a whole number, how many arguments
/// a call has; then for four operands, the destination and the frame of a call whether their address is counted from the
/// frame, and the address.
pub const INSTRUCTION: usize = 17;

/// How many tags the table knows. A number of arguments stands in place of a tag, too.
pub const TAGS: usize = 16;

/// Operations have smaller numbers.
pub const OPERATIONS: usize = 96;

/// The number of the first operation on numbers.
pub const NUMERIC: usize = 32;

/// Tags of cells, as the tagged engine has them.
pub mod tag {
    pub const NIL: usize = 0;
    pub const BOOLEAN: usize = 1;
    pub const INTEGER: usize = 2;
    pub const REAL: usize = 3;
    pub const CHARACTER: usize = 4;
    pub const SYMBOL: usize = 5;
    pub const PAIR: usize = 6;
    pub const STRING: usize = 7;
    pub const CLOSURE: usize = 8;
}

/// What a run ends with.
pub mod status {
    pub const DONE: i64 = 0;
    pub const OPERATION: i64 = 1;
    pub const TYPE: i64 = 2;
    pub const CALL: i64 = 3;
    pub const MEMORY: i64 = 4;
    pub const STEPS: i64 = 5;
    pub const RESULT: i64 = 6;
    pub const PATHS: i64 = 7;
    pub const RAISED: i64 = 8;
    pub const TOO_LARGE: i64 = 9;
}

/// An operation on the structure of values, or on the order of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Goes on at the next instruction where the first operand is true, else at the other.
    Branch = 1,
    /// Copies one to four operands to cells side by side.
    Move1,
    Move2,
    Move3,
    Move4,
    /// Opens a frame with four arguments and goes on at the other next instruction.
    Call,
    /// The same for a closure, the first operand, and three arguments.
    CallClosure,
    /// The same in place of the frame that runs.
    TailClosure,
    /// Gives the first operand to the caller; the third is the first cell of the frame.
    Return,
    /// Checks the number of arguments, the tag of the second operand, and fetches up to four captured values.
    Enter,
    /// Fetches four more.
    Fetch,
    /// A closure over four operands.
    Closure,
    /// Puts four operands on the heap.
    Store,
    Cons,
    Car,
    Cdr,
    IsNull,
    IsPair,
    IsNumber,
    IsBoolean,
    IsSymbol,
    IsChar,
    IsString,
    IsProcedure,
    IsEq,
    /// Ends the run: the program says that something is wrong.
    Raise,
    /// Goes on at the next instruction where the closure was called with so many arguments as the second operand has for a
    /// tag, else at the other.
    Count,
}

/// Operations on numbers, and how many operands they have: those that occur often are the first.
pub const FUNCTIONS: &[(Op, usize)] = &[
    (Op::Mul, 2),
    (Op::Add, 2),
    (Op::Sub, 2),
    (Op::Div, 2),
    (Op::Equal, 2),
    (Op::Less, 2),
    (Op::Exp, 1),
    (Op::Sqrt, 1),
    (Op::Sin, 1),
    (Op::Cos, 1),
    (Op::Log, 1),
    (Op::Neg, 1),
    (Op::Greater, 2),
    (Op::LessEqual, 2),
    (Op::GreaterEqual, 2),
    (Op::Pow, 2),
    (Op::Abs, 1),
    (Op::Min, 2),
    (Op::Max, 2),
    (Op::Tanh, 1),
    (Op::Not, 1),
    (Op::And, 2),
    (Op::Or, 2),
    (Op::Quotient, 2),
    (Op::Remainder, 2),
    (Op::Modulo, 2),
    (Op::Sign, 1),
    (Op::Tan, 1),
    (Op::Asin, 1),
    (Op::Acos, 1),
    (Op::Atan, 1),
    (Op::Atan2, 2),
    (Op::Sinh, 1),
    (Op::Cosh, 1),
    (Op::Floor, 1),
    (Op::Ceiling, 1),
    (Op::Round, 1),
    (Op::Truncate, 1),
    (Op::Sigmoid, 1),
    (Op::Relu, 1),
    (Op::Softplus, 1),
    (Op::Erf, 1),
    (Op::StraightThrough, 2),
];

/// The place of an operation among [`FUNCTIONS`].
pub fn function(op: Op) -> Option<usize> {
    FUNCTIONS.iter().position(|(other, _)| *other == op)
}

/// Whole numbers are smaller than this one: below it, reals hold each of them.
pub const TOO_LARGE: f64 = 9_007_199_254_740_992.0;

/// What is asked of the result of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Whether it is too large for a whole number.
    TooLarge,
    /// Whether it is whole.
    Whole,
    Nothing,
}

/// What is asked of the result of this operation.
pub fn mark(op: Op) -> Mark {
    match op {
        Op::Div => Mark::Whole,
        Op::Pow => Mark::Whole,
        op if stays_whole(op) => Mark::TooLarge,
        _ => Mark::Nothing,
    }
}

/// Whether whole operands give a whole number.
fn stays_whole(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        Add | Sub
            | Mul
            | Neg
            | Quotient
            | Remainder
            | Modulo
            | Abs
            | Min
            | Max
            | Sign
            | Floor
            | Ceiling
            | Round
            | Truncate
    )
}

/// Whether the result is a truth value.
pub fn is_test(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        Equal | Less | Greater | LessEqual | GreaterEqual | Not | And | Or
    )
}

/// The places of the candidates.
pub mod place {
    use super::INSTRUCTION;

    /// The registers: next instruction, frame, heap, next place on the tape, status.
    pub const PC: usize = 0;
    pub const FRAME: usize = 1;
    pub const HEAP: usize = 2;
    pub const TAPE: usize = 3;
    pub const STATUS: usize = 4;
    pub const REGISTERS: usize = 5;
    /// The instruction.
    pub const OPERATION: usize = REGISTERS;
    pub const NEXT: usize = OPERATION + 1;
    pub const OTHER: usize = OPERATION + 2;
    pub const WHOLE: usize = OPERATION + 3;
    pub const ARGUMENTS: usize = OPERATION + 4;
    /// The addresses of the destination and of the frame of a call.
    pub const TO: usize = OPERATION + INSTRUCTION;
    pub const CALLEE: usize = TO + 1;
    /// The four operands: tag, payload, reference.
    pub const OPERANDS: usize = CALLEE + 1;
    /// What changes nothing when it is added; then whole numbers.
    pub const NOTHING: usize = OPERANDS + 12;
    pub const LEAST: i64 = -8;
    pub const MOST: i64 = 16;
    const ZERO: usize = NOTHING + 1 + (-LEAST) as usize;
    /// The four cells that an operand points to.
    pub const FETCHED: usize = ZERO + MOST as usize + 1;
    /// What an operation on numbers gives, whether it hangs on an input, and its reference.
    pub const RESULT: usize = FETCHED + 12;
    pub const VARIES: usize = RESULT + 1;
    pub const REFERENCE: usize = RESULT + 2;
    /// Whether the payloads of the first two operands are equal; of an operation on numbers, its [`super::mark`].
    pub const SAME: usize = RESULT + 3;

    /// A whole number.
    pub const fn whole(value: i64) -> usize {
        (ZERO as i64 + value) as usize
    }

    /// Part `part` of operand `index`.
    pub const fn operand(index: usize, part: usize) -> usize {
        OPERANDS + 3 * index + part
    }

    /// The constants among the candidates.
    pub fn constants() -> Vec<f64> {
        let whole = (LEAST..=MOST).map(|value| value as f64);
        std::iter::once(-0.0).chain(whole).collect()
    }
}

/// How many cells a step writes, and how many numbers of the tape.
pub const WRITES: usize = 5;
pub const TAPE_ROW: usize = 6;
/// How many numbers an action gives.
pub const OUTPUTS: usize = place::REGISTERS + 6 * WRITES + TAPE_ROW;

/// The address of a cell that nobody reads.
pub const NOWHERE: i64 = 2;

type Sum = [usize; 2];

fn just(place: usize) -> Sum {
    [place, place::NOTHING]
}

fn number(value: i64) -> Sum {
    just(place::whole(value))
}

/// What a step does.
#[derive(Clone, PartialEq)]
struct Action {
    registers: [Sum; place::REGISTERS],
    writes: Vec<(Sum, [Sum; 3])>,
    /// Whether it goes on the tape where it hangs on an input.
    noted: bool,
    /// Where it fetches cells.
    fetch: Sum,
}

impl Action {
    /// Goes on at the next instruction.
    fn next() -> Action {
        Action {
            registers: [
                just(place::NEXT),
                just(place::FRAME),
                just(place::HEAP),
                just(place::TAPE),
                number(status::DONE),
            ],
            writes: vec![],
            noted: false,
            fetch: [place::whole(0), place::NOTHING],
        }
    }

    fn fails(status: i64) -> Action {
        let mut action = Action::next();
        action.registers[place::PC] = number(0);
        action.registers[place::STATUS] = number(status);
        action
    }

    fn go(mut self, to: usize) -> Action {
        self.registers[place::PC] = just(to);
        self
    }

    fn write(mut self, at: Sum, cell: [Sum; 3]) -> Action {
        self.writes.push((at, cell));
        self
    }

    fn give(self, tag: usize, payload: Sum, reference: Sum) -> Action {
        self.write(just(place::TO), [number(tag as i64), payload, reference])
    }

    fn note(mut self) -> Action {
        self.noted = true;
        self.registers[place::TAPE] = [place::TAPE, place::VARIES];
        self
    }

    fn fetch(mut self, at: Sum) -> Action {
        self.fetch = at;
        self
    }

    /// Takes cells of the heap, which grows downward.
    fn allot(mut self, cells: i64) -> Action {
        self.registers[place::HEAP] = [place::HEAP, place::whole(-cells)];
        self
    }

    fn outputs(&self) -> Vec<Sum> {
        let mut sums = self.registers.to_vec();
        let nowhere = (number(NOWHERE), [number(0); 3]);
        let writes = || (0..WRITES).map(|i| self.writes.get(i).unwrap_or(&nowhere));
        sums.extend(writes().flat_map(|(at, _)| [*at; 3]));
        sums.extend(writes().flat_map(|(_, cell)| *cell));
        sums.push(match self.noted {
            true => just(place::VARIES),
            false => number(0),
        });
        sums.push(just(place::OPERATION));
        sums.extend(
            [(0, 2), (1, 2), (0, 1), (1, 1)].map(|(i, part)| just(place::operand(i, part))),
        );
        sums
    }
}

fn operand(index: usize) -> [Sum; 3] {
    [0, 1, 2].map(|part| just(place::operand(index, part)))
}

fn fetched(index: usize) -> [Sum; 3] {
    [0, 1, 2].map(|part| just(place::FETCHED + 3 * index + part))
}

/// The tables of the machine.
pub struct Tables {
    /// For each operation and pair of tags, twice the action.
    pub actions: Vec<u8>,
    /// For each action, first where the payloads differ, then where they are equal: the candidates to be added.
    pub first: Vec<i64>,
    pub second: Vec<i64>,
    /// The two candidates whose sum is where cells are fetched.
    pub fetches: Vec<i64>,
}

/// The tables.
pub fn tables() -> Tables {
    let mut found: Vec<[Action; 2]> = Vec::new();
    let mut actions = Vec::with_capacity(OPERATIONS * TAGS * TAGS);
    for operation in 0..OPERATIONS {
        for a in 0..TAGS {
            for b in 0..TAGS {
                let pair = pair(operation, a, b);
                let index = found.iter().position(|other| *other == pair);
                let index = index.unwrap_or_else(|| {
                    found.push(pair);
                    found.len() - 1
                });
                actions.push(2 * index as u8);
            }
        }
    }
    let all = || found.iter().flatten();
    let part = |i: usize| {
        let sums = all().flat_map(|action| action.outputs());
        sums.map(|sum| sum[i] as i64).collect()
    };
    Tables {
        actions,
        first: part(0),
        second: part(1),
        fetches: all()
            .flat_map(|action| action.fetch.map(|place| place as i64))
            .collect(),
    }
}

/// What an operation does to operands of these tags, where their payloads differ and where they are equal.
fn pair(operation: usize, a: usize, b: usize) -> [Action; 2] {
    let both = |action: Action| [action.clone(), action];
    if let Some((op, _)) = FUNCTIONS.get(operation.wrapping_sub(NUMERIC)) {
        return numeric(*op, a, b);
    }
    let Some(code) = CODES.iter().find(|code| **code as usize == operation) else {
        return both(Action::fails(status::OPERATION));
    };
    let none = number(-1);
    let truth = |holds: bool| {
        let value = number(i64::from(holds));
        both(Action::next().give(tag::BOOLEAN, value, none))
    };
    let frame = |i: i64| [place::FRAME, place::whole(i)];
    let callee = |i: i64| [place::CALLEE, place::whole(i)];
    let heap = |i: i64| [place::HEAP, place::whole(i)];
    let is_number = |tag: usize| (tag::BOOLEAN..=tag::REAL).contains(&tag);
    let back = [just(place::NEXT), just(place::FRAME), just(place::TO)];
    let closure = [
        just(place::ARGUMENTS),
        just(place::operand(0, 1)),
        just(place::operand(0, 2)),
    ];
    match code {
        Code::Branch if is_number(a) => [
            Action::next().note(),
            Action::next().go(place::OTHER).note(),
        ],
        Code::Branch => both(Action::next()),
        Code::Move1 | Code::Move2 | Code::Move3 | Code::Move4 => {
            let count = *code as usize - Code::Move1 as usize + 1;
            let moves = (0..count).fold(Action::next(), |action, i| {
                action.write([place::TO, place::whole(i as i64)], operand(i))
            });
            both(moves)
        }
        Code::Call => {
            let call = Action::next().go(place::OTHER).write(callee(0), back);
            let mut call =
                (0..4).fold(call, |call, i| call.write(callee(2 + i as i64), operand(i)));
            call.registers[place::FRAME] = just(place::CALLEE);
            both(call)
        }
        Code::CallClosure | Code::TailClosure if a != tag::CLOSURE => {
            both(Action::fails(status::CALL))
        }
        Code::CallClosure => {
            let call = Action::next().go(place::operand(0, 1));
            let call = call.write(callee(0), back).write(callee(1), closure);
            let mut call =
                (1..4).fold(call, |call, i| call.write(callee(1 + i as i64), operand(i)));
            call.registers[place::FRAME] = just(place::CALLEE);
            both(call)
        }
        Code::TailClosure => {
            let call = Action::next()
                .go(place::operand(0, 1))
                .write(frame(1), closure);
            both((1..4).fold(call, |call, i| call.write(frame(1 + i as i64), operand(i))))
        }
        Code::Return => {
            let mut action = Action::next().go(place::operand(2, 0));
            action.registers[place::FRAME] = just(place::operand(2, 1));
            both(action.write(just(place::operand(2, 2)), operand(0)))
        }
        Code::Count if a == b => both(Action::next()),
        Code::Count => both(Action::next().go(place::OTHER)),
        Code::Enter if a != b => both(Action::fails(status::CALL)),
        Code::Enter | Code::Fetch => {
            let action = Action::next().fetch([place::operand(0, 2), place::WHOLE]);
            both((0..4).fold(action, |action, i| {
                action.write([place::TO, place::whole(i as i64)], fetched(i))
            }))
        }
        Code::Closure | Code::Store => {
            let action = (0..4).fold(Action::next().allot(4), |action, i| {
                action.write(heap(i as i64 - 4), operand(i))
            });
            both(match code {
                Code::Store => action,
                _ => action.give(tag::CLOSURE, just(place::WHOLE), heap(-4)),
            })
        }
        Code::Cons => both(
            (Action::next().allot(2))
                .write(heap(-2), operand(0))
                .write(heap(-1), operand(1))
                .give(tag::PAIR, heap(-2), none),
        ),
        Code::Car | Code::Cdr if a != tag::PAIR => both(Action::fails(status::TYPE)),
        Code::Car | Code::Cdr => {
            let index = usize::from(*code == Code::Cdr);
            let action = Action::next().fetch(just(place::operand(0, 1)));
            both(action.write(just(place::TO), fetched(index)))
        }
        Code::IsNull => truth(a == tag::NIL),
        Code::IsPair => truth(a == tag::PAIR),
        Code::IsNumber => truth(a == tag::INTEGER || a == tag::REAL),
        Code::IsBoolean => truth(a == tag::BOOLEAN),
        Code::IsSymbol => truth(a == tag::SYMBOL),
        Code::IsChar => truth(a == tag::CHARACTER),
        Code::IsString => truth(a == tag::STRING),
        Code::IsProcedure => truth(a == tag::CLOSURE),
        Code::IsEq if a != b => truth(false),
        Code::IsEq if a == tag::CLOSURE => both(Action::fails(status::TYPE)),
        Code::IsEq if a == tag::NIL => truth(true),
        Code::IsEq => {
            let action =
                Action::next().give(tag::BOOLEAN, just(place::SAME), just(place::REFERENCE));
            both(if is_number(a) {
                action.note()
            } else {
                Action::next().give(tag::BOOLEAN, just(place::SAME), none)
            })
        }
        Code::Raise => both(Action::fails(status::RAISED)),
    }
}

const CODES: &[Code] = &[
    Code::Branch,
    Code::Move1,
    Code::Move2,
    Code::Move3,
    Code::Move4,
    Code::Call,
    Code::CallClosure,
    Code::TailClosure,
    Code::Return,
    Code::Enter,
    Code::Fetch,
    Code::Closure,
    Code::Store,
    Code::Cons,
    Code::Car,
    Code::Cdr,
    Code::IsNull,
    Code::IsPair,
    Code::IsNumber,
    Code::IsBoolean,
    Code::IsSymbol,
    Code::IsChar,
    Code::IsString,
    Code::IsProcedure,
    Code::IsEq,
    Code::Raise,
    Code::Count,
];

/// The same for an operation on numbers: without its mark and with it.
fn numeric(op: Op, a: usize, b: usize) -> [Action; 2] {
    let both = |action: Action| [action.clone(), action];
    let is_number = |tag: usize| (tag::BOOLEAN..=tag::REAL).contains(&tag);
    if op == Op::Not && !is_number(a) {
        return both(Action::next().give(tag::BOOLEAN, number(0), number(-1)));
    }
    if !is_number(a) || !is_number(b) {
        return both(Action::fails(status::TYPE));
    }
    let give = |tag: usize, value: Sum| {
        Action::next()
            .give(tag, value, just(place::REFERENCE))
            .note()
    };
    // a whole number has no negative zero
    let whole = give(tag::INTEGER, [place::RESULT, place::whole(0)]);
    let real = give(tag::REAL, just(place::RESULT));
    match mark(op) {
        _ if is_test(op) => both(give(tag::BOOLEAN, just(place::RESULT))),
        Mark::TooLarge if a < tag::REAL && b < tag::REAL => {
            [whole, Action::fails(status::TOO_LARGE)]
        }
        Mark::Whole if a < tag::REAL && b < tag::REAL => [real, whole],
        _ => both(real),
    }
}
