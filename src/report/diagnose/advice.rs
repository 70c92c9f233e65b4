//! Advice that fits the run: with the setting to paste, and never what the run does already.

use super::{Finding, Severity, rules};
use crate::{
    domain::{ClassWeights, InputMode, LossKind, RunConfig, RunState, SplitStrategy, WeightRule, float_text},
    report::{
        aggregate::{Run, Sweep},
        cells, words,
    },
};

/// The lowest learning rate at which a run was unsteady (rules 7 and 14): no higher one is to be proposed.
pub fn unsteady_rate(sweep: &Sweep, found: &[Vec<Finding>]) -> Option<f64> {
    let is_unsteady = |findings: &Vec<Finding>| findings.iter().any(|finding| [7, 14].contains(&finding.rule.number));
    let unsteady = sweep.runs.iter().zip(found).filter(|(_, findings)| is_unsteady(findings));
    unsteady.filter_map(|(run, _)| Some(run.file.as_ref()?.config.train.learning_rate)).min_by(f64::total_cmp)
}

/// Replaces the rule's usual advice by one that knows the run's settings and from which rate on runs are unsteady.
pub fn fit(sweep: &Sweep, run: &Run, unsteady: Option<f64>, finding: &mut Finding) {
    let Some(file) = run.file.as_ref().filter(|_| finding.advice == finding.rule.advice) else { return };
    let about = About { sweep, config: &file.config, unsteady };
    let better = match finding.rule.number {
        4 if finding.severity == Severity::Fail => Some(about.missing_class()),
        5 => Some(about.unlike_splits()),
        6 => about.leak(),
        // What an outside trainer makes of the other settings is not known.
        _ if file.config.trainer.is_some() => None,
        3 => Some(about.never_predicted()),
        7 => Some(about.noisy()),
        9 | 10 => Some(about.overfitting()),
        11 if finding.severity == Severity::Fail => {
            Some("Set train.early_stopping.monitor = \"val_dice_macro\".".to_owned())
        }
        11 => Some("Set sweep.monitor = \"val_dice_macro\".".to_owned()),
        14 => Some(about.rate_too_high()),
        15 if *finding.rule == rules::HARDLY_LEARNED => Some(about.rate_too_low(10.0)),
        15 => Some(about.rate_too_low(3.0)),
        20 if file.config.data.input_mode == InputMode::Resize => Some(about.larger_input()),
        22 => about.calibrate(),
        _ => None,
    };
    finding.advice = better.unwrap_or_else(|| std::mem::take(&mut finding.advice));
}

struct About<'a> {
    sweep: &'a Sweep,
    config: &'a RunConfig,
    unsteady: Option<f64>,
}

