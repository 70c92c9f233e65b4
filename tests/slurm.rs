//! Sweeps on a real Slurm: its nodes, its controller and its limits get in the way, and the results are those of one
//! machine all the same.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may end at the first surprise")]

mod common;
mod slurm_support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use slurm_support::{Cluster, Sweep, signal};
use sweepscope::store::Journal;

#[test]
fn each_run_is_done_once_whatever_happens_to_the_cluster() {
    let Some(cluster) = Cluster::start() else { return };
    let sweep = Sweep::new(&cluster, [6, 4, 16], "0.3", "poll = 1\ngres = \"gpu:1\"");
    let mut command = sweep.start();
    let has_jobs_on = |node: &str| cluster.running().iter().filter(|(_, at)| at == node).count() == 2;
    sweep.wait_until("epochs", || has_jobs_on("n1") && sweep.epochs() > 12);

    cluster.crash("n1");
    sweep.wait_until("jobs on n2", || has_jobs_on("n2"));
    cluster.lose("n2");
    cluster.restart_controller();
    cluster.bring_back("n1");
    sweep.wait_until("jobs on n1 again", || has_jobs_on("n1"));
    let (task, _) = cluster.running().into_iter().find(|(_, node)| node == "n1").unwrap();
    cluster.call("scancel", &[&task]);
    cluster.bring_back("n2");
    fs::write(sweep.folder.path().join("broken"), "n3\n").unwrap();

    sweep.expect_end(&mut command, 0);
    let said = sweep.said();
    assert!(said.contains("n3 gets no more runs: it lost 3 one after another"), "{said}");
    sweep.expect_as_if_local();
}

#[test]
fn an_attempt_that_was_thought_lost_ends_once_another_has_its_run_and_overwrites_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let sweep = Sweep::new(&cluster, [1, 2, 60], "0.5", "poll = 1\ngres = \"gpu:2\"");
    let mut command = sweep.start();
    sweep.wait_until("epochs of both runs", || sweep.states().values().filter(|state| state.epoch > 2).count() == 2);
    let (task, node) = cluster.running().remove(0);
    let run = sweep.run_of(&task).unwrap();
    let stale = sweepscope::store::owner(&run).unwrap().unwrap();
    cluster.lose(&node);

    let owner = || sweepscope::store::owner(&run).unwrap().unwrap();
    sweep.wait_until("another attempt", || owner() != stale);
    assert!(owner().attempt > stale.attempt);
    sweep.wait_until("the end of the stale attempt", || !sweepscope::store::is_alive(stale.process));
    sweep.expect_end(&mut command, 0);
    let logs = sweep.logs();
    assert!(logs.contains("has taken the run over") || logs.contains("it ends and writes nothing more"), "{logs}");
    sweep.expect_as_if_local();
}

#[test]
fn a_run_that_meets_its_time_limit_saves_itself_and_goes_on_in_another_job() {
    let Some(cluster) = Cluster::start() else { return };
    let sweep = Sweep::new(&cluster, [1, 1, 60], "1", "poll = 1\ngres = \"gpu:1\"\ntime = \"1\"\nwarning = 40");
    let mut command = sweep.start();
    sweep.expect_end(&mut command, 0);
    let name = sweep.states().into_keys().next().unwrap();
    let entries = fs::read_to_string(sweep.results().run(&name).journal()).unwrap();
    assert!(entries.contains("\"stop\"") && entries.matches("\"started\"").count() >= 2, "{entries}");
    let owner = sweepscope::store::owner(&sweep.results().run(&name)).unwrap().unwrap();
    assert!(owner.attempt.restart >= 1 && owner.attempt.generation == 1, "{owner:?}");
    sweep.expect_as_if_local();
}

