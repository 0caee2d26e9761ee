//! `hookpoint lua`

mod meta;
mod repl;
mod test;

use crate::output::Done;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Write the types of the API for editors, as LuaCATS annotations.
    Meta(meta::Args),
    /// Run the tests in files that end in `_test.lua`.
    Test(test::Args),
    /// Read Lua from standard input, run it line by line, and print the values.
    Repl(repl::Args),
}

pub(crate) async fn run(command: Command) -> Done {
    match command {
        Command::Meta(args) => meta::run(args),
        Command::Test(args) => test::run(args).await,
        Command::Repl(args) => repl::run(args).await,
    }
}
