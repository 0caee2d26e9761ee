//! The attribute's arguments and the function it stands on, as written; what they mean is decided later.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Expr, Ident, LitStr, Path, Signature, Token, Visibility, parenthesized};

use crate::errors::Errors;
use crate::{analyze, crate_path, points};

/// The legal keys, in the order of the reference.
pub(crate) const KEYS: &[&str] = &[
    "point",
    "component",
    "args",
    "skip",
    "fields",
    "observe",
    "closed",
    "retry",
    "redirect",
    "on_refused",
    "future",
    "stream",
    "blocking",
    "crate",
];

/// `#[hooked(…)]` as written.
#[derive(Default)]
pub(crate) struct HookedArgs {
    pub(crate) point: Option<Point>,
    /// There is a key `point`, whether or not its value could be read.
    pub(crate) point_given: bool,
    pub(crate) component: Option<Expr>,
    pub(crate) args: Option<(Span, Vec<ArgSpec>)>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) fields: Vec<Field>,
    pub(crate) observe: Option<Span>,
    pub(crate) closed: Option<Span>,
    pub(crate) retry: Option<Span>,
    pub(crate) redirect: Option<(Span, Expr)>,
    pub(crate) on_refused: Option<(Span, Expr)>,
    pub(crate) future: Option<Span>,
    pub(crate) stream: Option<Span>,
    pub(crate) blocking: Option<Span>,
    pub(crate) krate: Option<Path>,
    /// `#[hooked(skip)]`: inside a hooked `impl`, not this one.
    pub(crate) opt_out: Option<Span>,
    /// Written by the attribute on an `impl` block for its methods: the type, for the site's path.
    pub(crate) owner: Option<LitStr>,
    /// Parameters that are configured away: naming them is no mistake, and shows nothing.
    pub(crate) absent: Vec<String>,
}

/// Where the point's name comes from.
pub(crate) enum Point {
    /// A literal, checked here.
    Literal(LitStr),
    /// A constant, checked when it is evaluated.
    Constant(Expr),
}

/// One entry of `args(…)`.
pub(crate) struct ArgSpec {
    pub(crate) name: Ident,
    pub(crate) choice: Choice,
    pub(crate) value: Option<Expr>,
}

/// What `: typed` and `: opaque` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Nothing: the rules decide.
    Auto,
    /// Typed, unguarded: an error here is the compiler's.
    Typed,
    /// Its type's name and nothing else.
    Opaque,
}

/// One entry of `fields(…)`.
pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) sigil: Sigil,
    pub(crate) value: Expr,
}

/// How a field is shown, as in tracing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sigil {
    /// As JSON.
    Json,
    /// `%`
    Display,
    /// `?`
    Debug,
}

