//! `hookpoint mcp`, with a service of the operator that decides.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::{COMMAND, Session, example, notes, refused, said};

const SECRET: &str = "the secret of the desk";

/// The headers of the answer to a question, signed as Standard Webhooks are.
fn signature(id: &str, body: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is later").as_secs();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = STANDARD.encode(hmac::sign(&key, format!("{id}.{now}.{body}").as_bytes()));
    format!("webhook-id: {id}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: v1,{tag}\r\n")
}

/// Answers so many questions: no where the text is coffee. It forgets to sign where the text is milk. What was asked.
fn desk(listener: TcpListener, questions: usize) -> JoinHandle<Vec<Value>> {
    std::thread::spawn(move || {
        let answer = |_| {
            let (stream, _) = listener.accept().expect("somebody asks");
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).expect("a header");
                if let Some(bytes) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = bytes.trim().parse().expect("a number");
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let asked: Value = serde_json::from_slice(&body).expect("it is JSON");
            let text = &asked["arguments"]["params"]["text"];
            let allow = text != "coffee";
            let said = json!({ "allow": allow, "reason": "only tea" }).to_string();
            let length = said.len();
            let signed = match text == "milk" {
                true => String::new(),
                false => signature(asked["id"].as_str().expect("an id"), &said),
            };
            let head = format!("HTTP/1.1 200 OK\r\n{signed}content-length: {length}\r\n\r\n");
            (&stream)
                .write_all((head + &said).as_bytes())
                .expect("it is read");
            asked
        };
        (0..questions).map(answer).collect()
    })
}

#[test]
fn a_service_decides_and_the_server_does_not_know_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ask", listener.local_addr().unwrap());
    let policy = std::fs::read_to_string(example("ask_before_writes.toml")).unwrap();
    let config = |secret: &str| {
        let path = folder.path().join("hookpoint.toml");
        let approver = format!("[approver]\nkind = 'webhook'\nurl = '{url}'\n{secret}\n");
        std::fs::write(&path, approver + &policy).unwrap();
        path.display().to_string()
    };
    let server = notes().display().to_string();
    let session = |config: &str| {
        let mut command = Command::new(COMMAND);
        command.env("DESK_SECRET", SECRET);
        let options = ["--config", config, "--allow-writable-policy"];
        let server = ["sh", "-c", "env > environment; exec \"$0\"", &server];
        let session = Session::of(command, folder.path(), &options, &server);
        // The configuration's approver goes before the client.
        let mut session = session.initialized(json!({"elicitation": {}}));
        session.tools();
        session
    };
    let asked = desk(listener, 3);
    let write = |text: &str| json!({"path": "a", "text": text});
    let mut signed = session(&config("secret_env = 'DESK_SECRET'"));
    assert_eq!(signed.call("write_note", write("tea"))["isError"], false);
    refused(&signed.call("write_note", write("coffee")), "only tea");
    refused(
        &signed.call("write_note", write("milk")),
        "it is not signed",
    );
    assert!(signed.end().status.success());
    let environment = std::fs::read_to_string(folder.path().join("environment")).unwrap();
    assert!(
        environment.contains("PATH=") && !environment.contains("DESK_SECRET"),
        "{environment}"
    );
    let asked = asked.join().unwrap();
    assert_eq!(asked[0]["point"], "tool.execute");
    assert_eq!(asked[0]["component"], "write_note");
    assert_eq!(asked[0]["questions"][0]["hook"], "ask-before-writes");
}

#[test]
fn nothing_starts_where_anybody_at_the_port_could_allow() {
    let folder = tempfile::tempdir().unwrap();
    let (config, mark) = (
        folder.path().join("hookpoint.toml"),
        folder.path().join("started"),
    );
    let approver = "[approver]\nkind = 'webhook'\nurl = 'http://127.0.0.1:9/ask'\n";
    std::fs::write(&config, approver).unwrap();
    let mut command = Command::new(COMMAND);
    command
        .args(["mcp", "--allow-writable-policy", "--config"])
        .arg(&config);
    let output = command
        .args(["--", "touch"])
        .arg(&mark)
        .stdin(Stdio::null())
        .output();
    let output = output.expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    let told = said(&output);
    assert!(told.contains("`secret_env` is missing"), "{told}");
    assert!(!mark.exists(), "the server was started");
}
