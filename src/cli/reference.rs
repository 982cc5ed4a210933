//! The reference page `docs/cli.md`, from the same text as `--help`.

use super::args;

/// What stands above the generated part.
const HEAD: &str = "# The command `ncg`

This page is generated from the text of `--help`; `UPDATE_GOLDEN=1 cargo test --release --test cli` rewrites it.

Exit codes: 0 for success, 1 for an error in the input, 2 for wrong usage. With `--json`, stdout holds exactly one JSON
object; an error is `{\"error\": {\"code\", \"message\"}}`, with `line`, `column` and `offset` where it has a place in a source
text. Warnings stand on stderr; with `--json` they are `warnings` in the object, each with `kind`, `name` and `message` and its
place. NaN and infinities are the strings `\"nan\"`, `\"inf\"`, `\"-inf\"`.

| value of `run` | JSON |
|---|---|
| number, boolean | `6.0`, `true` |
| list, with what stands behind its dot | `{\"list\": [1.0, 2.0]}`, `{\"list\": [1.0], \"tail\": 2.0}` |
| vector, matrix by rows | `[1.0, 2.0]`, `[[1.0, 2.0], [3.0, 4.0]]` |
| symbol, character, string, procedure | `{\"symbol\": \"x\"}`, `{\"char\": \"a\"}`, `{\"string\": \"s\"}`, `{\"procedure\": true}` |
| batch | an array of these |

In `--inputs` an array is a batch for a number and a value for a vector or matrix, of which an array is a batch: after
`(input x 3)`, `{\"x\": [1, 2, 3]}` is one sample and `{\"x\": [[1, 2, 3], [4, 5, 6]]}` two. The numbers of `x` are inputs of their
own, called `x.0`, `x.1`, `x.2`; those of a matrix `m` `m.0.0`, `m.0.1`, …. `--grad x` stands for all of them.

The gradient of `run` is that of the sum of all values: an array for an input that was given as an array, else a number.
";

/// The text of `docs/cli.md`.
pub fn reference() -> String {
    let mut command = args::command().term_width(100);
    command.build();
    let mut out = HEAD.to_string();
    for sub in command.get_subcommands_mut() {
        let help = sub.render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        out += &format!(
            "\n## ncg {}\n\n```text\n{}\n```\n",
            sub.get_name(),
            help.join("\n").trim()
        );
    }
    out
}
