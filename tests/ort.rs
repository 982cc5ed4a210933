//! Sessions of ONNX Runtime over the caller's memory.

mod onnx_models;

use ncg::ErrorKind;
use ncg::engine::ort::{
    Binding, Device, DeviceTensor, ElementType, OrtConfig, OrtSession, TensorMut, TensorRef,
};
use ncg::onnx::proto::tensor_proto::DataType;
use onnx_models::*;
use std::sync::Arc;

fn open(model: &[u8]) -> OrtSession {
    OrtSession::new(model, &OrtConfig::default()).unwrap()
}

fn samples(n: usize) -> Vec<f64> {
    (0..n).map(|i| (i as f64 * 0.37).sin() * 3.0).collect()
}

fn run_f64(session: &OrtSession, x: &[f64], p: f64) -> (Vec<f64>, Vec<f64>) {
    let dims = [x.len() as i64];
    let (mut y, mut e) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
    let outputs = &mut [TensorMut::new(&dims, &mut y), TensorMut::new(&dims, &mut e)];
    session
        .run(
            &[TensorRef::new(&dims, x), TensorRef::new(&[], &[p])],
            outputs,
        )
        .unwrap();
    (y, e)
}

#[test]
fn runs_double_precision_at_any_batch_size() {
    if !have_runtime("runs_double_precision_at_any_batch_size") {
        return;
    }
    let session = open(&line_and_exp(DataType::Double));
    let names: Vec<_> = session
        .inputs()
        .iter()
        .chain(session.outputs())
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["x", "p", "y", "e"]);
    assert_eq!(
        (
            session.inputs()[0].element_type,
            &session.inputs()[0].dims[..]
        ),
        (ElementType::F64, &[-1][..])
    );
    assert!(session.inputs()[1].dims.is_empty());
    for n in [0, 1, 1000, 3, 0, 1] {
        let x = samples(n);
        let (y, e) = run_f64(&session, &x, 0.7);
        for i in 0..n {
            assert!(
                (e[i] - x[i].exp()).abs() <= 4.0 * f64::EPSILON * e[i],
                "{} {}",
                e[i],
                x[i].exp()
            );
            assert_eq!(y[i], x[i] * 0.7 + e[i]);
        }
    }
}

#[test]
fn runs_single_precision() {
    if !have_runtime("runs_single_precision") {
        return;
    }
    let session = open(&line_and_exp(DataType::Float));
    for n in [0usize, 1, 1000] {
        let dims = [n as i64];
        let x: Vec<f32> = samples(n).into_iter().map(|x| x as f32).collect();
        let (mut y, mut e) = (vec![f32::NAN; n], vec![f32::NAN; n]);
        let inputs: [TensorRef; 2] = [TensorRef::new(&dims, &x), TensorRef::new(&[], &[0.5f32])];
        session
            .run(
                &inputs,
                &mut [TensorMut::new(&dims, &mut y), TensorMut::new(&dims, &mut e)],
            )
            .unwrap();
        for i in 0..n {
            assert!((e[i] - x[i].exp()).abs() <= 4.0 * f32::EPSILON * e[i]);
            assert_eq!(y[i], x[i] * 0.5 + e[i]);
        }
    }
}

#[test]
fn gives_a_subset_of_the_outputs() {
    if !have_runtime("gives_a_subset_of_the_outputs") {
        return;
    }
    let session = open(&line_and_exp(DataType::Double));
    let x = samples(10);
    let (y, e) = run_f64(&session, &x, 2.0);
    let dims = [10];
    let inputs: [TensorRef; 2] = [TensorRef::new(&dims, &x), TensorRef::new(&[], &[2.0])];
    let (mut one, mut two) = (vec![0.0; 10], vec![0.0; 10]);
    session
        .run_some(&inputs, &[1], &mut [TensorMut::new(&dims, &mut one)])
        .unwrap();
    assert_eq!(one, e);
    let outputs = &mut [
        TensorMut::new(&dims, &mut one),
        TensorMut::new(&dims, &mut two),
    ];
    session.run_some(&inputs, &[1, 0], outputs).unwrap();
    assert_eq!((&one, &two), (&e, &y));
    session.run_some(&inputs, &[], &mut []).unwrap_err();
    let error = session
        .run_some(&inputs, &[2], &mut [TensorMut::new(&dims, &mut one)])
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Argument);
}

