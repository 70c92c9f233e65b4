//! The live page, with real processes: watched in Chromium from a sweep's start to its end, asked by those who may
//! and those who may not, and fed with nonsense.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "support/browser.rs"]
mod browser;
mod common;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};

use browser::Browser;
use rand::RngExt;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sweep::Fake;
use sweepscope::{
    domain::{RunId, RunState, seed},
    store::{PlannedRun, RunDir, SweepDir, SweepLock},
};

/// The program serving; ends with this value.
struct Served {
    process: Child,
    /// As it printed it.
    address: String,
}

impl Served {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = common::sweepscope(folder);
        command.args(["serve", "results", "--port", "0"]).args(arguments);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().to_owned() }
    }

    fn host(&self) -> &str {
        self.address.trim_start_matches("http://").split('/').next().unwrap()
    }

    /// Sends bytes as they are and returns what comes back within a while.
    fn send(&self, bytes: &[u8]) -> String {
        let mut connection = TcpStream::connect(self.host()).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // It may hang up before it has heard all of it.
        let _ = connection.write_all(bytes);
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The status of an answer to `GET path` with these headers.
    fn status(&self, path: &str, headers: &[&str]) -> u16 {
        self.ask("GET", path, headers).split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    fn ask(&self, method: &str, path: &str, headers: &[&str]) -> String {
        let own = format!("Host: {}", self.host());
        let named = headers.iter().any(|header| header.starts_with("Host:"));
        let headers: Vec<&str> = headers.iter().copied().chain((!named).then_some(own.as_str())).collect();
        self.send(
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{}\r\n\r\n", headers.join("\r\n")).as_bytes(),
        )
    }

    fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }

    /// User and system time so far in hundredths of a second (fields 14 and 15 of /proc/PID/stat).
    fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    fn peak_memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder with the small sweep, run to its end.
fn with_results() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    common::small_sweep(folder.path());
    common::expect_code(&common::call(folder.path(), &["run", "sweep.toml", "grid.split_seed=0", "train.epochs=2"]), 0);
    folder
}

#[test]
fn a_sweep_is_watched_from_its_start_to_its_end_without_reloading() {
    let Some(chromium) = browser::chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    common::small_sweep(folder.path());
    fs::create_dir(folder.path().join("results")).unwrap();
    let served = Served::start(folder.path(), &[]);
    let mut browser = Browser::start(chromium, &folder.path().join("profile"));
    browser.open(&served.address);
    browser.wait_for("document.body.innerText.includes('No sweep yet')");

    let mut run = common::sweepscope(folder.path());
    let mut run = run.args(["run", "sweep.toml", "train.epochs=30", "-j", "1"]).stderr(Stdio::null()).spawn().unwrap();
    browser.wait_for("document.querySelector('.sweep a')?.textContent === 'small'");
    browser.value("document.querySelector('.sweep a').click()");
    browser.wait_for(
        "location.pathname === '/sweep/small/report/' && document.querySelectorAll('#runs tbody tr').length === 4",
    );
    // What is on the page at any time, by the page's own clock.
    browser.value(
        "window.mark = 'not reloaded'; window.epochs = new Set(); window.lengths = new Set(); setInterval(() => { \
         const column = [...document.querySelectorAll('#runs th')].findIndex((th) => th.textContent === 'epochs'); \
         epochs.add([...document.querySelectorAll('#runs tbody tr')].map((tr) => tr.cells[column]?.textContent).join()); \
         const lines = [...document.querySelectorAll('#details-2 svg.chart path')].map((path) => path.getAttribute('d')); \
         lengths.add(Math.max(...lines.map((line) => line.length))); }, 50)",
    );
    browser.value("document.getElementById('run-2').open = true");
    browser.wait_for("document.querySelectorAll('#now tbody tr').length === 1");
    for epochs in (5..120).step_by(5) {
        hold_at(epochs, &mut run, folder.path(), || {
            // The last of them may be held while it is written.
            browser.wait_for(&format!("[...epochs].pop()?.split(',').reduce((a, b) => a + +b, 0) >= {epochs} - 1"));
        });
    }
    assert!(run.wait().unwrap().success());
    browser.wait_for("document.querySelector('#now').innerText.includes('4 completed')");
    browser.wait_for("document.querySelectorAll('#details-2 svg.chart path').length > 20");
    browser.wait_for("document.querySelectorAll('#details-2 .panel').length === 3");
    browser.wait_for("document.querySelectorAll('#charts svg.chart').length > 3");
    browser.wait_for("/mean: /.test(document.querySelector('#verdict').innerText)");
    browser.wait_for("document.querySelectorAll('#findings .finding').length > 0");
    assert_eq!(
        browser.value("[window.mark, document.getElementById('link').textContent]"),
        json!(["not reloaded", "live"])
    );
    let seen = browser.value("[epochs.size, lengths.size]");
    assert!(seen[0].as_u64() > Some(8), "{seen}: the table hardly moved");
    assert!(seen[1].as_u64() > Some(3), "{seen}: the curves did not grow");
    let loaded = "document.querySelector('#details-2 .panel img').scrollIntoView(); \
                  document.querySelector('#details-2 .panel img').decode().then(() => true)";
    assert_eq!(browser.value(loaded), true);
    let broken = "[...document.querySelectorAll('svg use')].filter((use) => \
                  !document.getElementById(use.getAttribute('href').slice(1))).length";
    assert_eq!(browser.value(broken), 0, "text of charts is missing");
    for width in [1200, 400] {
        browser.picture(width, true);
        let wide = browser.value("document.documentElement.scrollWidth").as_u64();
        assert!(wide <= Some(width.into()), "{wide:?} on a screen of {width}");
    }
    assert_eq!(browser.complaints, [""; 0]);
}

