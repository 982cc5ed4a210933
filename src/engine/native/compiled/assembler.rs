//! Instructions of x86-64 with AVX or AVX-512, as bytes: those that the steps of a plan need, in the VEX and EVEX encodings
//! (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, sections 2.3 and 2.7).

/// What an instruction works on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One value.
    One,
    /// A vector of 256 bits.
    Avx,
    /// A vector of 512 bits.
    Avx512,
}

/// What an instruction works on at once, and of which type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// f64 rather than f32.
    pub double: bool,
    /// How much at once.
    pub width: Width,
}

impl Shape {
    /// Bytes of one value.
    pub fn size(self) -> usize {
        if self.double { 8 } else { 4 }
    }

    /// Bytes that an instruction works on.
    pub fn bytes(self) -> usize {
        match self.width {
            Width::One => self.size(),
            Width::Avx => 32,
            Width::Avx512 => 64,
        }
    }

    /// How many registers there are.
    pub fn registers(self) -> u8 {
        match self.width {
            Width::Avx512 => 32,
            _ => 16,
        }
    }

    /// The prefix of arithmetic.
    fn arithmetic(self) -> u8 {
        match (self.width, self.double) {
            (Width::One, true) => 3,
            (Width::One, false) => 2,
            (_, true) => 1,
            (_, false) => 0,
        }
    }

    /// The prefix of instructions that only know vectors.
    fn packed(self) -> u8 {
        u8::from(self.double)
    }

    /// The register for what lies between.
    fn scratch(self) -> u8 {
        self.registers() - 1
    }
}

/// How many registers an instruction may change beside its result, from the last on.
pub const SCRATCH: u8 = 2;

/// A general register, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum General {
    Rax = 0,
    Rdx = 2,
    Rbx = 3,
    Rsi = 6,
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

impl Place {
    /// The numbers of the register or base, and of the index.
    fn numbers(self) -> (u8, u8) {
        match self {
            Place::Register(register) => (register, 0),
            Place::Memory(base, index, _) => (base as u8, index.map_or(0, |index| index as u8)),
            Place::Code(_) => (0, 0),
        }
    }
}

