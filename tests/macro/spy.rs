//! A crate path whose runners write down what the views can do, and then run the body.

/// What the attribute's `crate = crate::spy` reaches.
pub(crate) mod __private {
    pub(crate) use hookpoint::__private::*;
    use hookpoint::view::ViewError;
    use std::cell::RefCell;

    /// A site where somebody always listens.
    pub(crate) struct HookSite;
    impl HookSite {
        pub(crate) const fn new(_point: &str, _text: &str, _flags: u8) -> Self {
            HookSite
        }
        pub(crate) fn link(&self) {}
        pub(crate) fn is_idle(&self) -> bool {
            false
        }
    }

    thread_local!(static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });

    /// What the views of the calls since the last time could do.
    pub(crate) fn seen() -> Vec<String> {
        SEEN.take()
    }

    /// One letter per capability: T typed, J to JSON, S from JSON, C clone, D debug, W writable, any thread `*`.
    fn describe(view: &mut RawView) -> String {
        struct Nobody;
        let mut text = String::new();
        if view.access() == Access::Absent {
            return "absent".into();
        }
        let json = view.to_json().ok();
        let letters = [
            (
                'T',
                matches!(view.get::<Nobody>(), Err(ViewError::WrongType)),
            ),
            ('J', json.is_some()),
            ('S', view.set_json(json.unwrap_or_default()).is_ok()),
            ('C', view.clone_value().is_ok()),
            ('D', view.debug().is_ok()),
            ('W', view.access() == Access::Write),
        ];
        text.extend(
            letters
                .iter()
                .filter(|(_, can)| *can)
                .map(|(letter, _)| letter),
        );
        // Every read fails on another thread, unless the view may be used on any.
        let elsewhere = std::thread::scope(|scope| {
            scope
                .spawn(move || !matches!(view.debug(), Err(ViewError::WrongThread)))
                .join()
        });
        if elsewhere.is_ok_and(|any| any) {
            text.push('*');
        }
        text
    }

    fn note<const N: usize>(views: &mut [RawView; N]) {
        let described = views.iter_mut().map(describe);
        SEEN.with_borrow_mut(|seen| seen.extend(described));
    }

    fn note_result<R>(ret: &ReturnOps<R>, value: &mut R) {
        let (kind, mut view) = match (ret.parts)(value) {
            Parts::Plain(view) => ("plain", view),
            Parts::Ok(view) => ("ok", view),
            Parts::Err(view) => ("err", view),
        };
        let refuse = if ret.refuse.is_some() { "" } else { " observe" };
        let replace = if ret.replaceable { " replaceable" } else { "" };
        let text = format!("{kind} {}{refuse}{replace}", describe(&mut view));
        SEEN.with_borrow_mut(|seen| seen.push(text));
    }

    pub(crate) fn run_sync<A, R, const N: usize>(
        _: &'static HookSite,
        _: Facts,
        mut args: A,
        body: impl FnOnce(A) -> R,
        mut views: impl FnMut(&mut A) -> [RawView; N],
        ret: ReturnOps<R>,
        _: impl Redirect<A, Out = R>,
    ) -> R {
        note(&mut views(&mut args));
        let mut value = body(args);
        note_result(&ret, &mut value);
        value
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn run_sync_repeat<A, R, const N: usize>(
        _: &'static HookSite,
        _: Facts,
        mut args: A,
        mut body: impl FnMut(A) -> R,
        mut views: impl FnMut(&mut A) -> [RawView; N],
        dup: impl Fn(&A) -> Option<A>,
        ret: ReturnOps<R>,
        mut redirect: impl Redirect<A, Out = R>,
    ) -> R {
        note(&mut views(&mut args));
        if let Some(copy) = dup(&args) {
            SEEN.with_borrow_mut(|seen| seen.push("repeatable".into()));
            if let Ok(value) = redirect.call("other", copy) {
                return value;
            }
        }
        let mut value = body(args);
        note_result(&ret, &mut value);
        value
    }

    pub(crate) async fn running<A, R, F: Future<Output = R>, const N: usize>(
        _: &'static HookSite,
        _: Facts,
        mut args: A,
        body: impl FnOnce(A) -> F,
        mut views: impl FnMut(&mut A) -> [RawView; N],
        ret: ReturnOps<R>,
        _: impl Redirect<A, Out: Future<Output = R>>,
    ) -> R {
        note(&mut views(&mut args));
        let mut value = body(args).await;
        note_result(&ret, &mut value);
        value
    }
}
