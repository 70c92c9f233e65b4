//! Random faults on small sweeps of an outside trainer: nothing finished is repeated, nothing recorded is lost, no
//! process stays behind, and the tables end with the bytes of an undisturbed sweep.
//!
//! A bounded part runs with the other tests. The whole, 1,000 faults:
//!
//!     SWEEPSCOPE_FAULTS=1000 cargo test --release --test chaos -- --nocapture
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may end at the first surprise, and tells figures"
)]

mod common;
mod outside;

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use outside::{Outside, signal};
use rustix::process::Signal;
use sweepscope::domain::{RunState, StateRecord, seed};

/// Faults of the part that runs with the other tests.
const FAULTS: usize = 40;
/// Faults of one sweep at most; it then runs undisturbed to its end.
const FAULTS_OF_A_SWEEP: usize = 12;
/// Longest wait between two faults, in milliseconds.
const LONGEST_CALM: u64 = 400;

const TABLES: [&str; 3] = ["epochs.csv", "classes.csv", "metrics.csv"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillWorker,
    KillOrchestrator,
    KillBoth,
    PauseOrchestrator,
    PauseWorker,
    Stop,
    StopTwice,
    TornLines,
    StrayFiles,
    ClockJump,
    /// Only where a small disk can be mounted; elsewhere the clock jumps.
    FullDisk,
}

const ALL: [Fault; 11] = [
    Fault::KillWorker,
    Fault::KillOrchestrator,
    Fault::KillBoth,
    Fault::PauseOrchestrator,
    Fault::PauseWorker,
    Fault::Stop,
    Fault::StopTwice,
    Fault::TornLines,
    Fault::StrayFiles,
    Fault::ClockJump,
    Fault::FullDisk,
];

/// One disturbed sweep, and what was seen of it.
struct Trial {
    /// First, so that it is unmounted before its folder is removed.
    disk: Option<SmallDisk>,
    sweep: Outside,
    log: PathBuf,
    clock: PathBuf,
    /// The last state seen of each run while nothing ran, or of completed ones at any time.
    known: BTreeMap<String, StateRecord>,
    starts_of_completed: BTreeMap<String, usize>,
}

#[test]
fn random_faults_lose_nothing_repeat_nothing_and_leave_nothing_behind() {
    let wanted = std::env::var("SWEEPSCOPE_FAULTS").ok().and_then(|text| text.parse().ok()).unwrap_or(FAULTS);
    let started = Instant::now();
    let undisturbed = Trial::new();
    assert!(undisturbed.sweep.command().status().unwrap().success());
    let expected = undisturbed.tables();
    assert!(expected.len() > 2 * 6, "{:?}", expected.keys());

    let (mut counts, mut sweeps) = (BTreeMap::<Fault, usize>::new(), 0);
    while counts.values().sum::<usize>() < wanted {
        let mut trial = Trial::new();
        trial.disturb(sweeps, &mut counts);
        trial.end();
        for (path, bytes) in &expected {
            let found = fs::read_to_string(trial.sweep.results().join(path)).unwrap_or_default();
            let difference = found.lines().zip(bytes.lines()).find(|(found, expected)| found != expected);
            let lengths = (found.len(), bytes.len());
            assert!(found == *bytes, "{} of sweep {sweeps}: {lengths:?}, {difference:?}", path.display());
        }
        sweeps += 1;
    }
    let total: usize = counts.values().sum();
    eprintln!("{total} faults over {sweeps} sweeps in {:.0} s: {counts:?}", started.elapsed().as_secs_f64());
}

impl Trial {
    fn new() -> Self {
        let sweep = Outside::new(3, 2, 6, "retries = 1000\ngrace = 5");
        let log = sweep.folder.path().join("starts.log");
        let disk = SmallDisk::mount(&sweep.folder.path().join("results"));
        let clock = outside::jumping_clock(sweep.folder.path());
        Self { disk, sweep, log, clock, known: BTreeMap::new(), starts_of_completed: BTreeMap::new() }
    }

