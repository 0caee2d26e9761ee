//! Secrets and personal data that go no further.

mod json;
mod known;
mod rules;
mod stream;
mod written;

use std::collections::BTreeMap;
use std::sync::Arc;

use hooks_runtime::{
    ArgError, HookContext, HookError, Phase, Plan, PreparedHook, Priority, Redactor, Vote,
};
use serde::Deserialize;
use serde_json::Value;

use crate::error::BuiltinError;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;
pub(crate) use json::redact;
pub(crate) use rules::{Rules, Wanted};
use stream::{Limits, Window};
pub(crate) use written::WrittenForm;

/// What a value means that hooks cannot see: neither text nor with a JSON form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unseen {
    /// The hook fails, which refuses the call unless it is open.
    #[default]
    Refuse,
    /// It goes through as it is.
    Pass,
}

/// Replaces secrets and personal data in arguments, before guards and the body see them, and in results and the
/// items of streams, before guards and the caller see them. What it found is written nowhere.
///
/// It looks into texts, and into all texts and keys of values that have a JSON form; not into numbers, and not
/// into what is encoded, as in base64. What it would have to change and cannot makes it fail.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedactionHook {
    patterns: Vec<String>,
    regexes: BTreeMap<String, String>,
    keys: Vec<String>,
    replacement: String,
    arguments: Option<Vec<String>>,
    results: bool,
    errors: bool,
    unseen: Unseen,
    max_bytes: usize,
    hold_back_bytes: usize,
    max_held_bytes: usize,
    stream_text: String,
    stream_end: Option<String>,
}

/// What is redacted, in the words of [`RedactionHook`], for everybody who writes values.
macro_rules! redaction_words {
    ($self:ident => $options:expr) => {
        /// Patterns to redact, as [`RedactionHook::patterns`](crate::RedactionHook::patterns).
        pub fn patterns<T: Into<String>>(mut $self, names: impl IntoIterator<Item = T>) -> Self {
            $options.patterns = names.into_iter().map(Into::into).collect();
            $self
        }
        /// Own patterns to redact, as [`RedactionHook::regexes`](crate::RedactionHook::regexes).
        pub fn regexes<N: Into<String>, R: Into<String>>(
            mut $self,
            regexes: impl IntoIterator<Item = (N, R)>,
        ) -> Self {
            let pair = |(name, regex): (N, R)| (name.into(), regex.into());
            $options.regexes = regexes.into_iter().map(pair).collect();
            $self
        }
        /// Keys whose texts are redacted, as [`RedactionHook::keys`](crate::RedactionHook::keys).
        pub fn keys<T: Into<String>>(mut $self, keys: impl IntoIterator<Item = T>) -> Self {
            $options.keys = keys.into_iter().map(Into::into).collect();
            $self
        }
    };
}
pub(crate) use redaction_words;

/// Keys whose texts are secrets whatever they look like.
pub(crate) const SECRET_KEYS: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "client_secret",
    "api_key",
    "apikey",
    "access_token",
    "refresh_token",
    "authorization",
];

impl Default for RedactionHook {
    fn default() -> Self {
        RedactionHook {
            patterns: vec!["secrets".to_owned(), "pii".to_owned()],
            regexes: BTreeMap::new(),
            keys: SECRET_KEYS.map(str::to_owned).to_vec(),
            replacement: "[redacted:{name}]".to_owned(),
            arguments: None,
            results: true,
            errors: true,
            unseen: Unseen::Refuse,
            max_bytes: 4 << 20,
            hold_back_bytes: 256,
            max_held_bytes: 64 << 10,
            stream_text: String::new(),
            stream_end: None,
        }
    }
}

fn owned<T: Into<String>>(list: impl IntoIterator<Item = T>) -> Vec<String> {
    list.into_iter().map(Into::into).collect()
}

