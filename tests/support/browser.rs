//! Headless Chromium, driven over its DevTools protocol: a WebSocket of JSON messages (RFC 6455).
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may end at the first surprise")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// How long something on a page is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// The command that starts Chromium; else says that the test is skipped.
pub fn chromium() -> Option<&'static str> {
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let found = known.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        println!("skipped: no Chromium");
    }
    found
}

/// A browser with one page. Ends with this value.
pub struct Browser {
    process: Child,
    socket: BufReader<TcpStream>,
    calls: u64,
    /// What the page complained of: errors that nobody caught, and errors and warnings in the console.
    pub complaints: Vec<String>,
}

impl Browser {
    /// Starts it with an empty page and its profile in `folder`.
    pub fn start(chromium: &str, folder: &Path) -> Self {
        let mut process = Command::new(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", folder.display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = said.find_map(|line| Some(line.unwrap().strip_prefix("DevTools listening on ws://")?.to_owned()));
        let host = address.unwrap().split('/').next().unwrap().to_owned();
        // What it says later must not fill the pipe.
        std::thread::spawn(move || said.for_each(drop));
        let page = target(&host);
        let mut socket = TcpStream::connect(&host).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        write!(
            socket,
            "GET {page} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        .unwrap();
        let mut socket = BufReader::new(socket);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            socket.read_line(&mut line).unwrap();
        }
        let mut browser = Self { process, socket, calls: 0, complaints: Vec::new() };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method and returns its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        self.send(&json!({ "id": id, "method": method, "params": parameters }).to_string());
        loop {
            let message = self.receive();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    /// The value of a JavaScript expression on the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let wanted = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", wanted);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(expression) != Value::Bool(true) {
            let shown = self.value("document.body?.innerText.slice(0, 2000)");
            assert!(Instant::now() < deadline, "waited in vain for {expression}; {:?}: {shown}", self.complaints);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Opens an address.
    pub fn open(&mut self, address: &str) {
        self.call("Page.navigate", json!({ "url": address }));
        self.wait_for(&format!("location.href.startsWith({address:?}) && document.readyState === 'complete'"));
    }

    /// A picture of the whole page at a width, in light or dark, as PNG in base64.
    pub fn picture(&mut self, width: u32, dark: bool) -> String {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = json!([{ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": scheme }));
        let picture = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        picture["data"].as_str().unwrap().to_owned()
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        let is_bad = match message["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => true,
            "Runtime.consoleAPICalled" => ["error", "warning", "assert"].iter().any(|bad| parameters["type"] == **bad),
            "Log.entryAdded" => ["error", "warning"].iter().any(|bad| parameters["entry"]["level"] == **bad),
            _ => false,
        };
        if is_bad {
            self.complaints.push(parameters.to_string());
        }
    }

    /// One masked text frame.
    fn send(&mut self, text: &str) {
        let length = text.len();
        let mut frame = vec![0x81];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            126..65536 => frame.extend([[0x80 | 126].as_slice(), &(length as u16).to_be_bytes()].concat()),
            _ => frame.extend([[0x80 | 127].as_slice(), &(length as u64).to_be_bytes()].concat()),
        }
        // A mask of zeros leaves the text as it is.
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.socket.get_mut().write_all(&frame).unwrap();
    }

    /// One message, which may come in several frames.
    fn receive(&mut self) -> Value {
        let mut text = Vec::new();
        loop {
            let [first, second] = self.bytes();
            let length = match second & 0x7f {
                126 => u64::from(u16::from_be_bytes(self.bytes())),
                127 => u64::from_be_bytes(self.bytes()),
                short => u64::from(short),
            };
            let start = text.len();
            text.resize(start + length as usize, 0);
            self.socket.read_exact(&mut text[start..]).unwrap();
            if first & 0x80 != 0 {
                return serde_json::from_slice(&text).unwrap();
            }
        }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.socket.read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The path of the page's socket. The browser keeps the connection open: its answer ends where it says.
fn target(host: &str) -> String {
    let mut connection = BufReader::new(TcpStream::connect(host).unwrap());
    write!(connection.get_mut(), "GET /json/list HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut length = 0;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        connection.read_line(&mut line).unwrap();
        if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = bytes.trim().parse().unwrap();
        }
    }
    let mut answer = vec![0; length];
    connection.read_exact(&mut answer).unwrap();
    let list: Value = serde_json::from_slice(&answer).unwrap();
    let page = list.as_array().unwrap().iter().find(|target| target["type"] == "page").unwrap();
    let address = page["webSocketDebuggerUrl"].as_str().unwrap();
    address.trim_start_matches("ws://").split_once('/').map(|(_, path)| format!("/{path}")).unwrap()
}