/// Lets the sweep go on until it has recorded so many epochs, and holds its workers while something is done: however
/// fast the machine, there is something to watch.
fn hold_at(epochs: usize, run: &mut Child, folder: &Path, done: impl FnOnce()) {
    let recorded = || {
        let runs = fs::read_dir(folder.join("results/small/runs")).unwrap().flatten();
        let tables = runs.map(|run| fs::read_to_string(run.path().join("timing.csv")).unwrap_or_default());
        tables.map(|table| table.lines().count().saturating_sub(1)).sum::<usize>()
    };
    while recorded() < epochs && run.try_wait().unwrap().is_none() {}
    let workers = common::children_of(run.id());
    // One that has just ended needs no signal.
    let tell = |signal| workers.iter().for_each(|&worker| kill_process(worker, signal).unwrap_or_default());
    tell(Signal::STOP);
    done();
    tell(Signal::CONT);
}

#[test]
fn only_those_who_may_are_answered() {
    let folder = with_results();
    let served = Served::start(folder.path(), &[]);
    assert_eq!(served.status("/", &[]), 200);
    assert_eq!(served.status("/sweep/small/report/", &["Host: localhost:9"]), 200);
    assert_eq!(served.status("/", &["Host: evil.example"]), 403);
    assert_eq!(served.status("/sweep/small/report/events", &["Origin: http://evil.example"]), 403);
    assert!(served.ask("POST", "/", &["Content-Length: 0"]).starts_with("HTTP/1.1 405"));
    let answer = served.ask("GET", "/", &[]).to_lowercase();
    for header in
        ["cache-control: no-store", "x-content-type-options: nosniff", "content-security-policy: default-src 'none'"]
    {
        assert!(answer.contains(header), "{answer}");
    }

    let asking = Served::start(folder.path(), &["--token"]);
    let (_, token) = asking.address.split_once("?token=").unwrap();
    for path in ["/", "/events", "/live.js", "/sweep/small/report/", "/nothing", "/?token=0"] {
        assert_eq!(asking.status(path, &[]), 403, "{path}");
    }
    let answer = asking.ask("GET", &format!("/?token={token}"), &[]).to_lowercase();
    assert!(answer.starts_with("http/1.1 303") && answer.contains("\r\nlocation: ./\r\n"), "{answer}");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(asking.status("/sweep/small/report/", &[&cookie]), 200);
    assert_eq!(asking.status("/sweep/small/report/", &[&cookie, "Origin: http://evil.example"]), 403);

    let elsewhere = Served::start(folder.path(), &["--bind", "0.0.0.0"]);
    assert!(elsewhere.address.contains("?token="), "{}", elsewhere.address);
}

#[test]
fn nothing_but_pages_and_panels_can_be_had() {
    let folder = with_results();
    let runs = folder.path().join("results/small/runs");
    let run = fs::read_dir(&runs).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    let panels = runs.join(&run).join("panels");
    symlink("/etc/hostname", panels.join("link.png")).unwrap();
    let panel = fs::read_dir(&panels).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let panel = panel.into_iter().find(|name| name.starts_with("worst")).unwrap();
    let served = Served::start(folder.path(), &[]);
    let of_run = format!("/sweep/small/runs/{run}/panels");
    // The first one to look at the sweep has it read.
    let mut events = TcpStream::connect(served.host()).unwrap();
    write!(events, "GET /sweep/small/report/events HTTP/1.1\r\nHost: {}\r\n\r\n", served.host()).unwrap();
    let mut lines = BufReader::new(events).lines();
    let first = lines.find_map(|line| Some(line.unwrap().strip_prefix("data:")?.to_owned())).unwrap();
    let parts: Vec<[String; 2]> = serde_json::from_str(&first).unwrap();
    assert!(parts.iter().any(|[id, html]| id == "runs" && html.contains(&run)), "{first}");
    assert_eq!(served.status(&format!("{of_run}/{panel}"), &[]), 200);
    assert_eq!(served.status(&format!("/sweep/small/report/run/{run}"), &[]), 200);
    for path in [
        format!("{of_run}/link.png"),
        format!("{of_run}/..%2Frun.toml"),
        format!("{of_run}/../run.toml"),
        format!("{of_run}/%2e%2e/run.toml"),
        format!("/sweep/small/runs/..%2F..%2F../panels/{panel}"),
        "/sweep/..%2F..%2Fetc/report/".into(),
        "/sweep/%2Fetc/report/".into(),
        "/sweep/small/report/run/..%2Fx".into(),
        "/../../../../etc/passwd".into(),
        "/%2e%2e/%2e%2e/etc/passwd".into(),
        "//etc/passwd".into(),
        "/sweep/small/runs.csv".into(),
    ] {
        let answer = served.ask("GET", &path, &[]);
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
    }
}