impl RedactionHook {
    /// Everything that it knows, everywhere.
    pub fn new() -> Self {
        RedactionHook::default()
    }
    /// Which of the patterns that come with it: names, or the groups `secrets` and `pii`. Default: both groups.
    pub fn patterns<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.patterns = owned(names);
        self
    }
    /// Own patterns: a name and a regex, in the syntax of the crate `regex`, for each; at most 256. Default: none.
    pub fn regexes<N: Into<String>, R: Into<String>>(
        mut self,
        regexes: impl IntoIterator<Item = (N, R)>,
    ) -> Self {
        let pair = |(name, regex): (N, R)| (name.into(), regex.into());
        self.regexes = regexes.into_iter().map(pair).collect();
        self
    }
    /// Names of arguments and keys of JSON objects whose texts are replaced whatever they are, in any case.
    /// Default: `password`, `passwd`, `secret`, `client_secret`, `api_key`, `apikey`, `access_token`,
    /// `refresh_token`, `authorization`.
    pub fn keys<T: Into<String>>(mut self, keys: impl IntoIterator<Item = T>) -> Self {
        self.keys = owned(keys);
        self
    }
    /// What takes the place; `{name}` is the pattern's name, and `key` for [`RedactionHook::keys`]. Default:
    /// `[redacted:{name}]`.
    pub fn replacement(mut self, replacement: impl Into<String>) -> Self {
        self.replacement = replacement.into();
        self
    }
    /// Only these arguments; an empty list: none. A name that no site has is an error at registration. Default:
    /// all.
    pub fn arguments<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.arguments = Some(owned(names));
        self
    }
    /// Whether in results and items of streams. Default: yes.
    pub fn results(mut self, results: bool) -> Self {
        self.results = results;
        self
    }
    /// Whether an error is withheld whose `Debug` form has something to redact: hooks cannot change errors, so
    /// the caller gets a refusal. Default: yes.
    pub fn errors(mut self, errors: bool) -> Self {
        self.errors = errors;
        self
    }
    /// What a value means that cannot be seen. Default: [`Unseen::Refuse`].
    pub fn unseen(mut self, unseen: Unseen) -> Self {
        self.unseen = unseen;
        self
    }
    /// How much text of one value is looked at, in bytes, from 1; more is a failure. Default: 4 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }
    /// How many bytes at the end of a stream's text are looked at again when more comes, 1 to 65,536: what is
    /// recognised by so many bytes at its beginning is found however it is cut. Default: 256.
    pub fn hold_back_bytes(mut self, bytes: usize) -> Self {
        self.hold_back_bytes = bytes;
        self
    }
    /// How much text of a stream is kept at most, in bytes, at least twice `hold_back_bytes`; a longer secret is
    /// a failure. Default: 64 KiB.
    pub fn max_held_bytes(mut self, bytes: usize) -> Self {
        self.max_held_bytes = bytes;
        self
    }
    /// Where in the JSON form of an item its piece of the text is, as a JSON pointer (RFC 6901). Default: the item
    /// is a text.
    pub fn stream_text(mut self, pointer: impl Into<String>) -> Self {
        self.stream_text = pointer.into();
        self
    }
    /// Where in the JSON form of the last item there is something that is neither null nor false, as a JSON
    /// pointer. With it, the last `hold_back_bytes` are held back until the next item, and the last item brings
    /// the rest. Without it text is given as it comes, and a secret that comes in pieces ends the stream with a
    /// refusal, when its beginning has been given. Default: none.
    pub fn stream_end(mut self, pointer: impl Into<String>) -> Self {
        self.stream_end = Some(pointer.into());
        self
    }

    /// What takes secrets out of values of records ([`ArgLevel::Redacted`](hooks_runtime::ArgLevel::Redacted)), by
    /// `patterns`, `regexes`, `keys`, `replacement` and `max_bytes`: give it to
    /// [`HookRegistry::set_redactor`](hooks_runtime::HookRegistry::set_redactor). A value that cannot be looked into
    /// is replaced by a sentence that says why.
    ///
    /// # Errors
    /// [`BuiltinError::BadOption`].
    pub fn redactor(&self) -> Result<Redacts, BuiltinError> {
        self.check()?;
        Ok(Redacts {
            rules: self.rules()?,
            max_bytes: self.max_bytes,
        })
    }

    fn rules(&self) -> Result<Rules, BuiltinError> {
        Rules::new(&Wanted {
            kind: RedactionHook::KIND,
            patterns: &self.patterns,
            regexes: &self.regexes,
            keys: &self.keys,
            replacement: &self.replacement,
        })
    }

    fn check(&self) -> Result<(), BuiltinError> {
        let bad = |option, why: &str| {
            Err(BuiltinError::BadOption {
                kind: RedactionHook::KIND,
                option,
                why: why.into(),
            })
        };
        let is_pointer = |text: &str| text.is_empty() || text.starts_with('/');
        if self.max_bytes == 0 {
            return bad("max_bytes", "must be at least 1");
        }
        if !(1..=65_536).contains(&self.hold_back_bytes) {
            return bad("hold_back_bytes", "must be 1 to 65536");
        }
        if self.max_held_bytes < 2 * self.hold_back_bytes {
            return bad("max_held_bytes", "must be at least twice `hold_back_bytes`");
        }
        if !is_pointer(&self.stream_text) {
            return bad("stream_text", "is no JSON pointer: begin it with `/`");
        }
        if let Some(end) = &self.stream_end
            && (end.is_empty() || !is_pointer(end))
        {
            return bad(
                "stream_end",
                "is no JSON pointer to a part: begin it with `/`",
            );
        }
        Ok(())
    }
}

