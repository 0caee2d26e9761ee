//! The Lua blocks of the README and the guide run.

use std::path::Path;
use std::process::Command;

fn blocks(text: &str) -> Vec<&str> {
    let after = text.split("\n```lua\n").skip(1);
    after
        .filter_map(|rest| rest.split("\n```").next())
        .collect()
}

#[test]
fn every_lua_block_of_the_documents_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = 0;
    for page in ["README.md", "docs/guide/lua.md"] {
        let text = std::fs::read_to_string(root.join(page)).expect("the page is there");
        for (n, block) in blocks(&text).into_iter().enumerate() {
            let path = folder.path().join(format!("block-{n}.lua"));
            std::fs::write(&path, block).expect("a file");
            let mut command = Command::new(env!("CARGO_BIN_EXE_hookpoint"));
            let output = command
                .arg("run")
                .arg(&path)
                .current_dir(root)
                .output()
                .expect("it starts");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{page}, block {n}: {said}\n{block}"
            );
            run += 1;
        }
    }
    assert!(run >= 4, "only {run} blocks were found");
}
