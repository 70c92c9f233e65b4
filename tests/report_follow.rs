//! A sweep that is followed look by look is known as well as one that is read at once.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "support/sweep.rs"]
mod sweep;

use std::{fs, io::Write, path::PathBuf};

use sweep::Fake;
use sweepscope::{
    domain::{EpochRow, RunId, RunState, Split, TestRow},
    report::follow::Follower,
    store::{PlannedRun, RunDir, SweepDir, append_rows, read_rows, write_rows},
};

/// What is known of a sweep, as text.
fn known(follower: &Follower) -> String {
    format!("{:#?}", follower.data())
}

fn at_once(sweep: &SweepDir) -> String {
    let mut fresh = Follower::new(sweep.clone());
    fresh.look().unwrap();
    known(&fresh)
}

/// A table of one run, to be written bit by bit.
struct Table {
    path: PathBuf,
    whole: String,
}

impl Table {
    /// Its bytes up to the rows of `epoch`, and a bit of what follows.
    fn up_to(&self, epoch: usize) -> &[u8] {
        let column = self.whole.lines().next().unwrap().split(',').position(|name| name == "epoch").unwrap();
        let is_later = |line: &&str| line.split(',').nth(column).unwrap().parse::<usize>().is_ok_and(|e| e > epoch);
        let kept: usize = self.whole.split_inclusive('\n').take_while(|line| !is_later(line)).map(str::len).sum();
        &self.whole.as_bytes()[..self.whole.len().min(kept + 20 * epoch)]
    }

    fn grow(&self, epoch: usize) {
        let already = fs::metadata(&self.path).unwrap().len() as usize;
        let mut file = fs::OpenOptions::new().append(true).open(&self.path).unwrap();
        file.write_all(&self.up_to(epoch)[already..]).unwrap();
    }

    fn replace(&self, epoch: usize) {
        let other = self.path.with_extension("new");
        fs::write(&other, self.up_to(epoch)).unwrap();
        fs::rename(other, &self.path).unwrap();
    }
}

/// The run's state after `epoch`.
fn stand(run: &RunDir, epoch: usize, attempts: usize) {
    let mut state = run.read_state().unwrap();
    (state.epoch, state.attempts) = (epoch, attempts);
    (state.best_epoch, state.best_score) = (0, None);
    run.write_state(&state).unwrap();
}

fn plan(sweep: &SweepDir, runs: &[String]) {
    let planned = |run: &String| PlannedRun {
        run: run.clone(),
        id: RunId(uuid::Uuid::nil()),
        setting: String::new(),
        axes: serde_json::Map::new(),
    };
    PlannedRun::write_all(sweep, &runs.iter().map(planned).collect::<Vec<_>>()).unwrap();
}

#[test]
fn rows_are_taken_as_they_are_vouched_for_and_given_back_when_a_run_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("followed"));
    let runs = Fake { epochs: 9, ..Fake::default() }.write(sweep.root());
    plan(&sweep, &runs[1..]);
    let run = sweep.run(&runs[2]);
    let tables = [run.epochs_csv(), run.classes_csv(), run.timing_csv()];
    let tables = tables.map(|path| Table { whole: fs::read_to_string(&path).unwrap(), path });
    tables.iter().for_each(|table| table.replace(3));
    stand(&run, 3, 1);

    let mut follower = Follower::new(sweep.clone());
    let news = follower.look().unwrap();
    assert!(news.plan && news.runs.len() == 11, "{news:?}");
    assert_eq!(follower.data().runs[1].epochs.values().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
    assert!(!follower.look().unwrap().is_some(), "nothing is new");

    // Rows first, and some of the next epoch's; then the state that vouches for them.
    for epoch in 4..=9 {
        tables.iter().for_each(|table| table.grow(epoch));
        assert!(!follower.look().unwrap().is_some(), "nobody vouches for epoch {epoch} yet");
        stand(&run, epoch, 1);
        assert_eq!(follower.look().unwrap().runs, [1]);
        assert_eq!(follower.data().runs[1].epochs.values().map(Vec::len).collect::<Vec<_>>(), [epoch, epoch]);
        assert_eq!(known(&follower), at_once(&sweep), "epoch {epoch}");
    }

    // Killed and resumed after epoch 5: the tables are cut back by replacing them.
    tables.iter().for_each(|table| table.replace(5));
    stand(&run, 5, 2);
    assert_eq!(follower.look().unwrap().runs, [1]);
    assert_eq!(known(&follower), at_once(&sweep));

    // One more run in the plan; one is being trained by nobody.
    plan(&sweep, &runs);
    let mut state = sweep.run(&runs[0]).read_state().unwrap();
    state.state = RunState::Running;
    sweep.run(&runs[0]).write_state(&state).unwrap();
    let news = follower.look().unwrap();
    assert_eq!((news.plan, news.runs.as_slice()), (true, [0].as_slice()));
    assert_eq!(known(&follower), at_once(&sweep));
    assert_eq!(follower.data().runs[0].state.state, RunState::Stopped);
}

#[test]
fn a_look_at_the_test_images_is_seen_though_no_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("tested"));
    let runs = Fake { epochs: 3, ..Fake::default() }.write(sweep.root());
    plan(&sweep, &runs);
    let mut follower = Follower::new(sweep.clone());
    follower.look().unwrap();
    assert!(!follower.look().unwrap().is_some(), "nothing is new");

    // As `test` does it: first test.csv, then the run's tables.
    let look = TestRow {
        look: 1,
        setting: "learning_rate 1e-3".into(),
        run: runs[0].clone(),
        epoch: 3,
        dice_macro: Some(0.5),
        iou_macro: None,
        dice_coef: None,
    };
    write_rows(&sweep.test_csv(), &[look]).unwrap();
    assert!(follower.look().unwrap().is_some());
    assert_eq!(follower.data().tests.len(), 1);
    let run = sweep.run(&runs[0]);
    let mut row = read_rows::<EpochRow>(&run.epochs_csv()).unwrap()[0].clone();
    row.split = Split::Test;
    append_rows(&run.epochs_csv(), &[row]).unwrap();
    let images = fs::read_to_string(run.images_csv()).unwrap();
    fs::write(run.images_csv(), images.clone() + images.lines().last().unwrap() + "\n").unwrap();
    assert!(follower.look().unwrap().runs.contains(&0));
    assert!(follower.data().runs[0].test_row().is_some());
    assert_eq!(known(&follower), at_once(&sweep));
    assert!(!follower.look().unwrap().is_some(), "nothing is new");
}

#[test]
fn a_run_that_slurm_has_is_not_called_stopped_for_want_of_a_scheduler_here() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("slurm"));
    let runs = Fake { epochs: 3, ..Fake::default() }.write(sweep.root());
    plan(&sweep, &runs);
    for run in &runs[..2] {
        let mut state = sweep.run(run).read_state().unwrap();
        state.state = RunState::Running;
        sweep.run(run).write_state(&state).unwrap();
    }
    fs::write(sweep.run(&runs[0]).owner(), "{}").unwrap();
    let mut follower = Follower::new(sweep);
    follower.look().unwrap();
    let states: Vec<RunState> = follower.data().runs[..2].iter().map(|run| run.state.state).collect();
    assert_eq!(states, [RunState::Running, RunState::Stopped]);
}
