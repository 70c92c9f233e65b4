//! The audit: figures against hand-made masks, NumPy and the real tiles; leaks and lost structures are found.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say what it saw")]

mod data_support;

use std::{fs, process::Command};

use data_support::{Folder, sandstone_tiles};
use sweepscope::{
    data::{
        Dataset,
        audit::{Audit, Doubt, audit},
    },
    domain::{Severity, SplitConfig, SplitStrategy},
};

fn rules(audit: &Audit) -> Vec<(&'static str, Severity)> {
    audit.findings.iter().map(|finding| (finding.rule, finding.severity)).collect()
}

#[test]
fn the_sandstone_audit_agrees_with_numpy_and_flags_splitting_by_tile() {
    let Some(mut config) = sandstone_tiles() else { return };
    let dataset = Dataset::open(&config).unwrap();
    let split = SplitConfig::default();
    let grouped = audit(&dataset, std::slice::from_ref(&split), &[[64, 64]], true).unwrap();
    assert_eq!((grouped.images, grouped.groups), (316, 10));
    let images: Vec<usize> = grouped.classes.iter().map(|class| class.images).collect();
    assert_eq!(images, [316, 315, 316, 243]);
    assert!(grouped.splits[0].likeness.divergence_percentile < 0.05, "{:?}", grouped.splits[0]);
    assert!(rules(&grouped).iter().all(|(rule, _)| *rule != "leak_risk"), "{:?}", grouped.findings);
    config.groups = None;
    let by_tile = audit(&Dataset::open(&config).unwrap(), &[split], &[], false).unwrap();
    assert!(rules(&by_tile).contains(&("leak_risk", Severity::Warn)), "{:?}", by_tile.findings);
    // An independent count: scipy's rule of 8 neighbours, written with NumPy alone.
    let python = std::env::var("SWEEPSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/audit.py");
    let Some(output) =
        Command::new(&python).arg(script).arg(&config.masks).output().ok().filter(|o| o.status.success())
    else {
        println!("skipped: {python} with numpy and Pillow is not there");
        return;
    };
    let counted: Vec<[u64; 4]> = serde_json::from_slice(&output.stdout).unwrap();
    for ((class, lost), counted) in grouped.classes.iter().zip(&grouped.sizes[0].classes).zip(counted) {
        let pixels_lost = (lost.pixels_lost.unwrap() * class.pixels as f64).round() as u64;
        let [pixels, components, largest, lost] = counted;
        assert_eq!(
            [class.pixels, class.components as u64, class.component_sizes.unwrap()[2], pixels_lost],
            [pixels, components, largest, lost]
        );
    }
}

#[test]
fn copies_empty_images_and_lost_structures_are_found() {
    let folder = Folder::new();
    // A thin vertical line at an even column vanishes when the width is halved (the centre of 2j+1 is taken).
    (0..10).for_each(|i| {
        folder.pair(&format!("{i}"), [16, 16], move |x, y| {
            u8::from(x == 4) * u8::from(i > 1) + 2 * u8::from(y > 13 && x > 8)
        })
    });
    let noise = |seed: u32| {
        image::GrayImage::from_fn(16, 16, move |x, y| {
            image::Luma([((x * 37 + y * 91 + seed * 57) * (x + seed) * (y + 3)) as u8])
        })
    };
    (0..10).for_each(|i| noise(i * i).save(folder.path(&format!("images/{i}.png"))).unwrap());
    fs::copy(folder.path("images/3.png"), folder.path("images/4.png")).unwrap();
    image::open(folder.path("images/3.png")).unwrap().save(folder.path("images/5.bmp")).unwrap();
    fs::remove_file(folder.path("images/5.png")).unwrap();
    image::GrayImage::from_pixel(16, 16, image::Luma([9])).save(folder.path("images/6.png")).unwrap();
    let mut config = folder.config(&["rest", "line", "block", "never"]);
    config.background = Some("rest".into());
    let dataset = Dataset::open(&config).unwrap();
    let split = SplitConfig { strategy: SplitStrategy::Random, ..SplitConfig::default() };
    let found = audit(&dataset, &[split], &[[8, 8], [16, 16]], false).unwrap();
    let exact: Vec<_> =
        found.duplicates.iter().filter(|of| of.exact).map(|of| (of.image.as_str(), of.other.as_str())).collect();
    assert_eq!(exact, [("3.png", "4.png"), ("3.png", "5.bmp"), ("4.png", "5.bmp")]);
    assert_eq!(
        found.doubtful.iter().map(|of| (of.image.as_str(), of.doubt)).collect::<Vec<_>>(),
        [("6.png", Doubt::Constant)]
    );
    let [half, whole] = found.sizes.as_slice() else { unreachable!() };
    assert_eq!(
        (half.classes[1].pixels_lost, half.classes[1].components_lost, half.classes[1].ceiling),
        (Some(1.0), Some(1.0), Some(0.0))
    );
    assert_eq!((whole.classes[1].pixels_lost, whole.classes[1].ceiling), (Some(0.0), Some(1.0)));
    assert_eq!((half.classes[3].ceiling, half.classes[3].pixels_lost), (None, None));
    let rules = rules(&found);
    for rule in
        [("class_absent", Severity::Fail), ("resizing_destroys", Severity::Warn), ("doubtful_images", Severity::Warn)]
    {
        assert!(rules.contains(&rule), "{rule:?}: {rules:?}");
    }
}

#[test]
fn a_copy_in_another_split_is_a_leak() {
    let folder = Folder::new();
    (0..8).for_each(|i| folder.pair(&format!("{i}"), [8, 8], move |x, _| u8::from(x > i)));
    let dataset = Dataset::open(&folder.config(&["a", "b"])).unwrap();
    let found =
        audit(&dataset, &[SplitConfig { allow_missing_class: true, ..SplitConfig::default() }], &[], false).unwrap();
    assert!(rules(&found).contains(&("leak", Severity::Fail)), "{:?}", found.findings);
}
