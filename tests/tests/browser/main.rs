//! The pages in a real browser: headless Chromium, driven by chromedriver.
//!
//! Where either is not installed, these tests are skipped and say so once; with
//! `GATEKEEPER_REQUIRE_BROWSER=1` that is a failure instead.
//!
//! | module | what |
//! | --- | --- |
//! | `driver` | the process of chromedriver, which ends with its browsers when the test ends |
//! | `webdriver` | the commands that it is sent |
//! | `browser` | a browser: its settings, what a person does and sees in it |
//! | `checks` | what holds for every page: contrast, keyboard, names, no scrolling sideways |
//! | `axe` | axe-core's rules |
//! | `exchange` | HTTP without a browser |
//! | `skip` | tests that need something which is not installed everywhere |
//! | `approvals` | the pages behind approvers' links |
//! | `local_page` | the local world's page |

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of this crate is tests; a panic with its place is the answer wanted"
)]

mod approvals;
mod axe;
mod browser;
mod checks;
mod driver;
mod exchange;
mod local_page;
mod skip;
mod webdriver;
