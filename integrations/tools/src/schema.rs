//! Parameter schemas: made from types, compiled once, and read back into types.

use hooks_runtime::point::suggest;
use jsonschema::error::ValidationErrorKind;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ToolError;

/// The most problems that one validation error lists.
const MAX_PROBLEMS: usize = 8;

/// The JSON Schema of a parameter type.
pub fn schema_of<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// Reads `params` into a tool's own parameter type.
///
/// # Errors
/// [`ToolError::Parameters`] with what does not fit and, for a field, where it is.
pub fn read_params<T: DeserializeOwned>(tool: &str, params: Value) -> Result<T, ToolError> {
    if !params.is_object() {
        return Err(ToolError::parameters(tool, not_an_object(&params)));
    }
    serde_json::from_value(params).map_err(|error| ToolError::parameters(tool, error.to_string()))
}

fn not_an_object(params: &Value) -> String {
    let kind = match params {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    format!("the parameters are {kind}; write one object, for example {{\"name\": \"value\"}}")
}

/// A tool's parameter schema, compiled.
#[derive(Debug)]
pub struct ParameterSchema {
    schema: Value,
    validator: jsonschema::Validator,
}

impl ParameterSchema {
    /// Compiles `schema`. References to other documents are not fetched.
    ///
    /// # Errors
    /// [`ToolError::Schema`] if it is not a valid JSON Schema.
    pub fn compile(tool: &str, schema: Value) -> Result<Self, ToolError> {
        match jsonschema::validator_for(&schema) {
            Ok(validator) => Ok(ParameterSchema { schema, validator }),
            Err(error) => Err(ToolError::Schema {
                tool: tool.to_owned(),
                reason: error.to_string(),
            }),
        }
    }

    /// The schema it was compiled from.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Names of the top-level properties.
    pub fn property_names(&self) -> impl Iterator<Item = &str> {
        self.schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
    }

    /// Checks a parameter object.
    ///
    /// # Errors
    /// [`ToolError::Parameters`] with every problem (the first eight), its place, and for a misspelt property
    /// the name that was probably meant.
    pub fn check(&self, tool: &str, params: &Value) -> Result<(), ToolError> {
        if !params.is_object() {
            return Err(ToolError::parameters(tool, not_an_object(params)));
        }
        let mut errors = self.validator.iter_errors(params);
        let mut problems: Vec<String> = errors
            .by_ref()
            .take(MAX_PROBLEMS)
            .map(|error| self.problem(&error))
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        match errors.count() {
            0 => {}
            more => problems.push(format!("and {more} more")),
        }
        Err(ToolError::Parameters {
            tool: tool.to_owned(),
            problems,
        })
    }

    fn problem(&self, error: &jsonschema::ValidationError<'_>) -> String {
        let place = error.instance_path().to_string();
        if let (ValidationErrorKind::AdditionalProperties { unexpected }, "") =
            (error.kind(), place.as_str())
        {
            let names: Vec<&str> = self.property_names().collect();
            return unexpected
                .iter()
                .map(|name| match suggest(name, names.iter().copied()) {
                    Some(near) => format!("there is no `{name}`; did you mean `{near}`?"),
                    None => format!(
                        "there is no `{name}`; the parameters are: {}",
                        names.join(", ")
                    ),
                })
                .collect::<Vec<_>>()
                .join("; ");
        }
        match place.as_str() {
            "" => error.to_string(),
            place => format!("at `{place}`: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Params {
        text: String,
        #[serde(default)]
        count: u8,
    }

    fn message(params: Value) -> String {
        let schema = ParameterSchema::compile("t", schema_of::<Params>()).unwrap();
        schema.check("t", &params).unwrap_err().to_string()
    }

    #[test]
    fn what_fits_passes() {
        let schema = ParameterSchema::compile("t", schema_of::<Params>()).unwrap();
        schema
            .check("t", &json!({"text": "a", "count": 2}))
            .unwrap();
        assert_eq!(
            schema.property_names().collect::<Vec<_>>(),
            ["text", "count"]
        );
    }

    #[test]
    fn problems_say_where_and_what_to_write() {
        assert!(
            message(json!({"text": "a", "cuont": 2}))
                .contains("there is no `cuont`; did you mean `count`?")
        );
        assert!(
            message(json!({"text": "a", "zzz": 2})).contains("the parameters are: text, count")
        );
        assert!(message(json!({"text": 5})).contains("at `/text`: 5 is not of type \"string\""));
        assert!(message(json!({})).contains("\"text\" is a required property"));
        assert!(message(json!("a")).contains("a string; write one object"));
        assert!(message(json!({"text": 1, "count": "x"})).contains("; at `/count`"));
    }

    #[test]
    fn a_broken_schema_is_an_error_that_names_the_tool() {
        let error = ParameterSchema::compile("odd", json!({"type": "nonsense"})).unwrap_err();
        assert!(
            matches!(&error, ToolError::Schema { tool, .. } if tool == "odd"),
            "{error}"
        );
    }

    #[test]
    fn a_reference_to_elsewhere_is_not_fetched() {
        let schema = json!({"$ref": "http://127.0.0.1:9/schema.json"});
        assert!(matches!(
            ParameterSchema::compile("t", schema),
            Err(ToolError::Schema { .. })
        ));
    }
}
