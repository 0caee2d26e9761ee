//! The description of a site as the macro writes it: one text.
//!
//! The compiler evaluates every static when it checks a crate, and a text is the cheapest value there is:
//! with slices of structs, the static cost more to check than the hooked function's types. So the text is
//! taken apart at run time, when somebody asks for the first time.

use super::{ArgInfo, ArgMode, SCHEMA_VERSION, SiteFlags, SiteInfo};

/// Between two parts. Neither paths nor types, as the compiler prints them, contain it.
const SEPARATOR: char = '\0';

/// `path file line package version returns`, and then one part for each argument and each extra fact: a letter
/// (`v`alue, `s`hared, `x` for exclusive, `f`act), the name, and for an argument `:` and its type.
pub(super) fn parse(point: &'static str, text: &'static str, flags: u8) -> SiteInfo {
    let mut parts = text.split(SEPARATOR);
    let mut part = || parts.next().unwrap_or_default();
    let (path, file, line) = (part(), part(), part());
    let (package, version, returns) = (part(), part(), part());
    let mut args = Vec::new();
    let mut fields = Vec::new();
    for entry in parts {
        let (kind, rest) = entry.split_at_checked(1).unwrap_or_default();
        let by = match kind {
            "v" => ArgMode::Value,
            "s" => ArgMode::Shared,
            "x" => ArgMode::Exclusive,
            _ => {
                fields.push(rest);
                continue;
            }
        };
        let (name, ty) = rest.split_once(':').unwrap_or((rest, ""));
        args.push(ArgInfo { name, ty, by });
    }
    SiteInfo {
        schema_version: SCHEMA_VERSION,
        point,
        path,
        file,
        line: line.parse().unwrap_or_default(),
        package,
        version,
        // Once for every site that the program has: the description is handed out for ever.
        args: Vec::leak(args),
        fields: Vec::leak(fields),
        returns,
        flags: flags_of(flags),
    }
}

fn flags_of(bits: u8) -> SiteFlags {
    let is = |bit: u8| bits & (1 << bit) != 0;
    SiteFlags {
        is_async: is(0),
        observe: is(1),
        closed: is(2),
        repeatable: is(3),
        redirect: is(4),
        blocking: is(5),
        is_stream: is(6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_taken_apart() {
        let text = "app::run\0src/app.rs\x0042\0app\x001.2.3\0Result<u8, E>\0vinput:Input\0sname:&str\0xlog:&mut HashMap<u8, a::B>\0flen\0fto";
        let info = parse("tool.execute", text, 0b1001);
        assert_eq!(info.point, "tool.execute");
        assert_eq!(
            (info.path, info.file, info.line),
            ("app::run", "src/app.rs", 42)
        );
        assert_eq!((info.package, info.version), ("app", "1.2.3"));
        assert_eq!(info.returns, "Result<u8, E>");
        let arg = |name, ty, by| ArgInfo { name, ty, by };
        assert_eq!(
            info.args,
            [
                arg("input", "Input", ArgMode::Value),
                arg("name", "&str", ArgMode::Shared),
                arg("log", "&mut HashMap<u8, a::B>", ArgMode::Exclusive),
            ]
        );
        assert_eq!(info.fields, ["len", "to"]);
        assert!(info.flags.is_async && info.flags.repeatable);
        assert!(!info.flags.observe && !info.flags.closed);
    }

    #[test]
    fn every_flag_has_its_bit() {
        let flag = |bit: u8| flags_of(1 << bit);
        let one = SiteFlags::default();
        assert_eq!(
            flag(0),
            SiteFlags {
                is_async: true,
                ..one
            }
        );
        assert_eq!(
            flag(1),
            SiteFlags {
                observe: true,
                ..one
            }
        );
        assert_eq!(
            flag(2),
            SiteFlags {
                closed: true,
                ..one
            }
        );
        assert_eq!(
            flag(3),
            SiteFlags {
                repeatable: true,
                ..one
            }
        );
        assert_eq!(
            flag(4),
            SiteFlags {
                redirect: true,
                ..one
            }
        );
        assert_eq!(
            flag(5),
            SiteFlags {
                blocking: true,
                ..one
            }
        );
        assert_eq!(
            flag(6),
            SiteFlags {
                is_stream: true,
                ..one
            }
        );
    }

    #[test]
    fn a_site_without_arguments_has_none() {
        let info = parse("a.b", "p\0f\x001\0\0\0()", 0);
        assert!(info.args.is_empty() && info.fields.is_empty());
    }
}
