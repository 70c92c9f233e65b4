//! The result in plain words: what is best, what the pooled score hides, whether the curves can be trusted, and how
//! much the split decides.

mod classes;
mod splits;

use super::{Analysis, aggregate::Sweep, standings::Standing, words};
use crate::domain::{Direction, RunState};

/// A line each: how far the sweep is, the ranking, the test images where they were looked at, what the pooled score
/// hides, whether the validation curves jump, what stratified splits change, what moves the score.
pub fn lines(sweep: &Sweep, analysis: &Analysis<'_>) -> Vec<String> {
    let Some(best) = analysis.standings.first() else {
        let failed = sweep.runs.iter().filter(|run| run.state.state == RunState::Failed).count();
        return vec![format!("No run has a score yet: {}, {failed} failed.", words::count(sweep.runs.len(), "run"))];
    };
    let lines = [
        under_way(sweep),
        Some(ranking(sweep, best, &analysis.standings)),
        tested(sweep),
        classes::hidden(sweep),
        splits::jumping(analysis),
        splits::stratified(sweep, &analysis.balances),
        splits::spread(sweep),
    ];
    lines.into_iter().flatten().collect()
}

fn under_way(sweep: &Sweep) -> Option<String> {
    let open = sweep.open_runs();
    let runs = words::count(sweep.runs.len(), "run");
    (open > 0).then(|| format!("{open} of {runs} are still to be done; what is said here may change."))
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
    let tested = standings.iter().filter(|standing| standing.p.is_some()).count();
    if tested == 0 {
        return format!(
            "Highest: {label}, {figure}. No two splits are shared by two settings, so nothing can be said to be better."
        )
        .replace("Highest", highest(sweep));
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
    format!("{} mean: {label}, {figure}; {verdict}.", highest(sweep))
}

fn tested(sweep: &Sweep) -> Option<String> {
    let last = sweep.tests.last()?;
    let of_look = sweep.tests.iter().filter(|row| row.look == last.look);
    let scores: Vec<f64> = of_look.filter_map(|row| row.dice_macro).collect();
    let looks = match last.look {
        1 => "looked at once".into(),
        looks => format!("looked at {looks} times, which makes the best of them optimistic"),
    };
    Some(format!(
        "On the test images ({looks}): {}, Dice (macro) {} over {}.",
        last.setting,
        words::mean_and_spread(&scores),
        words::count(scores.len(), "run")
    ))
}

fn highest(sweep: &Sweep) -> &'static str {
    match sweep.monitor.direction() {
        Direction::Maximize => "Highest",
        Direction::Minimize => "Lowest",
    }
}
