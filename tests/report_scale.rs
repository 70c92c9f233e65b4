//! A thousand runs of two hundred epochs: the report stays quick and small, leaves nothing out, and its page answers.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/sweep.rs"]
mod sweep;

use std::{fs, time::Instant};

use sweep::Fake;
use sweepscope::{report, store::SweepDir};

/// `cargo test --release --test report_scale -- --ignored --nocapture`
#[test]
#[ignore = "writes half a gigabyte"]
fn a_thousand_runs_take_five_seconds_and_a_gibibyte() {
    let folder = tempfile::tempdir().unwrap();
    let root = std::env::var_os("REPORT_KEEP").map_or_else(|| folder.path().join("thousand"), Into::into);
    let sweep = SweepDir::new(root);
    let runs = Fake::thousand().write(sweep.root());
    assert_eq!(runs.len(), 1000);
    let (start, ticks) = (Instant::now(), cpu_ticks());
    report::build(&sweep, &runs).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").trim().parse().unwrap();
    let cpu = (cpu_ticks() - ticks) as f64 / 100.0;
    say(&format!("1000 runs: {seconds:.1} s, {cpu:.1} s of processor time, {} MiB", kibibytes >> 10));
    let page = fs::metadata(sweep.report().join("index.html")).unwrap().len();
    say(&format!("page {} MiB", page >> 20));
    if let Some(chromium) = browser::chromium() {
        let mut browser = browser::Browser::start(chromium, &folder.path().join("profile"));
        browser.open(&format!("file://{}", sweep.report().join("index.html").display()));
        let seen = browser.value(include_str!("support/speed.js"));
        say(&format!("in the browser, in milliseconds: {seen}"));
        assert_eq!((&browser.complaints, &seen["shown"], &seen["curves"]), (&vec![], &100.into(), &960.into()));
        assert!(["open", "painted"].iter().all(|what| seen[*what].as_f64().unwrap() < 2000.0), "{seen}");
    }
    assert!(kibibytes < 1 << 20, "{kibibytes} KiB");
    assert!(seconds < 5.0, "{seconds} s");
}

/// User and system time of this process in hundredths of a second (fields 14 and 15 of /proc/PID/stat).
fn cpu_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
fn say(text: &str) {
    println!("{text}");
}
