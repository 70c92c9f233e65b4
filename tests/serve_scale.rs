//! The live page of a thousand runs, four of them going: how soon things show, and what watching costs.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "support/browser.rs"]
mod browser;
mod common;
#[path = "support/served.rs"]
mod served;
#[path = "support/sweep.rs"]
mod sweep;

use std::time::{Duration, Instant};

use browser::Browser;
use served::Served;
use sweep::Fake;
use sweepscope::{
    domain::{RunId, RunState},
    store::{PlannedRun, RunDir, SweepDir, SweepLock},
};

/// `cargo test --release --test serve_scale -- --ignored --nocapture`
#[test]
#[ignore = "writes half a gigabyte and says how long things take"]
fn a_thousand_runs_are_shown_as_they_go() {
    let Some(chromium) = browser::chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("results/thousand"));
    let runs = a_thousand(&sweep);
    let _held = SweepLock::acquire(&sweep).unwrap();
    let going: Vec<RunDir> = runs.iter().take(4).map(|run| sweep.run(run)).collect();
    going.iter().for_each(|run| stand(run, 100));
    let served = Served::start(folder.path(), &[]);
    let mut browser = Browser::start(chromium, &folder.path().join("profile"));
    let start = Instant::now();
    browser.open(&format!("{}sweep/thousand/report/", served.address));
    browser.wait_for("document.querySelectorAll('#runs tbody tr').length === 1000");
    say(&format!("{:.1} s until all rows are shown", start.elapsed().as_secs_f64()));
    browser.wait_for("document.querySelectorAll('#charts svg.chart').length > 3");
    say(&format!("{:.1} s until the charts are, too", start.elapsed().as_secs_f64()));
    // The longest time for which the page does not answer, by its own clock.
    browser.value(
        "window.longest = 0; let last = performance.now(); setInterval(() => { const now = performance.now(); \
         longest = Math.max(longest, now - last - 20); last = now; }, 20)",
    );
    let (ticks, since) = (served.cpu_ticks(), Instant::now());
    let mut waits = Vec::new();
    for epoch in 101..=130 {
        let written = Instant::now();
        going.iter().for_each(|run| stand(run, epoch));
        browser.wait_for(&format!("document.querySelector('#now tbody').innerText.startsWith('{epoch} of 200')"));
        waits.push(written.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_secs(1).saturating_sub(written.elapsed()));
    }
    waits.sort_by(f64::total_cmp);
    let share = (served.cpu_ticks() - ticks) as f64 / since.elapsed().as_secs_f64();
    say(&format!("an epoch of 4 runs shows after {:.2} s (median), {:.2} s (longest)", waits[15], waits[29]));
    say(&format!("the server takes {share:.0} % of a core and {} MiB at most", served.peak_memory_mib()));
    say(&format!("the page stands still for {:.0} ms at most", browser.value("longest").as_f64().unwrap()));
    assert_eq!(browser.complaints, [""; 0]);
}

fn a_thousand(sweep: &SweepDir) -> Vec<String> {
    let runs = Fake::thousand().write(sweep.root());
    let planned = |run: &String| {
        let (id, setting, axes) = (RunId(uuid::Uuid::nil()), String::new(), serde_json::Map::new());
        PlannedRun { run: run.clone(), id, setting, axes }
    };
    PlannedRun::write_all(sweep, &runs.iter().map(planned).collect::<Vec<_>>()).unwrap();
    runs
}

/// The run is being trained and has `epoch` epochs; its tables hold more, for which nobody vouches.
fn stand(run: &RunDir, epoch: usize) {
    let mut state = run.read_state().unwrap();
    (state.state, state.epoch) = (RunState::Running, epoch);
    run.write_state(&state).unwrap();
}

#[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
fn say(text: &str) {
    println!("{text}");
}
