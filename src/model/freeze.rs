//! Which layers keep their weights: `all_but_last:N`, or a pattern of names.

use crate::domain::ModelConfig;

/// The rule that `model.freeze` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freeze {
    /// Every layer learns.
    Nothing,
    /// Only the last N layers learn.
    AllButLast(usize),
    /// Layers whose name matches keep their weights; `*` stands for any characters.
    Names(String),
}

impl Freeze {
    /// Reads the setting.
    ///
    /// # Errors
    /// If it is no such rule, or would freeze everything or nothing.
    pub fn new(config: &ModelConfig) -> Result<Self, String> {
        let Some(text) = &config.freeze else { return Ok(Self::Nothing) };
        let rule = match text.strip_prefix("all_but_last:") {
            Some(count) => {
                let wrong = |_| format!("model.freeze `{text}` needs a whole number, as in all_but_last:2");
                Self::AllButLast(count.parse().map_err(wrong)?)
            }
            None => Self::Names(text.clone()),
        };
        let names = super::unet::layer_names(config);
        let frozen = rule.frozen(&names).iter().filter(|frozen| **frozen).count();
        if frozen == 0 || frozen == names.len() {
            let extent = if frozen == 0 { "no layer" } else { "every layer" };
            return Err(format!(
                "model.freeze `{text}` freezes {extent}; the layers are {} (* stands for any characters: encoder.*)",
                names.join(", ")
            ));
        }
        Ok(rule)
    }

    /// For each layer whether it keeps its weights.
    pub fn frozen(&self, names: &[String]) -> Vec<bool> {
        let frozen = |(index, name): (usize, &String)| match self {
            Self::Nothing => false,
            Self::AllButLast(count) => index + count < names.len(),
            Self::Names(pattern) => matches(pattern, name),
        };
        names.iter().enumerate().map(frozen).collect()
    }
}

/// Whether `name` fits `pattern`, in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| matches(rest, &name[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<Vec<bool>, String> {
        let config = ModelConfig { depth: 2, freeze: Some(text.into()), ..ModelConfig::default() };
        Freeze::new(&config).map(|rule| rule.frozen(&super::super::unet::layer_names(&config)))
    }

    #[test]
    fn rules_choose_layers_by_place_or_by_name() {
        // encoder.0 and .1, two layers each; decoder.0.up; decoder.0.join, two; head.
        let (yes, no) = (true, false);
        assert_eq!(rule("all_but_last:2"), Ok(vec![yes, yes, yes, yes, yes, yes, no, no]));
        assert_eq!(rule("encoder.*"), Ok(vec![yes, yes, yes, yes, no, no, no, no]));
        assert_eq!(rule("*.second"), Ok(vec![no, yes, no, yes, no, no, yes, no]));
    }

    #[test]
    fn rules_that_freeze_everything_or_nothing_are_refused() {
        for text in ["all_but_last:0", "all_but_last:8", "all_but_last:x", "encodr.*"] {
            assert!(rule(text).is_err(), "{text}");
        }
    }
}
