//! What the compiler says of wrong attributes. How to add a case and bless the texts: `README.md`.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*.rs");
    cases.pass("pass/*.rs");
}
