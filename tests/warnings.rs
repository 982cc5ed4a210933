//! Warnings: one test for each kind, and none for models that mean what they say.

use ncg::compile::Model;
use ncg::options::Options;
use ncg::warn::{Warning, WarningKind};

fn model(source: &str) -> Model {
    Model::compile(source, &Options::new()).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn warnings(source: &str) -> Vec<Warning> {
    model(source).warnings()
}

/// Each warning as kind, name, line and column; 0 where there is no place.
fn brief(source: &str) -> Vec<(WarningKind, String, usize, usize)> {
    let place = |warning: &Warning| match &warning.place {
        Some(place) => (place.line, place.column),
        None => (0, 0),
    };
    let warnings = warnings(source);
    let brief = warnings.iter().map(|warning| {
        let (line, column) = place(warning);
        (warning.kind, warning.name.to_string(), line, column)
    });
    brief.collect()
}

fn stop(name: &str, line: usize, column: usize) -> (WarningKind, String, usize, usize) {
    (WarningKind::ZeroGradient, name.into(), line, column)
}

fn ineffective(name: &str) -> (WarningKind, String, usize, usize) {
    (WarningKind::Ineffective, name.into(), 0, 0)
}

fn unused(name: &str) -> (WarningKind, String, usize, usize) {
    (WarningKind::Unused, name.into(), 0, 0)
}

#[test]
fn a_constant_in_a_branch_test() {
    let source = "(parameter k 2)\n(if (< x k)\n    (* k x)\n    x)";
    assert_eq!(brief(source), [stop("k", 2, 5)]);
    assert_eq!(
        warnings(source)[0].to_string(),
        "the constant \"k\" stands inside a branch test: its gradient through the test is zero\n \
         --> line 2, column 5\n  |\n2 | (if (< x k)\n  |     ^^^^^^^"
    );
    // what is computed on the way to the test counts as well
    let source = "(parameter k 2)\n(let ((limit (exp (* 3 k))))\n  (if (< x limit) (* k x) x))";
    assert_eq!(brief(source), [stop("k", 3, 7)]);
    // every test, each once, for each constant in it
    let source = "(parameter a 2) (parameter b 3)\n\
                  (define (side x) (if (< x a) (* a x) (* b x)))\n\
                  (+ (side x) (side y) (if (and (> x a) (> y b)) 1 2))";
    let wanted = [stop("a", 2, 22), stop("a", 3, 31), stop("b", 3, 39)];
    assert_eq!(brief(source), wanted);
    // a number is a test too
    let source = "(parameter k 2) (if (- x k) (* k x) x)";
    assert_eq!(brief(source), [stop("k", 1, 17)]);
}

#[test]
fn a_constant_in_the_test_of_a_loop() {
    let source = "(parameter k 2)\n\
                  (loop ((t 0.) (y x))\n\
                  \x20 (if (< t k) (recur (+ t 1) (* y k)) y))";
    let found = warnings(source);
    assert_eq!(brief(source), [stop("k", 3, 7)]);
    assert!(
        found[0]
            .message
            .contains("inside the test of a loop: its gradient through the test"),
        "{}",
        found[0]
    );
    // the state carries it into the test
    let source = "(parameter k 2)\n\
                  (loop ((t 0.) (y x))\n\
                  \x20 (if (< t x) (recur (+ t k) (* y k)) y))";
    assert_eq!(brief(source), [stop("k", 3, 7)]);
    // a number is a test too
    let source = "(parameter k 2)\n(loop ((y k)) (if y (recur (- y x)) (* k y)))";
    let found = warnings(source);
    assert_eq!(brief(source), [stop("k", 2, 15)]);
    assert!(found[0].message.contains("inside the test of a loop"));
}

#[test]
fn a_constant_in_a_rounding_or_a_comparison() {
    let source = "(parameter k 2) (* k x (floor (* k x)))";
    assert_eq!(brief(source), [stop("k", 1, 24)]);
    let message = &warnings(source)[0].message;
    assert!(
        message.contains("inside a rounding: its gradient through the rounding"),
        "{message}"
    );
    let source = "(parameter k 2) (* k x (< k x))";
    assert_eq!(brief(source), [stop("k", 1, 24)]);
    let message = &warnings(source)[0].message;
    assert!(message.contains("inside a comparison"), "{message}");
}

#[test]
fn a_constant_that_cannot_matter() {
    let source = "(parameter k 2) (if (< x k) x 0)";
    assert_eq!(brief(source), [stop("k", 1, 21), ineffective("k")]);
    assert_eq!(
        warnings(source)[1].message,
        "parameter \"k\" cannot matter: no output depends on it smoothly"
    );
    assert_eq!(
        brief("(parameter k 2) (if (< x 1) x (* 0 (floor k)))").last(),
        Some(&ineffective("k"))
    );
}

#[test]
fn an_input_or_a_constant_that_nothing_uses() {
    assert_eq!(
        brief("(input z) (parameter k 2) x"),
        [unused("z"), unused("k")]
    );
    let source = "(let ((y (* a b))) (if #t x y))";
    let mut found = brief(source);
    found.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(found, [unused("a"), unused("b")]);
    assert_eq!(
        warnings("(input z) x")[0].message,
        "input \"z\" is never used"
    );
    assert_eq!(
        warnings("(parameter z 1) x")[0].message,
        "parameter \"z\" is never used"
    );
}

#[test]
fn models_that_mean_what_they_say() {
    for source in [
        "(* 2 x)",
        "(parameter k 2) (* k x)",
        "(parameter k 2) (if (< x 0) (* k x) (exp k))",
        "(parameter k 2) (max k x)",
        "(parameter k 2) (abs (- x k))",
        "(parameter k 2) (remainder x k)",
        "(parameter k 2) (loop ((i 0) (y x)) (if (< i 3) (recur (+ i 1) (* k y)) y))",
        "(parameter k 2) (loop ((y x)) (if (< y 10) (recur (+ (* y y) 1)) (* k y)))",
        "(define (f n) (if (= n 0) x (* y (f (- n 1))))) (f 3)",
        "(list x y)",
    ] {
        assert_eq!(brief(source), [], "{source}");
    }
}

#[test]
fn warnings_survive_more_constants_than_a_word_has_bits() {
    let names: Vec<String> = (0..150).map(|i| format!("k{i}")).collect();
    let declared: String = names
        .iter()
        .map(|name| format!("(parameter {name} 1) "))
        .collect();
    let source = format!("{declared}\n(if (< x k140) (+ {}) x)", names.join(" "));
    assert_eq!(brief(&source), [stop("k140", 2, 5)]);
}

#[test]
fn of_the_example_models_those_are_warned_of_that_decide_by_a_constant() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "scm"))
        .collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let source = std::fs::read_to_string(&path).unwrap();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        // the depth of these recursions hangs on an input
        let bound = [("carbon-cycle", "year=3"), ("decay-chain", "minutes=3")];
        let mut options = Options::new();
        if let Some((_, bound)) = bound.iter().find(|(name, _)| *name == stem) {
            options.set_str("bind", bound).unwrap();
        }
        let model = Model::compile(&source, &options);
        let model = model.unwrap_or_else(|error| panic!("{stem}: {error}"));
        let warnings = model.warnings().into_iter();
        found
            .extend(warnings.map(|warning| (stem.clone(), warning.kind, warning.name.to_string())));
    }
    // each decides when to stop, or which formula to take, by what a constant changes
    let wanted = [
        ("newton-sqrt", "offset"),
        ("newton-sqrt-loop", "offset"),
        ("relativistic-energy", "c"),
    ];
    let wanted = wanted.map(|(stem, name)| (stem.into(), WarningKind::ZeroGradient, name.into()));
    found.sort_by(|a, b| (&a.0, &a.2).cmp(&(&b.0, &b.2)));
    assert_eq!(found, wanted);
}

#[test]
fn of_a_model_without_a_numeric_graph_what_nothing_uses() {
    // the depth of the recursion hangs on data
    let source = "(input z) (parameter k 2)\n\
                  (define (f n) (if (< n k) x (* y (f (- n 1)))))\n(f n)";
    let model = model(source);
    assert!(!model.is_numeric());
    assert_eq!(brief(source), [unused("z")]);
}
