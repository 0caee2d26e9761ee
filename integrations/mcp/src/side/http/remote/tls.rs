//! Whom an `https://` server's certificate must be from.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::client::WantsClientCert;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use super::BadUrl;

/// The authorities of that file count, or those of the system.
pub(super) fn config(authorities: Option<&Path>) -> Result<ClientConfig, BadUrl> {
    let builder = builder()?;
    let builder = match authorities {
        Some(file) => builder.with_root_certificates(read(file)?),
        None => builder.with_native_roots().map_err(failed)?,
    };
    Ok(done(builder))
}

/// For a server that is reached without TLS.
pub(super) fn unused() -> Result<ClientConfig, BadUrl> {
    let builder = builder()?;
    Ok(done(builder.with_root_certificates(RootCertStore::empty())))
}

/// The provider is named: whichever the program has installed, this one is in the tree.
fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, BadUrl> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)
}

fn done(builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> ClientConfig {
    builder.with_no_client_auth()
}

fn failed(error: impl std::fmt::Display) -> BadUrl {
    BadUrl::Tls(error.to_string())
}

fn read(file: &Path) -> Result<RootCertStore, BadUrl> {
    let shown = file.display();
    let wrong = |error: &dyn std::fmt::Display| {
        failed(format!(
            "{shown} must hold the authorities' certificates as PEM: {error}"
        ))
    };
    let mut authorities = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        authorities
            .add(certificate)
            .map_err(|error| wrong(&error))?;
    }
    if authorities.is_empty() {
        return Err(wrong(&"there is none"));
    }
    Ok(authorities)
}
