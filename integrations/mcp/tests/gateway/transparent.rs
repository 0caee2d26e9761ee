//! Without hooks, and with hooks that change nothing, everything goes on as it came.

use hooks_mcp::{Ended, GatewayOptions, Limits};
use hooks_runtime::Vote;
use serde_json::{Value, json};

use crate::kit::Rig;

/// Lines that a value could not hold, or that nobody but the two sides understands.
const REQUEST: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"z":12345678901234567890123,"a":[1.0,1e2,-0.0],"u":"é\n"},"_meta":{"progressToken":9007199254740993},"unknown":{"x":1.50}},"trace":"x"}"#;
const RESPONSE: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"new","n":0.10}],"big":123456789012345678901234567890,"ok":true},"served":{"by":1.0}}"#;

async fn everything_goes_on_as_it_came(mut rig: Rig) {
    rig.client.line(REQUEST).await;
    assert_eq!(rig.server.read_line().await.as_deref(), Some(REQUEST));
    rig.server.line(RESPONSE).await;
    assert_eq!(rig.client.read_line().await.as_deref(), Some(RESPONSE));
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9007199254740993,"progress":0.50}}"#;
    rig.server.line(notification).await;
    assert_eq!(rig.client.read_line().await.as_deref(), Some(notification));
    // The server asks too, under an id that the client uses as well.
    rig.client.ask(1, "ping", json!({})).await;
    rig.server.ask(1, "roots/list", json!({})).await;
    assert_eq!(rig.server.read().await["method"], "ping");
    assert_eq!(rig.client.read().await["method"], "roots/list");
    rig.client.answer(1, json!({"roots": []})).await;
    assert_eq!(rig.server.read().await["result"], json!({"roots": []}));
    rig.server
        .say(
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -7, "message": "no", "data": [1]}}),
        )
        .await;
    let error = rig.client.read().await;
    assert_eq!(
        error,
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -7, "message": "no", "data": [1]}})
    );
    assert_eq!(rig.leave().await, Ended::ClientLeft);
}

#[tokio::test]
async fn without_hooks() {
    everything_goes_on_as_it_came(Rig::new(|_| ())).await;
}

#[tokio::test]
async fn with_hooks_that_only_look() {
    let rig = Rig::new(|registry| {
        for point in [
            "mcp.request",
            "mcp.notification",
            "tool.execute",
            "tool.discover",
        ] {
            let id = format!("looks-{point}");
            registry
                .on(id.as_str())
                .point(point)
                .intercept(|_| ())
                .unwrap()
                .forget();
            let id = format!("passes-{point}");
            registry
                .guard(id.as_str(), point, |_| Ok(Vote::Pass))
                .unwrap()
                .forget();
        }
    });
    everything_goes_on_as_it_came(rig).await;
}

#[tokio::test]
async fn what_hooks_change_is_all_that_changes() {
    let mut rig = Rig::new(|registry| {
        let change = registry.on("change").point("tool.execute").intercept(|cx| {
            cx.arg_mut::<Value>("params")?["z"] = json!("less");
            Ok(())
        });
        change.unwrap().forget();
        let redact = registry
            .on("redact")
            .point("tool.execute")
            .post()
            .intercept(|cx| {
                cx.result_mut::<hooks_mcp::Reply>()?.value["ok"] = json!(false);
                Ok(())
            });
        redact.unwrap().forget();
    });
    rig.client.line(REQUEST).await;
    let expected = REQUEST.replace("12345678901234567890123", "\"less\"");
    assert_eq!(rig.server.read_line().await, Some(expected));
    rig.server.line(RESPONSE).await;
    let expected = RESPONSE.replace("true", "false");
    assert_eq!(rig.client.read_line().await, Some(expected));
    rig.leave().await;
}

