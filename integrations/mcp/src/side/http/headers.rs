//! Headers that the operator adds.

use std::fmt;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// Headers for every request to a server. Their values are secrets: they are never shown.
#[derive(Clone, Default)]
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

/// What was given is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadHeader {
    /// There is no colon, or its name is none.
    #[error("a header is a name, a colon and a value: `Authorization: Bearer …`")]
    Form,
    /// The transport sets it.
    #[error("the gateway sets this header itself")]
    Reserved,
}

/// What the transport sets.
const RESERVED: [&str; 10] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "upgrade",
    super::LAST_EVENT,
    super::SESSION,
    super::VERSION,
];

impl Headers {
    /// Adds a header as it is written: `Authorization: Bearer …`.
    ///
    /// # Errors
    /// It is none, or one that the transport sets.
    pub fn add(&mut self, line: &str) -> Result<(), BadHeader> {
        let (name, value) = line.split_once(':').ok_or(BadHeader::Form)?;
        self.set(name.trim(), value.trim())
    }

    /// Adds a header with that value.
    ///
    /// # Errors
    /// It is none, or one that the transport sets.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadHeader> {
        let name = HeaderName::try_from(name).map_err(|_| BadHeader::Form)?;
        if RESERVED.contains(&name.as_str()) {
            return Err(BadHeader::Reserved);
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| BadHeader::Form)?;
        value.set_sensitive(true);
        self.0.push((name, value));
        Ok(())
    }

    pub(super) fn put(&self, into: &mut HeaderMap) {
        for (name, value) in &self.0 {
            into.append(name.clone(), value.clone());
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_never_shown_and_names_of_the_transport_are_refused() {
        let mut headers = Headers::default();
        headers.add("Authorization: Bearer s3cret").unwrap();
        headers.set("x-key", "s3cret").unwrap();
        let shown = format!("{headers:?}");
        assert!(
            !shown.contains("s3cret") && shown.contains("authorization"),
            "{shown}"
        );
        assert_eq!(
            headers.add("Authorization Bearer s3cret"),
            Err(BadHeader::Form)
        );
        assert_eq!(headers.add("x: a\nb"), Err(BadHeader::Form));
        assert_eq!(headers.add("Mcp-Session-Id: 1"), Err(BadHeader::Reserved));
        let mut map = HeaderMap::new();
        headers.put(&mut map);
        assert!(map["x-key"].is_sensitive());
    }
}
