//! How much is kept.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use hooks_builtin::{CallFilter, DebuggingHook};
use hooks_runtime::Outcome;
use serde_json::json;

use super::{calls, place};
use crate::kit::{Runs, buy, isolated, order, price, write};

#[test]
fn the_last_calls_of_each_point_and_of_all_are_kept() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let hook = DebuggingHook::new().max_calls(5).max_calls_per_point(3);
    let (_hook, ring) = place(&registry, "d-last", hook);
    let runs = Runs::default();
    let shops = || -> Vec<String> {
        let found = calls(&ring);
        found
            .iter()
            .map(|call| call["component"].as_str().unwrap().to_owned())
            .collect()
    };
    for n in 0..5 {
        buy(&format!("buy-{n}"), order("tea", 1), &runs).unwrap();
    }
    assert_eq!(shops(), ["buy-2", "buy-3", "buy-4"]);
    for n in 0..5 {
        write(&format!("write-{n}"), "x".into(), json!(1), None).unwrap();
    }
    assert_eq!(shops(), ["buy-3", "buy-4", "write-2", "write-3", "write-4"]);
    price("price", "tea".into(), 1, &|| Ok(1)).unwrap();
    assert_eq!(shops(), ["buy-4", "write-2", "write-3", "write-4", "price"]);
    buy("buy-5", order("tea", 1), &runs).unwrap();
    buy("buy-6", order("tea", 1), &runs).unwrap();
    assert_eq!(shops(), ["write-3", "write-4", "price", "buy-5", "buy-6"]);
    let figures = ring.figures();
    assert_eq!(
        (figures.calls, figures.displaced, figures.too_large),
        (5, 8, 0)
    );
}

#[test]
fn memory_stays_within_its_bound() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let max = 64 << 10;
    let hook = DebuggingHook::new()
        .max_bytes(max)
        .values(true)
        .max_value_bytes(1 << 20);
    let (_hook, ring) = place(&registry, "d-bytes", hook);
    let mut most = 0;
    for n in 0..200 {
        write("corner", "x".repeat(n * 20), json!(n), None).unwrap();
        let bytes = ring.figures().bytes;
        assert!(bytes <= max, "{bytes}");
        most = most.max(bytes);
    }
    assert!(most > max / 2, "the room is used: {most}");
    let kept = ring.calls(&CallFilter::new());
    let texts: usize = kept
        .iter()
        .map(|call| call.to_json().to_string().len())
        .sum();
    assert!(texts <= ring.figures().bytes, "{texts}");
    let before = ring.figures();
    // Values that are more than all that may be kept are left out, also while the call is under way.
    write("corner", "x".repeat(max), json!(1), None).unwrap();
    let last = calls(&ring).pop().unwrap();
    assert!(last["args"]["left_out"].is_string(), "{last}");
    // A call that is too large by its names is not kept at all.
    write(&"x".repeat(max - 1000), "x".into(), json!(1), None).unwrap();
    let after = ring.figures();
    assert_eq!((before.too_large, after.too_large), (0, 1));
    assert!(after.bytes <= max);
}

#[test]
fn so_many_calls_under_way_are_known() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let hook = DebuggingHook::new().max_under_way(2);
    let (_hook, ring) = place(&registry, "d-under-way", hook);
    let runs = Runs::default();
    let third = || {
        assert_eq!(ring.figures().under_way, 2);
        buy("fourth", order("tea", 1), &runs)
            .map(|_| 1)
            .map_err(|e| e.to_string())
    };
    let second = || price("third", "tea".into(), 1, &third).map_err(|e| e.to_string());
    let first = || price("second", "tea".into(), 1, &second).map_err(|e| e.to_string());
    price("first", "tea".into(), 1, &first).unwrap();
    let fourth = &calls(&ring)[0];
    let parents = fourth["parents"].as_array().unwrap();
    assert_eq!(parents[0]["component"], "third");
    // The others were forgotten: of the next one there is the id.
    let ids = calls(&ring);
    assert_eq!(parents[1..], [json!({ "call_id": ids[2]["call_id"] })]);
    assert_eq!(ring.figures().under_way, 0);
}

#[test]
fn eight_threads_write_while_one_reads() {
    let (registry, scope) = isolated();
    let max = 256 << 10;
    let hook = DebuggingHook::new()
        .max_calls(100)
        .max_calls_per_point(80)
        .max_bytes(max);
    let hook = hook
        .values(true)
        .stacks(Outcome::Failed)
        .max_stacks(4)
        .max_stack_bytes(1 << 10);
    let (_hook, ring) = place(&registry, "d-threads", hook);
    let (begin, over) = (Barrier::new(9), AtomicBool::new(false));
    std::thread::scope(|threads| {
        let writers: Vec<_> = (0..8)
            .map(|thread| {
                let (scope, begin) = (&scope, &begin);
                threads.spawn(move || {
                    let _entered = scope.enter();
                    let runs = Runs::default();
                    begin.wait();
                    for n in 0..250 {
                        let shop = format!("{thread}-{n}");
                        let item = if n % 10 == 0 { "" } else { "tea" };
                        drop(buy(&shop, order(item, n), &runs));
                        write(&shop, "x".repeat(n as usize), json!(n), None).unwrap();
                    }
                })
            })
            .collect();
        let reader = threads.spawn(|| {
            begin.wait();
            let mut reads = 0;
            while !over.load(Ordering::SeqCst) || reads == 0 {
                let figures = ring.figures();
                assert!(figures.bytes <= max && figures.calls <= 100 && figures.stacks <= 4);
                for call in ring.calls(&CallFilter::new()) {
                    // Whole, and of one call.
                    let json = call.to_json();
                    assert_eq!(json["component"].as_str(), call.component());
                    assert_eq!(json["args"]["shop"].as_str(), call.component());
                }
                reads += 1;
            }
        });
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        over.store(true, Ordering::SeqCst);
        reader.join().unwrap();
    });
    let figures = ring.figures();
    assert_eq!(
        figures.calls as u64 + figures.displaced,
        4000,
        "no call is lost or doubled"
    );
    assert_eq!((figures.under_way, figures.too_large), (0, 0));
    let mut ids: Vec<_> = ring
        .calls(&CallFilter::new())
        .iter()
        .map(|call| call.call_id())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), figures.calls);
}
