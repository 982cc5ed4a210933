//! Operations → machine code. Values stay in registers as long as there are enough; then the one whose next use is farthest
//! away gives way (Belady, "A study of replacement algorithms for a virtual-storage computer", 1966), to the slot that the plan
//! has for it.

use super::VECTOR;
use super::assembler::{Arithmetic, Assembler, Comparison, General, Logic, Place, SCRATCH, Shape};
use super::operation::{Kind, Operation, Operations, Value};
use crate::engine::native::step::Slot;

/// No operation.
const NEVER: u32 = u32::MAX;

/// Constants that code reads, at the start of it, in vectors.
pub struct Constants {
    one: usize,
    /// All bits but the sign.
    magnitude: usize,
    sign: usize,
    zero: usize,
}

impl Constants {
    /// Writes them.
    pub fn new(assembler: &mut Assembler, shape: Shape) -> Constants {
        let mut vector = |double: u64, single: u32| {
            let at = assembler.bytes.len();
            for _ in 0..VECTOR / shape.size() {
                match shape.double {
                    true => assembler.raw(&double.to_le_bytes()),
                    false => assembler.raw(&single.to_le_bytes()),
                }
            }
            at
        };
        Constants {
            one: vector(1f64.to_bits(), 1f32.to_bits()),
            magnitude: vector(!(1 << 63), !(1 << 31)),
            sign: vector(1 << 63, 1 << 31),
            zero: vector(0, 0),
        }
    }
}

/// Where the values of slots, sums and outputs are.
pub enum Layout<'a> {
    /// One value a slot, from rbx on; outputs from r13 on; and the slots of sums.
    Single(&'a [Slot]),
    /// A block a slot, from rdi on; pointers to those of inputs from rsi on; the lanes of sums from rdx on; masks of the
    /// samples that count at r8; pointers to where outputs go from r9 on; vectors of values that find no register from rbx on.
    Blocks(Blocks<'a>),
}

/// The layout of blocks.
#[derive(Clone, Copy)]
pub struct Blocks<'a> {
    /// The first slot that has a block.
    pub first: usize,
    /// How many slots are uniform; then come those of inputs.
    pub uniforms: usize,
    /// How many inputs there are.
    pub inputs: usize,
    /// Bytes from one block to the next.
    pub stride: usize,
    /// Lanes of a sum.
    pub lanes: usize,
    /// The outputs, in the order of their blocks.
    pub outputs: &'a [u32],
    /// Whether sums leave out samples that the mask says.
    pub masked: bool,
}

/// What code keeps outside registers.
#[derive(Clone, Copy)]
pub struct Outside {
    /// How many vectors.
    pub vectors: usize,
    /// Whether slots other than those of uniform values and inputs are read or written.
    pub slots: bool,
}

/// Translates operations.
pub struct Translator<'a> {
    assembler: &'a mut Assembler,
    shape: Shape,
    constants: &'a Constants,
    layout: &'a Layout<'a>,
    operations: &'a Operations,
    /// For each value the position of the operation that uses it next, [`NEVER`] if none does.
    next: Vec<u32>,
    /// For each argument of each operation the position that uses the same value next.
    after: Vec<[u32; 3]>,
    /// What each register holds.
    held: Vec<Option<Value>>,
    /// The register of each value.
    register: Vec<Option<u8>>,
    /// Whether the slot of a value holds it.
    kept: Vec<bool>,
    /// For blocks: the place of a value among the vectors, and those places that are free.
    vector: Vec<Option<u32>>,
    free: Vec<u32>,
    /// Those that are free behind the operation at hand, which may still read them.
    released: Vec<u32>,
    vectors: u32,
    /// Whether a slot has been written to.
    writes: bool,
    /// Registers that must not give way, a bit for each.
    pinned: u32,
    /// The position of the operation at hand.
    position: u32,
}