    fn tables(&self) -> BTreeMap<PathBuf, String> {
        let tables = common::contents(&self.sweep.results(), &TABLES);
        tables.into_iter().map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap())).collect()
    }

    fn start(&self) -> Child {
        let mut command = self.sweep.command();
        command.env("CHAOS_LOG", &self.log).env("LD_PRELOAD", &self.clock).env("JUMP", self.jump());
        command.spawn().unwrap()
    }

    fn jump(&self) -> PathBuf {
        self.sweep.folder.path().join("jump")
    }

    /// Starts the sweep and does harm to it until it is done or has suffered enough.
    fn disturb(&mut self, sweep: usize, counts: &mut BTreeMap<Fault, usize>) {
        let mut child = self.start();
        for number in 0..FAULTS_OF_A_SWEEP {
            let draw = |what: &str| seed::number(7, what, &[sweep as u64, number as u64]);
            thread::sleep(Duration::from_millis(draw("calm") % LONGEST_CALM));
            if child.try_wait().unwrap().is_some_and(|status| status.success()) {
                return;
            }
            let mut fault = ALL[(draw("fault") % ALL.len() as u64) as usize];
            if fault == Fault::FullDisk && self.disk.is_none() {
                fault = Fault::ClockJump;
            }
            self.note_completed();
            self.harm(&mut child, fault, draw("which"));
            *counts.entry(fault).or_default() += 1;
            if child.try_wait().unwrap().is_some() {
                self.check_while_nothing_runs();
                child = self.start();
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        self.check_while_nothing_runs();
    }

    fn harm(&self, child: &mut Child, fault: Fault, which: u64) {
        let workers = self.sweep.workers();
        let worker = workers.get(which as usize % workers.len().max(1)).copied();
        let pause = |pid| {
            signal(pid, Signal::STOP);
            thread::sleep(Duration::from_millis(50 + which % 100));
            signal(pid, Signal::CONT);
        };
        match fault {
            Fault::KillWorker => worker.into_iter().for_each(|pid| signal(pid, Signal::KILL)),
            Fault::KillOrchestrator => end(child, Signal::KILL),
            Fault::KillBoth => {
                worker.into_iter().for_each(|pid| signal(pid, Signal::KILL));
                end(child, Signal::KILL);
            }
            Fault::PauseOrchestrator => pause(child.id()),
            Fault::PauseWorker => worker.into_iter().for_each(pause),
            Fault::Stop => end(child, Signal::TERM),
            Fault::StopTwice => {
                signal(child.id(), Signal::INT);
                end(child, Signal::INT);
            }
            Fault::TornLines => {
                end(child, Signal::KILL);
                self.sweep.processes_left();
                self.tear(which);
            }
            Fault::StrayFiles => {
                end(child, Signal::KILL);
                self.sweep.processes_left();
                self.strew();
            }
            // By up to a day, forth or back.
            Fault::ClockJump => fs::write(self.jump(), format!("{}", which as i64 % 86_400)).unwrap(),
            Fault::FullDisk => {
                let disk = self.disk.as_ref().unwrap();
                disk.fill();
                child.wait().unwrap();
                disk.make_room();
            }
        }
    }

    /// What a machine that lost power leaves: the beginning of a row that was being appended.
    fn tear(&self, which: u64) {
        let open = |state: &StateRecord| state.state != RunState::Completed;
        let states = self.sweep.states();
        let torn = states.iter().filter(|(_, state)| open(state)).map(|(name, _)| self.sweep.sweep().run(name));
        for run in torn {
            append(&run.epochs_csv(), &"9,val,0.5,,,,0.123456,0.1,0.001,0\n10,val"[..(which % 40) as usize]);
            append(&run.classes_csv(), &"9,val,cell,1,2,3,1,0.5,0.5,0.5,0.5\n9"[..(which % 36) as usize]);
        }
        append(&self.sweep.sweep().journal(), "{\"time\":17954");
        for run in self.sweep.runs() {
            append(&run.worker_log(), "an unfinished");
        }
        // The lock is written in place.
        let _ = fs::write(self.sweep.sweep().lock(), &"{\"process\":{\"pid\":1,"[..(which % 20) as usize]);
    }

    /// What a killed writer leaves: temporary files.
    fn strew(&self) {
        for run in self.sweep.runs() {
            fs::write(run.root().join(".state.json.1.tmp"), "{\"state\":\"comp").unwrap();
        }
        // The sweep may have been killed before it had a folder.
        let _ = fs::write(self.sweep.results().join(".plan.json.1.tmp"), "[");
    }

    /// A completed run is never started again.
    fn note_completed(&mut self) {
        for (run, state) in self.sweep.states() {
            if state.state == RunState::Completed {
                let starts = self.starts(&run).len();
                let known = *self.starts_of_completed.entry(run.clone()).or_insert(starts);
                assert_eq!(starts, known, "{run} was completed and was started again");
            }
        }
    }

    fn check_while_nothing_runs(&mut self) {
        let left: Vec<String> = self.sweep.processes_left().into_iter().map(what_it_is).collect();
        assert!(left.is_empty(), "processes are left behind: {left:#?}");
        self.note_completed();
        for (run, state) in self.sweep.states() {
            let before = self.known.insert(run.clone(), state.clone()).unwrap_or_default();
            assert!(state.checkpoint >= before.checkpoint, "{run}: {before:?} became {state:?}");
            // Each attempt goes on from a checkpoint at least as late as any that was known before it.
            let froms = self.starts(&run);
            assert!(froms.is_sorted(), "{run} went back: {froms:?}");
        }
    }

    /// The epochs after which the trainer of a run was started.
    fn starts(&self, run: &str) -> Vec<usize> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let of_run = text.lines().filter_map(|line| line.rsplit_once(' '));
        of_run.filter(|(path, _)| path.ends_with(run)).map(|(_, from)| from.parse().unwrap()).collect()
    }

    /// Runs the sweep to its end.
    fn end(&mut self) {
        for _ in 0..5 {
            let status = self.start().wait().unwrap();
            self.check_while_nothing_runs();
            if status.success() {
                return;
            }
        }
        unreachable!("the sweep does not end: {:#?}", self.sweep.states());
    }
}

/// A disk in memory on which the results lie.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Option<Self> {
        fs::create_dir(folder).unwrap();
        let disk = Self(folder.to_owned());
        disk.call("mount", &["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).then_some(disk)
    }

    /// Leaves no room.
    fn fill(&self) {
        let found = rustix::fs::statvfs(&self.0).unwrap();
        let used = (found.f_blocks - found.f_bfree) * found.f_frsize;
        self.call("mount", &["-o", &format!("remount,size={used}")]);
    }

    fn make_room(&self) {
        self.call("mount", &["-o", "remount,size=64m"]);
    }

    fn call(&self, program: &str, arguments: &[&str]) -> bool {
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.0).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.call("umount", &[]);
    }
}

fn end(child: &mut Child, wish: Signal) {
    signal(child.id(), wish);
    child.wait().unwrap();
}

/// State, parent, command line and what a process waits for.
fn what_it_is(pid: u32) -> String {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default().replace('\0', " ");
    [read("stat"), read("cmdline"), read("wchan")].join(" | ")
}

fn append(path: &Path, text: &str) {
    if let Ok(mut file) = OpenOptions::new().append(true).open(path) {
        file.write_all(text.as_bytes()).unwrap();
    }
}
