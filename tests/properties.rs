//! Laws over random programs: the compiled model gives the bits of a plain evaluator that shares no code with it, its
//! gradient is that of dual numbers, and no bytes make a reader panic. `PROPTEST_CASES` sets how many.

use std::fmt;
use std::sync::Arc;

use ncg::compile::Model;
use ncg::graph::{parse, verify_numeric};
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};
use proptest::prelude::*;

/// A program: its operations round exactly, so that evaluators must agree to the bit.
#[derive(Clone, Debug)]
enum Expr {
    Input(usize),
    Number(f64),
    Integer(i64),
    Unary(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    If(&'static str, Box<[Expr; 4]>),
    /// `(let ((v value)) body)`, where `v` is the innermost variable.
    Let(Box<Expr>, Box<Expr>),
    Variable(usize),
    /// `((lambda (v) body) value)` through a definition inside the body.
    Call(Box<Expr>, Box<Expr>),
}

const INPUTS: [&str; 3] = ["x", "y", "z"];

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        4 => (0..3usize).prop_map(Expr::Input),
        2 => (-3.0..3.0f64).prop_map(Expr::Number),
        1 => prop_oneof![Just(0.0), Just(-0.0), Just(1.0), Just(f64::INFINITY), Just(1e300)].prop_map(Expr::Number),
        1 => (-3i64..4).prop_map(Expr::Integer),
        3 => (0..4usize).prop_map(Expr::Variable),
    ];
    leaf.prop_recursive(6, 60, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let unary = prop_oneof![
            Just("-"),
            Just("abs"),
            Just("sqrt"),
            Just("square"),
            Just("floor"),
            Just("relu"),
            Just("round")
        ];
        let binary = prop_oneof![
            Just("+"),
            Just("-"),
            Just("*"),
            Just("/"),
            Just("max"),
            Just("min")
        ];
        let test = prop_oneof![Just("<"), Just(">"), Just("="), Just("<="), Just(">=")];
        prop_oneof![
            2 => (unary, boxed()).prop_map(|(op, a)| Expr::Unary(op, a)),
            4 => (binary, boxed(), boxed()).prop_map(|(op, a, b)| Expr::Binary(op, a, b)),
            3 => (test, inner.clone(), inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(op, a, b, c, d)| Expr::If(op, Box::new([a, b, c, d]))),
            2 => (boxed(), boxed()).prop_map(|(a, b)| Expr::Let(a, b)),
            1 => (boxed(), boxed()).prop_map(|(a, b)| Expr::Call(a, b)),
        ]
    })
}

/// Scheme text; `depth` variables are in scope.
struct Text<'a>(&'a Expr, usize);

fn real(value: f64) -> String {
    match value {
        f64::INFINITY => "+inf.0".into(),
        value => format!("{value:?}"),
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = self.1;
        let at = |expr| Text(expr, depth);
        match self.0 {
            Expr::Input(i) => f.write_str(INPUTS[*i]),
            Expr::Number(value) => f.write_str(&real(*value)),
            Expr::Integer(value) => write!(f, "{value}"),
            Expr::Unary(op, a) => write!(f, "({op} {})", at(a)),
            Expr::Binary(op, a, b) => write!(f, "({op} {} {})", at(a), at(b)),
            Expr::If(op, parts) => {
                let [a, b, then, otherwise] = &**parts;
                write!(
                    f,
                    "(if ({op} {} {}) {} {})",
                    at(a),
                    at(b),
                    at(then),
                    at(otherwise)
                )
            }
            Expr::Let(value, body) => write!(
                f,
                "(let ((v{depth} {})) {})",
                at(value),
                Text(body, depth + 1)
            ),
            Expr::Variable(i) if depth > 0 => write!(f, "v{}", i % depth),
            Expr::Variable(i) => f.write_str(INPUTS[i % 3]),
            Expr::Call(value, body) => {
                write!(
                    f,
                    "(let () (define (f v{depth}) {}) (f {}))",
                    Text(body, depth + 1),
                    at(value)
                )
            }
        }
    }
}

/// A number and its derivatives by the three inputs. `exact` marks an exact integer of the language.
#[derive(Clone, Copy, Debug)]
struct Dual {
    value: f64,
    slopes: [f64; 3],
    /// The sums of the sizes of what adds up to the slopes: rounding is relative to these.
    sizes: [f64; 3],
    exact: bool,
    /// Whether it hangs on data. What does is an exact integer only if it is one whatever the data.
    symbolic: bool,
}

impl Dual {
    fn map(self, value: f64, slope: f64) -> Dual {
        Dual {
            value,
            // a derivative of zero stays zero at a kink or a pole that no input moves
            slopes: self.slopes.map(|s| if s == 0.0 { 0.0 } else { s * slope }),
            sizes: self
                .sizes
                .map(|s| if s == 0.0 { 0.0 } else { s * slope.abs() }),
            exact: false,
            symbolic: self.symbolic,
        }
    }

