//! Runs a program at a terminal, as a shell in it would: `at_terminal /dev/pts/3 program arguments…`.
//!
//! The program's standard input and output stay what they are. For tests of what asks at `/dev/tty`.

use std::error::Error;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let (terminal, program) = (words.next(), words.next());
    let usage = "usage: at_terminal TERMINAL PROGRAM ARGUMENTS…";
    let (terminal, program) = (terminal.ok_or(usage)?, program.ok_or(usage)?);
    rustix::process::setsid()?;
    let opened = std::fs::File::options()
        .read(true)
        .write(true)
        .open(terminal)?;
    rustix::process::ioctl_tiocsctty(&opened)?;
    Err(Command::new(program).args(words).exec().into())
}
