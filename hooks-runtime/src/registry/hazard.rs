//! Hazard pointers: a thread says in a place of its own which set it is using, and a writer looks at all of
//! these places before it frees one. (Maged M. Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free
//! Objects", 2004.)
//!
//! A reader must make its note visible before it looks again whether the set is still the current one. That
//! takes a full fence, nearly the cost of a locked instruction. Where the system can make all threads of the
//! process execute one (Linux: `membarrier`), the rare writer asks for it and the reader only keeps the compiler
//! from reordering.

use std::cell::Cell;
use std::ptr;

#[cfg(not(feature = "shuttle"))]
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

#[cfg(feature = "shuttle")]
use shuttle::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// How many sets one thread may be using, calls inside calls; beyond that a call holds a reference instead.
#[cfg(not(feature = "shuttle"))]
const DEPTH: usize = 16;
#[cfg(feature = "shuttle")]
const DEPTH: usize = 2;

const ALL_FREE: u32 = (1 << DEPTH) - 1;

/// The notes of one thread. Never freed: a thread that begins takes over the place of one that ended.
struct Notes {
    taken: AtomicBool,
    used: [AtomicPtr<()>; DEPTH],
    next: AtomicPtr<Notes>,
}

/// All notes, newest first; only ever added to.
struct All(AtomicPtr<Notes>);

#[cfg(not(feature = "shuttle"))]
static ALL: All = All(AtomicPtr::new(ptr::null_mut()));

#[cfg(feature = "shuttle")]
shuttle::lazy_static! {
    static ref ALL: All = All(AtomicPtr::new(ptr::null_mut()));
}

/// Where a thread finds its notes.
struct Mine {
    notes: Cell<Option<&'static Notes>>,
    /// The places that are free, one bit for each.
    free: Cell<u32>,
    /// The thread is ending: its place has been given back.
    over: Cell<bool>,
}

#[cfg(not(feature = "shuttle"))]
thread_local! {
    static MINE: Mine = const { Mine { notes: Cell::new(None), free: Cell::new(ALL_FREE), over: Cell::new(false) } };
    static GIVE_BACK: GiveBack = const { GiveBack(Cell::new(None)) };
}

#[cfg(feature = "shuttle")]
shuttle::thread_local! {
    static MINE: Mine = Mine { notes: Cell::new(None), free: Cell::new(ALL_FREE), over: Cell::new(false) };
    static GIVE_BACK: GiveBack = GiveBack(Cell::new(None));
}

/// Gives the thread's place back when the thread ends.
struct GiveBack(Cell<Option<&'static Notes>>);

impl Drop for GiveBack {
    fn drop(&mut self) {
        // What the thread still calls holds references. (In shuttle's model `MINE` may be gone before this.)
        let _gone = MINE.try_with(|mine| {
            mine.over.set(true);
            mine.notes.set(None);
        });
        if let Some(notes) = self.0.take() {
            notes.taken.store(false, Ordering::Release);
        }
    }
}

impl All {
    /// A place that nobody has.
    #[cold]
    fn take(&self) -> &'static Notes {
        for notes in self.iter() {
            let free =
                notes
                    .taken
                    .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
            if free.is_ok() {
                return notes;
            }
        }
        let notes: &'static Notes = Box::leak(Box::new(Notes {
            taken: AtomicBool::new(true),
            used: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            next: AtomicPtr::new(ptr::null_mut()),
        }));
        let pointer = ptr::from_ref(notes).cast_mut();
        let mut head = self.0.load(Ordering::Acquire);
        loop {
            notes.next.store(head, Ordering::Relaxed);
            match self
                .0
                .compare_exchange(head, pointer, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return notes,
                Err(other) => head = other,
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &'static Notes> {
        let at = |pointer: *mut Notes| -> Option<&'static Notes> {
            // SAFETY: a pointer in the list comes from `Box::leak` in `take`, before it was published.
            unsafe { pointer.cast_const().as_ref() }
        };
        std::iter::successors(at(self.0.load(Ordering::Acquire)), move |notes| {
            at(notes.next.load(Ordering::Acquire))
        })
    }
}

/// A place for one note, the thread's own until it is given back, on the same thread.
pub(super) struct Hazard {
    place: &'static AtomicPtr<()>,
    bit: u32,
    _this_thread: std::marker::PhantomData<*const ()>,
}

impl Hazard {
    /// `None`: the thread uses too many sets already, or is ending.
    #[inline]
    pub(super) fn claim() -> Option<Hazard> {
        MINE.with(|mine| {
            let notes = match mine.notes.get() {
                Some(notes) => notes,
                None => begin(mine)?,
            };
            let free = mine.free.get();
            let at = free.trailing_zeros();
            let place = notes.used.get(at as usize)?;
            mine.free.set(free & !(1 << at));
            Some(Hazard {
                place,
                bit: 1 << at,
                _this_thread: std::marker::PhantomData,
            })
        })
    }

