//! A server that is reached at a URL.

mod link;
mod request;
mod streams;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::headers::Headers;
use crate::limits::Limits;
use crate::side::Side;
use link::Link;
use request::SentBody;

/// How a server is reached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpServerOptions {
    /// Headers of every request. Default: none.
    pub headers: Headers,
    /// A file with the certificates (PEM) of the authorities that vouch for an `https://` server, instead of the
    /// system's. Default: the system's.
    pub authorities: Option<PathBuf>,
    /// How long it may take to connect, TLS included. Default: ten seconds.
    pub connect_timeout: Duration,
    /// How long the server may take to accept what it need not answer: notifications and answers. Default: 30 seconds.
    pub accept_timeout: Duration,
    /// How long what a client says is held back, once, until the server has opened its stream of what it begins.
    /// Default: one second.
    pub listen_timeout: Duration,
    /// How many requests of a session may be under way at a time, each on a connection of its own, from 1.
    /// Default: 1,024.
    pub max_requests: usize,
    /// How long to wait before a stream that broke off is opened again, if the server does not say. Default: one
    /// second.
    pub retry: Duration,
    /// The longest wait before a stream is opened again, whatever the server says. Default: one minute.
    pub max_retry: Duration,
    /// How often in a row the stream of an answer is opened again without anything new. Default: 5.
    pub max_resumptions: u32,
}

impl Default for HttpServerOptions {
    fn default() -> Self {
        HttpServerOptions {
            headers: Headers::default(),
            authorities: None,
            connect_timeout: Duration::from_secs(10),
            accept_timeout: Duration::from_secs(30),
            listen_timeout: Duration::from_secs(1),
            max_requests: 1_024,
            retry: Duration::from_secs(1),
            max_retry: Duration::from_secs(60),
            max_resumptions: 5,
        }
    }
}

/// The URL is none that a server can be reached at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadUrl {
    /// It is no URL of HTTP.
    #[error(
        "the server's URL must be `http://host[:port]/path` or `https://…`, without user and password"
    )]
    Form,
    /// The certificates of authorities, or the algorithms of TLS, cannot be had.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
}

type Connections = Client<HttpsConnector<HttpConnector>, SentBody>;

/// A server that is reached at a URL. Sessions share its connections.
#[derive(Clone, Debug)]
pub struct HttpServer {
    url: Uri,
    connections: Connections,
    options: Arc<HttpServerOptions>,
    limits: Limits,
}

impl HttpServer {
    /// The server at that URL. Nothing is sent before a session does.
    ///
    /// # Errors
    /// It is no URL of a server.
    pub fn new(url: &str, options: HttpServerOptions, limits: &Limits) -> Result<Self, BadUrl> {
        let url: Uri = url.parse().map_err(|_| BadUrl::Form)?;
        let is_http = matches!(url.scheme_str(), Some("http" | "https"));
        let authority = url.authority().ok_or(BadUrl::Form)?;
        // Who writes a password there finds it in logs.
        if !is_http || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(BadUrl::Form);
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(options.connect_timeout));
        let tls = match url.scheme_str() {
            Some("https") => tls::config(options.authorities.as_deref())?,
            _ => tls::unused()?,
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let connections = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Ok(HttpServer {
            url,
            connections,
            options: Arc::new(options),
            limits: limits.clone(),
        })
    }

    /// The host, as hooks may see it in the server's name.
    pub fn host(&self) -> &str {
        self.url.host().unwrap_or_default()
    }

    /// A side for one session.
    pub fn side(&self) -> Side {
        let (link, receive) = Link::new(self.clone());
        Side::new(receive, link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers() {
        let server = |url| HttpServer::new(url, HttpServerOptions::default(), &Limits::default());
        assert_eq!(
            server("http://127.0.0.1:80/mcp").unwrap().host(),
            "127.0.0.1"
        );
        for wrong in [
            "",
            "/mcp",
            "127.0.0.1:80",
            "ftp://host/",
            "http://user:s3cret@host/",
            "http://",
        ] {
            let error = server(wrong).unwrap_err();
            assert!(matches!(error, BadUrl::Form), "{wrong}: {error:?}");
            assert!(!error.to_string().contains("s3cret"));
        }
    }
}
