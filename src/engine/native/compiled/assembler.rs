//! Instructions of x86-64 with AVX, as bytes: those that the steps of a plan need, in the VEX encoding (Intel 64 and IA-32
//! Architectures Software Developer's Manual, volume 2, section 2.3).

/// Whether an instruction works on one value or on a vector of 256 bits, and of which type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// f64 rather than f32.
    pub double: bool,
    /// A vector rather than one value.
    pub vector: bool,
}

impl Shape {
    /// Bytes of one value.
    pub fn size(self) -> i32 {
        if self.double { 8 } else { 4 }
    }

    /// Bytes that an instruction works on.
    pub fn width(self) -> i32 {
        if self.vector { 32 } else { self.size() }
    }

    /// The prefix of arithmetic.
    fn arithmetic(self) -> u8 {
        match (self.vector, self.double) {
            (true, true) => 1,
            (true, false) => 0,
            (false, true) => 3,
            (false, false) => 2,
        }
    }

    /// The prefix of instructions that only know vectors.
    fn packed(self) -> u8 {
        u8::from(self.double)
    }
}

/// A general register, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum General {
    Rax = 0,
    Rdx = 2,
    Rbx = 3,
    Rdi = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
    R11 = 11,
    R13 = 13,
}

/// Where the last operand of an instruction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a vector register.
    Register(u8),
    /// At an address: a register, a second one if any, and an offset in bytes.
    Memory(General, Option<General>, i32),
    /// At a position of the code itself, in bytes from its start.
    Code(usize),
}

/// What an instruction computes, by its opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Arithmetic {
    Add = 0x58,
    Mul = 0x59,
    Sub = 0x5c,
    Min = 0x5d,
    Div = 0x5e,
    Max = 0x5f,
}

/// An operation on bits, by its opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Logic {
    And = 0x54,
    Or = 0x56,
    Xor = 0x57,
}

/// A comparison, none of which signals at quiet NaN, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal = 0x00,
    Unordered = 0x03,
    /// True at NaN.
    NotEqual = 0x04,
    Less = 0x11,
    LessEqual = 0x12,
    GreaterEqual = 0x1d,
    Greater = 0x1e,
}

/// Code in the making.
pub struct Assembler {
    /// The bytes so far.
    pub bytes: Vec<u8>,
}

const MAP_0F: u8 = 1;
const MAP_0F3A: u8 = 3;

