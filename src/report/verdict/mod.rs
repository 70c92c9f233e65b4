//! The result in plain words, as answers to three questions: which setting is best, what is wrong, what to do next.

mod classes;
mod splits;
mod wrong;

use serde::Serialize;

use super::{Analysis, aggregate::Sweep, diagnose, next, standings::Standing, words};
use crate::domain::{Direction, RunState, TestRow};

/// Which question a line answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Which setting is best, how surely, and what moves the score.
    Best,
    /// What is wrong with the runs, and how far the scores can be trusted.
    Wrong,
    /// The same, where no rule warns.
    Fine,
    /// What to do next.
    Next,
}

/// A sentence or two of the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The question.
    pub kind: Kind,
    /// The answer.
    pub text: String,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The most important line of each kind, then the others, kind by kind.
pub fn lines(sweep: &Sweep, analysis: &Analysis<'_>) -> Vec<Line> {
    let is_fine = diagnose::loud(&analysis.findings, &analysis.of_best()).is_empty();
    let answers = [
        (Kind::Best, best(sweep, analysis)),
        (if is_fine { Kind::Fine } else { Kind::Wrong }, wrong::lines(sweep, analysis)),
        (Kind::Next, next::step(sweep, analysis).into_iter().collect()),
    ];
    let line = |kind: Kind| move |text: &String| Line { kind, text: text.clone() };
    let first = answers.iter().filter_map(|(kind, texts)| texts.first().map(line(*kind)));
    let others = answers.iter().flat_map(|(kind, texts)| texts.iter().skip(1).map(line(*kind)));
    first.chain(others).collect()
}

/// A question of the verdict with the lines that answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question in a word or three.
    pub title: &'static str,
    /// The answers, the most important first.
    pub lines: Vec<String>,
}

/// The lines, question by question.
pub fn answers(lines: &[Line]) -> Vec<Answer> {
    let titles = [
        (Kind::Best, "Best setting"),
        (Kind::Wrong, "What is wrong"),
        (Kind::Fine, "No fault was found"),
        (Kind::Next, "Do next"),
    ];
    let answer = |(kind, title)| {
        let of_kind = lines.iter().filter(|line| line.kind == kind);
        Answer { title, lines: of_kind.map(ToString::to_string).collect() }
    };
    titles.map(answer).into_iter().filter(|answer| !answer.lines.is_empty()).collect()
}

/// The ranking, how far the sweep is, the test images where they were looked at, what moves the score, what stratified
/// splits change.
fn best(sweep: &Sweep, analysis: &Analysis<'_>) -> Vec<String> {
    let Some(best) = analysis.standings.first() else { return vec![no_score(sweep)] };
    let lines = [
        Some(ranking(sweep, best, &analysis.standings)),
        under_way(sweep),
        given_up(sweep),
        failed(sweep),
        tested(sweep, best),
        splits::spread(sweep),
        splits::stratified(sweep, &analysis.balances),
    ];
    lines.into_iter().flatten().collect()
}

fn count(sweep: &Sweep, state: RunState) -> usize {
    sweep.runs.iter().filter(|run| run.state.state == state).count()
}

fn no_score(sweep: &Sweep) -> String {
    match count(sweep, RunState::Completed) {
        0 => {
            let runs = words::count(sweep.runs.len(), "run");
            let failed = count(sweep, RunState::Failed);
            let not_done = if failed > 0 { format!("{runs}, {failed} failed") } else { runs };
            format!("No run has finished yet ({not_done}), so no setting can be compared.")
        }
        done => format!(
            "No run has a score: {} is not defined in any of {}.",
            words::metric(sweep.monitor),
            words::count(done, "completed run")
        ),
    }
}

fn under_way(sweep: &Sweep) -> Option<String> {
    let open = sweep.open_runs();
    let runs = words::count(sweep.runs.len(), "run");
    let are = if open == 1 { "is" } else { "are" };
    (open > 0).then(|| format!("{open} of {runs} {are} still to be done and left out; what is said here may change."))
}

fn given_up(sweep: &Sweep) -> Option<String> {
    let ended = count(sweep, RunState::EndedEarly);
    let were = if ended == 1 { "run of a hopeless setting was" } else { "runs of hopeless settings were" };
    (ended > 0).then(|| format!("{ended} {were} ended early and left out."))
}

fn failed(sweep: &Sweep) -> Option<String> {
    let failed = count(sweep, RunState::Failed);
    let are = if failed == 1 { "is" } else { "are" };
    (failed > 0).then(|| format!("{failed} of {} failed and {are} left out.", words::count(sweep.runs.len(), "run")))
}

fn ranking(sweep: &Sweep, best: &Standing<'_>, standings: &[Standing<'_>]) -> String {
    let figure = format!(
        "{} {} over {}",
        words::metric(sweep.monitor),
        words::mean_and_spread(&best.scores),
        words::count(best.scores.len(), "run")
    );
    let label = best.cell.label(sweep);
    let others = standings.len() - 1;
    if others == 0 {
        return format!("One setting: {figure}.");
    }
    let highest = match sweep.monitor.direction() {
        Direction::Maximize => "Highest",
        Direction::Minimize => "Lowest",
    };
    let tested = standings.iter().filter(|standing| standing.p.is_some()).count();
    if tested == 0 {
        return format!(
            "{highest}: {label}, {figure}. It was scored on the same images and classes as another setting on fewer \
             than two splits, so nothing can be said to be better."
        );
    }
    let ties = standings[1..].iter().filter(|standing| standing.ties).count();
    let verdict = match ties {
        0 => format!(
            "it is better than {}",
            if others == 1 { "the other setting".into() } else { format!("all {others} others") }
        ),
        all if all == others => "no other setting can be told apart from it, so do not rank them".into(),
        some => format!("{some} of the {others} other settings cannot be told apart from it"),
    };
    format!("{highest} mean: {label}, {figure}; {verdict}.{}", lucky(sweep, best, standings))
}

/// The best of the settings that ended on a single split, where it seems better than the best of the others.
fn lucky(sweep: &Sweep, best: &Standing<'_>, standings: &[Standing<'_>]) -> String {
    let seems_better = |other: &&Standing<'_>| sweep.monitor.direction().improves(other.mean, best.mean, 0.0);
    let Some(other) = standings.iter().find(seems_better) else { return String::new() };
    format!(
        " {} has {} on one split alone, which may be its luck: it is ranked behind all others.",
        other.cell.label(sweep),
        words::score(other.mean)
    )
}

/// What the test images say of the best setting; where it was not evaluated on them, of the one that was last.
fn tested(sweep: &Sweep, best: &Standing<'_>) -> Option<String> {
    let is_best = |row: &&TestRow| best.cell.runs.iter().any(|run| run.name == row.run);
    let of_best = sweep.tests.iter().rfind(is_best);
    let told = of_best.or(sweep.tests.last())?;
    let of_look = sweep.tests.iter().filter(|row| row.look == told.look);
    let scores: Vec<f64> = of_look.filter_map(|row| row.dice_macro).collect();
    let looks = match sweep.tests.iter().map(|row| row.look).max() {
        None | Some(1) => "looked at once".into(),
        Some(looks) => format!("looked at {looks} times, which makes the best of them optimistic"),
    };
    let not_best = if of_best.is_none() { "; the best setting was not evaluated on them" } else { "" };
    Some(format!(
        "On the test images ({looks}): {}, Dice (macro) {} over {}{not_best}.",
        told.setting,
        words::mean_and_spread(&scores),
        words::count(scores.len(), "run")
    ))
}
