//! The page in headless Chromium: it opens without an error, sorts, filters, flickers, turns dark, fits a narrow
//! screen and shows names that look like markup as text. Skipped with a line where there is no Chromium.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "support/sweep.rs"]
mod sweep;

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use sweep::Fake;
use sweepscope::{report, store::SweepDir};

const HOSTILE: &str = "<script>document.title='owned'<script>&\"'-0badc0de";

/// Drives the page as a reader would and leaves what it saw in the title, as JSON.
const DRIVER: &str = include_str!("support/driver.js");

#[test]
fn the_page_works_in_a_browser_on_wide_and_narrow_screens() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up <b>sweep</b>"));
    let mut runs = Fake::default().write(sweep.root());
    fs::rename(sweep.run(&runs[0]).root(), sweep.run(HOSTILE).root()).unwrap();
    runs[0] = HOSTILE.into();
    let mut state = sweep.run(&runs[1]).read_state().unwrap();
    state.epoch = 7;
    sweep.run(&runs[1]).write_state(&state).unwrap();
    let panels = sweep.run(HOSTILE).panels();
    fs::create_dir_all(&panels).unwrap();
    image::RgbImage::from_pixel(4 * 48 + 24, 48, image::Rgb([9, 99, 199])).save(panels.join("worst-a b.png")).unwrap();
    let page = report::build(&sweep, &runs).unwrap().index;
    for width in [1100, 400] {
        let seen = drive(&browser, &page, width);
        assert_eq!(seen["errors"], serde_json::json!([]), "{seen}");
        let numbers = |name: &str| -> Vec<u64> {
            seen[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap().parse().unwrap()).collect()
        };
        assert_eq!((numbers("ascending")[0], numbers("descending")[11]), (7, 7));
        assert_eq!(seen["sorted"], "descending");
        assert_eq!(seen["shown"], 2);
        // Runs of 24 epochs and a rate of 1e-3 (one stopped at 7); of one seed; none; all.
        assert_eq!(seen["numbers"], serde_json::json!([5, 4, 0, 12]), "{seen}");
        assert_eq!(seen["none"], serde_json::json!(["no row", 0]));
        assert_eq!((&seen["folded"], &seen["names"]), (&0.into(), &0.into()));
        assert!(seen["own"].as_u64().unwrap() > 0, "{seen}");
        assert_eq!(seen["rows"], if width > 1000 { 1 } else { 2 });
        assert!(seen["cut"].as_f64().unwrap() <= 0.0, "{seen}");
        assert_eq!((&seen["open"], &seen["flicker"], &seen["still"]), (&true.into(), &1.into(), &0.into()));
        assert!(seen["curves"].as_u64().unwrap() > 20, "{seen}");
        let [wide, window] = [0, 1].map(|place| seen["width"][place].as_u64().unwrap());
        assert!(wide <= window && window == width, "{wide} px on a screen of {window} px");
        assert_eq!((&seen["hostile"], &seen["broken"]), (&true.into(), &0.into()));
        assert_ne!(seen["papers"][0], seen["papers"][1]);
        // The page's own and the driver's two.
        assert_eq!(seen["scripts"], 3);
        assert!(seen["firstScreen"].as_f64().unwrap() < 800.0, "{seen}");
    }
}

fn drive(browser: &str, page: &Path, width: u64) -> Value {
    // A frame of the wanted width: browser windows have a least width.
    let text = fs::read_to_string(page).unwrap();
    let watch =
        "<script>window.seenErrors = []; window.onerror = (text) => { seenErrors.push(String(text)); };</script>";
    let text = text.replacen("<head>", &format!("<head>{watch}"), 1);
    let driven = page.with_file_name("driven.html");
    fs::write(&driven, text.replacen("</body>", &format!("<script>{DRIVER}</script></body>"), 1)).unwrap();
    let frame = page.with_file_name("frame.html");
    let html = format!(
        "<iframe id=f src=driven.html style='border:0;width:{width}px;height:800px'></iframe><script>\
         setInterval(() => {{ try {{ document.title = f.contentDocument.title }} catch (e) {{ document.title = e }} }}, 50)</script>"
    );
    fs::write(&frame, html).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"])
        .args(["--virtual-time-budget=15000", "--window-size=1400,900", "--dump-dom"])
        .arg(format!("--user-data-dir={}", page.with_file_name("profile").display()))
        .arg(format!("file://{}", frame.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or(&dom);
    let title = title.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    serde_json::from_str(&title).unwrap_or_else(|e| panic_with(&format!("{e}: {title}")))
}

#[expect(clippy::panic, reason = "a test says what it saw")]
fn panic_with(text: &str) -> Value {
    panic!("{text}")
}

#[expect(clippy::print_stdout, reason = "a skipped check is said aloud")]
fn browser() -> Option<String> {
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let found = known.iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        println!("skipped: no Chromium");
    }
    found.map(|name| (*name).to_owned())
}
