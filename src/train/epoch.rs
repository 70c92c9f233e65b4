//! The steps of one epoch.

use std::{
    sync::{atomic::Ordering, mpsc::Receiver},
    time::{Duration, Instant},
};

use burn::{prelude::*, tensor::backend::AutodiffBackend};

use super::{
    Batch, Gradients, Optimizer, Say, Training, gradients, loader,
    optimizer::mean,
    resume::History,
    schedule::{learning_rate, reductions},
};
use crate::{
    domain::{Failure, FailureKind},
    loss::LossOps,
    model::{ConvOps, DropoutStream, UNet},
    protocol::Message,
};

/// Shortest time between two step messages.
const STEP_PAUSE: Duration = Duration::from_millis(100);

/// What training moves. A clone shares memory with it until one of them moves on.
#[derive(Clone)]
pub struct Network<A: AutodiffBackend> {
    pub model: UNet<A>,
    pub optimizer: Optimizer<A::InnerBackend>,
}

/// The time of an epoch's steps.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// Seconds of all steps.
    pub train_seconds: f64,
    /// Seconds of those in which a step waited for its batch.
    pub wait_seconds: f64,
}

/// A trained epoch.
pub struct Trained<A: AutodiffBackend> {
    pub network: Network<A>,
    /// The time it took.
    pub spent: Spent,
    /// Rate of the last step.
    pub learning_rate: f64,
}

impl<A> Training<'_, A>
where
    A: AutodiffBackend + ConvOps + LossOps,
    A::InnerBackend: ConvOps,
{
    /// Trains one epoch; `None` if it was asked to stop.
    pub(super) fn train_epoch(
        &self,
        network: Network<A>,
        history: &History,
        epoch: usize,
        say: &mut Say<'_>,
    ) -> Result<Option<Trained<A>>, Failure> {
        let (config, monitor) = (&self.task.config.train, self.task.config.monitor);
        let reductions = reductions(&history.values(monitor), monitor.direction(), config.plateau_patience);
        let rate = |step, steps| learning_rate(config, epoch, step, steps, reductions);
        loader::with_batches(&self.task, epoch, |batches| self.steps(network, epoch, batches, &rate, say))
    }

    fn steps(
        &self,
        mut network: Network<A>,
        epoch: usize,
        batches: Receiver<Batch>,
        learning_rate: &dyn Fn(usize, usize) -> f64,
        say: &mut Say<'_>,
    ) -> Result<Option<Trained<A>>, Failure> {
        let config = &self.task.config.train;
        let steps = loader::steps(&self.task);
        let started = Instant::now();
        let mut waited = Duration::ZERO;
        let mut said: Option<Instant> = None;
        let mut rate = learning_rate(0, steps);
        let mut waiting = (Gradients::<A::InnerBackend>::new(), 0);
        for step in 0..steps {
            let asked = Instant::now();
            let Ok(batch) = batches.recv() else { break };
            waited += asked.elapsed();
            rate = learning_rate(step, steps);
            let images = batch.target.shape[0];
            let (loss, found) = self.backward(&mut network.model, batch, epoch, step)?;
            waiting = mean::<A::InnerBackend>(waiting, (found, images));
            if (step + 1).is_multiple_of(config.accumulate.max(1)) || step + 1 == steps {
                let (gradients, _) = std::mem::take(&mut waiting);
                network.model = network.optimizer.step::<A, _>(network.model, gradients, rate);
            }
            if said.is_none_or(|said| said.elapsed() >= STEP_PAUSE) {
                say(&Message::Step { epoch, step: step + 1, steps, loss: Some(loss) });
                said = Some(Instant::now());
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        let spent = Spent { train_seconds: started.elapsed().as_secs_f64(), wait_seconds: waited.as_secs_f64() };
        Ok(Some(Trained { network, spent, learning_rate: rate }))
    }

    /// The batch's loss and the gradients of the parameters.
    fn backward(
        &self,
        model: &mut UNet<A>,
        batch: Batch,
        epoch: usize,
        step: usize,
    ) -> Result<(f64, Gradients<A::InnerBackend>), Failure> {
        let [count, height, width] = batch.target.shape;
        let images = TensorData::new(batch.images, [count, self.task.samples.channels(), height, width]);
        let stream = DropoutStream { seed: self.task.config.train.init_seed, epoch, step };
        let logits = model.forward_train(Tensor::from_data(images, self.device), stream);
        let loss = A::loss(logits, &batch.target, &self.loss);
        let value = loss.clone().into_scalar().elem::<f64>();
        expect_finite(value, &format!("step {} of epoch {epoch}", step + 1))?;
        Ok((value, gradients(model, loss.backward())))
    }
}

/// A network whose loss `of` something is not finite is ruined for good.
pub(super) fn expect_finite(loss: f64, of: &str) -> Result<(), Failure> {
    if loss.is_finite() {
        return Ok(());
    }
    let message = format!("the loss of {of} is {loss}; try a lower learning rate, warm-up or gradient_clip");
    Err(Failure::new(FailureKind::NotFinite, message))
}
