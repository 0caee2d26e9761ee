//! A policy that the server could write is none, whatever part of it that is.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{COMMAND, said};

/// The user that runs the command and the server. Only root can start somebody else, so only root tests this.
const NOBODY: u32 = 65_534;

/// A folder that everybody can enter, also where temporary files are kept from others.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/tmp").expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    folder
}

/// A policy of root, with everything that a policy can read.
struct Policy(tempfile::TempDir);

impl Policy {
    fn new() -> Policy {
        let policy = Policy(open_folder());
        // Where it was built, others may not be let in.
        fs::copy(COMMAND, policy.path("hookpoint")).expect("a copy");
        for (name, text) in [
            (
                "main.lua",
                "require('lib/words')\nBuiltin.schema{ id = 'of-a-script', points = 'tool.execute', argument_files = { params = FOLDER .. '/script.json' } }",
            ),
            ("lib/words.lua", "return {}"),
            ("listed.lua", "return 1"),
            (
                "rules.toml",
                "[[rule]]\nid = 'r'\nwhen = 'true'\nthen = 'pass'\n",
            ),
            ("schema.json", "{}"),
            ("script.json", "{}"),
        ] {
            policy.write(
                name,
                &text.replace("FOLDER", &format!("{:?}", policy.path(""))),
            );
        }
        let config = format!(
            "scripts = ['listed.lua']\n[[hook]]\nkind = 'schema'\nid = 'schema'\npoints = ['tool.execute']\nargument_files = {{ params = {:?} }}\n",
            policy.path("schema.json")
        );
        policy.write("hookpoint.toml", &config);
        for folder in ["", "lib"] {
            fs::set_permissions(policy.path(folder), fs::Permissions::from_mode(0o755)).unwrap();
        }
        policy
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    }

    /// Starts a server that leaves a mark, as nobody, with nobody's folder.
    fn start(&self, mark: &Path) -> Output {
        let [policy, config] = ["main.lua", "hookpoint.toml"].map(|name| self.path(name));
        self.start_with(&policy, &config, mark)
    }

    /// The same with files that are named.
    fn start_with(&self, policy: &Path, config: &Path, mark: &Path) -> Output {
        Command::new(self.path("hookpoint"))
            .args(["mcp", "--policy"])
            .arg(policy)
            .arg("--config")
            .arg(config)
            .args(["--", "touch"])
            .arg(mark)
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY)
            .stdin(Stdio::null())
            .output()
            .expect("it starts")
    }
}

#[test]
fn every_file_that_decides_is_looked_at() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: only root can make files that are not those of the server's user");
        return;
    }
    let server = open_folder();
    chown(server.path(), Some(NOBODY), None).unwrap();
    let mark = server.path().join("started");
    let policy = Policy::new();
    let fine = policy.start(&mark);
    assert!(mark.exists(), "{}", said(&fine));
    fs::remove_file(&mark).unwrap();
    for name in [
        "main.lua",
        "lib/words.lua",
        "lib",
        "listed.lua",
        "hookpoint.toml",
        "schema.json",
        "script.json",
    ] {
        let policy = Policy::new();
        chown(policy.path(name), Some(NOBODY), None).unwrap();
        let refused = policy.start(&mark);
        let said = said(&refused);
        assert_eq!(refused.status.code(), Some(1), "{name}: {said}");
        assert!(
            said.contains(name) && said.contains("--allow-writable-policy"),
            "{name}: {said}"
        );
        assert!(!mark.exists(), "{name}: the server was started");
    }
}

#[test]
fn symlinks_that_the_server_could_replace_are_looked_at() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: only root can make files that are not those of the server's user");
        return;
    }
    let server = open_folder();
    chown(server.path(), Some(NOBODY), None).unwrap();
    let (mark, policy) = (server.path().join("started"), Policy::new());
    let [script, config] = ["main.lua", "hookpoint.toml"].map(|name| policy.path(name));
    // Root's, in a folder of root, to a file of root.
    let good = policy.path("link.toml");
    symlink("hookpoint.toml", &good).unwrap();
    let fine = policy.start_with(&script, &good, &mark);
    assert!(mark.exists(), "{}", said(&fine));
    fs::remove_file(&mark).unwrap();
    // Root's too, and the server could put another one in their place.
    let (file, folder) = (server.path().join("link"), server.path().join("folder"));
    symlink(policy.path(""), &folder).unwrap();
    for (target, is_config) in [(&config, true), (&script, false)] {
        symlink(target, &file).unwrap();
        let name = target.file_name().expect("a name");
        for given in [&file, &folder.join(name)] {
            let refused = match is_config {
                true => policy.start_with(&script, given, &mark),
                false => policy.start_with(given, &config, &mark),
            };
            let said = said(&refused);
            assert_eq!(refused.status.code(), Some(1), "{given:?}: {said}");
            assert!(
                said.contains(&*server.path().to_string_lossy())
                    && said.contains("--allow-writable-policy"),
                "{given:?}: {said}"
            );
            assert!(!mark.exists(), "{given:?}: the server was started");
        }
        fs::remove_file(&file).unwrap();
    }
    // What a script requires is where its symlink leads.
    let linked = Policy::new();
    fs::remove_file(linked.path("main.lua")).unwrap();
    symlink(&script, linked.path("main.lua")).unwrap();
    fs::remove_dir_all(linked.path("lib")).unwrap();
    let fine = linked.start(&mark);
    assert!(mark.exists(), "{}", said(&fine));
    fs::remove_file(&mark).unwrap();
    chown(policy.path("lib/words.lua"), Some(NOBODY), None).unwrap();
    let refused = linked.start(&mark);
    assert!(
        said(&refused).contains("lib/words.lua"),
        "{}",
        said(&refused)
    );
    assert!(!mark.exists(), "the server was started");
}
