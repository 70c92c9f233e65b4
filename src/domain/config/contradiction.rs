//! Settings that are valid one by one and impossible together.

use super::{ClassWeights, InputSize, MaskLayout, Norm, Optimizer, Precision, RunConfig, SplitConfig, SplitStrategy};

/// Why a run cannot be trained, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The dotted key to change.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

impl RunConfig {
    /// Every contradiction. `classes` is how many the network tells apart; `None` where that is not known yet.
    pub fn contradictions(&self, classes: Option<usize>) -> Vec<Contradiction> {
        let of_classes =
            [self.unknown_class(), self.idle_ignored_value(), classes.and_then(|n| self.uneven_weights(n))];
        // What an outside trainer makes of its settings is not known.
        let built_in = [self.norm_of_one_value(), self.idle_decay(), self.idle_turns()];
        let of_trainer = if self.trainer.is_none() { built_in } else { [None, None, None] };
        self.indivisible_input()
            .into_iter()
            .chain(self.split.contradictions())
            .chain(of_classes.into_iter().chain(of_trainer).flatten())
            .collect()
    }

    /// Whether half precision is asked for where there is no GPU to compute with it. An outside trainer may do as it
    /// likes.
    pub fn wrong_precision(&self, on_gpu: bool) -> Option<Contradiction> {
        let wrong = self.train.precision == Precision::Bf16 && !on_gpu && self.trainer.is_none();
        wrong.then(|| Contradiction {
            key: "train.precision",
            message: "train.precision \"bf16\" needs a GPU, and these runs train on the CPU".into(),
            help: "set train.precision = \"f32\", or give GPUs by --devices cuda".into(),
        })
    }

    fn indivisible_input(&self) -> Option<Contradiction> {
        let depth = self.model.depth;
        let step = 1usize << (depth - 1).min(31);
        let InputSize(sides @ [height, width]) = self.data.input_size;
        let wrong = sides.iter().any(|side| *side == 0 || side % step != 0);
        let near = |side: usize| ((side + step / 2) / step * step).max(step);
        wrong.then(|| Contradiction {
            key: "data.input_size",
            message: format!(
                "input_size {height} × {width} is not a multiple of {step}, which model.depth {depth} halves it by"
            ),
            help: format!("try {} × {}, or a smaller model.depth", near(height), near(width)),
        })
    }

    /// A value less its own mean is 0 whatever the image, and its running variance goes to 0.
    fn norm_of_one_value(&self) -> Option<Contradiction> {
        let InputSize([height, width]) = self.data.input_size;
        let of_one = [height, width] == [1 << (self.model.depth - 1).min(31); 2] && self.train.batch_size == 1;
        (of_one && self.model.norm == Norm::Batch).then(|| Contradiction {
            key: "model.norm",
            message: format!(
                "model.norm \"batch\" has one value a channel to normalise where batch_size is 1 and model.depth {} \
                 makes {height} × {width} pixels one",
                self.model.depth
            ),
            help: "set model.norm = \"group\", a larger batch_size or input_size, or a smaller model.depth".into(),
        })
    }

    fn idle_decay(&self) -> Option<Contradiction> {
        let idle = self.train.optimizer == Optimizer::Adamw && self.train.weight_decay == 0.0;
        idle.then(|| Contradiction {
            key: "train.optimizer",
            message: "train.optimizer \"adamw\" without train.weight_decay is \"adam\"".into(),
            help: "set train.weight_decay (PyTorch's AdamW has 0.01, Keras's 0.004), or optimizer = \"adam\"".into(),
        })
    }

    fn idle_turns(&self) -> Option<Contradiction> {
        let InputSize([height, width]) = self.data.input_size;
        (self.augment.rotate90 && height != width).then(|| Contradiction {
            key: "augment.rotate90",
            message: format!("augment.rotate90 changes nothing where input_size is {height} × {width}: not square"),
            help: "leave it out, or give a square input_size; augment.rotate turns images of any size".into(),
        })
    }

