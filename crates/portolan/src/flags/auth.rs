//! The flags about who may call.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::put;
use crate::config::{Auth, Config, Keys, Time};

/// Who may call.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Authentication")]
pub(super) struct AuthFlags {
    /// Let everybody call, whatever the file says [default: what the other
    /// flags and the file say, or else none]
    #[arg(
        long,
        value_name = "KIND",
        value_enum,
        conflicts_with_all = ["auth_tokens", "auth_jwt_secret_file", "auth_jwks"]
    )]
    auth: Option<AuthArgument>,

    /// Take the bearer tokens in this file: on each line a token, a name, and
    /// scopes
    #[arg(long, value_name = "FILE")]
    auth_tokens: Option<PathBuf>,

    /// Take JSON Web Tokens that are signed by HS256 with the secret in this
    /// file
    #[arg(long, value_name = "FILE")]
    auth_jwt_secret_file: Option<PathBuf>,

    /// Take JSON Web Tokens that these public keys verify: a JSON Web Key Set in
    /// a file or at a URL
    #[arg(long, value_name = "FILE|URL")]
    auth_jwks: Option<Keys>,

    /// Take only JSON Web Tokens of this issuer
    #[arg(long, value_name = "NAME")]
    auth_issuer: Option<String>,

    /// Take only JSON Web Tokens for this audience. May be repeated
    #[arg(long, value_name = "NAME")]
    auth_audience: Vec<String>,

    /// By how much clocks may differ when JSON Web Tokens begin and expire
    /// [default: 30s]
    #[arg(long, value_name = "TIME")]
    auth_leeway: Option<Time>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AuthArgument {
    None,
}

impl AuthFlags {
    pub(super) fn put_onto(self, config: &mut Config) {
        if let Some(AuthArgument::None) = self.auth {
            config.auth = None;
            return;
        }
        let file = config.auth.take();
        let is_said = file.is_some();
        let mut auth = file.unwrap_or_default();
        put(&mut auth.tokens, self.auth_tokens);
        put(&mut auth.jwt_secret_file, self.auth_jwt_secret_file);
        put(&mut auth.jwks, self.auth_jwks);
        put(&mut auth.issuer, self.auth_issuer);
        if !self.auth_audience.is_empty() {
            auth.audience = self.auth_audience;
        }
        put(&mut auth.leeway, self.auth_leeway);
        // An empty section asks for authentication all the same.
        config.auth = (is_said || auth != Auth::default()).then_some(auth);
    }
}
