//! Graphs with loops, built by hand.

use std::cell::Cell;

use ncg::graph::{Builder, NodeId, Port};
use ncg::ops::{Emit, Op};

use crate::numeric::{input, parameter, repeat, reverse};

/// Inputs `x`, `y` and `n`, a trip count; parameters `m`, one too, and `p`.
pub fn ports() -> Vec<Port> {
    let inputs = ["x", "y", "n"].map(input);
    let parameters = [("m", 5.0), ("p", 0.75)].map(|(name, initial)| parameter(name, initial));
    inputs.into_iter().chain(parameters).collect()
}

type Outputs = Vec<(&'static str, NodeId)>;
type Case = fn(&mut Builder) -> Outputs;

/// All of them.
pub const CASES: [(&str, Case); 15] = [
    ("no iteration", |b| {
        let limit = b.real(-1.0);
        recurrence(b, limit)
    }),
    ("each sample its own number of iterations", |b| {
        let n = b.port(2);
        recurrence(b, n)
    }),
    ("one number of iterations", |b| {
        let m = b.port(3);
        recurrence(b, m)
    }),
    ("a loop in a loop", |b| {
        let (n, m) = (b.port(2), b.port(3));
        nested(b, n, m)
    }),
    ("a loop of few iterations around one of many", |b| {
        let (n, m) = (b.port(2), b.port(3));
        nested(b, m, n)
    }),
    ("a loop in an arm", in_arm),
    ("poison after the end", poison),
    ("a state that nothing reads", unread),
    ("a loop in the head of a loop", in_head),
    ("a loop of what is one for the whole batch", uniform),
    ("a loop in the way back", back_with_loop),
    ("sums of results", sums),
    ("states that change places", exchange),
    ("a state that is the flag", flag_state),
    ("ways back over one loop, one inside another loop", several),
];

/// `x = p x + y` some times, and what grad makes of it: the adjoints of `x` and of `p`.
fn recurrence(b: &mut Builder, limit: NodeId) -> Outputs {
    let [x, y, p] = [0, 1, 4].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let values = repeat(
        b,
        &[zero, x],
        |b, s| b.op(Op::Less, &[s[0], limit]),
        |b, s| {
            let part = b.op(Op::Mul, &[p, s[1]]);
            let next = b.op(Op::Add, &[part, y]);
            vec![b.op(Op::Add, &[s[0], one]), next]
        },
    );
    let back = reverse(b, values[0], &[one, zero], |b, s, c| {
        let by_p = b.op(Op::Mul, &[c[0], s[1]]);
        let by_p = b.op(Op::Add, &[c[1], by_p]);
        vec![b.op(Op::Mul, &[c[0], p]), by_p]
    });
    vec![
        ("i", values[0]),
        ("x", values[1]),
        ("dx", back[0]),
        ("dp", back[1]),
    ]
}

/// An inner loop, copied with its way back into the way back over the outer one.
fn nested(b: &mut Builder, outer: NodeId, inner: NodeId) -> Outputs {
    let [x, y, p] = [0, 1, 4].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let half = b.real(0.5);
    let inside = |b: &mut Builder, start: NodeId| {
        repeat(
            b,
            &[zero, start],
            |b, s| b.op(Op::Less, &[s[0], inner]),
            |b, s| {
                let sine = b.op(Op::Sin, &[s[1]]);
                let part = b.op(Op::Mul, &[sine, p]);
                vec![b.op(Op::Add, &[s[0], one]), b.op(Op::Add, &[part, y])]
            },
        )
    };
    let values = repeat(
        b,
        &[zero, x],
        |b, s| b.op(Op::Less, &[s[0], outer]),
        |b, s| {
            let last = inside(b, s[1])[1];
            let next = b.op(Op::Mul, &[last, half]);
            vec![b.op(Op::Add, &[s[0], one]), next]
        },
    );
    let back = reverse(b, values[0], &[one, zero], |b, s, c| {
        let again = inside(b, s[1]);
        let first = b.op(Op::Mul, &[c[0], half]);
        let inner = reverse(b, again[0], &[first, c[1]], |b, s, c| {
            let sine = b.op(Op::Sin, &[s[1]]);
            let slope = b.op(Op::Cos, &[s[1]]);
            let by_p = b.op(Op::Mul, &[c[0], sine]);
            let by_p = b.op(Op::Add, &[c[1], by_p]);
            let by_x = b.op(Op::Mul, &[slope, p]);
            vec![b.op(Op::Mul, &[c[0], by_x]), by_p]
        });
        vec![inner[0], inner[1]]
    });
    vec![("x", values[1]), ("dx", back[0]), ("dp", back[1])]
}

/// A loop that would not end for samples that do not take its arm; one in an arm of its body too.
fn in_arm(b: &mut Builder) -> Outputs {
    let [x, y, n] = [0, 1, 2].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let test = b.op(Op::Less, &[zero, x]);
    b.open_region(&[]);
    let values = repeat(
        b,
        &[zero, y],
        |b, s| {
            // ends only where x is positive
            let step = b.op(Op::Mul, &[s[0], x]);
            b.op(Op::Less, &[step, n])
        },
        |b, s| {
            let inner = b.op(Op::Less, &[s[1], x]);
            b.open_region(&[]);
            let up = repeat(
                b,
                &[s[1]],
                |b, t| b.op(Op::Less, &[t[0], x]),
                |b, t| vec![b.op(Op::Add, &[t[0], x])],
            );
            let then = b.close_region(vec![up[0]]);
            b.open_region(&[]);
            let down = b.op(Op::Sub, &[s[1], one]);
            let otherwise = b.close_region(vec![down]);
            let next = b.branch(inner, then, otherwise)[0];
            vec![b.op(Op::Add, &[s[0], one]), next]
        },
    );
    let back = reverse(b, values[0], &[one], |b, s, c| {
        let part = b.op(Op::Mul, &[c[0], s[1]]);
        vec![b.op(Op::Sub, &[part, s[0]])]
    });
    let then = b.close_region(vec![values[1], back[0]]);
    b.open_region(&[]);
    let otherwise = b.close_region(vec![zero, x]);
    let values = b.branch(test, then, otherwise);
    vec![("value", values[0]), ("back", values[1])]
}

/// What a sample would compute after its last iteration is infinite or no number.
fn poison(b: &mut Builder) -> Outputs {
    let [x, n] = [0, 2].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let values = repeat(
        b,
        &[n, x],
        |b, s| b.op(Op::Less, &[zero, s[0]]),
        |b, s| {
            // 1 / 0 and the root of a negative number once the count is over
            let part = b.op(Op::Div, &[one, s[0]]);
            let less = b.op(Op::Sub, &[s[0], one]);
            let root = b.op(Op::Sqrt, &[less]);
            let sum = b.op(Op::Add, &[part, root]);
            vec![less, b.op(Op::Add, &[s[1], sum])]
        },
    );
    let back = reverse(b, values[0], &[one], |b, s, c| {
        let part = b.op(Op::Div, &[c[0], s[0]]);
        let root = b.op(Op::Log, &[s[0]]);
        vec![b.op(Op::Add, &[part, root])]
    });
    vec![("x", values[1]), ("back", back[0])]
}

fn unread(b: &mut Builder) -> Outputs {
    let [x, y, n] = [0, 1, 2].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let values = repeat(
        b,
        &[zero, x, y, x],
        |b, s| b.op(Op::Less, &[s[0], n]),
        |b, s| {
            let next = b.op(Op::Sub, &[s[1], s[2]]);
            let dead = b.op(Op::Exp, &[s[3]]);
            let read_back_only = b.op(Op::Mul, &[s[2], s[0]]);
            vec![b.op(Op::Add, &[s[0], one]), next, read_back_only, dead]
        },
    );
    let back = reverse(b, values[0], &[one], |b, s, c| {
        vec![b.op(Op::Sub, &[s[2], c[0]])]
    });
    vec![("x", values[1]), ("back", back[0])]
}

/// The flag of a loop is what another loop counts; `next` reads what the head computes.
fn in_head(b: &mut Builder) -> Outputs {
    let [x, n, m] = [0, 2, 3].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let seen = Cell::new(zero);
    let values = repeat(
        b,
        &[zero, x],
        |b, s| {
            let count = repeat(
                b,
                &[zero, s[0]],
                |b, t| b.op(Op::Less, &[t[0], m]),
                |b, t| {
                    let next = b.op(Op::Add, &[t[0], one]);
                    vec![next, b.op(Op::Add, &[t[1], one])]
                },
            );
            let five = b.real(5.0);
            let count = b.op(Op::Sub, &[count[1], five]);
            seen.set(count);
            b.op(Op::Less, &[count, n])
        },
        |b, s| {
            let part = b.op(Op::Mul, &[s[1], seen.get()]);
            vec![b.op(Op::Add, &[s[0], one]), b.op(Op::Sub, &[part, x])]
        },
    );
    let back = reverse(b, values[0], &[x], |b, s, c| {
        let part = b.op(Op::Mul, &[c[0], s[0]]);
        vec![b.op(Op::Sub, &[part, s[1]])]
    });
    vec![("x", values[1]), ("back", back[0])]
}

/// Everything is one for the whole batch but one carry.
fn uniform(b: &mut Builder) -> Outputs {
    let [x, m, p] = [0, 3, 4].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let values = repeat(
        b,
        &[zero, p],
        |b, s| b.op(Op::Less, &[s[0], m]),
        |b, s| {
            let next = b.op(Op::Sin, &[s[1]]);
            vec![b.op(Op::Add, &[s[0], one]), next]
        },
    );
    let alike = reverse(b, values[0], &[one], |b, s, c| {
        let slope = b.op(Op::Cos, &[s[1]]);
        vec![b.op(Op::Mul, &[slope, c[0]])]
    });
    let each = reverse(b, values[0], &[x, zero], |b, s, c| {
        let slope = b.op(Op::Cos, &[s[1]]);
        let sum = b.op(Op::Add, &[c[1], s[0]]);
        vec![b.op(Op::Mul, &[slope, c[0]]), sum]
    });
    let mixed = b.op(Op::Mul, &[values[1], x]);
    vec![
        ("value", values[1]),
        ("alike", alike[0]),
        ("each", each[0]),
        ("mixed", mixed),
        ("sum", each[1]),
    ]
}

/// Loops inside a way back must not run for samples that did not run the iteration.
fn back_with_loop(b: &mut Builder) -> Outputs {
    let [x, y, n] = [0, 1, 2].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let values = repeat(
        b,
        &[n, x],
        |b, s| b.op(Op::Less, &[zero, s[0]]),
        |b, s| {
            let next = b.op(Op::Sub, &[y, s[1]]);
            vec![b.op(Op::Sub, &[s[0], one]), next]
        },
    );
    let back = reverse(b, values[0], &[one], |b, s, c| {
        // for ever where s[0] is not positive
        let inner = repeat(
            b,
            &[zero, c[0]],
            |b, t| {
                let step = b.op(Op::Mul, &[t[0], s[0]]);
                b.op(Op::Less, &[step, n])
            },
            |b, t| {
                let deeper = repeat(
                    b,
                    &[s[0]],
                    |b, u| b.op(Op::Less, &[u[0], n]),
                    |b, u| vec![b.op(Op::Add, &[u[0], s[0]])],
                );
                let next = b.op(Op::Sub, &[deeper[0], t[1]]);
                vec![b.op(Op::Add, &[t[0], one]), next]
            },
        );
        vec![b.op(Op::Add, &[inner[1], s[1]])]
    });
    vec![("x", values[1]), ("back", back[0])]
}

/// Passes over the samples that depend on each other, with loops in each.
fn sums(b: &mut Builder) -> Outputs {
    let [x, n, m] = [0, 2, 3].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let values = repeat(
        b,
        &[zero, x],
        |b, s| b.op(Op::Less, &[s[0], n]),
        |b, s| {
            let next = b.op(Op::Sin, &[s[1]]);
            vec![b.op(Op::Add, &[s[0], one]), next]
        },
    );
    let sum = b.op(Op::BatchSum, &[values[1]]);
    let count = b.op(Op::BatchCount, &[]);
    let one_more = b.op(Op::Add, &[count, one]);
    let mean = b.op(Op::Div, &[sum, one_more]);
    let root = repeat(
        b,
        &[zero, mean],
        |b, s| b.op(Op::Less, &[s[0], m]),
        |b, s| {
            let next = b.op(Op::Cos, &[s[1]]);
            vec![b.op(Op::Add, &[s[0], one]), next]
        },
    );
    let back = reverse(b, values[0], &[root[1]], |b, s, c| {
        let slope = b.op(Op::Cos, &[s[1]]);
        vec![b.op(Op::Mul, &[slope, c[0]])]
    });
    let square = b.op(Op::Mul, &[back[0], values[1]]);
    let total = b.op(Op::BatchSum, &[square]);
    let up = reverse(b, root[0], &[total], |b, s, c| {
        let slope = b.op(Op::Sin, &[s[1]]);
        vec![b.op(Op::Mul, &[slope, c[0]])]
    });
    vec![
        ("mean", mean),
        ("root", root[1]),
        ("total", total),
        ("back", back[0]),
        ("up", up[0]),
    ]
}

/// Next states that are other states, inputs, one value twice.
fn exchange(b: &mut Builder) -> Outputs {
    let [x, y, n, m, p] = [0, 1, 2, 3, 4].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let mut both = Vec::new();
    for (limit, names) in [
        (n, ["a", "b", "c", "d", "e"]),
        (m, ["f", "g", "h", "i", "j"]),
    ] {
        let values = repeat(
            b,
            &[zero, x, y, p, p, x],
            |b, s| b.op(Op::Less, &[s[0], limit]),
            |b, s| {
                let sum = b.op(Op::Add, &[s[1], s[2]]);
                vec![b.op(Op::Add, &[s[0], one]), s[2], sum, sum, s[5], y]
            },
        );
        both.extend(names.into_iter().zip(values[1..].iter().copied()));
    }
    both
}

/// The flag is a state; a flag that is the next state as well.
fn flag_state(b: &mut Builder) -> Outputs {
    let [x, n] = [0, 2].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let first = repeat(
        b,
        &[n, x],
        |_, s| s[0],
        |b, s| {
            let next = b.op(Op::Sub, &[x, s[1]]);
            vec![b.op(Op::Sub, &[s[0], one]), next]
        },
    );
    let flag = Cell::new(zero);
    let second = repeat(
        b,
        &[zero, x, one],
        |b, s| {
            let more = b.op(Op::Less, &[s[0], n]);
            flag.set(more);
            more
        },
        |b, s| {
            let next = b.op(Op::Sub, &[x, s[1]]);
            let next = b.op(Op::Mul, &[next, s[2]]);
            vec![b.op(Op::Add, &[s[0], one]), next, flag.get()]
        },
    );
    vec![
        ("first", first[1]),
        ("second", second[1]),
        ("flag", second[2]),
    ]
}

fn several(b: &mut Builder) -> Outputs {
    let [x, y, n, m] = [0, 1, 2, 3].map(|port| b.port(port));
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let count = |b: &mut Builder, first: NodeId, limit: NodeId| {
        repeat(
            b,
            &[zero, first],
            |b, s| b.op(Op::Less, &[s[0], limit]),
            |b, s| {
                let next = b.op(Op::Sub, &[y, s[1]]);
                vec![b.op(Op::Add, &[s[0], one]), next]
            },
        )
    };
    let (first, second) = (count(b, x, n), count(b, y, m));
    let back = |b: &mut Builder, value: NodeId, init: NodeId| {
        reverse(b, value, &[init], |b, s, c| {
            let part = b.op(Op::Mul, &[s[1], c[0]]);
            vec![b.op(Op::Sub, &[part, s[0]])]
        })[0]
    };
    // neither in order nor the other way round
    let (a, c) = (back(b, first[0], one), back(b, second[0], x));
    let d = back(b, first[0], c);
    let e = repeat(
        b,
        &[zero, d],
        |b, s| b.op(Op::Less, &[s[0], n]),
        |b, s| {
            let next = back(b, first[0], s[1]);
            let next = b.op(Op::Sin, &[next]);
            vec![b.op(Op::Add, &[s[0], one]), next]
        },
    );
    vec![("a", a), ("c", c), ("d", d), ("e", e[1])]
}