#[test]
fn threads_share_a_session_bit_for_bit() {
    if !have_runtime("threads_share_a_session_bit_for_bit") {
        return;
    }
    fn assert_shared<T: Send + Sync>(_: &T) {}
    let session = open(&line_and_exp(DataType::Double));
    assert_shared(&session);
    let x = samples(257);
    let expected: Vec<_> = (0..8)
        .map(|p| run_f64(&session, &x, f64::from(p)))
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (session, x, expected) = (&session, &x, &expected);
            scope.spawn(move || {
                for round in 0..2000 {
                    let p = (thread + round) % 8;
                    assert!(run_f64(session, x, p as f64) == expected[p]);
                }
            });
        }
    });
}

/// What ONNX Runtime must still write into the caller's memory although it need not compute it.
#[test]
fn writes_outputs_that_are_constants_inputs_and_repeated() {
    if !have_runtime("writes_outputs_that_are_constants_inputs_and_repeated") {
        return;
    }
    let batch = || [Dim::Free("N")];
    let double = DataType::Double;
    let mut body = graph(
        vec![
            node("Identity", &["x"], &["same"]),
            node("Identity", &["c"], &["fixed"]),
            node("Add", &["x", "x"], &["twice"]),
            node("Identity", &["twice"], &["again"]),
            node("Greater", &["x", "zero"], &["positive"]),
            node("Shape", &["x"], &["size"]),
        ],
        vec![entry("x", double, &batch())],
        vec![
            entry("same", double, &batch()),
            entry("fixed", double, &[Dim::Fixed(2)]),
            entry("twice", double, &batch()),
            entry("again", double, &batch()),
            entry("positive", DataType::Bool, &batch()),
            entry("size", DataType::Int64, &[Dim::Fixed(1)]),
            entry("c", double, &[Dim::Fixed(2)]),
        ],
    );
    let bytes = |values: &[f64]| {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    body.initializer = vec![
        constant("c", double, &[2], bytes(&[4.0, 5.0])),
        constant("zero", double, &[], bytes(&[0.0])),
    ];
    let session = open(&model(body));
    for n in [0usize, 1, 5] {
        let x = samples(n);
        let (dims, two, one) = ([n as i64], [2], [1]);
        let (mut same, mut twice, mut again) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        let (mut fixed, mut c, mut positive, mut size) =
            ([0.0; 2], [0.0; 2], vec![false; n], [-1i64]);
        let outputs = &mut [
            TensorMut::new(&dims, &mut same),
            TensorMut::new(&two, &mut fixed),
            TensorMut::new(&dims, &mut twice),
            TensorMut::new(&dims, &mut again),
            TensorMut::new(&dims, &mut positive),
            TensorMut::new(&one, &mut size),
            TensorMut::new(&two, &mut c),
        ];
        session.run(&[TensorRef::new(&dims, &x)], outputs).unwrap();
        assert_eq!(same, x);
        assert_eq!((fixed, c, size), ([4.0, 5.0], [4.0, 5.0], [n as i64]));
        assert_eq!(twice, x.iter().map(|x| 2.0 * x).collect::<Vec<_>>());
        assert_eq!(again, twice);
        assert_eq!(positive, x.iter().map(|&x| x > 0.0).collect::<Vec<_>>());
    }
}

/// x ← 2x, `trips` times; and |x| or -|x| by the sign of `flag`, through `If`.
#[test]
fn writes_outputs_of_loops_and_branches() {
    if !have_runtime("writes_outputs_of_loops_and_branches") {
        return;
    }
    let double = DataType::Double;
    let batch = || [Dim::Free("N")];
    let step = graph(
        vec![
            node("Add", &["state", "state"], &["next"]),
            node("Identity", &["go"], &["go_on"]),
        ],
        vec![
            entry("i", DataType::Int64, &[]),
            entry("go", DataType::Bool, &[]),
            entry("state", double, &batch()),
        ],
        vec![
            entry("go_on", DataType::Bool, &[]),
            entry("next", double, &batch()),
        ],
    );
    let arm = |node, name| graph(vec![node], vec![], vec![entry(name, double, &batch())]);
    let body = graph(
        vec![
            with_graph(
                node("Loop", &["trips", "", "x"], &["doubled"]),
                "body",
                step,
            ),
            with_graph(
                with_graph(
                    node("If", &["flag"], &["chosen"]),
                    "then_branch",
                    arm(node("Abs", &["x"], &["a"]), "a"),
                ),
                "else_branch",
                arm(node("Identity", &["x"], &["b"]), "b"),
            ),
        ],
        vec![
            entry("x", double, &batch()),
            entry("trips", DataType::Int64, &[]),
            entry("flag", DataType::Bool, &[]),
        ],
        vec![
            entry("doubled", double, &batch()),
            entry("chosen", double, &batch()),
        ],
    );
    let session = open(&model(body));
    for (n, trips, flag) in [
        (3usize, 0i64, true),
        (3, 5, false),
        (1, 1, true),
        (0, 2, false),
        (0, 0, true),
    ] {
        let x = samples(n);
        let dims = [n as i64];
        let (trips, flag) = ([trips], [flag]);
        let (mut doubled, mut chosen) = (vec![f64::NAN; n], vec![f64::NAN; n]);
        let inputs: [TensorRef; 3] = [
            TensorRef::new(&dims, &x),
            TensorRef::new(&[], &trips),
            TensorRef::new(&[], &flag),
        ];
        session
            .run(
                &inputs,
                &mut [
                    TensorMut::new(&dims, &mut doubled),
                    TensorMut::new(&dims, &mut chosen),
                ],
            )
            .unwrap();
        let scale = 2f64.powi(trips[0] as i32);
        assert_eq!(
            doubled,
            x.iter().map(|x| scale * x).collect::<Vec<_>>(),
            "{n} {trips:?}"
        );
        assert_eq!(
            chosen,
            x.iter()
                .map(|x| if flag[0] { x.abs() } else { *x })
                .collect::<Vec<_>>(),
            "{n} {flag:?}"
        );
    }
}

#[test]
fn handles_more_tensors_than_fit_on_the_stack() {
    if !have_runtime("handles_more_tensors_than_fit_on_the_stack") {
        return;
    }
    const COUNT: usize = 100;
    let names: Vec<(String, String)> = (0..COUNT)
        .map(|i| (format!("x{i}"), format!("y{i}")))
        .collect();
    let session = open(&model(graph(
        names.iter().map(|(x, y)| node("Neg", &[x], &[y])).collect(),
        names
            .iter()
            .map(|(x, _)| entry(x, DataType::Double, &[]))
            .collect(),
        names
            .iter()
            .map(|(_, y)| entry(y, DataType::Double, &[]))
            .collect(),
    )));
    let x: Vec<f64> = (0..COUNT).map(|i| i as f64).collect();
    let mut y = vec![0.0; COUNT];
    let inputs: Vec<TensorRef> = x.chunks(1).map(|x| TensorRef::new(&[], x)).collect();
    let mut outputs: Vec<TensorMut> = y.chunks_mut(1).map(|y| TensorMut::new(&[], y)).collect();
    session.run(&inputs, &mut outputs).unwrap();
    let all: Vec<usize> = (0..COUNT).collect();
    session.run_some(&inputs, &all, &mut outputs).unwrap();
    assert!(x.iter().zip(&y).all(|(x, y)| -x == *y));
}

#[test]
fn names_what_does_not_fit() {
    if !have_runtime("names_what_does_not_fit") {
        return;
    }
    let session = open(&line_and_exp(DataType::Double));
    let (x, p) = (samples(4), [1.0]);
    let (mut y, mut e) = (vec![0.0; 8], vec![0.0; 8]);
    let mut attempt = |x: TensorRef, p: TensorRef, y_dims: &[i64], y_len: usize| {
        let outputs = &mut [
            TensorMut::new(y_dims, &mut y[..y_len]),
            TensorMut::new(&[4], &mut e[..4]),
        ];
        let error = session.run(&[x, p], outputs).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Shape, "{error}");
        error.message
    };
    let good_x: TensorRef = TensorRef::new(&[4], &x);
    let good_p: TensorRef = TensorRef::new(&[], &p);
    let message = attempt(TensorRef::new(&[4], &[1f32; 4]), good_p, &[4], 4);
    assert_eq!(
        message,
        "input \"x\" holds f32; the model wants f64 with dimensions [-1] (-1: any size)"
    );
    assert!(
        attempt(TensorRef::new(&[2, 2], &x), good_p, &[4], 4).contains("has dimensions [2, 2]")
    );
    assert!(attempt(TensorRef::new(&[5], &x), good_p, &[4], 4).contains("[5] and 4 elements"));
    assert!(attempt(TensorRef::new(&[-4], &x), good_p, &[4], 4).contains("[-4] and 4 elements"));
    for (dims, length) in [
        (&[3][..], 3),
        (&[8][..], 8),
        (&[4, 1][..], 4),
        (&[0][..], 0),
    ] {
        let message = attempt(good_x, good_p, dims, length);
        // The text of ONNX Runtime differs between versions; the shape that it computed is always in it.
        let ours = message.starts_with("output \"y\" has dimensions [4, 1]; the model wants f64");
        assert!(
            ours || message.contains("hape") && message.contains("{4}"),
            "{message}"
        );
    }
    assert!(attempt(good_x, good_p, &[i64::MAX, i64::MAX], 4).contains("and 4 elements"));
    assert!(
        session
            .run(&[good_x], &mut [])
            .unwrap_err()
            .message
            .contains("2 outputs, and 0 are given")
    );
    let outputs = &mut [
        TensorMut::new(&[4], &mut y[..4]),
        TensorMut::new(&[4], &mut e[..4]),
    ];
    assert!(
        session
            .run(&[good_x], outputs)
            .unwrap_err()
            .message
            .contains("2 inputs, and 1 are given")
    );
    session.run(&[good_x, good_p], outputs).unwrap();
}

