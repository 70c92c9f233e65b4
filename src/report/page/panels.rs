//! The example images that the page shows of a run.

use std::fs;

use crate::{
    domain::palette,
    report::{
        aggregate::{Run, Sweep},
        evidence::{self, Evidence},
    },
    store::SweepDir,
};

/// Example images, and the colour of each class in them.
#[derive(Default)]
pub struct Panels {
    /// From the worst to the best.
    pub panels: Vec<PanelView>,
    /// Class and colour.
    pub legend: Vec<(String, String)>,
}

/// A picture beside the page.
pub struct PanelView {
    /// Its address.
    pub path: String,
    /// Which image it shows, and how well that is predicted.
    pub caption: String,
}

impl Panels {
    /// Those of a run.
    pub fn of(sweep: &SweepDir, data: &Sweep, run: &Run, evidence: Option<&Evidence<'_>>) -> Self {
        let Ok(entries) = fs::read_dir(sweep.run(&run.name).panels()) else { return Self::default() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".png"))
            .collect();
        names.sort_by(|a, b| place(a).cmp(&place(b)).then(a.cmp(b)));
        let view = |name: String| PanelView {
            path: format!("../runs/{}/panels/{}", url(&run.name), url(&name)),
            caption: caption(name.trim_end_matches(".png"), data, evidence),
        };
        let panels: Vec<PanelView> = names.into_iter().map(view).collect();
        let legend = if panels.is_empty() { Vec::new() } else { legend(data) };
        Self { panels, legend }
    }

    /// The first alone: the worst image.
    pub fn worst(mut self) -> Self {
        self.panels.truncate(1);
        self
    }
}

/// How a file's name begins, and what its image is.
const KINDS: [(&str, &str); 3] = [("worst-", "Worst image"), ("middle-", "Median image"), ("best-", "Best image")];

fn place(name: &str) -> usize {
    KINDS.iter().position(|(start, _)| name.starts_with(start)).unwrap_or(KINDS.len())
}

/// `Worst image: field-031, Dice 0.71`.
fn caption(name: &str, data: &Sweep, evidence: Option<&Evidence<'_>>) -> String {
    let kind = KINDS.iter().find_map(|(start, kind)| Some((kind, name.strip_prefix(start)?)));
    let Some((kind, stem)) = kind else { return name.to_owned() };
    // A panel is named after its image without the ending and with no folders.
    let is_it = |image: &str| image.rsplit_once('.').map_or(image, |(stem, _)| stem).replace('/', "_") == stem;
    let counts = evidence.and_then(|evidence| evidence.val.iter().find(|(image, _)| is_it(image)));
    let dice = counts.and_then(|(_, counts)| evidence::macro_dice(data, counts));
    format!("{kind}: {stem}{}", dice.map(|dice| format!(", Dice {dice:.2}")).unwrap_or_default())
}

fn legend(data: &Sweep) -> Vec<(String, String)> {
    let background = data.background_index();
    let entry = |(index, class): (usize, &String)| {
        let [r, g, b] = palette::class(index, background);
        (class.clone(), format!("#{r:02x}{g:02x}{b:02x}"))
    };
    data.classes.iter().enumerate().map(entry).collect()
}

/// A file name as part of an address.
pub fn url(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
