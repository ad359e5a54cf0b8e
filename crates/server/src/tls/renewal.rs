//! Certificates expire: their files are looked at now and then, and what is new
//! in them is for new connections.

use std::sync::{Arc, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Tls;
use super::material::Material;
use crate::Error;

impl Tls {
    /// Looks at the files until the end. The contents are compared and not the
    /// times, which tell little of links that are put in place of each other.
    pub(crate) async fn renew(self, end: CancellationToken) {
        if !self.material.has_files() {
            return;
        }
        let mut known = Arc::clone(&self.material);
        // What was said last, so that it is not said again.
        let mut said = String::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.reload_interval) => {}
                () = end.cancelled() => return,
            }
            // Reading files blocks, and so does much of what is made of them.
            let looked = {
                let known = Arc::clone(&known);
                tokio::task::spawn_blocking(move || look(&known))
            };
            // It is not told only when the runtime ends.
            let Ok(looked) = looked.await else { return };
            match looked {
                Ok(None) => said.clear(),
                Ok(Some((material, config))) => {
                    *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                    known = Arc::new(material);
                    said.clear();
                    tracing::info!("{} renewed", known.certificate.name());
                }
                Err(error) => {
                    let error = error.to_string();
                    if error != said {
                        tracing::warn!(%error, "certificate not renewed, the last one stays");
                        said = error;
                    }
                }
            }
        }
    }
}

type Found = (Material, Arc<rustls::ServerConfig>);

/// What the files have that is not known.
fn look(known: &Material) -> Result<Option<Found>, Error> {
    let material = known.again()?;
    if material == *known {
        return Ok(None);
    }
    let config = material.config()?;
    Ok(Some((material, config)))
}