#[test]
fn refuses_broken_models_and_settings() {
    if !have_runtime("refuses_broken_models_and_settings") {
        return;
    }
    let refuse = |model: &[u8], config: &OrtConfig| OrtSession::new(model, config).unwrap_err();
    let good = line_and_exp(DataType::Double);
    let default = OrtConfig::default();
    for length in 0..good.len() {
        assert!(
            refuse(&good[..length], &default)
                .message
                .starts_with("ONNX Runtime refuses the model: ")
        );
    }
    assert_eq!(refuse(b"not a model", &default).kind, ErrorKind::Format);
    let double = DataType::Double;
    let unknown = graph(
        vec![node("Frob", &["x"], &["y"])],
        vec![entry("x", double, &[])],
        vec![entry("y", double, &[])],
    );
    let error = refuse(&model(unknown), &default);
    assert!(error.message.contains("Frob"), "{error}");
    let no_kernel = graph(
        vec![node("Tan", &["x"], &["y"])],
        vec![entry("x", double, &[])],
        vec![entry("y", double, &[])],
    );
    assert_eq!(
        refuse(&model(no_kernel), &default).kind,
        ErrorKind::Unsupported
    );
    let int32 = graph(
        vec![node("Neg", &["x"], &["y"])],
        vec![entry("x", DataType::Int32, &[])],
        vec![entry("y", DataType::Int32, &[])],
    );
    let error = refuse(&model(int32), &default);
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(
        error
            .message
            .starts_with("input \"x\" of the ONNX model is of type "),
        "{error}"
    );
    let no_threads = OrtConfig {
        threads: 0,
        ..OrtConfig::default()
    };
    assert_eq!(refuse(&good, &no_threads).kind, ErrorKind::Argument);
}