    fn join(a: Dual, b: Dual, value: f64, by_a: f64, by_b: f64) -> Dual {
        let (x, y) = (a.map(value, by_a), b.map(value, by_b));
        Dual {
            slopes: [0, 1, 2].map(|i| x.slopes[i] + y.slopes[i]),
            sizes: [0, 1, 2].map(|i| x.sizes[i] + y.sizes[i]),
            symbolic: a.symbolic || b.symbolic,
            ..x
        }
    }
}

fn eval(expr: &Expr, inputs: &[Dual; 3], scope: &mut Vec<Dual>) -> Dual {
    let constant = |value, exact| Dual {
        value,
        slopes: [0.0; 3],
        sizes: [0.0; 3],
        exact,
        symbolic: false,
    };
    match expr {
        Expr::Input(i) => inputs[*i],
        Expr::Number(value) => constant(*value, false),
        Expr::Integer(value) => constant(*value as f64, true),
        Expr::Variable(i) if scope.is_empty() => inputs[i % 3],
        Expr::Variable(i) => scope[i % scope.len()],
        Expr::Unary(op, a) => unary(op, eval(a, inputs, scope)),
        Expr::Binary(op, a, b) => {
            let a = eval(a, inputs, scope);
            binary(op, a, eval(b, inputs, scope))
        }
        Expr::If(op, parts) => {
            let (a, b) = (
                eval(&parts[0], inputs, scope),
                eval(&parts[1], inputs, scope),
            );
            let symbolic = a.symbolic || b.symbolic;
            let (a, b) = (a.value, b.value);
            let taken = match *op {
                "<" => a < b,
                ">" => a > b,
                "=" => a == b,
                "<=" => a <= b,
                _ => a >= b,
            };
            let result = eval(&parts[if taken { 2 } else { 3 }], inputs, scope);
            let other = eval(&parts[if taken { 3 } else { 2 }], inputs, scope);
            let alike = |a: Dual, b: Dual| {
                !a.symbolic && !b.symbolic && a.exact == b.exact && same_bits(a.value, b.value)
            };
            match symbolic && !alike(result, other) {
                true => Dual {
                    exact: result.exact && other.exact,
                    symbolic,
                    ..result
                },
                false => result,
            }
        }
        Expr::Let(value, body) | Expr::Call(value, body) => {
            let value = eval(value, inputs, scope);
            scope.push(value);
            let result = eval(body, inputs, scope);
            scope.pop();
            result
        }
    }
}

fn unary(op: &str, a: Dual) -> Dual {
    let x = a.value;
    let result = match op {
        "-" => a.map(-x, -1.0),
        "abs" => a.map(x.abs(), if x == 0.0 { 0.0 } else { x.signum() }),
        "sqrt" => return a.map(x.sqrt(), 0.5 / x.sqrt()),
        "square" => a.map(x * x, 2.0 * x),
        "floor" => a.map(x.floor(), 0.0),
        "round" => a.map(x.round_ties_even(), 0.0),
        _ => {
            return a.map(
                if x > 0.0 || x.is_nan() { x } else { 0.0 },
                if x > 0.0 { 1.0 } else { 0.0 },
            );
        }
    };
    Dual {
        // exact zero has no sign
        value: if a.exact && result.value == 0.0 {
            0.0
        } else {
            result.value
        },
        exact: a.exact,
        ..result
    }
}

fn binary(op: &str, a: Dual, b: Dual) -> Dual {
    let (x, y) = (a.value, b.value);
    let exact = a.exact && b.exact;
    let share = |wins: bool| {
        if x == y {
            0.5
        } else {
            f64::from(u8::from(wins))
        }
    };
    let result = match op {
        "+" => Dual::join(a, b, x + y, 1.0, 1.0),
        "-" => Dual::join(a, b, x - y, 1.0, -1.0),
        "*" => Dual::join(a, b, x * y, y, x),
        "/" => {
            let even = exact && !a.symbolic && !b.symbolic && y != 0.0 && x % y == 0.0;
            let result = Dual::join(a, b, x / y, 1.0 / y, -(1.0 / y) * (x / y));
            return Dual {
                value: if even && result.value == 0.0 {
                    0.0
                } else {
                    result.value
                },
                exact: even,
                ..result
            };
        }
        "max" => Dual::join(
            a,
            b,
            if x > y || x.is_nan() { x } else { y },
            share(x > y),
            share(y > x),
        ),
        _ => Dual::join(
            a,
            b,
            if x < y || x.is_nan() { x } else { y },
            share(x < y),
            share(y < x),
        ),
    };
    Dual {
        value: if exact && result.value == 0.0 {
            0.0
        } else {
            result.value
        },
        exact,
        ..result
    }
}

