//! `[schedule]`: where and how runs are run. Nothing here changes what a run computes.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// `[schedule]`: where and how runs are run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// `"auto"`, `"cpu"`, `"cuda:0,1"` or, for trials of the scheduler, `"fake:8"`.
    pub devices: DeviceRequest,
    /// Runs at once on one device; `"auto"`: on a GPU as many as its memory takes. Not given: one a GPU. On the CPU
    /// both mean as many as its threads allow.
    pub runs_per_device: Option<AutoOr>,
    /// Threads of a run; `"auto"`: the cores divided by the runs at once.
    pub threads: AutoOr,
    /// Starts again after a failure that may not come back; a new recorded epoch sets the count back.
    pub retries: usize,
    /// Seconds without a word after which a run counts as hung, until its first epoch is measured; 0: no limit. From
    /// then on its own epochs are the measure.
    pub stall_timeout: f64,
    /// Seconds a run gets to save itself after it is asked to end.
    pub grace: f64,
    /// Failed runs after which no more are started; 0: no limit.
    pub max_fails: usize,
    /// When hopeless settings are ended early; not given: never.
    pub early_end: Option<EarlyEnd>,
}

/// Successive halving over rungs of epochs that compares settings by groups of seeds. The names are those of Optuna
/// and Ray where they have one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyEnd {
    /// Epochs of the first rung.
    pub min_epochs: usize,
    /// Each rung has so many times the epochs of the one before; of so many settings at least one always goes on.
    pub reduction_factor: usize,
    /// Of the interval by which a setting must be behind the best, 0 to 1.
    pub confidence: f64,
}

impl Default for EarlyEnd {
    fn default() -> Self {
        Self { min_epochs: 8, reduction_factor: 2, confidence: 0.95 }
    }
}

impl EarlyEnd {
    /// The epochs of the rungs of a run, from the first.
    pub fn rungs(&self, epochs: usize) -> impl Iterator<Item = usize> + use<> {
        let factor = self.reduction_factor.max(2);
        std::iter::successors(Some(self.min_epochs.max(1)), move |rung| rung.checked_mul(factor))
            .take_while(move |&rung| rung < epochs)
    }
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            devices: DeviceRequest::Auto,
            runs_per_device: None,
            threads: AutoOr::Auto,
            retries: 2,
            stall_timeout: 600.0,
            grace: 30.0,
            max_fails: 0,
            early_end: None,
        }
    }
}

impl ScheduleConfig {
    /// `stall_timeout` as a duration.
    pub fn stall_after(&self) -> Duration {
        let seconds = Some(self.stall_timeout).filter(|seconds| *seconds > 0.0);
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(Duration::MAX)
    }

    /// `grace` as a duration, ten years at most.
    pub fn grace_time(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
        Duration::try_from_secs_f64(self.grace).map_or(LONGEST, |grace| grace.min(LONGEST))
    }
}

/// Which devices to use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceRequest {
    /// The GPUs that the program can use, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// These GPUs, by number; none: all.
    Cuda(Vec<usize>),
    /// This many devices that do not exist, to try the scheduler.
    Fake(usize),
}

impl FromStr for DeviceRequest {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` names no devices; write \"auto\", \"cpu\", \"cuda\" or \"cuda:0,1\"");
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(Vec::new())),
            Some(("cuda", numbers)) => {
                let mut numbers: Vec<usize> =
                    numbers.split(',').map(|n| n.trim().parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
                numbers.sort_unstable();
                numbers.dedup();
                Ok(Self::Cuda(numbers))
            }
            Some(("fake", count)) => count.parse().ok().filter(|&n| n > 0).map(Self::Fake).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(numbers) if numbers.is_empty() => f.write_str("cuda"),
            Self::Cuda(numbers) => {
                write!(f, "cuda:{}", numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(","))
            }
            Self::Fake(count) => write!(f, "fake:{count}"),
        }
    }
}

impl TryFrom<String> for DeviceRequest {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DeviceRequest> for String {
    fn from(request: DeviceRequest) -> Self {
        request.to_string()
    }
}

/// A number from 1, or `"auto"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NumberOrText", into = "NumberOrText")]
pub enum AutoOr {
    /// The program decides.
    #[default]
    Auto,
    /// The user has decided.
    Number(usize),
}

impl AutoOr {
    /// The number, or `auto`.
    pub fn or(self, auto: usize) -> usize {
        match self {
            Self::Auto => auto,
            Self::Number(number) => number,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(usize),
    Text(String),
}

impl TryFrom<NumberOrText> for AutoOr {
    type Error = String;
    fn try_from(value: NumberOrText) -> Result<Self, String> {
        match value {
            NumberOrText::Number(number) if number > 0 => Ok(Self::Number(number)),
            NumberOrText::Text(text) if text == "auto" => Ok(Self::Auto),
            NumberOrText::Number(_) => Err("0 is too few; write a number from 1 or \"auto\"".into()),
            NumberOrText::Text(text) => Err(format!("`{text}` is no number; write a number from 1 or \"auto\"")),
        }
    }
}

impl From<AutoOr> for NumberOrText {
    fn from(value: AutoOr) -> Self {
        match value {
            AutoOr::Auto => Self::Text("auto".into()),
            AutoOr::Number(number) => Self::Number(number),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_written_alike() {
        for text in ["auto", "cpu", "cuda", "cuda:0,1", "fake:8"] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap().to_string(), text);
        }
        assert_eq!("cuda:1,0,1".parse(), Ok(DeviceRequest::Cuda(vec![0, 1])));
        for text in ["", "gpu", "cuda:", "cuda:x", "fake:0", "cpu:1"] {
            assert!(text.parse::<DeviceRequest>().unwrap_err().contains("cuda:0,1"), "{text}");
        }
    }

    #[test]
    fn rungs_grow_by_the_factor_and_end_before_the_run_does() {
        let rules = EarlyEnd { min_epochs: 4, reduction_factor: 3, ..EarlyEnd::default() };
        assert_eq!(rules.rungs(37).collect::<Vec<_>>(), [4, 12, 36]);
        assert_eq!(rules.rungs(36).collect::<Vec<_>>(), [4, 12]);
        assert_eq!(rules.rungs(4).count(), 0);
    }

    #[test]
    fn the_table_takes_numbers_and_auto_and_refuses_the_rest() {
        let config: ScheduleConfig =
            toml::from_str("devices = \"cpu\"\nruns_per_device = 2\nthreads = \"auto\"").unwrap();
        assert_eq!((config.runs_per_device, config.threads.or(7)), (Some(AutoOr::Number(2)), 7));
        assert_eq!(toml::from_str::<ScheduleConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
        for text in ["threads = 0", "threads = \"many\"", "thread = 1", "devices = \"tpu\""] {
            toml::from_str::<ScheduleConfig>(text).unwrap_err();
        }
    }
}
