//! Operations on lists that the machine has no instruction for, in the language itself.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::{Encoder, Entry};
use crate::compile::front;
use crate::error::Result;
use crate::graph::Graph;
use crate::ops::Op;
use crate::options::Options;

const SOURCE: &str = "
(define (length l) (loop ((l l) (n 0)) (if (null? l) n (recur (cdr l) (+ n 1)))))
(define (append a b) (if (null? a) b (cons (car a) (append (cdr a) b))))
(define (reverse l) (loop ((l l) (r '())) (if (null? l) r (recur (cdr l) (cons (car l) r)))))
(define (list-tail l k) (loop ((l l) (k k)) (if (= k 0) l (recur (cdr l) (- k 1)))))
(define (list-ref l k) (car (list-tail l k)))
(define (memq x l) (loop ((l l)) (if (null? l) #f (if (eq? x (car l)) l (recur (cdr l))))))
(define (assq x l) (loop ((l l)) (if (null? l) #f (if (eq? x (car (car l))) (car l) (recur (cdr l))))))
(define (equal? a b)
  (if (pair? a)
      (if (pair? b) (if (equal? (car a) (car b)) (equal? (cdr a) (cdr b)) #f) #f)
      (eq? a b)))
(define (member x l) (loop ((l l)) (if (null? l) #f (if (equal? x (car l)) l (recur (cdr l))))))
(define (assoc x l)
  (loop ((l l)) (if (null? l) #f (if (equal? x (car (car l))) (car l) (recur (cdr l))))))
(define (list? l) (loop ((l l)) (if (pair? l) (recur (cdr l)) (null? l))))
(define (iota n start step)
  (loop ((i (- n 1)) (r '())) (if (< i 0) r (recur (- i 1) (cons (+ start (* i step)) r)))))
(list length append reverse list-tail list-ref memq assq equal? member assoc list? iota)";

static GRAPH: LazyLock<Result<Graph>> =
    LazyLock::new(|| Ok(front(SOURCE, &Options::new())?.general));

/// Whether an operation is a function of the library.
pub fn has(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        Length
            | Append
            | Reverse
            | ListTail
            | ListRef
            | Memq
            | Assq
            | IsEqual
            | Member
            | Assoc
            | IsList
            | Iota
    )
}

impl Encoder<'_> {
    /// The function of the library with this name.
    pub(super) fn library(&mut self, name: &str) -> Result<usize> {
        let graph = GRAPH.as_ref().map_err(Clone::clone)?;
        let first = self.entries.len();
        let library = match &self.library {
            Some(library) => library,
            None => {
                let functions = graph.functions.iter().enumerate();
                let names: HashMap<Arc<str>, usize> = functions
                    .map(|(i, function)| (function.name.clone(), first + i))
                    .collect();
                let entries = first + graph.functions.len();
                self.entries.resize(entries, Entry::default());
                self.library.insert(names)
            }
        };
        library.get(name).copied().ok_or_else(|| self.refuse(name))
    }

    /// Writes the functions of the library, if any was asked for.
    pub(super) fn write_library(&mut self) -> Result<()> {
        let graph = GRAPH.as_ref().map_err(Clone::clone)?;
        let Some(library) = &self.library else {
            return Ok(());
        };
        let first = library.values().min().copied().unwrap_or(0);
        (self.graph, self.first_function) = (graph, first);
        self.map.clear();
        self.functions(graph, first)
    }
}