impl HookedArgs {
    /// Reads all keys; a mistake in one of them doesn't hide those in the others.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = HookedArgs::default();
        let parser = |input: ParseStream| {
            while !input.is_empty() {
                if let Err(error) = args.parse_key(input, errors) {
                    errors.push(error);
                    skip_to_comma(input)?;
                }
                if input.is_empty() {
                    break;
                }
                if let Err(error) = input.parse::<Token![,]>() {
                    errors.push(error);
                    skip_to_comma(input)?;
                    let _ = input.parse::<Token![,]>();
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
        args
    }

    /// Whether an expression of the attribute looks at that parameter.
    pub(crate) fn mention(&self, ident: &Ident) -> bool {
        let values = self.args.iter().flat_map(|(_, specs)| specs);
        self.component
            .iter()
            .chain(self.fields.iter().map(|field| &field.value))
            .chain(values.filter_map(|spec| spec.value.as_ref()))
            .chain(self.redirect.iter().map(|(_, expr)| expr))
            .any(|expr| analyze::mentions(expr.to_token_stream(), ident))
    }

    fn parse_key(&mut self, input: ParseStream, errors: &mut Errors) -> syn::Result<()> {
        if input.peek(LitStr) {
            self.point_given = true;
            let name: LitStr = input.parse()?;
            let text = name.value();
            return Err(syn::Error::new_spanned(
                name,
                format!("the point has a key like everything else: `point = {text:?}`"),
            ));
        }
        let key = input.call(Ident::parse_any).map_err(|error| {
            syn::Error::new(
                error.span(),
                "expected a key, for example `point = \"tool.execute\"`",
            )
        })?;
        let name = key.to_string();
        let span = key.span();
        let mut once = |given: bool| {
            if given {
                errors.at(span, format!("`{name}` is given twice: keep one"));
            }
        };
        match name.as_str() {
            "point" => {
                once(self.point_given);
                self.point_given = true;
                self.point = Some(parse_point(value(input, &key, "\"tool.execute\"")?)?);
            }
            "component" => {
                once(self.component.is_some());
                self.component = Some(value(input, &key, "self.name()")?);
            }
            "args" => {
                once(self.args.is_some());
                self.args = Some((span, list(input, &key, "input, path = &req.path", errors)?));
            }
            "skip" if !input.peek(syn::token::Paren) && !self.point_given => {
                self.opt_out = Some(span);
            }
            "skip" => {
                once(!self.skip.is_empty());
                self.skip = list(input, &key, "secret", errors)?;
            }
            "fields" => {
                once(!self.fields.is_empty());
                self.fields = list(input, &key, "attempt = n, from = %self.state", errors)?;
            }
            "observe" => flag(input, &key, &mut self.observe, &mut once)?,
            "closed" => flag(input, &key, &mut self.closed, &mut once)?,
            "retry" => flag(input, &key, &mut self.retry, &mut once)?,
            "future" => flag(input, &key, &mut self.future, &mut once)?,
            "stream" => flag(input, &key, &mut self.stream, &mut once)?,
            "blocking" => flag(input, &key, &mut self.blocking, &mut once)?,
            "redirect" => {
                once(self.redirect.is_some());
                self.redirect = Some((span, value(input, &key, "self.resolver()")?));
            }
            "on_refused" => {
                once(self.on_refused.is_some());
                let expr = value(input, &key, "|refusal| MyError::from(refusal)")?;
                self.on_refused = Some((span, expr));
            }
            "crate" => {
                once(self.krate.is_some());
                equals(input, &key, "::my_facade::hooks")?;
                self.krate = Some(crate_path::parse(input)?);
            }
            "__owner" => {
                input.parse::<Token![=]>()?;
                self.owner = Some(input.parse()?);
            }
            // Written by the attribute itself, see `hand_on`.
            "__moved" => {}
            "__absent" => {
                let names: Vec<LitStr> = list(input, &key, "", errors)?;
                self.absent = names.iter().map(LitStr::value).collect();
            }
            _ => {
                let near = points::nearest(&name, KEYS.iter().copied());
                let hint = if points::distance(&name, near) <= 2 {
                    format!("; did you mean `{near}`?")
                } else {
                    String::new()
                };
                errors.at(
                    span,
                    format!(
                        "unknown key `{name}`{hint}\nthe keys are: {}",
                        KEYS.join(", ")
                    ),
                );
                skip_to_comma(input)?;
            }
        }
        Ok(())
    }
}

/// `= …`, or an error that shows it.
pub(crate) fn equals(input: ParseStream, key: &Ident, example: &str) -> syn::Result<()> {
    if input.peek(Token![=]) {
        input.parse::<Token![=]>().map(drop)
    } else {
        Err(syn::Error::new(
            key.span(),
            format!("`{key}` needs a value: `{key} = {example}`"),
        ))
    }
}

fn value(input: ParseStream, key: &Ident, example: &str) -> syn::Result<Expr> {
    equals(input, key, example)?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(
            key.span(),
            format!("`{key}` needs a value: `{key} = {example}`"),
        ));
    }
    input.parse()
}

pub(crate) fn flag(
    input: ParseStream,
    key: &Ident,
    slot: &mut Option<Span>,
    once: &mut impl FnMut(bool),
) -> syn::Result<()> {
    once(slot.is_some());
    *slot = Some(key.span());
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(input.error(format!("`{key}` takes no value: write just `{key}`")))
}

fn list<T: Parse>(
    input: ParseStream,
    key: &Ident,
    example: &str,
    errors: &mut Errors,
) -> syn::Result<Vec<T>> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(
            key.span(),
            format!("`{key}` takes a list: `{key}({example})`"),
        ));
    }
    let content;
    parenthesized!(content in input);
    let mut items = Vec::new();
    while !content.is_empty() {
        match content.parse() {
            Ok(item) => items.push(item),
            Err(error) => {
                errors.push(error);
                skip_to_comma(&content)?;
            }
        }
        if content.is_empty() {
            break;
        }
        if let Err(error) = content.parse::<Token![,]>() {
            errors.push(error);
            skip_to_comma(&content)?;
            let _ = content.parse::<Token![,]>();
        }
    }
    Ok(items)
}

