//! The command `ncg`.
fn main() {}
