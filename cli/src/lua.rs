//! `hookpoint lua`

mod repl;
mod test;

use crate::output::Done;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Run the tests in files that end in `_test.lua`.
    Test(test::Args),
    /// Read Lua from standard input, run it line by line, and print the values.
    Repl(repl::Args),
}

pub(crate) async fn run(command: Command) -> Done {
    match command {
        Command::Test(args) => test::run(args).await,
        Command::Repl(args) => repl::run(args).await,
    }
}
