//! Where `hookpoint mcp` finds its client and its server.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hookpoint::mcp::side::http::{Headers, HttpListenerOptions, HttpServer, HttpServerOptions};
use hookpoint::mcp::side::{Grace, ServerProcess};
use hookpoint::mcp::{Limits, Side};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(clap::Args)]
pub(super) struct Sides {
    /// The server is at this URL, instead of a program.
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "server",
        help_heading = "HTTP"
    )]
    http: Option<String>,
    /// A header for the server at --http: 'Authorization: Bearer …'. Others on this machine can read the arguments
    /// of a program; --header-env keeps secrets from them. As often as you like.
    #[arg(long, value_name = "HEADER", requires = "http", help_heading = "HTTP")]
    header: Vec<String>,
    /// A header for the server at --http whose value is in an environment variable: Authorization=MY_TOKEN.
    #[arg(
        long,
        value_name = "NAME=VARIABLE",
        requires = "http",
        help_heading = "HTTP"
    )]
    header_env: Vec<String>,
    /// Trust the authorities whose certificates (PEM) are in this file to vouch for the server at --http, instead
    /// of the system's.
    #[arg(long, value_name = "FILE", requires = "http", help_heading = "HTTP")]
    ca: Option<PathBuf>,
    /// Accept clients over HTTP on this address, instead of the one that has started the command; port 0 is any
    /// that is free. Each client has a session, and a server, of its own.
    #[arg(long, value_name = "ADDRESS", help_heading = "HTTP")]
    pub(super) listen: Option<SocketAddr>,
    /// The path of the endpoint of --listen.
    #[arg(long, value_name = "PATH", default_value = "/mcp", value_parser = path, help_heading = "HTTP")]
    listen_path: String,
    /// A name under which clients may reach --listen besides localhost; `*` is any. As often as you like.
    #[arg(long, value_name = "HOST", requires = "listen", help_heading = "HTTP")]
    allow_host: Vec<String>,
    /// Web pages that may use --listen besides those of localhost: https://app.example. As often as you like.
    #[arg(
        long,
        value_name = "ORIGIN",
        requires = "listen",
        help_heading = "HTTP"
    )]
    allow_origin: Vec<String>,
    /// How many sessions --listen has at most.
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "HTTP")]
    max_sessions: u32,
    /// End a session of --listen of which nobody has wanted anything for so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1_800, value_parser = clap::value_parser!(u64).range(1..=604_800), help_heading = "HTTP")]
    idle: u64,
    /// The server: a program and its arguments, after `--`.
    #[arg(last = true, required_unless_present = "http", value_name = "COMMAND")]
    server: Vec<OsString>,
}

fn path(text: &str) -> Result<String, String> {
    match text.starts_with('/') && !text.contains(['?', '#', ' ']) {
        true => Ok(text.to_owned()),
        false => Err("a path begins with `/` and has no query: /mcp".to_owned()),
    }
}

/// Makes the server side of sessions.
pub(super) enum Server {
    Process {
        command: Vec<OsString>,
        limits: Limits,
        /// Variables that it does not get.
        hidden: Vec<String>,
    },
    Http(Box<HttpServer>),
}

impl Server {
    pub(super) fn side(&self) -> std::io::Result<Side> {
        match self {
            Server::Process {
                command,
                limits,
                hidden,
            } => ServerProcess::start_without(hidden, command, limits, Grace::default()),
            Server::Http(server) => Ok(server.side()),
        }
    }
}

impl Sides {
    /// `hidden`: variables of the environment that are not the server's.
    pub(super) fn server(&self, limits: &Limits, hidden: Vec<String>) -> Result<Server, Error> {
        let Some(url) = &self.http else {
            return Ok(Server::Process {
                command: self.server.clone(),
                limits: limits.clone(),
                hidden,
            });
        };
        let mut options = HttpServerOptions::default();
        options.headers = self.headers()?;
        options.authorities.clone_from(&self.ca);
        let server = HttpServer::new(url, options, limits);
        let server = server.map_err(|error| format!("--http: {error}"))?;
        Ok(Server::Http(Box::new(server)))
    }

    /// Errors never show a value.
    fn headers(&self) -> Result<Headers, Error> {
        let mut headers = Headers::default();
        for line in &self.header {
            headers
                .add(line)
                .map_err(|error| format!("--header: {error}"))?;
        }
        for entry in &self.header_env {
            let (name, variable) = entry.split_once('=').ok_or(
                "--header-env: write the header's name and the variable's: Authorization=MY_TOKEN",
            )?;
            let value = std::env::var(variable)
                .map_err(|_| format!("--header-env: the variable {variable} is not set to text"))?;
            headers
                .set(name, value.trim())
                .map_err(|error| format!("--header-env {name}: {error}"))?;
        }
        Ok(headers)
    }

    pub(super) fn listener(&self) -> HttpListenerOptions {
        let mut options = HttpListenerOptions::default();
        options.path.clone_from(&self.listen_path);
        options.hosts.clone_from(&self.allow_host);
        options.origins.clone_from(&self.allow_origin);
        options.max_sessions = self.max_sessions as usize;
        options.idle = Duration::from_secs(self.idle);
        options
    }

    /// What hooks see as the server's name if nobody says another.
    pub(super) fn name(&self) -> String {
        let host = self.http.as_ref().and_then(|url| {
            let rest = url.split_once("://")?.1;
            let authority = rest.split(['/', '?', '#']).next()?;
            authority.rsplit('@').next().map(str::to_owned)
        });
        host.unwrap_or_else(|| name_of(&self.server))
    }

    /// The server, as messages name it.
    pub(super) fn shown(&self) -> String {
        let program = self.server.first();
        program.map_or_else(
            || self.name(),
            |program| program.to_string_lossy().into_owned(),
        )
    }
}

/// The name of the program, or of the package that a runner of packages runs.
fn name_of(command: &[OsString]) -> String {
    let words = command.iter().map(|word| word.to_string_lossy());
    let words: Vec<_> = words.filter(|word| !word.starts_with('-')).collect();
    let last = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    let runners = ["npx", "uvx", "node", "python", "python3", "deno", "bunx"];
    match words.as_slice() {
        [] => "server".to_owned(),
        [runner, package, ..] if runners.contains(&last(runner).as_str()) => last(package),
        [program, ..] => last(program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_called_what_people_call_them() {
        for (command, name) in [
            (
                vec![
                    "npx",
                    "-y",
                    "@modelcontextprotocol/server-filesystem",
                    "/srv",
                ],
                "server-filesystem",
            ),
            (vec!["/usr/local/bin/acme-mcp", "--verbose"], "acme-mcp"),
            (vec!["python3", "servers/weather.py"], "weather.py"),
        ] {
            let command: Vec<OsString> = command.into_iter().map(OsString::from).collect();
            assert_eq!(name_of(&command), name);
        }
    }
}
