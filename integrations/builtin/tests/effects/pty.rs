//! A terminal, and the person who sits at it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// What never comes is a failure after this long, in seconds.
const NEVER_S: i64 = 20;

/// A terminal. When it is dropped, it hangs up.
pub(crate) struct Pty {
    screen: File,
    /// Kept open, so that the terminal does not hang up between two who open it.
    pub(crate) line: File,
    pub(crate) path: PathBuf,
    seen: String,
}

impl Pty {
    pub(crate) fn new() -> Pty {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&screen).expect("it is ours");
        unlockpt(&screen).expect("it can be opened");
        let name = ptsname(&screen, Vec::new()).expect("it has a name");
        let path = PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));
        let line = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(&path)
            .expect("it can be opened");
        Pty {
            screen: File::from(screen),
            line,
            path,
            seen: String::new(),
        }
    }

    /// Types.
    pub(crate) fn types(&mut self, text: &str) {
        self.screen.write_all(text.as_bytes()).expect("it is there");
    }

    /// What was typed waits to be read.
    pub(crate) fn has_typed(&self) {
        wait(&self.line);
    }

    /// What is on the screen, up to and with this; what comes after it is for the next time.
    pub(crate) fn until(&mut self, wanted: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(wanted) {
                let rest = self.seen.split_off(at + wanted.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            wait(&self.screen);
            let mut piece = [0; 4096];
            let read = self.screen.read(&mut piece).expect("it is there");
            self.seen += &String::from_utf8_lossy(&piece[..read]);
        }
    }

    /// Whether nothing more is on the screen.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut fds = [PollFd::new(&self.screen, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).expect("it is there") == 0 && self.seen.is_empty()
    }

    /// Hangs up, and leaves the line.
    pub(crate) fn hang_up(self) -> OwnedFd {
        self.line.into()
    }
}

fn wait(file: &File) {
    let mut fds = [PollFd::new(file, PollFlags::IN)];
    let never = Timespec {
        tv_sec: NEVER_S,
        tv_nsec: 0,
    };
    let ready = poll(&mut fds, Some(&never)).expect("it is there");
    assert_eq!(ready, 1, "nothing comes");
}
