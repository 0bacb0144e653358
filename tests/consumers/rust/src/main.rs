//! Mutual information of two columns of numbers: estimate FILE SEED N_BOOTSTRAP, the file being a CSV of x and y with a header.
//! Prints value and standard error in nats.

mod fastgmmmi;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, seed, n_bootstrap] = arguments.as_slice() else {
        return Err("usage: estimate FILE SEED N_BOOTSTRAP".into());
    };
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for line in std::fs::read_to_string(path)?.lines().skip(1) {
        let (left, right) = line.split_once(',').ok_or("a line without a comma")?;
        x.push(left.parse::<f64>()?);
        y.push(right.parse::<f64>()?);
    }
    let options = fastgmmmi::Options {
        n_bootstrap: n_bootstrap.parse()?,
        ..Default::default()
    };
    let estimate = fastgmmmi::mutual_information(&x, &y, &options, seed.parse()?)?;
    // Rust prints the shortest text that reads back as the same number.
    println!("{} {}", estimate.value, estimate.standard_error);
    Ok(())
}
