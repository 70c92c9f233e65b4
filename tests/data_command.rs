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
