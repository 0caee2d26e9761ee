use std::sync::Arc;

use hooks_tools::fs::Root;
use hooks_tools::util::HashCalculator;
use hooks_tools::{SecurityLevel, Tool, ToolError};
use serde_json::{Value, json};

/// Digests of `abc` from the standards (RFC 1321, FIPS 180-4) and of BLAKE3's test vectors' author tool.
const ABC: [(&str, &str); 5] = [
    ("md5", "900150983cd24fb0d6963f7d28e17f72"),
    ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (
        "sha256",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    (
        "sha512",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
    (
        "blake3",
        "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
    ),
];

async fn run(params: Value) -> Result<Value, ToolError> {
    HashCalculator::new()
        .execute(params)
        .await
        .map(|output| output.value)
}

fn with_file(bytes: &[u8]) -> (tempfile::TempDir, HashCalculator) {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("data.bin"), bytes).unwrap();
    let tool = HashCalculator::beneath(Arc::new(Root::open(temp.path()).unwrap()));
    (temp, tool)
}

#[tokio::test]
async fn digests_of_text_and_of_a_file_are_those_of_the_standards() {
    let (_temp, tool) = with_file(b"abc");
    for (algorithm, hash) in ABC {
        let expected = json!({"algorithm": algorithm, "hash": hash, "bytes": 3});
        let text = run(json!({"operation": "hash", "algorithm": algorithm, "input": "abc"}))
            .await
            .unwrap();
        assert_eq!(text, expected);
        let file = tool
            .execute(json!({"operation": "hash", "algorithm": algorithm, "file": "data.bin"}))
            .await;
        assert_eq!(file.unwrap().value, expected);
    }
}

#[tokio::test]
async fn sha256_is_the_default_and_a_long_file_is_read_whole() {
    let (_temp, tool) = with_file(&vec![b'a'; 1_000_000]);
    let output = tool
        .execute(json!({"operation": "hash", "file": "data.bin"}))
        .await
        .unwrap()
        .value;
    assert_eq!(
        output["hash"],
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    );
    assert_eq!(output["bytes"], 1_000_000);
}

#[tokio::test]
async fn verify_compares_without_regard_to_case() {
    for (algorithm, hash) in ABC {
        let verify = |input: &str, expected: String| {
            run(
                json!({"operation": "verify", "algorithm": algorithm, "input": input, "expected": expected}),
            )
        };
        assert_eq!(
            verify("abc", format!(" {} ", hash.to_uppercase()))
                .await
                .unwrap()["matches"],
            true
        );
        assert_eq!(
            verify("abd", hash.to_owned()).await.unwrap()["matches"],
            false
        );
        let error = verify("abc", hash[1..].to_owned())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("write {} hexadecimal digits", hash.len())),
            "{error}"
        );
        assert!(verify("abc", hash.replace(['a', 'd'], "x")).await.is_err());
    }
}

#[tokio::test]
async fn bad_parameters_say_what_to_write() {
    for (params, reason) in [
        (json!({"operation": "hash"}), "exactly one of `input`"),
        (
            json!({"operation": "hash", "input": "a", "file": "b"}),
            "exactly one of `input`",
        ),
        (
            json!({"operation": "hash", "input": "a", "expected": "00"}),
            "`expected` belongs to",
        ),
        (
            json!({"operation": "verify", "input": "a"}),
            "`verify` needs `expected`",
        ),
        (
            json!({"operation": "hash", "file": "a"}),
            "set up without a root directory",
        ),
        (
            json!({"operation": "hash", "input": "a", "algorithm": "sha3"}),
            "unknown variant `sha3`",
        ),
        (json!({"input": "a"}), "missing field `operation`"),
    ] {
        let error = run(params.clone()).await.unwrap_err();
        assert!(
            matches!(error, ToolError::Parameters { .. }),
            "{params}: {error}"
        );
        assert!(error.to_string().contains(reason), "{params}: {error}");
    }
}

#[tokio::test]
async fn files_are_confined_and_bounded() {
    let (temp, tool) = with_file(b"12345");
    let failure = async |tool: &HashCalculator, file: &str| {
        tool.execute(json!({"operation": "hash", "file": file}))
            .await
            .unwrap_err()
            .to_string()
    };
    assert!(failure(&tool, "../data.bin").await.contains("has a `..`"));
    assert!(
        failure(&tool, "/etc/hostname")
            .await
            .contains("outside the root directory")
    );
    assert!(failure(&tool, "none").await.contains("No such file"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", temp.path().join("link")).unwrap();
        assert!(
            failure(&tool, "link")
                .await
                .contains("leads outside the root directory")
        );
    }
    let bounded = tool.clone().max_file_bytes(4);
    assert!(
        failure(&bounded, "data.bin")
            .await
            .contains("larger than the limit of 4 bytes")
    );
    assert!(
        tool.max_file_bytes(5)
            .execute(json!({"operation": "hash", "file": "data.bin"}))
            .await
            .is_ok()
    );
    drop(temp);
}

#[test]
fn the_level_is_restricted_as_soon_as_files_are_read() {
    let (_temp, tool) = with_file(b"");
    assert_eq!(HashCalculator::new().security_level(), SecurityLevel::Safe);
    assert_eq!(tool.security_level(), SecurityLevel::Restricted);
}
