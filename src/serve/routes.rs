//! What can be asked for. Nothing that was asked for becomes a path: names are looked up among those that are there.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    middleware,
    response::{Html, IntoResponse, Response, Sse, sse::KeepAlive},
    routing::get,
};
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
};

use super::{
    guard::{self, Guard},
    parts::{Parts, events},
    sweeps::{self, Sweeps},
    watch::Watched,
};
use crate::report::{ReportError, live};

/// Pages that are watched at once at most; more are asked to come again later.
const WATCHERS: usize = 64;

/// The one script of all pages.
const SCRIPT: &str = concat!(include_str!("../../templates/report.js"), include_str!("../../templates/live.js"));

/// What all requests share.
pub struct Site {
    results: PathBuf,
    sweeps: Arc<Sweeps>,
    watched: Mutex<HashMap<PathBuf, Arc<Watched>>>,
    watchers: Arc<Semaphore>,
}

type Shared = State<Arc<Site>>;

impl Site {
    /// The sweeps in `results`, or the one that it is.
    pub fn new(results: PathBuf) -> Self {
        let sweeps = Sweeps::start(&results);
        Self { results, sweeps, watched: Mutex::default(), watchers: Arc::new(Semaphore::new(WATCHERS)) }
    }

    fn sweep(&self, name: &str) -> Result<Arc<Watched>, Refused> {
        let found = sweeps::list(&self.results).into_iter().find(|sweep| sweep.name == name).ok_or(Refused::Unknown)?;
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || Watched::start(&found.folder);
        Ok(Arc::clone(watched.entry(found.folder.clone()).or_insert_with(start)))
    }

    fn stream(&self, parts: watch::Receiver<Parts>) -> Result<Response, Refused> {
        let permit = Arc::clone(&self.watchers).try_acquire_owned().map_err(|_| Refused::TooMany)?;
        Ok(Sse::new(events(parts, permit)).keep_alive(KeepAlive::default()).into_response())
    }
}

/// Why there is no answer.
enum Refused {
    Unknown,
    TooMany,
    Failed(String),
}

impl From<ReportError> for Refused {
    fn from(error: ReportError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown => (StatusCode::NOT_FOUND, "there is nothing of this name\n").into_response(),
            Self::TooMany => {
                let why = format!("{WATCHERS} pages are watched already; close one\n");
                (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
            }
            Self::Failed(why) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response(),
        }
    }
}

/// Every address. Pages lie as deep as the report's files do, so that its relative addresses hold here too.
pub fn router(site: Arc<Site>, guard: Arc<Guard>) -> Router {
    Router::new()
        .route("/", get(all_sweeps))
        .route("/events", get(all_sweeps_events))
        .route("/live.js", get(script))
        .route("/sweep/{sweep}/report/", get(page))
        .route("/sweep/{sweep}/report/events", get(page_events))
        .route("/sweep/{sweep}/report/run/{run}", get(details))
        .route("/sweep/{sweep}/runs/{run}/panels/{panel}", get(panel))
        .fallback(|| async { Refused::Unknown })
        .layer(middleware::from_fn_with_state(guard, guard::watch))
        .with_state(site)
}

async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT).into_response()
}

async fn all_sweeps() -> Result<Html<String>, Refused> {
    Ok(Html(sweeps::shell()?))
}

async fn all_sweeps_events(State(site): Shared) -> Result<Response, Refused> {
    site.stream(site.sweeps.parts())
}

async fn page(State(site): Shared, Path(name): Path<String>) -> Result<Html<String>, Refused> {
    site.sweep(&name)?;
    Ok(Html(live::shell(&name)?))
}

async fn page_events(State(site): Shared, Path(name): Path<String>) -> Result<Response, Refused> {
    site.stream(site.sweep(&name)?.parts())
}

async fn details(State(site): Shared, Path((name, run)): Path<(String, String)>) -> Result<Html<String>, Refused> {
    let watched = site.sweep(&name)?;
    blocking(move || {
        let follower = watched.follower();
        let data = follower.data();
        let place = data.runs.iter().position(|known| known.name == run).ok_or(Refused::Unknown)?;
        Ok(Html(live::details(follower.dir(), data, place)?))
    })
    .await
}

async fn panel(
    State(site): Shared,
    Path((name, run, panel)): Path<(String, String, String)>,
) -> Result<Response, Refused> {
    let watched = site.sweep(&name)?;
    blocking(move || {
        let follower = watched.follower();
        let run = follower.data().runs.iter().find(|known| known.name == run).ok_or(Refused::Unknown)?;
        let panels = fs::read_dir(follower.dir().run(&run.name).panels()).map_err(|_| Refused::Unknown)?;
        let is_it = |entry: &fs::DirEntry| entry.file_name() == *panel && panel.ends_with(".png");
        let found = panels.flatten().find(is_it).ok_or(Refused::Unknown)?;
        // A link could lead anywhere.
        if !found.file_type().is_ok_and(|kind| kind.is_file()) {
            return Err(Refused::Unknown);
        }
        let png = fs::read(found.path()).map_err(|e| Refused::Failed(format!("failed to read {panel}: {e}")))?;
        Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
    })
    .await
}

/// Reads files and draws charts away from the thread that answers.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refused> + Send + 'static) -> Result<T, Refused> {
    spawn_blocking(work).await.unwrap_or_else(|e| Err(Refused::Failed(e.to_string())))
}
