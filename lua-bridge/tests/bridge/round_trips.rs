//! Values on their way from Rust to Lua, to JSON, and back.

use hooks_lua::Script;
use hooks_runtime::hooked;
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use crate::kit::{ShopError, block_on, engine, run};

/// Where integers of 64 bits end.
const END: f64 = 9_223_372_036_854_775_808.0;

#[hooked(point = "shop.echo")]
fn echo(value: Value) -> Result<Value, ShopError> {
    Ok(value)
}

fn numbers() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        (-100_i64..100).prop_map(Number::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64),
        (-100_i32..100).prop_filter_map("finite", |n| Number::from_f64(n.into())),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        numbers().prop_map(Value::Number),
        any::<String>().prop_map(Value::String),
        "[a-z1-9._]{0,12}".prop_map(Value::String),
    ];
    plain.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec(("[a-z1-9]{0,3}|\\PC{0,4}", inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// What is left of a value that a script passes on without its original: no nulls in objects, one order of keys,
/// numbers as 64-bit floats, those without a fraction as integers.
fn as_lua_holds_it(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().expect("JSON numbers have one");
            match float.fract() == 0.0 && (-END..END).contains(&float) {
                true => json!(float as i64),
                false => json!(float),
            }
        }
        Value::Array(items) => items.iter().map(as_lua_holds_it).collect(),
        Value::Object(fields) => {
            let mut held: Vec<_> = fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), as_lua_holds_it(value)))
                .collect();
            held.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(held.into_iter().collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Failures are reported with their values; nothing is written beside the sources.
fn cases() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn script(code: &str) -> Script {
    engine().build().load_source("trip.lua", code).unwrap()
}

#[test]
fn a_value_that_lua_passes_on_is_what_lua_holds() {
    let passes = script("return (...)");
    proptest!(cases(), |(value in values())| {
        let back = block_on(passes.execute_with(vec![value.clone()])).unwrap();
        // As text, which also compares the order of keys and the kinds of numbers.
        prop_assert_eq!(back.to_string(), as_lua_holds_it(&value).to_string());
    });
}

#[test]
fn text_that_lua_reads_and_writes_says_the_same() {
    let trip = script("return Json.encode(Json.decode((...)))");
    proptest!(cases(), |(value in values())| {
        let text = Value::String(value.to_string());
        let back = block_on(trip.execute_with(vec![text])).unwrap();
        prop_assert_eq!(back.as_str().unwrap(), as_lua_holds_it(&value).to_string());
    });
}

#[test]
fn what_a_hook_assigns_unchanged_stays_as_it_was() {
    for body in [
        "function(ctx) ctx.args.value = ctx.args.value end",
        "function(ctx) local v = ctx.args.value if type(v) == 'table' then v[{}] = nil end end",
        "function(value) end, {args = {'value'}}",
    ] {
        let ran = run(&format!("Hook.register('shop.echo', {body})")).ok();
        let _entered = ran.registry.enter();
        proptest!(cases(), |(value in values())| {
            let back = echo(value.clone()).unwrap();
            prop_assert_eq!(back.to_string(), value.to_string(), "{}", body);
        });
    }
}

#[test]
fn a_change_inside_leaves_the_rest_as_it_was() {
    let ran =
        run("Hook.register('shop.echo', function(ctx) ctx.args.value.mark = 'here' end)").ok();
    let _entered = ran.registry.enter();
    proptest!(cases(), |(rest in values())| {
        let value = json!({"z": rest, "a": null});
        let back = echo(value.clone()).unwrap();
        let mut wanted = value;
        wanted["mark"] = json!("here");
        prop_assert_eq!(back.to_string(), wanted.to_string());
    });
}