#[test]
fn never_falls_back_from_a_gpu() {
    if !have_runtime("never_falls_back_from_a_gpu") {
        return;
    }
    // No machine has a device of this number.
    let config = OrtConfig {
        device: Device::Cuda(99),
        ..OrtConfig::default()
    };
    let error = OrtSession::new(&line_and_exp(DataType::Double), &config).unwrap_err();
    assert_eq!(error.kind, ErrorKind::EngineUnavailable);
    assert!(
        error.message.starts_with("CUDA device 99 cannot be used: "),
        "{error}"
    );
}

#[test]
fn several_threads_inside_give_the_same_values() {
    if !have_runtime("several_threads_inside_give_the_same_values") {
        return;
    }
    let model = line_and_exp(DataType::Double);
    let config = OrtConfig {
        threads: 2,
        ..OrtConfig::default()
    };
    let session = OrtSession::new(&model, &config).unwrap();
    let x = samples(100_000);
    assert!(run_f64(&session, &x, 0.3) == run_f64(&open(&model), &x, 0.3));
}

/// A child of `prints_nothing`.
#[test]
#[ignore = "run by prints_nothing"]
fn fails_in_every_way() {
    refuses_broken_models_and_settings();
    never_falls_back_from_a_gpu();
    names_what_does_not_fit();
}

