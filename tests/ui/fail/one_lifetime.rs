use hookpoint::hooked;

struct Text<'a>(&'a str);

// For one lifetime only: what is chosen for the views cannot tell lifetimes apart.
impl Clone for Text<'static> {
    fn clone(&self) -> Self {
        Text(self.0)
    }
}

#[hooked(point = "billing.charge")]
fn shown(text: Text<'_>) -> Result<usize, String> {
    Ok(text.0.len())
}

// The cure; an opaque argument is not copied either, so the body runs once.
#[hooked(point = "billing.charge", args(text: opaque))]
fn opaque(text: Text<'_>) -> Result<usize, String> {
    Ok(text.0.len())
}

#[hooked(point = "billing.charge", skip(text))]
async fn hidden(text: Text<'_>) -> Result<usize, String> {
    Ok(text.0.len())
}

fn main() {}
