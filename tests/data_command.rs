//! `data audit` and ten lines of `[data]`, as a user meets them.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod data_support;

use std::{fs, path::Path, process::Command};

use data_support::{Folder, shared};

fn audit(arguments: &[&str], sweep: &Path) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sweepscope"));
    let output = command.args(["data", "audit"]).arg(sweep).args(arguments).env("NO_COLOR", "1").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_sandstone_originals_need_ten_lines() {
    let Some(original) = shared("sandstone-slices/original") else { return };
    let folder = tempfile::tempdir().unwrap();
    let colored = [
        ("pore", "color = \"#0000ff\""),
        ("clay", "color = \"#00ff00\""),
        ("quartz", "color = \"#ff0000\""),
        ("mineral", "color = \"#ffff00\""),
    ];
    let valued =
        [("pore", "value = 33"), ("clay", "value = 201"), ("quartz", "value = 231"), ("mineral", "value = 65")];
    for (sign, classes, slice) in [(".", colored, "Sandstone_Versa0100"), ("_", valued, "Sandstone_Versa0180")] {
        let class = |(name, what)| format!("  {{ name = \"{name}\", {what} }},\n");
        let text = format!(
            "[sweep]\nname = \"original\"\n[data]\nimages = {original:?}\nmasks = {original:?}\n\
             image_name = \"{{stem}}{sign}image\"\nmask_name = \"{{stem}}{sign}mask\"\nclasses = [\n{}]\n\
             [split]\nstrategy = \"file\"\nfile = \"split.csv\"\n[train]\nlearning_rate = 1e-3\n",
            classes.map(class).concat(),
        );
        fs::write(folder.path().join("sweep.toml"), text).unwrap();
        fs::write(folder.path().join("split.csv"), format!("image,split\n{slice}{sign}image,train\n")).unwrap();
        let (code, out, err) = audit(&[], &folder.path().join("sweep.toml"));
        // One slice alone cannot be split; that is the only failure.
        assert_eq!((code, err.as_str(), out.matches("fail: ").count()), (2, "", 1), "{out}");
        assert!(out.contains("1 image in 1 group") && out.contains("no image is val (split_impossible)"), "{out}");
    }
}

#[test]
fn an_audit_is_a_table_or_json_and_fails_where_training_would_be_in_vain() {
    let folder = Folder::new();
    (0..12).for_each(|i| {
        folder.pair(&format!("{i:02}"), [16, 16], move |x, y| u8::from(x > i) + u8::from(i == 3 && y < 2))
    });
    let text = "[sweep]\nname = \"x\"\n[data]\nimages = \"images\"\nmasks = \"masks\"\nclasses = [\"a\", \"b\", \"c\"]\n\
                [grid]\ninput_size = [16, 32]\nsplit_seed = [0, 1]\n";
    let sweep = folder.path("sweep.toml");
    fs::write(&sweep, text).unwrap();
    let (code, out, err) = audit(&["--json"], &sweep);
    assert_eq!((code, err.as_str()), (2, ""), "{out}");
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((found["images"].as_u64(), found["classes"][2]["images"].as_u64()), (Some(12), Some(1)));
    assert_eq!((found["splits"].as_array().unwrap().len(), found["sizes"].as_array().unwrap().len()), (2, 2));
    assert!(found["findings"].as_array().unwrap().iter().any(|of| of["rule"] == "class_missing_from_split"));
    let drawing = folder.path("audit.svg");
    let (_, out, _) = audit(&["--svg", drawing.to_str().unwrap()], &sweep);
    let drawn = fs::read_to_string(drawing).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.contains("Audit of 12 images") && !drawn.contains("<text"), "{drawn}");
    for part in ["12 images in 12 groups", "split seed 1: divergence", "input_size 32 x 32", "fail: split seed 0:"] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[test]
fn plan_begins_with_what_the_audit_says_of_the_splits() {
    let folder = Folder::new();
    (0..12).for_each(|i| folder.pair(&format!("{i:02}"), [16, 16], move |x, _| u8::from(x > i)));
    let text = "[sweep]\nname = \"x\"\n[data]\nimages = \"images\"\nmasks = \"masks\"\nclasses = [\"a\", \"b\"]\n\
                [grid]\nsplit_seed = [0, 1]\n[train]\nbatch_size = 2\n";
    let sweep = folder.path("sweep.toml");
    fs::write(&sweep, text).unwrap();
    let plan = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sweepscope"));
        let output = command.arg("plan").arg(&sweep).args(arguments).current_dir(folder.path("")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = plan(&[]);
    // 12 images of 16 columns, of which 15 - i are b: 114 of 192
    let all = shown.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(all, ["all", "12", "40.62", "12", "59.38", "12"], "{shown}");
    assert_eq!(shown.matches(" % of 1000").count(), 2, "{shown}");
    let planned: serde_json::Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    let (_, audited, _) = audit(&["--json"], &sweep);
    let audited: serde_json::Value = serde_json::from_str(&audited).unwrap();
    for seed in 0..2 {
        for figure in ["divergence", "divergence_percentile", "random_splits"] {
            assert_eq!(planned["data"]["splits"][seed][figure], audited["splits"][seed][figure], "{planned}");
        }
    }
}
