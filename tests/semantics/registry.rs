//! What a registry refuses, what it runs under no lock, and how layers change what is below them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpoint::test::{TestRegistry, registry};
use hookpoint::{
    Approval, ApprovalRequest, Approver, DecisionRecord, GuardContext, HookError, HookGuard,
    HookMetadata, HookRefusal, HookRegistry, HookResult, HookScope, Life, OnFailure, PreparedHook,
    Sink, Vote, Wants, hooked,
};

#[hooked(point = "registry.site")]
fn site(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}

#[hooked(point = "registry.other")]
fn other() -> Result<u32, HookRefusal> {
    Ok(1)
}

#[hooked(point = "registry.later")]
async fn later(n: u32) -> Result<u32, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}

#[hooked(point = "registry.again", retry)]
async fn again() -> Result<(), HookRefusal> {
    Ok(())
}

/// Its hooks come and go with layers only.
#[hooked(point = "registry.layered")]
fn layered() -> Result<(), HookRefusal> {
    Ok(())
}

fn meta(point: &str) -> HookMetadata {
    HookMetadata::new("policy").point(point)
}

fn refuses(meta: HookMetadata) -> PreparedHook {
    PreparedHook::guard(meta, |_| Ok(Vote::cancel("no")))
}

/// A kit with a required guard `policy` at `point`.
fn with_policy(point: HookMetadata) -> TestRegistry {
    let kit = registry();
    kit.add(refuses(point));
    kit.require(&["policy"]).unwrap();
    kit
}

#[test]
fn a_required_hook_is_not_replaced_by_one_that_does_less() {
    let here = || meta("registry.site");
    let holds = |_: &GuardContext<'_>| Ok(true);
    for (weak, why) in [
        (refuses(here().shadow()), "Shadow"),
        (refuses(here().once()), "only once"),
        (refuses(here().on_failure(OnFailure::Open)), "Open"),
        (refuses(meta("registry.other")), "points"),
        (refuses(here().post()), "phases"),
        (refuses(here().pre().post()), "phases"),
        (refuses(here().for_component("shell")), "components"),
        (refuses(here().when(holds)), "condition"),
        (PreparedHook::intercept(here(), |_| ()), "another role"),
        (PreparedHook::observe(here(), |_| ()), "another role"),
    ] {
        let kit = with_policy(here());
        let error = kit.replace(&["policy"], vec![weak]).unwrap_err();
        assert!(matches!(error, HookError::Invalid { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("it is required") && text.contains(why),
            "{text} lacks {why}"
        );
        let _entered = kit.enter();
        assert_eq!(site(1).unwrap_err().hook(), "policy", "nothing has changed");
    }
    let kit = with_policy(here());
    let error = kit.replace(&["policy"], Vec::new()).unwrap_err();
    assert!(matches!(error, HookError::Required { .. }), "{error:?}");
}

#[test]
fn a_required_hook_is_replaced_by_one_that_does_as_much_or_more() {
    let components = || meta("registry.site").for_component("a");
    for (old, new) in [
        (meta("registry.site"), meta("registry.*")),
        (meta("registry.*"), meta("registry.>").point("tool.execute")),
        (components(), components().for_component("b")),
        (components(), meta("registry.site")),
        (meta("registry.site").post(), meta("registry.site").post()),
    ] {
        let kit = with_policy(old);
        kit.replace(&["policy"], vec![refuses(new)])
            .unwrap()
            .into_iter()
            .for_each(HookGuard::forget);
        assert!(matches!(
            kit.unregister("policy"),
            Err(HookError::Required { .. })
        ));
    }
    // The same condition, not another one that may hold less often.
    let old = meta("registry.site").when(|_: &GuardContext<'_>| Ok(true));
    let kit = with_policy(old.clone());
    assert!(kit.replace(&["policy"], vec![refuses(old)]).is_ok());
}

#[test]
fn who_replaces_its_own_hooks_replaces_no_other_of_the_same_id() {
    let kit = registry();
    let own = |id: &str| {
        kit.replace(
            &[],
            vec![refuses(HookMetadata::new(id).point("registry.site"))],
        )
    };
    let (gone, stays) = (own("gone").unwrap(), own("stays").unwrap());
    kit.unregister("gone").unwrap();
    let theirs = own("gone").unwrap();
    let old = [&gone[0], &stays[0]];
    let new = |id: &str| vec![refuses(HookMetadata::new(id).point("registry.site"))];
    // Their hook of that id is in the way, and nothing has changed.
    let error = kit.replace_own(&old, new("gone")).unwrap_err();
    assert!(matches!(error, HookError::Duplicate { .. }), "{error}");
    let new = kit.replace_own(&old, new("new")).unwrap();
    let ids: Vec<_> = kit.list().into_iter().map(|hook| hook.id).collect();
    assert_eq!(ids, ["gone".into(), Box::<str>::from("new")]);
    drop((gone, stays));
    assert_eq!(kit.list().len(), 2, "old guards do nothing any more");
    drop((theirs, new));
    assert!(kit.list().is_empty());
}

/// Fails instead of hanging if `test` waits for a lock that it holds itself.
#[track_caller]
fn ends(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        done.send(()).unwrap();
    });
    if ended.recv_timeout(Duration::from_secs(20))
        == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    {
        panic!("it waits for a lock that it holds itself");
    }
    thread.join().unwrap();
}

/// Calls, registers and unregisters when it is dropped.
struct Busy(HookRegistry, Option<HookGuard>);

impl Busy {
    fn new(registry: &HookRegistry, id: &'static str) -> Busy {
        let guard = registry
            .guard(id, "registry.*", |_| Ok(Vote::Pass))
            .unwrap();
        Busy(registry.clone(), Some(guard))
    }
    fn touch(&self) {}
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.close_point("registry.nothing").unwrap();
        drop(self.1.take());
        let _ = (site(1), other(), layered());
        let layer = HookScope::layer();
        drop(
            layer
                .registry()
                .guard("from-drop", "registry.*", |_| Ok(Vote::Pass)),
        );
    }
}

