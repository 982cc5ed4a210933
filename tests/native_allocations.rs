//! A run of the native engine allocates nothing; nor does one of the tagged engine, once its memory has grown.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ncg::compile::stages;
use ncg::engine::{Inputs, Outputs, Program, native, tagged};
use ncg::grad::training;
use ncg::graph::{Graph, parse};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Column(Vec<f64>);

impl Inputs<f64> for Column {
    fn uniform(&self, _: usize) -> f64 {
        1.5
    }

    fn gather(&self, _: usize, start: usize, out: &mut [f64]) {
        out.copy_from_slice(&self.0[start..start + out.len()]);
    }

    fn contiguous(&self, port: usize, start: usize, count: usize) -> Option<&[f64]> {
        // one of the inputs has to be gathered
        (port != 1).then(|| &self.0[start..start + count])
    }
}

struct Nowhere;

impl Outputs<f64> for Nowhere {
    fn scatter(&mut self, _: usize, _: usize, _: &[f64]) {}

    fn uniform(&mut self, _: usize, _: f64) {}

    fn contiguous(&mut self, _: usize, _: usize, _: usize) -> Option<&mut [f64]> {
        None
    }
}

/// A loop and the way back over it, with a loop inside, for a number of iterations that differs from sample to sample.
const LOOPS: &str = "\
input x
input n
%0 = port 0 real
%1 = port 1 real
%2 = const 1.0 real
%3 = const 0.0 real
%4 = loop %3 %0 real
  %5 = param real
  %6 = param real
  %7 = < %5 %1 bool
  yield %7
do
  %8 = + %5 %2 real
  %9 = sin %6 real
  %10 = + %9 %0 real
  yield %8 %10
end
%11 = get %4 1 real
%12 = reverse %4 %2 real
  %13 = param real
  %14 = param real
  %15 = param real
  %16 = cos %14 real
  %17 = * %16 %15 real
  %18 = loop %17 real
    %19 = param real
    %20 = const 3.0 real
    %21 = < %19 %20 bool
    yield %21
  do
    %22 = + %19 %2 real
    yield %22
  end
  %23 = get %18 0 real
  yield %23
end
%24 = get %12 0 real
%25 = batch-sum %24 real
output value %11
output derivative %24
output sum %25
";

fn allocates_nothing(graph: &Graph, inputs: &Column, what: &str) {
    let mut program = native::prepare::<f64>(graph).expect("is numeric");
    for samples in [0, 1, 2, 100, 5000] {
        // the first run of a loop makes room for its states, and machine code is made when it pays
        for _ in 0..300 {
            let done = program.run(samples, inputs, &mut Nowhere, None);
            assert!(done.is_ok());
        }
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for _ in 0..10 {
            let done = program.run(samples, inputs, &mut Nowhere, None);
            assert!(done.is_ok());
        }
        let after = ALLOCATIONS.load(Ordering::Relaxed);
        // the test harness itself may allocate once or twice
        assert!(after - before < 10, "{what}, {samples}: {}", after - before);
    }
}

// the only test of this file: others would allocate beside it
#[test]
fn a_run_allocates_nothing() {
    let source = "(parameter k 2) (if (< x y) (* k (exp x)) (expt y k))";
    let graph = stages(source, &ncg::options::Options::new())
        .expect("compiles")
        .numeric;
    let graph = training(&graph, &graph.parameters());
    let inputs = Column((0..5000).map(|i| 0.1 + f64::from(i % 700)).collect());
    allocates_nothing(&graph, &inputs, "a model");
    allocates_nothing(&parse(LOOPS).expect("is a graph"), &inputs, "loops");

    let source = "(parameter k 2) (define (total l) (if (null? l) 0 (+ (car l) (total (cdr l))))) \
        (total (map (lambda (v) (* k (sin v))) (list x y (vsum [x y 3]) (det (mat [x 1] [y 2])))))";
    let front = ncg::compile::front(source, &ncg::options::Options::new());
    let graph = front.expect("compiles").general;
    let ports: Vec<usize> = (0..graph.ports.len()).collect();
    let limits = tagged::Limits::default();
    let mut program = tagged::prepare_vjp::<f64>(&graph, &ports, limits).expect("runs");
    let done = program.run(10, &inputs, &mut Nowhere, None);
    assert!(done.is_ok());
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let done = program.run(1000, &inputs, &mut Nowhere, None);
    assert!(done.is_ok());
    let after = ALLOCATIONS.load(Ordering::Relaxed);
    assert!(after - before < 10, "tagged: {}", after - before);
}
