//! A browser, and what a person does and sees in it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::Driver;
use crate::skip::{Missing, Optional};
use crate::webdriver::{Element, Session};

static BROWSER: Optional = Optional::new("browser tests", "GATEKEEPER_REQUIRE_BROWSER");

/// How long a page may take on a busy machine.
const TIME_OUT: Duration = Duration::from_secs(30);

/// A desktop's window, in pixels.
pub(crate) const WIDE: (u32, u32) = (1280, 900);
/// A phone's.
pub(crate) const NARROW: (u32, u32) = (390, 844);
/// The smallest phone's, and WCAG 2.2's for 1.4.10, reflow.
pub(crate) const SMALL: (u32, u32) = (320, 640);

/// A script that marks a page, so that [`Browser::arrive`] can tell the next one from it.
pub(crate) const MARK: &str = "document.isMarked = true";

/// A browser, at first with one window. It ends when it is dropped.
pub(crate) struct Browser {
    session: Session,
}

impl Browser {
    /// Opens a browser. Where none is installed, says so and returns none.
    pub(crate) async fn open() -> Option<Self> {
        match Self::start().await {
            Ok(browser) => Some(browser),
            Err(missing) => {
                BROWSER.skip(&missing);
                None
            }
        }
    }

    async fn start() -> Result<Self, Missing> {
        let driver = Driver::start()?;
        let capabilities = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new",
                // Chromium's sandbox needs privileges that containers do not have. Only our pages are opened.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
            ] },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": TIME_OUT.as_millis() },
        });
        let session = match Session::open(driver, &capabilities).await {
            Ok(session) => session,
            Err(failure) if failure.answer.contains("cannot find Chrome binary") => {
                return Err(Missing("no Chromium or Chrome is installed".to_owned()));
            }
            Err(failure) => panic!("{failure:?}"),
        };
        let browser = Self { session };
        browser.resize(WIDE).await;
        Ok(browser)
    }

    // Settings of the window in front.

    /// Sets the size of the page's area, on a screen with one pixel for each of CSS.
    pub(crate) async fn resize(&self, (width, height): (u32, u32)) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// Sets whether the person prefers dark pages.
    pub(crate) async fn set_dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Sets whether pages that are loaded from now on run their scripts.
    pub(crate) async fn set_javascript(&self, on: bool) {
        let disabled = json!({ "value": !on });
        self.devtools("Emulation.setScriptExecutionDisabled", disabled)
            .await;
    }

    async fn devtools(&self, command: &str, params: Value) {
        self.session.devtools(command, params).await.unwrap();
    }

    // What a person does.

    /// Opens an address, and returns when the page is loaded.
    pub(crate) async fn goto(&self, url: &str) {
        self.session.go_to(url).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.session.refresh().await.unwrap();
    }

    /// The first element that a CSS selector finds.
    async fn find(&self, selector: &str) -> Element {
        match self.session.find(selector).await {
            Ok(element) => element,
            Err(failure) => panic!("{failure:?}\n{}", self.text().await),
        }
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.session.click(&element).await.unwrap();
    }

    /// Clicks on an element that leads to a page, the same or another, and waits until that is loaded.
    pub(crate) async fn click_through(&self, selector: &str) {
        self.through(selector, self.click(selector)).await;
    }

    /// Clicks twice on an element, as people do who expect that of a button, and waits until a page is
    /// loaded.
    pub(crate) async fn double_click_through(&self, selector: &str) {
        let button = self.find(selector).await;
        let act = async { self.session.double_click(&button).await.unwrap() };
        self.through(selector, act).await;
    }

    /// Presses keys, the last of which leads to a page, and waits until that is loaded.
    pub(crate) async fn press_through(&self, keys: &str) {
        self.through("a key", self.press(keys)).await;
    }

    async fn through(&self, what: &str, act: impl Future<Output = ()>) {
        self.eval(MARK).await;
        act.await;
        self.arrive(what).await;
    }

    /// Waits until a page is loaded that has no [`MARK`].
    pub(crate) async fn arrive(&self, what: &str) {
        let start = Instant::now();
        let arrived = "return !document.isMarked && document.readyState === 'complete'";
        while start.elapsed() < TIME_OUT {
            // Fails while the browser is between two pages.
            let arrived = self.session.execute(arrived).await;
            if arrived.is_ok_and(|arrived| arrived == true) {
                return;
            }
        }
        panic!("{what} did not lead to a page\n{}", self.text().await);
    }

    /// Types into a field, after emptying it.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        self.session.clear(&field).await.unwrap();
        self.session.send_keys(&field, text).await.unwrap();
    }

    /// Chooses an option of a list by its value.
    pub(crate) async fn choose(&self, selector: &str, value: &str) {
        self.click(&format!("{selector} option[value='{value}']"))
            .await;
    }

    /// Presses keys one after the other, wherever the focus is. [`crate::webdriver::key`] has those that
    /// are not characters.
    pub(crate) async fn press(&self, keys: &str) {
        self.session.press(keys).await.unwrap();
    }

    /// Opens one more window and brings it to the front. Returns the old one and the new one.
    pub(crate) async fn second_window(&self) -> [String; 2] {
        let first = self.session.window().await.unwrap();
        let second = self.session.new_window().await.unwrap();
        self.to_front(&second).await;
        [first, second]
    }

    pub(crate) async fn to_front(&self, window: &str) {
        self.session.switch_to(window).await.unwrap();
    }

    /// All windows, with those that links have opened.
    pub(crate) async fn windows(&self) -> Vec<String> {
        self.session.windows().await.unwrap()
    }

    // What a person sees.

    /// All text of the page that is shown.
    pub(crate) async fn text(&self) -> String {
        let text = self.eval("return document.body.innerText").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The text of an element, as it is shown.
    pub(crate) async fn text_of(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        self.session.text(&element).await.unwrap()
    }

    /// What a field holds.
    pub(crate) async fn value_of(&self, selector: &str) -> String {
        let field = self.find(selector).await;
        self.session.value(&field).await.unwrap()
    }

    /// Holds that the element with this id gets the focus. A page may give it a moment after it is loaded.
    pub(crate) async fn assert_focus_goes_to(&self, id: &str) {
        let start = Instant::now();
        let mut focused = Value::Null;
        while start.elapsed() < TIME_OUT && focused != id {
            focused = self.eval("return document.activeElement.id").await;
        }
        assert_eq!(focused, id);
    }

    /// How many elements a CSS selector finds.
    pub(crate) async fn count(&self, selector: &str) -> usize {
        self.session.count(selector).await.unwrap()
    }

    pub(crate) async fn url(&self) -> String {
        self.session.url().await.unwrap()
    }

    /// The result of a script. It runs even where pages may not run theirs.
    pub(crate) async fn eval(&self, script: &str) -> Value {
        self.session.execute(script).await.unwrap()
    }

    /// What a script passes to the function that is its last argument.
    pub(crate) async fn eval_async(&self, script: &str) -> Value {
        self.session.execute_async(script).await.unwrap()
    }

    /// Waits until an expression is true on the page. It is evaluated at first and after each change of the
    /// page. In it, `text(selector)` is the text of the first element that a CSS selector finds, or empty.
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
        if let Err(failure) = self.session.execute_async(&script).await {
            let answer = failure.answer;
            let text = self.text().await;
            panic!("waited in vain for {expression}: {answer}\n{text}");
        }
    }

    /// The warnings and errors that the browser has logged since this was called last: scripts that failed,
    /// content that the page's own policy forbids, responses with a status of an error.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.session.log().await.unwrap();
        log.iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .map(|entry| entry["message"].to_string())
            .collect()
    }
}
