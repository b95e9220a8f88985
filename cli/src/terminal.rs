//! What a command prints and asks.

use std::io::{self, BufRead, Write};

use comfy_table::{Cell, ContentArrangement, Table, presets};
use gatekeeper_core::visible::{in_line, visible};

use crate::args::Format;
use crate::error::CliError;

/// The narrowest terminal that tables are made for, in columns.
const NARROWEST: usize = 80;
/// Select Graphic Rendition (ECMA-48, section 8.3.117).
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";
/// Erase in Line, to its end (ECMA-48, section 8.3.41).
const ERASE: &str = "\x1b[K";

/// Where a command prints, and whom it asks.
pub struct Terminal<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    input: &'a mut dyn BufRead,
    /// The width in columns.
    width: usize,
    /// Whether headings are highlighted.
    is_colored: bool,
    /// Whether a person answers questions.
    is_interactive: bool,
    /// Whether a line of progress stands there.
    has_progress: bool,
    format: Format,
}

/// How a terminal is used.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// The width in columns.
    pub width: usize,
    /// Whether headings are highlighted.
    pub is_colored: bool,
    /// Whether a person answers questions.
    pub is_interactive: bool,
    pub format: Format,
}

/// A table: a heading for each column, and rows.
pub(crate) struct Rows {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    pub(crate) fn new<const N: usize>(headings: [&'static str; N]) -> Self {
        Self {
            headings: headings.into(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn push<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.into());
    }
}

impl<'a> Terminal<'a> {
    pub fn new(
        out: &'a mut dyn Write,
        err: &'a mut dyn Write,
        input: &'a mut dyn BufRead,
        style: Style,
    ) -> Self {
        Self {
            out,
            err,
            input,
            width: style.width.max(NARROWEST),
            is_colored: style.is_colored,
            is_interactive: style.is_interactive,
            has_progress: false,
            format: style.format,
        }
    }

    /// Whether results are printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints a line of a result for people. Hidden characters are marked.
    pub(crate) fn say(&mut self, line: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.out, "{}", visible(line.as_ref()))
    }

    /// Prints a line on standard error: progress, warnings and questions.
    pub(crate) fn note(&mut self, line: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.err, "{}", visible(line.as_ref()))
    }

    /// Says how far a command is, to a person at a terminal, on a line that the next one replaces. An
    /// empty text takes the line away.
    pub(crate) fn progress(&mut self, text: &str) -> io::Result<()> {
        if !self.is_interactive || (text.is_empty() && !self.has_progress) {
            return Ok(());
        }
        self.has_progress = !text.is_empty();
        write!(self.err, "\r{}{ERASE}", visible(text))?;
        self.err.flush()
    }

    /// Prints an error on standard error.
    pub(crate) fn fail(&mut self, error: &CliError) -> io::Result<()> {
        self.note(error.to_string())
    }

    /// Prints a result as JSON, on several lines.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| CliError::new(format!("the result is not valid JSON: {error}")))?;
        writeln!(self.out, "{text}")?;
        Ok(())
    }

    /// Prints a result as JSON, on one line.
    pub(crate) fn json_line(&mut self, value: &impl serde::Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value)
            .map_err(|error| CliError::new(format!("the result is not valid JSON: {error}")))?;
        writeln!(self.out, "{text}")?;
        self.out.flush()?;
        Ok(())
    }

    /// Prints bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// Prints a table.
    pub(crate) fn table(&mut self, rows: &Rows) -> io::Result<()> {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(self.width).unwrap_or(u16::MAX));
        table.set_header(rows.headings.iter().map(Cell::new));
        for row in &rows.rows {
            table.add_row(row.iter().map(|text| Cell::new(in_line(text))));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for (index, line) in table.lines().enumerate() {
            let line = line.trim_end();
            match index == 0 && self.is_colored {
                true => writeln!(self.out, "{BOLD}{line}{PLAIN}")?,
                false => writeln!(self.out, "{line}")?,
            }
        }
        Ok(())
    }

    /// Whether a person answers questions.
    pub(crate) fn is_interactive(&self) -> bool {
        self.is_interactive
    }

    /// Asks a question, and answers what was typed.
    pub(crate) fn ask(&mut self, question: &str) -> Result<String, CliError> {
        write!(self.err, "{} ", visible(question))?;
        self.err.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    /// Asks whether to go on. Without a person at the terminal, `yes` must have been said.
    pub(crate) fn confirm(&mut self, question: &str, yes: bool) -> Result<(), CliError> {
        if yes {
            return Ok(());
        }
        if !self.is_interactive {
            let error = CliError::new("nobody is at the terminal to confirm this");
            return Err(error.next("Add --yes if this is what you want. Nothing was written."));
        }
        let answer = self.ask(&format!("{question} [y/N]"))?;
        match answer.to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(CliError::new("not confirmed, so nothing was written")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed on standard error.
    fn said(is_interactive: bool, lines: &[&str]) -> String {
        let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), io::Cursor::new(""));
        let style = Style {
            width: 80,
            is_colored: false,
            is_interactive,
            format: Format::Table,
        };
        let mut terminal = Terminal::new(&mut out, &mut err, &mut input, style);
        for line in lines {
            terminal.progress(line).unwrap();
        }
        String::from_utf8(err).unwrap()
    }

    #[test]
    fn progress_is_for_people_and_leaves_nothing_behind() {
        assert_eq!(said(false, &["1 of 2", ""]), "");
        assert_eq!(said(true, &[""]), "");
        assert_eq!(
            said(true, &["1 of 2", "2 of 2", "", ""]),
            "\r1 of 2\x1b[K\r2 of 2\x1b[K\r\x1b[K"
        );
    }
}
