//! An audit as one SVG page.

use crate::{
    data::audit::{Audit, ClassReport, SplitReport},
    report::{
        ReportError,
        plot::{Entry, Panel, Reach, page},
    },
};

/// What the notes of the splits mean.
const KS: [&str; 2] = [
    "In the splits the dot is the part's share of a class, the line where 95 % of random splits of the same sizes have it.",
    "KS: how far the images' shares of the class are spread otherwise than in train (Kolmogorov–Smirnov; 0: alike, 1: apart).",
];

/// The page: what to do something about, what each class has, how alike the splits are, what each input size costs.
pub fn svg(audit: &Audit, background: Option<usize>) -> Result<String, ReportError> {
    let mut panels = vec![classes(audit), components(audit)];
    panels.extend(audit.splits.iter().map(|report| split(audit, report)));
    panels.push(sizes(audit));
    let title = format!("Audit of {} images in {} groups", audit.images, audit.groups);
    let mut lines: Vec<String> =
        audit.findings.iter().map(|finding| format!("{}: {}", finding.severity.name(), finding.evidence)).collect();
    if lines.is_empty() {
        lines.push("nothing to complain of".into());
    }
    if !audit.splits.is_empty() {
        lines.extend(KS.map(str::to_owned));
    }
    Ok(page(&title, lines, panels, background)?.standalone())
}

fn classes(audit: &Audit) -> Panel {
    let entry = |(place, class): (usize, &ClassReport)| Entry {
        label: class.class.clone(),
        note: format!("{} images", class.images),
        value: Some(100.0 * class.share),
        class: place,
        ..Entry::default()
    };
    Panel {
        heading: format!("Classes of {} images", audit.images),
        scale: "share of the pixels, %".into(),
        reach: Reach::FromZero,
        entries: audit.classes.iter().enumerate().map(entry).collect(),
    }
}

fn components(audit: &Audit) -> Panel {
    let entry = |(place, class): (usize, &ClassReport)| {
        let [least, median, most] = class.component_sizes?.map(|pixels| (pixels as f64).log10());
        Some(Entry {
            label: class.class.clone(),
            note: format!("{} components", class.components),
            value: Some(median),
            interval: Some((least, most)),
            class: place,
            ..Entry::default()
        })
    };
    Panel {
        heading: "Connected components: smallest, median and largest".into(),
        scale: "pixels of a component".into(),
        reach: Reach::Powers,
        entries: audit.classes.iter().enumerate().filter_map(entry).collect(),
    }
}

fn split(audit: &Audit, report: &SplitReport) -> Panel {
    let mut entries = Vec::new();
    for (place, class) in audit.classes.iter().enumerate() {
        for (nth, part) in report.parts.iter().enumerate() {
            let of = &part.classes[place];
            let against = |share: f64| share / class.share;
            let distance = of.distance.map_or(String::new(), |distance| format!(" (KS {distance:.2})"));
            entries.push(Entry {
                label: format!("{}, {}{distance}", class.class, part.split),
                note: format!("{} images", of.images),
                value: of.share.filter(|_| class.share > 0.0).map(against),
                interval: of
                    .random_shares
                    .filter(|_| class.share > 0.0)
                    .map(|(low, high)| (against(low), against(high))),
                class: place,
                opens_group: nth == 0 && place > 0,
            });
        }
    }
    let fold = report.fold.map_or(String::new(), |fold| format!(", fold {fold}"));
    let closer = 100.0 * report.likeness.divergence_percentile;
    Panel {
        heading: format!("Split seed {}{fold}: {closer:.0} % of random splits are more alike", report.seed),
        scale: "share of the class against that of all images; 1: alike".into(),
        reach: Reach::Around(1.0),
        entries,
    }
}

fn sizes(audit: &Audit) -> Panel {
    let mut entries = Vec::new();
    for (nth, report) in audit.sizes.iter().enumerate() {
        for (place, class) in report.classes.iter().enumerate() {
            let [height, width] = report.input_size;
            let lost = class.components_lost.map_or(String::new(), |lost| format!("{:.0} % lost", 100.0 * lost));
            entries.push(Entry {
                label: format!("{height} x {width}, {}", class.class),
                note: lost,
                value: class.ceiling,
                class: place,
                opens_group: place == 0 && nth > 0,
                ..Entry::default()
            });
        }
    }
    let heading = "What a perfect model could reach at each input size, and the components that vanish".into();
    Panel { heading, scale: "Dice".into(), reach: Reach::FromZero, entries }
}
