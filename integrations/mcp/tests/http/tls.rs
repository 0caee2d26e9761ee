//! Servers at `https://…`. The certificates in `tls/` are made for this test and nothing else; they end in 2124.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hooks_mcp::side::http::{HttpListenerOptions, HttpServer, HttpServerOptions};
use hooks_mcp::{BAD_ANSWER, GatewayOptions, Limits};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::kit::{Echo, Listening, request, soon};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/http/tls")
        .join(name)
}

/// A gateway in front of `echo` behind TLS, with a certificate for `localhost`; its port.
async fn far() -> (Listening, u16) {
    let echo = Echo::new();
    let far = Listening::start(
        HttpListenerOptions::default(),
        GatewayOptions::default(),
        |_| (),
        move || echo.side(&Limits::default()),
    )
    .await;
    let certificate = CertificateDer::from_pem_file(file("localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("localhost.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, address) = (listener.local_addr().unwrap().port(), far.address);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let plain = async {
                    let mut from = acceptor.accept(stream).await?;
                    let mut to = TcpStream::connect(address).await?;
                    copy_bidirectional(&mut from, &mut to).await
                };
                // Clients that do not trust it leave.
                if let Err(error) = plain.await {
                    eprintln!("a connection broke off: {error}");
                }
            });
        }
    });
    (far, port)
}

/// A gateway whose server is at that URL.
async fn near(url: &str, authorities: &str) -> Listening {
    let mut options = HttpServerOptions::default();
    options.authorities = Some(file(authorities));
    let server = HttpServer::new(url, options, &Limits::default()).unwrap();
    Listening::start(
        HttpListenerOptions::default(),
        GatewayOptions::default(),
        |_| (),
        move || Ok(server.side()),
    )
    .await
}

#[tokio::test]
async fn a_server_whose_certificate_is_trusted_is_spoken_to() {
    let (far, port) = far().await;
    let near = near(&format!("https://localhost:{port}/mcp"), "authority.pem").await;
    let mut client = near.client();
    client.begin("2025-11-25").await;
    let answer = client.ask(1, "a", json!({"n": 1})).await;
    assert_eq!(answer["result"]["n"], 1);
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn one_that_is_not_trusted_or_has_another_name_gets_nothing() {
    let (far, port) = far().await;
    for (host, authorities, why) in [
        ("localhost", "stranger.pem", "UnknownIssuer"),
        ("127.0.0.1", "authority.pem", "not valid for name"),
    ] {
        let near = near(&format!("https://{host}:{port}/mcp"), authorities).await;
        let mut answer = near
            .client()
            .post(&request(1, "initialize", json!({})))
            .await;
        let (_, answer) = answer.event().await.unwrap();
        assert_eq!(answer["error"]["code"], BAD_ANSWER, "{answer}");
        assert!(answer.to_string().contains(why), "{answer}");
        near.stop().await;
    }
    far.stop().await;
}

#[tokio::test]
async fn one_that_never_shows_its_certificate_holds_nothing_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    // It takes connections, and says nothing.
    tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            taken.push(stream);
        }
    });
    let near = near(&format!("https://127.0.0.1:{port}/mcp"), "authority.pem").await;
    let mut client = near.client();
    tokio::time::pause();
    let mut first = client.post(&request(1, "initialize", json!({}))).await;
    client.session = first.header("mcp-session-id");
    let begun = Instant::now();
    let mut second = client.post(&request(2, "a", json!({}))).await;
    for (answer, id) in [(&mut first, 1), (&mut second, 2)] {
        let (_, answer) = soon(answer.event()).await.unwrap();
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!(id), &json!(BAD_ANSWER)),
            "{answer}"
        );
        assert!(answer.to_string().contains("within 10s"), "{answer}");
    }
    // One after the other: the first is written before the second.
    assert!(begun.elapsed() < 3 * HttpServerOptions::default().connect_timeout);
    tokio::time::resume();
    near.stop().await;
}

#[test]
fn authorities_that_are_none_are_refused() {
    for (name, why) in [
        ("none.pem", "none.pem must hold"),
        ("localhost.key", "there is none"),
    ] {
        let mut options = HttpServerOptions::default();
        options.authorities = Some(file(name));
        let server = HttpServer::new("https://localhost/", options, &Limits::default());
        let error = server.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