#[test]
fn what_a_hook_owns_is_dropped_under_no_lock() {
    ends(|| {
        let kit = registry();
        let _entered = kit.enter();
        let busy = |id| {
            let owned = Busy::new(&kit, id);
            move |_: &GuardContext<'_>| {
                owned.touch();
                Ok(Vote::Pass)
            }
        };
        let prepared =
            |id| PreparedHook::guard(HookMetadata::new("owner").point("registry.*"), busy(id));
        let called = || drop((site(1), other()));
        // Unregistered by its guard, replaced, disabled and removed: each time sets were published before.
        let g = kit.guard("dropped", "registry.*", busy("a")).unwrap();
        called();
        drop(g);
        let replaced = kit.replace(&[], vec![prepared("b")]).unwrap();
        called();
        let replaced = [
            replaced,
            kit.replace(&["owner"], vec![prepared("c")]).unwrap(),
        ];
        called();
        kit.set_enabled("owner", false).unwrap();
        kit.unregister("owner").unwrap();
        drop(replaced);
        // A registration that is refused drops what it was given.
        kit.guard("refused", "registry.*", |_| Ok(Vote::Pass))
            .unwrap()
            .forget();
        assert!(kit.guard("refused", "registry.*", busy("d")).is_err());
        assert!(kit.guard("", "registry.*", busy("e")).is_err());
        let owned = Busy::new(&kit, "f");
        kit.set_approver(move |request: &ApprovalRequest| {
            owned.touch();
            request.allow()
        });
        kit.set_approver(|request: &ApprovalRequest| request.allow());
        // A layer goes with all that it has.
        let layer = HookScope::layer();
        layer
            .registry()
            .guard("layered", "registry.*", busy("g"))
            .unwrap()
            .forget();
        drop(layer.enter());
        drop(layer);
        // A test that registers meanwhile may hold the layer for a moment, and is then who drops it.
        while kit.list().len() != 1 {
            std::thread::yield_now();
        }
    });
}

