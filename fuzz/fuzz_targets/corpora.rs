//! Writes the first inputs of every fuzzer into a folder each, below the folder
//! that is named on the command line.

use std::error::Error;
use std::path::PathBuf;

use portolan_fuzz::{Target, corpus};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or("name a folder to write to")?;
    for target in Target::ALL {
        let folder = PathBuf::from(&folder).join(target.name());
        std::fs::create_dir_all(&folder)?;
        for (number, input) in corpus(target).into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:03}")), input)?;
        }
    }
    Ok(())
}
