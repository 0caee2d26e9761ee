//! A terminal, read and written without ever blocking for good.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, PipeReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, QueueSelector, isatty, tcflush, tcgetattr, tcgetpgrp, tcgetwinsize,
};

use super::text::{Look, Question};
use super::unanswered::Unanswered;

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64;
/// How long between two looks where the system cannot tell when something changes, in milliseconds.
const STEP_MS: i64 = 50;
/// For terminals that do not know how wide they are, in columns.
const USUAL_WIDTH: usize = 80;

/// A terminal that takes lines, and that no other program has in its foreground.
pub(super) struct Device(File);

impl Device {
    pub(super) fn open(path: &Path) -> Result<Device, Unanswered> {
        // It must neither become ours by being opened, nor keep us waiting because somebody has stopped its output.
        let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path);
        let file = opened.map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => Unanswered::Failed(error),
            _ => Unanswered::NoTerminal,
        })?;
        if !isatty(&file) {
            return Err(Unanswered::NoTerminal);
        }
        let device = Device(file);
        device.check()?;
        Ok(device)
    }

    /// What is typed is meant for us, and comes in lines.
    fn check(&self) -> Result<(), Unanswered> {
        match tcgetpgrp(&self.0) {
            // Reading would stop the whole program.
            Ok(group) if group != getpgrp() => return Err(Unanswered::Background),
            // It is not the terminal of this program, and has no foreground that could concern it.
            Ok(_) | Err(Errno::NOTTY) => {}
            // Nobody is in its foreground.
            Err(Errno::OPNOTSUPP) => return Err(Unanswered::Background),
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let modes = tcgetattr(&self.0).map_err(io::Error::from)?;
        if !modes.local_modes.contains(LocalModes::ICANON) {
            return Err(Unanswered::NoLines);
        }
        Ok(())
    }

    /// Asks, and waits for a line, or until the other end of `stop` is closed.
    pub(super) fn ask(&self, question: &Question, stop: &PipeReader) -> Result<bool, Unanswered> {
        self.lock(stop)?;
        self.check()?;
        // What was typed before is no answer to what nobody has seen.
        tcflush(&self.0, QueueSelector::IFlush).map_err(io::Error::from)?;
        self.write(question.text(self.look()).as_bytes(), stop)?;
        let line = self.read_line(stop);
        if let Err(why) = &line {
            let note = format!("\nhookpoint: refused: {why}\n");
            // All that can be done for whoever sits there: the call is refused in any case.
            if let Err(error) = (&self.0).write_all(note.as_bytes()) {
                tracing::debug!(%error, "the terminal does not take a note");
            }
        }
        let line = line?;
        // Typed while another program had the terminal, it is not for us.
        self.check()?;
        Ok(matches!(line.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
    }

    /// Waits until no other program asks. Let go of when the device is closed.
    fn lock(&self, stop: &PipeReader) -> Result<(), Unanswered> {
        loop {
            match flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(()),
                Err(Errno::WOULDBLOCK | Errno::INTR) => pause(stop)?,
                // Terminals that cannot be locked are not shared well, and can be asked at all the same.
                Err(Errno::OPNOTSUPP | Errno::INVAL) => return Ok(()),
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }

    fn look(&self) -> Look {
        let columns = tcgetwinsize(&self.0).map_or(0, |size| usize::from(size.ws_col));
        let variable = |name| std::env::var_os(name).unwrap_or_default();
        Look {
            width: if columns == 0 { USUAL_WIDTH } else { columns },
            // https://no-color.org
            colours: variable("NO_COLOR").is_empty() && variable("TERM") != "dumb",
        }
    }

    fn write(&self, mut bytes: &[u8], stop: &PipeReader) -> Result<(), Unanswered> {
        while !bytes.is_empty() {
            match (&self.0).write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) => self.wait_after(error, PollFlags::OUT, stop)?,
            }
        }
        Ok(())
    }

    fn read_line(&self, stop: &PipeReader) -> Result<String, Unanswered> {
        let mut line = Vec::new();
        let mut piece = [0; MAX_ANSWER];
        loop {
            match (&self.0).read(&mut piece) {
                Ok(0) => return Err(Unanswered::Ended),
                Ok(read) => line.extend_from_slice(&piece[..read]),
                Err(error) => self.wait_after(error, PollFlags::IN, stop)?,
            }
            if line.len() > MAX_ANSWER {
                return Err(Unanswered::TooLong);
            }
            if line.ends_with(b"\n") {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }

    /// Waits until the terminal is ready, if that is what the error says.
    fn wait_after(
        &self,
        error: io::Error,
        wanted: PollFlags,
        stop: &PipeReader,
    ) -> Result<(), Unanswered> {
        match error.kind() {
            ErrorKind::WouldBlock => self.wait(wanted, stop),
            ErrorKind::Interrupted => Ok(()),
            _ if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => Err(Unanswered::HungUp),
            _ => Err(error.into()),
        }
    }

    fn wait(&self, wanted: PollFlags, stop: &PipeReader) -> Result<(), Unanswered> {
        let mut fds = [
            PollFd::new(&self.0, wanted),
            PollFd::new(stop, PollFlags::IN),
        ];
        wait_for(&mut fds, None)?;
        let (terminal, stopped) = (fds[0].revents(), fds[1].revents());
        if !stopped.is_empty() {
            Err(Unanswered::TakenBack)
        } else if terminal.contains(PollFlags::NVAL) {
            // Systems whose `poll` does not know terminals.
            pause(stop)
        } else if terminal.intersects(PollFlags::HUP | PollFlags::ERR) {
            Err(Unanswered::HungUp)
        } else {
            Ok(())
        }
    }
}

/// Waits a moment, or until the other end of `stop` is closed.
fn pause(stop: &PipeReader) -> Result<(), Unanswered> {
    let moment = Timespec {
        tv_sec: 0,
        tv_nsec: STEP_MS * 1_000_000,
    };
    let mut fds = [PollFd::new(stop, PollFlags::IN)];
    wait_for(&mut fds, Some(&moment))?;
    match fds[0].revents().is_empty() {
        true => Ok(()),
        false => Err(Unanswered::TakenBack),
    }
}

fn wait_for(fds: &mut [PollFd<'_>], at_most: Option<&Timespec>) -> Result<(), Unanswered> {
    match poll(fds, at_most) {
        // Nothing has happened yet; whoever called looks again.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(io::Error::from(error).into()),
    }
}
