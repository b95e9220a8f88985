//! Files of events: a JSON document, JSON lines, or a JSON array, each event with its place.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use super::problem::Unusable;

/// One event, and where it stands.
#[derive(Debug)]
pub(super) struct Document {
    /// File and line.
    pub(super) place: String,
    pub(super) value: Value,
}

/// Reads all files, or fails before anything is done with any of them.
pub(super) fn read_documents(paths: &[PathBuf]) -> Result<Vec<Document>, Unusable> {
    let mut documents = Vec::new();
    for path in paths {
        let text = read(path).map_err(|source| Unusable::Read {
            path: path.clone(),
            source,
        })?;
        documents.extend(parse(path, &text)?);
    }
    Ok(documents)
}

fn read(path: &Path) -> std::io::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok(text)
    } else {
        std::fs::read_to_string(path)
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<Document>, Unusable> {
    // Files written on other systems may begin with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Lines::new(text);
    // `within` is the part of the text that was parsed: the parser counts lines from its beginning.
    let unusable = |error: &serde_json::Error, within: &str| {
        let said = error.to_string();
        Unusable::Events {
            path: path.to_owned(),
            line: lines.of(within) + error.line().saturating_sub(1),
            problem: said
                .rsplit_once(" at line ")
                .map_or(said.clone(), |(said, _)| said.to_owned()),
        }
    };
    let mut documents = Vec::new();
    let mut push = |raw: &RawValue| -> Result<(), Unusable> {
        let value = serde_json::from_str(raw.get()).map_err(|error| unusable(&error, raw.get()))?;
        documents.push(Document {
            place: format!("{}:{}", path.display(), lines.of(raw.get())),
            value,
        });
        Ok(())
    };
    for raw in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let raw = raw.map_err(|error| unusable(&error, text))?;
        if raw.get().starts_with('[') {
            let items: Vec<&RawValue> =
                serde_json::from_str(raw.get()).map_err(|error| unusable(&error, raw.get()))?;
            for item in items {
                push(item)?;
            }
        } else {
            push(raw)?;
        }
    }
    Ok(documents)
}

/// Finds the line on which a part of a text begins.
struct Lines {
    start: usize,
    /// Where each line but the first begins.
    breaks: Vec<usize>,
}

impl Lines {
    fn new(text: &str) -> Self {
        Self {
            start: text.as_ptr() as usize,
            breaks: text.match_indices('\n').map(|(at, _)| at + 1).collect(),
        }
    }

    /// `part` must be a slice of the text, as raw JSON values are.
    fn of(&self, part: &str) -> usize {
        let offset = (part.as_ptr() as usize).saturating_sub(self.start);
        self.breaks.partition_point(|begin| *begin <= offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        let documents = parse(Path::new("f"), text).unwrap();
        documents
            .into_iter()
            .map(|d| format!("{} {}", d.place, d.value))
            .collect()
    }

    #[test]
    fn documents_lines_and_arrays_are_read_with_their_lines() {
        assert_eq!(places("{\n \"a\": 1\n}\n"), ["f:1 {\"a\":1}"]);
        assert_eq!(
            places("{\"a\":1}\n\n{\"a\":2}\n"),
            ["f:1 {\"a\":1}", "f:3 {\"a\":2}"]
        );
        assert_eq!(
            places("[\n{\"a\":1},\n\n{\"a\":2}]"),
            ["f:2 {\"a\":1}", "f:4 {\"a\":2}"]
        );
        assert_eq!(places("\u{feff}[1, \"x\"]"), ["f:1 1", "f:1 \"x\""]);
        assert!(places("  \n").is_empty());
    }

    #[test]
    fn what_is_not_json_is_named_with_its_line() {
        let error = parse(Path::new("f.json"), "{\"a\":1}\n{\"a\":\n").unwrap_err();
        assert!(error.to_string().starts_with("f.json:"), "{error}");
        let error = parse(Path::new("f.json"), "{\"a\":1}\nnot json").unwrap_err();
        assert!(
            error.to_string().starts_with("f.json:2: this is not JSON"),
            "{error}"
        );
    }

    #[test]
    fn what_only_fails_when_it_is_read_closely_is_named_with_its_line_too() {
        for bad in ["{\"a\":\"\\ud800\"}", "{\"a\":1e999}"] {
            for text in [format!("{{}}\n{bad}"), format!("[{{}},\n{bad}]")] {
                let error = parse(Path::new("f.json"), &text).unwrap_err().to_string();
                assert!(error.starts_with("f.json:2: this is not JSON"), "{error}");
            }
        }
    }
}
