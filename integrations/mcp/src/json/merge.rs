//! A changed value, written so that what was not changed stays as it was written.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;
use serde_json::value::RawValue;

/// Writes `value`. Where it is what `original` says, the number stands there as in `original`: a
/// [`Value`] holds numbers as doubles, and `10000000000000000000001` would become another one.
pub(crate) fn write(out: &mut String, value: &Value, original: Option<&str>) {
    match (value, original) {
        (Value::Object(members), Some(text)) => match members_of(text) {
            Some(originals) => object(out, members, |key| originals.get(key).copied()),
            None => object(out, members, |_| None),
        },
        (Value::Object(members), None) => object(out, members, |_| None),
        (Value::Array(items), Some(text)) => match items_of(text) {
            Some(originals) => array(out, items, &aligned(items, &originals)),
            None => array(out, items, &[]),
        },
        (Value::Array(items), None) => array(out, items, &[]),
        (Value::Number(number), Some(text)) if is_same(value, text) => {
            debug_assert!(number.is_f64() || text == number.to_string());
            out.push_str(text);
        }
        _ => out.push_str(&value.to_string()),
    }
}

fn object<'o>(
    out: &mut String,
    members: &serde_json::Map<String, Value>,
    original: impl Fn(&str) -> Option<&'o str>,
) {
    out.push('{');
    for (nth, (key, value)) in members.iter().enumerate() {
        if nth > 0 {
            out.push(',');
        }
        out.push_str(&Value::from(key.as_str()).to_string());
        out.push(':');
        write(out, value, original(key));
    }
    out.push('}');
}

fn array(out: &mut String, items: &[Value], originals: &[Option<&str>]) {
    out.push('[');
    for (nth, value) in items.iter().enumerate() {
        if nth > 0 {
            out.push(',');
        }
        write(out, value, originals.get(nth).copied().flatten());
    }
    out.push(']');
}

/// Which original item each item was: in the same place if none came or went, else the next one that is the same.
fn aligned<'o>(items: &[Value], originals: &[&'o str]) -> Vec<Option<&'o str>> {
    if items.len() == originals.len() {
        return originals.iter().copied().map(Some).collect();
    }
    // By what they say, so that each is looked at once, however many came or went.
    let mut places: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (at, original) in originals.iter().enumerate() {
        if let Ok(value) = serde_json::from_str::<Value>(original) {
            places.entry(value.to_string()).or_default().push_back(at);
        }
    }
    let mut next = 0;
    let find = |item: &Value| {
        let places = places.get_mut(&item.to_string())?;
        while places.front().is_some_and(|at| *at < next) {
            places.pop_front();
        }
        let at = places.pop_front()?;
        next = at + 1;
        Some(originals[at])
    };
    items.iter().map(find).collect()
}

fn is_same(value: &Value, text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|original| original == *value)
}

fn members_of(text: &str) -> Option<HashMap<String, &str>> {
    let members: HashMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    Some(members.into_iter().map(|(k, v)| (k, v.get())).collect())
}

fn items_of(text: &str) -> Option<Vec<&str>> {
    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(items.into_iter().map(RawValue::get).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(original: &str, change: impl Fn(&mut Value)) -> String {
        let mut value: Value = serde_json::from_str(original).unwrap();
        change(&mut value);
        let mut out = String::new();
        write(&mut out, &value, Some(original));
        out
    }

    #[test]
    fn what_is_not_changed_stays_as_it_was_written() {
        let big = r#"{"id":12345678901234567890123,"keep":[1.0,1e2,{"x":0.10}],"s":"a"}"#;
        assert_eq!(merged(big, |_| ()), big);
        let changed = merged(big, |value| value["s"] = json!("b"));
        assert_eq!(changed, big.replace("\"a\"", "\"b\""));
        let changed = merged(big, |value| value["id"] = json!(7));
        assert_eq!(changed, big.replace("12345678901234567890123", "7"));
        let changed = merged(big, |value| value["keep"][2]["new"] = json!([2.5]));
        assert_eq!(changed, big.replace("0.10}", "0.10,\"new\":[2.5]}"));
    }

    #[test]
    fn items_that_stay_keep_their_numbers_when_others_go() {
        let list = r#"[{"n":"a","v":1.50},{"n":"b","v":2.50},{"n":"c","v":3.50}]"#;
        let left = merged(list, |value| {
            value.as_array_mut().unwrap().remove(1);
        });
        assert_eq!(left, r#"[{"n":"a","v":1.50},{"n":"c","v":3.50}]"#);
        assert_eq!(merged(list, |value| *value = json!({})), "{}");
    }
}
