//! The name of a point that the attribute took from a constant; all checks are made by the compiler.

/// A point declared with `point!`.
pub trait TypedPoint: Copy {
    /// Its name.
    const NAME: &'static str;
    /// The arguments that its sites must show.
    const ARGS: &'static [&'static str];
}

/// The value of `point = …`: the name itself, or a typed point.
#[derive(Clone, Copy)]
pub struct PointName<T>(pub T);

impl PointName<&'static str> {
    /// The name; whether it is one is checked when the constant is evaluated.
    pub const fn of(self, _shown: &[&str]) -> &'static str {
        check_name(self.0);
        self.0
    }
}

// No overlap: only this crate could make `&str` a typed point.
impl<T: TypedPoint> PointName<T> {
    /// The name, if the site shows what the point declares.
    pub const fn of(self, shown: &[&str]) -> &'static str {
        let mut i = 0;
        while i < T::ARGS.len() {
            if !contains(shown, T::ARGS[i]) {
                panic!(
                    "the point declares an argument that this function does not show to hooks: compare its parameters (and `args`, `skip`) with the `point!`"
                );
            }
            i += 1;
        }
        T::NAME
    }
}

const fn contains(list: &[&str], wanted: &str) -> bool {
    let mut i = 0;
    while i < list.len() {
        if equal(list[i].as_bytes(), wanted.as_bytes()) {
            return true;
        }
        i += 1;
    }
    false
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn check_name(name: &str) {
    let bytes = name.as_bytes();
    let (mut i, mut dots, mut segment) = (0, 0, 0);
    let mut good = true;
    while i < bytes.len() {
        match bytes[i] {
            b'.' if segment > 0 => {
                dots += 1;
                segment = 0;
            }
            b'a'..=b'z' | b'0'..=b'9' | b'_' => segment += 1,
            _ => good = false,
        }
        i += 1;
    }
    if !good || dots == 0 || segment == 0 {
        panic!(
            "this constant is not a hook point name: write dotted lower-case segments, for example `billing.charge`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Charge;
    impl TypedPoint for Charge {
        const NAME: &'static str = "billing.charge";
        const ARGS: &'static [&'static str] = &["account", "cents"];
    }

    #[test]
    fn a_constant_point_name_is_checked() {
        assert_eq!(
            PointName("billing.x_1.charge").of(&[]),
            "billing.x_1.charge"
        );
        for bad in [
            "",
            "billing",
            "billing.",
            ".x",
            "a..b",
            "Billing.x",
            "a b.c",
        ] {
            assert!(
                std::panic::catch_unwind(|| PointName(bad).of(&[])).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_typed_point_needs_its_arguments() {
        assert_eq!(
            PointName(Charge).of(&["cents", "account", "more"]),
            "billing.charge"
        );
        assert!(std::panic::catch_unwind(|| PointName(Charge).of(&["cents", "accounts"])).is_err());
    }
}