    /// Protects what `current` points to; null if that is null.
    #[inline]
    pub(super) fn protect<T>(&self, current: &AtomicPtr<T>, let_go: impl Fn(*const T)) -> *mut T {
        loop {
            let pointer = current.load(Ordering::Acquire);
            if pointer.is_null() {
                return pointer;
            }
            self.place.store(pointer.cast(), Ordering::Release);
            light_fence();
            // Still current after the note was made: whoever takes it out from now on will see the note.
            if current.load(Ordering::Acquire) == pointer {
                return pointer;
            }
            self.clear();
            let_go(pointer);
        }
    }

    /// Takes the note back. What was retired meanwhile has to be looked at again: the flag that says so must be
    /// read after this.
    #[inline]
    pub(super) fn clear(&self) {
        self.place.store(ptr::null_mut(), Ordering::Release);
        light_fence();
    }
}

impl Drop for Hazard {
    #[inline]
    fn drop(&mut self) {
        // In shuttle's model, and there only, the thread's memory may be gone already.
        let _gone = MINE.try_with(|mine| mine.free.set(mine.free.get() | self.bit));
    }
}

#[cold]
fn begin(mine: &Mine) -> Option<&'static Notes> {
    if mine.over.get() {
        return None;
    }
    // Registers the destructor; fails only while the thread is ending.
    GIVE_BACK
        .try_with(|give_back| {
            let notes = ALL.take();
            give_back.0.set(Some(notes));
            mine.notes.set(Some(notes));
            notes
        })
        .ok()
}

/// Tells of a pointer whether some thread has noted it. `None`: the notes could not be made visible, so nothing
/// may be freed.
pub(super) fn noted() -> Option<impl Fn(*mut ()) -> bool> {
    heavy_fence().then(|| {
        let mut used: Vec<*mut ()> = Vec::new();
        for notes in ALL.iter() {
            used.extend(notes.used.iter().map(|place| place.load(Ordering::Acquire)));
        }
        move |pointer| used.contains(&pointer)
    })
}

#[cfg(feature = "shuttle")]
fn light_fence() {} // Shuttle's atomics are sequentially consistent.

#[cfg(feature = "shuttle")]
fn heavy_fence() -> bool {
    true
}

#[cfg(feature = "shuttle")]
pub(super) fn decide() -> bool {
    true
}

#[cfg(not(feature = "shuttle"))]
pub(super) use fences::decide;
#[cfg(not(feature = "shuttle"))]
use fences::{heavy_fence, light_fence};

#[cfg(not(feature = "shuttle"))]
mod fences {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

    /// Whether writers fence for readers. Set once, before the first writer looks at any note, so that a reader
    /// that relies on it is always met by a writer that does it.
    static WRITERS_FENCE: AtomicBool = AtomicBool::new(false);

    #[inline]
    pub(super) fn light_fence() {
        if WRITERS_FENCE.load(Ordering::Relaxed) {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// Decides who fences. Before the first value is published, so that readers are cheap from the beginning.
    pub(in super::super) fn decide() -> bool {
        static BY_WRITERS: OnceLock<bool> = OnceLock::new();
        *BY_WRITERS.get_or_init(|| {
            let registered = register();
            WRITERS_FENCE.store(registered, Ordering::Relaxed);
            registered
        })
    }

    /// `false`: the notes of other threads may not be visible, so nothing may be freed. That happens only if a
    /// system that has registered the process refuses the barrier later, as under a filter of system calls that
    /// the program sets up after its first hooked call; it is said once.
    pub(super) fn heavy_fence() -> bool {
        static SAID: AtomicBool = AtomicBool::new(false);
        fence(Ordering::SeqCst);
        if !decide() || barrier() {
            return true;
        }
        if !SAID.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the system refuses `membarrier`, which it allowed before: hooks that are removed stay in memory \
                 until it allows it again; let a filter of system calls pass it, or set it up before the first hook"
            );
        }
        false
    }

    #[cfg(target_os = "linux")]
    fn register() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    #[cfg(target_os = "linux")]
    fn barrier() -> bool {
        membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    }

    #[cfg(target_os = "linux")]
    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes two integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    #[cfg(not(target_os = "linux"))]
    fn register() -> bool {
        false
    }

    #[cfg(not(target_os = "linux"))]
    fn barrier() -> bool {
        false
    }
}
