//! The types of attributes, and their text.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::fault;
use crate::error::EventError;

/// Text as CloudEvents allows it: no control characters, and not those that Unicode keeps for no use.
pub(super) fn check_text(at: &str, text: &str) -> Result<(), EventError> {
    if text.is_empty() {
        return Err(fault(at, "is empty; leave it out instead"));
    }
    match text.chars().find(|c| c.is_control() || is_noncharacter(*c)) {
        Some(c) => Err(fault(
            at,
            format!(
                "contains U+{:04X}, which CloudEvents forbids in text",
                u32::from(c)
            ),
        )),
        None => Ok(()),
    }
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// A URI reference by the characters of RFC 3986.
pub(super) fn check_uri_reference(at: &str, text: &str) -> Result<(), EventError> {
    check_text(at, text)?;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_allowed = match byte {
            b'%' => {
                let mut hex = || bytes.next().is_some_and(|b| b.is_ascii_hexdigit());
                hex() && hex()
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte),
        };
        if !is_allowed {
            return Err(fault(
                at,
                format!(
                    "is not a URI reference: `{}` must be percent-encoded (RFC 3986)",
                    byte.escape_ascii()
                ),
            ));
        }
    }
    Ok(())
}

/// An absolute URI: a reference that begins with a scheme.
pub(super) fn check_uri(at: &str, text: &str) -> Result<(), EventError> {
    check_uri_reference(at, text)?;
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.as_bytes());
    let is_scheme = |scheme: &[u8]| {
        scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
    };
    if scheme.is_some_and(is_scheme) {
        return Ok(());
    }
    Err(fault(
        at,
        "is not an absolute URI; begin it with a scheme, such as `https:`",
    ))
}

/// A media type as in RFC 2046: `type/subtype`, then parameters.
pub(super) fn check_media_type(at: &str, text: &str) -> Result<(), EventError> {
    check_text(at, text)?;
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let is_token = |token: &str| {
        !token.is_empty()
            && token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    match essence.split_once('/') {
        Some((kind, subkind)) if is_token(kind) && is_token(subkind) => Ok(()),
        _ => Err(fault(
            at,
            "is not a media type; write for example `application/json` (RFC 2046)",
        )),
    }
}

/// Data of a media type that is not JSON is text.
pub(super) fn check_data(
    at: &str,
    media_type: Option<&str>,
    data: &Value,
) -> Result<(), EventError> {
    if data.is_string() || media_type.is_none_or(is_json) {
        return Ok(());
    }
    Err(fault(
        at,
        "is no text, and the media type says that it is not JSON; give text or bytes, or leave `datacontenttype` out",
    ))
}

/// Whether data of that media type is JSON: `json` itself, or with that suffix.
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim_end();
    let subtype = essence
        .split_once('/')
        .map_or("", |(_, subtype)| subtype)
        .to_ascii_lowercase();
    subtype == "json" || subtype.ends_with("+json")
}

/// A time in the form of RFC 3339.
pub(super) fn read_time(at: &str, text: &str) -> Result<SystemTime, EventError> {
    let wrong = || {
        fault(
            at,
            format!(
                "is not a time; write for example `2018-04-05T17:31:00Z` (RFC 3339), not `{}`",
                text.escape_debug()
            ),
        )
    };
    if !has_form_of_time(text.as_bytes()) {
        return Err(wrong());
    }
    let time: Timestamp = text.parse().map_err(|_| wrong())?;
    Ok(time.into())
}

/// The library reads more than RFC 3339 allows: other separators, no seconds, names of time zones.
fn has_form_of_time(text: &[u8]) -> bool {
    let (Some(date_time), Some(mut rest)) = (text.get(..19), text.get(19..)) else {
        return false;
    };
    let fits = |form: &[u8], text: &[u8]| {
        form.len() == text.len()
            && form.iter().zip(text).all(|(f, t)| match f {
                b'0' => t.is_ascii_digit(),
                f => f.eq_ignore_ascii_case(t),
            })
    };
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return false;
        }
        rest = &fraction[digits..];
    }
    fits(b"0000-00-00T00:00:00", date_time)
        && (fits(b"Z", rest) || fits(b"+00:00", rest) || fits(b"-00:00", rest))
}

/// A time in the form of RFC 3339, in UTC.
pub(super) fn write_time(at: &str, time: SystemTime) -> Result<String, EventError> {
    let time = Timestamp::try_from(time)
        .map(|time| time.to_string())
        .unwrap_or_default();
    // Years before 0 have a sign.
    if time.is_empty() || time.starts_with('-') {
        return Err(fault(
            at,
            "is outside of the years 0 to 9999, which RFC 3339 can say",
        ));
    }
    Ok(time)
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn from_base64(at: &str, text: &str) -> Result<Vec<u8>, EventError> {
    STANDARD
        .decode(text)
        .map_err(|error| fault(at, format!("is not Base64 (RFC 4648): {error}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_those_of_rfc_3339() {
        let read = |text: &str| read_time("time", text).ok();
        let at = |seconds: f64| Some(SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds));
        assert_eq!(read("2018-04-05T17:31:00Z"), at(1_522_949_460.0));
        assert_eq!(read("2018-04-05t17:31:00.5z"), at(1_522_949_460.5));
        assert_eq!(read("2018-04-05T17:31:00+02:00"), at(1_522_942_260.0));
        for wrong in [
            "",
            "2018-04-05",
            "2018-04-05T17:31Z",
            "2018-04-05T17:31:00",
            "2018-04-05 17:31:00Z",
            "2018-13-05T17:31:00Z",
            "2018-04-05T17:31:00.Z",
            "2018-04-05T17:31:00+0200",
            "2018-04-05T17:31:00Z[UTC]",
            "1522949460",
            "2018-04-05T25:31:00Z",
            "ä018-04-05T17:31:00Z",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_522_949_460, 123_456_789);
        let text = write_time("time", time).unwrap();
        assert_eq!(text, "2018-04-05T17:31:00.123456789Z");
        assert_eq!(read_time("time", &text).unwrap(), time);
        let late = SystemTime::UNIX_EPOCH + Duration::from_secs(400_000_000_000);
        assert!(write_time("time", late).is_err());
    }

    #[test]
    fn uris_have_the_characters_of_rfc_3986() {
        for good in [
            "/shop",
            "hookpoint",
            "urn:uuid:6e8bc430-9c3a",
            "https://a.b/c?d=e#f",
            "%C3%A4",
        ] {
            assert!(check_uri_reference("source", good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "<a>", "ä", "%4", "%zz", "a\\b"] {
            assert!(check_uri_reference("source", bad).is_err(), "{bad}");
        }
        assert!(
            check_uri("dataschema", "https://a.b").is_ok()
                && check_uri("dataschema", "/a:b").is_err()
        );
    }

    #[test]
    fn media_types_have_two_parts() {
        for good in [
            "application/json",
            "text/plain; charset=utf-8",
            "application/cloudevents+json",
        ] {
            assert!(check_media_type("datacontenttype", good).is_ok(), "{good}");
        }
        for bad in ["json", "/json", "a/", "a b/c", ""] {
            assert!(check_media_type("datacontenttype", bad).is_err(), "{bad}");
        }
    }
}
