//! Every key of the attribute, on functions that behave as before.

use hookpoint::{HookRefusal, hooked};

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Request {
    path: String,
    size: u64,
}

fn request() -> Request {
    Request {
        path: "a/b".into(),
        size: 3,
    }
}

#[derive(Debug, PartialEq)]
enum Failure {
    Refused(String),
}

// on_refused ---------------------------------------------------------------------------------------

#[hooked(point = "billing.charge", on_refused = |r| Failure::Refused(r.reason().to_owned()))]
fn converts(request: Request) -> Result<u64, Failure> {
    Ok(request.size)
}

#[hooked(point = "billing.charge", on_refused = |_| None)]
fn plain_value(request: &Request) -> Option<u64> {
    Some(request.size)
}

impl From<HookRefusal> for Failure {
    fn from(refusal: HookRefusal) -> Self {
        Failure::Refused(refusal.to_string())
    }
}

#[hooked(point = "billing.charge", on_refused = Failure::from)]
async fn by_path(size: u64) -> Result<u64, Failure> {
    Ok(size)
}

#[hooked(point = "billing.charge", on_refused = |r| r.reason().len())]
fn generic<T: Clone>(value: &[T]) -> usize {
    value.len()
}

// observe, closed, retry, blocking -----------------------------------------------------------------

#[hooked(point = "billing.charge", observe)]
fn watched(items: &mut [u64]) -> impl Iterator<Item = &mut u64> {
    items.iter_mut()
}

#[hooked(point = "billing.charge", observe)]
fn never(code: u32) -> ! {
    panic!("{code}")
}

#[hooked(point = "billing.charge", observe)]
async fn never_async(code: u32) -> ! {
    panic!("{code}")
}

#[hooked(point = "billing.charge", closed, blocking)]
fn closed(size: u64) -> Result<u64, String> {
    Ok(size)
}

#[hooked(point = "billing.charge", retry)]
async fn again(request: Request, name: &str) -> Result<u64, String> {
    Ok(request.size + name.len() as u64)
}

struct Counter {
    count: u64,
}

impl Counter {
    #[hooked(point = "billing.charge", retry)]
    fn bump(&mut self, by: u64) -> Result<u64, String> {
        self.count += by;
        Ok(self.count)
    }

    #[hooked(point = "billing.charge", retry, component = self.label(), fields(n = self.count))]
    async fn read(&self, by: u64) -> Result<u64, String> {
        tokio::task::yield_now().await;
        Ok(self.count + by)
    }

    fn label(&self) -> &str {
        "counter"
    }

    #[hooked(point = "billing.charge", component = self.label())]
    async fn write(&mut self, by: u64) -> Result<&mut u64, String> {
        self.count += by;
        Ok(&mut self.count)
    }
}

// args, skip, fields -------------------------------------------------------------------------------

#[hooked(
    point = "billing.charge",
    args(path = &request.path, len = name.len(), how: typed = &request.size, wish),
    fields(size = request.size, shown = %request.path, dbg = ?name, kind = "x"),
)]
fn derived(request: Request, name: &str, wish: String) -> Result<String, String> {
    Ok(format!("{}{name}{wish}", request.path))
}

#[hooked(point = "billing.charge", args(path = &request.path, copy = request.path.clone()))]
async fn derived_async(request: Request) -> Result<String, String> {
    Ok(request.path)
}

#[hooked(point = "billing.charge", args(renamed = request, a: opaque), skip(b))]
fn renamed(request: Request, a: &str, b: &str) -> Result<usize, String> {
    Ok(request.path.len() + a.len() + b.len())
}

#[hooked(point = "billing.charge", args())]
fn nothing_shown(_request: Request) -> Result<(), String> {
    Ok(())
}

#[hooked(point = "billing.charge", skip(secret))]
fn secret(secret: &str, r#type: u8) -> Result<u8, String> {
    assert_eq!(secret, "s");
    Ok(r#type)
}

#[hooked(point = "billing.charge", args(value: typed))]
fn told<T: Clone + 'static>(value: T) -> Result<T, String> {
    Ok(value)
}

// redirect -----------------------------------------------------------------------------------------

struct Router;
type Target = Box<dyn FnOnce(Request, &str) -> Result<u64, String>>;

impl Router {
    fn find(&self) -> impl FnMut(&str) -> Option<Target> {
        |to| {
            (to == "other").then(|| {
                let other: Target = Box::new(|request, _| Ok(request.size * 2));
                other
            })
        }
    }

    #[hooked(point = "billing.charge", redirect = self.find())]
    fn route(&self, request: Request, name: &str) -> Result<u64, String> {
        Ok(request.size + name.len() as u64)
    }

    #[hooked(point = "billing.charge", redirect = |to| (to == "other").then_some(other))]
    async fn route_async(&self, size: u64) -> Result<u64, String> {
        Ok(size)
    }
}

async fn other(size: u64) -> Result<u64, String> {
    Ok(size * 2)
}

// future -------------------------------------------------------------------------------------------

