use hookpoint::hooked;

#[hooked(point = "billing.charge")]
async fn f(a: u32) -> Result<u32, String> {
    let shared = std::rc::Rc::new(a);
    std::future::ready(()).await;
    Ok(*shared)
}

fn is_send<T: Send>(_: T) {}

fn main() {
    is_send(f(1));
}
