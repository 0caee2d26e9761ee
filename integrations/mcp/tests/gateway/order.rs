//! What comes first is first, and nothing is mixed up.

use std::collections::BTreeSet;
use std::sync::Arc;

use hooks_mcp::{GatewayOptions, Limits};
use hooks_runtime::{HookResult, Vote};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::kit::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_keep_their_order_when_no_hook_waits() {
    for hooked in [false, true] {
        let mut rig = Rig::new(|registry| {
            if hooked {
                for point in ["mcp.request", "mcp.notification"] {
                    let look = registry
                        .on(format!("look-{point}").as_str())
                        .point(point)
                        .pre()
                        .post();
                    look.intercept(|_| ()).unwrap().forget();
                }
            }
        });
        // Far more than a task does before it lets others run.
        for n in 0..500 {
            rig.client.ask(n, "ping", json!({})).await;
            rig.client
                .tell(
                    "notifications/progress",
                    json!({"progressToken": n, "progress": n}),
                )
                .await;
        }
        for n in 0..500 {
            assert_eq!(rig.server.read().await["id"], n);
            assert_eq!(rig.server.read().await["params"]["progressToken"], n);
        }
        for n in 0..500 {
            rig.server
                .tell("notifications/message", json!({"level": "info", "data": n}))
                .await;
            rig.server.answer(n, json!({"n": n})).await;
        }
        for n in 0..500 {
            assert_eq!(rig.client.read().await["params"]["data"], n);
            assert_eq!(rig.client.read().await["result"]["n"], n);
        }
        rig.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_overtakes_a_notification_that_waits() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let mut rig = Rig::new(move |registry| {
        let wait = registry
            .on("wait")
            .point("mcp.notification")
            .for_component("notifications/progress");
        let wait = wait.intercept_async_with(gate, |gate, _| {
            Box::pin(async move {
                gate.acquire().await.expect("it is not closed").forget();
                Ok(HookResult::Continue)
            })
        });
        wait.unwrap().forget();
    });
    rig.client.ask(1, "tools/call", json!({"name": "t"})).await;
    assert_eq!(rig.server.read().await["id"], 1);
    rig.server
        .tell(
            "notifications/progress",
            json!({"progressToken": 1, "progress": 1}),
        )
        .await;
    rig.server
        .tell("notifications/message", json!({"data": "after"}))
        .await;
    rig.server.answer(1, json!({"content": []})).await;
    rig.server
        .tell("notifications/message", json!({"data": "last"}))
        .await;
    // The other direction does not wait.
    let (_, answer) = {
        rig.server.ask(5, "ping", json!({})).await;
        rig.client.ask(2, "ping", json!({})).await;
        let ping = rig.server.read().await;
        opened.add_permits(1);
        (ping, rig.client.read().await)
    };
    assert_eq!(answer["method"], "notifications/progress");
    assert_eq!(rig.client.read().await["params"]["data"], "after");
    let rest: Vec<Value> = vec![
        rig.client.read().await,
        rig.client.read().await,
        rig.client.read().await,
    ];
    let ids: Vec<&Value> = rest.iter().map(|message| &message["id"]).collect();
    assert!(
        ids.contains(&&json!(1)) && ids.contains(&&json!(5)),
        "{rest:?}"
    );
    assert!(
        rest.iter()
            .any(|message| message["params"]["data"] == "last"),
        "{rest:?}"
    );
    rig.client.answer(5, json!({})).await;
    assert_eq!(rig.server.read().await["id"], 5);
    rig.server.answer(2, json!({})).await;
    assert_eq!(rig.client.read().await["id"], 2);
    rig.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_in_flight_are_neither_lost_nor_mixed_up() {
    const CALLS: i64 = 1000;
    let mut rig = Rig::new(|registry| {
        let guard = registry.guard("third", "tool.execute", |cx| {
            let params: &Value = cx.arg("params")?;
            Ok(Vote::cancel_if(
                params["n"].as_i64().is_some_and(|n| n % 3 == 0),
                "no third",
            ))
        });
        guard.unwrap().forget();
        let yields = registry
            .on("yields")
            .point("tool.execute")
            .intercept_async(async |_| {
                tokio::task::yield_now().await;
                HookResult::Continue
            });
        yields.unwrap().forget();
    });
    let (client, server) = (&mut rig.client, &mut rig.server);
    let answers = async {
        for n in 0..CALLS {
            client
                .ask(n, "tools/call", json!({"name": "t", "arguments": {"n": n}}))
                .await;
        }
        let mut seen = BTreeSet::new();
        for _ in 0..CALLS {
            let answer = client.read().await;
            let id = answer["id"].as_i64().expect("a number");
            assert!(seen.insert(id), "{id} is answered twice");
            match id % 3 {
                0 => assert_eq!(answer["result"]["isError"], true),
                _ => assert_eq!(answer["result"]["n"], id * 7),
            }
        }
    };
    let serve = async {
        let mut open = Vec::new();
        for _ in 0..CALLS - (CALLS + 2) / 3 {
            open.push(server.read().await);
        }
        // All are there before the first is answered, and the last is answered first.
        for asked in open.into_iter().rev() {
            let n = asked["params"]["arguments"]["n"]
                .as_i64()
                .expect("a number");
            assert_eq!(asked["id"], n);
            server.answer(n, json!({"content": [], "n": n * 7})).await;
        }
    };
    tokio::join!(answers, serve);
    rig.leave().await;
}

#[tokio::test]
async fn what_hooks_look_at_counts_as_the_values_that_it_becomes() {
    let mut options = GatewayOptions::default();
    options.limits.max_message_bytes = 64 << 10;
    options.limits.max_queued_bytes = 300 << 10;
    options.limits.max_parts = 1_100;
    let mut rig = Rig::with(options, |_| ());
    // 2 KiB of text, and 128 KiB of values.
    let many = json!({"v": vec![1; 1_000]});
    for n in 1..=3 {
        rig.client.ask(n, "ping", many.clone()).await;
    }
    let busy = rig.client.read().await;
    assert_eq!(
        (&busy["id"], &busy["error"]["code"]),
        (&json!(3), &json!(hooks_mcp::BUSY))
    );
    for n in 1..=2 {
        assert_eq!(rig.server.read().await["id"], n);
        rig.server.answer(n, json!({})).await;
        assert_eq!(rig.client.read().await["id"], n);
    }
    let more = json!({"v": vec![1; 1_100]});
    rig.client.ask(4, "ping", more).await;
    let refused = rig.client.read().await;
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(
        refused["id"] == 4 && why.contains("than 1100, which is the most"),
        "{refused}"
    );
    rig.leave().await;
}

#[tokio::test]
async fn one_request_more_than_allowed_is_answered_and_not_passed_on() {
    let mut options = GatewayOptions::default();
    options.limits = Limits::default();
    options.limits.max_in_flight = 2;
    let mut rig = Rig::with(options, |_| ());
    for n in 1..=3 {
        rig.client.ask(n, "ping", json!({})).await;
    }
    assert_eq!(
        rig.client.read().await,
        json!({"jsonrpc": "2.0", "id": 3, "error": {
            "code": hooks_mcp::BUSY,
            "message": "2 requests are under way already, and that is the most",
        }})
    );
    for n in 1..=2 {
        assert_eq!(rig.server.read().await["id"], n);
        rig.server.answer(n, json!({})).await;
        assert_eq!(rig.client.read().await["id"], n);
    }
    let (asked, _) = rig.round(4, "ping", json!({}), json!({})).await;
    assert_eq!(asked["id"], 4);
    rig.leave().await;
}
