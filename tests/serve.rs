//! The live page, with real processes: watched in Chromium from a sweep's start to its end, asked by those who may
//! and those who may not, and fed with nonsense.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "support/browser.rs"]
mod browser;
mod common;
#[path = "support/served.rs"]
mod served;

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
use served::Served;
use sweepscope::domain::seed;

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
    // Of each run the epochs that the table tells, and what the curves of the second are drawn from.
    browser.value(
        "window.mark = 'not reloaded'; window.epochs = () => { \
         const column = [...document.querySelectorAll('#runs th')].findIndex((th) => th.textContent === 'epochs'); \
         return [1, 2, 3, 4].map((run) => +document.getElementById(`row-${run}`).cells[column].textContent); }; \
         window.curves = () => [...document.querySelectorAll('#details-2 svg.chart path')] \
             .map((path) => path.getAttribute('d')).join(); \
         window.before = curves()",
    );
    browser.value("document.getElementById('run-2').open = true");
    browser.wait_for("document.querySelectorAll('#now tbody tr').length === 1");
    let mut told = 0;
    let mut grew = 0;
    for epochs in (5..120).step_by(5) {
        hold_at(epochs, &mut run, folder.path(), || {
            // The last of them may be held while it is written.
            browser.wait_for(&format!("epochs().reduce((a, b) => a + b) >= {epochs} - 1"));
            let now = browser.value("epochs()[1]").as_u64().unwrap();
            if now > told + 1 {
                browser.wait_for("curves() !== before");
                grew += 1;
            }
            told = now;
            browser.value("window.before = curves()");
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
    assert!(grew > 3, "the second run was looked at only {grew} times");
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
