//! What a page holds, part by part, and the stream of those that change.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use axum::response::sse::Event;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// The parts of a page in the order in which they are to be filled in: the id of an element and what it holds.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    order: Vec<Arc<str>>,
    html: HashMap<Arc<str>, Arc<str>>,
}

impl Parts {
    /// Adds a part, or replaces what it held.
    pub fn set(&mut self, (id, html): (String, String)) {
        let id: Arc<str> = id.into();
        if self.html.get(&id).is_some_and(|known| **known == *html) {
            return;
        }
        if self.html.insert(Arc::clone(&id), html.into()).is_none() {
            self.order.push(id);
        }
    }

    /// Takes out the parts whose id starts with one of `starts`.
    pub fn remove(&mut self, starts: &[&str]) {
        let is_gone = |id: &str| starts.iter().any(|start| id.starts_with(start));
        self.order.retain(|id| !is_gone(id));
        self.html.retain(|id, _| !is_gone(id));
    }
}

/// Events, each a JSON list of `[id, html]`: at first all parts, then those that changed. A reader that is slow gets
/// only the newest. `permit` is given back when it leaves.
pub fn events(
    parts: watch::Receiver<Parts>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let sent: HashMap<Arc<str>, Arc<str>> = HashMap::new();
    stream::unfold((parts, sent, permit), |(mut parts, sent, permit)| async move {
        loop {
            let now = parts.borrow_and_update().clone();
            let is_new = |id: &&Arc<str>| sent.get(*id) != now.html.get(*id);
            let new: Vec<[&str; 2]> =
                now.order.iter().filter(is_new).filter_map(|id| Some([&**id, &**now.html.get(id)?])).collect();
            if !new.is_empty() {
                // Texts always have a JSON form.
                let event = Event::default().data(serde_json::to_string(&new).unwrap_or_default());
                return Some((Ok(event), (parts, now.html, permit)));
            }
            parts.changed().await.ok()?;
        }
    })
}
