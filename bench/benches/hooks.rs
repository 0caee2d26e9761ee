//! `cargo bench -p hookpoint-bench`: single calls, for people who work on the runtime and look for trends.
//! Claims against targets, and what others cost, are the rows of the program `hookpoint-bench`.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use hookpoint::HookError;
use hookpoint::prelude::hooked;
use hookpoint_bench::registered::no_ops;
use hookpoint_bench::same_body;
use hookpoint_bench::sites::{Answer, ready};

same_body! {
    fn bare;
    #[tracing::instrument(skip_all)] fn traced;
    #[hooked(point = "bench.idle")] fn idle;
    #[hooked(point = "bench.hooks_1")] fn hooks_1;
    #[hooked(point = "bench.hooks_10")] fn hooks_10;
    async fn bare_async;
    #[tracing::instrument(skip_all)] async fn traced_async;
    #[hooked(point = "bench.idle_async")] async fn idle_async;
    #[hooked(point = "bench.hooks_async_1")] async fn hooks_async_1;
    #[hooked(point = "bench.hooks_async_10")] async fn hooks_async_10;
}

fn call(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    call: fn(u64, u64, &'static str) -> Answer,
) {
    group.bench_function(name, |b| {
        b.iter(|| call(black_box(1), black_box(2), black_box("label")))
    });
}

fn call_async<F>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    call: fn(u64, u64, &'static str) -> F,
) where
    F: Future<Output = Answer>,
{
    let once = || ready(call(black_box(1), black_box(2), black_box("label")));
    group.bench_function(name, |b| b.iter(once));
}

fn sync(c: &mut Criterion) {
    let mut group = c.benchmark_group("sync");
    call(&mut group, "bare", bare);
    call(&mut group, "tracing, no subscriber", traced);
    call(&mut group, "idle", idle);
    call(&mut group, "1 hook", hooks_1);
    call(&mut group, "10 hooks", hooks_10);
    group.finish();
}

fn asynchronous(c: &mut Criterion) {
    let mut group = c.benchmark_group("async");
    call_async(&mut group, "bare", bare_async);
    call_async(&mut group, "tracing, no subscriber", traced_async);
    call_async(&mut group, "idle", idle_async);
    call_async(&mut group, "1 hook", hooks_async_1);
    call_async(&mut group, "10 hooks", hooks_async_10);
    group.finish();
}

fn with_hooks(c: &mut Criterion) {
    let points = [
        ("bench.hooks_1", 1),
        ("bench.hooks_10", 10),
        ("bench.hooks_async_1", 1),
        ("bench.hooks_async_10", 10),
    ];
    let registered: Result<Vec<_>, HookError> = points
        .iter()
        .map(|(point, count)| no_ops(point, *count))
        .collect();
    let _registered = registered.expect("no other hooks have these ids");
    sync(c);
    asynchronous(c);
}

criterion_group! {
    name = hooks;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = with_hooks
}
criterion_main!(hooks);
