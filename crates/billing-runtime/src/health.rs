//! Whether the process lives and is ready for work, and the two routes that tell.
//!
//! A process that answers lives, unless someone has found that only a restart can help it. It is ready when every
//! condition that anyone has named holds.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use serde_json::json;

use crate::listen::{ListenError, listen};

/// The conditions of readiness, and those of life. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Health {
    ready: Conditions,
    alive: Conditions,
}

type Conditions = Arc<Mutex<Vec<Condition>>>;

/// One condition, held by who knows whether it is met. It stays when this is dropped.
#[derive(Clone, Debug)]
pub struct Condition {
    name: &'static str,
    met: Arc<AtomicBool>,
}

impl Condition {
    /// Says whether it is met.
    pub fn set(&self, met: bool) {
        self.met.store(met, Ordering::Relaxed);
    }

    /// Whether it is met.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.met.load(Ordering::Relaxed)
    }
}

impl Health {
    /// A new condition of that name, not met yet.
    #[must_use]
    pub fn condition(&self, name: &'static str) -> Condition {
        add(&self.ready, name, false)
    }

    /// A new condition of life, met until it is said not to be: then the process asks to be restarted. Not for what is
    /// missing outside of it.
    #[must_use]
    pub fn vital(&self, name: &'static str) -> Condition {
        add(&self.alive, name, true)
    }

    /// The names of the conditions that are not met.
    #[must_use]
    pub fn not_ready(&self) -> Vec<&'static str> {
        unmet(&self.ready)
    }

    /// `GET /health/live` and `GET /health/ready`, for a server that has other routes too.
    pub fn routes(&self, config: &mut ServiceConfig) {
        let (ready, alive) = (Arc::clone(&self.ready), Arc::clone(&self.alive));
        let answer = |conditions: &Conditions, missing: &str| {
            let unmet = unmet(conditions);
            if unmet.is_empty() {
                HttpResponse::Ok().json(json!({"status": "ok"}))
            } else {
                HttpResponse::ServiceUnavailable().json(json!({"status": "unavailable", missing: unmet}))
            }
        };
        let live = move || std::future::ready(answer(&alive, "stuck"));
        let ready = move || std::future::ready(answer(&ready, "notReady"));
        config.route("/health/live", web::get().to(live)).route("/health/ready", web::get().to(ready));
    }
}

fn add(conditions: &Conditions, name: &'static str, met: bool) -> Condition {
    let condition = Condition { name, met: Arc::new(AtomicBool::new(met)) };
    conditions.lock().unwrap_or_else(PoisonError::into_inner).push(condition.clone());
    condition
}

fn unmet(conditions: &Conditions) -> Vec<&'static str> {
    let conditions = conditions.lock().unwrap_or_else(PoisonError::into_inner);
    let mut names: Vec<_> =
        conditions.iter().filter(|condition| !condition.is_met()).map(|condition| condition.name).collect();
    names.sort_unstable();
    names
}

/// Serves the two routes alone, as long as the process lives.
///
/// # Errors
/// [`ListenError`]. Must be called within a Tokio runtime.
pub fn serve_health(addr: SocketAddr, health: Health) -> Result<(), ListenError> {
    let listener = listen(addr, "health")?;
    let server = HttpServer::new(move || App::new().configure(|config| health.routes(config)))
        .workers(1)
        .disable_signals()
        .listen(listener)
        .map_err(|error| ListenError::Failed(addr, "health", error))?
        .run();
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the health server has ended");
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    #[actix_web::test]
    async fn readiness_names_what_is_missing() {
        let health = Health::default();
        let app = init_service(App::new().configure(|config| health.routes(config))).await;
        let database = health.condition("database");
        let events = health.condition("events");
        for (met, path, status, body) in [
            ([false, false], "/health/live", 200, r#"{"status":"ok"}"#),
            ([false, false], "/health/ready", 503, r#"{"notReady":["database","events"],"status":"unavailable"}"#),
            ([true, false], "/health/ready", 503, r#"{"notReady":["events"],"status":"unavailable"}"#),
            ([true, true], "/health/ready", 200, r#"{"status":"ok"}"#),
        ] {
            database.set(met[0]);
            events.set(met[1]);
            let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
            assert_eq!(to_bytes(response.into_body()).await.unwrap(), body.as_bytes());
        }
        let progress = health.vital("progress");
        for (met, status, body) in
            [(false, 503, r#"{"status":"unavailable","stuck":["progress"]}"#), (true, 200, r#"{"status":"ok"}"#)]
        {
            progress.set(met);
            let response = call_service(&app, TestRequest::get().uri("/health/live").to_request()).await;
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(to_bytes(response.into_body()).await.unwrap(), body.as_bytes());
        }
    }
}
