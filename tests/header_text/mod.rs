//! What `include/ncg.h` declares, for comparison with the bindings.

#![allow(dead_code)]

/// A function: its C types with single spaces, `const double *`.
#[derive(Debug, Clone)]
pub struct Function {
    pub name: String,
    pub result: String,
    /// Names and types.
    pub arguments: Vec<(String, String)>,
}

fn header() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/include/ncg.h");
    let text = std::fs::read_to_string(path).unwrap();
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").unwrap().1;
    }
    code + rest
}

/// `const double *x` as name and type.
fn declaration(text: &str) -> (String, String) {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = words.rfind([' ', '*']).unwrap() + 1;
    (
        words[start..].to_string(),
        words[..start].trim().to_string(),
    )
}

/// The functions, in order.
pub fn functions() -> Vec<Function> {
    let code = header();
    let code = code.split_once("extern \"C\" {").unwrap().1;
    let mut found = Vec::new();
    for statement in code.split(';') {
        // what precedes the declaration: the lines of the preprocessor
        let lines: Vec<&str> = statement
            .lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with('}'))
            .collect();
        let statement = lines.join(" ");
        let Some((head, arguments)) = statement.split_once('(') else {
            continue;
        };
        let (name, result) = declaration(head);
        let arguments = arguments.trim().trim_end_matches(')');
        let arguments = match arguments {
            "void" => Vec::new(),
            list => list.split(',').map(declaration).collect(),
        };
        found.push(Function {
            name,
            result,
            arguments,
        });
    }
    assert!(found.len() >= 47, "{found:?}");
    found
}

/// The constants and their values as written.
pub fn constants() -> Vec<(String, String)> {
    let defines = header();
    let defines = defines
        .lines()
        .filter_map(|line| line.strip_prefix("#define NCG_"));
    let found: Vec<(String, String)> = defines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (format!("NCG_{name}"), value.to_string()))
        .collect();
    assert!(found.len() >= 26, "{found:?}");
    found
}
