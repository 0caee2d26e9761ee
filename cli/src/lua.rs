//! `hookpoint lua`

mod meta;

use crate::output::Done;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Write the types of the API for editors, as LuaCATS annotations.
    Meta(meta::Args),
}

pub(crate) async fn run(command: Command) -> Done {
    match command {
        Command::Meta(args) => meta::run(args),
    }
}
