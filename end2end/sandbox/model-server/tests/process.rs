//! The program itself: what it says at start, what it does when told to stop, and each way an image can be faulty.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

struct Process {
    child: Child,
    log: BufReader<ChildStdout>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(model: &str, env: &[(&str, &str)]) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models").join(model);
        let mut child = Command::new(env!("CARGO_BIN_EXE_model-server"))
            .env_clear()
            .env("MODEL_SERVER_FOLDER", folder)
            .env("MODEL_SERVER_LISTEN", "127.0.0.1:0")
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, log }
    }

    /// Reads the log up to the line that holds `what`, and returns that line.
    fn until(&mut self, what: &str) -> String {
        let mut line = String::new();
        while self.log.read_line(&mut line).expect("the log is text") > 0 {
            if line.contains(what) {
                return line;
            }
            line.clear();
        }
        panic!("the log ended without {what:?}");
    }

    fn address(&mut self) -> String {
        let line = self.until("listening on ");
        line.rsplit(' ').next().expect("an address").trim().to_owned()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the end and returns the exit code and the rest of the log.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("the log is text");
        (self.child.wait().expect("it ends").code(), rest)
    }
}

fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: model\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let status = answer.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, answer)
}

#[test]
fn it_turns_ready_and_stops_when_told_to() {
    for signal in ["TERM", "INT"] {
        let mut iris = Process::start("iris/2", &[]);
        let address = iris.address();
        iris.until("ready after");
        assert_eq!(get(&address, "/v2/health/ready").0, 200);
        iris.signal(signal);
        let (code, log) = iris.end();
        assert_eq!(code, Some(0));
        assert!(log.trim_end().ends_with("stopped"), "{log}");
    }
}

#[test]
fn a_request_under_way_is_answered_before_it_stops() {
    let mut iris = Process::start("iris/2", &[]);
    let address = iris.address();
    iris.until("ready after");
    let mut stream = TcpStream::connect(&address).expect("it listens");
    let body = r#"{"inputs":[{"name":"features","datatype":"FP32","shape":[1,4],"data":[5.1,3.5,1.4,0.2]}]}"#;
    let (first, second) = body.split_at(20);
    write!(stream, "POST /v2/models/iris/infer HTTP/1.1\r\nHost: model\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{first}", body.len()).expect("it reads");
    // The first answer proves that the connection before it was accepted.
    assert_eq!(get(&address, "/v2/health/live").0, 200);
    iris.signal("TERM");
    iris.until("told to stop");
    stream.write_all(second.as_bytes()).expect("it still reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#""data":[0]"#), "{answer}");
    assert_eq!(iris.end().0, Some(0));
}

#[test]
fn a_missing_model_ends_the_process_and_its_last_line_says_which() {
    let (code, log) = Process::start("faulty/crash", &[]).end();
    assert_eq!(code, Some(1));
    let last = log.lines().last().expect("a log");
    assert!(last.contains("cannot read the model"), "{last}");
    assert!(last.contains("weights.onnx: No such file or directory"), "{last}");
}

#[test]
fn a_slow_model_is_alive_but_not_ready_until_it_is_loaded() {
    let started = Instant::now();
    let mut slow = Process::start("iris/2", &[("MODEL_SERVER_LOAD_SECONDS", "2")]);
    let address = slow.address();
    slow.until("still loading");
    assert_eq!(get(&address, "/v2/health/live").0, 200);
    let (status, answer) = get(&address, "/v2/models/iris");
    assert_eq!(status, 503);
    assert!(answer.contains("iris 2 is still loading"), "{answer}");
    slow.until("ready after");
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert_eq!(get(&address, "/v2/health/ready").0, 200);
}

#[test]
fn a_slow_model_stops_while_it_loads() {
    let mut slow = Process::start("iris/2", &[("MODEL_SERVER_LOAD_SECONDS", "60")]);
    slow.until("still loading");
    let started = Instant::now();
    slow.signal("TERM");
    assert_eq!(slow.end().0, Some(0));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn memory_is_taken_up_step_by_step() {
    let mut large = Process::start("iris/2", &[("MODEL_SERVER_BALLAST_MIB", "40")]);
    large.until("reserved 16 of 40 MiB");
    large.until("reserved 40 of 40 MiB");
    large.until("ready after");
    let status = std::fs::read_to_string(format!("/proc/{}/status", large.child.id())).expect("it runs");
    let resident = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    let kib: usize = resident.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    assert!(kib > 40 * 1024, "{resident}");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    for (name, value) in [("MODEL_SERVER_LISTEN", "8080"), ("MODEL_SERVER_LOAD_SECONDS", "soon"), ("MODEL_SERVER_BALLAST_MIB", "-1"), ("MODEL_SERVER_FOLDER", "/nowhere")] {
        let (code, log) = Process::start("iris/2", &[(name, value)]).end();
        assert_eq!(code, Some(1), "{name}");
        let expected = if name == "MODEL_SERVER_FOLDER" { "/nowhere/model.json" } else { name };
        assert!(log.lines().last().expect("a log").contains(expected), "{log}");
    }
}

#[test]
fn a_model_that_fails_its_self_test_runs_but_is_never_ready() {
    // The image adds the model's file to the card.
    let folder = std::env::temp_dir().join(format!("model-server-test-{}", std::process::id()));
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::copy(models.join("faulty/never-ready/model.json"), folder.join("model.json")).expect("the card");
    std::fs::copy(models.join("iris/2/model.onnx"), folder.join("model.onnx")).expect("the model");
    let mut unfit = Process::start("", &[("MODEL_SERVER_FOLDER", folder.to_str().expect("text"))]);
    let address = unfit.address();
    let line = unfit.until("not ready");
    assert!(line.contains("the self-test got [0] for \"label\", expected [2]"), "{line}");
    assert_eq!(get(&address, "/v2/health/live").0, 200);
    let (status, answer) = get(&address, "/v2/health/ready");
    assert_eq!(status, 503);
    assert!(answer.contains("the self-test got [0]"), "{answer}");
    std::fs::remove_dir_all(folder).expect("it is ours");
}