impl Assembler {
    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An instruction: prefix, opcode map and opcode, whether it is 256 bits wide, its result, its first operand (0 where
    /// there is none), its last operand, and what follows.
    #[allow(clippy::too_many_arguments)]
    fn vex(
        &mut self,
        prefix: u8,
        (map, opcode): (u8, u8),
        wide: bool,
        to: u8,
        first: u8,
        last: Place,
        immediate: Option<u8>,
    ) {
        let high = |register: u8, bit: u8| if register < 8 { bit } else { 0 };
        let (index, base) = match last {
            Place::Register(register) => (0, register),
            Place::Memory(base, index, _) => (index.map_or(0, |index| index as u8), base as u8),
            Place::Code(_) => (0, 0),
        };
        self.raw(&[
            0xc4,
            high(to, 0x80) | high(index, 0x40) | high(base, 0x20) | map,
            (!first & 15) << 3 | u8::from(wide) << 2 | prefix,
            opcode,
        ]);
        let to = (to & 7) << 3;
        match last {
            Place::Register(register) => self.raw(&[0xc0 | to | register & 7]),
            Place::Memory(base, None, offset) => {
                // a base whose number ends in 4 would announce an index
                debug_assert!(base as u8 & 7 != 4);
                self.raw(&[0x80 | to | base as u8 & 7]);
                self.raw(&offset.to_le_bytes());
            }
            Place::Memory(base, Some(index), offset) => {
                self.raw(&[0x84 | to, (index as u8 & 7) << 3 | base as u8 & 7]);
                self.raw(&offset.to_le_bytes());
            }
            Place::Code(at) => {
                self.raw(&[0x05 | to]);
                // counted from the end of the instruction
                let end = self.bytes.len() + 4 + usize::from(immediate.is_some());
                self.raw(&(at as i32 - end as i32).to_le_bytes());
            }
        }
        self.bytes.extend(immediate);
    }

    /// `to = a OP b`.
    pub fn arithmetic(&mut self, shape: Shape, op: Arithmetic, to: u8, a: u8, b: Place) {
        let opcode = (MAP_0F, op as u8);
        self.vex(shape.arithmetic(), opcode, shape.vector, to, a, b, None);
    }

    /// `to = sqrt(a)`.
    pub fn sqrt(&mut self, shape: Shape, to: u8, a: u8) {
        // of one value: the rest of the result comes from the first operand
        let first = if shape.vector { 0 } else { a };
        let (opcode, a) = ((MAP_0F, 0x51), Place::Register(a));
        self.vex(shape.arithmetic(), opcode, shape.vector, to, first, a, None);
    }

    /// `to = a OP b` on bits. It reads a whole vector of `b`, for one value too.
    pub fn logic(&mut self, shape: Shape, op: Logic, to: u8, a: u8, b: Place) {
        let opcode = (MAP_0F, op as u8);
        self.vex(shape.packed(), opcode, shape.vector, to, a, b, None);
    }

    /// All bits of `to` where the comparison holds.
    pub fn compare(&mut self, shape: Shape, op: Comparison, to: u8, a: u8, b: Place) {
        let (opcode, code) = ((MAP_0F, 0xc2), Some(op as u8));
        self.vex(shape.arithmetic(), opcode, shape.vector, to, a, b, code);
    }

    /// `to = if mask { yes } else { no }`, by the highest bit of each value of the mask.
    pub fn blend(&mut self, shape: Shape, to: u8, mask: u8, yes: u8, no: u8) {
        let opcode = (MAP_0F3A, if shape.double { 0x4b } else { 0x4a });
        let (yes, mask) = (Place::Register(yes), Some(mask << 4));
        self.vex(1, opcode, shape.vector, to, no, yes, mask);
    }

    /// `to = from`.
    pub fn load(&mut self, shape: Shape, to: u8, from: Place) {
        match from {
            Place::Register(_) => {
                let opcode = (MAP_0F, 0x28);
                self.vex(shape.packed(), opcode, shape.vector, to, 0, from, None);
            }
            _ => {
                let opcode = (MAP_0F, 0x10);
                self.vex(shape.arithmetic(), opcode, shape.vector, to, 0, from, None);
            }
        }
    }

    /// Writes to memory.
    pub fn store(&mut self, shape: Shape, from: u8, to: Place) {
        let opcode = (MAP_0F, 0x11);
        self.vex(shape.arithmetic(), opcode, shape.vector, from, 0, to, None);
    }

    /// Enters a function on blocks, whose first argument points to seven words: they go to rdi, rsi, rdx, nowhere, r8, r9
    /// and rbx; its second argument goes to rcx.
    pub fn enter_blocks(&mut self) {
        self.raw(&[0x53, 0x48, 0x89, 0xf1, 0x48, 0x89, 0xf8]);
        // rdi, rsi, rdx, r8, r9, rbx = [rax + 8 * ...]
        for (prefix, register, word) in [
            (0x48, 0x78, 0),
            (0x48, 0x70, 1),
            (0x48, 0x50, 2),
            (0x4c, 0x40, 4),
            (0x4c, 0x48, 5),
            (0x48, 0x58, 6),
        ] {
            self.raw(&[prefix, 0x8b, register, 8 * word]);
        }
    }

    /// `r10 = [rsi + offset]`.
    pub fn load_r10(&mut self, offset: i32) {
        self.raw(&[0x4c, 0x8b, 0x96]);
        self.raw(&offset.to_le_bytes());
    }

    /// `r11 = rax & mask`.
    pub fn mask_r11(&mut self, mask: i32) {
        self.raw(&[0x49, 0x89, 0xc3]);
        self.raw(&[0x41, 0x81, 0xe3]);
        self.raw(&mask.to_le_bytes());
    }

    /// `rax = 0`.
    pub fn clear_rax(&mut self) {
        self.raw(&[0x31, 0xc0]);
    }

    /// Adds to rax, and jumps to `start` while it is below rcx.
    pub fn again(&mut self, step: u8, start: usize) {
        self.raw(&[0x48, 0x83, 0xc0, step, 0x48, 0x39, 0xc8, 0x0f, 0x82]);
        let end = self.bytes.len() + 4;
        self.raw(&(start as i32 - end as i32).to_le_bytes());
    }

    /// Leaves it.
    pub fn leave_blocks(&mut self) {
        self.raw(&[0xc5, 0xf8, 0x77, 0x5b, 0xc3]);
    }

    /// Enters a function that calls others: its arguments go to rbx and r13.
    pub fn enter(&mut self) {
        self.raw(&[0x53, 0x41, 0x55, 0x48, 0x83, 0xec, 0x08]);
        self.raw(&[0x48, 0x89, 0xfb, 0x49, 0x89, 0xf5]);
    }

    /// Leaves it.
    pub fn leave(&mut self) {
        self.raw(&[0x48, 0x83, 0xc4, 0x08, 0x41, 0x5d, 0x5b, 0xc3]);
    }

    /// Calls the function at an address.
    pub fn call(&mut self, address: u64) {
        self.raw(&[0x48, 0xb8]);
        self.raw(&address.to_le_bytes());
        self.raw(&[0xff, 0xd0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: Shape = Shape {
        double: true,
        vector: true,
    };
    const ONE: Shape = Shape {
        double: true,
        vector: false,
    };
    const SINGLES: Shape = Shape {
        double: false,
        vector: true,
    };

    fn bytes(f: impl Fn(&mut Assembler)) -> String {
        let mut assembler = Assembler { bytes: Vec::new() };
        f(&mut assembler);
        let hex = assembler.bytes.iter().map(|byte| format!("{byte:02x}"));
        hex.collect::<Vec<_>>().join(" ")
    }

    /// As binutils' assembler writes them, but for the two-byte prefix and short offsets that it prefers.
    #[test]
    fn instructions_have_the_bytes_of_the_manual() {
        let register = Place::Register;
        let at = |base, offset| Place::Memory(base, None, offset);
        let indexed = |base, offset| Place::Memory(base, Some(General::Rax), offset);
        let found = |f: &dyn Fn(&mut Assembler)| bytes(f);
        for (found, wanted) in [
            // vaddpd ymm1, ymm2, ymm3
            (
                found(&|a| a.arithmetic(VECTOR, Arithmetic::Add, 1, 2, register(3))),
                "c4 e1 6d 58 cb",
            ),
            // vdivsd xmm9, xmm10, xmm11
            (
                found(&|a| a.arithmetic(ONE, Arithmetic::Div, 9, 10, register(11))),
                "c4 41 2b 5e cb",
            ),
            // vmulps ymm8, ymm0, [rdi + rax + 0x400]
            (
                found(&|a| {
                    a.arithmetic(SINGLES, Arithmetic::Mul, 8, 0, indexed(General::Rdi, 0x400))
                }),
                "c4 61 7c 59 84 07 00 04 00 00",
            ),
            // vsubsd xmm0, xmm1, [r13 + 8]
            (
                found(&|a| a.arithmetic(ONE, Arithmetic::Sub, 0, 1, at(General::R13, 8))),
                "c4 c1 73 5c 85 08 00 00 00",
            ),
            // vsqrtpd ymm4, ymm12
            (found(&|a| a.sqrt(VECTOR, 4, 12)), "c4 c1 7d 51 e4"),
            // vxorpd ymm1, ymm1, ymm1
            (
                found(&|a| a.logic(VECTOR, Logic::Xor, 1, 1, register(1))),
                "c4 e1 75 57 c9",
            ),
            // vcmpltsd with code 0x11: xmm2, xmm3, xmm4
            (
                found(&|a| a.compare(ONE, Comparison::Less, 2, 3, register(4))),
                "c4 e1 63 c2 d4 11",
            ),
            // vblendvpd ymm0, ymm1, ymm2, ymm14
            (
                found(&|a| a.blend(VECTOR, 0, 14, 2, 1)),
                "c4 e3 75 4b c2 e0",
            ),
            // vmovupd ymm5, [r10 + rax]
            (
                found(&|a| a.load(VECTOR, 5, indexed(General::R10, 0))),
                "c4 c1 7d 10 ac 02 00 00 00 00",
            ),
            // vmovsd [rbx + 16], xmm7
            (
                found(&|a| a.store(ONE, 7, at(General::Rbx, 16))),
                "c4 e1 7b 11 bb 10 00 00 00",
            ),
            // vandpd ymm0, ymm0, [rip - 9]: the start of the code
            (
                found(&|a| a.logic(VECTOR, Logic::And, 0, 0, Place::Code(0))),
                "c4 e1 7d 54 05 f7 ff ff ff",
            ),
            // mov r10, [rsi + 24]
            (found(&|a| a.load_r10(24)), "4c 8b 96 18 00 00 00"),
            // add rax, 32; cmp rax, rcx; jb
            (
                found(&|a| a.again(32, 0)),
                "48 83 c0 20 48 39 c8 0f 82 f3 ff ff ff",
            ),
        ] {
            assert_eq!(found, wanted);
        }
    }
}
