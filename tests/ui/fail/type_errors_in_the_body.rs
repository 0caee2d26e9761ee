use hookpoint::hooked;

#[hooked(point = "billing.charge")]
fn tail(a: u32) -> Result<u32, String> {
    "tail"
}

#[hooked(point = "billing.charge")]
fn early(a: u32) -> Result<u32, String> {
    if a > 1 {
        return "early";
    }
    Ok(a)
}

#[hooked(point = "billing.charge")]
async fn tail_async(a: u32) -> Result<u32, String> {
    "tail"
}

#[hooked(point = "billing.charge")]
async fn early_async(a: u32) -> Result<u32, String> {
    if a > 1 {
        return "early";
    }
    Ok(a)
}

#[hooked(point = "billing.charge")]
fn unit(a: u32) -> Result<u32, String> {
    Ok(a);
}

#[hooked(point = "billing.charge")]
fn unmet(a: u32) -> Result<impl Iterator<Item = u32>, String> {
    Ok(a)
}

#[hooked(point = "billing.charge")]
fn undefined(a: u32) -> Result<u32, String> {
    Ok(a + b)
}

fn main() {}
