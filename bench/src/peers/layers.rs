//! Middleware of tower: boxed services around a service, each with a look at the request and at the response.

use std::hint::black_box;

use hookpoint::HookRefusal;
use tower::util::BoxService;
use tower::{Service, ServiceExt, service_fn};

use crate::sites::Answer;

/// The arguments as tower wants them, in one value.
pub type Request = (u64, u64, &'static str);

/// `body` with that many layers that do nothing around it.
pub fn around<F>(
    count: usize,
    body: fn(u64, u64, &'static str) -> F,
) -> BoxService<Request, u64, HookRefusal>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let innermost = BoxService::new(service_fn(move |(a, b, label): Request| body(a, b, label)));
    let layer = |inner: BoxService<Request, u64, HookRefusal>, _| {
        BoxService::new(
            inner
                .map_request(black_box::<Request>)
                .map_response(black_box::<u64>),
        )
    };
    (0..count).fold(innermost, layer)
}

/// One call: waits until the service takes one, then makes it.
///
/// # Errors
/// What the body refuses.
pub async fn call(service: &mut BoxService<Request, u64, HookRefusal>, request: Request) -> Answer {
    service.ready().await?.call(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sites::ready;

    #[test]
    fn a_request_goes_through_the_layers() {
        async fn sum(a: u64, b: u64, label: &'static str) -> Answer {
            Ok(a + b + label.len() as u64)
        }
        for count in [0, 1, 10] {
            let mut service = around(count, sum);
            assert_eq!(ready(call(&mut service, (1, 2, "three"))).ok(), Some(8));
        }
    }
}
