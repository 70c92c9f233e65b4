//! Early end of hopeless settings, with a scripted trainer: groups of seeds compete at rungs, what is ended says why
//! and can be taken up again.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod common;
mod outside;

use std::{collections::BTreeMap, fs};

use common::{call, expect_code, said};
use outside::Outside;
use sweepscope::{
    domain::{RunState, StateRecord},
    store::Journal,
};

/// Scores that do not depend on the epoch. 1e-3 and 2e-3 cannot be told apart, the others are far behind.
const TRAINER: &str = r#"#!/bin/sh
case "$1/$2" in
1e-3/0) score=0.80 ;; 1e-3/1) score=0.81 ;; 1e-3/2) score=0.82 ;;
2e-3/0) score=0.75 ;; 2e-3/1) score=0.83 ;; 2e-3/2) score=0.80 ;;
3e-3/*) score=0.3$2 ;;
*) score=0.1$2 ;;
esac
trap 'exit 75' TERM
epoch=$((${SWEEPSCOPE_RESUME_EPOCH:-0} + 1))
while [ "$epoch" -le "$3" ]; do
    echo "{\"event\":\"epoch\",\"epoch\":$epoch,\"split\":\"val\",\"dice_macro\":$score}"
    echo "{\"event\":\"checkpoint\",\"epoch\":$epoch}"
    sleep 0.05
    epoch=$((epoch + 1))
done
echo '{"event":"done"}'
"#;

fn sweep(more: &str) -> Outside {
    let command = r#"["sh", "trainer.sh", "{learning_rate}", "{split_seed}", "{train.epochs}"]"#;
    let sweep = Outside::with_command(4, 3, 16, command, more);
    fs::write(sweep.folder.path().join("trainer.sh"), TRAINER).unwrap();
    sweep
}

fn of_rate<'a>(states: &'a BTreeMap<String, StateRecord>, rate: &str) -> Vec<&'a StateRecord> {
    states.iter().filter(|(run, _)| run.contains(&format!("learning_rate={rate},"))).map(|(_, state)| state).collect()
}

#[test]
fn hopeless_settings_end_at_the_first_rung_by_evidence_and_the_others_go_on() {
    let sweep = sweep("early_end = { min_epochs = 4, reduction_factor = 2 }");
    let folder = sweep.folder.path();
    let output = call(folder, &["run", "sweep.toml", "-j", "2"]);
    expect_code(&output, 0);
    assert!(said(&output).contains("6 runs of hopeless settings ended early"), "{}", said(&output));
    let states = sweep.states();
    for rate in ["1e-3", "2e-3"] {
        let ends: Vec<_> = of_rate(&states, rate).iter().map(|state| (state.state, state.epoch)).collect();
        assert_eq!(ends, [(RunState::Completed, 16); 3], "{rate}");
    }
    for rate in ["3e-3", "4e-3"] {
        for state in of_rate(&states, rate) {
            assert_eq!((state.state, &state.failure), (RunState::EndedEarly, &None), "{rate}");
            // A worker that is told to end at a rung may be an epoch further when it hears of it.
            assert!((4..16).contains(&state.epoch), "{state:?}");
            let note = state.note.as_deref().unwrap();
            assert!(note.starts_with("at epoch 4 its best val_dice_macro lay "), "{note}");
            assert!(note.contains("over 3 seeds (interval 0."), "{note}");
        }
    }
    let table = fs::read_to_string(sweep.sweep().runs_csv()).unwrap();
    assert_eq!(table.lines().filter(|row| row.contains(",ended_early,") && row.contains("at epoch 4")).count(), 6);
    let journal = Journal::read(&sweep.sweep()).unwrap();
    let told = journal.iter().filter(|entry| entry.what == "ended early" && entry.detail.is_some());
    assert_eq!(told.count(), 6);
    let findings = fs::read_to_string(sweep.sweep().findings_csv()).unwrap();
    assert!(!findings.contains("failed"), "{findings}");

    let again = call(folder, &["run", "sweep.toml"]);
    expect_code(&again, 0);
    assert!(said(&again).contains("nothing to do: 6 runs done, 6 ended early"), "{}", said(&again));
}

#[test]
fn what_was_ended_early_goes_on_when_it_is_retried_or_nobody_asks_for_its_end() {
    let sweep = sweep("early_end = { min_epochs = 4 }");
    let folder = sweep.folder.path();
    expect_code(&call(folder, &["run", "sweep.toml", "-j", "2"]), 0);
    let states = sweep.states();
    let retried = states.iter().find(|(_, state)| state.state == RunState::EndedEarly).unwrap().0;
    assert!(said(&call(folder, &["retry", "results/outside"])).contains("nothing to retry"));
    expect_code(&call(folder, &["retry", "results/outside", retried]), 0);
    expect_code(&call(folder, &["resume", "results/outside"]), 0);
    let state = sweep.states()[retried].clone();
    assert_eq!((state.state, state.epoch, state.note), (RunState::Completed, 16, None));

    let file = folder.join("sweep.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("early_end = { min_epochs = 4 }", "")).unwrap();
    expect_code(&call(folder, &["run", "sweep.toml", "-j", "2"]), 0);
    assert!(sweep.states().values().all(|state| (state.state, state.epoch) == (RunState::Completed, 16)));
}

#[test]
fn a_sweep_that_is_stopped_between_rungs_knows_who_has_arrived() {
    let sweep = sweep("early_end = { min_epochs = 4 }");
    let mut child = sweep.start_and_wait_for(20);
    outside::signal(child.id(), rustix::process::Signal::KILL);
    child.wait().unwrap();
    assert_eq!(sweep.processes_left(), Vec::<u32>::new());
    expect_code(&call(sweep.folder.path(), &["run", "sweep.toml", "-j", "2"]), 0);
    let states = sweep.states();
    let early = states.values().filter(|state| state.state == RunState::EndedEarly).count();
    let done = states.values().filter(|state| state.state == RunState::Completed).count();
    assert_eq!((early, done), (6, 6));
}