impl<'a> Translator<'a> {
    /// For operations in a layout.
    pub fn new(
        assembler: &'a mut Assembler,
        shape: Shape,
        constants: &'a Constants,
        layout: &'a Layout<'a>,
        operations: &'a Operations,
    ) -> Translator<'a> {
        let count = operations.slots.len();
        let mut next = vec![NEVER; count];
        let mut after = vec![[NEVER; 3]; operations.list.len()];
        for (position, operation) in operations.list.iter().enumerate().rev() {
            let args = operation.args();
            for (arg, after) in args.iter().zip(&mut after[position]) {
                *after = next[*arg];
            }
            args.iter().for_each(|arg| next[*arg] = position as u32);
        }
        Translator {
            assembler,
            shape,
            constants,
            layout,
            operations,
            next,
            after,
            held: vec![None; usize::from(shape.registers() - SCRATCH)],
            register: vec![None; count],
            kept: operations.before.clone(),
            vector: vec![None; count],
            free: Vec::new(),
            released: Vec::new(),
            vectors: 0,
            writes: false,
            pinned: 0,
            position: 0,
        }
    }

    /// Begins with the first samples of blocks. Returns the position for the next ones.
    pub fn start(&mut self) -> usize {
        self.assembler.clear_rax();
        self.assembler.bytes.len()
    }

    /// Copies values that are one for all samples to where they lie side by side.
    pub fn spread(&mut self) {
        let Layout::Blocks(blocks) = self.layout else {
            return;
        };
        for value in 0..self.operations.slots.len() {
            let slot = self.operations.slots[value];
            if slot.is_some_and(|slot| (slot as usize) < blocks.uniforms) {
                let from = self.memory(value);
                self.assembler.load(self.shape, 0, from);
                let to = self.aside(value);
                self.assembler.store(self.shape, 0, to);
            }
        }
    }

    /// Writes the code; `live` says which slots are read after it.
    pub fn run(mut self, live: &dyn Fn(Slot) -> bool) -> Outside {
        let operations = self.operations;
        for (position, operation) in operations.list.iter().enumerate() {
            self.position = position as u32;
            self.pinned = 0;
            self.operation(operation);
            self.free.append(&mut self.released);
            if let Some(out) = operation.out {
                if operations.slots[out].is_some_and(live) {
                    self.keep(out);
                }
                if self.next[out] == NEVER {
                    self.drop(out);
                }
            }
        }
        Outside {
            vectors: self.vectors as usize,
            slots: self.writes || self.reads_registers(),
        }
    }

    /// Whether a slot that is neither uniform nor an input had its value before.
    fn reads_registers(&self) -> bool {
        let Layout::Blocks(blocks) = self.layout else {
            return true;
        };
        let last = (blocks.uniforms + blocks.inputs) as Slot;
        let slots = self.operations.slots.iter().zip(&self.operations.before);
        slots
            .filter(|(_, before)| **before)
            .any(|(slot, _)| slot.is_some_and(|slot| slot >= last))
    }

    /// A new place for a value among the vectors.
    fn aside(&mut self, value: Value) -> Place {
        let vector = self.free.pop().unwrap_or_else(|| {
            self.vectors += 1;
            self.vectors - 1
        });
        self.vector[value] = Some(vector);
        Place::Memory(General::Rbx, None, vector as i32 * VECTOR as i32)
    }

    /// The place in memory of a value that is or can be kept there. Loads a pointer to it, if need be.
    fn memory(&mut self, value: Value) -> Place {
        if let Some(vector) = self.vector[value] {
            return Place::Memory(General::Rbx, None, vector as i32 * VECTOR as i32);
        }
        let slot = self.operations.slots[value].expect("values without a slot stay in registers");
        let size = self.shape.size();
        match self.layout {
            Layout::Single(_) => Place::Memory(General::Rbx, None, (slot as usize * size) as i32),
            Layout::Blocks(blocks) => {
                let slot = slot as usize;
                let offset = (slot.wrapping_sub(blocks.first).wrapping_mul(blocks.stride)) as i32;
                let input = slot.wrapping_sub(blocks.uniforms);
                if slot < blocks.uniforms {
                    // all its samples are the same
                    Place::Memory(General::Rdi, None, offset)
                } else if input < blocks.inputs {
                    self.assembler.load_r10(General::Rsi, input as i32 * 8);
                    Place::Memory(General::R10, Some(General::Rax), 0)
                } else {
                    Place::Memory(General::Rdi, Some(General::Rax), offset)
                }
            }
        }
    }

    /// Writes a value to its slot.
    fn keep(&mut self, value: Value) {
        if !self.kept[value] {
            let register = self.register[value].expect("what is not kept is in a register");
            let place = self.memory(value);
            self.assembler.store(self.shape, register, place);
            self.kept[value] = true;
            self.writes = true;
        }
    }

    /// Writes a value to where it can be found later in this code.
    fn put_aside(&mut self, value: Value) {
        if self.kept[value] || self.vector[value].is_some() {
            return;
        }
        match self.layout {
            Layout::Single(_) => self.keep(value),
            Layout::Blocks(_) => {
                let register = self.register[value].expect("what is not kept is in a register");
                let place = self.aside(value);
                self.assembler.store(self.shape, register, place);
            }
        }
    }

    fn drop(&mut self, value: Value) {
        if let Some(register) = self.register[value].take() {
            self.held[register as usize] = None;
        }
    }

    /// A register without a value.
    fn take(&mut self) -> u8 {
        if let Some(free) = self.held.iter().position(Option::is_none) {
            return free as u8;
        }
        let registers = 0..self.held.len() as u8;
        let candidates = registers.filter(|register| self.pinned >> register & 1 == 0);
        let farthest = candidates.max_by_key(|register| {
            let value = self.held[*register as usize].expect("no register is free");
            self.next[value]
        });
        let register = farthest.expect("an operation pins three registers at most");
        let value = self.held[register as usize].expect("no register is free");
        self.put_aside(value);
        self.drop(value);
        register
    }

    fn give(&mut self, register: u8, value: Value) {
        self.held[register as usize] = Some(value);
        self.register[value] = Some(register);
    }

    /// A register that holds an argument.
    fn load(&mut self, value: Value) -> u8 {
        let register = self.register[value].unwrap_or_else(|| {
            let register = self.take();
            let place = self.memory(value);
            self.assembler.load(self.shape, register, place);
            self.give(register, value);
            register
        });
        self.pinned |= 1 << register;
        register
    }

    /// An argument, in a register if it is used again and there is one.
    fn argument(&mut self, value: Value) -> Place {
        let again = self.is_used_again(value) && self.held.contains(&None);
        if self.register[value].is_some() || again {
            return Place::Register(self.load(value));
        }
        self.memory(value)
    }

    /// Whether a value is in a register.
    fn loaded(&self, value: Value) -> bool {
        self.register[value].is_some()
    }

    /// Forgets arguments that are not used again, and gives the register for the result.
    fn result(&mut self, operation: &Operation) -> u8 {
        self.used(operation);
        let out = operation.out.expect("the operation gives a value");
        let register = self.take();
        self.give(register, out);
        register
    }

    /// Notes that the arguments have been used.
    fn used(&mut self, operation: &Operation) {
        for (place, arg) in operation.args().iter().enumerate() {
            self.next[*arg] = self.after[self.position as usize][place];
        }
        for arg in operation.args() {
            if self.next[*arg] == NEVER {
                self.drop(*arg);
                // values from before are read again with the next samples
                if !self.operations.before[*arg] {
                    self.released.extend(self.vector[*arg].take());
                }
            }
        }
    }

    /// Whether an argument of the operation at hand is used by a later one.
    fn is_used_again(&self, value: Value) -> bool {
        let position = self.position as usize;
        let args = self.operations.list[position].args().iter();
        let mut places = args.zip(self.after[position]);
        match places.find(|(arg, _)| **arg == value) {
            Some((_, after)) => after != NEVER,
            None => self.next[value] != NEVER,
        }
    }

    /// Sets a condition to where a register does not hold zero.
    fn is_true(&mut self, condition: u8, register: u8) {
        let zero = Place::Code(self.constants.zero);
        let not_equal = Comparison::NotEqual;
        self.assembler
            .compare(self.shape, condition, not_equal, register, zero);
    }

    fn operation(&mut self, operation: &Operation) {
        let shape = self.shape;
        let scratch = shape.registers() - SCRATCH;
        let one = self.constants.one;
        let args = operation.args();
        match operation.kind {
            Kind::Arithmetic(op @ (Arithmetic::Min | Arithmetic::Max)) => {
                let (a, b) = (self.load(args[0]), self.load(args[1]));
                let to = self.result(operation);
                // the instruction gives the second where either is NaN
                let (asm, first) = (&mut *self.assembler, Place::Register(a));
                asm.compare(shape, 0, Comparison::Unordered, a, first);
                asm.arithmetic(shape, op, scratch, a, Place::Register(b));
                asm.choose(shape, to, a, scratch);
            }
            Kind::Arithmetic(op) => {
                let [mut a, mut b] = [args[0], args[1]];
                let either = matches!(op, Arithmetic::Add | Arithmetic::Mul);
                if either && !self.loaded(a) && self.loaded(b) {
                    (a, b) = (b, a);
                }
                let first = self.load(a);
                let second = self.argument(b);
                let to = self.result(operation);
                self.assembler.arithmetic(shape, op, to, first, second);
            }
            Kind::Compare(op) => {
                let first = self.load(args[0]);
                let second = self.argument(args[1]);
                let to = self.result(operation);
                self.assembler.compare(shape, 0, op, first, second);
                self.assembler.truth(shape, to, one);
            }
            Kind::Copy => {
                let from = self.load(args[0]);
                let to = self.result(operation);
                if from != to {
                    self.assembler.load(shape, to, Place::Register(from));
                }
            }
            Kind::Neg | Kind::Abs => {
                let from = self.load(args[0]);
                let to = self.result(operation);
                let (op, bits) = match operation.kind {
                    Kind::Neg => (Logic::Xor, self.constants.sign),
                    _ => (Logic::And, self.constants.magnitude),
                };
                self.assembler.logic(shape, op, to, from, Place::Code(bits));
            }
            Kind::Sqrt => {
                let from = self.load(args[0]);
                let to = self.result(operation);
                self.assembler.sqrt(shape, to, from);
            }
            Kind::Not => {
                let from = self.load(args[0]);
                let to = self.result(operation);
                let zero = Place::Code(self.constants.zero);
                self.assembler
                    .compare(shape, 0, Comparison::Equal, from, zero);
                self.assembler.truth(shape, to, one);
            }
            Kind::And | Kind::Or => {
                let (a, b) = (self.load(args[0]), self.load(args[1]));
                let to = self.result(operation);
                self.is_true(0, a);
                self.is_true(1, b);
                let op = match operation.kind {
                    Kind::And => Logic::And,
                    _ => Logic::Or,
                };
                self.assembler.join(shape, op);
                self.assembler.truth(shape, to, one);
            }
            Kind::Select => {
                let [test, yes, no] = [args[0], args[1], args[2]].map(|arg| self.load(arg));
                let to = self.result(operation);
                self.is_true(0, test);
                self.assembler.choose(shape, to, yes, no);
            }
            Kind::Sum(index) => self.sum(operation, index),
            Kind::Store(index) => {
                let from = self.load(args[0]);
                let to = match self.layout {
                    Layout::Single(_) => {
                        let offset = index as usize * shape.size();
                        Place::Memory(General::R13, None, offset as i32)
                    }
                    Layout::Blocks(blocks) => {
                        let outputs = blocks.outputs.iter();
                        let block = outputs.take_while(|output| **output != index).count();
                        self.assembler.load_r10(General::R9, block as i32 * 8);
                        Place::Memory(General::R10, Some(General::Rax), 0)
                    }
                };
                self.assembler.store(shape, from, to);
                self.used(operation);
            }
            Kind::Call(address) => self.call(operation, address),
        }
    }

    fn sum(&mut self, operation: &Operation, index: u32) {
        let (shape, index) = (self.shape, index as usize);
        let scratch = shape.registers() - SCRATCH;
        let value = self.load(operation.args()[0]);
        let asm = &mut *self.assembler;
        match self.layout {
            Layout::Single(sums) => {
                // as in a block, where sums start from zero
                let zero = Place::Code(self.constants.zero);
                let slot = sums[index] as usize * shape.size();
                asm.arithmetic(shape, Arithmetic::Add, scratch, value, zero);
                asm.store(
                    shape,
                    scratch,
                    Place::Memory(General::Rbx, None, slot as i32),
                );
            }
            Layout::Blocks(blocks) => {
                let lanes = blocks.lanes * shape.size();
                let offset = (index * lanes) as i32;
                let at = Place::Memory(General::Rdx, Some(General::R11), offset);
                let mut value = value;
                if blocks.masked {
                    // a sum does not change by a negative zero
                    asm.test(shape, Place::Memory(General::R8, Some(General::Rax), 0));
                    asm.load(shape, scratch, Place::Code(self.constants.sign));
                    asm.choose(shape, scratch, value, scratch);
                    value = scratch;
                }
                asm.mask_r11(lanes as i32 - 1);
                asm.arithmetic(shape, Arithmetic::Add, scratch, value, at);
                asm.store(shape, scratch, at);
            }
        }
        self.used(operation);
    }

    fn call(&mut self, operation: &Operation, address: u64) {
        let shape = self.shape;
        let scratch = shape.registers() - SCRATCH;
        // a call may change all registers
        for register in 0..self.held.len() {
            if let Some(value) = self.held[register] {
                let again = self.is_used_again(value);
                if again {
                    self.keep(value);
                }
            }
        }
        for (at, arg) in operation.args().iter().enumerate() {
            // first to where no argument is
            let place = match self.register[*arg] {
                Some(register) => Place::Register(register),
                None => self.memory(*arg),
            };
            self.assembler.load(shape, scratch + at as u8, place);
        }
        for at in 0..operation.args().len() {
            self.assembler
                .load(shape, at as u8, Place::Register(scratch + at as u8));
        }
        self.assembler.call(address);
        self.used(operation);
        for register in 0..self.held.len() {
            if let Some(value) = self.held[register] {
                self.drop(value);
            }
        }
        self.give(0, operation.out.expect("a function gives a value"));
    }
}
