//! The program as it is started: settings, logs, metrics, traces, signals.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use sqlx::{ConnectOptions as _, PgPool};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::common::{PASSWORD, World};

/// A process that ends with its test.
struct Slipway {
    child: Option<Child>,
    listen: SocketAddr,
    metrics: SocketAddr,
}

impl Drop for Slipway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            let ended = child.wait_with_output().unwrap();
            // Shown when the test fails.
            eprintln!("{}", String::from_utf8_lossy(&ended.stderr));
        }
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A site with a style sheet in it, which is what the program looks for.
fn site() -> PathBuf {
    let site = Path::new(env!("CARGO_TARGET_TMPDIR")).join("site");
    std::fs::create_dir_all(site.join("pkg")).unwrap();
    std::fs::write(site.join("pkg/slipway.css"), "").unwrap();
    site
}

fn program(pool: &PgPool) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_slipway"));
    program.env("DATABASE_URL", pool.connect_options().to_url_lossy().as_str()).env("SLIPWAY_SITE", site()).env("SLIPWAY_DATABASE_CONNECTIONS", "4");
    for name in ["RUST_LOG", "SLIPWAY_LISTEN", "SLIPWAY_METRICS_LISTEN", "SLIPWAY_PUBLIC_URL", "SLIPWAY_TRUSTED_PROXIES", "SLIPWAY_LOG_FORMAT", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
        program.env_remove(name);
    }
    program
}

