//! The few commands of `WebDriver` that these tests need, and three of chromedriver's own.
//!
//! <https://www.w3.org/TR/webdriver2/>

use std::fmt;

use serde_json::{Value, json};

use crate::driver::Driver;
use crate::exchange::exchange;

/// Keys that are not characters. <https://www.w3.org/TR/webdriver2/#keyboard-actions>
pub(crate) mod key {
    pub(crate) const TAB: &str = "\u{E004}";
    pub(crate) const ENTER: &str = "\u{E007}";
    pub(crate) const DOWN: &str = "\u{E015}";
}

/// The name that `WebDriver` gives to an element's id in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser that chromedriver has started. It ends with its driver.
pub(crate) struct Session {
    driver: Driver,
    id: String,
}

/// An element of the page, and the CSS selector that found it.
pub(crate) struct Element {
    id: String,
    selector: String,
}

/// A command that the driver did not carry out.
pub(crate) struct Failure {
    /// The method and the path after the session's.
    command: String,
    /// The selector, script or address that the command was about.
    about: String,
    pub(crate) answer: String,
}

/// What a test prints that unwraps it.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            about,
            answer,
        } = self;
        // Scripts can be long.
        write!(f, "{command} {about:.300}: chromedriver answered: {answer}")
    }
}

type Result<T> = std::result::Result<T, Failure>;

impl Session {
    /// Opens a browser with these capabilities.
    pub(crate) async fn open(driver: Driver, capabilities: &Value) -> Result<Self> {
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let opened = call(&driver, "POST", "", "", &body).await?;
        let id = opened["sessionId"].as_str().unwrap().to_owned();
        Ok(Self { driver, id })
    }

    async fn get(&self, path: &str, about: &str) -> Result<Value> {
        let path = format!("/{}/{path}", self.id);
        call(&self.driver, "GET", &path, about, &Value::Null).await
    }

    async fn post(&self, path: &str, about: &str, body: &Value) -> Result<Value> {
        let path = format!("/{}/{path}", self.id);
        call(&self.driver, "POST", &path, about, body).await
    }

    // Pages and windows.

    /// Opens an address, and returns when the page is loaded.
    pub(crate) async fn go_to(&self, url: &str) -> Result<()> {
        self.post("url", url, &json!({ "url": url })).await?;
        Ok(())
    }

    pub(crate) async fn refresh(&self) -> Result<()> {
        self.post("refresh", "", &json!({})).await?;
        Ok(())
    }

    pub(crate) async fn url(&self) -> Result<String> {
        Ok(text(self.get("url", "").await?))
    }

    pub(crate) async fn window(&self) -> Result<String> {
        Ok(text(self.get("window", "").await?))
    }

    pub(crate) async fn windows(&self) -> Result<Vec<String>> {
        let windows = self.get("window/handles", "").await?;
        Ok(list(windows).into_iter().map(text).collect())
    }

    /// Opens one more window. The commands still go to the one before.
    pub(crate) async fn new_window(&self) -> Result<String> {
        let wanted = json!({ "type": "window" });
        let mut opened = self.post("window/new", "", &wanted).await?;
        Ok(text(opened["handle"].take()))
    }

    pub(crate) async fn switch_to(&self, window: &str) -> Result<()> {
        let wanted = json!({ "handle": window });
        self.post("window", window, &wanted).await?;
        Ok(())
    }

    // Elements.

    /// The first element that a CSS selector finds.
    pub(crate) async fn find(&self, selector: &str) -> Result<Element> {
        let found = self.post("element", selector, &css(selector)).await?;
        Ok(Element {
            id: text(found[ELEMENT].clone()),
            selector: selector.to_owned(),
        })
    }

    /// How many elements a CSS selector finds.
    pub(crate) async fn count(&self, selector: &str) -> Result<usize> {
        let found = self.post("elements", selector, &css(selector)).await?;
        Ok(list(found).len())
    }

    pub(crate) async fn click(&self, element: &Element) -> Result<()> {
        self.to_element(element, "click", &json!({})).await
    }

