//! `examples/lua/quickstart.lua` on the repository's own files.

use std::path::Path;
use std::sync::Arc;

use hooks_runtime::test::registry;
use hooks_tools::ToolRegistry;
use hooks_tools::fs::{FileSearch, Root};
use hooks_tools::util::{Calculator, HashCalculator};
use serde_json::json;

use crate::hosts::{Agents, Tools, Workflows};
use crate::kit::{Printed, engine};

#[tokio::test]
async fn the_quickstart_runs_and_says_what_it_did() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let root = Arc::new(Root::open(repository).unwrap());
    let tools = Arc::new(ToolRegistry::new());
    tools.register(Calculator::new()).unwrap();
    tools.register(FileSearch::beneath(root.clone())).unwrap();
    tools.register(HashCalculator::beneath(root)).unwrap();
    let printed = Printed::default();
    let engine = engine()
        .tools(Tools(tools.clone()))
        .agents(Agents(tools.clone()))
        .workflows(Workflows(tools))
        .output(printed.clone())
        .build();
    let script = engine
        .load(repository.join("examples/lua/quickstart.lua"))
        .unwrap();
    let registry = registry();
    let result = registry.wrap(script.execute()).await;
    let text = printed.text();
    let result = result.unwrap_or_else(|error| panic!("{error:?}; it printed:\n{text}"));
    assert_eq!(result, json!({"hooks": 3, "answer": 42}));
    for line in [
        "hook\tstay-inside\tguard\t",
        "tool\thash_calculator\t",
        "sum\t42\n",
        "replaced\t42\n",
        "hash\tsha256\t64 digits\t",
        "refused by hook `stay-inside`: `../secret.txt` is outside of the workspace\n",
        "agent\tThe total is 23.75 EUR.\t2 steps\tready\n",
        "agent tool\t4\n",
        "workflow\t3 steps\tcount ",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("found\t"))
            .count(),
        3,
        "{text}"
    );
}
