//! The folder in which requests wait for a person.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hooks_runtime::Clock;
use jiff::Timestamp;

use super::error::{ApprovalError, at};
use super::kept::{ApprovalState, KeptRequest};
use super::time::Time;
use crate::files::{self, Owner};

/// How long one waits for another who uses the folder.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How long between two looks at whether it is free.
const LOCK_STEP: Duration = Duration::from_millis(2);
/// The largest file that is read or written, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// How many files a folder may have.
const MAX_FILES: usize = 20_000;

/// A folder of requests that wait for a person, and of what was decided; see
/// [`TokenApprover`](super::TokenApprover).
///
/// Every file in it is authenticated with the key of the folder: what was changed, or written by somebody else, is
/// no request, and allows nothing.
#[derive(Debug)]
pub struct ApprovalFolder {
    path: PathBuf,
    owner: Owner,
    mac_key: [u8; 32],
    pub(super) digest_key: [u8; 32],
    time: Time,
}

/// Nobody else changes the folder until this is dropped.
pub(super) struct Locked(#[allow(dead_code, reason = "unlocked when it is closed")] File);

impl ApprovalFolder {
    /// A folder that is there already.
    ///
    /// # Errors
    /// [`ApprovalError::Folder`]: it is not there, has no key, or is open to others.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ApprovalError> {
        ApprovalFolder::open_with(path.as_ref(), Time::default(), false)
    }

    /// The same, with expiry by a clock that is moved by hand, from now on: for tests.
    ///
    /// # Errors
    /// As [`ApprovalFolder::open`].
    pub fn open_with_clock(path: impl AsRef<Path>, clock: Clock) -> Result<Self, ApprovalError> {
        ApprovalFolder::open_with(path.as_ref(), Time::of(clock), false)
    }

    pub(super) fn open_with(path: &Path, time: Time, make: bool) -> Result<Self, ApprovalError> {
        let wrong = |error: io::Error| at(path, &error);
        if make {
            files::make_folder(path).map_err(wrong)?;
        }
        let owner = files::own(path).map_err(wrong)?;
        let _locked = lock(path, owner)?;
        let key = match files::read(&path.join("key"), owner, 32) {
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                let key = files::random::<32>().map_err(wrong)?;
                files::write(path, "key", &key).map_err(wrong)?;
                key.to_vec()
            }
            key => key.map_err(|error| at(&path.join("key"), &error))?,
        };
        let key: [u8; 32] = key.try_into().map_err(|_| ApprovalError::Folder {
            path: path.join("key").display().to_string().into(),
            why: "it is no key".into(),
        })?;
        Ok(ApprovalFolder {
            path: path.to_owned(),
            owner,
            mac_key: blake3::derive_key("hookpoint approvals: authenticity of requests", &key),
            digest_key: blake3::derive_key("hookpoint approvals: digests of calls", &key),
            time,
        })
    }

    /// The requests, oldest first, and what is wrong with files that are none.
    ///
    /// # Errors
    /// [`ApprovalError::Folder`]: it cannot be read.
    pub fn list(&self) -> Result<(Vec<KeptRequest>, Vec<ApprovalError>), ApprovalError> {
        let now = self.now()?;
        let (mut kept, mut wrong) = (Vec::new(), Vec::new());
        for name in self.names()? {
            match self.read(&name) {
                Ok(Some(mut request)) => {
                    if name.ends_with(".used") {
                        request.state = ApprovalState::Used;
                    } else if request.is_expired(now) {
                        request.state = ApprovalState::Expired;
                    }
                    kept.push(request);
                }
                Ok(None) => {}
                Err(error) => wrong.push(error),
            }
        }
        kept.sort_by(|a, b| (a.asked_at, &a.token).cmp(&(b.asked_at, &b.token)));
        Ok((kept, wrong))
    }

    /// The request of that token.
    ///
    /// # Errors
    /// [`ApprovalError::Unknown`], and as [`ApprovalFolder::list`].
    pub fn show(&self, token: &str) -> Result<KeptRequest, ApprovalError> {
        let (kept, _) = self.list()?;
        let found = kept.into_iter().find(|request| request.token == token);
        found.ok_or_else(|| ApprovalError::Unknown {
            token: token.into(),
        })
    }

    /// Lets the call of that token go on, once, when it comes again.
    ///
    /// # Errors
    /// [`ApprovalError::Decided`]: it was denied, used, or has expired; and as [`ApprovalFolder::show`].
    pub fn allow(&self, token: &str) -> Result<KeptRequest, ApprovalError> {
        self.decide(token, ApprovalState::Allowed)
    }

    /// Refuses the call of that token until the request expires, also if it was allowed and did not go on yet.
    ///
    /// # Errors
    /// [`ApprovalError::Decided`]: it was used, or has expired; and as [`ApprovalFolder::show`].
    pub fn deny(&self, token: &str) -> Result<KeptRequest, ApprovalError> {
        self.decide(token, ApprovalState::Denied)
    }

    fn decide(&self, token: &str, wanted: ApprovalState) -> Result<KeptRequest, ApprovalError> {
        let _locked = self.lock()?;
        let mut request = self.show(token)?;
        let decided = |why| {
            Err(ApprovalError::Decided {
                token: token.into(),
                why,
            })
        };
        match request.state {
            ApprovalState::Used => return decided("was allowed, and its call has gone on"),
            ApprovalState::Expired => return decided("has expired: the call must be made again"),
            ApprovalState::Denied if wanted == ApprovalState::Allowed => {
                return decided("was denied, which stands until it expires");
            }
            _ => {}
        }
        if request.state != wanted {
            request.state = wanted;
            request.decided_at = Some(self.now()?);
            self.write(&request)?;
        }
        Ok(request)
    }

    pub(super) fn now(&self) -> Result<Timestamp, ApprovalError> {
        self.time.now()
    }

    pub(super) fn lock(&self) -> Result<Locked, ApprovalError> {
        lock(&self.path, self.owner)
    }

    /// The request about the call of that digest, unless it has expired. Locked.
    pub(super) fn find(&self, digest: &str) -> Result<Option<KeptRequest>, ApprovalError> {
        let found = self.read(&format!("{digest}.json"))?;
        let now = self.now()?;
        Ok(found.filter(|request| !request.is_expired(now)))
    }

    /// Keeps a new request, and removes what has expired. Locked.
    pub(super) fn keep(&self, request: &KeptRequest, max: usize) -> Result<(), ApprovalError> {
        let (now, mut waiting) = (self.now()?, 0);
        for name in self.names()? {
            // What is wrong is left for a person to see.
            let Ok(Some(kept)) = self.read(&name) else {
                continue;
            };
            if kept.is_expired(now) {
                let path = self.path.join(&name);
                std::fs::remove_file(&path).map_err(|error| at(&path, &error))?;
            } else if kept.state == ApprovalState::Pending {
                waiting += 1;
            }
        }
        if waiting >= max {
            return Err(ApprovalError::Full { max });
        }
        self.write(request)
    }

    /// Takes what was allowed: whoever's renaming succeeds lets one call go on. Locked.
    pub(super) fn take(&self, request: &KeptRequest) -> Result<(), ApprovalError> {
        let from = self.path.join(format!("{}.json", request.digest));
        let to = self.path.join(format!("{}.used", request.token));
        std::fs::rename(&from, to).map_err(|error| at(&from, &error))?;
        // Before the call: it must not be allowed again after the machine was stopped.
        files::sync(&self.path).map_err(|error| at(&self.path, &error))
    }

    fn write(&self, request: &KeptRequest) -> Result<(), ApprovalError> {
        let wrong = |error: io::Error| at(&self.path, &error);
        let bytes = request.write(&self.mac_key);
        let bytes = bytes.map_err(|error| wrong(error.into()))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(wrong(io::ErrorKind::FileTooLarge.into()));
        }
        files::write(&self.path, &format!("{}.json", request.digest), &bytes).map_err(wrong)
    }

    /// `None`: there is no such file any more.
    fn read(&self, name: &str) -> Result<Option<KeptRequest>, ApprovalError> {
        let path = self.path.join(name);
        let bytes = match files::read(&path, self.owner, MAX_FILE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|error| at(&path, &error))?,
        };
        let request = KeptRequest::read(&bytes, &self.mac_key);
        // A file under the name of another one is a copy that somebody made.
        let named = |request: &KeptRequest| match name.rsplit_once('.') {
            Some((token, "used")) => request.token == token,
            Some((digest, _)) => request.digest == digest,
            None => false,
        };
        match request {
            Ok(request) if named(&request) => Ok(Some(request)),
            Ok(_) => Err(at(
                &path,
                &io::Error::other("it is the file of another request"),
            )),
            Err(why) => Err(at(&path, &io::Error::other(why))),
        }
    }

    /// The files of requests.
    fn names(&self) -> Result<Vec<String>, ApprovalError> {
        let wrong = |error: io::Error| at(&self.path, &error);
        let mut names = Vec::new();
        for (count, entry) in std::fs::read_dir(&self.path).map_err(wrong)?.enumerate() {
            if count >= MAX_FILES {
                return Err(wrong(io::Error::other("it has too many files")));
            }
            let name = entry.map_err(wrong)?.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".json") || name.ends_with(".used") {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    /// Removes what was being written when a program was stopped. Locked.
    pub(super) fn tidy(&self) -> Result<(), ApprovalError> {
        let wrong = |error: io::Error| at(&self.path, &error);
        for entry in std::fs::read_dir(&self.path)
            .map_err(wrong)?
            .take(MAX_FILES)
        {
            let entry = entry.map_err(wrong)?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(files::UNFINISHED) {
                match std::fs::remove_file(entry.path()) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(wrong(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn lock(path: &Path, owner: Owner) -> Result<Locked, ApprovalError> {
    let path = path.join("lock");
    let file = files::open_lock(&path, owner).map_err(|error| at(&path, &error))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Locked(file)),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(LOCK_STEP);
            }
            Err(TryLockError::WouldBlock) => {
                let why =
                    format!("another program keeps it locked for more than {LOCK_PATIENCE:?}");
                return Err(at(&path, &io::Error::other(why)));
            }
            Err(TryLockError::Error(error)) => return Err(at(&path, &error)),
        }
    }
}