const POINTS: [[f64; 3]; 9] = [
    [0.0, 0.0, 0.0],
    [1.0, -1.0, 2.0],
    [0.5, 0.5, -0.5],
    [-2.25, 3.5, 0.1],
    [1e-3, -7.0, 1e3],
    [-0.0, 1.0, -1.0],
    [2.0, 2.0, 2.0],
    [1.7, -0.3, 0.9],
    [f64::INFINITY, 1.0, -3.0],
];

struct Results {
    y: Vec<f64>,
    dx: Vec<f64>,
}

fn run(model: &Model, options: &Options) -> Results {
    let mut session = Session::<f64>::new(Arc::new(model.clone()), options).unwrap();
    let x: Vec<f64> = POINTS.concat();
    let (mut y, mut dx) = (vec![0.0; POINTS.len()], vec![0.0; x.len()]);
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, 1)),
        dx: Some(&mut StridedMut::rows(&mut dx, 3)),
        dp: None,
    };
    session
        .gradient(POINTS.len(), &Strided::rows(&x, 3), None, None, into, None)
        .unwrap();
    Results { y, dx }
}

fn same_bits(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_give_the_bits_of_a_plain_evaluator(expr in expr()) {
        let source = format!("(input x) (input y) (input z) {}", Text(&expr, 0));
        let mut options = Options::new();
        options.set_str("engine", "native").unwrap();
        let model = Model::compile(&source, &options).unwrap();
        let got = run(&model, &options);
        for (s, point) in POINTS.iter().enumerate() {
            let inputs = [0, 1, 2].map(|i| {
                let mut slopes = [0.0; 3];
                slopes[i] = 1.0;
                Dual { value: point[i], slopes, sizes: slopes, exact: false, symbolic: true }
            });
            let wanted = eval(&expr, &inputs, &mut Vec::new());
            prop_assert!(same_bits(got.y[s], wanted.value), "{source}\nat {point:?}: {:?}, not {:?}", got.y[s], wanted.value);
            // forward and reverse order products differently: where one overflows, the other need not
            let tame = wanted.slopes.iter().all(|s| s.is_finite() && s.abs() < 1e100) && wanted.value.abs() < 1e100;
            for (i, name) in INPUTS.iter().enumerate() {
                let (got, wanted_size, wanted) = (got.dx[3 * s + i], wanted.sizes[i], wanted.slopes[i]);
                let close = (got - wanted).abs() <= 1e-9 * wanted.abs() + 1e-13 * wanted_size || !got.is_finite();
                prop_assert!(!tame || close, "{source}\nat {point:?}, by {name}: {got:?}, not {wanted:?}");
            }
        }
        // every form of the model gives the same bits again
        let reread = ncg::ncg::read(&ncg::ncg::write(&model).unwrap(), &options).unwrap();
        let reparsed = Model { graph: parse(&model.graph.to_string()).unwrap(), ..model.clone() };
        for other in [reread, reparsed] {
            verify_numeric(&other.graph).unwrap();
            let again = run(&other, &options);
            prop_assert!(again.y.iter().zip(&got.y).all(|(a, b)| same_bits(*a, *b)), "{source}: reread");
            prop_assert!(again.dx.iter().zip(&got.dx).all(|(a, b)| same_bits(*a, *b)), "{source}: gradient, reread");
        }
        // same source, same bytes
        let twice = Model::compile(&source, &options).unwrap();
        prop_assert_eq!(ncg::ncg::write(&twice).unwrap(), ncg::ncg::write(&model).unwrap());
    }

    #[test]
    fn no_text_makes_the_compiler_panic(words in prop::collection::vec(word(), 0..40)) {
        let _ = Model::compile(&words.concat(), &Options::new());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ncg::document::parse(&bytes, &Options::new());
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_damage_to_a_file_makes_a_reader_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let model = Model::compile("(parameter k 2 0 5) (list (if (> x 0) (* k x) (/ k x)) 'a)", &Options::new()).unwrap();
        let ncg = ncg::ncg::write(&model).unwrap().into_bytes();
        let onnx = ncg::onnx::write(&model, &Options::new()).unwrap();
        let text = model.graph.to_string().into_bytes();
        for mut bytes in [ncg, onnx, text] {
            let place = at.index(bytes.len());
            bytes[place] = byte;
            let _ = ncg::document::parse(&bytes, &Options::new());
            let _ = parse(&String::from_utf8_lossy(&bytes));
            bytes.truncate(cut.index(bytes.len()));
            let _ = ncg::document::parse(&bytes, &Options::new());
        }
    }
}

