use hooks_tools::util::Calculator;
use hooks_tools::{Tool, ToolError};
use serde_json::{Value, json};

async fn run(params: Value) -> Result<Value, ToolError> {
    Calculator::new()
        .execute(params)
        .await
        .map(|output| output.value)
}

async fn result(expression: &str) -> f64 {
    let output = run(json!({"expression": expression}))
        .await
        .unwrap_or_else(|e| panic!("{expression}: {e}"));
    output["result"].as_f64().expect("a number")
}

async fn failure(expression: &str) -> String {
    run(json!({"expression": expression}))
        .await
        .expect_err(expression)
        .to_string()
}

#[tokio::test]
async fn expressions_have_the_values_of_arithmetic() {
    for (expression, value) in [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("10 - 2 + 3", 11.0),
        ("10 - (2 + 3)", 5.0),
        ("8 / 4 * 2", 4.0),
        ("2 * 3 % 4", 2.0),
        ("100 / 10 / 5", 2.0),
        ("2 ^ 3 ^ 2", 64.0),
        ("-2 ^ 2", 4.0),
        ("1 - 2 ^ 2", -3.0),
        ("--3", 3.0),
        ("sqrt(16) + abs(-2)", 6.0),
        ("sqrt(abs(-(3 + 1)) * 4)", 4.0),
        ("(1) - (2 - (3 - 4))", -2.0),
        ("ln(E)", 1.0),
        ("round(cos(PI) * 2)", -2.0),
        ("round(TAU)", 6.0),
        (".5 + 1.", 1.5),
    ] {
        assert!(
            (result(expression).await - value).abs() < 1e-12,
            "{expression}"
        );
    }
}

#[tokio::test]
async fn variables_have_the_values_given_whatever_their_order() {
    let params = json!({"expression": "zeta - 2 * alpha + mid", "variables": {"mid": 1, "zeta": 100, "alpha": 10}});
    assert_eq!(run(params).await.unwrap()["result"], 81.0);
    let unused = json!({"expression": "x", "variables": {"x": 1.5, "y": 2}});
    assert_eq!(run(unused).await.unwrap()["result"], 1.5);
}

#[tokio::test]
async fn no_result_but_a_finite_one() {
    for (expression, reason) in [
        ("1 / 0", "division by zero in `/`"),
        ("1 / (1 / 0)", "division by zero in `/`"),
        ("5 % 0", "division by zero in `%`"),
        ("0 / 0", "division by zero"),
        ("sqrt(-1)", "`sqrt` has no finite real result"),
        ("ln(0)", "`ln` has no finite"),
        ("acos(2)", "`acos` has no finite"),
        ("10 ^ 400", "`^` has no finite"),
        ("exp(1000)", "`exp` has no finite"),
        ("(-8) ^ 0.5", "`^` has no finite"),
    ] {
        let message = failure(expression).await;
        assert!(message.contains(reason), "{expression}: {message}");
    }
    let hidden = json!({"expression": "1 / (x - 1)", "variables": {"x": 1}});
    assert!(
        run(hidden)
            .await
            .unwrap_err()
            .to_string()
            .contains("division by zero")
    );
    let literal = format!("1{}", "0".repeat(400));
    assert!(failure(&literal).await.contains("too large"));
}

#[tokio::test]
async fn bad_expressions_are_errors_that_say_what_to_write() {
    for (expression, reason) in [
        ("", "empty"),
        ("  ", "empty"),
        ("1 +", "can't be read"),
        ("(1", "can't be read"),
        ("1)", "can't be read"),
        ("1 2", "can't be read"),
        ("* 3", "can't be read"),
        ("a b", "can't be read"),
        ("(1)(2)", "can't be read"),
        ("2(3)", "can't be read"),
        ("2x", "can't be read"),
        ("1.2.3", "can't be read"),
        ("1e5", "can't be read"),
        ("max(1, 2)", "holds `,`; it is made of"),
        ("1 ; 2", "holds `;`"),
        ("{x}", "holds `{`"),
        ("π * 2", "holds `π`"),
        ("sqt(4)", "can't be read"),
        ("x + 1", "give it a value in `variables`: {\"x\": 1}"),
    ] {
        let message = failure(expression).await;
        assert!(message.contains(reason), "{expression}: {message}");
    }
    let near = json!({"expression": "lenght * 2", "variables": {"length": 2}});
    assert!(
        run(near)
            .await
            .unwrap_err()
            .to_string()
            .contains("did you mean `length`?")
    );
    let taken = json!({"expression": "E + 1", "variables": {"E": 2}});
    assert!(
        run(taken)
            .await
            .unwrap_err()
            .to_string()
            .contains("`E` is built in")
    );
}