impl Slipway {
    async fn start(pool: &PgPool, role: &str, settings: &[(&str, &str)]) -> Self {
        let (listen, metrics) = (free(), free());
        let mut program = program(pool);
        program
            .arg(role)
            .env("SLIPWAY_LISTEN", listen.to_string())
            .env("SLIPWAY_METRICS_LISTEN", metrics.to_string())
            .env("SLIPWAY_PUBLIC_URL", format!("http://{listen}"))
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let process = Self { child: Some(program.spawn().unwrap()), listen, metrics };
        let until = Instant::now() + Duration::from_secs(30);
        let last = if role == "serve" { process.listen } else { process.metrics };
        while tokio::net::TcpStream::connect(last).await.is_err() {
            assert!(Instant::now() < until, "it does not listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        process
    }

    /// Asks it to stop as an init system does; what it came to, and what it logged.
    async fn stop(mut self) -> Output {
        let child = self.child.take().unwrap();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it stops when asked").unwrap()
    }
}

/// Sends one request as it is written and reads the answer to its end.
async fn http(to: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(to).await.unwrap();
    let request = format!("{head}\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(to: SocketAddr, path: &str) -> String {
    http(to, &format!("GET {path} HTTP/1.1"), "").await
}

/// Where traces are sent: keeps what comes.
async fn collector() -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = async |State(kept): State<Arc<Mutex<Vec<u8>>>>, body: Bytes| kept.lock().unwrap().extend_from_slice(&body);
    let routes = Router::new().route("/v1/traces", post(keep)).with_state(kept.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (address, kept)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn two_serve_and_tell_who_asked_how_long_it_took_and_how_it_went(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    world.inner.user_with_password("ada").await;
    let (traces, kept) = collector().await;
    let settings = [("SLIPWAY_TRUSTED_PROXIES", "1"), ("SLIPWAY_LOG_FORMAT", "json"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{traces}") as &str)];
    let (one, other) = (Slipway::start(&pool, "serve", &settings).await, Slipway::start(&pool, "serve", &settings).await);
    for process in [&one, &other] {
        assert!(get(process.listen, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(get(process.listen, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(get(process.listen, "/metrics").await.starts_with("HTTP/1.1 404"), "metrics have a port of their own");
    }

    let body: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("email", "ada@example.com").append_pair("password", PASSWORD).finish();
    let head = format!("POST /sign-in HTTP/1.1\r\norigin: http://{}\r\ncontent-type: application/x-www-form-urlencoded\r\nx-forwarded-for: 6.6.6.6, 203.0.113.77", one.listen);
    let signed_in = http(one.listen, &head, &body).await;
    assert!(signed_in.starts_with("HTTP/1.1 303"), "{signed_in}");
    let address: Option<String> = sqlx::query_scalar("select address from audit_events where action = 'session.open' order by id desc limit 1").fetch_one(&pool).await.unwrap();
    assert_eq!(address.as_deref(), Some("203.0.113.77"), "what the trusted proxy saw, not what the caller wrote");

    // The session holds at the other one too.
    let cookie = signed_in.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap().split(';').next().unwrap();
    assert!(http(other.listen, &format!("GET /profile HTTP/1.1\r\ncookie: {cookie}"), "").await.starts_with("HTTP/1.1 200"));
    assert!(get(one.metrics, "/metrics").await.contains(r#"route="/sign-in""#));

    for process in [one, other] {
        let ended = process.stop().await;
        let log = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{log}");
        assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
        assert!(!log.contains(PASSWORD) && !log.contains(cookie), "{log}");
    }
    let kept = kept.lock().unwrap();
    assert!(holds(&kept, "slipway") && holds(&kept, "/sign-in"), "every request is a span of ours");
    assert!(!holds(&kept, PASSWORD) && !holds(&kept, cookie));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn one_that_works_serves_nothing_and_stops_when_asked(pool: PgPool) {
    let process = Slipway::start(&pool, "work", &[]).await;
    assert!(tokio::net::TcpStream::connect(process.listen).await.is_err());
    assert!(get(process.metrics, "/metrics").await.starts_with("HTTP/1.1 200"));
    assert!(process.stop().await.status.success());
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_setting_that_cannot_work_is_named_in_a_sentence(pool: PgPool) {
    for (name, value, said) in [
        ("SLIPWAY_PUBLIC_URL", "http://models.example.com", "SLIPWAY_PUBLIC_URL has to be https://"),
        ("SLIPWAY_OPERATION_RETENTION_DAYS", "0", "SLIPWAY_OPERATION_RETENTION_DAYS has to be 1 to 3650"),
        ("SLIPWAY_DATABASE_CONNECTIONS", "3", "SLIPWAY_DATABASE_CONNECTIONS has to be 4 to 500"),
        ("RUST_LOG", "control=loud", "RUST_LOG cannot be read"),
        ("SLIPWAY_TRUSTED_PROXIES", "many", "--trusted-proxies <TRUSTED_PROXIES>': write a whole number"),
        ("SLIPWAY_LISTEN", "3000", "--listen <LISTEN>': write an IP address and a port, like 127.0.0.1:3000"),
        ("SLIPWAY_PUBLIC_URL", "models", "--public-url <PUBLIC_URL>': write an address, like https://slipway.example.com"),
        ("SLIPWAY_SITE", "/nonexistent", "Build it with scripts/site.sh, or set SLIPWAY_SITE"),
        ("DATABASE_URL", "mysql://root:hunter2@db/slipway", "DATABASE_URL cannot be read. Set it to an address like postgres://user:password@host:5432/slipway."),
        ("DATABASE_URL", "hunter2", "DATABASE_URL cannot be read."),
    ] {
        let mut program = program(&pool);
        program.arg("serve").env("SLIPWAY_LISTEN", free().to_string()).env("SLIPWAY_METRICS_LISTEN", free().to_string()).env("RUST_BACKTRACE", "1").env(name, value);
        let output = program.output().unwrap();
        let said_to = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{name}");
        assert!(said_to.contains(said) && !said_to.contains("backtrace") && !said_to.contains("hunter2"), "{name}: {said_to}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_database_that_was_not_migrated_is_neither_served_nor_worked(pool: PgPool) {
    for role in ["serve", "work"] {
        let output = program(&pool).arg(role).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("slipway migrate"), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(program(&pool).arg("migrate").output().unwrap().status.success());
    assert!(program(&pool).args(["admin", "verify-audit"]).output().unwrap().status.success());
}

/// What the program writes to standard output and standard error, and whether it succeeded.
fn said(program: &mut Command) -> (String, String, bool) {
    let output = program.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap(), output.status.success())
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_password_is_reset_from_the_command_line(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    world.inner.user_with_password("ada").await;
    let reset = |email: &str| said(program(&pool).args(["admin", "reset-password", email]));
    let (link, words, success) = reset("Ada@Example.com");
    assert!(success, "{words}");
    assert!(link.starts_with("http://127.0.0.1:3000/links/") && link.lines().count() == 1, "{link}");
    let until = words.strip_prefix("ada@example.com sets a new password with this link. It works once, until ").unwrap_or_else(|| panic!("{words}"));
    let moment = regex::Regex::new(r"^[0-9]{1,2} [A-Z][a-z]{2} 20[0-9]{2} [0-9]{2}:[0-9]{2} UTC\.\n$").unwrap();
    assert!(moment.is_match(until), "{until}");
    for (email, why) in [("nobody@example.com", "Nobody here has the address nobody@example.com. The page Users lists"), ("ada", "Enter an e-mail address like ada@example.com.")] {
        let (nothing, words, success) = reset(email);
        assert!(!success && nothing.is_empty() && words.starts_with(&format!("error: {why}")) && words.lines().count() == 1, "{words}");
    }
    sqlx::query("update users set disabled_at = now()").execute(&pool).await.unwrap();
    assert_eq!(reset("ada@example.com").1, "error: ada@example.com is disabled. Enable them first.\n");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_cannot_be_done_is_said_in_one_sentence_that_says_what_to_do(pool: PgPool) {
    let url = pool.connect_options().to_url_lossy();
    let nowhere = |path: &str| {
        let mut url = url.clone();
        url.set_path(path);
        url.to_string()
    };
    let without = |arguments: &[&str]| said(program(&pool).env_remove("DATABASE_URL").env("SLIPWAY_DATA", "/nonexistent").args(arguments));
    for (words, why) in [
        (without(&["migrate"]).1, "DATABASE_URL is not set. Set it to an address like postgres://"),
        (without(&["serve"]).1, "DATABASE_URL is not set."),
        (without(&["work"]).1, "DATABASE_URL is not set."),
        (without(&["admin", "verify-audit"]).1, "no portal keeps its data in /nonexistent. Set SLIPWAY_DATA to its folder, or DATABASE_URL."),
        (said(program(&pool).env("DATABASE_URL", nowhere("/no_such_database")).arg("migrate")).1, "turns Slipway away: database \"no_such_database\" does not exist. Check user"),
        (said(program(&pool).env("DATABASE_URL", "postgres://slipway:hunter2@nowhere.invalid/slipway").arg("work")).1, "the database at nowhere.invalid:5432 cannot be reached"),
    ] {
        assert!(words.starts_with("error: ") && words.contains(why) && words.lines().count() == 1 && !words.contains("hunter2"), "{why}: {words}");
    }
    assert_eq!(said(program(&pool).arg("migrate")).0, "The database's schema is up to date.\n");
    let (help, _, success) = said(program(&pool).arg("--help"));
    assert!(success && help.contains("slipway help admin") && !help.contains(url.password().unwrap()), "{help}");

    sqlx::query("insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (99990101000000, 'later', true, '', 0)")
        .execute(&pool)
        .await
        .unwrap();
    for command in ["migrate", "serve", "work"] {
        assert_eq!(said(program(&pool).arg(command)).1, "error: the database is newer than this program. Run a newer Slipway.\n", "{command}");
    }
}
