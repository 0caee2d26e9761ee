//! Where the service is.

use std::net::IpAddr;

use hyper::Uri;

use crate::approval::redacted::KIND;
use crate::error::BuiltinError;

/// A URL that may be asked.
#[derive(Clone, Debug)]
pub(super) struct Target {
    uri: Uri,
    has_tls: bool,
}

impl Target {
    /// # Errors
    /// It is none, or somebody else could answer: over `http://` whoever is in between, and on this machine every
    /// program that listens at the port while the service does not.
    pub(super) fn new(url: &str, allow_http: bool, is_signed: bool) -> Result<Self, BuiltinError> {
        let wrong = |option, why: &str| BuiltinError::BadOption {
            kind: KIND,
            option,
            why: why.into(),
        };
        if url.is_empty() {
            return Err(wrong(
                "url",
                "is missing: name the URL that questions are sent to",
            ));
        }
        let form = "must be `https://host[:port]/path`, or `http://` on this machine with `secret_env`, without user and password";
        let uri: Uri = url.parse().map_err(|_| wrong("url", form))?;
        let authority = uri.authority().ok_or_else(|| wrong("url", form))?;
        // Who writes a password there finds it in logs.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(wrong("url", form));
        }
        let has_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if !allow_http && !is_loopback(authority.host()) => {
                let why = "is `http://` on another machine, where anybody in between could read and answer: write `https://`, or `allow_http = true` and `secret_env`";
                return Err(wrong("url", why));
            }
            Some("http") if !is_signed => {
                let why = "is missing: `http://` does not show who answers, and any program that listens at the port while the service does not could allow; write `secret_env = \"NAME\"`, the variable with a secret that the service signs its answers with, or `https://`";
                return Err(wrong("secret_env", why));
            }
            Some("http") => false,
            _ => return Err(wrong("url", form)),
        };
        Ok(Target { uri, has_tls })
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn has_tls(&self) -> bool {
        self.has_tls
    }

    /// What may be shown of a URL.
    pub(super) fn host_of(url: &str) -> Option<String> {
        let uri: Uri = url.parse().ok()?;
        uri.host().map(str::to_owned)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().map(|address: IpAddr| address.is_loopback());
    // RFC 6761, section 6.3: the name is this machine's.
    address.unwrap_or_else(|_| host.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for (url, has_tls) in [
            ("https://desk.example/ask?key=1", true),
            ("https://127.0.0.1:8443/", true),
            ("http://127.0.0.1:80", false),
            ("http://127.1.2.3/", false),
            ("http://[::1]:8080/x", false),
            ("http://LOCALHOST/", false),
        ] {
            assert_eq!(
                Target::new(url, false, true).unwrap().has_tls(),
                has_tls,
                "{url}"
            );
            let unsigned = Target::new(url, false, false).map_err(|error| error.to_string());
            match has_tls {
                true => assert!(unsigned.is_ok(), "{url}"),
                false => assert!(
                    unsigned.unwrap_err().contains("`secret_env` is missing"),
                    "{url}"
                ),
            }
        }
        assert!(
            !Target::new("http://desk.example/", true, true)
                .unwrap()
                .has_tls()
        );
        for (url, allow_http, why) in [
            ("", false, "`url` is missing"),
            ("/ask", false, "`url` must be"),
            ("desk.example/ask", false, "`url` must be"),
            ("ftp://desk.example/", false, "`url` must be"),
            ("https://me:s3cret@desk.example/", false, "`url` must be"),
            ("https://", false, "`url` must be"),
            ("http://desk.example/", false, "`url` is `http://`"),
            ("http://localhost.example/", false, "`url` is `http://`"),
            ("http://127.0.0.1.example/", false, "`url` is `http://`"),
            ("http://0.0.0.0/", false, "`url` is `http://`"),
            ("http://desk.example/", true, "`secret_env` is missing"),
        ] {
            let error = Target::new(url, allow_http, false).unwrap_err().to_string();
            assert!(
                error.contains(why) && !error.contains("s3cret"),
                "{url}: {error}"
            );
        }
    }
}
