//! What an expression names and calls, and whether it may.

mod calls;

use std::collections::{BTreeMap, BTreeSet};

use ::cel::IdedExpr;
use ::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators,
};
use hooks_runtime::point::suggest;

use super::facts::{HAS, Name};
use super::limits::CelLimits;
use super::meter::{KEEP, METER, Pattern};

const VARIABLES: &[&str] = &[
    "args",
    "component",
    "fields",
    "phase",
    "point",
    "principal",
    "result",
];
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];
/// What is wrong with an expression, at the node of that number.
pub(super) struct Fault {
    pub(super) node: u64,
    pub(super) why: String,
}

fn fault<T>(node: u64, why: impl Into<String>) -> Result<T, Fault> {
    let why = why.into();
    Err(Fault { node, why })
}

/// Goes through an expression once: finds what it names, refuses what it may not do, and puts in what counts.
pub(super) struct Walk<'l> {
    limits: &'l CelLimits,
    /// The variables of macros, from the outside.
    scopes: Vec<String>,
    pub(super) named: BTreeSet<Name>,
    /// What `has(…)` asks for.
    pub(super) tested: BTreeSet<Name>,
    pub(super) patterns: BTreeMap<String, Pattern>,
}

impl<'l> Walk<'l> {
    pub(super) fn new(limits: &'l CelLimits) -> Self {
        Walk {
            limits,
            scopes: Vec::new(),
            named: BTreeSet::new(),
            tested: BTreeSet::new(),
            patterns: BTreeMap::new(),
        }
    }

