//! What Block Kit lets through: the "Block Kit reference", with the limits of each field.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::text::text_of;
use crate::ids::Ids;

/// "You can include up to 50 blocks in each message, and 100 blocks in modals or Home tabs."
const MOST_IN_MESSAGE: usize = 50;
const MOST_IN_MODAL: usize = 100;

/// What valid blocks contain.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// All texts of type `mrkdwn`, and whether each is `verbatim`: Slack makes nothing of what stands in the open.
    pub(crate) mrkdwn: Vec<(String, bool)>,
    /// The URLs of buttons.
    pub(crate) urls: Vec<String>,
}

/// Checks the blocks of a message. The error lists all that is wrong in Slack's form: what is wrong, and where, as a
/// JSON pointer.
pub(crate) fn message(blocks: &Value) -> Result<Found, Vec<String>> {
    let mut walk = Walk::default();
    walk.blocks(blocks, MOST_IN_MESSAGE, "/blocks");
    walk.finish()
}

pub(crate) fn modal(view: &Value) -> Result<Found, Vec<String>> {
    let mut walk = Walk::default();
    walk.view(view);
    walk.finish()
}

/// Gives blocks and their interactive elements the ids that they lack, as Slack does.
pub(crate) fn fill_ids(blocks: &mut Value, ids: &Ids) {
    let blocks = blocks.as_array_mut().into_iter().flatten();
    for block in blocks.filter_map(Value::as_object_mut) {
        block.entry("block_id").or_insert_with(|| json!(ids.hex(5)));
        let elements = match block.get_mut("elements") {
            Some(Value::Array(elements)) => elements.iter_mut().collect(),
            _ => Vec::new(),
        };
        for element in elements {
            fill_action_id(element, ids);
        }
        for name in ["accessory", "element"] {
            if let Some(element) = block.get_mut(name) {
                fill_action_id(element, ids);
            }
        }
    }
}

fn fill_action_id(element: &mut Value, ids: &Ids) {
    let kind = text_of(element, "type");
    if [
        "button",
        "plain_text_input",
        "static_select",
        "radio_buttons",
    ]
    .contains(&kind)
        && let Some(fields) = element.as_object_mut()
    {
        fields
            .entry("action_id")
            .or_insert_with(|| json!(ids.hex(5)));
    }
}

/// The elements of a block that people can use.
pub(crate) fn elements(block: &Value) -> impl Iterator<Item = &Value> {
    let several = block.get("elements").and_then(Value::as_array);
    let several = several.into_iter().flatten();
    let one = ["accessory", "element"].into_iter();
    several.chain(one.filter_map(|name| block.get(name)))
}

/// The types of text object that a place takes.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Any,
}

#[derive(Default)]
struct Walk {
    problems: Vec<String>,
    found: Found,
    block_ids: HashSet<String>,
    inputs: usize,
}

type Fields = Map<String, Value>;

impl Walk {
    fn finish(self) -> Result<Found, Vec<String>> {
        if self.problems.is_empty() {
            Ok(self.found)
        } else {
            Err(self.problems)
        }
    }

    fn wrong(&mut self, why: impl AsRef<str>, at: &str) {
        let why = why.as_ref();
        self.problems
            .push(format!("[ERROR] {why} [json-pointer:{at}]"));
    }