#[hooked(point = "billing.charge", future, component = name)]
fn boxed<'a>(
    name: &'a str,
    log: &mut Vec<&'static str>,
) -> std::pin::Pin<Box<dyn Future<Output = Result<usize, String>> + Send + 'a>> {
    log.push("eager");
    Box::pin(async move { Ok(name.len()) })
}

#[hooked(point = "billing.charge", future)]
fn opaque_future(name: &str) -> impl Future<Output = Result<usize, String>> + Send + use<'_> {
    let name = name.to_owned();
    async move { Ok(name.len()) }
}

// constants ----------------------------------------------------------------------------------------

const POINT: &str = "billing.constant";

#[hooked(point = POINT)]
fn constant() -> Result<(), String> {
    Ok(())
}

#[hooked(point = concat!("billing", ".", "concat"), crate = ::hooks_runtime)]
fn joined() -> Result<(), String> {
    Ok(())
}

#[tokio::test]
async fn all_keys_leave_the_function_as_it_was() {
    all_keys().await;
    let _guard = hookpoint::hooks()
        .intercept("keys", "billing.*", |_| ())
        .unwrap();
    all_keys().await;
}

async fn all_keys() {
    assert_eq!(converts(request()), Ok(3));
    assert_eq!(plain_value(&request()), Some(3));
    assert_eq!(by_path(4).await, Ok(4));
    assert_eq!(generic(&[1, 2]), 2);
    let mut items = [1, 2];
    *watched(&mut items).next().unwrap() = 9;
    assert_eq!(items, [9, 2]);
    assert!(std::panic::catch_unwind(|| never(1)).is_err());
    assert!(tokio::spawn(async { never_async(1).await }).await.is_err());
    assert!(closed(1).unwrap_err().contains("closed"));
    assert_eq!(again(request(), "ab").await, Ok(5));
    let mut counter = Counter { count: 1 };
    assert_eq!(counter.bump(2), Ok(3));
    assert_eq!(counter.read(2).await, Ok(5));
    *counter.write(2).await.unwrap() += 1;
    assert_eq!(counter.count, 6);
    assert_eq!(derived(request(), "n", "w".into()), Ok("a/bnw".into()));
    assert_eq!(derived_async(request()).await, Ok("a/b".into()));
    assert_eq!(renamed(request(), "a", "b"), Ok(5));
    assert_eq!(nothing_shown(request()), Ok(()));
    assert_eq!(secret("s", 7), Ok(7));
    assert_eq!(told(7), Ok(7));
    assert_eq!(Router.route(request(), "x"), Ok(4));
    assert_eq!(Router.route_async(4).await, Ok(4));
    let mut log = Vec::new();
    let future = boxed("abc", &mut log);
    assert_eq!(log, ["eager"]);
    assert_eq!(future.await, Ok(3));
    assert_eq!(opaque_future("abc").await, Ok(3));
    assert_eq!((constant(), joined()), (Ok(()), Ok(())));
}

#[test]
fn the_catalogue_says_what_the_attribute_said() {
    let sites: Vec<_> = hookpoint::sites()
        .into_iter()
        .map(|site| site.info())
        .filter(|info| info.path.starts_with("macro::keys::") || info.path.contains("::keys::"))
        .collect();
    let find = |name: &str| {
        *sites
            .iter()
            .find(|info| info.path.ends_with(&format!("::{name}")))
            .unwrap_or_else(|| panic!("no site {name}"))
    };
    let info = find("derived");
    assert_eq!(info.point, "billing.charge");
    assert_eq!(info.package, "hookpoint");
    assert!(info.file.ends_with("keys.rs"), "{}", info.file);
    let source = include_str!("keys.rs")
        .lines()
        .nth(info.line as usize - 1)
        .unwrap();
    assert!(source.starts_with("fn derived("), "{source}");
    assert_eq!(info.fields, ["size", "shown", "dbg", "kind"]);
    assert_eq!(info.returns, "Result<String, String>");
    let args: Vec<_> = info.args.iter().map(|arg| (arg.name, arg.ty)).collect();
    assert_eq!(
        args,
        [
            ("path", "&request.path"),
            ("len", "name.len()"),
            ("how", "&request.size"),
            ("wish", "String")
        ]
    );
    assert!(info.flags.repeatable && !info.flags.is_async);
    assert_eq!(
        find("secret")
            .args
            .iter()
            .map(|arg| arg.name)
            .collect::<Vec<_>>(),
        ["type"]
    );
    assert!(find("nothing_shown").args.is_empty());
    assert!(find("closed").flags.closed && find("closed").flags.blocking);
    assert!(find("watched").flags.observe && !find("watched").flags.repeatable);
    assert!(find("again").flags.repeatable && find("again").flags.is_async);
    assert!(find("route").flags.redirect);
    assert_eq!(find("boxed").returns, "Result<usize, String>");
    assert_eq!(
        (find("constant").point, find("joined").point),
        ("billing.constant", "billing.concat")
    );
}
