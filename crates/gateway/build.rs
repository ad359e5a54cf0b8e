//! Takes the files of Swagger UI that the page needs out of the crate that
//! carries them, compressed as they are sent.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "docs")]
    assets::write()?;
    Ok(())
}

#[cfg(feature = "docs")]
mod assets {
    use std::borrow::Cow;
    use std::error::Error;
    use std::io::{Cursor, Read, Write};
    use std::path::Path;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
    use zip::ZipArchive;

    /// Where a file is in the archive, and what it is called here.
    const FILES: [(&str, &str); 4] = [
        ("dist/swagger-ui-bundle.js", "swagger-ui-bundle.js.gz"),
        ("dist/swagger-ui.css", "swagger-ui.css.gz"),
        ("LICENSE", "LICENSE.gz"),
        ("NOTICE", "NOTICE.gz"),
    ];

    pub(super) fn write() -> Result<(), Box<dyn Error>> {
        let folder = std::env::var("OUT_DIR")?;
        let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
        for (path, name) in FILES {
            let names: Vec<String> = archive
                .file_names()
                .map(|name| name.map(Cow::into_owned))
                .collect::<Result<_, _>>()?;
            // Below a folder that is named after the version.
            let full = names
                .iter()
                .find(|full| full.split_once('/').is_some_and(|(_, rest)| rest == path))
                .ok_or_else(|| format!("{path} is not in the archive of Swagger UI"))?;
            let mut contents = Vec::new();
            archive.by_name(full)?.read_to_end(&mut contents)?;
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(without_map(&contents))?;
            std::fs::write(Path::new(&folder).join(name), encoder.finish()?)?;
        }
        Ok(())
    }

    /// Without the last line when that is the place of a source map, which is
    /// not served.
    fn without_map(contents: &[u8]) -> &[u8] {
        let contents = contents.trim_ascii_end();
        let last = contents
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let line = &contents[last..];
        if line.starts_with(b"//# sourceMappingURL=") || line.starts_with(b"/*# sourceMappingURL=")
        {
            &contents[..last]
        } else {
            contents
        }
    }
}
