//! An expression, compiled.

use std::collections::BTreeMap;

use ::cel::common::ast::SourceInfo;
use ::cel::common::types::CelBool;
use ::cel::common::value::CowVal;
use ::cel::parser::{Expression as Tree, Parser};
use ::cel::{Context, ExecutionError, ParseErrors, Value};

use super::facts::{Facts, Name, Variables};
use super::limits::CelLimits;
use super::meter::{ENV, Meter, Pattern};
use super::walk::Walk;
use crate::error::BuiltinError;

/// The parser takes up to 240 KiB of the stack for each parenthesis in a build that is not optimised. It goes 64
/// deep, and an expression has 4,096 bytes at most: this is four times what that was seen to take.
const PARSER_STACK: usize = 64 << 20;
const PARSER_DEPTH: u16 = 64;
/// How much of an expression messages show, in characters.
const SHOWN: usize = 200;

#[derive(Debug)]
pub(super) struct Expression {
    text: Box<str>,
    limits: CelLimits,
    tree: Tree,
    names: Vec<(Name, bool)>,
    patterns: BTreeMap<String, Pattern>,
}

impl Expression {
    /// Compiles; `place` says in messages where it stands.
    pub(super) fn compile(
        text: &str,
        limits: &CelLimits,
        place: &str,
    ) -> Result<Expression, BuiltinError> {
        let wrong = |line: usize, column: usize, why: String| BuiltinError::Expression {
            place: place.into(),
            expression: shown(text).into(),
            line,
            column,
            why: why.into(),
        };
        let most = limits.max_bytes;
        if text.len() > most {
            let why = format!("is longer than `max_bytes`, which is {most}");
            return Err(wrong(1, 1, why));
        }
        let (mut tree, info) = parsed(text).map_err(|fault| match fault {
            Unread::Errors(errors) => {
                let (line, column, why) = first(&errors);
                wrong(line, column, why)
            }
            Unread::Thread(why) => wrong(1, 1, why),
        })?;
        let mut walk = Walk::new(limits);
        if let Err(fault) = walk.expression(&mut tree, 1) {
            let (line, column) = position(text, &info, fault.node);
            return Err(wrong(line, column, fault.why));
        }
        let Walk {
            named,
            tested,
            patterns,
            ..
        } = walk;
        let names = named.union(&tested);
        let names = names.map(|name| (name.clone(), tested.contains(name)));
        Ok(Expression {
            text: text.into(),
            limits: limits.clone(),
            names: names.collect(),
            tree,
            patterns,
        })
    }

    /// What it names, and whether that may be missing.
    pub(super) fn names(&self) -> impl Iterator<Item = (&Name, bool)> {
        self.names.iter().map(|(name, missing)| (name, *missing))
    }

    /// The arguments that a call must have.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|(name, missing)| match name {
            Name::Argument(name) if !missing => Some(&**name),
            _ => None,
        })
    }

    pub(super) fn needs(&self, name: &Name) -> bool {
        self.names.iter().any(|(needed, _)| needed == name)
    }

    pub(super) fn limits(&self) -> &CelLimits {
        &self.limits
    }

    pub(super) fn pattern(&self, name: &str) -> Option<&Pattern> {
        self.patterns.get(name)
    }

    /// All of it; `None` if its limits are not the usual ones, which may make it fail where another holds.
    pub(super) fn text(&self) -> Option<&str> {
        (self.limits == CelLimits::new()).then_some(&*self.text)
    }

    /// As messages show it.
    pub(super) fn shown(&self) -> String {
        shown(&self.text)
    }

    /// Whether it holds; else why that cannot be said, without any value.
    pub(super) fn holds(&self, facts: &Facts) -> Result<bool, String> {
        let meter = Meter::new(self.limits.max_cost);
        let variables = Variables {
            facts,
            expression: self,
            meter: &meter,
        };
        let mut context = Context::with_env(ENV.clone());
        context.set_variable_resolver(&variables);
        let answer = Value::resolve_val(&self.tree, &context);
        if meter.is_spent() {
            let most = self.limits.max_cost;
            return Err(format!("it costs more than `max_cost`, which is {most}"));
        }
        truth(answer.map_err(reason)?)
    }
}

fn truth(answer: CowVal<'_, '_>) -> Result<bool, String> {
    match answer.downcast_ref::<CelBool>() {
        Some(truth) => Ok(*truth.inner()),
        None => {
            let ty = answer.get_type();
            Err(format!("its answer is of type `{}`, not `bool`", ty.name()))
        }
    }
}

/// The interpreter's own messages quote values.
fn reason(error: ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(overload) => overload.to_string(),
        ExecutionError::UnexpectedType { got, want } => {
            format!("something is of type `{got}`, not `{want}`")
        }
        ExecutionError::NoSuchKey(_) => "a key is not there".to_owned(),
        ExecutionError::UndeclaredReference(name) => format!("there is no `{name}`"),
        ExecutionError::FunctionError { function, .. } => {
            format!("`{function}` cannot take a value that it got")
        }
        ExecutionError::IndexOutOfBounds(_) => "an index is beyond the end of a list".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "a number is divided by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::ValuesNotComparable(..) => "two values cannot be compared".to_owned(),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!("`{operator}` cannot take two values of such types")
        }
        _ => "a value is of a kind that it cannot be there".to_owned(),
    }
}

/// Why there is no tree.
enum Unread {
    Errors(ParseErrors),
    Thread(String),
}

/// Reads on a thread of its own, whose stack is large enough whatever the expression and the caller's stack.
fn parsed(text: &str) -> Result<(Tree, SourceInfo), Unread> {
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new()
            .name("hookpoint-cel".into())
            .stack_size(PARSER_STACK)
            .spawn_scoped(threads, || {
                let parser = Parser::new().max_recursion_depth(PARSER_DEPTH);
                parser.parse_with_source_info(text)
            });
        let thread = thread.map_err(|error| {
            Unread::Thread(format!(
                "cannot be read: no thread could be started: {error}"
            ))
        })?;
        let parsed = thread.join();
        let parsed =
            parsed.map_err(|_| Unread::Thread("cannot be read: the parser panicked".to_owned()))?;
        parsed.map_err(Unread::Errors)
    })
}

/// The first error, with line and column from 1.
fn first(errors: &ParseErrors) -> (usize, usize, String) {
    let Some(error) = errors.errors.first() else {
        return (1, 1, "cannot be read".to_owned());
    };
    let at = |number: isize| usize::try_from(number).unwrap_or(1).max(1);
    let why = if error.msg.contains("Recursion limit") {
        format!("is nested deeper than {PARSER_DEPTH} levels")
    } else {
        error.msg.replace('\n', " ")
    };
    (at(error.pos.0), at(error.pos.1), why)
}

fn position(text: &str, info: &SourceInfo, node: u64) -> (usize, usize) {
    let start = info.offset_for(node).map_or(0, |(start, _)| start as usize);
    let (mut line, mut column) = (1, 1);
    for character in text.chars().take(start) {
        if character == '\n' {
            (line, column) = (line + 1, 1);
        } else {
            column += 1;
        }
    }
    (line, column)
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
