//! Vectors and matrices as inputs and parameters: numbers with names of their own, and an array in the program.

use std::sync::Arc;

use ncg::compile::Model;
use ncg::graph::PortKind;
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};

fn compile(text: &str) -> Model {
    Model::compile(text, &Options::new()).unwrap()
}

fn names(model: &Model) -> Vec<&str> {
    model.graph.ports.iter().map(|port| &*port.name).collect()
}

#[test]
fn the_numbers_of_an_array_are_ports() {
    let model = compile("(parameter w [1 -2.5 3] -10 10)(input x 2)(input m 2 2)(* (vsum w) y)");
    let wanted = [
        "w.0", "w.1", "w.2", "x.0", "x.1", "m.0.0", "m.0.1", "m.1.0", "m.1.1", "y",
    ];
    assert_eq!(names(&model), wanted);
    let parameter = |initial| PortKind::Parameter {
        initial,
        lower: -10.0,
        upper: 10.0,
    };
    assert_eq!(model.graph.ports[0].kind, parameter(1.0));
    assert_eq!(model.graph.ports[1].kind, parameter(-2.5));
    assert_eq!(model.graph.ports[3].kind, PortKind::Input);
}

#[test]
fn an_array_is_one_value_in_the_program() {
    // a procedure sees it, a binding hides it, an element has its own name, and a definition of vec changes nothing
    let model = compile(
        "(parameter w [1 2])(parameter a (mat [2 0] [0 3]))
         (define (vec x) 7)
         (define (f v) (dot v (matvec a w)))
         (+ (f w) w.1 (let ((w 10)) w))",
    );
    assert_eq!(
        names(&model),
        ["w.0", "w.1", "a.0.0", "a.0.1", "a.1.0", "a.1.1"]
    );
    let mut session = Session::<f64>::new(Arc::new(model), &Options::new()).unwrap();
    let (mut y, mut dp) = ([0.0], [0.0; 6]);
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, 1)),
        dx: None,
        dp: Some(&mut dp),
    };
    let none = Strided::rows(&[], 0);
    session.gradient(1, &none, None, None, into, None).unwrap();
    assert_eq!(y, [2.0 + 12.0 + 2.0 + 10.0]);
    assert_eq!(dp, [4.0, 13.0, 1.0, 2.0, 2.0, 4.0]);
}

#[test]
fn files_keep_the_numbers() {
    let text = "(parameter w [1 2] 0 5)(input x 2)(* w x)";
    let model = compile(text);
    let options = Options::new();
    let bytes = ncg::onnx::write(&model, &options).unwrap();
    let read = ncg::onnx::read(&bytes, &options).unwrap();
    assert_eq!(read.graph.ports, model.graph.ports);
    assert_eq!(read.graph.value, model.graph.value);
    let text = ncg::ncg::write(&model).unwrap();
    let read = ncg::ncg::read(&text, &options).unwrap();
    assert_eq!(read.graph.ports, model.graph.ports);
    assert_eq!(read.graph.value, model.graph.value);
}
