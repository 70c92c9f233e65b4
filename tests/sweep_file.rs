//! The sweep file as its user meets it: what is read, and what is said of a broken one.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::{collections::HashSet, path::Path};

use serde_json::json;
use sweepscope::{
    domain::{Precision, RunConfig, RunId},
    grid::{self, Cell},
    spec::{Problems, SweepSpec, schema},
};

const DATA: &str = r#"
[data]
images = "."
masks = "."
classes = ["background", "cell", "fibre"]
background = "background"
"#;

fn read(text: &str, overrides: &[&str]) -> Result<(SweepSpec, Vec<Cell>), Problems> {
    let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
    let spec = SweepSpec::parse(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sweep.toml"), text, &overrides)?;
    let cells = grid::expand(&spec)?;
    Ok((spec, cells))
}

fn lines(problems: &Problems) -> Vec<(usize, String)> {
    problems.0.iter().map(|problem| (problem.line().map_or(0, |(_, line)| line), problem.message.clone())).collect()
}

fn axes(cells: &[Cell]) -> Vec<String> {
    let text =
        |cell: &Cell| cell.axes.iter().map(|(axis, value)| format!("{axis}={value}")).collect::<Vec<_>>().join(" ");
    cells.iter().map(text).collect()
}

#[test]
fn a_grid_too_large_to_be_listed_is_refused() {
    let axis = |key: &str| format!("\"{key}\" = {:?}\n", (1..=101).collect::<Vec<_>>());
    let grid = format!("[grid]\n{}{}{}", axis("split_seed"), axis("train.init_seed"), axis("batch_size"));
    let problems = read(&format!("{DATA}{grid}"), &[]).unwrap_err();
    assert!(problems.0.len() == 1 && problems.to_string().contains("1030301 cells"), "{problems}");
}

#[test]
fn what_slurm_is_to_be_told_is_checked_like_every_other_section() {
    let text = format!(
        "{DATA}[slurm]\npartition = \"gpu\"\ntime = \"2 hours\"\nextra = [\"--mem=8G\", \"--array=0-3\"]\nmax_paralel = 4\n"
    );
    let problems = read(&text, &[]).unwrap_err();
    let expected = [
        (9, "`slurm.time` cannot be \"2 hours\""),
        (10, "`slurm.extra` has --array, which sweepscope sets"),
        (11, "unknown key `max_paralel` in [slurm]"),
    ];
    let found = lines(&problems);
    assert_eq!(found.len(), expected.len(), "{problems}");
    for ((line, message), (expected_line, part)) in found.iter().zip(expected) {
        assert!(*line == expected_line && message.contains(part), "{line}: {message} should contain {part}");
    }
    assert!(problems.to_string().contains("did you mean `max_parallel`?"), "{problems}");
    let (spec, cells) = read(&format!("{DATA}[slurm]\ngres = \"gpu:1\"\ntime = \"1-12\"\n"), &[]).unwrap();
    assert_eq!(spec.slurm.unwrap().time.as_deref(), Some("1-12"));
    // It is no part of what a run is.
    let (_, bare) = read(DATA, &[]).unwrap();
    assert_eq!(cells[0].canonical, bare[0].canonical);
}

#[test]
fn every_problem_of_a_file_is_reported_at_once_with_its_line_and_the_nearest_key() {
    let text = r#"
[data]
images = "no/such/folder"
masks = "."
classes = ["background", "cell"]
backgroud = "background"
[grid]
learning_rate = []
batch_size = [4, -1]
input_size = [64, 64]
"loss.kind" = ["dise"]
[train]
epochs = "ten"
"#;
    let problems = read(text, &[]).unwrap_err();
    let found = lines(&problems);
    let expected = [
        (3, "names a folder that is not there"),
        (6, "unknown key `backgroud` in [data]"),
        (8, "the axis `learning_rate` is empty"),
        (9, "must be at least 1, but is -1"),
        (11, "did you mean `dice`?"),
        (13, "`train.epochs` must be a whole number, but is text"),
    ];
    assert_eq!(found.len(), expected.len(), "{problems}");
    for ((line, message), (expected_line, part)) in found.iter().zip(expected) {
        assert_eq!(*line, expected_line, "{message}");
        assert!(message.contains(part), "{message} should contain {part}");
    }
    let shown = problems.to_string();
    assert!(shown.contains("did you mean `background`?"), "{shown}");
    assert!(shown.contains("sweep.toml:6:1"), "{shown}");
}

#[test]
fn a_cell_that_occurs_twice_is_refused_where_it_stands() {
    let twice = format!("{DATA}[grid]\nlearning_rate = [1e-3, 0.001]\n");
    let problems = read(&twice, &[]).unwrap_err();
    assert_eq!(lines(&problems)[0].0, 8, "{problems}");
    assert!(problems.to_string().contains("the axis learning_rate has 0.001 twice"), "{problems}");
    let both = format!("{DATA}[grid]\nlearning_rate = [1e-3, 1e-4, 1e-4]\nsplit_seed = [0, 0, 1]\n");
    assert_eq!(lines(&read(&both, &[]).unwrap_err()).len(), 2, "each axis once");
    let included = format!("{DATA}[grid]\nbatch_size = [4]\n[[include]]\nbatch_size = 4\n");
    assert!(read(&included, &[]).unwrap_err().to_string().contains("batch_size=4 occurs twice"));
}

#[test]
fn a_syntax_error_names_its_line() {
    let problems = read("[data]\nimages = \n", &[]).unwrap_err();
    assert_eq!(lines(&problems)[0].0, 2, "{problems}");
}

#[test]
fn what_must_be_there_is_asked_for() {
    let problems = read("[sweep]\nname = \"x\"\n", &[]).unwrap_err().to_string();
    assert!(problems.contains("has no [data] section"), "{problems}");
    let problems = read("[data]\nimages = \".\"\n", &[]).unwrap_err().to_string();
    assert!(problems.contains("[data] has no `masks`") && problems.contains("[data] has no `classes`"), "{problems}");
}

#[test]
fn the_grid_is_the_product_with_the_last_axis_fastest_and_replicates_first() {
    let text = format!("{DATA}[grid]\nsplit_seed = [5, 3]\nlearning_rate = [1e-3, 1e-4]\nbatch_size = [4, 8]\n");
    let (_, cells) = read(&text, &[]).unwrap();
    let expected: Vec<String> = [5, 3]
        .iter()
        .flat_map(|seed| {
            [(0.001, 4), (0.001, 8), (0.0001, 4), (0.0001, 8)]
                .map(|(rate, batch)| format!("split_seed={seed} learning_rate={rate} batch_size={batch}"))
        })
        .collect();
    assert_eq!(axes(&cells), expected);
    let late = text.replace("split_seed = [5, 3]\n", "") + "split_seed = [5, 3]\n";
    let (_, replicates_first) = read(&late, &[]).unwrap();
    assert!(replicates_first[..4].iter().all(|cell| cell.config.split.seed == 5));
    let (_, as_written) = read(&format!("[sweep]\norder = \"grid\"\n{late}"), &[]).unwrap();
    assert_eq!(as_written[1].config.split.seed, 3);
    let settings: HashSet<_> = cells.iter().map(|cell| &cell.setting).collect();
    assert_eq!(settings.len(), 4, "seeds are no part of a setting");
}

#[test]
fn zip_exclude_and_include_shape_the_grid() {
    let text = format!(
        "{DATA}[grid]\nlearning_rate = [1e-3, 1e-4]\n[[zip]]\nbatch_size = [16, 4]\ninput_size = [64, 128]\n\
         [[exclude]]\nlearning_rate = 1e-3\nbatch_size = 4\n[[include]]\nlearning_rate = 1e-5\nbatch_size = 2\n"
    );
    let (_, cells) = read(&text, &[]).unwrap();
    assert_eq!(
        axes(&cells),
        [
            "learning_rate=0.001 batch_size=16 input_size=64",
            "learning_rate=0.0001 batch_size=16 input_size=64",
            "learning_rate=0.0001 batch_size=4 input_size=128",
            "learning_rate=0.00001 batch_size=2 input_size=128",
        ]
    );
    let uneven = text.replace("[16, 4]", "[16, 4, 2]");
    assert!(read(&uneven, &[]).unwrap_err().to_string().contains("move together"));
    let no_axis = text.replace("[[exclude]]", "[[exclude]]\n\"loss.kind\" = \"dice\"");
    assert!(read(&no_axis, &[]).unwrap_err().to_string().contains("not an axis of this sweep"));
}

#[test]
fn overrides_follow_hydra() {
    let text = format!("{DATA}[grid]\nlearning_rate = [1e-3]\nbatch_size = [4, 8]\n[train]\nepochs = 3\n");
    let overrides = [
        "train.epochs=5",
        "grid.learning_rate=1e-4,1e-5",
        "~grid.batch_size",
        "grid.loss.kind=dice,ce",
        "model.norm=group",
    ];
    let (_, cells) = read(&text, &overrides).unwrap();
    assert_eq!(cells.len(), 4);
    assert_eq!(cells[0].config.train.epochs, 5);
    assert_eq!(cells[0].axes[0], ("learning_rate".into(), json!(1e-4)));
    assert_eq!(cells[1].axes[1], ("loss.kind".into(), json!("ce")));
    let hidden = read(&text, &["learning_rate=1"]).unwrap_err().to_string();
    assert!(hidden.contains("is an axis of the grid") && hidden.contains("grid.learning_rate=1"), "{hidden}");
    let unknown = read(&text, &["train.epoch=5", "~grid.nothing", "train"]).unwrap_err();
    assert_eq!(unknown.0.len(), 3, "{unknown}");
    assert!(unknown.to_string().contains("did you mean `epochs`?"), "{unknown}");
}

#[test]
fn the_resolved_file_reads_back_as_the_same_grid() {
    let text = format!(
        "{DATA}[grid]\nsplit_seed = [0, 1]\nlearning_rate = [1e-3]\n[[zip]]\nbatch_size = [16, 4]\ninput_size = [64, [128, 64]]\n\
         [[include]]\nlearning_rate = 1e-5\n[train]\nearly_stopping = {{ patience = 3 }}\n"
    );
    let (spec, cells) = read(&text, &["train.epochs=7"]).unwrap();
    let (_, again) = read(&spec.resolved, &[]).unwrap();
    assert_eq!(cells, again);
    for cell in cells {
        let id = RunId::of(&cell.config, "data");
        assert_eq!(RunId::of_canonical(&cell.canonical, "data"), id, "sections read apart name the same run");
    }
}

#[test]
fn combinations_that_cannot_be_trained_are_named() {
    let text = format!("{DATA}[grid]\ninput_size = [64, 100]\n[split]\nfractions = {{ train = 0.9, val = 0.2 }}\n");
    let problems = read(&text, &[]).unwrap_err();
    let shown = problems.to_string();
    assert!(shown.contains("100 × 100 is not a multiple of 16"), "{shown}");
    assert!(shown.contains("try 96 × 96"), "{shown}");
    assert!(shown.contains("sum to 1"), "{shown}");
    assert_eq!(problems.0.len(), 2, "{shown}");
}

#[test]
fn repetitions_that_repeat_nothing_and_weights_that_teach_nothing_are_named() {
    let refused = |sections: &str| read(&format!("{DATA}{sections}"), &[]).unwrap_err().to_string();
    assert!(refused("[grid]\n\"split.fold\" = [0, 1, 4]\n").contains("set split.folds = 5 or more"));
    assert!(refused("[split]\nfolds = 4\nfold = 4\n").contains("set it to 0 … 3"));
    let from_file = "[split]\nstrategy = \"file\"\nfile = \"Cargo.toml\"\n[grid]\nsplit_seed = [0, 1]\n";
    assert!(refused(from_file).contains("split.seed changes nothing"));
    assert!(refused("[grid]\n\"data.keep\" = [[\"cell\"], [\"cel\"]]\n").contains("names \"cel\""));
    assert!(refused("[loss]\nclass_weights = [0, 0, 0.0]\n").contains("all 0"));
    assert!(refused("ignore_index = 255\nmask_layout = \"class_folders\"\n").contains("tell classes by folder"));
    let losses = "[sweep]\nmonitor = \"val_loss\"\n[grid]\n\"loss.kind\" = [\"dice\", \"ce\"]\n";
    assert!(refused(losses).contains("whose values do not compare"));
    let (_, cells) = read(&format!("{DATA}[split]\nfolds = 3\n[grid]\n\"split.fold\" = [0, 1, 2]\n"), &[]).unwrap();
    assert_eq!(cells.len(), 3);
}

#[test]
fn settings_that_the_built_in_trainer_can_make_nothing_of_are_named() {
    let of = |sections: &str| read(&format!("{DATA}{sections}"), &[]).map(|(_, cells)| cells.len());
    let refused = |sections: &str| of(sections).unwrap_err().to_string();
    let one = "[model]\ndepth = 4\n[grid]\nbatch_size = [1, 2]\ninput_size = [8, 16]\n";
    assert!(refused(one).contains("has one value a channel"));
    assert_eq!(of(&one.replace("[model]", "[model]\nnorm = \"group\"")).unwrap(), 4);
    assert_eq!(of(&one.replace("[8, 16]", "[[8, 16], 16]")).unwrap(), 4);
    let decay = "[grid]\n\"train.optimizer\" = [\"adam\", \"adamw\"]\n";
    assert!(refused(decay).contains("set train.weight_decay"));
    assert_eq!(of(&format!("{decay}[train]\nweight_decay = 0.01\n")).unwrap(), 2);
    let turns = "[augment]\nrotate90 = true\n[grid]\ninput_size = [64, [64, 128]]\n";
    assert!(refused(turns).contains("64 × 128: not square"));
    for sections in [one, decay, turns] {
        assert!(of(&format!("{sections}[trainer]\ncommand = [\"true\"]\n")).is_ok(), "{sections}");
    }
}

#[test]
fn half_precision_is_refused_where_the_file_says_that_runs_go_to_the_cpu() {
    let text = format!("{DATA}[grid]\n\"train.precision\" = [\"f32\", \"bf16\"]\n[schedule]\ndevices = \"cpu\"\n");
    let shown = read(&text, &[]).unwrap_err().to_string();
    assert!(shown.contains("needs a GPU") && shown.contains("train.precision"), "{shown}");
    let (_, cells) = read(&text, &["schedule.devices=cuda"]).unwrap();
    assert_eq!(cells[1].config.train.precision, Precision::Bf16);
}

#[test]
fn watching_a_training_figure_is_allowed_with_a_warning() {
    let text = format!("{DATA}[train]\nearly_stopping = {{ monitor = \"train_accuracy\" }}\n");
    let (spec, _) = read(&text, &[]).unwrap();
    assert!(spec.warnings.render(true, false).contains("train_accuracy"));
    let wrong = text.replace("train_accuracy", "val_dise");
    assert!(read(&wrong, &[]).unwrap_err().to_string().contains("val_dice_macro"));
}

/// The table of keys and the settings that serde reads are two lists of one thing.
#[test]
fn every_key_of_the_table_is_a_setting_and_every_setting_is_in_the_table() {
    let mut config = RunConfig::default();
    config.data.background = Some("b".into());
    config.data.ignore_index = Some(9);
    config.data.groups = Some(sweepscope::domain::Groups { file: "f".into(), image: "i".into(), group: "g".into() });
    config.data.pairs = Some(sweepscope::domain::Pairs { file: "f".into(), image: "i".into(), mask: "m".into() });
    config.trainer = Some(Default::default());
    config.split.file = Some("f".into());
    config.model.pretrained = Some("f".into());
    config.model.freeze = Some("f".into());
    config.train.early_stopping = Some(Default::default());
    config.train.keep_epochs = Some(10);
    let mut settings = HashSet::new();
    collect("", &serde_json::to_value(&config).unwrap(), &mut settings);
    let not_of_a_run = |path: &str| {
        ["sweep.", "schedule.", "slurm."].iter().any(|section| path.starts_with(section)) || path == "data.synthetic"
    };
    let keys: HashSet<String> =
        schema::KEYS.iter().map(|key| key.path.to_owned()).filter(|path| !not_of_a_run(path)).collect();
    settings.remove("monitor");
    let missing: Vec<_> = settings.symmetric_difference(&keys).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn collect(path: &str, value: &serde_json::Value, into: &mut HashSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                collect(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value, into);
            }
        }
        _ => drop(into.insert(path.to_owned())),
    }
}
