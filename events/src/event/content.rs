//! The payload of an event, and what is made of it when somebody asks.

use std::any::Any;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

/// A payload whose type is not known. It is shared by the clones of an event, and so is what is made of it.
pub(super) trait Payload: Any + Send + Sync {
    fn stamp(&self) -> &Stamp;
    fn json(&self) -> Result<&Value, &str>;
    fn size_hint_bytes(&self) -> usize;
    fn type_name(&self) -> &'static str;
}

/// Identity and time of an event that was given none.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    number: u64,
    time: SystemTime,
}

/// Tells the ids of this process from those of others.
static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Stamp {
    fn now() -> Stamp {
        Stamp {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            time: SystemTime::now(),
        }
    }

    pub(super) fn id(&self) -> String {
        format!("{:016x}-{}", *PROCESS, self.number)
    }

    pub(super) fn time(&self) -> SystemTime {
        self.time
    }
}

type Encode<T> = fn(&T) -> serde_json::Result<Value>;

/// A payload of a known type.
pub(super) struct Content<T> {
    stamp: OnceLock<Stamp>,
    json: OnceLock<Box<Result<Value, Box<str>>>>,
    size_bytes: OnceLock<usize>,
    /// `None`: given without `Serialize`.
    encode: Option<Encode<T>>,
    data: T,
}

impl<T: 'static> Content<T> {
    pub(super) fn new(data: T) -> Self
    where
        T: Serialize,
    {
        Content {
            encode: Some(|data| serde_json::to_value(data)),
            ..Content::opaque(data)
        }
    }

    pub(super) fn opaque(data: T) -> Self {
        Content {
            stamp: OnceLock::new(),
            json: OnceLock::new(),
            size_bytes: OnceLock::new(),
            encode: None,
            data,
        }
    }

    pub(super) fn stamped(self, stamp: Stamp) -> Self {
        Content {
            stamp: stamp.into(),
            ..self
        }
    }

    pub(super) fn data(&self) -> &T {
        &self.data
    }

    pub(super) fn into_data(self) -> T {
        self.data
    }

    /// JSON that was given as such is not made a second time.
    fn as_json(&self) -> Option<&Value> {
        let data: &dyn Any = &self.data;
        data.downcast_ref()
    }
}

impl<T: Send + Sync + 'static> Payload for Content<T> {
    fn stamp(&self) -> &Stamp {
        self.stamp.get_or_init(Stamp::now)
    }

    fn json(&self) -> Result<&Value, &str> {
        if let Some(json) = self.as_json() {
            return Ok(json);
        }
        let made = self.json.get_or_init(|| {
            Box::new(match self.encode {
                Some(encode) => encode(&self.data).map_err(|error| error.to_string().into()),
                None => Err("it was given without `Serialize`".into()),
            })
        });
        (**made).as_ref().map_err(|why| &**why)
    }

    fn size_hint_bytes(&self) -> usize {
        let data: &dyn Any = &self.data;
        let outside = if let Some(json) = self.as_json() {
            return *self.size_bytes.get_or_init(|| encoded_bytes(json));
        } else if let Some(text) = data.downcast_ref::<String>() {
            text.len()
        } else if let Some(text) = data.downcast_ref::<&'static str>() {
            text.len()
        } else if let Some(bytes) = data.downcast_ref::<Vec<u8>>() {
            bytes.len()
        } else {
            0
        };
        size_of::<T>() + outside
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }
}

/// Whether values of that type are asked how large they are.
#[inline]
pub(super) fn has_size_of_its_own<T: 'static>() -> bool {
    use std::any::TypeId;
    let own = [
        TypeId::of::<Value>(),
        TypeId::of::<String>(),
        TypeId::of::<&'static str>(),
        TypeId::of::<Vec<u8>>(),
    ];
    own.contains(&TypeId::of::<T>())
}

/// The length of the JSON text, without writing it.
fn encoded_bytes(json: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, json)
        .expect("a JSON value can be written, and counting does not fail");
    count.0
}
