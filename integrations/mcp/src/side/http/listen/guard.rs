//! Who may use the endpoint: web pages of others must not, whatever names they have for this machine.

use std::io;
use std::net::{IpAddr, SocketAddr};

use hyper::Uri;
use hyper::header::{HOST, HeaderMap, ORIGIN};

use super::HttpListenerOptions;

#[derive(Debug)]
pub(super) struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    pub(super) fn new(address: SocketAddr, options: &HttpListenerOptions) -> io::Result<Self> {
        if !address.ip().is_loopback() && options.hosts.is_empty() {
            let why = format!(
                "{address} can be reached from other machines, and clients are not asked who they are: listen on 127.0.0.1, or name the hosts that are meant with `hosts` (`--allow-host NAME`)"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(Guard {
            hosts: options.hosts.clone(),
            origins: options.origins.clone(),
        })
    }

    /// Why a request is not served.
    pub(super) fn refuses(&self, headers: &HeaderMap) -> Option<&'static str> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
        let host = text(HOST).and_then(host_of);
        if !host.is_some_and(|host| is_this_machine(&host) || self.names(&host)) {
            return Some("this host is not served here (`--allow-host NAME` names others)");
        }
        let origin = text(ORIGIN)?;
        let page: Option<Uri> = origin.parse().ok();
        let page = page.as_ref().and_then(Uri::host);
        let allowed = page.is_some_and(is_this_machine)
            || self
                .origins
                .iter()
                .any(|known| known.eq_ignore_ascii_case(origin));
        (!allowed).then_some(
            "web pages of this origin are not served here (`--allow-origin ORIGIN` names others)",
        )
    }

    fn names(&self, host: &str) -> bool {
        let named = |known: &String| known == "*" || known.eq_ignore_ascii_case(host);
        self.hosts.iter().any(named)
    }
}

/// The name without the port.
fn host_of(header: &str) -> Option<String> {
    let authority: hyper::http::uri::Authority = header.parse().ok()?;
    (!header.contains('@')).then(|| authority.host().to_owned())
}

fn is_this_machine(host: &str) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = plain.parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(guard: &Guard, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        guard.refuses(&headers).is_some()
    }

    #[test]
    fn only_this_machine_unless_others_are_named() {
        let mut options = HttpListenerOptions::default();
        let local: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let guard = Guard::new(local, &options).unwrap();
        for (host, origin, expected) in [
            ("127.0.0.1:80", None, false),
            ("localhost", Some("http://localhost:3000"), false),
            ("[::1]:80", Some("http://[::1]:80"), false),
            ("evil.example", None, true),
            ("evil.example:80", Some("http://evil.example:80"), true),
            ("127.0.0.1.evil.example", None, true),
            ("localhost@evil.example", None, true),
            ("evil.example@localhost", None, true),
            ("", None, true),
            ("localhost", Some("https://evil.example"), true),
            ("localhost", Some("null"), true),
            ("localhost", Some("http://localhost.evil.example"), true),
        ] {
            assert_eq!(refused(&guard, host, origin), expected, "{host} {origin:?}");
        }
        assert!(guard.refuses(&HeaderMap::new()).is_some());

        let open: SocketAddr = "0.0.0.0:80".parse().unwrap();
        let error = Guard::new(open, &options).unwrap_err().to_string();
        assert!(error.contains("--allow-host"), "{error}");
        options.hosts = vec!["gateway.example".to_owned()];
        options.origins = vec!["https://app.example".to_owned()];
        let guard = Guard::new(open, &options).unwrap();
        assert!(!refused(
            &guard,
            "Gateway.example:8080",
            Some("https://app.example")
        ));
        assert!(refused(&guard, "other.example", None));
        assert!(refused(
            &guard,
            "gateway.example",
            Some("https://app.example.evil.example")
        ));
    }
}