#[test]
fn what_a_hook_of_the_global_registry_owns_is_dropped_under_no_lock() {
    ends(|| {
        let global = HookRegistry::global();
        let owned = Busy::new(&HookScope::layer().registry(), "owned");
        let g = global.guard("registry.owner", "registry.layered", move |_| {
            owned.touch();
            Ok(Vote::Pass)
        });
        assert!(layered().is_ok());
        drop(g);
    });
}

#[derive(Default)]
struct Curious {
    asked: AtomicUsize,
    told: Mutex<Vec<&'static str>>,
}

impl Sink for Curious {
    fn wants(&self) -> Wants {
        self.asked.fetch_add(1, Ordering::SeqCst);
        drop((other(), site(1)));
        Wants::always()
    }
    fn record(&self, record: &DecisionRecord) {
        self.told.lock().unwrap().push(record.point());
    }
}

#[test]
fn a_sink_is_asked_once_what_it_wants_and_may_call() {
    ends(|| {
        let kit = registry();
        let _entered = kit.enter();
        let curious = Arc::new(Curious::default());
        kit.add_sink(curious.clone());
        let _g = kit.guard("g", "registry.*", |_| Ok(Vote::Pass)).unwrap();
        assert!(site(1).is_ok() && site(2).is_ok());
        assert_eq!(curious.asked.load(Ordering::SeqCst), 1);
        assert_eq!(*curious.told.lock().unwrap(), ["registry.site"; 2]);
    });
}

struct Told(Wants, Mutex<Vec<u64>>, AtomicUsize);

impl Told {
    fn of(wants: Wants) -> Arc<Told> {
        Arc::new(Told(wants, Mutex::default(), AtomicUsize::new(0)))
    }
    fn count(&self) -> usize {
        std::mem::take(&mut *self.1.lock().unwrap()).len()
    }
}