fn parse_point(expr: Expr) -> syn::Result<Point> {
    match strip_group(expr) {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(name),
            ..
        }) => Ok(Point::Literal(name)),
        expr @ (Expr::Path(_) | Expr::Macro(_)) => Ok(Point::Constant(expr)),
        other => Err(syn::Error::new_spanned(
            other,
            "the point must be known when the program is compiled: a literal (`\"tool.execute\"`) or the path of a constant",
        )),
    }
}

/// Literals that went through a `macro_rules!` arrive in an invisible group.
fn strip_group(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => strip_group(*group.expr),
        other => other,
    }
}

impl Parse for ArgSpec {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        if input.peek(Token![self]) {
            return Err(input.error(
                "`self` is not an argument that hooks can see; show a part of it: `args(name = &self.name)`",
            ));
        }
        let name = input.parse::<Ident>()?;
        let mut choice = Choice::Auto;
        if input.parse::<Option<Token![:]>>()?.is_some() {
            let word = input.call(Ident::parse_any)?;
            choice = match word.to_string().as_str() {
                "typed" => Choice::Typed,
                "opaque" => Choice::Opaque,
                other => {
                    return Err(syn::Error::new(
                        word.span(),
                        format!(
                            "`{other}` is no way to see an argument: write `typed` or `opaque`"
                        ),
                    ));
                }
            };
        }
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(ArgSpec {
            name,
            choice,
            value,
        })
    }
}

impl Parse for Field {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(
                name.span(),
                format!(
                    "a field needs a value: `{name} = …`, `{name} = %…` (Display) or `{name} = ?…` (Debug)"
                ),
            ));
        }
        input.parse::<Token![=]>()?;
        let sigil = if input.parse::<Option<Token![%]>>()?.is_some() {
            Sigil::Display
        } else if input.parse::<Option<Token![?]>>()?.is_some() {
            Sigil::Debug
        } else {
            Sigil::Json
        };
        Ok(Field {
            name,
            sigil,
            value: input.parse()?,
        })
    }
}

pub(crate) fn skip_to_comma(input: ParseStream) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// A function whose body is tokens: half-written code must survive us.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    /// `default` of specialisation, which only nightly has.
    pub(crate) default: Option<Ident>,
    pub(crate) sig: Signature,
    /// `None`: `;` instead of a body.
    pub(crate) body: Option<Group>,
}

impl Parse for Function {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let default = match input.cursor().ident() {
            Some((ident, _)) if ident == "default" => Some(input.parse()?),
            _ => None,
        };
        let sig = input.parse()?;
        let body = if input.parse::<Option<Token![;]>>()?.is_some() {
            None
        } else {
            let token = input.parse::<TokenTree>()?;
            match braces(&token) {
                Some(group) => Some(group),
                None => {
                    return Err(syn::Error::new_spanned(
                        token,
                        "expected the body of the function",
                    ));
                }
            }
        };
        Ok(Function {
            attrs,
            vis,
            default,
            sig,
            body,
        })
    }
}

/// The braces of a body; a `$body:block` of a `macro_rules!` brings them in an invisible group.
fn braces(token: &TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = token else {
        return None;
    };
    match group.delimiter() {
        Delimiter::Brace => Some(group.clone()),
        Delimiter::None => {
            let mut inner = group.stream().into_iter();
            let first = inner.next()?;
            inner.next().is_none().then(|| braces(&first)).flatten()
        }
        _ => None,
    }
}

/// The inner attributes at the start of a body, and the rest of it in the user's braces.
///
/// The body becomes that of a closure, where inner attributes are not allowed; they move to the start of
/// the function, whose inner attributes they are anyway.
pub(crate) fn split_inner_attributes(body: &Group) -> (TokenStream, TokenStream) {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let mut end = 0;
    while let [
        TokenTree::Punct(pound),
        TokenTree::Punct(bang),
        TokenTree::Group(group),
        ..,
    ] = &tokens[end..]
    {
        if pound.as_char() != '#'
            || bang.as_char() != '!'
            || group.delimiter() != Delimiter::Bracket
        {
            break;
        }
        end += 3;
    }
    if end == 0 {
        return (TokenStream::new(), body.to_token_stream());
    }
    let mut tokens = tokens.into_iter();
    let inner = tokens.by_ref().take(end).collect();
    let mut rest = Group::new(Delimiter::Brace, tokens.collect());
    rest.set_span(body.span());
    (inner, rest.into_token_stream())
}
