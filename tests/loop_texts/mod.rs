//! Graphs with loops, as texts, for the tests of ONNX.
#![allow(dead_code)]

/// Steps of a predator-prey model (Lotka and Volterra) from x and y with the parameters a and b, while `test` holds of the
/// counter %11 and the states %12 and %13.
pub fn lotka_volterra(test: &str) -> String {
    format!(
        "\
input x
input y
parameter a = 1.1 [-inf.0, +inf.0]
parameter b = 0.4 [-inf.0, +inf.0]
%0 = port 0 real
%1 = port 1 real
%2 = port 2 real
%3 = port 3 real
%4 = const 0 int
%5 = const 1 int
%6 = const 20 int
%7 = const 0.05 real
%10 = loop %4 %0 %1 real
  %11 = param int
  %12 = param real
  %13 = param real
{test}
  yield %19
do
  %20 = * %12 %13 real
  %21 = * %2 %12 real
  %22 = * %3 %20 real
  %23 = - %21 %22 real
  %24 = * %7 %23 real
  %25 = + %12 %24 real
  %26 = - %20 %13 real
  %27 = * %7 %26 real
  %28 = + %13 %27 real
  %29 = + %11 %5 int
  yield %29 %25 %28
end
%30 = get %10 1 real
%31 = get %10 2 real
%32 = get %10 0 int
output x %30
output y %31
output steps %32
"
    )
}

/// A loop in an arm that would not end for the samples that do not take it, or, with `static_test`, that counts to four.
pub fn loop_in_arm(test: &str, static_test: bool) -> String {
    let flag = match static_test {
        true => "%14 = < %11 %6 bool",
        false => "%14 = > %12 %3 bool",
    };
    format!(
        "\
input x
parameter k = 0.5 [-inf.0, +inf.0]
%0 = port 0 real
%1 = port 1 real
%2 = const 0.0 real
%3 = const 0.125 real
%4 = const 0 int
%5 = const 1 int
%6 = const 4 int
{test}
%8 = if %7 real
  %10 = loop %4 %0 real
    %11 = param int
    %12 = param real
    {flag}
    yield %14
  do
    %15 = * %12 %1 real
    %16 = + %11 %5 int
    yield %16 %15
  end
  %17 = get %10 1 real
  %18 = get %10 0 int
  %19 = * %0 %17 real
  yield %19 %18
else
  %20 = sqrt %1 real
  %21 = * %0 %20 real
  yield %21 %4
end
%22 = get %8 0 real
%23 = get %8 1 int
output y %22
output steps %23
"
    )
}

/// While the sum of i·x over i < j stays below y: j ← j + 1, s ← k s + that sum, inner loops in head and next.
pub fn nested() -> String {
    let inner = |at: usize, j: usize| {
        format!(
            "\
%{0} = loop %4 %3 real
  %{1} = param int
  %{2} = param real
  %{3} = < %{1} %{j} bool
  yield %{3}
do
  %{4} = * %{1} %0 real
  %{5} = sin %{2} real
  %{6} = + %{4} %{5} real
  %{7} = + %{1} %5 int
  yield %{7} %{6}
end
%{8} = get %{0} 1 real
",
            at,
            at + 1,
            at + 2,
            at + 3,
            at + 4,
            at + 5,
            at + 6,
            at + 7,
            at + 8
        )
    };
    format!(
        "\
input x
input y
parameter k = 0.7 [-inf.0, +inf.0]
%0 = port 0 real
%1 = port 1 real
%2 = port 2 real
%3 = const 0.0 real
%4 = const 0 int
%5 = const 1 int
%10 = loop %4 %0 real
  %11 = param int
  %12 = param real
{}  %40 = < %28 %1 bool
  yield %40
do
  %41 = + %11 %5 int
{}  %60 = * %2 %12 real
  %61 = + %58 %60 real
  %62 = + %61 %28 real
  yield %41 %62
end
%70 = get %10 1 real
%71 = get %10 0 int
output s %70
output j %71
",
        inner(20, 11),
        inner(50, 41)
    )
}
