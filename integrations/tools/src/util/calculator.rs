//! `calculator`: arithmetic expressions with variables.

use std::collections::BTreeMap;

use async_trait::async_trait;
use exmex::{Express, FlatEx, MakeOperators, Operator};
use hooks_runtime::hooked;
use hooks_runtime::point::suggest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::arithmetic::{Number, Operators};
use crate::{SecurityLevel, Tool, ToolCategory, ToolError, ToolOutput, read_params, schema_of};

const NAME: &str = "calculator";

/// What the calculator does with the expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CalculatorOperation {
    /// Computes it: `{"result": 42.0}`.
    #[default]
    Evaluate,
    /// Checks its form and lists its variables: `{"valid": true, "variables": ["x"]}`.
    Validate,
    /// Lists what expressions are made of: `{"operators": […], "functions": […], "constants": […]}`.
    Functions,
}

/// Parameters of `calculator`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalculatorParams {
    /// What to do; `evaluate` if left out.
    #[serde(default)]
    pub operation: CalculatorOperation,
    /// The expression, for example `2 * sqrt(x) + y ^ 3`; needed for `evaluate` and `validate`. Operators of
    /// one rank are taken from the left, `^` too, and a sign binds closest: `-2 ^ 2` is 4.
    #[serde(default)]
    pub expression: Option<String>,
    /// Values of the expression's variables.
    #[serde(default)]
    pub variables: BTreeMap<String, f64>,
}

/// Evaluates arithmetic expressions in 64-bit floating point.
///
/// Every step must have a finite real result: a division by zero anywhere is an error, also where the rest of
/// the expression would hide it.
#[derive(Clone, Debug)]
pub struct Calculator {
    max_bytes: usize,
    max_depth: usize,
}

impl Default for Calculator {
    fn default() -> Self {
        Calculator {
            max_bytes: 2_000,
            max_depth: 50,
        }
    }
}

impl Calculator {
    /// With the default limits: expressions of up to 2,000 bytes, 50 levels deep.
    pub fn new() -> Self {
        Self::default()
    }

    /// The longest expression, in bytes.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The deepest nesting of parentheses, and the longest chain of signs and functions without them.
    #[must_use]
    pub fn max_depth(mut self, levels: usize) -> Self {
        self.max_depth = levels;
        self
    }

    fn parse<'a>(&self, text: &'a str) -> Result<FlatEx<Number, Operators>, String>
    where
        FlatEx<Number, Operators>: Express<'a, Number>,
    {
        if text.trim().is_empty() {
            return Err("the expression is empty; write for example `1 + 2`".to_owned());
        }
        if text.len() > self.max_bytes {
            let (bytes, limit) = (text.len(), self.max_bytes);
            return Err(format!(
                "the expression has {bytes} bytes, the limit is {limit}; split it up"
            ));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_. +-*/%^()".contains(c);
        if let Some(odd) = text.chars().find(|c| !allowed(*c)) {
            let parts = "numbers, names, spaces, `+ - * / % ^` and round brackets";
            return Err(format!(
                "the expression holds `{odd}`; it is made of {parts}"
            ));
        }
        let depth = nesting(text);
        if depth > self.max_depth {
            let limit = self.max_depth;
            return Err(format!(
                "the expression is {depth} levels deep, the limit is {limit}; use variables for parts"
            ));
        }
        FlatEx::parse(text).map_err(|error| format!("`{text}` can't be read: {error}"))
    }

    fn evaluate(&self, text: &str, variables: &BTreeMap<String, f64>) -> Result<f64, String> {
        let known = names(|_| true);
        if let Some(taken) = variables.keys().find(|name| known.contains(name)) {
            return Err(format!(
                "`{taken}` is built in; give the variable another name"
            ));
        }
        let expression = self.parse(text)?;
        let mut values = Vec::new();
        for name in expression.var_names() {
            match variables.get(name) {
                Some(value) => values.push(Number::from(*value)),
                None => return Err(unknown_variable(name, variables, &known)),
            }
        }
        let Number(result) = expression
            .eval(&values)
            .map_err(|error| format!("`{text}` can't be evaluated: {error}"))?;
        result.map_err(|fault| format!("`{text}`: {fault}"))
    }
}

fn unknown_variable(name: &str, variables: &BTreeMap<String, f64>, known: &[String]) -> String {
    let words = known
        .iter()
        .filter(|name| name.starts_with(char::is_alphabetic));
    match suggest(
        name,
        variables
            .keys()
            .chain(words)
            .map(String::as_str)
            .filter(|_| name.len() > 1),
    ) {
        Some(near) => format!("there is no `{name}`; did you mean `{near}`?"),
        None => format!("there is no `{name}`; give it a value in `variables`: {{\"{name}\": 1}}"),
    }
}

/// Levels of parentheses plus the longest chain of prefix operators.
fn nesting(text: &str) -> usize {
    let (mut level, mut deepest) = (0usize, 0usize);
    let (mut chain, mut longest) = (0usize, 0usize);
    let mut in_word = false;
    for c in text.chars() {
        let word = c.is_alphanumeric() || matches!(c, '_' | '.');
        match c {
            '(' => level += 1,
            ')' => level = level.saturating_sub(1),
            '+' | '-' => chain += 1,
            c if c.is_alphabetic() && !in_word => chain += 1,
            c if c.is_ascii_digit() && !in_word => chain = 0,
            '*' | '/' | '%' | '^' => chain = 0,
            _ => {}
        }
        in_word = word;
        deepest = deepest.max(level);
        longest = longest.max(chain);
    }
    deepest.max(longest / 2)
}

fn names(keep: impl Fn(&Operator<'_, Number>) -> bool) -> Vec<String> {
    let mut names: Vec<_> = Operators::make()
        .iter()
        .filter(|o| keep(o))
        .map(|o| o.repr().to_owned())
        .collect();
    names.sort();
    names
}

fn is_word(operator: &Operator<'_, Number>) -> bool {
    operator.repr().starts_with(char::is_alphabetic)
}

#[async_trait]
impl Tool for Calculator {
    fn name(&self) -> &str {
        NAME
    }
    fn description(&self) -> &str {
        "Evaluates arithmetic expressions with variables, functions and constants"
    }
    fn category(&self) -> ToolCategory {
        ToolCategory::Util
    }
    fn security_level(&self) -> SecurityLevel {
        SecurityLevel::Safe
    }
    fn parameters(&self) -> Value {
        schema_of::<CalculatorParams>()
    }

    #[hooked(point = "tool.execute", component = self.name(), retry)]
    async fn execute(&self, params: Value) -> Result<ToolOutput, ToolError> {
        let params: CalculatorParams = read_params(NAME, params)?;
        let expression = || {
            let missing = "`expression` is missing; write for example {\"expression\": \"1 + 2\"}";
            params
                .expression
                .as_deref()
                .ok_or_else(|| ToolError::parameters(NAME, missing))
        };
        let value = match params.operation {
            CalculatorOperation::Evaluate => {
                let result = self.evaluate(expression()?, &params.variables);
                json!({"result": result.map_err(|reason| ToolError::failed(NAME, reason))?})
            }
            CalculatorOperation::Validate => match self.parse(expression()?) {
                Ok(parsed) => json!({"valid": true, "variables": parsed.var_names()}),
                Err(reason) => json!({"valid": false, "reason": reason}),
            },
            CalculatorOperation::Functions => json!({
                "operators": names(|o| !is_word(o)),
                "functions": names(|o| is_word(o) && o.constant().is_none()),
                "constants": names(|o| o.constant().is_some()),
            }),
        };
        Ok(value.into())
    }
}
