//! What the running service answers over HTTP, and to whom. [`known`](super::known) gathers what it says of itself.

use std::sync::Arc;

use super::known::Thorough;
use super::page;
use crate::http::{self, Method, Request, Response, Routes, StatusCode, answer};
use crate::metrics::Metrics;
use crate::owners::{LocalStore, wire};
use crate::status::Status;

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// For everybody who can reach the port.
pub struct Public {
    pub status: Status,
    pub metrics: Arc<Metrics>,
}

/// For whoever may use the control socket: that, and more.
pub struct Control {
    pub public: Arc<Public>,
    pub thorough: Thorough,
    pub owners: LocalStore,
}

impl Routes for Public {
    fn takes_long(&self, _: &Request) -> bool {
        false
    }

    async fn answer(&self, request: Request) -> Response {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return line(StatusCode::METHOD_NOT_ALLOWED, "only GET");
        }
        match request.uri().path() {
            "/" => http::page(page::of(&self.known())),
            "/livez" => health(self.status.live()),
            "/readyz" => health(self.status.ready()),
            "/metrics" => answer(StatusCode::OK, Metrics::TYPE, self.metrics()),
            _ => line(
                StatusCode::NOT_FOUND,
                "there is /, /livez, /readyz and /metrics",
            ),
        }
    }
}

impl Routes for Control {
    /// Commands do. How the service is can be told beside any number of them.
    fn takes_long(&self, request: &Request) -> bool {
        let short = ["/", "/status", "/known", "/livez", "/readyz", "/metrics"];
        !short.contains(&request.uri().path())
    }

    async fn answer(&self, request: Request) -> Response {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/status") => {
                let version = env!("CARGO_PKG_VERSION");
                let status = &self.public.status;
                line(StatusCode::OK, &format!("{version}: {status}"))
            }
            (&Method::GET, "/known") => {
                let known = self.thorough.known(&self.public).await;
                answer(StatusCode::OK, JSON, known.write().to_string())
            }
            _ => match wire::serve(&self.owners, request).await {
                Ok(response) => response,
                Err(request) => self.public.answer(request).await,
            },
        }
    }
}

fn health(health: Result<(), String>) -> Response {
    match health {
        Ok(()) => line(StatusCode::OK, "ok"),
        Err(why) => line(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

fn line(status: StatusCode, words: &str) -> Response {
    answer(status, PLAIN, format!("{words}\n"))
}
