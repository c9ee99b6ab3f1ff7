//! A worker as a process of its own, so that it can be killed.

use std::{io::BufRead as _, process::Stdio, str::FromStr as _, time::Duration};

use control::{db, observed, reconcile::Times, work};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};
use tokio_util::sync::CancellationToken;

use crate::{
    sandbox::Sandbox,
    scene::{Scene, portal},
};

const DATABASE: &str = "WORKER_DATABASE";
const TIMES: &str = "WORKER_TIMES";
const HOLD_AT: &str = "WORKER_HOLD_AT";
const GO_ON: &str = "go on";
const STANDING: &str = "a worker stands at the point";

/// A running worker. Dropped, it is killed.
pub struct Worker {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts one on the scene's database.
    pub fn start(scene: &Scene) -> Self {
        Self::spawn(scene, None)
    }

    /// Starts one that stands still where it comes to this point first, with everything else going on, until it is [released](Self::release).
    pub fn held_at(scene: &Scene, point: &str) -> Self {
        Self::spawn(scene, Some(point))
    }

    fn spawn(scene: &Scene, point: Option<&str>) -> Self {
        let times = scene.control.settings.times;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "process::a_worker", "--ignored", "--nocapture"]);
        command.env(DATABASE, scene.control.pool.connect_options().to_url_lossy().as_str());
        command.env(TIMES, [times.lease, times.breaker, times.backoff, times.watch].map(|time| time.as_millis().to_string()).join(" "));
        if let Some(point) = point {
            command.env(HOLD_AT, point);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, said }
    }

    /// Waits until it stands at its point.
    pub async fn stands(&mut self) {
        let stands = async {
            while let Some(line) = self.said.next_line().await.unwrap() {
                if line.contains(STANDING) {
                    return;
                }
            }
            panic!("the worker ended: {:?}", self.process.wait().await);
        };
        tokio::time::timeout(Duration::from_secs(40), stands).await.expect("the worker comes to its point");
    }

    /// Lets it go on from its point.
    pub async fn release(&mut self) {
        self.process.stdin.as_mut().expect("it was not asked to end").write_all(format!("{GO_ON}\n").as_bytes()).await.unwrap();
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Lets it end its steps and give back its leases.
    pub async fn stop(mut self) {
        drop(self.process.stdin.take());
        let ended = tokio::time::timeout(Duration::from_secs(25), self.process.wait()).await.expect("the worker ends when it is asked to").unwrap();
        assert!(ended.success(), "{ended}");
    }
}

/// What [`Worker`] runs: the loops of `slipway work`.
#[test]
#[ignore = "no test, but the process that tests start and kill"]
fn a_worker() {
    let get = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: this is started by tests only"));
    let database = PgConnectOptions::from_str(&get(DATABASE)).unwrap();
    let times: Vec<Duration> = get(TIMES).split(' ').map(|millis| Duration::from_millis(millis.parse().unwrap())).collect();
    let times = Times { lease: times[0], breaker: times[1], backoff: times[2], watch: times[3] };
    let stop = CancellationToken::new();
    let (released, release) = tokio::sync::oneshot::channel();
    // It ends with whoever started it, however that ends.
    let asked = stop.clone();
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock().lines();
        if let Some(line) = lines.next() {
            assert_eq!(line.unwrap(), GO_ON);
            // Nothing may be held any more.
            let _ = released.send(());
        }
        assert!(lines.next().is_none(), "nothing else is said to a worker");
        asked.cancel();
    });
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let control = portal(db::connect(database, 10).await.unwrap(), &Sandbox::new(), times).await;
        if let Ok(point) = std::env::var(HOLD_AT) {
            let mut held = work::points::hold_at(point.leak());
            tokio::spawn(async move {
                held.stands().await;
                println!("{STANDING}");
                match release.await {
                    Ok(()) => held.release(),
                    // It was asked to end where it stands.
                    Err(_) => drop(held),
                }
            });
        }
        let (hub, watching) = (control.live.run(&control.pool, stop.clone()), observed::run(control.clone(), stop.clone()));
        let (_, watched, worked) = tokio::join!(hub, watching, work::run(control.clone(), stop.clone()));
        watched.and(worked).unwrap();
    });
}
