//! What stands in front of every call, in this order: authentication, the rate
//! of each caller, how many calls run at a time. A call that is refused costs
//! what comes before; a stranger's does not count for anybody, and who calls too
//! often takes nobody's place.

use anyhow::Context;
use portolan_server::auth::{Authentication, Jwks, JwtSecret, TokenFile};
use portolan_server::interceptor::{self, InterceptorLayer, LoadLimit, RateLimit};

use crate::config::{Auth, Config, Limits, Per};

/// The interceptors that a configuration means.
///
/// # Errors
/// When tokens, a secret or keys cannot be used.
pub(crate) async fn guards(config: &Config) -> anyhow::Result<InterceptorLayer> {
    let mut guards = InterceptorLayer::new();
    if let Some(auth) = &config.auth {
        guards = guards.with(authentication(auth).await?);
    }
    if let Some(limit) = rate_limit(&config.limits) {
        guards = guards.with(limit);
    }
    if let Some(running) = config.limits.max_concurrency {
        let waiting = config.limits.max_queue.unwrap_or(0);
        guards = guards.with(LoadLimit::new(running, waiting));
    }
    Ok(guards)
}

async fn authentication(auth: &Auth) -> anyhow::Result<Authentication> {
    if auth.tokens.is_none() && !auth.takes_jwt() {
        anyhow::bail!(
            "authentication is asked for, but no token could be known; give --auth-tokens, \
             --auth-jwt-secret-file or --auth-jwks, or tokens, jwt_secret_file or jwks below auth \
             in the file of --config"
        );
    }
    let mut authentication = Authentication::new(auth.access()?);
    if let Some(path) = &auth.tokens {
        authentication = authentication.scheme(TokenFile::open(path)?);
    }
    if let Some(path) = &auth.jwt_secret_file {
        authentication = authentication.scheme(JwtSecret::open(path, auth.claims())?);
    }
    if let Some(keys) = &auth.jwks {
        let keys = Jwks::open(keys.0.clone(), auth.claims()).await;
        authentication = authentication.scheme(keys.context("no keys for tokens")?);
    }
    Ok(authentication)
}

fn rate_limit(limits: &Limits) -> Option<RateLimit> {
    let rate = limits.rate?;
    let per = match rate.per {
        Per::Principal => interceptor::Per::Principal,
        Per::Client => interceptor::Per::Client,
    };
    let burst = rate.burst.unwrap_or(rate.per_second);
    Some(RateLimit::new(f64::from(rate.per_second), burst, per))
}