#[tokio::test]
async fn long_and_deep_expressions_are_refused() {
    let long = vec!["1"; 2_000].join("+");
    assert!(
        failure(&long)
            .await
            .contains("the limit is 2000; split it up")
    );
    let deep = format!("{}1{}", "(".repeat(51), ")".repeat(51));
    assert!(
        failure(&deep)
            .await
            .contains("51 levels deep, the limit is 50")
    );
    assert!(
        failure(&format!("{}1", "-".repeat(1_000)))
            .await
            .contains("levels deep")
    );
    assert!(
        failure(&format!("{}1", "sin ".repeat(400)))
            .await
            .contains("levels deep")
    );
    let tight = Calculator::new().max_bytes(5).max_depth(1);
    assert!(
        tight
            .execute(json!({"expression": "1+2+3+4"}))
            .await
            .is_err()
    );
    assert!(tight.execute(json!({"expression": "((1))"})).await.is_err());
    assert!(tight.execute(json!({"expression": "(1+2)"})).await.is_ok());
}

#[tokio::test]
async fn validate_tells_the_variables_or_the_reason() {
    let good = run(json!({"operation": "validate", "expression": "b * a + b"}))
        .await
        .unwrap();
    assert_eq!(good, json!({"valid": true, "variables": ["a", "b"]}));
    let bad = run(json!({"operation": "validate", "expression": "b *"}))
        .await
        .unwrap();
    assert_eq!(bad["valid"], false);
    assert!(
        bad["reason"]
            .as_str()
            .unwrap()
            .contains("`b *` can't be read")
    );
}

#[tokio::test]
async fn functions_lists_what_evaluates() {
    let listed = run(json!({"operation": "functions"})).await.unwrap();
    assert_eq!(listed["operators"], json!(["%", "*", "+", "-", "/", "^"]));
    assert_eq!(listed["constants"], json!(["E", "PI", "TAU"]));
    for name in listed["functions"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        let one = run(json!({"expression": format!("{name}(1)")})).await;
        // atanh has its pole at 1; that it says so shows that it is there.
        assert!(one.is_ok() || name == "atanh", "{name}: {one:?}");
    }
}

#[tokio::test]
async fn parameters_are_read_strictly() {
    for (params, reason) in [
        (json!({}), "`expression` is missing"),
        (json!({"operation": "validate"}), "`expression` is missing"),
        (
            json!({"operation": "guess", "expression": "1"}),
            "unknown variant `guess`",
        ),
        (json!({"expression": 1}), "expected a string"),
        (json!({"expresion": "1"}), "unknown field `expresion`"),
        (
            json!({"expression": "x", "variables": {"x": "1"}}),
            "expected f64",
        ),
        (json!("1 + 2"), "the parameters are a string"),
    ] {
        let error = run(params.clone()).await.unwrap_err();
        assert!(
            matches!(error, ToolError::Parameters { .. }),
            "{params}: {error}"
        );
        assert!(error.to_string().contains(reason), "{params}: {error}");
    }
}

/// Every text of up to four pieces is answered, not met with a panic.
#[tokio::test]
async fn any_text_is_an_answer_or_an_error() {
    let pieces = [
        "1", ".", "x", "(", ")", "+", "-", "/", "^", "sin", "PI", " ", "é",
    ];
    let calculator = Calculator::new();
    for number in 0..pieces.len().pow(4) {
        let text: String = (0..4)
            .map(|digit| pieces[number / pieces.len().pow(digit) % pieces.len()])
            .collect();
        let answer = calculator
            .execute(json!({"expression": text, "variables": {"x": 2}}))
            .await;
        if let Ok(output) = answer {
            assert!(
                output.value["result"].as_f64().is_some_and(f64::is_finite),
                "{text}"
            );
        }
    }
}

/// The value by the book: ranks `+ -`, `* / %`, `^`, each from the left.
fn by_the_book(tokens: &[&str]) -> f64 {
    for rank in [["+", "-", ""], ["*", "/", "%"], ["^", "", ""]] {
        if let Some(at) = tokens.iter().rposition(|token| rank.contains(token)) {
            let (left, right) = (by_the_book(&tokens[..at]), by_the_book(&tokens[at + 1..]));
            return match tokens[at] {
                "+" => left + right,
                "-" => left - right,
                "*" => left * right,
                "/" => left / right,
                "%" => left % right,
                _ => left.powf(right),
            };
        }
    }
    tokens[0].parse().expect("a number")
}

#[tokio::test]
async fn every_row_of_four_operators_groups_by_the_book() {
    let operators = ["+", "-", "*", "/", "%", "^"];
    for number in 0..operators.len().pow(4) {
        let mut tokens = vec!["7"];
        for (digit, operand) in ["3", "2", "5", "4"].into_iter().enumerate() {
            tokens.push(operators[number / operators.len().pow(digit as u32) % operators.len()]);
            tokens.push(operand);
        }
        let text = tokens.join(" ");
        let expected = by_the_book(&tokens);
        let close = |value: f64| (value - expected).abs() <= 1e-9 * expected.abs().max(1.0);
        if expected.is_finite() {
            assert!(close(result(&text).await), "{text}");
            let with_variable =
                json!({"expression": text.replace('2', "x"), "variables": {"x": 2}});
            assert!(
                close(
                    run(with_variable).await.unwrap()["result"]
                        .as_f64()
                        .unwrap()
                ),
                "{text} with x"
            );
        }
    }
}