impl Sink for Told {
    fn wants(&self) -> Wants {
        self.0.clone()
    }
    fn record(&self, record: &DecisionRecord) {
        self.1.lock().unwrap().push(record.call_id());
    }
    fn signal(&self, _: &hookpoint::Signal<'_>) {
        self.2.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn sinks_get_what_they_want() {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let sinks = [
        Wants::exceptional(),
        Wants::always_at("registry.site").unwrap(),
        Wants::signals_only(),
    ]
    .map(Told::of);
    sinks
        .iter()
        .for_each(|sink| registry.add_sink(sink.clone()));
    let counts = || sinks.each_ref().map(|sink| sink.count());
    drop((site(1), other()));
    assert_eq!(counts(), [0, 1, 0]);
    let _g = registry
        .guard("g", "registry.*", |_| Ok(Vote::cancel("no")))
        .unwrap();
    let _o = registry
        .observe("o", "registry.other", |_| panic!("the observer panics"))
        .unwrap();
    crate::sites::quiet();
    drop((site(1), other()));
    assert_eq!(counts(), [2, 1, 0]);
    assert_eq!(
        sinks.each_ref().map(|sink| sink.2.load(Ordering::SeqCst)),
        [1; 3],
        "signals come always"
    );
    assert!(Wants::always_at("tool.exekute").is_err());
}

#[test]
fn a_sink_of_a_layer_hears_of_the_calls_in_it() {
    let kit = registry();
    let _entered = kit.enter();
    let layer = HookScope::layer();
    let sink = Told::of(Wants::always());
    layer.registry().add_sink(sink.clone());
    drop(site(1));
    assert_eq!(sink.count(), 0);
    let _inside = layer.enter();
    drop(site(1));
    assert_eq!((sink.count(), kit.records().len()), (1, 2));
    let _o = kit
        .observe("o", "registry.site", |_| panic!("the observer panics"))
        .unwrap();
    crate::sites::quiet();
    drop(site(1));
    assert_eq!(sink.2.load(Ordering::SeqCst), 1);
}

#[test]
fn a_layer_may_close_points_and_be_out_of_service() {
    let kit = registry();
    let _entered = kit.enter();
    let layer = HookScope::layer();
    layer.registry().close_point("registry.site").unwrap();
    assert!(site(1).is_ok(), "outside of the layer");
    {
        let _inside = layer.enter();
        assert_eq!(site(1).unwrap_err().hook(), "hookpoint.closed");
        assert!(other().is_ok());
        let _g = kit
            .guard("grants", "registry.*", |_| Ok(Vote::Allow))
            .unwrap();
        assert!(site(1).is_ok());
    }
    layer.registry().set_life(Life::Draining);
    assert!(other().is_ok(), "outside of the layer");
    let _inside = layer.enter();
    let refusal = other().unwrap_err();
    assert_eq!(refusal.hook(), "hookpoint.life");
    assert!(refusal.reason().contains("draining"), "{refusal}");
    layer.registry().set_life(Life::Serving);
    assert!(other().is_ok());
}

/// Isolated registries of other tests keep every site of their process active, so this needs one of its own.
#[test]
fn sites_are_idle_again_when_a_layer_is_gone() {
    const CHILD: &str = "HOOKPOINT_TEST_LAYER_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let name = "registry::sites_are_idle_again_when_a_layer_is_gone";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child
            .args(["--exact", name])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && out.contains("1 passed"), "{out}");
        return;
    }
    let sites = hookpoint::sites();
    let site = |point: &str| *sites.iter().find(|s| s.info().point == point).unwrap();
    let [mine, others] = ["registry.layered", "registry.other"].map(site);
    assert!(mine.is_idle() && others.is_idle());
    let layer = HookScope::layer();
    let g = layer
        .registry()
        .guard("l", "registry.layered", |_| Ok(Vote::cancel("no")));
    assert!(!mine.is_idle() && others.is_idle());
    g.unwrap().forget();
    let entered = layer.enter();
    assert!(layered().is_err() && other().is_ok());
    drop(entered);
    let copy = layer.registry();
    drop(layer);
    assert!(!mine.is_idle(), "a handle on its registry is left");
    drop(copy);
    assert!(mine.is_idle());
    let closing = HookScope::layer();
    closing.registry().close_point("registry.other").unwrap();
    assert!(mine.is_idle() && !others.is_idle());
    drop(closing);
    assert!(others.is_idle());
}

#[test]
fn a_layer_that_contradicts_the_order_below_it_changes_nothing_there() {
    let kit = registry();
    let _entered = kit.enter();
    let log: Arc<Mutex<Vec<&str>>> = Arc::default();
    let says = |id: &'static str| {
        let log = log.clone();
        move |_: &mut hookpoint::HookContext<'_>| log.lock().unwrap().push(id)
    };
    let on = |registry: &HookRegistry, id: &'static str| registry.on(id).point("registry.site");
    let _z = on(&kit, "z-first")
        .before("a-second")
        .intercept(says("z-first"))
        .unwrap();
    let _a = on(&kit, "a-second").intercept(says("a-second")).unwrap();
    let agrees = HookScope::layer();
    let _g = on(&agrees.registry(), "b-between")
        .after("z-first")
        .before("a-second");
    let _g = _g.intercept(says("b-between")).unwrap();
    let contradicts = HookScope::layer();
    let mine = contradicts.registry();
    let _m = on(&mine, "m")
        .after("a-second")
        .before("z-first")
        .before("n")
        .intercept(says("m"))
        .unwrap();
    let _n = on(&mine, "n")
        .priority(hookpoint::Priority::HIGHEST)
        .intercept(says("n"))
        .unwrap();
    let order = || {
        site(1).unwrap();
        std::mem::take(&mut *log.lock().unwrap())
    };
    let _one = agrees.enter();
    assert_eq!(order(), ["z-first", "b-between", "a-second"]);
    let _two = contradicts.enter();
    assert_eq!(order(), ["m", "n", "z-first", "b-between", "a-second"]);
}

