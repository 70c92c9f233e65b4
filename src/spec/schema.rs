//! Every key of the sweep file: what it may hold and what it is for. The one truth for checking and for help.

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number in the range.
    Whole(i64, i64),
    /// A number above 0.
    Positive,
    /// A number of 0 or more.
    NotNegative,
    /// A number from 0 to 1; the flag says whether 1 itself is allowed.
    Share(bool),
    /// true or false.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text that is not empty.
    Text,
    /// A folder that is there.
    Folder,
    /// A file that is there.
    File,
    /// Pixels: a whole number, or [height, width].
    Size,
    /// A figure such as `val_dice_macro`.
    Figure,
    /// Devices such as `cuda:0,1`.
    Devices,
    /// A whole number from 1, or "auto".
    CountOrAuto,
    /// Names, or tables with `name` and `value` or `color`.
    Classes,
    /// A list of names.
    Names,
    /// A time limit as Slurm writes it.
    TimeLimit,
    /// A list of options of sbatch.
    SbatchOptions,
    /// A list of numbers of 0 or more, or "balanced".
    Weights,
}

/// A key, what it may hold, and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted, as `train.epochs`.
    pub path: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Whether the grid may vary it.
    pub axis: bool,
}

const fn fixed(path: &'static str, kind: Kind) -> Key {
    Key { path, kind, axis: false }
}

const fn setting(path: &'static str, kind: Kind) -> Key {
    Key { path, kind, axis: true }
}

/// Whole numbers without an upper end that matters.
const MANY: i64 = 1_000_000_000;

/// Every key there is.
pub const KEYS: &[Key] = &[
    fixed("sweep.name", Kind::Text),
    fixed("sweep.monitor", Kind::Figure),
    fixed("sweep.order", Kind::Choice(&["replicates_first", "grid"])),
    fixed("data.synthetic", Kind::Switch),
    fixed("data.images", Kind::Folder),
    fixed("data.masks", Kind::Folder),
    fixed("data.classes", Kind::Classes),
    fixed("data.background", Kind::Text),
    setting("data.keep", Kind::Names),
    setting("data.input_size", Kind::Size),
    setting("data.input_mode", Kind::Choice(&["resize", "crop"])),
    setting("data.channels", Kind::Choice(&["auto", "grey", "rgb"])),
    setting("data.normalize", Kind::Choice(&["image", "dataset", "percentile"])),
    fixed("data.image_name", Kind::Text),
    fixed("data.mask_name", Kind::Text),
    fixed("data.mask_layout", Kind::Choice(&["file", "class_folders", "object_folders"])),
    fixed("data.instances", Kind::Switch),
    fixed("data.pairs.file", Kind::File),
    fixed("data.pairs.image", Kind::Text),
    fixed("data.pairs.mask", Kind::Text),
    fixed("data.color_tolerance", Kind::Whole(0, 255)),
    fixed("data.ignore_index", Kind::Whole(0, 65_535)),
    fixed("data.groups.file", Kind::File),
    fixed("data.groups.image", Kind::Text),
    fixed("data.groups.group", Kind::Text),
    setting("split.fractions.train", Kind::Share(true)),
    setting("split.fractions.val", Kind::Share(true)),
    setting("split.fractions.test", Kind::Share(true)),
    setting("split.strategy", Kind::Choice(&["stratified", "random", "file"])),
    setting("split.seed", Kind::Whole(0, i64::MAX)),
    fixed("split.file", Kind::File),
    fixed("split.folds", Kind::Whole(0, 1000)),
    setting("split.fold", Kind::Whole(0, 999)),
    fixed("split.allow_missing_class", Kind::Switch),
    setting("model.kind", Kind::Choice(&["unet"])),
    setting("model.depth", Kind::Whole(2, 8)),
    setting("model.base_width", Kind::Whole(1, 1024)),
    setting("model.norm", Kind::Choice(&["batch", "group"])),
    setting("model.bn_momentum", Kind::Share(false)),
    setting("model.dropout", Kind::Share(false)),
    setting("model.head", Kind::Choice(&["plain", "keras"])),
    setting("model.pretrained", Kind::File),
    setting("model.freeze", Kind::Text),
    setting("loss.kind", Kind::Choice(&["dice_ce", "dice", "dice_macro", "ce", "focal", "tversky"])),
    setting("loss.class_weights", Kind::Weights),
    setting("loss.focal_gamma", Kind::NotNegative),
    setting("loss.tversky_alpha", Kind::NotNegative),
    setting("loss.tversky_beta", Kind::NotNegative),
    setting("train.epochs", Kind::Whole(1, MANY)),
    setting("train.learning_rate", Kind::Positive),
    setting("train.batch_size", Kind::Whole(1, MANY)),
    setting("train.accumulate", Kind::Whole(1, MANY)),
    setting("train.optimizer", Kind::Choice(&["adam", "adamw", "sgd"])),
    setting("train.weight_decay", Kind::NotNegative),
    setting("train.momentum", Kind::Share(false)),
    setting("train.init_seed", Kind::Whole(0, i64::MAX)),
    setting("train.gradient_clip", Kind::NotNegative),
    setting("train.lr_schedule", Kind::Choice(&["constant", "cosine", "polynomial", "plateau"])),
    setting("train.warmup_epochs", Kind::Whole(0, MANY)),
    setting("train.plateau_factor", Kind::Share(false)),
    setting("train.plateau_patience", Kind::Whole(0, MANY)),
    fixed("train.checkpoint_every", Kind::Whole(1, MANY)),
    fixed("train.keep_epochs", Kind::Whole(1, MANY)),
    setting("train.precision", Kind::Choice(&["f32", "bf16"])),
    setting("train.early_stopping.monitor", Kind::Figure),
    setting("train.early_stopping.patience", Kind::Whole(0, MANY)),
    setting("train.early_stopping.min_delta", Kind::NotNegative),
    setting("train.early_stopping.restore_best", Kind::Switch),
    setting("train.early_stopping.start_epoch", Kind::Whole(1, MANY)),
    setting("augment.flip", Kind::Switch),
    setting("augment.rotate90", Kind::Switch),
    setting("augment.brightness", Kind::NotNegative),
    setting("augment.contrast", Kind::Share(false)),
    setting("augment.noise", Kind::NotNegative),
    setting("augment.rotate", Kind::NotNegative),
    setting("augment.scale", Kind::Share(false)),
    setting("augment.elastic", Kind::NotNegative),
    setting("augment.blur", Kind::NotNegative),
    fixed("trainer.command", Kind::Names),
    fixed("trainer.folder", Kind::Folder),
    fixed("schedule.devices", Kind::Devices),
    fixed("schedule.runs_per_device", Kind::CountOrAuto),
    fixed("schedule.threads", Kind::CountOrAuto),
    fixed("schedule.retries", Kind::Whole(0, 1000)),
    fixed("schedule.stall_timeout", Kind::NotNegative),
    fixed("schedule.grace", Kind::NotNegative),
    fixed("schedule.max_fails", Kind::Whole(0, MANY)),
    fixed("schedule.early_end.min_epochs", Kind::Whole(1, MANY)),
    fixed("schedule.early_end.reduction_factor", Kind::Whole(2, 1000)),
    fixed("schedule.early_end.confidence", Kind::Share(false)),
    fixed("slurm.partition", Kind::Text),
    fixed("slurm.account", Kind::Text),
    fixed("slurm.gres", Kind::Text),
    fixed("slurm.time", Kind::TimeLimit),
    fixed("slurm.constraint", Kind::Text),
    fixed("slurm.extra", Kind::SbatchOptions),
    fixed("slurm.max_parallel", Kind::Whole(1, MANY)),
    fixed("slurm.warning", Kind::Whole(1, 86_400)),
    fixed("slurm.poll", Kind::Positive),
    fixed("slurm.node_failures", Kind::Whole(0, MANY)),
];

