//! The program serving `results/` of a folder, and what it costs.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use crate::common;

/// The program serving; ends with this value.
pub struct Served {
    pub process: Child,
    /// As it printed it.
    pub address: String,
}

impl Served {
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = common::sweepscope(folder);
        command.args(["serve", "results", "--port", "0"]).args(arguments);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().to_owned() }
    }

    pub fn host(&self) -> &str {
        self.address.trim_start_matches("http://").split('/').next().unwrap()
    }

    /// Sends bytes as they are and returns what comes back within a while.
    pub fn send(&self, bytes: &[u8]) -> String {
        let mut connection = TcpStream::connect(self.host()).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // It may hang up before it has heard all of it.
        let _ = connection.write_all(bytes);
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The status of an answer to `GET path` with these headers.
    pub fn status(&self, path: &str, headers: &[&str]) -> u16 {
        self.ask("GET", path, headers).split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[&str]) -> String {
        let own = format!("Host: {}", self.host());
        let named = headers.iter().any(|header| header.starts_with("Host:"));
        let headers: Vec<&str> = headers.iter().copied().chain((!named).then_some(own.as_str())).collect();
        self.send(
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{}\r\n\r\n", headers.join("\r\n")).as_bytes(),
        )
    }

    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }

    /// User and system time so far in hundredths of a second (fields 14 and 15 of /proc/PID/stat).
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    pub fn peak_memory_mib(&self) -> u64 {
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