    pub(super) fn expression(&mut self, node: &mut IdedExpr, level: usize) -> Result<(), Fault> {
        if is_path(node) {
            self.path(node, level)?;
            count(node);
            return Ok(());
        }
        self.check_level(node, level)?;
        let id = node.id;
        match &mut node.expr {
            Expr::Literal(_) | Expr::Ident(_) => Ok(()),
            Expr::Select(select) if select.test => {
                if let Some(root) = self.root(&select.operand) {
                    let name = root(&select.field);
                    node.expr = Expr::Ident(format!("{HAS}{}", name.text()));
                    self.tested.insert(name);
                    Ok(())
                } else if is_path(&select.operand) {
                    self.path(&mut select.operand, level + 1)
                } else {
                    self.expression(&mut select.operand, level + 1)
                }
            }
            Expr::Select(select) => self.expression(&mut select.operand, level + 1),
            Expr::Call(_) => self.call(node, level),
            Expr::List(list) => {
                let mut items = list.elements.iter_mut();
                items.try_for_each(|item| self.expression(item, level + 1))
            }
            Expr::Map(map) => map
                .entries
                .iter_mut()
                .try_for_each(|entry| match &mut entry.expr {
                    EntryExpr::MapEntry(entry) => {
                        self.expression(&mut entry.key, level + 1)?;
                        self.expression(&mut entry.value, level + 1)
                    }
                    EntryExpr::StructField(_) => fault(id, "has a field where a map has none"),
                }),
            Expr::Struct(message) => fault(id, format!("there is no type `{}`", message.type_name)),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, id, level),
            Expr::Unspecified => fault(id, "cannot be read"),
        }
    }

    /// A variable, and fields and elements of it.
    fn path(&mut self, node: &mut IdedExpr, level: usize) -> Result<(), Fault> {
        self.check_level(node, level)?;
        let id = node.id;
        match &mut node.expr {
            Expr::Ident(name) => self.variable(name, id),
            Expr::Select(select) => match self.root(&select.operand) {
                Some(root) => {
                    self.named.insert(root(&select.field));
                    Ok(())
                }
                None => self.path(&mut select.operand, level + 1),
            },
            Expr::Call(call) => {
                let [of, index] = call.args.as_mut_slice() else {
                    return fault(id, "cannot be read");
                };
                let Some(root) = self.root(of) else {
                    self.path(of, level + 1)?;
                    return self.expression(index, level + 1);
                };
                let Expr::Literal(LiteralValue::String(field)) = &index.expr else {
                    return fault(
                        id,
                        "is computed: name the argument or field, as `args.path`",
                    );
                };
                let field = field.inner().to_owned();
                self.named.insert(root(&field));
                node.expr = Expr::Select(SelectExpr {
                    operand: Box::new(std::mem::take(of)),
                    field,
                    test: false,
                });
                Ok(())
            }
            _ => fault(id, "cannot be read"),
        }
    }

    /// `args` and `fields`, and what a name in them is.
    fn root(&self, node: &IdedExpr) -> Option<fn(&str) -> Name> {
        match &node.expr {
            Expr::Ident(name) if self.scopes.contains(name) => None,
            Expr::Ident(name) if name == "args" => Some(|name| Name::Argument(name.into())),
            Expr::Ident(name) if name == "fields" => Some(|name| Name::Field(name.into())),
            _ => None,
        }
    }

    fn variable(&mut self, name: &str, id: u64) -> Result<(), Fault> {
        let known = self.scopes.iter().any(|scope| scope == name);
        if known || name.starts_with('@') || TYPES.contains(&name) {
            return Ok(());
        }
        let name = match name {
            "component" => Name::Component,
            "phase" => Name::Phase,
            "point" => Name::Point,
            "principal" => Name::Principal,
            "result" => Name::Result,
            "args" | "fields" => {
                let why = format!("`{name}` stands alone: name what of it is meant, as `{name}.x`");
                return fault(id, why);
            }
            _ => {
                let scopes = self.scopes.iter().map(String::as_str);
                let known = VARIABLES.iter().copied().chain(scopes);
                return fault(id, unknown("variable", name, known));
            }
        };
        self.named.insert(name);
        Ok(())
    }

    fn comprehension(
        &mut self,
        macro_: &mut ComprehensionExpr,
        id: u64,
        level: usize,
    ) -> Result<(), Fault> {
        let most = self.limits.max_nesting;
        if self.scopes.len() >= most {
            let why =
                format!("macros stand in each other deeper than `max_nesting`, which is {most}");
            return fault(id, why);
        }
        self.expression(&mut macro_.iter_range, level + 1)?;
        count(&mut macro_.iter_range);
        self.scopes.push(macro_.iter_var.clone());
        let step = self.step(&mut macro_.loop_step, level + 1);
        self.scopes.pop();
        step
    }

    /// One turn of a macro: what is done with what there is so far, which the interpreter knows by its shape.
    fn step(&mut self, node: &mut IdedExpr, level: usize) -> Result<(), Fault> {
        let counted = |walk: &mut Self, node: &mut IdedExpr| {
            walk.expression(node, level + 1)?;
            count(node);
            Ok(())
        };
        match &mut node.expr {
            Expr::Call(call) => match call.args.as_mut_slice() {
                [so_far, more] if is_so_far(so_far) => match &mut more.expr {
                    Expr::List(list) => {
                        let mut items = list.elements.iter_mut();
                        items.try_for_each(|item| counted(self, item))
                    }
                    _ => counted(self, more),
                },
                [holds, then, so_far] if is_so_far(so_far) => {
                    counted(self, holds)?;
                    self.step(then, level + 1)
                }
                _ => counted(self, node),
            },
            _ => counted(self, node),
        }
    }

    fn check_level(&self, node: &IdedExpr, level: usize) -> Result<(), Fault> {
        let most = self.limits.max_depth;
        if level > most {
            return fault(
                node.id,
                format!("is deeper than `max_depth`, which is {most}"),
            );
        }
        Ok(())
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.collect();
    let hint = suggest(name, known.iter().copied());
    let hint = hint.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    format!(
        "there is no {what} `{name}`{hint} (there are: {})",
        known.join(", ")
    )
}

fn ident(id: u64, name: impl Into<String>) -> IdedExpr {
    let expr = Expr::Ident(name.into());
    IdedExpr { id, expr }
}

/// What a macro has so far; its name cannot be written.
fn is_so_far(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Ident(name) if name.starts_with('@'))
}

fn is_path(node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::Ident(_) => true,
        Expr::Select(select) => !select.test && is_path(&select.operand),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            call.args.first().is_some_and(is_path)
        }
        _ => false,
    }
}

/// Puts in what counts, once.
fn count(node: &mut IdedExpr) {
    if matches!(&node.expr, Expr::Call(call) if call.func_name == KEEP) {
        return;
    }
    let id = node.id;
    let args = vec![ident(id, METER), std::mem::take(node)];
    *node = IdedExpr {
        id,
        expr: Expr::Call(CallExpr {
            func_name: KEEP.to_owned(),
            target: None,
            args,
        }),
    };
}
