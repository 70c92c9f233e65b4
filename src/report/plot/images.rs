//! Charts of single images and of splits, as rows.

use super::{
    rows::{Reach, Row, Rows},
    style,
};
use crate::{
    report::{
        Analysis,
        aggregate::Sweep,
        diagnose::Balance,
        evidence::{self, Evidence},
        labels::Labels,
        words,
    },
    statistics,
};

/// Each validation image's macro Dice, in the runs of the best setting.
pub fn strips(sweep: &Sweep, analysis: &Analysis<'_>) -> Option<Rows> {
    let best = analysis.standings.first()?;
    let of_best = |evidence: &&Evidence<'_>| best.cell.runs.iter().any(|run| run.name == evidence.run.name);
    let labels = Labels::of(sweep);
    let row = |evidence: &Evidence<'_>| {
        let points: Vec<f64> =
            evidence.val.iter().filter_map(|(_, counts)| evidence::macro_dice(sweep, counts)).collect();
        Row {
            label: labels.repetition(evidence.run),
            note: words::count(points.len(), "image"),
            mean: statistics::median(&points),
            points,
            color: style::series(0),
            ..Row::default()
        }
    };
    let of = if analysis.standings.len() > 1 {
        format!(" in the runs of the best setting ({})", best.cell.label(sweep))
    } else {
        String::new()
    };
    Rows {
        title: format!("Macro Dice of each validation image{of}; the bar is the median"),
        scale: "Dice (macro) of one image at the best epoch".into(),
        rows: analysis.evidence.iter().flatten().filter(of_best).map(row).collect(),
        height: 26.0,
        ..Rows::default()
    }
    .if_any()
}

/// Share of each class in train and in val for every split, against random splits of the same images.
pub fn balance(sweep: &Sweep, balances: &[Balance]) -> Option<Rows> {
    let background = sweep.background_index();
    let mut rows = Vec::new();
    for balance in balances {
        for (place, share) in balance.classes.iter().enumerate().filter(|(place, _)| Some(*place) != background) {
            rows.push(Row {
                label: format!("{}: {}", balance.split, sweep.classes[place]),
                note: format!("train {:.1} %", 100.0 * share.train),
                points: vec![100.0 * share.val],
                mean: Some(100.0 * share.train),
                interval: Some((100.0 * share.random.0, 100.0 * share.random.1)),
                color: style::class(place, background),
                opens_group: place == usize::from(background == Some(0)),
                ..Row::default()
            });
        }
    }
    Rows {
        title:
            "Share of each class: the dot is val, the bar is train, the line is where val lies in 95 % of random splits"
                .into(),
        scale: "share of the split's pixels (%)".into(),
        rows,
        legend: Some(("class".into(), style::class_legend(sweep))),
        height: 18.0,
        reach: Reach::FromZero,
        ..Rows::default()
    }
    .if_any()
}
