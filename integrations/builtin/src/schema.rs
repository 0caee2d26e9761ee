//! Arguments and results that are what a JSON Schema says.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use hooks_runtime::{ArgError, GuardContext, HookError, Phase, PreparedHook, Priority, Vote};
use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use serde::Deserialize;
use serde_json::Value;

use crate::error::BuiltinError;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;

/// How long a file with a schema may be, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Refuses calls whose arguments are not what a JSON Schema says, and withholds results, and items of streams,
/// that are not. The reason names the places in the schema that are not kept to, never a value.
///
/// Schemas are those of the drafts 4 to 2020-12, as `$schema` says. References lead to places in the same schema
/// only: nothing is fetched, from the network or from files.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaHook {
    arguments: BTreeMap<String, Value>,
    argument_files: BTreeMap<String, PathBuf>,
    result: Option<Value>,
    result_file: Option<PathBuf>,
    formats: bool,
    max_problems: usize,
}

impl Default for SchemaHook {
    fn default() -> Self {
        SchemaHook {
            arguments: BTreeMap::new(),
            argument_files: BTreeMap::new(),
            result: None,
            result_file: None,
            formats: false,
            max_problems: 8,
        }
    }
}

impl SchemaHook {
    /// Nothing is checked yet.
    pub fn new() -> Self {
        SchemaHook::default()
    }
    /// Names of arguments and their schemas. A name that no site has is an error at registration; a call without
    /// such an argument, or with one that has no JSON form, is a failure. Default: none.
    pub fn arguments<T: Into<String>>(
        mut self,
        schemas: impl IntoIterator<Item = (T, Value)>,
    ) -> Self {
        let pair = |(name, schema): (T, Value)| (name.into(), schema);
        self.arguments = schemas.into_iter().map(pair).collect();
        self
    }
    /// The same from files of JSON, read once, when the hook is made; 4 MiB at most each. Default: none.
    pub fn argument_files<T: Into<String>, P: Into<PathBuf>>(
        mut self,
        files: impl IntoIterator<Item = (T, P)>,
    ) -> Self {
        let pair = |(name, path): (T, P)| (name.into(), path.into());
        self.argument_files = files.into_iter().map(pair).collect();
        self
    }
    /// The schema of the result, at the site of a stream of each item. Default: none.
    pub fn result(mut self, schema: Value) -> Self {
        self.result = Some(schema);
        self
    }
    /// The same from a file, as [`SchemaHook::argument_files`]; not together with `result`. Default: none.
    pub fn result_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.result_file = Some(path.into());
        self
    }
    /// Whether `format` is checked. Default: no; it is a note then, as the standard has it.
    pub fn formats(mut self, formats: bool) -> Self {
        self.formats = formats;
        self
    }
    /// How many places the reason of a refusal names for each value, 1 to 64. Default: 8.
    pub fn max_problems(mut self, problems: usize) -> Self {
        self.max_problems = problems;
        self
    }

    fn checked(self) -> Result<Schemas, BuiltinError> {
        if !(1..=64).contains(&self.max_problems) {
            return Err(bad("max_problems", "must be 1 to 64".to_owned()));
        }
        let mut arguments = BTreeMap::new();
        for (name, schema) in &self.arguments {
            let validator = self.compile("arguments", schema)?;
            arguments.insert(name.clone(), validator);
        }
        for (name, path) in &self.argument_files {
            let schema = read("argument_files", path)?;
            let validator = self.compile("argument_files", &schema)?;
            if arguments.insert(name.clone(), validator).is_some() {
                let why = format!("has `{name}`, which `arguments` has too: keep one of them");
                return Err(bad("argument_files", why));
            }
        }
        let result = match (&self.result, &self.result_file) {
            (None, None) => None,
            (Some(schema), None) => Some(self.compile("result", schema)?),
            (None, Some(path)) => {
                let schema = read("result_file", path)?;
                Some(self.compile("result_file", &schema)?)
            }
            (Some(_), Some(_)) => {
                let why = "does not go with `result`: keep one of them";
                return Err(bad("result_file", why.to_owned()));
            }
        };
        if arguments.is_empty() && result.is_none() {
            let why = "is empty, and so are the other schemas: nothing would be checked";
            return Err(bad("arguments", why.to_owned()));
        }
        Ok(Schemas {
            arguments,
            result,
            max_problems: self.max_problems,
        })
    }

    fn compile(&self, option: &'static str, schema: &Value) -> Result<Validator, BuiltinError> {
        let options = jsonschema::options()
            .should_validate_formats(self.formats)
            .should_ignore_unknown_formats(false)
            // In linear time, whatever the pattern and the text.
            .with_pattern_options(PatternOptions::regex())
            .with_retriever(Nothing);
        let validator = options.build(schema);
        validator.map_err(|error| bad(option, format!("has a schema that is none: {error}")))
    }
}