impl BuiltinHook for RedactionHook {
    const KIND: &'static str = "redaction";
    const REPLAY: Replay = Replay::Runs;

    fn needs(&self) -> Needs {
        Needs::nothing()
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        self.check()?;
        let redaction = Arc::new(Redaction {
            rules: self.rules()?,
            options: self,
        });
        let options = &redaction.options;
        let mut hooks = Vec::new();
        // Last before the body, and last after it: nobody brings something in behind it.
        if options
            .arguments
            .as_ref()
            .is_none_or(|names| !names.is_empty())
        {
            let meta = at.part("arguments", Priority::LOWEST).pre();
            let meta = meta.describe("redacts arguments").pure();
            let names = options.arguments.iter().flatten();
            let meta = names.fold(meta, |meta, name| meta.uses(name.as_str()));
            let redaction = redaction.clone();
            hooks.push(PreparedHook::intercept(meta, move |cx| {
                redaction.arguments(cx)
            }));
        }
        if options.results || options.errors {
            let meta = at
                .part("results", Priority::HIGHEST)
                .describe("redacts results");
            let meta = if options.results { meta.post() } else { meta };
            let meta = if options.errors { meta.error() } else { meta };
            let redaction = redaction.clone();
            hooks.push(PreparedHook::intercept(meta, move |cx| match cx.phase() {
                Phase::Error => redaction.error(cx),
                _ => redaction.result(cx).map(|()| Vote::Pass),
            }));
        }
        if hooks.is_empty() {
            return Err(BuiltinError::BadOption {
                kind: RedactionHook::KIND,
                option: "arguments",
                why: "is empty, and `results` and `errors` are off: nothing is left to do".into(),
            });
        }
        Ok(hooks)
    }
}

/// Takes secrets and personal data out of values, see [`RedactionHook::redactor`].
pub struct Redacts {
    rules: Rules,
    max_bytes: usize,
}

impl Redacts {
    /// Replaces in the value of that name.
    pub(crate) fn value(&self, name: &str, value: &mut Value) {
        if self.rules.is_secret_key(name) && !value.is_null() {
            *value = self.rules.key_text().into();
        } else if let Err(error) = redact(&self.rules, value, self.max_bytes) {
            *value = format!("[withheld: the value {error}]").into();
        }
    }
}

impl Redactor for Redacts {
    fn redact(&self, name: &str, value: &mut Value) {
        self.value(name, value);
    }
    fn redact_text(&self, text: &mut String) {
        if let Some(redacted) = self.rules.redact(text) {
            *text = redacted;
        }
    }
}

struct Redaction {
    rules: Rules,
    options: RedactionHook,
}

/// Whose text is not part of the message: what the value's type says about it may quote it.
fn not_accepted(what: &str) -> impl Fn(ArgError) -> HookError {
    let what = what.to_owned();
    move |error| match error {
        ArgError::Json { .. } => HookError::from(format!(
            "the type of {what} does not accept the redacted value"
        )),
        other => other.into(),
    }
}

impl Redaction {
    fn arguments(&self, cx: &mut HookContext<'_>) -> Result<(), HookError> {
        for arg in cx.site().args {
            let wanted = |names: &Vec<String>| names.iter().any(|name| name == arg.name);
            if self.options.arguments.as_ref().is_none_or(wanted) {
                self.argument(cx, arg.name)?;
            }
        }
        Ok(())
    }

    fn argument(&self, cx: &mut HookContext<'_>, name: &str) -> Result<(), HookError> {
        let secret = self.rules.is_secret_key(name);
        if let Ok(text) = cx.arg::<String>(name) {
            if let Some(text) = self.text(text, secret, name)? {
                *cx.arg_mut::<String>(name)? = text;
            }
            return Ok(());
        }
        let mut json = match cx.arg_json(name) {
            Ok(json) => json,
            Err(ArgError::Absent { .. }) => return Ok(()),
            Err(error) => return self.unseen(error),
        };
        if self.value(&mut json, secret, name)? {
            cx.set_arg_json(name, json).map_err(not_accepted(name))?;
        }
        Ok(())
    }

    fn text(&self, text: &str, secret: bool, what: &str) -> Result<Option<String>, HookError> {
        let mut left = self.options.max_bytes;
        json::spend(&mut left, text).map_err(|why| format!("{what} {why}"))?;
        if secret && text != self.rules.key_text() {
            return Ok(Some(self.rules.key_text().to_owned()));
        }
        Ok(self.rules.redact(text))
    }

    fn value(&self, json: &mut Value, secret: bool, what: &str) -> Result<bool, HookError> {
        if let Value::String(text) = json {
            let new = self.text(text, secret, what)?;
            let changed = new.is_some();
            if let Some(new) = new {
                *text = new;
            }
            return Ok(changed);
        }
        let changed = redact(&self.rules, json, self.options.max_bytes);
        Ok(changed.map_err(|why| format!("{what} {why}"))?)
    }

