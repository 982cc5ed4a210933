//! `src/onnx/proto.rs` is what prost makes of `src/onnx/onnx.proto`; `UPDATE_PROTO=1` rewrites it.

use std::fs;
use std::path::Path;

#[test]
fn the_committed_types_match_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/onnx");
    let committed = folder.join("proto.rs");
    let generated = generate(&folder);
    if std::env::var_os("UPDATE_PROTO").is_some() {
        fs::write(&committed, &generated).unwrap();
    }
    assert!(
        fs::read_to_string(&committed).unwrap_or_default() == generated,
        "src/onnx/proto.rs is not what src/onnx/onnx.proto gives: run this test with UPDATE_PROTO=1"
    );
}

fn generate(folder: &Path) -> String {
    let schema = protox::compile(["onnx.proto"], [folder]).unwrap();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx_proto");
    fs::create_dir_all(&out).unwrap();
    prost_build::Config::new()
        .disable_comments(["."])
        .out_dir(&out)
        .compile_fds(schema)
        .unwrap();
    let mut text = String::from(
        "// SPDX-License-Identifier: Apache-2.0\n// Generated from onnx.proto by tests/onnx_proto.rs.\n\n",
    );
    text.push_str(&fs::read_to_string(out.join("onnx.rs")).unwrap());
    text
}