/// Axes that the grid may name without their section.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("learning_rate", "train.learning_rate"),
    ("batch_size", "train.batch_size"),
    ("input_size", "data.input_size"),
    ("split_seed", "split.seed"),
];

/// Axes whose values are repetitions of one setting, not settings of their own.
pub const REPLICATES: [&str; 3] = ["split.seed", "split.fold", "train.init_seed"];

/// The dotted key behind an axis name.
pub fn full_name(axis: &str) -> &str {
    SHORT_NAMES.iter().find(|(short, _)| *short == axis).map_or(axis, |(_, full)| full)
}

/// The axis name of a dotted key: its short name if it has one.
pub fn short_name(key: &str) -> &str {
    SHORT_NAMES.iter().find(|(_, full)| *full == key).map_or(key, |(short, _)| short)
}

/// The key of that path.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether keys lie below `path`.
pub fn is_section(path: &str) -> bool {
    path.is_empty() || KEYS.iter().any(|key| below(key.path, path))
}

/// The next parts of the keys below `path`, for "did you mean".
pub fn children(path: &str) -> Vec<&'static str> {
    let skip = if path.is_empty() { 0 } else { path.len() + 1 };
    let mut names: Vec<_> = KEYS
        .iter()
        .filter(|key| path.is_empty() || below(key.path, path))
        .filter_map(|key| key.path[skip..].split('.').next())
        .collect();
    if path.is_empty() {
        names.extend(["grid", "zip", "exclude", "include"]);
    }
    names.dedup();
    names
}

/// Every name that an axis may have.
pub fn axis_names() -> Vec<&'static str> {
    let short = SHORT_NAMES.iter().map(|(short, _)| *short);
    short.chain(KEYS.iter().filter(|key| key.axis).map(|key| key.path)).collect()
}

fn below(key: &str, path: &str) -> bool {
    key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}