    fn unseen(&self, error: ArgError) -> Result<(), HookError> {
        match (self.options.unseen, error) {
            (Unseen::Pass, ArgError::Opaque { .. }) => Ok(()),
            (_, ArgError::Json { name, .. }) => {
                Err(format!("{name} cannot be read as JSON").into())
            }
            (_, error) => Err(error.into()),
        }
    }

    fn result(&self, cx: &mut HookContext<'_>) -> Result<(), HookError> {
        // What a hook brought in place of a stream is its only item, and whole.
        let piece = cx.site().flags.is_stream && matches!(cx.plan(), Plan::Run);
        if let Ok(text) = cx.result::<String>() {
            let new = if piece && self.options.stream_text.is_empty() {
                let text = text.clone();
                let given = self.piece(cx, &text, false)?;
                (given != text).then_some(given)
            } else {
                self.text(text, false, "the result")?
            };
            if let Some(new) = new {
                *cx.result_mut::<String>()? = new;
            }
            return Ok(());
        }
        let mut json = match cx.result_json() {
            Ok(json) => json,
            Err(error) => return self.unseen(error),
        };
        let changed = if piece {
            self.item(cx, &mut json)?
        } else {
            self.value(&mut json, false, "the result")?
        };
        if changed {
            let not_accepted = not_accepted("the result");
            cx.set_result_json(json).map_err(not_accepted)?;
        }
        Ok(())
    }

    /// One item of a stream: its piece of the text through the window, the rest by itself.
    fn item(&self, cx: &mut HookContext<'_>, json: &mut Value) -> Result<bool, HookError> {
        let options = &self.options;
        let end = options.stream_end.as_deref();
        let mark = end.and_then(|end| json.pointer(end));
        let last = mark.is_some_and(|mark| !matches!(mark, Value::Null | Value::Bool(false)));
        let pointer = options.stream_text.as_str();
        let place = json.pointer_mut(pointer);
        let piece = place.and_then(|place| match place {
            Value::String(text) => Some(std::mem::take(text)),
            _ => None,
        });
        let mut changed = self.value(json, false, "the item")?;
        if piece.is_none() && !last {
            return Ok(changed);
        }
        let given = self.piece(cx, piece.as_deref().unwrap_or_default(), last)?;
        changed |= *given != *piece.as_deref().unwrap_or_default();
        if piece.is_some() || !given.is_empty() {
            put(json, pointer, given)?;
        }
        Ok(changed)
    }

    /// What of a stream's text may be given now.
    fn piece(
        &self,
        cx: &mut HookContext<'_>,
        piece: &str,
        last: bool,
    ) -> Result<String, HookError> {
        let options = &self.options;
        let mut left = options.max_bytes;
        json::spend(&mut left, piece).map_err(|why| format!("the item {why}"))?;
        let limits = Limits {
            window: options.hold_back_bytes,
            held: options.max_held_bytes,
        };
        let window = match cx.get_local::<Window>() {
            Some(_) => cx.get_local::<Window>(),
            None => Some(cx.local(Window::new(options.stream_end.is_some()))),
        };
        let window = window.ok_or("the window of the stream is gone")?;
        let given = window.push(&self.rules, piece, last, limits);
        given.map_err(HookError::other)
    }

    fn error(&self, cx: &mut HookContext<'_>) -> Result<Vote, HookError> {
        let refused = |why: String| Ok(Vote::cancel(why));
        match cx.error_text() {
            Ok(text) if text.len() > self.options.max_bytes => {
                refused("the error has more text than `max_bytes` allows".to_owned())
            }
            Ok(text) => Ok(Vote::cancel_if(
                self.rules.finds(&text),
                "the error has something to redact in it",
            )),
            // A failure would let the error stand.
            Err(error) => match self.unseen(error) {
                Ok(()) => Ok(Vote::Pass),
                Err(error) => refused(error.to_string()),
            },
        }
    }
}

/// Puts a text where the pointer says, also where nothing is yet.
fn put(json: &mut Value, pointer: &str, text: String) -> Result<(), HookError> {
    if let Some(place) = json.pointer_mut(pointer)
        && matches!(place, Value::String(_) | Value::Null)
    {
        *place = Value::String(text);
        return Ok(());
    }
    let parent = pointer.rsplit_once('/');
    if let Some((parent, key)) = parent
        && let Some(Value::Object(fields)) = json.pointer_mut(parent)
        && !fields.contains_key(key)
    {
        fields.insert(
            key.replace("~1", "/").replace("~0", "~"),
            Value::String(text),
        );
        return Ok(());
    }
    Err("the last item of the stream has no place for the text that was held back".into())
}
