//! What secrets and personal data commonly look like.

/// A pattern that comes with the hook.
pub(super) struct Known {
    pub(super) name: &'static str,
    /// `secrets` or `pii`.
    pub(super) group: &'static str,
    pub(super) regex: &'static str,
    /// What the regex cannot say.
    pub(super) check: Option<fn(&str) -> bool>,
}

const fn secret(name: &'static str, regex: &'static str) -> Known {
    Known {
        name,
        group: "secrets",
        regex,
        check: None,
    }
}

const fn personal(
    name: &'static str,
    regex: &'static str,
    check: Option<fn(&str) -> bool>,
) -> Known {
    Known {
        name,
        group: "pii",
        regex,
        check,
    }
}

/// Where two begin at the same place, the longer one gives the name.
pub(super) const KNOWN: &[Known] = &[
    secret("aws_key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    secret(
        "github_token",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})",
    ),
    secret("gitlab_token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    secret("slack_token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    secret("stripe_key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    secret("model_key", r"\bsk-[A-Za-z0-9_-]{20,}"),
    secret("google_key", r"\bAIza[0-9A-Za-z_-]{35}"),
    secret(
        "jwt",
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    ),
    // The end is optional, so that a key that is cut off, or still coming, is found by its beginning.
    secret(
        "private_key",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
    ),
    secret("bearer", r"(?i)\bbearer\s+[a-z0-9._~+/-]{16,}=*"),
    secret(
        "url_password",
        r"\b[a-z][a-z0-9+.-]{1,15}://[^\s/:@]*:[^\s/@]+@",
    ),
    secret(
        "assignment",
        r#"(?i)\b(?:password|passwd|secret|api[_-]?key|access[_-]?token)[\\"']{0,8}\s*[:=]\s*[\\"']{0,8}[^\s"',;}\[\\]{6,}"#,
    ),
    personal(
        "email",
        r"(?i)\b[a-z0-9._%+-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}\b",
        None,
    ),
    personal("card", r"\b[0-9](?:[ -]?[0-9]){12,18}\b", Some(luhn)),
    personal(
        "iban",
        r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b",
        Some(iban),
    ),
    personal("us_ssn", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", Some(ssn)),
    personal(
        "phone",
        r"\+[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{2,5}\)?){2,5}\b",
        None,
    ),
];

/// ISO/IEC 7812-1, annex B.
fn luhn(text: &str) -> bool {
    let digits = text.chars().rev().filter_map(|c| c.to_digit(10));
    let weigh = |(at, digit): (usize, u32)| match (at % 2, digit * 2) {
        (0, _) => digit,
        (_, twice) => twice / 10 + twice % 10,
    };
    digits
        .enumerate()
        .map(weigh)
        .sum::<u32>()
        .is_multiple_of(10)
}

/// ISO 13616: letters are 10 to 35, the first four characters go to the end, the remainder by 97 is 1.
fn iban(text: &str) -> bool {
    let compact: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    let Some((head, rest)) = compact.split_at_checked(4) else {
        return false;
    };
    let step = |sum: u32, value: &u32| (sum * if *value > 9 { 100 } else { 10 } + value) % 97;
    rest.iter().chain(head).fold(0, step) == 1
}

/// Numbers that were never given out: area 000, 666 and 900 to 999, group 00, serial 0000.
fn ssn(text: &str) -> bool {
    let (area, group, serial) = (&text[..3], &text[4..6], &text[7..]);
    !(matches!(area, "000" | "666") || area >= "900" || group == "00" || serial == "0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_those_of_the_standards() {
        assert!(luhn("4111 1111 1111 1111") && !luhn("4111 1111 1111 1112"));
        assert!(iban("DE89 3704 0044 0532 0130 00") && !iban("DE88 3704 0044 0532 0130 00"));
        assert!(ssn("123-45-6789") && !ssn("000-45-6789") && !ssn("900-45-6789"));
    }
}
