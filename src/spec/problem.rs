//! What is wrong with a sweep file: what, where, and how to mend it.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::document::{Document, Place};

/// One thing that is wrong, or odd.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// How to mend it; may be empty.
    pub help: String,
    place: Option<Place>,
    source: Option<(String, String)>,
}

impl Problem {
    pub(super) fn at(place: Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), place: Some(place), source: None }
    }

    /// A problem of no particular line.
    pub fn without_place(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), place: None, source: None }
    }

    pub(super) fn rendered_in(mut self, document: &Document) -> Self {
        if let Some(place) = &self.place {
            let source = &document.sources[place.source];
            self.source = Some((source.name.clone(), source.text.clone()));
        }
        self
    }

    /// The file and the line (from 1), where there is one.
    pub fn line(&self) -> Option<(&str, usize)> {
        let (Some(place), Some((name, text))) = (&self.place, &self.source) else { return None };
        let before = text.get(..place.range.start).unwrap_or(text);
        Some((name, before.matches('\n').count() + 1))
    }

    fn render(&self, level: Level<'_>, renderer: &Renderer) -> String {
        let mut group =
            level.primary_title(&self.message).elements(Vec::<Snippet<'_, annotate_snippets::Annotation<'_>>>::new());
        if let (Some(place), Some((name, text))) = (&self.place, &self.source) {
            let annotation = AnnotationKind::Primary.span(place.range.clone());
            group = group.element(Snippet::source(text).path(name).annotation(annotation));
        }
        if !self.help.is_empty() {
            group = group.element(Level::HELP.message(&self.help));
        }
        renderer.render(&[group])
    }
}

/// Every problem of a sweep file, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Ties each problem to its text and sorts them by place.
    pub(super) fn of(self, document: &Document) -> Self {
        let mut problems: Vec<_> = self.0.into_iter().map(|problem| problem.rendered_in(document)).collect();
        problems.sort_by_key(|problem| problem.place.as_ref().map(|place| (place.source, place.range.start)));
        Self(problems)
    }

    /// The problems as text for people, as errors or as warnings, with colour or without.
    pub fn render(&self, warning: bool, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let level = if warning { Level::WARNING } else { Level::ERROR };
        self.0.iter().map(|problem| problem.render(level.clone(), &renderer) + "\n").collect::<Vec<_>>().join("\n")
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self(problems.into_iter().collect())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false, false).trim_end())
    }
}

impl std::error::Error for Problems {}
