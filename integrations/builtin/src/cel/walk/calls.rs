//! What an expression may call.

use ::cel::IdedExpr;
use ::cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use regex::RegexBuilder;

use super::{Fault, Walk, fault, ident, unknown};
use crate::cel::meter::{MATCHES, Pattern};

/// How large a compiled regex may be, in bytes.
const MAX_REGEX: usize = 1 << 20;

const OPERATORS: &[&str] = &[
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
];
/// Called on a value, with so many arguments.
const MEMBERS: &[(&str, usize)] = &[
    ("contains", 1),
    ("endsWith", 1),
    ("matches", 1),
    ("size", 0),
    ("startsWith", 1),
];
const FUNCTIONS: &[(&str, usize)] = &[
    ("bool", 1),
    ("bytes", 1),
    ("double", 1),
    ("dyn", 1),
    ("int", 1),
    ("matches", 2),
    ("size", 1),
    ("string", 1),
    ("type", 1),
    ("uint", 1),
];

impl Walk<'_> {
    pub(super) fn call(&mut self, node: &mut IdedExpr, level: usize) -> Result<(), Fault> {
        let id = node.id;
        let Expr::Call(call) = &mut node.expr else {
            return fault(id, "cannot be read");
        };
        let operands = call.target.iter_mut().map(|target| &mut **target);
        for operand in operands.chain(&mut call.args) {
            self.expression(operand, level + 1)?;
        }
        let (name, count) = (call.func_name.as_str(), call.args.len());
        if call.target.is_none() && OPERATORS.contains(&name) {
            return Ok(());
        }
        let known = match &call.target {
            Some(_) => MEMBERS,
            None => FUNCTIONS,
        };
        match known.iter().find(|(known, _)| *known == name) {
            Some((_, wants)) if *wants != count => {
                fault(id, format!("`{name}` takes {wants} here, not {count}"))
            }
            Some(_) if name == "matches" => self.matches(call, id),
            Some(_) => Ok(()),
            None => fault(
                id,
                unknown("function", name, known.iter().map(|(name, _)| *name)),
            ),
        }
    }

    /// A regex is compiled now, so that no call can bring one, and none is compiled in a call.
    fn matches(&mut self, call: &mut CallExpr, id: u64) -> Result<(), Fault> {
        let pattern = call.args.pop();
        let Some(Expr::Literal(LiteralValue::String(text))) = pattern.map(|node| node.expr) else {
            return fault(id, "`matches` wants a regex that stands there as a text");
        };
        let regex = RegexBuilder::new(text.inner())
            .size_limit(MAX_REGEX)
            .dfa_size_limit(MAX_REGEX)
            .build();
        let regex = match regex {
            Ok(regex) => regex,
            Err(error) => return fault(id, format!("has a regex that is none: {error}")),
        };
        let name = format!("@pattern {}", self.patterns.len());
        self.patterns.insert(name.clone(), Pattern(regex));
        if let Some(target) = call.target.take() {
            call.args.insert(0, *target);
        }
        MATCHES.clone_into(&mut call.func_name);
        call.args.push(ident(id, name));
        Ok(())
    }
}