#[test]
fn prints_nothing() {
    if !have_runtime("prints_nothing") {
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "fails_in_every_way",
            "--ignored",
            "--nocapture",
            "--quiet",
        ])
        .output()
        .unwrap();
    assert!(child.status.success());
    assert_eq!(String::from_utf8_lossy(&child.stderr), "");
    assert!(!String::from_utf8_lossy(&child.stdout).contains("onnxruntime"));
}

/// `cargo test --release --test ort -- --ignored --nocapture timing`
#[test]
#[ignore = "a timing"]
fn timing() {
    if !have_runtime("timing") {
        return;
    }
    let double = DataType::Double;
    let two_nodes = |element_type| {
        graph(
            vec![
                node("Mul", &["x", "p"], &["m"]),
                node("Add", &["m", "x"], &["y"]),
            ],
            vec![
                entry("x", element_type, &[Dim::Free("N")]),
                entry("p", element_type, &[]),
            ],
            vec![entry("y", element_type, &[Dim::Free("N")])],
        )
    };
    let no_nodes = graph(
        vec![node("Neg", &["x"], &["y"])],
        vec![entry("x", double, &[])],
        vec![entry("y", double, &[])],
    );
    let time = |what: &str, body: &mut dyn FnMut()| {
        const ROUNDS: u32 = 200_000;
        (0..10_000).for_each(|_| body());
        let best = (0..5).map(|_| {
            let start = std::time::Instant::now();
            (0..ROUNDS).for_each(|_| body());
            start.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
        });
        println!("{what}: {:.0} ns", best.fold(f64::INFINITY, f64::min));
    };
    let one_node = open(&model(no_nodes));
    let two_nodes = open(&model(two_nodes(double)));
    let mut y = [0.0];
    time("one node, one input, one output", &mut || {
        one_node
            .run(
                &[TensorRef::new(&[], &[2.0])],
                &mut [TensorMut::new(&[], &mut y)],
            )
            .unwrap()
    });
    time("two nodes, two inputs, one output", &mut || {
        let inputs: [TensorRef; 2] = [TensorRef::new(&[1], &[2.0]), TensorRef::new(&[], &[3.0])];
        two_nodes
            .run(&inputs, &mut [TensorMut::new(&[1], &mut y)])
            .unwrap()
    });
    assert_eq!(y, [8.0]);
}