#[test]
fn ten_thousand_odd_requests_leave_it_standing() {
    let folder = with_results();
    let served = Served::start(folder.path(), &[]);
    assert_eq!(served.status("/", &[]), 200);
    let before = served.open_files();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let served = &served;
            scope.spawn(move || {
                let mut random = seed::generator(thread, "test/odd", &[]);
                for _ in 0..2500 {
                    odd_request(served.host(), &mut random);
                }
            });
        }
    });
    assert_eq!(served.status("/sweep/small/report/", &[]), 200);
    assert!(served.peak_memory_mib() < 200, "{} MiB", served.peak_memory_mib());
    let deadline = Instant::now() + Duration::from_secs(20);
    while served.open_files() > before + 8 {
        assert!(Instant::now() < deadline, "{} files are open, {before} were", served.open_files());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Nonsense, half requests, traversal, long lines, wrong encodings; often hung up before the answer.
fn odd_request(host: &str, random: &mut impl rand::Rng) {
    const STARTS: [&str; 8] =
        ["GET /", "GET /sweep/small/report/", "HEAD /", "POST /", "GET /sweep/", "PRI * ", "\r\n", ""];
    const PIECES: [&str; 14] = [
        "../",
        "%2e%2e%2f",
        "%00",
        "%ff",
        "\\..\\",
        "sweep/small/runs/",
        "report/events",
        "?token=",
        "panels/",
        "//",
        "#",
        " ",
        "%",
        "\u{e9}",
    ];
    const ENDS: [&str; 6] = [
        " HTTP/1.1\r\n\r\n",
        " HTTP/1.0\r\n\r\n",
        " HTTP/9.9\r\n\r\n",
        "\r\n",
        "",
        " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ];
    let mut bytes = STARTS[random.random_range(0..STARTS.len())].as_bytes().to_vec();
    for _ in 0..random.random_range(0..12) {
        bytes.extend(PIECES[random.random_range(0..PIECES.len())].as_bytes());
    }
    if random.random_range(0..10) == 0 {
        bytes.extend((0..random.random_range(0..100_000)).map(|_| random.random::<u8>()));
    }
    let host_line = format!(" HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let end = random.random_range(0..2 * ENDS.len());
    bytes.extend(ENDS.get(end).copied().unwrap_or(&host_line).as_bytes());
    let mut connection = TcpStream::connect(host).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let _ = connection.write_all(&bytes);
    if random.random() {
        let _ = connection.read(&mut [0; 512]);
    }
}

#[test]
fn a_port_in_use_is_said_and_ctrl_c_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("results")).unwrap();
    let mut served = Served::start(folder.path(), &[]);
    let port = served.host().rsplit(':').next().unwrap().to_owned();
    let second: Output = common::call(folder.path(), &["serve", "results", "--port", &port]);
    common::expect_code(&second, 2);
    assert!(common::said(&second).contains("name another --port"), "{}", common::said(&second));
    common::expect_code(&common::call(folder.path(), &["serve", "nowhere"]), 2);
    let mut events = TcpStream::connect(served.host()).unwrap();
    write!(events, "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", served.host()).unwrap();
    events.read_exact(&mut [0; 12]).unwrap();
    kill_process(Pid::from_raw(served.process.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    assert_eq!(served.process.wait().unwrap().code(), Some(0));
}

/// `cargo test --release --test serve -- --ignored --nocapture`
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
    let fake = Fake {
        learning_rates: vec![1e-2, 3e-3, 1e-3, 3e-4, 1e-4],
        batch_sizes: vec![2, 4, 8, 16, 32],
        input_sizes: vec![64, 96, 128, 192],
        split_seeds: 10,
        epochs: 200,
        images: [60, 20, 20],
        ..Fake::default()
    };
    let runs = fake.write(sweep.root());
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