/// One if a bit of a number is not set: prefixes have the high bits of registers so.
fn clear(number: u8, bit: u8) -> u8 {
    1 - (number >> bit & 1)
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

/// Which map an opcode is of, and the opcode.
type Opcode = (u8, u8);

const MAP_0F: u8 = 1;
const MAP_0F38: u8 = 2;
const MAP_0F3A: u8 = 3;

/// The mask register in which AVX-512 has a condition.
const fn mask(condition: u8) -> u8 {
    1 + condition
}

impl Assembler {
    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An instruction: prefix and opcode, its result, its first operand (0 where there is none), its last operand, and what
    /// follows.
    fn instruction(
        &mut self,
        shape: Shape,
        (prefix, opcode): (u8, Opcode),
        [to, first]: [u8; 2],
        last: Place,
        immediate: Option<u8>,
    ) {
        match shape.width {
            Width::Avx512 => self.evex(shape, (prefix, opcode), [to, first], last, 0),
            _ => self.vex(shape, (prefix, opcode), [to, first], last),
        }
        self.operand(to, last, immediate);
    }

    /// Prefix and opcode of an instruction of up to 256 bits.
    fn vex(
        &mut self,
        shape: Shape,
        (prefix, (map, opcode)): (u8, Opcode),
        [to, first]: [u8; 2],
        last: Place,
    ) {
        let (base, index) = last.numbers();
        self.raw(&[
            0xc4,
            clear(to, 3) << 7 | clear(index, 3) << 6 | clear(base, 3) << 5 | map,
            (!first & 15) << 3 | u8::from(shape.width == Width::Avx) << 2 | prefix,
            opcode,
        ]);
    }

    /// Prefix and opcode of an instruction of 512 bits, for the values that a mask register says, the others zero; for all
    /// of them by register 0.
    fn evex(
        &mut self,
        shape: Shape,
        (prefix, (map, opcode)): (u8, Opcode),
        [to, first]: [u8; 2],
        last: Place,
        mask: u8,
    ) {
        let (base, mut index) = last.numbers();
        if let Place::Register(register) = last {
            // its highest bit stands where that of an index would
            index = register >> 1;
        }
        let double = u8::from(shape.double) << 7;
        // two bits: zeros where the mask is not, and 512 bits; without a mask, and for results that merge, only the latter
        let zeros = u8::from(mask & 0x80 != 0) << 7;
        self.raw(&[
            0x62,
            clear(to, 3) << 7
                | clear(index, 3) << 6
                | clear(base, 3) << 5
                | clear(to, 4) << 4
                | map,
            double | (!first & 15) << 3 | 4 | prefix,
            zeros | 2 << 5 | clear(first, 4) << 3 | mask & 7,
            opcode,
        ]);
    }

    /// The operands of an instruction.
    fn operand(&mut self, to: u8, last: Place, immediate: Option<u8>) {
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
        let code = (shape.arithmetic(), (MAP_0F, op as u8));
        self.instruction(shape, code, [to, a], b, None);
    }

    /// `to = sqrt(a)`.
    pub fn sqrt(&mut self, shape: Shape, to: u8, a: u8) {
        // of one value: the rest of the result comes from the first operand
        let first = if shape.width == Width::One { a } else { 0 };
        let code = (shape.arithmetic(), (MAP_0F, 0x51));
        self.instruction(shape, code, [to, first], Place::Register(a), None);
    }

    /// `to = a OP b` on bits. It reads a whole vector of `b`, for one value too.
    pub fn logic(&mut self, shape: Shape, op: Logic, to: u8, a: u8, b: Place) {
        let code = match (shape.width, op) {
            // on integers: those on real numbers need an extension
            (Width::Avx512, Logic::And) => (1, (MAP_0F, 0xdb)),
            (Width::Avx512, Logic::Or) => (1, (MAP_0F, 0xeb)),
            (Width::Avx512, Logic::Xor) => (1, (MAP_0F, 0xef)),
            _ => (shape.packed(), (MAP_0F, op as u8)),
        };
        self.instruction(shape, code, [to, a], b, None);
    }

    /// Sets condition 0 or 1 to where the comparison holds.
    pub fn compare(&mut self, shape: Shape, condition: u8, op: Comparison, a: u8, b: Place) {
        let to = match shape.width {
            Width::Avx512 => mask(condition),
            _ => shape.scratch() - condition,
        };
        let code = (shape.arithmetic(), (MAP_0F, 0xc2));
        self.instruction(shape, code, [to, a], b, Some(op as u8));
    }

    /// Sets condition 0 to where any bit is set at a place, and there all are.
    pub fn test(&mut self, shape: Shape, at: Place) {
        let scratch = shape.scratch();
        self.load(shape, scratch, at);
        if shape.width == Width::Avx512 {
            let (code, bits) = ((1, (MAP_0F38, 0x27)), Place::Register(scratch));
            self.instruction(shape, code, [mask(0), scratch], bits, None);
        }
    }

    /// Makes condition 0 hold where both conditions do, or either.
    pub fn join(&mut self, shape: Shape, op: Logic) {
        let scratch = shape.scratch();
        match (shape.width, op) {
            // kandw and korw: k1 = k1 OP k2
            (Width::Avx512, Logic::And) => self.raw(&[0xc5, 0xf4, 0x41, 0xca]),
            (Width::Avx512, _) => self.raw(&[0xc5, 0xf4, 0x45, 0xca]),
            _ => self.logic(shape, op, scratch, scratch, Place::Register(scratch - 1)),
        }
    }

    /// `to = if condition 0 { yes } else { no }`.
    pub fn choose(&mut self, shape: Shape, to: u8, yes: u8, no: u8) {
        let last = Place::Register(yes);
        if shape.width == Width::Avx512 {
            self.evex(shape, (1, (MAP_0F38, 0x65)), [to, no], last, mask(0));
            return self.operand(to, last, None);
        }
        let code = (1, (MAP_0F3A, if shape.double { 0x4b } else { 0x4a }));
        self.instruction(shape, code, [to, no], last, Some(shape.scratch() << 4));
    }

    /// `to = if condition 0 { one } else { 0 }`, with `one` in the code.
    pub fn truth(&mut self, shape: Shape, to: u8, one: usize) {
        let one = Place::Code(one);
        if shape.width == Width::Avx512 {
            self.evex(
                shape,
                (shape.packed(), (MAP_0F, 0x10)),
                [to, 0],
                one,
                mask(0) | 0x80,
            );
            return self.operand(to, one, None);
        }
        self.logic(shape, Logic::And, to, shape.scratch(), one);
    }

    /// `to = from`.
    pub fn load(&mut self, shape: Shape, to: u8, from: Place) {
        let code = match from {
            Place::Register(_) => (shape.packed(), (MAP_0F, 0x28)),
            _ => (shape.arithmetic(), (MAP_0F, 0x10)),
        };
        self.instruction(shape, code, [to, 0], from, None);
    }

    /// Writes to memory.
    pub fn store(&mut self, shape: Shape, from: u8, to: Place) {
        let code = (shape.arithmetic(), (MAP_0F, 0x11));
        self.instruction(shape, code, [from, 0], to, None);
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

    /// `r10 = [base + offset]`.
    pub fn load_r10(&mut self, base: General, offset: i32) {
        let number = base as u8;
        self.raw(&[0x4c | number >> 3, 0x8b, 0x90 | number & 7]);
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
        width: Width::Avx,
    };
    const LONG: Shape = Shape {
        double: true,
        width: Width::Avx512,
    };
    const ONE: Shape = Shape {
        double: true,
        width: Width::One,
    };
    const SINGLES: Shape = Shape {
        double: false,
        width: Width::Avx,
    };
    const LONG_SINGLES: Shape = Shape {
        double: false,
        width: Width::Avx512,
    };

    /// As binutils' assembler writes them, but for the two-byte prefix and short offsets that it prefers.
    #[test]
    fn instructions_have_the_bytes_of_the_manual() {
        let register = Place::Register;
        let at = |base, offset| Place::Memory(base, None, offset);
        let indexed = |base, offset| Place::Memory(base, Some(General::Rax), offset);
        type Write<'a> = &'a dyn Fn(&mut Assembler);
        let cases: &[(Write, &str)] = &[
            // vaddpd ymm1, ymm2, ymm3
            (
                &|a| a.arithmetic(VECTOR, Arithmetic::Add, 1, 2, register(3)),
                "c4e16d58cb",
            ),
            // vdivsd xmm9, xmm10, xmm11
            (
                &|a| a.arithmetic(ONE, Arithmetic::Div, 9, 10, register(11)),
                "c4412b5ecb",
            ),
            // vmulps ymm8, ymm0, [rdi + rax + 0x400]
            (
                &|a| a.arithmetic(SINGLES, Arithmetic::Mul, 8, 0, indexed(General::Rdi, 0x400)),
                "c4617c59840700040000",
            ),
            // vsubsd xmm0, xmm1, [r13 + 8]
            (
                &|a| a.arithmetic(ONE, Arithmetic::Sub, 0, 1, at(General::R13, 8)),
                "c4c1735c8508000000",
            ),
            // vsqrtpd ymm4, ymm12
            (&|a| a.sqrt(VECTOR, 4, 12), "c4c17d51e4"),
            // vxorpd ymm1, ymm1, ymm1
            (
                &|a| a.logic(VECTOR, Logic::Xor, 1, 1, register(1)),
                "c4e17557c9",
            ),
            // vcmpsd xmm15, xmm3, xmm4, 0x11
            (
                &|a| a.compare(ONE, 0, Comparison::Less, 3, register(4)),
                "c46163c2fc11",
            ),
            // vblendvpd ymm0, ymm1, ymm2, ymm15
            (&|a| a.choose(VECTOR, 0, 2, 1), "c4e3754bc2f0"),
            // vmovupd ymm5, [r10 + rax]
            (
                &|a| a.load(VECTOR, 5, indexed(General::R10, 0)),
                "c4c17d10ac0200000000",
            ),
            // vmovsd [rbx + 16], xmm7
            (
                &|a| a.store(ONE, 7, at(General::Rbx, 16)),
                "c4e17b11bb10000000",
            ),
            // vandpd ymm0, ymm0, [rip - 9]: the start of the code
            (
                &|a| a.logic(VECTOR, Logic::And, 0, 0, Place::Code(0)),
                "c4e17d5405f7ffffff",
            ),
            // vaddpd zmm17, zmm10, zmm28
            (
                &|a| a.arithmetic(LONG, Arithmetic::Add, 17, 10, register(28)),
                "6281ad4858cc",
            ),
            // vdivps zmm7, zmm31, [r10 + rax + 0x400]
            (
                &|a| {
                    a.arithmetic(
                        LONG_SINGLES,
                        Arithmetic::Div,
                        7,
                        31,
                        indexed(General::R10, 0x400),
                    )
                },
                "62d104405ebc0200040000",
            ),
            // vsqrtpd zmm24, zmm9
            (&|a| a.sqrt(LONG, 24, 9), "6241fd4851c1"),
            // vpxord zmm1, zmm20, zmm3
            (
                &|a| a.logic(LONG_SINGLES, Logic::Xor, 1, 20, register(3)),
                "62f15d40efcb",
            ),
            // vcmppd k2, zmm18, zmm5, 0x1e
            (
                &|a| a.compare(LONG, 1, Comparison::Greater, 18, register(5)),
                "62f1ed40c2d51e",
            ),
            // vblendmpd zmm16 {k1}, zmm2, zmm29
            (&|a| a.choose(LONG, 16, 29, 2), "6282ed4965c5"),
            // vmovupd zmm8 {k1} {z}, [rip - 10]
            (&|a| a.truth(LONG, 8, 0), "6271fdc91005f6ffffff"),
            // vmovups [rbx + 64], zmm30
            (
                &|a| a.store(LONG_SINGLES, 30, at(General::Rbx, 64)),
                "62617c4811b340000000",
            ),
            // mov r10, [rsi + 24]
            (&|a| a.load_r10(General::Rsi, 24), "4c8b9618000000"),
            // mov r10, [r9 + 0x8]
            (&|a| a.load_r10(General::R9, 8), "4d8b9108000000"),
            // add rax, 32; cmp rax, rcx; jb
            (&|a| a.again(32, 0), "4883c0204839c80f82f3ffffff"),
        ];
        for (write, wanted) in cases {
            let mut assembler = Assembler { bytes: Vec::new() };
            write(&mut assembler);
            let bytes = assembler.bytes.iter().map(|byte| format!("{byte:02x}"));
            assert_eq!(bytes.collect::<String>(), **wanted);
        }
    }
}
