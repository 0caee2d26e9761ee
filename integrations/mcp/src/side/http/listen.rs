//! Clients that come over HTTP.

mod answer;
mod endpoint;
mod guard;
mod hand_over;
mod post;
mod posted;
mod session;
mod streams;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::spawn;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::gateway::Gateway;
use crate::side::Side;
use endpoint::Endpoint;
use guard::Guard;

/// How long connections may take to end.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// How long a client may take to say what it wants.
const HEADERS: Duration = Duration::from_secs(10);

/// How clients are served.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpListenerOptions {
    /// The path of the endpoint. Default: `/mcp`.
    pub path: String,
    /// The names under which clients may reach it besides those of this machine for itself, without a port; `*` is
    /// any. Whoever listens where others reach it must name some. Default: none.
    pub hosts: Vec<String>,
    /// The web pages that may use it besides those of this machine, such as `https://app.example`. Default: none.
    pub origins: Vec<String>,
    /// How many sessions there may be, from 1: each has a server side of its own. Default: 64.
    pub max_sessions: usize,
    /// How many connections there may be, from 1; further ones wait. Default: 1,024.
    pub max_connections: usize,
    /// How many bodies of one session that are longer than 64 KiB are read at a time, from 1; further ones wait. Each
    /// holds up to [`max_message_bytes`](crate::Limits::max_message_bytes). Default: 2.
    pub max_large_bodies: usize,
    /// The same for all bodies together that belong to no session yet, from 1. Default: 2.
    pub max_large_first_bodies: usize,
    /// How long a client may take to send a body; how long that waits to be read is not counted. Whoever sends nothing
    /// for 30 seconds is refused before. Default: one minute.
    pub body_timeout: Duration,
    /// How long a session lasts of which nobody wants anything. Default: 30 minutes.
    pub idle: Duration,
    /// How many bytes of a session are kept for clients that read slowly, or come back for what they have missed; one
    /// message always is. Default: 4 MiB.
    pub max_kept_bytes: usize,
    /// How often an empty line is written to a stream on which nothing happens, so that nobody takes it for dead.
    /// Default: 15 seconds.
    pub keep_alive: Duration,
}

impl Default for HttpListenerOptions {
    fn default() -> Self {
        HttpListenerOptions {
            path: "/mcp".to_owned(),
            hosts: Vec::new(),
            origins: Vec::new(),
            max_sessions: 64,
            max_connections: 1_024,
            max_large_bodies: 2,
            max_large_first_bodies: 2,
            body_timeout: Duration::from_secs(60),
            idle: Duration::from_secs(30 * 60),
            max_kept_bytes: 4 << 20,
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// Accepts clients: for each a session, with a server side of its own.
#[derive(Debug)]
pub struct HttpListener {
    tcp: TcpListener,
    guard: Guard,
    options: HttpListenerOptions,
}

impl HttpListener {
    /// Listens on an address; port 0 is any that is free.
    ///
    /// # Errors
    /// The address cannot be had, or others could reach it and no host is named.
    pub async fn bind(address: SocketAddr, options: HttpListenerOptions) -> io::Result<Self> {
        let guard = Guard::new(address, &options)?;
        let tcp = TcpListener::bind(address).await?;
        Ok(HttpListener {
            tcp,
            guard,
            options,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// The URL of the endpoint.
    ///
    /// # Errors
    /// The system does not say where it listens.
    pub fn url(&self) -> io::Result<String> {
        let (address, path) = (self.local_addr()?, &self.options.path);
        Ok(format!("http://{address}{path}"))
    }

    /// Serves clients until `stop` is ready; then sessions are ended, and their servers. `server` makes the server
    /// side of a session.
    pub async fn serve(
        self,
        gateway: Gateway,
        server: impl Fn() -> io::Result<Side> + Send + Sync + 'static,
        stop: impl Future<Output = ()>,
    ) {
        let (stopping, stopped) = watch::channel(false);
        let room = Arc::new(Semaphore::new(self.options.max_connections.max(1)));
        let all = room.available_permits();
        let endpoint = Endpoint::new(gateway, self.guard, self.options, Box::new(server));
        let endpoint = Arc::new(endpoint);
        let mut stop = pin!(stop);
        loop {
            let next = async {
                let permit = Arc::clone(&room).acquire_owned().await;
                let permit = permit.expect("it is never closed");
                (self.tcp.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                () = &mut stop => break,
                next = next => next,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (endpoint, stopped) = (Arc::clone(&endpoint), stopped.clone());
                    spawn(async move {
                        connection(stream, endpoint, stopped).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    // There may be no room for it now, and trying at once would only burn time.
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
        endpoint.end().await;
        stopping.send_replace(true);
        let all = u32::try_from(all).unwrap_or(u32::MAX);
        if timeout(LAST_ANSWERS, room.acquire_many(all)).await.is_err() {
            tracing::warn!("clients did not read what was there for them");
        }
    }
}

async fn connection(
    stream: TcpStream,
    endpoint: Arc<Endpoint>,
    mut stopped: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection waits for full packets");
    }
    let service = service_fn(|request| {
        let endpoint = Arc::clone(&endpoint);
        async move { Ok::<_, std::convert::Infallible>(endpoint.answer(request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = until(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection ended");
    }
}

async fn until(stopped: &mut watch::Receiver<bool>) {
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        tracing::debug!("the listener was dropped");
    }
}