#[tokio::test]
async fn a_result_that_is_put_in_the_place_of_another_keeps_what_is_the_same() {
    let mut rig = Rig::new(|registry| {
        let redact = registry
            .on("redact")
            .point("tool.execute")
            .post()
            .intercept(|cx| {
                let mut result = cx.result_json()?;
                result["ok"] = json!("hidden");
                cx.set_result_json(result)?;
                Ok(())
            });
        redact.unwrap().forget();
    });
    rig.client.line(REQUEST).await;
    rig.server.read().await;
    rig.server.line(RESPONSE).await;
    // What no hook has seen went with the answer that another stands in place of.
    let expected = RESPONSE
        .replace("true", "\"hidden\"")
        .replace(r#","served":{"by":1.0}"#, "");
    assert_eq!(rig.client.read_line().await, Some(expected));
    rig.leave().await;
}

#[tokio::test]
async fn a_message_of_fifty_megabytes_goes_through() {
    let mut rig = Rig::new(|registry| {
        registry
            .guard("look", "tool.execute", |_| Ok(Vote::Pass))
            .unwrap()
            .forget();
    });
    // Written by hand: reading so much as JSON takes long where nothing is optimised.
    let text = "x".repeat(50 << 20);
    let request = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{{"text":"{text}"}}}}}}"#
    );
    let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":["{text}"]}}}}"#);
    let (client, server) = (&mut rig.client, &mut rig.server);
    let ask = async {
        client.line(&request).await;
        client.read_line().await
    };
    let serve = async {
        let asked = server.read_line().await;
        server.line(&answer).await;
        asked
    };
    let (answered, asked) = tokio::join!(ask, serve);
    // Not `assert_eq`, which would show them.
    assert!(answered == Some(answer) && asked == Some(request));
    rig.leave().await;
}

#[tokio::test]
async fn batches_are_their_messages() {
    let mut rig = Rig::new(|registry| {
        let no = registry.on("no-b").point("tool.execute").for_component("b");
        no.guard(|_| Ok(Vote::cancel("not b"))).unwrap().forget();
    });
    let call = |id: i64, tool: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}});
    rig.client
        .say(json!([call(1, "a"), call(2, "b"), 7, call(3, "c")]))
        .await;
    assert_eq!(rig.server.read().await["params"]["name"], "a");
    assert_eq!(rig.server.read().await["params"], json!({"name": "c"}));
    let refused = rig.client.read().await;
    assert_eq!(
        (&refused["id"], &refused["result"]["isError"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(rig.client.read().await["error"]["code"], -32600);
    rig.server
        .say(json!([
            {"jsonrpc": "2.0", "id": 3, "result": {"content": []}},
            {"jsonrpc": "2.0", "id": 1, "result": {"content": []}},
        ]))
        .await;
    assert_eq!(rig.client.read().await["id"], 3);
    assert_eq!(rig.client.read().await["id"], 1);
    rig.leave().await;
}

#[tokio::test]
async fn unknown_methods_pass_unless_strict() {
    for strict in [false, true] {
        let mut options = GatewayOptions::default();
        options.strict = strict;
        let mut rig = Rig::with(options, |_| ());
        rig.client.tell("notifications/acme", json!({})).await;
        rig.client.ask(1, "acme/do", json!({})).await;
        if strict {
            assert_eq!(rig.client.read().await["error"]["code"], -32601);
            rig.server
                .ask(2, "tools/call", json!({"name": "a server's request"}))
                .await;
            assert_eq!(rig.server.read().await["error"]["code"], -32601);
        } else {
            assert_eq!(rig.server.read().await["method"], "notifications/acme");
            assert_eq!(rig.server.read().await["method"], "acme/do");
            rig.server.answer(1, json!({})).await;
            assert_eq!(rig.client.read().await["id"], 1);
        }
        rig.leave().await;
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_cancelled_and_answered() {
    let mut options = GatewayOptions::default();
    options.limits = Limits::default();
    options.limits.timeout = Some(std::time::Duration::from_millis(50));
    let mut rig = Rig::with(options, |_| ());
    rig.client
        .ask(1, "tools/call", json!({"name": "slow"}))
        .await;
    assert_eq!(rig.server.read().await["id"], 1);
    assert_eq!(
        rig.client.read().await["error"]["code"],
        hooks_mcp::TIMED_OUT
    );
    let cancelled = rig.server.read().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], 1);
    rig.leave().await;
}
