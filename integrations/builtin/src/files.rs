//! Files that nobody else can have written, and that are whole or not there.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// What the names of files begin with that are not whole yet.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Who owns what is in the folder; nothing where systems have no owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(Option<u32>);

impl Owner {
    fn of(metadata: &Metadata) -> Owner {
        #[cfg(unix)]
        let owner = Some(std::os::unix::fs::MetadataExt::uid(metadata));
        #[cfg(not(unix))]
        let owner = None::<u32>.filter(|_| metadata.is_file());
        Owner(owner)
    }

    /// Whether it belongs to that owner and to nobody else.
    fn check(self, metadata: &Metadata) -> io::Result<()> {
        let wrong = |why: &str| Err(io::Error::new(ErrorKind::PermissionDenied, why));
        if Owner::of(metadata) != self {
            return wrong("it belongs to another user");
        }
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::mode(metadata) & 0o077 != 0 {
            return wrong(
                "it is open to other users: take the permissions of group and others away",
            );
        }
        Ok(())
    }
}

/// Makes the folder for its owner alone, with those above it, if it is not there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Who this program is; the folder must be its own alone, and it can write there.
pub(crate) fn own(folder: &Path) -> io::Result<Owner> {
    let found = std::fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(io::Error::new(ErrorKind::NotADirectory, "it is no folder"));
    }
    let (path, file) = unfinished(folder)?;
    let owner = file.metadata().map(|metadata| Owner::of(&metadata));
    match std::fs::remove_file(path) {
        // Another program has tidied up.
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let owner = owner?;
    owner.check(&found)?;
    Ok(owner)
}

/// A file to lock, which is made if it is not there.
pub(crate) fn open_lock(path: &Path, owner: Owner) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    open(options, path, owner)
}

/// What is in a file of that owner; more than `max_bytes` is an error.
pub(crate) fn read(path: &Path, owner: Owner, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true);
    let file = open(options, path, owner)?;
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is too large"));
    }
    Ok(bytes)
}

/// Writes a file, in the place of one of that name, so that it is there whole or not at all, also after the machine
/// was stopped.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (path, mut file) = unfinished(folder)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&path, folder.join(name)));
    if let Err(error) = written {
        if let Err(left) = std::fs::remove_file(&path) {
            tracing::warn!(%left, "an unfinished file stays in its folder");
        }
        return Err(error);
    }
    sync(folder)
}

/// Brings the names in a folder to the disk.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Bytes that nobody foresees.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// As lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unfinished(folder: &Path) -> io::Result<(PathBuf, File)> {
    let path = folder.join(format!("{UNFINISHED}{}", hex(&random::<8>()?)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let file = private(&mut options).open(&path)?;
    Ok((path, file))
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Links are not followed, and whoever puts a pipe there keeps nobody waiting.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = flags.bits().cast_signed();
        options.mode(0o600).custom_flags(flags);
    }
    options
}

fn open(mut options: OpenOptions, path: &Path, owner: Owner) -> io::Result<File> {
    let file = private(&mut options).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is no plain file",
        ));
    }
    owner.check(&metadata)?;
    Ok(file)
}