    /// Empties a field.
    pub(crate) async fn clear(&self, element: &Element) -> Result<()> {
        self.to_element(element, "clear", &json!({})).await
    }

    pub(crate) async fn send_keys(&self, element: &Element, keys: &str) -> Result<()> {
        self.to_element(element, "value", &json!({ "text": keys }))
            .await
    }

    async fn to_element(&self, element: &Element, command: &str, body: &Value) -> Result<()> {
        let path = format!("element/{}/{command}", element.id);
        self.post(&path, &element.selector, body).await?;
        Ok(())
    }

    /// The text of an element, as it is shown.
    pub(crate) async fn text(&self, element: &Element) -> Result<String> {
        let path = format!("element/{}/text", element.id);
        Ok(text(self.get(&path, &element.selector).await?))
    }

    /// What a field holds.
    pub(crate) async fn value(&self, element: &Element) -> Result<String> {
        let path = format!("element/{}/property/value", element.id);
        Ok(text(self.get(&path, &element.selector).await?))
    }

    // Scripts.

    /// The result of a script that runs in the page.
    pub(crate) async fn execute(&self, script: &str) -> Result<Value> {
        let body = json!({ "script": script, "args": [] });
        self.post("execute/sync", script, &body).await
    }

    /// What a script that runs in the page passes to the function that is its last argument.
    pub(crate) async fn execute_async(&self, script: &str) -> Result<Value> {
        let body = json!({ "script": script, "args": [] });
        self.post("execute/async", script, &body).await
    }

    // Keyboard and mouse.

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) -> Result<()> {
        let press =
            |key| ["keyDown", "keyUp"].map(|action| json!({ "type": action, "value": key }));
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        let body = json!({ "actions": [keyboard] });
        self.post("actions", keys, &body).await?;
        Ok(())
    }

    /// Clicks twice on an element, without a pause.
    pub(crate) async fn double_click(&self, element: &Element) -> Result<()> {
        let there = json!({ ELEMENT: element.id });
        let [down, up] =
            ["pointerDown", "pointerUp"].map(|action| json!({ "type": action, "button": 0 }));
        let over = json!({ "type": "pointerMove", "origin": there, "x": 0, "y": 0 });
        let mouse = json!({
            "type": "pointer", "id": "mouse", "actions": [over, down, up, down, up],
        });
        let body = json!({ "actions": [mouse] });
        self.post("actions", &element.selector, &body).await?;
        Ok(())
    }

    // Chromedriver's own.

    /// A command of the browser's developer tools.
    /// <https://chromedevtools.github.io/devtools-protocol/>
    pub(crate) async fn devtools(&self, command: &str, params: Value) -> Result<()> {
        let body = json!({ "cmd": command, "params": params });
        self.post("goog/cdp/execute", command, &body).await?;
        Ok(())
    }

    /// What the browser has logged since this was called last.
    pub(crate) async fn log(&self) -> Result<Vec<Value>> {
        let wanted = json!({ "type": "browser" });
        Ok(list(self.post("se/log", "", &wanted).await?))
    }
}

fn css(selector: &str) -> Value {
    json!({ "using": "css selector", "value": selector })
}

/// A string of JSON; empty where it is null or something else.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        _ => String::new(),
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

/// One command to the driver: the `value` of its answer.
async fn call(
    driver: &Driver,
    method: &str,
    path: &str,
    about: &str,
    body: &Value,
) -> Result<Value> {
    let failure = |answer: String| Failure {
        // Without the session's id, which says nothing.
        command: format!(
            "{method} {}",
            path.splitn(3, '/').nth(2).unwrap_or("/session")
        ),
        about: about.to_owned(),
        answer,
    };
    let line = format!("{method} /session{path}");
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = exchange(driver.port, &line, &[], &body).await;
    let answer = answer.map_err(|error| failure(error.to_string()))?;
    let value = answer.json()["value"].take();
    match answer.status {
        200 => Ok(value),
        status => {
            let message = text(value["message"].clone());
            Err(failure(format!("{status} {message}")))
        }
    }
}