impl About<'_> {
    /// Whether the grid varies a key: then it is no use to set it to one value.
    fn is_swept(&self, axis: &str) -> bool {
        self.sweep.axes.iter().any(|known| known == axis) && cells::varies(self.sweep, axis)
    }

    fn never_predicted(&self) -> String {
        let loss = &self.config.loss;
        let mut steps = vec!["check how the masks code it".to_owned()];
        if loss.kind != LossKind::DiceCe && !self.is_swept("loss.kind") {
            steps.push("set loss.kind = \"dice_ce\"".into());
        }
        if loss.class_weights != ClassWeights::Rule(WeightRule::Balanced) && !self.is_swept("loss.class_weights") {
            steps.push("set loss.class_weights = \"balanced\"".into());
        }
        steps.push("add images of it".into());
        sentence(&steps)
    }

    fn missing_class(&self) -> String {
        match self.config.split.strategy {
            SplitStrategy::File => {
                "Give each split of split.file images with the class; a missing class has no score, not 0."
            }
            SplitStrategy::Stratified => {
                "Try another split.seed, or add images with the class; a missing class has no score, not 0."
            }
            SplitStrategy::Random => {
                "Set split.strategy = \"stratified\", or try another split.seed; a missing class has no score, not 0."
            }
        }
        .into()
    }

    fn unlike_splits(&self) -> String {
        match self.config.split.strategy {
            SplitStrategy::File => {
                "Deal the images of split.file out more evenly, or set split.strategy = \"stratified\"."
            }
            SplitStrategy::Stratified => {
                "The split is stratified already: add images, or pool the folds of several split seeds."
            }
            SplitStrategy::Random => "Set split.strategy = \"stratified\".",
        }
        .into()
    }

    /// The usual advice is to name the groups.
    fn leak(&self) -> Option<String> {
        if self.config.split.strategy == SplitStrategy::File {
            return Some("Move what belongs together into one split of split.file.".into());
        }
        let groups = self.config.data.groups.as_ref()?;
        Some(format!("Give images of the same material the same {} in data.groups.file.", groups.group))
    }

    fn noisy(&self) -> String {
        let rate = self.lower_rate();
        format!("Use more validation images, or a lower rate: {rate}.")
    }

    fn overfitting(&self) -> String {
        let config = self.config;
        let mut steps = Vec::new();
        if !config.augment.flip && !self.is_swept("augment.flip") {
            steps.push("set augment.flip = true".to_owned());
        }
        if config.train.early_stopping.is_none() {
            steps.push("set train.early_stopping = { monitor = \"val_dice_macro\", patience = 10 }".into());
        }
        if config.model.base_width > 8 && !self.is_swept("model.base_width") {
            steps.push(format!("use a smaller network: model.base_width = {}", config.model.base_width / 2));
        }
        steps.push("add training images".into());
        sentence(&steps)
    }

    fn rate_too_high(&self) -> String {
        let warm_up = if self.config.train.warmup_epochs == 0 { ", or train.warmup_epochs = 5" } else { "" };
        sentence(&[format!("{}{warm_up}", self.lower_rate())])
    }

    /// `set train.learning_rate = 3.3e-4`, or what to do with the grid's rates.
    fn lower_rate(&self) -> String {
        let rate = self.config.train.learning_rate;
        let has_lower = self.rates().any(|other| other < rate);
        if has_lower {
            return format!("leave learning_rate {} out of [grid]", float_text(rate));
        }
        self.set_rate(rate / 3.0)
    }

    fn rate_too_low(&self, factor: f64) -> String {
        let (rate, epochs) = (self.config.train.learning_rate, self.config.train.epochs);
        let is_steady = |rate: f64| self.unsteady.is_none_or(|from| rate < from);
        let has_higher = self.rates().any(|other| other > rate && is_steady(other));
        let change = if has_higher {
            Some("keep to the grid's higher rates".into())
        } else {
            is_steady(rate * factor).then(|| self.set_rate(rate * factor))
        };
        let longer = (!self.is_swept("train.epochs")).then(|| format!("train longer: train.epochs = {}", 2 * epochs));
        let steps: Vec<String> = [change, longer].into_iter().flatten().collect();
        if steps.is_empty() { "Train longer.".into() } else { sentence(&[steps.join(", or ")]) }
    }

    /// The grid's rates of which a run did not fail.
    fn rates(&self) -> impl Iterator<Item = f64> {
        let swept = self.is_swept("learning_rate");
        let is_usable = move |run: &&Run| swept && run.state.state != RunState::Failed;
        let runs = self.sweep.runs.iter().filter(is_usable).filter_map(|run| run.file.as_ref());
        runs.map(|file| file.config.train.learning_rate)
    }

    fn set_rate(&self, rate: f64) -> String {
        let rate = format!("{rate:.1e}").parse().map_or_else(|_| rate.to_string(), float_text);
        self.set("learning_rate", "train.learning_rate", &rate)
    }

    /// `set train.learning_rate = 1e-3`, or likewise in `[grid]` where the sweep has it there.
    fn set(&self, axis: &str, key: &str, value: &str) -> String {
        if self.is_swept(axis) {
            format!("add {value} to {axis} in [grid]")
        } else if self.sweep.axes.iter().any(|known| known == axis) {
            format!("set {axis} = [{value}] in [grid]")
        } else {
            format!("set {key} = {value}")
        }
    }

    fn larger_input(&self) -> String {
        let sides = self.config.data.input_size.0.map(|side| 2 * side);
        let size = if sides[0] == sides[1] { sides[0].to_string() } else { format!("{sides:?}") };
        let larger = self.set("input_size", "data.input_size", &size);
        sentence(&[format!("{larger}, or use crops at the images' own size: data.input_mode = \"crop\"")])
    }

    /// The usual advice is to add cross-entropy.
    fn calibrate(&self) -> Option<String> {
        let temperature = "Scale the logits by a temperature found on validation images.";
        match self.config.loss.kind {
            LossKind::DiceCe | LossKind::Ce | LossKind::Focal => Some(temperature.into()),
            LossKind::Dice | LossKind::DiceMacro | LossKind::Tversky if !self.is_swept("loss.kind") => {
                Some("Set loss.kind = \"dice_ce\": cross-entropy makes probabilities honest.".into())
            }
            _ => None,
        }
    }
}