    /// An object with no other fields than these.
    fn object<'v>(&mut self, value: &'v Value, allowed: &[&str], at: &str) -> Option<&'v Fields> {
        let Some(fields) = value.as_object() else {
            self.wrong("must provide an object", at);
            return None;
        };
        for name in fields.keys() {
            if !allowed.contains(&name.as_str()) {
                self.wrong(format!("invalid additional property: {name}"), at);
            }
        }
        Some(fields)
    }

    fn required<'v>(&mut self, fields: &'v Fields, name: &str, at: &str) -> Option<&'v Value> {
        let value = fields.get(name);
        if value.is_none() {
            self.wrong(format!("missing required field: {name}"), at);
        }
        value
    }

    fn length(&mut self, text: &str, least: usize, most: usize, at: &str) {
        let length = text.chars().count();
        if length < least {
            self.wrong(format!("must be more than {} characters", least - 1), at);
        }
        if length > most {
            self.wrong(format!("must be less than {} characters", most + 1), at);
        }
    }

    /// A string of at most so many characters.
    fn string<'v>(
        &mut self,
        fields: &'v Fields,
        name: &str,
        most: usize,
        at: &str,
    ) -> Option<&'v str> {
        let value = fields.get(name)?;
        let at = format!("{at}/{name}");
        let Some(text) = value.as_str() else {
            self.wrong("must provide a string", &at);
            return None;
        };
        self.length(text, 0, most, &at);
        Some(text)
    }

    fn flags(&mut self, fields: &Fields, names: &[&str], at: &str) {
        for name in names {
            if fields.get(*name).is_some_and(|value| !value.is_boolean()) {
                self.wrong("must provide a boolean", &format!("{at}/{name}"));
            }
        }
    }

    fn number(&mut self, fields: &Fields, name: &str, range: (u64, u64), at: &str) {
        let Some(value) = fields.get(name) else {
            return;
        };
        let (least, most) = range;
        let fits = value.as_u64().is_some_and(|n| (least..=most).contains(&n));
        if !fits {
            let why = format!("must be a number from {least} to {most}");
            self.wrong(why, &format!("{at}/{name}"));
        }
    }

    fn style(&mut self, fields: &Fields, at: &str) {
        let style = fields.get("style");
        if style.is_some_and(|style| *style != "primary" && *style != "danger") {
            self.wrong("must be a valid enum value", &format!("{at}/style"));
        }
    }

    fn list<'v>(&mut self, fields: &'v Fields, name: &str, most: usize, at: &str) -> &'v [Value] {
        let Some(value) = self.required(fields, name, at) else {
            return &[];
        };
        let at = format!("{at}/{name}");
        let Some(items) = value.as_array() else {
            self.wrong("must provide an array", &at);
            return &[];
        };
        if items.is_empty() {
            self.wrong("no fewer than 1 items allowed", &at);
        }
        if items.len() > most {
            self.wrong(format!("no more than {most} items allowed"), &at);
        }
        items
    }

    /// A text object of 1 to so many characters.
    fn text(&mut self, value: &Value, kind: Kind, most: usize, at: &str) {
        let plain = text_of(value, "type") == "plain_text";
        if !plain && (kind == Kind::Plain || text_of(value, "type") != "mrkdwn") {
            let type_at = format!("{at}/type");
            let why = if kind == Kind::Plain {
                "must be plain_text"
            } else {
                "must be plain_text or mrkdwn"
            };
            self.wrong(why, &type_at);
            return;
        }
        let option = if plain { "emoji" } else { "verbatim" };
        let Some(fields) = self.object(value, &["type", "text", option], at) else {
            return;
        };
        self.flags(fields, &[option], at);
        let Some(text) = self.required(fields, "text", at) else {
            return;
        };
        let text_at = format!("{at}/text");
        let Some(text) = text.as_str() else {
            self.wrong("must provide a string", &text_at);
            return;
        };
        self.length(text, 1, most, &text_at);
        if !plain {
            let verbatim = fields.get("verbatim").and_then(Value::as_bool);
            self.found
                .mrkdwn
                .push((text.to_owned(), verbatim.unwrap_or(false)));
        }
    }

    fn text_field(&mut self, fields: &Fields, name: &str, (kind, most): (Kind, usize), at: &str) {
        if let Some(text) = fields.get(name) {
            self.text(text, kind, most, &format!("{at}/{name}"));
        }
    }

    fn required_text(&mut self, fields: &Fields, name: &str, form: (Kind, usize), at: &str) {
        self.required(fields, name, at);
        self.text_field(fields, name, form, at);
    }

    fn view(&mut self, view: &Value) {
        let at = "/view";
        let allowed = [
            "type",
            "title",
            "blocks",
            "close",
            "submit",
            "private_metadata",
            "callback_id",
            "clear_on_close",
            "notify_on_close",
            "external_id",
            "submit_disabled",
        ];
        let Some(fields) = self.object(view, &allowed, at) else {
            return;
        };
        if fields.get("type").is_none_or(|kind| *kind != "modal") {
            // Home tabs are not modelled.
            self.wrong("must be modal", "/view/type");
        }
        self.required_text(fields, "title", (Kind::Plain, 24), at);
        self.text_field(fields, "close", (Kind::Plain, 24), at);
        self.text_field(fields, "submit", (Kind::Plain, 24), at);
        self.string(fields, "private_metadata", 3000, at);
        self.string(fields, "callback_id", 255, at);
        self.string(fields, "external_id", 255, at);
        let flags = ["clear_on_close", "notify_on_close", "submit_disabled"];
        self.flags(fields, &flags, at);
        if let Some(blocks) = self.required(fields, "blocks", at) {
            self.blocks(blocks, MOST_IN_MODAL, "/view/blocks");
        }
        if self.inputs > 0 && !fields.contains_key("submit") {
            self.wrong("missing required field: submit", at);
        }
    }

    fn blocks(&mut self, blocks: &Value, most: usize, at: &str) {
        let Some(blocks) = blocks.as_array() else {
            self.wrong("must provide an array", at);
            return;
        };
        if blocks.len() > most {
            self.wrong(format!("no more than {most} items allowed"), at);
        }
        for (n, block) in blocks.iter().enumerate() {
            self.block(block, &format!("{at}/{n}"));
        }
    }

    fn block(&mut self, block: &Value, at: &str) {
        let allowed: &[&str] = match text_of(block, "type") {
            "section" => &["text", "fields", "accessory", "expand"],
            "header" => &["text"],
            "context" | "actions" => &["elements"],
            "divider" => &[],
            "image" => &["image_url", "alt_text", "title"],
            "input" => &["label", "element", "hint", "optional", "dispatch_action"],
            other => {
                // Among them those that Slack has and the double does not know.
                self.wrong(format!("unsupported type: {other}"), &format!("{at}/type"));
                return;
            }
        };
        let allowed = [allowed, &["type", "block_id"]].concat();
        let Some(fields) = self.object(block, &allowed, at) else {
            return;
        };
        if let Some(id) = self.string(fields, "block_id", 255, at)
            && !id.is_empty()
            && !self.block_ids.insert(id.to_owned())
        {
            let why = format!("block_id \"{id}\" already exists");
            self.wrong(why, &format!("{at}/block_id"));
        }
        match text_of(block, "type") {
            "section" => self.section(fields, at),
            "header" => self.required_text(fields, "text", (Kind::Plain, 150), at),
            "context" => {
                for (n, element) in self.list(fields, "elements", 10, at).iter().enumerate() {
                    let at = format!("{at}/elements/{n}");
                    if text_of(element, "type") == "image" {
                        self.image(element, &at);
                    } else {
                        self.text(element, Kind::Any, 3000, &at);
                    }
                }
            }
            "actions" => {
                let elements = self.list(fields, "elements", 25, at);
                let mut action_ids = HashSet::new();
                for (n, element) in elements.iter().enumerate() {
                    let at = format!("{at}/elements/{n}");
                    self.element(element, &["button", "static_select", "radio_buttons"], &at);
                    let id = text_of(element, "action_id");
                    if !id.is_empty() && !action_ids.insert(id) {
                        let why = format!("action_id \"{id}\" already exists");
                        self.wrong(why, &format!("{at}/action_id"));
                    }
                }
            }
            "image" => self.image(block, at),
            "input" => self.input(fields, at),
            _ => {}
        }
    }

    fn section(&mut self, fields: &Fields, at: &str) {
        if !fields.contains_key("fields") {
            self.required(fields, "text", at);
        }
        self.text_field(fields, "text", (Kind::Any, 3000), at);
        self.flags(fields, &["expand"], at);
        if fields.contains_key("fields") {
            for (n, field) in self.list(fields, "fields", 10, at).iter().enumerate() {
                self.text(field, Kind::Any, 2000, &format!("{at}/fields/{n}"));
            }
        }
        if let Some(accessory) = fields.get("accessory") {
            let at = format!("{at}/accessory");
            let allowed = ["button", "image", "static_select", "radio_buttons"];
            self.element(accessory, &allowed, &at);
        }
    }

    fn input(&mut self, fields: &Fields, at: &str) {
        self.inputs += 1;
        self.required_text(fields, "label", (Kind::Plain, 2000), at);
        self.text_field(fields, "hint", (Kind::Plain, 2000), at);
        self.flags(fields, &["optional", "dispatch_action"], at);
        if let Some(element) = self.required(fields, "element", at) {
            let at = format!("{at}/element");
            let allowed = ["plain_text_input", "static_select", "radio_buttons"];
            self.element(element, &allowed, &at);
        }
    }

    fn image(&mut self, image: &Value, at: &str) {
        let allowed = ["type", "block_id", "image_url", "alt_text", "title"];
        let Some(fields) = self.object(image, &allowed, at) else {
            return;
        };
        for (name, most) in [("image_url", 3000), ("alt_text", 2000)] {
            self.required(fields, name, at);
            self.string(fields, name, most, at);
        }
        self.text_field(fields, "title", (Kind::Plain, 2000), at);
    }

    fn element(&mut self, element: &Value, allowed: &[&str], at: &str) {
        let kind = text_of(element, "type");
        if !allowed.contains(&kind) {
            self.wrong(format!("unsupported type: {kind}"), &format!("{at}/type"));
            return;
        }
        match kind {
            "button" => self.button(element, at),
            "image" => self.image(element, at),
            "plain_text_input" => self.plain_text_input(element, at),
            _ => self.choice(element, kind, at),
        }
    }

    fn button(&mut self, button: &Value, at: &str) {
        let allowed = [
            "type",
            "text",
            "action_id",
            "url",
            "value",
            "style",
            "confirm",
            "accessibility_label",
        ];
        let Some(fields) = self.object(button, &allowed, at) else {
            return;
        };
        self.required_text(fields, "text", (Kind::Plain, 75), at);
        self.string(fields, "action_id", 255, at);
        self.string(fields, "value", 2000, at);
        self.string(fields, "accessibility_label", 75, at);
        self.style(fields, at);
        if let Some(url) = self.string(fields, "url", 3000, at) {
            self.found.urls.push(url.to_owned());
        }
        self.confirm(fields, at);
    }

    fn confirm(&mut self, fields: &Fields, at: &str) {
        let Some(confirm) = fields.get("confirm") else {
            return;
        };
        let at = format!("{at}/confirm");
        let allowed = ["title", "text", "confirm", "deny", "style"];
        let Some(fields) = self.object(confirm, &allowed, &at) else {
            return;
        };
        self.required_text(fields, "title", (Kind::Plain, 100), &at);
        self.required_text(fields, "text", (Kind::Any, 300), &at);
        self.required_text(fields, "confirm", (Kind::Plain, 30), &at);
        self.required_text(fields, "deny", (Kind::Plain, 30), &at);
        self.style(fields, &at);
    }

    fn plain_text_input(&mut self, input: &Value, at: &str) {
        let allowed = [
            "type",
            "action_id",
            "initial_value",
            "multiline",
            "min_length",
            "max_length",
            "dispatch_action_config",
            "focus_on_load",
            "placeholder",
        ];
        let Some(fields) = self.object(input, &allowed, at) else {
            return;
        };
        self.string(fields, "action_id", 255, at);
        self.string(fields, "initial_value", 3000, at);
        self.text_field(fields, "placeholder", (Kind::Plain, 150), at);
        self.flags(fields, &["multiline", "focus_on_load"], at);
        self.number(fields, "min_length", (0, 3000), at);
        self.number(fields, "max_length", (1, 3000), at);
    }

    /// `static_select` or `radio_buttons`. Groups of options are not modelled.
    fn choice(&mut self, choice: &Value, kind: &str, at: &str) {
        let allowed = [
            "type",
            "action_id",
            "options",
            "initial_option",
            "confirm",
            "focus_on_load",
            "placeholder",
        ];
        let Some(fields) = self.object(choice, &allowed, at) else {
            return;
        };
        self.string(fields, "action_id", 255, at);
        self.flags(fields, &["focus_on_load"], at);
        self.text_field(fields, "placeholder", (Kind::Plain, 150), at);
        self.confirm(fields, at);
        let most = if kind == "radio_buttons" { 10 } else { 100 };
        let options = self.list(fields, "options", most, at).iter().enumerate();
        let options = options.map(|(n, option)| (option, format!("{at}/options/{n}")));
        let initial = fields.get("initial_option").into_iter();
        let initial = initial.map(|option| (option, format!("{at}/initial_option")));
        for (option, at) in options.chain(initial) {
            let allowed = ["text", "value", "description"];
            let Some(fields) = self.object(option, &allowed, &at) else {
                continue;
            };
            self.required_text(fields, "text", (Kind::Any, 75), &at);
            self.required(fields, "value", &at);
            self.string(fields, "value", 150, &at);
            self.text_field(fields, "description", (Kind::Any, 75), &at);
        }
    }
}
