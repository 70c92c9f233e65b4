//! One run in a process of its own: from run.toml to a finished training.

use std::sync::atomic::AtomicBool;

use burn::{
    backend::{Autodiff, Flex},
    tensor::backend::AutodiffBackend,
};
use serde::{Deserialize, Serialize};

pub use crate::train::{Outcome, Say};
use crate::{
    data::{Dataset, Loader},
    devices,
    domain::{Failure, FailureKind, RunConfig, RunState, Split, SplitRow, StateRecord},
    loss::LossOps,
    model::{self, ConvOps, Freeze},
    protocol::Message,
    store::{RunDir, RunFile, StoreError, process_of, read_json, remove_temporaries, write_json, write_rows},
    train::{Task, Training, storage},
};

/// What computes on GPUs. A build without them refuses to before it comes to this.
#[cfg(feature = "cuda")]
type Gpu = burn::backend::Cuda;
#[cfg(not(feature = "cuda"))]
type Gpu = Flex;

/// Where and how one attempt ran: an entry of environment.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// From 1.
    pub attempt: usize,
    /// This program's version.
    pub version: String,
    /// The processor's name, as the system gives it.
    pub processor: String,
    /// What trains.
    pub device: String,
    /// Threads.
    pub threads: usize,
}

/// What a run trains on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// The first GPU that CUDA_VISIBLE_DEVICES leaves.
    Cuda,
}

impl Device {
    /// The name in environment.json.
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

/// Trains the run in `run` on `device` with `threads` threads, from wherever it stands. Setting `stop` ends it after
/// the current batch. `say` hears what the scheduler is told, except a failure, which is returned.
///
/// # Errors
/// Whatever kept the run from its end; state.json then says the same.
pub fn run(
    run: &RunDir,
    device: Device,
    threads: usize,
    stop: &AtomicBool,
    say: &mut Say<'_>,
) -> Result<Outcome, Failure> {
    let mut state = run.read_state().map_err(storage)?;
    if state.state == RunState::Completed {
        say(&Message::Done);
        return Ok(Outcome::Completed);
    }
    [run.root(), &run.checkpoints()].into_iter().try_for_each(remove_temporaries).map_err(storage)?;
    state.attempts += 1;
    state.state = RunState::Running;
    state.process = process_of(std::process::id());
    state.failure = None;
    run.write_state(&state).map_err(storage)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()
        .map_err(|e| Failure::new(FailureKind::Spawn, format!("failed to start {threads} threads: {e}")))?;
    let outcome = note_environment(run, state.attempts, device, threads).map_err(storage).and_then(|()| {
        pool.install(|| match device {
            Device::Cpu => train::<Autodiff<Flex>>(run, device, &state, stop, say),
            Device::Cuda => {
                // It could be used when the sweep was started, so it is the device that has changed.
                model::gpu().map_err(|reason| Failure::new(FailureKind::Spawn, reason))?;
                train::<Autodiff<Gpu>>(run, device, &state, stop, say)
            }
        })
    });
    if let Err(failure) = &outcome {
        let mut state = run.read_state().map_err(storage)?;
        state.state = RunState::Failed;
        state.process = None;
        state.failure = Some(failure.clone());
        run.write_state(&state).map_err(storage)?;
    }
    outcome
}

fn train<A>(
    run: &RunDir,
    device: Device,
    state: &StateRecord,
    stop: &AtomicBool,
    say: &mut Say<'_>,
) -> Result<Outcome, Failure>
where
    A: AutodiffBackend + ConvOps + LossOps,
    A::InnerBackend: ConvOps,
{
    let mut file = RunFile::read(run).map_err(storage)?;
    let config = file.config.clone();
    let loader = Loader::standard();
    let (dataset, splits) = loader.open(&config.data, &config.split)?;
    write_rows(&run.split_csv(), &split_rows(&dataset, &splits)).map_err(storage)?;
    check(&config, device, &dataset, &splits)?;
    let prepared = loader.load(&dataset, &config.data, &splits)?;
    if file.scale != prepared.scale() {
        file.scale = prepared.scale();
        file.write(run).map_err(storage)?;
    }
    let task = Task {
        config: &config,
        samples: &prepared,
        names: dataset.names(),
        splits: &splits,
        classes: dataset.classes(),
    };
    Training::<A>::new(run, task, &A::Device::default(), stop).run(state.clone(), say)
}

/// Refuses what cannot be trained, every reason at once.
fn check(config: &RunConfig, device: Device, dataset: &Dataset, splits: &[Split]) -> Result<(), Failure> {
    let mut problems = Vec::new();
    for split in [Split::Train, Split::Val] {
        if !splits.contains(&split) {
            problems.push(format!("the {split} split has no images; raise split.fractions.{split}"));
        }
    }
    let mut contradictions = config.contradictions(Some(dataset.classes().len()));
    contradictions.extend(config.wrong_precision(device == Device::Cuda));
    problems.extend(contradictions.into_iter().map(|found| format!("{}; {}", found.message, found.help)));
    problems.extend(Freeze::new(&config.model).err());
    if problems.is_empty() { Ok(()) } else { Err(Failure::new(FailureKind::BadConfig, problems.join("; "))) }
}

/// The rows of split.csv.
pub fn split_rows(dataset: &Dataset, splits: &[Split]) -> Vec<SplitRow> {
    let images = dataset.names().iter().zip(dataset.groups()).zip(splits);
    images
        .map(|((image, group), split)| SplitRow { image: image.clone(), group: group.clone(), split: *split })
        .collect()
}

fn note_environment(run: &RunDir, attempt: usize, device: Device, threads: usize) -> Result<(), StoreError> {
    let mut attempts: Vec<Environment> = read_json(&run.environment_json())?.unwrap_or_default();
    attempts.push(Environment {
        attempt,
        version: env!("CARGO_PKG_VERSION").into(),
        processor: devices::processor().unwrap_or_else(|| std::env::consts::ARCH.into()),
        device: device.name().into(),
        threads,
    });
    write_json(&run.environment_json(), &attempts)
}
