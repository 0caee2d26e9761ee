//! `point!`.

#![deny(warnings)]

use hookpoint::{Vote, hooked, hooks, point};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account(String);

#[derive(Debug, PartialEq)]
pub(crate) struct Receipt(u64);

point!(pub(crate) CHARGE = "typed.charge" { account: Account, cents: u64, note: str } -> Result<Receipt, String>);

point! {
    /// Documented.
    PLAIN = "typed.plain" {}
}

#[hooked(point = CHARGE)]
fn charge(account: &Account, cents: u64, note: &str, more: u8) -> Result<Receipt, String> {
    Ok(Receipt(
        cents + account.0.len() as u64 + note.len() as u64 + u64::from(more),
    ))
}

#[hooked(point = self::PLAIN)]
async fn plain() -> Result<(), String> {
    Ok(())
}

#[tokio::test]
async fn a_guard_gets_the_arguments_by_name() {
    let _limit = hooks()
        .guard("typed.limit", CHARGE, |call| {
            assert_eq!(call.account, &Account("a".into()));
            assert_eq!(
                (call.note, call.context().point_name()),
                ("n", CHARGE::NAME)
            );
            assert!(call.result().is_err() && call.error().is_err());
            Ok(Vote::cancel_if(*call.cents > 100, "over the limit"))
        })
        .unwrap();
    let account = Account("a".into());
    assert_eq!(charge(&account, 1, "n", 0), Ok(Receipt(3)));
    assert!(
        charge(&account, 101, "n", 0)
            .unwrap_err()
            .contains("over the limit")
    );

    let _no = hooks()
        .guard("typed.no", PLAIN, |_| Ok(Vote::cancel("no")))
        .unwrap();
    assert!(plain().await.is_err());
}
