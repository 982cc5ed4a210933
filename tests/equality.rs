//! Procedures that are compared: the same answer on all engines.
#![cfg(feature = "cli")]

mod networks;

use std::sync::Arc;

use ncg::compile::Model;
use ncg::engine::tagged::{self, Limits};
use ncg::error::ErrorKind;
use ncg::options::Options;
use networks::{engines, run};

const PROCEDURES: &str = "
    (define (adder n) (lambda (x) (+ x n)))
    (define (same n) (lambda (x) (* x n)))
    (define (pair f g) (lambda (x) (f (g x))))
    (define (both n) (let ((ns (list n))) (list (lambda () ns) (lambda () ns))))
    (input k) (input m) ";

#[test]
fn procedures_are_the_same_by_what_they_capture() {
    // at k = 2, m = 2; then at k = 2, m = 3
    for (test, wanted) in [
        ("(let ((p (lambda (x) x))) (eqv? p p))", [1.0, 1.0]),
        ("(let ((p (adder k))) (eq? p p))", [1.0, 1.0]),
        ("(eqv? adder adder)", [1.0, 1.0]),
        ("(eqv? car car)", [1.0, 1.0]),
        ("(eqv? car cdr)", [0.0, 0.0]),
        ("(eqv? adder same)", [0.0, 0.0]),
        ("(eqv? (adder 2) (adder 2))", [1.0, 1.0]),
        ("(eqv? (adder 2) (adder 3))", [0.0, 0.0]),
        ("(eqv? (adder 2) (adder 2.))", [0.0, 0.0]),
        ("(eqv? (adder k) (adder m))", [1.0, 0.0]),
        ("(equal? (adder k) (adder m))", [1.0, 0.0]),
        ("(eqv? (adder k) (same k))", [0.0, 0.0]),
        (
            "(eqv? (pair (adder k) (same m)) (pair (adder m) (same k)))",
            [1.0, 0.0],
        ),
        (
            "(eqv? (pair (adder k) car) (pair (adder k) cdr))",
            [0.0, 0.0],
        ),
        // what is captured is compared by identity, even by equal?
        ("(equal? (car (both k)) (car (both k)))", [0.0, 0.0]),
        ("(let ((fs (both k))) (eqv? (car fs) (car fs)))", [1.0, 1.0]),
        ("(equal? (list (adder k) 1) (list (adder m) 1))", [1.0, 0.0]),
    ] {
        let source = format!("{PROCEDURES} (list {test} k m)");
        let model = Arc::new(Model::compile(source.as_str(), &Options::new()).unwrap());
        assert!(model.is_numeric(), "{test}");
        for engine in engines() {
            let (y, ..) = run(&model, engine, &[2.0, 2.0, 2.0, 3.0]).unwrap();
            assert_eq!([y[0], y[3]], wanted, "{test} on {engine}");
        }
    }
}

/// What is shared is not compared again and again for ever: sixty levels, each of which holds that below it twice.
#[test]
fn what_is_shared_has_a_limit() {
    let procedures = "(define (node g h) (lambda () (list (g) (h))))
        (define (grow f n) (if (= n 0) f (grow (node f f) (- n 1))))
        (define (leaf) x)
        (eqv? (grow leaf 60) (grow leaf 60))";
    let lists = "(define (grow l n) (if (= n 0) l (grow (cons l l) (- n 1))))
        (equal? (grow (list x) 60) (grow (list x) 60))";
    for source in [procedures, lists] {
        let error = Model::compile(source, &Options::new()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{error}");
        let front = ncg::compile::front(source, &Options::new()).unwrap();
        let error = tagged::evaluate(&front.general, &[1.0], Limits::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{error}");
    }
}
