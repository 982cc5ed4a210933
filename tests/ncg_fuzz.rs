//! Documents that are changed at random: each loads or is refused by an error, soon and without a panic.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use ncg::compile::{Model, front};
use ncg::graph::verify;
use ncg::options::Options;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// Programs whose documents are changed, beside those of the reference system.
const PROGRAMS: [&str; 6] = [
    "(parameter k 0.5 0 2) (loop ((i 0) (s 0)) (if (>= s n) (+ i s) (recur (+ i 1) (+ s (* k x)))))",
    "(if (> x 0) (list (loop ((a x) (i 0)) (if (> a 9) a (recur (* a a) (+ i 1)))) 'up) (list 0 'up))",
    "(loop ((a x)) (if (> a 9) a (recur (loop ((b a) (c 1)) (if (> b c) (+ b c) (recur (+ b 1) (+ c x)))))))",
    "(soft-choice (x (solve (mat [x 1] [2 x]) [1 x])) [x 1])",
    "(define (f n . more) (if (< n 1) '(a (b . 2) #\\c) (cons (map + more more) (f (- n x) 1 2)))) (f y)",
    "(let ((k (* x 2))) (letrec ((g (lambda (n) (if (< n 1) k (* n (g (- n 1))))))) (+ (g y) (apply max (list k 1)))))",
];

/// Good documents, as JSON; numbers that are no JSON are left out.
static GOOD: LazyLock<Vec<Json>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ncg");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut texts: Vec<String> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "ncg"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let options = Options::new();
    for source in PROGRAMS {
        let compiled = Model::compile(source, &options).unwrap();
        texts.push(ncg::ncg::write(&compiled).unwrap());
        let general = Model {
            graph: front(source, &options).unwrap().general,
            ..compiled
        };
        texts.push(ncg::ncg::write(&general).unwrap());
    }
    let documents = texts
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok());
    let documents: Vec<Json> = documents.collect();
    assert!(documents.len() >= 24, "{}", documents.len());
    documents
});

/// The paths of all values in a document.
fn paths(value: &Json, path: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    all.push(path.clone());
    let mut below = |key: String, value: &Json| {
        path.push(key);
        paths(value, path, all);
        path.pop();
    };
    match value {
        Json::Object(object) => object
            .iter()
            .for_each(|(key, value)| below(key.clone(), value)),
        Json::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(i, value)| below(i.to_string(), value));
        }
        _ => {}
    }
}

fn at<'a>(document: &'a mut Json, path: &[String]) -> &'a mut Json {
    path.iter().fold(document, |value, key| match value {
        Json::Object(object) => &mut object[key.as_str()],
        Json::Array(items) => &mut items[key.parse::<usize>().unwrap()],
        _ => unreachable!("a path leads through objects and lists"),
    })
}

/// Changes one thing in a document; `pick` chooses it.
fn change(document: &mut Json, pick: &mut impl FnMut(usize) -> usize) {
    let mut all = Vec::new();
    paths(document, &mut Vec::new(), &mut all);
    let path = all[pick(all.len())].clone();
    let other = all[pick(all.len())].clone();
    let copy = at(document, &other).clone();
    let words = [
        "if",
        "loop",
        "recur",
        "call",
        "make_closure",
        "dynamic_call",
        "soft_choice",
        "const",
        "input",
        "loop_param",
        "func_param",
        "quote_const",
        "vec",
        "mat",
        "solve",
        "ref",
        "cons",
        "car",
        "list",
        "+",
        "sin",
        "select",
        "x",
        "v3",
        "0",
        "int",
        "real",
        "loop",
        "straight-through",
        "pick",
        "det-of",
        "soft-weights",
        "batch-sum",
    ];
    let numbers = [
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(5),
        json!(-1),
        json!(2.5),
        json!(1e300),
        json!(u64::MAX),
        json!(65536),
    ];
    let kind = pick(8);
    let value = at(document, &path);
    match (kind, &mut *value) {
        (0, Json::Object(object)) if !object.is_empty() => {
            let key = object.keys().nth(pick(object.len())).unwrap().clone();
            object.remove(&key);
        }
        (0, Json::Array(items)) if !items.is_empty() => {
            items.remove(pick(items.len()));
        }
        (1, Json::Array(items)) => items.push(copy),
        (1, Json::Object(object)) => {
            object.insert(pick(40).to_string(), copy);
        }
        (2 | 3, Json::Number(_)) => *value = numbers[pick(numbers.len())].clone(),
        (2 | 3, Json::String(_)) => *value = words[pick(words.len())].into(),
        (4, Json::Number(_)) => *value = pick(30).into(),
        (5, Json::Array(items)) if items.len() > 1 => {
            let (a, b) = (pick(items.len()), pick(items.len()));
            items.swap(a, b);
        }
        (6, _) => *value = Json::Null,
        _ => *value = copy,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_documents_load_or_are_refused(
        which in any::<prop::sample::Index>(),
        changes in 1..4usize,
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let good = &GOOD[which.index(GOOD.len())];
        let (mut document, mut picks) = (good.clone(), picks.into_iter().cycle());
        let mut pick = |count: usize| picks.next().unwrap().index(count.max(1));
        for _ in 0..changes {
            change(&mut document, &mut pick);
        }
        let text = document.to_string();
        let start = Instant::now();
        let mut options = Options::new();
        options.set_int("max_nodes", 20_000).unwrap();
        options.set_int("max_depth", 500).unwrap();
        if let Ok(graph) = ncg::ncg::read_graph(&text) {
            verify(&graph).unwrap();
            if let Ok(read) = ncg::ncg::read(&text, &options) {
                // what loads can be saved, and loads again
                if let Ok(again) = ncg::ncg::write(&read) {
                    let loaded = ncg::ncg::read(&again, &options);
                    prop_assert!(loaded.is_ok(), "{:?}\n{text}\n{again}", loaded.err());
                }
            }
        }
        prop_assert!(start.elapsed().as_secs() < 20, "it takes {:?}", start.elapsed());
    }
}
