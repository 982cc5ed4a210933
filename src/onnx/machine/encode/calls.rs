//! Calls: how arguments and captured values get into frames, and closures onto the heap.

use std::ops::Range;

use super::super::NOWHERE;
use super::super::set::{Code, tag};
use super::{Encoder, FALSE, PARAMETERS, Place, Target};
use crate::error::Result;
use crate::graph::NodeId;

/// Most arguments of a closure: their number stands where a tag does.
const MOST_ARGUMENTS: usize = 15;
/// Most arguments that a rest parameter takes, and most items of a list that is applied to.
const MOST_REST: usize = 8;
/// Most values that are copied at once; there is room for them behind a frame.
const MOST_MOVED: usize = 56;

impl Encoder<'_> {
    /// What a closure does before its body: checks the number of arguments and fetches what it captures. The first
    /// instruction.
    pub(super) fn enter(&mut self, params: usize, captures: usize) -> Result<usize> {
        if params > MOST_ARGUMENTS {
            return Err(self.refuse("a procedure of more than 15 parameters"));
        }
        let first = self.code.len();
        let count = self.cell([params as f64, 0.0, -1.0]);
        // all four cells are written; what stands behind the frame belongs to nobody
        let to = PARAMETERS + params as i64;
        self.take(to + 4);
        self.emit(Code::Enter, &[Place::Slot(1), count], Place::Slot(to));
        self.fetch(4..captures, to);
        Ok(first)
    }

    /// Fetches captured values.
    pub(super) fn fetch(&mut self, captures: Range<usize>, to: i64) {
        for start in captures.step_by(4) {
            let to = to + start as i64;
            self.take(to + 4);
            let fetch = self.emit(Code::Fetch, &[Place::Slot(1)], Place::Slot(to));
            self.code[fetch].whole = start as i64;
        }
    }

    /// The same for a procedure with a rest parameter: for each number of arguments there are instructions of their own.
    pub(super) fn enter_rest(&mut self, params: usize, captures: usize) -> Result<usize> {
        if params + MOST_REST > MOST_ARGUMENTS {
            return Err(self.refuse("a procedure of so many parameters, and a rest parameter"));
        }
        let first = self.code.len();
        let behind = PARAMETERS + (params + MOST_REST) as i64;
        self.next = self.next.max(behind);
        let list = self.slot();
        let to = PARAMETERS + params as i64;
        let mut leaves = Vec::new();
        for count in params..=params + MOST_REST {
            let tag = self.cell([count as f64, 0.0, -1.0]);
            let test = self.emit(Code::Count, &[Place::Slot(1), tag], FALSE);
            let mut rest = self.nil();
            for argument in (params..count).rev() {
                let argument = Place::Slot(PARAMETERS + argument as i64);
                self.emit(Code::Cons, &[argument, rest], list);
                rest = list;
            }
            leaves.push(self.emit(Code::Move1, &[rest], Place::Slot(to)));
            self.code[test].other = self.code.len();
        }
        // there are not so many
        let never = self.cell([MOST_ARGUMENTS as f64, 0.0, -1.0]);
        let none = self.nil();
        self.emit(Code::Enter, &[none, never], Place::Cell(NOWHERE));
        let here = self.code.len();
        for leave in leaves {
            self.code[leave].next = Some(here);
        }
        self.fetch(0..captures, to + 1);
        Ok(first)
    }

    /// The arguments of a known function in the order of its frame: those of its parameters first.
    pub(super) fn arguments(&mut self, args: &[NodeId], function: usize) -> Result<Vec<Place>> {
        let function = &self.graph.functions[function];
        let (captures, params) = args.split_at(function.captures.len());
        let mut places = self.places(params)?;
        if function.rest {
            let rest = places.split_off(function.params.len());
            places.push(self.list(&rest));
        }
        places.extend(self.places(captures)?);
        Ok(places)
    }

    /// Copies places to slots side by side, as if at once; the last instruction.
    pub(super) fn move_all(&mut self, from: &[Place], to: i64) -> Result<usize> {
        self.check_moves(from)?;
        let to_slot = |i: usize| Place::Slot(to + i as i64);
        if from.len() <= 4 {
            return Ok(self.move_few(from, to_slot(0)));
        }
        // by way of the frame of a call, which nothing is in
        for (i, some) in from.chunks(4).enumerate() {
            self.move_few(some, Place::Callee(4 * i as i64));
        }
        let staged: Vec<Place> = (0..from.len() as i64).map(Place::Callee).collect();
        let mut last = 0;
        for (i, some) in staged.chunks(4).enumerate() {
            last = self.move_few(some, to_slot(4 * i));
        }
        Ok(last)
    }

    /// Copies at most four places to cells side by side.
    pub(super) fn move_few(&mut self, from: &[Place], to: Place) -> usize {
        let code = match from.len() {
            0 => return self.emit(Code::Move1, &[FALSE], Place::Cell(NOWHERE)),
            1 => Code::Move1,
            2 => Code::Move2,
            3 => Code::Move3,
            _ => Code::Move4,
        };
        if let Place::Slot(first) = to {
            self.take(first + from.len() as i64);
        }
        self.emit(code, from, to)
    }

    pub(super) fn call(&mut self, target: usize, args: &[Place], to: Place) -> Result<()> {
        self.check_moves(args)?;
        for (i, some) in args.chunks(4).enumerate().skip(1) {
            self.move_few(some, Place::Callee(PARAMETERS + 4 * i as i64));
        }
        let call = self.emit(Code::Call, &args[..args.len().min(4)], to);
        self.targets.push((call, Target::Body(target)));
        Ok(())
    }

    pub(super) fn check_moves(&self, places: &[Place]) -> Result<()> {
        match places.len() > MOST_MOVED {
            true => Err(self.refuse("so many arguments, captured values or states of a loop")),
            false => Ok(()),
        }
    }

    pub(super) fn check_count(&self, args: &[Place]) -> Result<()> {
        match args.len() - 1 > MOST_ARGUMENTS {
            true => Err(self.refuse("a call with more than 15 arguments")),
            false => Ok(()),
        }
    }

    /// A call of the first place, a closure.
    pub(super) fn call_closure(&mut self, args: &[Place], to: Place) -> Result<()> {
        self.check_count(args)?;
        let (first, rest) = args.split_at(args.len().min(4));
        for (i, some) in rest.chunks(4).enumerate() {
            self.move_few(some, Place::Callee(PARAMETERS + 3 + 4 * i as i64));
        }
        let call = self.emit(Code::CallClosure, first, to);
        self.code[call].arguments = args.len() as i64 - 1;
        Ok(())
    }

    pub(super) fn tail_closure(&mut self, args: &[Place]) -> Result<()> {
        self.check_count(args)?;
        let (mut first, rest) = (args.to_vec(), args.get(4..).unwrap_or(&[]));
        if !rest.is_empty() {
            for (i, some) in args.chunks(4).enumerate() {
                self.move_few(some, Place::Callee(4 * i as i64));
            }
            let staged: Vec<Place> = (0..args.len() as i64).map(Place::Callee).collect();
            for (i, some) in staged[4..].chunks(4).enumerate() {
                self.move_few(some, Place::Slot(PARAMETERS + 3 + 4 * i as i64));
            }
            first = staged;
        }
        let call = self.emit(Code::TailClosure, &first[..first.len().min(4)], FALSE);
        self.code[call].arguments = args.len() as i64 - 1;
        Ok(())
    }

    /// A call of the first place with the others, the last of which is a list of further arguments; without a place for the
    /// value, in place of the function that runs. For each length of the list there are instructions of their own.
    pub(super) fn apply(&mut self, args: &[Place], to: Option<Place>) -> Result<()> {
        let (last, first) = args.split_last().unwrap_or((&FALSE, &[]));
        let (mut args, mut rest) = (first.to_vec(), *last);
        let mut leaves = Vec::new();
        for _ in 0..=MOST_REST {
            let empty = self.slot();
            self.emit(Code::IsNull, &[rest], empty);
            let branch = self.emit(Code::Branch, &[empty], FALSE);
            match to {
                Some(to) => self.call_closure(&args, to)?,
                None => self.tail_closure(&args)?,
            }
            leaves.push(self.code.len() - 1);
            self.code[branch].other = self.code.len();
            let (car, cdr) = (self.slot(), self.slot());
            self.emit(Code::Car, &[rest], car);
            self.emit(Code::Cdr, &[rest], cdr);
            args.push(car);
            rest = cdr;
        }
        // longer lists end as calls with a wrong number of arguments do
        self.emit(Code::TailClosure, &[FALSE], FALSE);
        let here = self.code.len();
        for leave in leaves {
            self.code[leave].next = Some(here);
        }
        Ok(())
    }

    pub(super) fn closure(&mut self, id: NodeId, target: usize, captures: &[Place]) {
        if captures.is_empty() {
            let place = self.fixed_closure(target);
            self.map.insert(id, place);
            return;
        }
        // the heap grows downward: the last ones first
        let chunks: Vec<&[Place]> = captures.chunks(4).collect();
        for some in chunks[1..].iter().rev() {
            self.emit(Code::Store, some, FALSE);
        }
        let to = self.allot(id);
        let closure = self.emit(Code::Closure, chunks[0], to);
        self.targets.push((closure, Target::Closure(target)));
    }

    /// The cell of a closure that captures nothing.
    pub(super) fn fixed_closure(&mut self, target: usize) -> Place {
        let place = self.new_cell([tag::CLOSURE as f64, 0.0, 0.0]);
        self.closures.push((self.cells.len() - 1, target));
        place
    }
}