/// A host that runs with traps on, rounding up and flushing to zero gets the same bits and its own state back.
#[cfg(target_arch = "x86_64")]
#[test]
fn leaves_the_floating_point_environment_alone() {
    use std::arch::asm;

    fn read() -> u32 {
        let mut mxcsr = 0u32;
        // SAFETY: stores four bytes to a live local.
        unsafe { asm!("stmxcsr [{}]", in(reg) &mut mxcsr, options(nostack)) };
        mxcsr
    }
    fn write(mxcsr: u32) {
        // SAFETY: loads a valid value, on a thread that ends with this test.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &mxcsr, options(nostack)) };
    }

    if !have_runtime("leaves_the_floating_point_environment_alone") {
        return;
    }
    let model = line_and_exp(DataType::Double);
    // Overflow, underflow to a subnormal, invalid.
    let mut x = vec![1000.0, -740.0, f64::INFINITY, f64::NAN, 0.5];
    x.resize(100_000, -0.3);
    let expected = run_f64(&open(&model), &x, 0.0);
    // Flush-to-zero, denormals-are-zero, round up; traps for invalid, zero division, overflow and underflow.
    let host = 0x8040 | 0x4000 | (0x1f80 & !(0x80 | 0x200 | 0x400 | 0x800));
    for threads in [1, 2] {
        let config = OrtConfig {
            threads,
            ..OrtConfig::default()
        };
        let usual = read();
        write(host);
        let session = OrtSession::new(&model, &config);
        let made = read();
        let session = session.unwrap();
        let dims = [x.len() as i64];
        let (mut y, mut e) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let inputs = [TensorRef::new(&dims, &x), TensorRef::new(&[], &[0.0])];
        let result = session.run(
            &inputs,
            &mut [TensorMut::new(&dims, &mut y), TensorMut::new(&dims, &mut e)],
        );
        let after = read();
        drop(session);
        let dropped = read();
        write(usual);
        result.unwrap();
        assert_eq!((made, after, dropped), (host, host, host));
        let bits = |values: &[f64]| {
            values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!((bits(&y), bits(&e)), (bits(&expected.0), bits(&expected.1)));
        assert!(e[0] == f64::INFINITY && e[1] > 0.0 && e[1].is_subnormal());
    }
}

/// Inputs that stay where the session computes give the bits that a run over the caller's memory gives, whatever the other
/// inputs are and however often they change.
#[test]
fn bound_inputs_give_the_bits_of_a_run() {
    if !have_runtime("bound_inputs_give_the_bits_of_a_run") {
        return;
    }
    let config = OrtConfig::default();
    let session = Arc::new(open(&line_and_exp(DataType::Double)));
    for n in [1, 5, 1000] {
        let x = samples(n);
        let kept = Arc::new(DeviceTensor::new(&x, &config).unwrap());
        let mut bindings = [0, 1].map(|_| Binding::new(session.clone()).unwrap());
        for binding in &mut bindings {
            binding.keep(0, &kept).unwrap();
        }
        drop(kept);
        for p in [0.7, -1.5, f64::NAN, 0.0] {
            let wanted = run_f64(&session, &x, p);
            for binding in &mut bindings {
                let dims = [n as i64];
                let (mut y, mut e) = (vec![0.0; n], vec![0.0; n]);
                let outputs = &mut [TensorMut::new(&dims, &mut y), TensorMut::new(&dims, &mut e)];
                binding.run(&[TensorRef::new(&[], &[p])], outputs).unwrap();
                let bits = |all: &[f64]| -> Vec<u64> { all.iter().map(|v| v.to_bits()).collect() };
                assert_eq!((bits(&y), bits(&e)), (bits(&wanted.0), bits(&wanted.1)));
            }
        }
    }
    // single precision, and nothing that stays
    let single = Arc::new(open(&line_and_exp(DataType::Float)));
    let mut binding = Binding::new(single).unwrap();
    for x in [vec![1.0f32, 2.0], vec![0.5; 3]] {
        let dims = [x.len() as i64];
        let (mut y, mut e) = (vec![0.0f32; x.len()], vec![0.0f32; x.len()]);
        let outputs = &mut [TensorMut::new(&dims, &mut y), TensorMut::new(&dims, &mut e)];
        let inputs = [TensorRef::new(&dims, &x), TensorRef::new(&[], &[2.0f32])];
        binding.run(&inputs, outputs).unwrap();
        assert_eq!(y[0], x[0] * 2.0 + e[0]);
    }
}

#[test]
fn bindings_name_what_does_not_fit() {
    if !have_runtime("bindings_name_what_does_not_fit") {
        return;
    }
    let config = OrtConfig::default();
    let session = Arc::new(open(&line_and_exp(DataType::Double)));
    let mut binding = Binding::new(session).unwrap();
    let single = Arc::new(DeviceTensor::new(&[1.0f32], &config).unwrap());
    let message = binding.keep(0, &single).unwrap_err().message;
    assert!(message.contains("input \"x\" holds f32"), "{message}");
    let kept = Arc::new(DeviceTensor::new(&[1.0, 2.0], &config).unwrap());
    let message = binding.keep(7, &kept).unwrap_err().message;
    assert!(message.contains("no input 7"), "{message}");
    binding.keep(0, &kept).unwrap();
    let (dims, mut y, mut e) = ([2], [0.0; 2], [0.0; 2]);
    let outputs = &mut [TensorMut::new(&dims, &mut y), TensorMut::new(&dims, &mut e)];
    let error = binding.run(&[], outputs).unwrap_err();
    assert!(error.message.contains("wants 1 inputs"), "{error}");
    let error = binding.run(&[TensorRef::new(&[], &[1.0])], &mut []);
    assert!(error.unwrap_err().message.contains("2 outputs"));
    // outputs of another size are an error of the runtime, and the next run is well
    let (short, mut few) = ([1], [0.0]);
    let outputs = &mut [
        TensorMut::new(&short, &mut few),
        TensorMut::new(&dims, &mut e),
    ];
    let error = binding.run(&[TensorRef::new(&[], &[1.0])], outputs);
    assert_eq!(error.unwrap_err().kind, ErrorKind::Shape);
    let outputs = &mut [TensorMut::new(&dims, &mut y), TensorMut::new(&dims, &mut e)];
    binding
        .run(&[TensorRef::new(&[], &[1.0])], outputs)
        .unwrap();
    assert_eq!(y[1], 2.0 + e[1]);
}
