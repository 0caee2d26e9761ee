//! The body that `#[async_trait]` makes of a method: a box around one block.
//!
//! The hooks of a future come with its first poll, so the question whether there are any belongs into the
//! block; asked outside, a future that was made before would stay unhooked, or be put into a second box.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// `Box::pin(async move { … })`, in pieces.
pub(crate) struct BoxedBlock {
    /// `Box::pin`
    pub(crate) pin: TokenStream,
    pub(crate) parenthesis: Group,
    /// `async move`
    pub(crate) keywords: TokenStream,
    pub(crate) block: Group,
}

/// The body as [`BoxedBlock`], if that is all there is in it.
pub(crate) fn block(body: &Group) -> Option<BoxedBlock> {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let (last, pin) = tokens.split_last()?;
    let TokenTree::Group(parenthesis) = last else {
        return None;
    };
    let pin: TokenStream = pin.iter().cloned().collect();
    let inside: Vec<TokenTree> = parenthesis.stream().into_iter().collect();
    let (last, keywords) = inside.split_last()?;
    let TokenTree::Group(block) = last else {
        return None;
    };
    let keywords: TokenStream = keywords.iter().cloned().collect();
    // How far apart tokens stand depends on whose they were.
    let is = |tokens: &TokenStream, text: &str| {
        tokens.to_string().replace(char::is_whitespace, "") == text
    };
    let recognised = is(&pin, "Box::pin")
        && parenthesis.delimiter() == Delimiter::Parenthesis
        && is(&keywords, "asyncmove")
        && block.delimiter() == Delimiter::Brace;
    recognised.then(|| BoxedBlock {
        pin,
        parenthesis: parenthesis.clone(),
        keywords,
        block: block.clone(),
    })
}
