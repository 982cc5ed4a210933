//! A run of the native engine allocates nothing; nor does one of the tagged engine, once its memory has grown.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ncg::compile::stages;
use ncg::engine::{Inputs, Outputs, Program, native, tagged};
use ncg::grad::training;

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

// the only test of this file: others would allocate beside it
#[test]
fn a_run_allocates_nothing() {
    let source = "(parameter k 2) (if (< x y) (* k (exp x)) (expt y k))";
    let graph = stages(source, &ncg::options::Options::new())
        .expect("compiles")
        .numeric;
    let graph = training(&graph, &graph.parameters());
    let mut program = native::prepare::<f64>(&graph).expect("is numeric");
    let inputs = Column((0..5000).map(|i| 0.1 + f64::from(i)).collect());
    for samples in [0, 1, 2, 100, 5000] {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for _ in 0..10 {
            let done = program.run(samples, &inputs, &mut Nowhere, None);
            assert!(done.is_ok());
        }
        let after = ALLOCATIONS.load(Ordering::Relaxed);
        // the test harness itself may allocate once or twice
        assert!(after - before < 10, "{samples}: {}", after - before);
    }

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