    fn unknown_class(&self) -> Option<Contradiction> {
        let names: Vec<&str> = self.data.classes.iter().map(|class| class.name.as_str()).collect();
        let unknown = self.data.keep.iter().find(|name| !names.contains(&name.as_str()))?;
        Some(Contradiction {
            key: "data.keep",
            message: format!("data.keep names {unknown:?}, which is none of the classes"),
            help: format!("the classes are {}", names.join(", ")),
        })
    }

    fn idle_ignored_value(&self) -> Option<Contradiction> {
        let value = self.data.ignore_index?;
        let by_color = self.data.classes.iter().any(|class| class.color.is_some());
        let by_folder = self.data.mask_layout == MaskLayout::ClassFolders;
        (by_color || by_folder).then(|| Contradiction {
            key: "data.ignore_index",
            message: format!(
                "data.ignore_index {value} is a value, and these masks tell classes by {}",
                if by_folder { "folder" } else { "colour" }
            ),
            help: "leave it out; only masks whose values stand for classes or objects can have pixels to ignore".into(),
        })
    }

    fn uneven_weights(&self, classes: usize) -> Option<Contradiction> {
        let ClassWeights::Given(weights) = &self.loss.class_weights else { return None };
        let (count, key) = (weights.len(), "loss.class_weights");
        if count != 0 && count != classes {
            let message = format!("loss.class_weights has {count} weights for {classes} classes");
            let help = "give one weight a class, in the order of data.classes".into();
            return Some(Contradiction { key, message, help });
        }
        let nothing = count != 0 && weights.iter().all(|weight| *weight == 0.0);
        nothing.then(|| Contradiction {
            key,
            message: "loss.class_weights are all 0, so nothing can be learned".into(),
            help: "give at least one class a weight above 0".into(),
        })
    }
}

impl SplitConfig {
    /// Every contradiction among the settings of a split.
    pub fn contradictions(&self) -> Vec<Contradiction> {
        [self.impossible_fractions(), self.impossible_fold(), self.idle_seed()].into_iter().flatten().collect()
    }

    fn impossible_fractions(&self) -> Option<Contradiction> {
        let fractions = self.fractions;
        let sum = fractions.train + fractions.val + fractions.test;
        let wrong = (sum - 1.0).abs() > 1e-9 || fractions.train <= 0.0 || fractions.val <= 0.0 || fractions.test < 0.0;
        wrong.then(|| Contradiction {
            key: "split.fractions",
            message: format!("split.fractions are {}, {} and {}", fractions.train, fractions.val, fractions.test),
            help: "train and val must be above 0, test 0 or above, and all three must sum to 1".into(),
        })
    }

    fn impossible_fold(&self) -> Option<Contradiction> {
        let (folds, fold) = (self.folds, self.fold);
        let (key, message, help) = match folds {
            0 if fold > 0 => {
                let message = format!("split.fold is {fold} and split.folds is not set, so that it changes nothing");
                ("split.fold", message, format!("set split.folds = {} or more, or leave split.fold out", fold + 1))
            }
            1 => ("split.folds", "split.folds is 1, which leaves nothing to train on".into(), "set 2 or more".into()),
            folds if fold >= folds.max(1) => {
                let message = format!("split.fold is {fold}, and the {folds} folds count from 0");
                ("split.fold", message, format!("set it to 0 … {}", folds - 1))
            }
            _ => return None,
        };
        Some(Contradiction { key, message, help })
    }

    fn idle_seed(&self) -> Option<Contradiction> {
        let idle = self.strategy == SplitStrategy::File && self.seed != 0;
        idle.then(|| Contradiction {
            key: "split.seed",
            message: "split.seed changes nothing where split.strategy is \"file\": the file says who is where".into(),
            help: "leave split.seed out; for repetitions vary train.init_seed, or deal by another strategy".into(),
        })
    }
}
