//! `hookpoint lua meta`

use std::path::PathBuf;
use std::process::ExitCode;

use hookpoint::lua::api;

use crate::output::{self, Done};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to write, for example `types/hookpoint.lua`; by default standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> Done {
    let types = api::meta();
    let Some(path) = args.out else {
        return output::text(types.trim_end());
    };
    std::fs::write(&path, types)
        .map_err(|error| format!("{} can't be written: {error}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}
