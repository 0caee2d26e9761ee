//! What the compiler says of wrong attributes. How to add a case and bless the texts: `tests/ui/README.md`.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
