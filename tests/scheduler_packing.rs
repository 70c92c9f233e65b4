//! Runs that share a GPU by measured memory, on devices that do not exist and whose memory is what files say.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod common;
mod outside;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use common::{expect_code, said};
use outside::Outside;

/// Takes 2,900 MiB of its device, says how many others it sees there, and gives them back.
const TRAINER: &str = r#"#!/bin/sh
device=$SWEEPSCOPE_FAKE_MEMORY/$CUDA_VISIBLE_DEVICES
mkdir -p "$device"
[ -e other ] && echo 1500 >"$device/$(cat other)"
echo 2900 >"$device/$$"
echo '{"event":"epoch","epoch":1,"split":"val","dice_macro":0.5}'
for look in 1 2 3 4 5 6; do
    sleep 0.05
    echo "$CUDA_VISIBLE_DEVICES $(ls "$device" | wc -l)" >>seen.txt
done
[ -e leaks ] && [ "$CUDA_VISIBLE_DEVICES" = 1 ] || rm "$device/$$"
echo '{"event":"done"}'
"#;

struct Packed {
    sweep: Outside,
    memory: PathBuf,
}

impl Packed {
    fn new(runs: usize, more: &str) -> Self {
        let sweep = Outside::with_command(1, runs, 1, r#"["sh", "trainer.sh"]"#, more);
        let folder = sweep.folder.path();
        fs::write(folder.join("trainer.sh"), TRAINER).unwrap();
        let memory = folder.join("memory");
        fs::create_dir(&memory).unwrap();
        fs::write(memory.join("total"), "10000\n").unwrap();
        Self { sweep, memory }
    }

    fn run(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sweepscope"));
        command.args(["run", "sweep.toml", "--devices", "fake:2"]).current_dir(self.sweep.folder.path());
        command.env("SWEEPSCOPE_FAKE_MEMORY", &self.memory).output().unwrap()
    }

    /// The most workers that one device had at once.
    fn most(&self, device: &str) -> usize {
        let seen = fs::read_to_string(self.sweep.folder.path().join("seen.txt")).unwrap();
        let here = seen.lines().filter_map(|line| line.split_once(' ')).filter(|(name, _)| *name == device);
        here.map(|(_, count)| count.trim().parse().unwrap()).max().unwrap_or(0)
    }
}

#[test]
fn a_device_takes_as_many_runs_as_its_memory_and_never_more() {
    let packed = Packed::new(24, "runs_per_device = \"auto\"");
    expect_code(&packed.run(), 0);
    assert_eq!((packed.most("0"), packed.most("1")), (3, 3));
}

#[test]
fn without_being_asked_to_a_gpu_takes_one_run() {
    let packed = Packed::new(8, "");
    expect_code(&packed.run(), 0);
    assert_eq!((packed.most("0"), packed.most("1")), (1, 1));
}

#[test]
fn what_another_program_takes_of_a_device_is_no_fault_of_it() {
    let packed = Packed::new(4, "runs_per_device = 1");
    fs::write(packed.sweep.folder.path().join("other"), std::process::id().to_string()).unwrap();
    let output = packed.run();
    expect_code(&output, 0);
    assert!(!said(&output).contains("used no more"), "{}", said(&output));
}

#[test]
fn a_device_whose_memory_does_not_come_back_gets_no_more_runs() {
    let packed = Packed::new(12, "runs_per_device = 1");
    fs::write(packed.sweep.folder.path().join("leaks"), "").unwrap();
    let output = packed.run();
    expect_code(&output, 0);
    assert!(said(&output).contains("12 of 12 runs completed"), "{}", said(&output));
    // One run a device at a time: each file that is left is one run that the second device got.
    assert_eq!(fs::read_dir(packed.memory.join("1")).unwrap().count(), 1);
}