fn bad(option: &'static str, why: String) -> BuiltinError {
    BuiltinError::BadOption {
        kind: SchemaHook::KIND,
        option,
        why: why.into(),
    }
}

fn read(option: &'static str, path: &Path) -> Result<Value, BuiltinError> {
    let wrong = |why: String| bad(option, format!("cannot use {}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut text = Vec::new();
    let length = file.take(MAX_FILE + 1).read_to_end(&mut text);
    if length.map_err(|error| wrong(error.to_string()))? as u64 > MAX_FILE {
        return Err(wrong("it is longer than 4 MiB".to_owned()));
    }
    serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))
}

/// Fetches nothing.
struct Nothing;

impl Retrieve for Nothing {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("`{uri}` is another document: put it into `$defs` of this one").into())
    }
}

impl BuiltinHook for SchemaHook {
    const KIND: &'static str = "schema";
    const REPLAY: Replay = Replay::Runs;

    fn needs(&self) -> Needs {
        let files = self.argument_files.values().chain(&self.result_file);
        files.fold(Needs::nothing(), Needs::read)
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        let schemas = self.checked()?;
        let meta = at.only(Priority::NORMAL);
        let meta = meta
            .describe("checks arguments and results against schemas")
            .pure();
        let names = schemas.arguments.keys();
        let meta = names.fold(meta, |meta, name| meta.uses(name.as_str()));
        let meta = match (schemas.arguments.is_empty(), &schemas.result) {
            (false, Some(_)) => meta.pre().post(),
            (true, _) => meta.post(),
            (false, None) => meta.pre(),
        };
        Ok(vec![PreparedHook::guard(meta, move |cx| schemas.vote(cx))])
    }
}

struct Schemas {
    arguments: BTreeMap<String, Validator>,
    result: Option<Validator>,
    max_problems: usize,
}

impl Schemas {
    fn vote(&self, cx: &GuardContext<'_>) -> Result<Vote, HookError> {
        let mut wrong = Vec::new();
        if cx.phase() == Phase::Pre {
            for (name, schema) in &self.arguments {
                let value = match cx.arg_json(name) {
                    Err(ArgError::Absent { .. }) => Value::Null,
                    value => seen(value)?,
                };
                if let Some(places) = self.problems(schema, &value) {
                    wrong.push(format!(
                        "the argument `{name}` is not what its schema says: {places}"
                    ));
                }
            }
        } else if let Some(schema) = &self.result {
            let value = seen(cx.result_json())?;
            if let Some(places) = self.problems(schema, &value) {
                wrong.push(format!("the result is not what its schema says: {places}"));
            }
        }
        Ok(Vote::cancel_if(!wrong.is_empty(), wrong.join("; ")))
    }

    /// The places in the schema that the value does not keep to. They come from the schema alone, so that a
    /// reason never quotes the value.
    fn problems(&self, schema: &Validator, value: &Value) -> Option<String> {
        let mut errors = schema.iter_errors(value);
        let places = errors.by_ref().take(self.max_problems);
        let mut places: Vec<_> = places.map(|e| format!("`{}`", e.schema_path())).collect();
        if places.is_empty() {
            return None;
        }
        if errors.next().is_some() {
            places.push("and more".to_owned());
        }
        Some(places.join(", "))
    }
}

/// What the type says about a value that it cannot write may quote it.
fn seen(value: Result<Value, ArgError>) -> Result<Value, HookError> {
    value.map_err(|error| match error {
        ArgError::Json { name, .. } => format!("{name} cannot be read as JSON").into(),
        other => other.into(),
    })
}
