//! Futures that a function returns.

/// The future as it is, its output tied to `T`: what the signature says must be known before the views of the
/// result are chosen, as in `fn f() -> impl Future<Output = Result<u8, E>> { async { Ok(1) } }`, where
/// nothing else says what `E` is.
#[inline(always)]
pub fn output<T, F: Future<Output = T>>(future: F) -> F {
    future
}
