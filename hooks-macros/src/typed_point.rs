//! `point!`: a point whose arguments are an API.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, GenericArgument, LitStr, Path, PathArguments, ReturnType, Token, Type, Visibility,
    braced,
};

use crate::crate_path::{self, Facade};
use crate::errors::Errors;
use crate::hygiene::{here, local, plain};
use crate::{points, text};

/// `pub NAME = "the.point" { argument: Type } -> Result<T, E>, crate = ::facade;`
struct Declaration {
    attrs: Vec<Attribute>,
    vis: Visibility,
    ident: Ident,
    name: LitStr,
    fields: Vec<Field>,
    output: ReturnType,
    /// `crate = …`
    krate: Option<Path>,
}

struct Field {
    attrs: Vec<Attribute>,
    ident: Ident,
    ty: Type,
}

impl Parse for Declaration {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let ident = input.parse()?;
        input.parse::<Token![=]>()?;
        let name = input.parse()?;
        let content;
        braced!(content in input);
        let fields: Punctuated<Field, Token![,]> =
            content.parse_terminated(Field::parse, Token![,])?;
        let output = input.parse()?;
        let mut krate = None;
        if input.peek(Token![,]) && input.peek2(Token![crate]) {
            input.parse::<Token![,]>()?;
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            krate = Some(crate_path::parse(input)?);
        }
        input.parse::<Option<Token![;]>>()?;
        if !input.is_empty() {
            return Err(input.error("one `point!` declares one point: write another `point!`"));
        }
        Ok(Declaration {
            attrs,
            vis,
            ident,
            name,
            fields: fields.into_iter().collect(),
            output,
            krate,
        })
    }
}

impl Parse for Field {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let ident = input.parse()?;
        input.parse::<Token![:]>()?;
        Ok(Field {
            attrs,
            ident,
            ty: input.parse()?,
        })
    }
}

/// The declaration, expanded.
pub(crate) fn point(input: TokenStream, facade: Facade) -> TokenStream {
    let mut errors = Errors::default();
    let mut declaration = match syn::parse2::<Declaration>(input) {
        Ok(declaration) => declaration,
        Err(error) => {
            errors.at(
                error.span(),
                format!(
                    "{error}\na point is declared as `point!(pub BILLING_CHARGE = \"billing.charge\" {{ account: AccountId, cents: u64 }} -> Result<Receipt, BillingError>);`"
                ),
            );
            return errors.into_tokens();
        }
    };
    declaration.check(&mut errors);
    if !errors.is_empty() {
        // The name stays, what is wrong with it is said once.
        declaration.fields.clear();
        declaration.output = ReturnType::Default;
    }
    let mut tokens = declaration.expand(facade);
    tokens.extend(errors.into_tokens());
    tokens
}

impl Declaration {
    fn check(&self, errors: &mut Errors) {
        if let Some(why) = points::reject(&self.name.value()) {
            errors.on(&self.name, why);
        }
        for (index, field) in self.fields.iter().enumerate() {
            if self.fields[..index]
                .iter()
                .any(|other| other.ident == field.ident)
            {
                errors.on(
                    &field.ident,
                    format!("there already is an argument `{}`", field.ident),
                );
            }
            if let Type::Reference(reference) = &field.ty {
                errors.on(
                    &field.ty,
                    format!(
                        "hooks see arguments through references anyway: write `{}`, also if the function takes a reference",
                        text::of(&reference.elem)
                    ),
                );
            }
        }
    }

    fn expand(&self, facade: Facade) -> TokenStream {
        let krate = self.krate.clone().unwrap_or_else(|| facade.path());
        let p = quote_spanned!(here()=> #krate::__private);
        let Declaration {
            attrs,
            vis,
            ident,
            name,
            ..
        } = self;
        let documentation = (!attrs.iter().any(|attr| attr.path().is_ident("doc"))).then(|| {
            let text = format!("The hook point `{}`.", name.value());
            quote!(#[doc = #text])
        });
        let idents: Vec<_> = self.fields.iter().map(|field| &field.ident).collect();
        let types: Vec<_> = self.fields.iter().map(|field| &field.ty).collect();
        let names: Vec<_> = idents.iter().map(|ident| plain(ident)).collect();
        let docs = self.fields.iter().map(|field| {
            let attrs = &field.attrs;
            let text = format!("The argument `{}`.", plain(&field.ident));
            quote!(#[doc = #text] #(#attrs)*)
        });
        let view = local("Call");
        let result = self.result(&p);
        quote_spanned!(here()=>
            #documentation
            #(#attrs)*
            #[allow(unknown_lints, non_camel_case_types, clippy::upper_case_acronyms)]
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #vis struct #ident;

            const _: () = {
                /// One call at the point, as its guards see it.
                #[derive(::core::clone::Clone, ::core::marker::Copy)]
                pub struct #view<'a> {
                    #(#docs pub #idents: &'a #types,)*
                    __context: &'a #p::GuardContext<'a>,
                }

                impl<'a> #view<'a> {
                    /// Everything else about the call.
                    pub fn context(&self) -> &'a #p::GuardContext<'a> {
                        self.__context
                    }
                    #result
                }

                impl #p::TypedPoint for #ident {
                    const NAME: &'static str = #name;
                    const ARGS: &'static [&'static str] = &[#(#names),*];
                }

                impl #ident {
                    /// The name of the point.
                    pub const NAME: &'static str = #name;
                }

                impl #p::Target for #ident {
                    type View<'a> = #view<'a>;
                    fn pattern(&self) -> &str {
                        #name
                    }
                    fn view<'a>(
                        cx: &'a #p::GuardContext<'a>,
                    ) -> ::core::result::Result<#view<'a>, #p::HookError> {
                        ::core::result::Result::Ok(#view {
                            #(#idents: cx.arg::<#types>(#names)?,)*
                            __context: cx,
                        })
                    }
                }
            };
        )
    }

    /// The result, for guards that are asked after the body.
    fn result(&self, p: &TokenStream) -> Option<TokenStream> {
        let ReturnType::Type(_, ty) = &self.output else {
            return None;
        };
        let (ok, err) = match &**ty {
            Type::Path(path) => {
                let last = path
                    .path
                    .segments
                    .last()
                    .filter(|segment| segment.ident == "Result");
                let arguments = last.map(|segment| &segment.arguments);
                match arguments {
                    Some(PathArguments::AngleBracketed(arguments)) => {
                        let mut types =
                            arguments.args.iter().filter_map(|argument| match argument {
                                GenericArgument::Type(ty) => Some(ty),
                                _ => None,
                            });
                        (types.next().unwrap_or(ty), types.next())
                    }
                    _ => (&**ty, None),
                }
            }
            other => (other, None),
        };
        let error = err.map(|err| {
            quote_spanned!(here()=>
                /// What the body failed with, in phase `Error`.
                ///
                /// # Errors
                /// In every other phase.
                pub fn error(&self) -> ::core::result::Result<&'a #err, #p::HookError> {
                    ::core::result::Result::Ok(self.__context.error::<#err>()?)
                }
            )
        });
        Some(quote_spanned!(here()=>
            /// What the body returned, in phase `Post`, or what is planned instead of it, in phase `Pre`.
            ///
            /// # Errors
            /// There is no result yet.
            pub fn result(&self) -> ::core::result::Result<&'a #ok, #p::HookError> {
                ::core::result::Result::Ok(self.__context.result::<#ok>()?)
            }
            #error
        ))
    }
}
