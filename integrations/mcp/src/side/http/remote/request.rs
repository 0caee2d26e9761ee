//! Requests of HTTP to the server.

use std::convert::Infallible;
use std::future::pending;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::HttpServer;
use crate::side::http::{EVENTS, JSON, LAST_EVENT, SESSION, VERSION};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;

/// A body that tells when it was taken to be written.
#[derive(Debug, Default)]
pub(super) struct SentBody {
    bytes: Option<Bytes>,
    /// Dropped when the body is.
    _sent: Option<oneshot::Sender<()>>,
    /// Dropped with it: there is a connection then.
    _connected: Option<oneshot::Sender<Infallible>>,
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// What all requests of a session say.
#[derive(Clone, Debug, Default)]
pub(super) struct Agreed {
    pub(super) session: Option<HeaderValue>,
    pub(super) version: Option<HeaderValue>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) method: Method,
    pub(super) line: Bytes,
    pub(super) last_event: Option<String>,
    /// Dropped when the request was written.
    pub(super) sent: Option<oneshot::Sender<()>>,
}

impl Asking {
    pub(super) fn post(line: String, sent: Option<oneshot::Sender<()>>) -> Self {
        Asking {
            method: Method::POST,
            line: line.into(),
            last_event: None,
            sent,
        }
    }

    pub(super) fn get(last_event: Option<String>) -> Self {
        Asking {
            method: Method::GET,
            line: Bytes::new(),
            last_event,
            sent: None,
        }
    }

    pub(super) fn delete() -> Self {
        Asking {
            method: Method::DELETE,
            ..Asking::get(None)
        }
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoResponse {
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    #[error("the server cannot be reached: there was no connection within {0:?}")]
    Unconnected(Duration),
    #[error("the server redirects to another place, which is not followed: give its own URL")]
    Redirected,
    #[error("the request cannot be written as HTTP")]
    Unwritten,
}

impl HttpServer {
    /// Sends a request. Redirects are followed within the host only: headers may hold secrets.
    pub(super) async fn send(
        &self,
        agreed: &Agreed,
        asking: Asking,
    ) -> Result<Response<Incoming>, NoResponse> {
        let Asking {
            method,
            line,
            last_event,
            mut sent,
        } = asking;
        let mut url = self.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let (connecting, connected) = oneshot::channel();
            let body = SentBody {
                bytes: (method == Method::POST).then(|| line.clone()),
                _sent: sent.take(),
                _connected: Some(connecting),
            };
            let mut request = Request::new(body);
            *request.method_mut() = method.clone();
            *request.uri_mut() = url.clone();
            let headers = request.headers_mut();
            self.options.headers.put(headers);
            let accept = match method {
                Method::POST => "application/json, text/event-stream",
                Method::GET => EVENTS,
                _ => "*/*",
            };
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            if method == Method::POST {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
            }
            for (name, value) in [(SESSION, &agreed.session), (VERSION, &agreed.version)] {
                if let Some(value) = value {
                    headers.insert(name, value.clone());
                }
            }
            if let Some(id) = &last_event {
                let id = HeaderValue::from_str(id).map_err(|_| NoResponse::Unwritten)?;
                headers.insert(LAST_EVENT, id);
            }
            let response = self.response(request, connected).await?;
            match response.status() {
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    url = same_host(&url, response.headers().get(LOCATION))
                        .ok_or(NoResponse::Redirected)?;
                }
                status if status.is_redirection() => return Err(NoResponse::Redirected),
                _ => return Ok(response),
            }
        }
        Err(NoResponse::Redirected)
    }

    /// The response, if the connection is there in time: the connector's own limit ends where TLS begins.
    async fn response(
        &self,
        request: Request<SentBody>,
        connected: oneshot::Receiver<Infallible>,
    ) -> Result<Response<Incoming>, NoResponse> {
        let limit = self.options.connect_timeout;
        let mut response = pin!(self.connections.request(request));
        let late = async {
            // Nothing is ever sent: that it is dropped says all.
            if timeout(limit, connected).await.is_ok() {
                pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            response = &mut response => {
                response.map_err(|error| NoResponse::Unreachable(causes(&error)))
            }
            () = late => Err(NoResponse::Unconnected(limit)),
        }
    }
}

/// Where a redirect leads, if that is the same scheme, host and port.
fn same_host(from: &Uri, location: Option<&HeaderValue>) -> Option<Uri> {
    let to: Uri = location?.to_str().ok()?.parse().ok()?;
    let mut parts = from.clone().into_parts();
    let elsewhere = to
        .scheme()
        .is_some_and(|scheme| Some(scheme) != from.scheme())
        || to
            .authority()
            .is_some_and(|host| Some(host) != from.authority());
    // Two slashes begin the name of a host, where the URL is relative.
    if elsewhere || !to.path().starts_with('/') || to.path().starts_with("//") {
        return None;
    }
    parts.path_and_query = to.into_parts().path_and_query;
    Uri::from_parts(parts).ok()
}

/// The error and what caused it. None of them shows headers.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_with_the_host() {
        let from: Uri = "https://host:1/mcp".parse().unwrap();
        let to = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            same_host(&from, Some(&value)).map(|uri| uri.to_string())
        };
        assert_eq!(to("/mcp/?a=1").as_deref(), Some("https://host:1/mcp/?a=1"));
        assert_eq!(to("https://host:1/x").as_deref(), Some("https://host:1/x"));
        for elsewhere in [
            "http://host:1/x",
            "https://host:2/x",
            "https://host/x",
            "//other/x",
            "https://other:1/",
            "x",
        ] {
            assert_eq!(to(elsewhere), None, "{elsewhere}");
        }
        assert_eq!(same_host(&from, None), None);
    }
}
