//! A browser, and what a person does in it.

use std::time::{Duration, Instant};

use fantoccini::actions::{
    InputSource as _, KeyAction, KeyActions, MOUSE_BUTTON_LEFT, MouseActions, PointerAction,
};
use fantoccini::client::NewWindowResponse;
use fantoccini::elements::Element;
use fantoccini::error::NewSessionError;
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::driver::{Driver, Missing, skip};
use crate::exchange::exchange;

/// For how long a page may keep somebody waiting, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A desk's window.
pub(crate) const WIDE: (u32, u32) = (1280, 900);
/// A phone's.
pub(crate) const NARROW: (u32, u32) = (390, 844);

/// Marks a page, so that the next one can be told from it.
pub(crate) const LEAVES: &str = "document.isLeft = true";

/// A browser with one window at first. It ends when it is dropped.
pub(crate) struct Browser {
    client: Client,
    session: String,
    driver: Driver,
}

impl Browser {
    /// Opens a browser; none, with a word about it, where none is installed.
    pub(crate) async fn open() -> Option<Self> {
        match Self::started().await {
            Ok(browser) => Some(browser),
            Err(missing) => {
                skip(&missing);
                None
            }
        }
    }

    async fn started() -> Result<Self, Missing> {
        let driver = Driver::start()?;
        let wanted = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new",
                // Its sandbox needs privileges that containers do not have; it sees our pages only.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
            ] },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": PATIENCE.as_millis() },
        });
        let Value::Object(wanted) = wanted else {
            panic!("an object")
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await;
        let client = match client {
            Ok(client) => client,
            Err(NewSessionError::SessionNotCreated(why))
                if why.to_string().contains("cannot find Chrome binary") =>
            {
                return Err(Missing("no Chromium or Chrome is installed".to_owned()));
            }
            Err(error) => panic!("{error}"),
        };
        let browser = Self {
            session: client.session_id().await.unwrap().unwrap(),
            client,
            driver,
        };
        browser.resize(WIDE).await;
        Ok(browser)
    }

    // How it is set up. All of it holds for the window that is in front.

    /// Sets the size of what is inside the window, as on a screen with one pixel for each.
    pub(crate) async fn resize(&self, (width, height): (u32, u32)) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// Prefers dark pages, or light ones.
    pub(crate) async fn set_dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Runs scripts of pages, or does not; of those that are loaded from now on.
    pub(crate) async fn set_javascript(&self, on: bool) {
        let disabled = json!({ "value": !on });
        self.devtools("Emulation.setScriptExecutionDisabled", disabled)
            .await;
    }

    /// <https://chromedevtools.github.io/devtools-protocol/>
    async fn devtools(&self, command: &str, params: Value) {
        let body = json!({ "cmd": command, "params": params });
        self.command("goog/cdp/execute", &body).await;
    }

    /// What a session understands besides what `WebDriver` says.
    async fn command(&self, path: &str, body: &Value) -> Value {
        let line = format!("POST /session/{}/{path}", self.session);
        let answer = exchange(self.driver.port, &line, &[], &body.to_string()).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()["value"].clone()
    }

    // What a person does.

    /// Opens an address, and comes back when the page is loaded.
    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// The first element that a CSS selector finds.
    pub(crate) async fn find(&self, selector: &str) -> Element {
        let found = self.client.find(Locator::Css(selector)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("{selector}: {error}\n{}", self.text().await),
        }
    }

    /// Clicks what a CSS selector finds.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        if let Err(error) = element.click().await {
            panic!("{selector}: {error}");
        }
    }

    /// Clicks what a CSS selector finds and what leads to a page, this one again or another, and waits
    /// until that is loaded. Needs no script on the page.
    pub(crate) async fn click_through(&self, selector: &str) {
        self.through(selector, self.click(selector)).await;
    }

    /// Clicks twice at once, as people do who take a page for a desktop, and waits until the page is
    /// loaded that comes of it.
    pub(crate) async fn double_click_through(&self, selector: &str) {
        let button = self.find(selector).await;
        let press = PointerAction::Down {
            button: MOUSE_BUTTON_LEFT,
        };
        let release = PointerAction::Up {
            button: MOUSE_BUTTON_LEFT,
        };
        let clicks = MouseActions::new("mouse".to_owned())
            .then(PointerAction::MoveToElement {
                element: button,
                duration: None,
                x: 0.0,
                y: 0.0,
            })
            .then(press.clone())
            .then(release.clone())
            .then(press)
            .then(release);
        let act = async { self.client.perform_actions(clicks).await.unwrap() };
        self.through(selector, act).await;
    }

    /// Presses keys, the last of which leads to a page, and waits until that is loaded.
    pub(crate) async fn press_through(&self, keys: &str) {
        self.through("a key", self.press(keys)).await;
    }

    /// Does something that leads to a page, and waits until that is loaded.
    async fn through(&self, what: &str, act: impl Future<Output = ()>) {
        self.eval(LEAVES).await;
        act.await;
        self.arrive(what).await;
    }

    /// Waits until another page is loaded than the one that was told that it [`LEAVES`].
    pub(crate) async fn arrive(&self, what: &str) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let arrived = "return !document.isLeft && document.readyState === 'complete'";
            // Between two pages there is none to ask.
            let answer = self.client.execute(arrived, Vec::new()).await;
            if answer.is_ok_and(|arrived| arrived == true) {
                return;
            }
        }
        panic!("{what} led nowhere\n{}", self.text().await);
    }

    /// Types into a field, over what stands there.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Chooses an option by its value.
    pub(crate) async fn choose(&self, selector: &str, value: &str) {
        let select = self.find(selector).await;
        select.select_by_value(value).await.unwrap();
    }

    /// Presses keys one after the other, wherever the focus is. [`fantoccini::key::Key`] has those
    /// that are no letters.
    pub(crate) async fn press(&self, keys: &str) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for value in keys.chars() {
            actions = actions
                .then(KeyAction::Down { value })
                .then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Opens one more window, which is then in front, and answers both: the one that was, and it.
    pub(crate) async fn second_window(&self) -> [WindowHandle; 2] {
        let first = self.client.window().await.unwrap();
        let NewWindowResponse { handle, .. } = self.client.new_window(false).await.unwrap();
        self.to_front(&handle).await;
        [first, handle]
    }

    /// Goes on in another window.
    pub(crate) async fn to_front(&self, window: &WindowHandle) {
        self.client.switch_to_window(window.clone()).await.unwrap();
    }

    /// All windows, links that opened one included.
    pub(crate) async fn windows(&self) -> Vec<WindowHandle> {
        self.client.windows().await.unwrap()
    }

    // What a person sees.

    /// All text that is shown.
    pub(crate) async fn text(&self) -> String {
        let text = self.eval("return document.body.innerText").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The text of what a CSS selector finds, as it is shown.
    pub(crate) async fn text_of(&self, selector: &str) -> String {
        self.find(selector).await.text().await.unwrap()
    }

    /// What a field holds.
    pub(crate) async fn value_of(&self, selector: &str) -> String {
        let field = self.find(selector).await;
        field.prop("value").await.unwrap().unwrap_or_default()
    }

    /// Holds that one can type on in the element with this id. The page gives it the focus when it is
    /// drawn, which may be after it is loaded.
    pub(crate) async fn assert_begins_at(&self, id: &str) {
        let start = Instant::now();
        let mut focused = Value::Null;
        while start.elapsed() < PATIENCE && focused != id {
            focused = self.eval("return document.activeElement.id").await;
        }
        assert_eq!(focused, id);
    }

    /// How many elements a CSS selector finds.
    pub(crate) async fn count(&self, selector: &str) -> usize {
        self.client
            .find_all(Locator::Css(selector))
            .await
            .unwrap()
            .len()
    }

    /// The address of the page.
    pub(crate) async fn url(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// What a script answers that is run in the page, even where pages may run none.
    pub(crate) async fn eval(&self, script: &str) -> Value {
        match self.client.execute(script, Vec::new()).await {
            Ok(value) => value,
            Err(error) => panic!("{script}: {error}"),
        }
    }

    /// Waits until an expression holds on the page: it is looked at anew at each change of it.
    /// `text(selector)` in it is the text of what a CSS selector finds, empty if that is nothing.
    pub(crate) async fn until(&self, expression: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const text = (selector) => document.querySelector(selector)?.innerText ?? '';
             const holds = () => {expression};
             if (holds()) return done();
             const observer = new MutationObserver(() => {{
                 if (holds()) {{ observer.disconnect(); done(); }}
             }});
             const all = {{ subtree: true, childList: true, attributes: true, characterData: true }};
             observer.observe(document, all);"
        );
        if let Err(error) = self.client.execute_async(&script, Vec::new()).await {
            panic!(
                "waited in vain for {expression}: {error}\n{}",
                self.text().await
            );
        }
    }

    /// What the browser has complained of since this was last asked: scripts that failed, content
    /// that the page's own policy forbids, answers that were errors.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({ "type": "browser" })).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .map(|entry| entry["message"].to_string())
            .collect()
    }
}
