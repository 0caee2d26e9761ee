//! The attribute on an `impl` block.

#![deny(warnings)]

use async_trait::async_trait;
use hookpoint::{hooked, sites};

struct Till(u64);

#[hooked(point = "till.*", component = self.name())]
impl Till {
    const LIMIT: u64 = { 10 };

    fn charge(&mut self, cents: u64) -> Result<u64, String> {
        self.0 += cents.min(Self::LIMIT);
        Ok(self.0)
    }
    pub(crate) async fn refund(&mut self, cents: u64) -> Result<u64, String> {
        self.0 -= cents;
        Ok(self.0)
    }
    #[hooked(skip)]
    fn name(&self) -> &'static str {
        "till"
    }
    #[hooked(point = "till.looked_at", observe)]
    fn total(&self) -> u64 {
        self.0
    }
    #[hooked(observe)]
    fn r#type(&self) -> u64 {
        self.0
    }
}

#[async_trait]
trait Shop {
    type Item;
    async fn sell(&self, item: Self::Item) -> Result<usize, String>;
    async fn open(&self) -> Result<(), String> {
        Ok(())
    }
}

#[hooked(point = "shop.*")]
#[async_trait]
impl Shop for Till {
    type Item = String;
    async fn sell(&self, item: Self::Item) -> Result<usize, String> {
        Ok(item.len())
    }
}

struct Other;

#[async_trait]
#[hooked(point = "shop.*")]
impl Shop for Other {
    type Item = Vec<u8>;
    async fn sell(&self, item: Vec<u8>) -> Result<usize, String> {
        Ok(item.len())
    }
    async fn open(&self) -> Result<(), String> {
        Err("closed".into())
    }
}

#[tokio::test]
async fn every_method_with_a_body_is_a_site() {
    let mut till = Till(0);
    assert_eq!(till.charge(99), Ok(10));
    assert_eq!(till.refund(4).await, Ok(6));
    assert_eq!((till.total(), till.r#type()), (6, 6));
    assert_eq!(till.sell("ab".into()).await, Ok(2));
    assert_eq!(till.open().await, Ok(()));
    assert_eq!(Other.sell(vec![1]).await, Ok(1));
    assert!(Other.open().await.is_err());

    let mut found: Vec<_> = sites()
        .into_iter()
        .map(hookpoint::HookSite::info)
        .filter(|site| site.path.contains("::blocks::"))
        .map(|site| {
            (
                site.point,
                site.path.rsplit("blocks::").next().unwrap(),
                site.flags.is_async,
            )
        })
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("shop.open", "Other::open", true),
            ("shop.sell", "Other::sell", true),
            ("shop.sell", "Till::sell", true),
            ("till.charge", "Till::charge", false),
            ("till.looked_at", "Till::total", false),
            ("till.refund", "Till::refund", true),
            ("till.type", "Till::type", false),
        ]
    );
}
