//! Finding or starting a viewer, in bounded time.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rerun::external::re_uri::{ProxyUri, RedapUri};

use super::error::{RERUN_VERSION, ViewerError};

/// Where a viewer on this machine listens unless told otherwise.
pub const LOCAL_URL: &str = "rerun+http://127.0.0.1:9876/proxy";
/// The port of [`LOCAL_URL`].
const LOCAL_PORT: u16 = 9876;
/// How long one attempt to reach a viewer may take.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a started viewer may take until it listens: its first start on a slow disk takes several seconds.
const SPAWN_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause between two attempts to reach a started viewer.
const SPAWN_POLL: Duration = Duration::from_millis(100);
/// Share of the memory that a viewer started here may use; it may sit on the robot's own computer.
const VIEWER_MEMORY: &str = "25%";
/// What its server keeps for viewers that come later.
const SERVER_MEMORY: &str = "128MB";

/// Parses the address of a viewer.
pub(super) fn parse_url(url: &str) -> Result<ProxyUri, ViewerError> {
    match url.parse::<RedapUri>() {
        Ok(RedapUri::Proxy(uri)) => Ok(uri),
        Ok(_) => Err(ViewerError::Address { url: url.to_owned(), reason: "it does not end in /proxy".to_owned() }),
        Err(error) => Err(ViewerError::Address { url: url.to_owned(), reason: error.to_string() }),
    }
}

/// Whether anything listens at `uri`. rerun itself would try for ever, in silence.
pub(super) fn probe(uri: &ProxyUri) -> io::Result<()> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (uri.origin.format_host(), uri.origin.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PROBE_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Starts the program `rerun` and waits until it listens. One that listens already is used as it is.
pub(super) fn spawn() -> Result<ProxyUri, ViewerError> {
    let uri = parse_url(LOCAL_URL)?;
    if probe(&uri).is_ok() {
        return Ok(uri);
    }
    let program = find_program("rerun").ok_or(ViewerError::NoProgram)?;
    check_version(&program)?;
    let failed = |what: String| ViewerError::Spawn { program: program.clone(), what };
    let mut command = Command::new(&program);
    command
        .stdin(Stdio::null())
        .arg(format!("--port={LOCAL_PORT}"))
        .arg(format!("--memory-limit={VIEWER_MEMORY}"))
        .arg(format!("--server-memory-limit={SERVER_MEMORY}"))
        .args(["--expect-data-soon", "--hide-welcome-screen"]);
    // Its own process group: Ctrl-C ends the run and leaves the viewer with what it has been shown.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|e| failed(format!("failed: {e}")))?;
    let start = Instant::now();
    while start.elapsed() < SPAWN_TIMEOUT {
        if probe(&uri).is_ok() {
            return Ok(uri);
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(failed(format!("ended at once ({status})")));
        }
        std::thread::sleep(SPAWN_POLL);
    }
    Err(failed(format!("did not listen at {LOCAL_URL} within {} s", SPAWN_TIMEOUT.as_secs())))
}

/// The first file of that name on the PATH.
fn find_program(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(&file)).find(|path| path.is_file())
}

/// Refuses a viewer of another `major.minor`; one that does not say its version is taken as it is.
fn check_version(program: &PathBuf) -> Result<(), ViewerError> {
    let Ok(output) = Command::new(program).arg("--version").stdin(Stdio::null()).output() else { return Ok(()) };
    let text = String::from_utf8_lossy(&output.stdout);
    match version_in(&text) {
        Some(found) if minor_of(found) != minor_of(RERUN_VERSION) => {
            Err(ViewerError::Version { program: program.clone(), found: found.to_owned() })
        }
        _ => Ok(()),
    }
}

/// `0.36.3` of `rerun-cli 0.36.3 [rustc 1.92.0 ...]`.
fn version_in(text: &str) -> Option<&str> {
    text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

/// `0.36` of `0.36.3`.
fn minor_of(version: &str) -> Vec<&str> {
    version.split('.').take(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_or_refused_with_a_remedy() {
        let uri = parse_url(LOCAL_URL).unwrap();
        assert_eq!((uri.origin.format_host().as_str(), uri.origin.port), ("127.0.0.1", LOCAL_PORT));
        for bad in ["", "localhost", "rerun+http://localhost:9876/dataset/1", "http://x y/proxy"] {
            let error = parse_url(bad).unwrap_err().to_string();
            assert!(error.contains(LOCAL_URL), "{error}");
        }
    }

    #[test]
    fn nothing_that_listens_is_said_at_once() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let uri = parse_url(&format!("rerun+http://{free}/proxy")).unwrap();
        assert_eq!(probe(&uri).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn versions_are_compared_by_major_and_minor() {
        let found = version_in("rerun-cli 0.36.9 [rustc 1.92.0]").unwrap();
        assert_eq!(minor_of(found), minor_of(RERUN_VERSION));
        assert_ne!(minor_of("0.37.0"), minor_of(RERUN_VERSION));
        assert_eq!(version_in("no version"), None);
    }

    #[test]
    fn the_version_named_in_messages_is_the_one_linked() {
        assert_eq!(rerun::build_info().version.to_string(), RERUN_VERSION);
    }
}