#[test]
fn conditions_of_observers_are_refused() {
    let kit = registry();
    let observer = kit
        .on("o")
        .point("registry.site")
        .when(|_: &GuardContext<'_>| Ok(false));
    let error = observer.observe(|_| ()).unwrap_err().to_string();
    assert!(error.contains("look at the record"), "{error}");
    let component = kit.on("c").point("registry.site").for_component("shell");
    assert!(
        component.observe(|_| ()).is_ok(),
        "a component is looked up in the record"
    );
}

#[test]
fn an_alias_with_a_phase_does_not_decide_for_other_points() {
    let kit = registry();
    let both = |id: &str| {
        kit.on(id.to_owned())
            .point("tool.execute")
            .point("AfterToolExecution")
    };
    let refused = |_: &GuardContext<'_>| Ok(Vote::cancel("no"));
    let error = both("mixed").guard(refused).unwrap_err().to_string();
    for part in [
        "`AfterToolExecution`",
        "`tool.execute`",
        "name the phases",
        "register two hooks",
    ] {
        assert!(error.contains(part), "{error} lacks {part}");
    }
    let _named = both("named").pre().guard(refused).unwrap();
    kit.call("tool.execute").decide().assert_refused_by("named");
    let aliases = kit
        .on("aliases")
        .point("BeforeToolExecution")
        .point("AfterToolExecution");
    let _aliases = aliases.guard(refused).unwrap();
    let _watches = both("watches").observe(|_| ()).unwrap();
}

struct Patient;

impl Approver for Patient {
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Approval, HookError>> + Send + 'a>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(request.allow())
        })
    }
    fn patience(&self) -> Duration {
        Duration::MAX
    }
}

#[tokio::test]
async fn durations_without_end_are_long_ones() {
    let kit = registry();
    let asks = kit
        .guard("asks", "registry.later", |_| Ok(Vote::ask("?")))
        .unwrap();
    kit.set_approver(Patient);
    assert!(kit.wrap(later(1)).await.is_ok());
    drop(asks);
    let slow = kit
        .on("slow")
        .point("registry.later")
        .timeout(Duration::MAX);
    let _slow = slow
        .guard_async(async |_| {
            tokio::task::yield_now().await;
            Ok(Vote::Pass)
        })
        .unwrap();
    assert!(kit.wrap(later(1)).await.is_ok());
    let retries = kit.on("retries").point("registry.again").post().may_retry();
    let _retries = retries
        .intercept(|_| HookResult::retry(Duration::MAX, 3))
        .unwrap();
    // At a synchronous site it would keep its thread for ever.
    let refusal = kit.wrap(again()).await.unwrap_err().to_string();
    assert!(refusal.contains("for more than a day"), "{refusal}");
}

#[test]
fn a_replacement_is_one_step_at_every_point() {
    let kit = registry();
    let wide = || refuses(meta("registry.*"));
    let forget = |guards: Vec<HookGuard>| guards.into_iter().for_each(HookGuard::forget);
    forget(kit.replace(&[], vec![wide()]).unwrap());
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let calls = threads.spawn(|| {
            let _entered = kit.enter();
            let mut passed = 0;
            while !stop.load(Ordering::Relaxed) {
                passed += usize::from(site(1).is_ok()) + usize::from(other().is_ok());
            }
            passed
        });
        for _ in 0..200 {
            forget(kit.replace(&["policy"], vec![wide()]).unwrap());
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(calls.join().unwrap(), 0);
    });
}

#[test]
fn a_site_says_in_which_form_it_is_described() {
    let sites = hookpoint::sites();
    assert!(!sites.is_empty());
    assert!(sites.iter().all(|s| s.info().schema_version == 1));
}