/// Words that programs are made of, and some that they are not.
fn word() -> impl Strategy<Value = String> {
    let words: Vec<String> = [
        "(",
        ")",
        "[",
        "]",
        "'",
        "`",
        ",",
        ",@",
        "#;",
        "#|",
        "|#",
        "\"",
        "\\",
        ";",
        "\n",
        " . ",
        "#t",
        "#\\a",
        "#\\",
        "1",
        "-2.5",
        "1e9",
        "x",
        "y",
        "f",
        "define",
        "lambda",
        "let",
        "let*",
        "letrec",
        "if",
        "cond",
        "else",
        "=>",
        "case",
        "and",
        "or",
        "when",
        "do",
        "begin",
        "quote",
        "quasiquote",
        "unquote",
        "parameter",
        "input",
        "loop",
        "recur",
        "soft-choice",
        "+",
        "-",
        "*",
        "/",
        "car",
        "cdr",
        "cons",
        "list",
        "apply",
        "append",
        "length",
        "expt",
        "sin",
        "map",
        "vec",
        "9223372036854775807",
        "set!",
    ]
    .iter()
    .map(|word| format!("{word} "))
    .collect();
    prop_oneof![
        8 => prop::sample::select(words),
        1 => Just("(".to_string()),
        1 => Just(")".to_string()),
        1 => "\\PC{0,3}",
    ]
}

#[test]
fn long_programs_take_no_more_than_their_length() {
    let repeat =
        |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let sources = [
        repeat(50_000, &|i| format!("(define v{i} {i})")) + "v1",
        repeat(20_000, &|i| {
            format!("(define (f{i} x) (+ x (f{} x)))", i + 1)
        }) + "(define (f20000 x) x) (f19990 x)",
        repeat(20_000, &|i| {
            format!("(define (g{} x) (+ k (g{i} x)))", i + 1)
        }) + "(define k y) (define (g0 x) x) (g5 x)",
        format!("(let ({}) v1)", repeat(50_000, &|i| format!("(v{i} {i})"))),
        format!("(let* ({}) v1)", repeat(50_000, &|i| format!("(v{i} {i})"))),
        format!("(+ {})", repeat(100_000, &|i| format!("x{i} "))),
        format!("'({})", repeat(200_000, &|i| format!("{i} "))),
        format!("`({} ,x)", repeat(200_000, &|i| format!("{i} "))),
        format!("(lambda ({}) 1)", repeat(200_000, &|i| format!("x{i} "))),
    ];
    for source in &sources {
        let started = std::time::Instant::now();
        let result = Model::compile(source, &Options::new());
        let seconds = started.elapsed().as_secs_f64();
        assert!(
            seconds < 10.0,
            "{source:.40}: {seconds} s, {:?}",
            result.err().map(|error| error.message)
        );
    }
}

#[test]
fn deep_programs_are_refused_on_a_small_stack() {
    let deep = |open: &str, middle: &str, close: &str| {
        format!("{}{middle}{}", open.repeat(5000), close.repeat(5000))
    };
    let nested =
        |open: &str, n: usize, close: &str| format!("{}x{}", open.repeat(n), close.repeat(n));
    let sources = [
        deep("(+ 1 ", "x", ")"),
        deep("(if x ", "1", " 2)"),
        deep("'", "x", ""),
        deep("(lambda (x) ", "x", ")"),
        deep("`(a ,", "x", ")"),
        deep("(let ((x ", "x", ")) x)"),
        format!("(cond {})", "((> x 0) 1) ".repeat(20_000)),
        format!("(and {})", "x ".repeat(20_000)),
        format!("(case x {})", "((1) 2) ".repeat(20_000)),
        "(define (f x) (f x)) (f 1)".to_string(),
        "(define (f x) (+ 1 (f (+ x 1)))) (f 1)".to_string(),
        "((lambda (f) (f f)) (lambda (f) (f f)))".to_string(),
        "(define (grow l) (grow (cons 1 l))) (grow '())".to_string(),
        "(iota 100000000)".to_string(),
    ];
    // these nest as deep as may be, and compile
    let fine = [
        "(define (f x) (if (> x 0) (f (- x 1)) x)) (f y)".to_string(),
        nested("(+ 1 ", 900, ")"),
        nested("(if (> y 0) (- ", 150, ") 2)"),
        "(quote (".repeat(400) + &"))".repeat(400),
    ];
    let work = move || {
        for source in &sources {
            let started = std::time::Instant::now();
            assert!(
                Model::compile(source, &Options::new()).is_err(),
                "{source:.60}"
            );
            assert!(started.elapsed().as_secs_f64() < 5.0, "{source:.60}");
        }
        for source in &fine {
            let model = Model::compile(source, &Options::new())
                .unwrap_or_else(|error| panic!("{source:.60}: {error:.300}"));
            let Ok(text) = ncg::ncg::write(&model) else {
                continue;
            };
            ncg::ncg::read(&text, &Options::new()).unwrap();
            ncg::grad::vjp(&model.graph, &model.graph.inputs());
        }
    };
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}