#[test]
fn a_sweep_may_be_left_come_back_to_and_stopped() {
    let Some(cluster) = Cluster::start() else { return };
    let sweep = Sweep::new(&cluster, [2, 4, 30], "0.2", "poll = 1\ngres = \"gpu:1\"");
    let mut command = sweep.start();
    sweep.wait_until("epochs", || sweep.epochs() > 6);
    signal(command.id(), Signal::INT);
    sweep.expect_end(&mut command, 130);
    assert!(sweep.said().contains("the jobs go on without this command"), "{}", sweep.said());

    let before = sweep.epochs();
    sweep.wait_until("epochs without the command", || sweep.epochs() > before);
    let status = common::said(&sweep.call(&["status", "results/outside"]));
    assert!(status.contains("8 jobs with Slurm, 6 of them running"), "{status}");
    assert!(status.contains("n1") && status.contains("waits: "), "{status}");
    let local = sweep.call(&["run", "sweep.toml"]);
    common::expect_code(&local, 2);
    assert!(common::said(&local).contains("Slurm has 8 jobs of this sweep"), "{}", common::said(&local));

    let mut command = sweep.start();
    sweep.wait_until("the jobs taken up", || sweep.said().contains("8 runs are with Slurm already"));
    common::expect_code(&sweep.call(&["stop", "results/outside"]), 0);
    sweep.expect_end(&mut command, 75);
    assert_eq!(cluster.running(), []);
    assert!(sweep.states().values().any(|state| state.epoch > 0));

    common::expect_code(&sweep.call(&["resume", "results/outside"]), 0);
    sweep.expect_as_if_local();
}

#[test]
fn what_goes_on_here_is_not_written_by_jobs_that_slurm_still_has_and_may_go_back_to_it() {
    let Some(cluster) = Cluster::start() else { return };
    let sweep = Sweep::new(&cluster, [1, 4, 40], "0.3", "poll = 1\ngres = \"gpu:2\"");
    let mut command = sweep.start();
    let have_begun = || sweep.states().values().filter(|state| state.epoch > 2).count();
    sweep.wait_until("epochs of a run on each node", || have_begun() == 3);
    signal(command.id(), Signal::INT);
    sweep.expect_end(&mut command, 130);

    // Here Slurm cannot be asked.
    let path = sweep.folder.path().join("squeue");
    fs::write(&path, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", sweep.folder.path().display(), std::env::var("PATH").unwrap());
    let mut here = sweep.command(&["run", "sweep.toml", "--executor", "local", "-j", "4"]);
    let mut here = here.env("PATH", path).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    sweep.wait_until("epochs of all runs here", || have_begun() == 4);
    sweep.wait_until("the end of all jobs", || cluster.running().is_empty());
    signal(here.id(), Signal::TERM);
    sweep.expect_end(&mut here, 75);

    let mut command = sweep.start();
    sweep.wait_until("jobs of another submission", || cluster.running().len() == 3);
    sweep.expect_end(&mut command, 0);
    sweep.expect_as_if_local();
}

#[test]
fn two_thousand_runs_are_submitted_at_once_and_watching_them_costs_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let sweep = Sweep::new(&cluster, [2, 1000, 1], "0", "extra = [\"--begin=now+1hour\"]");
    let started = Instant::now();
    let mut command = sweep.start();
    let submissions = || Journal::read(&sweep.results()).unwrap().iter().filter(|e| e.what == "submitted").count();
    // The largest array of this cluster has 1001 tasks.
    sweep.wait_until("both submissions", || submissions() == 2);
    let seconds = started.elapsed().as_secs_f64();
    let (before, watched) = (cpu_seconds(command.id()), Duration::from_secs(32));
    std::thread::sleep(watched);
    let share = (cpu_seconds(command.id()) - before) / watched.as_secs_f64();
    eprintln!("2000 runs submitted {seconds:.2} s after the start; watching takes {:.2} % of a core", 100.0 * share);
    assert!(seconds < 20.0 && share < 0.02, "{seconds} s, {share}");
    signal(command.id(), Signal::TERM);
    sweep.expect_end(&mut command, 75);
}

/// Processor time of a process and of all that it waited for.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11..15].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    // Linux counts in hundredths of a second.
    ticks / 100.0
}