/// `Check the masks; add images.`
fn sentence(steps: &[String]) -> String {
    words::capital(&(steps.join("; ") + "."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::RunId, store::RunFile};

    /// The advice about a finding of rule `number` in a run with these settings and no grid.
    fn advice(number: usize, change: impl FnOnce(&mut RunConfig)) -> String {
        advice_where(None, number, change)
    }

    /// The same where runs are unsteady from this rate on.
    fn advice_where(unsteady: Option<f64>, number: usize, change: impl FnOnce(&mut RunConfig)) -> String {
        let mut config = RunConfig::default();
        change(&mut config);
        let id = RunId::of(&config, "");
        let file = RunFile { id, fingerprint: String::new(), axes: serde_json::Map::new(), scale: None, config };
        let mut finding = Finding::new(number, Severity::Warn, String::new());
        fit(&Sweep::default(), &Run { file: Some(file), ..Run::default() }, unsteady, &mut finding);
        finding.advice
    }

    #[test]
    fn what_the_run_does_already_is_not_advised() {
        let dice = advice(3, |config| config.loss.kind = LossKind::Dice);
        assert!(dice.contains("loss.kind = \"dice_ce\"") && dice.starts_with("Check how"), "{dice}");
        assert!(!advice(3, |config| config.loss.kind = LossKind::DiceCe).contains("dice_ce"));
        assert!(!advice(22, |config| config.loss.kind = LossKind::Ce).contains("loss.kind"));
        assert_eq!(
            advice(5, |config| config.split.strategy = SplitStrategy::Random),
            "Set split.strategy = \"stratified\"."
        );
        assert!(!advice(5, |config| config.split.strategy = SplitStrategy::Stratified).contains('='));
        assert!(!advice(9, |config| config.augment.flip = true).contains("augment"));
    }

    #[test]
    fn rates_are_proposed_as_they_are_pasted() {
        let high = advice(14, |config| config.train.learning_rate = 4e-3);
        assert_eq!(high, "Set train.learning_rate = 0.0013, or train.warmup_epochs = 5.");
        let low = advice(15, |config| (config.train.learning_rate, config.train.epochs) = (1e-5, 20));
        assert_eq!(low, "Set train.learning_rate = 3e-5, or train longer: train.epochs = 40.");
    }

    #[test]
    fn no_rate_is_proposed_at_which_runs_are_unsteady_already() {
        let slow = |config: &mut RunConfig| (config.train.learning_rate, config.train.epochs) = (1e-5, 20);
        assert!(advice_where(Some(1e-3), 15, slow).contains("learning_rate = 3e-5"));
        assert_eq!(advice_where(Some(2e-5), 15, slow), "Train longer: train.epochs = 40.");
    }
}
